"""Everything that reaches the model is screened, and everything else of a request stays as it was."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from guardrails_lite import Blocked, Call, ConfigError, Finding, Guard, block, redact, validator
from guardrails_lite._messages._texts import json_strings, pieces_of
from guardrails_lite.testing import ScriptedModel
from tests.engine.conftest import word

MASKED = "[REDACTED]"
HISTORY: list[dict[str, Any]] = [
    {"role": "system", "content": "ada"},
    {
        "role": "user",
        "content": [{"type": "text", "text": "ada"}, {"type": "image_url", "image_url": {"url": "x"}}],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "find", "arguments": '{"who": "\\u0061da", "ada": 1}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "ada"},
    {"role": "user", "name": "ada", "content": "ada"},
]


def test_every_text_of_a_request_is_screened() -> None:
    """All roles, parts, names, tool results, and strings inside tool arguments, escaped or not."""
    model = ScriptedModel(["ok"])

    outcome = Guard(input=[redact(word("ada"))]).run(model, HISTORY)

    got = model.calls[0].messages
    assert got[0]["content"] == MASKED
    assert got[1]["content"][0]["text"] == MASKED
    assert json.loads(got[2]["tool_calls"][0]["function"]["arguments"]) == {"who": MASKED, MASKED: 1}
    assert got[3]["content"] == MASKED
    assert (got[4]["name"], got[4]["content"]) == (MASKED, MASKED)
    assert outcome.record.unscreened == ("image_url",)


def test_the_callers_messages_are_never_changed() -> None:
    """A request is rewritten in a copy."""
    before = json.dumps(HISTORY)

    Guard(input=[redact(word("ada"))]).run(ScriptedModel(["ok"]), HISTORY)

    assert json.dumps(HISTORY) == before


def test_what_no_rule_touches_is_sent_as_it_was() -> None:
    """Messages that nothing was found in are the caller's own objects, byte for byte."""
    seen: list[Any] = []
    message = {"role": "user", "content": "${not} a {template} $$", "extra": object()}

    Guard(input=[redact(word("ada"))]).run(lambda messages: seen.append(messages) or "ok", [message])

    assert seen[0][0] is message


def test_history_that_passed_is_not_screened_again() -> None:
    """A conversation costs one screening a turn, not one a message."""
    guard = Guard(input=[block(word("bad"))])
    turns = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]

    guard.run(ScriptedModel(["ok"]), [*turns, {"role": "user", "content": "three"}])
    again = guard.run(
        ScriptedModel(["ok"]),
        [*turns, {"role": "user", "content": "three"}, {"role": "user", "content": "four"}],
    )

    assert (again.record.checks[0].texts, again.record.checks[0].known) == (1, 3)


def test_history_that_was_masked_is_masked_again() -> None:
    """Only what passed is remembered, so a mask is never forgotten."""
    guard = Guard(input=[redact(word("ada"))])
    turns = [{"role": "user", "content": "ada"}, {"role": "user", "content": "go on"}]
    for _ in range(3):
        model = ScriptedModel(["ok"])
        guard.run(model, turns)
        assert model.calls[0].messages[0]["content"] == MASKED


def test_a_client_object_in_the_history_is_screened() -> None:
    """Applications append the client's own message objects."""
    from openai.types.chat import ChatCompletionMessage

    model = ScriptedModel(["ok"])
    Guard(input=[redact(word("ada"))]).run(
        model, [ChatCompletionMessage(role="assistant", content="ada"), {"role": "user", "content": "hi"}]
    )

    assert model.calls[0].messages[0]["content"] == MASKED


@pytest.mark.parametrize("content", [None, [], "", [{"type": "input_audio"}], 7, [None]], ids=repr)
def test_odd_content_is_no_error_of_ours(content: Any) -> None:
    """Null, empty and non-text content pass; what cannot be screened is recorded as such."""
    outcome = Guard(input=[block(word("bad"))]).run(
        lambda messages: "ok", [{"role": "user", "content": content}]
    )

    assert outcome.record.outcome == "passed"


def test_a_block_names_the_place() -> None:
    """The message says which text of the request was stopped, not what it was."""
    with pytest.raises(Blocked, match=r"messages\[2\].tool_calls\[0\].function.arguments"):
        Guard(input=[block(word("ada"), roles=["assistant"])]).run(ScriptedModel(["no"]), HISTORY)


