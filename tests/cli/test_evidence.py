"""Evidence from the command line: made, checked, damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guardrails_lite.audit import AuditLog
from guardrails_lite.cli import main
from tests.audit import forger
from tests.audit.calls import record


@pytest.fixture
def log(tmp_path: Path) -> Path:
    with AuditLog(tmp_path / "log") as log:
        log(record(1))
    return tmp_path / "log"


def test_evidence_is_made_and_checked(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`log bundle` prints what its maker keeps; `log check-bundle` says whether the file is that log's."""
    file, key = tmp_path / "evidence.zip", str(log / "keys" / "verify.key")
    command = ["log", "bundle", str(log), str(file), "--by", "auditor", "--reason", "case 12", "--json"]
    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["check"]["state"] == "intact"
    (tmp_path / "head").write_text(told["head"])
    assert main(["log", "check-bundle", str(file), "--key", key, "--head", str(tmp_path / "head")]) == 0
    assert capsys.readouterr().out.startswith("intact: ")
    assert main(["log", "check-bundle", str(file), "--head", key]) == 2
    assert main(["log", "check-bundle", str(file), "--key", str(tmp_path / "nothing")]) == 5
    file.write_bytes(file.read_bytes()[:-40])
    assert main(["log", "check-bundle", str(file)]) == 5


def test_no_log_is_made_where_there_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Evidence of a directory that is no log is refused, and the directory stays as it was."""
    command = ["log", "bundle", str(tmp_path), str(tmp_path / "e.zip"), "--by", "a", "--reason", "b"]
    assert main(command) == 5
    assert "not a compliance log" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


TAKEN = ["--by", "a", "--reason", "b"]


@pytest.mark.parametrize("what", ["bundle", "recorded export", "export"])
@pytest.mark.parametrize("at_fault", ["the log", "the file"])
def test_the_file_that_is_at_fault_is_named(
    log: Path, what: str, at_fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A place beside the log whose name begins like its own is not the log."""
    output = str(log.parent / "log-of-may" / "out")
    command = {
        "bundle": ["bundle", str(log), output, *TAKEN],
        "recorded export": ["export", str(log), "--output", output, *TAKEN],
        "export": ["export", str(log), "--output", output],
    }[what]
    expected = f"{output}: cannot be written (No such file or directory)"
    if at_fault == "the log":
        Path(output).parent.mkdir()
        assert main(["log", "ls", str(log)]) == 0  # with an index, the segment is not read before
        segment = forger.segment(log)
        segment.unlink()
        segment.mkdir()  # which nobody can read as a file, the superuser neither
        expected = f"{segment}: cannot be read or written (Is a directory)"

    assert main(["log", *command]) == 5
    assert expected in capsys.readouterr().err.splitlines()[-1]
