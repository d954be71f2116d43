"""Where records go besides the compliance log: the application's own logging, through structlog."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from guardrails_lite._record import Record

Sink = Callable[[Record], Any]
"""Anything that takes a completed record. One with a method ``intent`` is also told before the provider
is asked. A sink that raises ends the call, so that nothing happens that was not recorded."""

_logger = logging.getLogger("guardrails_lite")
_logger.addHandler(logging.NullHandler())

_LEVELS = {"passed": logging.INFO, "repaired": logging.INFO, "re-asked": logging.INFO}


def default_sink(record: Record) -> None:
    """One event a call to the ``guardrails_lite`` logger: silent unless the application listens."""
    if not is_silent(record):
        structlog_sink()(record)


def is_silent(record: Record) -> bool:
    """Whether nobody listens to the event of *record*."""
    level = _LEVELS.get(record.outcome, logging.WARNING)
    return not _logger.isEnabledFor(level) or _has_no_ear(_logger)


def _has_no_ear(logger: logging.Logger) -> bool:
    """Whether every handler that would be called is a null handler."""
    at: logging.Logger | None = logger
    while at is not None:
        if any(not isinstance(handler, logging.NullHandler) for handler in at.handlers):
            return False
        at = at.parent if at.propagate else None
    return True


def structlog_sink(logger: Any = None) -> Sink:
    """Make a sink that logs one event per call through structlog.

    Args:
        logger: A structlog logger. Default: one over the standard ``guardrails_lite`` logger, so that the
            application's handlers and levels decide.

    The event is ``guarded call``, with the outcome, the rules that found something, attempts, tokens, cost
    and who called; at level info, or warning when the call did not end well. No text.
    """

    def log(record: Record) -> None:
        level = "info" if record.outcome in _LEVELS else "warning"
        target = _over_standard() if logger is None else logger
        if target is None:
            getattr(_logger, level)("guarded call", extra=_event(record))
        else:
            getattr(target, level)("guarded call", **_event(record))

    return log


def _over_standard() -> Any:
    """A structlog logger over the standard one; None while this very thread is importing structlog.

    A stream that nobody closed is recorded when it is collected, and that may happen in the middle of it.
    """
    import structlog

    try:
        return structlog.wrap_logger(
            _logger,
            processors=[structlog.stdlib.render_to_log_kwargs],
            wrapper_class=structlog.stdlib.BoundLogger,
        )
    except AttributeError:
        return None


def _event(record: Record) -> dict[str, Any]:
    told = record.to_dict()
    return {
        "call_id": record.id,
        "guard": record.guard,
        "outcome": record.outcome,
        "model": record.model,
        "duration_ms": round(record.duration_us / 1000, 2),
        "attempts": len(record.attempts),
        "found": [step.rule for step in record.checks if step.result not in ("passed", "not run", "skipped")],
        "tokens": record.usage.total_tokens if record.usage is not None else None,
        "cost_usd": record.cost_usd,
        "who": told["who"],
    }
