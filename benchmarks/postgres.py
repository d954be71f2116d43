"""What a log in PostgreSQL costs: to ship, to ask and to verify, beside the same log in its directory."""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.index import BEGIN_S, DAYS, payload, questions
from guardrails_lite.audit import AuditLog, verify
from guardrails_lite.audit.index import Index
from tests.postgres.server import is_installed, running

CALLS = 30_000

Row = tuple[str, float, str, float | None, bool]


def rows() -> list[Row]:
    """Ship a log to a server of this machine, ask both for the same, and verify both."""
    try:
        import psycopg
    except ImportError:
        print("postgres: skipped, psycopg is not installed", file=sys.stderr)
        return []
    if not is_installed():
        print("postgres: skipped, no initdb and pg_ctl found: PostgreSQL is not installed", file=sys.stderr)
        return []
    from guardrails_lite.audit.postgres import ShippedIndex, fetched, ship

    with tempfile.TemporaryDirectory() as place, running("-c shared_buffers=128MB") as server:
        root, url = Path(place) / "log", f"{server}/calls"
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE calls")
        write(root)
        shipped_s = _timed_s(lambda: ship(root, url))
        with Index(root) as here, ShippedIndex(url) as there:
            indexed_s = _timed_s(here.update)
            lists = _in_turns(questions(here), questions(there))
        slowest = max(lists, key=lambda name: lists[name][1])

        def verify_there() -> None:
            with fetched(url) as copy:
                assert verify(copy).ok

        verified = _in_turns({"": lambda: verify(root)}, {"": verify_there})[""]
    look_up = lists["look-up of an id"]
    return [
        ("postgres: ship a log, calls in a second", CALLS / shipped_s, "/s", None, True),
        ("postgres: … over indexing it in its directory", shipped_s / indexed_s, "x", None, True),
        (f"postgres: slowest list of {len(lists)} ({slowest})", lists[slowest][1], "ms", None, True),
        ("postgres: median list over the directory's", _ratio(lists), "x", None, True),
        ("postgres: look-up of an id over the directory's", look_up[1] / look_up[0], "x", None, True),
        ("postgres: fetch and verify over verifying", verified[1] / verified[0], "x", None, True),
    ]


def write(root: Path) -> None:
    """A log of `CALLS` over a month."""
    chance = random.Random(7)
    with AuditLog(root, mode="async") as log:
        for number in range(CALLS):
            data = payload(number, chance)
            data["started"] = BEGIN_S + number * DAYS * 86_400 / CALLS
            log.append("call.completed", f"{chance.getrandbits(128):032x}", data)


def _timed_s(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _in_turns(
    here: dict[str, Callable[[], object]], there: dict[str, Callable[[], object]]
) -> dict[str, tuple[float, float]]:
    """Milliseconds of each work in the directory and in the database, the medians of turns."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in here}
    for _ in range(5):
        for name, pairs in taken.items():
            pairs.append((_timed_s(here[name]) * 1000, _timed_s(there[name]) * 1000))
    return {
        name: (statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs))
        for name, pairs in taken.items()
    }


def _ratio(lists: dict[str, tuple[float, float]]) -> float:
    return statistics.median(there / here for here, there in lists.values())
