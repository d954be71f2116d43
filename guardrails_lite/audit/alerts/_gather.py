"""Gathering: the facts that an index has gained since a position.

A month of a log is millions of calls, checks and sends, and rules look for few of them. So each *kind* of
these, which is what its columns with few different values say, is asked about once: whether some rule can
match it. What none can match is not made into a fact, and of checks and sends it is not even read.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from guardrails_lite.audit.alerts._facts import SERVICES, WHO, Fact, flat
from guardrails_lite.audit.alerts._hours import OF, hours
from guardrails_lite.audit.index import Call
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

_COLUMNS: Final = tuple(part.name for part in fields(Call) if part.name in SERVICES["call"])
"""Of ``calls``, what is a field of a call's fact."""
_STEPS: Final = {
    "check": "call, step, rule, side, attempt, result, action, us, error FROM checks",
    "send": "call, step, target, model AS sent_model, number, result, status, us, cost_usd FROM attempts",
}

_FEW: Final = frozenset(
    ("guard", "digest", "mode", "style", "model", "outcome", "error", "attempts", "found")
)
"""The columns of ``calls`` that are part of a call's kind."""
_FEW_OF_STEPS: Final = 5
"""So many of the columns behind ``step`` are a step's kind."""
_KINDS: Final = {
    "check": ("rule, side, attempt, result, action", "?, ?, ?, ?, ?"),
    "send": (
        "target, model, number, result, coalesce(CAST(status AS TEXT), '')",
        "?, ?, ?, ?, coalesce(CAST(? AS TEXT), '')",
    ),
}
"""The kind of a step, and one that it is compared with: a status that is NULL is a status like others."""
_MOST_LEFT_OUT: Final = 100
"""Kinds of a step that are named in a question."""


class _Call(NamedTuple):
    """A finished call, as far as rules ask about calls."""

    row: int
    stream: str
    n: int
    ended: int
    at: int
    id: str
    outcome: str
    values: tuple[Any, ...]
    """Of these columns, and of the others that rules ask for."""


