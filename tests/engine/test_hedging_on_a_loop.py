"""A call that is sent twice because its first content is late: the race, in tasks of an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from guardrails_lite import Budget, DeadlineExceeded, Guard, Hedge, Retry, block
from guardrails_lite._engine._effects import Send
from guardrails_lite._engine._flights import TaskFlight
from guardrails_lite._messages import Call
from guardrails_lite._targets import Primary
from tests.engine.conftest import word
from tests.engine.racing import DOWN, sends
from tests.engine.test_steps import SAID


class Hanging:
    """An async model that hangs the first time, until it is cancelled, and then answers."""

    def __init__(self) -> None:
        self.calls = 0
        self.cancelled = False

    async def acall(self, messages: Any) -> str:
        """A whole reply."""
        await self._hang_once()
        return "fine"

    async def astream(self, messages: Any) -> AsyncIterator[str]:
        """A stream, which says nothing while it hangs."""
        yield ""
        await self._hang_once()
        yield "fi"
        yield "ne"

    async def _hang_once(self) -> None:
        self.calls += 1
        if self.calls > 1:
            return
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled = True


SOON = Hedge(after_s=0.001, max_share=1.0)


def test_an_async_function_is_raced_in_tasks() -> None:
    """The loser is cancelled and awaited before the call returns."""

    async def call() -> tuple[Any, Any, Any]:
        model = Hanging()
        outcome = await Guard(hedge=SOON).arun(model.acall, "hi")
        return model, outcome, len(asyncio.all_tasks())

    model, outcome, tasks = asyncio.run(call())
    assert (outcome.value, model.calls, model.cancelled, tasks) == ("fine", 2, True, 1)
    assert sends(outcome.record) == [(1, "cancelled", "outrun"), (2, "answered", None)]


@pytest.mark.parametrize("held", [False, True])
def test_an_async_generator_is_raced_to_its_first_content(held: bool) -> None:
    """An empty chunk is no content; what was read ahead is released first, and the loser is closed."""

    async def call() -> tuple[Any, Any, Any, Any]:
        model = Hanging()
        rules = [block(word("nothing"))] if held else []
        live = Guard(hedge=SOON, output=rules).astream(model.astream, "hi")
        released = [chunk async for chunk in live]
        return model, released, live.outcome, len(asyncio.all_tasks())

    model, released, outcome, tasks = asyncio.run(call())
    assert "".join(released) == outcome.reply.text == "fine"
    assert (model.calls, model.cancelled, tasks) == (2, True, 1)
    assert sends(outcome.record) == [(1, "cancelled", "outrun"), (2, "answered", None)]


def test_a_hedge_that_breaks_off_is_resumed_from_what_it_brought() -> None:
    """It is the winner's text that was shown, so the rest is asked for with that, and not hedged again."""
    asked: list[Any] = []

    async def model(messages: Any) -> AsyncIterator[str]:
        asked.append(messages)
        if len(asked) == 1:
            await asyncio.Event().wait()
        elif len(asked) == 2:
            yield "Oslo is "
            raise DOWN
        else:
            yield "the capital."

    async def call() -> tuple[str, Any]:
        live = Guard(hedge=SOON, retry=Retry(attempts=2, wait=0, after_text="resume")).astream(model, "hi")
        return "".join([chunk async for chunk in live]), live.outcome.record

    text, record = asyncio.run(call())
    assert text == "Oslo is the capital."
    assert "Oslo is" in str(asked[2])
    assert [step.number for step in record.attempts] == [1, 2, 3]
    assert [step.result == "answered" for step in record.attempts] == [False, False, True]


def test_a_decorated_coroutine_is_hedged() -> None:
    """The function is called twice, with the same arguments."""
    model = Hanging()

    @Guard(hedge=SOON)
    async def ask(messages: Any) -> str:
        return await model.acall(messages)

    assert asyncio.run(ask([{"role": "user", "content": "hi"}])) == "fine"
    assert model.calls == 2


def test_a_call_that_is_cancelled_in_the_race_leaves_no_task() -> None:
    """Both sends are cancelled and awaited, and the record says so."""

    async def call() -> tuple[int, int]:
        under_way, cancelled = asyncio.Event(), 0

        async def model(messages: Any) -> str:
            nonlocal cancelled
            started.append(1)
            if len(started) == 2:
                under_way.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled += 1
            raise AssertionError

        task = asyncio.create_task(Guard(hedge=SOON, log=written.append).arun(model, "hi"))
        await under_way.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return cancelled, len(asyncio.all_tasks())

    started: list[int] = []
    written: list[Any] = []
    assert asyncio.run(call()) == (2, 1)
    assert [record.outcome for record in written] == ["cancelled"]
    assert sends(written[0]) == [
        (1, "cancelled", "CancelledError"),
        (2, "cancelled", "CancelledError"),
    ]


def test_a_flight_that_ignores_its_end_closes_what_it_brings() -> None:
    """Whoever gave it up has gone on after a while, so it gives the connection back itself."""
    closed: list[int] = []

    async def stream() -> AsyncIterator[str]:
        try:
            yield "late"
        finally:
            closed.append(1)

    async def call() -> None:
        async def send(call: Call, timeout_s: float | None) -> Any:
            under_way.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return stream()

        under_way = asyncio.Event()
        flight = TaskFlight(Send(Primary("model", send, False), SAID))
        await under_way.wait()
        flight.cancel()
        await flight.future

    asyncio.run(call())
    assert closed == [1]


def test_the_deadline_ends_both() -> None:
    """Neither send outlives the call's deadline."""

    async def model(messages: Any) -> str:
        await asyncio.Event().wait()
        raise AssertionError

    async def call() -> int:
        guard = Guard(hedge=SOON, budget=Budget(deadline_s=0.2), log=written.append)
        with pytest.raises(DeadlineExceeded, match="while the call waited for an answer of model"):
            await guard.arun(model, "hi")
        return len(asyncio.all_tasks())

    written: list[Any] = []
    assert asyncio.run(call()) == 1
    assert {step.result for step in written[0].attempts} <= {"timeout", "cancelled"}
