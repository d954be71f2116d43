"""Shipping: what a log has gained goes to the database, and nothing twice.

What is signed goes: a stream that ended as a whole, a stream that runs up to its newest checkpoint. The
registry is read first, so what it tells of a stream is there when the stream's bytes are. Pieces are
committed as they come and count once all of them are there, in one transaction, with the registry that
belongs to them; a shipment that was interrupted goes on with the pieces that have arrived.

What was shipped before must still be in the directory, but for what the registry says that retention
removed. Where it is not, the log was cut or changed since, and nothing is written: the database is then the
better copy.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit._chain import Problem
from guardrails_lite.audit._format import BadLine, parse
from guardrails_lite.audit._registry import REGISTRY, Known, note_entry, read_config
from guardrails_lite.audit._scan import segments
from guardrails_lite.audit._verify import EXIT_CODES
from guardrails_lite.audit.index._follow import Moved, follow
from guardrails_lite.audit.postgres._connect import Connection
from guardrails_lite.audit.postgres._store import make_index, prepare, stored

_PIECE: Final = 256 * 1024
_AT_ONCE: Final = 64
"""Pieces in one transaction: what an interruption costs."""


@dataclass(frozen=True, slots=True)
class Shipment:
    """What was shipped."""

    log: str
    """The log's name."""
    sent: int
    """Bytes that were not in the database before."""
    held: int
    """Bytes that it holds now."""
    waiting: int
    """Bytes of the directory that are not signed yet; they go with a later shipment."""
    problems: tuple[Problem, ...] = ()
    """Why nothing was shipped: what the database holds is not what is in the directory."""

    @property
    def exit_code(self) -> int:
        """0: shipped; 2: the directory was changed since the last shipment; 3: it was cut."""
        return max((EXIT_CODES[problem.state] for problem in self.problems), default=0)

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        problems = [{name: getattr(each, name) for name in Problem.__slots__} for each in self.problems]
        told = {"log": self.log, "sent": self.sent, "held": self.held, "waiting": self.waiting}
        return {**told, "problems": problems}


