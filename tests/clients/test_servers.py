"""Servers that speak OpenAI's API nearly: each of their shapes, through a real client and over HTTP."""

from __future__ import annotations

import asyncio
import json
import re
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion

from guardrails_lite import Finding, Guard, GuardrailsError, Record, Retry, redact, validator
from guardrails_lite.testing import HttpReply, LoopbackServer
from tests.clients.servers import PLANT, SAYS, SHAPES, SIGNED, Shape, chunk, deltas

QUESTION: Any = [{"role": "user", "content": "What is the capital of Norway?"}]
FIND: Any = {
    "type": "function",
    "function": {"name": "find", "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}},
}


@validator(window=len(PLANT))
def plants(text: str) -> Iterator[Finding]:
    """The planted word, which is not in the name of the rule."""
    at = text.find(PLANT)
    while at >= 0:
        yield Finding("was planted", span=(at, at + len(PLANT)))
        at = text.find(PLANT, at + 1)


def masked(text: str) -> str:
    """What the rule leaves of a text."""
    return text.replace(PLANT, "[REDACTED]")


@dataclass
class Got:
    """What the caller of a wrapped client got."""

    objects: list[Any] = field(default_factory=list)
    error: Exception | None = None

    def shown(self) -> str:
        """All of it, as it could be printed, sent on or logged."""
        told = [each.model_dump_json(warnings=False) for each in self.objects]
        if self.error is not None:
            told += traceback.format_exception(self.error)
        return "\n".join(told)

    def said(self) -> tuple[str, str, list[tuple[str, Any]]]:
        """The text, the thoughts and the calls, as somebody puts them together who knows the shapes."""
        text, thoughts = "", ""
        calls: dict[int, list[str]] = {}
        for each in self.objects:
            for choice in each.choices or ():
                message: Any = choice.message if isinstance(each, ChatCompletion) else choice.delta
                if message is None:
                    continue
                more = message.model_extra or {}
                content = message.content
                text += content if isinstance(content, str) else _texts(content, "text")
                thoughts += more.get("reasoning_content") or more.get("reasoning") or _texts(content, "")
                for nth, call in enumerate(message.tool_calls or ()):
                    parts = calls.setdefault(getattr(call, "index", nth) or nth, ["", ""])
                    parts[0] += call.function.name or ""
                    arguments = call.function.arguments or ""
                    parts[1] += arguments if isinstance(arguments, str) else json.dumps(arguments)
        return text, thoughts, [(name, json.loads(told)) for name, told in calls.values()]


def _texts(content: Any, kind: str) -> str:
    """The texts of the parts of this kind; where it is empty, of all that is no text of the answer."""
    if not isinstance(content, list):
        return "" if content is None or not kind else str(content)
    if kind:
        return "".join(part["text"] for part in content if part["type"] == kind)
    thoughts = (part for part in content if part["type"] != "text")
    return "".join(
        told["text"] for part in thoughts for told in part.get("thinking", part.get("summary", ()))
    )


def reply_of(shape: Shape) -> HttpReply:
    """The shape as the server sends it."""
    media = {
        "content-type": shape.media or ("text/event-stream" if shape.is_streamed else "application/json")
    }
    body = shape.body
    if not (shape.is_streamed and isinstance(body, list)) and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    return HttpReply(body, status=shape.status, headers=media)


def asked(client: openai.OpenAI, shape: Shape) -> Got:
    """Ask for the shape, and read it to its end."""
    got = Got()
    try:
        made: Any = client.chat.completions.create(
            model="m", messages=QUESTION, tools=[FIND], stream=shape.is_streamed
        )
        for each in made if shape.is_streamed else [made]:
            got.objects.append(each)
    except GuardrailsError as error:
        got.error = error
    return got


async def aasked(client: openai.AsyncOpenAI, shape: Shape) -> Got:
    """`asked`, of an async client."""
    got = Got()
    try:
        made: Any = await client.chat.completions.create(
            model="m", messages=QUESTION, tools=[FIND], stream=shape.is_streamed
        )
        if shape.is_streamed:
            async for each in made:
                got.objects.append(each)
        else:
            got.objects.append(made)
    except GuardrailsError as error:
        got.error = error
    return got


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """A server that answers with the shape that it is told to."""
    with LoopbackServer(then=lambda request: serving.now) as serving:
        yield serving


def ask(server: Any, guard: Guard[Any], shape: Shape, style: str) -> Got:
    """Ask a wrapped client of either kind."""
    server.now = reply_of(shape)
    if style == "sync":
        with openai.OpenAI(api_key="k", base_url=server.base_url) as bare:
            return asked(guard.wrap(bare), shape)

    async def whole() -> Got:
        async with openai.AsyncOpenAI(api_key="k", base_url=server.base_url) as bare:
            return await aasked(guard.wrap(bare), shape)

    return asyncio.run(whole())


every_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
both_styles = pytest.mark.parametrize("style", ["sync", "async"])


@every_shape
@both_styles
def test_a_rule_sees_every_text_of_it(server: Any, shape: Shape, style: str) -> None:
    """Text, thoughts and arguments come masked; nothing else of a text comes; the record says what it was."""
    records: list[Record] = []
    guard = Guard(output=[redact(plants)], retry=Retry(attempts=1), log=[records.append])

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        got = ask(server, guard, shape, style)

    (record,) = records
    assert PLANT not in got.shown()
    assert PLANT not in repr(record.to_dict())
    assert PLANT not in "".join(str(each.message) for each in warned)
    check_fate(shape, got, record)
    if shape.fails is None:
        text, thoughts, calls = got.said()
        assert text == masked(shape.text or "")
        assert thoughts == masked(shape.reasoning or "")
        assert calls == [(name, json.loads(masked(json.dumps(told)))) for name, told in shape.calls]


@every_shape
@both_styles
def test_a_guard_without_rules_loses_nothing_of_it(server: Any, shape: Shape, style: str) -> None:
    """Text, thoughts and calls come as they were sent."""
    records: list[Record] = []
    guard = Guard(retry=Retry(attempts=1), log=[records.append])

    got = ask(server, guard, shape, style)

    (record,) = records
    check_fate(shape, got, record)
    if shape.fails is None:
        text, thoughts, calls = got.said()
        assert text == (shape.text or "")
        assert thoughts == (shape.reasoning or "")
        assert calls == list(shape.calls)


def check_fate(shape: Shape, got: Got, record: Record) -> None:
    """The record says how the one attempt ended, what it cost and what became of each call."""
    (attempt,) = record.attempts
    if shape.fails is not None:
        assert (attempt.result, attempt.blame) == shape.fails
        assert got.error is not None
        assert record.error == type(got.error).__name__
        return
    assert got.error is None
    assert record.outcome == "passed" if PLANT not in repr(got.objects) else record.outcome
    assert attempt.result == "answered"
    usage = attempt.usage
    assert (usage and (usage.prompt_tokens, usage.completion_tokens)) == shape.usage
    assert [(step.name, step.verdict) for step in record.tools] == [
        (name, "passed") for name, _ in shape.calls
    ]


@both_styles
@pytest.mark.parametrize("output", [(), (redact(plants),)], ids=["no rule", "a rule"])
def test_what_gemini_has_signed_stays_with_the_call(server: Any, style: str, output: Any) -> None:
    """The provider refuses the next request without it; in a stream, too."""
    (shape,) = (each for each in SHAPES if each.server == "Gemini" and "ends with stop" in each.odd)

    got = ask(server, Guard(output=output, log=[]), shape, style)

    chunks = [each.choices[0].delta for each in got.objects if each.choices]
    (call,) = (call for delta in chunks for call in delta.tool_calls or ())
    assert call.model_extra == {"extra_content": SIGNED}


def test_an_event_of_the_server_s_own_says_nothing_in_a_stream_of_dicts_either() -> None:
    """It stands between the chunks, and right before the end, where what was held back is told."""
    event = {"type": "mcp_tool_result", "result": PLANT}
    chunks = [*deltas("content", SAYS), event, chunk({}, "stop"), event]

    told = list(Guard(output=[redact(plants)], log=[]).stream(lambda messages: iter(chunks), QUESTION))

    assert PLANT not in repr(told)
    assert "".join(each["choices"][0]["delta"].get("content") or "" for each in told) == masked(SAYS)


def test_every_server_of_the_table_is_on_its_page() -> None:
    """What is tested is said, and what is said of a server is tested."""
    page = (Path(__file__).parents[2] / "docs/reference/compatible-servers.md").read_text()
    told = {name for row in re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE) for name in row.split(",")}

    tested = {re.sub(r" (gateway|on MLX|behind a gateway)$", "", shape.server) for shape in SHAPES}

    assert tested <= told
    assert len(tested) == page.count("`http") + 2, "of two the address depends"
