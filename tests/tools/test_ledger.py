"""Effects that happen at most once."""

from __future__ import annotations

import hashlib
import multiprocessing
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guardrails_lite import ConfigError, LogUnavailable
from guardrails_lite._tools import EffectLedger, EffectState, MemoryLedger, SQLiteLedger
from guardrails_lite._tools._ledger import effect_key


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], EffectLedger]:
    """A maker of ledgers of both kinds."""
    return MemoryLedger if request.param == "memory" else lambda: SQLiteLedger(tmp_path / "effects.db")


def state(ledger: EffectLedger, key: str) -> EffectState | None:
    """How the effect stands that has taken *key*."""
    taken = ledger.reserve(key, "pay")
    return None if taken is None else taken.state


def test_a_key_is_given_once_and_its_state_after_that(make: Callable[[], EffectLedger]) -> None:
    """Reserved, it counts as begun with unknown success until it is said to be done."""
    ledger = make()

    assert ledger.reserve("k", "pay") is None
    assert state(ledger, "k") == "unknown"
    ledger.done("k")
    assert state(ledger, "k") == "done"
    assert ledger.reserve("other", "pay") is None


def test_a_key_whose_effect_never_began_is_free_again(make: Callable[[], EffectLedger]) -> None:
    """It can be taken once more, and one whose effect happened cannot."""
    ledger = make()
    ledger.reserve("k", "pay")

    ledger.give_back("k")
    assert ledger.reserve("k", "pay") is None

    ledger.done("k")
    ledger.give_back("k")
    assert state(ledger, "k") == "done"


