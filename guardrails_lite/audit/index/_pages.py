"""Lists, look-ups and facets: pages by key, so that the thousandth page costs what the first does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit.index._database import Database
from guardrails_lite.audit.index._filter import (
    COLUMNS,
    Condition,
    Filter,
    conditions,
    joined,
    text_parameters,
)
from guardrails_lite.audit.index._filter import TEXT as SEARCH

Order = Literal["newest", "oldest"]

FACETS: Final = (*COLUMNS, "rule")
"""What calls can be counted by."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as a row of a list. What is absent is the empty string."""

    row: int
    """Its number in this index; another index may give it another."""
    id: str
    at: int
    """When it started, nanoseconds since the epoch."""
    ended: int
    """When its record (while it is unfinished: its intent) was written."""
    guard: str
    digest: str
    mode: str
    style: str
    model: str
    outcome: str
    """An outcome, or ``"unfinished"``."""
    error: str
    user: str
    key: str
    tenant: str
    tokens: int
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    """None: a price is unknown."""
    us: int
    input_chars: int
    output_chars: int
    attempts: int
    found: str
    """The rules that had a finding or broke, separated by ``", "``."""
    stream: str
    n: int
    """Its record's position in the stream."""
    segment: str
    offset: int
    kept: bool
    """Whether the vault was given its texts."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON-compatible data."""
        return {name: getattr(self, name) for name in _COLUMNS}


_COLUMNS: Final = tuple(part.name for part in fields(Call))
_SELECT: Final = ",".join(_COLUMNS)


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list."""

    calls: tuple[Call, ...]
    more: str | None
    """The cursor for the next page; None: this was the last."""


@dataclass(frozen=True, slots=True)
class Facet:
    """How many calls have a value."""

    value: str
    calls: int


@dataclass(frozen=True, slots=True)
class Event:
    """An entry that is not a call: a review, an erasure, a gap, a head."""

    row: int
    id: str
    at: int
    """When it was written, nanoseconds since the epoch."""
    type: str
    call: str
    """The id of the call it is about; empty: none."""
    stream: str
    n: int
    data: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As JSON-compatible data."""
        return {part.name: getattr(self, part.name) for part in fields(self)}


def page(db: Database, asked: Filter, *, after: str | None, limit: int, order: Order) -> Page:
    """Up to *limit* calls behind the cursor *after*."""
    behind = _read_cursor(after)
    keys: set[tuple[int, int]] = set()
    for sql, parameters in _walks(db, asked, behind, order):
        keys |= set(db.execute(sql, [*parameters, limit + 1]))
    ordered = sorted(keys, reverse=order == "newest")
    rows = [row for _, row in ordered[:limit]]
    if not rows:
        return Page((), None)  # PostgreSQL takes no empty list
    marks = ",".join("?" * len(rows))
    found = {row[0]: row for row in db.execute(f"SELECT {_SELECT} FROM calls WHERE row IN ({marks})", rows)}
    more = f"{ordered[limit - 1][0]}.{ordered[limit - 1][1]}" if len(ordered) > limit else None
    return Page(tuple(_call(found[row]) for row in rows), more)


def find(db: Database, beginning: str, *, limit: int) -> list[Call]:
    """Up to *limit* calls whose id begins so."""
    sql = f"SELECT {_SELECT} FROM calls WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
    return [_call(row) for row in db.execute(sql, (beginning, beginning + "\U0010ffff", limit))]


def taken_in(db: Database, asked: Filter, after: int, *, limit: int | None) -> list[Call]:
    """The calls behind the row *after*, in the order in which they were taken in, at most *limit*."""
    where, parameters = joined(conditions(asked))
    sql = f"SELECT {_SELECT} FROM calls c WHERE c.row > ? AND {where} ORDER BY c.row LIMIT ?"
    return [_call(row) for row in db.execute(sql, (after, *parameters, _END if limit is None else limit))]


def events(
    db: Database,
    *,
    type: Iterable[str],
    call: str | None,
    since: int | None,
    until: int | None,
    limit: int,
    order: Order,
) -> list[Event]:
    """Up to *limit* entries that are not calls."""
    types = list(type)
    parts: list[Condition] = [(f"type IN ({','.join('?' * len(types))})", [*types])] if types else []
    if call is not None:
        parts.append(("call = ? AND call <> ''", [call]))
    if since is not None:
        parts.append(("at >= ?", [since]))
    if until is not None:
        parts.append(("at < ?", [until]))
    where, parameters = joined(parts)
    way = "DESC" if order == "newest" else "ASC"
    sql = f"SELECT * FROM events WHERE {where} ORDER BY at {way}, row {way} LIMIT ?"
    return [_event(*row) for row in db.execute(sql, [*parameters, limit])]


