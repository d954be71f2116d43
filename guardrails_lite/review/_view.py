"""What a page found, and its three forms: HTML for people, JSON and CSV for programs.

Text from a log is hostile: it may hold markup, escape codes, direction marks, or a formula. Each form makes
it harmless at its last step, for every value alike, so that no page can forget to.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from guardrails_lite._harmless import cell, safe
from guardrails_lite.review import _charts, _numbers

HERE: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class View:
    """One page, before it has a form."""

    template: str
    title: str
    data: Mapping[str, Any]
    """All that the page tells, as plain values: this is its JSON."""
    columns: Sequence[str] = ()
    rows: Iterable[Sequence[Any]] = ()
    """Its main table: this is its CSV. Read while the index is open, and only for that."""
    drawn: Mapping[str, Any] = field(default_factory=dict)
    """Charts, links, and what else only the template needs."""

    def as_json(self) -> str:
        """The data, in ASCII."""
        return json.dumps(self.data, indent=1, default=str) + "\n"

    def as_csv(self) -> str:
        """The main table; a cell that a spreadsheet would run as a formula is quoted by an apostrophe."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(self.columns)
        writer.writerows([_cell(value) for value in row] for row in self.rows)
        return text.getvalue()


def environment() -> Environment:
    """The templates, with what they may use."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        finalize=_harmless,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("count", "money", "ms", "percent", "when", "day"):
        made.filters[name] = getattr(_numbers, name)
    made.filters["capital"] = lambda text: text[:1].upper() + text[1:]
    made.filters["or_dash"] = lambda value: value if value not in (None, "") else "–"
    for name in ("share", "interval", "spark"):
        made.globals[name] = getattr(_charts, name)
    return made


def _harmless(value: Any) -> Any:
    """What a template prints: our own markup as it is, anything else without what steers or hides."""
    return value if isinstance(value, Markup) else safe(value)


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, (int, float)):
        return value
    return cell(str(value))