def test_history_is_screened_again_where_a_rule_looks_at_the_whole_call() -> None:
    """What passed on its way to one model may not go to another."""

    @validator
    def only_inside(text: str, call: Call) -> Iterator[Finding]:
        if call.params["model"] != "inside" and "ada" in text:
            yield Finding("is for the model inside")

    guard = Guard(input=[block(only_inside)])
    turns = [{"role": "user", "content": "ada"}, {"role": "user", "content": "go"}]

    guard.run(ScriptedModel(["ok"]), turns, model="inside")
    with pytest.raises(Blocked):
        guard.run(ScriptedModel(["no"]), turns, model="outside")


@pytest.mark.parametrize(
    "messages", [None, 7, {"role": "user"}, ["hello"]], ids=["none", "number", "dict", "list of str"]
)
def test_what_is_no_list_of_messages_is_a_clear_type_error(messages: Any) -> None:
    """The error says what was expected."""
    with pytest.raises(TypeError, match=r"messages(\[0\])? must be a"):
        Guard().run(ScriptedModel(["no"]), messages)


def test_strings_of_json_are_found_in_the_order_in_which_they_are_put_back() -> None:
    """Keys and values, nested, in one fixed order; of a key that comes twice, both."""
    assert json_strings('{"a": ["b", {"c": "d"}], "e": 1}') == ["a", "b", "c", "d", "e", "1"]
    assert json_strings('[-1.5e3, true, null, "\\"7"]') == ["-1.5e3", '"7']
    assert json_strings('{"a": "b", "a": "c"}') == ["a", "b", "a", "c"]
    assert json_strings("no json") is None
    assert json_strings("[" * 100_000) is None
    assert pieces_of([])[0] == []


def test_params_reach_the_function(call: Callable[..., Any]) -> None:
    """Parameters of the request are passed on as keywords."""
    _, outcome, model = call(Guard(), ["ok"], "hi", model="m-1", temperature=0)

    assert model.calls[0].params == {"model": "m-1", "temperature": 0}
    assert outcome.record.model == "m-1"


def test_text_in_other_fields_of_a_message_is_screened_too() -> None:
    """A compatible server may read it: the reasoning of an earlier turn, say. What is no JSON is listed."""
    beside = {"kind": ["ada"], "ada": 1}
    said = {
        "role": "assistant",
        "content": "Hi.",
        "reasoning_content": "ada",
        "more": beside,
        "cache": {"kind": object()},
    }
    model = ScriptedModel(["ok"])

    outcome = Guard(input=[redact(word("ada"))]).run(model, [said, {"role": "user", "content": "go"}])

    assert model.calls[0].messages[0]["reasoning_content"] == MASKED
    assert model.calls[0].messages[0]["more"] == {"kind": [MASKED], MASKED: 1}
    assert outcome.record.unscreened == ("cache",)


ARGUMENTS = [
    pytest.param('{"card": 4111111111111111, "n": 1.50}', '{"card": "[REDACTED]", "n": 1.50}', id="number"),
    pytest.param('{"q":"ada", "q":"x"}', '{"q":"[REDACTED]", "q":"x"}', id="key that comes twice"),
    pytest.param({"q": ["ada", 1]}, {"q": ["[REDACTED]", 1]}, id="object"),
]


@pytest.mark.parametrize("kind", ["tool_calls", "function_call"])
@pytest.mark.parametrize(("given", "sent"), ARGUMENTS)
def test_whatever_arguments_hold_is_screened(kind: str, given: Any, sent: Any) -> None:
    """A number is text to a model, so is the first of two equal keys; and every other byte stays."""
    body = {"name": "find", "arguments": given}
    call = {"tool_calls": [{"id": "c1", "type": "function", "function": body}], "function_call": body}
    said = {"role": "assistant", "content": None, kind: call[kind]}
    got: list[Any] = []

    Guard(input=[redact(word("ada")), redact(word("4111111111111111"))]).run(
        lambda messages: got.extend(messages) or "ok", [said]
    )

    told = got[0][kind] if kind == "function_call" else got[0][kind][0]["function"]
    assert told["arguments"] == sent


