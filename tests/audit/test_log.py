"""`AuditLog` as a sink: what it writes, reads back, refuses, and survives."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails_lite._errors import ConfigError, LogUnavailable
from guardrails_lite.audit import AuditLog, Clock, Disk, read, verify
from guardrails_lite.audit._format import _spellings, encoder
from tests.audit.calls import call_id, intent, record


class Broken:
    """A disk on which chosen calls fail, or take only a part."""

    def __init__(self) -> None:
        self.write_error: int | None = None
        self.sync_error: int | None = None
        self.takes: int | None = None
        self.syncs = 0

    def disk(self) -> Disk:
        return Disk(write=self._write, sync=self._sync, truncate=os.ftruncate)

    def _write(self, fd: int, data: bytes) -> int:
        if self.write_error is not None:
            if self.takes:
                os.write(fd, data[: self.takes])
            raise OSError(self.write_error, "injected")
        return os.write(fd, data[: self.takes] if self.takes else data)

    def _sync(self, fd: int) -> None:
        self.syncs += 1
        if self.sync_error is not None:
            raise OSError(self.sync_error, "injected")


def ids(directory: Path, kind: str = "call.completed") -> list[str]:
    return [entry.id for entry in read(directory, kind=kind)]


def test_intent_and_record_are_read_back(tmp_path: Path) -> None:
    """What a call wrote can be read, and the log verifies, before and after it is closed."""
    log = AuditLog(tmp_path / "log")
    log.intent(intent(1))
    log(record(1))
    assert [entry.type for entry in log.records(None) if entry.type.startswith("call")] == [
        "call.intent",
        "call.completed",
    ]
    (entry,) = log.records()
    assert entry.id == call_id(1)
    assert entry.data["outcome"] == "passed"
    assert log.verify().ok
    log.close()
    assert log.verify().state == "intact"


def test_construction_writes_no_stream(tmp_path: Path) -> None:
    """A log that is only looked at leaves no stream behind."""
    AuditLog(tmp_path / "log").close()
    assert list((tmp_path / "log" / "streams").iterdir()) == []
    assert verify(tmp_path / "log").ok


def test_unwritable_directory_is_refused_at_construction(tmp_path: Path) -> None:
    """An error before the first call, with the directory and the remedy."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot be written .* let this user write"):
        AuditLog(tmp_path / "file" / "log")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"mode": "fast"}, "mode='fast'"),
        ({"on_failure": "shrug"}, "on_failure='shrug'"),
        ({"on_failure": "spill"}, "give both or none"),
        ({"signing": "rsa"}, "signing='rsa'"),
        ({"checkpoint_every": 0}, "checkpoint_every=0.* whole number, 1 or more"),
        ({"checkpoint_every": "5"}, "checkpoint_every='5'.* whole number"),
        ({"segment_bytes": 1}, "segment_bytes=1.* whole number, 4096 or more"),
        ({"heartbeat_s": "often"}, "heartbeat_s='often'.* number of seconds, 0 or more"),
        ({"witness_s": -1}, "witness_s=-1.* number of seconds, 0 or more"),
        ({"witness": "file"}, "witness= takes a function that receives the head"),
        ({"keys": 7}, "keys= takes the path of a directory, not int"),
        ({"on_failure": "spill", "spill": 7}, "spill= takes the path of a directory, not int"),
        ({"signing": 0}, "signing=0"),
        ({"clock": 7}, r"clock= takes a guardrails_lite\.audit\.Clock, not int; leave it out"),
        ({"clock": Disk()}, r"clock= takes a guardrails_lite\.audit\.Clock, not Disk"),
        ({"clock": Clock(wall_ns=7)}, r"clock=Clock\(wall_ns=\.\.\.\) takes a function, not int"),  # type: ignore[arg-type]
        ({"disk": ""}, r"disk= takes a guardrails_lite\.audit\.Disk, not str"),
        ({"disk": Disk(sync=None)}, r"disk=Disk\(sync=\.\.\.\) takes a function, not NoneType"),  # type: ignore[arg-type]
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path: Path, options: dict[str, Any], match: str) -> None:
    """A wrong setting is the developer's error, named with what was expected."""
    with pytest.raises(ConfigError, match=match):
        AuditLog(tmp_path / "log", **options)


