"""``guardrails-lite log review``: the findings queue without a desk, by the same entries of the log."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guardrails_lite import AuditLog, Blocked, Guard, block, redact, warn
from guardrails_lite.audit import Verdicts, decide, read, read_verdicts, undo, verify
from guardrails_lite.audit.index import Index
from guardrails_lite.cli import main
from tests.engine.conftest import word

Run = Callable[..., Any]

RULES = [redact(word("ada")), warn(word("odd")), block(word("bad"))]
ADA, ODD, BAD = map(repr, RULES)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Four calls: in two one rule found something, in one two rules did."""
    directory = tmp_path / "log"
    with AuditLog(directory) as audit:
        guard = Guard(name="desk", input=RULES, log=audit)
        for said in ("ada", "fine", "odd bad", "bad"):
            with contextlib.suppress(Blocked):
                guard.run(lambda messages: "fine", [{"role": "user", "content": said}])
    return directory


@pytest.fixture
def review(log: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the action as Ada; its JSON, or what it printed where it ended with *code*."""

    def run(*arguments: str, code: int = 0, by: str = "ada") -> Any:
        asked = ["log", "review", str(log), "--as", by, *arguments]
        assert main(asked if code else [*asked, "--json"]) == code
        printed = capsys.readouterr()
        return printed.err if code else json.loads(printed.out)

    return run


def calls_of(review: Run, rule: str) -> list[str]:
    """The calls in which *rule* found something, newest first."""
    return [one["call"] for one in review("--show", "all", "--rule", rule)["shown"]]


def test_a_verdict_takes_a_finding_off_the_pile(review: Run, log: Path) -> None:
    """What waits is listed; what was decided is an entry of the log, whoever reads it."""
    (call,) = calls_of(review, ADA)
    assert review()["findings"] == 4
    told = review("--decide", "fp", "--call", call[:10], "--note", "a test of ours")
    assert (told["verdict"], told["rule"]) == ("false positive", ADA)
    assert review()["findings"] == 3
    assert [one["standing"] for one in review("--show", "settled")["shown"]] == ["false positive"]
    (entry,) = read(log, kind="review.decided")
    assert entry.id == told["entry"]
    assert entry.data["note"] == "a test of ours"
    assert verify(log).state in ("intact", "unsealed")


def test_undo_puts_it_back(review: Run) -> None:
    (call,) = calls_of(review, ADA)
    review("--decide", "tp", "--call", call)
    assert review("--undo")["undone"]["call"] == call
    assert review()["findings"] == 4
    assert "no verdict of ada to take back" in review("--undo", code=1)


def test_two_reviewers_settle_or_dispute(review: Run) -> None:
    (call,) = calls_of(review, ADA)
    needs = ("--needs", "2")
    review("--decide", "tp", "--call", call, *needs)
    assert [one["call"] for one in review("--show", "waiting", *needs)["shown"]] == [call]
    assert call in [one["call"] for one in review(*needs, by="bob")["shown"]]
    review("--decide", "benign", "--call", call, *needs, by="bob")
    assert [one["call"] for one in review("--show", "disputed", *needs)["shown"]] == [call]


def test_one_person_in_two_spellings_does_not_settle(review: Run) -> None:
    """X18: the second verdict of the same person is theirs, not a second one's."""
    (call,) = calls_of(review, ADA)
    for by in ("ada", "Ada", " ada "):
        review("--decide", "tp", "--call", call, "--needs", "2", by=by)
    assert [one["call"] for one in review("--show", "waiting", "--needs", "2")["shown"]] == [call]


def test_at_the_command_line_a_name_is_taken_on_trust(review: Run, log: Path) -> None:
    """X19: not found: who may write to the log decides, and takes back, in any name."""
    (call,) = calls_of(review, ADA)
    review("--decide", "tp", "--call", call, "--needs", "2", by="ada")
    review("--decide", "tp", "--call", call, "--needs", "2", by="bob")
    assert [one["standing"] for one in review("--show", "settled", "--needs", "2")["shown"]] == [
        "true positive"
    ]
    assert review("--undo", by="bob")["undone"]["reviewer"] == "bob"
    assert verify(log).ok


@pytest.mark.parametrize("name", [" ", "\u200b", "a\x1b[31mda", "ada\u202e", "a\udcffb"])
def test_a_name_hides_nothing(review: Run, log: Path, name: str) -> None:
    """Nor is it empty to the eye: it stands beside the verdict for as long as the log does."""
    (call,) = calls_of(review, ADA)
    review("--decide", "tp", "--call", call, by=name, code=2)
    assert not list(read(log, kind="review.decided"))


def test_a_call_with_two_findings_needs_the_rule(review: Run) -> None:
    """Nothing is decided by a guess; with the rule it is."""
    (call,) = calls_of(review, ODD)
    told = review("--decide", "tp", "--call", call, code=2)
    assert "several rules found something" in told
    assert "--rule" in told
    decided = review("--decide", "tp", "--call", call, "--rule", ODD)
    assert decided["rule"] == ODD


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--decide", "tp"], 2, "--decide needs --call"),
        (["--call", "ab"], 2, "--call and --note go with --decide"),
        (["--note", "x"], 2, "--call and --note go with --decide"),
        (["--undo", "--decide", "tp"], 2, "either --decide or --undo"),
        (["--decide", "tp", "--call", "zz"], 1, "no call begins with 'zz'"),
        (["--decide", "tp", "--call", "THE CALL", "--rule", "block(other)"], 1, "no such rule found"),
        (["--decide", "tp", "--call", "THE CALL", "--note", "x" * 501], 2, "at most 500 characters"),
    ],
)
def test_what_cannot_be_decided_is_said_and_nothing_is_written(
    review: Run, log: Path, arguments: list[str], code: int, told: str
) -> None:
    (call,) = calls_of(review, ADA)
    assert told in review(*(call if one == "THE CALL" else one for one in arguments), code=code)
    assert not list(read(log, kind="review.decided"))


@pytest.mark.parametrize("arguments", [[], ["--decide", "tp", "--call", "a"]])
def test_somebody_has_to_decide(log: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """No number of reviewers below one is taken."""
    with pytest.raises(SystemExit, match="2"):
        main(["log", "review", str(log), "--as", "ada", *arguments, "--needs", "0"])
    assert "argument --needs: '0' is not a whole number, 1 or more" in capsys.readouterr().err
    assert not list(read(log, kind="review.decided"))


@pytest.mark.parametrize("command", [["log", "review"], ["review"]])
def test_a_user_without_a_name_is_asked_for_one(
    command: list[str], log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a container that runs under a number which no file knows."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 2**31 - 7)

    assert main([*command, str(log)]) == 2
    assert "say who decides with --as NAME" in capsys.readouterr().err


def test_as_a_table(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["log", "review", str(log), "--as", "ada", "--last", "2"]) == 0
    printed = capsys.readouterr().out
    assert BAD in printed
    assert "2 of 4, not settled, and not judged by you" in printed


def test_a_program_can_do_the_same(log: Path) -> None:
    with AuditLog(log) as audit, Index(log) as index:
        index.update()
        (found,) = (one for one in index.findings() if one.rule == ADA)
        decide(audit, index, found.call, found.rule, "benign", reviewer="ada")
        index.update()
        verdicts: Verdicts = read_verdicts(index)
        assert verdicts.score(found.rule).precision == 1
        assert undo(audit, index, reviewer="ada").verdict == "benign"
        index.update()
        assert read_verdicts(index).standing((found.call, found.rule)) == "open"
