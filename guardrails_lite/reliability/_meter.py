"""What was sent to an upstream lately, and what is out now.

Tokens are *reserved* at their estimate when a call sets off and *reconciled* when it is known what it used.
Requests and tokens are counted in a sliding minute, in slots of a second, so that no sixty seconds hold
more than the limit: a bucket that refills allows nearly twice as much in its first minute. What a
provider's rate-limit headers say counts too, where it is less.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from guardrails_lite.reliability._limits import Limits

MINUTE_S = 60


class Minute:
    """What was counted in the last sixty seconds."""

    __slots__ = ("slots", "total")

    def __init__(self, slots: Iterable[tuple[int, int]] = ()) -> None:
        self.slots = dict(slots)
        """By the second, in order of time. Those that have left the minute are forgotten when in the way."""
        self.total = sum(self.slots.values())

    def room_at_s(self, limit: int, amount: int, now_s: float) -> float:
        """When *amount* more fits: *now_s*, later, or infinity, where it never will."""
        if self.total + amount <= limit:
            return now_s
        self._forget(now_s)
        excess = self.total + amount - limit
        if excess <= 0:
            return now_s
        for slot in sorted(self.slots):
            excess -= self.slots[slot]
            if excess <= 0:
                # A request may have been sent at the very end of its slot.
                return max(now_s, float(slot + 1 + MINUTE_S))
        return math.inf

    def add(self, amount: int, now_s: float) -> None:
        """Count *amount* more."""
        slot = int(now_s)
        counted = self.slots.get(slot)
        if counted is None:
            self._forget(now_s)
            counted = 0
        self.slots[slot] = counted + amount
        self.total += amount

    def correct(self, by: int, at_s: float) -> None:
        """What was counted at *at_s* was more or less than thought. Nothing, where that is forgotten."""
        slot = int(at_s)
        if (counted := self.slots.get(slot)) is not None:
            by = by if by > -counted else -counted
            self.slots[slot] = counted + by
            self.total += by

    def _forget(self, now_s: float) -> None:
        oldest = int(now_s) - MINUTE_S
        if next(iter(self.slots), oldest) < oldest:
            self.slots = {slot: amount for slot, amount in self.slots.items() if slot >= oldest}
            self.total = sum(self.slots.values())


class Meter:
    """What was sent lately and what is out now. It is told the time, and holds no lock."""

    __slots__ = ("in_flight", "remaining", "requests", "tokens")

    def __init__(self) -> None:
        self.in_flight: dict[str, float] = {}
        """The calls that are out, and when their leases end."""
        self.requests = Minute()
        """What was sent."""
        self.tokens = Minute()
        """What calls reserved, and, once they have ended, what they used."""
        self.remaining: dict[str, tuple[float, float]] = {}
        """What the provider said is left of ``"requests"`` and ``"tokens"``, and until when that holds."""

    def has_room(self, limits: Limits, tokens: int) -> bool:
        """Whether a call of *tokens* may set off at once, as far as that shows without the time."""
        concurrency, rpm, tpm = limits.concurrency, limits.rpm, limits.tpm
        return (
            (concurrency is None or len(self.in_flight) < concurrency)
            and (rpm is None or self.requests.total < rpm)
            and (tpm is None or self.tokens.total + tokens <= tpm)
            and not self.remaining
        )

    def ready_at_s(self, limits: Limits, tokens: int, now_s: float) -> float:
        """When a call of *tokens* may set off: *now_s*, later, or infinity (when some other call ends)."""
        ready_s = now_s
        if limits.concurrency is not None and len(self.in_flight) >= limits.concurrency:
            self._drop_leases(now_s)
            if len(self.in_flight) >= limits.concurrency:
                return math.inf
        if limits.rpm is not None:
            ready_s = self.requests.room_at_s(limits.rpm, 1, now_s)
        if limits.tpm is not None:
            ready_s = max(ready_s, self.tokens.room_at_s(limits.tpm, tokens, now_s))
        if self.remaining:
            ready_s = max(
                ready_s, self._told_at_s("requests", 1, now_s), self._told_at_s("tokens", tokens, now_s)
            )
        return ready_s

    def enter(self, limits: Limits, permit: str, tokens: int, now_s: float, lease_ends_s: float) -> None:
        """A call sets off with *tokens* reserved."""
        if limits.concurrency is not None:
            self.in_flight[permit] = lease_ends_s
        if limits.rpm is not None:
            self.requests.add(1, now_s)
        if limits.tpm is not None:
            self.tokens.add(tokens, now_s)
        if self.remaining:
            for name, (left, until_s) in self.remaining.items():
                self.remaining[name] = (left - (1 if name == "requests" else tokens), until_s)

    def leave(
        self, limits: Limits, permit: str, *, reserved: int, used: int | None, sent_s: float, sent: bool
    ) -> None:
        """A call has ended.

        Args:
            limits: The limits it was sent under.
            permit: The name it entered with.
            reserved: The tokens it reserved.
            used: The tokens it used; None: not known, so what was reserved stands.
            sent_s: When it set off.
            sent: Whether it reached the upstream; if not, everything is given back.
        """
        self.in_flight.pop(permit, None)
        if limits.rpm is not None and not sent:
            self.requests.correct(-1, sent_s)
        spent = 0 if not sent else reserved if used is None else used
        if limits.tpm is not None and spent != reserved:
            self.tokens.correct(spent - reserved, sent_s)

    def hear(self, headers: Mapping[str, str], *, now_s: float, wall_clock_s: float) -> None:
        """Take in what a provider's rate-limit headers say.

        A response knows nothing of the calls still out, so they are taken off.
        """
        for name in ("requests", "tokens"):
            told = _told(headers, name, wall_clock_s)
            if told is not None:
                left, reset_s = told
                out = len(self.in_flight) if name == "requests" else 0
                self.remaining[name] = (left - out, now_s + min(reset_s, MINUTE_S))

    def _drop_leases(self, now_s: float) -> None:
        self.in_flight = {permit: ends_s for permit, ends_s in self.in_flight.items() if ends_s > now_s}

    def _told_at_s(self, name: str, amount: int, now_s: float) -> float:
        if name not in self.remaining:
            return now_s
        left, until_s = self.remaining[name]
        if now_s >= until_s:
            del self.remaining[name]
            return now_s
        return now_s if left >= amount else until_s

    def dump(self) -> list[Any]:
        """The state as JSON can hold it."""
        minutes = [list(minute.slots.items()) for minute in (self.requests, self.tokens)]
        return [self.in_flight, *minutes, self.remaining]

    def load(self, dumped: list[Any]) -> None:
        """Take over what `dump` gave."""
        self.in_flight, requests, tokens, remaining = dumped
        self.requests, self.tokens = Minute(requests), Minute(tokens)
        self.remaining = {name: (left, until_s) for name, (left, until_s) in remaining.items()}


_PERIOD = re.compile(
    r"(?:(\d{1,6})h)?(?:(\d{1,6})m(?!s))?(?:(\d{1,6}(?:\.\d+)?)s)?(?:(\d{1,9}(?:\.\d+)?)ms)?", re.A
)


def _told(headers: Mapping[str, str], name: str, wall_clock_s: float) -> tuple[float, float] | None:
    """What is left, and for how many seconds that holds: OpenAI's headers, or Anthropic's."""
    left = headers.get(
        f"x-ratelimit-remaining-{name}", headers.get(f"anthropic-ratelimit-{name}-remaining", "")
    )
    if not (left.isascii() and left.isdigit() and len(left) < 16):
        return None
    reset_s = _period_s(headers.get(f"x-ratelimit-reset-{name}", ""))
    if reset_s is None:
        reset_s = _moment_s(headers.get(f"anthropic-ratelimit-{name}-reset", ""), wall_clock_s)
    return None if reset_s is None else (float(left), reset_s)


def _period_s(value: str) -> float | None:
    """``6m0s``, ``1.5s``, ``20ms``, ``2`` in seconds."""
    value = value.strip()
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    match = _PERIOD.fullmatch(value)
    if not value or match is None:
        return None
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000


def _moment_s(value: str, wall_clock_s: float) -> float | None:
    from datetime import datetime

    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return max(moment.timestamp() - wall_clock_s, 0.0) if moment.tzinfo is not None else None
