"""Exports that leave a trace: who took which calls out of the log, and the digest of what they got."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit._new_file import new_file, new_place
from guardrails_lite.audit.export._formats import export

if TYPE_CHECKING:
    from guardrails_lite.audit._log import AuditLog
    from guardrails_lite.audit.index import Filter

TAKEN: Final = "export.made"


@dataclass(frozen=True, slots=True)
class Taken:
    """An export that was made and recorded."""

    path: Path
    sha256: str
    """Of the file; the log's entry repeats it."""
    bytes: int
    entry: str
    """The id of the log's entry about it, ``export.made``."""


def take(
    log: AuditLog,
    path: str | os.PathLike[str],
    format: str,
    *,
    by: str,
    reason: str,
    filter: Filter | None = None,
) -> Taken:
    """Write finished calls to the new file *path*, as `export` does, and record in *log* that it was done.

    Args:
        log: The log.
        path: A new file, which only this user will be able to read.
        format: A name of `FORMATS`.
        by: Who takes them.
        reason: Why: a case, an audit. Both go into the log as they are, and so does *filter*.
        filter: Which calls; default: all.

    Raises:
        ConfigError: *by* or *reason* is empty, *path* is taken or inside the log, or there is no such
            format.
        OSError: the file could not be written. Only what could be written whole is recorded.
    """
    place = place_of("take", log, path, by=by, reason=reason)
    pieces = export(log.directory, format, filter=filter)
    told = {"by": by, "reason": reason, "format": format, "chosen": chosen(filter)}
    return taken(log, place, pieces, told)


def place_of(call: str, log: AuditLog, path: str | os.PathLike[str], *, by: str, reason: str) -> Path:
    """Where something that is taken out of *log* may be written.

    Raises:
        ConfigError: *by* or *reason* is empty, or *path* is taken or inside the log.
    """
    if not by or not reason:
        raise ConfigError(f"{call}(...) needs by= and reason=: taking calls away is itself recorded")
    return new_place(f"{call}(...)", path, log=log.directory)


def chosen(filter: Filter | None) -> dict[str, Any]:
    """How the entry of an export tells which calls were meant."""
    return filter.to_dict() if filter is not None else {}


def taken(log: AuditLog, place: Path, pieces: Iterable[str | bytes], told: Mapping[str, Any]) -> Taken:
    """Write *pieces* to the new file *place*, which only this user can read, and record what *told* says.

    Raises:
        OSError: the file could not be written. Only what could be written whole is recorded.
    """
    size, digest = 0, sha256()
    with new_file(place) as fresh:
        for piece in pieces:
            content = piece.encode() if isinstance(piece, str) else piece
            fresh.write(content)
            digest.update(content)
            size += len(content)
        fresh.flush()
        entry = log.event(TAKEN, {**told, "bytes": size, "sha256": digest.hexdigest()})
    return Taken(place, digest.hexdigest(), size, entry)
