"""Calls that are no function calls: custom tools are checked, the form from before tool calls is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import OpenAI

from guardrails_lite import (
    Blocked,
    ConfigError,
    Exhausted,
    Finding,
    Guard,
    Retry,
    StreamInterrupted,
    redact,
    validator,
)
from guardrails_lite.testing import STYLES, LoopbackServer, ScriptedModel, Style, completion

NOW = Retry(attempts=2, reasks=1, wait=0)
ASKED: Any = [{"role": "user", "content": "go"}]
SHELL = {"type": "custom", "custom": {"name": "shell"}}


@pytest.fixture(params=STYLES, ids=str)
def style(request: pytest.FixtureRequest) -> Style:
    """One way to call a guard."""
    return request.param  # type: ignore[no-any-return]


@validator(window=7)
def keys(text: str) -> list[Finding]:
    """Keys."""
    at = text.find("sk-")
    return [Finding("holds a key", span=(at, at + 7), category="KEY")] if at >= 0 else []


def custom(name: str, text: str) -> dict[str, Any]:
    """A reply that calls a custom tool."""
    called = {"id": "call_1", "type": "custom", "custom": {"name": name, "input": text}}
    return completion(tool_calls=[called])


def legacy(text: str | None, finish_reason: str) -> dict[str, Any]:
    """A reply with a call in the form from before tool calls."""
    made = completion(text, finish_reason=finish_reason)
    made["choices"][0]["message"]["function_call"] = {"name": "pay", "arguments": '{"key": "sk-1234"}'}
    return made


def test_a_custom_call_is_checked_and_screened(style: Style) -> None:
    """Its name must be offered, and its text passes the output rules."""
    guard = Guard(tools=[SHELL], output=[redact(keys)], retry=NOW)
    model = ScriptedModel([custom("bash", "ls"), custom("shell", "echo sk-1234")], size=3)

    released, outcome = style.released(guard, model, ASKED)

    (call,) = outcome.reply.tool_calls
    assert (call.name, call.kind, call.value) == ("shell", "custom", "echo [KEY]")
    assert "sk-1234" not in json.dumps(released)
    with pytest.raises(ConfigError, match="declared without a function"):
        call.run()


def test_a_custom_call_for_a_function_is_refused(style: Style) -> None:
    """Free text is no arguments."""
    guard = Guard(tools=[{"name": "shell", "parameters": {}}], retry=NOW)
    model = ScriptedModel([custom("shell", "{}"), custom("shell", "{}")], size=3)

    with pytest.raises(Exhausted, match="a tool call was refused: wrong type"):
        style.call(guard, model, ASKED)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_client_gets_a_custom_call_of_its_own_type(api: str, streamed: bool) -> None:
    """With what the rules left of its text."""
    with LoopbackServer([custom("shell", "echo sk-1234")]) as server:
        guard = Guard(output=[redact(keys)], retry=NOW)
        with OpenAI(base_url=server.base_url, api_key="k") as client, guard.wrap(client) as wrapped:
            if api == "chat":
                got: Any = wrapped.chat.completions.create(
                    model="m", messages=ASKED, tools=[SHELL], stream=streamed
                )  # type: ignore[call-overload]
            else:
                flat: Any = {"type": "custom", "name": "shell"}
                got = wrapped.responses.create(model="m", input="go", tools=[flat], stream=streamed)
            told = json.dumps([item.model_dump() for item in got] if streamed else got.model_dump())

    assert "echo [KEY]" in told
    assert "sk-1234" not in told


@pytest.mark.parametrize("text", [None, "Paying."])
@pytest.mark.parametrize("finish_reason", ["function_call", "stop"])
def test_a_legacy_call_in_a_reply_is_refused_by_name(text: str | None, finish_reason: str) -> None:
    """It is in no rule's sight and under no check, so it never arrives; asking again would not help."""
    model = ScriptedModel([legacy(text, finish_reason)])

    with pytest.raises(
        Blocked, match=r"function_call format, which a guard does not check\. Declare it"
    ) as caught:
        Guard(output=[redact(keys)], retry=NOW).run(model, ASKED)

    assert caught.value.outcome == "tool denied"
    assert len(model.calls) == 1
    assert "sk-" not in str(caught.value)


def test_a_monitor_lets_a_legacy_call_pass_and_says_so() -> None:
    """It changes nothing."""
    reply = legacy(None, "function_call")

    outcome = Guard(mode="monitor").run(ScriptedModel([reply]), ASKED)

    assert outcome.value == reply
    assert [note.what for note in outcome.record.notes] == ["would have failed"]


@pytest.mark.parametrize(
    ("text", "kind"), [("Hi.", StreamInterrupted), (None, Blocked)], ids=["after text", "alone"]
)
def test_a_legacy_call_in_a_stream_is_refused_by_name(text: str | None, kind: type[Exception]) -> None:
    """A chunk that has one is made again without it, and the end is that of the whole reply."""
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    delta = {"content": text, "function_call": {"name": "pay", "arguments": '{"key": "sk-1234"}'}}
    frames = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ]
    chunks: list[Any] = []
    with (
        LoopbackServer([frames]) as server,
        OpenAI(base_url=server.base_url, api_key="k") as client,
        Guard(retry=NOW).wrap(client) as wrapped,
    ):
        stream = wrapped.chat.completions.create(model="m", messages=ASKED, stream=True)
        with pytest.raises(kind, match=r"function_call format, which a guard does not check") as caught:
            chunks.extend(stream)  # it keeps what came before the error

    assert caught.value.outcome == "tool denied"  # type: ignore[attr-defined]  # both kinds have one
    assert server.request_count == 1
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == (text or "")
    assert all(chunk.choices[0].delta.function_call is None for chunk in chunks)
    assert "sk-" not in str(caught.value)
