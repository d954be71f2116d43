"""What deadlines, budgets and the way to an upstream cost, how they are kept, and what a soak leaves."""

from __future__ import annotations

import asyncio
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import openai

from benchmarks._chaos import chaos, stores_here
from benchmarks._crowd import CALLERS, LIMIT, LOOPS, PROBES, THREADS, crowded, recovering
from benchmarks._lateness import lateness
from benchmarks._soak import clients, functions
from guardrails_lite import Clocks, Guard, Retry, target
from guardrails_lite._messages import Usage
from guardrails_lite.reliability import Budget, Limits, SQLiteStore, Upstream
from guardrails_lite.reliability._bounded_client import bounded_client
from guardrails_lite.reliability._budget import Ledger
from guardrails_lite.reliability._deadline import time_limit
from guardrails_lite.reliability._permits import Permit
from guardrails_lite.reliability._turns import await_turn, wait_turn
from guardrails_lite.reliability._turnstile import Place, Turnstile, Turnstiles
from guardrails_lite.testing import LoopbackServer

Row = tuple[str, float, str, float | None, bool]

SOAK, SOAK_CLIENTS = 100_000, 4_000
"""Calls of functions, and of wrapped clients over loopback: together about a minute."""
CHAOS = 30
"""Rounds of random faults, cancellations and outages: about a minute and a half."""
_UPSTREAM = Upstream(limits=Limits(concurrency=100, rpm=1_000_000, tpm=1_000_000_000))
_BUDGET = Budget(deadline_s=20, tokens=50_000)
_USAGE = Usage(100, 50)
_MESSAGES = [{"role": "user", "content": "What is the capital of Norway?"}]


def rows() -> list[Row]:
    """Measure; each row is a name, a value, its unit, the bound it must keep, and whether it does."""
    found = [
        *_stacks(),
        _row("breaker, limits and budget by themselves", _stack_us(), "µs", 30.0),
        _row("… asynchronous", asyncio.run(_astack_us()), "µs", 60.0),
        _row("breaker and limits shared by SQLite", _sqlite_us(), "µs", 5_000.0),
        _row("bounded client over the bare one, loopback", _client_ratio(), "×", 1.03),
    ]
    found += [_row(name, off_ms, "ms off", 50.0) for name, off_ms in lateness()]
    return found + _crowd() + _soaks()


def _row(name: str, value: float, unit: str, bound: float) -> Row:
    return name, value, unit, bound, value <= bound


def _best_us(once: Callable[[], None], *, times: int = 400, rounds: int = 25) -> float:
    best = math.inf
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(times):
            once()
        best = min(best, (time.perf_counter() - began) / times * 1e6)
    return best


def _account() -> Ledger:
    ledger = Ledger(_BUDGET, now_s=0.0)
    admission = ledger.admit(now_s=0.0, model="gpt-4o", prompt_chars=300, max_completion_tokens=100)
    ledger.settle(admission, _USAGE)  # type: ignore[arg-type]  # it fits the budget
    return ledger


def _stack_us() -> float:
    turnstile = Turnstiles(_UPSTREAM).of(Place("account", "host", "model"))

    def once() -> None:
        _account()
        permit = wait_turn(turnstile, tokens=100, patience_s=20, lease_s=20)
        assert isinstance(permit, Permit)
        with time_limit(20):
            pass
        turnstile.settle(permit, tokens=150, first_content_s=0.1)

    return _best_us(once)


async def _astack_us() -> float:
    turnstile = Turnstiles(_UPSTREAM).of(Place("account", "host", "model"))

    async def once() -> None:
        _account()
        permit = await await_turn(turnstile, tokens=100, patience_s=20, lease_s=20)
        assert isinstance(permit, Permit)
        with time_limit(20):
            pass
        turnstile.settle(permit, tokens=150, first_content_s=0.1)

    return await _abest_us(once)


async def _abest_us(once: Callable[[], Awaitable[None]], *, times: int = 400, rounds: int = 25) -> float:
    best = math.inf
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(times):
            await once()
        best = min(best, (time.perf_counter() - began) / times * 1e6)
    return best


def _ask(messages: Any, model: str = "m") -> str:
    return "Oslo is the capital."


async def _aask(messages: Any, model: str = "m") -> str:
    return "Oslo is the capital."


