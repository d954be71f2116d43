"""Hours beside the week before them: what was usual, so that a rule can ask for a jump.

A fact is one hour of UTC of the whole log, or of one key, user, tenant, model or guard, and the mean hour of
the seven days before it. Where the first call is younger than that, the mean is over the hours since then.
The present hour counts as far as it has come.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from guardrails_lite.audit.alerts._facts import Fact
from guardrails_lite.audit.index._schema import BLOCKED, HOUR_NS, UNFINISHED

if TYPE_CHECKING:
    from guardrails_lite.audit.index import Index
    from guardrails_lite.audit.postgres import ShippedIndex

BASELINE_H: Final = 168
"""The hours that an hour is compared with."""

_BLOCKED: Final = (
    "CASE WHEN outcome IN (" + ",".join(f"'{word}'" for word in BLOCKED) + ") THEN {} ELSE 0 END"
)

_SUMMED: Final = f"""
SELECT {{value}}, min(hour), {{sums}} FROM (
  SELECT {{value}}, hour, calls, {_BLOCKED.format("calls")} AS blocked,
    tokens_in + tokens_out AS tokens, cost
  FROM hours WHERE hour BETWEEN :hour - {BASELINE_H} AND :hour
) AS week GROUP BY 1 HAVING max(hour) = :hour
"""
_COUNTED: Final = f"""
SELECT {{value}}, min(hour), {{sums}} FROM (
  SELECT {{value}}, at / :ns AS hour, 1 AS calls, {_BLOCKED.format(1)} AS blocked,
    tokens, coalesce(cost_usd, 0) AS cost
  FROM calls WHERE at >= (:hour - {BASELINE_H}) * :ns AND at < (:hour + 1) * :ns AND outcome <> '{UNFINISHED}'
    AND {{value}} IN (
      SELECT {{value}} FROM calls WHERE at >= :hour * :ns AND at < (:hour + 1) * :ns AND {{value}} <> '')
) AS week GROUP BY 1 HAVING max(hour) = :hour
"""
_MEASURES: Final = ("calls", "blocked", "tokens", "cost")
_SUMS: Final = ", ".join(
    f"sum(CASE WHEN hour {sign} :hour THEN {name} ELSE 0 END)" for name in _MEASURES for sign in "=<"
)
_QUESTIONS: Final = {
    "log": _SUMMED.format(value="''", sums=_SUMS),
    "model": _SUMMED.format(value="model", sums=_SUMS),
    "guard": _SUMMED.format(value="guard", sums=_SUMS),
    **{field: _COUNTED.format(value=field, sums=_SUMS) for field in ("key", "user", "tenant")},
}
"""What an hour can be of, and the question that tells."""


def hours(index: Index | ShippedIndex, asked: Iterable[int], *, now_ns: int) -> Iterator[Fact]:
    """The facts of the hours *asked*, which are counted from the epoch."""
    for hour in sorted(set(asked)):
        for of, question in _QUESTIONS.items():
            for row in index.sql(question, {"hour": hour, "ns": HOUR_NS}).rows:
                yield Fact(
                    "hour", hour * HOUR_NS, f"hour {hour} {of} {row[0]}", _fields(of, row, hour, now_ns)
                )


def _fields(of: str, row: tuple[Any, ...], hour: int, now_ns: int) -> dict[str, Any]:
    value, first, *sums = row
    before = hour - int(first)
    calls, calls_b, blocked, blocked_b, tokens, tokens_b, cost, cost_b = sums
    usual = {
        "calls": calls_b / before if before else 0.0,
        "block_rate": blocked_b / calls_b if calls_b else 0.0,
        "tokens": tokens_b / before if before else 0.0,
        "cost_usd": cost_b / before if before else 0.0,
    }
    now = {
        "calls": calls,
        "block_rate": blocked / calls if calls else 0.0,
        "tokens": tokens,
        "cost_usd": cost,
    }
    return {
        "of": of,
        "value": value,
        "hours_before": before,
        "complete": now_ns >= (hour + 1) * HOUR_NS,
        "blocked": blocked,
        **now,
        **{f"usual_{name}": mean for name, mean in usual.items()},
        **{f"{name.partition('_')[0]}_ratio": _ratio(now[name], usual[name]) for name in usual},
    }


def _ratio(now: float, usual: float) -> float:
    if usual:
        return now / usual
    return math.inf if now else 1.0
