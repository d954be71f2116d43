"""`Index`: opened on a log's directory, brought up to date, asked."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from guardrails_lite._errors import ConfigError
from guardrails_lite._sqlite import make_private, use_wal
from guardrails_lite.audit._format import Entry, parse
from guardrails_lite.audit._registry import read_config
from guardrails_lite.audit.index import _findings, _measures, _pages, _sql
from guardrails_lite.audit.index._filter import Filter
from guardrails_lite.audit.index._findings import Found
from guardrails_lite.audit.index._follow import Moved, Source, follow, sources
from guardrails_lite.audit.index._measures import Latency, Policy, RuleUse, Spend, Totals, Volume
from guardrails_lite.audit.index._pages import Call, Event, Facet, Order, Page
from guardrails_lite.audit.index._schema import TABLES, VERSION
from guardrails_lite.audit.index._sql import Answer, Parameters
from guardrails_lite.audit.index._sums import define_functions

_WAIT_S: Final = 30.0
_ALL: Final = Filter()


class Index:
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

    def sources(self) -> list[Source]:
        """The log's streams, and how far each is in the index. `Source.problem` says why one is not whole."""
        return list(sources(self._db))

    # -- asking ---------------------------------------------------------------------------------------

    def page(
        self, asked: Filter = _ALL, *, after: str | None = None, limit: int = 50, order: Order = "newest"
    ) -> Page:
        """Up to *limit* calls, newest first.

        Args:
            asked: Which calls.
            after: `Page.more` of the page before; None: the first page.
            limit: At most so many, 1 to 1,000.
            order: ``"newest"`` or ``"oldest"`` first.

        Raises:
            ConfigError: *after* is not a cursor, or *limit* is out of range.
        """
        if not 1 <= limit <= 1000:
            raise ConfigError(f"limit={limit!r} must be from 1 to 1000; use Page.more for the next page")
        return _pages.page(self._db, asked, after=after, limit=limit, order=order)

    def calls(self, asked: Filter = _ALL, *, order: Order = "newest") -> Iterator[Call]:
        """All calls asked for, page by page."""
        after: str | None = None
        while True:
            page = self.page(asked, after=after, limit=1000, order=order)
            yield from page.calls
            if page.more is None:
                return
            after = page.more

    def find(self, beginning: str, *, limit: int = 2) -> list[Call]:
        """The calls whose id begins with *beginning*, at most *limit*: two are enough to be ambiguous."""
        return _pages.find(self._db, beginning.lower(), limit=limit)

    def entry(self, call: Call) -> Entry:
        """The record of *call*, read from the log itself and not from the index.

        Raises:
            LookupError: the line is not there any more, or is another; `update` finds out why.
        """
        path = self.directory / "streams" / call.stream / call.segment
        try:
            with path.open("rb") as file:
                file.seek(call.offset)
                entry = parse(file.readline())
        except (OSError, ValueError) as error:
            raise LookupError(f"the record of call {call.id} cannot be read at its place") from error
        if (entry.stream, entry.n) != (call.stream, call.n):
            raise LookupError(f"the record of call {call.id} is not at its place")
        return entry

    def facets(self, name: str, asked: Filter = _ALL, *, limit: int = 20) -> list[Facet]:
        """How many calls there are for each value of *name*, were that part of the filter left open.

        Args:
            name: ``outcome``, ``guard``, ``digest``, ``model``, ``user``, ``key``, ``tenant``, ``mode``,
                ``style`` or ``rule``.

        Raises:
            ConfigError: there is no such facet.
        """
        return _pages.facets(self._db, asked, name, limit=limit)

    def events(
        self,
        *,
        type: str | Iterable[str] = (),
        call: str | None = None,
        since: int | None = None,
        until: int | None = None,
        limit: int = 100,
        order: Order = "newest",
    ) -> list[Event]:
        """Entries that are not calls: of some types, or all; about one call, or all.

        Those of the log's registry are among them. Checkpoints and heartbeats are not.
        """
        types = (type,) if isinstance(type, str) else type
        return _pages.events(
            self._db, type=types, call=call, since=since, until=until, limit=limit, order=order
        )

    @property
    def last_row(self) -> int:
        """The row of the call that was taken in last; 0: there is none."""
        return int(self._db.execute("SELECT coalesce(max(row), 0) FROM calls").fetchone()[0])

    def taken_in(self, after: int, asked: Filter = _ALL, *, limit: int | None = None) -> list[Call]:
        """Calls that `update` took in after the row *after*, in that order: what a follower has not seen.

        A call that was unfinished comes again, as a new row, once it has a record.
        """
        return _pages.taken_in(self._db, asked, after, limit=limit)

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

    def findings(self, asked: Filter = _ALL) -> Iterator[Found]:
        """What rules found in the calls asked for, newest first: one for each rule and call."""
        return _findings.findings(self._db, asked)

    def count_findings(self, *, since: int = 0) -> int:
        """How many there are in calls that started at *since* or later."""
        return _findings.count(self._db, since)

    # -- measuring ------------------------------------------------------------------------------------

    def totals(self, asked: Filter = _ALL) -> Totals:
        """Calls, outcomes, tokens, money."""
        return _measures.totals(self._db, asked)

    def volume(self, asked: Filter = _ALL, *, step_h: int = 1) -> list[Volume]:
        """The same over time, in steps of *step_h* hours of UTC, oldest first."""
        return _measures.volume(self._db, asked, step_h=step_h)

    def spend(self, by: _measures.By, asked: Filter = _ALL, *, limit: int = 20) -> list[Spend]:
        """Who or what costs how much, dearest first."""
        return _measures.spend(self._db, asked, by=by, limit=limit)

    def latency(self, asked: Filter = _ALL) -> Latency:
        """How long calls took."""
        return _measures.latency(self._db, asked)

    def rules(self, asked: Filter = _ALL) -> list[RuleUse]:
        """How often each rule ran, found, broke, and how long it took."""
        return _measures.rule_use(self._db, asked)

    def policies(self, *, limit: int = 100) -> list[Policy]:
        """Which policies were in force, the last first."""
        return _measures.policies(self._db, limit=limit)

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
