"""How much may be sent to an upstream: calls at a time, requests and tokens per minute.

Tokens are *reserved* at their estimate when a call sets off and *reconciled* when it is known what it used.
Requests and tokens are counted in a sliding minute, in slots of a second, so that no sixty seconds hold
more than the limit: a bucket that refills allows nearly twice as much in its first minute. What a
provider's rate-limit headers say counts too, where it is less.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from guardrails_lite._arguments import by_name
from guardrails_lite._errors import ConfigError
from guardrails_lite.reliability._settings import as_code, check_whole

MINUTE_S = 60
_SLOT_S = 1


@by_name
@dataclass(frozen=True, slots=True)
class Limits:
    """What may be sent to an upstream, by all callers together. They wait in the order they came.

    With `by`, those of one name wait in the order they came, and those of different names take turns: a
    name with twice the weight goes twice as often while others wait too, and nobody waits for ever. What a
    name leaves unused is the others'.

    Raises:
        ConfigError: a limit that cannot work.
    """

    concurrency: int | None = None
    """Calls at a time."""
    rpm: int | None = None
    """Requests a minute."""
    tpm: int | None = None
    """Tokens a minute, prompts and completions together."""
    queue: int = 1_000
    """The most callers that may wait, of each name where there are names; one more is refused at once."""
    by: str | None = None
    """Which field of `bound` names callers, such as ``"app"`` or ``"tenant"``. Those without it are one more
    name. A shared store sees digests of names only."""
    weights: Mapping[str, float] | None = None
    """How often a name goes, compared to one that is not listed, which has the weight 1. With `tpm` it is
    tokens that are compared, else calls."""

    def __post_init__(self) -> None:
        for name in ("concurrency", "rpm", "tpm"):
            check_whole(self, name, optional=True)
        check_whole(self, "queue", least=0)
        if self.by is not None and (not isinstance(self.by, str) or not self.by):
            raise ConfigError(f"by={self.by!r} of Limits must name a field of bound(...), such as 'app'.")
        if self.weights is not None:
            self._check_weights(self.weights)

    def _check_weights(self, weights: Mapping[str, float]) -> None:
        if not isinstance(weights, Mapping):
            raise ConfigError(f"weights= of Limits must be a mapping, not {type(weights).__name__}.")
        if self.by is None:
            raise ConfigError(
                "weights= of Limits needs by=: which field of bound(...) names the callers, such as by='app'."
            )
        for name, weight in weights.items():
            is_number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
            if not isinstance(name, str) or not is_number or not 0 < weight < math.inf:
                raise ConfigError(f"weights[{name!r}]={weight!r} of Limits must be more than 0, by a name.")

    def __hash__(self) -> int:
        return hash(repr(self))

    def caller_of(self, who: Mapping[str, str]) -> str:
        """The name of who calls; empty where there is none, or names make no difference."""
        return who.get(self.by, "") if self.by is not None else ""

    def cost_of(self, caller: str, tokens: int) -> float:
        """How far a call takes the turns of its caller on."""
        size = max(tokens, 1) if self.tpm is not None else 1
        return size / (self.weights or {}).get(caller, 1)

    def shared_by(self, workers: int) -> Limits:
        """The part of one of *workers* processes that cannot agree with the others."""
        part: dict[str, Any] = {
            name: None if value is None else max(value // workers, 1)
            for name in ("concurrency", "rpm", "tpm")
            for value in (getattr(self, name),)
        }
        return replace(self, **part)

    def __repr__(self) -> str:
        return as_code(self)


NO_LIMITS = Limits()


class Meter:
    """What was sent lately and what is out now. It is told the time, and holds no lock."""

    __slots__ = ("in_flight", "remaining", "requests", "tokens")

    def __init__(self) -> None:
        self.in_flight: dict[str, float] = {}
        """The calls that are out, and when their leases end."""
        self.requests: dict[int, int] = {}
        """Requests by the second in which they were sent."""
        self.tokens: dict[int, int] = {}
        """Tokens by the second in which they were reserved."""
        self.remaining: dict[str, tuple[float, float]] = {}
        """What the provider said is left of ``"requests"`` and ``"tokens"``, and until when that holds."""

    def ready_at_s(self, limits: Limits, tokens: int, now_s: float) -> float:
        """When a call of *tokens* may set off: *now_s*, later, or infinity (when some other call ends)."""
        ready_s = now_s
        if limits.concurrency is not None and len(self.in_flight) >= limits.concurrency:
            self._drop_leases(now_s)
            if len(self.in_flight) >= limits.concurrency:
                return math.inf
        if limits.rpm is not None:
            ready_s = max(ready_s, _room_at_s(self.requests, limits.rpm, 1, now_s))
        if limits.tpm is not None:
            ready_s = max(ready_s, _room_at_s(self.tokens, limits.tpm, tokens, now_s))
        if self.remaining:
            ready_s = max(
                ready_s, self._told_at_s("requests", 1, now_s), self._told_at_s("tokens", tokens, now_s)
            )
        return ready_s

    def enter(self, limits: Limits, permit: str, tokens: int, *, now_s: float, lease_ends_s: float) -> None:
        """A call sets off with *tokens* reserved."""
        if limits.concurrency is not None:
            self.in_flight[permit] = lease_ends_s
        slot = int(now_s // _SLOT_S)
        if limits.rpm is not None:
            self.requests[slot] = self.requests.get(slot, 0) + 1
        if limits.tpm is not None:
            self.tokens[slot] = self.tokens.get(slot, 0) + tokens
        for name, amount in (("requests", 1), ("tokens", tokens)):
            if name in self.remaining:
                left, until_s = self.remaining[name]
                self.remaining[name] = (left - amount, until_s)

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
        slot = int(sent_s // _SLOT_S)
        if limits.rpm is not None and not sent and slot in self.requests:
            self.requests[slot] -= 1
        spent = 0 if not sent else reserved if used is None else used
        if limits.tpm is not None and slot in self.tokens:
            self.tokens[slot] = max(self.tokens[slot] + spent - reserved, 0)

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
        return [self.in_flight, list(self.requests.items()), list(self.tokens.items()), self.remaining]

    def load(self, dumped: list[Any]) -> None:
        """Take over what `dump` gave."""
        self.in_flight, requests, tokens, remaining = dumped
        self.requests = dict(requests)
        self.tokens = dict(tokens)
        self.remaining = {name: (left, until_s) for name, (left, until_s) in remaining.items()}


def _room_at_s(slots: dict[int, int], limit: int, amount: int, now_s: float) -> float:
    """When *amount* more fits into the sliding minute. Forgets the slots that have left it."""
    oldest = int((now_s - MINUTE_S) // _SLOT_S)
    if next(iter(slots), oldest) < oldest:  # slots are in order of time
        for slot in [slot for slot in slots if slot < oldest]:
            del slots[slot]
    excess = sum(slots.values()) + amount - limit
    if excess <= 0:
        return now_s
    for slot in sorted(slots):
        excess -= slots[slot]
        if excess <= 0:
            # A request may have been sent at the very end of its slot.
            return max(now_s, float((slot + 1) * _SLOT_S + MINUTE_S))
    return math.inf


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
