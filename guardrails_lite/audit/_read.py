"""Reading a log's entries in the order of their time, across all its streams."""

from __future__ import annotations

import calendar
import heapq
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from guardrails_lite.audit._format import BadLine, Entry, parse
from guardrails_lite.audit._registry import read_config
from guardrails_lite.audit._scan import lines, segments

_Line = tuple[Entry, bytes]
_Waiting = tuple[int, str, int, _Line, Iterator[_Line]]


@dataclass(frozen=True, slots=True)
class Damage:
    """A line that could not be read and was passed over."""

    stream: str
    segment: str
    line: int
    """Counted from 1 in the segment."""
    reason: str


def read(
    directory: str | os.PathLike[str],
    *,
    kind: str | None = "call.completed",
    stream: str | None = None,
    on_damage: Callable[[Damage], None] | None = None,
) -> Iterator[Entry]:
    """The entries of the log in *directory*, oldest first. It changes nothing and checks nothing.

    Args:
        directory: A directory that `AuditLog` made.
        kind: Only entries of this type; None: of every type.
        stream: Only this stream's.
        on_damage: Called for each line that cannot be read; default: they are passed over. Damage
            is what `verify` is for.

    Raises:
        ConfigError: *directory* is not a compliance log, or one of a newer format.
    """
    lines = read_lines(directory, kind=kind, stream=stream, on_damage=on_damage)
    return (entry for entry, _ in lines)


def read_lines(
    directory: str | os.PathLike[str],
    *,
    kind: str | None = "call.completed",
    stream: str | None = None,
    on_damage: Callable[[Damage], None] | None = None,
) -> Iterator[tuple[Entry, bytes]]:
    """As `read`, each entry with the bytes that were written and hashed, without their newline."""
    root = Path(directory)
    read_config(root / "log.json")
    names = [stream] if stream is not None else stream_names(root)
    return _merged(root, names, kind, on_damage or (lambda damage: None))


def stream_names(root: Path) -> list[str]:
    """The streams that have files, oldest first."""
    return sorted(path.name for path in (root / "streams").glob("*") if path.is_dir())


def _merged(
    root: Path, names: list[str], kind: str | None, on_damage: Callable[[Damage], None]
) -> Iterator[_Line]:
    waiting = sorted(((_began_ns(name), name) for name in names), reverse=True)
    heap: list[_Waiting] = []
    while heap or waiting:
        # A stream is opened only once the entries before its first have been given.
        while waiting and (not heap or waiting[-1][0] <= heap[0][0]):
            name = waiting.pop()[1]
            _push(heap, name, _entries(root / "streams" / name, kind, on_damage))
        if heap:
            _, name, _, line, rest = heapq.heappop(heap)
            yield line
            _push(heap, name, rest)


def _push(heap: list[_Waiting], name: str, entries: Iterator[_Line]) -> None:
    line = next(entries, None)
    if line is not None:
        heapq.heappush(heap, (line[0].time_ns, name, line[0].n, line, entries))


def _entries(directory: Path, kind: str | None, on_damage: Callable[[Damage], None]) -> Iterator[_Line]:
    mark = b'","t":"%b",' % kind.encode() if kind is not None else b""
    for path in segments(directory):
        for number, line in enumerate(lines(path), 1):
            if mark not in line[:400]:
                continue
            try:
                if not line.endswith(b"\n"):
                    raise BadLine("it was never finished")
                entry = parse(line)
            except BadLine as error:
                on_damage(Damage(directory.name, path.name, number, str(error)))
                continue
            if kind is None or entry.type == kind:
                yield entry, line[:-1]


def _began_ns(name: str) -> int:
    try:
        return calendar.timegm(time.strptime(name[:15], "%Y%m%dt%H%M%S")) * 10**9
    except ValueError:
        return 0
