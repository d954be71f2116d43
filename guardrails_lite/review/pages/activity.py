"""Who did what with the log: what was decided, read, held, erased, let go and taken away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from guardrails_lite.audit._verdicts import DECIDED, UNDONE
from guardrails_lite.review._desk import Visit
from guardrails_lite.review._view import View

_KINDS: Final = (
    DECIDED,
    UNDONE,
    "review.sampled",
    "log.read",
    "hold.placed",
    "hold.released",
    "restriction.placed",
    "restriction.lifted",
    "erasure",
    "segment.expired",
    "bundle.made",
    "export.made",
)
_DOERS: Final = ("reviewer", "reader", "owner", "by", "request")
_COLUMNS: Final = ("at", "type", "who", "call", "told", "id")


def page(visit: Visit) -> View:
    """The newest two hundred acts of people."""
    asked = visit.query.get("type", "")
    kinds = (asked,) if asked in _KINDS else _KINDS
    acts = [
        {
            "at": event.at,
            "type": event.type,
            "who": who(event.data),
            "call": event.call,
            "told": told(event.data),
            "id": event.id,
        }
        for event in visit.told(visit.index.events(type=kinds, limit=200))
    ]
    rows = [[act[name] for name in _COLUMNS] for act in acts]
    return View("activity.html", "Activity", {"type": asked, "acts": acts}, _COLUMNS, rows, {"kinds": _KINDS})


def who(data: Mapping[str, Any]) -> str:
    """Who did it; where an entry names nobody, the request that it answers."""
    return next((str(data[name]) for name in _DOERS if name in data), "")


def told(data: Mapping[str, Any]) -> str:
    """What an entry says besides who and about which call."""
    skipped = {*_DOERS, "call", "needs", "next_key", "peaks", "leaf", "root", "key"}
    kept = {name: value for name, value in data.items() if name not in skipped and value not in ("", None)}
    return ", ".join(f"{name} {_plain(value)}" for name, value in kept.items())


def _plain(value: Any) -> str:
    """A value in a few words: what is nested is counted."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return " ".join(value)
    return str(len(value)) if isinstance(value, (list, dict)) else str(value)
