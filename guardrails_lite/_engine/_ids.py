"""The names of calls: 32 hexadecimal digits each, that nobody can guess.

They are drawn for some calls ahead, because asking the system takes longer than what it gives. Nothing drawn
ahead outlives its second or its process, so that neither a forked child nor a machine that is woken twice
from one image gives two calls the same name.
"""

from __future__ import annotations

import os

from guardrails_lite.reliability._forks import on_fork

_DIGITS = 32
_AHEAD = 64
_KEPT_S = 1.0


class CallIds:
    """Names for the calls of this process. Safe under threads and forks."""

    __slots__ = ("__weakref__", "_drawn", "_drawn_at_s")

    def __init__(self) -> None:
        self.start_afresh()
        on_fork(self)

    def start_afresh(self) -> None:
        """Forget the parent process's names."""
        self._drawn: list[str] = []
        self._drawn_at_s = 0.0

    def next(self, now_s: float) -> str:
        """A name that no other call has, at *now_s* on the wall clock."""
        drawn = self._drawn
        if drawn and 0 <= now_s - self._drawn_at_s < _KEPT_S:
            try:
                return drawn.pop()
            except IndexError:  # another thread took the last one
                pass
        digits = os.urandom(_AHEAD * _DIGITS // 2).hex()
        drawn = [digits[at : at + _DIGITS] for at in range(0, len(digits), _DIGITS)]
        name = drawn.pop()
        self._drawn, self._drawn_at_s = drawn, now_s
        return name


next_id = CallIds().next