_OF_ALL: Final = _Call._fields[:-1]
"""The columns that are read of every call."""


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
        self._columns = self._asked_columns()
        self._few = [name for name in self._columns if name in _FEW]
        self._few_of = itemgetter(*[self._columns.index(name) for name in self._few])
        new = sorted(name[4:] for name in self._asks.get("call", ()) if name.startswith("new_"))
        self._new = [(name, self._columns.index(name)) for name in new]
        self._kinds: dict[Hashable, bool] = {}
        self._left_out: dict[str, list[tuple[Any, ...]]] = {service: [] for service in _STEPS}
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
        for calls in self._calls(0, since=begins):
            yield from self._facts([call for call in calls if has(call.stream, call.n, call.ended)])
        for _, fact, stream, n in self._events("at >= ?", [begins]):
            if has(stream, n, fact.at):
                yield fact

    # -- calls ----------------------------------------------------------------------------------------

    def _asked_columns(self) -> tuple[str, ...]:
        """The columns of ``calls`` that rules ask for, and those that each call needs."""
        asked = {name.removeprefix("new_") for name in self._asks.get("call", ())}
        for service in _STEPS:
            asked |= self._asks.get(service, set()) & {*WHO}
        return (*_OF_ALL, *(name for name in _COLUMNS if name in asked and name not in _OF_ALL))

    def _calls(self, row: int, *, since: int | None = None) -> Iterator[list[_Call]]:
        """Finished calls behind *row* in the order of their rows, in batches."""
        begins = [] if since is None else [since]
        question = (
            f"SELECT {','.join(self._columns)} FROM calls WHERE row > ? {'AND at >= ?' if begins else ''} "
            f"ORDER BY row LIMIT {_AT_ONCE}"
        )
        while rows := list(self._index.sql(question, [row, *begins]).rows):
            row = rows[-1][0]
            calls = [_Call._make((*each[: len(_OF_ALL)], each)) for each in rows]
            finished = [call for call in calls if call.outcome != UNFINISHED]
            if finished:
                yield finished

    def _facts(self, calls: list[_Call]) -> Iterator[Fact]:
        """The facts of *calls*, which are in the order of their rows, sorted by time."""
        if not calls:
            return iter(())
        held = {call.row: call for call in calls}
        wanted = self._wanted(calls) if "call" in self._asks else []
        steps = [step for service in _STEPS if service in self._asks for step in self._steps(service, held)]
        told = self._told([held[row] for row in sorted({*wanted, *(row for _, row, _, _ in steps)})])
        found = [Fact("call", held[row].at, f"{held[row].stream} {held[row].n}", told[row]) for row in wanted]
        shared = ("call", *(name for name in WHO if name in self._columns))
        last, who = -1, {}
        for service, row, step, own in steps:
            if row != last:
                last, who = row, {name: told[row][name] for name in shared}
                if self._tagged:
                    who |= {name: told[row][name] for name in told[row] if name.startswith("tag.")}
            place = f"{held[row].stream} {held[row].n} {service} {step}"
            found.append(Fact(service, held[row].at, place, who | own))
        return iter(sorted(found, key=lambda fact: fact.at))

    def _wanted(self, calls: list[_Call]) -> list[int]:
        """The rows of those of *calls* that some rule can match, by their kind and what is new with them."""
        found = []
        for call, new in zip(calls, self._are_new(calls), strict=True):
            kind = ("call", self._few_of(call.values), new)
            wanted = self._kinds.get(kind)
            if wanted is None:
                known = {name: call.values[self._columns.index(name)] for name in self._few}
                known |= {f"new_{name}": each for (name, _), each in zip(self._new, new, strict=True)}
                wanted = self._ask_once(kind, "call", {**known, "blocked": call.outcome in BLOCKED})
            if wanted:
                found.append(call.row)
        return found

    def _steps(
        self, service: str, held: Mapping[int, _Call]
    ) -> Iterator[tuple[str, int, int, dict[str, Any]]]:
        """Of the calls that are *held*, the steps that some rule can match: each's row, number and fields."""
        question = f"SELECT {_STEPS[service]} WHERE call BETWEEN ? AND ?"
        parameters: list[Any] = [min(held), max(held)]
        left_out = self._left_out[service]
        if left_out:
            columns, marks = _KINDS[service]
            question += f" AND ({columns}) NOT IN (VALUES {','.join([f'({marks})'] * len(left_out))})"
            parameters += (value for kind in left_out for value in kind)
        answer = self._index.sql(question, parameters)
        names = answer.columns[2:]
        for row, step, *values in answer.rows:
            few = tuple(values[:_FEW_OF_STEPS])
            wanted = self._kinds.get((service, few))
            if wanted is None:
                wanted = self._ask_once((service, few), service, dict(zip(names, few, strict=False)))
                if not wanted and len(left_out) < _MOST_LEFT_OUT:
                    left_out.append(few)
            if wanted and row in held:
                yield service, row, step, dict(zip(names, values, strict=True))

    def _ask_once(self, kind: Hashable, service: str, known: Mapping[str, Any]) -> bool:
        """Whether some rule can match what is of this kind; for most what is *known* tells, so it is kept."""
        if len(self._kinds) >= _MOST_KNOWN:
            self._kinds.clear()
        wanted = self._kinds[kind] = self._matcher.may_match(service, known)
        return wanted

    def _told(self, calls: list[_Call]) -> dict[int, dict[str, Any]]:
        """The fields of each of *calls*, by its row."""
        columns = [(name, self._columns.index(name)) for name in _COLUMNS if name in self._columns]
        aged = "log_age_s" in self._asks.get("call", ())
        began = 0
        if aged and calls:
            ((began,),) = self._index.sql("SELECT at FROM calls ORDER BY at LIMIT 1").rows
        tags = self._tags(calls)
        told: dict[int, dict[str, Any]] = {}
        for call, new in zip(calls, self._are_new(calls), strict=True):
            fields = {name: call.values[place] for name, place in columns}
            if "kept" in fields:
                fields["kept"] = bool(fields["kept"])
            fields |= {"call": call.id, "blocked": call.outcome in BLOCKED}
            fields |= {f"new_{name}": each for (name, _), each in zip(self._new, new, strict=True)}
            if aged:
                fields["log_age_s"] = (call.at - began) / 10**9
            told[call.row] = fields | tags.get(call.row, {})
        return told

    def _tags(self, calls: list[_Call]) -> dict[int, dict[str, Any]]:
        """The fields that are named by whoever wrote them, which only the log itself has, by row."""
        if not (self._tagged and calls):
            return {}
        wanted = {call.row for call in calls}
        before, most = calls[0].row - 1, calls[-1].row - calls[0].row + 1
        whole = [call for call in self._index.taken_in(before, limit=most) if call.row in wanted]
        tags: dict[int, dict[str, Any]] = {}
        for call, entry in zip(whole, self._index.entries(whole), strict=True):
            who = entry.data.get("who")
            if isinstance(who, Mapping):
                tags[call.row] = {f"tag.{name}": value for name, value in who.items()}
        return tags

    def _are_new(self, calls: list[_Call]) -> list[tuple[bool, ...]]:
        """Of each of *calls*, for each column asked for: whether it is the first of all with its value."""
        firsts = [
            {self._first_with(name, value) for value in {call.values[place] for call in calls} if value}
            for name, place in self._new
        ]
        return [tuple([call.id in each for each in firsts]) for call in calls]

    def _first_with(self, column: str, value: str) -> str:
        """The id of the first of all calls that has *value*."""
        if len(self._first) >= _MOST_KNOWN:
            self._first.clear()
        if (column, value) not in self._first:
            question = f"SELECT id FROM calls WHERE {column} = ? ORDER BY at, row LIMIT 1"
            ((first,),) = self._index.sql(question, [value]).rows
            self._first[column, value] = first
        return self._first[column, value]

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
