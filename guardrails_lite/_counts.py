"""How many of something there are, in words."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Such as ``"1 entry"`` and ``"2 entries"``."""
    if count == 1:
        return f"1 {noun}"
    ends_in_y = noun.endswith("y") and noun[-2:-1] not in "aeiou"
    return f"{count} {noun[:-1]}ies" if ends_in_y else f"{count} {noun}s"
