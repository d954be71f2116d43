"""What one guarded call may spend: seconds, sends, tokens, money. Asked before each send, not after.

`Budget` is the value a user writes; a `Ledger` keeps the account of one call. Money and tokens are
reserved at their worst case before a send and corrected by what the reply reports, so a re-ask is refused
before it overspends. Failed attempts count: the provider may have worked on them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, NamedTuple

from guardrails_lite._arguments import LONGEST_S, by_name
from guardrails_lite._errors import BudgetExceeded, ConfigError, DeadlineExceeded
from guardrails_lite.reliability._prices import Price, price_of

if TYPE_CHECKING:
    from guardrails_lite._messages import Usage
    from guardrails_lite.reliability._failure import Failure

CHARS_PER_TOKEN = 3
"""Fewer than the usual four of English, so that an estimate errs on the dear side."""
_new = tuple.__new__
"""Makes a named tuple without the Python frame that its own constructor takes."""


@by_name
@dataclass(frozen=True, slots=True)
class Budget:
    """What one guarded call may spend, with all its retries, re-asks and fallbacks.

    Raises:
        ConfigError: a limit that cannot work.
    """

    deadline_s: float | None = 120.0
    """Seconds that the whole call may take, including waits. None: no limit."""
    tokens: int | None = None
    """Tokens of all attempts, prompts and completions together, plus those that checks report."""
    cost_usd: float | None = None
    """US dollars for all attempts together, and for the checks that report their cost. Models without a price
    are refused; give them one in `prices`."""
    attempts: int | None = None
    """Total sends, over all targets. None: what `Retry` and the fallbacks allow."""
    reserve: float = 0.4
    """The share of the remaining time, from 0 to 1, that each attempt leaves to the fallbacks after it."""
    prices: Mapping[str, Price] | None = None
    """Prices by model name that replace those of the built-in table."""

    def __post_init__(self) -> None:
        _check_limit("deadline_s", self.deadline_s, "seconds")
        _check_limit("cost_usd", self.cost_usd, "US dollars")
        _check_whole("tokens", self.tokens)
        _check_whole("attempts", self.attempts)
        if (
            isinstance(self.reserve, bool)
            or not isinstance(self.reserve, (int, float))
            or not 0 <= self.reserve < 1
        ):
            raise ConfigError(f"reserve={self.reserve!r} of Budget must be a share from 0 to less than 1.")
        if self.prices is not None and not isinstance(self.prices, Mapping):
            raise ConfigError("prices= of Budget must be a mapping of model names to Price.")
        for model, price in (self.prices or {}).items():
            if not isinstance(model, str) or not isinstance(price, Price):
                raise ConfigError(f"prices[{model!r}] of Budget must be a Price, such as Price(0.25, 2.0).")

    def __repr__(self) -> str:
        shown = [
            f"{setting.name}={getattr(self, setting.name)!r}"
            for setting in fields(self)
            if getattr(self, setting.name) != setting.default
        ]
        return f"Budget({', '.join(shown)})"

    def __hash__(self) -> int:
        return hash(repr(self))


class Admission(NamedTuple):
    """One attempt that may be made, and what was set aside for it."""

    model: str | None
    ends_at_s: float | None
    """When the attempt must be over, on the clock of the call; None: no limit."""
    reserved_tokens: int
    reserved_usd: float
    max_completion_tokens: int | None
    """The longest completion that the budget can still pay for; None: no limit. A request that names no
    limit of its own can carry this one, and then the budget holds to the token."""
    prompt_tokens: int
    """The estimate that was reserved for the prompt."""
    price: Price | None
    """What the model costs; None: it has no price, or none is asked."""


_FREE = Admission(None, None, 0, 0.0, None, 0, None)
"""Of a fixed answer."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an attempt may not be made."""

    limit: Literal["deadline", "attempts", "tokens", "cost", "price"]
    message: str

    def error(self) -> DeadlineExceeded | BudgetExceeded:
        """The error that the caller of the guard gets."""
        if self.limit == "deadline":
            return DeadlineExceeded(self.message, outcome="deadline passed")
        return BudgetExceeded(self.message, outcome="budget stopped")


