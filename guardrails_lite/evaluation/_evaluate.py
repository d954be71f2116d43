"""Run a guard over labelled examples and count."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal

from guardrails_lite._engine._drivers import adrive, drive
from guardrails_lite._engine._effects import Check
from guardrails_lite._guard import Decision, Guard
from guardrails_lite._guard._deciding import decide
from guardrails_lite._messages import Call
from guardrails_lite._rates import Rate
from guardrails_lite._rules import Rule, finder_of, warn
from guardrails_lite._validators import Finding, Validator
from guardrails_lite.evaluation._examples import Example, Side

NOTHING = "nothing"
BENIGN = "benign"
_EACH_RULE: Final = "0" * 32
"""The id of a call in which every rule runs that runs in any share of calls."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a guard made of one example. It holds no text."""

    example: int
    """The example's place among all of them, from 0."""
    line: int
    """Where the example was read."""
    kind: str
    positive: bool
    flagged: bool
    """Some rule found something; of an example that names a rule: that rule did."""
    verdict: str
    categories: tuple[str, ...]
    """What was found, each once."""
    score: float | None
    """The highest score of a finding; None where nothing was found or nothing has a score."""
    broken: bool
    """Some rule broke or timed out."""
    chars: int
    duration_us: float
    """What the rules took together."""
    spans: tuple[tuple[str, bool, bool], ...] = ()
    """Of each expected span: its category, whether a finding of that category covers it, whether any does."""
    looked_at: bool = True
    """Some rule that counts has looked at it. Where none has, the guard has no such rule for it."""


@dataclass(frozen=True)  # not slotted: it caches what it counts
class Evaluation:
    """What came out of one guard over all examples.

    Something counts as flagged when any rule finds something, whatever its verb: a guard that only warns is
    evaluated like one that blocks.
    """

    name: str
    """The guard's name, or the validator as it prints."""
    digest: str
    """Which policy it was."""
    seen: tuple[Seen, ...] = field(repr=False)
    rules: Mapping[str, float] = field(repr=False)
    """Microseconds per 1,000 characters of each rule, by how it prints."""

    @cached_property
    def recall(self) -> Rate:
        """Of the positive examples, those that were flagged."""
        return Rate.of(each.flagged for each in self.seen if each.positive)

    @cached_property
    def precision(self) -> Rate:
        """Of the flagged examples, those that are positive. It depends on how many of each were given."""
        return Rate.of(each.positive for each in self.seen if each.flagged)

    @cached_property
    def false_positive_rate(self) -> Rate:
        """Of the benign examples, those that were flagged."""
        return Rate.of(each.flagged for each in self.seen if not each.positive)

    @cached_property
    def broken(self) -> int:
        """Examples on which a rule broke or timed out."""
        return sum(each.broken for each in self.seen)

    @cached_property
    def us_per_kb(self) -> float:
        """Microseconds that all rules take for 1,000 characters."""
        chars = sum(each.chars for each in self.seen)
        return sum(each.duration_us for each in self.seen) / chars * 1000 if chars else 0.0

    def by_kind(self, *, positive: bool) -> dict[str, Rate]:
        """How many of each kind were flagged: recall of the positive ones, false positives of the others."""
        groups: dict[str, list[bool]] = defaultdict(list)
        for each in self.seen:
            if each.positive == positive:
                groups[each.kind].append(each.flagged)
        return {kind: Rate.of(flags) for kind, flags in sorted(groups.items())}

    def confusion(self) -> dict[str, Counter[str]]:
        """What was found in each kind of example: kind, category, how many; ``nothing`` where nothing was."""
        table: dict[str, Counter[str]] = defaultdict(Counter)
        for each in self.seen:
            kind = each.kind if each.positive else BENIGN
            table[kind or "positive"].update(each.categories or (NOTHING,))
        return dict(sorted(table.items()))

    def by_span(self) -> dict[str, tuple[Rate, Rate]]:
        """Of the expected spans of each category: covered by a finding of that category, or by any."""
        groups: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
        for each in self.seen:
            for category, typed, covered in each.spans:
                groups[category].append((typed, covered))
        return {
            category: (Rate.of(typed for typed, _ in flags), Rate.of(covered for _, covered in flags))
            for category, flags in sorted(groups.items())
        }

    def to_dict(self) -> dict[str, Any]:
        """Everything that was counted, as JSON-compatible data."""
        return {
            "name": self.name,
            "digest": self.digest,
            "examples": len(self.seen),
            "recall": as_dict(self.recall),
            "precision": as_dict(self.precision),
            "false_positive_rate": as_dict(self.false_positive_rate),
            "broken": self.broken,
            "us_per_kb": round(self.us_per_kb, 1),
            "rules": {rule: round(cost, 1) for rule, cost in self.rules.items()},
            "recall_by_kind": {kind: as_dict(rate) for kind, rate in self.by_kind(positive=True).items()},
            "false_positives_by_kind": {
                kind: as_dict(rate) for kind, rate in self.by_kind(positive=False).items()
            },
            "recall_by_span": {
                category: {"typed": as_dict(typed), "any": as_dict(covered)}
                for category, (typed, covered) in self.by_span().items()
            },
            "confusion": {kind: dict(found) for kind, found in self.confusion().items()},
            "missed": [each.line for each in self.seen if each.positive and not each.flagged],
            "false_alarms": [each.line for each in self.seen if each.flagged and not each.positive],
        }


