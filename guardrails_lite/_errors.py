"""What can go wrong with a guarded call, and whose fault it is.

::

    GuardrailsError
    ├── Blocked              a rule, a tool check, an approval or the provider's own filter said no
    ├── Exhausted            every rung of the ladder failed
    │   └── StreamInterrupted    … after text had been released
    ├── DeadlineExceeded     the time of the budget is spent
    ├── BudgetExceeded       the tokens or the money of the budget are spent
    ├── LogUnavailable       a strict compliance log could not be written
    └── ConfigError          yours: a setting that cannot work (also a ValueError)
        └── MissingPackage       … because a package is not installed

No error carries text of a prompt, a reply, an argument or a secret. Errors name the record, the rule and the
place; a caller who may see content can look up the record.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from guardrails_lite._record import Record
    from guardrails_lite._validators import Finding

OutcomeName = Literal[
    "passed",
    "repaired",
    "re-asked",
    "fell back",
    "refused",
    "filtered",
    "truncated",
    "schema failed",
    "tool denied",
    "blocked",
    "budget stopped",
    "deadline passed",
    "transport failed",
    "cancelled",
]
"""How a guarded call ended: exactly one of these, in the record, the exception and the metrics."""


class GuardrailsError(Exception):
    """Base of everything this library raises on purpose."""

    def __init__(
        self,
        message: str,
        *,
        outcome: OutcomeName | None = None,
        findings: tuple[Finding, ...] = (),
    ) -> None:
        super().__init__(message)
        self.outcome = outcome
        """The word the record uses for this ending; None before a call exists."""
        self.findings = findings
        """What was found, without the text it was found in."""
        self.record: Record | None = None
        """The account of the call, once it is complete."""

    @property
    def record_id(self) -> str | None:
        """Names the record in the compliance log; None when no call had begun."""
        return self.record.id if self.record is not None else None


class Blocked(GuardrailsError):
    """A rule, a tool check, an approval or the provider's filter refused. Never retried."""


class Exhausted(GuardrailsError):
    """Every rung failed: repairs, re-asks, retries and fallbacks."""

    last_error: BaseException | None = None
    """What the last target raised. It is not chained, because a client's error may quote the prompt, the
    reply or a key, and a chained error is printed with every traceback."""


class StreamInterrupted(Exhausted):
    """A stream broke after its first released character. See `Retry.after_text`."""

    delivered_chars: int = 0
    """How many characters the consumer had been given."""


class DeadlineExceeded(GuardrailsError):
    """`Budget.deadline_s` passed before there was an acceptable reply."""


class BudgetExceeded(GuardrailsError):
    """The next attempt would spend more tokens or money than `Budget` allows."""


class LogUnavailable(GuardrailsError):
    """A strict compliance log could not be written, so the call was not made or not answered."""


class ConfigError(GuardrailsError, ValueError):
    """A setting that cannot work: what, where, what was expected, and the remedy."""


class MissingPackage(ConfigError):
    """Something was asked for that needs a package which is not installed."""

    @classmethod
    def needed_by(cls, what: str, *packages: str, install: str) -> MissingPackage:
        """The error, with the line that brings the package.

        Args:
            what: What needs it, as the sentence begins.
            packages: What is missing, by the names that pip knows.
            install: What pip is to install: a package, or one with an extra.
        """
        line = shlex.join(["pip", "install", install])
        are = "which is" if len(packages) == 1 else "which are"
        return cls(f"{what} needs {' and '.join(packages)}, {are} not installed: {line}")
