"""What a provider asks for, held against what the log counted: by day, model, key or project.

Ours is the money of each send, at the prices that were in force, and what checks reported. A difference is no
proof of a wrong bill: what has no price, what a broken stream left unmeasured and what was cached stand
beside it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from guardrails_lite.audit._bill import Bill, BillBy
from guardrails_lite.audit._format import Entry
from guardrails_lite.audit.export import _facts as facts
from guardrails_lite.audit.index._rows import money, text
from guardrails_lite.reliability._prices import undated

CHECKS: Final = "(checks)"
"""In place of a model: what checks reported, whose models the log does not name."""
_CENT: Final = 0.01
"""Smaller differences are not looked at: bills are rounded."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What a day, a model, a key or a project costs by the bill and by the log."""

    name: str
    theirs_usd: float
    ours_usd: float
    calls: int
    """That sent something."""
    unpriced: int
    """Sends and checks of unknown price, which `ours_usd` lacks."""
    estimated: int
    """Sends without a usage, such as interrupted streams: `ours_usd` has an estimate by their length."""
    cached: int
    """Calls that were answered from the guard's cache, and cost nothing."""

    @property
    def difference_usd(self) -> float:
        """Ours less theirs."""
        return round(self.ours_usd - self.theirs_usd, 9)

    @property
    def share(self) -> float:
        """The difference as a share of theirs; infinite where theirs is nothing."""
        if not self.difference_usd:
            return 0.0
        return abs(self.difference_usd / self.theirs_usd) if self.theirs_usd else math.inf

    def is_over(self, share: float) -> bool:
        """Whether it differs by a cent or more, and by more than *share* of theirs."""
        return abs(self.difference_usd) >= _CENT and self.share > share

    def to_dict(self) -> dict[str, Any]:
        """As JSON-compatible data; a share that is infinite is None."""
        told = {name: getattr(self, name) for name in Difference.__slots__}
        share = self.share if math.isfinite(self.share) else None
        return {**told, "difference_usd": self.difference_usd, "share": share}


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """A bill beside a log."""

    bill: Bill
    differences: tuple[Difference, ...]
    """Days in their order; all else by its difference, the largest first."""
    total: Difference

    def over(self, share: float) -> list[Difference]:
        """Those that differ by more than *share* of theirs, the total among them."""
        return [each for each in (*self.differences, self.total) if each.is_over(share)]


def reconcile(bill: Bill, calls: Iterable[Entry], *, same: Mapping[str, str] | None = None) -> Reconciliation:
    """Hold *bill* against *calls*.

    Args:
        bill: As `read_bill` gives it.
        calls: Entries of finished calls: those that started, by UTC, on the days of the bill.
        same: What the log calls a model, a key or a project that has another name in the bill: theirs by
            ours. The log knows keys by pseudonym, so each of them needs it.
    """
    ours = _Ours(bill.by, same or {})
    for call in calls:
        ours.add(call)
    names = dict.fromkeys((*bill.amounts, *ours.sums))
    found = [_difference(name, bill.amounts.get(name, Decimal()), ours.sums[name]) for name in names]
    if bill.by == "day":
        found.sort(key=lambda each: each.name)
    else:
        found.sort(key=lambda each: (-abs(each.difference_usd), each.name))
    return Reconciliation(
        bill, tuple(found), _difference("total", sum(bill.amounts.values(), Decimal()), ours.total)
    )


@dataclass(slots=True)
class _Sum:
    """As in `Difference`, while it is added up."""

    usd: float = 0.0
    calls: int = 0
    unpriced: int = 0
    estimated: int = 0
    cached: int = 0


class _Ours:
    """The money of calls, as it is added up."""

    def __init__(self, by: BillBy, same: Mapping[str, str]) -> None:
        self._by = by
        self._same = same
        self.sums: defaultdict[str, _Sum] = defaultdict(_Sum)
        self.total = _Sum()

    def add(self, call: Entry) -> None:
        name_of = self._naming(call)
        sent: set[str] = set()
        for attempt in facts.steps(call, "attempts"):
            cost = money(attempt.get("cost_usd"))
            if cost == 0.0 and not attempt.get("usage"):
                continue  # it failed before anything that could be billed
            name = name_of(text(attempt.get("model")))
            sent.add(name)
            self._book(name, cost, estimated=_is_estimated(attempt))
        checks = call.data.get("checks_cost_usd", 0.0)
        if checks != 0.0:
            self._book(name_of(CHECKS), money(checks), estimated=False)
        for name in sent:
            self.sums[name].calls += 1
        self.total.calls += bool(sent)
        if any(note.get("what") == "cached" for note in facts.steps(call, "notes")):
            self.sums[name_of(text(call.data.get("model")))].cached += 1
            self.total.cached += 1

    def _naming(self, call: Entry) -> Callable[[str], str]:
        """What a model's part of *call* is booked under; the same for each, unless it is by model."""
        if self._by == "model":
            return lambda model: self._as_billed(undated(model))
        if self._by == "day":
            name = str(datetime.fromtimestamp(facts.began_ns(call) / 1e9, UTC).date())
        else:
            name = facts.who(call).get("api_key" if self._by == "key" else "project", "")
        billed = self._as_billed(name)
        return lambda _: billed

    def _as_billed(self, name: str) -> str:
        return self._same.get(name, name)

    def _book(self, name: str, cost: float | None, *, estimated: bool) -> None:
        for each in (self.sums[name], self.total):
            each.usd += cost or 0.0
            each.unpriced += cost is None
            each.estimated += estimated


def _is_estimated(attempt: Mapping[str, Any]) -> bool:
    usage = attempt.get("usage")
    return not isinstance(usage, Mapping) or bool(usage.get("estimated"))


def _difference(name: str, theirs: Decimal, ours: _Sum) -> Difference:
    return Difference(
        name,
        theirs_usd=float(theirs),
        ours_usd=round(ours.usd, 9),
        calls=ours.calls,
        unpriced=ours.unpriced,
        estimated=ours.estimated,
        cached=ours.cached,
    )
