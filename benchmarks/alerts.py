"""What rules over the compliance log cost: a first look at a month of calls, with the shipped rules."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.postgres import CALLS, write
from guardrails_lite.audit.alerts import matches, read_rules
from guardrails_lite.audit.index import Index


def rows() -> list[tuple[str, float, str, float | None, bool]]:
    """Look at a log of a month for the first time, its index being up to date."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "log"
        write(root)
        with Index(root) as index:
            index.update()
        first_s = statistics.median(_look_s(root) for _ in range(3))
    return [(f"alerts: first look at a month of {CALLS:,} calls", first_s, "s", 1, first_s <= 1)]


def _look_s(root: Path) -> float:
    rules = read_rules()
    began = time.perf_counter()
    for _ in matches(root, rules, since=0):
        pass
    return time.perf_counter() - began
