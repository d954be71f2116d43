"""Kept texts without a record: no entry names them, so nobody can open them, and retention never meets them.

A process that is killed between the two writes of a call leaves one; so may a volume that has room for the
texts and none for the record, where taking them back fails as well. They are somebody's, under a key that
only the erasure of that person would destroy, so they go as soon as somebody has the log repaired.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit._content import Box, content_of
from guardrails_lite.audit._disk import Disk
from guardrails_lite.audit._format import BadLine, parse
from guardrails_lite.audit._privacy import holds, holds_as_they_are, restrictions, subjects_of
from guardrails_lite.audit._read import stream_names
from guardrails_lite.audit._registry import read_config
from guardrails_lite.audit._scan import lines, segments
from guardrails_lite.audit._vault import Vault
from guardrails_lite.audit._verify import verify

if TYPE_CHECKING:
    from guardrails_lite.audit._log import AuditLog

_BLOCK: Final = 1 << 20
_RECORD: Final = b'","t":"call.completed",'
_REF: Final = re.compile(rb'"ref":"([^"\\]*)"')


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
    # The files are listed before the records are read: a process that ends in between leaves a file that is
    # not listed, and all records that name a listed one are there to be read.
    sizes = dict(vault.at_rest())
    if not sizes:
        return []
    read_config(root / "log.json")
    named: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for box in _boxes(root):
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
            f"{log.directory}: no kept text may be removed while the log does not verify, because its record "
            "may be what is missing; see `guardrails-lite log verify`"
        )
    left = strays(log.directory)
    with holds_as_they_are(log):
        placed = {**holds(log), **restrictions(log)}.values()
        subjects = frozenset[str]().union(*map(subjects_of, placed))
        found = [
            stray for stray in left if not log.vault.holds_of(stray.file.removesuffix(".boxes"), subjects)
        ]
        if found:
            removed: list[dict[str, Any]] = [asdict(stray) for stray in found]
            log.event("log.repaired", {"removed": removed})
            for stray in found:
                log.vault.overwrite(stray.file.removesuffix(".boxes"), [(stray.offset, stray.bytes)])
    return found


def _boxes(root: Path) -> Iterator[Box]:
    """What the records of all streams name, in no order.

    It is read from their bytes, for parsing them takes several times as long as verifying them does. A quote
    in a text of JSON is escaped, so ``"ref":"`` is a member. One of that name elsewhere, such as a tag,
    hides a stray at worst; where one is spelled in another way, the record is parsed.
    """
    for name in stream_names(root):
        for line in chain.from_iterable(map(lines, segments(root / "streams" / name))):
            if _RECORD not in line[:400] or not line.endswith(b"\n"):
                continue
            refs = _REF.findall(line)
            if len(refs) == line.count(b'"ref"'):
                yield from (Box(ref.decode(errors="replace"), "") for ref in refs)
                continue
            with contextlib.suppress(BadLine):
                yield from content_of(parse(line).data).boxes


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
