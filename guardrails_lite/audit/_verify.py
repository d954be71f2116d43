"""Is this log what was written? Checked from the files alone, with the reason and the place.

What each check is good for, from the weakest attacker to the strongest:

- accident: framing, sequence numbers, the tail;
- an outsider who edits files: the hash chain;
- an insider who rewrites and re-hashes: signed checkpoints under keys that are already destroyed, and the
  registry that lists every stream;
- an insider who also holds today's keys and can replace the whole directory: only a head that was
  remembered elsewhere (`heads`) and a verification key that was kept elsewhere (`key`).

A check that could not be made is said to be missing, never taken as passed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit._disk import is_locked
from guardrails_lite.audit._format import NO_LEAF, BadLine, checkpoint_line, leaf_hash, line_start, parse
from guardrails_lite.audit._keys import Ed25519Public, HmacKey, PublicKey
from guardrails_lite.audit._merkle import Frontier
from guardrails_lite.audit._note import BadNote, check_note, read_note, unb64
from guardrails_lite.audit._registry import REGISTRY, Known, note_entry, read_config
from guardrails_lite.audit._scan import lines, segments

State = Literal["intact", "unsealed", "truncated", "tampered", "unreadable"]

EXIT_CODES: Final[dict[State, int]] = {
    "intact": 0,
    "tampered": 2,
    "truncated": 3,
    "unsealed": 4,
    "unreadable": 5,
}
_ORDER: Final[tuple[State, ...]] = ("intact", "unsealed", "truncated", "tampered", "unreadable")
_MAX_PROBLEMS: Final = 20


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


@dataclass(frozen=True, slots=True)
class StreamReport:
    """What became of one stream."""

    name: str
    state: State
    records: int
    """Entries found."""
    sealed: int
    """Entries covered by a checkpoint, or by the registry."""
    ended: Literal["closed", "recovered", "open", "live"]
    """``"open"``: its process is gone and nobody has recorded where it stopped. ``"live"``: it runs."""


@dataclass(frozen=True, slots=True)
class Report:
    """What `verify` found."""

    state: State
    """The worst of all problems; ``"intact"`` when there is none."""
    log: str
    """The log's name; empty when it could not be read."""
    streams: tuple[StreamReport, ...]
    problems: tuple[Problem, ...]
    key: Literal["given", "directory", "none"]
    """Where the verification key came from. ``"directory"``: from the log itself, so a replaced log
    verifies too. ``"none"``: there was none, so no signature was checked."""

    @property
    def ok(self) -> bool:
        """Whether the log is intact."""
        return self.state == "intact"

    @property
    def records(self) -> int:
        """How many entries the streams have."""
        return sum(stream.records for stream in self.streams)

    @property
    def exit_code(self) -> int:
        """0 intact, 2 tampered, 3 truncated or rolled back, 4 unsealed tail, 5 unreadable."""
        return EXIT_CODES[self.state]

    def __str__(self) -> str:
        signatures = {
            "given": "signatures checked with the given key",
            "directory": "signatures checked with the key found beside the log",
            "none": "signatures not checked: no verification key",
        }
        first = f"{self.state}: {self.extent}, {signatures[self.key]}"
        return "\n".join([first, *map(str, self.problems)])

    @property
    def extent(self) -> str:
        """How much was read, in words."""
        streams = len(self.streams)
        return f"{self.records} entries in {streams} stream{'' if streams == 1 else 's'}"

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values."""
        return {
            "state": self.state,
            "exit_code": self.exit_code,
            "log": self.log,
            "key": self.key,
            "records": self.records,
            "streams": [
                {name: getattr(stream, name) for name in StreamReport.__slots__} for stream in self.streams
            ],
            "problems": [
                {name: getattr(problem, name) for name in Problem.__slots__} for problem in self.problems
            ],
        }


def verify(
    directory: str | os.PathLike[str],
    *,
    key: str | None = None,
    heads: Iterable[str] = (),
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Check every entry, checkpoint and stream of the log in *directory*. It changes nothing.

    Args:
        directory: A directory that `AuditLog` made, or a copy of one.
        key: The content of the log's ``verify.key``, kept elsewhere since the log was made. Without it
            the key beside the log is used, which cannot show that the whole log was replaced.
        heads: Heads of this log that were kept elsewhere (`AuditLog.head`, a witness). The log must
            contain each of them, so one that was rolled back or rewritten is found out.
        on_progress: Called with the bytes checked and the bytes to check, after each segment.

    Returns:
        The report; damage of any kind is in it, never an exception.
    """
    root = Path(directory)
    try:
        config = read_config(root / "log.json")
    except ConfigError as error:
        return Report("unreadable", "", (), (Problem("unreadable", "log.json", None, str(error)),), "none")
    log = str(config["log"])
    first, source, problems = _first_key(root, config, key)
    registry = _Chain(REGISTRY, log, first)
    registry.read([root / "registry.jsonl"])
    registry.finish()
    problems += registry.problems
    problems += _against(root, log, heads)
    if not any(problem.state == "unreadable" for problem in problems):
        problems += _agree(root, config, registry)
    streams = []
    tell = _teller(root, on_progress)
    for known in registry.known.values():
        found, wrong = _stream(root, log, known, registry.epochs, tell)
        streams.append(found)
        problems += wrong
    problems += _strays(root, set(registry.known))
    state = _worst(problems)
    return Report(state, log, tuple(streams), tuple(problems), source)


