"""How all callers of one upstream treat it together: the settings a user writes."""

from __future__ import annotations

from dataclasses import dataclass

from guardrails_lite._errors import ConfigError
from guardrails_lite.reliability._breaker import Breaker
from guardrails_lite.reliability._hedge import Hedge
from guardrails_lite.reliability._limits import Limits
from guardrails_lite.reliability._retry_budget import RetryBudget
from guardrails_lite.reliability._settings import as_code

_BREAKER = Breaker()
_RETRIES = RetryBudget()


@dataclass(frozen=True, slots=True)
class Upstream:
    """What holds for an upstream, whichever call, thread, loop or process asks it.

    Raises:
        ConfigError: a setting that is of the wrong kind.
    """

    breaker: Breaker | None = _BREAKER
    """When to stop asking. None: never."""
    limits: Limits | None = None
    """How much to send. None: no limit but what the upstream's own headers and pauses say."""
    retries: RetryBudget | None = _RETRIES
    """How many of all calls may be second tries. None: any number."""
    hedge: Hedge | None = None
    """When to send a second request beside a slow first one. None: never."""

    def __post_init__(self) -> None:
        for name, kind in (
            ("breaker", Breaker),
            ("limits", Limits),
            ("retries", RetryBudget),
            ("hedge", Hedge),
        ):
            value = getattr(self, name)
            if value is not None and not isinstance(value, kind):
                raise ConfigError(f"{name}={value!r} of Upstream must be a {kind.__name__}, or None.")
        if self.hedge is not None and self.retries is None:
            raise ConfigError(
                "hedge=... of Upstream needs a retry budget: without one, a slow upstream gets twice "
                "the load. Leave out retries=None."
            )

    def __repr__(self) -> str:
        return as_code(self)


@dataclass(frozen=True, slots=True)
class Place:
    """Which upstream it is. Failures are held against the part they belong to."""

    account: str
    """The key or the account, never as plain text: a digest of it."""
    endpoint: str
    """The host, such as ``api.openai.com``."""
    model: str
    """The model, or the name of a function."""
