"""Letting old entries go without breaking the proof of the others.

Entries go by whole segments, oldest first, and each leaves a tombstone in the registry, ``segment.expired``:
how many entries went, from when, and the state of the tree and the key behind them. So `verify` checks what
is left as before, and whoever remembers an expired root can still see that it was the same log.

A segment stays, and with it all later ones of its stream, while it holds an entry that is too young, a hold
or a restriction in force, or a call of somebody whom one of these is about.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit._format import BadLine, Entry, leaf_hash, parse
from guardrails_lite.audit._merkle import Frontier
from guardrails_lite.audit._privacy import holds, restrictions, subjects_of
from guardrails_lite.audit._registry import Known
from guardrails_lite.audit._scan import lines, segments
from guardrails_lite.audit._vault import Box, box_of

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
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Expired]:
    """The segments of *log* in which everything is older than *keep_days* and nothing is held.

    Laws set floors: the EU AI Act six months, HIPAA six years, PCI DSS one year.

    Args:
        log: The log, opened.
        keep_days: How old an entry must be, in days.
        on_progress: Called with the segments looked at and the segments there are, one by one.

    Raises:
        ConfigError: *keep_days* is not positive.
    """
    limit = _limit(log, keep_days)
    with log._registry.session() as session:
        return [gone.told for gone in _plan(log.directory, session.streams, limit, on_progress)]


def expire(
    log: AuditLog,
    *,
    keep_days: float,
    by: str,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Expired]:
    """Remove the segments that `expirable` lists, and the captured texts of their calls.

    Each removal is first recorded in the registry under the name of *by*, a person or a job.

    Args:
        log: The log, opened.
        keep_days: How old an entry must be, in days.
        by: Who lets them go.
        on_progress: As for `expirable`.

    Raises:
        ConfigError: *by* is empty or *keep_days* is not positive.
        OSError: a file could not be removed; what was recorded is removed by the next run.
    """
    if not by:
        raise ConfigError("expire(...) needs by=: who lets entries go is recorded")
    limit = _limit(log, keep_days)
    with log._registry.session() as session:
        gone = _plan(log.directory, session.streams, limit, on_progress)
        for segment in gone:
            told = segment.told
            times = {"first_ns": told.first_ns, "last_ns": told.last_ns, "entries": told.entries}
            session.append("segment.expired", {**segment.state, **times, "keep_days": keep_days, "by": by})
            log.vault.blank(segment.boxes)
        for known in session.streams.values():
            if known.expired is not None:
                for path in segments(log.directory / "streams" / known.name):
                    if int(path.stem) <= known.expired["segment"]:
                        os.unlink(path)
        return [segment.told for segment in gone]


@dataclass(frozen=True, slots=True)
class _Gone:
    told: Expired
    state: dict[str, Any]
    """What `verify` needs to go on behind it."""
    boxes: list[Box]


@dataclass(frozen=True, slots=True)
class _Limit:
    """What keeps a segment."""

    before_ns: int
    placed: frozenset[str]
    """Ids of holds and restrictions in force."""
    subjects: frozenset[str]
    """The pseudonyms that these are about."""

    def keeps(self, entry: Entry) -> bool:
        who = entry.data.get("who")
        named = map(str, who.values()) if isinstance(who, dict) else ()
        return (
            entry.time_ns >= self.before_ns or entry.id in self.placed or not self.subjects.isdisjoint(named)
        )


def _limit(log: AuditLog, keep_days: float) -> _Limit:
    if not 0 < keep_days < float("inf"):
        raise ConfigError(f"keep_days={keep_days!r}: expected a positive number of days")
    placed = {**holds(log), **restrictions(log)}
    subjects = frozenset[str]().union(*map(subjects_of, placed.values()))
    return _Limit(log._clock.wall_ns() - int(keep_days * _DAY_NS), frozenset(placed), subjects)


def _plan(
    root: Path, streams: dict[str, Known], limit: _Limit, on_progress: Callable[[int, int], None]
) -> list[_Gone]:
    ahead = []
    for known in streams.values():
        paths = segments(root / "streams" / known.name)
        if known.ended is None or (known.ended.get("torn") or {}).get("bytes"):
            paths = paths[:-1]  # still written, to be recovered, or its unfinished line is verified too
        ahead.append((known, paths))
    found = []
    done, total = 0, sum(len(paths) for _, paths in ahead)
    for known, paths in ahead:
        for at, gone in enumerate(_stream_plan(known, paths, limit), done + 1):
            found.append(gone)
            on_progress(at, total)
        done += len(paths)
        on_progress(done, total)
    return found


def _stream_plan(known: Known, paths: list[Path], limit: _Limit) -> Iterator[_Gone]:
    tree, key, passed = Frontier(), known.key, 0
    if known.expired is not None:
        passed, key = known.expired["segment"], known.expired["key"]
        tree = Frontier(known.expired["size"], map(bytes.fromhex, known.expired["peaks"]))
    for path in paths:
        if int(path.stem) <= passed:
            continue
        leaves, times, boxes = [], [], []
        for line in lines(path):
            try:
                entry = parse(line)
            except BadLine:
                return  # damaged: nothing of it goes before somebody has looked
            leaves.append(leaf_hash(line.rstrip(b"\n")))
            if limit.keeps(entry):
                return
            if entry.time_ns:
                times.append(entry.time_ns)
            if entry.type == "segment.sealed":
                key = str(entry.data.get("next_key"))
            box = box_of(entry.data)
            if box is not None:
                boxes.append(box)
        if not times:
            return
        tree.extend(leaves)
        state = {
            "stream": known.name,
            "segment": int(path.stem),
            "size": tree.size,
            "leaf": leaves[-1].hex(),
            "root": tree.root().hex(),
            "peaks": [peak.hex() for peak in tree.peaks],
            "key": key,
        }
        told = Expired(known.name, int(path.stem), len(leaves), min(times), max(times))
        yield _Gone(told, state, boxes)
