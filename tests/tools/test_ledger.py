"""Effects that happen at most once."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from guardrails_lite._tools import EffectLedger, MemoryLedger, SqliteLedger
from guardrails_lite._tools._ledger import effect_key


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], EffectLedger]:
    """A maker of ledgers of both kinds."""
    return MemoryLedger if request.param == "memory" else lambda: SqliteLedger(tmp_path / "effects.db")


def test_a_key_is_given_once_and_its_state_after_that(make: Callable[[], EffectLedger]) -> None:
    """Reserved, it counts as begun with unknown success until it is said to be done."""
    ledger = make()

    assert ledger.reserve("k") is None
    assert ledger.reserve("k") == "unknown"
    ledger.done("k")
    assert ledger.reserve("k") == "done"
    assert ledger.reserve("other") is None


def test_of_many_at_once_exactly_one_gets_the_key(make: Callable[[], EffectLedger]) -> None:
    """Two threads that run the same write do not both run it."""
    ledger = make()
    got: list[str | None] = []
    barrier = threading.Barrier(8)

    def reserve() -> None:
        barrier.wait()
        got.append(ledger.reserve("k"))

    threads = [threading.Thread(target=reserve) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert got.count(None) == 1
    assert len(got) == 8


def test_memory_holds_the_newest_keys_only() -> None:
    """A process that runs for years does not grow."""
    ledger = MemoryLedger(size=2)
    for key in ("a", "b", "c"):
        ledger.reserve(key)

    assert ledger.reserve("c") == "unknown"
    assert ledger.reserve("a") is None


CRASH = """
import os, sys
from guardrails_lite._tools import SqliteLedger
print(SqliteLedger(sys.argv[1]).reserve("k"), flush=True)
os._exit(9)
"""


def test_a_key_survives_the_death_of_the_process(tmp_path: Path) -> None:
    """A process that dies in the middle of a write leaves it as begun, so the next one does not repeat it."""
    path = tmp_path / "effects.db"
    died = subprocess.run(
        [sys.executable, "-c", CRASH, str(path)], capture_output=True, text=True, check=False
    )

    assert (died.returncode, died.stdout.strip()) == (9, "None")
    assert SqliteLedger(path).reserve("k") == "unknown"


def test_the_key_tells_scope_tool_and_arguments_apart() -> None:
    """No two different calls share a key, however their parts are cut."""
    keys = {
        effect_key(*parts) for parts in (("a", "b", "c"), ("ab", "", "c"), ("a", "bc", ""), ("", "a", "bc"))
    }

    assert len(keys) == 4
    assert effect_key("a", "b", "secret-7") == effect_key("a", "b", "secret-7")
    assert "secret" not in effect_key("a", "b", "secret-7")


def test_an_unwritable_file_is_an_error_before_the_effect(tmp_path: Path) -> None:
    """What cannot be reserved is not run."""
    import sqlite3

    with pytest.raises(sqlite3.Error):
        SqliteLedger(tmp_path / "no" / "such" / "folder.db").reserve("k")


def test_ledgers_print_as_code() -> None:
    """Values print as the code that made them."""
    assert repr(MemoryLedger(size=5)) == "MemoryLedger(size=5)"
    assert repr(SqliteLedger("e.db")) == "SqliteLedger('e.db')"
