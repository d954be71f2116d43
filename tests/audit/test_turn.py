"""Whose turn it is at the registry: what a callback in the midst of it may do, and what comes after it."""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guardrails_lite import ConfigError, LogUnavailable
from guardrails_lite.audit import AuditLog, expirable, expire, hold, verify
from guardrails_lite.audit._disk import try_lock
from guardrails_lite.audit._turn import in_turn, put_off, turn
from tests.audit.calls import record


@pytest.fixture(autouse=True)
def _never_for_ever() -> Iterator[None]:
    """End a test that waits for itself, and say where."""
    faulthandler.dump_traceback_later(60, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.mark.parametrize("error", [OSError, LogUnavailable, ValueError, KeyboardInterrupt])
def test_all_that_was_put_off_is_done(tmp_path: Path, error: type[BaseException]) -> None:
    """Law: one thing that fails takes nothing else with it; what nobody expected is raised afterwards."""
    done: list[str] = []

    def fails() -> None:
        done.append("fails")
        raise error("injected")

    lock = tmp_path / "lock"
    raised: BaseException | None = None
    try:
        with turn(lock):
            put_off(lock, lambda: done.append("before"))
            put_off(lock, fails)
            put_off(lock, lambda: done.append("after"))
    except BaseException as found:
        raised = found

    assert done == ["before", "fails", "after"]
    assert type(raised) is (error if error in (ValueError, KeyboardInterrupt) else type(None))
    assert not in_turn()


def test_a_turn_within_the_same_turn_is_refused(tmp_path: Path) -> None:
    """Law: nobody waits for a lock that they hold themselves; and the outer turn goes on."""
    lock = tmp_path / "lock"
    done: list[str] = []
    with turn(lock):
        put_off(lock, lambda: done.append("later"))
        with pytest.raises(ConfigError, match="Do this after the call"), turn(tmp_path / "." / "lock"):
            raise AssertionError("it was given")
        with turn(tmp_path / "another"):
            pass
        assert not done
    assert done == ["later"]
    with turn(lock):
        pass


REFUSED: dict[str, Callable[[AuditLog], object]] = {
    "head": AuditLog.head,
    "seal": AuditLog.seal,
    "verify": lambda log: log.verify(),
    "open": lambda log: AuditLog(log.directory),
    "expire": lambda log: expire(log, keep_days=1, by="job"),
    "hold": lambda log: hold(log, "ada", owner="counsel", reason="case"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_callback_is_told_what_it_cannot_do(tmp_path: Path, what: str) -> None:
    """Law: in the midst of the registry a call that needs it fails with what to do, and never waits."""
    with AuditLog(tmp_path) as log:
        log(record(1))
    tried: list[str] = []

    def on_progress(done: int, total: int) -> None:
        with pytest.raises(ConfigError, match=r"already using this log alone.*Do this after"):
            REFUSED[what](log)
        tried.append(what)

    with AuditLog(tmp_path) as log:
        expirable(log, keep_days=1, on_progress=on_progress)
    assert tried


def test_a_callback_may_write_a_record(tmp_path: Path) -> None:
    """It follows when the registry is free, and the log verifies."""
    with AuditLog(tmp_path) as log:
        log(record(1))
        expirable(log, keep_days=1, on_progress=lambda done, total: log(record(2)))
        assert len(list(log.records())) >= 2
    assert verify(tmp_path).ok


def test_a_child_forked_meanwhile_holds_nothing(tmp_path: Path) -> None:
    """Law: a turn ends when its owner ends it, however long a child lives that was forked in its midst."""
    lock = tmp_path / "lock"
    with turn(lock):
        child = os.fork()
        if not child:
            signal.pause()
            os._exit(0)
    try:
        held = try_lock(lock)
        assert held is not None
        os.close(held)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_child_forked_in_a_callback_writes_its_own_records(tmp_path: Path) -> None:
    """Law: the turn is its parent's, so nothing that the child writes is put off for ever."""
    with AuditLog(tmp_path) as log:
        log(record(1))
        children: list[int] = []

        def on_progress(done: int, total: int) -> None:
            if not children:
                children.append(os.fork())
                if not children[0]:
                    log(record(2))
                    log.close()
                    os._exit(0)

        expirable(log, keep_days=1, on_progress=on_progress)
        assert os.waitpid(children[0], 0)[1] == 0
        assert len(list(log.records())) == 2
    assert verify(tmp_path).ok
