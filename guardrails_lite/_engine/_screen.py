"""Act on what validators find: count it, mask it, or stop.

Rules run in their order. Neighbours that rewrite nothing form a *group* and look at the same text (side
by side where they are async); a rule that rewrites is a group of its own, and the next group sees what it
left. So ``[redact(pii()), block(judge())]`` never shows the judge what was masked.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Literal

from guardrails_lite._engine._effects import Check, Checked, listed
from guardrails_lite._record import CheckResult, CheckStep, FindingCount
from guardrails_lite._rules import Finding, Rule

if TYPE_CHECKING:
    from guardrails_lite._messages import Call

Groups = Sequence[Sequence["Tally"]]
_SEVERITY = {"block": 0, "redact": 0, "fall_back": 1, "reask": 2}


class Side:
    """The rules of one side of a guard, prepared once: which apply to which role, and in which groups."""

    __slots__ = ("_by_role", "_is_one_group", "_seats", "holds", "name", "rules", "sampled")

    def __init__(self, name: Literal["input", "output"], rules: Sequence[Rule]) -> None:
        self.name = name
        self.rules = tuple(rules)
        self.holds = any(rule.holds for rule in rules)
        self.sampled = any(rule.share < 1 for rule in rules)
        self._seats = [(rule, repr(rule), name, _at_once(rule)) for rule in self.rules]
        self._by_role: dict[str, tuple[tuple[int, ...], ...]] = {}
        anyone = not self.sampled and all(rule.roles is None for rule in self.rules)
        self._is_one_group = anyone and len(self._groups(range(len(self.rules)))) == 1

    def tallies(self, attempt: int) -> list[Tally]:
        """Fresh counts, one for each rule."""
        return [Tally(rule, name, side, attempt, find) for rule, name, side, find in self._seats]

    def groups(self, role: str, tallies: Sequence[Tally]) -> Groups:
        """The rules that apply to *role*, as the counts of each group in turn."""
        if self._is_one_group:
            return (tallies,)  # as most guards have it: nothing to pick
        groups = self._by_role.get(role)
        if groups is None:
            groups = self._groups(
                place for place, rule in enumerate(self.rules) if rule.roles is None or role in rule.roles
            )
            if len(self._by_role) < 16:  # roles are the provider's, but nothing stops a caller inventing some
                self._by_role[role] = groups
        if self.sampled:
            groups = self._groups(
                place for group in groups for place in group if tallies[place].result != "skipped"
            )
        return [[tallies[place] for place in group] for group in groups]

    def _groups(self, places: Iterable[int]) -> tuple[tuple[int, ...], ...]:
        groups: list[list[int]] = []
        for place in places:
            rule = self.rules[place]
            before = self.rules[groups[-1][0]] if groups else None
            if before and not rule.rewrites and not before.rewrites:
                groups[-1].append(place)
            else:
                groups.append([place])
        return tuple(map(tuple, groups))


class Stop(Exception):  # a signal inside the engine, not an error
    """A rule says that this text may not pass."""

    def __init__(self, rule: Rule, findings: Sequence[Finding], *, broken: bool = False) -> None:
        super().__init__(repr(rule))
        self.rule = rule
        self.findings = tuple(findings)
        self.broken = broken

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

    def step(self) -> CheckStep:
        """The step of the record."""
        findings: tuple[FindingCount, ...] = ()
        if self.findings:
            findings = tuple(
                FindingCount(message, category, score, times)
                for (message, category), (score, times) in self.findings.items()
            )
        return CheckStep(
            self.name,
            self.side,
            self.attempt,
            self.result,
            self.action,
            findings,
            self.texts,
            self.known,
            self.ns / 1000,
            self.error,
        )


def _at_once(rule: Rule) -> Callable[[str], Any] | None:
    """The function of a rule that needs no driver: plain code without a limit on its time."""
    plain = rule.validator.kind == "plain" and rule.timeout_s is None and not rule.validator.wants_call
    return rule.validator.find if plain else None


async def look(group: Sequence[Tally], text: str, call: Call) -> list[Sequence[Finding] | None]:
    """Run the validators of a group over one text. None stands for a validator that broke."""
    for tally in group:
        if tally.find is None:
            answers = await Check([tally.rule for tally in group], text, call)
            return [_seen(tally, checked, text) for tally, checked in zip(group, answers, strict=True)]
    return [_look_now(tally, text) for tally in group]


def _look_now(tally: Tally, text: str) -> Sequence[Finding] | None:
    """Run one validator that needs no driver, and book its answer."""
    began_ns = perf_counter_ns()
    try:
        findings = tally.find(text)  # type: ignore[misc]  # asked before
        if type(findings) is not tuple and type(findings) is not list:
            findings = listed(findings, tally.rule.validator)
    except Exception as error:
        timed_out = isinstance(error, TimeoutError)
        return _seen(tally, Checked((), perf_counter_ns() - began_ns, error, timed_out), text)
    tally.ns += perf_counter_ns() - began_ns
    if tally.result == "not run":
        tally.result = "passed"
    return findings if not findings or _is_sound(tally, findings, text) else None


def _seen(tally: Tally, checked: Checked, text: str) -> Sequence[Finding] | None:
    """Book one validator's answer: its findings, or None if it broke."""
    tally.ns += checked.duration_ns
    if tally.result == "not run":
        tally.result = "passed"
    if checked.error is not None:
        _broke(tally, type(checked.error).__name__, timed_out=checked.timed_out)
        return None
    findings = checked.findings
    return findings if not findings or _is_sound(tally, findings, text) else None


