"""Sends that are under way beside one another: launched, waited for, given up.

The effects here are for a race only (`_hedging.py`), and load with it. On an event loop a flight is a task,
else a thread. It has landed when the reply shows its first content: a stream is read so far, and the chunks
are kept for whoever reads it. Given up, a task is cancelled and a thread's connection is shut down under it
(`reliability/_tether.py`); either is waited for.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Any

from guardrails_lite._engine._effects import END, Close, Effect, Read, Send
from guardrails_lite._messages._reading import UnreadableError, is_stream, read_chunk
from guardrails_lite._targets import Answered
from guardrails_lite.reliability._deadline import time_limit
from guardrails_lite.reliability._tether import Tether

_PATIENCE_S = 1.0
"""How long a flight that was given up is waited for: a function may ignore that it is cancelled."""


@dataclass(frozen=True, slots=True)
class Landing:
    """What a flight brought."""

    raw: Any
    """The target's answer; a stream begins with the chunks that were read."""
    has_content: bool
    """A stream has shown content. Of a whole reply nothing is known yet."""


class Flight:
    """One send under way."""

    def __init__(self, future: asyncio.Task[Landing] | concurrent.futures.Future[Landing]) -> None:
        self.future = future

    @property
    def landing(self) -> Landing | None:
        """What it brought; None while it is under way, and where it failed."""
        future = self.future
        return future.result() if future.done() and not future.cancelled() and self.error is None else None

    @property
    def error(self) -> BaseException | None:
        """What the target raised, if it did."""
        future = self.future
        return future.exception() if future.done() and not future.cancelled() else None

    def result(self) -> Any:
        """The target's answer. Raises what the target raised."""
        return self.future.result().raw

    def cancel(self) -> None:
        """Ask it to end."""
        raise NotImplementedError

    @property
    def stream(self) -> Any:
        """What is to be closed of what it brought."""
        landing = self.landing
        return None if landing is None else _bare(landing.raw)


class TaskFlight(Flight):
    """A flight on the event loop."""

    future: asyncio.Task[Landing]

    def __init__(self, send: Send) -> None:
        self._is_given_up = False
        super().__init__(asyncio.get_running_loop().create_task(self._fly(send)))
        self.future.add_done_callback(_look_away)

    def cancel(self) -> None:
        """Ask it to end."""
        self._is_given_up = True
        with contextlib.suppress(RuntimeError):  # the loop is closed, and has cancelled it
            self.future.cancel()

    async def _fly(self, send: Send) -> Landing:
        landing = await _aland(send)
        if self._is_given_up:  # it did not mind being cancelled, and nobody may be waiting any more
            await Close(_bare(landing.raw)).arun()
        return landing


class ThreadFlight(Flight):
    """A flight in a thread of its own."""

    future: concurrent.futures.Future[Landing]

    def __init__(self, send: Send) -> None:
        super().__init__(concurrent.futures.Future())
        self._tether = Tether()
        context = copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._fly, send), name="guardrails-lite-hedge", daemon=True
        )
        self._thread.start()

    def cancel(self) -> None:
        """End what it waits for."""
        self._tether.cut()

    def join(self) -> None:
        """Wait until it has ended."""
        self._thread.join(_PATIENCE_S)

    def _fly(self, send: Send) -> None:
        self._tether.tie()
        try:
            landing = _land(send)
        except BaseException as error:  # handed over to the waiting thread, whatever it is
            self.future.set_exception(error)
            return
        self.future.set_result(landing)
        if self._tether.is_cut:  # nobody may be waiting any more
            Close(_bare(landing.raw)).run()


@dataclass(slots=True)
class Launch(Effect[Flight]):
    """Let a send set off, and do not wait for it."""

    send: Send

    def run(self) -> Flight:
        return ThreadFlight(self.send)

    async def arun(self) -> Flight:
        return TaskFlight(self.send)


