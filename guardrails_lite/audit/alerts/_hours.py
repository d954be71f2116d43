"""Hours beside the week before them: what was usual, so that a rule can ask for a jump.

A fact is one hour of UTC of the whole log, or of one key, user, tenant, model or guard, and the mean hour of
the seven days before it. Where the first call is younger than that, the mean is over the hours since then.
The present hour counts as far as it has come.

How unusual an hour is says its robust z-score too: how far above the median hour, in units of the median
absolute deviation (Iglewicz and Hoaglin 1993), which a few wild hours do not stretch. Who does nothing in
most hours hardly deviates, so each hour of work is far out; the highest hour before tells that apart.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from guardrails_lite.audit.alerts._facts import Fact
from guardrails_lite.audit.index._schema import BLOCKED, HOUR_NS, UNFINISHED

if TYPE_CHECKING:
    from guardrails_lite.audit.index import Index
    from guardrails_lite.audit.postgres import ShippedIndex

BASELINE_H: Final = 168
"""The hours that an hour is compared with."""

_OF_MEDIAN: Final = 1.4826
"""The median absolute deviation as a standard deviation, were hours distributed normally."""
_OF_MEAN: Final = 1.2533
"""The same of the mean absolute deviation, for where more than half of the hours are alike."""

_UNUSUAL: Final = frozenset(
    f"{name}_{what}" for name in ("calls", "tokens", "cost") for what in ("z", "peak_ratio")
)

_BLOCKED: Final = (
    "CASE WHEN outcome IN (" + ",".join(f"'{word}'" for word in BLOCKED) + ") THEN {} ELSE 0 END"
)

_SUMMED: Final = f"""
SELECT {{value}}, hour, sum(calls), sum({_BLOCKED.format("calls")}), sum(tokens_in + tokens_out), sum(cost)
FROM hours WHERE hour BETWEEN :begin AND :last GROUP BY 1, 2 ORDER BY 1, 2
"""
# The plus keeps the planner from the index of the values, which meets all calls out of their order.
_COUNTED: Final = f"""
SELECT {{value}}, at / :ns, count(*), sum({_BLOCKED.format(1)}), sum(tokens), sum(coalesce(cost_usd, 0))
FROM calls c WHERE at >= :begin * :ns AND at < (:last + 1) * :ns
  AND outcome <> '{UNFINISHED}' AND +c.{{value}} IN (
    SELECT {{value}} FROM calls WHERE at >= :first * :ns AND at < (:last + 1) * :ns AND {{value}} <> '')
GROUP BY 1, 2 ORDER BY 1, 2
"""
_QUESTIONS: Final = {
    "log": _SUMMED.format(value="''"),
    "model": _SUMMED.format(value="model"),
    "guard": _SUMMED.format(value="guard"),
    **{field: _COUNTED.format(value=field) for field in ("key", "user", "tenant")},
}
"""The question that tells of each: a value's hours, with what was in each."""


_Columns = tuple[tuple[Any, ...], ...]
"""The hours of a value: in the order of the question's columns, each of these, oldest first."""

OF: Final = tuple(_QUESTIONS)
"""What an hour can be of."""


def hours(
    index: Index | ShippedIndex, asked: Iterable[int], *, of: Iterable[str], now_ns: int
) -> Iterator[Fact]:
    """The facts of the hours *asked*, which are counted from the epoch, in their order.

    Args:
        index: Where they are read.
        asked: The hours.
        of: Those in `OF` that are asked about; by user alone there may be as many hours as calls.
        now_ns: The time, nanoseconds since the epoch.
    """
    questions = {each: _QUESTIONS[each] for each in of}
    waiting = sorted(set(asked))
    read: dict[str, dict[str, _Columns]] = {each: {} for each in questions}
    behind = min(waiting, default=0) - BASELINE_H
    while waiting:
        # A week of them at once; of the week before it, what was read for the hours before these is kept.
        some = waiting[: bisect_left(waiting, waiting[0] + BASELINE_H)]
        waiting = waiting[len(some) :]
        due: dict[int, list[tuple[str, _Columns, int]]] = {hour: [] for hour in some}
        begin = max(some[0] - BASELINE_H, behind)
        bounds = {"begin": begin, "first": some[0], "last": some[-1], "ns": HOUR_NS}
        behind = some[-1] + 1
        for each, question in questions.items():
            before, read[each] = read[each], {}
            for value, rows in groupby(index.sql(question, bounds).rows, key=itemgetter(0)):
                columns = read[each][value] = tuple(zip(*rows, strict=True))
                if value in before:
                    columns = tuple(old + new for old, new in zip(before[value], columns, strict=True))
                for place, hour in enumerate(columns[1]):
                    if hour in due:
                        due[hour].append((each, columns, place))
        for hour, places in due.items():
            complete = now_ns >= (hour + 1) * HOUR_NS
            for each, columns, place in places:
                told = {"of": each, "complete": complete, **_fields(columns, place)}
                named = f"hour {hour} {each} {told['value']}"
                yield Fact("hour", hour * HOUR_NS, named, _Hour(told, columns, place))


