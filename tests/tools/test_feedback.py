"""How the model is told why its calls were refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails_lite._messages import Choice, ToolCall
from guardrails_lite._tools import Toolbox, feedback_messages, tool
from guardrails_lite._tools._history import History

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
}
BOX = Toolbox.of(
    [{"name": "get_weather", "parameters": WEATHER}, {"type": "custom", "custom": {"name": "shell"}}]
)


def told(*calls: ToolCall, text: str | None = None, **options: Any) -> list[Any]:
    """The messages for a turn of these calls."""
    choice = Choice(text=text, tool_calls=calls)
    return feedback_messages(choice, BOX.offered({}).check(calls, ()), **options)


def size(messages: list[Any]) -> int:
    """Bytes of the messages as they are sent."""
    return len(json.dumps(messages, ensure_ascii=False).encode("utf-8", "replace"))


CALLS = st.lists(
    st.builds(
        ToolCall,
        st.text(max_size=80) | st.sampled_from(["a", "b"]),
        st.text(max_size=80) | st.just("get_weather") | st.just("shell"),
        st.text(max_size=200) | st.sampled_from(['{"city": "Oslo"}', '{"city": 3}', "{"]),
        st.sampled_from(["function", "custom"]),
    ),
    min_size=1,
    max_size=40,
)


@given(CALLS)
def test_the_history_is_one_that_the_provider_accepts(calls: list[ToolCall]) -> None:
    """Whatever the model called: each call answered once, ids unique, names and arguments in order."""
    messages = told(*calls)
    history = History.of([dict(message) for message in messages])

    assert messages[0]["role"] == "assistant"
    assert not history.strays
    assert not history.repeats
    assert not history.unanswered
    assert not history.calls
    assert len({call["id"] for call in messages[0]["tool_calls"]}) == len(messages) - 1
    for call in messages[0]["tool_calls"]:
        body = call[call["type"]]
        assert 1 <= len(body["name"]) <= 64
        assert body["name"].replace("_", "").replace("-", "").isalnum() or set(body["name"]) <= set("_-")
        assert body["name"].isascii()
        if call["type"] == "function":
            assert isinstance(json.loads(body["arguments"]), dict)
    json.dumps(messages).encode()


@given(CALLS)
def test_the_size_is_bounded(calls: list[ToolCall]) -> None:
    """At most twice the limit and a constant for each of at most 16 calls."""
    for limit in (500, 2000):
        messages = told(*calls, limit_bytes=limit)
        spent = sum(len(message["content"].encode()) for message in messages[1:])
        assert len(messages) <= 17
        assert spent <= limit + 60 * 16
        assert size(messages) <= 2 * limit + 400 * 16


def test_each_refused_call_is_told_its_reason_and_the_others_that_they_were_not_run() -> None:
    """Path and expectation, and what to do is plain."""
    messages = told(
        ToolCall("a", "get_weather", '{"city": 3}'), ToolCall("b", "get_weather", '{"city": "Oslo"}')
    )

    assert messages[1]["content"] == "Refused: wrong type.\n$.city: a string"
    assert messages[2]["content"] == "Not run: another tool call of this turn was refused."
    assert [message["tool_call_id"] for message in messages[1:]] == ["refused_0_a", "refused_1_b"]


def test_broken_arguments_are_sent_back_empty() -> None:
    """The provider parses what is in the history, and refuses what is no JSON."""
    messages = told(ToolCall("a", "get_weather", '{"city": "Os'))

    assert messages[0]["tool_calls"][0]["function"] == {"name": "get_weather", "arguments": "{}"}


def test_arguments_that_are_json_are_sent_back_as_they_were() -> None:
    """So the model sees what it got wrong, without our quoting it."""
    messages = told(ToolCall("a", "get_weather", '{"city": 3}'), text="Let me see.")

    assert messages[0]["content"] == "Let me see."
    assert messages[0]["tool_calls"][0]["function"]["arguments"] == '{"city": 3}'


def test_ids_say_that_the_calls_were_not_let_through() -> None:
    """And link each answer to its call, also where the model's own would not."""
    messages = told(
        ToolCall("a", "get_weather", "{}"),
        ToolCall("a", "get_weather", "{}"),
        ToolCall("", "get_weather", "{}"),
        ToolCall("x\n" * 50, "get_weather", "{}"),
    )

    ids = ["refused_0_a", "refused_1_a", "refused_2", "refused_3"]
    assert [message["tool_call_id"] for message in messages[1:]] == ids


