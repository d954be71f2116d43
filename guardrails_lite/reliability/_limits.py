"""How much may be sent to an upstream: calls at a time, requests and tokens per minute."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from guardrails_lite._arguments import by_name
from guardrails_lite._errors import ConfigError
from guardrails_lite.reliability._settings import as_code, check_whole


@by_name
@dataclass(frozen=True, slots=True)
class Limits:
    """What all callers together may send to an upstream. Callers wait in the order in which they came.

    With `by`, callers of one name wait in the order in which they came, and callers of different names take
    turns: a name with twice the weight goes twice as often while others wait too, and nobody waits forever.
    Turns that a name does not use go to the others.

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
    """How many callers may wait (per name, if callers have names); any more are refused at once."""
    by: str | None = None
    """Which field of `bound` names callers, such as ``"app"`` or ``"tenant"``. Callers without it share one
    more name. A shared store sees only digests of names."""
    weights: Mapping[str, float] | None = None
    """How often a name gets a turn, compared to a name that is not listed, which has the weight 1. Measured
    in tokens with `tpm`, otherwise in calls."""

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
