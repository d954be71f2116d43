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
    return step._replace(rule=rule, result="found" if found else "passed")


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
