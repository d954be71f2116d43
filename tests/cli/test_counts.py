"""How many of something there are, in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from guardrails_lite import Guard
from guardrails_lite._counts import counted
from guardrails_lite.audit import AuditLog
from guardrails_lite.cli import main


@pytest.mark.parametrize(
    ("count", "noun", "said"),
    [
        (0, "call", "0 calls"),
        (1, "call", "1 call"),
        (2, "finished call", "2 finished calls"),
        (1, "entry", "1 entry"),
        (3, "entry", "3 entries"),
        (2, "key", "2 keys"),
    ],
)
def test_one_is_not_several(count: int, noun: str, said: str) -> None:
    assert counted(count, noun) == said


@pytest.mark.parametrize(
    ("command", "said", "code"),
    [
        ("ls", "no calls yet", 0),
        ("ls --model m-1", "no calls that fit these options", 0),
        ("tail --once", "no calls yet", 0),
        ("stats", "no calls yet", 0),
        ("spend", "no calls yet", 0),
        ("latency", "no finished calls yet", 0),
        ("latency --by model", "no finished calls yet", 0),
        ("rules", "no calls yet", 0),
        ("rules --policies", "no calls, and so no policies", 0),
        ("sql QUESTION", "no rows", 0),
        ("find-subject ada", "no calls by this person", 1),
        ("holds", "no holds are in force", 0),
        ("review --as ada", "no findings, not settled, and not judged by you", 0),
        ("review --as ada --show settled", "no findings, settled", 0),
        ("alerts --dry-run", "no alerts", 0),
    ],
)
def test_what_is_empty_is_a_sentence_and_in_json_nothing(
    command: str, said: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A head over nothing looks like a fault; a program gets what it parses."""
    AuditLog(tmp_path).close()
    action, *options = ["SELECT id FROM calls" if word == "QUESTION" else word for word in command.split()]

    assert main(["log", action, str(tmp_path), *options]) == code
    assert capsys.readouterr().out == f"{said}\n"
    assert main(["log", action, str(tmp_path), *options, "--json"]) == code
    printed = capsys.readouterr().out
    assert "no " not in printed
    assert not printed or json.loads(printed) is not None


def test_a_scheduled_look_for_alerts_is_silent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A schedule mails what is printed, so nothing new is not a line."""
    AuditLog(tmp_path).close()
    assert main(["log", "alerts", str(tmp_path), "--once"]) == 0
    assert capsys.readouterr().out == ""


def test_a_sample_of_nothing_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing to draw, and nothing is recorded."""
    AuditLog(tmp_path).close()
    assert main(["log", "sample", str(tmp_path), "--size", "3", "--by", "ada"]) == 1
    assert "no finished call to draw from" in capsys.readouterr().err


def test_an_empty_table_keeps_its_head_in_csv(tmp_path: Path, capsysbinary: Any) -> None:
    """A program reads the columns, which are there without a row."""
    AuditLog(tmp_path).close()
    assert main(["log", "export", str(tmp_path)]) == 0
    assert capsysbinary.readouterr().out.startswith(b"started,ended,id,")


def test_calls_without_rules_are_not_no_calls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each list says what it has none of."""
    with AuditLog(tmp_path) as log:
        Guard(log=log).run(lambda messages: "fine", [{"role": "user", "content": "hello"}])
    assert main(["log", "rules", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "no rule checked these calls\n"
