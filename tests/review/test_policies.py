"""The policies: which were in force when, and what two of them decided differently."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from guardrails_lite import Finding, Guard, Retry, Validator, block, validator
from guardrails_lite._rates import wilson
from guardrails_lite._record import CheckStep
from guardrails_lite.audit import AuditLog, Clock, read
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


def guards() -> tuple[Guard[Any], Guard[Any]]:
    """Two policies of one guard, with markup and formulas for names and arguments."""

    def named(name: str, **shown: Any) -> Validator:
        @validator(name=name, params=shown, private={"words": ["falcon"]})
        def find(text: str) -> list[Finding]:
            return []

        return find

    hostile = "<script>alert(1)</script>"
    return (
        Guard(name="support", input=[block(named(hostile, note="=1+1"))]),
        Guard(
            name="support",
            input=[block(named(hostile, note='"><img src=x>\x1b[2J'))],
            retry=Retry(attempts=2),
        ),
    )


@pytest.fixture
def asked(tmp_path: Path, serve: Serve) -> Callable[..., httpx.Response]:
    """A desk on a log of two guards that are at hand."""
    times = iter(range(10**18, 10**19, 3_600 * 10**9))
    clock = Clock(wall_ns=lambda: next(times), mono_ns=lambda: next(times))
    with AuditLog(tmp_path / "log", heartbeat_s=None, clock=clock) as log:
        for number, guard in enumerate(guards()):
            log(record(number, digest=guard.digest, started=1_764_000_000.0 + number * 7_200))
    address = serve(tmp_path / "log")
    return lambda path, **query: httpx.get(address + path, params=query, timeout=60)


def test_each_policy_says_what_it_is(asked: Callable[..., httpx.Response]) -> None:
    """The newest one, or that of the address, with first and last use, calls and settings."""
    old, new = guards()
    told = asked("/policies.json").json()
    assert [policy["told"] for policy in told["policies"]] == ["yes", "yes"]
    assert (told["says"]["digest"], told["says"]["config"]) == (new.digest, new.config)
    says = asked("/policies.json", says=old.digest).json()["says"]
    assert (says["config"], says["capture"]) == (old.config, "metadata")
    assert [(used["guard"], used["calls"]) for used in says["used"]] == [("support", 1)]
    assert says["settings"]["retry.attempts"] == 3
    assert "falcon" not in asked("/policies", says=old.digest).text
    assert asked("/policies", says="f" * 32).status_code == 404


def test_the_settings_of_two_policies_are_compared(asked: Callable[..., httpx.Response]) -> None:
    """Beside what they decided: on the page, as JSON and as CSV."""
    compared = asked("/policies.json").json()["compared"]
    found = {each["name"]: each for each in compared["changes"] if each["kind"] == "setting"}
    assert compared["settings_known"]
    assert {name.rpartition(".")[2] for name in found} == {"note", "attempts"}
    assert (found["retry.attempts"]["before"], found["retry.attempts"]["after"]) == (3, 2)
    rows = list(csv.DictReader(asked("/policies.csv").text.splitlines()))
    settings = {row["name"]: row for row in rows if row["kind"] == "setting"}
    assert (settings["retry.attempts"]["before"], settings["retry.attempts"]["after"]) == ("3", "2")
    assert {row["kind"] for row in rows} == {"setting", "rule", "outcome"}
    assert "retry.attempts" in asked("/policies").text


def test_what_a_policy_says_is_harmless(asked: Callable[..., httpx.Response]) -> None:
    """Markup is text, an escape code is a name, a formula is no formula."""
    old, _ = guards()
    for page in (asked("/policies").text, asked("/policies", says=old.digest).text):
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "\x1b" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    values = [cell for row in csv.reader(asked("/policies.csv").text.splitlines()) for cell in row]
    assert "'=1+1" in values
    assert "=1+1" not in values


def test_what_an_older_log_does_not_tell_is_said(ask: Callable[..., httpx.Response]) -> None:
    """Its policies are listed and compared by what they did."""
    told = ask("/policies.json").json()
    assert {policy["told"] for policy in told["policies"]} == {"no"}
    assert told["says"] is None
    assert not told["compared"]["settings_known"]
    assert "The log does not have the settings of both." in ask("/policies").text
    assert "does not have the settings of this policy" in ask("/policies", says=OLD).text


def test_what_is_not_its_digests_is_not_shown(tmp_path: Path, serve: Serve) -> None:
    """The page says so, and where to look."""
    history(tmp_path / "log")
    with AuditLog(tmp_path / "log", heartbeat_s=None) as log:
        told = {"digest": NEW, "config": {"mode": "monitor"}, "rest": "", "withheld": {}, "capture": "none"}
        log.append("policy.loaded", NEW, told)
    address = serve(tmp_path / "log")
    says = httpx.get(f"{address}/policies.json", params={"says": NEW}, timeout=60).json()["says"]
    assert (says["told"], says["config"], says["settings"]) == ("forged", None, {})
    page = httpx.get(f"{address}/policies", params={"says": NEW}, timeout=60).text
    assert "do not match its digest" in page
    assert "does not match its digest" in page
