"""Calls to log: what the engine hands to a sink, without an engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Told:
    """An intent or a record, as a sink receives it."""

    id: str
    data: Mapping[str, Any]
    texts: tuple[tuple[str, str, str], ...] = field(default=())

    def to_dict(self) -> Mapping[str, Any]:
        return self.data


def call_id(number: int) -> str:
    """The id of call *number*."""
    return f"{number:032x}"


def intent(number: int = 1, **data: Any) -> Told:
    """That call *number* is about to be made."""
    return Told(call_id(number), {"guard": "support", "model": "m-1", **data})


def record(
    number: int = 1, *, outcome: str = "passed", texts: tuple[tuple[str, str, str], ...] = (), **data: Any
) -> Told:
    """The record of call *number*."""
    whole = {
        "id": call_id(number),
        "guard": "support",
        "digest": "d" * 64,
        "mode": "enforce",
        "operation": "chat",
        "style": "sync",
        "model": "m-1",
        "started": 1764000000.0 + number,
        "duration_us": 1000 + number,
        "outcome": outcome,
        "error": None,
        "steps": {
            "checks": [
                {
                    "rule": "block(injection)",
                    "validator": "injection",
                    "side": "input",
                    "roles": ["user"],
                    "outcome": "found" if outcome == "blocked" else "passed",
                    "action": "block" if outcome == "blocked" else None,
                    "findings": [
                        {"message": "an instruction", "category": "INJECTION", "score": 0.9, "count": 1}
                    ]
                    if outcome == "blocked"
                    else [],
                    "texts": 1,
                    "duration_us": 40,
                    "error": None,
                }
            ],
            "attempts": [
                {
                    "target": "primary",
                    "model": "m-1",
                    "n": 1,
                    "outcome": "ok",
                    "error": None,
                    "status": 200,
                    "duration_us": 900,
                    "wait_s": 0.0,
                    "usage": None,
                }
            ],
            "tools": [],
            "notes": [],
        },
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "estimated": False},
        "cost_usd": 0.001,
        "who": {"tenant": "acme", "api_key": "k-1"},
    }
    whole.update(data)
    return Told(call_id(number), whole, texts)
