"""Anthropic's own client inside guarded functions, over real HTTP. Skipped where it is not installed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from guardrails_lite import Exhausted, Finding, Guard, Record, Retry, redact, validator
from guardrails_lite.testing import HttpReply, LoopbackServer, completion, tool_call

anthropic: Any = pytest.importorskip("anthropic")

SAID = "The key is sk-12345678, keep it."
LEFT = "The key is [KEY], keep it."
ASKED = [{"role": "user", "content": "Mine is sk-12345678."}]
SYSTEM = "His is sk-12345678."


@validator(window=11)
def keys(text: str) -> Iterator[Finding]:
    """Keys of eleven characters."""
    if (at := text.find("sk-12345678")) >= 0:
        yield Finding("holds a key", span=(at, at + 11), category="KEY")


class Functions:
    """What an application has around the client, in each of the ways that it is used."""

    def __init__(self, base_url: str) -> None:
        self._how = {"base_url": base_url.removesuffix("/v1"), "api_key": "k", "max_retries": 0}

    def create(self, messages: Any, system: str = "", **more: Any) -> Any:
        with anthropic.Anthropic(**self._how) as client:
            return client.messages.create(model="m", max_tokens=64, system=system, messages=messages, **more)

    async def acreate(self, messages: Any, system: str = "") -> Any:
        async with anthropic.AsyncAnthropic(**self._how) as client:
            return await client.messages.create(model="m", max_tokens=64, system=system, messages=messages)

    def stream(self, messages: Any, system: str = "") -> Iterator[Any]:
        with anthropic.Anthropic(**self._how) as client:
            yield from client.messages.create(
                model="m", max_tokens=64, system=system, messages=messages, stream=True
            )

    async def astream(self, messages: Any, system: str = "") -> AsyncIterator[Any]:
        async with anthropic.AsyncAnthropic(**self._how) as client:
            async for event in await client.messages.create(
                model="m", max_tokens=64, system=system, messages=messages, stream=True
            ):
                yield event

    def helper(self, messages: Any, system: str = "") -> Iterator[Any]:
        with (
            anthropic.Anthropic(**self._how) as client,
            client.messages.stream(model="m", max_tokens=64, system=system, messages=messages) as stream,
        ):
            yield from stream

    def texts(self, messages: Any, system: str = "") -> Iterator[str]:
        with (
            anthropic.Anthropic(**self._how) as client,
            client.messages.stream(model="m", max_tokens=64, system=system, messages=messages) as stream,
        ):
            yield from stream.text_stream


def _deltas(events: list[Any]) -> str:
    return "".join(event.delta.text for event in events if event.type == "content_block_delta")


async def _all(events: AsyncIterator[Any]) -> list[Any]:
    return [event async for event in events]


WAYS: dict[str, Callable[[Guard[Any], Functions], str]] = {
    "create": lambda guard, use: guard(use.create)(ASKED, system=SYSTEM).content[0].text,
    "async create": lambda guard, use: asyncio.run(guard(use.acreate)(ASKED, system=SYSTEM)).content[0].text,
    "stream": lambda guard, use: _deltas(list(guard(use.stream)(ASKED, system=SYSTEM))),
    "async stream": lambda guard, use: _deltas(asyncio.run(_all(guard(use.astream)(ASKED, system=SYSTEM)))),
    "stream helper": lambda guard, use: _deltas(list(guard(use.helper)(ASKED, system=SYSTEM))),
    "texts": lambda guard, use: "".join(guard(use.texts)(ASKED, system=SYSTEM)),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_the_client_sends_and_hands_over_is_guarded(way: str) -> None:
    """The server sees the prompt after the input rules, the application the reply after the output rules."""
    records: list[Record] = []
    guard = Guard(input=[redact(keys)], output=[redact(keys)], log=records.append)
    with LoopbackServer([SAID]) as server:
        assert WAYS[way](guard, Functions(server.base_url)) == LEFT
    (sent,) = server.requests
    assert sent.body["messages"] == [{"role": "user", "content": "Mine is [KEY]."}]
    assert sent.body["system"] == "His is [KEY]."
    assert [record.outcome for record in records] == ["passed"]
    usage = records[0].usage
    assert (usage is None) == (way == "texts")  # a function's own strings tell none
    assert usage is None or (usage.prompt_tokens > 0 and usage.completion_tokens > 0)


@pytest.mark.parametrize(
    ("status", "kind", "left"),
    [
        (429, "rate_limit_error", LEFT),
        (529, "overloaded_error", LEFT),
        (500, "api_error", LEFT),
        (400, "invalid_request_error", None),
        (401, "authentication_error", None),
    ],
)
def test_the_clients_errors_are_classified(status: int, kind: str, left: str | None) -> None:
    """What may pass is tried again, what will not is not."""
    body = f'{{"type": "error", "error": {{"type": "{kind}", "message": "no"}}}}'.encode()
    guard = Guard(output=[redact(keys)], retry=Retry(attempts=2, wait=0))
    with LoopbackServer([HttpReply(body, status=status), SAID]) as server:
        call = guard(Functions(server.base_url).create)
        if left is None:
            with pytest.raises(Exhausted):
                call(ASKED)
        else:
            assert call(ASKED).content[0].text == left
    assert server.request_count == (1 if left is None else 2)


def test_a_stream_that_breaks_before_its_first_text_is_tried_again() -> None:
    """The error event of an overloaded server counts as one; nothing of the first try comes out."""
    frames = (
        'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "no"}}\n\n'
    )
    broken = HttpReply(frames.encode(), headers={"content-type": "text/event-stream"})
    guard = Guard(output=[redact(keys)], retry=Retry(attempts=2, wait=0))
    with LoopbackServer([broken, SAID]) as server:
        assert _deltas(list(guard(Functions(server.base_url).stream)(ASKED))) == LEFT


def test_a_wrong_call_is_asked_for_again_and_the_provider_takes_the_question() -> None:
    """Calls are checked against the tools of the request, in the form of this API."""
    tool = {
        "name": "refund",
        "input_schema": {"type": "object", "properties": {"euros": {"type": "integer"}}},
    }
    answers = [
        completion(tool_calls=[tool_call("refund", {"euros": euros}, id=f"t{nth}")])
        for nth, euros in enumerate(["ten", 10])
    ]
    with LoopbackServer(answers) as server:
        got = Guard(retry=Retry(reasks=1))(Functions(server.base_url).create)(ASKED, tools=[tool])
    assert got.content[0].input == {"euros": 10}
    assert [each["content"][0]["type"] for each in server.requests[1].body["messages"][-2:]] == [
        "tool_use",
        "tool_result",
    ]
