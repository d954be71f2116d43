"""A call that is sent twice because its first content is late: the race, stepped by hand and on a loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from guardrails_lite import (
    Blocked,
    Breaker,
    Budget,
    ConfigError,
    DeadlineExceeded,
    Guard,
    Hedge,
    Limits,
    Price,
    Retry,
    RetryBudget,
    Upstream,
    block,
    reask,
    target,
    tool,
)
from guardrails_lite._engine._effects import Admit, Send, Settle, Sleep, Write
from guardrails_lite._engine._flights import Flight, GiveUp, Land, Landing, Launch, TaskFlight
from guardrails_lite._messages import Call
from guardrails_lite._targets import Primary
from guardrails_lite.testing import completion
from tests.engine.conftest import NOW, word
from tests.engine.test_steps import SAID, Steps
from tests.engine.test_upstream import BUSY, is_empty, lane

ALWAYS = Hedge(after_s=1.0, max_share=1.0)
ONCE = Retry(attempts=1)
PRICED = Call(SAID.messages, {"model": "m"})
DOWN = ConnectionError("no route to host 10.1.2.3")


class Played(Flight):
    """A flight whose landing the test decides."""

    def __init__(self) -> None:
        super().__init__(concurrent.futures.Future())
        self.cancelled = False

    def brings(self, raw: Any) -> None:
        """It lands with a reply."""
        self.future.set_result(Landing(raw, False))  # type: ignore[union-attr]

    def fails(self, error: BaseException) -> None:
        """It lands with an error."""
        self.future.set_exception(error)  # type: ignore[union-attr]

    def cancel(self) -> None:
        """Told to end."""
        self.cancelled = True


class Race(Steps):
    """Play the driver of a hedged call, up to where both sends are under way."""

    def __init__(self, guard: Guard[Any], said: Call = SAID) -> None:
        super().__init__(guard, said)
        self.flights: list[Played] = []

    def launch(self) -> Played:
        """Let a send set off."""
        assert isinstance(self.asked, Launch)
        flight = Played()
        self.flights.append(flight)
        self.answer(flight)
        return flight

    def both(self) -> tuple[Played, Played]:
        """Let the first be late, so that the second sets off."""
        first = self.launch()
        assert self.asked == Land([first], 1.0)
        self.answer()
        return first, self.launch()

    def land(self, flight: Played, brings: Any) -> Any:
        """Land a flight; return what is asked for next."""
        assert isinstance(self.asked, Land)
        if isinstance(brings, BaseException):
            flight.fails(brings)
        else:
            flight.brings(brings)
        return self.answer()

    def interrupt(self, kind: type[BaseException]) -> None:
        """Interrupt, then answer to the end; a core that is collected asks for nothing any more."""
        if kind is GeneratorExit:
            self.core.throw(GeneratorExit)
        self.fail(kind())
        self.to_the_end()

    def to_the_end(self) -> Any:
        """Answer what is left; return the record."""
        record = None
        while self.asked is not None:
            if isinstance(self.asked, Write):
                record = self.asked.entry
            self.answer(self.asked.run())
        return record


def hedged(**settings: Any) -> Guard[Any]:
    """A guard that may hedge every call."""
    return Guard(**{"hedge": Hedge(after_s=1.0, max_share=1.0), "retry": ONCE, "log": [].append, **settings})


def sends(record: Any) -> list[tuple[int, str, str | None]]:
    """Number, result and error of each attempt, as they were booked."""
    return [(step.number, step.result, step.error) for step in record.attempts]


def notes(record: Any) -> list[tuple[str, str | None]]:
    """The notes about hedging."""
    return [(note.what, note.detail) for note in record.notes if "hedge" in note.what]


# --- the race ---


def test_a_call_in_time_is_sent_once() -> None:
    """A hedge costs nothing where the first content is not late."""
    race = Race(hedged())

    race.land(race.launch(), "fine")

    record = race.to_the_end()
    assert race.outcome.value == "fine"
    assert sends(record) == [(1, "answered", None)]
    assert notes(record) == []


@pytest.mark.parametrize("winner", [0, 1])
def test_the_first_content_wins_and_the_other_is_given_up(winner: int) -> None:
    """Whichever comes first goes on; the other is ended before anything else, and both are on record."""
    race = Race(hedged())
    flights = race.both()
    won, lost = flights[winner], flights[1 - winner]

    asked = race.land(won, "fine")

    assert asked == GiveUp([lost])
    record = race.to_the_end()
    assert race.outcome.value == "fine"
    assert [lost.cancelled, won.cancelled] == [True, False]
    assert sends(record) == [(2 - winner, "cancelled", "outrun"), (winner + 1, "answered", None)]
    assert [what for what, _ in notes(record)] == ["hedge"]
    assert record.outcome == "passed"


def test_what_the_rules_do_belongs_to_the_winner() -> None:
    """Checks are booked under the attempt whose reply they saw; a call is hedged once, so a re-ask is not."""
    race = Race(hedged(retry=NOW, output=[reask(word("bad"))]))
    first, _ = race.both()
    race.land(first, "bad")
    assert isinstance(race.answer(), Send)

    race.answer("fine")
    record = race.to_the_end()

    assert sends(record) == [(2, "cancelled", "outrun"), (1, "answered", None), (3, "answered", None)]
    assert [(check.attempt, check.result) for check in record.checks] == [(1, "found"), (3, "passed")]


@pytest.mark.parametrize(
    "bad", [DOWN, {"choices": None}, "", completion("half", finish_reason=None)], ids=repr
)
@pytest.mark.parametrize("loser", [0, 1])
def test_what_brings_no_whole_reply_does_not_win(bad: Any, loser: int) -> None:
    """A send that fails decides nothing while the other is under way: its reply is the call's."""
    race = Race(hedged())
    flights = race.both()

    race.land(flights[loser], bad)
    race.land(flights[1 - loser], "fine")

    record = race.to_the_end()
    assert race.outcome.value == "fine"
    assert [step.number for step in record.attempts] == [loser + 1, 2 - loser]
    assert [step.result == "answered" for step in record.attempts] == [False, True]


