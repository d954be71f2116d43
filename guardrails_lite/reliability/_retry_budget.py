"""How many of all calls to an upstream may be second tries, whoever makes them.

`Retry.attempts` bounds one call. When an upstream is down, every call uses its bound, and the load on the
upstream triples just when it can bear least. So each call earns a fraction of a retry, and a retry that
nobody has earned is not made. What is saved up for quiet times is small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from guardrails_lite._arguments import by_name
from guardrails_lite.reliability._settings import as_code, check_number, check_share

SecondTry = Literal["throttled", "failed", "hedge", "paid"]
_COST: dict[SecondTry, float] = {"throttled": 1 / 3, "failed": 1.0, "hedge": 1.0, "paid": 0.0}
"""A server that asks to come back has said it can serve us; a try after another failure may be in vain."""
_REFILL_S = 10.0
_SAVED = 20.0


@by_name
@dataclass(frozen=True, slots=True)
class RetryBudget:
    """Retries may make up `share` of all calls to the upstream, plus `reserve` in any ten seconds.

    Raises:
        ConfigError: a setting that cannot work.
    """

    share: float = 0.2
    """Second tries per call, on the whole."""
    reserve: float = 3.0
    """Second tries per ten seconds that need not be earned, for upstreams that are asked rarely."""

    def __post_init__(self) -> None:
        check_share(self, "share", zero=True)
        check_number(self, "reserve", "retries", above=-1e-9)

    def __repr__(self) -> str:
        return as_code(self)


class Allowance:
    """How many second tries are left. It is told the time, and holds no lock."""

    __slots__ = ("at_s", "earned", "free")

    def __init__(self) -> None:
        self.earned = 0.0
        """Saved from calls."""
        self.free = -1.0
        """Left of the reserve; negative: never looked at, so full."""
        self.at_s = 0.0

    def earn(self, budget: RetryBudget) -> None:
        """A call was made."""
        self.earned = min(self.earned + budget.share, _SAVED)

    def spend(self, budget: RetryBudget, what: SecondTry, now_s: float) -> bool:
        """Pay for a second try; False: there is nothing left to pay with."""
        if self.free < 0:
            self.free = budget.reserve
        else:
            refill = max(now_s - self.at_s, 0.0) * budget.reserve / _REFILL_S
            self.free = min(self.free + refill, budget.reserve)
        self.at_s = now_s
        cost = _COST[what]
        if self.earned + self.free + 1e-9 < cost:
            return False
        from_earned = min(self.earned, cost)
        self.earned -= from_earned
        self.free = max(self.free - (cost - from_earned), 0.0)
        return True

    def dump(self) -> list[Any]:
        """The state as JSON can hold it."""
        return [self.earned, self.free, self.at_s]

    def load(self, dumped: list[Any]) -> None:
        """Take over what `dump` gave."""
        self.earned, self.free, self.at_s = dumped
