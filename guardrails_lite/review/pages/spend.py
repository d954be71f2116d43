"""What was spent, by whom and on what."""

from __future__ import annotations

from typing import Final

from guardrails_lite.audit.index._measures import By
from guardrails_lite.review._desk import Visit, plain
from guardrails_lite.review._series import series
from guardrails_lite.review._view import View

_BY: Final[dict[By, str]] = {
    "model": "model",
    "key": "API key",
    "user": "user",
    "tenant": "tenant",
    "guard": "guard",
}


def page(visit: Visit) -> View:
    """Money and tokens by model, key, user, tenant and guard."""
    asked = visit.within
    over_time, totals = series(visit, asked), visit.index.totals(asked)
    spent = {by: [plain(one) for one in visit.index.spend(by, asked, limit=20)] for by in _BY}
    data = {
        "range": visit.span,
        "since_ns": visit.since,
        "totals": plain(totals),
        "spend": spent,
        "over_time": [plain(step) for step in over_time.steps],
    }
    rows = [
        (by, one["value"], one["calls"], one["blocked"], one["tokens"], one["cost_usd"], one["unpriced"])
        for by, held in spent.items()
        for one in held
    ]
    columns = ("by", "value", "calls", "blocked", "tokens", "cost_usd", "unpriced")
    drawn = {"chart": over_time.spend(), "names": _BY}
    return View("spend.html", "Spend", data, columns, rows, drawn)
