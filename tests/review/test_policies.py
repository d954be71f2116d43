"""The policies: which were in force when, and what two of them decided differently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from guardrails_lite._rates import wilson
from guardrails_lite._record import CheckStep
from guardrails_lite.audit import AuditLog, read
from tests.audit.calls import record
from tests.review.conftest import Serve

OLD, NEW = "0" * 32, "1" * 32


def check(rule: str, found: bool) -> CheckStep:
    step = next(step for step in record(1).steps if isinstance(step, CheckStep))
    verb = rule.partition("(")[0]
    return step._replace(rule=rule, result="found" if found else "passed", action=verb if found else None)


def history(root: Path) -> None:
    """Forty calls under each of two policies: the newer one has another rule, and blocks most of them."""
    with AuditLog(root, heartbeat_s=None) as log:
        for number in range(80):
            is_new = number >= 40
            steps = [check("block(a())", found=is_new and number % 8 > 0)]
            steps.append(check("redact(c())" if is_new else "redact(b())", found=False))
            told: dict[str, Any] = {"steps": tuple(steps), "started": 1_764_000_000.0 + number * 7_200}
            outcome = "blocked" if steps[0].result == "found" else "passed"
            log(record(number, digest=NEW if is_new else OLD, outcome=outcome, **told))


@pytest.fixture
def ask(tmp_path: Path, serve: Serve) -> Callable[..., httpx.Response]:
    history(tmp_path / "log")
    address = serve(tmp_path / "log")
    return lambda path, **query: httpx.get(address + path, params=query, timeout=60)


def test_the_newest_policy_is_compared_with_its_last(ask: Callable[..., httpx.Response]) -> None:
    """What was added and removed, what became more, and the numbers behind it."""
    told = ask("/policies.json").json()
    assert [(policy["digest"], policy["calls"]) for policy in told["policies"]] == [(NEW, 40), (OLD, 40)]
    changes = {(change["kind"], change["name"]): change for change in told["compared"]["changes"]}
    assert {key[1]: change["change"] for key, change in changes.items() if key[0] == "rule"} == {
        "block(a())": "more",
        "redact(b())": "removed",
        "redact(c())": "added",
    }
    one = changes["rule", "block(a())"]
    assert (one["before_hits"], one["before_of"], one["after_hits"], one["after_of"]) == (0, 40, 35, 40)
    assert (one["after_low"], one["after_high"]) == wilson(35, 40)
    assert changes["outcome", "blocked"]["change"] == "more"
    assert changes["outcome", "passed"]["change"] == "less"


def test_decisions_are_counted_by_call(tmp_path: Path, serve: Serve) -> None:
    """What a rule does in two attempts of a call is one decision; one whose settings changed is seen."""
    before, after = "redact(b(1))", "redact(b(2))"
    with AuditLog(tmp_path / "log", heartbeat_s=None) as log:
        for number in range(120):
            is_new = number >= 60
            redacts = number % 2 == 0 if is_new else number % 10 == 0
            step = check(after if is_new else before, found=redacts)._replace(
                side="output", action="redact" if redacts else None
            )
            steps = (step._replace(attempt=1), step._replace(attempt=2))
            told: dict[str, Any] = {"steps": steps, "started": 1_764_000_000.0 + number * 3_600}
            log(record(number, digest=NEW if is_new else OLD, **told))
    told = httpx.get(serve(tmp_path / "log") + "/policies.json", timeout=60).json()["compared"]
    found = {
        (one["name"], one["side"], one["action"]): (
            *(one["before_hits"], one["before_of"], one["after_hits"], one["after_of"], one["change"]),
        )
        for one in told["changes"]
        if one["kind"] == "decision"
    }
    assert found == {
        ("", "", "redact"): (6, 60, 30, 60, "more"),
        (before, "output", "redact"): (6, 60, None, None, "removed"),
        (after, "output", "redact"): (None, None, 30, 60, "added"),
    }
    (any_rule,) = (one for one in told["changes"] if one["kind"] == "decision" and not one["name"])
    assert (any_rule["before_low"], any_rule["before_high"]) == wilson(6, 60)
    assert (any_rule["after_low"], any_rule["after_high"]) == wilson(30, 60)


def test_a_rule_that_did_nothing_before_has_a_share_of_none(ask: Callable[..., httpx.Response]) -> None:
    """It ran, so the share is nought of all calls, with its interval; and the page tells the same."""
    told = ask("/policies.json").json()["compared"]["changes"]
    each = {one["name"]: one for one in told if one["kind"] == "decision" and one["action"] == "block"}
    assert each["block(a())"] | {"name": "", "side": ""} == each[""]
    assert (each[""]["before_hits"], each[""]["before_of"]) == (0, 40)
    assert (each[""]["after_hits"], each[""]["after_of"], each[""]["change"]) == (35, 40, "more")
    page = ask("/policies").text
    assert "Decision: share of calls" in page
    assert "any rule" in page
    assert "74 % to 95 %" in page


def test_any_two_are_compared(ask: Callable[..., httpx.Response]) -> None:
    """The address names them; the other way around, more is less; a policy does not differ from itself."""
    other = ask("/policies.json", guard="support", before=NEW, after=OLD).json()["compared"]["changes"]
    assert {change["name"]: change["change"] for change in other if change["kind"] == "rule"} == {
        "block(a())": "less",
        "redact(b())": "added",
        "redact(c())": "removed",
    }
    same = ask("/policies.json", guard="support", before=NEW, after=NEW).json()["compared"]["changes"]
    assert {change["change"] for change in same} == {"unclear"}
    assert ask("/policies", guard="support", before=NEW, after="f" * 32).status_code == 404
    assert ask("/policies", guard="other", before=NEW, after=OLD).status_code == 404


def test_one_policy_has_nothing_to_be_compared_with(tmp_path: Path, serve: Serve) -> None:
    """The page lists it."""
    with AuditLog(tmp_path / "log", heartbeat_s=None) as log:
        log(record(1))
    address = serve(tmp_path / "log")
    told = httpx.get(f"{address}/policies.json", timeout=60).json()
    assert (len(told["policies"]), told["compared"]) == (1, None)
    assert httpx.get(f"{address}/policies", timeout=60).status_code == 200


def test_the_sums_of_rules_know_the_policy(tmp_path: Path, ask: Callable[..., httpx.Response]) -> None:
    """The checks of a policy are those that reading its calls gives."""
    told = ask("/policies.json").json()["compared"]["changes"]
    for prefix, digest in (("before", OLD), ("after", NEW)):
        steps = [step for entry in read(tmp_path / "log") if entry.data["digest"] == digest
                 for step in entry.data["checks"]]  # fmt: skip
        for change in (change for change in told if change["kind"] == "rule"):
            ran = [step["result"] for step in steps if step["rule"] == change["name"]]
            assert (change[f"{prefix}_of"] or 0) == len(ran)
            assert (change[f"{prefix}_hits"] or 0) == ran.count("found")
