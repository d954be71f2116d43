"""Reading the raw lines of a stream: whole ones, and what is left of one that was never finished."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from guardrails_lite.audit._format import NO_LEAF, leaf_hash, parse
from guardrails_lite.audit._merkle import Frontier
from guardrails_lite.audit._note import Checkpoint, read_note


@dataclass(frozen=True, slots=True)
class Tail:
    """Where a stream ends, found without checking it."""

    size: int
    leaf: str
    root: str
    closed: bool
    """Its last entry but the checkpoint says that it was closed."""
    torn: bytes
    """Bytes after the last newline: a line that was never finished."""
    open_calls: tuple[str, ...]
    """Calls with an intent and no completion in the last segment."""

    @property
    def torn_sha256(self) -> str:
        """Names the torn bytes in a recovery, without holding them."""
        return sha256(self.torn).hexdigest()


def segments(directory: Path) -> list[Path]:
    """The segments of the stream in *directory*, in order."""
    return sorted(directory.glob("[0-9]*.jsonl"))


def lines(path: Path) -> Iterator[bytes]:
    """The lines of *path* with their newlines; the last one lacks it when it is torn."""
    with path.open("rb", buffering=1 << 20) as file:
        yield from file


def find_tail(directory: Path) -> Tail:
    """Where the stream in *directory* ends, by reading its last segment that has an entry.

    Raises:
        ValueError: that segment does not begin as one does.
    """
    frontier, leaf, torn, kinds = Frontier(), NO_LEAF, b"", ("", "")
    pending: list[bytes] = []
    opened: dict[str, None] = {}
    for path in reversed(segments(directory)):
        for at, line in enumerate(lines(path)):
            if not line.endswith(b"\n"):
                torn = line
                break
            entry = parse(line)
            if at == 0 and entry.n:
                frontier = Frontier(entry.n, [bytes.fromhex(peak) for peak in entry.data["peaks"]])
            digest = leaf_hash(line[:-1])
            pending.append(digest)
            leaf, kinds = digest.hex(), (kinds[1], entry.type)
            if entry.type == "call.intent":
                opened[entry.id] = None
            elif entry.type == "call.completed":
                opened.pop(entry.id, None)
        if pending:
            break
        # The process died while it began this segment, so the stream ends in the one before.
    frontier.extend(pending)
    closed = "log.closed" in kinds
    return Tail(frontier.size, leaf, frontier.root().hex(), closed, torn, tuple(opened))


def last_checkpoint(directory: Path) -> Checkpoint | None:
    """The newest checkpoint of the stream in *directory*, unchecked; None where it has none yet."""
    for path in reversed(segments(directory)):
        found = None
        for line in lines(path):
            if b'"t":"checkpoint"' in line[:300] and line.endswith(b"\n"):
                found = line
        if found is not None:
            return read_note(json.loads(found)["d"]["note"])[0]
    return None
