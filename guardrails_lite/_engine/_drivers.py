"""Run the engine: to the end, or as a stream, synchronously or on an event loop.

A driver performs each effect and sends the answer into the engine, or throws the error in. It never
swallows an error and never decides; so cancellation, ``KeyboardInterrupt`` and the closing of a stream
reach the engine, which completes its record and lets them pass.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import weakref
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from guardrails_lite._engine._effects import Effect, Opened, Release

R = TypeVar("R")
C = TypeVar("C")
Core = Coroutine[Effect[Any], Any, R]


class StreamClosed(BaseException):
    """Thrown into the engine when the consumer of a stream leaves.

    Not `GeneratorExit`: Python does not throw that one into what a coroutine awaits, but closes it, and
    then the engine could not await the effects that close the upstream and write the record.
    """


def advance(core: Core[Any], until: type | None, effect: Any = None) -> Any:
    """Perform effects until one of the type *until*, which is returned, or until the end: its result."""
    try:
        if effect is None:
            effect = core.send(None)
        while type(effect) is not until:
            failed: BaseException | None = None
            try:
                answer = effect.run()
            except BaseException as error:  # the engine decides what every error means
                failed = error if isinstance(effect, Effect) else _foreign(effect)
            # Thrown out here, for an error raised inside an `except` drags the handled one along.
            effect = core.send(answer) if failed is None else core.throw(failed)
    except StopIteration as done:
        return done.value
    return effect


async def aadvance(core: Core[Any], until: type | None, effect: Any = None) -> Any:
    """Perform effects until one of the type *until*, which is returned, or until the end: its result."""
    try:
        if effect is None:
            effect = core.send(None)
        while type(effect) is not until:
            failed: BaseException | None = None
            try:
                answer = await effect.arun()
            except BaseException as error:  # the engine decides what every error means
                failed = error if isinstance(effect, Effect) else _foreign(effect)
            # Thrown out here, for an error raised inside an `except` drags the handled one along.
            effect = core.send(answer) if failed is None else core.throw(failed)
    except StopIteration as done:
        return done.value
    return effect


def _foreign(awaited: object) -> TypeError:
    return TypeError(f"the engine awaited something of type {type(awaited).__name__}, which is no effect")


def drive(core: Core[R]) -> R:
    """Run *core* to its end in this thread."""
    return advance(core, None)  # type: ignore[no-any-return]


async def adrive(core: Core[R]) -> R:
    """Run *core* to its end on the event loop."""
    return await aadvance(core, None)  # type: ignore[no-any-return]


def begin(core: Core[R]) -> R | Live[Any]:
    """Run *core* until it ends or its reply begins to stream; then hand the stream over."""
    got = advance(core, Opened)
    return Live(core) if type(got) is Opened else got


async def abegin(core: Core[R]) -> R | AsyncLive[Any]:
    """Run *core* until it ends or its reply begins to stream; then hand the stream over."""
    got = await aadvance(core, Opened)
    return AsyncLive(core) if type(got) is Opened else got


def read_twice() -> RuntimeError:
    """What the second reader of a stream gets; Python's own generators have such an error too."""
    return RuntimeError(
        "another thread or task is reading this stream just now, and its chunks come once. Read it in one "
        "place, and hand the chunks on from there."
    )


_left_open: weakref.WeakSet[Live[Any] | AsyncLive[Any]] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_left_open.clear)


@atexit.register
def _end_left_open() -> None:
    """End what a program leaves open when it ends, while its records can still be written."""
    with contextlib.suppress(RuntimeError):  # a thread of the program is still opening some
        for live in tuple(_left_open):
            if not live._is_read:  # by a thread that will not come to its end
                with contextlib.suppress(Exception):
                    live.__del__()


class Live(Generic[C]):
    """A reply that is still coming: iterate over its checked chunks, or the `Partial`s of its value.

    After the last chunk, `outcome` holds the verdict and the record. Leaving early, by `close` or the end
    of a ``with`` block, closes the upstream and completes the record as cancelled. It is read in one place:
    a second reader, while the first waits, gets a `RuntimeError`, and the first goes on.
    """

    def __init__(self, core: Core[Any]) -> None:
        self._core: Core[Any] | None = core
        self._is_read = False
        self.outcome: Any = None
        """The `Outcome`, once the stream has ended."""
        _left_open.add(self)

    def __iter__(self) -> Live[C]:
        return self

    def __next__(self) -> C:
        if self._is_read:
            raise read_twice()
        core, self._core = self._core, None  # an error below leaves the stream ended
        if core is None:
            raise StopIteration
        self._is_read = True
        try:
            got = advance(core, Release)
            if type(got) is not Release:
                self.outcome = got
                raise StopIteration
            self._core = core
        finally:
            self._is_read = False
        return got.chunk  # type: ignore[no-any-return]

    def __enter__(self) -> Live[C]:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop: close the upstream and complete the record. Closing an ended stream does nothing."""
        core, self._core = self._core, None
        if core is not None:
            with contextlib.suppress(StreamClosed, StopIteration):
                advance(core, None, core.throw(StreamClosed()))

    def __del__(self) -> None:
        with contextlib.suppress(RuntimeError):  # the engine may have been collected before its stream
            self.close()


class AsyncLive(Generic[C]):
    """`Live` for an event loop: ``async for``."""

    def __init__(self, core: Core[Any]) -> None:
        self._core: Core[Any] | None = core
        self._is_read = False
        self.outcome: Any = None
        """The `Outcome`, once the stream has ended."""
        _left_open.add(self)

    def __aiter__(self) -> AsyncLive[C]:
        return self

    async def __anext__(self) -> C:
        if self._is_read:
            raise read_twice()
        core, self._core = self._core, None  # an error below leaves the stream ended
        if core is None:
            raise StopAsyncIteration
        self._is_read = True
        try:
            got = await aadvance(core, Release)
            if type(got) is not Release:
                self.outcome = got
                raise StopAsyncIteration
            self._core = core
        finally:
            self._is_read = False
        return got.chunk  # type: ignore[no-any-return]

    async def __aenter__(self) -> AsyncLive[C]:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop: close the upstream and complete the record. Closing an ended stream does nothing."""
        core, self._core = self._core, None
        if core is not None:
            await _stop(core)

    def __del__(self) -> None:
        core, self._core = self._core, None
        if core is None:
            return
        # Left behind: the loop may be ending, so nothing is awaited; the record can still be completed.
        with contextlib.suppress(BaseException):
            advance(core, None, core.throw(StreamClosed()))


async def _stop(core: Core[Any]) -> None:
    with contextlib.suppress(StreamClosed, StopIteration):
        await aadvance(core, None, core.throw(StreamClosed()))
