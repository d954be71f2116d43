"""A segment as runs of ordinary lines, and the lines between them that must be looked at.

Almost every line tells of a call and continues the line before it: its number is the next one and it repeats
the hash of that line. Such lines need no parsing. A run of them is known by where it begins, what it
continues and its leaves; whoever has come to just that place may take it whole (`_chain.Chain`). Since a run
needs nothing from before it, any part of a segment can be scanned by itself, and in any process (`_ahead`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, islice
from pathlib import Path
from typing import Final

from guardrails_lite.audit._format import line_start

PART_BYTES: Final = 8 * 1024 * 1024
"""The size of a part: by it, work is shared out, and the memory for runs is bounded."""
_BLOCK_BYTES: Final = 256 * 1024
"""Read at once: more would come from fresh pages each time, which costs a quarter more."""


@dataclass(frozen=True, slots=True)
class Part:
    """The lines of a segment that begin within *size* bytes from byte *at*."""

    stream: str
    path: Path
    at: int
    size: int
    is_last: bool
    """Whatever follows belongs to it: the file may have grown."""


@dataclass(frozen=True, slots=True)
class Run:
    """Lines of calls, each of which continues the one before."""

    n: int
    """The number of the first."""
    previous: str
    """The leaf that the first one repeats, in hex."""
    leaves: list[bytes]
    last: bytes
    """The last line."""
    part: Part
    index: int
    """Which line of *part* the first is, from 0."""

    def lines(self) -> Iterator[bytes]:
        """The lines themselves, read again."""
        every = chain.from_iterable(_blocks(self.part))
        return islice(every, self.index, self.index + len(self.leaves))


def parts(stream: str, path: Path) -> list[Part]:
    """The parts of the segment of *stream* in *path*, in order."""
    try:
        size = path.stat().st_size
    except OSError:  # whoever scans it meets the same error
        size = 0
    found = [Part(stream, path, at, PART_BYTES, False) for at in range(0, size - PART_BYTES, PART_BYTES)]
    at = len(found) * PART_BYTES
    return [*found, Part(stream, path, at, size - at, True)]


def scan(part: Part) -> Iterator[Run | bytes]:
    """The runs in *part*, and the other lines; the last line of a file may lack its newline.

    Raises:
        OSError: the file cannot be read.
    """
    start, sha = line_start(part.stream, 0, "").partition(b"0,")[0], sha256
    index, first, n, previous, leaf = 0, -1, -1, "", ""
    leaves: list[bytes] = []
    last = b""
    for lines in _blocks(part):
        # Almost every line passes through here, so this loop decides how long checking a large log takes.
        for line in lines:
            begin = b'%b%d,"p":"%b","t":"call.' % (start, n, leaf.encode())
            if line.startswith(begin) and line.endswith(b"\n"):
                digest = sha(b"\0" + line[:-1]).digest()
                leaves.append(digest)
                leaf = digest.hex()
                last = line
                n += 1
                continue
            if leaves:
                yield Run(first, previous, leaves, last, part, index)
                index += len(leaves)
                leaves = []
            yield line
            index += 1
            first, previous = n, leaf = _next(line, start)
    if leaves:
        yield Run(first, previous, leaves, last, part, index)


def _blocks(part: Part) -> Iterator[list[bytes]]:
    """The lines that begin in *part*, a block at a time."""
    with part.path.open("rb", buffering=_BLOCK_BYTES) as file:
        if part.at:
            file.seek(part.at - 1)
            file.readline()
        while (left := _BLOCK_BYTES if part.is_last else part.at + part.size - file.tell()) > 0:
            # `readlines` ends with the line that takes it beyond so many bytes; 0 would mean all of them.
            lines = file.readlines(min(_BLOCK_BYTES, left) - 1) if left > 1 else [file.readline()]
            if not lines:
                return
            yield lines


def _next(line: bytes, start: bytes) -> tuple[int, str]:
    """The number and the leaf that a line after *line* has when it continues it."""
    number = line[len(start) : len(start) + 20].partition(b",")[0]
    if not line.startswith(start) or not number.isdigit():
        return -1, ""
    return int(number) + 1, sha256(b"\0" + line.removesuffix(b"\n")).hexdigest()
