"""Who goes next: callers of one name in the order they came, and names in turns, by their weights.

Each caller gets a *start* as it lines up, and the least start goes first. The start is where the turns have
come to, or where the callers of the same name before it end, if that is later; each moves that end on by its
cost over the weight of its name. So a name that was idle gets no credit for it, a name that floods the queue
lines up behind itself, and only so many that come later can go before: nobody waits for ever (start-time fair
queueing: Goyal, Vin and Cheng, SIGCOMM 1996).
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from typing import Any, NamedTuple

_NAMES_KEPT = 64
"""So many names that do not wait are remembered, and at most as many again as wait."""


class Waiter(NamedTuple):
    """A caller in the queue."""

    ticket: str
    until_s: float
    """When its place is given up, should it never come back."""
    start: float
    cost: float
    name: str
    """Stands for the name of the caller."""


class Queue:
    """Those who wait for one upstream. It is told the time, and holds no lock."""

    __slots__ = ("_ends", "_turn", "waiters")

    def __init__(self) -> None:
        self.waiters: list[Waiter] = []
        """Who waits, in the order in which they go."""
        self._ends: dict[str, float] = {}
        """Where the callers of each name end, that came lately."""
        self._turn = 0.0
        """Where the turns have come to: the start of who went last."""

    def __len__(self) -> int:
        return len(self.waiters)

    @property
    def head(self) -> str | None:
        """The ticket of who goes next."""
        return self.waiters[0].ticket if self.waiters else None

    def waiting(self, caller: str) -> int:
        """How many callers of this name wait."""
        name = _digest(caller)
        return sum([waiter.name == name for waiter in self.waiters])

    def join(self, ticket: str, caller: str, cost: float, *, until_s: float) -> None:
        """A caller lines up."""
        if not self.waiters:
            self._ends.clear()
            self._turn = 0.0
        name = _digest(caller)
        start = max(self._turn, self._ends.get(name, 0.0))
        self._ends[name] = start + cost
        place = bisect_right(self.waiters, start, key=_start)
        self.waiters.insert(place, Waiter(ticket, until_s, start, cost, name))
        if len(self._ends) > 2 * len(self.waiters) + _NAMES_KEPT:  # there may be a name for each user
            self._ends = {waiter.name: self._ends[waiter.name] for waiter in self.waiters}

    def place(self, ticket: str) -> int | None:
        """How many go before; None: the caller does not wait here."""
        return next((at for at, waiter in enumerate(self.waiters) if waiter.ticket == ticket), None)

    def take(self, ticket: str) -> None:
        """A caller's turn has come."""
        place = self.place(ticket)
        if place is not None:
            self._turn = max(self._turn, self.waiters.pop(place).start)

    def leave(self, ticket: str) -> None:
        """A caller does not wait any more: those of its name that came later move up."""
        place = self.place(ticket)
        if place is None:
            return
        gone = self.waiters.pop(place)
        self._ends[gone.name] -= gone.cost
        for at, waiter in enumerate(self.waiters[place:], place):
            if waiter.name == gone.name:
                self.waiters[at] = waiter._replace(start=waiter.start - gone.cost)
        self.waiters.sort(key=_start)

    def forget_the_gone(self, now_s: float) -> None:
        """A caller that died keeps the head of a shared queue only so long."""
        while self.waiters and self.waiters[0].until_s <= now_s:
            self.leave(self.waiters[0].ticket)

    def dump(self) -> list[Any]:
        """The state as JSON can hold it."""
        return [self.waiters, self._ends, self._turn]

    def load(self, dumped: list[Any]) -> None:
        """Take over what `dump` gave."""
        waiters, self._ends, self._turn = dumped
        self.waiters = [Waiter(*waiter) for waiter in waiters]


def _start(waiter: Waiter) -> float:
    return waiter.start


def _digest(caller: str) -> str:
    """A name as a shared store may see it."""
    if not caller:
        return ""
    return hashlib.blake2b(caller.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
