"""Gathering: the facts that an index has gained since a position."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from guardrails_lite.audit.alerts._facts import SERVICES, Fact, flat
from guardrails_lite.audit.alerts._hours import OF, hours
from guardrails_lite.audit.index import Call, Filter
from guardrails_lite.audit.index._schema import BLOCKED, HOUR_NS, UNFINISHED

if TYPE_CHECKING:
    from guardrails_lite.audit.alerts._match import Matcher
    from guardrails_lite.audit.index import Index
    from guardrails_lite.audit.postgres import ShippedIndex

RAISED: Final = "alert.raised"
SENT: Final = "alert.sent"
_OURS: Final = (RAISED, SENT)
"""Entries that no rule is asked about: an alert on an alert would not end."""

_AT_ONCE: Final = 5_000
"""Calls that are held in memory together."""
_BETWEEN_HOURS_NS: Final = 60 * 10**9
"""From one look at the present hour to the next."""
_MOST_KNOWN: Final = 100_000

_ANY: Final = Filter()
_COLUMNS: Final = tuple(part.name for part in fields(Call) if part.name in SERVICES["call"])
_columns_of: Final = attrgetter(*_COLUMNS)
"""Of a call, what is a field of its fact."""
_WHO: Final = ("guard", "digest", "mode", "style", "model", "outcome", "user", "key", "tenant")
_STEPS: Final = {
    "check": "call, step, rule, side, attempt, result, action, us, error FROM checks",
    "send": "call, step, target, model AS sent_model, number, result, status, us, cost_usd FROM attempts",
}
_FEW: Final = 5
"""Of the columns behind ``step``, so many have few different values."""


@dataclass(slots=True)
class Position:
    """How far a log has been looked at."""

    since: int
    """Where the first look began, nanoseconds since the epoch: in a stream that is in no position yet, what
    is older is left out."""
    streams: dict[str, int] = field(default_factory=dict)
    """How many entries of each stream."""
    marks: dict[str, tuple[int, str, int]] = field(default_factory=dict)
    """The last row of ``calls`` and of ``events``, its stream and n: where to go on, unless the index was
    built anew since."""

    def has(self, stream: str, n: int, at: int) -> bool:
        """Whether an entry was looked at, or is too old to be."""
        return n < self.streams[stream] if stream in self.streams else at < self.since


class Gatherer:
    """Facts from *index*, which the caller brings up to date.

    Args:
        position: Where to begin; it moves on as facts are given.
        matcher: For whom they are: what is costly, and what no rule of it can match, is left out.
    """

    def __init__(self, index: Index | ShippedIndex, position: Position, matcher: Matcher) -> None:
        self._index = index
        self._position = position
        self._matcher = matcher
        self._asks: Mapping[str, set[str]] = matcher.asks
        self._tagged = any(name.startswith("tag.") for asked in self._asks.values() for name in asked)
        self._hours_of = [of for of in OF if matcher.may_match("hour", {"of": of})]
        self._steps: dict[tuple[Any, ...], bool] = {}
        self._hours: set[int] = set()
        self._hours_at = 0
        self._first: dict[tuple[str, str], str] = {}

    def new(self, now_ns: int) -> Iterator[Fact]:
        """What the index has gained."""
        position = self._position
        streams = {source.name: source.records for source in self._index.sources()}
        for calls in self._calls(self._marked("calls")):
            fresh = [call for call in calls if not position.has(call.stream, call.n, call.ended)]
            yield from self._facts(fresh)
            self._hours.update(call.at // HOUR_NS for call in fresh)
            for call in fresh:  # another process may have brought the index further meanwhile
                streams[call.stream] = max(streams.get(call.stream, 0), call.n + 1)
            position.marks["calls"] = (calls[-1].row, calls[-1].stream, calls[-1].n)
        for row, fact, stream, n in self._events("row > ?", [self._marked("events")]):
            if not position.has(stream, n, fact.at):
                yield fact
                streams[stream] = max(streams.get(stream, 0), n + 1)
            position.marks["events"] = (row, stream, n)
        position.streams.update(streams)
        if self._hours and "hour" in self._asks and now_ns - self._hours_at >= _BETWEEN_HOURS_NS:
            self._hours_at = now_ns
            yield from hours(self._index, self._hours, of=self._hours_of, now_ns=now_ns)
            self._hours.clear()

    def before(self, reach_ns: int) -> Iterator[Fact]:
        """What windows that reach back *reach_ns* from something new still hold of what is not new."""
        question = (
            "SELECT min(at) FROM (SELECT min(at) AS at FROM calls WHERE row > ? AND outcome <> ? "
            "UNION ALL SELECT min(at) FROM events WHERE row > ?)"
        )
        marks = [self._marked("calls"), UNFINISHED, self._marked("events")]
        ((oldest,),) = self._index.sql(question, marks).rows
        if oldest is None:
            return
        has, begins = self._position.has, oldest - reach_ns
        for calls in self._calls(0, Filter(since=begins)):
            yield from self._facts([call for call in calls if has(call.stream, call.n, call.ended)])
        for _, fact, stream, n in self._events("at >= ?", [begins]):
            if has(stream, n, fact.at):
                yield fact

    # -- calls ----------------------------------------------------------------------------------------

    def _calls(self, row: int, asked: Filter = _ANY) -> Iterator[list[Call]]:
        """Finished calls behind *row* in the order of their rows, in batches."""
        while taken := self._index.taken_in(row, asked, limit=_AT_ONCE):
            row = taken[-1].row
            calls = [call for call in taken if call.outcome != UNFINISHED]
            if calls:
                yield calls

    def _facts(self, calls: list[Call]) -> Iterator[Fact]:
        """The facts of *calls*, which are in the order of their rows, sorted by time."""
        found: list[Fact] = []
        told = {call.row: (call, each) for call, each in zip(calls, self._told(calls), strict=True)}
        if "call" in self._asks:
            found += [Fact("call", call.at, f"{call.stream} {call.n}", each) for call, each in told.values()]
        for service, columns in _STEPS.items():
            if service in self._asks and calls:
                bounds = [calls[0].row, calls[-1].row]
                answer = self._index.sql(f"SELECT {columns} WHERE call BETWEEN ? AND ?", bounds)
                names, last, who = answer.columns[2:], -1, {}
                for row, step, *values in answer.rows:
                    if row not in told or not self._is_wanted(service, names, values):
                        continue
                    call, each = told[row]
                    if row != last:
                        last, who = row, {name: each[name] for name in ("call", *_WHO)}
                        if self._tagged:
                            who |= {name: each[name] for name in each if name.startswith("tag.")}
                    of_step = who | dict(zip(names, values, strict=True))
                    found.append(Fact(service, call.at, f"{call.stream} {call.n} {service} {step}", of_step))
        return iter(sorted(found, key=lambda fact: fact.at))

    def _is_wanted(self, service: str, names: Sequence[str], values: Sequence[Any]) -> bool:
        """Whether some rule can match a step; for most its few first columns tell, so they are remembered."""
        few = (service, *values[:_FEW])
        wanted = self._steps.get(few)
        if wanted is None:
            if len(self._steps) >= _MOST_KNOWN:
                self._steps.clear()
            known = dict(zip(names[:_FEW], values[:_FEW], strict=True))
            wanted = self._steps[few] = self._matcher.may_match(service, known)
        return wanted

    def _told(self, calls: list[Call]) -> Iterator[dict[str, Any]]:
        """The fields of each of *calls*."""
        asked = self._asks.get("call", set())
        new = [name[4:] for name in asked if name.startswith("new_")]
        began = 0
        if "log_age_s" in asked and calls:
            ((began,),) = self._index.sql("SELECT at FROM calls ORDER BY at LIMIT 1").rows
        for call in calls:
            told = dict(zip(_COLUMNS, _columns_of(call), strict=True))
            told |= {"call": call.id, "blocked": call.outcome in BLOCKED}
            for name in new:
                told[f"new_{name}"] = self._is_first(name, told[name], call.id)
            if "log_age_s" in asked:
                told["log_age_s"] = (call.at - began) / 10**9
            if self._tagged:
                who = self._index.entry(call).data.get("who")
                if isinstance(who, Mapping):
                    told |= {f"tag.{name}": value for name, value in who.items()}
            yield told

    def _is_first(self, column: str, value: str, call: str) -> bool:
        """Whether *call* is the first of all calls that has *value*."""
        if not value:
            return False
        if len(self._first) >= _MOST_KNOWN:
            self._first.clear()
        if (column, value) not in self._first:
            question = f"SELECT id FROM calls WHERE {column} = ? ORDER BY at, row LIMIT 1"
            ((first,),) = self._index.sql(question, [value]).rows
            self._first[column, value] = first
        return self._first[column, value] == call

    # -- events ---------------------------------------------------------------------------------------

    def _events(self, where: str, parameters: Sequence[Any]) -> Iterator[tuple[int, Fact, str, int]]:
        if "event" not in self._asks:
            return
        question = f"SELECT row, stream, n, id, at, type, call, data FROM events WHERE {where} ORDER BY row"
        for row, stream, n, ident, at, kind, call, data in list(self._index.sql(question, parameters).rows):
            if kind not in _OURS:
                told = {"type": kind, "id": ident, "call": call, "stream": stream, "n": n}
                fact = Fact("event", at, f"{stream} {n}", {**told, **flat(json.loads(data))})
                yield row, fact, stream, n

    def _marked(self, table: str) -> int:
        """The row behind which new ones stand; 0 where the index is another one than that of the mark."""
        if table not in self._position.marks and not self._position.streams:
            return self._first_behind(table)
        row, stream, n = self._position.marks.get(table, (0, "", 0))
        question = f"SELECT count(*) FROM {table} WHERE row = ? AND stream = ? AND n = ?"
        ((found,),) = self._index.sql(question, [row, stream, n]).rows
        return row if found else 0

    def _first_behind(self, table: str) -> int:
        """The row behind which the first look begins: before it everything is too old."""
        written = "ended" if table == "calls" else "at"
        last = f"SELECT coalesce(max(row), 0) FROM {table}"
        question = f"SELECT coalesce(min(row) - 1, ({last})) FROM {table} WHERE {written} >= ?"
        ((row,),) = self._index.sql(question, [self._position.since]).rows
        return int(row)
