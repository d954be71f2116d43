"""One stream while it is being checked: the chain of hashes, the tree, the signatures, and what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from guardrails_lite._policy import is_bound
from guardrails_lite.audit._format import NO_LEAF, BadLine, checkpoint_line, leaf_hash, line_start, parse
from guardrails_lite.audit._keys import HmacKey, PublicKey
from guardrails_lite.audit._merkle import Frontier
from guardrails_lite.audit._note import BadNote, check_note, read_note
from guardrails_lite.audit._registry import REGISTRY, Known, note_entry
from guardrails_lite.audit._runs import Run

State = Literal["intact", "unsealed", "truncated", "tampered", "unreadable"]
_TELLING: Final = (b'segment.sealed"', b'log.closed"', b'policy.loaded"')
"""The beginnings of types whose entries matter for checking, in any stream."""
_MAX_PROBLEMS: Final = 20
_MOST_SEGMENTS: Final = 1_000_000
"""More than a log of decades has. An HMAC key takes a step for each, and a hostile number may be any."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and where."""

    state: State
    """What it makes of the log."""
    stream: str
    """The stream, or ``"registry"``, or ``"log.json"``."""
    record: int | None
    """The first entry concerned, counted from 0 in its stream; None where it is the whole."""
    message: str

    def __str__(self) -> str:
        place = self.stream if self.record is None else f"{self.stream} record {self.record}"
        return f"{self.state}: {place}: {self.message}"


