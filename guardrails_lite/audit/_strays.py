"""Kept texts without a record: no entry names them, so nobody can open them, and retention never meets them.

A process that is killed between the two writes of a call leaves one; so may a volume that has room for the
texts and none for the record, where taking them back fails as well. They are somebody's, under a key that
only the erasure of that person would destroy, so they go as soon as somebody has the log repaired.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit._content import content_of
from guardrails_lite.audit._disk import Disk
from guardrails_lite.audit._privacy import holds, restrictions, subjects_of
from guardrails_lite.audit._read import read
from guardrails_lite.audit._vault import Vault
from guardrails_lite.audit._verify import verify

if TYPE_CHECKING:
    from guardrails_lite.audit._log import AuditLog

_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Stray:
    """A stretch of kept texts that no entry names; of one call or of several."""

    file: str
    """The name of its file in ``vault/``."""
    offset: int
    """Where it begins."""
    bytes: int
    """How long it is."""


def strays(directory: str | os.PathLike[str]) -> list[Stray]:
    """The kept texts in the log at *directory* that no entry names. It changes nothing.

    What a running process is adding to is not looked at: a record may be on its way.

    Raises:
        ConfigError: *directory* is not a compliance log.
    """
    root = Path(directory)
    vault = Vault(root / "vault", root, disk=Disk())
    # First how long they are, then the records: what comes in between is of neither.
    sizes = dict(vault.at_rest())
    if not sizes:
        return []
    named: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for entry in read(root):
        for box in content_of(entry.data).boxes:
            try:
                name, offset, length, _ = box.place
            except ValueError:
                continue
            named[name].append((offset, offset + length))
    return [
        Stray(f"{name}.boxes", begin, end - begin)
        for name, size in sizes.items()
        for begin, end in _between(sorted(named[name]), size)
        if not _is_blank(root / "vault" / f"{name}.boxes", begin, end)
    ]


def clear_strays(log: AuditLog) -> list[Stray]:
    """Overwrite the kept texts of *log* that no entry names, and record that, in ``log.repaired``.

    Texts stay where a hold or a restriction is in force on somebody with a key to the same file: whose they
    are can no longer be told.

    Returns:
        What was overwritten.

    Raises:
        ConfigError: the log does not verify. Their records may be what is missing.
        LogUnavailable: the log cannot be written; nothing was overwritten.
        OSError: they may not be gone from the disk; the next time finds what is left.
    """
    report = verify(log.directory, key=log._verify_key())
    if report.state not in ("intact", "unsealed"):
        raise ConfigError(
            f"{log.directory}: no kept text may go while the log does not verify, for its record may be what "
            "is missing; see `guardrails-lite log verify`"
        )
    placed = {**holds(log), **restrictions(log)}.values()
    subjects = frozenset[str]().union(*map(subjects_of, placed))
    found = [
        stray
        for stray in strays(log.directory)
        if not log.vault.holds_of(stray.file.removesuffix(".boxes"), subjects)
    ]
    if found:
        removed: list[dict[str, Any]] = [asdict(stray) for stray in found]
        log.event("log.repaired", {"removed": removed})
        for stray in found:
            log.vault.overwrite(stray.file.removesuffix(".boxes"), [(stray.offset, stray.bytes)])
    return found


def _between(spans: list[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    """What of *size* bytes is in none of *spans*, which are in order."""
    at = 0
    for begin, end in spans:
        if at < min(begin, size):
            yield at, min(begin, size)
        at = max(at, end)
    if at < size:
        yield at, size


def _is_blank(path: Path, begin: int, end: int) -> bool:
    """Whether nothing but zeros is there: what was overwritten is no text any more."""
    with path.open("rb") as file:
        file.seek(begin)
        while begin < end:
            block = file.read(min(_BLOCK, end - begin))
            if block.strip(b"\0"):
                return False
            if not block:
                break
            begin += len(block)
    return True
