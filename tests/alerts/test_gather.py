"""Gathering: no fact is made that no rule can match, and every fact that one can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from guardrails_lite.audit.alerts._gather import Gatherer, Position
from guardrails_lite.audit.alerts._match import Matcher
from guardrails_lite.audit.index import Index
from tests.alerts.facts import HOUR, NOW, log_calls, rule, written


def gathered(root: Path, service: str, detection: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Of each fact that is gathered for one rule, what it is of, or its rule's or its target's result."""
    source = {"product": "guardrails-lite", "service": service}
    rules = written(root, rule(logsource=source, detection=detection))
    log_calls(
        root / "log",
        [
            {"number": 1, "who": {"user": "u-1", "api_key": "k-1"}},
            {"number": 2, "outcome": "blocked", "who": {"user": "u-2", "api_key": "k-1"}},
        ],
    )
    with Index(root / "log") as index:
        index.update()
        gatherer = Gatherer(index, Position(0), Matcher(rules, log="log", alerted={}))
        facts = list(gatherer.new((NOW + HOUR) * 10**9))
    assert {fact.service for fact in facts} <= {service}
    return [(fact.fields.get("of"), fact.fields.get("result")) for fact in facts]


@pytest.mark.parametrize(
    ("selection", "of"),
    [
        ({"of": "key", "calls|gte": 1}, ["key"]),
        ({"of": ["log", "guard"], "calls|gte": 1}, ["log", "guard"]),
        ({"of|neq": "user", "calls|gte": 1}, ["log", "model", "guard", "key"]),
        ({"calls|gte": 1}, ["log", "model", "guard", "key", "user", "user"]),
    ],
)
def test_hours_are_of_what_a_rule_asks_for(tmp_path: Path, selection: dict[str, Any], of: list[str]) -> None:
    """Where no rule is about users, the hours of each of them are not added up."""
    found = gathered(tmp_path, "hour", {"selection": selection, "condition": "selection"})
    assert [each for each, _ in found] == of


@pytest.mark.parametrize(
    ("selection", "results"),
    [
        ({"result": "found"}, ["found"]),
        ({"rule|contains": "injection", "result": "passed"}, ["passed"]),
        ({"user": "u-3", "result": "found"}, ["found"]),
        ({"us|gte": 10_000}, ["passed", "found"]),
    ],
)
def test_checks_are_those_that_a_rule_can_match(
    tmp_path: Path, selection: dict[str, Any], results: list[str]
) -> None:
    """What a check's own columns rule out is not made into a fact; anything else may be matched."""
    found = gathered(tmp_path, "check", {"selection": selection, "condition": "selection"})
    assert [result for _, result in found] == results


def test_sends_are_those_that_a_rule_can_match(tmp_path: Path) -> None:
    """As for checks: answered sends are nothing to a rule about what failed."""
    assert gathered(tmp_path, "send", {"s": {"result": "answered"}, "condition": "not s"}) == []
