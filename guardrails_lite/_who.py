"""Who is calling: what the application binds, and what its logging and tracing already know."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from guardrails_lite._errors import ConfigError

PERSONAL = frozenset({"user", "session", "api_key"})
"""Fields that name a person or a credential: they leave the process as pseudonyms only."""

_KEY_NAME = re.compile("key:[0-9a-f]{16}")
_TAKEN_FROM_STRUCTLOG = frozenset(
    {"tenant", "user", "session", "app", "env", "request_id", "trace_id", "span_id"}
)
_bound: ContextVar[Mapping[str, str]] = ContextVar("guardrails_lite_bound", default={})  # noqa: B039  # never mutated
_process_key = os.urandom(32)


@contextmanager
def bound(**who: str) -> Iterator[None]:
    """Name who is calling, for every record made inside the ``with`` block.

    ``user``, ``session`` and ``api_key`` are personal: records that leave the process hold a pseudonym.
    Everything else (``tenant``, ``app``, ``env``, …) is written as it is. Blocks nest.

    Raises:
        ConfigError: a value is not a string.
    """
    for name, value in who.items():
        if not isinstance(value, str):
            raise ConfigError(f"bound({name}=...) takes a string, not {type(value).__name__}. Use str(...).")
    token = _bound.set({**_bound.get(), **who})
    try:
        yield
    finally:
        _bound.reset(token)


def who_calls(account: str = "") -> Mapping[str, str]:
    """What is known of the caller: bound here or in structlog, the current trace, the client's *account*."""
    who = _bound.get()
    if account and "api_key" not in who:
        who = {"api_key": account, **who}
    if "structlog.contextvars" in sys.modules:
        there = sys.modules["structlog.contextvars"].get_contextvars()
        taken = {key: str(there[key]) for key in _TAKEN_FROM_STRUCTLOG & there.keys()}
        who = {**taken, **who} if taken else who
    if "opentelemetry.trace" in sys.modules:
        trace: Any = sys.modules["opentelemetry.trace"]
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            who = {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}", **who}
    return who


def key_name(api_key: str) -> str:
    """Name an API key by a digest, so that no record holds the key; the name of a name is itself."""
    if _KEY_NAME.fullmatch(api_key):
        return api_key
    return f"key:{hashlib.blake2b(api_key.encode('utf-8', 'surrogatepass'), digest_size=8).hexdigest()}"


def pseudonym_of(field: str, value: str) -> str:
    """Stand for a person within this process: keyed, so that nobody can guess it back."""
    digest = hmac.new(_process_key, f"{field}\0{value}".encode(), hashlib.sha256)
    return "~" + digest.hexdigest()[:16]