class Ledger:
    """The account of one call. Not thread-safe: a call has one thread or task at a time."""

    __slots__ = (
        "_open",
        "attempts",
        "budget",
        "checks_cost_usd",
        "checks_tokens",
        "cost_usd",
        "ends_at_s",
        "estimated",
        "started_at_s",
        "tokens",
        "unpriced",
    )

    def __init__(self, budget: Budget, now_s: float) -> None:
        self.budget = budget
        self.started_at_s = now_s
        self.ends_at_s = math.inf if budget.deadline_s is None else now_s + budget.deadline_s
        """When the deadline passes; infinite without one."""
        self.attempts = 0
        """Attempts admitted so far."""
        self.tokens = 0
        """Tokens spent so far, reported or estimated."""
        self.cost_usd = 0.0
        """US dollars spent so far on models that have a price."""
        self.estimated = False
        """Some attempt did not report its tokens, so they were counted from the characters."""
        self.unpriced: tuple[str, ...] = ()
        """Models used that have no price: `cost_usd` is a lower bound."""
        self.checks_tokens = 0
        """Tokens that the checks reported so far."""
        self.checks_cost_usd: float | None = 0.0
        """US dollars that the checks reported so far; None: one asked a model without a price."""
        self._open: list[Admission] = []

    def time_left_s(self, now_s: float) -> float:
        """Seconds until the deadline; infinite without one."""
        return self.ends_at_s - now_s

    def can_wait(self, delay_s: float, *, now_s: float, fallbacks_left: int = 0) -> bool:
        """Whether a wait of *delay_s* leaves time for an attempt, and the fallbacks their share.

        When it does not, waiting is pointless: go on to the next target, or fail now.
        """
        left = self.time_left_s(now_s)
        usable = left * (1 - self.budget.reserve) if fallbacks_left else left
        return delay_s < usable

    def admit(
        self,
        *,
        now_s: float,
        model: str | None = None,
        prompt_chars: int = 0,
        max_completion_tokens: int | None = None,
        fallbacks_left: int = 0,
    ) -> Admission | Refusal:
        """Ask whether one more attempt fits, and set aside what it may cost at worst.

        Args:
            now_s: The time on the call's clock.
            model: The model to be asked, for its price.
            prompt_chars: The characters of everything that is sent; tokens are estimated from them.
            max_completion_tokens: The limit that the request itself carries. None: unknown, so only the
                prompt is reserved and the answer may overspend unless the request is given
                `Admission.max_completion_tokens`.
            fallbacks_left: How many targets could still be asked after this one.
        """
        budget = self.budget
        # Most budgets have a deadline only, so the other limits cost no call where they are not set.
        left_s = self.ends_at_s - now_s
        if left_s <= 0:
            return Refusal(
                "deadline",
                f"the deadline of {budget.deadline_s:g} s passed after {_times(self.attempts, 'attempt')}. "
                "Raise Budget.deadline_s, or lower Retry.attempts.",
            )
        if budget.attempts is not None and self.attempts >= budget.attempts:
            return Refusal(
                "attempts",
                f"all {_times(budget.attempts, 'attempt')} of the budget are used. Raise Budget.attempts.",
            )
        prompt = -(-prompt_chars // CHARS_PER_TOKEN)
        asked = max(max_completion_tokens, 0) if max_completion_tokens else 0
        room = None
        if budget.tokens is not None:
            left = budget.tokens - self.tokens - self.checks_tokens
            held = sum([held.reserved_tokens for held in self._open]) if self._open else 0
            room = left - held - prompt
            if room < max(asked, 1):
                return Refusal(
                    "tokens",
                    f"the next attempt needs {prompt + asked} tokens or more, and "
                    f"{max(left, 0)} of {budget.tokens} are left. "
                    "Raise Budget.tokens, or ask for a shorter completion.",
                )
        price = price_of(model, budget.prices) if model is not None else None
        reserved_usd = 0.0 if price is None else (prompt * price.input_usd + asked * price.output_usd) / 1e6
        if budget.cost_usd is not None:
            if price is None:
                return Refusal(
                    "price",
                    f"the model {model!r} has no price, so Budget.cost_usd cannot hold. Give it one: "
                    f"Budget(prices={{{model!r}: Price(input_usd, output_usd)}}).",
                )
            if self.checks_cost_usd is None:
                return Refusal(
                    "price",
                    "a check asked a model without a price, so Budget.cost_usd cannot hold. Give it one in "
                    "Budget.prices, or cost_usd= to report_usage.",
                )
            spent_usd = self.cost_usd + self.checks_cost_usd
            left_usd = budget.cost_usd - spent_usd - sum([held.reserved_usd for held in self._open])
            if reserved_usd > left_usd or left_usd <= 0 < price.output_usd:
                return Refusal(
                    "cost",
                    f"the next attempt may cost ${reserved_usd:.6f}, and ${max(left_usd, 0):.6f} of "
                    f"${budget.cost_usd:g} is left. Raise Budget.cost_usd, or ask for a shorter completion.",
                )
            if price.output_usd:
                payable = int((left_usd - prompt * price.input_usd / 1e6) * 1e6 / price.output_usd)
                room = payable if room is None else min(room, payable)
        ends_at_s = None
        if budget.deadline_s is not None:
            ends_at_s = now_s + left_s * (1 - budget.reserve) if fallbacks_left else self.ends_at_s
        self.attempts += 1
        admission = _new(Admission, (model, ends_at_s, prompt + asked, reserved_usd, room, prompt, price))
        self._open.append(admission)
        return admission

    def book_checks(self, tokens: int, cost_usd: float | None) -> None:
        """Say what the checks of the call have used so far, in all; None: a price is unknown."""
        self.checks_tokens = tokens
        self.checks_cost_usd = cost_usd

    def admit_answer(self) -> Admission:
        """Admit a fixed answer: it costs nothing, so no limit holds for it."""
        return _FREE

    def withdraw(self, admission: Admission) -> None:
        """Take back an attempt that was admitted here and never sent: it was none."""
        self._open.remove(admission)
        self.attempts -= 1

    def settle(
        self,
        admission: Admission,
        usage: Usage | None = None,
        *,
        failure: Failure | None = None,
        completion_chars: int = 0,
    ) -> float | None:
        """Book what an attempt really spent, and free the rest of what was set aside.

        Args:
            admission: What `admit` returned. Settling it twice is an error.
            usage: What the provider reported; None, or numbers that cannot be, are estimated.
            failure: How the attempt failed, if it did: one that cannot have been billed costs nothing.
            completion_chars: The characters that arrived, for the estimate.

        Returns:
            The attempt's cost in US dollars; None when its model has no price.
        """
        if admission is _FREE:
            return 0.0
        self._open.remove(admission)
        price = admission.price
        if usage is None or usage.prompt_tokens < 0 or usage.completion_tokens < 0 or usage.total_tokens <= 0:
            if failure is not None and not failure.maybe_billed:
                return 0.0
            self.estimated = True
            prompt, completion, cost = admission.prompt_tokens, estimate_tokens(completion_chars), None
            if price is not None:
                cost = (prompt * price.input_usd + completion * price.output_usd) / 1e6
            self.tokens += prompt + completion
        else:
            self.estimated = self.estimated or usage.estimated
            self.tokens += usage.total_tokens
            cost = None if price is None else price.cost_usd(usage)
        if cost is not None:
            self.cost_usd += cost
        elif admission.model is not None and admission.model not in self.unpriced:
            self.unpriced += (admission.model,)
        return cost


def estimate_tokens(chars: int) -> int:
    """How many tokens *chars* characters are at most likely to be."""
    return -(-chars // CHARS_PER_TOKEN) if chars > 0 else 0


def _times(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _check_limit(name: str, value: object, unit: str) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= LONGEST_S:
        raise ConfigError(
            f"{name}={value!r} of Budget must be more than 0 {unit}, or None for no limit. "
            f"The most is {LONGEST_S:g}."
        )


def _check_whole(name: str, value: object) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ConfigError(
            f"{name}={value!r} of Budget must be a whole number, 1 or more, or None for no limit."
        )
