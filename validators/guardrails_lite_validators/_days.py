"""Days as numbers spell them."""

from __future__ import annotations

_DAYS = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def is_day(day: int, month: int) -> bool:
    """Whether a month has such a day, in some year."""
    return 1 <= month <= 12 and 1 <= day <= _DAYS[month]


def day_at(number: str, day: int, month: int) -> bool:
    """Whether a number has such a day, in two digits, at one place, and its month at another."""
    return is_day(int(number[day : day + 2]), int(number[month : month + 2]))
