"""Rules and logs for the tests of alerts: a rule in a few words, and calls at a time of ours."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from guardrails_lite import AuditLog
from guardrails_lite.audit import Clock
from guardrails_lite.audit.alerts import Receiver, Rules, read_rules
from tests.audit.calls import record

HOUR = 3_600
NOW = 1_764_000_000
"""When our story takes place, seconds since the epoch; on a whole hour."""


def rule(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A rule about blocked calls, as its file has it."""
    return {
        "title": f"Rule {number}",
        "id": f"00000000-0000-4000-8000-{number:012}",
        "name": f"rule_{number}",
        "logsource": {"product": "guardrails-lite", "service": "call"},
        "detection": {"selection": {"outcome": "blocked"}, "condition": "selection"},
        **changes,
    }


def burst(number: int = 2, **changes: Any) -> dict[str, Any]:
    """A correlation of it: three by one user within an hour."""
    correlation = {
        "type": "event_count",
        "rules": ["rule_1"],
        "group-by": ["user"],
        "timespan": "1h",
        "condition": {"gte": 3},
        **changes,
    }
    ident = f"00000000-0000-4000-8000-{number:012}"
    return {"title": f"Burst {number}", "id": ident, "level": "high", "correlation": correlation}


def written(directory: Path, *documents: dict[str, Any]) -> Rules:
    """*documents* as a file of rules, read."""
    path = directory / "rules.yml"
    path.write_text(yaml.safe_dump_all(documents))
    return read_rules(path, shipped=False)


def clock(at: float = NOW) -> Clock:
    """A clock that stands still."""
    return Clock(wall_ns=lambda: round(at * 1e9))


def log_calls(root: Path, calls: Iterable[dict[str, Any]], **options: Any) -> None:
    """Write a record for each of *calls* by a process that ends; ``at`` is when, in seconds from `NOW`."""
    with AuditLog(root, **{"clock": clock(), "mode": "async", **options}) as log:
        for call in calls:
            told = dict(call)
            started = NOW + told.pop("at", 0)
            number = told.pop("number")
            log(record(number, started=float(started), **told))


class Box:
    """A receiver that keeps what it is given."""

    def __init__(self, name: str = "box") -> None:
        self.name = name
        self.taken: list[tuple[str, bytes]] = []

    def __call__(self, ident: str, body: bytes) -> None:
        self.taken.append((ident, body))


_: Receiver = Box()
