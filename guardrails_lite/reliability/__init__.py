"""What happens when a model call fails: pure policies, told the time and never waiting themselves.

The engine asks ("may I send?", "how long do I wait?"), a driver waits and sends, and the outcome is told
back. So every policy runs the same under threads, loops and a test's clock. Three modules touch the world:
`_bounded_client.py` (sockets), `_turns.py` (waiting) and the stores that several processes share.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from guardrails_lite.reliability._budget import Admission, Budget, Ledger, Refusal
from guardrails_lite.reliability._classify import classify, classify_body_error
from guardrails_lite.reliability._deadline import time_left_s, time_limit
from guardrails_lite.reliability._failure import Action, Blame, Failure, Kind
from guardrails_lite.reliability._prices import PRICES, PRICES_DATE, Price
from guardrails_lite.reliability._retry import Retry

if TYPE_CHECKING:
    from guardrails_lite.reliability._bounded_client import bound_of, bounded_client
    from guardrails_lite.reliability._breaker import Breaker
    from guardrails_lite.reliability._clocks import ClockName, Clocks
    from guardrails_lite.reliability._hedge import Hedge
    from guardrails_lite.reliability._limits import Limits
    from guardrails_lite.reliability._metering import report_usage
    from guardrails_lite.reliability._permits import Permit, TurnedAway, Waiting
    from guardrails_lite.reliability._redis_store import RedisStore
    from guardrails_lite.reliability._retry_budget import RetryBudget
    from guardrails_lite.reliability._sqlite_store import SQLiteStore
    from guardrails_lite.reliability._stores import MemoryStore, Store
    from guardrails_lite.reliability._turns import await_turn, wait_turn
    from guardrails_lite.reliability._turnstile import Place, Turnstile, Turnstiles
    from guardrails_lite.reliability._upstream import Upstream
    from guardrails_lite.reliability._worst_case import Asked, WorstCase, contradictions, worst_case

__all__ = [
    "PRICES",
    "PRICES_DATE",
    "Action",
    "Admission",
    "Asked",
    "Blame",
    "Breaker",
    "Budget",
    "ClockName",
    "Clocks",
    "Failure",
    "Hedge",
    "Kind",
    "Ledger",
    "Limits",
    "MemoryStore",
    "Permit",
    "Place",
    "Price",
    "RedisStore",
    "Refusal",
    "Retry",
    "RetryBudget",
    "SQLiteStore",
    "Store",
    "TurnedAway",
    "Turnstile",
    "Turnstiles",
    "Upstream",
    "Waiting",
    "WorstCase",
    "await_turn",
    "bound_of",
    "bounded_client",
    "classify",
    "classify_body_error",
    "contradictions",
    "report_usage",
    "time_left_s",
    "time_limit",
    "wait_turn",
    "worst_case",
]

_LATER = {
    "Asked": "_worst_case",
    "Breaker": "_breaker",
    "ClockName": "_clocks",
    "Clocks": "_clocks",
    "Hedge": "_hedge",
    "Limits": "_limits",
    "MemoryStore": "_stores",
    "Permit": "_permits",
    "Place": "_turnstile",
    "RedisStore": "_redis_store",
    "RetryBudget": "_retry_budget",
    "SQLiteStore": "_sqlite_store",
    "Store": "_stores",
    "TurnedAway": "_permits",
    "Turnstile": "_turnstile",
    "Turnstiles": "_turnstile",
    "Upstream": "_upstream",
    "Waiting": "_permits",
    "WorstCase": "_worst_case",
    "await_turn": "_turns",
    "bound_of": "_bounded_client",
    "bounded_client": "_bounded_client",
    "contradictions": "_worst_case",
    "report_usage": "_metering",
    "wait_turn": "_turns",
    "worst_case": "_worst_case",
}
"""Names that are loaded when first asked for, so that a guard that needs none of them imports none."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
    globals()[name] = found
    return found
