"""Tenacity's stop and wait objects, as settings: called with the state they expect, printed as code.

Only the objects are used, never the loop: it has no clock to inject, looks at the time between attempts
only, and retries cancellation under negative predicates.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from guardrails_lite.reliability._failure import Failure


class AttemptFailed(Exception):
    """Stands in before tenacity's callables for the error of an attempt, which may hold private text.

    It is never raised.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.kind} ({failure.error_type or 'no error'})")
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Outcome:
    """The part of tenacity's `Future` that its stop and wait objects read."""

    attempt_number: int
    error: AttemptFailed
    failed: bool = True

    def exception(self) -> BaseException:
        """What the attempt ended in."""
        return self.error


@dataclass(frozen=True, slots=True)
class RetryState:
    """The part of tenacity's `RetryCallState` that its stop and wait objects read."""

    attempt_number: int
    seconds_since_start: float
    outcome: Outcome
    upcoming_sleep: float = 0.0
    idle_for: float = 0.0


def state_of(failure: Failure, attempt: int, *, elapsed_s: float, upcoming_sleep: float = 0.0) -> RetryState:
    """The state after *attempt* failed with *failure*."""
    return RetryState(attempt, elapsed_s, Outcome(attempt, AttemptFailed(failure)), upcoming_sleep)


def is_wait(value: object) -> bool:
    """Whether *value* is a wait object of tenacity."""
    return any(kind.__name__ == "wait_base" for kind in type(value).__mro__)


def is_stop(value: object) -> bool:
    """Whether *value* is a stop object of tenacity."""
    return any(kind.__name__ == "stop_base" for kind in type(value).__mro__)


def is_retry(value: object) -> bool:
    """Whether *value* is a retry predicate of tenacity."""
    return any(kind.__name__ == "retry_base" for kind in type(value).__mro__)


def attempts_of(stop: object) -> float | None:
    """How many attempts *stop* is sure to end after; None when it does not count them."""
    parts = [attempts_of(part) for part in getattr(stop, "stops", ())]
    counted = [part for part in parts if part is not None]
    match type(stop).__name__:
        case "stop_after_attempt":
            return getattr(stop, "max_attempt_number", None)
        case "stop_any":
            return min(counted, default=None)
        case "stop_all":
            return max(counted) if parts and len(counted) == len(parts) else None
    return None


_JOINED = {"stop_any": " | ", "stop_all": " & ", "wait_combine": " + "}


def as_code(value: object) -> str:
    """Print a stop or wait object as the code that makes it; tenacity's own have no repr."""
    name = type(value).__name__
    if is_wait(value) or is_stop(value):
        parts = [part for part in vars(value).values() if isinstance(part, tuple)]
        if name in _JOINED and parts:
            return _JOINED[name].join(as_code(part) for part in parts[0])
        return f"{name.removeprefix('_')}({_arguments(value)})"
    if inspect.isroutine(value) and hasattr(value, "__qualname__"):  # not a partial, as of Python 3.14
        return str(value.__qualname__)
    return repr(value)


def _arguments(value: object) -> str:
    shown: list[str] = []
    for parameter in inspect.signature(type(value)).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            found: Any = getattr(value, parameter.name, ())
            shown.extend(as_code(part) for part in found)
            continue
        # `wait_fixed(wait)` and `wait_random(min, max)` keep their arguments under other names.
        holders = (parameter.name, f"{type(value).__name__}_{parameter.name}", type(value).__name__)
        found = next((getattr(value, name) for name in holders if name in vars(value)), parameter.empty)
        if found is parameter.empty or found == parameter.default:
            continue
        text = as_code(found) if callable(found) else _number(found)
        shown.append(text if parameter.default is parameter.empty else f"{parameter.name}={text}")
    return ", ".join(shown)


def _number(value: object) -> str:
    return (
        repr(int(value)) if isinstance(value, float) and value.is_integer() and value < 1e15 else repr(value)
    )
