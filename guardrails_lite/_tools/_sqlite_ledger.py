"""The ledger in a file: effects that are not repeated by a process that starts again.

The file holds digests under a secret key that is kept apart from it, names of tools, states and times. So it
tells nobody what was done with which arguments, also not by trying likely ones. A ledger whose key is gone
could not tell what has been done, so it refuses to be used.
"""

from __future__ import annotations

import hmac
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from guardrails_lite._errors import ConfigError, LogUnavailable
from guardrails_lite._sqlite import make_private
from guardrails_lite._tools._ledger import Effect

if TYPE_CHECKING:
    import sqlite3

_TABLES = (
    "CREATE TABLE IF NOT EXISTS effects (digest TEXT PRIMARY KEY, tool TEXT, state TEXT, begun REAL)",
    "CREATE TABLE IF NOT EXISTS key_check (digest TEXT)",
)
_COLUMNS = "digest, tool, state, begun"
_KEY_BYTES = 32
_SHOWN = 16
"""Characters of a digest by which an effect is named."""


class SQLiteLedger:
    """Effects in a file, so that a process that starts again does not repeat them.

    Threads and processes may share the file. An `AuditLog` has one of its own, as ``log.effects``.

    Args:
        path: The file, created when it is first needed.
        key: Where the key of its digests is stored; default: *path* with ``.key`` added. Another volume or
            user is safer.

    Raises:
        LogUnavailable: on use, if the file cannot be read or written, or the key is missing. An effect that
            could not be reserved is not run.
    """

    def __init__(self, path: str | os.PathLike[str], *, key: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(path)
        self._key = Path(f"{self.path}.key") if key is None else Path(key)
        self._repr = f"SQLiteLedger({str(path)!r}{'' if key is None else f', key={str(key)!r}'})"

    def reserve(self, key: str, tool: str) -> Effect | None:
        """Take *key* for *tool*, or tell what has taken it."""
        with self._open("nothing was run") as (connection, secret):
            digest = _digest(secret, key)
            taken = connection.execute(f"SELECT {_COLUMNS} FROM effects WHERE digest = ?", (digest,))
            if (row := taken.fetchone()) is not None:
                return _effect(row)
            begun = (digest, tool, "unknown", time.time())
            connection.execute("INSERT INTO effects VALUES (?, ?, ?, ?)", begun)
        return None

    def done(self, key: str) -> None:
        """The effect of *key* happened."""
        with self._open("the effect has happened") as (connection, secret):
            digest = _digest(secret, key)
            connection.execute("UPDATE effects SET state = 'done' WHERE digest = ?", (digest,))

    def give_back(self, key: str) -> None:
        """The effect of *key* never began."""
        with self._open("an effect that never began counts as begun") as (connection, secret):
            digest = _digest(secret, key)
            connection.execute("DELETE FROM effects WHERE digest = ? AND state != 'done'", (digest,))

    def unsettled(self) -> list[Effect]:
        """The effects that began but were never reported as ended, oldest first.

        One of them may still be running; the others were cut short by an error or a crash.
        """
        with self._open("nothing was read") as (connection, _):
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM effects WHERE state != 'done' ORDER BY begun"
            ).fetchall()
        return [_effect(row) for row in rows]

    def settle(self, reference: str, found: Literal["done", "not done"]) -> None:
        """Say what you found out about an effect that was cut short.

        Args:
            reference: Its `Effect.reference`, as the error and `unsettled` tell it.
            found: ``"done"``: it happened, so it is never run again. ``"not done"``: it did not, so it may
                be run.

        Raises:
            ConfigError: there is no unsettled effect of that name, or *found* is something else.
        """
        if found not in ("done", "not done"):
            raise ConfigError(f"settle(..., {found!r}): expected 'done' or 'not done'")
        change = "UPDATE effects SET state = 'done'" if found == "done" else "DELETE FROM effects"
        with self._open("nothing was settled") as (connection, _):
            where = "WHERE substr(digest, 1, ?) = ? AND state != 'done'"
            settled = connection.execute(f"{change} {where}", (_SHOWN, reference)).rowcount
        if not settled:
            raise ConfigError(
                f"settle({reference!r}): no unsettled effect has this reference; unsettled() lists them"
            )

    @contextmanager
    def _open(self, so: str) -> Iterator[tuple[sqlite3.Connection, bytes]]:
        """A connection for one transaction, and the key: effects are rare, so neither is kept."""
        import sqlite3

        try:
            make_private(self.path)
            connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            try:
                # No WAL: the switch to it, and its recovery, fail at once where others are at the same point.
                connection.execute("PRAGMA synchronous = EXTRA")
                connection.execute("BEGIN IMMEDIATE")
                for table in _TABLES:
                    connection.execute(table)
                yield connection, self._secret(connection)
                connection.execute("COMMIT")
            finally:
                connection.close()
        except (OSError, sqlite3.Error) as error:
            raise LogUnavailable(
                f"the ledger of effects {str(self.path)!r} could not be used ({type(error).__name__}), and "
                f"{so}. Make the file and its key readable and writable for this user."
            ) from error

    def _secret(self, connection: sqlite3.Connection) -> bytes:
        """The key, made by whoever uses the ledger first; the transaction keeps others waiting."""
        told = connection.execute("SELECT digest FROM key_check").fetchone()
        try:
            secret = self._key.read_bytes()
        except FileNotFoundError:
            secret = b""
        if told is None:
            if len(secret) != _KEY_BYTES:
                secret = _made(self._key)
            connection.execute("INSERT INTO key_check VALUES (?)", (_digest(secret, ""),))
        elif not hmac.compare_digest(told[0], _digest(secret, "")):
            raise LogUnavailable(
                f"the key {str(self._key)!r} is not the one that the ledger {str(self.path)!r} was made "
                "with, so it cannot tell what has been done. Put the key back, or begin a new ledger."
            )
        return secret

    def __repr__(self) -> str:
        return self._repr


def _made(path: Path) -> bytes:
    secret = secrets.token_bytes(_KEY_BYTES)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(file, secret)
        os.fsync(file)
    finally:
        os.close(file)
    return secret


def _digest(secret: bytes, key: str) -> str:
    return hmac.digest(secret, key.encode(), "sha256").hex()


def _effect(row: tuple[str, str, str, float]) -> Effect:
    digest, tool, state, begun = row
    return Effect(digest[:_SHOWN], tool, "done" if state == "done" else "unknown", begun)
