"""Await work that is done in a thread, whatever it raises."""

from __future__ import annotations

import asyncio
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


def _done(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return work(*args, **kwargs)
    except StopIteration as ended:
        raise RuntimeError("thread raised StopIteration") from ended
