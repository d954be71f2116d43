"""The calls, narrowed by facets that live in the address: a view can be sent to somebody else."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final
from urllib.parse import urlencode

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit.index import Filter
from guardrails_lite.review._desk import SPANS, Visit
from guardrails_lite.review._view import View

FACETS: Final = {
    "outcome": "Outcome",
    "rule": "Rule that found something",
    "guard": "Guard",
    "model": "Model",
    "tenant": "Tenant",
    "key": "API key",
    "user": "User",
    "mode": "Mode",
    "style": "Style",
    "digest": "Policy",
}
_EACH: Final = 8
_EXPORTED: Final = 100_000
"""As many as a spreadsheet can be opened with."""
_UNINDEXED: Final = ("mode", "style")
"""Offered while nothing narrows the calls: beyond that each would have to be looked at."""
_COLUMNS: Final = (
    "id",
    "at",
    "guard",
    "model",
    "outcome",
    "user",
    "key",
    "tenant",
    "tokens",
    "cost_usd",
    "us",
    "attempts",
    "found",
)


def page(visit: Visit) -> View:
    """Fifty calls, newest first, and what else there is to choose."""
    asked = asked_for(visit)
    page = visit.index.page(asked, after=visit.query.get("after"), limit=50)
    facets = {
        name: [
            {
                "value": facet.value,
                "calls": facet.calls,
                "chosen": facet.value in asked.values(name),
                "link": _toggled(visit, name, facet.value),
            }
            for facet in visit.index.facets(name, asked, limit=_EACH)
        ]
        for name in FACETS
        if name not in _UNINDEXED or asked.used <= {name}
    }
    data: dict[str, Any] = {
        "asked": {name: list(getattr(asked, name)) for name in FACETS if getattr(asked, name)},
        "text": asked.text,
        "since_ns": asked.since,
        "until_ns": asked.until,
        "calls": [call.to_dict() for call in page.calls],
        "more": page.more,
        "facets": {
            name: [{"value": one["value"], "calls": one["calls"]} for one in held]
            for name, held in facets.items()
        },
    }
    drawn = {
        "choices": {
            name: held for name, held in facets.items() if len(held) > 1 or any(one["chosen"] for one in held)
        },
        "names": FACETS,
        "range": "window" if "since" in visit.query else visit.query.get("range", "all"),
        "kept": {name: value for name, value in visit.query.items() if name not in ("text", "after")},
        "older": _link(visit, after=page.more) if page.more else "",
        "newest": _link(visit, after=None) if "after" in visit.query else "",
        "everything": not asked.used - {"since", "until"},
    }
    rows = ([told[name] for name in _COLUMNS] for told in _exported(visit, asked))
    return View("calls.html", "Calls", data, _COLUMNS, rows, drawn)


def _exported(visit: Visit, asked: Filter) -> Iterator[dict[str, Any]]:
    """The calls for a spreadsheet, which is not read page by page."""
    for call in islice(visit.index.calls(asked), _EXPORTED):
        yield call.to_dict()


def asked_for(visit: Visit) -> Filter:
    """The filter that the address spells.

    Raises:
        ConfigError: it names a time that is not one.
    """
    values: dict[str, Any] = {
        name: [value] for name in FACETS if (value := visit.query.get(name)) is not None
    }
    since, until = (_time(visit, name) for name in ("since", "until"))
    if since is None and "since" not in visit.query and visit.query.get("range") in SPANS:
        since = visit.since
    return Filter(text=visit.query.get("text", "").strip(), since=since, until=until, **values)


def _time(visit: Visit, name: str) -> int | None:
    text = visit.query.get(name)
    if not text:
        return None
    try:
        time_ns = int(text)
        if not 0 <= time_ns < 2**63:
            raise ValueError
        return time_ns
    except ValueError:
        raise ConfigError(f"{name}={text!r} in the address is not nanoseconds since the epoch") from None


def _toggled(visit: Visit, name: str, value: str) -> str:
    chosen = visit.query.get(name) == value
    return _link(visit, **{"after": None, name: None if chosen else value})


def _link(visit: Visit, **changes: str | None) -> str:
    query = {**visit.query, **changes}
    return "/calls?" + urlencode({name: value for name, value in query.items() if value is not None})
