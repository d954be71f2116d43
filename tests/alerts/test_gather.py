"""Gathering: no fact is made that no rule can match, and every fact that one can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from guardrails_lite import AuditLog
from guardrails_lite._record import AttemptStep
from guardrails_lite.audit.alerts._facts import LOOKED_UP, SERVICES
from guardrails_lite.audit.alerts._gather import Gatherer, Position
from guardrails_lite.audit.alerts._match import Matcher
from guardrails_lite.audit.index import Index
from tests.alerts.facts import HOUR, NOW, clock, log_calls, rule, written
from tests.audit.calls import call_id, intent

SEND = ("primary", "m-1", 1, "answered", None)
"""All that a send is before its status."""


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


@pytest.mark.parametrize(
    ("selection", "calls"),
    [
        ({"outcome": "blocked"}, 1),
        ({"blocked": False, "guard": "support"}, 1),
        ({"new_key": True, "outcome": "blocked"}, 0),
        ({"new_user": True}, 2),
        ({"new_tenant": True}, 0),
        ({"found|contains": "injection"}, 1),
        ({"model": "m-2", "tokens|gte": 10_000}, 0),
        ({"tokens|gte": 10_000}, 2),
        ({"kept": True}, 2),
        ({"tag.app": "desk", "outcome": "passed"}, 1),
    ],
)
def test_calls_are_those_that_a_rule_can_match(tmp_path: Path, selection: dict[str, Any], calls: int) -> None:
    """What few different values and what is new rule out is not made into a fact; anything else may match."""
    found = gathered(tmp_path, "call", {"selection": selection, "condition": "selection"})
    assert len(found) == calls


@pytest.mark.parametrize(("wanted", "other"), [(None, 200), (200, None), (429, 200), (200, 429)])
def test_a_status_that_is_absent_is_a_status_like_others(
    tmp_path: Path, wanted: int | None, other: int | None
) -> None:
    """Sends of one kind are left out of what is read, once it is known that no rule can match them."""

    def sent(number: int, status: int | None) -> dict[str, Any]:
        return {"number": number, "steps": (AttemptStep(*SEND, status, 900.0, 0.0, None, 0.001),)}

    source = {"product": "guardrails-lite", "service": "send"}
    selection = {"status": wanted} if wanted else {"status|exists": False}
    detection = {"selection": selection, "condition": "selection"}
    rules = written(tmp_path, rule(logsource=source, detection=detection))
    root, places = tmp_path / "log", []
    log_calls(root, [sent(1, other)])
    with Index(root) as index:
        gatherer = Gatherer(index, Position(0), Matcher(rules, log="log", alerted={}))
        for more in ([], [sent(2, other), sent(3, wanted)], [sent(4, wanted), sent(5, other)]):
            log_calls(root, more)
            index.update()
            places += [fact.fields["call"] for fact in gatherer.new((NOW + HOUR) * 10**9)]
    assert places == [call_id(3), call_id(4)]


def test_a_rule_without_fields_is_given_all_of_them(tmp_path: Path) -> None:
    """As `SERVICES` has them, but those that are looked up only for who asks."""
    for service in ("call", "check", "send"):
        source = {"product": "guardrails-lite", "service": service}
        detection = {"s": {"us|gte": 0}, "condition": "s"}
        rules = written(tmp_path, rule(logsource=source, detection=detection))
        log_calls(tmp_path / service, [{"number": 1}])
        with Index(tmp_path / service) as index:
            index.update()
            gatherer = Gatherer(index, Position(0), Matcher(rules, log="log", alerted={}))
            (fact,) = gatherer.new((NOW + HOUR) * 10**9)
        assert set(fact.fields) == {*SERVICES[service]} - LOOKED_UP
        assert fact.fields.get("kept", False) is False


def test_what_is_too_old_or_unfinished_is_no_fact(tmp_path: Path) -> None:
    """Nor are the checks of a call that is, though it stands between two that are neither."""
    source = {"product": "guardrails-lite", "service": "check"}
    checks = rule(2, logsource=source, detection={"s": {"us|gte": 0}, "condition": "s"})
    calls = rule(1, detection={"s": {"input_chars|gte": 0}, "condition": "s"})
    rules = written(tmp_path, calls, checks)
    root = tmp_path / "log"
    log_calls(root, [{"number": 1}], clock=clock(NOW + HOUR))
    with Index(root) as index:
        index.update()
        log_calls(root, [{"number": 2}], clock=clock(NOW - HOUR))
        with AuditLog(root, clock=clock(NOW + HOUR)) as log:
            log.intent(intent(3))
        index.update()
        log_calls(root, [{"number": 4}], clock=clock(NOW + HOUR))
        index.update()
        gatherer = Gatherer(index, Position(NOW * 10**9), Matcher(rules, log="log", alerted={}))
        facts = list(gatherer.new((NOW + HOUR) * 10**9))
    told = {
        service: [fact.fields["call"] for fact in facts if fact.service == service] for service in SERVICES
    }
    assert told["call"] == told["check"] == [call_id(1), call_id(4)]
