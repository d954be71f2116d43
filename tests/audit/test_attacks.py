"""What `verify` finds of what an attacker did, by how much the attacker could do."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guardrails_lite.audit import AuditLog, read_heads, verify, witness_file
from guardrails_lite.audit._keys import load_key
from guardrails_lite.audit._note import unb64
from tests.audit import forger
from tests.audit.calls import intent, record

VICTIM = 9
"""The entry that the attacks are about: a completed call in the middle of the first segment."""


def closed_log(root: Path, **options: Any) -> str:
    """A log of one closed stream; its verification key, which an auditor keeps."""
    log = AuditLog(root, checkpoint_every=8, heartbeat_s=None, **options)
    for number in range(10):
        log.intent(intent(number))
        log(record(number))
    log.close()
    return (root / "keys" / "verify.key").read_text()


@pytest.mark.parametrize("signing", ["ed25519", "hmac-sha256"])
@pytest.mark.parametrize(
    ("attack", "record", "state"),
    [
        (forger.flip(VICTIM), VICTIM, "tampered"),
        (forger.delete(VICTIM), VICTIM, "tampered"),
        (forger.swap(VICTIM), VICTIM, "tampered"),
        (forger.duplicate(VICTIM), VICTIM + 1, "tampered"),
        (forger.insert(VICTIM), VICTIM + 1, "tampered"),
        (forger.splice(VICTIM), VICTIM, "tampered"),
        (forger.rewrite(VICTIM), VICTIM, "tampered"),
        (forger.rewrite(VICTIM, own_key=True), None, "tampered"),
        (forger.keep(VICTIM), VICTIM, "truncated"),
        (forger.keep_to_checkpoint(0), VICTIM, "truncated"),
        (forger.keep_to_checkpoint(-2), None, "truncated"),
        (forger.keep(0), 0, "truncated"),
    ],
    ids=[
        "flip",
        "delete",
        "swap",
        "duplicate",
        "insert",
        "splice",
        "rewrite and rehash",
        "rewrite and sign with another key",
        "cut",
        "cut at the first checkpoint",
        "cut at a later checkpoint",
        "empty",
    ],
)
def test_edits_of_a_closed_stream(
    tmp_path: Path, signing: Any, attack: forger.Edit, record: int | None, state: str
) -> None:
    """Whoever edits a closed stream is found out, and the report names the record."""
    root = tmp_path / "log"
    key = closed_log(root, signing=signing)
    assert verify(root, key=key).ok
    forger.edit(root, attack)
    report = verify(root, key=key)
    assert report.state == state
    if record is not None:
        assert report.problems[0].record == record


@pytest.mark.parametrize("count", [1, 2, 3])
def test_changed_records_that_follow_one_another_are_all_named(tmp_path: Path, count: int) -> None:
    """Also where a record's own successor was changed, and so remembers nothing that can be relied on."""
    root = tmp_path / "log"
    key = closed_log(root)
    changed = list(range(VICTIM, VICTIM + count))
    forger.edit(root, lambda lines: [_outcome(line, at in changed) for at, line in enumerate(lines)])
    assert [problem.record for problem in verify(root, key=key).problems] == changed


def _outcome(line: bytes, changed: bool) -> bytes:
    return line.replace(b'"d":{', b'"d":{"x":1,') if changed else line


def test_a_record_whose_chaining_was_changed_is_the_only_one_named(tmp_path: Path) -> None:
    """What it remembers of the one before is wrong; that one is as it was."""
    root = tmp_path / "log"
    key = closed_log(root)

    def unchain(lines: list[bytes]) -> list[bytes]:
        held = json.loads(lines[VICTIM])["p"].encode()
        return [*lines[:VICTIM], lines[VICTIM].replace(held, b"0" * 64), *lines[VICTIM + 1 :]]

    forger.edit(root, unchain)
    assert [problem.record for problem in verify(root, key=key).problems] == [VICTIM]


