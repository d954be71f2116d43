"""Run the validators of rules over a text, and book what they say.

A validator that raises, takes too long or answers with something that is no finding is *broken*, and what
that means is the rule's to say. What follows from findings is `_screen.py`'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from time import perf_counter_ns
from types import GeneratorType
from typing import TYPE_CHECKING, Any, Literal

from guardrails_lite._engine._effects import Check
from guardrails_lite._engine._running import Checked, NotFindingsError, listed
from guardrails_lite._errors import DeadlineExceeded
from guardrails_lite._record import CheckResult, CheckStep, FindingCount
from guardrails_lite._rules import Rule
from guardrails_lite._validators import Finding
from guardrails_lite.reliability._clocks import AT_ONCE_S

if TYPE_CHECKING:
    from guardrails_lite._messages import Call, Usage
    from guardrails_lite.reliability._metering import Spent

_new = tuple.__new__
"""Makes a named tuple without the Python frame that its own constructor takes."""
_SEVERITY = {"block": 0, "redact": 0, "fall_back": 1, "reask": 2}


class Stop(Exception):  # a signal inside the engine, not an error
    """A rule says that this text may not pass."""

    def __init__(self, rule: Rule, findings: Sequence[Finding], *, broken: str = "") -> None:
        super().__init__(rule.told)
        self.rule = rule
        self.findings = tuple(findings)
        self.broken = broken
        """What broke the check, where it is not a finding that stops."""

    @property
    def verb(self) -> Literal["block", "fall_back", "reask"]:
        """What to do: a `redact` that cannot mask blocks."""
        return self.rule.verb if self.rule.verb in ("fall_back", "reask") else "block"


class Tally:
    """What one rule did on one side of one attempt, counted up as texts come."""

    # Defaults of the class, not of the instance: most calls make some and find nothing.
    result: CheckResult = "not run"
    action: str | None = None
    findings: dict[tuple[str, str | None], tuple[float | None, int]] | None = None
    texts = 0
    known = 0
    ns = 0
    error: str | None = None
    spent: tuple[Spent, ...] = ()
    usage: Usage | None = None
    cost_usd: float | None = None
    left_s: Callable[[], float] | None = None
    """How long the call still has, where the check may have to be waited for."""

    def __init__(
        self,
        rule: Rule,
        name: str,
        side: Literal["input", "output", "field"],
        attempt: int,
        find: Callable[[str], Any] | None = None,
    ) -> None:
        self.rule = rule
        self.name = name
        self.side = side
        self.attempt = attempt
        self.find = find
        """The validator's function, where it may be called here and now; None where it needs a driver."""

    def found(self, findings: Sequence[Finding]) -> None:
        """Count findings, by message and category."""
        self.result = "found"
        if self.rule.mode == "monitor":
            self.action = "monitor"
        else:
            self.action = self.rule.verb
        if self.findings is None:
            self.findings = {}
        for finding in findings:
            key = (finding.message, finding.category)
            score, times = self.findings.get(key, (None, 0))
            if finding.score is not None:
                score = finding.score if score is None else max(score, finding.score)
            self.findings[key] = (score, times + 1)

    def steps(self) -> Sequence[CheckStep]:
        """What the record tells of it."""
        findings: tuple[FindingCount, ...] = ()
        if self.findings:
            findings = tuple(
                FindingCount(message, category, score, times)
                for (message, category), (score, times) in self.findings.items()
            )
        told = (
            self.name,
            self.side,
            self.attempt,
            self.result,
            self.action,
            findings,
            self.texts,
            self.known,
        )
        return (_new(CheckStep, (*told, self.ns / 1000, self.error, self.usage, self.cost_usd)),)


async def look(group: Sequence[Tally], text: str, call: Call) -> list[Sequence[Finding] | None]:
    """Run the validators of a group over one text. None stands for a validator that broke."""
    for tally in group:
        if tally.find is None:
            left_s = inf if tally.left_s is None else tally.left_s()
            answers = await Check([tally.rule for tally in group], text, call, left_s)
            seen = [_seen(tally, checked, text) for tally, checked in zip(group, answers, strict=True)]
            if tally.left_s is not None and any(checked.timed_out for checked in answers):
                _refuse_late(tally.left_s(), group)
            return seen
    return [look_now(tally, text) for tally in group]


