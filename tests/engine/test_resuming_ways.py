"""A stream that breaks after text was shown is gone on with in every way to take a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from openai import AsyncOpenAI, OpenAI

from guardrails_lite import Guard
from guardrails_lite.testing import HttpReply, LoopbackServer, ScriptedModel
from tests.engine.breaking import ASKED, OFFLINE, RESUME


def test_a_decorated_generator_goes_on() -> None:
    """Its caller sees one stream."""
    script = ScriptedModel([["Refunds take fi", OFFLINE], "five days."])

    @Guard(retry=RESUME)
    def model(messages: list[Any]) -> Iterator[str]:
        yield from script.stream(messages)

    assert "".join(model(ASKED)) == "Refunds take five days."


def test_a_decorated_async_generator_goes_on() -> None:
    """Its caller sees one stream."""
    script = ScriptedModel([["Refunds take fi", OFFLINE], "five days."])

    @Guard(retry=RESUME)
    async def model(messages: list[Any]) -> AsyncIterator[str]:
        async for piece in script.astream(messages):
            yield piece

    async def take() -> str:
        return "".join([piece async for piece in model(ASKED)])

    assert asyncio.run(take()) == "Refunds take five days."


SAID = "Refunds take five working days from when the goods are here."


def script() -> list[Any]:
    """A stream that is cut after some of it, and the rest of it."""
    return [
        HttpReply(SAID, cut_after=1100),
        lambda request: SAID[len(said_in(request)) :],
    ]


def said_in(request: Any) -> str:
    """What a request says that the model has said."""
    messages = request.body.get("messages") or request.body["input"]
    said = next(each for each in messages if each["role"] == "assistant")["content"]
    return said if isinstance(said, str) else "".join(part["text"] for part in said)


def test_a_wrapped_client_streams_on() -> None:
    """Its chunks are the client's own, all of one id, with one end."""
    with (
        LoopbackServer(script()) as server,
        Guard(retry=RESUME).wrap(OpenAI(base_url=server.base_url, api_key="test")) as client,
    ):
        stream = client.chat.completions.create(model="m", messages=ASKED, stream=True)  # type: ignore[call-overload]
        chunks = list(stream)

    assert "".join(each.choices[0].delta.content or "" for each in chunks if each.choices) == SAID
    assert len({each.id for each in chunks}) == 1
    assert [type(each).__name__ for each in chunks] == ["ChatCompletionChunk"] * len(chunks)
    assert [each.choices[0].finish_reason for each in chunks if each.choices][-1] == "stop"
    assert [step.shown is not None for step in stream.outcome.record.attempts] == [True, True]


def test_an_async_wrapped_client_streams_on() -> None:
    """As above, on an event loop, by the client's own helper for streams."""

    async def take(url: str) -> str:
        async with (
            Guard(retry=RESUME).wrap(AsyncOpenAI(base_url=url, api_key="test")) as client,
            client.chat.completions.stream(model="m", messages=ASKED) as stream,  # type: ignore[arg-type]
        ):
            return (await stream.get_final_completion()).choices[0].message.content or ""

    with LoopbackServer(script()) as server:
        assert asyncio.run(take(server.base_url)) == SAID


def test_a_streamed_response_goes_on() -> None:
    """The events are those of one response: one item, one part, and the whole text at its end."""
    with (
        LoopbackServer(
            [HttpReply(SAID, cut_after=2600), script()[1]],
        ) as server,
        Guard(retry=RESUME).wrap(OpenAI(base_url=server.base_url, api_key="test")) as client,
    ):
        events = list(client.responses.create(model="m", input="How long?", stream=True))

    kinds = [event.type for event in events]
    deltas: list[Any] = [event for event in events if event.type == "response.output_text.delta"]
    assert "".join(event.delta for event in deltas) == SAID
    assert len({event.item_id for event in deltas}) == 1
    assert kinds.count("response.created") == kinds.count("response.completed") == 1
    assert kinds.count("response.output_item.added") == kinds.count("response.output_item.done") == 1
    assert [event.sequence_number for event in events] == list(range(len(events)))
    final: Any = events[-1]
    assert final.response.output_text == SAID
