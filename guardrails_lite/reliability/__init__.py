"""What to do when a model call fails: pure policies, which are told the time and never wait themselves.

The engine asks a policy ("may I send?", "how long do I wait?"), a driver waits and sends, and the policy is
told the outcome. So every policy works the same with threads, event loops and a test's clock. Only these
touch the outside world: `_bounded_client.py` (sockets), `_turns.py` (waiting) and the stores that several
processes share.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from guardrails_lite.reliability._budget import Budget
from guardrails_lite.reliability._classify import classify
from guardrails_lite.reliability._deadline import time_left_s
from guardrails_lite.reliability._failure import Failure
from guardrails_lite.reliability._prices import PRICES, PRICES_DATE, Price
from guardrails_lite.reliability._retry import Retry

if TYPE_CHECKING:
    from guardrails_lite.reliability._breaker import Breaker
    from guardrails_lite.reliability._clocks import Clocks
    from guardrails_lite.reliability._hedge import Hedge
    from guardrails_lite.reliability._limits import Limits
    from guardrails_lite.reliability._metering import report_usage
    from guardrails_lite.reliability._redis_store import RedisStore
    from guardrails_lite.reliability._retry_budget import RetryBudget
    from guardrails_lite.reliability._sqlite_store import SQLiteStore
    from guardrails_lite.reliability._upstream import Upstream
    from guardrails_lite.reliability._worst_case import WorstCase

__all__ = [
    "PRICES",
    "PRICES_DATE",
    "Breaker",
    "Budget",
    "Clocks",
    "Failure",
    "Hedge",
    "Limits",
    "Price",
    "RedisStore",
    "Retry",
    "RetryBudget",
    "SQLiteStore",
    "Upstream",
    "WorstCase",
    "classify",
    "report_usage",
    "time_left_s",
]

_LATER = {
    "Breaker": "_breaker",
    "Clocks": "_clocks",
    "Hedge": "_hedge",
    "Limits": "_limits",
    "RedisStore": "_redis_store",
    "RetryBudget": "_retry_budget",
    "SQLiteStore": "_sqlite_store",
    "Upstream": "_upstream",
    "WorstCase": "_worst_case",
    "report_usage": "_metering",
}
"""Names that are loaded when first asked for, so that a guard that needs none of them imports none."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
