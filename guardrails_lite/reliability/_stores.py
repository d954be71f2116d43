"""Where the state of an upstream lives: in this process, or where several processes can reach it.

Breakers, limits, pauses and allowances are plain objects that are told the time and hold no lock. A store
takes them out, lets one function change them, and puts them back, as one step that no other caller can
come between. So each of them is written once and works in one process, on one host and on many.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from guardrails_lite.reliability._forks import on_fork

R = TypeVar("R")


class State(Protocol):
    """Something a store can keep."""

    def dump(self) -> list[Any]:
        """The state as JSON can hold it."""

    def load(self, dumped: list[Any]) -> None:
        """Take over what `dump` gave."""


Key = tuple[str, type[State]]
"""The name of a state, and how to make it when there is none yet."""
Keys = tuple[Key, ...]


class Busy(Exception):
    """This thread is in the midst of an update. So the collector has struck there, and ended another call."""


class Store(Protocol):
    """Keeps states and changes them one caller at a time."""

    @property
    def blocks(self) -> bool:
        """Whether `update` waits for a disk or a network, so that an event loop asks from a thread."""

    @property
    def poll_s(self) -> float | None:
        """How often a waiting caller must look, since other processes cannot wake it. None: never."""

    @property
    def divisor(self) -> int:
        """By how many the limits are divided: 1, or the number of workers while they cannot agree."""

    @property
    def is_alone(self) -> bool:
        """Whether the update under way is seen by this process only, for the shared store does not answer."""

    def now_s(self) -> float:
        """The time on the clock that the states of this store are kept in."""

    def update(self, keys: Keys, step: Callable[..., R]) -> R:
        """Give the states named by *keys* to *step*, keep what it makes of them, return what it returns.

        *step* may be run again when another process came between, so it must change nothing else.

        Raises:
            Busy: an update of this thread is under way; `put_off` until it is over.
        """

    def put_off(self, work: Callable[[], None]) -> None:
        """Have *work* done when the update of this thread is over."""


class MemoryStore:
    """Keeps states in this process: the default. A forked child starts with none."""

    blocks = False
    poll_s = None
    divisor = 1
    is_alone = False
    _is_busy: bool

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.now_s = clock
        self.start_afresh()
        on_fork(self)

    def update(self, keys: Keys, step: Callable[..., R]) -> R:
        """Change the states in place, under a lock that is held for microseconds."""
        with self._lock:
            if self._is_busy:
                raise Busy
            self._is_busy = True
            try:
                states = self._together.get(keys)
                if states is None:
                    states = tuple(self._states.setdefault(name, kind()) for name, kind in keys)
                    self._together[keys] = states
                found = step(*states)
            finally:
                self._is_busy = False
        if self._later:
            self._catch_up()
        return found

    def put_off(self, work: Callable[[], None]) -> None:
        """Have *work* done when the update of this thread is over."""
        self._later.append(work)

    def _catch_up(self) -> None:
        with contextlib.suppress(IndexError):  # another thread has done it
            while self._later:
                self._later.popleft()()

    def start_afresh(self) -> None:
        """Forget what belongs to the parent process."""
        self._lock = threading.RLock()
        self._is_busy = False
        self._later: deque[Callable[[], None]] = deque()
        self._states: dict[str, State] = {}
        self._together: dict[Keys, tuple[State, ...]] = {}
        """The same, as they are asked for: by all their keys at once."""
