"""CSV for spreadsheets, and JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator

from guardrails_lite.audit._format import Entry
from guardrails_lite.audit.export import _facts as facts

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet may take for the beginning of a formula."""
HEAD = (
    *("started", "ended", "id", "guard", "digest", "mode", "style", "model", "outcome", "error"),
    *("tenant", "user", "session", "api_key", "sends", "prompt_tokens", "completion_tokens", "cost_usd"),
    *("duration_ms", "input_chars", "output_chars", "found"),
)


def as_csv(entries: Iterable[Entry]) -> Iterator[str]:
    """A row a call, after a head (RFC 4180)."""
    yield _line(HEAD)
    for entry in entries:
        began, ended = facts.ends_ns(entry)
        told = facts.who(entry)
        cost = entry.data.get("cost_usd")
        yield _line(
            (
                facts.stamp(began),
                facts.stamp(ended),
                entry.id,
                *(facts.text(entry, name) for name in HEAD[3:10]),
                *(told.get(name, "") for name in ("tenant", "user", "session", "api_key")),
                sum(1 for _ in facts.steps(entry, "attempts")),
                *facts.tokens(entry),
                "" if cost is None else facts.number(cost),
                round((ended - began) / 1e6, 3),
                *(int(facts.number(entry.data.get(name))) for name in ("input_chars", "output_chars")),
                facts.rules(entry),
            )
        )


def _line(cells: Iterable[object]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow([_cell(cell) for cell in cells])
    return written.getvalue()


def _cell(cell: object) -> object:
    """A text that a spreadsheet will not run: a model's name is whatever the caller wrote."""
    if not isinstance(cell, str):
        return cell
    plain = cell.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    return f"'{plain}" if plain.startswith(_FORMULA) else plain


def as_jsonl(entries: Iterable[Entry]) -> Iterator[str]:
    """A call's entry a line, whole, with its place in the log."""
    for entry in entries:
        told = {"type": entry.type, "id": entry.id, "stream": entry.stream, "n": entry.n}
        yield json.dumps({**told, "time_ns": entry.time_ns, "data": entry.data}) + "\n"
