"""Shares with their uncertainty."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_Z = 1.959964
"""Of a two-sided 95 % interval."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many of so many, with the 95 % interval in which the true share is likely to lie."""

    hits: int
    total: int

    @property
    def share(self) -> float:
        """From 0 to 1; not a number where there is nothing to count."""
        return self.hits / self.total if self.total else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """As `wilson` gives it; from 0 to 1 where there is nothing to count."""
        return wilson(self.hits, self.total) or (0.0, 1.0)

    @classmethod
    def of(cls, truths: Iterable[bool]) -> Rate:
        """How many of *truths* are true."""
        listed = list(truths)
        return cls(sum(listed), len(listed))

    def __str__(self) -> str:
        if not self.total:
            return "none"
        low, high = self.interval
        return f"{self.share:.3f} [{low:.3f}, {high:.3f}]"


def wilson(hits: int, total: int) -> tuple[float, float] | None:
    """Wilson's score interval (1927) of a share, at 95 %; None where there is nothing to count.

    Unlike the share plus or minus something, it holds for few cases and for shares near 0 and 1 too.
    """
    if total <= 0:
        return None
    share, spread = hits / total, _Z * _Z / total
    middle = (share + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    # exactly, where rounding would leave the share just outside
    low = 0.0 if hits == 0 else min(middle - half, share)
    high = 1.0 if hits == total else max(middle + half, share)
    return max(low, 0.0), min(high, 1.0)
