"""Random faults, cancellations and outages of the shared store, over threads and event loops at once.

What happens to each call is drawn from a seed: the settings of its round, its style, the faults that its
requests meet, and when its caller leaves. So a round can be run again: ``python -m benchmarks._chaos SEED
ROUND``. What the machine decides, as the order in which threads run, differs from run to run, and so the
laws are those that hold in any order:

1. No place in a queue and no permit remains taken. (A shared store that was out may keep one until its lease
   ends, for nobody could give it back.)
2. A call makes no more requests than `worst_case()` says.
3. Each call has one intent and one record, and no call has two.
4. Each request has its attempt on record, and each attempt that cannot have been cut short its request.
5. No connection, task or thread is left.
6. Nobody gets a broken reply as an answer, and nobody an error that is not of this library.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import types
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Generator, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import openai

from guardrails_lite import (
    Breaker,
    Budget,
    Cache,
    Clocks,
    Guard,
    GuardrailsError,
    Hedge,
    Limits,
    RedisStore,
    Retry,
    RetryBudget,
    SQLiteStore,
    Upstream,
    bound,
    target,
)
from guardrails_lite.reliability._shared_store import DegradingStore
from guardrails_lite.testing import LoopbackServer, Request
from guardrails_lite.testing.faults import FAULTS, Fault, Variant
from guardrails_lite.testing.faults._fault import TEXT
from guardrails_lite.testing.faults._server import healthy

SORRY = "Sorry."
THREADS, LOOPS, TASKS = 6, 2, 5
DEADLINE_S = 1.5
_CALLS = 4
"""Of each thread and task in a round."""
_MODELS = 4
"""A server that asks for a pause gets it for one model only."""
_HEAVY = frozenset({"B21", "B23", "H25", "S29", "S30"})
"""Faults that take a second to read, and would leave no time for others."""
_HI = [{"role": "user", "content": "How are things?"}]
_GRACE_S = 6.0
"""A lease ends so long after the deadline."""
_PATIENCE_S = 10.0
_CUT_SHORT = frozenset({"timeout", "cancelled", "connection"})
"""Ends of attempts of which the server may have seen nothing."""

Struck = tuple[Fault, Variant]
_STRIKES: list[Struck] = [
    (fault, variant)
    for fault in FAULTS.values()
    if fault.is_served and fault.id not in _HEAVY and not fault.warm
    for variant in fault.answers
    if (variant.place or fault.place) == "answer"
]
_SAID = {TEXT, SORRY} | {v.says for f, v in _STRIKES if "DELIVER" in (v.expected or f.expected)}


@dataclass
class Toll:
    """What a run has broken, and that it has run."""

    seed: object
    broken: list[str] = field(default_factory=list)
    """Each law that was broken, with the round."""
    outcomes: Counter[str] = field(default_factory=Counter)
    requests: int = 0


def chaos(seed: object, rounds: Iterator[int] | range, *, stores: tuple[str, ...] = ("memory",)) -> Toll:
    """Run rounds of chaos.

    Args:
        seed: Where everything that is drawn comes from.
        rounds: Their numbers; each is the same whichever others are run.
        stores: Where the state of the upstreams lives, in turns: ``memory``, ``sqlite``, ``redis``.
    """
    toll = Toll(seed)
    interval_s, threshold = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-4)  # threads come between one another wherever they can
    gc.set_threshold(100)  # and what was left behind is collected wherever it can be
    try:
        for number in rounds:
            with tempfile.TemporaryDirectory() as folder:
                kind = stores[number % len(stores)]
                with _store(kind, Path(folder), random.Random(f"{seed} {number} outages")) as store:
                    _Round(toll, f"{seed} {number}", store).run()
    finally:
        sys.setswitchinterval(interval_s)
        gc.set_threshold(*threshold)
    return toll


class _Round:
    """Some calls at once, under settings of their own."""

    def __init__(self, toll: Toll, seed: str, store: Any) -> None:
        self.toll = toll
        self.seed = seed
        self.store = store
        self._lock = threading.Lock()
        self.told: dict[str, list[str]] = defaultdict(list)
        """What the log was told of each id."""
        self.records: list[Any] = []
        self.asked: Counter[str] = Counter()
        self.guard = self._guard(random.Random(seed))

    def _guard(self, dice: random.Random) -> Guard[Any]:
        self.upstream = Upstream(
            limits=Limits(concurrency=dice.choice([1, 3, 8, 50]), queue=dice.choice([2, 1_000, 1_000])),
            breaker=dice.choice([None, None, Breaker(min_calls=8, open_s=0.01, longest_open_s=0.02)]),
            retries=dice.choice([None, RetryBudget(share=1.0)]),
            store=self.store,
        )
        self.resumes = dice.random() < 0.3
        """What a broken answer says may then be gone on with, by any other."""
        self.shares = dice.random() < 0.4
        fallback = [target(model="other"), target(SORRY)]
        return Guard(
            retry=Retry(
                attempts=dice.randint(1 + self.resumes, 3),
                reasks=dice.randint(0, 1),
                wait=0,
                after_text="resume" if self.resumes else "raise",
            ),
            fallback=fallback[: dice.randint(0, 2)],
            upstream=self.upstream,
            cache=Cache(entries=1, ttl_s=1e-9) if self.shares else None,
            hedge=None if dice.random() < 0.6 else Hedge(after_s=0.02, max_share=1.0),
            clocks=Clocks(first_content_s=0.2, between_content_s=0.2, whole_reply_s=0.3),
            budget=Budget(deadline_s=DEADLINE_S),
            log=self,
        )

    # --- the log ---

    def intent(self, intent: Any) -> None:
        """As a log is told that there will be a call."""
        with self._lock:
            self.told[intent.id].append("intent")

    def __call__(self, record: Any) -> None:
        """As a log is told how it ended."""
        with self._lock:
            self.told[record.id].append("record")
            self.records.append(record)

    # --- the calls ---

    def run(self) -> None:
        """Make the calls of all threads and tasks, and hold what is left against the laws."""
        before = threading.active_count()
        with LoopbackServer(then=self._answer) as server:
            where: dict[str, Any] = {"api_key": "k", "base_url": server.base_url}
            with openai.OpenAI(**where) as bare, self.guard.wrap(bare) as client:
                work = [partial(self._calls, client, nth) for nth in range(THREADS)]
                work += [partial(asyncio.run, self._tasks(where, nth)) for nth in range(LOOPS)]
                threads = [threading.Thread(target=each) for each in work]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                gc.collect()
            if not server.wait_idle(_PATIENCE_S):
                self._broken(f"5: {server.open_connections} connections are left")
        ends_s = time.monotonic() + _PATIENCE_S
        while threading.active_count() > before and time.monotonic() < ends_s:
            time.sleep(0.01)
        if threading.active_count() > before:
            self._broken(f"5: threads are left: {threading.enumerate()}")
        self._check_accounts()
        self._check_places()

    def _answer(self, request: Request) -> Any:
        tag = request.body["user"]
        with self._lock:
            nth = self.asked[tag]
            self.asked[tag] += 1
        strikes = self._strikes(tag)
        struck = strikes[nth] if nth < len(strikes) else None
        if struck is None or struck[0].streamed not in (None, request.streams):
            return healthy(request)
        return struck[1].answer

    def _strikes(self, tag: str) -> list[Struck | None]:
        """What the requests of a call meet, or those of the identical calls of one tag, in turn."""
        dice = random.Random(f"{self.seed} {tag}")
        first, *others = (dice.choice(_STRIKES) if dice.random() < 0.6 else None for _ in range(9))
        return [first, *(each if each is None or not each[0].params else None for each in others)]

    def _calls(self, client: openai.OpenAI, nth: int) -> None:
        for number in range(_CALLS):
            call = _Call(self, f"{nth}.{number}")
            with call.answers_for_itself():
                call.ask(client)

    async def _tasks(self, where: dict[str, Any], nth: int) -> None:
        async with openai.AsyncOpenAI(**where) as bare:
            client = self.guard.wrap(bare)

            async def calls(task: int) -> None:
                for number in range(_CALLS):
                    call = _Call(self, f"{THREADS + nth * TASKS + task}.{number}")
                    with call.answers_for_itself():
                        asked = call.aask(client)
                        await asyncio.create_task(_task(call.leaves_at, asked))

            await asyncio.gather(*(calls(task) for task in range(TASKS)))
        gc.collect()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others and (await asyncio.wait(others, timeout=_PATIENCE_S))[1]:
            self._broken(f"5: tasks are left: {others}")

    # --- the laws ---

    def _broken(self, what: str) -> None:
        with self._lock:
            self.toll.broken.append(f"round {self.seed!r}: law {what}")

    def _check_accounts(self) -> None:
        for told in self.told.values():
            if told != ["intent", "record"]:
                self._broken(f"3: a call is told as {told}")
        sessions = Counter(record.who.get("session") for record in self.records)
        if twice := [session for session, count in sessions.items() if count > 1]:
            self._broken(f"3: calls {twice} have two records")
        sends = self.guard.worst_case().sends
        sent: Counter[str] = Counter()
        sure: Counter[str] = Counter()
        for record in self.records:
            tag = self.tag_of(record.who["session"])
            attempts = [
                step
                for step in record.attempts
                if step.target != "fixed answer" and step.result != "turned away"
            ]
            sent[tag] += len(attempts)
            sure[tag] += sum(step.result not in ("timeout", "cancelled") for step in attempts)
            if len(attempts) > sends:
                self._broken(f"2: call {record.who['session']} made {len(attempts)} of {sends} sends")
            self.toll.outcomes[record.outcome] += 1
        for tag in sent.keys() | self.asked.keys():
            if not sure[tag] <= self.asked[tag] <= sent[tag]:
                self._broken(f"4: {tag}: {sent[tag]} attempts, {sure[tag]} whole; {self.asked[tag]} requests")
        self.toll.requests += self.asked.total()

    def _check_places(self) -> None:
        for turnstile in self.upstream._turnstiles._all.values():
            store: Any = turnstile.store
            if isinstance(store, DegradingStore):
                self._check_taken("own", store.update_here(turnstile._keys, _taken), 0.0)
                with contextlib.suppress(Exception):  # an outage that is just beginning
                    now_s, taken = store._shared.now_s(), store._shared.update(turnstile._keys, _taken)
                    self._check_taken("shared", taken, time.time() if now_s > 1e9 else time.monotonic())
            else:
                self._check_taken("own", store.update(turnstile._keys, _taken), 0.0)

    def _check_taken(self, whose: str, taken: list[float], now_s: float) -> None:
        """No place is taken; in a shared store none for longer than its lease."""
        if wrong := [ends_s for ends_s in taken if ends_s > now_s + (DEADLINE_S + _GRACE_S if now_s else 0)]:
            self._broken(f"1: {len(wrong)} places are taken in the {whose} store: {wrong} at {now_s}")

    def tag_of(self, session: str) -> str:
        """Calls of one tag are identical, where the guard has identical calls sent once."""
        thread, number = map(int, session.split("."))
        return f"{thread % 3}.{number}" if self.shares else session


def _is_sent(step: Any) -> bool:
    return bool(step.target != "fixed answer" and step.result != "turned away")


def _taken(*parts: Any) -> list[float]:
    """When the leases of all places end that are taken."""
    account, endpoint, lane = parts
    circuits = (account, endpoint, lane.circuit)
    held = [lane.meter.in_flight, lane.pause.out, *(circuit.probes for circuit in circuits)]
    waiting = [waiter.until_s for waiter in lane.queue.waiters]
    return [ends_s for each in held for ends_s in each.values()] + waiting


class _Call:
    """One call, and what its caller does."""

    def __init__(self, round: _Round, session: str) -> None:
        self.round = round
        self.session = session
        dice = random.Random(f"{round.seed} {session}")
        self.streams = dice.random() < 0.5
        self.leaves_at = dice.randrange(20) if dice.random() < 0.4 else None
        """Of an async call the await, of a sync stream the chunk, at which its caller leaves."""
        self.how = dice.choice(["closes", "drops", "drops in a cycle"])
        tag = round.tag_of(session)
        first = round._strikes(tag)[0]
        model = f"m{sum(map(ord, tag)) % _MODELS}"
        self.params = {"model": model, "messages": _HI, "user": tag, **(first[0].params if first else {})}

    @contextlib.contextmanager
    def answers_for_itself(self) -> Iterator[None]:
        """Judge what comes out of it."""
        try:
            with bound(session=self.session):
                yield
        except GuardrailsError:
            pass  # its record tells
        except asyncio.CancelledError:
            if self.leaves_at is None:
                self.round._broken(f"6: call {self.session} was cancelled by nobody")
        except BaseException as error:
            self.round._broken(f"6: call {self.session} raised {type(error).__name__}: {error}")

    def ask(self, client: openai.OpenAI) -> None:
        """Make it, and read it as far as its caller stays."""
        create: Any = client.chat.completions.create
        reply = create(**self.params, stream=self.streams)
        if not self.streams:
            self._got({choice.index: choice.message.content or "" for choice in reply.choices})
            return
        said: dict[int, str] = defaultdict(str)
        for nth, chunk in enumerate(reply):
            if nth == self.leaves_at:
                if self.how == "closes":
                    reply.close()
                if self.how == "drops in a cycle":
                    _knot(reply)
                return
            _add(said, chunk)
        self._got(said)

    async def aask(self, client: openai.AsyncOpenAI) -> None:
        """The same, on an event loop."""
        create: Any = client.chat.completions.create
        reply = await create(**self.params, stream=self.streams)
        if not self.streams:
            self._got({choice.index: choice.message.content or "" for choice in reply.choices})
            return
        said: dict[int, str] = defaultdict(str)
        try:
            async for chunk in reply:
                _add(said, chunk)
        except asyncio.CancelledError:
            if self.how == "drops in a cycle":
                _knot(reply)
            raise
        self._got(said)

    def _got(self, said: dict[int, str]) -> None:
        texts = {text for text in said.values() if not (self.round.resumes and text.startswith("All is "))}
        if "tools" not in self.params and not texts <= _SAID:
            self.round._broken(f"6: call {self.session} was answered {said}")


def _knot(stream: Any) -> None:
    """Leave a stream to the garbage collector, which comes at any moment and in any thread."""
    knot = [stream]
    knot.append(knot)


def _add(said: dict[int, str], chunk: Any) -> None:
    for choice in chunk.choices:
        said[choice.index] += choice.delta.content or ""


async def _task(leaves_at: int | None, call: Coroutine[Any, Any, Any]) -> None:
    await _cancelled_at(leaves_at, call)  # a task takes no generator, as of Python 3.12


@types.coroutine
def _cancelled_at(number: int | None, call: Coroutine[Any, Any, Any]) -> Generator[Any, Any, None]:
    """Await *call*, and cancel the task when it has begun to wait *number* times."""
    task = asyncio.current_task()
    assert task is not None
    count = 0
    step: Callable[[], Any] = lambda: call.send(None)  # noqa: E731
    while True:
        try:
            asked = step()
        except StopIteration:
            return
        if count == number:
            task.cancel()
        count += 1
        try:
            yield asked
        except BaseException as error:
            failed = error
            step = lambda: call.throw(failed)  # noqa: B023, E731
        else:
            step = lambda: call.send(None)  # noqa: E731


# --- the stores, and their outages ---


@contextlib.contextmanager
def _store(kind: str, folder: Path, dice: random.Random) -> Iterator[Any]:
    if kind == "memory":
        yield None
        return
    if kind == "sqlite":
        path = folder / "state.db"
        store: Any = SQLiteStore(path, workers=2)
        with _outages(dice, lambda: _locked(path)), contextlib.closing(store):
            yield store
        return
    with _redis() as (url, server):
        store = RedisStore(url, workers=2)
        with _outages(dice, lambda: _stopped(server)), contextlib.closing(store):
            yield store


@contextlib.contextmanager
def _outages(dice: random.Random, outage: Callable[[], Any]) -> Iterator[None]:
    over = threading.Event()

    def come_and_go() -> None:
        while not over.wait(dice.uniform(0.05, 0.4)):
            with outage():
                over.wait(dice.uniform(0.0, 0.3))

    weather = threading.Thread(target=come_and_go)
    weather.start()
    try:
        yield
    finally:
        over.set()
        weather.join()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Another program holds on to the file."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=1.0)) as other:
        with contextlib.suppress(sqlite3.OperationalError):
            other.execute("BEGIN EXCLUSIVE")
        yield


@contextlib.contextmanager
def _stopped(server: subprocess.Popen[bytes]) -> Iterator[None]:
    """The server does not answer."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def stores_here() -> tuple[str, ...]:
    """The kinds of stores that this machine has."""
    return ("memory", "sqlite", "redis") if _redis_program() else ("memory", "sqlite")


def _redis_program() -> str | None:
    return shutil.which("redis-server") or shutil.which("valkey-server")


@contextlib.contextmanager
def _redis() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    program = _redis_program()
    assert program is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [program, "--port", str(port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        for _ in range(200):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 0.1).close()
                break
            time.sleep(0.02)
        try:
            yield f"redis://127.0.0.1:{port}/0", server
        finally:
            server.terminate()


if __name__ == "__main__":
    first = int(sys.argv[2])
    last = int(sys.argv[3]) if len(sys.argv) > 3 else first + 1
    found = chaos(sys.argv[1], range(first, last), stores=stores_here())
    print(*found.broken, dict(found.outcomes), f"{found.requests} requests", sep="\n")
    raise SystemExit(bool(found.broken))
