"""Errors about a request name what its caller wrote, by the path that it has there."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from clients.keyed import keys, using
from guardrails_lite import Blocked, ConfigError, Guard, block, tool
from guardrails_lite.testing import LoopbackServer

KEY = "sk-12345678"
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"who": {"type": "string", "description": KEY}}}
CALL = {"type": "function_call", "call_id": "c", "name": "find", "arguments": '{"a": 1}'}


def spoken(content: Any, **more: Any) -> dict[str, Any]:
    """An input item that is a message."""
    return {"role": "user", "content": content} | more


ASKED: list[tuple[dict[str, Any], str]] = [
    ({"input": KEY}, "input"),
    ({"instructions": KEY, "input": "Hi."}, "instructions"),
    ({"instructions": "Hi.", "input": [spoken("Hi."), spoken(KEY)]}, "input[1].content"),
    ({"input": [spoken([{"type": "input_text", "text": KEY}])]}, "input[0].content[0].text"),
    (
        {"input": [spoken([{"type": "input_text", "text": "Hi.", "title": KEY}], type="message")]},
        "input[0].content[0].title",
    ),
    (
        {
            "input": [
                {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": KEY}]}
            ]
        },
        "input[0].content[0].refusal",
    ),
    ({"input": [{**CALL, "arguments": f'{{"a": "{KEY}"}}'}]}, "input[0].arguments"),
    ({"input": [{**CALL, "name": KEY}]}, "input[0].name"),
    (
        {"input": [{"type": "custom_tool_call", "call_id": "c", "name": "say", "input": KEY}]},
        "input[0].input",
    ),
    (
        {"input": [CALL, {"type": "function_call_output", "call_id": "c", "output": KEY}]},
        "input[1].output",
    ),
    (
        {
            "input": [
                CALL,
                {
                    "type": "function_call_output",
                    "call_id": "c",
                    "output": [{"type": "input_text", "text": KEY}],
                },
            ]
        },
        "input[1].output[0].text",
    ),
    (
        {
            "input": [
                {
                    "type": "reasoning",
                    "id": "r",
                    "summary": [
                        {"type": "summary_text", "text": "Hm."},
                        {"type": "summary_text", "text": KEY},
                    ],
                }
            ]
        },
        "input[0].summary[1].text",
    ),
    (
        {"input": "Hi.", "prompt": {"id": "p", "variables": {"city": "Oslo", "who": KEY}}},
        "prompt.variables.who",
    ),
    (
        {
            "input": "Hi.",
            "tools": [
                {"type": "web_search"},
                {"type": "function", "name": "find", "parameters": SCHEMA, "strict": None},
            ],
        },
        "tools[1].parameters.properties.who.description",
    ),
    (
        {
            "input": "Hi.",
            "tools": [{"type": "mcp", "server_label": "s", "server_url": "u", "server_description": KEY}],
        },
        "tools[0].server_description",
    ),
    (
        {"input": "Hi.", "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}}},
        "text.format.schema.properties.who.description",
    ),
    ({"input": "Hi.", "metadata": {"ticket": KEY}}, 'metadata["ticket"]'),
    ({"input": "Hi.", "user": KEY}, "user"),
]


@pytest.mark.parametrize(("asked", "path"), ASKED, ids=[path for _, path in ASKED])
def test_what_stops_a_request_for_a_response_is_named_as_it_was_written(
    asked: dict[str, Any], path: str
) -> None:
    """In the words of the Responses API, though the engine knows chat messages."""
    with LoopbackServer() as server:
        with pytest.raises(Blocked) as caught:
            using(openai.OpenAI, server, lambda c: c.responses.create(model="m", **asked), GUARD)
        assert server.request_count == 0
    assert str(caught.value).startswith(f"block(keys) stopped {path}: holds a key")
    assert KEY not in str(caught.value)


GUARD = Guard(input=[block(keys)])


def test_the_guards_own_tools_are_named_as_the_guard_declares_them() -> None:
    """They come in chat's form, whatever the request is."""
    declared = {"type": "function", "function": {"name": "find", "description": KEY, "parameters": {}}}
    guard = Guard(input=[block(keys)], tools=[declared])
    with LoopbackServer() as server, pytest.raises(Blocked) as caught:
        using(openai.OpenAI, server, lambda c: c.responses.create(model="m", input="Hi."), guard)
    assert "stopped tools[0].function.description: " in str(caught.value)


def find(a: int) -> dict[str, int]:
    """Finds."""
    return {"a": a}


RESULT = {"type": "function_call_output", "call_id": "c", "output": '{"cents": "three"}'}


@pytest.mark.parametrize(
    ("items", "path"),
    [
        ([RESULT], "$.input[0]: a result of a call in the turn before it"),
        ([spoken("Hi."), CALL], "$.input[1]: a result for each call"),
        ([CALL, RESULT], "$.input[1].output[key 0]: "),
        ([CALL, RESULT, RESULT], "$.input[2]: one result for each call"),
    ],
    ids=["a stray", "unanswered", "wrong", "twice"],
)
def test_a_tool_result_that_is_refused_is_named_as_it_was_written(items: list[Any], path: str) -> None:
    """It is checked in chat's form, and told in the request's own."""
    with LoopbackServer() as server, pytest.raises(Blocked) as caught:
        using(
            openai.OpenAI,
            server,
            lambda c: c.responses.create(model="m", input=items, instructions="Be brief."),
            Guard(tools=[tool(find, result=dict[str, int])]),
        )
    assert path in str(caught.value)


def test_a_key_that_is_no_name_is_not_told() -> None:
    """A caller's own words may stand there."""
    part = {"type": "document", "Words of somebody.": KEY}
    with LoopbackServer() as server, pytest.raises(Blocked) as caught:
        using(
            openai.OpenAI,
            server,
            lambda c: c.chat.completions.create(model="m", messages=[spoken([part])]),
            GUARD,
        )
    assert "Words" not in str(caught.value)


def test_a_format_of_a_response_that_is_too_deep_is_named_as_it_was_written() -> None:
    """Nobody who writes `text.format` knows of a `response_format`."""
    deep: list[Any] = []
    for _ in range(300):
        deep = [deep]
    format = {"type": "json_schema", "name": "n", "schema": {"type": "array", "examples": [deep]}}
    with LoopbackServer() as server, pytest.raises(ConfigError) as caught:
        using(
            openai.OpenAI,
            server,
            lambda c: c.responses.create(model="m", input="Hi.", text={"format": format}),
            GUARD,
        )
    assert str(caught.value).startswith("text.format of the request is nested deeper than 200 levels")
