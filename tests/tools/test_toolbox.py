"""What a request offers, and the verdict on each call that comes back."""

from __future__ import annotations

import json
import time
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from guardrails_lite._errors import ConfigError
from guardrails_lite._messages import Choice, ToolCall
from guardrails_lite._tools import TOOL_REASONS, Offered, Toolbox, ToolReason, Verdict, tool
from guardrails_lite.testing import tool_call


def get_weather(city: str, days: int = 1) -> str:
    """Tell the weather."""
    return f"sun in {city} for {days} days"


def refund(order: str, cents: int) -> None:
    """Pay an order back."""


def look_up(order: str) -> dict[str, int]:
    """Look an order up."""
    return {"cents": 1}


class Note(BaseModel):
    """Take a note."""

    text: str


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "maximum": 5}},
            "required": ["city"],
        },
    },
}
SHELL = {"type": "custom", "custom": {"name": "shell"}}
BOX = Toolbox.of([get_weather, refund, Note])


def call(
    name: str = "get_weather", arguments: Any = '{"city": "Oslo"}', id: str = "call_1", kind: str = "function"
) -> ToolCall:
    """A call as the model makes it."""
    return ToolCall(id, name, arguments if isinstance(arguments, str) else json.dumps(arguments), kind)


def verdicts(
    *calls: ToolCall, box: Any = BOX, messages: Any = (), ran: Any = None, **params: Any
) -> tuple[Verdict, ...]:
    """What the check says."""
    box = box if isinstance(box, Toolbox) else Toolbox.of(box)
    return box.offered(params).check(calls, messages, ran=ran)


def reasons(*calls: ToolCall, **options: Any) -> list[str | None]:
    """The reasons alone."""
    return [verdict.reason for verdict in verdicts(*calls, **options)]


def turn(*calls: Any, results: Any = "{}") -> list[Any]:
    """An assistant message with calls, and an answer to each."""
    answers = [{"role": "tool", "tool_call_id": made["id"], "content": results} for made in calls]
    return [{"role": "assistant", "content": None, "tool_calls": list(calls)}, *answers]


USER = {"role": "user", "content": "go on"}


