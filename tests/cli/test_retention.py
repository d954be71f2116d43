"""``guardrails-lite log expire``: what it would let go, what it lets go, and what still verifies."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from guardrails_lite.audit import AuditLog, Clock, hold, read, verify
from guardrails_lite.cli import main
from tests.audit import forger
from tests.audit.calls import record

LONG_AGO_NS = time.time_ns() - 200 * 86_400 * 10**9


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with a closed stream of several segments from 200 days ago, and one of today."""
    directory = tmp_path / "log"
    old = Clock(wall_ns=lambda: LONG_AGO_NS)
    with AuditLog(directory, checkpoint_every=4, segment_bytes=4096, clock=old) as audit:
        for number in range(12):
            audit(record(number, who={"user": "ada"}))
    with AuditLog(directory) as audit:
        for number in range(20, 24):
            audit(record(number, who={"user": "ada"}))
    return directory


def files(log: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in log.glob("streams/*/*")}


def test_without_yes_it_says_what_would_go(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is removed or recorded, and the code says that there is something."""
    before, registry = files(log), (log / "registry.jsonl").read_bytes()

    assert main(["log", "expire", str(log), "--keep-days", "183"]) == 1
    said = capsys.readouterr().out
    assert main(["log", "expire", str(log), "--keep-days", "183", "--json"]) == 1
    listed = json.loads(capsys.readouterr().out)["expirable"]

    assert len(listed) > 2
    assert [each["segment"] for each in listed] == list(range(1, len(listed) + 1))
    entries = sum(each["entries"] for each in listed)
    assert said.startswith(f"{len(listed)} segments would be removed, with {entries} entries")
    assert "--yes does it" in said
    assert (files(log), (log / "registry.jsonl").read_bytes()) == (before, registry)


def test_nothing_old_is_code_0(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With and without --yes: there is nothing to do."""
    before = files(log)
    for more in ([], ["--yes", "--by", "nightly job"]):
        assert main(["log", "expire", str(log), "--keep-days", "365", *more]) == 0
        assert capsys.readouterr().out.startswith(f"0 segments {'removed' if more else 'would be removed'}")
    assert files(log) == before


def test_what_is_old_goes_and_the_rest_verifies(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who let it go is recorded, the lists follow, and nobody takes it for a log that was cut short."""
    assert main(["log", "ls", str(log)]) == 0
    capsys.readouterr()

    assert main(["log", "expire", str(log), "--keep-days", "183", "--yes", "--by", "ada", "--json"]) == 0
    expired = json.loads(capsys.readouterr().out)["expired"]

    assert len(expired) > 2
    assert verify(log).state == "intact"
    assert len(list(read(log))) == 4
    assert (log / "registry.jsonl").read_bytes().count(b'"by":"ada"') == len(expired)
    assert main(["log", "ls", str(log), "--json"]) == 0
    printed = capsys.readouterr()
    assert len(json.loads(printed.out)) == 4
    assert printed.err == ""
    assert main(["log", "expire", str(log), "--keep-days", "183"]) == 0


def test_what_is_held_stays(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A hold on the person keeps every segment with a call of theirs."""
    with AuditLog(log) as audit:
        hold(audit, "ada", owner="counsel", reason="case 12")
    assert main(["log", "expire", str(log), "--keep-days", "183", "--yes", "--by", "ada"]) == 0
    assert capsys.readouterr().out.startswith("0 segments removed")
    assert len(list(read(log))) == 16


def test_damage_stays_and_is_told(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A nightly job ends with the code of a log that was tampered with."""
    forger.edit(log, forger.flip(2))
    before = files(log)
    asked = ["log", "expire", str(log), "--keep-days", "183"]
    for more in ([], ["--yes", "--by", "nightly job"]):
        assert main([*asked, *more]) == 2
        said = capsys.readouterr()
        assert said.out.startswith(f"0 segments {'removed' if more else 'would be removed'}")
        assert (
            f"{min(read(log), key=lambda each: each.n).stream} stay from this place on: tampered" in said.err
        )
    assert main([*asked, "--json"]) == 2
    [problem] = json.loads(capsys.readouterr().out)["damaged"]
    assert (problem["state"], problem["record"]) == ("tampered", 2)
    assert files(log) == before


@pytest.mark.parametrize("days", ["0", "-1", "nan", "inf", "two"])
def test_a_number_of_days_is_positive(log: Path, days: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A slip must not let everything go."""
    with pytest.raises(SystemExit) as ended:
        main(["log", "expire", str(log), f"--keep-days={days}"])
    assert ended.value.code == 2
    assert "is not a number of days; expected more than 0" in capsys.readouterr().err


def test_nobody_lets_entries_go(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever does is recorded, so there is no default."""
    before = files(log)
    for more in ([], ["--by", ""]):
        assert main(["log", "expire", str(log), "--keep-days", "183", "--yes", *more]) == 2
        assert "--yes needs --by WHO" in capsys.readouterr().err
    assert files(log) == before


def test_a_log_that_is_not_there_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped directory is code 5."""
    assert main(["log", "expire", str(tmp_path), "--keep-days", "183"]) == 5
    assert "not a compliance log" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