def _worst(problems: Iterable[Problem]) -> State:
    return max((problem.state for problem in problems), key=_ORDER.index, default="intact")


def _first_key(
    root: Path, config: dict[str, Any], given: str | None
) -> tuple[PublicKey | None, Literal["given", "directory", "none"], list[Problem]]:
    """The key that signs the registry's first entry, and where it is from."""
    source: Literal["given", "directory", "none"] = "given"
    text = given
    if text is None:
        source = "directory"
        try:
            text = (root / "keys" / "verify.key").read_text(errors="replace")
        except OSError:
            text = f"{config.get('algorithm')} {config['log']} {config.get('genesis')}"
    try:
        algorithm, log, key = text.split()
        if log != config["log"]:
            what = f"the verification key belongs to the log {log!r}, this one says it is {config['log']!r}"
            return None, source, [Problem("tampered", "log.json", None, what)]
        if algorithm == "hmac-sha256" and key == algorithm:
            return None, "none", []
        if algorithm == "ed25519":
            return Ed25519Public.read(key), source, []
        if algorithm == "hmac-sha256":
            return HmacKey(log, unb64(key)), source, []
        raise BadNote(f"unknown algorithm {algorithm!r}")
    except (ValueError, BadNote):
        what = "the verification key cannot be read; expected the one line of the log's verify.key"
        return None, "none", [Problem("tampered", "verify.key", None, what)]


def _agree(root: Path, config: dict[str, Any], registry: _Chain) -> list[Problem]:
    """Whether the log's description and its signing key fit what the registry says."""
    problems = []
    if registry.created != config:
        what = "it is not what the registry's first entry says it was when the log was made"
        problems.append(Problem("tampered", "log.json", None, what))
    try:
        epoch = int(json.loads((root / "keys" / "signing.key").read_bytes())["epoch"])
    except (OSError, ValueError, KeyError, TypeError):
        return problems
    if epoch > registry.checkpoints:
        what = f"it ends at epoch {registry.checkpoints}, while the signing key has moved on to {epoch}"
        problems.append(Problem("truncated", REGISTRY, registry.size, what))
    return problems


def _against(root: Path, log: str, heads: Iterable[str]) -> Iterator[Problem]:
    """Whether the registry contains each head that somebody kept."""
    remembered = []
    for text in heads:
        try:
            head = read_note(text)[0]
        except BadNote as error:
            yield Problem("tampered", "heads", None, f"a given head is not a checkpoint: {error}")
            continue
        if head.origin != log:
            yield Problem("tampered", "heads", None, f"a given head is of another log, {head.origin!r}")
        else:
            remembered.append(head)
    if not remembered:
        return
    frontier, roots = Frontier(), {}
    for line in lines(root / "registry.jsonl") if (root / "registry.jsonl").exists() else ():
        frontier.extend([leaf_hash(line.rstrip(b"\n"))])
        roots[frontier.size] = frontier.root()
    for head in remembered:
        if head.size > frontier.size:
            what = f"a head kept elsewhere has seen {head.size} entries, and there are {frontier.size}"
            yield Problem("truncated", REGISTRY, frontier.size, what)
        elif roots.get(head.size) != head.root:
            what = f"its first {head.size} entries are not those of a head kept elsewhere"
            yield Problem("truncated", REGISTRY, None, what)


def _teller(root: Path, on_progress: Callable[[int, int], None]) -> Callable[[Path], None]:
    """What is called with each segment that was checked."""
    sizes = {path: path.stat().st_size for path in (root / "streams").glob("*/*.jsonl")}
    total, done = sum(sizes.values()), 0

    def tell(path: Path) -> None:
        nonlocal done
        done += sizes.get(path, 0)
        on_progress(done, total)

    return tell


