"""Processes that die: what was acknowledged is there, what was torn is recorded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from guardrails_lite.audit import AuditLog, read, verify
from tests.audit import forger
from tests.audit.calls import call_id, record

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mode", ["async", "commit", "strict"])
def test_sigkill_loses_no_acknowledged_record(tmp_path: Path, mode: str) -> None:
    """Killed at a random moment, in any mode: every record whose sink returned is in the log."""
    root = tmp_path / "log"
    command = [sys.executable, "-W", "ignore", "-m", "tests.audit.kill_loop", str(root), "70", "1", mode]
    run = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    acknowledged = json.loads(run.stdout)
    assert len({number // 100_000 for number in acknowledged}) > 28
    AuditLog(root)(record(1))
    report = verify(root)
    assert report.state in ("intact", "unsealed")
    assert [problem for problem in report.problems if problem.state != "unsealed"] == []
    held = {entry.id for entry in read(root)}
    assert [number for number in acknowledged if call_id(number) not in held] == []


def crashed(root: Path, torn: bytes = b"") -> None:
    """A log whose process stopped without a word, the last line perhaps unfinished."""
    code = f"""if True:
        import os
        from guardrails_lite.audit import AuditLog
        from tests.audit.calls import intent, record
        log = AuditLog({str(root)!r}, checkpoint_every=4)
        for number in range(6):
            log.intent(intent(number))
            log(record(number))
        log.intent(intent(77))
        os._exit(1)
    """
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60)
    with forger.segment(root).open("ab") as file:
        file.write(torn)


@pytest.mark.parametrize("torn", [b"", b'{"v":1,"s":"2026', b"\xff\0\xff"])
def test_a_crash_is_recorded_by_who_comes_next(tmp_path: Path, torn: bytes) -> None:
    """The next process fixes where the dead one stopped, its torn bytes and its unfinished calls."""
    root = tmp_path / "log"
    crashed(root, torn)
    before = verify(root)
    assert (before.state, before.exit_code) == ("unsealed", 4)
    log = AuditLog(root)
    log(record(9))
    log.close()
    assert verify(root).ok
    assert [stream.ended for stream in verify(root).streams] == ["recovered", "closed"]
    (recovery,) = read(root, kind="recovery")
    assert recovery.data["open_calls"] == [call_id(77)]
    assert recovery.data["torn"]["bytes"] == len(torn)
    assert forger.segment(root).read_bytes().endswith(torn)


def test_what_was_recovered_cannot_change(tmp_path: Path) -> None:
    """A recovered stream is as fixed as a closed one, its torn bytes included."""
    root = tmp_path / "log"
    crashed(root, b"torn")
    log = AuditLog(root)
    log(record(9))
    log.close()
    for change in (b"xorn", b"", b"torn\n"):
        copy = forger.copy(root, f"copy-{len(change)}-{change[:1].hex()}")
        path = forger.segment(copy)
        path.write_bytes(path.read_bytes()[:-4] + change)
        assert verify(copy).state == "tampered"


def test_a_damaged_stream_is_not_recovered_over(tmp_path: Path) -> None:
    """Recovery never covers damage up: the report goes on naming it."""
    root = tmp_path / "log"
    crashed(root)
    forger.edit(root, forger.flip(3))
    log = AuditLog(root)
    log(record(9))
    log.close()
    assert verify(root).state == "tampered"


@pytest.mark.parametrize("begun", [b"", b'{"v":1,"s":"2026'])
def test_a_crash_while_a_segment_begins(tmp_path: Path, begun: bytes) -> None:
    """Died between making the next segment's file and its first entry: the stream ends in the one before."""
    root = tmp_path / "log"
    crashed(root)
    size = verify(root).streams[0].records
    forger.segment(root).with_name("000002.jsonl").write_bytes(begun)
    log = AuditLog(root)
    log(record(9))
    log.close()
    report = verify(root)
    assert report.ok
    assert (report.streams[0].ended, report.streams[0].records) == ("recovered", size)


def test_a_running_stream_is_left_alone(tmp_path: Path) -> None:
    """A second process does not mistake a running one for a dead one."""
    root = tmp_path / "log"
    first = AuditLog(root)
    first(record(1))
    second = AuditLog(root)
    second(record(2))
    first(record(3))
    first.close()
    second.close()
    assert [stream.ended for stream in verify(root).streams] == ["closed", "closed"]
    assert verify(root).ok


def test_a_torn_registry_is_mended_and_says_so(tmp_path: Path) -> None:
    """A registry entry that was never finished is cut, and the next entry says what was there."""
    root = tmp_path / "log"
    log = AuditLog(root)
    log(record(1))
    log.close()
    with (root / "registry.jsonl").open("ab") as file:
        file.write(b'{"v":1,"s":"reg')
    assert verify(root).state == "unsealed"
    log(record(2))
    log.close()
    assert verify(root).ok
    lines = (root / "registry.jsonl").read_text().splitlines()
    told = [json.loads(line)["d"].get("torn_registry") for line in lines]
    assert [found["bytes"] for found in told if found] == [15]


@pytest.mark.parametrize("lines", [0, 1, 2])
def test_a_registry_whose_signer_died_goes_on(tmp_path: Path, lines: int) -> None:
    """Died before the entry, before its checkpoint or before the new key: each leaves a way on."""
    root = tmp_path / "log"
    registry, signing = root / "registry.jsonl", root / "keys" / "signing.key"
    log = AuditLog(root)
    log(record(1))
    log.close()
    saved, old = registry.read_bytes().splitlines(keepends=True), json.loads(signing.read_bytes())
    log.head()
    whole, new = registry.read_bytes().splitlines(keepends=True), json.loads(signing.read_bytes())
    assert (len(whole), new["epoch"]) == (len(saved) + 2, old["epoch"] + 1)
    registry.write_bytes(b"".join(whole[: len(saved) + lines]))
    signing.write_text(json.dumps({**old, "next": new["secret"]}))
    log(record(2))
    log.close()
    assert verify(root).ok
