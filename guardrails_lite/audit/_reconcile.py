"""What a provider asks for, held against what the log counted: by day, model, key or project.

Ours is the money of each send, at the prices that were in force, and what checks reported. A difference is no
proof of a wrong bill: what has no price, what a broken stream left unmeasured and what was cached stand
beside it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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
    found = [_difference(name, bill.amounts.get(name, Decimal()), ours.of(name)) for name in names]
    if bill.by == "day":
        found.sort(key=lambda each: each.name)
    else:
        found.sort(key=lambda each: (-abs(each.difference_usd), each.name))
    return Reconciliation(
        bill, tuple(found), _difference("total", sum(bill.amounts.values(), Decimal()), ours.total)
    )


@dataclass(slots=True)
class _Sum:
    usd: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)


class _Ours:
    """The money of calls, as it is added up."""

    def __init__(self, by: BillBy, same: Mapping[str, str]) -> None:
        self._by = by
        self._same = same
        self.sums: dict[str, _Sum] = {}
        self.total = _Sum()

    def of(self, name: str) -> _Sum:
        return self.sums.get(name, _Sum())

    def add(self, call: Entry) -> None:
        names: dict[str, None] = {}
        for attempt in facts.steps(call, "attempts"):
            cost = money(attempt.get("cost_usd"))
            if cost == 0.0 and not attempt.get("usage"):
                continue  # it failed before anything that could be billed
            name = self._name(call, text(attempt.get("model")))
            names[name] = None
            self._book(name, cost, estimated=_is_estimated(attempt))
        checks = call.data.get("checks_cost_usd", 0.0)
        if checks != 0.0:
            self._book(self._name(call, CHECKS), money(checks), estimated=False)
        for name in names:
            self._count(name, "calls")
        self.total.counts["calls"] += bool(names)
        if any(note.get("what") == "cached" for note in facts.steps(call, "notes")):
            self._count(self._name(call, text(call.data.get("model"))), "cached")
            self.total.counts["cached"] += 1

    def _name(self, call: Entry, model: str) -> str:
        if self._by == "day":
            began_ns, _ = facts.ends_ns(call)
            return str(datetime.fromtimestamp(began_ns / 1e9, UTC).date())
        if self._by == "model":
            name = undated(model)
        else:
            name = facts.who(call).get("api_key" if self._by == "key" else "project", "")
        return self._same.get(name, name)

    def _book(self, name: str, cost: float | None, *, estimated: bool) -> None:
        for each in (self.sums.setdefault(name, _Sum()), self.total):
            each.usd += cost or 0.0
            each.counts["unpriced"] += cost is None
            each.counts["estimated"] += estimated

    def _count(self, name: str, what: str) -> None:
        self.sums.setdefault(name, _Sum()).counts[what] += 1


def _is_estimated(attempt: Mapping[str, Any]) -> bool:
    usage = attempt.get("usage")
    return not isinstance(usage, Mapping) or bool(usage.get("estimated"))


def _difference(name: str, theirs: Decimal, ours: _Sum) -> Difference:
    counts = {what: ours.counts[what] for what in ("calls", "unpriced", "estimated", "cached")}
    return Difference(name, float(theirs), round(ours.usd, 9), **counts)
