"""The verdict on each call that comes back."""

from __future__ import annotations

import json
import time
from typing import Any, get_args

import pytest

from guardrails_lite._messages import Choice
from guardrails_lite._tools import TOOL_REASONS, Offered, ToolReason, tool
from guardrails_lite.testing import tool_call
from tests.tools.calling import (
    BOX,
    SHELL,
    USER,
    WEATHER,
    call,
    get_weather,
    look_up,
    reasons,
    refund,
    turn,
    verdicts,
)


class TestNames:
    """Only what is offered may be called."""

    @pytest.mark.parametrize(
        ("name", "near"),
        [
            ("getWeather", "get_weather"),
            ("get-weather", "get_weather"),
            ("functions.get_weather", "get_weather"),
            ("get_wheather", "get_weather"),
            ("weather", "get_weather"),
            ("note", "Note"),
            ("transfer_all_money", None),
            ("", None),
            ("x" * 100_000, None),
        ],
    )
    def test_an_unknown_name_is_refused_with_the_near_miss(self, name: str, near: str | None) -> None:
        """The model is told which tool it may have meant; the name is never silently corrected."""
        (verdict,) = verdicts(call(name))

        assert (verdict.reason, verdict.near) == ("unknown name", near)
        assert verdict.call.tool is None
        assert near is None or near in verdict.problems[0].expectation

    def test_known_prefix_lets_a_name_grow(self) -> None:
        """A name may come in pieces; what can become no name any more is refused at once."""
        offered = BOX.offered({})

        assert [offered.known_prefix(name) for name in ("", "get_", "get_weather", "get_weather2", "x")] == [
            True,
            True,
            True,
            False,
            False,
        ]
        assert not BOX.offered({"tool_choice": "none"}).known_prefix("get_weather")


class TestChoice:
    """`tool_choice` and `parallel_tool_calls` are promises of the provider that we check."""

    @pytest.mark.parametrize(
        "choice",
        [
            {"type": "function", "function": {"name": "refund"}},
            {"type": "function", "name": "refund"},
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "refund"}}],
                },
            },
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "refund"}]},
        ],
    )
    def test_another_tool_than_the_one_named_is_excluded(self, choice: Any) -> None:
        """All forms of both APIs."""
        assert reasons(call(), tool_choice=choice) == ["excluded by tool_choice"]
        assert reasons(call("refund", {"order": "a", "cents": 1}), tool_choice=choice) == [None]

    def test_none_excludes_every_call(self) -> None:
        """The request forbade calls."""
        assert reasons(call(), tool_choice="none") == ["excluded by tool_choice"]

    @pytest.mark.parametrize(
        ("choice", "missing"),
        [
            (None, False),
            ("auto", False),
            ("none", False),
            ("required", True),
            ("any", True),
            ({"type": "function", "function": {"name": "refund"}}, True),
            ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [WEATHER]}}, False),
            ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [WEATHER]}}, True),
        ],
    )
    def test_a_required_call_that_did_not_come_is_missed(self, choice: Any, missing: bool) -> None:
        """A refusal is no missing call: it has its own outcome."""
        offered = BOX.offered({"tool_choice": choice})

        assert offered.required_missing(Choice(text="no")) is missing
        assert not offered.required_missing(Choice(tool_calls=(call(),)))
        assert not offered.required_missing(Choice(refusal="I cannot"))

    def test_a_second_call_where_one_was_allowed(self) -> None:
        """`parallel_tool_calls=False`."""
        pair = (call(), call(arguments={"city": "Rome"}, id="call_2"))

        assert reasons(*pair, parallel_tool_calls=False) == [None, "parallel not allowed"]
        assert reasons(*pair, parallel_tool_calls=True) == [None, None]
        assert reasons(*pair) == [None, None]


class TestIds:
    """A result is linked to its call by the id."""

    def test_an_id_twice_in_a_turn(self) -> None:
        """The second call is refused."""
        assert reasons(call(), call(arguments={"city": "Rome"})) == [None, "duplicate id"]

    def test_no_id(self) -> None:
        """Its result could not be linked."""
        assert reasons(call(id="")) == ["no id"]

    def test_a_call_of_the_history_again(self) -> None:
        """Same id, same tool, same arguments: a replay."""
        history = [USER, *turn(tool_call("get_weather", {"city": "Oslo"}, id="call_1"))]

        assert reasons(call(arguments='{"city" : "Oslo"}'), messages=history) == ["duplicate id"]

    def test_an_id_of_an_earlier_turn_for_another_call_is_accepted(self) -> None:
        """Some servers number the calls of each turn from 0, and results are linked within a turn."""
        history = [USER, *turn(tool_call("get_weather", {"city": "Rome"}, id="call_1"))]

        assert reasons(call(), messages=history) == [None]