@dataclass(slots=True)
class Chain:
    """One stream while it is being checked, line by line."""

    name: str
    origin: str
    key: PublicKey | None
    """The key of the current epoch; None: signatures cannot be checked."""
    size: int = 0
    sealed: int = 0
    checkpoints: int = 0
    torn: bytes = b""
    frontier: Frontier = field(default_factory=Frontier)
    problems: list[Problem] = field(default_factory=list)
    known: dict[str, Known] = field(default_factory=dict)
    """For the registry: the streams it tells of."""
    epochs: list[PublicKey | None] = field(default_factory=list)
    """For the registry: the key of each epoch."""
    wanted: dict[int, str] = field(default_factory=dict)
    """Roots that it must have had at certain sizes; what is left was not met."""
    created: Any = None
    """For the registry: the description of the log in its first entry."""
    _leaf: str = NO_LEAF
    _pending: list[bytes] = field(default_factory=list)
    _notes: list[tuple[int, str]] = field(default_factory=list)
    """Checkpoints of this epoch: a later one covers the earlier, so the last signature suffices."""
    _next_key: str | None = None
    _suspect: int | None = None
    """A record whose successor remembers another hash of it: one of the two was changed."""
    _suspect_leaf: str = ""
    """The hash of that record as it is."""
    _doubt: tuple[int, int] | None = None
    """A line that says another number than its place has, and that number."""
    _last: bytes = b""

    def problem(self, state: State, record: int | None, message: str) -> None:
        """Add one problem, up to a limit: a damaged file must not fill the report."""
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(Problem(state, self.name, record, message))

    def resume(self, expired: Any) -> None:
        """Go on behind the segments that retention removed, as the registry recorded it."""
        try:
            gone = int(expired["segment"])
            self.size, self._leaf = int(expired["size"]), str(expired["leaf"])
            self.frontier = Frontier(self.size, [bytes.fromhex(peak) for peak in expired["peaks"]])
            self.sealed = self.size
            if not 0 <= gone < _MOST_SEGMENTS:
                raise ValueError
            for _ in range(gone if isinstance(self.key, HmacKey) else 1):
                self.key = self.key.successor(str(expired["key"])) if self.key is not None else None
        except (KeyError, TypeError, ValueError, BadNote):
            self.problem("tampered", None, "the registry's entry on its expired segments is not whole")
        self.wanted = {size: root for size, root in self.wanted.items() if size > self.size}

    def so_far(self) -> dict[str, Any]:
        """What `resume` needs, but for the segment and its key, to go on behind what has been read."""
        self._plant()
        return {
            "size": self.size,
            "leaf": self._leaf,
            "root": self.frontier.root().hex(),
            "peaks": [peak.hex() for peak in self.frontier.peaks],
        }

    @property
    def is_sealed(self) -> bool:
        """Whether all that has been read is signed, and nothing in it waits for what comes next."""
        return self.sealed == self.size and self._suspect is None and self._doubt is None

    def read(self, name: str, found: Iterable[Run | bytes]) -> None:
        """Check the segment *name*, the next of this stream, in which *found* is."""
        if self.torn:
            self.problem("tampered", self.size, "a line that was never finished, within the stream")
            self.torn = b""
        try:
            for item in found:
                if isinstance(item, Run):
                    self._run(item)
                elif item.endswith(b"\n"):
                    self._line(item[:-1])
                else:
                    self.torn = item
        except OSError as error:
            self.problem("unreadable", self.size, f"{name} cannot be read ({type(error).__name__})")

    def _run(self, run: Run) -> None:
        """Accept the lines of *run*: one by one until they continue this chain, then all at once."""
        taken = 0
        if not self._has_come_to(run, taken):
            for line in run.lines():
                self._line(line[:-1])
                taken += 1
                if self._has_come_to(run, taken):
                    break
            else:
                return
        self._pending += run.leaves[taken:] if taken else run.leaves
        self._leaf = run.leaves[-1].hex()
        self._last = run.last
        self.size = run.n + len(run.leaves)

    def _has_come_to(self, run: Run, taken: int) -> bool:
        """Whether the rest of *run*, after the first *taken* lines, is what must follow here."""
        leaf = run.leaves[taken - 1].hex() if taken else run.previous
        calm = self._suspect is None and self._doubt is None
        return calm and self.size == run.n + taken and self._leaf == leaf

    def _line(self, line: bytes) -> None:
        if self._doubt is not None:
            self._resolve(*self._doubt, line)
        start = line_start(self.name, self.size, self._leaf)
        if not line.startswith(start):
            self._mismatch(line)
            return
        if self._suspect is not None:
            self._settle(self._suspect)
        kind = line[len(start) : len(start) + 24]
        if kind.startswith(b'checkpoint"'):
            self._checkpoint(line)
        elif self.name == REGISTRY or kind.startswith(_TELLING):
            self._told(line)
        self._accept(line)

    def _accept(self, line: bytes) -> None:
        digest = leaf_hash(line)
        self._pending.append(digest)
        self._leaf = digest.hex()
        self._last = line
        self.size += 1

    def _plant(self) -> None:
        self.frontier.extend(self._pending)
        self._pending.clear()

    def _told(self, line: bytes) -> None:
        """Take in an entry that matters for checking: it announces a key, or tells of streams or a policy."""
        try:
            entry = parse(line)
        except BadLine as error:
            self.problem("tampered", self.size, str(error))
            return
        if entry.type == "policy.loaded":
            if not is_bound(entry.data, entry.id):
                what = "its policy does not match its digest"
                self.problem("tampered", self.size, what)
            return
        declared = entry.data.get("next_key")
        if isinstance(declared, str):
            self._next_key = declared
        if self.name == REGISTRY:
            if self.size == 0:
                self.created = entry.data.get("config")
            note_entry(self.known, entry.type, entry.data, self.checkpoints)

    def _checkpoint(self, line: bytes) -> None:
        self._plant()
        self.checkpoints += 1
        if self.name == REGISTRY:
            self.epochs.append(self.key)
        try:
            note = str(json.loads(line)["d"]["note"])
            found, _ = read_note(note)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            self.problem("tampered", self.size, f"a malformed checkpoint ({type(error).__name__})")
            return
        if line != checkpoint_line(self.name, self.size, self._leaf, note):
            self.problem("tampered", self.size, "a checkpoint with unexpected content")
        elif (found.origin, found.size, found.extensions) != (self.origin, self.size, ()):
            self.problem("tampered", self.size, "a checkpoint of another stream or another size")
        elif found.root != self.frontier.root():
            if not self.problems and self.key is not None and not _signed(note, self.key):
                self.problem("tampered", self.size, "its root is not the tree's, and not what was signed")
            elif not self.problems:
                span = f"records {self.sealed} to {self.size - 1}"
                self.problem("tampered", self.sealed, f"{span} are not what was signed")
        else:
            self._notes.append((self.size, note))
            self.sealed = self.size + 1
            if self.wanted.get(self.size) == found.root.hex():
                del self.wanted[self.size]
        if self._next_key is not None:
            self._end_epoch()

    def _end_epoch(self) -> None:
        self._check_signatures()
        declared, self._next_key = self._next_key, None
        try:
            if self.key is not None and declared is not None:
                self.key = self.key.successor(declared)
        except BadNote:
            self.problem("tampered", self.size, "the key that it announces is not a key")
            self.key = None

    def _check_signatures(self) -> None:
        notes, self._notes = self._notes, []
        key = self.key
        if key is None or not notes or _signed(notes[-1][1], key):
            return
        since = 0
        for at, note in notes:
            if not _signed(note, key):
                self.problem(
                    "tampered", at, f"its signature over records {since} to {at - 1} is not the log's"
                )
                return
            since = at

    def _mismatch(self, line: bytes) -> None:
        """Name what is wrong with a line that does not continue the chain, and go on behind it."""
        n = self.size
        try:
            entry = parse(line)
        except BadLine as error:
            # A line may have been broken in two, and its first half looked well.
            self.problem("tampered", n if _reads(self._last) else n - 1, f"cannot be read: {error}")
            self._skip(line)
            return
        if entry.stream != self.name:
            self.problem("tampered", n, f"belongs to the stream {entry.stream!r}")
        elif entry.n != n:
            self._doubt = (n, entry.n)
        elif not line.startswith(line_start(self.name, n, _remembered(line))):
            self.problem("tampered", n, "is not written as the format requires")
        elif self._suspect is not None:
            self._settle_both(self._suspect, _remembered(line))
        else:
            self._suspect, self._suspect_leaf = n - 1, self._leaf
        self._skip(line)

    def _resolve(self, n: int, said: int, after: bytes | None) -> None:
        """Decide, from the line *after* it, what a line at *n* that *said* another number is."""
        self._doubt = None
        if after is not None and after.startswith(line_start(self.name, n + 1, self._leaf)):
            self.problem("tampered", n, "its number was changed")
            return
        if said > n:
            self.problem("tampered", n, f"records {n} to {said - 1} are missing")
        else:
            self.problem("tampered", n, f"record {said} stands in its place")
        if after is not None and after.startswith(line_start(self.name, said + 1, self._leaf)):
            self.size = said + 1

    def _skip(self, line: bytes) -> None:
        if b'"t":"checkpoint"' in line[:400]:
            self.checkpoints += 1
            if self.name == REGISTRY:
                self.epochs.append(self.key)
        self._accept(line)

    def _settle(self, record: int) -> None:
        self._suspect = None
        self.problem("tampered", max(record, 0), "its bytes are not those that were chained")

    def _settle_both(self, record: int, remembered: str) -> None:
        """Name the record after *record*, and *record* too unless it is certain that it is as it was."""
        after = record + 1
        said = line_start(self.name, after, _remembered(self._last))
        mended = line_start(self.name, after, self._suspect_leaf) + self._last[len(said) :]
        if record >= 0 and leaf_hash(mended).hex() != remembered:
            what = f"its bytes, or what record {after} remembers of them, were changed"
            self.problem("tampered", record, what)
        self._settle(after)

    def check_heads(self) -> None:
        """Check that the log's heads, as far as this has been read, have seen the same."""
        missed = [size for size in self.wanted if size <= self.size]
        if missed and not self.problems:
            what = f"its first {min(missed)} records are not those that a head has seen"
            self.problem("tampered", None, what)

    def finish(self) -> None:
        """Check what can only be checked at the end."""
        if self._doubt is not None:
            self._resolve(*self._doubt, None)
        if self._suspect is not None:
            self._settle(self._last_blame(self._suspect))
        self._plant()
        self._check_signatures()
        if self.name == REGISTRY:
            if not self.size:
                self.problem("truncated", 0, "it is empty or not there")
            elif self.sealed != self.size and not self.problems:
                self.problem("unsealed", self.sealed, "its last entry is not signed")
            if self.torn:
                self.problem(
                    "unsealed", self.size, f"its last line was never finished ({len(self.torn)} bytes)"
                )
        elif self.sealed != self.size and not self.problems and not _reads(self._last):
            self.problem("tampered", self.size - 1, "cannot be read")

    def _last_blame(self, suspect: int) -> int:
        """Which of the last two lines was changed: the checkpoint at the end signs the one before it."""
        try:
            found, _ = read_note(str(json.loads(self._last)["d"]["note"]))
        except (ValueError, KeyError, TypeError):
            return suspect
        before = self.frontier.copy()
        before.extend(self._pending[:-1])
        return suspect + 1 if before.root() == found.root else suspect


def _remembered(line: bytes) -> str:
    """The hash that *line* says the one before it has; empty where it says nothing that could be one."""
    held = json.loads(line).get("p")
    return held if isinstance(held, str) and held.isascii() else ""


def _reads(line: bytes) -> bool:
    try:
        return not line or bool(parse(line))
    except BadLine:
        return False


def _signed(note: str, key: PublicKey) -> bool:
    try:
        check_note(note, key)
    except BadNote:
        return False
    return True
