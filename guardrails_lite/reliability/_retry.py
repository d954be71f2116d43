"""How often a failed attempt is repeated at the same target, and how long to wait before it.

A *retry* repeats a request that never got an answer; a *re-ask* sends a well-formed answer back with what
was wrong. The two have separate budgets, so a bad network never eats the chances of a bad reply. Both
stand under the deadline of `Budget`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Literal, get_args

from guardrails_lite._arguments import LONGEST_S, by_name
from guardrails_lite._errors import ConfigError
from guardrails_lite.reliability._failure import Failure, Kind
from guardrails_lite.reliability._tenacity import as_code, attempts_of, is_retry, is_stop, is_wait, state_of

CAP_S = 20.0
"""The longest own wait, in seconds."""
BASE_S = 0.2
"""The longest first wait after a fault, in seconds."""
THROTTLED_BASE_S = 1.0
"""The longest first wait after "too much to do", in seconds."""
SPREAD_S = 0.25
"""The least spread added to a wait that the server asked for, in seconds."""
SPREAD_SHARE = 0.2
"""The spread added to a wait that the server asked for, as a share of it."""

AfterText = Literal["raise", "resume", "restart"]

_ONCE = frozenset({"empty reply", "bad request"})
"""Failures that a second try may cure (a model's whim, a server that says so) and a third will not."""
_NEVER = frozenset({"cancelled", "own bug", "content filtered", "refused", "turned away"})


@by_name
@dataclass(frozen=True, slots=True, eq=False)
class Retry:
    """Repeat a failed attempt at the same target, with waits that spread out the callers.

    Without `wait`, a retry waits a random time between 0 and 0.2 s, 0.4 s, 0.8 s, … up to 20 s (full
    jitter); after a rate limit or an overload it starts at 1 s. The time that the server asks for is a lower
    bound, and up to a quarter second or a fifth of it is added, so that callers do not return together.

    Raises:
        ConfigError: a setting that cannot work.
    """

    attempts: int = 3
    """The most sends to one target in one call, including the first but not re-asks."""
    reasks: int = 2
    """The most re-asks in one call."""
    stop: Callable[..., bool] | None = None
    """A stop object of tenacity that may also end the retries, such as ``stop_after_delay(10)``."""
    wait: Callable[..., float] | float | None = None
    """Wait this long instead: a wait object of tenacity, seconds, or a function of the attempt's number
    (1 after the first failure). A longer Retry-After still holds."""
    on: Iterable[Kind] | Callable[[Failure], bool] | None = None
    """Which failures are retried: kinds such as ``"timeout"``, or a function of the `Failure`. None: those
    whose `Failure.action` is ``"retry"``, and timeouts where no fallback is left."""
    after_text: AfterText = "raise"
    """What to do when a stream fails after text of it was released. ``"raise"``: end in a
    `StreamInterrupted`. ``"resume"``: the next attempt, here or at a fallback, is asked to go on with the
    text. ``"restart"``: a `Retraction` takes back what was shown, and the call goes on as if there had been
    nothing; for `Guard.stream` and `Guard.astream` without a schema only."""

    def __post_init__(self) -> None:
        _check_count("attempts", self.attempts, least=1)
        _check_count("reasks", self.reasks, least=0)
        _check_wait(self.wait)
        _check_stop(self.stop, self.attempts)
        if self.on is not None and not callable(self.on):
            object.__setattr__(self, "on", _kinds(self.on))
        elif is_retry(self.on):
            raise ConfigError(
                f"on={type(self.on).__name__}(...) of Retry is a retry predicate of tenacity; it looks at "
                "errors, which are not kept. Give kinds, such as on={'timeout', 'connection'}, or a "
                "function of the Failure."
            )
        if self.after_text not in get_args(AfterText):
            raise ConfigError(
                f"after_text={self.after_text!r} of Retry must be 'raise', 'resume' or 'restart'"
            )

    def delay_s(
        self,
        failure: Failure,
        attempt: int,
        *,
        random: Callable[[], float],
        elapsed_s: float,
        fallbacks_left: int = 1,
    ) -> float | None:
        """Say how many seconds to wait before the next try at this target; None: give up on it.

        Args:
            failure: What the last attempt meant.
            attempt: How many sends to this target have failed in this call, this one included.
            random: A number from 0 to 1.
            elapsed_s: Seconds since the call began.
            fallbacks_left: How many targets could still be asked. With none, a target that was silent is
                worth a second try; with one, the next target is.
        """
        if attempt >= self.attempts or not self._wants(failure, fallbacks_left):
            return None
        if self.on is None and failure.kind in _ONCE and attempt > 1:
            return None
        delay_s = max(self._own_delay_s(failure, attempt, random, elapsed_s), _asked_s(failure, random))
        if self.stop is not None:
            state = state_of(failure, attempt, elapsed_s=elapsed_s, upcoming_sleep=delay_s)
            if self.stop(state):
                return None
        return delay_s

    def _wants(self, failure: Failure, fallbacks_left: int) -> bool:
        if failure.kind in _NEVER:
            return False
        if callable(self.on):
            return bool(self.on(failure))
        if self.on is not None:
            return failure.kind in self.on
        return failure.action == "retry" or (fallbacks_left == 0 and failure.kind == "timeout")

    def _own_delay_s(
        self, failure: Failure, attempt: int, random: Callable[[], float], elapsed_s: float
    ) -> float:
        if self.wait is None:
            base_s = THROTTLED_BASE_S if failure.is_throttling else BASE_S
            longest_s: float = min(CAP_S, base_s * 2 ** min(attempt - 1, 32))
            return random() * longest_s
        if not callable(self.wait):
            return float(self.wait)
        own: Callable[..., float] = self.wait
        state = state_of(failure, attempt, elapsed_s=elapsed_s) if is_wait(own) else attempt
        found = float(own(state))
        return found if found > 0 and math.isfinite(found) else 0.0

    def __repr__(self) -> str:
        shown = []
        for setting in fields(self):
            value = getattr(self, setting.name)
            if value != setting.default:
                text = (
                    f"{{{', '.join(repr(kind) for kind in sorted(value))}}}"
                    if isinstance(value, frozenset)
                    else as_code(value)
                )
                shown.append(f"{setting.name}={text}")
        return f"Retry({', '.join(shown)})"

    def __eq__(self, other: object) -> bool:
        # tenacity's objects compare by identity, so equal settings are those that print alike.
        return isinstance(other, Retry) and (self._plain, repr(self)) == (other._plain, repr(other))

    def __hash__(self) -> int:
        return hash(repr(self))

    @property
    def _plain(self) -> tuple[object, ...]:
        """The settings whose repr does not tell all: a function prints as its name."""
        return tuple(
            value
            for value in (self.stop, self.wait, self.on)
            if callable(value) and not is_wait(value) and not is_stop(value)
        )


def _asked_s(failure: Failure, random: Callable[[], float]) -> float:
    if failure.retry_after_s is None:
        return 0.0
    return failure.retry_after_s + random() * max(SPREAD_S, SPREAD_SHARE * failure.retry_after_s)


def _check_count(name: str, value: object, *, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(
            f"{name}={value!r} of Retry must be a whole number, {least} or more."
            + (" Write attempts=1 for no retry at all." if name == "attempts" else "")
        )


def _check_wait(wait: object) -> None:
    if wait is None or (callable(wait) and not is_stop(wait) and not is_retry(wait)):
        return
    if isinstance(wait, (int, float)) and not isinstance(wait, bool) and 0 <= wait <= LONGEST_S:
        return
    raise ConfigError(
        f"wait={as_code(wait)} of Retry must be a number of seconds (from 0 to 1e9), a wait object of "
        "tenacity, or a function of the attempt's number."
    )


def _check_stop(stop: object, attempts: int) -> None:
    if stop is None:
        return
    if not callable(stop) or is_wait(stop) or is_retry(stop):
        raise ConfigError(
            f"stop={as_code(stop)} of Retry must be a stop object of tenacity, such as stop_after_delay(10)."
        )
    counted = attempts_of(stop)
    if counted is not None and counted > attempts:
        raise ConfigError(
            f"stop={as_code(stop)} of Retry can never fire: attempts={attempts} stops first. "
            f"Write attempts={counted:.0f}, or leave the stop out."
        )
    if type(stop).__name__ == "_stop_never":
        raise ConfigError(
            f"stop=stop_never of Retry does nothing: attempts={attempts} stops first. Leave it out."
        )


def _kinds(on: Iterable[Kind]) -> frozenset[Kind]:
    known = get_args(Kind)
    listed = [on] if isinstance(on, str) else list(on) if isinstance(on, Iterable) else []
    unknown = sorted(str(kind) for kind in listed if kind not in known)
    if unknown or not listed:
        raise ConfigError(f"on={unknown or on!r} of Retry: expected some of {', '.join(sorted(known))}.")
    kinds: frozenset[Kind] = frozenset(listed)  # type: ignore[arg-type]  # each of them is known by now
    if never := sorted(kinds & _NEVER):
        raise ConfigError(f"on={never!r} of Retry: these are never retried. Leave them out.")
    return kinds
