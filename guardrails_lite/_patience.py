"""Await something for so long, and pay for the limit only where there is a wait.

A timer of the event loop can fire only while its task waits. So none is set until what is awaited first
waits; an answer that is there at once costs no timer, and one that is late is late by the same clock.
"""

from __future__ import annotations

import asyncio
import time
import types
from collections.abc import Awaitable, Generator
from typing import Any, TypeVar

T = TypeVar("T")


@types.coroutine
def within(awaited: Awaitable[T], timeout_s: float, began_s: float) -> Generator[Any, Any, T]:
    """Await *awaited*, like ``asyncio.timeout(timeout_s)`` around it since *began_s*, a monotonic time.

    Raises:
        TimeoutError: it waited past the limit, and has been cancelled.
    """
    steps = awaited.__await__()
    try:
        asked = next(steps)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    left_s = timeout_s - (time.monotonic() - began_s)
    return (yield from _limited(_going_on(steps, asked), left_s).__await__())


async def _limited(awaited: Awaitable[T], timeout_s: float) -> T:
    async with asyncio.timeout(timeout_s):
        return await awaited


@types.coroutine
def _going_on(steps: Generator[Any, Any, T], asked: Any) -> Generator[Any, Any, T]:
    """The rest of *steps*, which *asked* the event loop for something: PEP 380, from the middle on."""
    try:
        while True:
            failed: BaseException | None = None
            answer = None
            try:
                answer = yield asked
            except GeneratorExit:
                if hasattr(steps, "close"):
                    steps.close()
                raise
            except BaseException as error:
                failed = error
            # Thrown out here, for an error raised inside an `except` drags the handled one along.
            if failed is None:
                asked = next(steps) if answer is None else steps.send(answer)
            elif hasattr(steps, "throw"):
                asked = steps.throw(failed)
            else:  # an iterator and no more, which is all that an awaitable has to give
                raise failed
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
