"""Calls to log: real intents and records, without an engine."""

from __future__ import annotations

from typing import Any

from guardrails_lite._messages import Usage
from guardrails_lite._record import AttemptStep, CheckStep, FindingCount, Intent, KeptText, Record


def call_id(number: int) -> str:
    """The id of call *number*."""
    return f"{number:032x}"


def intent(number: int = 1, **changes: Any) -> Intent:
    """That call *number* is about to be made."""
    told: dict[str, Any] = {
        "id": call_id(number),
        "guard": "support",
        "digest": "d" * 64,
        "mode": "enforce",
        "style": "sync",
        "model": "m-1",
        "started": 1_764_000_000.0 + number,
        "who": {"tenant": "acme"},
        "input_chars": 40,
    }
    return Intent(**{**told, **changes})


def record(number: int = 1, **changes: Any) -> Record:
    """The record of call *number*; one that is blocked has a finding of the injection rule."""
    changes["texts"] = tuple(KeptText(*text) for text in changes.get("texts", ()))
    blocked = changes.get("outcome") == "blocked"
    check = CheckStep(
        rule="block(injection())",
        side="input",
        attempt=0,
        result="found" if blocked else "passed",
        action="block" if blocked else None,
        findings=(FindingCount("asks to forget the instructions", "INJECTION", 0.9, 1),) if blocked else (),
        texts=1,
        known=0,
        duration_us=40.0,
        error=None,
    )
    usage = Usage(10, 5)
    attempt = AttemptStep("primary", "m-1", 1, "answered", None, 200, 900.0, 0.0, usage, 0.001)
    told: dict[str, Any] = {
        "id": call_id(number),
        "guard": "support",
        "digest": "d" * 64,
        "mode": "enforce",
        "style": "sync",
        "model": "m-1",
        "started": 1_764_000_000.0 + number,
        "duration_us": 1000.0 + number,
        "outcome": "passed",
        "error": "Blocked" if blocked else None,
        "steps": (check,) if blocked else (check, attempt),
        "usage": None if blocked else usage,
        "cost_usd": None if blocked else 0.001,
        "input_chars": 40,
        "output_chars": 0 if blocked else 20,
        "unscreened": (),
        "who": {"tenant": "acme", "user": "ada@example.org"},
    }
    return Record(**{**told, **changes})
