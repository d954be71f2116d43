"""What it means that an attempt brought no whole reply: whose fault that is, and what its caller gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guardrails_lite._engine._endings import Unanswered, as_raised
from guardrails_lite._engine._incoming import FrameError
from guardrails_lite._errors import Blocked, DeadlineExceeded, GuardrailsError
from guardrails_lite._messages._reading import MalformedError, UnreadableError
from guardrails_lite.reliability import Failure
from guardrails_lite.reliability._classify import classify_body_error
from guardrails_lite.reliability._clocks import AT_ONCE_S

if TYPE_CHECKING:
    from guardrails_lite._engine._attempt import Attempt
    from guardrails_lite._targets import Primary, Target


def missed(attempt: Attempt, error: Exception) -> Unanswered | GuardrailsError:
    """What an error of the target, or of reading what it sent, means: it may be the deadline's."""
    target = attempt.target
    if isinstance(error, UnreadableError):
        return Unanswered(_unreadable(error, target))
    if isinstance(error, FrameError):
        return Unanswered(classify_body_error(error.error))
    if target.completion and isinstance(error.__cause__, GuardrailsError):
        return error.__cause__  # of our transport: older clients make one error of whatever that raises
    if isinstance(error, GuardrailsError):
        return error
    if attempt.permit is not None:
        attempt.headers = getattr(getattr(error, "response", None), "headers", None)
    if isinstance(error, RecursionError) and target.completion:  # a body nested too deep to parse
        return Unanswered(Failure.of("malformed reply", error_type=type(error).__name__, maybe_billed=True))
    if isinstance(error, UnicodeEncodeError) and target.completion:  # its `object` is the request
        return Blocked(
            "a text of the request has half a character (a lone surrogate), which cannot be sent: "
            "text.encode('utf-8', 'replace').decode() removes it",
            outcome="blocked",
        )
    error = as_raised(error, target)
    left = attempt.story.ledger.time_left_s(attempt.plan.clock())
    failure = attempt.failure_of(error)
    if failure.kind == "timeout" and left <= AT_ONCE_S:
        attempt.failure = failure
        return too_late(attempt, "the call waited for an answer of")
    return Unanswered(failure, error)


def too_late(attempt: Attempt, waited_for: str) -> DeadlineExceeded:
    """The error for a deadline that passed while the call waited for the target of an attempt."""
    return DeadlineExceeded(
        f"the deadline of {attempt.plan.budget.deadline_s:g} s passed while {waited_for} "
        f"{attempt.target.name} (attempt {attempt.story.attempt})",
        outcome="deadline passed",
    )


def _unreadable(unreadable: UnreadableError, target: Target | Primary) -> Failure:
    """A target whose shape we know sent something else: a fault of the transport. A function's is its bug."""
    if target.completion or target.kind == "client" or isinstance(unreadable, MalformedError):
        return Failure.of("malformed reply", error_type=str(unreadable), maybe_billed=True)
    return Failure.of("own bug", error_type=str(unreadable))
