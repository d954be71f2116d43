"""What a table says of a call; as CSV for spreadsheets, and the entry itself as JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from guardrails_lite._harmless import cell
from guardrails_lite.audit._format import Entry
from guardrails_lite.audit.export import _facts as facts
from guardrails_lite.audit.index._rows import money


class Row(NamedTuple):
    """A finished call: the columns of every table that is exported, in order."""

    started: int
    """Nanoseconds since the epoch, as `ended`."""
    ended: int
    id: str
    guard: str
    digest: str
    mode: str
    style: str
    model: str
    outcome: str
    error: str
    tenant: str
    user: str
    session: str
    api_key: str
    sends: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    """None where a price is unknown."""
    duration_ms: float
    input_chars: int
    output_chars: int
    found: list[str]
    """The rules that found something or broke."""


def row(entry: Entry) -> Row:
    """The row of one call; a text that is absent is empty."""
    began, ended = facts.ends_ns(entry)
    told = facts.who(entry)
    prompt_tokens, completion_tokens = facts.tokens(entry)

    def text(name: str) -> str:
        return facts.plain(facts.text(entry, name))

    def who(name: str) -> str:
        return facts.plain(told.get(name, ""))

    return Row(
        started=began,
        ended=ended,
        id=facts.plain(entry.id),
        guard=text("guard"),
        digest=text("digest"),
        mode=text("mode"),
        style=text("style"),
        model=text("model"),
        outcome=text("outcome"),
        error=text("error"),
        tenant=who("tenant"),
        user=who("user"),
        session=who("session"),
        api_key=who("api_key"),
        sends=sum(1 for _ in facts.steps(entry, "attempts")),
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        cost_usd=money(entry.data.get("cost_usd")),
        duration_ms=round((ended - began) / 1e6, 3),
        input_chars=int(facts.number(entry.data.get("input_chars"))),
        output_chars=int(facts.number(entry.data.get("output_chars"))),
        found=[facts.plain(rule) for rule in facts.rules(entry)],
    )


def as_csv(entries: Iterable[Entry]) -> Iterator[str]:
    """A row a call, after a head (RFC 4180), in which a model's name is nothing but text."""
    yield _line(Row._fields)
    for call in map(row, entries):
        times = {"started": facts.stamp(call.started), "ended": facts.stamp(call.ended)}
        yield _line({**call._asdict(), **times, "found": ", ".join(call.found)}.values())


def _line(cells: Iterable[object]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow([cell(each) if isinstance(each, str) else each for each in cells])
    return written.getvalue()


def as_jsonl(entries: Iterable[Entry]) -> Iterator[str]:
    """A call's entry a line, whole, with its place in the log."""
    for entry in entries:
        told = {"type": entry.type, "id": entry.id, "stream": entry.stream, "n": entry.n}
        yield json.dumps({**told, "time_ns": entry.time_ns, "data": entry.data}) + "\n"
