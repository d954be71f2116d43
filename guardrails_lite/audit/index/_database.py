"""What the index asks of a database: SQLite's own connection has it, and so has what stands for another.

The questions are written once, in the SQL that SQLite and PostgreSQL read alike, with ``?`` for values. What
the two do not spell alike is turned round where the other database is spoken to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol


class Cursor(Protocol):
    """The rows of an answer."""

    def fetchone(self) -> Any:
        """The next row; None: there is none."""

    def fetchall(self) -> list[Any]:
        """All rows that are left."""

    def __iter__(self) -> Iterator[Any]:
        """The rows, one by one."""


class Database(Protocol):
    """A connection to a database that commits each statement unless ``BEGIN`` was said."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Cursor:
        """Run one statement."""

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> object:
        """Run one statement for each of *rows*."""

    def close(self) -> None:
        """Let go of it."""
