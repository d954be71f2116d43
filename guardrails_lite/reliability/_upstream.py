"""How all callers of one upstream treat it together: the settings a user writes."""

from __future__ import annotations

from dataclasses import dataclass, field

from guardrails_lite._arguments import by_name
from guardrails_lite._errors import ConfigError
from guardrails_lite.reliability._breaker import Breaker
from guardrails_lite.reliability._limits import Limits
from guardrails_lite.reliability._retry_budget import RetryBudget
from guardrails_lite.reliability._settings import as_code
from guardrails_lite.reliability._shared_store import SharedStore
from guardrails_lite.reliability._stores import MemoryStore
from guardrails_lite.reliability._turnstile import Place, Turnstile, Turnstiles

_new = tuple.__new__
"""Makes a named tuple without the Python frame that its own constructor takes."""
_BREAKER = Breaker()
_RETRIES = RetryBudget()


@by_name
@dataclass(frozen=True, slots=True)
class Upstream:
    """Limits and circuit breakers for an upstream, shared by all calls, threads and guards that use it.

    All guards and targets that are given the same `Upstream` object share its limits and breakers; with a
    `store`, other processes share them too. Calls of a client are kept apart by key, host and model, calls of
    a function by model.

    Raises:
        ConfigError: a setting has the wrong type.
    """

    name: str = ""
    """Distinguishes upstreams that are functions in a shared `store`; a client needs no name."""
    breaker: Breaker | None = _BREAKER
    """When to stop asking. None: never."""
    limits: Limits | None = None
    """How much to send. None: no limit except what the upstream's own headers and pauses say."""
    retries: RetryBudget | None = _RETRIES
    """What share of all calls may be retries. None: any number."""
    store: MemoryStore | SharedStore | None = None
    """Where the state lives: a `SQLiteStore`, a `RedisStore`. None: in this process."""
    _turnstiles: Turnstiles = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise ConfigError(f"name={self.name!r} of Upstream must be a str.")
        for name, kind in (("breaker", Breaker), ("limits", Limits), ("retries", RetryBudget)):
            value = getattr(self, name)
            if value is not None and not isinstance(value, kind):
                raise ConfigError(f"{name}={value!r} of Upstream must be a {kind.__name__}, or None.")
        if self.store is not None and not isinstance(self.store, (MemoryStore, SharedStore)):
            raise ConfigError(
                f"store={self.store!r} of Upstream must be a SQLiteStore, a RedisStore, or None for the "
                "memory of this process."
            )
        object.__setattr__(self, "_turnstiles", Turnstiles(self, self.store))

    def turnstile(self, account: str, endpoint: str, model: str | None) -> Turnstile:
        """The way to one model of it, the same one for every caller.

        Args:
            account: A digest of the key; empty for a function.
            endpoint: The host; empty for a function.
            model: The model that is asked, where the request names one.
        """
        return self._turnstiles.of(_new(Place, (account, endpoint or self.name, model or "")))

    def __repr__(self) -> str:
        return as_code(self)
