"""What `verify` finds of what an attacker did, by how much the attacker could do."""

from __future__ import annotations

import importlib
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guardrails_lite.audit import AuditLog, verify
from tests.audit import forger
from tests.audit.attacks import LOG, VICTIM, LogAttack
from tests.audit.attacks_on_copies import OTHER
from tests.audit.attacks_page import PAGE, TESTS, page
from tests.audit.calls import intent, record
from tests.audit.scene import scene


def closed_log(root: Path, **options: Any) -> str:
    """A log of one closed stream; its verification key, which an auditor keeps."""
    log = AuditLog(root, checkpoint_every=8, heartbeat_s=None, **options)
    for number in range(10):
        log.intent(intent(number))
        log(record(number))
    log.close()
    return (root / "keys" / "verify.key").read_text()


COLUMNS = ("hashes", "signed", "kept")
TRIED = [
    pytest.param(attack, signing, column, id=f"{attack.id}-{signing}-{column}")
    for attack in LOG
    for signing in attack.signing
    for column in COLUMNS
    if (signing, column) != ("ed25519", "hashes")  # its public key is in log.json too
]


@pytest.mark.parametrize(("attack", "signing", "column"), TRIED)
def test_what_finds_it(tmp_path: Path, attack: LogAttack, signing: str, column: str) -> None:
    """Each attack is found where the table says so, and not where it says not; the entry is named."""
    played = scene(tmp_path, signing)
    assert verify(played.root, key=played.key, heads=played.heads).ok
    attack.do(played)
    if column == "hashes":
        (played.root / "keys" / "verify.key").unlink()
    report = (
        verify(played.root, key=played.key, heads=played.heads) if column == "kept" else verify(played.root)
    )
    assert report.key == {"hashes": "none", "signed": "directory", "kept": "given"}[column]
    assert report.state == attack.states[COLUMNS.index(column)]
    if report.ok:
        assert report.problems == ()
        return
    if attack.record is not None:
        assert attack.record in [problem.record for problem in report.problems]
    if column != "hashes":
        assert any(attack.says in problem.message for problem in report.problems)


@pytest.mark.parametrize(
    "attack", [attack for attack in LOG if "elsewhere" in attack.finds], ids=lambda a: a.id
)
def test_what_was_kept_elsewhere_finds_it_by_itself(tmp_path: Path, attack: LogAttack) -> None:
    """The key alone, or the heads alone, where the table names it."""
    played = scene(tmp_path, attack.signing[-1])
    attack.do(played)
    assert verify(played.root, key=played.key).ok is ("key kept" not in attack.finds)
    assert verify(played.root, heads=played.heads).ok is ("head kept" not in attack.finds)


def test_the_page_of_the_attacks_is_in_step() -> None:
    """`docs/reference/attacks.md` says what the rows say."""
    assert PAGE.read_text() == page(), "run: python -m tests.audit.attacks_page"


def test_every_row_has_a_test_that_tries_it() -> None:
    """No attack is only claimed to be found."""
    for rows, place in TESTS.items():
        tried = [value for mark in named(place).pytestmark for value in flat(mark.args)]
        assert [row.id for row in rows if row not in tried] == []
    assert [named(place) for row in OTHER for place in row.tests]
    ids = [row.id for rows in (*TESTS, OTHER) for row in rows]
    assert len(set(ids)) == len(ids)


def named(place: str) -> Any:
    """The test function at *place*, as pytest names it."""
    path, _, name = place.partition("::")
    return getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), name)


def flat(value: Any) -> Iterator[Any]:
    """All that is in lists and tuples, at any depth; what `pytest.param` makes is a tuple."""
    if isinstance(value, list | tuple):
        for each in value:
            yield from flat(each)
    else:
        yield value


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
