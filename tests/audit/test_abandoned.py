"""A stream that nobody reads to its end is ended by the garbage collector, in the midst of the log too."""

from __future__ import annotations

import faulthandler
import gc
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guardrails_lite import Guard
from guardrails_lite.audit import AuditLog, Clock, Disk, bundle, expirable, expire, verify
from guardrails_lite.audit._content import content_of
from guardrails_lite.audit._keys import has_cryptography
from tests.audit.calls import call_id, record

CAPTURE: Any = "sealed" if has_cryptography() else "metadata"
ACTIONS: dict[str, Callable[[AuditLog], object]] = {
    "record": lambda log: log(record(2, texts=(("input", "user", "hi"),))),
    "event": lambda log: log.event("hold.placed", {"subjects": []}),
    "seal": AuditLog.seal,
    "tick": AuditLog.tick,
    "head": AuditLog.head,
    "close": AuditLog.close,
}


class Collecting:
    """A disk in whose midst, at the call that is due, the garbage collector strikes."""

    def __init__(self) -> None:
        self.due = -1
        self.struck = False

    def disk(self) -> Disk:
        return Disk(write=self._write, sync=self._sync)

    def _write(self, fd: int, data: bytes) -> int:
        self._strike()
        return os.write(fd, data)

    def _sync(self, fd: int) -> None:
        self._strike()

    def _strike(self) -> None:
        self.due -= 1
        if self.due == -1:
            self.struck = True
            gc.collect()


def abandon(log: AuditLog) -> None:
    """Begin a stream and leave it, so that only the garbage collector can end it."""
    read = Guard(log=log).stream(lambda messages: iter(["so ", "far"]), "hello")
    next(iter(read))
    cycle: list[object] = [read]
    cycle.append(cycle)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("action", ACTIONS)
def test_its_record_is_written_and_the_log_verifies(tmp_path: Path, action: str, place: int) -> None:
    """Law: whatever the log is at, nothing waits for itself, is written twice, or reads as tampered."""
    collecting = Collecting()
    log = AuditLog(tmp_path / "log", mode="async", capture=CAPTURE, disk=collecting.disk())
    log(record(1, texts=(("input", "user", "hi"),)))
    gc.disable()
    try:
        abandon(log)
        collecting.due = place
        ACTIONS[action](log)
        collecting.due = -1
        gc.collect()
    finally:
        gc.enable()
    log.close()

    report = verify(tmp_path / "log", key=(tmp_path / "log/keys/verify.key").read_text())
    assert report.ok, report
    calls = list(log.records())
    expected = {call_id(1)} | ({call_id(2)} if action == "record" else set())
    assert len(calls) == len(expected) + 1
    assert expected < {call.id for call in calls}
    if CAPTURE == "sealed":
        kept = [content_of(call.data).kept for call in calls]
        assert all(
            box is not None and log.vault.take(call.id, box) for call, box in zip(calls, kept, strict=True)
        )
    assert collecting.struck or place > 1


def _expire(log: AuditLog, strike: Callable[..., object]) -> object:
    return expire(log, keep_days=1, by="job", on_progress=strike)


def _expirable(log: AuditLog, strike: Callable[..., object]) -> object:
    return expirable(log, keep_days=1, on_progress=strike)


def _bundle(log: AuditLog, strike: Callable[..., object]) -> object:
    return bundle(log, log.directory.parent / "evidence.zip", by="anna", reason="audit")


HOLDING: dict[str, Callable[[AuditLog, Callable[..., object]], object]] = {
    "expire": _expire,
    "expirable": _expirable,
    "bundle": _bundle,
}


@pytest.mark.parametrize("of", ["this log", "another one there", "a log nobody closed"])
@pytest.mark.parametrize("action", HOLDING)
def test_who_holds_the_registry_does_not_wait_for_itself(tmp_path: Path, action: str, of: str) -> None:
    """Law: what the collector brings while this thread reads the registry through is written after that."""
    if action == "bundle" and not has_cryptography():
        pytest.skip("HMAC makes no bundles")
    place = tmp_path / "log"
    with AuditLog(place) as log:
        log(record(1))
    striking = False

    def strike(*told: int) -> int:
        if striking:
            gc.collect()
        return time.time_ns()

    log, other = AuditLog(place, clock=Clock(wall_ns=strike)), AuditLog(place)
    gc.disable()
    try:
        if of == "a log nobody closed":
            forget(AuditLog(place))
        else:
            theirs = log if of == "this log" else other
            abandon(theirs)
            theirs.close()  # so that the record, when it comes, begins a stream in the registry
        faulthandler.dump_traceback_later(30, exit=True)
        striking = True
        HOLDING[action](log, strike)
        striking = False
        gc.collect()
    finally:
        faulthandler.cancel_dump_traceback_later()
        gc.enable()
    log.close()
    other.close()

    report = verify(place, key=(place / "keys/verify.key").read_text())
    assert report.ok, report
    assert len(list(log.records())) == 2


def forget(log: AuditLog) -> None:
    """Write to a log and leave it, so that only the garbage collector can close it."""
    log(record(2))
    cycle: list[object] = [log]
    cycle.append(cycle)
