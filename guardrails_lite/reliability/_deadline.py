"""The moment by which the work at hand must be over, known to everything below without being passed on.

Whoever performs an effect sets the limit around it; a bounded client (`_bounded_client.py`) clamps every
socket operation to the time that is left, and a function of the user's own can ask `time_left_s`. The
limit travels in a context variable, so threads, tasks and nested calls each have their own. An inner limit
can only shorten an outer one.
"""

from __future__ import annotations

import math
import time
from contextvars import ContextVar, Token

_LIMIT: ContextVar[float] = ContextVar("guardrails_lite_limit", default=math.inf)
_CONNECT_S: ContextVar[float | None] = ContextVar("guardrails_lite_connect", default=None)


class time_limit:
    """Let the work inside the ``with`` block take *seconds*; None changes nothing.

    It interrupts nothing by itself: it tells what waits inside when to stop waiting.
    """

    __slots__ = ("_seconds", "_token")

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._token: Token[float] | None = None

    def __enter__(self) -> None:
        if self._seconds is not None:
            self._token = begin_limit(self._seconds)

    def __exit__(self, *exc: object) -> None:
        if self._token is not None:
            end_limit(self._token)
            self._token = None


def begin_limit(seconds: float) -> Token[float]:
    """What `time_limit` does at the start of its block, at half its price: the token is for `end_limit`."""
    ends_s, outer_s = time.monotonic() + seconds, _LIMIT.get()
    return _LIMIT.set(ends_s if ends_s < outer_s else outer_s)


def end_limit(token: Token[float]) -> None:
    """What `time_limit` does at the end of its block."""
    try:  # noqa: SIM105  # `suppress` would cost half as much again
        _LIMIT.reset(token)
    except ValueError:  # a coroutine that is closed outside its task, where no limit was set
        pass


def time_left_s() -> float | None:
    """Say how many seconds the current guarded call still has; None: it has no limit.

    A function that a guard calls can use it to bound its own waits: by the deadline, or by the clock of
    `Clocks` that runs out before it. So can a validator, by the timeout of its rule. Zero or less: stop now.
    The tasks that it starts, and `asyncio.to_thread`, have the same limit.
    """
    limit = _LIMIT.get()
    return None if limit == math.inf else limit - time.monotonic()


def clamped_s(timeout_s: float | None) -> float | None:
    """*timeout_s*, or the time that is left where that is less; never below zero."""
    left = time_left_s()
    if left is None:
        return timeout_s
    left = max(left, 0.0)
    return left if timeout_s is None else min(timeout_s, left)


class connect_limit:
    """Let a request that is made ready inside the ``with`` block take *seconds* to connect."""

    __slots__ = ("_seconds", "_token")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._token = _CONNECT_S.set(self._seconds)

    def __exit__(self, *exc: object) -> None:
        _CONNECT_S.reset(self._token)


def connect_limit_s() -> float | None:
    """How many seconds a client may take to connect; None: as many as it is used to."""
    return _CONNECT_S.get()
