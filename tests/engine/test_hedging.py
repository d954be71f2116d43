"""A call that is sent twice because its first content is late: the race, stepped by hand."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from guardrails_lite import (
    Blocked,
    Breaker,
    Budget,
    Guard,
    Hedge,
    Limits,
    Price,
    Retry,
    RetryBudget,
    Upstream,
    reask,
    target,
)
from guardrails_lite._engine._effects import Admit, Send, Settle, Sleep, Write
from guardrails_lite._engine._flights import GiveUp, Land, Launch
from guardrails_lite.testing import completion
from tests.engine.conftest import NOW, word
from tests.engine.racing import ALWAYS, DOWN, PRICED, Played, Race, hedged, notes, sends
from tests.engine.test_upstream import BUSY, is_empty, lane

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


@pytest.mark.parametrize(("at", "sent"), [*enumerate([1, 1, 1, 2, 2, 2])])
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