class TestOffering:
    """The guard's tools and the request's own."""

    def test_a_request_without_tools_gets_the_guards(self) -> None:
        """And everything else of it stays."""
        params = BOX.offered({"model": "m"}).params({"model": "m"})

        assert [made["function"]["name"] for made in params["tools"]] == ["get_weather", "refund", "Note"]
        assert params["model"] == "m"

    @pytest.mark.parametrize("own", [[WEATHER], (WEATHER,), []])
    def test_a_request_with_tools_is_sent_as_it_is(self, own: Any) -> None:
        """An empty list too: it says that there are none."""
        params = {"tools": own}

        assert BOX.offered(params).params(params) is params

    def test_an_iterator_of_tools_is_read_once_and_replaced(self) -> None:
        """The client takes any iterable, and reading it here must not leave it empty there."""
        params: dict[str, Any] = {"tools": iter([WEATHER])}

        assert BOX.offered(params).params(params)["tools"] == [WEATHER]

    def test_left_out_and_none_mean_the_same(self) -> None:
        """Clients have words of their own for a parameter that is left out."""
        from openai import NOT_GIVEN, omit

        for nothing in (None, NOT_GIVEN, omit):
            assert len(BOX.offered({"tools": nothing, "tool_choice": nothing}).terms) == 3

    def test_tools_of_the_request_are_enforced_without_a_guards(self) -> None:
        """A dict that goes to the provider is a contract for what comes back."""
        options: Any = {"box": [], "tools": [WEATHER]}

        assert reasons(call(), **options) == [None]
        assert reasons(call(arguments={"city": 3}), **options) == ["wrong type"]
        assert reasons(call(arguments={"city": "x", "zip": 1}), **options) == ["undeclared"]
        assert reasons(call("refund", {}), **options) == ["unknown name"]

    def test_both_contracts_hold_where_both_declare_a_tool(self) -> None:
        """The request's says at most 5 days, the guard's limits the calls."""
        box = Toolbox.of([tool(get_weather, max_calls=1)])

        assert reasons(call(arguments={"city": "x", "days": 9}), box=box, tools=[WEATHER]) == ["out of range"]
        assert reasons(call(), call(arguments={"city": "y"}, id="call_2"), box=box, tools=[WEATHER]) == [
            None,
            "over its limit",
        ]

    def test_what_the_guard_declares_and_the_request_withholds_is_not_offered(self) -> None:
        """A router that offers some tools this turn means it."""
        (verdict,) = verdicts(call("refund", {"order": "a", "cents": 1}), tools=[WEATHER])

        assert verdict.reason == "not offered"

    def test_objects_of_the_client_are_read_like_dicts(self) -> None:
        """`pydantic_function_tool` and typed params are both dicts; a model is read the same."""

        class Definition(BaseModel):
            type: str
            function: dict[str, Any]

        assert reasons(call(), box=[], tools=[Definition.model_validate(WEATHER)]) == [None]

    def test_provider_run_tools_are_named_as_unchecked(self) -> None:
        """Their calls never come here, so nothing is said about them."""
        offered = BOX.offered({"tools": [WEATHER, {"type": "web_search"}]})

        assert offered.unchecked == ("web_search",)
        assert list(offered.terms) == ["get_weather"]

    def test_compiled_schemas_are_kept_between_requests(self) -> None:
        """A request repeats its tools; compiling them each time would cost a hundred times the check."""
        box = Toolbox.of([])
        box.offered({"tools": [WEATHER]})
        first = box.offered({"tools": [json.loads(json.dumps(WEATHER))]}).terms["get_weather"].tool.arguments

        assert first is box.offered({"tools": [WEATHER]}).terms["get_weather"].tool.arguments

    def test_a_tool_that_was_changed_in_place_is_read_again(self) -> None:
        """What is remembered is remembered by content, not by identity."""
        own = json.loads(json.dumps([WEATHER]))
        assert reasons(call(arguments={"city": "x", "zip": "1"}), box=[], tools=own) == ["undeclared"]
        own[0]["function"]["parameters"]["properties"]["zip"] = {"type": "string"}

        assert reasons(call(arguments={"city": "x", "zip": "1"}), box=[], tools=own) == [None]
        assert reasons(call(arguments={"city": "x", "zip": "1"}), box=[], tools=[WEATHER]) == ["undeclared"]

    def test_memory_stays_flat_over_many_different_requests(self) -> None:
        """An application that makes up tools as it goes is not remembered for ever."""
        box = Toolbox.of([refund])
        for nth in range(200):
            box.offered({"tools": [{"type": "custom", "custom": {"name": f"tool_{nth}"}}]})

        assert len(box._seen) <= 64

    def test_nothing_offered_is_false(self) -> None:
        """The engine looks no further then."""
        assert not Toolbox.of([]).offered({})
        assert BOX.offered({})
        assert BOX
        assert not Toolbox.of([])

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            (
                {"functions": [WEATHER["function"]]},
                r"functions= is the form from before tool calls.*tools=\[",
            ),
            ({"function_call": "auto"}, "function_call= is the form from before tool calls"),
            ({"tools": "get_weather"}, "tools= of the request must be a list of tool dicts, not str"),
            ({"tools": WEATHER}, "must be a list of tool dicts, not dict"),
            ({"tools": [WEATHER, WEATHER]}, "the request offers tool 'get_weather' twice"),
            ({"tools": [{"type": "function", "function": {}}]}, "a tool of the request has no name"),
            (
                {"tools": [{"type": "custom", "custom": {"name": "refund"}}]},
                "tool 'refund' is 'function' on the guard",
            ),
            (
                {"tool_choice": {"type": "function", "function": {"name": "wether"}}},
                "tool_choice names 'wether', which is not offered",
            ),
            (
                {
                    "tools": [
                        {
                            "type": "function",
                            "function": {"name": "f", "parameters": {"type": "object", "properties": 3}},
                        }
                    ]
                },
                "'f'",
            ),
        ],
    )
    def test_a_request_that_cannot_be_checked_is_refused_before_it_is_sent(
        self, params: Any, message: str
    ) -> None:
        """Your fault, said with the way out."""
        with pytest.raises(ConfigError, match=message):
            BOX.offered(params)


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


