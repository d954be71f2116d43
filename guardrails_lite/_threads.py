"""Await work that is done in a thread, whatever it raises."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """`asyncio.to_thread`, which before Python 3.12 waits for ever where *work* raises StopIteration.

    Raises:
        RuntimeError: *work* raised StopIteration, which no future takes. A coroutine does the same (PEP 479).
    """
    return await asyncio.to_thread(_done, work, *args, **kwargs)


async def in_thread_for(work: Callable[[], T], late: Callable[[T], object]) -> T:
    """`in_thread`, for what must not be lost: *late* gets what comes when nobody waits for it any more.

    Python cannot stop a thread. Who is cancelled leaves it behind, and it goes on.
    """
    lock = threading.Lock()
    brought: list[T] = []
    given_up = False

    def whole() -> T:
        found = work()
        with lock:
            brought.append(found)
            is_wanted = not given_up
        if not is_wanted:
            _tell(late, found)
        return found

    try:
        return await in_thread(whole)
    except BaseException:
        with lock:
            given_up = True
        for found in brought:  # it came as the wait ended
            _tell(late, found)
        raise


def _tell(late: Callable[[T], object], found: T) -> None:
    with contextlib.suppress(Exception):  # there is nobody who could do anything about it
        late(found)


def _done(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return work(*args, **kwargs)
    except StopIteration as ended:
        raise RuntimeError("thread raised StopIteration") from ended
