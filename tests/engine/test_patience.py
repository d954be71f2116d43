"""Waiting within a limit: as `asyncio.timeout` does it, and without a timer where nothing is waited for."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from guardrails_lite._patience import within as _within

T = TypeVar("T")
LONG_S = 3600.0
SHORT_S = 0.001


class CountingLoop(asyncio.SelectorEventLoop):
    """An event loop that counts the timers set on it."""

    timers = 0

    def call_at(self, *args: Any, **kwargs: Any) -> asyncio.TimerHandle:  # type: ignore[override]  # counted
        """Count, and set the timer."""
        self.timers += 1
        return super().call_at(*args, **kwargs)


async def within(awaited: Awaitable[T], timeout_s: float) -> T:
    """As an effect awaits it: from a coroutine."""
    return await _within(awaited, timeout_s, time.monotonic())


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> tuple[T, int]:
    """What *work* returns, and how many timers it has set."""
    loop = CountingLoop()
    try:
        return loop.run_until_complete(work()), loop.timers
    finally:
        loop.close()


async def _answer_after(turns: int) -> str:
    for _ in range(turns):
        await asyncio.sleep(0)
    return "answer"


async def _wait_for_ever() -> str:
    await asyncio.get_running_loop().create_future()
    return "never"


def test_what_does_not_wait_sets_no_timer() -> None:
    """An answer that is there at once costs no timer."""
    assert run(lambda: within(_answer_after(0), LONG_S)) == ("answer", 0)


@pytest.mark.parametrize("turns", [1, 2, 5])
def test_what_waits_is_waited_for(turns: int) -> None:
    """Each thing that is awaited reaches the event loop, and its answer comes back."""
    assert run(lambda: within(_answer_after(turns), LONG_S)) == ("answer", 1)


def test_what_is_awaited_gets_the_results_of_its_futures() -> None:
    """The answers of the event loop and of other tasks go in, in order."""

    async def work() -> list[int]:
        async def number(value: int) -> int:
            await asyncio.sleep(0)
            return value

        return [await asyncio.create_task(number(nth)) for nth in range(3)]

    assert run(lambda: within(work(), LONG_S))[0] == [0, 1, 2]


def test_a_wait_past_the_limit_is_a_timeout() -> None:
    """What waits too long is cancelled where it waits; the task itself is not."""
    seen: list[str] = []

    async def waits() -> None:
        try:
            await _wait_for_ever()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def work() -> int:
        task = asyncio.current_task()
        assert task is not None
        with pytest.raises(TimeoutError):
            await within(waits(), SHORT_S)
        await asyncio.sleep(0)
        return task.cancelling()

    assert run(work)[0] == 0
    assert seen == ["cancelled"]


def test_a_limit_that_is_past_ends_the_first_wait() -> None:
    """Time spent before the first wait counts: with none left, the wait ends at once."""

    async def work() -> None:
        with pytest.raises(TimeoutError):
            await within(_wait_for_ever(), -1.0)

    run(work)


def test_a_cancellation_from_outside_stays_one() -> None:
    """Whoever cancels the task sees it cancelled, and never a timeout."""

    async def work() -> tuple[bool, int]:
        task = asyncio.create_task(within(_wait_for_ever(), LONG_S))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return task.cancelled(), task.cancelling()

    assert run(work)[0] == (True, 1)


def test_a_cancellation_may_be_declined() -> None:
    """What is awaited may catch a cancellation and go on, as it may without a limit."""

    async def stubborn() -> str:
        try:
            await _wait_for_ever()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "went on"

    async def work() -> str:
        task = asyncio.create_task(within(stubborn(), LONG_S))
        await asyncio.sleep(0)
        task.cancel()
        return await task

    assert run(work)[0] == "went on"


@pytest.mark.parametrize("turns", [0, 1, 3])
def test_an_error_passes_as_it_is(turns: int) -> None:
    """An error of what is awaited is raised here, with nothing chained to it."""

    async def breaks() -> None:
        await _answer_after(turns)
        raise LookupError("mine")

    async def work() -> BaseException | None:
        with pytest.raises(LookupError, match="mine") as caught:
            await within(breaks(), LONG_S)
        return caught.value.__context__

    assert run(work)[0] is None


def test_an_inner_limit_and_an_outer_one_each_end_their_own() -> None:
    """Nested limits: the one that is over is the one that raises."""

    async def work() -> str:
        async def outer() -> str:
            with pytest.raises(TimeoutError):
                await within(_wait_for_ever(), SHORT_S)
            return await _answer_after(2)

        return await within(outer(), LONG_S)

    assert run(work)[0] == "answer"


def test_what_is_closed_while_it_waits_cleans_up() -> None:
    """Closing from outside closes what is awaited."""
    closed: list[str] = []

    async def waits() -> None:
        try:
            await _wait_for_ever()
        finally:
            closed.append("closed")

    async def work() -> None:
        core = within(waits(), LONG_S)
        core.send(None)
        core.close()

    run(work)
    assert closed == ["closed"]


class Plain:
    """Something to await that gives an iterator and no generator, which has neither `send` nor `throw`."""

    def __init__(self, turns: int) -> None:
        self._turns = turns

    def __await__(self) -> Iterator[None]:
        return itertools.repeat(None, self._turns)


@pytest.mark.parametrize("turns", [0, 1, 3])
def test_whatever_can_be_awaited_is_waited_for(turns: int) -> None:
    """An iterator will do, as for `await`; and so will a future."""
    assert run(lambda: within(Plain(turns), LONG_S)) == (None, min(turns, 1))

    async def work() -> str:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, "answer")
        return await within(future, LONG_S)

    assert run(work) == ("answer", 1)


def test_what_has_no_way_to_be_cancelled_is_left() -> None:
    """Nothing can be thrown into an iterator, so who awaits it is cancelled at once."""

    async def work() -> None:
        with pytest.raises(TimeoutError):
            await within(Plain(10**9), SHORT_S)
        task = asyncio.create_task(within(Plain(10**9), LONG_S))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(work)