def test_a_custom_call_is_echoed_as_one() -> None:
    """Free text stays free text."""
    messages = told(ToolCall("a", "shel", "ls", kind="custom"))

    assert messages[0]["tool_calls"][0] == {
        "id": "refused_0_a",
        "type": "custom",
        "custom": {"name": "shel", "input": "ls"},
    }
    assert messages[1]["content"].startswith(
        "Refused: unknown name.\n$: shell, or another tool of this request"
    )


@pytest.mark.parametrize(
    "arguments", ['{"city": "sk-secret-7", "sk-secret-8": 1}', '{"city": ["sk-secret-7"]}', "sk-secret-7"]
)
def test_no_value_is_quoted_in_an_explanation(arguments: str) -> None:
    """What was wrong is told by place; the model's own words are in its own message only."""
    answers = told(ToolCall("a", "get_weather", arguments))[1:]

    assert "secret" not in json.dumps(answers)


def test_the_refused_calls_of_a_large_turn_are_told_first() -> None:
    """Sixteen calls are told, and none of the refused is crowded out by those that were fine."""
    fine = [ToolCall(f"f{nth}", "get_weather", json.dumps({"city": str(nth)})) for nth in range(30)]
    bad = [ToolCall(f"b{nth}", "get_weather", "{}") for nth in range(5)]
    messages = told(*fine, *bad)

    assert len(messages) == 17
    assert sum(message["content"].startswith("Refused") for message in messages[1:]) == 5


def test_asking_again_for_the_same_fault_costs_the_same() -> None:
    """The same fault five times in a row is told in the same bytes each time."""
    sizes = {size(told(ToolCall(f"call_{nth}", "get_weather", '{"city": 3}'))) for nth in range(5)}

    assert len(sizes) == 1


def test_a_refused_turn_is_no_history() -> None:
    """A call that was refused counts against no limit, and its answer is no result of the tool."""
    box = Toolbox.of(
        [
            {"name": "look_up", "parameters": WEATHER},
            tool({"name": "refund", "parameters": WEATHER}, only_after="look_up", max_calls=1),
        ]
    )
    refused = (ToolCall("a", "look_up", "{}"), ToolCall("b", "refund", "{}"))
    offered = box.offered({})
    told_of = feedback_messages(Choice(tool_calls=refused), offered.check(refused, ()))
    again = (ToolCall("b", "refund", '{"city": "Oslo"}'),)

    assert [verdict.reason for verdict in offered.check(again, told_of)] == ["out of order"]
    assert [verdict.reason for verdict in offered.check(again, told_of, ran={"look_up": 1})] == [None]
    assert offered.check_results(told_of) == ()


def test_a_refused_turn_is_no_history_after_it_was_stored_either() -> None:
    """What says so is in the messages themselves, so it survives JSON, and a rule that rewrites them."""
    box = Toolbox.of([tool({"name": "refund", "parameters": WEATHER}, max_calls=1, result=int)])
    offered = box.offered({})
    refused = (ToolCall("a", "refund", "{}"),)
    stored = json.loads(json.dumps(feedback_messages(Choice(tool_calls=refused), offered.check(refused, ()))))

    assert offered.check_results(stored) == ()
    assert offered.check((ToolCall("a", "refund", '{"city": "Oslo"}'),), stored)[0].ok
    assert [problem.code for problem in offered.check_results(stored[:1])] == ["missing"]


def test_no_call_of_a_model_can_pass_for_a_refused_one() -> None:
    """A call that is let through counts, so it may not have an id that says it did not happen."""
    (verdict,) = BOX.offered({}).check((ToolCall("refused_0_a", "get_weather", '{"city": "Oslo"}'),), ())

    assert verdict.reason == "no id"