def test_a_client_s_object_is_screened_like_a_dict() -> None:
    """What a compatible server added to a reply goes back to it: its reasoning, or what was spoken."""
    from openai.types.chat import ChatCompletionMessage, ParsedChatCompletionMessage

    spoken = {"id": "a", "data": "", "expires_at": 0, "transcript": "ada"}
    said = ChatCompletionMessage.model_validate(
        {"role": "assistant", "content": "Hi.", "reasoning_content": "ada", "audio": spoken, "more": ["x"]}
    )
    parsed = ParsedChatCompletionMessage[Any](role="assistant", content="ada", parsed={"who": "ada"})
    model = ScriptedModel(["ok"])

    outcome = Guard(input=[redact(word("ada"))]).run(model, [said, parsed, {"role": "user", "content": "go"}])

    got = model.calls[0].messages
    assert (got[0]["reasoning_content"], got[0]["audio"]["transcript"]) == (MASKED, MASKED)
    assert got[1] == {"role": "assistant", "content": MASKED}
    assert outcome.record.unscreened == ()


def test_a_content_that_is_an_object_is_screened() -> None:
    """A function of one's own may be given what no API has; what no text is found in is told by its type."""
    got: list[Any] = []
    messages = [
        {"role": "user", "content": SimpleNamespace(text="ada", title="ada")},
        {"role": "user", "content": b"ada"},
    ]

    outcome = Guard(input=[redact(word("ada"))]).run(lambda messages: got.extend(messages) or "ok", messages)

    assert got[0]["content"] == {"text": MASKED, "title": MASKED}
    assert outcome.record.unscreened == ("bytes",)


def test_names_of_called_tools_and_titles_of_parts_are_screened() -> None:
    """Whoever wrote the history wrote these too, and what a reply was parsed to says it once more."""
    titled = {"type": "text", "text": "Hi.", "title": "ada", "cache_control": {"type": "ephemeral"}}
    called = {"id": "c1", "type": "function", "function": {"name": "ada", "arguments": "{}"}}
    model = ScriptedModel(["ok"])

    outcome = Guard(input=[redact(word("ada"))]).run(
        model,
        [
            {"role": "user", "content": [titled]},
            {"role": "assistant", "tool_calls": [called], "parsed": {"who": ["ada", 1]}},
        ],
    )

    got = model.calls[0].messages
    assert got[0]["content"][0] == {**titled, "title": MASKED}
    assert got[1]["tool_calls"][0]["function"]["name"] == MASKED
    assert got[1]["parsed"] == {"who": [MASKED, 1]}
    assert outcome.record.unscreened == ()


@pytest.mark.parametrize("content", ["ada", [{"type": "text", "text": "ada"}]], ids=["text", "parts"])
def test_a_predicted_reply_is_screened(content: Any) -> None:
    """It is sent with the messages, and says what one of them says."""
    prediction, model = {"type": "content", "content": content}, ScriptedModel(["ok", "ok"])
    guard = Guard(input=[redact(word("ada"))])

    guard.run(model, [{"role": "user", "content": "go"}], prediction=prediction)
    guard.run(model, [{"role": "user", "content": "ada"}], prediction={"type": "content", "content": "fine"})

    told = model.calls[0].params["prediction"]
    assert told == {"type": "content", "content": json.loads(json.dumps(content).replace("ada", MASKED))}
    assert prediction == {"type": "content", "content": content}
    assert [message["content"] for call in model.calls for message in call.messages] == ["go", MASKED]
    with pytest.raises(Blocked, match=r"stopped prediction\.content"):
        Guard(input=[block(word("ada"))]).run(model, "go", prediction=prediction)


def test_a_result_that_is_an_object_is_screened() -> None:
    """Some compatible servers take the object itself."""
    said = {"role": "tool", "tool_call_id": "c1", "content": {"who": ["ada", 1]}}
    model = ScriptedModel(["ok"])

    Guard(input=[redact(word("ada"))]).run(model, [said])

    assert model.calls[0].messages[0]["content"] == {"who": [MASKED, 1]}


def _tools(description: str, kinds: list[str]) -> list[Any]:
    properties = {"kind": {"enum": kinds, "description": description}}
    parameters = {"type": "object", "properties": properties}
    return [{"type": "function", "function": {"name": "find", "parameters": parameters}}]


