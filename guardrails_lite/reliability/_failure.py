"""One failed attempt in words of closed sets: what happened, whose fault it is, what comes next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "rate limited",
    "overloaded",
    "server error",
    "timeout",
    "connection",
    "malformed reply",
    "empty reply",
    "bad request",
    "context too long",
    "auth",
    "quota",
    "not found",
    "content filtered",
    "refused",
    "truncated",
    "stream interrupted",
    "cancelled",
    "own bug",
    "turned away",
    "unknown",
]
"""What happened, in one word of a closed set."""

Blame = Literal["caller", "prompt", "validator", "account", "model", "endpoint", "network", "provider"]
"""Whose fault it is. Breakers and budgets look at this: a bad prompt opens nothing, a spent quota opens
the account, not the model."""

Action = Literal["retry", "fall back", "fail"]
"""The next step when nobody decides otherwise: the same target, the next target, or an error at once."""

_LADDER: Mapping[Kind, tuple[Blame, Action]] = {
    "rate limited": ("account", "retry"),
    "overloaded": ("endpoint", "retry"),
    "server error": ("endpoint", "retry"),
    "timeout": ("endpoint", "fall back"),
    "connection": ("network", "retry"),
    "malformed reply": ("endpoint", "retry"),
    "empty reply": ("model", "retry"),
    "bad request": ("caller", "fail"),
    "context too long": ("prompt", "fall back"),
    "auth": ("account", "fall back"),
    "quota": ("account", "fall back"),
    "not found": ("endpoint", "fail"),
    "content filtered": ("prompt", "fail"),
    "refused": ("model", "fail"),
    "truncated": ("model", "fail"),
    "stream interrupted": ("endpoint", "fail"),
    "cancelled": ("caller", "fail"),
    "own bug": ("caller", "fail"),
    "turned away": ("caller", "fall back"),
    "unknown": ("provider", "fall back"),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """What one failed attempt means. It holds names and numbers, never the text of an error."""

    kind: Kind
    blame: Blame
    action: Action
    """The default step; rules and `Retry(on=...)` may choose another."""
    status: int | None = None
    """The HTTP status, where there was one."""
    retry_after_s: float | None = None
    """How long the server asks to be left alone, in seconds: a lower bound. None: it did not say."""
    error_type: str = ""
    """The name of the error's class."""
    code: str | None = None
    """The provider's own code, such as ``insufficient_quota``; None when it is not a plain token."""
    maybe_billed: bool = False
    """The request may have been worked on, so its tokens may be charged though no reply came."""
    bad_retry_after: bool = False
    """The server sent a Retry-After that says nothing (negative, text, twice); it was ignored."""

    @classmethod
    def of(
        cls,
        kind: Kind,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
        error_type: str = "",
        code: str | None = None,
        maybe_billed: bool = False,
    ) -> Failure:
        """A failure of *kind* with the blame and the step that go with it, such as a reply that is empty."""
        blame, action = _LADDER[kind]
        return cls(
            kind,
            blame,
            action,
            status=status,
            retry_after_s=retry_after_s,
            error_type=error_type,
            code=code,
            maybe_billed=maybe_billed,
        )

    @property
    def is_throttling(self) -> bool:
        """Whether the server has too much to do, so that waits start longer."""
        return self.kind in ("rate limited", "overloaded")
