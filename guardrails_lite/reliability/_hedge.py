"""When a slow first answer is worth a second request beside it, and how the two are raced.

The second is sent when the first has not begun to answer after a time that only the slowest few need. The
first *good* one wins; the other is cancelled, awaited and paid for. Hedges come out of the retry budget, so
a slow upstream never gets twice the load, and a call whose tools write is never hedged.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from guardrails_lite.reliability._settings import as_code, check_number, check_share

R = TypeVar("R")

LEAST_SAMPLES = 20
"""Below so many observations a percentile means nothing, and nothing is hedged."""


@dataclass(frozen=True, slots=True)
class Hedge:
    """Send a second request when the first is slower than `percentile` of the recent ones.

    Raises:
        ConfigError: a setting that cannot work.
    """

    percentile: float = 0.95
    """The share of the recent calls whose first content came sooner."""
    after_s: float | None = None
    """Hedge after exactly so many seconds instead."""

    def __post_init__(self) -> None:
        check_share(self, "percentile", one=False)
        check_number(self, "after_s", "seconds", optional=True)

    def __repr__(self) -> str:
        return as_code(self)

    def delay_s(self, first_content_s: Sequence[float]) -> float | None:
        """After how many seconds to send the second request; None: not at all.

        Args:
            first_content_s: How long the first content of recent calls took.
        """
        if self.after_s is not None:
            return self.after_s
        if len(first_content_s) < LEAST_SAMPLES:
            return None
        ordered = sorted(first_content_s)
        return ordered[min(math.ceil(self.percentile * len(ordered)), len(ordered)) - 1]


async def race(
    first: Callable[[], Awaitable[R]],
    second: Callable[[], Awaitable[R]],
    *,
    delay_s: float,
    may_hedge: Callable[[], bool] = lambda: True,
) -> R:
    """Return the first good result of two requests, the second of which starts *delay_s* after the first.

    A first request that fails before the delay is not hedged: that is a retry's business. When both fail,
    the first one's error is raised. The loser is cancelled and awaited, so nothing is left running.

    Args:
        first: Starts the request.
        second: Starts it again.
        delay_s: Seconds to wait for the first.
        may_hedge: Asked when the time has come; spends from the retry budget.
    """
    import asyncio

    tasks = [asyncio.ensure_future(first())]
    try:
        await asyncio.wait(tasks, timeout=delay_s)
        if not tasks[0].done() and may_hedge():
            tasks.append(asyncio.ensure_future(second()))
        pending = set(tasks)
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            good = next(
                (task for task in tasks if task in done and not task.cancelled() and not task.exception()),
                None,
            )
            if good is not None:
                return good.result()
        return tasks[0].result()
    finally:
        losers = [task for task in tasks if not task.done()]
        for loser in losers:
            loser.cancel()
        if losers:
            await asyncio.gather(*losers, return_exceptions=True)
