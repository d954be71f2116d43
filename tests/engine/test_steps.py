"""The engine stepped by hand: what it asks for, in which order, with no clock, loop or network."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from guardrails_lite import Finding, Guard, Retry, block, target, validator
from guardrails_lite._engine._drivers import adrive, drive
from guardrails_lite._engine._effects import Check, Close, Effect, Read, Send, Sleep, Write
from guardrails_lite._engine._exchange import exchange
from guardrails_lite._messages import Call
from guardrails_lite._targets import Primary

SAID = Call(({"role": "user", "content": "hi"},))


@validator(blocking=True)
def waits(text: str) -> list[Finding]:
    """Waits, so that it is asked for as an effect."""
    return []


def nobody(call: Call, timeout_s: float | None) -> Any:
    """Never called: the test answers in its place."""
    raise AssertionError


class Steps:
    """Play the driver: look at what the engine asks for, and answer."""

    def __init__(
        self,
        guard: Guard[Any],
        said: Call = SAID,
        *,
        live: bool = False,
        clock: Callable[[], float] | None = None,
        wall_clock: Callable[[], float] | None = None,
    ) -> None:
        plan = guard._plan
        plan = replace(plan, clock=clock or plan.clock, wall_clock=wall_clock or plan.wall_clock)
        self.core: Coroutine[Effect[Any], Any, Any] = exchange(
            plan, said, Primary("model", nobody, False), "sync", live=live
        )
        self.asked: Any = self.core.send(None)
        self.outcome: Any = None
        self.closed = False
        """Whether the engine has asked for the stream to be closed."""

    def answer(self, value: Any = None) -> Any:
        """Give an answer; return what is asked for next, or None at the end."""
        return self._next(lambda: self.core.send(value))

    def fail(self, error: BaseException) -> Any:
        """Give an error instead."""
        return self._next(lambda: self.core.throw(error))

    def finish(self) -> None:
        """Interrupt what is left, so that nothing is left behind."""
        while self.asked is not None:
            try:
                self.fail(KeyboardInterrupt())
            except KeyboardInterrupt:
                self.asked = None

    def _next(self, go: Any) -> Any:
        try:
            self.asked = go()
        except StopIteration as done:
            self.asked, self.outcome = None, done.value
        self.closed = self.closed or isinstance(self.asked, Close)
        return self.asked


def kinds(steps: Steps, answers: dict[type, Any]) -> list[str]:
    """Answer to the end; return the kinds of effects that were asked for."""
    asked = []
    while steps.asked is not None:
        asked.append(type(steps.asked).__name__)
        answer = answers[type(steps.asked)]
        steps.answer(answer(steps.asked) if callable(answer) else answer)
    return asked


def passing(effect: Check) -> list[Any]:
    """Every check passes."""
    return effect.run()


def test_the_order_of_one_call() -> None:
    """Input rules, intent, send, output rules, record."""

    class Sink:
        def intent(self, intent: Any) -> None: ...
        def __call__(self, record: Any) -> None: ...

    steps = Steps(Guard(input=[block(waits)], output=[block(waits)], log=Sink()))

    assert kinds(steps, {Check: passing, Send: "fine", Write: None}) == [
        "Check",
        "Write",
        "Send",
        "Check",
        "Write",
    ]
    assert steps.outcome.value == "fine"


def test_a_failure_sleeps_and_sends_again() -> None:
    """Retry is a Sleep between two Sends, and there is none after the last."""
    steps = Steps(Guard(retry=Retry(attempts=2, wait=7), log=lambda record: None))

    assert isinstance(steps.asked, Send)
    assert steps.fail(ConnectionError()) == Sleep(7)
    assert isinstance(steps.answer(), Send)
    assert isinstance(steps.fail(ConnectionError()), Write)
    steps.finish()


def test_the_fallback_follows_without_a_sleep() -> None:
    """Going on to the next target costs no wait."""
    steps = Steps(Guard(retry=Retry(attempts=1), fallback=[target(model="m-2")], log=lambda record: None))

    asked = steps.fail(ConnectionError())

    assert isinstance(asked, Send)
    assert asked.call.params == {"model": "m-2"}
    steps.finish()


def test_a_stream_is_read_and_closed() -> None:
    """Whatever was opened is closed, also when a read fails."""
    steps = Steps(Guard(retry=Retry(attempts=1), log=lambda record: None), live=True)
    stream = iter(["never read"])

    asked = steps.answer(stream)
    while not isinstance(asked, Read):
        asked = steps.answer()
    asked = steps.fail(ConnectionError())

    assert asked == Close(stream)
    steps.finish()


CUT = KeyboardInterrupt


def interrupted(steps: Steps) -> None:
    """Interrupt, then answer to the end."""
    steps.fail(CUT())
    while steps.asked is not None:
        steps.answer(steps.asked.run())


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("at", range(12))
def test_an_interrupt_at_every_step_completes_the_record(at: int, live: bool) -> None:
    """Wherever it strikes, the stream is closed, one record is written, and it passes through."""
    records: list[Any] = []
    guard = Guard(input=[block(waits)], output=[block(waits)], log=records.append)
    steps = Steps(guard, live=live)
    stream = iter(["a", "b"])
    opened = False
    for _ in range(at):
        if steps.asked is None:
            break
        opened = opened or isinstance(steps.asked, Send)
        steps.answer(stream if isinstance(steps.asked, Send) else steps.asked.run())
    if steps.asked is None or isinstance(steps.asked, Write):
        steps.finish()
        return  # the call has ended: nothing is left to interrupt
    with pytest.raises(CUT):
        interrupted(steps)

    assert [record.outcome for record in records] == ["cancelled"]
    assert steps.closed or not opened


def test_a_foreign_awaitable_is_refused() -> None:
    """The engine may await effects only; anything else is a bug that says so."""

    async def core() -> None:
        await asyncio.sleep(0)

    with pytest.raises(TypeError, match="which is no effect"):
        drive(core())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="which is no effect"):
        asyncio.run(adrive(core()))  # type: ignore[arg-type]


@pytest.mark.parametrize("after_s", [0.0, 0.005, 0.02])
def test_cancelling_a_task_completes_the_record(after_s: float) -> None:
    """Cancellation passes straight through and is recorded."""
    records: list[Any] = []

    async def model(messages: Any) -> str:
        await asyncio.sleep(5)
        return "never"

    async def call() -> None:
        task = asyncio.create_task(Guard(log=records.append).arun(model, "hi"))
        await asyncio.sleep(after_s)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(call())

    assert [record.outcome for record in records] in ([], ["cancelled"])
    assert records or after_s == 0


def test_a_call_that_is_cancelled_while_its_record_is_written_is_on_record_everywhere() -> None:
    """The sink that waits for a disk goes on in its thread, and the sinks after it get theirs at once."""
    written: list[Any] = []
    begun, goes_on = threading.Event(), threading.Event()

    class Slow:
        blocking = True

        def __call__(self, record: Any) -> None:
            begun.set()
            goes_on.wait(30)
            written.append(record)

    async def model(messages: Any) -> str:
        return "fine"

    async def main() -> None:
        task = asyncio.create_task(Guard(log=[Slow(), written.append]).arun(model, "hi"))
        await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(written) == 1
        goes_on.set()

    asyncio.run(main())
    assert [record.outcome for record in written] == ["passed", "passed"]


@pytest.mark.parametrize(
    ("ran_us", "told"), [(0.0, 0.0), (12.34, 12.3), (12.36, 12.4), (1e300, 1e300), (-1.26, -1.3)]
)
def test_a_record_tells_durations_in_tenths(ran_us: float, told: float) -> None:
    """A microsecond and one digit, whatever the clock said."""
    record = Guard().run(lambda messages: "an answer", "a question").record

    assert record._replace(duration_us=ran_us).to_dict()["duration_us"] == told