def ship(
    directory: str | os.PathLike[str],
    url: str,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Shipment:
    """Bring the database up to what is signed of the log in *directory*: its bytes, and its index.

    It sends what the database lacks, so call it as often as you like; at the same time from several machines
    too, for other logs or for the same one. The keys and the vault stay where they are.

    Args:
        directory: A directory that `AuditLog` made; its processes may be writing.
        url: ``postgresql://user@host:port/database``; a role that may create schemas there.
        on_progress: Called with the bytes sent and the bytes to send.

    Raises:
        ConfigError: *directory* is not a compliance log, or the database cannot be used.
    """
    root = Path(directory)
    log = str(read_config(root / "log.json")["log"])
    db = Connection(url, writing=True)
    try:
        prepare(db, log)
        before = stored(db)
        try:
            ends, gone = _ends(root, before)
            problems = _contradictions(db, root, before, ends, gone)
            if problems:
                return Shipment(log, 0, sum(before.values()), 0, tuple(problems))
            sent = _send(db, root, before, ends, on_progress)
        except OSError as error:
            raise ConfigError(
                f"{root}: a file of the log cannot be read ({error.strerror or type(error).__name__}); if "
                "retention has just removed it, ship again"
            ) from error
        _publish(db, ends, gone)
        _index(db, root, ends)
        waiting = sum(os.path.getsize(path) for path in root.glob("streams/*/*.jsonl")) - sum(
            size for path, size in ends.items() if path.startswith("streams/")
        )
        return Shipment(log, sent, sum(ends.values()), max(0, waiting))
    finally:
        db.close()


def _ends(root: Path, before: dict[str, int]) -> tuple[dict[str, int], set[str]]:
    """How far each file is signed, and which files retention removed."""
    ends = {"log.json": os.path.getsize(root / "log.json")}
    ends["registry.jsonl"] = end = _signed_end(root / "registry.jsonl", 0)
    known: dict[str, Known] = {}
    with (root / "registry.jsonl").open("rb") as file:
        for line in file.read(end).splitlines():
            try:
                entry = parse(line)
            except BadLine:
                continue  # it goes as it is: `verify` says what is wrong with it
            note_entry(known, entry.type, entry.data, 0)
    gone = set()
    for name, stream in known.items():
        last = _last_gone(stream)
        gone |= {path for path in before if path.startswith(f"streams/{name}/") and _number(path) <= last}
        ends |= _stream_ends(root, stream, before, last)
    return ends, gone


def _last_gone(stream: Known) -> int:
    segment = stream.expired.get("segment") if stream.expired is not None else None
    return segment if isinstance(segment, int) else -1


def _number(path: str) -> int:
    return int(Path(path).stem)


def _stream_ends(root: Path, stream: Known, before: dict[str, int], gone: int) -> dict[str, int]:
    paths = [path for path in segments(root / "streams" / stream.name) if _number(path.name) > gone]
    names = {path: path.relative_to(root).as_posix() for path in paths}
    if stream.ended is not None:
        return {names[path]: os.path.getsize(path) for path in paths}
    ends: dict[str, int] = {}
    for path in reversed(paths):  # up to the newest checkpoint; what is before its file is whole
        end = os.path.getsize(path) if ends else _signed_end(path, before.get(names[path], 0))
        if end:
            ends[names[path]] = end
    return ends


def _signed_end(path: Path, begin: int) -> int:
    """The byte behind the newest checkpoint in *path*, looked for from the byte *begin* on."""
    with path.open("rb", buffering=1 << 20) as file:
        file.seek(begin)
        end = at = begin
        for line in file:
            at += len(line)
            if b'"t":"checkpoint"' in line[:300] and line.endswith(b"\n"):
                end = at
    return end


def _contradictions(
    db: Connection, root: Path, before: dict[str, int], ends: dict[str, int], gone: set[str]
) -> list[Problem]:
    """What the database holds and the directory does not."""
    problems = []
    for path, size in before.items():
        if path in gone:
            continue
        name = path.split("/")[1] if path.startswith("streams/") else path.replace("registry.jsonl", REGISTRY)
        place = root / path
        there = os.path.getsize(place) if place.exists() else 0
        if there < size or ends.get(path, 0) < size:
            what = f"{size} bytes of {path} were shipped, and {min(there, ends.get(path, 0))} are there now"
            problems.append(Problem("truncated", name, None, what))
        elif not _agrees(place, _last_piece(db, path, size)):
            what = f"{path} is not what was shipped"
            problems.append(Problem("tampered", name, None, what))
    return problems


def _agrees(place: Path, piece: tuple[int, int, bytes]) -> bool:
    """Whether a piece is in the file *place* as it was sent."""
    at, size, digest = piece
    with place.open("rb") as file:
        file.seek(at)
        return sha256(file.read(size)).digest() == digest


def _last_piece(db: Connection, path: str, end: int) -> tuple[int, int, bytes]:
    """Where the last piece of a file before *end* begins, its size and its digest."""
    sql = (
        "SELECT at, length(bytes), sha256(bytes) FROM pieces WHERE path = ? AND at < ? "
        "ORDER BY at DESC LIMIT 1"
    )
    row = db.execute(sql, [path, end]).fetchone()
    return (row[0], row[1], bytes(row[2])) if row is not None else (0, 0, sha256().digest())


def _send(
    db: Connection,
    root: Path,
    before: dict[str, int],
    ends: dict[str, int],
    on_progress: Callable[[int, int], None],
) -> int:
    begins = {}
    for path, end in ends.items():
        last = _last_piece(db, path, end)
        if not _agrees(root / path, last):  # it is of a shipment that was never finished
            begins[path] = before.get(path, 0)
            db.execute("DELETE FROM pieces WHERE path = ? AND at >= ?", [path, begins[path]])
        else:
            begins[path] = last[0] + last[1]
    total, done = sum(max(0, end - begins[path]) for path, end in ends.items()), 0
    batch: list[tuple[str, int, bytes]] = []
    for path, end in ends.items():
        for at, piece in _pieces(root / path, begins[path], end):
            batch.append((path, at, piece))
            done += len(piece)
            if len(batch) == _AT_ONCE:
                db.executemany("INSERT INTO pieces VALUES (?,?,?)", batch)
                batch.clear()
                on_progress(done, total)
    db.executemany("INSERT INTO pieces VALUES (?,?,?)", batch)
    on_progress(done, total)
    return done


def _pieces(path: Path, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        file.seek(begin)
        while begin < end and (piece := file.read(min(_PIECE, end - begin))):
            yield begin, piece
            begin += len(piece)


def _publish(db: Connection, ends: dict[str, int], gone: set[str]) -> None:
    """Let what was sent count, and take away what retention removed."""
    sql = "INSERT INTO files VALUES (?, ?) ON CONFLICT (path) DO UPDATE SET size = excluded.size"
    with db.transaction():
        db.executemany(sql, list(ends.items()))
        for path in gone:
            db.execute("DELETE FROM files WHERE path = ?", [path])
            db.execute("DELETE FROM pieces WHERE path = ?", [path])


def _index(db: Connection, root: Path, ends: dict[str, int]) -> None:
    def reach(path: Path) -> int:
        return ends.get(path.relative_to(root).as_posix(), 0)

    try:
        follow(db, root, reach=reach)
    except Moved:
        make_index(db)
        follow(db, root, reach=reach)