def _refuse_late(left_s: float, group: Sequence[Tally]) -> None:
    if left_s <= AT_ONCE_S:
        late = ", ".join(tally.name for tally in group if tally.result == "timed out")
        raise DeadlineExceeded(
            f"the deadline passed while the call waited for {late}. Raise Budget.deadline_s, or give the "
            "rule a timeout_s.",
            outcome="deadline passed",
        )


def look_now(tally: Tally, text: str) -> Sequence[Finding] | None:
    """Run one validator that needs no driver, and book its answer."""
    began_ns = perf_counter_ns()
    try:
        found = tally.find(text)  # type: ignore[misc]  # asked before
        if type(found) is GeneratorType:  # as most validators are written, and mostly it yields nothing
            found = [*found]
    except Exception as error:
        return booked(tally, text, began_ns, None, error)
    if found or (type(found) is not list and type(found) is not tuple):
        return booked(tally, text, began_ns, found)
    tally.ns += perf_counter_ns() - began_ns
    if tally.result == "not run":
        tally.result = "passed"
    return ()


def booked(
    tally: Tally, text: str, began_ns: int, found: Any, error: Exception | None = None
) -> Sequence[Finding] | None:
    """Book what a validator returned or raised."""
    findings: Sequence[Finding] = ()
    if error is None:
        try:
            is_list = type(found) is list or type(found) is tuple
            findings = found if is_list else listed(found, tally.rule.validator)
        except Exception as failed:
            return booked(tally, text, began_ns, None, failed)
    spent_ns = perf_counter_ns() - began_ns
    return _seen(tally, Checked(findings, spent_ns, error, isinstance(error, TimeoutError)), text)


def _seen(tally: Tally, checked: Checked, text: str) -> Sequence[Finding] | None:
    """Book one validator's answer: its findings, or None if it broke."""
    tally.ns += checked.duration_ns
    if checked.spent:
        tally.spent += tuple(checked.spent)
    if tally.result == "not run":
        tally.result = "passed"
    if checked.error is not None:
        error = checked.error
        told = str(error) if isinstance(error, NotFindingsError) else type(error).__name__
        _broke(tally, told, timed_out=checked.timed_out)
        return None
    findings = checked.findings
    return findings if not findings or _is_sound(tally, findings, text) else None


def _is_sound(tally: Tally, findings: Sequence[Finding], text: str) -> bool:
    """Whether a validator kept its contract; if not, the tally says how it broke."""
    for finding in findings:
        if not isinstance(finding, Finding):
            return _broke(tally, f"{type(finding).__name__} instead of a Finding")
        if finding.span is not None and not _is_inside(finding.span, len(text)):
            return _broke(tally, "span outside the text")
    return True


def _is_inside(span: Any, length: int) -> bool:
    try:
        start, end = span
        return 0 <= start <= end <= length  # type: ignore[no-any-return]
    except (TypeError, ValueError):  # it is no pair of numbers
        return False


def _broke(tally: Tally, error: str, *, timed_out: bool = False) -> bool:
    tally.result = "timed out" if timed_out else "broken"
    tally.error = error
    return False


def stop_of_broken(tally: Tally) -> Stop | None:
    """What a broken check means for the text: it counts as found unless the rule is open about it."""
    rule = tally.rule
    if rule.mode == "monitor" or rule.verb == "warn" or rule.on_error == "open":
        tally.action = "open"
        return None
    tally.action = "block" if rule.verb == "redact" else rule.verb
    return Stop(rule, (), broken=tally.error or tally.result)


def stops(rule: Rule) -> bool:
    """Whether a finding of this rule stops the text, rather than being masked or noted."""
    return rule.mode == "enforce" and rule.verb in _SEVERITY and rule.verb != "redact"


def worst(stops: Sequence[Stop]) -> Stop:
    """Of several, the one to act on: a block before a fallback before a re-ask, then in rule order."""
    return min(stops, key=lambda stop: _SEVERITY[stop.verb])