@pytest.mark.parametrize("first_to_fail", [0, 1])
def test_when_both_fail_it_is_the_first_ones_failure(first_to_fail: int) -> None:
    """What follows is decided by the failure of the first send, not of its hedge; both are on record."""
    race = Race(hedged(retry=Retry(attempts=2, wait=7)))
    flights = race.both()
    errors: list[Exception] = [DOWN, BUSY]

    race.land(flights[first_to_fail], errors[first_to_fail])
    asked = race.land(flights[1 - first_to_fail], errors[1 - first_to_fail])

    assert asked == Sleep(7)
    assert isinstance(race.answer(), Send)
    race.answer("fine")
    assert [step.number for step in race.to_the_end().attempts] == [first_to_fail + 1, 2 - first_to_fail, 3]


@pytest.mark.parametrize(
    "final",
    [completion(refusal="I would rather not."), completion("par", finish_reason="content_filter")],
    ids=["refused", "filtered"],
)
def test_a_refusal_is_not_raced_around(final: Any) -> None:
    """What ends a call ends it: the other send is given up, not waited for."""
    race = Race(hedged())
    first, second = race.both()

    asked = race.land(first, final)

    assert asked == GiveUp([second])
    while not isinstance(asked, Write):
        asked = race.answer()
    assert asked.entry.outcome in ("refused", "filtered")
    assert [step.result for step in asked.entry.attempts][-1] == "cancelled"
    with pytest.raises(Blocked, match="model"):
        race.answer()


# --- what it may cost ---


def test_only_so_many_calls_are_hedged() -> None:
    """Fault X11: with one call in four, three late calls have no hedge and the fourth has; it says why."""
    guard = hedged(hedge=Hedge(after_s=1.0, max_share=0.25))
    told = []
    for _ in range(4):
        race = Race(guard)
        first = race.launch()
        race.answer()
        if isinstance(race.asked, Launch):
            race.launch()
        race.land(first, "fine")
        told += notes(race.to_the_end())

    used_up = ("no hedge", "Hedge.max_share is used up")
    assert told[:3] == [used_up] * 3
    assert told[3][0] == "hedge"


def test_how_late_is_late_is_learned() -> None:
    """Without `after_s`, late is what takes longer than 95 of 100 of its kind, once twenty were seen."""
    hedge = Hedge()
    guard = hedged(hedge=hedge)
    for _ in range(20):
        race = Race(guard)
        first = race.launch()
        assert race.asked == Land([first], None)
        race.land(first, "fine")
        race.to_the_end()

    race = Race(guard)
    race.launch()
    assert race.asked.timeout_s == hedge.delay_s(("model", None, "sync"))
    race.finish()


def test_the_cost_of_both_is_counted() -> None:
    """The loser's prompt is paid for, though nobody says how much: it is estimated."""
    prices = {"m": Price(30.0, 0.0)}
    race = Race(hedged(budget=Budget(deadline_s=20, prices=prices)), PRICED)
    first, _ = race.both()
    usage = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}
    race.land(first, {**completion("fine"), "usage": usage})

    lost, won = race.to_the_end().attempts

    assert (won.usage.total_tokens, won.cost_usd) == (11, pytest.approx(10 * 30 / 1e6))
    assert lost.cost_usd == pytest.approx(1 * 30 / 1e6)  # two characters