def test_a_stolen_log_key_cannot_rewrite_the_past(tmp_path: Path) -> None:
    """The key that lies on the disk signs the future only: keys that signed the past are gone."""
    root = tmp_path / "log"
    key = closed_log(root, signing="ed25519")
    held = json.loads((root / "keys" / "signing.key").read_bytes())
    stream = forger.segment(root).parent.name
    stolen = load_key("ed25519", f"{verify(root).log}/{stream}", unb64(held["secret"]))
    forger.edit(root, forger.rewrite(VICTIM, stolen))
    assert verify(root, key=key).state == "tampered"


def test_a_stolen_process_needs_a_remembered_head(tmp_path: Path) -> None:
    """Who reads the key out of the running process can rewrite its open segment: only a head shows it."""
    root = tmp_path / "log"
    log = AuditLog(root, checkpoint_every=8, heartbeat_s=None)
    for number in range(10):
        log(record(number))
    head = log.head()
    assert log.verify(heads=[head]).ok
    stream = log._stream
    assert stream is not None
    thief = tmp_path / "thief"
    shutil.copytree(root, thief)
    forger.edit(thief, forger.rewrite(3, stream._key))
    assert verify(thief).problems[0].message.startswith("its first")
    # Without the head entry, which the thief drops with the registry's newest key in hand:
    assert verify(thief, heads=[head]).state in ("tampered", "truncated")


@pytest.mark.parametrize("cut", [1, 3])
def test_rollback_needs_a_remembered_head(tmp_path: Path, cut: int) -> None:
    """Yesterday's directory verifies on its own; a head that was kept elsewhere shows the rollback."""
    root, heads = tmp_path / "log", tmp_path / "heads"
    log = AuditLog(root, witness=witness_file(heads), heartbeat_s=None)
    log(record(1))
    log.close()
    saved = forger.copy(root, "saved")
    for number in range(cut):
        log(record(number))
        log.close()
    forger.restore(saved, root)
    kept = read_heads(heads.read_text())
    assert verify(root).ok
    report = verify(root, heads=kept)
    assert (report.state, report.exit_code) == ("truncated", 3)
    assert verify(saved, heads=kept[:1]).ok


def test_an_open_stream_cut_behind_a_head_is_found(tmp_path: Path) -> None:
    """A head also holds the streams that are still being written."""
    root = tmp_path / "log"
    log = AuditLog(root, checkpoint_every=4, heartbeat_s=None)
    for number in range(9):
        log(record(number))
    log.head()
    thief = forger.copy(root, "thief")
    forger.edit(thief, forger.keep_to_checkpoint(0))
    report = verify(thief)
    assert report.state == "truncated"
    assert "has seen" in report.problems[0].message


def _remove_stream(root: Path) -> None:
    shutil.rmtree(forger.segment(root).parent)


def _cut_registry(root: Path) -> None:
    path = root / "registry.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))


def _forge_stream(root: Path) -> None:
    path = forger.segment(root).parent
    shutil.copytree(path, path.with_name("20260101t000000-1-abcdefabcdef"))


def _edit_description(root: Path) -> None:
    path = root / "log.json"
    path.write_text(path.read_text().replace("created_ns", "creation_ns"))


def _replace(root: Path) -> None:
    shutil.rmtree(root)
    closed_log(root)


@pytest.mark.parametrize(
    ("attack", "state", "message"),
    [
        (_remove_stream, "truncated", "records 0 to"),
        (_cut_registry, "tampered", "signing key has moved on"),
        (_forge_stream, "tampered", "does not know of"),
        (_edit_description, "tampered", "when the log was made"),
        (_replace, "tampered", "belongs to the log"),
    ],
)
def test_whole_files(tmp_path: Path, attack: Callable[[Path], None], state: str, message: str) -> None:
    """Removing, adding or replacing whole files contradicts the registry, or the key kept elsewhere."""
    root = tmp_path / "log"
    key = closed_log(root)
    attack(root)
    report = verify(root, key=key)
    assert report.state == state
    assert any(message in problem.message for problem in report.problems)


