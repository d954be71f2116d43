"""What a guard adds to a call: time over the bare function, in a stream; and memory.

Everything runs in this process. A function answers at once; a stream sleeps 0.5 ms for each of 200 chunks,
which is faster than any real one, so that the guard's share shows.
"""

from __future__ import annotations

import asyncio
import gc
import re
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

from guardrails_lite import Finding, Guard, Validator, block, validator
from guardrails_lite.audit import AuditLog

Row = tuple[str, float, str, float | None, bool]

MODEL = "gpt-5-mini-2025-08-07"
BATCHES = 600
CALLS = 15
"""Calls in a batch: few, so that some batches run undisturbed on a busy machine."""
MESSAGES = [{"role": "user", "content": "What is the capital of Norway?"}]
WARM, MEASURED = 8_192, 20_480
"""Multiples of what the memo of checked texts holds, so that it is as full after as before."""
PATTERNS = (r"sk-[A-Za-z0-9]{20,40}", r"\b\d{3}-\d{2}-\d{4}\b", r"\bconfidential\b")
WINDOW = 48
"""The longest match of these, with a character on either side."""
CHUNKS = [f"word{nth} " for nth in range(200)]


@validator(window=1)
def nothing(text: str) -> tuple[()]:
    """Find nothing, as fast as it goes."""
    return ()


def ask(messages: Any) -> str:
    """Answer at once."""
    return "Oslo is the capital."


async def aask(messages: Any) -> str:
    """Answer at once."""
    return "Oslo is the capital."


def ask_model(messages: Any, model: str) -> str:
    """Answer at once, whichever model is asked."""
    return "Oslo is the capital."


def rows() -> list[Row]:
    """Time calls and a stream; watch memory."""
    guard = Guard(input=[block(nothing)], output=[block(nothing)], log=[])
    plain = _over(guard(ask), ask)
    on_loop = asyncio.run(_aover(guard(aask), aask))
    with tempfile.TemporaryDirectory() as folder, AuditLog(folder) as log:
        logged = _over(Guard(input=[block(nothing)], output=[block(nothing)], log=log)(ask), ask)
    named = _over(partial(guard(ask_model), model=MODEL), partial(ask_model, model=MODEL))
    stream, first_ms = _stream()
    held_us = _held_us()
    grown = _grown_kb(guard(ask))
    return [
        ("guarded call over the bare function", plain, "µs", 15, plain <= 15),
        ("… of an async function", on_loop, "µs", 15, on_loop <= 15),
        ("… with an audit log", logged, "µs", 40, logged <= 40),
        ("… of a model that has a price", named, "µs", 20, named <= 20),
        ("stream with three patterns, against checks inlined", stream, "x", 1.15, stream <= 1.15),
        ("hold-back with three patterns, a chunk", held_us, "µs", 60, held_us <= 60),
        ("delay of a stream's first chunk", first_ms, "ms", 1, first_ms <= 1),
        (f"memory after {MEASURED:,} more calls", grown, "kB", 200, grown <= 200),
    ]


def _over(guarded: Callable[[Any], Any], bare: Callable[[Any], Any]) -> float:
    """Microseconds that *guarded* takes longer than *bare*: the best batches of each, taken in turns."""
    best = {guarded: float("inf"), bare: float("inf")}
    for _ in range(BATCHES):
        for function in best:
            began = time.perf_counter_ns()
            for _ in range(CALLS):
                function(MESSAGES)
            best[function] = min(best[function], time.perf_counter_ns() - began)
    return (best[guarded] - best[bare]) / CALLS / 1000


async def _aover(guarded: Callable[[Any], Awaitable[Any]], bare: Callable[[Any], Awaitable[Any]]) -> float:
    best = {guarded: float("inf"), bare: float("inf")}
    for _ in range(BATCHES):
        for function in best:
            began = time.perf_counter_ns()
            for _ in range(CALLS):
                await function(MESSAGES)
            best[function] = min(best[function], time.perf_counter_ns() - began)
    return (best[guarded] - best[bare]) / CALLS / 1000


def _stream() -> tuple[float, float]:
    """The ratio for a whole stream, and the milliseconds by which its first chunk comes later."""

    def talk(messages: list[dict[str, str]]) -> Iterator[str]:
        for chunk in CHUNKS:
            time.sleep(0.0005)
            yield chunk

    def inlined(messages: list[dict[str, str]]) -> Iterator[str]:
        seen = ""
        for chunk in talk(messages):
            seen = seen[-WINDOW:] + chunk
            if any(pattern.search(seen) for pattern in compiled):
                raise AssertionError("nothing is hidden in it")
            yield chunk

    compiled = [re.compile(each) for each in PATTERNS]
    rules = [block(_pattern(each)) for each in PATTERNS]
    guarded = Guard(output=rules, log=[])(talk)
    assert "".join(guarded(MESSAGES)) == "".join(inlined(MESSAGES))
    whole_s = _best_s(lambda: list(guarded(MESSAGES)), lambda: list(inlined(MESSAGES)), times=12)
    # A rule that needs no room holds nothing back: what is left is the delay of the machinery.
    at_once = Guard(output=[block(nothing)], log=[])(talk)
    first_s = _best_s(lambda: next(at_once(MESSAGES)), lambda: next(inlined(MESSAGES)), times=80)
    return whole_s[0] / whole_s[1], max(first_s[0] - first_s[1], 0) * 1000


def _held_us() -> float:
    """Microseconds that three patterns, each with its window, add to a chunk of a bare stream."""

    def talk(messages: list[dict[str, str]]) -> Iterator[str]:
        yield from CHUNKS

    guarded = Guard(output=[block(_pattern(each)) for each in PATTERNS], log=[])(talk)
    held_s, bare_s = _best_s(lambda: list(guarded(MESSAGES)), lambda: list(talk(MESSAGES)), times=60)
    return (held_s - bare_s) / len(CHUNKS) * 1e6


def _pattern(regex: str) -> Validator:
    compiled = re.compile(regex)

    @validator(window=WINDOW, name="pattern", params={"regex": regex})
    def find(text: str) -> list[Finding]:
        return [Finding("a forbidden pattern", span=match.span()) for match in compiled.finditer(text)]

    return find


def _best_s(*works: Callable[[], object], times: int) -> list[float]:
    """Seconds of each work at its best, taken in turns."""
    best = [float("inf")] * len(works)
    for _ in range(times):
        for place, work in enumerate(works):
            began = time.perf_counter()
            work()
            best[place] = min(best[place], time.perf_counter() - began)
    return best


def _grown_kb(guarded: Callable[[Any], Any]) -> float:
    """Kilobytes that Python holds more after many calls, each with another text."""
    tracemalloc.start()
    try:
        held = []
        for calls in (WARM, MEASURED):
            for nth in range(calls):
                guarded([{"role": "user", "content": f"{calls}: question {nth}"}])
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    return max(held[1] - held[0], 0) / 1000
