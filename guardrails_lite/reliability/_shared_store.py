"""What a shared store does when it is down or slow: wait briefly, then go by a part of the limits.

A shared store must never be what stops the calls, and never be what lets all of them through. When it does
not answer in time, the process keeps its own states for a while, under limits divided by the number of
workers, and looks again later.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, runtime_checkable

from guardrails_lite.reliability._stores import Busy, Keys, MemoryStore

R = TypeVar("R")

_FIRST_LOOK_S = 1.0
_LONGEST_LOOK_S = 30.0


class StoreUnavailable(Exception):
    """The shared store did not answer in time, or answered nonsense."""


@runtime_checkable
class SharedStore(Protocol):
    """A store that other processes reach too. It raises `StoreUnavailable` rather than wait."""

    @property
    def workers(self) -> int:
        """How many processes share it, for the time in which they cannot agree."""

    @property
    def poll_s(self) -> float | None:
        """How often a waiting caller looks."""

    def now_s(self) -> float:
        """The time of the update that is being made."""

    def update(self, keys: Keys, step: Callable[..., R]) -> R:
        """Change the states as one step; see `Store`."""


class _Here(threading.local):
    """What one thread is at."""

    is_local = False
    """It is in an update of this process's own states."""
    is_busy = False
    """It is in an update."""

    def __init__(self) -> None:
        self.later: list[Callable[[], None]] = []


class DegradingStore:
    """Keeps states in a shared store, and in this process while that does not answer."""

    blocks = True

    def __init__(self, shared: SharedStore, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.poll_s = shared.poll_s
        self._shared = shared
        self._local = MemoryStore(clock=clock)
        self._clock = clock
        self._look_at_s = 0.0
        self._misses = 0
        self._here = _Here()

    @property
    def divisor(self) -> int:
        """1 inside an update of the shared store, the number of workers inside one of our own."""
        return self._shared.workers if self._here.is_local else 1

    @property
    def is_alone(self) -> bool:
        """Whether the update under way is one of this process's own states."""
        return self._here.is_local

    @property
    def is_degraded(self) -> bool:
        """Whether the shared store did not answer when it was last asked."""
        return self._misses > 0

    def now_s(self) -> float:
        """The time on the clock of the store that is being updated."""
        return self._local.now_s() if self._here.is_local else self._shared.now_s()

    def update(self, keys: Keys, step: Callable[..., R]) -> R:
        """Change the states as one step, in the shared store if it answers."""
        return self._alone(lambda: self._update(keys, step))

    def update_here(self, keys: Keys, step: Callable[..., R]) -> R:
        """Change the states of this process, as for a call that went ahead by them."""
        return self._alone(lambda: self._update_here(keys, step))

    def put_off(self, work: Callable[[], None]) -> None:
        """Have *work* done when the update of this thread is over."""
        self._here.later.append(work)

    def _alone(self, work: Callable[[], R]) -> R:
        here = self._here
        if here.is_busy:
            raise Busy
        here.is_busy = True
        try:
            return work()
        finally:
            here.is_busy = False
            while here.later:
                here.later.pop(0)()

    def _update(self, keys: Keys, step: Callable[..., R]) -> R:
        now_s = self._clock()
        if self._misses == 0 or now_s >= self._look_at_s:
            if self._misses:
                self._look_at_s = now_s + _FIRST_LOOK_S  # the others need not look meanwhile
            try:
                found = self._shared.update(keys, step)
            except StoreUnavailable:
                wait_s = min(_FIRST_LOOK_S * 2 ** min(self._misses, 10), _LONGEST_LOOK_S)
                self._look_at_s = self._clock() + wait_s
                self._misses += 1
            else:
                self._misses = 0
                return found
        return self._update_here(keys, step)

    def _update_here(self, keys: Keys, step: Callable[..., R]) -> R:
        self._here.is_local = True
        try:
            return self._local.update(keys, step)
        finally:
            self._here.is_local = False


def loaded(kind: Callable[[], Any], dumped: object) -> Any:
    """A state made of what was kept; a new one where that is nonsense."""
    state = kind()
    if dumped is not None:
        try:
            state.load(dumped)
        except (TypeError, ValueError, KeyError, AttributeError, IndexError):
            return kind()
    return state
