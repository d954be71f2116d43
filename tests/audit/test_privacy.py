"""Captured texts: where they are, who may read them, and how they are forgotten."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guardrails_lite._errors import ConfigError, LogUnavailable
from guardrails_lite.audit import (
    AuditLog,
    Clock,
    Disk,
    Erased,
    KeptText,
    clear_strays,
    erase,
    expire,
    find_subject,
    hold,
    holds,
    release,
    restrict,
    reveal,
    verify,
)
from guardrails_lite.audit._content import Box, content_of
from tests.audit.calls import call_id, record

SECRET = "correct horse battery staple"
TEXTS = (KeptText("input", "user", SECRET), KeptText("output", "assistant", f"you said {SECRET}"))


def told(number: int, user: str | None = "ada@example.org", **changes: Any) -> Any:
    return record(number, texts=TEXTS, who={"user": user} if user else {}, **changes)


def everything(root: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file())


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path / "log", capture="redacted")


def test_texts_are_in_the_vault_and_nowhere_readable(log: AuditLog) -> None:
    """Captured text can be read back with a reason, which is recorded; no byte on the disk shows it."""
    log(told(1))
    log(told(2, user=None))
    assert reveal(log, call_id(1), reader="officer", reason="T-1") == TEXTS
    assert reveal(log, call_id(2), reader="officer", reason="T-1") == TEXTS
    assert [entry.data["call"] for entry in log.records("log.read")] == [call_id(1), call_id(2)]
    log.close()
    held = everything(log.directory)
    assert SECRET.encode() not in held
    assert b"ada@example.org" not in held
    assert log.verify().ok


def test_metadata_is_the_default(tmp_path: Path) -> None:
    """Without a capture level no text is kept, even where a record carries it."""
    log = AuditLog(tmp_path / "log")
    log(told(1))
    assert not (log.directory / "vault").exists()
    with pytest.raises(LookupError, match="capture level was 'metadata'"):
        reveal(log, call_id(1), reader="officer", reason="T-1")


def test_equal_texts_have_unequal_commitments(log: AuditLog) -> None:
    """A commitment is salted: nobody can tell a guessed text by its hash."""
    log(told(1))
    log(told(2))
    first, second = (entry.data["content"]["commit"] for entry in log.records())
    assert first != second


def test_erasing_a_person_keeps_every_proof(log: AuditLog) -> None:
    """After an erasure the person's texts are gone, others' are there, and the log verifies as before."""
    for number, user in enumerate(["ada@example.org", "bob@example.org", "ada@example.org"]):
        log(told(number, user=user))
    before = [entry.data["content"]["commit"] for entry in log.records()]
    assert erase(log, "ada@example.org", request="R-7", basis="GDPR 17(1)(b)") == 1
    for number in (0, 2):
        with pytest.raises(Erased):
            reveal(log, call_id(number), reader="officer", reason="T-1")
    assert reveal(log, call_id(1), reader="officer", reason="T-1") == TEXTS
    assert [entry.data["content"]["commit"] for entry in log.records()] == before
    (receipt,) = log.records("erasure")
    assert (receipt.data["keys"], receipt.data["request"]) == (1, "R-7")
    log.close()
    assert verify(log.directory).ok


def test_a_destroyed_key_is_never_used_again(log: AuditLog) -> None:
    """What a person says after an erasure goes under a new key, also in a process that knew the old one."""
    log(told(1))
    other = AuditLog(log.directory, capture="redacted")
    erase(other, "ada@example.org", request="R-7", basis="GDPR 17")
    log(told(2))
    assert reveal(log, call_id(2), reader="officer", reason="T-1") == TEXTS


def test_a_hold_beats_an_erasure(log: AuditLog) -> None:
    """While a legal hold is in force nothing of the person is erased; released, it is."""
    log(told(1))
    placed = hold(log, "ada@example.org", owner="counsel", reason="case 12")
    with pytest.raises(ConfigError, match=f"legal hold {placed}"):
        erase(log, "ada@example.org", request="R-7", basis="GDPR 17")
    assert reveal(log, call_id(1), reader="counsel", reason="case 12") == TEXTS
    release(log, placed, owner="counsel", reason="settled")
    assert holds(log) == {}
    with pytest.raises(LookupError, match="no hold"):
        release(log, placed, owner="counsel", reason="again")
    assert erase(log, "ada@example.org", request="R-7", basis="GDPR 17") == 1


def test_a_person_is_found_by_name(log: AuditLog) -> None:
    """Who has the key can look a known person up; the log never holds the name."""
    log(told(1))
    log(told(2, user="bob@example.org"))
    assert [entry.id for entry in find_subject(log, "ada@example.org")] == [call_id(1)]
    assert list(find_subject(log, "eve@example.org")) == []


def test_reading_needs_a_reason(log: AuditLog) -> None:
    """Without a reader and a reason nothing is opened."""
    log(told(1))
    with pytest.raises(ConfigError, match="reader= and reason="):
        reveal(log, call_id(1), reader="", reason="")


def test_a_changed_box_is_refused(log: AuditLog) -> None:
    """One bit of a box, or of its key, and it is not opened; a box is bound to its own call."""
    log(told(1))
    log(told(2))
    log.close()
    (path,) = (log.directory / "vault").glob("*.boxes")
    whole = path.read_bytes()
    path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    with pytest.raises(ValueError, match="was changed"):
        reveal(log, call_id(1), reader="officer", reason="T-1")
    half = len(whole) // 2
    path.write_bytes(whole[half:] + whole[:half])
    with pytest.raises(ValueError, match="was changed"):
        reveal(log, call_id(1), reader="officer", reason="T-1")


def test_threads_share_the_vault(log: AuditLog) -> None:
    """Boxes that threads seal at once are each where their record says."""

    def work(first: int) -> None:
        for number in range(first, first + 20):
            log(told(number, user=f"user-{number % 3}"))

    threads = [threading.Thread(target=work, args=(100 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for entry in log.records():
        assert reveal(log, entry.id, reader="officer", reason="T-1") == TEXTS


@pytest.mark.parametrize(
    "place", ["9:9:0", f"{2**70}:9:0", f"0:{2**62}:0", f"0:9:{2**70}", "-1:9:0", "0:-1:0", "0:9", "a:b:c"]
)
def test_a_place_that_no_box_has_is_damage(log: AuditLog, place: str) -> None:
    """A forged reference is told as what it is; it neither overflows nor takes the memory."""
    log(told(1))
    (entry,) = log.records()
    content = entry.data["content"]
    name = content["ref"].partition(":")[0]
    with pytest.raises((ValueError, Erased)):
        log.vault.take(entry.id, Box(f"{name}:{place}", content["commit"]))


def test_after_a_failed_sync_texts_go_into_new_files(tmp_path: Path) -> None:
    """The system reports a failed sync once; what went into those files is not relied on again."""
    failing: list[OSError] = []

    def sync(fd: int) -> None:
        if failing:
            raise failing.pop()

    log = AuditLog(tmp_path / "log", capture="redacted", mode="strict", disk=Disk(sync=sync))
    log(told(1))
    failing.append(OSError(errno.EIO, "injected"))
    with pytest.raises(LogUnavailable, match="errno 5"):
        log(told(2))
    log(told(3))
    log.close()
    names = {box.ref.partition(":")[0] for entry in log.records() if (box := content_of(entry.data).kept)}
    assert len(names) == 2
    assert log.verify().ok


def test_texts_are_on_the_disk_within_a_second(tmp_path: Path) -> None:
    """Also where no call waits for it: what is done each second syncs the vault, and only when it is due."""
    synced: list[int] = []
    log = AuditLog(
        tmp_path / "log",
        capture="redacted",
        mode="async",
        disk=Disk(sync=lambda fd: synced.append(os.fstat(fd).st_ino)),
    )
    log(told(1))
    for _ in range(2):
        log.tick()
    written = [*tmp_path.glob("log/vault/*"), *tmp_path.glob("log/streams/*/*")]
    assert sorted(synced) == sorted(path.stat().st_ino for path in written)


DESTROYING: dict[str, Callable[[AuditLog], object]] = {
    "erase": lambda log: erase(log, "ada@example.org", request="r", basis="b"),
    "expire": lambda log: expire(log, keep_days=1, by="job"),
    "clear strays": clear_strays,
}


@pytest.mark.parametrize("placing", [hold, restrict])
@pytest.mark.parametrize("action", DESTROYING)
def test_a_hold_is_heeded_or_placed_afterwards(tmp_path: Path, action: str, placing: Any) -> None:
    """Law: once a hold or a restriction is placed, nothing destroys what it is about."""
    root = tmp_path / "log"
    with AuditLog(root, capture="redacted", clock=Clock(wall_ns=lambda: 1_600_000_000 * 10**9)) as log:
        log(told(1))
        if action == "clear strays":
            log.vault.put(call_id(2), log.pseudonym("user", "ada@example.org"), TEXTS)
    before = everything(root / "vault")
    officer = AuditLog(root)
    officer.event("note", {})  # so that placing one needs nothing but its entry
    by = {"owner": "c", "reason": "r"} if placing is hold else {"request": "r", "basis": "b"}
    thread = threading.Thread(target=placing, args=(officer, "ada@example.org"), kwargs=by)
    placed_in_between = False

    def wall_ns() -> int:
        """Asked for the first time where no hold was found, and before anything is destroyed."""
        nonlocal placed_in_between
        if not thread.ident:
            thread.start()
            thread.join(0.3)
            placed_in_between = not thread.is_alive()
        return time.time_ns()

    with AuditLog(root, clock=Clock(wall_ns=wall_ns)) as log:
        DESTROYING[action](log)
    thread.join()
    officer.close()

    assert thread.ident, "it was never tried"
    assert not placed_in_between
    assert everything(root / "vault") != before
