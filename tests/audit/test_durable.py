"""What survives a crash of the machine: synced bytes under a name that was synced, too."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from guardrails_lite.audit import AuditLog, Disk, witness_file
from guardrails_lite.audit._keys import has_cryptography
from guardrails_lite.audit._new_file import new_file
from tests.audit.calls import record


class Crash:
    """What would be there after the machine lost its power now: it watches every sync.

    Of a file, the bytes it had when it was last synced; of a directory, the names, and what each named then.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._sizes: dict[int, int] = {}
        self._names: dict[int, dict[str, int]] = {}
        self._sync: Callable[[int], None] = os.fsync
        monkeypatch.setattr(os, "fsync", self.watched)

    def watched(self, fd: int) -> None:
        self._sync(fd)
        place, told = Path(f"/proc/self/fd/{fd}").resolve(), os.fstat(fd)
        if place.is_dir():
            self._names[told.st_ino] = {path.name: path.stat().st_ino for path in place.iterdir()}
        else:
            self._sizes[told.st_ino] = told.st_size

    def lost(self, root: Path, path: Path) -> str | None:
        """Why *path*, below the directory *root*, would not be there as it is now; None: it would."""
        for above, below in zip([*path.parents], [path, *path.parents], strict=False):
            if self._names.get(above.stat().st_ino, {}).get(below.name) != below.stat().st_ino:
                return f"the name of {below.relative_to(root)} was not synced"
            if above == root:
                break
        if self._sizes.get(path.stat().st_ino) != path.stat().st_size:
            return f"the bytes of {path.relative_to(root)} were not synced"
        return None


@pytest.fixture
def crash(monkeypatch: pytest.MonkeyPatch) -> Crash:
    return Crash(monkeypatch)


@pytest.mark.parametrize("segments", [1, 3])
def test_an_acknowledged_record_survives_with_all_that_it_needs(
    tmp_path: Path, crash: Crash, segments: int
) -> None:
    """Law: when a call in strict mode returns, no crash loses its record, its texts, or the log around it."""
    root, kept = tmp_path / "some/where/log", has_cryptography()
    log = AuditLog(
        root,
        mode="strict",
        capture="redacted" if kept else "metadata",
        keys=tmp_path / "keys/of/it",
        checkpoint_every=2,
        segment_bytes=64 * 1024 * 1024 if segments == 1 else 4096,
        disk=Disk(sync=crash.watched),
    )
    for number in range(8 * segments):
        log(record(number, texts=(("input", "user", "hi"),)))

    needed = [path for path in tmp_path.rglob("*") if path.is_file() and "lock" not in path.name]
    needed = [path for path in needed if path.parent.name != "open"]
    newest = max((root / "streams").rglob("*.jsonl"))
    if b'"t":"call.' not in newest.read_bytes():  # so that nothing in it was acknowledged
        needed.remove(newest)
    assert {path.parent.name for path in needed} >= {"log", "it"} | ({"vault"} if kept else set())
    assert sum(path.suffix == ".jsonl" for path in needed) > segments
    assert [why for path in needed if (why := crash.lost(tmp_path, path))] == []
    log.close()


def test_a_file_that_was_taken_out_survives(tmp_path: Path, crash: Crash) -> None:
    """Law: once an export or a bundle is said to be there, a crash does not lose it."""
    place = tmp_path / "taken"
    with new_file(place) as file:
        file.write(b"whole")
    assert crash.lost(tmp_path, place) is None


def test_a_head_that_was_kept_survives(tmp_path: Path, crash: Crash) -> None:
    """Law: what would show a rollback after the crash is there after the crash, from the first head on."""
    place = tmp_path / "heads.txt"
    keep = witness_file(place)
    for head in ("one", "two"):
        keep(head)
        assert crash.lost(tmp_path, place) is None
    assert place.read_text() == "one\ntwo\n"