@dataclass(slots=True)
class Land(Effect[None]):
    """Wait until one of the flights has landed, or the time has passed."""

    flights: Sequence[Flight]
    timeout_s: float | None = None

    def run(self) -> None:
        futures: list[Any] = [flight.future for flight in self.flights]
        concurrent.futures.wait(futures, self.timeout_s, return_when=concurrent.futures.FIRST_COMPLETED)

    async def arun(self) -> None:
        futures: list[Any] = [flight.future for flight in self.flights]
        await asyncio.wait(futures, timeout=self.timeout_s, return_when=asyncio.FIRST_COMPLETED)


@dataclass(slots=True)
class GiveUp(Effect[None]):
    """End flights that are not needed any more, wait for their end, and close what they have brought."""

    flights: Sequence[Flight]

    def run(self) -> None:
        for flight in self.flights:
            flight.cancel()
        for flight in self.flights:
            if isinstance(flight, ThreadFlight):
                flight.join()
            Close(flight.stream).run()

    async def arun(self) -> None:
        for flight in self.flights:
            flight.cancel()
        futures: list[Any] = [flight.future for flight in self.flights]
        await asyncio.wait(futures, timeout=_PATIENCE_S)
        for flight in self.flights:
            await Close(flight.stream).arun()


def _look_away(task: asyncio.Task[Landing]) -> None:
    """What a flight raises that was given up is nobody's to hear of."""
    if not task.cancelled():
        task.exception()


def _land(send: Send) -> Landing:
    with time_limit(send.timeout_s):
        raw = send.run()
        begun = _begun(raw)
        if begun is None:
            return Landing(raw, False)
        try:
            while begun.wants_more:
                begun.hear(Read(begun.stream).run())
        except BaseException:
            begun.close()
            raise
    return Landing(_with(raw, begun), begun.has_content)


async def _aland(send: Send) -> Landing:
    async with asyncio.timeout(send.timeout_s):
        raw = await send.arun()
        begun = _begun(raw)
        if begun is None:
            return Landing(raw, False)
        try:
            while begun.wants_more:
                begun.hear(await Read(begun.stream).arun())
        except BaseException:
            await Close(begun).arun()
            raise
    return Landing(_with(raw, begun), begun.has_content)


def _bare(raw: Any) -> Any:
    return raw.raw if type(raw) is Answered else raw


def _begun(raw: Any) -> _Begun | None:
    stream = _bare(raw)
    if not is_stream(stream):
        return None
    return _AsyncBegun(stream) if hasattr(stream, "__aiter__") else _SyncBegun(stream)


def _with(raw: Any, begun: _Begun) -> Any:
    return replace(raw, raw=begun) if type(raw) is Answered else begun


class _Begun:
    """A stream of which some chunks have been read ahead."""

    def __init__(self, raw: Any, stream: Any) -> None:
        self._raw = raw
        self.stream = stream
        self._ahead: deque[Any] = deque()
        self.wants_more = True
        """It has shown no content yet, and nothing else that is worth a look."""
        self.has_content = False

    def hear(self, chunk: Any) -> None:
        """Look at the next chunk, or at `END`, and keep it."""
        self._ahead.append(chunk)
        if chunk is END:
            self.wants_more = False
            return
        try:
            read = read_chunk(chunk)
        except UnreadableError:  # whoever reads the stream will find it too
            self.wants_more = False
            return
        self.has_content = read.error is None and any(delta.has_content for delta in read.deltas)
        self.wants_more = read.error is None and not self.has_content

    def close(self) -> None:
        """Give the connection back."""
        Close(self._raw).run()


class _SyncBegun(_Begun):
    def __init__(self, raw: Any) -> None:
        super().__init__(raw, iter(raw))

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if not self._ahead:
            return next(self.stream)
        chunk = self._ahead.popleft()
        if chunk is END:
            raise StopIteration
        return chunk


class _AsyncBegun(_Begun):
    def __init__(self, raw: Any) -> None:
        super().__init__(raw, raw.__aiter__())

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        if not self._ahead:
            return await self.stream.__anext__()
        chunk = self._ahead.popleft()
        if chunk is END:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Give the connection back."""
        await Close(self._raw).arun()
