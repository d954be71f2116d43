"""What a guarded call can cost at most, and which settings cannot hold together.

Both are worked out before anything runs, from the settings alone: sends, seconds, tokens, money. A
setting that contradicts another is refused with the arithmetic, since in an outage is too late to find out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from guardrails_lite.reliability._budget import Budget
from guardrails_lite.reliability._prices import price_of
from guardrails_lite.reliability._retry import BASE_S, CAP_S, Retry


@dataclass(frozen=True, slots=True)
class WorstCase:
    """The most that one guarded call can cost."""

    sends: int
    """Requests, over all targets, retries and re-asks."""
    seconds: float | None
    """Wall time; None: no limit."""
    tokens: int | None
    """Tokens; None: no limit."""
    cost_usd: float | None
    """US dollars; None: no limit, or a model without a price."""

    def __str__(self) -> str:
        seconds = "no limit of time" if self.seconds is None else f"{self.seconds:g} s"
        tokens = "no limit of tokens" if self.tokens is None else f"{self.tokens} tokens"
        money = "no limit of money" if self.cost_usd is None else f"${self.cost_usd:.4f}"
        return f"at most {self.sends} sends, {seconds}, {tokens}, {money}"


def worst_case(
    retry: Retry,
    budget: Budget,
    models: Sequence[str | None],
    *,
    prompt_tokens: int | None = None,
    max_completion_tokens: int | None = None,
) -> WorstCase:
    """Work out the most that one call can cost.

    A re-ask does not renew the attempts at a target, so a target is sent to at most ``Retry.attempts``
    times plus once for each re-ask, which is counted once for the whole call.

    Args:
        retry: The guard's retries.
        budget: The guard's budget.
        models: One entry for each target that is really asked, the primary first; fixed answers are not.
        prompt_tokens: The largest prompt, where it is known. It grows with a re-ask by the reply and what
            was wrong with it, which is taken as one more completion.
        max_completion_tokens: The longest completion that a request asks for, where it does.
    """
    sends = retry.attempts * len(models) + retry.reasks
    if budget.attempts is not None:
        sends = min(sends, budget.attempts)
    tokens, cost = budget.tokens, budget.cost_usd
    if prompt_tokens is not None and max_completion_tokens is not None:
        grown = prompt_tokens + (2 * max_completion_tokens if retry.reasks else 0)
        most = sends * (grown + max_completion_tokens)
        tokens = most if tokens is None else min(most, tokens)
        prices = [price_of(model, budget.prices) for model in models]
        if prices and all(prices):
            dearest = max(
                (grown * price.input_usd + max_completion_tokens * price.output_usd) / 1e6
                for price in prices
                if price is not None
            )
            cost = min(sends * dearest, math.inf if cost is None else cost)
    return WorstCase(sends, budget.deadline_s, tokens, cost)


def contradictions(
    retry: Retry,
    budget: Budget,
    models: Sequence[str | None],
    *,
    attempt_s: float | None = None,
    hedges: bool = False,
    writing_tools: Sequence[str] = (),
    client_retries: Mapping[str, int] | None = None,
) -> list[str]:
    """Say which settings cannot hold together, each with its arithmetic and the way out.

    Args:
        retry: The guard's retries.
        budget: The guard's budget.
        models: As for `worst_case`.
        attempt_s: The time-out of one attempt, where the client or the target sets one.
        hedges: Whether some upstream is hedged.
        writing_tools: Names of the guard's tools that write.
        client_retries: Retries that a target makes on its own and that we cannot turn off, by its name.
    """
    found = []
    deadline_s = budget.deadline_s
    if deadline_s is not None and attempt_s is not None:
        waits_s = sum(min(CAP_S, BASE_S * 2**n) for n in range(min(retry.attempts - 1, 64))) / 2
        needs_s = retry.attempts * attempt_s + waits_s
        share_s = deadline_s * (1 - budget.reserve) if len(models) > 1 else deadline_s
        if attempt_s > share_s:
            found.append(
                f"one attempt may take {attempt_s:g} s, and only {share_s:g} s of Budget.deadline_s="
                f"{deadline_s:g} are there for the first target. Raise the deadline or lower the "
                "attempt's time."
            )
        elif needs_s > share_s:
            found.append(
                f"{retry.attempts} attempts of {attempt_s:g} s and their waits take up to {needs_s:g} s, and "
                f"{share_s:g} s of Budget.deadline_s={deadline_s:g} are there for the first target: the "
                "last ones are never made. Lower Retry.attempts or the attempt's time, or raise the deadline."
            )
    fixed_wait_s = retry.wait if isinstance(retry.wait, (int, float)) else None
    if (
        deadline_s is not None
        and fixed_wait_s is not None
        and fixed_wait_s >= deadline_s
        and retry.attempts > 1
    ):
        found.append(
            f"Retry.wait={fixed_wait_s:g} s is no shorter than Budget.deadline_s={deadline_s:g}: no retry is "
            "ever made. Lower the wait or raise the deadline."
        )
    if budget.attempts is not None and budget.attempts < len(models):
        found.append(
            f"Budget.attempts={budget.attempts} is less than the {len(models)} targets: the last ones are "
            "never asked. Raise Budget.attempts or leave out a fallback."
        )
    if hedges and writing_tools:
        found.append(
            f"hedging sends a request twice, and the tools {', '.join(writing_tools)} write: what they do "
            "could happen twice. Leave out the hedge, or declare the tools effects='read' if they only read."
        )
    for name, retries in (client_retries or {}).items():
        if retries:
            sends = retry.attempts * (1 + retries)
            found.append(
                f"{name} retries {retries} times by itself, so {retry.attempts} attempts become {sends} "
                "requests. Turn its own retries off."
            )
    if budget.cost_usd is not None:
        unpriced = [
            str(model) for model in models if model is not None and price_of(model, budget.prices) is None
        ]
        if unpriced:
            found.append(
                f"Budget.cost_usd={budget.cost_usd:g} cannot hold for {', '.join(unpriced)}: no price is "
                "known. Give one: Budget(prices={...: Price(input_usd, output_usd)})."
            )
    return found
