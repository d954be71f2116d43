"""Numbers as people read them."""

from __future__ import annotations

import math
from datetime import UTC, datetime


def count(value: float) -> str:
    """A whole number with separators."""
    return f"{round(value):,}"


def money(value: float | None) -> str:
    """An amount in dollars; a dash where it is unknown."""
    if value is None:
        return "–"
    if 0 < abs(value) < 0.01:
        return f"${value:.{1 - math.floor(math.log10(abs(value)))}f}"
    return f"${value:,.2f}"


def ms(us: float | None) -> str:
    """A duration given in microseconds, in the unit that suits it."""
    if us is None:
        return "–"
    if us < 1_000:
        return f"{us:.0f} µs"
    if us < 1_000_000:
        return f"{us / 1_000:.1f} ms" if us < 10_000 else f"{us / 1_000:.0f} ms"
    return f"{us / 1_000_000:.1f} s"


def percent(share: float | None) -> str:
    """A share of one; a dash where there is nothing to share."""
    if share is None:
        return "–"
    return f"{share * 100:.1f} %" if 0 < share < 0.1 else f"{share * 100:.0f} %"


def when(ns: int) -> str:
    """A time in UTC; a dash for 0."""
    if not 0 < ns < 2**62:
        return "–"
    return datetime.fromtimestamp(ns / 10**9, UTC).strftime("%Y-%m-%d %H:%M:%S")


def day(ns: int) -> str:
    """A date in UTC."""
    return datetime.fromtimestamp(ns / 10**9, UTC).strftime("%Y-%m-%d")
