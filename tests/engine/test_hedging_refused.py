"""Where no call is sent twice, and which guards cannot have it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from guardrails_lite import Budget, ConfigError, Guard, Hedge, target, tool
from guardrails_lite._engine._effects import Send
from guardrails_lite._messages import Call
from tests.engine.racing import ALWAYS, DOWN, Race, hedged, notes
from tests.engine.test_steps import SAID


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
