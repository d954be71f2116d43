"""Replies that cannot fill the memory: an HTTP client whose bodies are bounded while they come.

A megabyte of gzip can hold a gigabyte, and a client that reads a body whole has it in memory before anyone
can object. Here it is unpacked in small pieces and counted: a whole reply by what has come of it, a stream
by what has come since its last event ended, for that is what its reader keeps.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any
from weakref import ref

from guardrails_lite._errors import ConfigError
from guardrails_lite.clients._openai_handshake import shaken
from guardrails_lite.clients._openai_unasked import refuse_unasked
from guardrails_lite.reliability._twins import live_twin_of

MOST_BYTES = 32 * 2**20
"""Of a whole reply, or of one event of a stream, unpacked."""
Unpack = Callable[[bytes], Iterable[bytes]]
_PIECE = 65_536
"""So many bytes are unpacked at once."""
_PACKINGS = {"gzip": (16 + zlib.MAX_WBITS,), "deflate": (zlib.MAX_WBITS, -zlib.MAX_WBITS)}
"""What can be bounded. The second of deflate is what some servers take it for."""
_PACKED = ", ".join(_PACKINGS)


_OF_ANOTHER_LOOP = (
    "an async client was used in a second event loop, and its connections are those of the first. Make a "
    "client in each loop, guard.wrap(AsyncOpenAI()), and close it there; they can share the guard."
)


class TooLargeError(Exception):
    """A body of more than `MOST_BYTES`."""

    def __init__(self) -> None:
        super().__init__(f"a reply of more than {MOST_BYTES // 2**20} MiB")


def sized(http_client: Any) -> Any:
    """A twin of an HTTP client, with its connections, whose replies of a model are bounded."""
    kind = type(http_client)
    if not callable(getattr(kind, "send", None)) or issubclass(kind, (Sized, AsyncSized)):
        return http_client
    if inspect.iscoroutinefunction(kind.send):
        return live_twin_of(http_client, AsyncSized, "first_loop")
    return live_twin_of(http_client, Sized)


class Sized:
    """Mixed into a sync HTTP client."""

    def send(self, request: Any, *, stream: bool = False, **how: Any) -> Any:
        """Send as the client does."""
        send: Callable[..., Any] = super().send  # type: ignore[misc]  # of the client mixed in
        if not asks_model(request):
            return send(request, stream=stream, **how)
        request.headers["accept-encoding"] = _PACKED
        response = send(request, stream=True, **how)
        try:
            _bound(response, _sync_body, in_events=stream)
            if not stream:
                response.read()
        except BaseException:
            response.close()
            raise
        return response


class AsyncSized:
    """`Sized` for an event loop."""

    first_loop: ref[asyncio.AbstractEventLoop]
    """In which it sent first, and has connections."""

    async def send(self, request: Any, *, stream: bool = False, **how: Any) -> Any:
        """Send as the client does."""
        send: Callable[..., Any] = super().send  # type: ignore[misc]  # of the client mixed in
        if not asks_model(request):
            return await send(request, stream=stream, **how)
        request.headers["accept-encoding"] = _PACKED
        is_elsewhere = self._is_elsewhere()
        try:
            response = await shaken(request, _asked(request, send(request, stream=True, **how)))
        except RuntimeError as error:
            if not is_elsewhere:
                raise
            raise ConfigError(_OF_ANOTHER_LOOP, outcome="transport failed") from error
        try:
            _bound(response, _async_body, in_events=stream)
            if not stream:
                await response.aread()
        except BaseException:
            await response.aclose()
            raise
        return response

    def _is_elsewhere(self) -> bool:
        """Whether it sent first in another event loop, which is over, and its connections may be with it.

        Raises:
            ConfigError: that loop still runs, and would read what is meant for this one.
        """
        loop = asyncio.get_running_loop()
        self.first_loop = getattr(self, "first_loop", ref(loop))
        first = self.first_loop()
        if first is not None and first is not loop and first.is_running():
            raise ConfigError(_OF_ANOTHER_LOOP, outcome="transport failed")
        return first is not loop


async def _asked(request: Any, sending: Awaitable[Any]) -> Any:
    refuse_unasked(request)
    return await sending


def asks_model(request: Any) -> bool:
    """Whether *request* is for what a guard checks. A file may hold anything, and as much as it likes."""
    return bool(request.url.path.endswith(("/chat/completions", "/responses")))


def _bound(response: Any, body: Callable[[Any], Any], *, in_events: bool) -> None:
    """Put a counted body in the place of the response's own.

    Raises:
        TooLargeError: it says itself that it is larger.
        Exception: the HTTP package's error for a body that is packed as nobody asked.
    """
    if response.is_stream_consumed:
        return
    headers = response.headers
    length = headers.get("content-length", "")
    if not in_events and length.isascii() and length.isdigit() and int(length[:20]) > MOST_BYTES:
        raise TooLargeError
    http = sys.modules[type(response).__module__.partition(".")[0]]
    packing = headers.get("content-encoding", "").strip().lower()
    broken = functools.partial(http.DecodingError, request=response.request)
    unpack: Unpack = _as_it_is
    if packing in _PACKINGS:
        del headers["content-encoding"]  # or it would be unpacked twice
        unpack = _Unpacker(_PACKINGS[packing], broken)
    elif packing not in ("", "identity"):
        raise broken("the body is packed in a way that was not asked for")
    response.stream = body(http)(response.stream, unpack, _Count(in_events=in_events))


def _as_it_is(data: bytes) -> Iterable[bytes]:
    return (data,)


class _Unpacker:
    """Unpacks what comes, a little at a time."""

    def __init__(self, windows: tuple[int, ...], broken: Callable[[str], Exception]) -> None:
        first, *self._others = windows
        self._packed = zlib.decompressobj(first)
        self._begun = False
        self._broken = broken

    def __call__(self, data: bytes) -> Iterator[bytes]:
        while data:
            try:
                piece = self._packed.decompress(data, _PIECE)
            except zlib.error:
                if self._begun or not self._others:
                    raise self._broken("the body cannot be unpacked") from None
                self._packed = zlib.decompressobj(self._others.pop())
                continue
            self._begun = True
            if piece:
                yield piece
            data = self._packed.unconsumed_tail


class _Count:
    """Counts a body, or each event of a stream."""

    def __init__(self, *, in_events: bool) -> None:
        self._in_events = in_events
        self._bytes = 0
        self._end = b""

    def take(self, piece: bytes) -> bytes:
        """Count *piece* and hand it back.

        Raises:
            TooLargeError: it is one too many.
        """
        self._bytes += len(piece)
        if self._in_events:
            seen = self._end + piece
            at = max(map(seen.rfind, _BLANK_LINES))
            if at >= 0:
                self._bytes = len(seen) - at
            self._end = seen[-3:]
        if self._bytes > MOST_BYTES:
            raise TooLargeError
        return piece


_BLANK_LINES = (b"\n\n", b"\n\r\n", b"\r\r")
"""What an event ends with."""


@functools.lru_cache(maxsize=4)
def _sync_body(http: Any) -> Any:
    class Body(http.SyncByteStream):  # type: ignore[misc]  # the package is known at run time only
        def __init__(self, stream: Any, unpack: Unpack, count: _Count) -> None:
            self._stream, self._unpack, self._count = stream, unpack, count

        def __iter__(self) -> Iterator[bytes]:
            for data in self._stream:
                yield from map(self._count.take, self._unpack(data))

        def close(self) -> None:
            self._stream.close()

    return Body


@functools.lru_cache(maxsize=4)
def _async_body(http: Any) -> Any:
    class Body(http.AsyncByteStream):  # type: ignore[misc]  # the package is known at run time only
        def __init__(self, stream: Any, unpack: Unpack, count: _Count) -> None:
            self._stream, self._unpack, self._count = stream, unpack, count

        def __aiter__(self) -> AsyncIterator[bytes]:
            return _Pieces(aiter(self._stream), self._unpack, self._count)

        async def aclose(self) -> None:
            await self._stream.aclose()

    return Body


class _Pieces(AsyncGenerator[bytes, None]):
    """What an async body is unpacked to. It is a generator to its reader, which then ends it, and is none.

    One that is left where it stands is ended by the garbage collector, in any thread.
    """

    def __init__(self, parts: Any, unpack: Unpack, count: _Count) -> None:
        self._parts, self._unpack, self._count = parts, unpack, count
        self._pieces: Iterator[bytes] = iter(())

    async def asend(self, _: object) -> bytes:
        while (piece := next(self._pieces, None)) is None:
            self._pieces = iter(self._unpack(await anext(self._parts)))
        return self._count.take(piece)

    async def athrow(self, *error: Any) -> bytes:
        return await self._parts.athrow(*error)  # type: ignore[no-any-return]

    async def aclose(self) -> None:
        if isinstance(self._parts, AsyncGenerator):
            await self._parts.aclose()
