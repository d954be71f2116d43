"""The stream a wrapped client returns: the client's own type, fed by the guard."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import cached_property
from typing import Any

from openai import AsyncStream, Stream

Remake = Callable[[Any], Any]
"""Makes the HTTP response that stands for a guarded stream."""


class GuardedStream(Stream[Any]):
    """Checked chunks, each as the client would have yielded it.

    `outcome` holds the verdict once the stream has ended. Closing it early closes the connection and
    completes the record.
    """

    def __init__(self, live: Any, telling: Any, remake: Remake) -> None:
        # not the parent's: there is no response of the provider to decode here
        self._live = live
        self._remake = remake
        self._iterator = _told(live, telling)

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
        self._iterator = _atold(live, telling)

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
        await self._live.aclose()

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