SAYING = [
    pytest.param({"metadata": {"ticket": "ada"}}, 'metadata["ticket"]', id="metadata"),
    pytest.param({"user": "ada"}, "user", id="user"),
    pytest.param(
        {"extra_body": {"documents": [{"body": "ada"}]}}, 'extra_body["documents"][0]["body"]', id="body"
    ),
    pytest.param(
        {"tools": _tools("ada", [])}, "tools[0].function.parameters.properties.kind.description", id="tools"
    ),
    pytest.param({"stop": ["ada"]}, "stop[0], where nothing can be masked", id="stop"),
    pytest.param({"metadata": {"ada": "x"}}, "metadata, where nothing can be masked", id="key"),
    pytest.param(
        {"tools": _tools("", ["ada"])},
        "tools[0].function.parameters.properties.kind.enum[0], where nothing can be masked",
        id="enum",
    ),
]


@pytest.mark.parametrize(("params", "where"), SAYING)
def test_what_stands_beside_the_messages_is_screened(params: dict[str, Any], where: str) -> None:
    """A text is masked where that says the same of all the rest; where not, it stops the call."""
    before, model = json.dumps(params), ScriptedModel(["ok"])
    place, _, fixed = where.partition(",")

    with pytest.raises(Blocked, match=re.escape(f"stopped {place}")):
        Guard(input=[block(word("ada"))]).run(model, "go", **params)
    if fixed:
        with pytest.raises(Blocked, match=re.escape(f"stopped {where}: contains the word")) as stopped:
            Guard(input=[redact(word("ada"))]).run(model, "go", **params)
        assert stopped.value.record is not None
        assert stopped.value.record.checks[0].action == "block"
        assert re.search(r"Take it out, or give the rule roles= without '\w+'", str(stopped.value))
        assert ("Guard(tools=[function])" in str(stopped.value)) is ("tools" in params)
    else:
        Guard(input=[redact(word("ada"))]).run(model, "go", **params)
        assert json.loads(before.replace('"ada"', f'"{MASKED}"')) == model.calls[0].params
    assert json.dumps(params) == before


def test_tools_that_passed_are_not_screened_again() -> None:
    """A declaration is remembered as a whole, so that what is always the same costs one look."""
    guard, tools = Guard(input=[block(word("bad"))]), _tools("Finds.", ["a", "b"])

    first = guard.run(ScriptedModel(["ok"]), "go", tools=tools).record.checks[0]
    again = guard.run(ScriptedModel(["ok"]), "go", tools=tools).record.checks[0]

    assert (first.texts, first.known) == (6, 0)
    assert (again.texts, again.known) == (1, 1)
    with pytest.raises(Blocked, match=r"tools\[0\]"):
        guard.run(ScriptedModel(["no"]), "go", tools=_tools("bad", ["a", "b"]))


def test_a_guard_s_own_tools_are_screened_where_they_came_as_dicts() -> None:
    """A dict may be a tool server's; a function is the application's own code."""

    def lookup(name: str) -> str:
        """Looks bad up."""
        return name

    Guard(input=[block(word("bad"))], tools=[lookup]).run(ScriptedModel(["ok"]), "go")
    with pytest.raises(Blocked, match=r"tools\[1\]"):
        Guard(input=[block(word("bad"))], tools=[lookup, *_tools("bad", [])]).run(ScriptedModel(["no"]), "go")

    model = ScriptedModel(["ok"])
    Guard(input=[redact(word("ada"))], tools=_tools("ada", [])).run(model, "go")
    sent = model.calls[0].params["tools"][0]["function"]["parameters"]["properties"]
    assert sent["kind"]["description"] == MASKED


def test_tools_that_can_be_read_but_once_are_screened_and_sent() -> None:
    """An iterator is read here, so it is a list for whoever comes after."""
    model = ScriptedModel(["ok"])

    Guard(input=[redact(word("ada"))]).run(model, "go", tools=iter(_tools("ada", [])))

    assert model.calls[0].params["tools"] == _tools(MASKED, [])


def test_a_parameter_that_holds_itself_is_an_error_of_its_own() -> None:
    """No recursion, and the parameter is named."""
    metadata: dict[str, Any] = {}
    metadata["again"] = metadata

    with pytest.raises(ConfigError, match="metadata of the request is nested deeper than 200"):
        Guard(input=[block(word("ada"))]).run(ScriptedModel(["no"]), "go", metadata=metadata)


def test_a_parameter_that_is_no_json_is_recorded_as_not_screened() -> None:
    """Whoever reads the record knows that nobody looked."""
    outcome = Guard(input=[block(word("ada"))]).run(ScriptedModel(["ok"]), "go", tenant=object())

    assert outcome.record.unscreened == ("tenant",)
