"""Cancelled while the log waits for its disk: the intent comes first, and the record is not lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from guardrails_lite import AuditLog, Guard, Record
from guardrails_lite._record import Intent
from guardrails_lite.audit import read
from guardrails_lite.audit._disk import Disk

SAID: Any = [{"role": "user", "content": "hi"}]
TURNS = 2_000
"""More turns of a loop than a thread needs to write something."""


class Slow:
    """A log whose disk takes until it is told to go on with an intent."""

    blocking = True

    def __init__(self) -> None:
        self.told: list[str] = []
        self.begun, self.goes_on = threading.Event(), threading.Event()

    def intent(self, intent: Intent) -> None:
        """Write it, in a while."""
        self.begun.set()
        assert self.goes_on.wait(60)
        self.told.append("intent")

    def __call__(self, record: Record) -> None:
        """Write it at once."""
        self.told.append(record.outcome)


async def model(messages: Any) -> str:
    """Never asked: the call is cancelled before."""
    raise AssertionError


async def streaming(messages: Any) -> AsyncIterator[str]:
    """Never asked either."""
    raise AssertionError
    yield ""


async def whole(guard: Guard[Any]) -> None:
    """Call for a whole reply."""
    await guard.arun(model, SAID)


async def streamed(guard: Guard[Any]) -> None:
    """Call for a stream."""
    async for _ in guard.astream(streaming, SAID):
        raise AssertionError


Call = Callable[[Guard[Any]], Coroutine[Any, Any, None]]


@pytest.mark.parametrize("call", [whole, streamed])
@pytest.mark.parametrize("times", [1, 2])
def test_a_call_cancelled_while_its_intent_is_written_is_told_in_order(call: Call, times: int) -> None:
    """However often it is cancelled, and whichever thread is first."""
    log = Slow()

    async def main() -> None:
        task = asyncio.create_task(call(Guard(log=log)))
        assert await asyncio.to_thread(log.begun.wait, 60)
        for _ in range(times):
            task.cancel()
            for _ in range(TURNS):
                await asyncio.sleep(0)
        has_ended = task.done()
        log.goes_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert has_ended == (times == 2)  # once: it waits for its record, behind the intent

    asyncio.run(main())
    assert log.told == ["intent", "cancelled"]


def test_a_call_thrown_away_while_its_intent_is_written_is_told_in_order() -> None:
    """As when its loop ends: nothing can be awaited any more."""
    log = Slow()

    async def main() -> None:
        call = Guard(log=log).arun(model, SAID)
        call.send(None)
        assert await asyncio.to_thread(log.begun.wait, 60)
        threading.Timer(0.01, log.goes_on.set).start()
        call.close()

    asyncio.run(main())
    assert log.told == ["intent", "cancelled"]


def test_a_strict_log_has_its_entries_in_order(tmp_path: Path) -> None:
    """Calls cancelled together, on a slow disk: of each an intent and then a record, and none is lost."""
    synced = threading.Event()

    def sync(descriptor: int) -> None:
        synced.wait(0.002)

    log = AuditLog(tmp_path / "log", mode="strict", disk=Disk(sync=sync))

    async def main() -> None:
        guard = Guard(log=log)
        tasks = [asyncio.create_task(whole(guard)) for _ in range(40)]
        for task in tasks:
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
    log.close()
    calls: dict[str, list[str]] = {}
    for entry in sorted(read(tmp_path / "log", kind=None), key=lambda entry: entry.n):
        if entry.type.startswith("call."):
            calls.setdefault(entry.id, []).append(entry.type)
    assert calls
    assert set(map(tuple, calls.values())) == {("call.intent", "call.completed")}
