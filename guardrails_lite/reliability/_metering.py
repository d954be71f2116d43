"""What a check uses while it looks: a validator that asks a model says so, and the check is billed for it.

Whoever runs a validator that waits puts a `metered` around it. The bill travels in a context variable,
like the time limit (`_deadline.py`), so threads, tasks and nested calls each have their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import NamedTuple

from guardrails_lite._messages import Usage
from guardrails_lite.reliability._prices import Price, price_of


class Spent(NamedTuple):
    """One report of a check."""

    usage: Usage
    model: str | None
    cost_usd: float | None
    """What the check itself says that it cost; None: the model's price tells."""


_BILL: ContextVar[list[Spent] | None] = ContextVar("guardrails_lite_bill", default=None)


class metered:
    """Collect what is reported inside the ``with`` block, in `spent`."""

    __slots__ = ("_token", "spent")

    def __init__(self) -> None:
        self.spent: list[Spent] = []

    def __enter__(self) -> list[Spent]:
        self._token = _BILL.set(self.spent)
        return self.spent

    def __exit__(self, *exc: object) -> None:
        _BILL.reset(self._token)


def report_usage(usage: object, *, model: str | None = None, cost_usd: float | None = None) -> None:
    """Say from inside a validator what it used, so that the record and the budget of the call have it.

    Call it once for each answer, in a validator that says that it waits (``blocking=True``, ``async def``)::

        reply = client.chat.completions.create(model="small", messages=[...])
        report_usage(reply.usage, model=reply.model)

    Elsewhere it does nothing. What is reported after the rule's `timeout_s` is not booked any more.

    Args:
        usage: A `Usage`, or the ``usage`` of a completion or a response, as an object or a dict. None: the
            provider told none; no tokens are booked, and the record says that they are an estimate.
        model: Finds the price, in `Budget.prices` first.
        cost_usd: US dollars, where you know better than a price of tokens.

    Raises:
        TypeError: *model* is no text.
        ValueError: *usage* has no counts of tokens or impossible ones, or *cost_usd* is not 0 or more.
    """
    if model is not None and not isinstance(model, str):
        raise TypeError(f"model of report_usage(...) must be the name of a model, not {type(model).__name__}")
    if cost_usd is not None and (
        isinstance(cost_usd, bool) or not isinstance(cost_usd, int | float) or not 0 <= cost_usd < math.inf
    ):
        raise ValueError(f"cost_usd={cost_usd!r} of report_usage(...) must be US dollars, 0 or more")
    spent = Spent(_usage(usage), model, cost_usd)
    bill = _BILL.get()
    if bill is not None:
        bill.append(spent)


def _usage(told: object) -> Usage:
    if told is None:
        return Usage(estimated=True)
    from guardrails_lite._messages._reading import read_usage

    usage = told if isinstance(told, Usage) else read_usage(told)
    if usage is None or usage.prompt_tokens < 0 or usage.completion_tokens < 0:
        raise ValueError(
            "usage of report_usage(...) must be a Usage, or the usage of a completion, with its counts of "
            f"tokens, 0 or more; a {type(told).__name__} without them came"
        )
    return usage


def billed(spent: Iterable[Spent], prices: Mapping[str, Price] | None) -> tuple[Usage, float | None]:
    """What reports come to; money is None where a price is unknown."""
    usage, cost_usd = Usage(), 0.0
    known = True
    for one in spent:
        usage += one.usage
        price = price_of(one.model, prices)
        if one.cost_usd is not None:
            cost_usd += one.cost_usd
        elif price is not None and not (one.usage.estimated and one.usage.total_tokens == 0):
            cost_usd += price.cost_usd(one.usage)
        else:
            known = False
    return usage, cost_usd if known else None