class TestArguments:
    """Whole, parseable, fitting, nothing undeclared."""

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ('{"city": "Oslo"', "not JSON"),
            ('{"city": "Os', "not JSON"),
            ('{"city": "Oslo"} {"city": "Rome"}', "not JSON"),
            ('{"city": "Oslo", "city": "Rome"}', "not JSON"),
            ('{"city": "Oslo", "days": NaN}', "not JSON"),
            ("Oslo", "not JSON"),
            ('"Oslo"', "not an object"),
            ('[{"city": "Oslo"}]', "not an object"),
            ("null", "not an object"),
            ("", "missing"),
            ("{}", "missing"),
            ('{"days": 2}', "missing"),
            ('{"city": "Oslo", "zip": 1}', "undeclared"),
            ('{"city": 3}', "wrong type"),
            ('{"city": null}', "wrong type"),
            ('{"city": "Oslo", "days": "two"}', "wrong type"),
            ('{"city": "Oslo", "days": 1.5}', "wrong type"),
            ('{"city": ' + "[" * 300 + "]" * 300 + "}", "too large"),
            ('{"city": "' + "x" * 5_000_000 + '"}', "too large"),
        ],
        ids=lambda value: str(value)[:24],
    )
    def test_each_fault_has_its_reason(self, arguments: str, reason: str) -> None:
        """The same for a function and for a JSON Schema."""
        for options in ({"box": [get_weather]}, {"box": [], "tools": [WEATHER]}):
            (verdict,) = verdicts(call(arguments=arguments), **options)  # type: ignore[arg-type]
            assert verdict.reason == reason
            assert verdict.problems
            assert (verdict.call.tool, verdict.call.value) == (None, None)

    @pytest.mark.parametrize(
        ("arguments", "sent_on"),
        [
            ('{"city": "Oslo", "days": "3"}', {"city": "Oslo", "days": 3}),
            ('{"city": "Oslo", "days": 3,}', {"city": "Oslo", "days": 3}),
            ('"{\\"city\\": \\"Oslo\\"}"', {"city": "Oslo"}),
        ],
    )
    def test_what_can_be_repaired_without_loss_is_and_is_told(self, arguments: str, sent_on: Any) -> None:
        """The call goes on with the repaired text, and the ledger says what was done."""
        for options in ({"box": [get_weather]}, {"box": [], "tools": [WEATHER]}):
            (verdict,) = verdicts(call(arguments=arguments), **options)  # type: ignore[arg-type]
            assert verdict.ok, verdict.problems
            assert verdict.edits
            assert json.loads(verdict.call.arguments) == sent_on
            assert verdict.call.value == sent_on

    def test_a_call_that_is_right_goes_on_byte_for_byte(self) -> None:
        """Nothing is rewritten that needs no repair."""
        text = '{ "days":1,\n"city":"Os\\u006co" }'
        (verdict,) = verdicts(call(arguments=text))

        assert verdict.call.arguments == text
        assert verdict.call.value == {"days": 1, "city": "Oslo"}
        assert verdict.edits == ()

    def test_no_arguments_for_a_tool_that_takes_none(self) -> None:
        """An empty string is how some models say `{}`."""

        def now() -> str:
            return ""

        for text in ("", "{}", " "):
            assert reasons(call("now", text), box=[now]) == [None]
        assert reasons(call("now", '{"tz": "UTC"}'), box=[now]) == ["undeclared"]

    def test_a_null_for_an_optional_argument_is_one_left_out(self) -> None:
        """The provider's strict form has no optional properties, so it sends null."""
        (verdict,) = verdicts(call(arguments='{"city": "Oslo", "days": null}'))

        assert verdict.ok
        assert verdict.call.value == {"city": "Oslo"}

    def test_the_kind_of_call_must_fit_the_tool(self) -> None:
        """Free text for a tool that takes JSON, and the other way round."""
        assert reasons(call(kind="custom")) == ["wrong type"]
        assert reasons(call("shell", "ls", kind="custom"), box=[], tools=[SHELL]) == [None]
        assert reasons(call("shell", "{}"), box=[], tools=[SHELL]) == ["wrong type"]
        assert reasons(call("shell", "x" * 1_000_001, kind="custom"), box=[], tools=[SHELL]) == ["too large"]


