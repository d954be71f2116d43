"""Guard any chat-completion call: filters, schemas, tool checks, retries, fallbacks, a compliance log.

    from guardrails_lite import Guard, block, redact
    from guardrails_lite_validators import injection, pii

    @Guard(input=[redact(pii()), block(injection())])
    def answer(messages): ...

Importing this package opens no socket, and loads none of the heavy packages that a guard may need later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardrails_lite._errors import (
    Blocked,
    BudgetExceeded,
    ConfigError,
    DeadlineExceeded,
    Exhausted,
    GuardrailsError,
    LogUnavailable,
    MissingPackage,
    StreamInterrupted,
)
from guardrails_lite._rules import Rule, block, fall_back, reask, redact, warn
from guardrails_lite._validators import Finding, Validator, validator

if TYPE_CHECKING:
    from guardrails_lite._capabilities import Capabilities
    from guardrails_lite._engine._cache import Cache
    from guardrails_lite._engine._exchange import Outcome
    from guardrails_lite._engine._partials import Partial
    from guardrails_lite._engine._resuming import Retraction
    from guardrails_lite._guard import Decision, Guard
    from guardrails_lite._messages import Call, Choice, Reply, ToolCall, Usage
    from guardrails_lite._record import Record
    from guardrails_lite._schema import explain_schema
    from guardrails_lite._targets import Target, target
    from guardrails_lite._tools import SQLiteLedger, Tool, operation, tool
    from guardrails_lite._who import bound
    from guardrails_lite.audit import AuditLog
    from guardrails_lite.reliability import (
        Breaker,
        Budget,
        Clocks,
        Hedge,
        Limits,
        Price,
        RedisStore,
        Retry,
        RetryBudget,
        SQLiteStore,
        Upstream,
    )
    from guardrails_lite.sinks import structlog_sink

__all__ = [
    "AuditLog",
    "Blocked",
    "Breaker",
    "Budget",
    "BudgetExceeded",
    "Cache",
    "Call",
    "Capabilities",
    "Choice",
    "Clocks",
    "ConfigError",
    "DeadlineExceeded",
    "Decision",
    "Exhausted",
    "Finding",
    "Guard",
    "GuardrailsError",
    "Hedge",
    "Limits",
    "LogUnavailable",
    "MissingPackage",
    "Outcome",
    "Partial",
    "Price",
    "Record",
    "RedisStore",
    "Reply",
    "Retraction",
    "Retry",
    "RetryBudget",
    "Rule",
    "SQLiteLedger",
    "SQLiteStore",
    "StreamInterrupted",
    "Target",
    "Tool",
    "ToolCall",
    "Upstream",
    "Usage",
    "Validator",
    "block",
    "bound",
    "explain_schema",
    "fall_back",
    "operation",
    "reask",
    "redact",
    "structlog_sink",
    "target",
    "tool",
    "validator",
    "warn",
]

_ELSEWHERE = {
    "AuditLog": "audit",
    "Breaker": "reliability",
    "Budget": "reliability",
    "Cache": "_engine._cache",
    "Call": "_messages",
    "Capabilities": "_capabilities",
    "Choice": "_messages",
    "Clocks": "reliability",
    "Decision": "_guard",
    "Guard": "_guard",
    "Hedge": "reliability",
    "Limits": "reliability",
    "Outcome": "_engine._exchange",
    "Partial": "_engine._partials",
    "Price": "reliability",
    "Record": "_record",
    "RedisStore": "reliability",
    "Reply": "_messages",
    "Retraction": "_engine._resuming",
    "Retry": "reliability",
    "RetryBudget": "reliability",
    "SQLiteLedger": "_tools",
    "SQLiteStore": "reliability",
    "Target": "_targets",
    "Tool": "_tools",
    "ToolCall": "_messages",
    "Upstream": "reliability",
    "Usage": "_messages",
    "bound": "_who",
    "explain_schema": "_schema",
    "operation": "_tools",
    "structlog_sink": "sinks",
    "target": "_targets",
    "tool": "_tools",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    import importlib

    if name == "__version__":
        from importlib.metadata import version

        return version("guardrails-lite")
    if name not in _ELSEWHERE:
        raise AttributeError(f"module 'guardrails_lite' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"guardrails_lite.{_ELSEWHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
