"""SQLite files that many open at once."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from guardrails_lite._sqlite import make_private, use_wal


def test_all_who_come_at_the_same_moment_get_in(tmp_path: Path) -> None:
    """Nobody is told that a new file is locked because another puts it into the same mode."""
    told: list[object] = []
    for nth in range(20):
        path = tmp_path / f"{nth}.db"
        barrier = threading.Barrier(8)

        def open_and_write(path: Path = path, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            try:
                with contextlib.closing(
                    sqlite3.connect(path, timeout=60, isolation_level=None)
                ) as connection:
                    use_wal(connection, wait_s=60)
                    connection.execute("CREATE TABLE IF NOT EXISTS seen (who INTEGER)")
                    connection.execute("INSERT INTO seen VALUES (1)")
            except sqlite3.Error as error:
                told.append(error)

        threads = [threading.Thread(target=open_and_write) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with contextlib.closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT count(*) FROM seen").fetchone() == (8,)

    assert told == []


def test_a_file_that_stays_locked_is_an_error_in_the_end(tmp_path: Path) -> None:
    """The wait is bounded."""
    path = tmp_path / "x.db"
    with (
        contextlib.closing(sqlite3.connect(path, isolation_level=None)) as holder,
        contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other,
    ):
        holder.execute("CREATE TABLE seen (who INTEGER)")
        holder.execute("BEGIN EXCLUSIVE")

        with pytest.raises(sqlite3.OperationalError, match="locked"):
            use_wal(other, wait_s=0.01)


_TRY = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
try:
    connection.execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError as error:
    print(error)
"""


def test_whoever_makes_a_file_sure_leaves_the_locks_of_the_process_alone(tmp_path: Path) -> None:
    """Another process stays out of a transaction while a thread of this one comes to the same file."""
    path = tmp_path / "x.db"
    make_private(path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")

        make_private(path)

        command = [sys.executable, "-I", "-c", _TRY, str(path)]
        told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        assert told.stdout == "database is locked\n"


def test_a_file_is_made_for_its_owner_and_one_that_is_there_is_kept(tmp_path: Path) -> None:
    """Nobody else may read it, nothing is left beside it, and what it holds stays."""
    path = tmp_path / "x.db"
    make_private(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    path.write_bytes(b"held")
    make_private(path)

    assert path.read_bytes() == b"held"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_without_its_directory_is_an_error(tmp_path: Path) -> None:
    """The caller learns that there can be no such file."""
    with pytest.raises(FileNotFoundError):
        make_private(tmp_path / "no" / "x.db")
