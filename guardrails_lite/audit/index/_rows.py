"""What an entry of the log becomes: rows.

The chain says that these are the bytes that were written, not that their payload has the shape we expect: a
newer library may have written it, or a stranger. So every value is taken as what its column can hold, or left
out.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from guardrails_lite.audit._format import Entry
from guardrails_lite.audit.index._database import Database
from guardrails_lite.audit.index._schema import FOUND, UNFINISHED
from guardrails_lite.audit.index._sums import add_sums

_AT_ONCE: Final = 500
"""Calls that are looked up together: a database may be far away."""
_LONGEST: Final = 2_000
_LARGEST: Final = 2**63 - 1
_MOST: Final = 10**12
"""Of tokens, characters or microseconds of one call: these are eleven days."""
_COLUMNS: Final = ("user", "api_key", "tenant")
"""The fields of ``who`` that have a column; the others are tags."""
_QUIET: Final = ("checkpoint", "heartbeat")
"""Types that are counted in their stream and need no row."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line stands in the log."""

    segment: str
    offset: int


@dataclass(slots=True)
class Batch:
    """Rows that were gathered, to be written in one transaction."""

    db: Database
    first_row: int
    """Of the new calls."""
    first_event: int
    _finished: list[tuple[Entry, Place]] = field(default_factory=list)
    """Calls whose record has come, and that are not looked up yet."""
    _open: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    """Calls with an intent and, so far, no record."""
    _done: set[str] = field(default_factory=set)
    _names: set[str] = field(default_factory=set)
    _rows: defaultdict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, entry: Entry, place: Place) -> None:
        """Take in one entry."""
        if entry.type == "call.completed":
            self._finished.append((entry, place))
            if len(self._finished) >= _AT_ONCE:
                self._finish()
        elif entry.type == "call.intent":
            self._open[text(entry.id)] = _call_row(entry, place, UNFINISHED, "")
        elif entry.type not in _QUIET:
            call, data = text(entry.data.get("call")), json.dumps(entry.data, ensure_ascii=True)
            told = (text(entry.id), whole(entry.time_ns), text(entry.type), call)
            self._rows["events"].append((self._new_event(), *told, entry.stream, entry.n, data))

    def write(self) -> None:
        """Write all of it; the caller commits."""
        self._finish()
        waiting = [ident for ident in self._open if ident not in self._done]
        held = self._held(waiting)
        for ident in waiting:
            if ident not in held:
                self._rows["calls"].append((self._new_row(), *self._open[ident]))
        for table, rows in self._rows.items():
            marks = ",".join("?" * len(rows[0]))
            self.db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        names = [(name,) for name in self._names]
        self.db.executemany("INSERT INTO tag_names VALUES (?) ON CONFLICT DO NOTHING", names)
        if self._rows.get("calls"):
            add_sums(self.db, self.first_row)

    def _finish(self) -> None:
        finished, self._finished = self._finished, []
        held = self._held([text(entry.id) for entry, _ in finished])
        for entry, place in finished:
            self._completed(entry, place, held.get(text(entry.id)))

    def _completed(self, entry: Entry, place: Place, held: tuple[int, str] | None) -> None:
        data, ident = entry.data, text(entry.id)
        self._open.pop(ident, None)
        if ident in self._done or (held is not None and held[1] != UNFINISHED):
            return  # a second record of the same call: the first one stands, and both are in the log
        if held is not None:
            self.db.execute("DELETE FROM calls WHERE row = ?", held[:1])
        self._done.add(ident)
        row = self._new_row()
        found: dict[str, None] = {}
        for step, check in enumerate(steps(data.get("checks"))):
            rule, result = text(check.get("rule")), text(check.get("result"))
            if result in FOUND:
                found[rule] = None
            self._rows["checks"].append(
                (
                    row,
                    step,
                    rule,
                    text(check.get("side")),
                    whole(check.get("attempt")),
                    result,
                    text(check.get("action")),
                    amount(check.get("duration_us")),
                    text(check.get("error")),
                )
            )
        call = _call_row(entry, place, text(data.get("outcome")) or "unknown", ", ".join(found))
        at = call[1]
        self._rows["calls"].append((row, *call))
        if found:
            self._rows["found"] += [(rule, at, row) for rule in found]
        for step, one in enumerate(steps(data.get("attempts"))):
            self._rows["attempts"].append(_attempt_row(row, step, one))
        tags = {text(name): text(value) for name, value in _who(data).items() if name not in _COLUMNS}
        if tags:
            self._rows["tags"] += [(name, value, at, row) for name, value in tags.items() if value]
            self._names.update(tags)

    def _held(self, idents: Sequence[str]) -> dict[str, tuple[int, str]]:
        """The row and the outcome of each call that the index has."""
        found: dict[str, tuple[int, str]] = {}
        for start in range(0, len(idents), _AT_ONCE):
            some = idents[start : start + _AT_ONCE]
            marks = ",".join("?" * len(some))
            rows = self.db.execute(f"SELECT id, row, outcome FROM calls WHERE id IN ({marks})", some)
            found |= {ident: (row, outcome) for ident, row, outcome in rows}
        return found

    def _new_row(self) -> int:
        return self.first_row + len(self._rows["calls"])

    def _new_event(self) -> int:
        return self.first_event + len(self._rows["events"])


