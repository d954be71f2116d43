"""Following the segments, from where the index was left to the last whole line, while the chain holds.

A line is taken in only if it repeats the hash of the line before. Where one does not, that stream's index
ends and says so; the streams beside it go on. An unfinished line is left for the next time: it may be being
written.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from guardrails_lite.audit._disk import is_locked
from guardrails_lite.audit._format import NO_LEAF, BadLine, leaf_hash, line_start, parse
from guardrails_lite.audit._read import stream_names
from guardrails_lite.audit._registry import REGISTRY, Known, note_entry
from guardrails_lite.audit._scan import lines, segments
from guardrails_lite.audit.index._database import Database
from guardrails_lite.audit.index._rows import Batch, Place

_BATCH: Final = 10_000
"""Lines in one transaction: what a crash costs, and how long other readers of the database may wait."""


@dataclass(frozen=True, slots=True)
class Source:
    """One stream, and how far the index has followed it."""

    name: str
    """``"registry"`` for the registry."""
    segment: str = ""
    """The file it is in."""
    offset: int = 0
    """The byte behind the last line taken in."""
    last: int = 0
    """The byte at which that line begins."""
    records: int = 0
    """Entries up to there, those that retention removed included."""
    leaf: str = NO_LEAF
    """The leaf of that line, in hex."""
    first: int = 0
    """The first entry that was there to be indexed: not 0 where retention removed some."""
    ended: Literal["closed", "recovered", "open", "live"] = "open"
    """As in `StreamReport.ended`."""
    problem: str = ""
    """Why the entries behind `records` are not in the index; empty where all are."""
    torn: int = 0
    """Bytes of an unfinished line at its end."""


class Moved(Exception):
    """The files are not those that were indexed, so the index is to be built anew."""


def follow(
    db: Database,
    root: Path,
    *,
    reach: Callable[[Path], int] = os.path.getsize,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Bring the index *db* up to what the log in *root* holds now, of each segment as far as *reach* says.

    Raises:
        Moved: what was indexed is no longer there, or was changed, or was removed by retention.
    """
    known = _registered(root)
    names = stream_names(root)
    held = _states(db)
    ahead = {name: _bytes_ahead(root, name, held.get(name, Source(name)), reach) for name in names}
    total, done = sum(ahead.values()), 0
    for name in [REGISTRY, *names]:
        if name != REGISTRY and not ahead[name] and _is_settled(db, name, known.get(name)):
            continue
        taken = 1
        while taken:
            taken = _step(db, root, name, known.get(name), reach)
            done += taken
            on_progress(min(done, total), total)


def sources(db: Database) -> Iterator[Source]:
    """The streams in the index, in the order of their names."""
    for row in db.execute(f"SELECT {','.join(Source.__slots__)} FROM streams ORDER BY name"):
        yield Source(*row)


def _next_row(db: Database, table: str) -> int:
    (row,) = db.execute(f"SELECT coalesce(max(row), 0) + 1 FROM {table}").fetchone()
    return int(row)


def _states(db: Database) -> dict[str, Source]:
    return {source.name: source for source in sources(db)}


def _is_settled(db: Database, name: str, known: Known | None) -> bool:
    """Whether nothing can have happened to a stream since it was indexed."""
    row = db.execute("SELECT ended, problem, first FROM streams WHERE name = ?", (name,)).fetchone()
    if row is None or known is None or known.ended is None or row[2] != _beginning(name, known).first:
        return False
    return row[0] in ("closed", "recovered") and not row[1]


def _step(db: Database, root: Path, name: str, known: Known | None, reach: Callable[[Path], int]) -> int:
    """Take in up to a batch of lines of one stream; how many bytes that were."""
    db.execute("BEGIN IMMEDIATE")
    try:
        held = _states(db).get(name)
        state = held or _beginning(name, known)
        paths = _paths(root, name)
        if held is not None:
            _check_unmoved(state, known, paths)
        batch = Batch(db, _next_row(db, "calls"), _next_row(db, "events"))
        after = _read(state, paths, batch, reach)
        batch.write()
        after = replace(after, ended=_ending(root, name, known))
        if after != held:
            values = [getattr(after, column) for column in Source.__slots__]
            db.execute("DELETE FROM streams WHERE name = ?", [name])
            db.execute(f"INSERT INTO streams VALUES ({','.join('?' * len(values))})", values)
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise
    if after.records == state.records:
        return 0
    return max(1, after.offset - (state.offset if after.segment == state.segment else 0))


