"""Streams of a client: as the provider sends them, and as a wrapped client returns them, fed by the guard."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cached_property
from typing import Any, Self, TypeVar, get_args, get_origin

from openai import AsyncStream, Stream
from openai._streaming import ServerSentEvent

from guardrails_lite._engine._drivers import read_twice
from guardrails_lite._nesting import loads, refuse_depth

T = TypeVar("T")

Remake = Callable[[Any], Any]
"""Makes the HTTP response that stands for a guarded stream."""


_MOST_BYTES = 1_000_000
"""Of a body that came instead of a stream."""


class HeedfulStream(Stream[T]):
    """The client's stream, which also bears events without data, and sees an error that came without events.

    The client's own breaks at the first, which the format allows, and takes the second for an empty stream.
    JSON that is nested too deep is refused before the client parses it.
    It also leaves its generators where they stand, in a circle with itself, for the garbage collector to end
    some time later and in any thread; these are ended with the stream.
    """

    def __iter__(self) -> Self:
        return self

    def close(self) -> None:
        """Give the connection back, and end what reads from it."""
        reading: Any = self._iterator
        try:
            super().close()
        finally:
            with contextlib.suppress(ValueError):  # another thread is reading just now
                reading.close()

    def _iter_events(self) -> Iterator[ServerSentEvent]:
        if not _is_json(self.response):
            for event in super()._iter_events():
                if event.data:
                    yield _heeded(event)
            return
        body = b""
        for part in self.response.iter_bytes():
            body += part
            if len(body) > _MOST_BYTES:
                return
        yield from _error_in(body)


class AsyncHeedfulStream(AsyncStream[T]):
    """`HeedfulStream` for an event loop."""

    def __init__(self, **made: Any) -> None:
        super().__init__(**made)
        self._reading: list[Any] = [self._iterator]
        self._decoder = _Held(self._decoder, self._reading)  # type: ignore[assignment]  # the one method used

    def __aiter__(self) -> Self:
        return self

    async def close(self) -> None:
        """Give the connection back, and end what reads from it: each generator before the one inside it."""
        try:
            await super().close()
        finally:
            for each in self._reading:
                with contextlib.suppress(RuntimeError):  # another task is reading just now
                    await each.aclose()

    def _iter_events(self) -> AsyncIterator[ServerSentEvent]:
        events = self._errors() if _is_json(self.response) else self._heeded(super()._iter_events())
        self._reading.append(events)
        return events

    async def _heeded(self, events: AsyncIterator[ServerSentEvent]) -> AsyncIterator[ServerSentEvent]:
        self._reading.append(events)
        async for event in events:
            if event.data:
                yield _heeded(event)

    async def _errors(self) -> AsyncIterator[ServerSentEvent]:
        body = b""
        async for part in self.response.aiter_bytes():
            body += part
            if len(body) > _MOST_BYTES:
                return
        for event in _error_in(body):
            yield event


def _heeded(event: ServerSentEvent) -> ServerSentEvent:
    """*event* as the client can take it.

    Raises:
        ValueError: its data is a text, which the client would pass on as a chunk.
    """
    refuse_depth(event.data)
    if event.data.startswith('"'):
        raise json.JSONDecodeError("a text instead of an object", "", 0)
    if event.event == "error" and (told := _object_of(event.data)) and not told.keys() & {"error", "type"}:
        return ServerSentEvent(event="error", data=json.dumps({"error": told}))
    return event


def _object_of(data: str | bytes) -> dict[str, Any] | None:
    try:
        told = loads(data)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


class _Held:
    """A decoder that tells which generators it reads with."""

    def __init__(self, decoder: Any, reading: list[Any]) -> None:
        self._decoder = decoder
        self._reading = reading

    def aiter_bytes(self, parts: AsyncIterator[bytes]) -> AsyncIterator[ServerSentEvent]:
        """Read events out of *parts*."""
        events: AsyncIterator[ServerSentEvent] = self._decoder.aiter_bytes(parts)
        self._reading += events, parts
        return events


def heedful(stream_cls: Any) -> Any:
    """The heedful kind of ``Stream[Chunk]`` or ``AsyncStream[Chunk]``; other kinds as they are."""
    kind = {Stream: HeedfulStream, AsyncStream: AsyncHeedfulStream}.get(get_origin(stream_cls))
    return stream_cls if kind is None else kind[get_args(stream_cls)[0]]  # type: ignore[index]


def _is_json(response: Any) -> bool:
    return str(response.headers.get("content-type", "")).partition(";")[0].strip() == "application/json"


def _error_in(body: bytes) -> Iterator[ServerSentEvent]:
    """An error object told as an event, from which the client makes its own exception."""
    if (told := _object_of(body)) and told.get("error"):
        yield ServerSentEvent(data=json.dumps({"error": told["error"]}))


class GuardedStream(Stream[Any]):
    """Checked chunks, each as the client would have yielded it.

    `outcome` holds the verdict once the stream has ended. Closing it early closes the connection and
    completes the record.
    """

    def __init__(self, live: Any, telling: Any, remake: Remake) -> None:
        # not the parent's: there is no response of the provider to decode here
        self._live = live
        self._remake = remake
        self._iterator: Any = _told(live, telling)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if self._iterator.gi_running:
            raise read_twice()
        return next(self._iterator)

    @cached_property
    def response(self) -> Any:  # type: ignore[override]  # an attribute there, made on demand here
        """The HTTP response: real in status and headers, checked in its body."""
        return self._remake(self)

    @property
    def outcome(self) -> Any:
        """The `Outcome`, once the stream has ended; None before."""
        return self._live.outcome

    def close(self) -> None:
        """Stop: close the connection and complete the record."""
        self._live.close()


class AsyncGuardedStream(AsyncStream[Any]):
    """`GuardedStream` for an event loop."""

    def __init__(self, live: Any, telling: Any, remake: Remake) -> None:
        # not the parent's: there is no response of the provider to decode here
        self._live = live
        self._remake = remake
        self._iterator: Any = _atold(live, telling)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        if self._iterator.ag_running:
            raise read_twice()
        return await self._iterator.__anext__()

    @cached_property
    def response(self) -> Any:  # type: ignore[override]  # an attribute there, made on demand here
        """The HTTP response: real in status and headers, checked in its body."""
        return self._remake(self)

    @property
    def outcome(self) -> Any:
        """The `Outcome`, once the stream has ended; None before."""
        return self._live.outcome

    async def close(self) -> None:
        """Stop: close the connection and complete the record."""
        try:
            await self._live.aclose()
        finally:
            with contextlib.suppress(RuntimeError):  # another task is reading just now
                await self._iterator.aclose()

    async def aclose(self) -> None:
        """Alias of `close`."""
        await self.close()


def _told(live: Any, telling: Any) -> Iterator[Any]:
    own = telling.own
    for chunk in live:
        if type(chunk) is own:
            yield chunk
        else:
            yield from telling.write(chunk)
    yield from telling.end(live.outcome)


async def _atold(live: Any, telling: Any) -> AsyncIterator[Any]:
    own = telling.own
    async for chunk in live:
        if type(chunk) is own:
            yield chunk
        else:
            for told in telling.write(chunk):
                yield told
    for told in telling.end(live.outcome):
        yield told


class Ended:
    """A stream that had ended before it was handed over: the whole answer of a fallback."""

    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome

    def __iter__(self) -> Iterator[Any]:
        yield self.outcome.reply.raw

    async def __aiter__(self) -> AsyncIterator[Any]:
        yield self.outcome.reply.raw

    def close(self) -> None:
        """Nothing is open."""

    async def aclose(self) -> None:
        """Nothing is open."""


class Heard:
    """A provider's stream on its way in, as the engine reads it."""

    def __init__(self, stream: Any, telling: Any) -> None:
        telling.begin()
        self._stream = stream
        self._telling = telling
        self._waiting: list[Any] = []

    def __iter__(self) -> Heard:
        return self

    def __next__(self) -> Any:
        while not self._waiting:
            self._waiting += self._telling.read(next(self._stream))
        return self._waiting.pop(0)

    def close(self) -> None:
        """Give the connection back."""
        self._stream.close()


class AsyncHeard:
    """`Heard` for an event loop."""

    def __init__(self, stream: Any, telling: Any) -> None:
        telling.begin()
        self._stream = stream
        self._telling = telling
        self._waiting: list[Any] = []

    def __aiter__(self) -> AsyncHeard:
        return self

    async def __anext__(self) -> Any:
        while not self._waiting:
            self._waiting += self._telling.read(await self._stream.__anext__())
        return self._waiting.pop(0)

    async def aclose(self) -> None:
        """Give the connection back."""
        await self._stream.close()
