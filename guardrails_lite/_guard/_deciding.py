"""What a guard says about one text, without a model call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from guardrails_lite._engine._exchange import check_text
from guardrails_lite._errors import ConfigError
from guardrails_lite._rules import ROLES, Role
from guardrails_lite._validators import Finding

if TYPE_CHECKING:
    from guardrails_lite._engine._plan import Plan
    from guardrails_lite._record import Record

_VERDICTS: Mapping[str, Any] = {"reask": "would re-ask", "fall_back": "would fall back"}


@dataclass(frozen=True, slots=True)
class Decision:
    """What a guard says about one text, without a model call."""

    verdict: Literal["passed", "redacted", "blocked", "would re-ask", "would fall back"]
    text: str | None = field(repr=False)
    """The text after the rules; None when it was stopped."""
    findings: tuple[Finding, ...]
    """What stopped it; empty when it passed. Findings that were masked or only noted are in the record."""
    record: Record

    @property
    def ok(self) -> bool:
        """Whether the text, as it is now, may pass."""
        return self.verdict in ("passed", "redacted")


async def decide(
    plan: Plan,
    text: str,
    side: Literal["input", "output"],
    role: Role | None,
    *,
    call_id: str | None = None,
) -> Decision:
    """What the rules of one side make of *text*, for a driver.

    Raises:
        ConfigError: there is no such side or role.
        TypeError: *text* is no str.
    """
    if side not in ("input", "output"):
        raise ConfigError(f"side={side!r} of check(...) must be 'input' or 'output'")
    if role is not None and role not in ROLES:
        raise ConfigError(f"role={role!r} of check(...): expected one of {', '.join(sorted(ROLES))}")
    if not isinstance(text, str):
        raise TypeError(f"check(...) takes a str, not {type(text).__name__}")
    left, stop, record = await check_text(plan, text, side, role, call_id=call_id)
    if stop is None:
        return Decision("passed" if left == text else "redacted", left, (), record)
    return Decision(_VERDICTS.get(stop.verb, "blocked"), None, stop.findings, record)
