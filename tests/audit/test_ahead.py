"""A log is checked the same in however many parts and processes it is read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from guardrails_lite import ConfigError
from guardrails_lite.audit import AuditLog, verify
from guardrails_lite.audit._ahead import Ahead
from guardrails_lite.audit._chain import Chain
from guardrails_lite.audit._runs import Part, Run, parts, scan
from tests.audit import forger
from tests.audit.calls import intent, record

VICTIM = 9
EDITS = {
    "none": lambda lines: lines,
    "flip": forger.flip(VICTIM),
    "flip the last": forger.flip(-1),
    "delete": forger.delete(VICTIM),
    "swap": forger.swap(VICTIM),
    "duplicate": forger.duplicate(VICTIM),
    "insert": forger.insert(VICTIM),
    "splice": forger.splice(VICTIM),
    "rewrite": forger.rewrite(VICTIM),
    "cut": forger.keep(VICTIM),
    "empty": forger.keep(0),
    "an empty line": lambda lines: [*lines[:VICTIM], b"", *lines[VICTIM:]],
    "noise": lambda lines: [*lines[:VICTIM], b'{"v":1,"s":"', *lines[VICTIM:]],
}


def small_log(root: Path) -> Path:
    """A log of one closed stream; its only segment."""
    with AuditLog(root, checkpoint_every=7, heartbeat_s=None) as log:
        for number in range(10):
            log.intent(intent(number))
            log(record(number))
    return forger.segment(root)


def large_log(root: Path) -> Path:
    """A log that is worth several processes, of few entries; its first segment."""
    with AuditLog(root, mode="async", checkpoint_every=7, segment_bytes=30 << 20) as log:
        for number in range(75):
            log.append("call.completed", f"{number:032x}", {"padding": "x" * (1 << 20)})
    return forger.segment(root)


def checked(segment: Path, items: Iterable[Run | bytes]) -> tuple[object, ...]:
    """What checking *items* as the lines of *segment* leaves behind."""
    chain = Chain(segment.parent.name, f"log/{segment.parent.name}", None)
    chain.read(segment.name, items)
    chain.finish()
    return chain.size, chain.sealed, chain.frontier.root(), chain.torn, chain.problems


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_where_a_segment_is_parted_does_not_matter(tmp_path: Path, edit: forger.Edit) -> None:
    """Cut into parts of any size, also within lines, an edited segment is found to be the same."""
    segment = small_log(tmp_path / "log")
    forger.edit(tmp_path / "log", edit)
    size = segment.stat().st_size
    line = segment.read_bytes().find(b"\n") + 1 or 300
    whole = checked(segment, scan(Part(segment.parent.name, segment, 0, size, True)))
    by_line = checked(segment, segment.read_bytes().splitlines(keepends=True))
    assert whole == by_line
    for part in (100, line - 1, line, line + 1, 700, 4096):
        starts = range(0, max(size, 1), part)
        cut = [Part(segment.parent.name, segment, at, part, at == starts[-1]) for at in starts]
        assert checked(segment, (item for each in cut for item in scan(each))) == whole


def test_ordinary_lines_come_in_runs(tmp_path: Path) -> None:
    """Lines that chain are not looked at one by one: between two checkpoints lies one run."""
    segment = small_log(tmp_path / "log")
    items = list(scan(Part(segment.parent.name, segment, 0, segment.stat().st_size, True)))
    runs = [item for item in items if isinstance(item, Run)]
    assert sum(len(run.leaves) for run in runs) == 20
    assert len(items) < 10
    assert b"".join(line for run in runs for line in run.lines()).count(b'"t":"call.') == 20


def test_an_unfinished_line_at_the_end_is_given_as_it_is(tmp_path: Path) -> None:
    """A line without its newline belongs to no run."""
    segment = small_log(tmp_path / "log")
    data = segment.read_bytes()
    segment.write_bytes(data[: data.rindex(b'"t":"call.completed"') + 60])
    *_, last = scan(Part(segment.parent.name, segment, 0, segment.stat().st_size, True))
    assert isinstance(last, bytes)
    assert not last.endswith(b"\n")


def _flip_in_the_middle(segment: Path) -> None:
    with segment.open("r+b") as file:
        file.seek(segment.stat().st_size // 2)
        file.write(b"y")


def test_several_processes_find_what_one_finds(tmp_path: Path) -> None:
    """The report of a large log does not depend on how many processes read it; progress comes to its end."""
    segment = large_log(tmp_path)
    for damage in (lambda segment: None, _flip_in_the_middle, Path.unlink):
        damage(segment)
        told: list[tuple[int, int]] = []
        alone = verify(tmp_path)
        together = verify(tmp_path, processes=2, on_progress=lambda *bytes: told.append(bytes))  # noqa: B023
        assert together == alone
        assert told == sorted(told)
        size = sum(path.stat().st_size for path in segment.parent.glob("*.jsonl"))
        assert told[-1] == (size, size)


def test_a_process_that_dies_is_done_without(tmp_path: Path) -> None:
    """When the processes are killed, the rest is scanned here."""
    segment = small_log(tmp_path)
    expected = [item for part in parts(segment.parent.name, segment) for item in scan(part)]
    with Ahead([(segment.parent.name, segment)] * 2, processes=2, least_bytes=0) as ahead:
        assert ahead._pool is not None
        assert list(ahead.scan(segment)) == expected
        for pid in list(ahead._pool._processes):
            os.kill(pid, signal.SIGKILL)
        assert list(ahead.scan(segment)) == expected


ORPHANS = """
import sys
from pathlib import Path
from guardrails_lite.audit._ahead import Ahead
if __name__ == "__main__":
    segment = Path(sys.argv[1])
    with Ahead([(segment.parent.name, segment)], processes=2, least_bytes=0) as ahead:
        list(ahead.scan(segment))
        print(*ahead._pool._processes, flush=True)
        sys.stdin.read()
"""


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_no_process_outlives_the_verifier(tmp_path: Path) -> None:
    """A verifier that is killed leaves no process behind."""
    segment, script = small_log(tmp_path / "log"), tmp_path / "script.py"
    script.write_text(ORPHANS)
    with subprocess.Popen(
        [sys.executable, str(script), str(segment)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # what the standard library says of the processes that it lost
        text=True,
    ) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert pids
        parent.kill()
    deadline = time.monotonic() + 60
    while any(map(_runs, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not [pid for pid in pids if _runs(pid)]


@pytest.mark.parametrize("processes", [0, -1, True, "2", None, 1.5])
def test_a_number_of_processes_that_is_none_is_refused(tmp_path: Path, processes: object) -> None:
    """It is said with what is expected, also for a small log, which needs no other process."""
    with pytest.raises(ConfigError, match=r"processes=.*a whole number, 1 or more"):
        verify(small_log(tmp_path), processes=processes)  # type: ignore[arg-type]  # that is the point
