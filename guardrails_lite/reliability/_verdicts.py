"""What the end of a call says about an upstream: its account, its endpoint and its model."""

from __future__ import annotations

from guardrails_lite.reliability._breaker import Verdict
from guardrails_lite.reliability._failure import Failure

Verdicts = tuple[Verdict, Verdict, Verdict]

GOOD: Verdicts = ("good", "good", "good")
NEUTRAL: Verdicts = ("neutral", "neutral", "neutral")


def verdicts(failure: Failure | None) -> Verdicts:
    """What an outcome says about the account, the endpoint and the model.

    A server error is held against the model that gave it: the others of the same endpoint may be well. Only
    what happens before a model is reached is held against the endpoint.
    """
    if failure is None or failure.kind in ("refused", "truncated"):
        return GOOD
    if failure.kind == "rate limited":
        return NEUTRAL
    match failure.blame:
        case "network" | "provider":
            return "neutral", "bad", "bad"
        case "endpoint":
            return "good", "neutral", "bad"
        case "model":
            return "good", "good", "bad"
    return NEUTRAL


def condemns_the_account(failure: Failure | None) -> bool:
    """A spent quota or a wrong key fails for every model; "forbidden" may be true of one model only."""
    return failure is not None and (
        failure.kind == "quota" or (failure.kind == "auth" and failure.status != 403)
    )