@pytest.mark.parametrize(
    ("budget", "limit"),
    [
        (Budget(attempts=2), None),
        (Budget(tokens=2), "tokens"),
        (Budget(cost_usd=0.0001, prices={"m": Price(60.0, 0.0)}), "cost"),
    ],
    ids=repr,
)
def test_a_hedge_fits_the_budget_or_is_not_sent(budget: Budget, limit: str | None) -> None:
    """Both sends are admitted before they are made, at their worst case."""
    race = Race(hedged(budget=budget), PRICED)
    first = race.launch()
    race.answer()
    if limit is None:
        race.launch()
    race.land(first, "fine")

    record = race.to_the_end()
    assert notes(record)[0] == (
        ("hedge", notes(record)[0][1]) if limit is None else ("no hedge", f"no room in the budget: {limit}")
    )


def test_the_worst_case_has_one_send_more() -> None:
    """However many attempts and targets there are, one call is hedged once."""
    settings: dict[str, Any] = {"retry": Retry(attempts=3, reasks=2), "fallback": [target(model="m")]}
    assert Guard(hedge=ALWAYS, **settings).worst_case().sends == Guard(**settings).worst_case().sends + 1
    capped = Guard(hedge=ALWAYS, budget=Budget(attempts=4), **settings)
    assert capped.worst_case().sends == 4


# --- the upstream ---


def upstream_of(**settings: Any) -> tuple[Upstream, Guard[Any]]:
    """An upstream, and a guard that hedges every call to it."""
    upstream = Upstream(**settings)
    return upstream, hedged(upstream=upstream)


def late(guard: Guard[Any]) -> Race:
    """A call of the guard whose first send is late, up to what follows from that."""
    race = Race(guard)
    race.answer(race.asked.run())
    first = race.launch()
    assert race.asked == Land([first], 1.0)
    race.answer()
    return race


def test_a_hedge_takes_a_permit_and_gives_it_back() -> None:
    """It counts in the limits like any call, and so does its end."""
    upstream, guard = upstream_of(limits=Limits(concurrency=2))
    race = late(guard)
    assert isinstance(race.asked, Admit)
    assert (race.asked.patience_s, race.asked.second_try) == (0.0, "hedge")
    race.answer(race.asked.run())
    race.launch()
    meter = lane(upstream).meter
    assert len(meter.in_flight) == 2

    race.land(race.flights[1], "fine")

    assert sends(race.to_the_end()) == [(1, "cancelled", "outrun"), (2, "answered", None)]
    assert is_empty(upstream)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"limits": Limits(concurrency=1)}, "no time to wait"),
        ({"limits": Limits(rpm=1)}, "no time to wait"),
        ({"retries": RetryBudget(share=0.2, reserve=0)}, "retry budget spent"),
    ],
    ids=repr,
)
def test_a_hedge_that_has_no_turn_is_not_sent(settings: dict[str, Any], reason: str) -> None:
    """It never waits, nor takes a turn that a first send waits for. Nothing was sent, so it is no attempt."""
    upstream, guard = upstream_of(**settings)
    race = late(guard)
    race.answer(race.asked.run())

    race.land(race.flights[0], "fine")

    record = race.to_the_end()
    assert sends(record) == [(1, "answered", None)]
    assert notes(record) == [("no hedge", reason)]
    assert is_empty(upstream)


def test_a_half_open_circuit_is_not_probed_twice() -> None:
    """The hedge of a probe is another probe, and there is no lease for it."""
    upstream, guard = upstream_of(breaker=Breaker(min_calls=1))
    lane(upstream).circuit._turn("half-open")
    race = late(guard)
    race.answer(race.asked.run())
    assert len(lane(upstream).circuit.probes) == 1

    race.land(race.flights[0], "fine")

    assert notes(race.to_the_end()) == [("no hedge", "circuit open")]
    assert is_empty(upstream)


# --- cancellation ---


