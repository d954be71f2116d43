"""A rope on one synchronous request, by which another thread can end it.

A thread that waits at a socket cannot be stopped. But its socket can be shut down under it: the wait ends
in an error, and the HTTP client throws that one connection away. A connection belongs to a request only
while an operation of it is under way, so only then is it shut down; a later operation finds the rope cut.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

_TETHER: ContextVar[Tether | None] = ContextVar("guardrails_lite_tether", default=None)


class Tether:
    """Ends what waits inside `held`, in the context that it was tied to."""

    __slots__ = ("_end", "_lock", "is_cut")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._end: Callable[[], object] | None = None
        self.is_cut = False

    def tie(self) -> None:
        """Hold whatever waits in the current context from now on."""
        _TETHER.set(self)

    def cut(self) -> None:
        """End the wait under way, and every one that follows."""
        with self._lock:  # an operation that has ended meanwhile may have given its connection to others
            self.is_cut = True
            if self._end is not None:
                self._end()

    def hold(self, end: Callable[[], object], work: Callable[..., Any], *args: Any) -> Any:
        """Do *work*; *end* ends it from another thread.

        Raises:
            ConnectionAbortedError: it was cut before.
        """
        with self._lock:
            if self.is_cut:
                raise ConnectionAbortedError("the request is no longer wanted")
            self._end = end
        try:
            return work(*args)
        finally:
            with self._lock:
                self._end = None


def held(end: Callable[[], object], work: Callable[..., Any], *args: Any) -> Any:
    """Do *work*, which the tether of this context, if there is one, can have ended by *end*."""
    tether = _TETHER.get()
    return work(*args) if tether is None else tether.hold(end, work, *args)


def is_tethered() -> bool:
    """Whether somebody may want to end what is done in this context."""
    return _TETHER.get() is not None
