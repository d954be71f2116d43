"""Fault S33: one stream that two threads or two tasks read at the same time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from guardrails_lite import Finding, Guard, StreamInterrupted, Validator, validator, warn
from guardrails_lite.testing import HttpReply, LoopbackServer

SAID: list[Any] = [{"role": "user", "content": "What is the capital of Norway?"}]
TEXT = "Oslo is the capital."
WAIT_S = 60
HOW = pytest.mark.parametrize("how", ["function", "chat", "responses"])


@HOW
def test_a_second_thread_gets_an_error_and_the_first_goes_on(how: str) -> None:
    """Not the end of the stream, which would pass for a whole reply."""
    written: list[Any] = []
    reading, go = threading.Event(), threading.Event()
    guard = Guard(output=[warn(_held(reading, go))], log=written.append)
    with _opened(guard, how) as stream, ThreadPoolExecutor() as pool:
        first = pool.submit(lambda: [_text_of(chunk) for chunk in stream])
        try:
            assert reading.wait(WAIT_S)
            with pytest.raises(RuntimeError, match="another thread or task is reading this stream"):
                next(stream)
            with pytest.raises(RuntimeError, match="Read it in one place"):
                list(stream)
            stream.close()  # as the second's `with` block does
        finally:
            go.set()
        assert "".join(first.result(WAIT_S)) == TEXT
        assert stream.outcome.record.outcome == "passed"
        assert list(stream) == []
    assert [record.outcome for record in written] == ["passed"]


@HOW
def test_a_second_task_gets_an_error_and_the_first_goes_on(how: str) -> None:
    """The same on an event loop."""
    written: list[Any] = []

    async def read_twice() -> str:
        reading, go = asyncio.Event(), asyncio.Event()
        guard = Guard(output=[warn(_aheld(reading, go))], log=written.append)
        async with _aopened(guard, how) as stream:
            first = asyncio.create_task(_drained(stream))
            await asyncio.wait_for(reading.wait(), WAIT_S)
            with pytest.raises(RuntimeError, match="another thread or task is reading this stream"):
                await anext(stream)
            with pytest.raises(RuntimeError, match="Read it in one place"):
                await _drained(stream)
            await stream.aclose()  # as the second's `async with` block does
            go.set()
            text = await first
            assert stream.outcome.record.outcome == "passed"
            assert await _drained(stream) == ""
        return text

    assert asyncio.run(read_twice()) == TEXT
    assert [record.outcome for record in written] == ["passed"]


@HOW
def test_readers_may_take_turns(how: str) -> None:
    """A stream that is handed to another thread between two chunks is read on there."""
    with _opened(Guard(), how) as stream, ThreadPoolExecutor() as pool:
        text = _text_of(next(stream))
        text += pool.submit(lambda: "".join(map(_text_of, stream))).result(WAIT_S)
    assert text == TEXT


def test_an_error_below_ends_the_reading() -> None:
    """What follows is the end of the stream, and no word of another reader."""

    def broken(messages: Any) -> Iterator[str]:
        yield "Os"
        raise LookupError

    stream = Guard().stream(broken, SAID)
    assert next(stream) == "Os"
    with pytest.raises(StreamInterrupted):
        next(stream)
    assert list(stream) == []


@contextlib.contextmanager
def _opened(guard: Guard[Any], how: str) -> Iterator[Any]:
    """A stream of the text, from a function or from a client."""
    if how == "function":
        with guard.stream(lambda messages: iter(TEXT.partition(" ")), SAID) as stream:
            yield stream
        return
    with (
        LoopbackServer(then=HttpReply(TEXT, size=2)) as server,
        _client(openai.OpenAI, server) as bare,
        _asked(guard.wrap(bare), how) as stream,
    ):
        yield stream


@contextlib.asynccontextmanager
async def _aopened(guard: Guard[Any], how: str) -> AsyncIterator[Any]:
    """The same for an event loop."""
    if how == "function":
        async with guard.astream(_apieces, SAID) as stream:
            yield stream
        return
    with LoopbackServer(then=HttpReply(TEXT, size=2)) as server:
        async with (
            _client(openai.AsyncOpenAI, server) as bare,
            await _asked(guard.wrap(bare), how) as stream,
        ):
            yield stream


async def _apieces(messages: Any) -> AsyncIterator[str]:
    for piece in TEXT.partition(" "):
        yield piece


def _client(kind: Any, server: LoopbackServer) -> Any:
    return kind(api_key="k", base_url=server.base_url)


def _asked(client: Any, api: str) -> Any:
    if api == "chat":
        return client.chat.completions.create(model="m", messages=SAID, stream=True)
    return client.responses.create(model="m", input=SAID, stream=True)


def _held(reading: threading.Event, go: threading.Event) -> Validator:
    """Finds nothing; it says that a read is under way, and holds it."""

    @validator(window=1)
    def held(text: str) -> Iterator[Finding]:
        reading.set()
        assert go.wait(WAIT_S)
        yield from ()

    return held


def _aheld(reading: asyncio.Event, go: asyncio.Event) -> Validator:
    @validator(window=1)
    async def held(text: str) -> list[Finding]:
        reading.set()
        await asyncio.wait_for(go.wait(), WAIT_S)
        return []

    return held


async def _drained(stream: Any) -> str:
    return "".join([_text_of(chunk) async for chunk in stream])


def _text_of(chunk: Any) -> str:
    if isinstance(chunk, str):
        return chunk
    if hasattr(chunk, "choices"):
        return "".join(choice.delta.content or "" for choice in chunk.choices)
    return str(chunk.delta) if chunk.type == "response.output_text.delta" else ""