def test_a_directory_is_a_path() -> None:
    """What is none is refused as a setting, not by the file system."""
    with pytest.raises(ConfigError, match=r"AuditLog\(...\) takes the path of a directory, not int"):
        AuditLog(7)  # type: ignore[arg-type]


def test_repr_is_the_code_that_made_it(tmp_path: Path) -> None:
    """A log prints as its construction, defaults left out."""
    place = str(tmp_path / "log")
    assert repr(AuditLog(place, mode="strict")) == f"AuditLog({place!r}, mode='strict')"


@pytest.mark.parametrize("signing", ["ed25519", "hmac-sha256"])
def test_segments_rotate_and_keys_evolve(tmp_path: Path, signing: Any) -> None:
    """A stream of many segments verifies whole, each segment under its own key."""
    log = AuditLog(tmp_path / "log", signing=signing, checkpoint_every=4, segment_bytes=4096)
    for number in range(40):
        log(record(number))
    log.close()
    paths = list((tmp_path / "log" / "streams").glob("*/*.jsonl"))
    assert len(paths) > 5
    assert log.verify().ok
    assert ids(tmp_path / "log") == [call_id(number) for number in range(40)]


def test_a_person_is_a_pseudonym(tmp_path: Path) -> None:
    """Who called is written under a keyed pseudonym, the same for the same person."""
    log = AuditLog(tmp_path / "log")
    for number in (1, 2):
        log(record(number, who={"tenant": "acme", "user": "ada@example.org"}))
    first, second = (entry.data["who"]["user"] for entry in log.records())
    assert first == second
    assert "ada@" not in first
    assert all(b"ada@" not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_values_json_cannot_hold_never_fail_a_call(tmp_path: Path) -> None:
    """Odd values are written as what they are, marked as degraded where something was lost."""
    cyclic: dict[str, Any] = {}
    cyclic["self"] = cyclic
    odd = {
        "nan": float("nan"),
        "big": 2**70,
        "key": {1: 2},
        "lone": "\ud800",
        "object": object(),
        "cyclic": cyclic,
    }
    log = AuditLog(tmp_path / "log")
    log.event("application", {"odd": odd})
    (entry,) = log.records("application")
    assert entry.data["degraded"] is True
    assert entry.data["odd"]["big"] == 2**70
    assert log.verify().ok


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(data=st.dictionaries(st.text(), JSON))
def test_every_way_to_json_tells_the_same(data: dict[str, Any]) -> None:
    """Whichever package spells an entry, it reads back as it was; one refuses integers beyond 64 bits."""
    ways = _spellings()
    assert len(ways) == 2
    for spelled in ways:
        try:
            line = spelled(data)
        except TypeError:
            assert any(abs(number) >= 2**63 for number in _integers(data))
        else:
            assert json.loads(line) == data
            assert b"\n" not in line
    assert json.loads(encoder()(data)) == data


def _integers(data: Any) -> Iterator[int]:
    if isinstance(data, dict | list):
        for each in data.values() if isinstance(data, dict) else data:
            yield from _integers(each)
    elif isinstance(data, int):
        yield data


def test_hostile_text_stays_one_line(tmp_path: Path) -> None:
    """Escape codes, newlines and NULs in a value are escaped: a record is one line of the file."""
    log = AuditLog(tmp_path / "log")
    log(record(1, model="\x1b[2J\n\r\0\u2028\u202e<script>"))
    log.close()
    (path,) = (tmp_path / "log" / "streams").glob("*/*.jsonl")
    raw = path.read_bytes()
    assert b"\x1b" not in raw
    assert b"\0" not in raw
    assert all(json.loads(line) for line in raw.splitlines() if line)


def test_threads_share_one_stream(tmp_path: Path) -> None:
    """Eight threads write into one chain; no record is lost and the chain holds."""
    log = AuditLog(tmp_path / "log", checkpoint_every=16)

    def work(first: int) -> None:
        for number in range(first, first + 50):
            log(record(number, outcome="blocked" if number % 5 == 0 else "passed"))

    threads = [threading.Thread(target=work, args=(1000 * n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert len(set(ids(tmp_path / "log"))) == 400
    assert log.verify().ok


def test_tasks_of_one_loop_share_one_stream(tmp_path: Path) -> None:
    """Coroutines, and threads that they delegate to, write into one chain."""
    log = AuditLog(tmp_path / "log")

    async def main() -> None:
        await asyncio.gather(*(asyncio.to_thread(log, record(number)) for number in range(30)))

    asyncio.run(main())
    assert len(ids(tmp_path / "log")) == 30
    assert log.verify().ok


def test_a_record_written_while_writing_is_kept(tmp_path: Path) -> None:
    """The garbage collector may end an abandoned stream inside the sink; its record is written too."""
    log: AuditLog

    def write(fd: int, data: bytes) -> int:
        if b'"n":1,' in data[:80]:
            log(record(7))
        return os.write(fd, data)

    log = AuditLog(tmp_path / "log", disk=Disk(write=write))
    log(record(1))
    assert sorted(ids(tmp_path / "log")) == [call_id(1), call_id(7)]
    assert log.verify().ok


FORKING = """
import os, sys
sys.path.insert(0, {tests!r})
from guardrails_lite.audit import AuditLog
from tests.audit.calls import record
log = AuditLog({directory!r})
log(record(1))
children = []
for child in range(3):
    pid = os.fork()
    if pid == 0:
        log(record(10 + child))
        log.close()
        os._exit(0)
    children.append(pid)
log(record(2))
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
log.close()
"""


def test_a_forked_child_writes_its_own_stream(tmp_path: Path) -> None:
    """Parent and children log on after a fork; each child's stream names its parent's."""
    code = FORKING.format(tests=str(Path(__file__).parents[2]), directory=str(tmp_path / "log"))
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)
    assert len(ids(tmp_path / "log")) == 5
    opened = list(read(tmp_path / "log", kind="log.opened"))
    parents = [entry.data["parent"] for entry in opened]
    assert sorted(parents, key=str) == sorted([None, *[opened[0].stream] * 3], key=str)
    assert verify(tmp_path / "log").ok


def test_short_writes_are_completed(tmp_path: Path) -> None:
    """A system that accepts a few bytes at a time still gets whole lines."""
    broken = Broken()
    log = AuditLog(tmp_path / "log", disk=broken.disk())
    broken.takes = 29
    for number in range(5):
        log(record(number))
    assert len(ids(tmp_path / "log")) == 5
    assert log.verify().ok


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EFBIG])
@pytest.mark.parametrize("takes", [None, 17])
def test_a_failed_write_fails_the_call_and_leaves_a_gap(tmp_path: Path, code: int, takes: int | None) -> None:
    """Fault X08: closed by default: the call fails, half a line is taken back, and the loss is recorded."""
    broken = Broken()
    log = AuditLog(tmp_path / "log", disk=broken.disk())
    log(record(1))
    broken.write_error, broken.takes = code, takes
    with pytest.raises(LogUnavailable, match=f"errno {code}"):
        log(record(2))
    broken.write_error = broken.takes = None
    log(record(3))
    assert ids(tmp_path / "log") == [call_id(1), call_id(3)]
    (gap,) = log.records("gap")
    assert gap.data["lost"] == 1
    assert str(code) in gap.data["why"]
    assert log.verify().ok


def test_open_policy_goes_on_and_counts(tmp_path: Path) -> None:
    """Fault X08: `on_failure="open"`: calls go on without a log, and the log says how many it lost."""
    broken = Broken()
    log = AuditLog(tmp_path / "log", on_failure="open", disk=broken.disk())
    broken.write_error = errno.ENOSPC
    for number in range(4):
        log(record(number))
    broken.write_error = None
    log(record(9))
    assert [gap.data["lost"] for gap in log.records("gap")] == [4]
    assert log.verify().ok


def test_spill_policy_writes_elsewhere(tmp_path: Path) -> None:
    """`on_failure="spill"`: what this log cannot take is in the other one, and both verify."""
    broken = Broken()
    log = AuditLog(tmp_path / "log", on_failure="spill", spill=tmp_path / "spill", disk=broken.disk())
    log(record(1))
    broken.write_error = errno.EIO
    log(record(2))
    broken.write_error = None
    log(record(3))
    log.close()
    assert ids(tmp_path / "log") == [call_id(1), call_id(3)]
    assert ids(tmp_path / "spill") == [call_id(2)]
    assert verify(tmp_path / "log").ok
    assert verify(tmp_path / "spill").ok


def test_a_failed_sync_ends_the_stream(tmp_path: Path) -> None:
    """A sync error is reported once by the system, so the stream is closed off and a new one begins."""
    broken = Broken()
    log = AuditLog(tmp_path / "log", mode="strict", disk=broken.disk())
    log(record(1))
    broken.sync_error = errno.EIO
    with pytest.raises(LogUnavailable, match="errno 5"):
        log(record(2))
    broken.sync_error = None
    log(record(3))
    log.close()
    report = verify(tmp_path / "log")
    assert report.ok
    assert [stream.ended for stream in report.streams] == ["recovered", "closed"]
    assert [entry.data["lost"] for entry in read(tmp_path / "log", kind="gap")] == [1]


def test_strict_refuses_before_the_provider_is_contacted(tmp_path: Path) -> None:
    """In strict mode an intent that cannot be made durable refuses the call."""
    broken = Broken()
    log = AuditLog(tmp_path / "log", mode="strict", disk=broken.disk())
    broken.sync_error = errno.EIO
    with pytest.raises(LogUnavailable):
        log.intent(intent(1))


@pytest.mark.parametrize(
    ("mode", "waits"), [("async", [0, 0, 0]), ("commit", [0, 0, 1]), ("strict", [1, 1, 1])]
)
def test_modes_wait_for_the_disk_as_they_say(tmp_path: Path, mode: Any, waits: list[int]) -> None:
    """Intent, plain pass, block: which of them returns only when it is durable."""
    broken = Broken()
    log = AuditLog(tmp_path / "log", mode=mode, disk=broken.disk())
    log(record(0))
    seen = []
    for write in (
        lambda: log.intent(intent(1)),
        lambda: log(record(1)),
        lambda: log(record(2, outcome="blocked")),
    ):
        before = broken.syncs
        write()
        seen.append(broken.syncs - before)
    assert seen == waits


def test_several_events_wait_for_the_disk_once(tmp_path: Path) -> None:
    """They are all durable when it returns; and none is taken for written where one is not."""
    broken = Broken()
    with AuditLog(tmp_path / "log", mode="async", on_failure="open", disk=broken.disk()) as log:
        log(record(0))
        before = broken.syncs
        written = log.events("application", [{"n": n} for n in range(9)])
        waited = broken.syncs - before
        assert log.events("application", []) == []
        broken.sync_error = errno.EIO
        with pytest.raises(LogUnavailable):
            log.events("application", [{"n": 9}])
        broken.sync_error = None

    assert waited == 1
    assert [entry.id for entry in read(tmp_path / "log", kind="application")][:9] == written


def test_waiting_calls_share_one_sync(tmp_path: Path) -> None:
    """Group commit: calls that wait while a sync runs are all served by the next one."""
    syncing, go = threading.Event(), threading.Event()
    syncs: list[int] = []

    def sync(fd: int) -> None:
        syncs.append(fd)
        syncing.set()
        assert go.wait(10)

    log = AuditLog(tmp_path / "log", mode="strict", disk=Disk(sync=sync))
    threads = [threading.Thread(target=log, args=(record(number),)) for number in range(12)]
    threads[0].start()
    assert syncing.wait(10)
    for thread in threads[1:]:
        thread.start()
    while len(ids(tmp_path / "log")) < 12:
        pass
    go.set()
    for thread in threads:
        thread.join()
    # Two, or three where a call had written but did not wait yet when the first sync ended. Never twelve.
    assert len(syncs) in (2, 3)


def test_silence_is_recorded(tmp_path: Path) -> None:
    """An idle process says so: a heartbeat after `heartbeat_s`, signed."""
    now = [10**9]
    clock = Clock(mono_ns=lambda: now[0])
    log = AuditLog(tmp_path / "log", heartbeat_s=60, clock=clock)
    log(record(1))
    log.seal()
    now[0] += 61 * 10**9
    log.tick()
    log.tick()
    beats = list(log.records("heartbeat"))
    assert len(beats) == 1
    assert beats[0].data["call.completed"] == 1
    assert verify(tmp_path / "log").ok


def test_order_survives_a_wall_clock_that_jumps_back(tmp_path: Path) -> None:
    """Within a stream the order is that of writing, whatever the wall clock says."""
    times = iter([5 * 10**18, 10**18, 4 * 10**18, *[2 * 10**18] * 40])
    log = AuditLog(tmp_path / "log", clock=Clock(wall_ns=lambda: next(times)))
    for number in range(5):
        log(record(number))
    assert ids(tmp_path / "log") == [call_id(number) for number in range(5)]
    assert log.verify().ok


def test_closing_is_not_the_end(tmp_path: Path) -> None:
    """A record that comes after `close` opens a new stream rather than being lost."""
    log = AuditLog(tmp_path / "log")
    log(record(1))
    log.close()
    log(record(2))
    log.close()
    report = log.verify()
    assert report.ok
    assert len(report.streams) == 2


def test_an_abandoned_log_ends_its_stream(tmp_path: Path) -> None:
    """A log that is dropped without `close` is closed when it is collected."""
    log = AuditLog(tmp_path / "log")
    log(record(1))
    del log
    gc.collect()
    assert [stream.ended for stream in verify(tmp_path / "log").streams] == ["closed"]


def test_a_foreign_directory_is_named(tmp_path: Path) -> None:
    """Reading something that is no log says so; verifying it reports it as unreadable."""
    with pytest.raises(ConfigError, match="not a compliance log"):
        next(read(tmp_path))
    report = verify(tmp_path)
    assert (report.state, report.exit_code) == ("unreadable", 5)


@pytest.mark.parametrize(
    ("part", "match"),
    [
        ("registry.jsonl", r"registry does not continue \(it is missing"),
        ("keys", "the keys of this log are missing.* give keys="),
    ],
)
def test_a_half_copied_log_is_named_and_not_added_to(tmp_path: Path, part: str, match: str) -> None:
    """What is missing is said, and not made anew."""
    with AuditLog(tmp_path / "log") as log:
        log(record(1))
    (tmp_path / "log" / part).rename(tmp_path / "elsewhere")
    before = sorted((tmp_path / "log").rglob("*"))
    with pytest.raises(ConfigError, match=match):
        AuditLog(tmp_path / "log")
    assert sorted((tmp_path / "log").rglob("*")) == before


def test_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    """A log of a later version is neither read nor added to."""
    AuditLog(tmp_path / "log").close()
    path = tmp_path / "log" / "log.json"
    path.write_text(path.read_text().replace("glog/1", "glog/2"))
    with pytest.raises(ConfigError, match=r"'glog/2'.*reads 'glog/1'"):
        AuditLog(tmp_path / "log")
    assert verify(tmp_path / "log").state == "unreadable"