def test_without_its_key_a_log_says_what_was_not_checked(tmp_path: Path) -> None:
    """An HMAC log whose key was moved away is checked as a chain, and the report says so."""
    root = tmp_path / "log"
    key = closed_log(root, signing="hmac-sha256")
    (root / "keys" / "verify.key").unlink()
    report = verify(root)
    assert report.key == "none"
    assert "signatures not checked" in str(report)
    assert verify(root, key=key).key == "given"
    assert verify(root, key="nonsense").state == "tampered"


def flipped(root: Path, key: str, path: Path, step: int) -> list[tuple[int, int | None, list[int | None]]]:
    """Flip one bit of every *step*-th byte of *path*: what was not found, or found at another record."""
    original = path.read_bytes()
    numbers = [json.loads(line)["n"] for line in original.splitlines()] if path.suffix == ".jsonl" else []
    wrong: list[tuple[int, int | None, list[int | None]]] = []
    for at in range(0, len(original), step):
        changed = bytearray(original)
        changed[at] ^= 1 << random.Random(at).randrange(8)
        path.write_bytes(changed)
        report = verify(root, key=key)
        place = "registry" if path.name.startswith("registry") else path.parent.name
        named = [problem.record for problem in report.problems if problem.stream == place]
        if not numbers:
            expected: list[int | None] = named
        else:
            line = original[:at].count(b"\n")
            expected = [numbers[line]]
            if original[at] == 10:  # a line break belongs to both lines
                expected += [numbers[line] + 1]
        if report.ok or (numbers and (not named or named[0] not in expected)):
            wrong.append((at, expected[0] if expected else None, named))
    path.write_bytes(original)
    assert verify(root, key=key).ok
    return wrong


@pytest.mark.parametrize(
    ("signing", "records", "segments", "step"),
    [("hmac-sha256", 2, 1, 1), ("ed25519", 2, 1, 1), ("hmac-sha256", 5, 2, 7), ("ed25519", 5, 2, 7)],
)
def test_every_byte_of_a_stream_matters(
    tmp_path: Path, signing: Any, records: int, segments: int, step: int
) -> None:
    """One bit flipped in any byte of a closed stream is found, and the record named."""
    root = tmp_path / "log"
    log = AuditLog(root, signing=signing, heartbeat_s=None, checkpoint_every=3, segment_bytes=4096)
    for number in range(records):
        log(record(number, outcome="blocked", who={}))
    log.close()
    key = (root / "keys" / "verify.key").read_text()
    paths = sorted((root / "streams").glob("*/*.jsonl"))
    assert len(paths) == segments
    assert [flipped(root, key, path, step) for path in paths] == [[]] * segments


@pytest.mark.parametrize("value", ['"\\ud800"', "null", "[]", "7", "-1"])
@pytest.mark.parametrize("name", ["the registry", "a stream"])
def test_no_value_makes_the_verifier_raise(tmp_path: Path, name: str, value: str) -> None:
    """Half a character, or a value of another type, in any place that JSON has one, is damage like any."""
    root = tmp_path / "log"
    log = AuditLog(root, heartbeat_s=None)
    log(record(1))
    log.head()
    log.close()
    path = root / "registry.jsonl" if name == "the registry" else forger.segment(root)
    whole = path.read_text()
    for found in re.finditer(r'(?<=[:\[,])("(?:[^"\\]|\\.)*"|\d+)(?=[,}\]])', whole):
        if found.group() != value:
            path.write_text(whole[: found.start()] + value + whole[found.end() :])
            assert not verify(root).ok


@pytest.mark.parametrize("name", ["registry.jsonl", "log.json"])
def test_every_byte_of_the_registry_matters(tmp_path: Path, name: str) -> None:
    """One bit flipped in any byte of the registry or the description is found."""
    root = tmp_path / "log"
    log = AuditLog(root, heartbeat_s=None)
    log(record(1))
    log.close()
    key = (root / "keys" / "verify.key").read_text()
    assert [at for at, _, named in flipped(root, key, root / name, 1) if not named] == []
