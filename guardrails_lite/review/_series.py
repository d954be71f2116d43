"""Calls over time, in steps that suit the range, with the steps in which nothing happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from markupsafe import Markup

from guardrails_lite.audit.index import Filter, Volume
from guardrails_lite.audit.index._schema import DAY_NS, HOUR_NS
from guardrails_lite.review import _numbers
from guardrails_lite.review._charts import Bar, bars
from guardrails_lite.review._desk import Visit

_MOST: Final = 62


@dataclass(frozen=True, slots=True)
class Series:
    """What happened in each step, oldest first."""

    step_ns: int
    steps: tuple[Volume, ...]

    def label(self, step: Volume) -> str:
        """What a step is called."""
        if self.step_ns >= DAY_NS:
            return _numbers.day(step.at)
        return _numbers.when(step.at)[:16]

    def calls(self) -> Markup:
        """The chart of calls, those that were blocked marked; each bar leads to its calls."""
        drawn = [
            Bar(
                self.label(step),
                step.calls,
                f"{step.calls:,} calls, {step.blocked:,} blocked",
                step.blocked,
                self._link(step),
            )
            for step in self.steps
        ]
        return bars(drawn, title="Calls over time; the marked part was blocked")

    def spend(self) -> Markup:
        """The chart of money."""
        drawn = [
            Bar(self.label(step), step.cost_usd, _numbers.money(step.cost_usd), link=self._link(step))
            for step in self.steps
        ]
        return bars(drawn, title="Money over time, in dollars")

    def _link(self, step: Volume) -> str:
        return "/calls?" + urlencode({"since": step.at, "until": step.at + self.step_ns})


def series(visit: Visit, asked: Filter) -> Series:
    """The calls of *asked*, whose range is the visit's."""
    now = visit.desk.clock()
    step_h = 1
    begin = visit.since
    if visit.span != "24h":
        if begin is None:
            begin = visit.index.totals(asked).first or now
        step_h = 24 * max(1, -(-(now - begin) // DAY_NS // _MOST))
    step_ns = step_h * HOUR_NS
    found = {step.at: step for step in visit.index.volume(asked, step_h=step_h)}
    first, last = (begin or now) // step_ns * step_ns, now // step_ns * step_ns
    places = range(min([first, *found]), max([last, *found]) + 1, step_ns)
    return Series(step_ns, tuple(found.get(at, Volume(at, 0, 0, 0, 0.0)) for at in places[-4 * _MOST :]))
