"""States in a SQLite file: for several processes on one host, with no server to run.

Each update is one ``BEGIN IMMEDIATE`` transaction in WAL mode, so processes take turns, and one that
crashes in the middle leaves what was there before. Places that it held are freed by their leases.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from guardrails_lite._arguments import by_name
from guardrails_lite._errors import ConfigError
from guardrails_lite._sqlite import use_wal
from guardrails_lite.reliability._forks import on_fork
from guardrails_lite.reliability._shared_store import StoreUnavailable, loaded
from guardrails_lite.reliability._stores import Keys

if TYPE_CHECKING:
    import sqlite3

R = TypeVar("R")

_CLOCK = ""
"""The name under which the time of the last update is kept."""


@by_name
class SQLiteStore:
    """Share breakers, limits and pauses with other processes on this host.

    Times come from the host's monotonic clock, which all its processes share. The clock starts over when the
    host restarts; the store notices that, and forgets everything.

    Args:
        path: The file; created on first use. It must be on a local disk.
        workers: How many processes use the store: while it is out of reach, each uses one part in *workers*.
        wait_s: The longest wait for other processes' updates, in seconds.
        clock: For tests.

    Raises:
        ConfigError: an argument that cannot work.
    """

    poll_s = 0.05

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        workers: int = 4,
        wait_s: float = 0.05,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
            raise ConfigError(f"workers={workers!r} of SQLiteStore must be a whole number, 1 or more.")
        if not 0 < wait_s <= 5:
            raise ConfigError(f"wait_s={wait_s!r} of SQLiteStore must be more than 0 and at most 5 seconds.")
        self.path = Path(path)
        self.workers = workers
        self.now_s = clock
        self._wait_s = wait_s
        self._connection: sqlite3.Connection | None = None
        self._inherited: list[object] = []
        self._lock = threading.Lock()
        on_fork(self)

    def __repr__(self) -> str:
        return f"SQLiteStore({str(self.path)!r}, workers={self.workers})"

    def update(self, keys: Keys, step: Callable[..., R]) -> R:
        """Change the states as one transaction."""
        import sqlite3

        if not self._lock.acquire(timeout=self._wait_s):
            raise StoreUnavailable("other threads are using the file")
        try:
            return self._transact(keys, step)
        except sqlite3.Error as error:
            self._drop()
            raise StoreUnavailable(type(error).__name__) from error
        finally:
            self._lock.release()

    def close(self) -> None:
        """Close the file. The next update opens it again."""
        with self._lock:
            self._drop()

    def start_afresh(self) -> None:
        """Leave the parent's connection alone: closing it here would release the parent's locks."""
        self._inherited.append(self._connection)
        self._connection = None
        self._lock = threading.Lock()

    def _transact(self, keys: Keys, step: Callable[..., R]) -> R:
        connection = self._connection or self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            now_s = self.now_s()
            if (self._read(connection, _CLOCK) or 0.0) > now_s + 1:
                connection.execute("DELETE FROM states")
            states = [loaded(kind, self._read(connection, name)) for name, kind in keys]
            found = step(*states)
            kept = [(name, json.dumps(state.dump())) for (name, _), state in zip(keys, states, strict=True)]
            kept.append((_CLOCK, json.dumps(now_s)))
            connection.executemany("INSERT OR REPLACE INTO states VALUES (?, ?)", kept)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        return found

    def _read(self, connection: sqlite3.Connection, name: str) -> Any:
        row = connection.execute("SELECT body FROM states WHERE name = ?", (name,)).fetchone()
        try:
            return None if row is None else json.loads(row[0])
        except (TypeError, ValueError):
            return None

    def _open(self) -> sqlite3.Connection:
        import sqlite3

        connection = sqlite3.connect(
            self.path, timeout=self._wait_s, isolation_level=None, check_same_thread=False
        )
        try:
            use_wal(connection, wait_s=self._wait_s)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS states (name TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID"
            )
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