def _is_sound(tally: Tally, findings: Sequence[Finding], text: str) -> bool:
    """Whether a validator kept its contract; if not, the tally says how it broke."""
    for finding in findings:
        if not isinstance(finding, Finding):
            return _broke(tally, "not a Finding")
        if finding.span is not None:
            start, end = finding.span
            if not 0 <= start <= end <= len(text):
                return _broke(tally, "span outside the text")
    return True


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
    return Stop(rule, (), broken=True)


def stops(rule: Rule) -> bool:
    """Whether a finding of this rule stops the text, rather than being masked or noted."""
    return rule.mode == "enforce" and rule.verb in _SEVERITY and rule.verb != "redact"


def worst(stops: Sequence[Stop]) -> Stop:
    """Of several, the one to act on: a block before a fallback before a re-ask, then in rule order."""
    return min(stops, key=lambda stop: _SEVERITY[stop.verb])


def screen(groups: Groups, text: str, call: Call) -> str | Coroutine[Any, Any, str]:
    """Run all groups over one whole text.

    Returns:
        What is left of it; or, from the first group on that needs a driver, something to await for it.
        Most guards need none, and a coroutine costs more than their rules.

    Raises:
        Stop: a rule stops it.
    """
    for nth, group in enumerate(groups):
        for tally in group:
            if tally.find is None:
                return _screen_on(groups[nth:], text, call)
        if len(group) == 1:
            seen = _look_now(group[0], text)
            if seen is not None and not seen:  # as most do
                group[0].texts += 1
                continue
            text = _act(group, [seen], text)
        else:
            text = _act(group, [_look_now(tally, text) for tally in group], text)
    return text


async def screened(groups: Groups, text: str, call: Call) -> str:
    """`screen`, to be awaited whatever the rules are."""
    left = screen(groups, text, call)
    return left if isinstance(left, str) else await left


async def _screen_on(groups: Groups, text: str, call: Call) -> str:
    for group in groups:
        text = _act(group, await look(group, text, call), text)
    return text


def _act(group: Sequence[Tally], seen: Sequence[Sequence[Finding] | None], text: str) -> str:
    """Do what the rules of one group say about what was seen."""
    stopped: list[Stop] | None = None
    for tally, findings in zip(group, seen, strict=True):
        tally.texts += 1
        if findings is None:
            if broken := stop_of_broken(tally):
                stopped = [*(stopped or ()), broken]
        elif findings:
            tally.found(findings)
            if tally.rule.rewrites:
                text = masked(text, findings)
            elif stops(tally.rule):
                stopped = [*(stopped or ()), Stop(tally.rule, findings)]
    if stopped:
        raise worst(stopped)
    return text


def masked(text: str, findings: Iterable[Finding]) -> str:
    """*text* with every finding's span replaced; spans that overlap are masked as one.

    The mask of the first stands for all of them. A finding without a span masks the whole text.
    """
    parts: list[str] = []
    at = 0
    for start, end, mask in in_order(findings, len(text)):
        if end <= at and start < at:
            continue
        if start >= at:
            parts += (text[at:start], mask)
        at = max(at, end)
    parts.append(text[at:])
    return "".join(parts)


def in_order(findings: Iterable[Finding], length: int) -> list[tuple[int, int, str]]:
    """Spans and masks from left to right, the longest first where several start together."""
    spans = [
        (*(finding.span if finding.span is not None else (0, length)), finding.mask) for finding in findings
    ]
    spans.sort(key=lambda span: (span[0], -span[1]))
    return spans
