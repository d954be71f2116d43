"""Letting old entries go without breaking the proof of the others.

Entries go by whole segments, oldest first, and each leaves a tombstone in the registry, ``segment.expired``:
how many entries went, from when, and the state of the tree and the key behind them. So `verify` checks what
is left as before, and whoever remembers an expired root can still see that it was the same log.

A segment stays, and with it all later ones of its stream, while it holds an entry that is too young, a hold
or a restriction in force, or a call of somebody whom one of these is about. So does one that does not verify:
an edited line could name another call's text, and what was done to a log is not to be seen when it is gone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit._chain import Chain, Problem
from guardrails_lite.audit._content import Box, content_of
from guardrails_lite.audit._format import BadLine, Entry, leaf_hash, line_start, parse
from guardrails_lite.audit._privacy import holds, holds_as_they_are, restrictions, subjects_of
from guardrails_lite.audit._registry import Known, read_config
from guardrails_lite.audit._scan import lines, segments
from guardrails_lite.audit._verify import check_end, read_registry, stream_chain

if TYPE_CHECKING:
    from guardrails_lite.audit._log import AuditLog

_DAY_NS: Final = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Expired:
    """One segment that may go, or has gone."""

    stream: str
    segment: int
    entries: int
    first_ns: int
    """When its first entry was written."""
    last_ns: int
    """When its last one was."""


def expirable(
    log: AuditLog,
    *,
    keep_days: float,
    on_damage: Callable[[Problem], None] = lambda problem: None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Expired]:
    """The segments of *log* in which everything is older than *keep_days* and nothing is held.

    Laws set floors: the EU AI Act six months, HIPAA six years, PCI DSS one year.

    Args:
        log: The log, opened.
        keep_days: How old an entry must be, in days.
        on_damage: Called with what keeps a segment, though it is old, from going: it does not verify.
            The log's registry is held meanwhile. A record that a callback writes to this log follows after
            it. What needs the registry at once is refused, such as ``log.head()``; and a callback must not
            wait for another thread or process that writes to this log.
        on_progress: Called with the segments looked at and the segments there are, one by one, under the
            same limits.

    Raises:
        ConfigError: *keep_days* is not positive, or the log's registry does not verify.
    """
    limit = _limit(log, keep_days)
    with log._registry.session():
        return [gone.told for gone in _plan(log, limit, on_damage, on_progress)]


def expire(
    log: AuditLog,
    *,
    keep_days: float,
    by: str,
    on_damage: Callable[[Problem], None] = lambda problem: None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Expired]:
    """Remove the segments that `expirable` lists, and the captured texts of their calls.

    Each removal is first recorded in the registry under the name of *by*, a person or a job.

    Args:
        log: The log, opened.
        keep_days: How old an entry must be, in days.
        by: Who lets them go.
        on_damage: As for `expirable`.
        on_progress: As for `expirable`.

    Raises:
        ConfigError: *by* is empty, *keep_days* is not positive, or the log's registry does not verify.
        OSError: a text could not be overwritten, or a file not removed; the next run does what was recorded.
    """
    if not by:
        raise ConfigError("expire(...) needs by=: the log records who removes entries")
    with holds_as_they_are(log):
        limit = _limit(log, keep_days)
        with log._registry.session() as session:
            gone = _plan(log, limit, on_damage, on_progress)
            for known in session.streams.values():
                if known.expired is not None:
                    _finish(log, known, known.expired, limit)
            for segment in gone:
                told = segment.told
                times = {"first_ns": told.first_ns, "last_ns": told.last_ns, "entries": told.entries}
                entry = {**segment.state, **times, "keep_days": keep_days, "by": by}
                session.append("segment.expired", entry)
                log.vault.blank(segment.boxes)
                os.unlink(segment.path)
    return [segment.told for segment in gone]


@dataclass(frozen=True, slots=True)
class _Gone:
    told: Expired
    state: dict[str, Any]
    """What `verify` needs to go on behind it."""
    boxes: list[Box]
    path: Path


@dataclass(frozen=True, slots=True)
class _Limit:
    """What keeps a segment."""

    before_ns: int
    placed: frozenset[str]
    """Ids of holds and restrictions in force."""
    subjects: frozenset[str]
    """The pseudonyms that these are about."""

    def keeps(self, entry: Entry) -> bool:
        return entry.time_ns >= self.before_ns or entry.id in self.placed or self.is_about(entry)

    def is_about(self, entry: Entry) -> bool:
        """Whether *entry* is a call of somebody under a hold or a restriction."""
        who = entry.data.get("who")
        named = map(str, who.values()) if isinstance(who, dict) else ()
        return not self.subjects.isdisjoint(named)


def _limit(log: AuditLog, keep_days: float) -> _Limit:
    if not 0 < keep_days < float("inf"):
        raise ConfigError(f"keep_days={keep_days!r}: expected a positive number of days")
    placed = {**holds(log), **restrictions(log)}
    subjects = frozenset[str]().union(*map(subjects_of, placed.values()))
    return _Limit(log._clock.wall_ns() - int(keep_days * _DAY_NS), frozenset(placed), subjects)


def _finish(log: AuditLog, known: Known, expired: Mapping[str, Any], limit: _Limit) -> None:
    """Do what an earlier run recorded of a stream and was stopped before it had done.

    What is left stays while it has a call of somebody who has been put under a hold since.
    """
    directory = log.directory / "streams" / known.name
    left = [path for path in segments(directory) if int(path.stem) <= expired["segment"]]
    boxes = _boxes_of(left, known.name, expired, limit)
    if boxes is not None:
        log.vault.blank(boxes)
        for path in left:
            os.unlink(path)


def _boxes_of(paths: list[Path], stream: str, expired: Mapping[str, Any], limit: _Limit) -> list[Box] | None:
    """The kept texts of the segments at *paths*, as far as it is certain; None where one of them is held.

    It is certain where they lead to the leaf that was recorded: each line holds the hash of the one before.
    Otherwise a line may have been edited to name another call's text, and none is taken at its word.
    """
    leaf, size, is_held = None, 0, False
    boxes: list[Box] = []
    for path in paths:
        for line in lines(path):
            try:
                entry = parse(line)
            except BadLine:
                return []
            if leaf is None:
                size = entry.n
            elif not line.startswith(line_start(stream, size, leaf)):
                return []
            leaf, size = leaf_hash(line.removesuffix(b"\n")).hex(), size + 1
            is_held = is_held or limit.is_about(entry)
            boxes += content_of(entry.data).boxes
    if (leaf, size) != (expired["leaf"], expired["size"]):
        return []
    return None if is_held else boxes


def _plan(
    log: AuditLog,
    limit: _Limit,
    on_damage: Callable[[Problem], None],
    on_progress: Callable[[int, int], None],
) -> list[_Gone]:
    root = log.directory
    registry, _, problems = read_registry(root, read_config(root / "log.json"), log._verify_key())
    wrong = next((problem for problem in problems if problem.state != "unsealed"), None)
    if wrong is not None:
        raise ConfigError(
            f"{root}: nothing may be removed while the log's registry does not verify ({wrong})"
        )
    ahead = [(known, segments(root / "streams" / known.name)) for known in registry.known.values()]
    found = []
    done, total = 0, sum(len(paths) for _, paths in ahead)
    for known, paths in ahead:
        chain = stream_chain(registry, known)
        for at, gone in enumerate(_stream_plan(chain, known, paths, limit), done + 1):
            found.append(gone)
            on_progress(at, total)
        for problem in chain.problems[:1]:
            on_damage(problem)
        done += len(paths)
        on_progress(done, total)
    return found


def _stream_plan(chain: Chain, known: Known, paths: list[Path], limit: _Limit) -> Iterator[_Gone]:
    """The segments that may go, oldest first; what is wrong with the one after them is in *chain* then."""
    passed, key = 0, known.key
    if known.expired is not None:
        passed, key = known.expired["segment"], known.expired["key"]
    for path in paths:
        segment, is_last = int(path.stem), path == paths[-1]
        if is_last and (known.ended is None or (known.ended.get("torn") or {}).get("bytes")):
            return  # still written, to be recovered, or its unfinished line is verified too
        if segment <= passed:
            continue
        first, found = chain.size, _Found(limit, key)
        chain.read(path.name, found.taken_from(lines(path)))
        if found.is_kept:
            return
        if is_last:
            check_end(chain, known)
        elif not (found.is_sealed and chain.is_sealed):
            chain.problem("tampered", first, f"{path.name} is not sealed at its end")
        chain.check_heads()
        if chain.problems or found.times is None:
            return
        key = found.key
        told = Expired(known.name, segment, chain.size - first, *found.times)
        state = {"stream": known.name, "segment": segment, "key": key, **chain.so_far()}
        yield _Gone(told, state, found.boxes, path)


class _Found:
    """What the lines of one segment say, while they are being checked."""

    def __init__(self, limit: _Limit, key: str) -> None:
        self.is_kept = False
        self.is_sealed = False
        self.times: tuple[int, int] | None = None
        self.key = key
        self.boxes: list[Box] = []
        self._limit = limit

    def taken_from(self, held: Iterable[bytes]) -> Iterator[bytes]:
        """The lines, up to one that keeps the segment."""
        for line in held:
            try:
                entry = parse(line)
            except BadLine:
                yield line  # which is for whoever checks it to say
                continue
            if self._limit.keeps(entry):
                self.is_kept = True
                return
            self._take(entry)
            yield line

    def _take(self, entry: Entry) -> None:
        at = entry.time_ns
        if at:
            first, last = self.times or (at, at)
            self.times = min(first, at), max(last, at)
        if entry.type == "segment.sealed":
            self.is_sealed, self.key = True, str(entry.data.get("next_key"))
        self.boxes += content_of(entry.data).boxes
