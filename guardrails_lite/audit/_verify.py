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
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit._ahead import Ahead
from guardrails_lite.audit._chain import Chain, Problem, State
from guardrails_lite.audit._disk import is_locked
from guardrails_lite.audit._format import leaf_hash
from guardrails_lite.audit._keys import Ed25519Public, HmacKey, PublicKey
from guardrails_lite.audit._merkle import Frontier
from guardrails_lite.audit._note import BadNote, read_note, unb64
from guardrails_lite.audit._registry import REGISTRY, Known, read_config
from guardrails_lite.audit._runs import parts, scan
from guardrails_lite.audit._scan import lines, segments

EXIT_CODES: Final[dict[State, int]] = {
    "intact": 0,
    "tampered": 2,
    "truncated": 3,
    "unsealed": 4,
    "unreadable": 5,
}
_ORDER: Final[tuple[State, ...]] = ("intact", "unsealed", "truncated", "tampered", "unreadable")


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
    processes: int = 1,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Check every entry, checkpoint and stream of the log in *directory*. It changes nothing.

    Args:
        directory: A directory that `AuditLog` made, or a copy of one.
        key: The content of the log's ``verify.key``, kept elsewhere since the log was made. Without it
            the key beside the log is used, which cannot show that the whole log was replaced.
        heads: Heads of this log that were kept elsewhere (`AuditLog.head`, a witness). The log must
            contain each of them, so one that was rolled back or rewritten is found out.
        processes: How many processes of their own read a large log; 1: none, this one does. The report is the
            same. They are spawned, so a script that asks for them needs ``if __name__ == "__main__":``.
        on_progress: Called with the bytes checked and the bytes to check, every few megabytes.

    Returns:
        The report; damage of any kind is in it, never an exception.

    Raises:
        ConfigError: *processes* is no whole number, 1 or more.
    """
    if type(processes) is not int or processes < 1:
        raise ConfigError(f"verify(processes={processes!r}): expected a whole number, 1 or more")
    root = Path(directory)
    try:
        config = read_config(root / "log.json")
    except ConfigError as error:
        return Report("unreadable", "", (), (Problem("unreadable", "log.json", None, str(error)),), "none")
    log = str(config["log"])
    registry, source, problems = read_registry(root, config, key)
    problems += _against(root, log, heads)
    if not any(problem.state == "unreadable" for problem in problems):
        problems += _agree(root, config, registry)
    streams = []
    paths = {name: _segments(root, known) for name, known in registry.known.items()}
    every = ((name, path) for name, held in paths.items() for path in held)
    with Ahead(every, processes=processes, on_progress=on_progress) as ahead:
        for name, known in registry.known.items():
            found, wrong = _stream(root, registry, known, paths[name], ahead)
            streams.append(found)
            problems += wrong
    problems += _strays(root, set(registry.known))
    state = _worst(problems)
    return Report(state, log, tuple(streams), tuple(problems), source)


def read_registry(
    root: Path, config: Mapping[str, Any], key: str | None
) -> tuple[Chain, Literal["given", "directory", "none"], list[Problem]]:
    """The registry of the log in *root*, checked; where its first key is from; what is wrong with them."""
    first, source, problems = _first_key(root, config, key)
    registry = Chain(REGISTRY, str(config["log"]), first)
    for part in parts(REGISTRY, root / "registry.jsonl"):
        registry.read(part.path.name, scan(part))
    registry.finish()
    return registry, source, problems + registry.problems


def stream_chain(registry: Chain, known: Known) -> Chain:
    """The stream that *registry* knows, before the first line that retention has left of it."""
    origin = f"{registry.origin}/{known.name}"
    signer = registry.epochs[known.epoch] if known.epoch < len(registry.epochs) else None
    chain = Chain(known.name, origin, None)
    try:
        chain.key = signer.stream_key(known.key, origin) if signer is not None else None
    except BadNote:
        chain.problem("tampered", None, "the registry's entry does not hold a key for it")
    chain.wanted = dict(known.heads)
    if known.expired is not None:
        chain.resume(known.expired)
    return chain


def check_end(chain: Chain, known: Known) -> None:
    """Check what is to be seen of a stream that has been read to its end, where it has ended."""
    chain.finish()
    if known.ended is not None:
        _compare(chain, known.ended)


def _worst(problems: Iterable[Problem]) -> State:
    return max((problem.state for problem in problems), key=_ORDER.index, default="intact")


def _first_key(
    root: Path, config: Mapping[str, Any], given: str | None
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


def _agree(root: Path, config: dict[str, Any], registry: Chain) -> list[Problem]:
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
            what = f"a head kept elsewhere has seen {head.size} entries, but there are {frontier.size}"
            yield Problem("truncated", REGISTRY, frontier.size, what)
        elif roots.get(head.size) != head.root:
            what = f"its first {head.size} entries are not those of a head kept elsewhere"
            yield Problem("truncated", REGISTRY, None, what)


def _segments(root: Path, known: Known) -> list[Path]:
    """The files of a stream, but for those that retention removed."""
    gone = known.expired.get("segment") if known.expired is not None else None
    paths = segments(root / "streams" / known.name)
    if not isinstance(gone, int):
        return paths
    return [path for path in paths if not path.stem.isdecimal() or int(path.stem) > gone]


def _stream(
    root: Path, registry: Chain, known: Known, paths: list[Path], ahead: Ahead
) -> tuple[StreamReport, list[Problem]]:
    chain = stream_chain(registry, known)
    for path in paths:
        chain.read(path.name, ahead.scan(path))
    check_end(chain, known)
    ended: Literal["closed", "recovered", "open", "live"] = "open"
    if known.ended is not None:
        ended = "closed" if known.ended["kind"] == "stream.closed" else "recovered"
    elif not chain.size:
        chain.problem("truncated", 0, "the registry says it was opened, but its file is missing")
    elif is_locked(root / "open" / known.name):
        ended = "live"
    if ended in ("open", "live"):
        _unsealed(chain, ended)
    chain.check_heads()
    for size in sorted(chain.wanted):
        if size > chain.size:
            chain.problem("truncated", chain.size, f"a head of the log has seen {size} records of it")
    state = _worst(chain.problems)
    sealed = chain.size if known.ended is not None else chain.sealed
    return StreamReport(known.name, state, chain.size, sealed, ended), chain.problems


def _compare(chain: Chain, ended: Any) -> None:
    """Whether the stream ends where, and with what, the registry says it ended."""
    size = ended.get("size")
    torn = ended.get("torn")
    if not isinstance(torn, dict):
        torn = {"bytes": 0}
    if not isinstance(size, int) or chain.problems:
        return
    if chain.size < size:
        chain.problem("truncated", chain.size, f"records {chain.size} to {size - 1} are missing at its end")
    elif chain.size > size:
        chain.problem("tampered", size, f"it was ended after {size} records but has {chain.size}")
    elif ended["kind"] == "stream.closed" and chain.sealed != size:
        chain.problem("tampered", size - 1, "it was closed, but its last entry is not a checkpoint")
    elif chain.frontier.root().hex() != ended.get("root"):
        chain.problem("tampered", min(chain.sealed, size - 1), "it does not end as the registry recorded")
    elif len(chain.torn) != torn.get("bytes"):
        chain.problem(
            "tampered", size, f"{len(chain.torn)} bytes after its last line, where {torn} were recorded"
        )
    elif chain.torn and sha256(chain.torn).hexdigest() != torn.get("sha256"):
        chain.problem("tampered", size, "the unfinished line at its end is not the one that was recorded")


def _unsealed(chain: Chain, ended: str) -> None:
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
