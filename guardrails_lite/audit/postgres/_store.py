"""Where logs are kept in a database: a schema for each log, with the bytes of its files and its index.

``pieces`` holds the files in pieces, as they were written; ``files`` says how far each is whole and agrees
with the others, and what is behind that does not count yet. So shipping may end at any point. The tables of
the index stand beside them. ``about`` says whose schema it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit.index._schema import VERSION as INDEX_VERSION
from guardrails_lite.audit.postgres._connect import Connection, Refused
from guardrails_lite.audit.postgres._dialect import FUNCTION, tables

STORE_VERSION: Final = 1
_WHOLE: Final = 2**30
"""More than a piece has."""
_LOG: Final = re.compile(r"guardrails-lite/([0-9a-f]{16})")
_FILE: Final = re.compile(r"log\.json|registry\.jsonl|streams/[\w-]+/\d+\.jsonl", re.ASCII)
_INDEX_TABLES: Final = (
    *("streams", "calls", "checks", "attempts", "found", "tags", "tag_names", "events"),
    *("hours", "people", "latencies", "rules", "totals"),
)
_KEPT: Final = (
    "CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE files (path TEXT PRIMARY KEY, size BIGINT NOT NULL)",
    "CREATE TABLE pieces (path TEXT, at BIGINT, bytes BYTEA NOT NULL, PRIMARY KEY (path, at))",
)


def schema_of(log: str) -> str:
    """The schema in which the log of that name is kept.

    Raises:
        ConfigError: no log has such a name.
    """
    found = _LOG.fullmatch(log)
    if found is None:
        raise ConfigError(f"the log calls itself {log!r}; expected guardrails-lite/ and 16 hex digits")
    return f"glog_{found[1]}"


def logs_in(db: Connection) -> list[str]:
    """The names of the logs in the database."""
    rows = db.execute("SELECT nspname FROM pg_namespace WHERE nspname ~ '^glog_[0-9a-f]{16}$' ORDER BY 1")
    return [f"guardrails-lite/{name.removeprefix('glog_')}" for (name,) in rows]


def choose(db: Connection, log: str | None) -> str:
    """Go to the log that is meant, and return its name.

    Args:
        log: Its name, or the beginning of its hex digits; None: the only one.

    Raises:
        ConfigError: there is none, there are several, or it was shipped by another version of this library.
    """
    names = logs_in(db)
    meant = [name for name in names if log is None or name == log or name[16:].startswith(log)]
    if not meant:
        which = "" if log is None else f" {log!r}"
        raise ConfigError(f"{db.where}: it holds no compliance log{which}; `log ship` puts one there")
    if len(meant) > 1:
        raise ConfigError(f"{db.where}: it holds several logs; name one of them: {', '.join(meant)}")
    enter(db, meant[0])
    about = _about(db, meant[0])
    if about.get("index") != str(INDEX_VERSION):
        raise ConfigError(
            f"{db.where}: the index was made by another version of guardrails-lite; "
            "ship the log again with this one"
        )
    return meant[0]


def enter(db: Connection, log: str) -> None:
    """Let names mean the tables of *log*."""
    db.execute(f"SET search_path TO {schema_of(log)}")


def prepare(db: Connection, log: str) -> None:
    """Make what *log* needs in the database, unless it is there, and keep others from shipping it meanwhile.

    Raises:
        ConfigError: what is there was not made by this library, or by a newer version of it.
    """
    schema = schema_of(log)
    db.execute("SELECT pg_advisory_lock(?)", [int(schema[5:], 16) - 2**63])
    if log not in logs_in(db):
        with db.transaction():
            db.execute(f"CREATE SCHEMA {schema}")
            enter(db, log)
            for statement in (*_KEPT, FUNCTION, *tables()[1:]):
                db.execute(statement)
            told = (("log", log), ("store", STORE_VERSION), ("index", INDEX_VERSION))
            db.executemany("INSERT INTO about VALUES (?,?)", told)
    enter(db, log)
    if _about(db, log).get("index") != str(INDEX_VERSION):
        make_index(db)


def make_index(db: Connection) -> None:
    """Throw the index away, and make an empty one."""
    with db.transaction():
        db.execute(f"DROP TABLE IF EXISTS {','.join(_INDEX_TABLES)}")
        db.execute("DROP FUNCTION IF EXISTS bucket_of")
        for statement in (FUNCTION, *tables()[1:]):
            db.execute(statement)
        db.execute("UPDATE about SET value = ? WHERE name = 'index'", [str(INDEX_VERSION)])


def _about(db: Connection, log: str) -> dict[str, str]:
    try:
        about = {str(name): str(value) for name, value in db.execute("SELECT name, value FROM about")}
    except Refused as error:
        if error.state not in ("42P01", "42703"):
            raise
        about = {}
    store = about.get("store", "")
    if about.get("log") != log or not store.isdecimal():
        raise ConfigError(
            f"{db.where}: its schema {schema_of(log)} was not made by `log ship`; nothing was changed. "
            "Ship to another database."
        )
    if int(store) > STORE_VERSION:
        raise ConfigError(
            f"{db.where}: the log was shipped by a newer version of guardrails-lite (store {store}; this one "
            f"knows {STORE_VERSION}). Nothing was changed; use that version."
        )
    return about


def stored(db: Connection) -> dict[str, int]:
    """The files that are there, and the size of each.

    Raises:
        ConfigError: a file is among them that no log has.
    """
    sizes = {str(path): int(size) for path, size in db.execute("SELECT path, size FROM files ORDER BY path")}
    for path in sizes:
        if _FILE.fullmatch(path) is None:
            raise ConfigError(
                f"{db.where}: it holds the file {path!r}, which no log has; nothing was written"
            )
    return sizes


def size_of(db: Connection, path: str) -> int:
    """The size of a file; 0: it is not there."""
    row = db.execute("SELECT size FROM files WHERE path = ?", [path]).fetchone()
    return int(row[0]) if row is not None else 0


def bytes_of(db: Connection, path: str, begin: int, end: int, *, at_once: int = _WHOLE) -> Iterator[bytes]:
    """The bytes of a file from *begin* to *end*, in parts, as far as they are there without a gap.

    A part is what is left of a piece, or the first *at_once* bytes of that.
    """
    at = begin
    while at < end:
        row = db.execute_for_bytes(
            "SELECT substring(bytes FROM CAST(? - at + 1 AS INTEGER) FOR CAST(? AS INTEGER)) "
            "FROM pieces WHERE path = ? AND at <= ? ORDER BY at DESC LIMIT 1",
            [at, min(at_once, end - at), path, at],
        ).fetchone()
        part = bytes(row[0]) if row is not None else b""
        if not part:
            return
        yield part
        at += len(part)


def write_files(db: Connection, directory: Path, sizes: dict[str, int]) -> Iterator[int]:
    """Write the files into *directory*, byte for byte; gives how many bytes each part had."""
    for path, size in sizes.items():
        place = directory / path
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with place.open("xb") as file:
            for part in bytes_of(db, path, 0, size):
                file.write(part)
                yield len(part)
