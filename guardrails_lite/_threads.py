"""Wait for work that is done in a thread, whatever it raises and however long it takes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, ParamSpec, TypeVar

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
            came = list(brought)  # as the wait ended; what comes later is told of in its thread
        for found in came:
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


def result_within(work: Callable[[], T], timeout_s: float) -> T:
    """Do *work* in a thread and stop waiting after *timeout_s*. Python cannot stop the thread itself.

    Raises:
        TimeoutError: there was no answer in time.
    """
    box: list[Any] = []
    context = copy_context()

    def body() -> None:
        try:
            box.append((context.run(work), None))
        except BaseException as error:  # handed over to the waiting thread, whatever it is
            box.append((None, error))

    thread = threading.Thread(target=body, name="guardrails-lite-check", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if not box:
        raise TimeoutError(f"no answer within {timeout_s} s")
    result, error = box[0]
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]