def _fields(columns: _Columns, place: int) -> dict[str, Any]:
    """The hour of a value at *place* in the *columns* of its hours, oldest first."""
    values, at, *sums = columns
    begin = bisect_left(at, at[place] - BASELINE_H)
    hours_before = at[place] - at[begin]
    calls, blocked, tokens, cost = [each[place] for each in sums]
    calls_before, blocked_before, tokens_before, cost_before = [sum(each[begin:place]) for each in sums]
    block_rate = blocked / calls if calls else 0.0
    usual_calls = calls_before / hours_before if hours_before else 0.0
    usual_block_rate = blocked_before / calls_before if calls_before else 0.0
    usual_tokens = tokens_before / hours_before if hours_before else 0.0
    usual_cost_usd = cost_before / hours_before if hours_before else 0.0
    return {
        "value": values[place],
        "hours_before": hours_before,
        "blocked": blocked,
        "calls": calls,
        "block_rate": block_rate,
        "tokens": tokens,
        "cost_usd": cost,
        "usual_calls": usual_calls,
        "usual_block_rate": usual_block_rate,
        "usual_tokens": usual_tokens,
        "usual_cost_usd": usual_cost_usd,
        "calls_ratio": _ratio(calls, usual_calls),
        "block_ratio": _ratio(block_rate, usual_block_rate),
        "tokens_ratio": _ratio(tokens, usual_tokens),
        "cost_ratio": _ratio(cost, usual_cost_usd),
    }


class _Hour(Mapping[str, Any]):
    """The fields of an hour. How unusual it is takes the longest, and is worked out once a rule asks."""

    __slots__ = ("_columns", "_place", "_told")

    def __init__(self, told: dict[str, Any], columns: _Columns, place: int) -> None:
        self._told = told
        self._columns = columns
        self._place = place

    def __getitem__(self, name: str) -> Any:
        if name not in self._told and name in _UNUSUAL:
            self._told |= _unusual(self._columns, self._place, self._told["hours_before"])
        return self._told[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._told, *_UNUSUAL)))

    def __len__(self) -> int:
        return len(self._told.keys() | _UNUSUAL)


def _unusual(columns: _Columns, place: int, hours_before: int) -> dict[str, float]:
    """How far the hour at *place* stands out of those before it."""
    _, at, *sums = columns
    begin = bisect_left(at, at[place] - BASELINE_H)
    told: dict[str, float] = {}
    for name, each in (("calls", sums[0]), ("tokens", sums[2]), ("cost", sums[3])):
        now, before = each[place], each[begin:place]
        told[f"{name}_z"] = _robust_z(now, before, hours_before)
        told[f"{name}_peak_ratio"] = _ratio(now, max(before, default=0))
    return told


def _robust_z(now: float, before: tuple[float, ...], total: int) -> float:
    """The robust z-score of *now* among *total* hours, of which those that are not told had nothing."""
    if not total:
        return 0.0
    ordered = [0.0] * (total - len(before)) + sorted(before)
    middle = _median(ordered)
    apart = [abs(value - middle) for value in ordered]
    spread = _median(sorted(apart)) * _OF_MEDIAN or sum(apart) / total * _OF_MEAN
    if spread:
        return (now - middle) / spread
    return math.copysign(math.inf, now - middle) if now != middle else 0.0


def _median(ordered: list[float]) -> float:
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def _ratio(now: float, usual: float) -> float:
    if usual:
        return now / usual
    return math.inf if now else 1.0
