"""Matching: which facts rules look for, and the alert that each match is."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from hashlib import sha256
from typing import Any

from guardrails_lite.audit.alerts._detect import may_be
from guardrails_lite.audit.alerts._facts import LOOKED_UP, SERVICES, Fact
from guardrails_lite.audit.alerts._sigma import Correlation, Level, Rule, Rules
from guardrails_lite.audit.alerts._windows import Burst, Group, Windows


@dataclass(frozen=True, slots=True)
class Alert:
    """A match of a rule, as it is recorded and sent."""

    id: str
    """The same for the same match on every day, so that nobody is told twice."""
    rule: str
    """The rule's id."""
    title: str
    level: Level
    description: str
    tags: tuple[str, ...]
    service: str
    at: int
    """When what matched was, nanoseconds since the epoch; of a correlation, its newest fact."""
    call: str
    """The call's id; empty: it is about none."""
    fields: Mapping[str, Any]
    """What the rule tells of the fact."""
    group: Mapping[str, str]
    """What the facts of a correlation have in common."""
    count: int
    """How many facts or values a correlation counted; 1 for a rule."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON-compatible data."""
        told = {part.name: getattr(self, part.name) for part in fields(self)}
        return {**told, "tags": list(self.tags), "fields": dict(self.fields), "group": dict(self.group)}


class Matcher:
    """Rules, and how far their correlations have counted.

    Args:
        rules: The rules.
        log: The log's name, which is part of each alert's id.
        alerted: For each correlation, when the newest fact of a group was at its last alert.
    """

    def __init__(self, rules: Rules, *, log: str, alerted: Mapping[str, Mapping[Group, int]]) -> None:
        self._log = log
        self._windows = [Windows(one, dict(alerted.get(one.id, {}))) for one in rules.correlations]
        self._rules: defaultdict[str, list[tuple[Rule, list[Windows]]]] = defaultdict(list)
        self.asks: defaultdict[str, set[str]] = defaultdict(set)
        """The fields of each service that some rule needs; a service that no rule is about is absent."""
        for rule in rules.rules:
            counting = [windows for windows in self._windows if rule.id in windows.correlation.rules]
            self._rules[rule.service].append((rule, counting))
            told = rule.fields or {*SERVICES[rule.service]} - LOOKED_UP
            self.asks[rule.service] |= {*rule.asks, *told}
            for windows in counting:
                asked = windows.correlation
                self.asks[rule.service] |= {*asked.group_by, *([asked.field] if asked.field else [])}

    def may_match(self, service: str, known: Mapping[str, Any]) -> bool:
        """Whether some rule can match a fact of *service* that has *known* among its fields."""
        return any(may_be(rule.test, known) for rule, _ in self._rules.get(service, ()))

    @property
    def longest_ns(self) -> int:
        """How far back the longest window reaches; 0: there is none."""
        return max((each.correlation.timespan_s for each in self._windows), default=0) * 10**9

    def match(self, fact: Fact) -> Iterator[Alert]:
        """Take in one fact; the alerts that come of it."""
        for rule, counting in self._rules[fact.service]:
            if rule.test(fact.fields):
                if rule.alone:
                    yield self._alert(rule, fact, rule.fields, None)
                for windows in counting:
                    burst = windows.take(fact)
                    if burst is not None:
                        yield self._alert(windows.correlation, fact, rule.fields, burst)

    def _alert(
        self, rule: Rule | Correlation, fact: Fact, told: tuple[str, ...], burst: Burst | None
    ) -> Alert:
        group = burst.group if burst is not None else {}
        place = json.dumps([self._log, rule.id, fact.place, *group.values()])
        return Alert(
            id=sha256(place.encode()).hexdigest()[:32],
            rule=rule.id,
            title=rule.title,
            level=rule.level,
            description=rule.description,
            tags=rule.tags,
            service=fact.service,
            at=burst.at if burst is not None else fact.at,
            call=str(fact.fields.get("call") or ""),
            fields={
                name: value
                for name in told or tuple(fact.fields)
                if (value := _plain(fact.fields.get(name))) not in ("", None, [])
            },
            group=group,
            count=burst.count if burst is not None else 1,
        )


def _plain(value: Any) -> Any:
    """*value* as JSON has it: a ratio to nothing is no number."""
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value
