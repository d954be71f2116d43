"""Kill a shipping process at every third statement that it sends; say what the database answers then.

``python -m tests.postgres.kill_loop BEFORE AFTER URL``: two copies of one log, the second further on. The
first is shipped, the second by a process that is killed, then by one that is not. Prints one JSON object for
each kill. Run as a script so that no thread of a test runner is forked.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg

from guardrails_lite.audit import verify
from guardrails_lite.audit.postgres import ShippedIndex, fetched, ship
from guardrails_lite.audit.postgres._connect import Connection


def main(before: Path, after: Path, url: str) -> None:
    """Kill one process after the other, each three statements later, until one lives to its end."""
    for statement in itertools.count(1, 3):
        with psycopg.connect(url, autocommit=True) as connection:
            for (schema,) in connection.execute("SELECT nspname FROM pg_namespace WHERE nspname ~ '^glog_'"):
                connection.execute(f"DROP SCHEMA {schema} CASCADE")
        ship(before, url)
        pid = os.fork()
        if pid == 0:
            die_at(statement)
            ship(after, url)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSIGNALED(status):
            return
        told = {"statement": statement, "left": state(url)}
        ship(after, url)
        print(json.dumps({**told, "mended": state(url)}))


def die_at(statement: int) -> None:
    """Have this process killed when it is about to send that statement, or has sent half of its rows."""
    counted = itertools.count(1)
    execute, executemany = Connection.execute, Connection.executemany

    def dying(self: Connection, sql: str, *parameters: Any) -> Any:
        if next(counted) == statement:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(self, sql, *parameters)

    def dying_within(self: Connection, sql: str, rows: Iterable[Any]) -> None:
        if next(counted) == statement:
            rows = half(list(rows))
        executemany(self, sql, rows)

    def half(rows: list[Any]) -> Iterator[Any]:
        yield from rows[: len(rows) // 2]
        os.kill(os.getpid(), signal.SIGKILL)

    Connection.execute = dying  # type: ignore[method-assign]
    Connection.executemany = dying_within  # type: ignore[method-assign]


def state(url: str) -> dict[str, Any]:
    """What the database answers, and whether what it holds verifies."""
    with ShippedIndex(url) as index, fetched(url) as back:
        return {
            "calls": index.totals().calls,
            "listed": len(list(index.calls())),
            "state": verify(back).state,
        }


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