def _stream(
    root: Path, log: str, known: Known, epochs: list[PublicKey | None], tell: Callable[[Path], None]
) -> tuple[StreamReport, list[Problem]]:
    origin = f"{log}/{known.name}"
    signer = epochs[known.epoch] if known.epoch < len(epochs) else None
    chain = _Chain(known.name, origin, None, tell=tell)
    try:
        chain.key = signer.stream_key(known.key, origin) if signer is not None else None
    except BadNote:
        chain.problem("tampered", None, "the registry's entry does not hold a key for it")
    chain.wanted = dict(known.heads)
    paths = segments(root / "streams" / known.name)
    if known.expired is not None:
        paths = chain.resume(known.expired, paths)
    chain.read(paths)
    chain.finish()
    ended: Literal["closed", "recovered", "open", "live"] = "open"
    if known.ended is not None:
        ended = "closed" if known.ended["kind"] == "stream.closed" else "recovered"
        _compare(chain, known.ended)
    elif not chain.size:
        chain.problem("truncated", 0, "the registry says it was opened, and its file is not there")
    elif is_locked(root / "open" / known.name):
        ended = "live"
    if ended in ("open", "live"):
        _unsealed(chain, ended)
    for size in sorted(chain.wanted):
        if size > chain.size:
            chain.problem("truncated", chain.size, f"a head of the log has seen {size} records of it")
        elif not chain.problems:
            chain.problem("tampered", None, f"its first {size} records are not those that a head has seen")
    state = _worst(chain.problems)
    sealed = chain.size if known.ended is not None else chain.sealed
    return StreamReport(known.name, state, chain.size, sealed, ended), chain.problems


def _compare(chain: _Chain, ended: Any) -> None:
    """Whether the stream ends where, and with what, the registry says it ended."""
    size = ended.get("size")
    torn = ended.get("torn") or {"bytes": 0}
    if not isinstance(size, int) or chain.problems:
        return
    if chain.size < size:
        chain.problem("truncated", chain.size, f"records {chain.size} to {size - 1} are missing at its end")
    elif chain.size > size:
        chain.problem("tampered", size, f"it was ended after {size} records and has {chain.size}")
    elif ended["kind"] == "stream.closed" and chain.sealed != size:
        chain.problem(
            "tampered", size - 1, "it was closed, and its last entry is not the checkpoint it must be"
        )
    elif chain.frontier.root().hex() != ended.get("root"):
        chain.problem("tampered", min(chain.sealed, size - 1), "it does not end as the registry recorded")
    elif len(chain.torn) != torn.get("bytes"):
        chain.problem(
            "tampered", size, f"{len(chain.torn)} bytes after its last line, where {torn} were recorded"
        )
    elif chain.torn and sha256(chain.torn).hexdigest() != torn.get("sha256"):
        chain.problem("tampered", size, "the unfinished line at its end is not the one that was recorded")


def _unsealed(chain: _Chain, ended: str) -> None:
    tail = chain.size - chain.sealed
    runs = " (its process is running)" if ended == "live" else ""
    if chain.torn and ended == "open":
        chain.problem("unsealed", chain.size, f"its last line was never finished ({len(chain.torn)} bytes)")
    elif tail:
        chain.problem("unsealed", chain.sealed, f"its last {tail} records are not signed yet{runs}")


def _strays(root: Path, registered: set[str]) -> Iterator[Problem]:
    for directory in sorted((root / "streams").glob("*")):
        if directory.name in registered:
            continue
        paths = segments(directory)
        count = sum(1 for path in paths for _ in lines(path))
        if count > 1:  # one line: its process died between that line and the registry's entry
            yield Problem(
                "tampered", directory.name, None, f"{count} records that the registry does not know of"
            )