@pytest.mark.parametrize(("at", "sent"), [*enumerate([0, 1, 1, 1, 2, 2, 2, 2, 2])])
@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, asyncio.CancelledError, GeneratorExit])
def test_an_interrupt_anywhere_in_the_race_leaves_nothing(
    at: int, sent: int, interrupt: type[BaseException]
) -> None:
    """What is under way is told to end, every permit comes back, and each send has its one record."""
    upstream = Upstream(limits=Limits(concurrency=2))
    written: list[Any] = []
    race = Race(hedged(upstream=upstream, log=written.append))
    for _ in range(at):
        match race.asked:
            case Launch():
                race.launch()
            case Land(flights=[Played() as first, _]):
                race.land(first, "fine")
            case Land():
                race.answer()
            case effect:
                race.answer(effect.run())
    if isinstance(race.asked, Settle):  # a driver is not interrupted in the middle of it
        race.asked.run()

    with pytest.raises(interrupt):
        race.interrupt(interrupt)

    assert all(flight.cancelled for flight in race.flights if not flight.future.done())
    [record] = written
    assert record.outcome == "cancelled"
    assert sorted(step.number for step in record.attempts) == [*range(1, sent + 1)]
    assert is_empty(upstream)


# --- on a loop ---


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


# --- where nothing is hedged ---


def test_after_a_tool_has_acted_nothing_is_sent_twice() -> None:
    """A result in the history means that something was done; only tools declared as reading are harmless."""

    def look_up(city: str) -> str:
        raise AssertionError

    call = {"id": "c", "type": "function", "function": {"name": "look_up", "arguments": '{"city": "Oslo"}'}}
    said = Call(
        (
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "rain"},
        )
    )
    for tools, found in (
        ([look_up], [("no hedge", "a tool has acted before")]),
        ([tool(look_up, effects="read")], []),
    ):
        race = Race(hedged(tools=tools), said)
        if found:
            race.answer("fine")
        else:
            race.land(race.launch(), "fine")
        assert notes(race.to_the_end()) == found


def test_tools_that_the_provider_runs_are_not_run_twice() -> None:
    """Nobody sees what they do."""
    race = Race(hedged(), Call(SAID.messages, {"tools": [{"type": "web_search"}]}))

    assert isinstance(race.asked, Send)
    race.answer("fine")

    assert notes(race.to_the_end()) == [("no hedge", "the provider may do more than answer")]


def test_a_fallback_is_not_hedged() -> None:
    """It is a second way already."""
    race = Race(hedged(fallback=[target(model="m-2")]))

    asked = race.land(race.launch(), DOWN)

    assert isinstance(asked, Send)
    race.finish()


def test_a_monitor_sends_once() -> None:
    """It changes nothing."""
    race = Race(hedged(mode="monitor"))

    assert isinstance(race.asked, Send)
    race.finish()


def refund(order: str) -> str:
    """Pay back."""
    raise AssertionError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"tools": [tool(refund, effects="write")]},
            "sends a call twice, and tool 'refund' has effects='write'",
        ),
        (
            {"budget": Budget(deadline_s=1)},
            r"Hedge.after_s=1 is no shorter than Budget.deadline_s=1: no hedge",
        ),
        ({"budget": Budget(attempts=1)}, "Budget.attempts=1 leaves no second send for hedge=. Raise it to 2"),
        ({"hedge": 0.8}, r"hedge= of Guard takes a Hedge, not float: hedge=Hedge\(...\)"),
    ],
)
def test_what_cannot_hold_with_a_hedge_is_refused(settings: dict[str, Any], message: str) -> None:
    """Impossible settings are refused when the guard is built, with the way out."""
    with pytest.raises(ConfigError, match=message):
        Guard(**{"hedge": ALWAYS, **settings})


def test_what_cannot_be_cancelled_is_not_hedged() -> None:
    """A plain function would run beside its double to the end: it is refused as soon as it is known."""

    def plain(messages: Any) -> str:
        raise AssertionError

    def generator(messages: Any) -> Any:
        yield ""

    guard = Guard(hedge=ALWAYS)
    match = r"cannot be cancelled, so a second send would run .* Make it an `async def`, or wrap the client"
    for function in (plain, generator):
        with pytest.raises(ConfigError, match=match):
            guard(function)
        with pytest.raises(ConfigError, match=match):
            guard.run(function, "hi")
        with pytest.raises(ConfigError, match=match):
            guard.stream(function, "hi")
        with pytest.raises(ConfigError, match=match):
            asyncio.run(guard.arun(function, "hi"))


def test_a_hedge_is_part_of_the_guard_as_a_value(tmp_path: Path) -> None:
    """It prints, merges, changes the digest, and can be written in a file."""
    file = tmp_path / "guard.toml"
    file.write_text('name = "a"\n[hedge]\nafter_s = 0.8\n')
    guard = Guard(name="a") | Guard(hedge=Hedge(after_s=0.8))

    assert repr(guard) == "Guard(name='a', hedge=Hedge(after_s=0.8))"
    assert guard.digest != Guard(name="a").digest
    assert Guard.from_file(file) == guard
