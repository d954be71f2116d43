"""Formats."""

from __future__ import annotations

from collections.abc import Callable


def checker(name: str, draft: int) -> Callable[[str], bool] | None:
    return None
