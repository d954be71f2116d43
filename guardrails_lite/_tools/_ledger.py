"""Which consequential calls have begun and which have ended, so that none is made twice.

A tool with ``effects="write"`` reserves its key before it runs. The key names the logical call: the scope
(the record of the guarded call, or a name of the caller's own), the tool and the arguments. A key that is
taken is never run again in that scope, also when the first run failed half way and nobody knows how far
it came.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import sqlite3

EffectState = Literal["done", "unknown"]
"""How an effect stands: it happened, or it began and nobody knows how far it came."""


class EffectLedger(Protocol):
    """Where effects are reserved before they happen. Make one to keep them in a store of your own."""

    def reserve(self, key: str) -> EffectState | None:
        """Take *key*, or say how it stands when it is taken. Of many at once, exactly one gets None.

        A taken key counts as ``"unknown"`` until `done` is called, so that a crash leaves it so.
        """

    def done(self, key: str) -> None:
        """The effect of *key* happened."""


def effect_key(scope: str, tool: str, arguments: str) -> str:
    """Name one logical call without showing its arguments."""
    digest = hashlib.sha256()
    for part in (scope, tool, arguments):
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()


class MemoryLedger:
    """Effects of this process. Holds the newest *size* of them: about 100 bytes each."""

    def __init__(self, *, size: int = 100_000) -> None:
        self._size = size
        self._states: dict[str, EffectState] = {}
        self._lock = threading.Lock()

    def reserve(self, key: str) -> EffectState | None:
        """Take *key*, or say how it stands."""
        with self._lock:
            state = self._states.get(key)
            if state is None:
                self._states[key] = "unknown"
                while len(self._states) > self._size:
                    del self._states[next(iter(self._states))]
            return state

    def done(self, key: str) -> None:
        """The effect of *key* happened."""
        with self._lock:
            if key in self._states:
                self._states[key] = "done"

    def __repr__(self) -> str:
        return f"MemoryLedger(size={self._size})"


_TABLE = "CREATE TABLE IF NOT EXISTS effects (key TEXT PRIMARY KEY, state TEXT NOT NULL)"


class SqliteLedger:
    """Effects in a file, so that a process that starts again does not repeat them.

    Several processes may share the file. It holds digests and states, no arguments.

    Args:
        path: The file, made when it is first needed.

    Raises:
        sqlite3.Error: the file cannot be written; the effect is then not run.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def reserve(self, key: str) -> EffectState | None:
        """Take *key*, or say how it stands."""
        with self._open() as connection:
            taken = connection.execute("INSERT OR IGNORE INTO effects VALUES (?, 'unknown')", (key,))
            if taken.rowcount == 1:
                return None
            row = connection.execute("SELECT state FROM effects WHERE key = ?", (key,)).fetchone()
        return "done" if row[0] == "done" else "unknown"

    def done(self, key: str) -> None:
        """The effect of *key* happened."""
        with self._open() as connection:
            connection.execute("UPDATE effects SET state = 'done' WHERE key = ?", (key,))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection for one transaction: effects are rare, and threads and forks need no care then."""
        import sqlite3

        connection = sqlite3.connect(self.path, timeout=10)
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(_TABLE)
            with connection:
                yield connection
        finally:
            connection.close()

    def __repr__(self) -> str:
        return f"SqliteLedger({str(self.path)!r})"
