"""Questions in SQL, which can read the index and nothing else."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from guardrails_lite._errors import ConfigError

_ALLOWED: Final = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
_REFUSED: Final = frozenset({"load_extension", "writefile", "edit"})
_STEPS: Final = 10_000
"""SQLite's instructions between two looks at the clock."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question in SQL."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]
    """Read as they are asked for; reading them may take as long as the question was given."""


Parameters = Sequence[Any] | Mapping[str, Any]
"""In the order of the question's ``?``, or by the names of its ``:name``."""


def ask(db: sqlite3.Connection, question: str, parameters: Parameters, *, timeout_s: float) -> Answer:
    """Ask *question*, which may read and do nothing else."""
    end = time.monotonic() + timeout_s
    db.set_authorizer(_authorize)
    db.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    try:
        cursor = db.execute(question, parameters)
    except (sqlite3.Error, sqlite3.Warning) as error:
        _free(db)
        raise _refusal(error, timeout_s) from error
    if cursor.description is None:
        _free(db)
        raise ConfigError("the question gives no rows; expected a SELECT")
    return Answer(tuple(column[0] for column in cursor.description), _rows(db, cursor, timeout_s))


def _rows(db: sqlite3.Connection, cursor: sqlite3.Cursor, timeout_s: float) -> Iterator[tuple[Any, ...]]:
    try:
        yield from cursor
    except sqlite3.Error as error:
        raise _refusal(error, timeout_s) from error
    finally:
        _free(db)


def _free(db: sqlite3.Connection) -> None:
    db.set_authorizer(None)
    db.set_progress_handler(None, 0)


def _authorize(action: int, first: str | None, second: str | None, *_: object) -> int:
    refused = action not in _ALLOWED or (action == sqlite3.SQLITE_FUNCTION and second in _REFUSED)
    return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK


def _refusal(error: Exception, timeout_s: float) -> ConfigError:
    said = str(error)
    if said == "interrupted":
        return ConfigError(f"the question took longer than {timeout_s:g} s; narrow it, or give it more time")
    if said == "not authorized" or "prohibited" in said:
        return ConfigError("the question would change something; the index can only be read")
    return ConfigError(f"the question cannot be answered: {said}")