def _read(state: Source, paths: list[Path], batch: Batch, reach: Callable[[Path], int]) -> Source:
    state = replace(state, problem="", torn=0)
    left = _BATCH
    for path in paths:
        if path.name < state.segment:
            continue
        try:
            end = reach(path)
            if not end:
                break
            if path.name != state.segment:
                if state.torn:
                    return replace(state, problem=f"record {state.records}: a line that was never finished")
                state = replace(state, segment=path.name, offset=0, last=0)
            with path.open("rb", buffering=1 << 20) as file:
                file.seek(state.offset)
                state, left = _lines(state, file, end, batch, left)
        except OSError as error:
            return replace(state, problem=f"{path.name}, which cannot be read ({type(error).__name__})")
        if state.problem or left <= 0:
            break
    return state


def _lines(state: Source, file: Any, end: int, batch: Batch, left: int) -> tuple[Source, int]:
    """Take in lines of one segment up to its byte *end*."""
    offset, last, records, leaf = state.offset, state.last, state.records, state.leaf
    problem, torn = "", 0
    start = line_start(state.name, 0, "").partition(b"0,")[0]
    while left > 0 and offset < end:
        line = file.readline()
        if not line.endswith(b"\n"):
            torn = len(line)
            break
        if not line.startswith(b'%b%d,"p":"%b","t":"' % (start, records, leaf.encode())):
            problem = f"record {records}: it does not continue the chain"
            break
        try:
            entry = parse(line)
        except BadLine as error:
            problem = f"record {records}: {error}"
            break
        batch.add(entry, Place(state.segment, offset))
        last, offset, records = offset, offset + len(line), records + 1
        leaf = leaf_hash(line[:-1]).hex()
        left -= 1
    told = replace(state, offset=offset, last=last, records=records, leaf=leaf, problem=problem, torn=torn)
    return told, left


def _beginning(name: str, known: Known | None) -> Source:
    """Where a stream begins: behind the segments that retention removed."""
    if known is None or known.expired is None:
        return Source(name)
    try:
        size, leaf = int(known.expired["size"]), str(known.expired["leaf"])
        return Source(name, records=size, first=size, leaf=leaf)
    except (KeyError, TypeError, ValueError):
        return Source(name)


def _check_unmoved(state: Source, known: Known | None, paths: list[Path]) -> None:
    if _beginning(state.name, known).first != state.first:
        raise Moved("retention removed a part of what was indexed")
    if not state.records or not state.offset:
        return
    path = next((path for path in paths if path.name == state.segment), None)
    if path is None:
        raise Moved("a segment that was indexed is gone")
    try:
        with path.open("rb") as file:
            file.seek(state.last)
            line = file.read(state.offset - state.last)
    except OSError:
        return
    if leaf_hash(line[:-1]).hex() != state.leaf:
        raise Moved("a line that was indexed is gone or was changed")


def _paths(root: Path, name: str) -> list[Path]:
    if name == REGISTRY:
        path = root / "registry.jsonl"
        return [path] if os.path.lexists(path) else []
    return segments(root / "streams" / name)


def _bytes_ahead(root: Path, name: str, state: Source, reach: Callable[[Path], int]) -> int:
    ahead = 0
    for path in _paths(root, name):
        if path.name >= state.segment:
            try:
                size = reach(path)
            except OSError:
                break  # `_read` says so
            ahead += size - (state.offset if path.name == state.segment else 0)
    return max(ahead, 0)


def _ending(root: Path, name: str, known: Known | None) -> Literal["closed", "recovered", "open", "live"]:
    if known is not None and known.ended is not None:
        return "closed" if known.ended["kind"] == "stream.closed" else "recovered"
    return "live" if name == REGISTRY or is_locked(root / "open" / name) else "open"


def _registered(root: Path) -> dict[str, Known]:
    """What the registry says of the streams, unchecked."""
    known: dict[str, Known] = {}
    with contextlib.suppress(OSError, BadLine):
        for line in lines(root / "registry.jsonl"):
            entry = parse(line)
            note_entry(known, entry.type, entry.data, 0)
    return known