def _guards() -> tuple[Guard[Any], Guard[Any]]:
    """A guard with nothing, and one with the whole stack."""
    full = Guard(
        log=[],
        retry=Retry(attempts=3, reasks=1),
        fallback=[target(model="spare"), target("Sorry, try later.")],
        budget=_BUDGET,
        upstream=_UPSTREAM,
        clocks=Clocks(first_content_s=2, between_content_s=1),
    )
    return Guard(log=[]), full


def _stacks() -> list[Row]:
    """What the whole stack costs where nothing fails, over the bare call and over a guard with nothing."""
    rows = []
    for how, bound, (bare, guarded, full) in (
        ("sync", 30.0, _sync_us()),
        ("async", 60.0, asyncio.run(_async_us())),
    ):
        rows += [
            _row(f"whole stack over the bare call, {how}", full - bare, "µs", bound),
            _row("… over the guard with nothing", full - guarded, "µs", bound),
        ]
    return rows


def _sync_us() -> list[float]:
    """Microseconds of the function, under a guard with nothing, and under the whole stack: the best."""
    calls = [_ask, *(guard(_ask) for guard in _guards())]
    best = [math.inf] * len(calls)
    for _ in range(60):
        for place, call in enumerate(calls):
            best[place] = min(best[place], _best_us(lambda call=call: call(_MESSAGES), times=15, rounds=5))  # type: ignore[misc]
    return best


async def _async_us() -> list[float]:
    calls = [_aask, *(guard(_aask) for guard in _guards())]
    best = [math.inf] * len(calls)
    for _ in range(60):
        for place, call in enumerate(calls):
            took = await _abest_us(lambda call=call: call(_MESSAGES), times=15, rounds=5)  # type: ignore[misc]
            best[place] = min(best[place], took)
    return best


def _crowd() -> list[Row]:
    """A thousand callers of an upstream that recovers, and callers of all kinds of one with a limit."""
    probes, answered = asyncio.run(recovering())
    most, served, calls = crowded()
    name = f"{THREADS} threads and {LOOPS} loops on one guard: most calls at a time"
    return [
        (
            f"{CALLERS:,} callers of a recovering upstream: most probes at a time",
            probes,
            "calls",
            PROBES,
            0 < probes <= PROBES and answered == CALLERS,
        ),
        (name, most, "calls", LIMIT, most == LIMIT and served == calls),
    ]


def _soaks() -> list[Row]:
    """Many calls with faults: nothing is lost, and nothing is left."""
    found = []
    for what, soak in (("functions", functions(SOAK)), ("wrapped clients", clients(SOAK_CLIENTS))):
        name = f"soak of {soak.calls:,} calls of {what}, one in five faulty"
        found += [
            _row(f"{name}: blocks of memory more", soak.blocks, "blocks", soak.calls / 5),
            _row("… threads, tasks and sockets left", soak.left, "left", 0),
            _row("… calls lost, answered wrongly or without their one record", soak.lost, "calls", 0),
            _row("… failures without an owner", soak.ownerless, "attempts", 0),
        ]
    return [*found, _row(f"laws broken in {CHAOS} rounds of chaos, each of 64 calls", _chaos(), "laws", 0)]


def _chaos() -> int:
    """Another seed each time."""
    toll = chaos(time.time_ns(), range(CHAOS), stores=stores_here())
    for law in toll.broken:
        print(law, file=sys.stderr)
    return len(toll.broken)


def _sqlite_us() -> float:
    with tempfile.TemporaryDirectory() as folder:
        store = SQLiteStore(Path(folder, "state.db"))
        turnstile: Turnstile = Turnstiles(_UPSTREAM, store).of(Place("account", "host", "model"))

        def once() -> None:
            permit = turnstile.ask(tokens=100)
            assert isinstance(permit, Permit)
            turnstile.settle(permit, tokens=150)

        best = _best_us(once, times=100, rounds=3)
        store.close()
    return best


def _client_ratio() -> float:
    with LoopbackServer([], then="Hello.") as server:
        bare = openai.OpenAI(api_key="k", base_url=server.base_url, max_retries=0)
        with bare, bounded_client(bare) as bounded:

            def once(client: openai.OpenAI) -> float:
                began = time.perf_counter()
                with time_limit(20):
                    client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
                return time.perf_counter() - began

            for _ in range(30):
                once(bare), once(bounded)
            pairs = [(once(bare), once(bounded)) for _ in range(300)]
    return statistics.median(b for _, b in pairs) / statistics.median(a for a, _ in pairs)


if __name__ == "__main__":
    for name, value, unit, bound, fine in rows():
        print(f"{'ok  ' if fine else 'OVER'}  {name:55} {value:10.2f} {unit:8} (at most {bound})")