class TestTerms:
    """What the schema cannot say."""

    def test_identical_calls_in_one_turn(self) -> None:
        """Refused unless the tool says that it only reads."""
        pair = (call(), call(arguments='{ "city":"Oslo" }', id="call_2"))

        assert reasons(*pair) == [None, "identical repeat"]
        assert reasons(*pair, box=[tool(get_weather, effects="write")]) == [None, "identical repeat"]
        assert reasons(*pair, box=[tool(get_weather, effects="read")]) == [None, None]

    def test_a_write_is_not_repeated_within_one_request_of_the_user(self) -> None:
        """After the user has spoken again, the same call may be meant again."""
        past = turn(tool_call("refund", {"order": "a", "cents": 1}, id="call_0"))
        again = call("refund", {"cents": 1, "order": "a"})
        write, unsaid = [tool(refund, effects="write")], [refund]

        assert reasons(again, box=write, messages=[USER, *past]) == ["identical repeat"]
        assert reasons(again, box=write, messages=[USER, *past, USER]) == [None]
        assert reasons(again, box=unsaid, messages=[USER, *past]) == [None]

    def test_a_limit_counts_the_conversation_the_turn_and_what_ran_elsewhere(self) -> None:
        """The most of what the history shows and the caller says, and the calls before it in this turn."""
        box = [tool(get_weather, max_calls=2)]
        past = [USER, *turn(tool_call("get_weather", {"city": "Rome"}, id="call_0"))]
        pair = (call(), call(arguments={"city": "Bonn"}, id="call_2"))

        assert reasons(*pair, box=box) == [None, None]
        assert reasons(*pair, box=box, messages=past) == [None, "over its limit"]
        assert reasons(*pair, box=box, ran={"get_weather": 2}) == ["over its limit"] * 2
        assert reasons(*pair, box=box, messages=past, ran={"get_weather": 1}) == [None, "over its limit"]

    def test_a_refused_call_does_not_count(self) -> None:
        """Only calls that are let through use up the limit."""
        broken, fine = call(arguments={"city": 3}), call(id="call_2")

        assert reasons(broken, fine, box=[tool(get_weather, max_calls=1)]) == ["wrong type", None]

    def test_one_tool_after_the_result_of_another(self) -> None:
        """A call in the same turn has no result yet."""
        box = [look_up, tool(refund, only_after="look_up")]
        pay = call("refund", {"order": "a", "cents": 1})
        first = call("look_up", {"order": "a"}, id="call_0")
        past = [USER, *turn(tool_call("look_up", {"order": "a"}, id="call_0"))]

        assert reasons(pay, box=box) == ["out of order"]
        assert reasons(first, pay, box=box) == [None, "out of order"]
        assert reasons(pay, box=box, messages=past[:2]) == ["out of order"]
        assert reasons(pay, box=box, messages=past) == [None]
        assert reasons(pay, box=box, ran={"look_up": 1}) == [None]

    def test_approval_is_asked_for_and_deny_needs_no_asking(self) -> None:
        """The check itself asks nobody."""
        (asks,) = verdicts(call(), box=[tool(get_weather, approve=lambda call: True)])
        (denies,) = verdicts(call(), box=[tool(get_weather, approve="deny")])

        assert (asks.reason, asks.needs_approval) == (None, True)
        assert (denies.reason, denies.needs_approval, denies.is_final) == ("denied", False, True)

    def test_a_verdict_becomes_a_refusal(self) -> None:
        """What the engine makes of an approval that did not come."""
        (asks,) = verdicts(call(), box=[tool(get_weather, approve=lambda call: True)])
        refused = asks.refused("needs approval", "an approval within 5 s")

        assert (refused.reason, refused.ok, refused.needs_approval, refused.call.tool) == (
            "needs approval",
            False,
            False,
            None,
        )

    def test_more_calls_than_any_model_needs(self) -> None:
        """A turn of thousands of calls is a model that runs in circles."""
        calls = [call(arguments={"city": str(nth)}, id=f"call_{nth}") for nth in range(200)]

        assert reasons(*calls).count("over its limit") == 72


def test_the_reasons_are_a_closed_set() -> None:
    """The record, the exception and the metrics use these words and no others."""
    assert frozenset(get_args(ToolReason)) == TOOL_REASONS


def test_offered_is_a_value_without_text() -> None:
    """It prints the names only."""
    assert repr(BOX.offered({})) == "Offered(get_weather, refund, Note)"
    assert isinstance(BOX.offered({}), Offered)


def test_a_long_history_costs_little() -> None:
    """A hundred turns of calls are read once per check."""
    history = [USER]
    for nth in range(300):
        history += turn(tool_call("get_weather", {"city": str(nth)}, id=f"c{nth}"))
    offered = BOX.offered({})
    began = time.thread_time()
    offered.check((call(),), history)

    assert time.thread_time() - began < 0.05