def facets(db: Database, asked: Filter, name: str, *, limit: int) -> list[Facet]:
    """The values that calls have for *name*, most frequent first.

    The part *name* of the filter itself is left out, so that the other choices stay visible.
    """
    if name not in FACETS:
        raise ConfigError(f"no facet {name!r}; there are {', '.join(FACETS)}")
    others = asked.used - {name}
    if not others:
        sql = "SELECT value, calls FROM totals WHERE field = ? ORDER BY calls DESC, value LIMIT ?"
        found = db.execute(sql, (name, limit))
    else:
        where, parameters = joined(conditions(asked, without=name, plus=""))
        if name == "rule":
            sql = (
                f"SELECT f.rule AS value, count(*) FROM calls c JOIN found f ON f.call = c.row WHERE {where}"
            )
        else:
            sql = f"SELECT c.{name} AS value, count(*) FROM calls c WHERE {where}"
        found = db.execute(f"{sql} GROUP BY value ORDER BY 2 DESC, value LIMIT ?", [*parameters, limit])
    return [Facet(*row) for row in found]


def _walks(db: Database, asked: Filter, behind: tuple[int, int] | None, order: Order) -> Iterator[Condition]:
    """The walks along an index that together meet every call asked for, each in order.

    The part with the fewest calls leads, one walk for each of its values. Where even that part has a large
    share of all calls, one walk along time is shorter.
    """
    way, beyond = ("DESC", "<") if order == "newest" else ("ASC", ">")
    first, last = asked.since or 0, _END if asked.until is None else asked.until
    paging: list[Condition] = []
    if behind is not None:
        first, last = (first, behind[0]) if order == "newest" else (behind[0], last)
        paging = [(f"(c.at {beyond} ? OR c.row {beyond} ?)", [behind[0], behind[1]])]
    leading = "text" if asked.text else _leading(db, asked)
    rest, parameters = joined([*conditions(asked, without=leading), *paging])
    ending = f" AND {rest} ORDER BY c.at {way}, c.row {way} LIMIT ?"
    if leading == "text":
        source = f"SELECT c.at, c.row FROM calls c WHERE c.row IN ({SEARCH})"
        yield source + ending, [*text_parameters(asked.text), *parameters]
    elif leading == "rule":
        source = (
            "SELECT f.at, f.call FROM found f JOIN calls c ON c.row = f.call "
            "WHERE f.rule = ? AND f.at BETWEEN ? AND ?"
        )
        ending = f" AND {rest} ORDER BY f.at {way}, f.call {way} LIMIT ?"
        for rule in asked.values("rule"):
            yield source + ending, [rule, first, last, *parameters]
    elif leading:
        source = f"SELECT c.at, c.row FROM calls c WHERE c.{leading} = ? AND c.at BETWEEN ? AND ?"
        for value in asked.values(leading):
            yield source + ending, [value, first, last, *parameters]
    else:
        yield (
            f"SELECT c.at, c.row FROM calls c WHERE c.at BETWEEN ? AND ?{ending}",
            [first, last, *parameters],
        )


def _leading(db: Database, asked: Filter) -> str:
    """The part of the filter with the fewest calls, unless those are many."""
    (everything,) = db.execute("SELECT coalesce(sum(calls), 0) FROM totals WHERE field = 'mode'").fetchone()
    sizes = []
    for name in (*_INDEXED, "rule"):
        values = asked.values(name)
        if values:
            marks = ",".join("?" * len(values))
            sql = f"SELECT coalesce(sum(calls), 0) FROM totals WHERE field = ? AND value IN ({marks})"
            sizes.append((db.execute(sql, [name, *values]).fetchone()[0], name))
    size, name = min(sizes, default=(everything, ""))
    return name if size * 8 < everything or not everything else ""


_END: Final = 2**63 - 1
_INDEXED: Final = tuple(name for name in COLUMNS if name not in ("mode", "style"))


def _read_cursor(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    at, _, row = text.partition(".")
    try:
        return int(at), int(row)
    except ValueError:
        raise ConfigError(f"the cursor {text!r} did not come from a page") from None


def _event(row: int, ident: str, at: int, kind: str, call: str, stream: str, n: int, data: str) -> Event:
    return Event(row, ident, at, kind, call, stream, n, json.loads(data))


def _call(row: tuple[Any, ...]) -> Call:
    values: Any = (*row[:-1], bool(row[-1]))
    return Call(*values)
