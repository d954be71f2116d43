"""When a server asked to be left alone: one pause that all its callers share, and a careful return.

Without it, each of fifty callers finds out for itself, and all come back together. After the pause one
call goes first; each good answer doubles how many may be out, until nobody counts any more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

LONGEST_S = 300.0
"""A pause is never longer, whatever the server says: it may be wrong, and somebody must look again."""
_FULL = 32
_FORGOTTEN_S = 60.0


class Pause:
    """The state of one pause. It is told the time, and holds no lock."""

    __slots__ = ("allowed", "out", "until_s")

    def __init__(self) -> None:
        self.until_s = -math.inf
        self.allowed: int | None = None
        """How many calls may be out after the pause; None: any number."""
        self.out: dict[str, float] = {}
        """The calls that are out since, and when their leases end."""

    def begin(self, seconds: float, *, now_s: float, random: Callable[[], float]) -> None:
        """The server asked for *seconds*. A pause is never shortened by a later answer."""
        seconds = min(seconds, LONGEST_S)
        until_s = now_s + seconds + random() * max(0.25, 0.2 * seconds)
        self.until_s = max(self.until_s, until_s)
        self.allowed = 1
        self.out = {}

    def ready_at_s(self, now_s: float) -> float:
        """When the next call may set off: *now_s*, later, or infinity (when some other call ends)."""
        if self.allowed is None:
            return now_s
        if now_s < self.until_s:
            return self.until_s
        if now_s > self.until_s + _FORGOTTEN_S:
            self.allowed = None
            self.out = {}
            return now_s
        if len(self.out) >= self.allowed:
            self.out = {permit: ends_s for permit, ends_s in self.out.items() if ends_s > now_s}
        return now_s if len(self.out) < self.allowed else math.inf

    def enter(self, permit: str, lease_ends_s: float) -> None:
        """A call sets off."""
        if self.allowed is not None:
            self.out[permit] = lease_ends_s

    def leave(self, permit: str, *, good: bool) -> None:
        """A call has ended; a good answer lets twice as many out."""
        if self.out.pop(permit, None) is not None and good and self.allowed is not None:
            self.allowed *= 2
            if self.allowed >= _FULL:
                self.allowed = None
                self.out = {}

    def dump(self) -> list[Any]:
        """The state as JSON can hold it."""
        return [max(self.until_s, -1e300), self.allowed, self.out]

    def load(self, dumped: list[Any]) -> None:
        """Take over what `dump` gave."""
        self.until_s, self.allowed, self.out = dumped
