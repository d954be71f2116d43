"""What a caller gets at a turnstile: a permit, a place in the queue, or why it may not go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from guardrails_lite.reliability._failure import Failure

Scope = Literal["account", "endpoint", "model"]
"""A part of an upstream that failures are held against."""


Epochs = tuple[int, int, int]
"""In which epoch the circuits were of an account, an endpoint and a model."""


class Permit(NamedTuple):  # every call makes one, and a tuple is made sooner than a dataclass
    """A call may set off. Whatever becomes of it, the permit goes back to `Turnstile.settle`, once."""

    id: str
    at_s: float
    tokens: int
    epochs: Epochs
    is_degraded: bool
    """The shared store did not answer, so this process went by its own part of the limits."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call has a place in the queue. It goes back to `Turnstile.poll` or `Turnstile.leave`."""

    ticket: str
    tokens: int
    ready_s: float
    """In how many seconds it is worth asking again; infinite: when woken."""
    patience_ends_s: float
    patience_s: float
    is_degraded: bool
    """It asked while the shared store did not answer, so the time above is on the clock of this process."""
    lease_s: float
    caller: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """A call may not go to this upstream now: ask another one, or fail."""

    reason: Literal["circuit open", "retry budget spent", "no time to wait", "queue full", "too large"]
    scope: Scope = "model"
    retry_in_s: float | None = None
    """In how many seconds it is worth asking again, where that is known."""

    @property
    def failure(self) -> Failure:
        """What this means for the ladder: nothing was sent, so the next target is asked."""
        return Failure(
            "turned away",
            self.scope if self.reason == "circuit open" else "caller",
            "fall back",
            retry_after_s=self.retry_in_s,
            error_type=self.reason,
        )


Turn = Permit | Waiting | TurnedAway
