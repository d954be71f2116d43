"""Functions of the user's own, in which nobody sees what they wait for: what their deadline does."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from guardrails_lite import Budget, DeadlineExceeded, Guard, target
from guardrails_lite.reliability import time_left_s

SOON_S = 0.05
LONG_S = 60.0


class Model:
    """Waits for longer than anybody has time; a test lets it go on."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()
        self.is_closed = threading.Event()
        """Its stream has been closed, or was read to its end."""

    def __call__(self, messages: Any) -> str:
        """Answer in the end."""
        self.goes_on.wait(LONG_S)
        return "late"

    def stream(self, messages: Any) -> Iterator[str]:
        """Stream, and stop in the middle."""
        try:
            yield "a"
            self.goes_on.wait(LONG_S)
            yield "b"
            yield "c"
        finally:
            self.is_closed.set()

    def opens_late(self, messages: Any) -> Iterator[str]:
        """Return a stream in the end. It is none to read before that."""
        self.goes_on.wait(LONG_S)
        return Stream(self.is_closed)


class Stream(Iterator[str]):
    """One that has a connection."""

    def __init__(self, is_closed: threading.Event) -> None:
        self._is_closed = is_closed

    def __next__(self) -> str:
        raise AssertionError("nobody reads it")

    def close(self) -> None:
        """Give the connection back."""
        self._is_closed.set()


def guard_of(written: list[Any], **settings: Any) -> Guard[Any]:
    """A guard whose deadline is soon."""
    return Guard(log=written.append, budget=Budget(deadline_s=SOON_S), **settings)


def test_a_function_is_waited_for_and_what_comes_late_is_told() -> None:
    """Nothing ends it in this thread: its answer is given, and the record says that it was late."""
    written: list[Any] = []

    def slow(messages: Any) -> str:
        threading.Event().wait(2 * SOON_S)
        return "late"

    assert guard_of(written, fallback=[target("Sorry.")])(slow)("hi") == "late"
    [note] = written[0].notes
    assert (written[0].outcome, note.what) == ("passed", "answered late")
    assert note.detail.endswith("s after the deadline")
    assert float(note.detail.split()[0]) >= SOON_S / 2


def test_a_function_can_end_itself() -> None:
    """It is told how long it has, and its own time-out goes on to the next target."""
    written: list[Any] = []
    told: list[float] = []

    def asks(messages: Any) -> str:
        told.append(time_left_s() or math.inf)
        raise TimeoutError

    assert guard_of(written, fallback=[target("Sorry.")])(asks)("hi") == "Sorry."
    assert all(left_s <= SOON_S for left_s in told)
    assert not [note for note in written[0].notes if note.what == "answered late"]


def test_a_generator_is_ended_at_its_next_chunk() -> None:
    """And closed."""
    written: list[Any] = []
    model = Model()
    threading.Timer(2 * SOON_S, model.goes_on.set).start()
    with pytest.raises(DeadlineExceeded):
        guard_of(written).run(model.stream, "hi")
    assert model.is_closed.is_set()
    assert written[0].outcome == "deadline passed"


@pytest.mark.parametrize("way", ["__call__", "stream", "opens_late"])
def test_under_a_loop_the_wait_is_ended_and_the_thread_left(way: str) -> None:
    """It goes on by itself; what it brings then is closed, and nobody gets it."""
    written: list[Any] = []
    model = Model()

    async def main() -> None:
        with pytest.raises(DeadlineExceeded):
            await guard_of(written).arun(getattr(model, way), "hi")
        assert not model.goes_on.is_set()
        model.goes_on.set()

    asyncio.run(main())  # which waits for its threads
    assert model.is_closed.is_set() == (way != "__call__")
    assert [record.outcome for record in written] == ["deadline passed"]


@pytest.mark.parametrize("way", ["__call__", "stream", "opens_late"])
def test_under_a_loop_a_cancellation_passes(way: str) -> None:
    """At once, as it is, and with its record."""
    written: list[Any] = []
    model = Model()
    guard: Guard[Any] = Guard(log=written.append)

    async def main() -> None:
        call = asyncio.create_task(guard.arun(getattr(model, way), "hi"))
        await asyncio.wait([call], timeout=SOON_S)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        model.goes_on.set()

    asyncio.run(main())
    assert model.is_closed.is_set() == (way != "__call__")
    assert [record.outcome for record in written] == ["cancelled"]


async def coroutine(messages: Any) -> str:
    """Wait on the loop."""
    await asyncio.sleep(LONG_S)
    return "late"


async def agenerator(messages: Any) -> AsyncIterator[str]:
    """Wait on the loop, in the middle."""
    yield "a"
    await asyncio.sleep(LONG_S)
    yield "b"


@pytest.mark.parametrize("model", [coroutine, agenerator])
def test_what_waits_on_the_loop_is_cancelled(model: Any) -> None:
    """Nothing of it goes on."""
    written: list[Any] = []

    async def main() -> None:
        with pytest.raises(DeadlineExceeded):
            await guard_of(written).arun(model, "hi")
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    assert written[0].outcome == "deadline passed"
