"""What happens when a model call fails: pure policies, told the time and never waiting themselves.

Nothing here does I/O, sleeps or reads a clock. The engine asks ("may I send?", "how long do I wait?"),
a driver waits and sends, and the outcome is told back. So every policy runs the same under threads, loops
and a test's clock.
"""

from __future__ import annotations

from guardrails_lite.reliability._bounded_client import bound_of, bounded_client
from guardrails_lite.reliability._budget import Admission, Budget, Ledger, Refusal
from guardrails_lite.reliability._classify import Action, Blame, Failure, Kind, classify, classify_body_error
from guardrails_lite.reliability._deadline import time_left_s, time_limit
from guardrails_lite.reliability._prices import Price
from guardrails_lite.reliability._retry import Retry

__all__ = [
    "Action",
    "Admission",
    "Blame",
    "Budget",
    "Failure",
    "Kind",
    "Ledger",
    "Price",
    "Refusal",
    "Retry",
    "bound_of",
    "bounded_client",
    "classify",
    "classify_body_error",
    "time_left_s",
    "time_limit",
]
