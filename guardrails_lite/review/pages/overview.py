"""The overview: what happened, what it cost, how long it took, and whether the log is whole."""

from __future__ import annotations

from typing import Final

from guardrails_lite.audit.index._measures import By
from guardrails_lite.review import _numbers
from guardrails_lite.review._desk import Visit, plain
from guardrails_lite.review._series import series
from guardrails_lite.review._view import View

_TOP: Final = 5
_SPENDERS: Final[tuple[By, ...]] = ("model", "key", "user")


def page(visit: Visit) -> View:
    """Volume, blocks, spend, latency, outcomes, the busiest rules."""
    index, asked = visit.index, visit.within
    over_time, verdicts = series(visit, asked), visit.verdicts()
    busiest = sorted(index.rules(asked), key=lambda use: use.found + use.broken, reverse=True)[:_TOP]
    data = {
        "range": visit.span,
        "since_ns": visit.since,
        "totals": plain(index.totals(asked)),
        "latency": plain(index.latency(asked)),
        "to_review": index.count_findings() - verdicts.settled(),
        "volume": [plain(step) for step in over_time.steps],
        "spend": {by: [plain(one) for one in index.spend(by, asked, limit=_TOP)] for by in _SPENDERS},
        "rules": [plain(use) for use in busiest if use.found + use.broken],
    }
    rows = [
        (_numbers.when(step.at), step.calls, step.blocked, step.tokens, step.cost_usd)
        for step in over_time.steps
    ]
    drawn = {"calls_chart": over_time.calls(), "spend_chart": over_time.spend()}
    return View(
        "overview.html", "Overview", data, ("from", "calls", "blocked", "tokens", "cost_usd"), rows, drawn
    )
