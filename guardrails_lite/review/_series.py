"""Calls over time, in steps that suit the range, with the steps in which nothing happened."""

from __future__ import annotations

from collections.abc import Iterable
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

    def calls(self) -> Markup:
        """The chart of calls, those that were blocked marked; each bar leads to its calls."""
        drawn = [
            Bar(
                label_of(step.at, self.step_ns),
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
            Bar(
                label_of(step.at, self.step_ns),
                step.cost_usd,
                _numbers.money(step.cost_usd),
                link=self._link(step),
            )
            for step in self.steps
        ]
        return bars(drawn, title="Spend over time, in dollars", unit="$")

    def _link(self, step: Volume) -> str:
        return "/calls?" + urlencode({"since": step.at, "until": step.at + self.step_ns})


def series(visit: Visit, asked: Filter) -> Series:
    """The calls of *asked*, whose range is the visit's."""
    first = 0 if visit.since is not None else visit.index.totals(asked).first
    step_ns = step_of(visit, first)
    found = {step.at: step for step in visit.index.volume(asked, step_h=step_ns // HOUR_NS)}
    places = places_of(visit, step_ns, found, first)
    return Series(step_ns, tuple(found.get(at, Volume(at, 0, 0, 0, 0.0)) for at in places))


def step_of(visit: Visit, first: int) -> int:
    """How long a step of the visit's range is; *first*: when what is drawn began, where the range is open."""
    now = visit.desk.clock()
    begin = visit.since or first or now
    days = 0 if visit.span == "24h" else max(1, -(-(now - begin) // DAY_NS // _MOST))
    return days * DAY_NS or HOUR_NS


def places_of(visit: Visit, step_ns: int, found: Iterable[int], first: int) -> range:
    """The steps of the visit's range and those that were *found*, oldest first."""
    now = visit.desk.clock()
    begin, held = (visit.since or first or now) // step_ns * step_ns, list(found)
    every = range(min([begin, *held]), max([now // step_ns * step_ns, *held]) + 1, step_ns)
    return every[-4 * _MOST :]


def label_of(at: int, step_ns: int) -> str:
    """What the step that begins at *at* is called."""
    return _numbers.day(at) if step_ns >= DAY_NS else _numbers.when(at)[:16]
