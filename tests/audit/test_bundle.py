"""The evidence bundle: what its stand-alone verifier says of it, whole and damaged."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit import AuditLog, Bundle, bundle, check_bundle
from guardrails_lite.audit._format import parse
from tests.audit import forger
from tests.audit.attacks_on_copies import BUNDLE, BundleAttack, Evidence
from tests.audit.calls import intent, record
from tests.audit.test_crash import crashed

VICTIM = 9


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path / "log", checkpoint_every=8, heartbeat_s=None)


def written(log: AuditLog, calls: int = 10) -> AuditLog:
    for number in range(calls):
        log.intent(intent(number))
        log(record(number))
    return log


def made(log: AuditLog, name: str = "evidence.zip", **changes: Any) -> Bundle:
    path = log.directory.parent / name
    return bundle(log, path, **{"by": "auditor", "reason": "case 12", **changes})


def unpacked(found: Bundle) -> Path:
    place = found.path.with_suffix("")
    with zipfile.ZipFile(found.path) as archive:
        archive.extractall(place)
    return place


def ran(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The verifier inside the bundle, where nothing but Python is installed."""
    command = [sys.executable, "-I", "-S", str(folder / "verify.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env={}, cwd="/")


def test_a_bundle_checks_itself_where_nothing_is_installed(log: AuditLog) -> None:
    """The verifier in the bundle runs without site-packages and agrees with the library's copy."""
    written(log).close()
    found = made(log)
    folder = unpacked(found)
    alone = ran(folder, "--json")
    assert (alone.returncode, alone.stderr) == (0, "")
    assert json.loads(alone.stdout) == check_bundle(found.path) == check_bundle(folder)
    report = json.loads(alone.stdout)
    assert (report["state"], report["problems"], report["records"]) == ("intact", [], found.records)
    assert (report["by"], report["reason"]) == ("auditor", "case 12")
    assert ran(folder).stdout.startswith("intact: ")


def test_each_damage_has_its_exit_code(log: AuditLog) -> None:
    """What the shell sees: 2 tampered, 3 truncated, 5 unreadable."""
    folder = unpacked(made(written(log)))
    whole = forger.segment(folder).read_bytes()
    forger.edit(folder, forger.flip(VICTIM))
    tampered = ran(folder)
    assert tampered.returncode == 2
    assert f"the chain breaks between records {VICTIM} and {VICTIM + 1}" in tampered.stdout
    forger.segment(folder).write_bytes(whole)
    forger.edit(folder, forger.keep(VICTIM))
    assert ran(folder).returncode == 3
    (folder / "manifest.json").unlink()
    assert ran(folder).returncode == 5
    assert ran(folder, str(folder / "nothing.zip")).returncode == 5


def test_making_one_is_recorded_and_leaves_the_log_intact(log: AuditLog) -> None:
    """The registry tells who took evidence and why, and names the manifest; the log verifies as before."""
    found = made(written(log))
    entries = [parse(line) for line in (log.directory / "registry.jsonl").read_bytes().splitlines()]
    (entry,) = (entry for entry in entries if entry.type == "bundle.made")
    assert entry.data["manifest"] == found.manifest
    assert (entry.data["by"], entry.data["reason"]) == ("auditor", "case 12")
    assert log.verify(heads=[found.head]).ok
    again = made(log, "again.zip")
    assert check_bundle(again.path, head=found.head)["state"] == "intact"
    assert again.records == found.records


def test_a_running_stream_is_taken_up_to_its_newest_checkpoint(log: AuditLog) -> None:
    """Entries that nobody has signed yet are no evidence, in this process or another."""
    written(log, 3)
    other = AuditLog(log.directory, checkpoint_every=8, heartbeat_s=None)
    written(other, 6)  # with the opening 13 entries, of which 8 are signed
    found = made(log)
    assert check_bundle(found.path)["state"] == "intact"
    told = json.loads(zipfile.ZipFile(found.path).read("manifest.json"))["streams"]
    assert sorted(stream["size"] for stream in told.values()) == [8, 9]
    other.close()


def test_many_segments_and_a_crash(log: AuditLog) -> None:
    """Rotated segments, each under its own key, and a stream that ended in the middle of a line."""
    crashed(log.directory, torn=b'{"v":1,"s"')
    small = AuditLog(log.directory, checkpoint_every=4, segment_bytes=4096, heartbeat_s=None)
    written(small, 12).close()
    written(log, 1).close()
    found = made(log)
    report = check_bundle(found.path)
    assert (report["state"], report["problems"], report["streams"]) == ("intact", [], 3)


@pytest.mark.parametrize("attack", BUNDLE, ids=lambda attack: attack.id)
def test_what_finds_it(log: AuditLog, tmp_path: Path, attack: BundleAttack) -> None:
    """Whoever lacks the log's key cannot edit, drop or add anything; the key and a head show the rest."""
    earlier = unpacked(made(written(log), "earlier.zip"))
    newest = made(written(log, 2))
    folder = unpacked(newest)
    other = unpacked(made(written(AuditLog(tmp_path / "another")), "other.zip"))
    kept = {"key": (log.directory / "keys" / "verify.key").read_text(), "head": newest.head}
    assert check_bundle(folder, **kept)["state"] == "intact"
    attack.do(Evidence(folder, earlier, other))
    assert (check_bundle(folder)["state"], check_bundle(folder, **kept)["state"]) == attack.states


def test_every_file_every_so_many_bytes(log: AuditLog) -> None:
    """One flipped bit anywhere, the zip file's own structure excepted, is found."""
    folder = unpacked(made(written(log, 2)))
    missed = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        original = path.read_bytes()
        step = max(1, len(original) // 12)
        for at in [*range(len(path.name) % step, len(original), step), len(original) - 1]:
            changed = bytearray(original)
            changed[at] ^= 1 << random.Random(at).randrange(8)
            path.write_bytes(changed)
            if check_bundle(folder)["state"] == "intact":
                missed.append((path.name, at))
        path.write_bytes(original)
    assert missed == []
    assert check_bundle(folder)["state"] == "intact"


def test_the_key_and_the_head_kept_elsewhere(log: AuditLog, tmp_path: Path) -> None:
    """A bundle of another log, or from before the head, is told from the right one."""
    written(log)
    early = made(log)
    key, head = (log.directory / "keys" / "verify.key").read_text(), log.head()
    late = made(log, "late.zip")
    assert check_bundle(late.path, key=key, head=head)["state"] == "intact"
    assert check_bundle(early.path, head=head)["state"] == "truncated"
    forged = made(written(AuditLog(tmp_path / "another")), "forged.zip")
    assert check_bundle(forged.path)["state"] == "intact"
    assert check_bundle(forged.path, key=key)["state"] == "tampered"
    assert check_bundle(forged.path, head=head)["state"] == "tampered"
    assert check_bundle(late.path, key="nonsense")["state"] == "tampered"


def test_no_text_and_no_secret_is_in_it(tmp_path: Path) -> None:
    """Captured texts, their keys and the signing key stay where they are."""
    log = AuditLog(tmp_path / "log", capture="redacted")
    log(record(1, texts=(("input", "user", "correct horse"),)))
    with zipfile.ZipFile(made(log).path) as archive:
        names = archive.namelist()
        held = b"".join(map(archive.read, names))
    assert not [name for name in names if name.startswith(("vault", "keys"))]
    assert b"correct horse" not in held
    assert b"ada@example.org" not in held


@pytest.mark.parametrize(
    ("changes", "match"), [({"by": ""}, "needs by= and reason="), ({"reason": ""}, "needs by= and reason=")]
)
def test_evidence_is_taken_by_somebody_for_a_reason(
    log: AuditLog, changes: dict[str, str], match: str
) -> None:
    """A bundle names who took it and why."""
    with pytest.raises(ConfigError, match=match):
        made(log, **changes)


def test_no_file_is_overwritten(log: AuditLog) -> None:
    """A bundle that exists is left alone."""
    made(log)
    with pytest.raises(ConfigError, match="already exists"):
        made(log)


def test_an_hmac_log_makes_no_bundle(tmp_path: Path) -> None:
    """What only its owner can check is no evidence for anybody else."""
    with pytest.raises(ConfigError, match="only its owner can check"):
        made(AuditLog(tmp_path / "log", signing="hmac-sha256"))


def test_a_bundle_that_could_not_be_written_is_not_recorded(log: AuditLog) -> None:
    """The error comes out, nothing is left behind, and the log says nothing of a bundle."""
    written(log)
    with pytest.raises(OSError, match="No such file"):
        made(log, "nowhere/evidence.zip")
    assert b"bundle.made" not in (log.directory / "registry.jsonl").read_bytes()
    assert log.verify().ok