def _call_row(entry: Entry, place: Place, outcome: str, found: str) -> tuple[Any, ...]:
    """The columns of ``calls`` after ``row``, in order."""
    data = entry.data
    usage = data.get("usage")
    used = usage if isinstance(usage, Mapping) else {}
    checks = data.get("checks_usage")
    judged = checks if isinstance(checks, Mapping) else {}
    cost = money(data.get("cost_usd"))
    checks_cost = money(data.get("checks_cost_usd", 0.0))
    who = _who(data)
    content = data.get("content")
    return (
        text(entry.id),
        _started_ns(data.get("started")) or whole(entry.time_ns),
        whole(entry.time_ns),
        text(data.get("guard")),
        text(data.get("digest")),
        text(data.get("mode")),
        text(data.get("style")),
        text(data.get("model")),
        outcome,
        text(data.get("error")),
        *[text(who.get(name)) for name in _COLUMNS],
        *[
            amount(used.get(name)) + amount(judged.get(name))
            for name in ("total_tokens", "prompt_tokens", "completion_tokens")
        ],
        None if cost is None or checks_cost is None else cost + checks_cost,
        amount(data.get("duration_us")),
        amount(data.get("input_chars")),
        amount(data.get("output_chars")),
        len(steps(data.get("attempts"))),
        found,
        int(isinstance(content, Mapping) and "ref" in content),
        entry.stream,
        entry.n,
        place.segment,
        place.offset,
    )


def _attempt_row(row: int, step: int, one: Mapping[str, Any]) -> tuple[Any, ...]:
    status = one.get("status")
    return (
        row,
        step,
        text(one.get("target")),
        text(one.get("model")),
        whole(one.get("number")),
        text(one.get("result")),
        whole(status) if isinstance(status, int) else None,
        amount(one.get("duration_us")),
        money(one.get("cost_usd")),
    )


def text(value: object) -> str:
    """*value* where it is text that a database takes, shortened to a bound; otherwise nothing."""
    if not isinstance(value, str):
        return ""
    if value.isascii() and len(value) <= _LONGEST and "\0" not in value:
        return value
    return value[:_LONGEST].replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def whole(value: object) -> int:
    """*value* where it is a number that a column takes; otherwise 0."""
    if not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        return 0
    return max(-_LARGEST, min(_LARGEST, round(value)))


def amount(value: object) -> int:
    """`whole` of what is added up over many records: some that lie must not make more than a column takes."""
    return max(-_MOST, min(_MOST, whole(value)))


def money(value: object) -> float | None:
    """*value* where it is an amount; otherwise unknown."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # An integer of JSON may be larger than any float, and a float no number: neither is below this bound.
    return float(value) if abs(value) <= sys.float_info.max else None


def steps(value: object) -> list[Mapping[str, Any]]:
    """*value* where it is a list of steps; what else is in it is left out."""
    return [step for step in value if isinstance(step, dict)] if isinstance(value, list) else []


def _started_ns(value: object) -> int:
    if not isinstance(value, int | float) or not 0 < value < 2**33:
        return 0
    return round(value * 1e6) * 1000


def _who(data: Mapping[str, Any]) -> Mapping[str, Any]:
    who = data.get("who")
    return who if isinstance(who, Mapping) else {}
