"""What a caller is doing, named so that its consequential calls happen once however often it is tried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from guardrails_lite._errors import ConfigError
from guardrails_lite._tools._ledger import EffectLedger


@dataclass(frozen=True, slots=True)
class Operation:
    """The operation under way."""

    key: str = field(repr=False)
    ledger: EffectLedger | None


_CURRENT: ContextVar[Operation | None] = ContextVar("guardrails_lite_operation", default=None)


@contextmanager
def operation(key: str, *, ledger: EffectLedger | None = None) -> Iterator[None]:
    """Name what the guarded calls inside the ``with`` block are for, so that their writes happen once.

    A tool with ``effects="write"`` runs at most once with the same arguments under one *key*, even if the
    application retries the call or a process restarts. The *reply* is bound to the key, so its tool calls
    may be run after the block. Blocks can be nested; the innermost counts.

    Args:
        key: An idempotency key: the same for every try of one operation, and of no other, such as the id of
            the job or of the customer's request. It is kept as a keyed digest only.
        ledger: Where effects are reserved. Default: the ledger of the guard's `AuditLog`, which outlives
            the process, or else one that does not.

    Raises:
        ConfigError: *key* is not a string, or is empty.
    """
    if not isinstance(key, str) or not key:
        raise ConfigError(f"operation(...) takes a key that is not empty as a str, not {type(key).__name__}")
    token = _CURRENT.set(Operation(key, ledger))
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current_operation() -> Operation | None:
    """The operation that the caller has named, if any."""
    return _CURRENT.get()
