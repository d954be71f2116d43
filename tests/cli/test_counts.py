"""How many of something there are, in words."""

from __future__ import annotations

from pathlib import Path

import pytest

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


def test_no_holds_is_a_sentence_and_in_json_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A head over nothing looks like a fault; a program gets what it parses."""
    AuditLog(tmp_path).close()
    assert main(["log", "holds", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "no holds are in force\n"
    assert main(["log", "holds", str(tmp_path), "--json"]) == 0
    assert capsys.readouterr().out == "{}\n"