def test_of_many_at_once_exactly_one_gets_the_key(make: Callable[[], EffectLedger]) -> None:
    """Two threads that run the same write do not both run it."""
    ledger = make()
    got: list[object] = []
    barrier = threading.Barrier(8)

    def reserve() -> None:
        barrier.wait()
        got.append(ledger.reserve("k", "pay"))

    threads = [threading.Thread(target=reserve) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert got.count(None) == 1
    assert len(got) == 8


def _reserve_in_threads(folder: Path, together: Any, told: Any) -> None:
    """Four threads each reserve one key in each of several new files, at once with other processes."""
    for nth in range(10):
        ledger = SQLiteLedger(folder / f"{nth}.db")
        got: list[str] = []
        barrier = threading.Barrier(4)

        def reserve(ledger: SQLiteLedger = ledger, barrier: Any = barrier, got: list[str] = got) -> None:
            barrier.wait()
            try:
                got.append("ran" if ledger.reserve("k", "pay") is None else "refused")
            except LogUnavailable as error:
                got.append(str(error.__cause__))

        threads = [threading.Thread(target=reserve) for _ in range(4)]
        together.wait()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        told.put((nth, got))


def test_of_threads_in_several_processes_exactly_one_gets_the_key(tmp_path: Path) -> None:
    """One runs the write, the others are told that it has begun, and nobody finds the file broken."""
    context = multiprocessing.get_context("spawn")
    together, told = context.Barrier(3), context.Queue()
    arguments = (tmp_path, together, told)
    processes = [context.Process(target=_reserve_in_threads, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    got: dict[int, list[str]] = {}
    for _ in range(30):
        nth, answers = told.get(timeout=300)
        got.setdefault(nth, []).extend(answers)
    for process in processes:
        process.join()

    assert {nth: sorted(answers) for nth, answers in got.items()} == dict.fromkeys(
        range(10), ["ran"] + ["refused"] * 11
    )


def test_memory_holds_the_newest_keys_only() -> None:
    """A process that runs for years does not grow."""
    ledger = MemoryLedger(size=2)
    for key in ("a", "b", "c"):
        ledger.reserve(key, "pay")

    assert state(ledger, "c") == "unknown"
    assert ledger.reserve("a", "pay") is None


def test_the_key_tells_scope_tool_and_arguments_apart() -> None:
    """No two different calls share a key, however their parts are cut."""
    keys = {
        effect_key(*parts) for parts in (("a", "b", "c"), ("ab", "", "c"), ("a", "bc", ""), ("", "a", "bc"))
    }

    assert len(keys) == 4
    assert effect_key("a", "b", "secret-7") == effect_key("a", "b", "secret-7")
    assert "secret" not in effect_key("a", "b", "secret-7")


class TestFile:
    """The ledger in a file."""

    def test_an_unusable_file_is_an_error_before_the_effect(self, tmp_path: Path) -> None:
        """What cannot be reserved is not run, and the error is one of ours."""
        (tmp_path / "text.db").write_text("no database " * 100)

        for path in (tmp_path / "no" / "such" / "folder.db", tmp_path / "text.db"):
            with pytest.raises(LogUnavailable, match=r"could not be used .*, and nothing was run"):
                SQLiteLedger(path).reserve("k", "pay")

    def test_it_outlives_the_object(self, tmp_path: Path) -> None:
        """Another ledger on the same file knows what the first one did."""
        SQLiteLedger(tmp_path / "e.db").reserve("k", "pay")

        assert state(SQLiteLedger(tmp_path / "e.db"), "k") == "unknown"

    def test_what_somebody_found_out_settles_an_effect(self, tmp_path: Path) -> None:
        """Done: it is never run again. Not done: it may be run."""
        ledger = SQLiteLedger(tmp_path / "e.db")
        for key in ("a", "b", "c"):
            ledger.reserve(key, f"pay_{key}")
        ledger.done("c")

        first, second = ledger.unsettled()
        assert (first.tool, second.tool, first.state) == ("pay_a", "pay_b", "unknown")
        ledger.settle(first.reference, "done")
        ledger.settle(second.reference, "not done")

        assert ledger.unsettled() == []
        assert [state(ledger, key) for key in ("a", "b", "c")] == ["done", None, "done"]
        with pytest.raises(ConfigError, match="no unsettled effect has this reference"):
            ledger.settle(first.reference, "not done")
        with pytest.raises(ConfigError, match="expected 'done' or 'not done'"):
            ledger.settle(first.reference, "maybe")  # type: ignore[arg-type]

    def test_the_disk_holds_no_digest_that_could_be_guessed(self, tmp_path: Path) -> None:
        """Whoever has the files but not the key cannot try likely operations and arguments."""
        key = effect_key("operation", "pay", '{"cents":5}')
        SQLiteLedger(tmp_path / "e.db", key=tmp_path / "apart").reserve(key, "pay")

        held = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.name != "apart")
        for guess in (key, "operation", "cents"):
            assert guess.encode() not in held
            assert hashlib.sha256(guess.encode()).hexdigest().encode() not in held
        assert stat.S_IMODE((tmp_path / "e.db").stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "apart").stat().st_mode) == 0o600

    def test_without_its_key_it_refuses_to_be_used(self, tmp_path: Path) -> None:
        """It could not tell what has been done, so nothing may run on its word."""
        ledger = SQLiteLedger(tmp_path / "e.db")
        ledger.reserve("k", "pay")
        (tmp_path / "e.db.key").unlink()

        with pytest.raises(LogUnavailable, match="is not the one that the ledger"):
            ledger.reserve("other", "pay")
        assert not (tmp_path / "e.db.key").exists()

    def test_a_key_that_was_begun_and_never_used_is_made_anew(self, tmp_path: Path) -> None:
        """A crash while the key is written leaves no ledger that nobody can use."""
        (tmp_path / "e.db.key").write_bytes(b"half")

        assert SQLiteLedger(tmp_path / "e.db").reserve("k", "pay") is None
        assert state(SQLiteLedger(tmp_path / "e.db"), "k") == "unknown"


def test_ledgers_print_as_code() -> None:
    """Values print as the code that made them."""
    assert repr(MemoryLedger(size=5)) == "MemoryLedger(size=5)"
    assert repr(SQLiteLedger("e.db")) == "SQLiteLedger('e.db')"
    assert repr(SQLiteLedger("e.db", key="k")) == "SQLiteLedger('e.db', key='k')"
