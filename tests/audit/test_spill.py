"""`on_failure="spill"`: what a full disk does not take is in a log of its own, with its texts."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from guardrails_lite import AuditLog, Blocked, ConfigError, Guard, block, bound, redact
from guardrails_lite.audit import Disk, Erased, erase, find_subject, reveal, verify
from guardrails_lite.cli import main
from tests.audit.test_originals import ASKED, SECRET, WHY, hidden, masking
from tests.audit.test_privacy import everything

pytest.importorskip("cryptography")


class Volume:
    """A disk on which a write to some files takes a part and then fails, as a full one does."""

    def __init__(self) -> None:
        self.full: tuple[str, ...] = ()

    def disk(self) -> Disk:
        return Disk(write=self._write)

    def _write(self, fd: int, data: bytes) -> int:
        if data.startswith(b'{"v":1') and ".jsonl" in self.full:
            return self._part(fd, data)
        if not data.startswith(b'{"v":1') and ".boxes" in self.full:
            return self._part(fd, data)
        return os.write(fd, data)

    def _part(self, fd: int, data: bytes) -> int:
        os.write(fd, data[:17])
        raise OSError(errno.ENOSPC, "injected")


def spilling(place: Path, volume: Volume, **options: Any) -> AuditLog:
    settings: dict[str, Any] = {"on_failure": "spill", "spill": place / "spill", "capture": "sealed"}
    return AuditLog(place / "log", disk=volume.disk(), **settings | options)


def calls(log: AuditLog) -> list[str]:
    return [entry.id for entry in log.records()]


@pytest.mark.parametrize(
    "action",
    [
        ["erase", "--request", "r", "--basis", "GDPR 17", "--yes"],
        ["hold", "--owner", "a", "--reason", "b"],
        ["find-subject"],
        ["expire", "--keep-days", "1"],
    ],
    ids=lambda action: action[0],
)
def test_who_acts_for_a_person_is_told_of_the_other_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], action: list[str]
) -> None:
    """Law: nobody takes a person for erased, or found, while texts of theirs are in the log beside."""
    spilling(tmp_path, Volume()).close()
    person = [] if action[0] == "expire" else ["ada"]
    told = f"log {action[0]} {tmp_path / 'spill'} ..."
    main(["log", action[0], str(tmp_path / "log"), *person, *action[1:], "--json"])
    assert told in capsys.readouterr().err
    main(["log", action[0], str(tmp_path / "spill"), *person, *action[1:], "--json"])
    assert "spills" not in capsys.readouterr().err
    shutil.rmtree(tmp_path / "spill")
    main(["log", action[0], str(tmp_path / "log"), *person, *action[1:], "--json"])
    assert "spills" not in capsys.readouterr().err


@pytest.mark.parametrize("full", [(".jsonl", ".boxes"), (".jsonl",), (".boxes",)], ids="+".join)
def test_what_was_said_is_kept_where_there_is_room(tmp_path: Path, full: tuple[str, ...]) -> None:
    """Law: each call is in one of two logs, with both forms of its texts; both verify, neither shows one."""
    volume = Volume()
    log = spilling(tmp_path, volume)
    assert log.spill is not None
    guard = masking(log)
    with bound(user="ada"):
        guard.run(lambda messages: "one", ASKED)
        volume.full = full
        guard.run(lambda messages: f"it is {SECRET}", ASKED)
        with pytest.raises(Blocked):
            Guard(input=[block(hidden)], log=log).run(lambda messages: "", ASKED)
        volume.full = ()
        guard.run(lambda messages: "four", ASKED)

    assert [len(calls(each)) for each in (log, log.spill)] == [2, 2]
    masked, stopped = calls(log.spill)
    assert [kept.text for kept in reveal(log.spill, masked, **WHY)] == ["mail [SECRET]", "it is [SECRET]"]
    said = [
        [kept.text for kept in reveal(log.spill, call, **WHY, texts="original")] for call in (masked, stopped)
    ]
    assert said == [[f"mail {SECRET}", f"it is {SECRET}"], [f"mail {SECRET}"]]
    assert [entry.id for entry in find_subject(log.spill, "ada")] == [masked, stopped]
    assert {entry.data["capture"] for entry in log.spill.records("policy.loaded")} == {"sealed"}
    assert sum(gap.data["lost"] for gap in log.records("gap")) >= 2

    for each in (log, log.spill):
        assert erase(each, "ada", request="R-1", basis="GDPR 17") >= 1
        for call in calls(each):
            with pytest.raises((Erased, LookupError)):
                reveal(each, call, **WHY)
            with pytest.raises(Erased):
                reveal(each, call, **WHY, texts="original")
    log.close()
    assert SECRET.encode() not in everything(tmp_path)
    for name in ("log", "spill"):
        report = verify(tmp_path / name, key=(tmp_path / name / "keys" / "verify.key").read_text())
        assert report.ok, report


def test_a_log_that_never_had_room_spills_all(tmp_path: Path) -> None:
    """Also the first call of a process, and the spill is closed with the log."""
    volume = Volume()
    volume.full = (".jsonl", ".boxes")
    with spilling(tmp_path, volume) as log:
        masking(log).run(lambda messages: "fine", ASKED)
    assert log.spill is not None
    assert len(calls(log.spill)) == 1
    assert len(list(log.spill.records("call.intent"))) == 1
    assert [stream.ended for stream in verify(tmp_path / "spill").streams] == ["closed"]


def test_the_keys_of_the_spill_lie_where_the_logs_do(tmp_path: Path) -> None:
    """Whoever keeps keys on another volume does not find those of the spill beside its texts."""
    volume = Volume()
    volume.full = (".jsonl", ".boxes")
    with spilling(tmp_path, volume, keys=tmp_path / "keys") as log:
        Guard(input=[redact(hidden)], log=log).run(lambda messages: "fine", ASKED)
    assert not (tmp_path / "spill" / "keys").exists()
    again = AuditLog(tmp_path / "spill", keys=tmp_path / "keys" / "spill")
    (call,) = calls(again)
    assert reveal(again, call, **WHY, texts="original")[0][2] == f"mail {SECRET}"


@pytest.mark.parametrize("spill", ["log", "other/../log", "link"])
def test_a_log_does_not_spill_into_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spill: str
) -> None:
    """It would be full as well."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to("log")
    with pytest.raises(ConfigError, match=r"spill=.* is the log's own directory; give another"):
        AuditLog("log", on_failure="spill", spill=spill)
