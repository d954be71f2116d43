"""What a request offers: the guard's tools and its own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from guardrails_lite._errors import ConfigError
from guardrails_lite._tools import Toolbox, tool
from tests.tools.calling import BOX, WEATHER, call, get_weather, reasons, refund, verdicts


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
                r"functions= is the format from before tool calls.*tools=\[",
            ),
            ({"function_call": "auto"}, "function_call= is the format from before tool calls"),
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
