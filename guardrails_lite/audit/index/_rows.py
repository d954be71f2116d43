"""What an entry of the log becomes: rows, and additions to the sums.

The chain says that these are the bytes that were written, not that their payload has the shape we expect: a
newer library may have written it, or a stranger. So every value is taken as what its column can hold, or left
out.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from guardrails_lite.audit._format import Entry
from guardrails_lite.audit.index._schema import BLOCKED, BUCKETS, DAY_NS, HOUR_NS, UNFINISHED

FOUND: Final = ("found", "broken", "timed out")
"""The results of a check that a reviewer looks at."""

_LONGEST: Final = 2_000
_LARGEST: Final = 2**63 - 1
_LISTED: Final = ("user", "key", "tenant")
"""The fields of ``who`` that have a column and sums; the others are tags."""
_QUIET: Final = ("checkpoint", "heartbeat")
"""Types that are counted in their stream and need no row."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line stands in the log."""

    segment: str
    offset: int


@dataclass(slots=True)
class Batch:
    """Rows and sums that were gathered, to be written in one transaction."""

    db: sqlite3.Connection
    next_row: int
    open_calls: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    rows: defaultdict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: defaultdict(list))
    sums: defaultdict[str, dict[tuple[Any, ...], list[Any]]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    _taken: dict[str, int] = field(default_factory=dict)

    def add(self, entry: Entry, place: Place) -> None:
        """Take in one entry."""
        if entry.type == "call.completed":
            self._completed(entry, place)
        elif entry.type == "call.intent":
            self.open_calls.setdefault(text(entry.id), _call_row(entry, place, UNFINISHED))
        elif entry.type not in _QUIET:
            call = text(entry.data.get("call"))
            data = json.dumps(entry.data, ensure_ascii=True)
            self.rows["events"].append(
                (
                    None,
                    text(entry.id),
                    whole(entry.time_ns),
                    text(entry.type),
                    call,
                    entry.stream,
                    entry.n,
                    data,
                )
            )

    def write(self) -> None:
        """Write all of it; the caller commits."""
        for ident, row in self.open_calls.items():
            if ident not in self._taken and self._row_of(ident) is None:
                self.rows["calls"].append((self._new_row(), *row))
        for table, rows in filter(lambda held: held[1], self.rows.items()):
            marks = ",".join("?" * len(rows[0]))
            self.db.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", rows)
        for table, sums in self.sums.items():
            keys, values = _SUMMED[table]
            columns = keys + values
            statement = (
                f"INSERT INTO {table} ({','.join(columns)}) VALUES ({','.join('?' * len(columns))}) "
                f"ON CONFLICT ({','.join(keys)}) DO UPDATE SET "
                + ",".join(f"{name} = {name} + excluded.{name}" for name in values)
            )
            self.db.executemany(statement, [(*key, *added) for key, added in sums.items()])

    def _completed(self, entry: Entry, place: Place) -> None:
        ident = text(entry.id)
        self.open_calls.pop(ident, None)
        held = self._row_of(ident)
        if ident in self._taken or (held is not None and held[1] != UNFINISHED):
            return  # a second record of the same call: the first one stands, and both are in the log
        row = held[0] if held is not None else self._new_row()
        self._taken[ident] = row
        outcome = text(entry.data.get("outcome")) or "unknown"
        call = _call_row(entry, place, outcome)
        self.rows["calls"].append((row, *call))
        at, guard, digest, model = call[1], call[3], call[4], call[7]
        checks = _steps(entry.data.get("checks"))
        found = self._checks(row, at, guard, checks)
        self._attempts(row, _steps(entry.data.get("attempts")))
        tags: list[str] = []
        for name, value in _who(entry.data).items():
            if name not in _LISTED:
                self.rows["tags"].append((name, value, at, row))
                tags.append(name)
        cost, us = call[16], call[17]
        tokens, tokens_in, tokens_out = call[13:16]
        blocked, unpriced, spent = int(outcome in BLOCKED), int(cost is None), cost or 0.0
        self._sum(
            "hours",
            (at // HOUR_NS, guard, digest, model, outcome),
            1,
            unpriced,
            tokens_in,
            tokens_out,
            spent,
            us,
        )
        self._sum("latencies", (at // DAY_NS, guard, digest, model, outcome, bucket(us)), 1)
        added = (1, blocked, unpriced, tokens, spent)
        people = dict(zip(_LISTED, call[10:13], strict=True))
        for name, value in people.items():
            self._sum("people", (name, at // DAY_NS, value), *added)
        plain = {"guard": guard, "digest": digest, "mode": call[5], "style": call[6], "model": model}
        named = [*people.items(), *plain.items(), ("outcome", outcome), *(("rule", rule) for rule in found)]
        for name, value in (*named, *(("tag", tag) for tag in tags)):
            self._sum("totals", (name, value), *added)

    def _checks(self, row: int, at: int, guard: str, checks: Sequence[Mapping[str, Any]]) -> set[str]:
        found = set()
        for step, check in enumerate(checks):
            rule, side, result = text(check.get("rule")), text(check.get("side")), text(check.get("result"))
            action, us = text(check.get("action")), whole(check.get("duration_us"))
            error = text(check.get("error"))
            self.rows["checks"].append(
                (row, step, rule, side, whole(check.get("attempt")), result, action, us, error)
            )
            self._sum("rules", (at // DAY_NS, guard, rule, side, result, action, bucket(us)), 1, us)
            if result in FOUND:
                found.add(rule)
        self.rows["found"] += [(rule, at, row) for rule in found]
        return found

    def _attempts(self, row: int, attempts: Sequence[Mapping[str, Any]]) -> None:
        for step, one in enumerate(attempts):
            status = one.get("status")
            self.rows["attempts"].append(
                (
                    row,
                    step,
                    text(one.get("target")),
                    text(one.get("model")),
                    whole(one.get("number")),
                    text(one.get("result")),
                    whole(status) if isinstance(status, int) else None,
                    whole(one.get("duration_us")),
                    money(one.get("cost_usd")),
                )
            )

    def _sum(self, table: str, key: tuple[Any, ...], *added: float) -> None:
        held = self.sums[table].get(key)
        if held is None:
            self.sums[table][key] = list(added)
        else:
            for at, value in enumerate(added):
                held[at] += value

    def _row_of(self, ident: str) -> tuple[int, str] | None:
        found: tuple[int, str] | None = self.db.execute(
            "SELECT row, outcome FROM calls WHERE id = ?", (ident,)
        ).fetchone()
        return found

    def _new_row(self) -> int:
        self.next_row += 1
        return self.next_row - 1


_SUMMED: Final = {
    "hours": (
        ("hour", "guard", "digest", "model", "outcome"),
        ("calls", "unpriced", "tokens_in", "tokens_out", "cost", "us"),
    ),
    "people": (("field", "day", "value"), ("calls", "blocked", "unpriced", "tokens", "cost")),
    "latencies": (("day", "guard", "digest", "model", "outcome", "bucket"), ("calls",)),
    "rules": (("day", "guard", "rule", "side", "result", "action", "bucket"), ("checks", "us")),
    "totals": (("field", "value"), ("calls", "blocked", "unpriced", "tokens", "cost")),
}
"""Of each table of sums: its key, and what is added up."""


def _call_row(entry: Entry, place: Place, outcome: str) -> tuple[Any, ...]:
    """The columns of ``calls`` after ``row``, in order."""
    data = entry.data
    usage = data.get("usage")
    used = usage if isinstance(usage, Mapping) else {}
    who = _who(data)
    found = [text(check.get("rule")) for check in _steps(data.get("checks")) if check.get("result") in FOUND]
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
        *(who.get(name, "") for name in _LISTED),
        whole(used.get("total_tokens")),
        whole(used.get("prompt_tokens")),
        whole(used.get("completion_tokens")),
        money(data.get("cost_usd")),
        whole(data.get("duration_us")),
        whole(data.get("input_chars")),
        whole(data.get("output_chars")),
        len(_steps(data.get("attempts"))),
        ", ".join(dict.fromkeys(found)),
        int(isinstance(data.get("content"), Mapping) and "ref" in data["content"]),
        entry.stream,
        entry.n,
        place.segment,
        place.offset,
    )


def bucket(us: int) -> int:
    """The bucket that counts a duration."""
    return round(BUCKETS * math.log2(us)) if us > 1 else 0


def bucket_us(number: int) -> float:
    """The duration that bucket *number* stands for."""
    return float(2.0 ** (number / BUCKETS))


def text(value: object) -> str:
    """*value* where it is text that a database takes, shortened to a bound; otherwise nothing."""
    if not isinstance(value, str):
        return ""
    return value[:_LONGEST].encode("utf-8", "replace").decode()


def whole(value: object) -> int:
    """*value* where it is a number that a column takes; otherwise 0."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return 0
    return max(-_LARGEST, min(_LARGEST, round(value)))


def money(value: object) -> float | None:
    """*value* where it is an amount; otherwise unknown."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _started_ns(value: object) -> int:
    if not isinstance(value, int | float) or not 0 < value < 2**33:
        return 0
    return round(value * 1e6) * 1000


def _who(data: Mapping[str, Any]) -> dict[str, str]:
    who = data.get("who")
    if not isinstance(who, Mapping):
        return {}
    return {_COLUMN.get(text(name), text(name)): text(value) for name, value in who.items() if value}


_COLUMN: Final = {"api_key": "key"}


def _steps(value: object) -> list[Mapping[str, Any]]:
    return [step for step in value if isinstance(step, Mapping)] if isinstance(value, list) else []
