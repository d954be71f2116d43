"""The results of tools that come back in a history, and the calls they answer."""

from __future__ import annotations

from typing import Any

import pytest

from guardrails_lite._tools import Toolbox, tool
from guardrails_lite.testing import tool_call
from tests.tools.calling import USER, look_up, turn


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
