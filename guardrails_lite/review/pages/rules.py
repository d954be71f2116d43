"""Each rule: how often it found something, how often it was right, how long it takes."""

from __future__ import annotations

from typing import Any, Final

from guardrails_lite.audit.index import Filter
from guardrails_lite.audit.index._schema import DAY_NS
from guardrails_lite.review._desk import Visit, plain
from guardrails_lite.review._view import View

_TREND_DAYS: Final = 14
_COLUMNS: Final = (
    "rule",
    "side",
    "checks",
    "found",
    "broken",
    "blocked",
    "mean_us",
    "p95_us",
    "right",
    "benign",
    "wrong",
    "unsure",
    "precision",
    "precision_low",
    "precision_high",
)


def page(visit: Visit) -> View:
    """Use within the range; precision over all that was ever decided."""
    verdicts = visit.verdicts()
    trends = _trends(visit)
    rules: list[dict[str, Any]] = []
    for use in visit.index.rules(visit.within):
        score = verdicts.score(use.rule)
        low, high = score.interval or (None, None)
        rules.append(
            {
                **plain(use),
                **plain(score),
                "precision": score.precision,
                "precision_low": low,
                "precision_high": high,
                "trend": trends.get((use.rule, use.side), [0] * _TREND_DAYS),
            }
        )
    rules.sort(key=lambda rule: (-rule["found"] - rule["broken"], rule["rule"], rule["side"]))
    rows = [[rule[name] for name in _COLUMNS] for rule in rules]
    return View("rules.html", "Rules", {"range": visit.span, "rules": rules}, _COLUMNS, rows)


def _trends(visit: Visit) -> dict[tuple[str, str], list[int]]:
    """What each rule found on each of the last fourteen days, oldest first."""
    today = visit.desk.clock() // DAY_NS
    trends: dict[tuple[str, str], list[int]] = {}
    for at in range(_TREND_DAYS):
        day = today - _TREND_DAYS + 1 + at
        for use in visit.index.rules(Filter(since=day * DAY_NS, until=(day + 1) * DAY_NS)):
            trends.setdefault((use.rule, use.side), [0] * _TREND_DAYS)[at] = use.found + use.broken
    return trends
