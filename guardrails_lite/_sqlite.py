"""Opening an SQLite file that threads and processes share."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

_PAUSE_S = 0.002


def make_private(path: Path) -> None:
    """Make the file *path* for its owner alone, where there is none; SQLite would let others read it.

    The file is never opened under its own name: closing any descriptor of a file gives up all POSIX locks
    that the process has on it, also those by which SQLite keeps other processes out of a transaction.

    Raises:
        OSError: the directory is not there, or cannot be written.
    """
    import tempfile

    if path.exists():
        return
    descriptor, fresh = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    os.close(descriptor)
    try:
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        os.unlink(fresh)


def use_wal(connection: sqlite3.Connection, *, wait_s: float) -> None:
    """Put the file into write-ahead mode, for at most *wait_s* seconds.

    SQLite's own waiting covers neither the switch nor the recovery by the first opener of such a file:
    whoever comes at the same moment is told at once that the file is locked.

    Raises:
        sqlite3.OperationalError: the file was locked all that time, or cannot be used.
    """
    import sqlite3

    ends_s = time.monotonic() + wait_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= ends_s:
                raise
        time.sleep(_PAUSE_S)
