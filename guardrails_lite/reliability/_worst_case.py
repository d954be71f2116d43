"""What a guarded call can cost at most, and which settings cannot hold together.

Both are worked out before anything runs, from the settings alone: sends, seconds, tokens, money. A
setting that contradicts another is refused with the arithmetic, since in an outage is too late to find out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from guardrails_lite.reliability._budget import Budget
from guardrails_lite.reliability._clocks import Clocks
from guardrails_lite.reliability._prices import price_of
from guardrails_lite.reliability._retry import BASE_S, CAP_S, Retry

if TYPE_CHECKING:
    from guardrails_lite._validators import Validator


@dataclass(frozen=True, slots=True)
class WorstCase:
    """The most that one guarded call can cost, without what its checks use. It prints as a sentence."""

    sends: int
    """Requests, over all targets, retries and re-asks."""
    seconds: float | None
    """Wall time; None: no limit."""
    tokens: int | None
    """Tokens; None: no limit."""
    cost_usd: float | None
    """US dollars; None: no limit, or a model without a price."""
    silence_s: float | None = None
    """Wall time until it ends where no target ever says anything, by the `Clocks` that all of them have;
    None: `seconds`."""
    checks: tuple[str, ...] = ()
    """Validators that wait, and may ask a model of their own: what they use is in no number but `seconds`."""

    def __str__(self) -> str:
        seconds = "no time limit" if self.seconds is None else f"{self.seconds:g} s"
        if self.silence_s is not None:
            seconds += f" ({self.silence_s:g} s of silence)"
        tokens = "no token limit" if self.tokens is None else f"{self.tokens} tokens"
        money = "no cost limit" if self.cost_usd is None else f"${self.cost_usd:.4f}"
        checks = f"; not counting what {', '.join(self.checks)} may use" if self.checks else ""
        return f"at most {self.sends} sends, {seconds}, {tokens}, {money}{checks}"


class Asked(NamedTuple):
    """A target that is really asked: the primary or a fallback, but no fixed answer."""

    name: str
    model: str | None = None
    """None: not known before the call."""
    timeout_s: float | None = None
    """How long one attempt may take, where the target says so."""
    own_retries: int = 0
    """Retries that it makes by itself and that cannot be turned off."""
    clocks: Clocks | None = None
    """When an attempt at it is given up."""


def worst_case(
    retry: Retry,
    budget: Budget,
    asked: Sequence[Asked],
    *,
    hedged: bool = False,
    checks: Iterable[Validator] = (),
    prompt_tokens: int | None = None,
    max_completion_tokens: int | None = None,
) -> WorstCase:
    """Work out the most that one call can cost.

    A re-ask does not renew the attempts at a target, so a target is sent to at most ``Retry.attempts``
    times plus once for each re-ask, which is counted once for the whole call, as a hedge is. What checks
    use themselves is known only when they report it: of the numbers, only `seconds` bounds it.

    Args:
        retry: The guard's retries.
        budget: The guard's budget.
        asked: The targets, the primary first.
        hedged: Whether the primary may be sent to once more beside an attempt.
        checks: The validators of all its rules.
        prompt_tokens: The largest prompt, where it is known. It grows with a re-ask by the reply and what
            was wrong with it, which is taken as one more completion, and so with a stream that is resumed.
        max_completion_tokens: The longest completion that a request asks for, where it does.
    """
    sends = retry.attempts * len(asked) + retry.reasks + hedged
    if budget.attempts is not None:
        sends = min(sends, budget.attempts)
    tokens, cost = budget.tokens, budget.cost_usd
    if prompt_tokens is not None and max_completion_tokens is not None:
        additions = (retry.reasks > 0) + (retry.after_text == "resume")
        grown = prompt_tokens + 2 * additions * max_completion_tokens
        most = sends * (grown + max_completion_tokens)
        tokens = most if tokens is None else min(most, tokens)
        prices = [price_of(target.model, budget.prices) for target in asked]
        if prices and all(prices):
            dearest = max(
                (grown * price.input_usd + max_completion_tokens * price.output_usd) / 1e6
                for price in prices
                if price is not None
            )
            cost = min(sends * dearest, math.inf if cost is None else cost)
    silent_s = max(sum(silent_s for _, _, silent_s in _silences(retry, asked, name)) for name in _SILENCES)
    silence_s = min(silent_s, budget.deadline_s or math.inf) or None
    asking = dict.fromkeys(check.name for check in checks if check.kind != "plain")
    return WorstCase(sends, budget.deadline_s, tokens, cost, silence_s, tuple(asking))


def contradictions(
    retry: Retry, budget: Budget, asked: Sequence[Asked], *, ends_in_answer: bool = False
) -> Iterator[str]:
    """Say which settings cannot hold together, each with its arithmetic and the way out.

    Args:
        retry: The guard's retries.
        budget: The guard's budget.
        asked: The targets, the primary first.
        ends_in_answer: Whether a fixed answer follows them.
    """
    deadline_s = budget.deadline_s
    if retry.after_text == "resume" and 1 in (retry.attempts * len(asked), budget.attempts):
        yield (
            "Retry.after_text='resume' needs a second send, and there is only one: Retry.attempts="
            f"{retry.attempts}, {len(asked)} target, Budget.attempts={budget.attempts}. Raise the attempts, "
            "add a fallback, or leave after_text out."
        )
    if deadline_s is not None:
        for place, target in enumerate(asked):
            is_last = place == len(asked) - 1 and not ends_in_answer
            share_s = deadline_s if is_last else deadline_s * (1 - budget.reserve)
            yield from _out_of_time(retry, share_s, deadline_s, target, is_last=is_last)
            yield from _never_runs_out(share_s, deadline_s, target)
        yield from _silent_too_long(retry, deadline_s, asked)
        if isinstance(retry.wait, (int, float)) and retry.wait >= deadline_s and retry.attempts > 1:
            yield (
                f"Retry.wait={retry.wait:g} s is no shorter than Budget.deadline_s={deadline_s:g}: no retry "
                "is ever made. Lower the wait or raise the deadline."
            )
    if budget.attempts is not None and budget.attempts < len(asked):
        yield (
            f"Budget.attempts={budget.attempts} is less than the {len(asked)} targets: the last ones are "
            "never asked. Raise Budget.attempts or leave out a fallback."
        )
    for target in asked:
        if target.own_retries:
            sends = retry.attempts * (1 + target.own_retries)
            yield (
                f"{target.name} retries {target.own_retries} times by itself, so {retry.attempts} attempts "
                f"become {sends} requests. Turn its own retries off."
            )
    if budget.cost_usd is not None:
        models = dict.fromkeys(target.model for target in asked if target.model is not None)
        unpriced = [model for model in models if price_of(model, budget.prices) is None]
        if unpriced:
            yield (
                f"Budget.cost_usd={budget.cost_usd:g} cannot hold for {', '.join(unpriced)}: no price is "
                "known. Give one: Budget(prices={...: Price(input_usd, output_usd)})."
            )


def _out_of_time(
    retry: Retry, share_s: float, deadline_s: float, target: Asked, *, is_last: bool
) -> Iterator[str]:
    """Even where all before it fail at once, a target has only so much of the deadline."""
    timeout_s = target.timeout_s
    if timeout_s is None:
        return
    whose = f"{share_s:g} s of Budget.deadline_s={deadline_s:g} are there for {target.name}"
    attempts = retry.attempts if _repeats_timeouts(retry, is_last=is_last) else 1
    needs_s = _attempts_s(retry, attempts, timeout_s)
    if timeout_s > share_s:
        yield (
            f"one attempt may take {timeout_s:g} s, and only {whose}. Raise the deadline or lower the "
            "attempt's timeout."
        )
    elif needs_s > share_s:
        yield (
            f"{attempts} attempts of {timeout_s:g} s and their waits take up to {needs_s:g} s, and {whose}: "
            "the last ones are never made. Lower Retry.attempts or the timeout, or raise the deadline."
        )


def _never_runs_out(share_s: float, deadline_s: float, target: Asked) -> Iterator[str]:
    """A clock that is longer than what a target has of the deadline."""
    for name, length_s in (target.clocks.lengths() if target.clocks is not None else {}).items():
        if length_s >= share_s:
            yield (
                f"Clocks.{name}={length_s:g} never runs out: {share_s:g} s of Budget.deadline_s="
                f"{deadline_s:g} are there for {target.name}. Lower it or raise the deadline."
            )


_SILENCES = ("first_content_s", "whole_reply_s")
"""Clocks that bound an attempt of which nothing is heard: a streamed one, and any other."""


def _silent_too_long(retry: Retry, deadline_s: float, asked: Sequence[Asked]) -> Iterator[str]:
    """Where nobody says anything, the last target is not given the time that its clock allows it."""
    for name in _SILENCES:
        silences = _silences(retry, asked, name)
        needs_s = sum(silent_s for _, _, silent_s in silences)
        if needs_s > deadline_s:
            each = " + ".join(f"{attempts} × {length_s:g} s" for attempts, length_s, _ in silences)
            yield (
                f"where no target answers, Clocks.{name} and the waits between attempts come to "
                f"{needs_s:g} s ({each}), and Budget.deadline_s={deadline_s:g}: the last attempts are cut "
                "short or never made. Lower the clock or Retry.attempts, or raise the deadline."
            )


def _silences(retry: Retry, asked: Sequence[Asked], name: str) -> list[tuple[int, float, float]]:
    """Of each target that never says anything: attempts, how long each takes, how long all do with waits.

    Nothing, where some target has no such clock.
    """
    found: list[tuple[int, float, float]] = []
    for place, target in enumerate(asked):
        length_s = getattr(target.clocks, name, None)
        if length_s is None:
            return []
        attempts = retry.attempts if _repeats_timeouts(retry, is_last=place == len(asked) - 1) else 1
        found.append((attempts, length_s, _attempts_s(retry, attempts, length_s)))
    return found


def _attempts_s(retry: Retry, attempts: int, each_s: float) -> float:
    return attempts * each_s + sum(_longest_wait_s(retry.wait, n) for n in range(min(attempts - 1, 64)))


def _repeats_timeouts(retry: Retry, *, is_last: bool) -> bool:
    if retry.on is None:
        return is_last
    return not callable(retry.on) and "timeout" in retry.on


def _longest_wait_s(wait: Callable[..., float] | float | None, failed: int) -> float:
    if wait is None:
        return min(CAP_S, math.ldexp(BASE_S, failed))
    return float(wait) if isinstance(wait, (int, float)) else 0.0
