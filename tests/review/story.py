"""A log with a month behind it: calls of a support desk, drawn from a fixed seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from guardrails_lite import Budget, Finding, Guard, Retry, block, reask, redact, target, tool, validator
from guardrails_lite._messages import Usage
from guardrails_lite._record import AttemptStep, CheckStep, FindingCount, NoteStep, Record, ToolStep
from guardrails_lite.audit import AuditLog, Clock
from guardrails_lite_validators import injection, pii, secrets
from tests.audit.calls import intent

DAY_NS = 86_400 * 10**9
NOW_NS = 1_764_073_800 * 10**9
"""25 November 2025, 12:30 UTC: what the desk's clock says in tests."""

PRICES = {"gpt-5": 0.0000090, "gpt-5-mini": 0.0000011, "llama-3.3-70b": 0.0000006}
RULES = ("redact(pii())", "block(injection())", "redact(secrets())", "reask(no_rivals)")
SAYS = {
    "redact(pii())": FindingCount("holds personal data", "EMAIL_ADDRESS", None, 2),
    "block(injection())": FindingCount("asks to forget the instructions", "INJECTION", 0.93, 1),
    "redact(secrets())": FindingCount("holds a credential", "API_KEY", 0.99, 1),
    "reask(no_rivals)": FindingCount("names a competitor", "BRAND", None, 1),
}


@validator(window=12)
def no_rivals(text: str) -> Iterator[Finding]:
    """Names of competitors."""
    yield from ()


def refund(order: str, amount: float) -> str:
    """Give money back."""
    return order


BEFORE = Guard(
    input=[redact(pii()), block(injection())],
    output=[redact(secrets()), reask(no_rivals)],
    tools=[refund],
    fallback=[target(model="gpt-5-mini"), target("Sorry, try later.")],
)
"""What was in force at first."""
AFTER = Guard(
    input=[redact(pii()), block(injection())],
    output=[redact(secrets()), reask(no_rivals)],
    tools=[tool(refund, effects="write", approve="deny")],
    fallback=[target(model="gpt-5-mini"), target("Sorry, we are busy.")],
    retry=Retry(attempts=2),
    budget=Budget(deadline_s=20),
)
"""What came after it."""


class Time:
    """A clock that is set, and goes on by a microsecond each time it is read."""

    def __init__(self, now_ns: int) -> None:
        self.now = now_ns

    def __call__(self) -> int:
        self.now += 1000
        return self.now


def told(root: Path, *, calls: int = 420, days: int = 28) -> AuditLog:
    """The log at *root*, closed and sealed."""
    time, chance = Time(NOW_NS - days * DAY_NS), random.Random(7)
    log = AuditLog(root, heartbeat_s=None, clock=Clock(wall_ns=time, mono_ns=time))
    moments = sorted(NOW_NS - int(days * DAY_NS * chance.random() ** 1.3) for _ in range(calls))
    for number, moment in enumerate(moments):
        time.now = moment
        made = drawn(number, time.now / 1e9, chance)
        log.intent(intent(number, id=made.id, guard=made.guard, model=made.model, started=made.started))
        log(made)
    log.intent(intent(calls, id=f"{calls:032x}", guard="support", model="gpt-5", started=time.now / 1e9))
    log.close()
    return log


def drawn(number: int, started: float, chance: random.Random) -> Record:
    """Call *number*, whose fate is drawn."""
    model = chance.choices(list(PRICES), (2, 6, 3))[0]
    found = [rule for rule in RULES if chance.random() < {"block(injection())": 0.06}.get(rule, 0.08)]
    outcome = "passed"
    if "block(injection())" in found:
        outcome = "blocked"
    elif "reask(no_rivals)" in found:
        outcome = "re-asked"
    elif chance.random() < 0.05:
        outcome = chance.choice(
            ["fell back", "transport failed", "refused", "deadline passed", "tool denied"]
        )
    steps: list[Any] = [_check(rule, "input", 0, rule in found, chance) for rule in RULES[:2]]
    usage, cost = None, None
    took = sum(step.duration_us for step in steps)
    if outcome != "blocked":
        tokens = chance.randint(80, 900), chance.randint(20, 600)
        usage = Usage(*tokens)
        cost = round(sum(tokens) * PRICES[model], 7)
        failing = outcome in ("fell back", "transport failed")
        sends = 2 if outcome in ("re-asked", "fell back") else 1
        for send in range(1, sends + 1):
            us = chance.lognormvariate(13.2, 0.5)
            fails = failing and send == 1
            again = send == 2 and outcome == "re-asked"
            took += us
            steps.append(
                AttemptStep(
                    "primary" if send == 1 or again else "fallback",
                    model if send == 1 or again else "gpt-5-mini",
                    send,
                    "rate limited" if fails else "answered",
                    "RateLimitError" if fails else None,
                    429 if fails else 200,
                    us,
                    0.4 if send == 2 and not again else 0.0,
                    None if fails else usage,
                    None if fails else cost,
                )
            )
            if not fails:
                steps += [
                    _check(rule, "output", send, rule in found and send == 1, chance) for rule in RULES[2:]
                ]
        if outcome == "re-asked":
            steps.append(NoteStep("re-asked", "reask(no_rivals)", 1))
        if outcome == "tool denied":
            steps.append(ToolStep("refund", 1, "needs an approval", 0))
    return Record(
        id=f"{chance.getrandbits(128):032x}",
        guard=chance.choices(["support", "invoices"], (3, 1))[0],
        digest=(BEFORE if started < NOW_NS / 1e9 - 9 * 86_400 else AFTER).digest,
        mode="enforce",
        style=chance.choice(["sync", "async", "stream"]),
        model=model,
        started=started,
        duration_us=took,
        outcome=outcome,  # type: ignore[arg-type]  # of the closed set
        error="Blocked" if outcome == "blocked" else None,
        steps=tuple(steps),
        usage=usage,
        cost_usd=cost,
        input_chars=chance.randint(40, 2_000),
        output_chars=0 if outcome == "blocked" else chance.randint(40, 1_500),
        unscreened=(),
        who={
            "tenant": chance.choice(["acme", "globex"]),
            "user": f"u-{chance.randint(1, 12)}",
            "api_key": f"k-{chance.randint(1, 4)}",
        },
    )


def _check(rule: str, side: Any, attempt: int, found: bool, chance: random.Random) -> CheckStep:
    verb = rule.partition("(")[0]
    return CheckStep(
        rule,
        side,
        attempt,
        "found" if found else "passed",
        verb if found else None,
        (SAYS[rule],) if found else (),
        2,
        0,
        chance.lognormvariate(5.5, 0.7),
        None,
    )
