"""Many callers of one upstream at once: how many of them are ever out at a time."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from typing import Any

from guardrails_lite import Breaker, Exhausted, Guard, Limits, Retry, Upstream

CALLERS = 1_000
PROBES = 3
THREADS, LOOPS, LIMIT = 64, 3, 7
_LOST_PROBES = 2 * PROBES
"""So many probes fail before the upstream is well again."""


class Gauge:
    """How many are out, how many were at most, and how many came back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.out = self.most = self.back = 0

    def __enter__(self) -> None:
        with self._lock:
            self.out += 1
            self.most = max(self.most, self.out)

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            self.out -= 1
            self.back += 1


async def recovering(callers: int = CALLERS) -> tuple[int, int]:
    """Let *callers* ask an upstream that is down, again and again, until it is well and each is answered.

    Returns:
        The most calls that were out at a time while the circuit was half-open, and how many were answered.
    """
    upstream = Upstream(breaker=Breaker(min_calls=5, open_s=0.1, longest_open_s=0.2, probes=PROBES))
    guard = Guard(upstream=upstream, retry=Retry(attempts=1), log=[])
    gate = upstream.turnstile("", "", None)
    probes = Gauge()

    async def model(messages: Any) -> str:
        # On one loop nothing comes between the turnstile and this line, so the state is the call's own.
        states = gate.store.update(gate._keys, lambda *parts: {_state(part) for part in parts})
        if "half-open" in states:
            with probes:
                return await answer()
        return await answer()

    async def answer() -> str:
        await asyncio.sleep(0.01)
        if probes.back < _LOST_PROBES:
            raise ConnectionError("down")
        return "Oslo is the capital."

    async def caller(number: int) -> int:
        while True:
            try:
                await guard.arun(model, f"question {number}")
            except Exhausted:
                await asyncio.sleep(0.02 + number / callers / 20)
            else:
                return 1

    answered = sum(await asyncio.gather(*(caller(number) for number in range(callers))))
    return probes.most, answered


def _state(part: Any) -> str:
    return str(getattr(part, "circuit", part).state)


def crowded(threads: int = THREADS, loops: int = LOOPS, *, each: int = 8) -> tuple[int, int, int]:
    """Let threads and event loops call one guard at once, as fast as its limit of `LIMIT` lets them.

    Returns:
        The most calls that were out at a time, how many were answered, and of how many.
    """
    guard = Guard(upstream=Upstream(limits=Limits(concurrency=LIMIT)), log=[])
    gauge = Gauge()

    def model(messages: Any) -> str:
        with gauge:
            time.sleep(0.001)
        return "Oslo is the capital."

    async def amodel(messages: Any) -> str:
        with gauge:
            await asyncio.sleep(0.001)
        return "Oslo is the capital."

    def thread() -> None:
        for _ in range(each):
            guard.run(model, "a question")

    async def tasks() -> None:
        await asyncio.gather(*(guard.arun(amodel, "a question") for _ in range(each * 16)))

    workers = [threading.Thread(target=thread) for _ in range(threads)]
    workers += [threading.Thread(target=lambda: asyncio.run(tasks())) for _ in range(loops)]
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # threads come between one another wherever they can
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        sys.setswitchinterval(interval_s)
    return gauge.most, gauge.back, threads * each + loops * each * 16
