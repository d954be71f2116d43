"""Correlations: so many facts of one group within a timespan, counted as they come.

The window slides: it ends at the newest fact of its group, wherever a clock's hour begins. After a match the
facts of its group are not counted for one timespan: they are the same burst. So a group makes at most one
alert in each timespan, however bad it gets.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from guardrails_lite.audit.alerts._detect import as_text
from guardrails_lite.audit.alerts._facts import Fact
from guardrails_lite.audit.alerts._sigma import Correlation

Group = tuple[str, ...]

_IDLE: Final = 10_000
"""After so many facts, groups whose window has passed are forgotten."""


@dataclass(frozen=True, slots=True)
class Burst:
    """A correlation's match."""

    group: Mapping[str, str]
    """The fields that it is grouped by, and their values."""
    count: int
    at: int
    """When the newest of the facts was."""


@dataclass(slots=True)
class Windows:
    """The windows of one correlation, one for each group."""

    correlation: Correlation
    alerted: dict[Group, int] = field(default_factory=dict)
    """When a group's newest fact was at its last match."""
    _held: dict[Group, list[tuple[int, str]]] = field(default_factory=dict)
    """When each counted fact was, and the value that is counted."""
    _newest: int = 0
    _taken: int = 0

    def take(self, fact: Fact) -> Burst | None:
        """Count a fact that a rule looks for; what comes of it."""
        asked = self.correlation
        group = tuple(as_text(fact.fields.get(name) or "") for name in asked.group_by)
        value = as_text(fact.fields.get(asked.field) or "") if asked.field is not None else fact.place
        span_ns = asked.timespan_s * 10**9
        if not all(group) or not value or fact.at <= self.alerted.get(group, -span_ns) + span_ns:
            return None
        self._forget(fact.at)
        held = self._held.setdefault(group, [])
        insort(held, (fact.at, value))
        while held[0][0] <= held[-1][0] - span_ns:
            held.pop(0)
        count = len({value for _, value in held})
        if count < asked.least:
            return None
        self.alerted[group] = newest = held[-1][0]
        del self._held[group]
        return Burst(dict(zip(asked.group_by, group, strict=True)), count, newest)

    def _forget(self, at: int) -> None:
        self._newest = max(self._newest, at)
        self._taken += 1
        if self._taken % _IDLE == 0:
            begins = self._newest - self.correlation.timespan_s * 10**9
            self._held = {group: held for group, held in self._held.items() if held[-1][0] > begins}