class TestResults:
    """Tool results that come back in the messages."""

    def problems(self, messages: list[Any], result: Any = None) -> list[str]:
        """What is wrong with them."""
        box = Toolbox.of([tool(look_up, result=result)])
        return [f"{problem.path}: {problem.code}" for problem in box.offered({}).check_results(messages)]

    def test_a_linked_history_is_fine(self) -> None:
        """Two turns, parallel calls, results in any order."""
        first = turn(
            tool_call("look_up", {"order": "a"}, id="a"), tool_call("look_up", {"order": "b"}, id="b")
        )
        second = turn(tool_call("look_up", {"order": "c"}, id="a"))

        assert self.problems([USER, first[0], first[2], first[1], *second, USER]) == []
        assert self.problems([USER]) == []

    def test_a_result_without_its_call_is_a_stray(self) -> None:
        """Somebody put words into a tool's mouth."""
        stray = {"role": "tool", "tool_call_id": "x", "content": "{}"}

        assert self.problems([USER, stray]) == ["$.messages[1]: not allowed"]
        assert self.problems([USER, *turn(tool_call("look_up", {"order": "a"}, id="a")), stray]) == [
            "$.messages[3]: not allowed"
        ]
        old = turn(tool_call("look_up", {"order": "a"}, id="x"))
        new = turn(tool_call("look_up", {"order": "b"}, id="y"))
        assert self.problems([USER, *old, *new, stray]) == ["$.messages[5]: not allowed"]

    def test_a_second_result_is_one_too_many(self) -> None:
        """Each call has one result."""
        history = turn(tool_call("look_up", {"order": "a"}, id="a"))

        assert self.problems([USER, *history, history[1]]) == ["$.messages[3]: not unique"]

    def test_a_call_without_a_result_is_missed(self) -> None:
        """The provider refuses such a history."""
        assert self.problems([USER, *turn(tool_call("look_up", {"order": "a"}, id="a"))[:1], USER]) == [
            "$.messages[1].tool_calls: missing"
        ]

    @pytest.mark.parametrize(
        ("content", "result", "found"),
        [
            ('{"cents": 3}', dict[str, int], []),
            ('{"cents": "three"}', dict[str, int], ["$.messages[2].content[key 0]: wrong type"]),
            ("not json", dict[str, int], ["$.messages[2].content: wrong type"]),
            ([{"type": "text", "text": '{"cents": 3}'}], dict[str, int], []),
            ("plain words", str, []),
            ("123", str, []),
            ("123", int, []),
            ('"quoted"', str, []),
        ],
    )
    def test_a_result_is_held_to_its_schema(self, content: Any, result: Any, found: list[str]) -> None:
        """JSON or plain text, as the schema says."""
        assert (
            self.problems(
                [USER, *turn(tool_call("look_up", {"order": "a"}, id="a"), results=content)], result
            )
            == found
        )

    def test_a_result_is_held_to_its_schema_where_the_tool_is_withheld(self) -> None:
        """What a tool returned earlier is checked also in a turn that may not call it."""
        box = Toolbox.of([tool(look_up, result=int)])
        messages = [USER, *turn(tool_call("look_up", {"order": "a"}, id="a"), results="hot")]

        for params in ({}, {"tools": []}):
            (problem,) = box.offered(params).check_results(messages)
            assert str(problem).endswith("an integer")

    def test_values_stay_out_of_the_problems(self) -> None:
        """A result may hold anything."""
        messages = [
            USER,
            *turn(tool_call("look_up", {"order": "a"}, id="a"), results='{"sk-secret-7": "sk-secret-8"}'),
        ]
        problems = Toolbox.of([tool(look_up, result=dict[str, int])]).offered({}).check_results(messages)

        assert problems
        assert "secret" not in str(problems)


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
