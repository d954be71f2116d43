"""What a wrapped client sends is what the bare client would send."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion

from clients.keyed import KINDS, MESSAGES, Do, using
from guardrails_lite import (
    Blocked,
    Guard,
    Retry,
    target,
)
from guardrails_lite.testing import HttpReply, LoopbackServer, completion, tool_call


def as_sent(kind: type[Any], wrap: bool, ask: Do) -> Any:
    """The body that a call sends, by a wrapped client or by the client itself."""
    with LoopbackServer(then="hi") as server:
        client = kind(api_key="k", base_url=server.base_url)

        async def run() -> None:
            async with client:
                await ask(Guard().wrap(client) if wrap else client)

        if kind is openai.AsyncOpenAI:
            asyncio.run(run())
        else:
            with client:
                ask(Guard().wrap(client) if wrap else client)
        return server.requests[0].raw


@pytest.mark.parametrize("kind", KINDS[:2], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "messages",
    [
        MESSAGES,
        [
            {
                "role": "user",
                "content": [{"type": "text", "text": "é ‮ \u0000"}, {"type": "image_url", "x": None}],
            }
        ],
        [{"role": "assistant", "tool_calls": [tool_call("f", {"a": 1.5})]}, {"role": "tool", "content": "1"}],
        [{"role": "user", "content": "x", "of_tomorrow": {"deep": [1, True, None, {}]}}],
        [ChatCompletion.model_validate(completion("Hello.")).choices[0].message],
        [],
    ],
    ids=["plain", "parts", "calls", "unknown fields", "the client's own objects", "none"],
)
def test_what_no_rule_changes_is_sent_as_the_client_would_send_it(kind: type[Any], messages: Any) -> None:
    """Carrying plain messages past the client's rewriting changes nothing of them."""

    def chat(client: Any) -> Any:
        return client.chat.completions.create(model="m", messages=messages, temperature=0)

    def response(client: Any) -> Any:
        return client.responses.create(model="m", input=messages)

    for ask in (chat, response):
        sent, meant = json.loads(as_sent(kind, True, ask)), json.loads(as_sent(kind, False, ask))
        assert json.dumps(sent, sort_keys=True) == json.dumps(meant, sort_keys=True)


def test_messages_are_carried_to_their_own_call_only() -> None:
    """A call made inside another, by a fallback, sends its own messages, even when they are none."""
    with LoopbackServer(then=HttpReply.error(500)) as broken, LoopbackServer(then="hi") as other:
        with openai.OpenAI(api_key="k", base_url=other.base_url) as spare, Guard().wrap(spare) as inner:

            def ask(messages: Any, **params: Any) -> Any:
                return inner.post("/chat/completions", cast_to=ChatCompletion, body={"messages": []})

            guard = Guard(retry=Retry(attempts=1), fallback=[target(ask)])
            using(
                openai.OpenAI,
                broken,
                lambda c: c.chat.completions.create(model="m", messages=MESSAGES),
                guard,
            )
        assert other.requests[0].body == {"messages": []}


@pytest.mark.parametrize("kind", KINDS[:2])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_half_a_character_in_a_request_is_refused_without_showing_it(kind: type[Any], stream: bool) -> None:
    """The client's own error would hold the whole request."""
    said: Any = [{"role": "user", "content": "hunter2 \ud800"}]
    with LoopbackServer(then="Hello.") as server, pytest.raises(Blocked, match="a lone surrogate") as caught:
        using(kind, server, lambda c: c.chat.completions.create(model="m", messages=said, stream=stream))

    assert server.request_count == 0
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.record!r}"


_CALLS: list[Any] = [
    {"type": "function_call", "call_id": each, "name": "find", "arguments": "{}"} for each in ("a", "b")
]
_OUTPUTS: list[Any] = [
    {"type": "function_call_output", "call_id": each, "output": "found"} for each in ("a", "b")
]
_THOUGHT: Any = {"type": "reasoning", "id": "r", "summary": []}
_SHELL: list[Any] = [
    {"type": "local_shell_call", "id": "l", "call_id": "l", "action": {"type": "exec", "command": ["ls"]}},
    {"type": "local_shell_call_output", "id": "l", "output": "a.txt"},
]


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([*_CALLS, *_OUTPUTS], id="side by side"),
        pytest.param([_THOUGHT, _CALLS[0], _THOUGHT, _CALLS[1], *_OUTPUTS], id="with thoughts between"),
        pytest.param([_CALLS[0], _OUTPUTS[0], _CALLS[1], _OUTPUTS[1]], id="one after another"),
        pytest.param(_SHELL, id="a tool of the provider"),
    ],
)
def test_an_input_with_several_tool_calls_goes_on(items: list[Any]) -> None:
    """Each call is an item of its own, and its result comes after those of its turn."""
    find: Any = {"type": "function", "name": "find", "parameters": {"type": "object"}, "strict": False}
    said = [{"role": "user", "content": "hi"}, *items]
    with LoopbackServer(then="ok") as server:
        ask: Do = lambda c: c.responses.create(model="m", input=said, tools=[find])  # noqa: E731
        assert using(openai.OpenAI, server, ask).output_text == "ok"
        assert server.requests[0].body["input"] == said


def test_a_result_that_answers_no_call_of_an_input_is_refused() -> None:
    """What the tool is said to have returned must be linked to a call of it."""
    find: Any = {"type": "function", "name": "find", "parameters": {"type": "object"}, "strict": False}
    said = [{"role": "user", "content": "hi"}, _CALLS[0], _OUTPUTS[1]]
    with LoopbackServer(then="ok") as server, pytest.raises(Blocked, match="a result of a call"):
        using(openai.OpenAI, server, lambda c: c.responses.create(model="m", input=said, tools=[find]))