@dataclass(slots=True)
class _Chain:
    """One stream while it is being checked, line by line."""

    name: str
    origin: str
    key: PublicKey | None
    """The key of the current epoch; None: signatures cannot be checked."""
    tell: Callable[[Path], None] = lambda path: None
    """Called with each segment once it is checked."""
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
    _doubt: tuple[int, int] | None = None
    """A line that says another number than its place has, and that number."""
    _last: bytes = b""

    def problem(self, state: State, record: int | None, message: str) -> None:
        """Add one problem, up to a limit: a damaged file must not fill the report."""
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(Problem(state, self.name, record, message))

    def resume(self, expired: Any, paths: list[Path]) -> list[Path]:
        """Go on behind the segments that retention removed, as the registry recorded it."""
        try:
            gone = int(expired["segment"])
            self.size, self._leaf = int(expired["size"]), str(expired["leaf"])
            self.frontier = Frontier(self.size, [bytes.fromhex(peak) for peak in expired["peaks"]])
            self.sealed = self.size
            for _ in range(gone if isinstance(self.key, HmacKey) else 1):
                self.key = self.key.successor(str(expired["key"])) if self.key is not None else None
        except (KeyError, TypeError, ValueError, BadNote):
            self.problem("tampered", None, "the registry's entry on its expired segments is not whole")
        self.wanted = {size: root for size, root in self.wanted.items() if size > self.size}
        return [path for path in paths if int(path.stem) > gone]

    def read(self, paths: Iterable[Path]) -> None:
        """Check the lines of *paths*, which are the segments of this stream."""
        for path in paths:
            if self.torn:
                self.problem("tampered", self.size, "a line that was never finished, within the stream")
                self.torn = b""
            try:
                for line in self._ordinary(path):
                    if line.endswith(b"\n"):
                        self._line(line[:-1])
                    else:
                        self.torn = line
            except OSError as error:
                self.problem("unreadable", self.size, f"{path.name} cannot be read ({type(error).__name__})")
            self.tell(path)

    def _ordinary(self, path: Path) -> Iterator[bytes]:
        """Accept the lines of calls that continue the chain, and give the others to be looked at.

        Almost every line is such a line, so this loop decides how long checking a large log takes.
        """
        start, sha, pending = line_start(self.name, 0, "").partition(b"0,")[0], sha256, self._pending
        size, leaf, last = self.size, self._leaf, self._last
        calm = self._suspect is None and self._doubt is None
        try:
            for line in lines(path):
                begin = b'%b%d,"p":"%b","t":"call.' % (start, size, leaf.encode())
                if calm and line.startswith(begin) and line.endswith(b"\n"):
                    digest = sha(b"\0" + line[:-1]).digest()
                    pending.append(digest)
                    leaf = digest.hex()
                    last = line
                    size += 1
                else:
                    self.size, self._leaf, self._last = size, leaf, last
                    yield line
                    size, leaf, last = self.size, self._leaf, self._last
                    calm = self._suspect is None and self._doubt is None
        finally:  # also when the file cannot be read on
            self.size, self._leaf, self._last = size, leaf, last

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
        elif self.name == REGISTRY or kind.startswith((b'segment.sealed"', b'log.closed"')):
            self._told(line)
        self._accept(line)

    def _accept(self, line: bytes) -> None:
        digest = leaf_hash(line)
        self._pending.append(digest)
        self._leaf = digest.hex()
        self._last = line
        self.size += 1

    def _told(self, line: bytes) -> None:
        """Take in an entry that matters for checking: it announces a key, or tells of streams."""
        try:
            entry = parse(line)
        except BadLine as error:
            self.problem("tampered", self.size, str(error))
            return
        declared = entry.data.get("next_key")
        if isinstance(declared, str):
            self._next_key = declared
        if self.name == REGISTRY:
            if self.size == 0:
                self.created = entry.data.get("config")
            note_entry(self.known, entry.type, entry.data, self.checkpoints)

    def _checkpoint(self, line: bytes) -> None:
        self.frontier.extend(self._pending)
        self._pending.clear()
        self.checkpoints += 1
        if self.name == REGISTRY:
            self.epochs.append(self.key)
        try:
            note = json.loads(line)["d"]["note"]
            found, _ = read_note(note)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            self.problem("tampered", self.size, f"a malformed checkpoint ({type(error).__name__})")
            return
        if line != checkpoint_line(self.name, self.size, self._leaf, note):
            self.problem(
                "tampered", self.size, "a checkpoint with something in it that does not belong there"
            )
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
            self.problem("tampered", self.size, "it announces a key that is not one")
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
        elif not line.startswith(line_start(self.name, n, str(json.loads(line).get("p")))):
            self.problem("tampered", n, "is not spelled as the format spells it")
        elif self._suspect is not None:
            self._settle(self._suspect + 1)
        else:
            self._suspect = n - 1
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

    def finish(self) -> None:
        """Check what can only be checked at the end."""
        if self._doubt is not None:
            self._resolve(*self._doubt, None)
        if self._suspect is not None:
            self._settle(self._last_blame(self._suspect))
        self.frontier.extend(self._pending)
        self._pending.clear()
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
            found, _ = read_note(json.loads(self._last)["d"]["note"])
        except (ValueError, KeyError, TypeError):
            return suspect
        before = self.frontier.copy()
        before.extend(self._pending[:-1])
        return suspect + 1 if before.root() == found.root else suspect


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
