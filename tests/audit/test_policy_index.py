"""What the index and the command line tell of policies: what each says, and in what two differ."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from guardrails_lite import AuditLog, Budget, Guard, block, redact, target, tool, warn
from guardrails_lite.audit.index import Index, changes
from guardrails_lite.cli import main
from guardrails_lite_validators import injection, keywords, pii

Run = Callable[..., tuple[int, Any]]


def refund(order: str) -> str:
    """Give money back."""
    return order


OLD = Guard(
    name="support",
    input=[block(keywords(["falcon", "eagle"])), redact(pii(), on_error="open")],
    tools=[refund],
    fallback=[target(model="small")],
)
NEW = Guard(
    name="support",
    input=[redact(pii()), block(keywords(["falcon", "heron"])), warn(injection(), share=0.5)],
    tools=[tool(refund, effects="write")],
    budget=Budget(deadline_s=9),
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with AuditLog(tmp_path / "log", heartbeat_s=None) as log:
        for guard in (OLD, NEW, NEW):
            (guard | Guard(log=log)).check("hello")
    return tmp_path / "log"


@pytest.fixture
def run(root: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(action: str, *arguments: str) -> tuple[int, Any]:
        code = main(["log", action, str(root), *arguments])
        out = capsys.readouterr().out
        return code, json.loads(out) if "--json" in arguments else out

    return run


def test_what_a_digest_means_is_a_look_up(root: Path) -> None:
    """Also of several, and of one that the log does not tell of."""
    with Index(root) as index:
        index.update()
        told = index.loaded([OLD.digest, "0" * 32, NEW.digest])
        assert told.keys() == {OLD.digest, NEW.digest}
        assert {digest: one.config for digest, one in told.items()} == {
            OLD.digest: OLD.config,
            NEW.digest: NEW.config,
        }
        assert all(one.bound for one in told.values())
        assert index.loaded("0" * 32) == {}
        assert index.find_policies(NEW.digest[:9].upper()) == [NEW.digest]


def test_two_policies_differ_in_settings(root: Path) -> None:
    """A rule that moved is the same rule; one that is new tells only what it has of its own."""
    with Index(root) as index:
        index.update()
        told = index.loaded([OLD.digest, NEW.digest])
    found = {each.setting: each for each in changes(told[OLD.digest], told[NEW.digest])}

    words = found.pop("input keywords.words")
    assert (words.change, words.before[:6], words.after[:6]) == ("changed", "2, p1:", "2, p1:")
    assert "falcon" not in str(words)
    plain = {name: (each.before, each.after, each.change) for name, each in found.items()}
    assert plain.pop("fallback model=small.kind") == ("override", None, "removed")
    assert {name for name in plain if name.startswith("fallback")} == {
        "fallback model=small.name",
        "fallback model=small.on",
        "fallback model=small.overrides.model",
    }
    assert {name: each for name, each in plain.items() if not name.startswith("fallback")} == {
        "input order": ("keywords, pii", "pii, keywords, injection", "changed"),
        "input pii.on_error": ("open", "closed", "changed"),
        "input injection": (None, "warn", "added"),
        "input injection.version": (None, injection().version, "added"),
        "input injection.share": (None, 0.5, "added"),
        "tools refund.effects": (None, "write", "added"),
        "budget.deadline_s": (120.0, 9, "changed"),
    }
    assert changes(told[OLD.digest], told[OLD.digest]) == []


def test_a_text_under_another_key_may_be_the_same(root: Path) -> None:
    """After a new period of the log's key, equal texts are called otherwise, and the comparison says so."""
    with AuditLog(root, heartbeat_s=None) as log:
        log._pseudonyms.rotate()
        same = OLD | Guard(log=log, budget=Budget(tokens=5))
        same.check("hello")
    with Index(root) as index:
        index.update()
        told = index.loaded([OLD.digest, same.digest])
    found = {each.setting: each.change for each in changes(told[OLD.digest], told[same.digest])}
    assert found == {"input keywords.words": "unclear", "budget.tokens": "added"}


def test_other_code_under_the_same_settings_is_a_change(tmp_path: Path) -> None:
    """It is said, though it cannot be shown."""
    guards = [Guard(tools=[tool(refund, description=text)]) for text in ("one", "two")]
    with AuditLog(tmp_path / "log", heartbeat_s=None) as log:
        for guard in guards:
            (guard | Guard(log=log)).check("hello")
    with Index(tmp_path / "log") as index:
        index.update()
        told = index.loaded(guard.digest for guard in guards)
    (change,) = changes(*(told[guard.digest] for guard in guards))
    assert asdict(change) == {
        "setting": "code, and texts that are not named here",
        "before": None,
        "after": None,
        "change": "changed",
    }


def test_the_command_line_says_what_a_policy_says(
    root: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the beginning of its digest, in both forms; one that is not told of is not found."""
    code, shown = run("show", f"policy:{NEW.digest[:8]}")
    assert code == 0
    assert NEW.digest in shown
    assert "support, 2 calls" in shown
    assert "budget.deadline_s" in shown
    assert "falcon" not in shown
    code, told = run("show", f"policy:{NEW.digest}", "--json")
    assert (code, told["config"], told["bound"]) == (0, NEW.config, True)
    assert [used["calls"] for used in told["used"]] == [2]
    for beginning in ("policy:zzz", "policy:"):
        assert main(["log", "show", str(root), beginning]) == 1
        assert "`guardrails-lite log rules DIR --policies` lists them" in capsys.readouterr().err


def test_the_command_line_says_in_what_two_differ(run: Run) -> None:
    """The later one is asked for, against the earlier one."""
    code, shown = run("show", f"policy:{NEW.digest}", "--against", OLD.digest[:9])
    assert code == 0
    rows = [line.split() for line in shown.splitlines()]
    assert ["input", "pii.on_error", "open", "closed", "changed"] in rows
    told = run("show", f"policy:{NEW.digest}", "--against", f"policy:{OLD.digest}", "--json")[1]
    assert (told["before"], told["after"]) == (OLD.digest, NEW.digest)
    assert {each["setting"] for each in told["changes"]} >= {"input injection", "budget.deadline_s"}
    assert run("show", "0" * 32, "--against", OLD.digest)[0] == 2


def test_the_command_line_lists_policies(run: Run) -> None:
    """With their rules, in both forms."""
    code, shown = run("rules", "--policies")
    assert code == 0
    assert {NEW.digest[:12], OLD.digest[:12], "support"} <= set(shown.split())
    assert "first hour" in shown
    assert shown.count(":00  ") == 4  # an hour is all that is known, so no seconds are shown
    told = run("rules", "--policies", "--json")[1]
    assert {each["digest"]: each["config"] for each in told} == {
        OLD.digest: OLD.config,
        NEW.digest: NEW.config,
    }


def test_what_is_not_its_digests_is_not_believed(root: Path, run: Run) -> None:
    """Neither the list nor the policy itself passes it off as what calls were decided by."""
    with AuditLog(root, heartbeat_s=None) as log:
        hostile = {"verb": "\x1b[2J<script>", "validator": "pii", "params": {}}
        told = {
            "digest": NEW.digest,
            "config": {"input": [hostile], "output": []},
            "rest": "",
            "withheld": {},
        }
        log.append("policy.loaded", NEW.digest, told)

    code, shown = run("show", f"policy:{NEW.digest}")
    assert code == 2
    assert "these settings do not match the digest" in shown
    assert "\x1b" not in shown
    assert "forged" in run("rules", "--policies")[1]
    listed = run("rules", "--policies", "--json")[1]
    assert [each["config"] for each in listed if each["digest"] == NEW.digest] == [None]