def as_dict(rate: Rate) -> dict[str, Any]:
    """A rate as JSON-compatible data."""
    low, high = rate.interval
    share = round(rate.share, 4) if rate.total else None
    return {
        "hits": rate.hits,
        "total": rate.total,
        "share": share,
        "low": round(low, 4),
        "high": round(high, 4),
    }


def evaluate(
    guard: Guard[Any] | Validator,
    examples: Iterable[Example],
    *,
    side: Literal["input", "output"] = "input",
) -> Evaluation:
    """Run the rules of one side over examples, with no model call and no record in the guard's log.

    Args:
        guard: A guard, or a single validator. Its rules run whatever their share of calls is.
        examples: Labelled texts, as `read_examples` gives them. Of one that names a `rule` only that rule
            counts, or, where the guard has it no more, the rules of the same validator; they see what the
            guard's redactions leave of the text, and no other rule stops it before.
        side: Whose rules apply, where an example does not say it.

    Raises:
        RuntimeError: an async validator inside a running event loop; call `evaluate` in a thread there.
    """
    if isinstance(guard, Validator):
        name = repr(guard)
        guard = Guard(input=[warn(guard)], output=[warn(guard)], log=_forget)
    else:
        guard = Guard(**{**guard._settings, "log": _forget})
        name = guard.name or "guard"
    trials: dict[tuple[Side, str], _Trial] = {}
    seen: list[Seen] = []
    spent: dict[str, float] = {rule.told: 0.0 for rule in _rules_of(guard, side)}
    looked_at: dict[str, int] = defaultdict(int)
    for place, example in enumerate(examples):
        key = (example.side or side, example.rule)
        if key not in trials:
            trials[key] = _trial(guard, *key)
            _decision(trials[key], *example.texts[-1])  # tables are loaded first; that is not their cost
        trial, checks, verdict = trials[key], [], "passed"
        for role, text in example.texts:
            decision = _decision(trial, role, text)
            verdict = decision.verdict if decision.verdict != "passed" else verdict
            for step in decision.record.checks:
                if step.texts and step.rule in trial.counts:
                    spent[step.rule] = spent.get(step.rule, 0.0) + step.duration_us
                    looked_at[step.rule] += len(text)
                    checks.append(step)
        found = [finding for step in checks for finding in step.findings]
        seen.append(
            Seen(
                place,
                example.line,
                example.kind,
                example.positive,
                any(step.result == "found" for step in checks),
                verdict,
                tuple(dict.fromkeys(finding.category or finding.message for finding in found)),
                max((finding.score for finding in found if finding.score is not None), default=None),
                any(step.result in ("broken", "timed out") for step in checks),
                sum(len(text) for _, text in example.texts),
                sum(step.duration_us for step in checks),
                _spans_seen(example, _findings(trial.rules, example)) if example.spans else (),
                bool(checks),
            )
        )
    costs = {rule: us / looked_at[rule] * 1000 if looked_at[rule] else 0.0 for rule, us in spent.items()}
    return Evaluation(name, guard.digest, tuple(seen), costs)


@dataclass(frozen=True, slots=True)
class _Trial:
    """What looks at the examples of one side, about all rules or about one."""

    guard: Guard[Any]
    side: Side
    rules: tuple[Rule, ...]
    """Those that count."""
    counts: frozenset[str]
    """How records tell them."""


def _trial(guard: Guard[Any], side: Side, told: str) -> _Trial:
    rules = _rules_of(guard, side)
    if told:
        meant = rules_meant(rules, told)
        kept: dict[str, Any] = {side: [rule for rule in rules if rule.rewrites or rule in meant]}
        guard, rules = Guard(**{**guard._settings, **kept}), meant
    return _Trial(guard, side, rules, frozenset(rule.told for rule in rules))


def _rules_of(guard: Guard[Any], side: Side) -> tuple[Rule, ...]:
    return (guard._plan.input if side == "input" else guard._plan.output).rules


def rules_meant(rules: Iterable[Rule], told: str) -> tuple[Rule, ...]:
    """Of *rules* the one that records tell as *told*, under whatever verb; else those of its validator."""
    finder, every = finder_of(told) or told, tuple(rules)
    same = tuple(rule for rule in every if finder_of(rule.told) == finder)
    return same or tuple(rule for rule in every if rule.validator.name == finder.partition("(")[0])


def _forget(record: object) -> None:
    """Keep no record: an evaluation is no traffic."""


def _decision(trial: _Trial, said_by: str | None, text: str) -> Decision:
    guard = trial.guard
    role: Any = said_by
    checking = decide(guard._plan, text, trial.side, role, call_id=_EACH_RULE)
    return drive(checking) if guard._plan.needs_loop is None else asyncio.run(adrive(checking))


def _findings(rules: Sequence[Rule], example: Example) -> list[Finding]:
    """What the validators find in the text as given, before any rule has masked some of it."""
    call = Call(({"role": example.role or "user", "content": example.text},))

    async def look() -> list[Finding]:
        answers = await Check(rules, example.text, call)
        return [finding for checked in answers for finding in checked.findings]

    if any(rule.validator.kind == "async" for rule in rules):
        return asyncio.run(adrive(look()))
    return drive(look())


def _spans_seen(example: Example, findings: Iterable[Finding]) -> tuple[tuple[str, bool, bool], ...]:
    covering: list[tuple[int, int, str | None]] = [
        (*(finding.span or (0, len(example.text))), finding.category) for finding in findings
    ]
    told: list[tuple[str, bool, bool]] = []
    for start, end, category in example.spans:
        over = [kind for first, last, kind in covering if first <= start and end <= last]
        told.append((category, category in over, bool(over)))
    return tuple(told)
