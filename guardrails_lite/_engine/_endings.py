"""How a call ends that brings no acceptable reply: the errors, and the words for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from guardrails_lite._engine._asking import Invalid
from guardrails_lite._engine._integrity import LEGACY_CALL
from guardrails_lite._engine._tally import Stop
from guardrails_lite._errors import Blocked, ConfigError, Exhausted, GuardrailsError, StreamInterrupted
from guardrails_lite.reliability import Failure
from guardrails_lite.reliability._clocks import CLOCK_NAMES

if TYPE_CHECKING:
    from guardrails_lite._engine._story import Story
    from guardrails_lite._targets import Primary, Target


class Unanswered(Exception):
    """An attempt that brought no whole reply."""

    def __init__(self, failure: Failure, error: BaseException | None = None) -> None:
        super().__init__(failure.kind)
        self.failure = failure
        self.error = error


def as_raised(error: Exception, target: Target | Primary) -> Exception:
    """An error of a target as its caller can get it: neither a coroutine nor a stream lets a stop through.

    A stop of an iterator would end the caller's loop unseen, so Python makes it a RuntimeError (PEP 479).
    """
    stop = error.__cause__ if isinstance(error, RuntimeError) else error
    name = type(stop).__name__
    if not isinstance(stop, (StopIteration, StopAsyncIteration)):
        return error
    if stop is not error and not str(error).endswith(f"raised {name}"):
        return error
    told = ConfigError(
        f"{target.name} raised {name}, which would end the loop of its caller. Give next(...) or anext(...) "
        "in it a default, or catch the error there.",
        outcome="transport failed",
    )
    told.__cause__ = stop
    return told


def is_wanted(target: Target | Primary, gave_up: Sequence[tuple[Target | Primary, Exception]]) -> bool:
    """Whether a fallback is for the kind of failure that led here."""
    if target.on == "any" or not gave_up:
        return True
    return target.on == ("validation" if isinstance(_last(gave_up), Invalid) else "failure")


def not_asked(why: str) -> Unanswered:
    """A target that was left out, for what the request needs of it."""
    return Unanswered(replace(Failure.of("turned away"), error_type=why))


def _last(gave_up: Sequence[tuple[Target | Primary, Any]]) -> Any:
    """What led here: the last failure of a target that was asked, if any was."""
    for _, why in reversed(gave_up):
        if not isinstance(why, Unanswered) or why.failure.kind != "turned away":
            return why
    return gave_up[-1][1] if gave_up else None


def interrupted(
    story: Story, why: Unanswered | Invalid, so: str = "nothing was retried"
) -> StreamInterrupted:
    """The end of a call that failed after text had been shown; *so* says why it is the end."""
    if isinstance(why, Unanswered) and why.failure.error_type == LEGACY_CALL:
        error = StreamInterrupted(
            f"the model{_CALLS_THE_OLD_WAY}, after {story.released} released characters. {_DECLARE_IT}",
            outcome="tool denied",
        )
    elif isinstance(why, Unanswered):
        kind = why.failure.kind
        error = StreamInterrupted(
            f"the stream broke ({_named(why.failure)}) after {story.released} released characters; {so}",
            outcome=_OUTCOMES.get(kind, "transport failed"),
        )
        error.last_error = why.error
    else:
        error = StreamInterrupted(
            f"{why.what}, after {story.released} released characters, so it was not asked again",
            outcome=why.kind,  # type: ignore[arg-type]
        )
    error.delivered_chars = story.released
    return error


_CALLS_THE_OLD_WAY = " calls a function in the older function_call format, which a guard does not check"
_DECLARE_IT = "Declare it on the guard, or pass tools=[...] instead of functions=."
_OUTCOMES: dict[str, Any] = {
    "refused": "refused",
    "content filtered": "filtered",
    "truncated": "truncated",
}


def fail_at(
    missed: Unanswered, gave_up: Sequence[tuple[Target | Primary, Exception]], target: Target | Primary
) -> NoReturn:
    """End the call at a failure that neither a retry nor another target can mend."""
    kind = missed.failure.kind
    if missed.failure.error_type == LEGACY_CALL:
        raise Blocked(f"{target.name}{_CALLS_THE_OLD_WAY}. {_DECLARE_IT}", outcome="tool denied") from None
    if kind in ("refused", "content filtered"):
        said = "refused to answer" if kind == "refused" else "'s content filter stopped the answer"
        raise Blocked(f"{target.name} {said}".replace(" '", "'"), outcome=_OUTCOMES[kind]) from None
    if kind == "own bug":
        if missed.error is not None:
            raise missed.error from missed.error.__cause__
        raise TypeError(
            f"{target.name} returned {missed.failure.error_type}; expected a string, a chat completion, "
            "a message of Anthropic's API, a dict of such a shape, or a stream of these"
            + (". Does it end without a `return`?" if missed.failure.error_type == "NoneType" else "")
        )
    raise exhausted([*gave_up, (target, missed)]) from None


def blocked(stop: Stop, where: str, *, remedy: str = "") -> Blocked:
    """The error for a text that a rule stops, with what may be done about it where that is known."""
    what = ", ".join(dict.fromkeys(finding.message for finding in stop.findings))
    if stop.broken:
        what = (
            f"it could not be checked ({stop.broken}), which counts as found; "
            "on_error='open' would let it pass"
        )
    told = f"{stop.rule.told} stopped {where}: {what}"
    return Blocked(f"{told}. {remedy}" if remedy else told, outcome="blocked", findings=stop.findings)


def exhausted(
    gave_up: Sequence[tuple[Target | Primary, Any]], *, delivered_chars: int = 0
) -> GuardrailsError:
    """The end of a call that no target answered, each with its reason."""
    parts = []
    for target, why in gave_up:
        said = (
            _said(why.failure) if isinstance(why, Unanswered) else getattr(why, "what", "stopped by a rule")
        )
        parts.append(f"{target.name}: {said}")
    message = f"no acceptable reply: {'; '.join(parts) or 'no target was left to ask'}"
    last = _last(gave_up)
    if isinstance(last, Stop):
        return Blocked(message, outcome="blocked", findings=last.findings)
    if isinstance(last, Invalid):
        outcome: Any = last.kind
    else:
        outcome = _OUTCOMES.get(last.failure.kind, "transport failed") if last else "transport failed"
    error = Exhausted(message, outcome=outcome)
    if delivered_chars:
        error = StreamInterrupted(
            message.replace("reply", f"reply after {delivered_chars} released characters", 1),
            outcome=outcome,
        )
        error.delivered_chars = delivered_chars
    if isinstance(last, Unanswered):
        error.last_error = last.error
    return error


def _said(failure: Failure) -> str:
    if failure.kind != "turned away":
        return f"{failure.kind} {failure.status}" if failure.status else _named(failure)
    later = "" if failure.retry_after_s is None else f", worth asking again in {failure.retry_after_s:.1f} s"
    return f"not asked ({failure.error_type}{later})"


def _named(failure: Failure) -> str:
    """The kind of failure, with the clock that has run out where one has."""
    is_late = failure.kind == "timeout" and failure.error_type in CLOCK_NAMES
    return f"{failure.kind}: {failure.error_type}" if is_late else failure.kind


def with_cause(error: GuardrailsError, gave_up: Sequence[tuple[Target | Primary, Any]]) -> GuardrailsError:
    if gave_up:
        error.__cause__ = exhausted(gave_up)
    return error
