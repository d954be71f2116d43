"""What tokens cost: a dated table of prices, which the user can replace.

The table was written from memory and not checked against the vendors' pages: replace it with your own by
``Budget(prices=...)`` wherever money matters. It is for limits and estimates, not for accounting. A model
that is not in it has no price: `cost_usd` says None, and a budget in money refuses it until it is given one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from guardrails_lite._errors import ConfigError

if TYPE_CHECKING:
    from guardrails_lite._messages import Usage

PRICES_DATE = "2025-11-01"
"""The day of which the table tells, from memory; no vendor's page was looked at."""


@dataclass(frozen=True, slots=True)
class Price:
    """What one million tokens of a model cost, in US dollars.

    Raises:
        ConfigError: a price is negative or not a number.
    """

    input_usd: float
    """A million prompt tokens."""
    output_usd: float
    """A million completion tokens."""
    cached_usd: float | None = None
    """A million prompt tokens that the provider had cached; None: as `input_usd`."""

    def __post_init__(self) -> None:
        for name in ("input_usd", "output_usd", "cached_usd"):
            value = getattr(self, name)
            if value is None and name == "cached_usd":
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
                raise ConfigError(f"{name}={value!r} of Price must be dollars per million tokens, 0 or more.")

    def cost_usd(self, usage: Usage) -> float:
        """What *usage* costs at this price."""
        cached = min(max(usage.cached_tokens, 0), max(usage.prompt_tokens, 0))
        cached_usd = self.input_usd if self.cached_usd is None else self.cached_usd
        fresh = max(usage.prompt_tokens, 0) - cached
        return (
            fresh * self.input_usd + cached * cached_usd + max(usage.completion_tokens, 0) * self.output_usd
        ) / 1_000_000


PRICES: Mapping[str, Price] = {
    "gpt-5": Price(1.25, 10.0, 0.125),
    "gpt-5-mini": Price(0.25, 2.0, 0.025),
    "gpt-5-nano": Price(0.05, 0.4, 0.005),
    "gpt-5-pro": Price(15.0, 120.0),
    "gpt-5.1": Price(1.25, 10.0, 0.125),
    "gpt-4.1": Price(2.0, 8.0, 0.5),
    "gpt-4.1-mini": Price(0.4, 1.6, 0.1),
    "gpt-4.1-nano": Price(0.1, 0.4, 0.025),
    "gpt-4o": Price(2.5, 10.0, 1.25),
    "gpt-4o-mini": Price(0.15, 0.6, 0.075),
    "gpt-4-turbo": Price(10.0, 30.0),
    "gpt-4": Price(30.0, 60.0),
    "gpt-3.5-turbo": Price(0.5, 1.5),
    "o1": Price(15.0, 60.0, 7.5),
    "o3": Price(2.0, 8.0, 0.5),
    "o3-mini": Price(1.1, 4.4, 0.55),
    "o4-mini": Price(1.1, 4.4, 0.275),
}
"""Prices by model name, in US dollars per million tokens, as remembered of `PRICES_DATE`."""


def price_of(model: str | None, prices: Mapping[str, Price] | None = None) -> Price | None:
    """Find the price of *model*: its own name, or the name without a date stamp; None: it has none.

    Args:
        model: The name as the request or the reply gives it, such as ``gpt-4o-2024-08-06``.
        prices: Looked into first; the table above is the second place.
    """
    if model is None:
        return None
    for table in (prices, PRICES) if prices else (PRICES,):
        found = table.get(model) or table.get(undated(model))
        if found is not None:
            return found
    return None


def cost_usd(model: str | None, usage: Usage, prices: Mapping[str, Price] | None = None) -> float | None:
    """What *usage* of *model* costs in US dollars; None when the model has no price."""
    price = price_of(model, prices)
    return None if price is None else price.cost_usd(usage)


@lru_cache(maxsize=64)
def undated(model: str) -> str:
    """``gpt-4o-2024-08-06`` and ``gpt-4-0613`` are billed as the model they are snapshots of."""
    name = model.removesuffix("-latest")
    words = name.split("-")
    if (
        len(words) > 3
        and [len(word) for word in words[-3:]] == [4, 2, 2]
        and all(w.isdigit() for w in words[-3:])
    ):
        return "-".join(words[:-3])
    if len(words) > 1 and words[-1].isdigit() and len(words[-1]) in (4, 8):
        return "-".join(words[:-1])
    return name
