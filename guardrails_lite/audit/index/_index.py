"""`Index`: opened on a log's directory, brought up to date, asked."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO, Final

from guardrails_lite._errors import ConfigError
from guardrails_lite._sqlite import make_private, use_wal
from guardrails_lite.audit._format import Entry
from guardrails_lite.audit._registry import read_config
from guardrails_lite.audit.index import _sql
from guardrails_lite.audit.index._follow import Moved, follow
from guardrails_lite.audit.index._pages import Call
from guardrails_lite.audit.index._questions import Questions, record_of
from guardrails_lite.audit.index._schema import TABLES, VERSION
from guardrails_lite.audit.index._sql import Answer, Parameters
from guardrails_lite.audit.index._sums import define_functions

_WAIT_S: Final = 30.0
_AT_ONCE: Final = 100
"""Records that are read before the first of them is given; each may be megabytes long."""


class Index(Questions):
    """The index of the log in *directory*, opened; use it in a ``with`` block.

    It is as new as its last `update`: opening it reads nothing of the log. It belongs to the thread that
    opened it; opening another is cheap, and any number of processes may use one file.

    Args:
        directory: A directory that `AuditLog` made, or a copy of one.
        at: Where the database lives; default: ``index.sqlite`` in *directory*, or, where that cannot be
            written, in memory, built anew each time.

    Raises:
        ConfigError: *directory* is not a compliance log, or one of a newer format.
    """

    _db: sqlite3.Connection

    def __init__(
        self, directory: str | os.PathLike[str], *, at: str | os.PathLike[str] | None = None
    ) -> None:
        self.directory = Path(directory)
        self._log = str(read_config(self.directory / "log.json")["log"])
        self._path = Path(at) if at is not None else self.directory / "index.sqlite"
        self._db = self._open()

    # -- keeping up -----------------------------------------------------------------------------------

    def update(self, *, on_progress: Callable[[int, int], None] = lambda done, total: None) -> None:
        """Take in what the log has gained. Cheap where there is nothing new, so call it before asking.

        Args:
            on_progress: Called with the bytes done and the bytes to do.
        """
        try:
            follow(self._db, self.directory, on_progress=on_progress)
        except (Moved, sqlite3.DatabaseError) as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            self.rebuild(on_progress=on_progress)

    def rebuild(self, *, on_progress: Callable[[int, int], None] = lambda done, total: None) -> None:
        """Throw the index away and build it anew."""
        self._db.close()
        _remove(self._path)
        self._db = self._open()
        follow(self._db, self.directory, on_progress=on_progress)

    # -- asking ---------------------------------------------------------------------------------------

    def entry(self, call: Call) -> Entry:
        """The record of *call*, read from the log itself and not from the index.

        Raises:
            LookupError: the line is not there any more, or is another; `update` finds out why.
        """
        try:
            with self._opened(call) as file:
                file.seek(call.offset)
                line = file.readline()
        except OSError as error:
            raise LookupError(f"the record of call {call.id} cannot be read at its place") from error
        return record_of(call, line)

    def entries(self, calls: Iterable[Call]) -> Iterator[Entry]:
        """The records of *calls*, in their order, as `entry` gives each: many take less time this way.

        Raises:
            LookupError: as `entry` raises it, when that call's turn comes.
        """
        left = iter(calls)
        while some := list(islice(left, _AT_ONCE)):
            lines = self._lines(some)
            for call in some:
                yield record_of(call, lines[call.row]) if call.row in lines else self.entry(call)

    def _lines(self, calls: list[Call]) -> dict[int, bytes]:
        """The lines of *calls* that can be read, by their rows; each file is opened once, read forwards."""
        lines: dict[int, bytes] = {}
        ordered = sorted(calls, key=attrgetter("stream", "segment", "offset"))
        for _, beside in groupby(ordered, key=attrgetter("stream", "segment")):
            of_file = list(beside)
            with contextlib.suppress(OSError), self._opened(of_file[0]) as file:
                for call in of_file:
                    file.seek(call.offset)
                    lines[call.row] = file.readline()
        return lines

    def _opened(self, call: Call) -> BinaryIO:
        """The file that the record of *call* is in."""
        return open(self.directory / "streams" / call.stream / call.segment, "rb")

    def sql(self, question: str, parameters: Parameters = (), *, timeout_s: float = 30.0) -> Answer:
        """Ask in SQL (SQLite's); it can read the index and do nothing else.

        Args:
            question: A ``SELECT``.
            parameters: The values of its ``?`` in order, or of its ``:name`` by name.
            timeout_s: Seconds that it may take.

        Raises:
            ConfigError: the question is no SELECT, is wrong, or takes longer than *timeout_s*.
        """
        return _sql.ask(self._db, question, parameters, timeout_s=timeout_s)

    # -- the database ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the database."""
        self._db.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Index({os.fspath(self.directory)!r})"

    def _open(self) -> sqlite3.Connection:
        for _ in range(2):
            try:
                db = self._connect(self._path)
                if _is_ours(db, self._log):
                    return db
                db.close()
            except sqlite3.OperationalError as error:
                if "locked" in str(error):
                    raise
                db = self._connect(":memory:")
                _create(db, self._log)
                return db
            except sqlite3.DatabaseError:
                pass
            _remove(self._path)
        raise ConfigError(f"{self._path}: the index can neither be read nor replaced; delete it")

    def _connect(self, place: Any) -> sqlite3.Connection:
        if place != ":memory:":
            with contextlib.suppress(OSError):
                make_private(self._path)
        db = sqlite3.connect(place, timeout=_WAIT_S, isolation_level=None)
        try:
            use_wal(db, wait_s=_WAIT_S)
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA cache_size = -65536")
            define_functions(db)
        except sqlite3.Error:
            db.close()
            raise
        return db


def _is_ours(db: sqlite3.Connection, log: str) -> bool:
    """Whether *db* is an index of this version of this log; an empty file becomes one."""
    if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
        _create(db, log)
        return True
    try:
        about = dict(db.execute("SELECT name, value FROM about"))
    except sqlite3.OperationalError:
        return False
    return about == {"version": str(VERSION), "log": log}


def _create(db: sqlite3.Connection, log: str) -> None:
    db.execute("BEGIN IMMEDIATE")
    if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
        for statement in TABLES.split(";\n"):
            if statement.strip():
                db.execute(statement)
        db.executemany("INSERT INTO about VALUES (?, ?)", [("version", str(VERSION)), ("log", log)])
    db.execute("COMMIT")


def _remove(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{path}{ending}")
