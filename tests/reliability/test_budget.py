"""What a call may spend: asked before each send, corrected after it."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from guardrails_lite._errors import BudgetExceeded, ConfigError, DeadlineExceeded
from guardrails_lite._messages import Usage
from guardrails_lite.reliability import PRICES, PRICES_DATE, Budget, Failure, Price
from guardrails_lite.reliability._budget import Admission, Ledger, Refusal
from guardrails_lite.reliability._prices import cost_usd, price_of

CHEAP = {"m": Price(1.0, 10.0)}


def admitted(found: Admission | Refusal) -> Admission:
    assert isinstance(found, Admission), found
    return found


def refused(found: Admission | Refusal) -> Refusal:
    assert isinstance(found, Refusal), found
    return found


def test_the_deadline_ends_admission() -> None:
    """After the deadline nothing is sent, and the error says how many attempts there were."""
    ledger = Ledger(Budget(deadline_s=20), now_s=100.0)
    ledger.settle(admitted(ledger.admit(now_s=119.9)))
    refusal = refused(ledger.admit(now_s=120.0))
    assert isinstance(refusal.error(), DeadlineExceeded)
    assert str(refusal.error()).startswith("the deadline of 20 s passed after 1 attempt.")


def test_a_share_of_the_time_is_kept_for_the_fallbacks() -> None:
    """While a fallback is left, an attempt may use 60 % of the time; the last target may use it all."""
    ledger = Ledger(Budget(deadline_s=20), now_s=0.0)
    assert admitted(ledger.admit(now_s=0.0, fallbacks_left=2)).ends_at_s == pytest.approx(12.0)
    assert admitted(ledger.admit(now_s=12.0, fallbacks_left=0)).ends_at_s == pytest.approx(20.0)


def test_a_wait_that_eats_the_deadline_is_not_made() -> None:
    """Fault H08: a Retry-After longer than the time left sends the call on instead of to sleep."""
    ledger = Ledger(Budget(deadline_s=30), now_s=0.0)
    assert ledger.can_wait(17.0, now_s=0.0, fallbacks_left=1)
    assert not ledger.can_wait(18.0, now_s=0.0, fallbacks_left=1)
    assert ledger.can_wait(29.0, now_s=0.0)
    assert not ledger.can_wait(90.0, now_s=0.0)
    assert Ledger(Budget(deadline_s=None), now_s=0.0).can_wait(1e9, now_s=0.0)


def test_tokens_are_reserved_before_they_are_spent() -> None:
    """A re-ask that could overspend is refused before it is sent, not noticed afterwards."""
    ledger = Ledger(Budget(tokens=1_000), now_s=0.0)
    first = admitted(ledger.admit(now_s=0.0, prompt_chars=300, max_completion_tokens=500))
    assert (first.reserved_tokens, first.max_completion_tokens) == (600, 900)
    ledger.settle(first, Usage(prompt_tokens=80, completion_tokens=400))
    assert ledger.tokens == 480
    refusal = refused(ledger.admit(now_s=1.0, prompt_chars=300, max_completion_tokens=500))
    assert isinstance(refusal.error(), BudgetExceeded)
    assert "needs 600 tokens or more, and 520 of 1000 are left" in str(refusal.error())


def test_money_is_reserved_before_it_is_spent() -> None:
    """The dearest outcome of the next attempt must fit; what the reply reports is booked."""
    ledger = Ledger(Budget(cost_usd=0.01, prices=CHEAP), now_s=0.0)
    first = admitted(ledger.admit(now_s=0.0, model="m", prompt_chars=3_000, max_completion_tokens=500))
    assert first.reserved_usd == pytest.approx(0.006)
    assert ledger.settle(first, Usage(prompt_tokens=1_000, completion_tokens=400)) == pytest.approx(0.005)
    refusal = refused(ledger.admit(now_s=0.0, model="m", prompt_chars=3_000, max_completion_tokens=500))
    assert refusal.limit == "cost"
    assert "may cost $0.006000, and $0.005000 of $0.01 is left" in refusal.message


def test_a_model_without_a_price_cannot_be_limited_in_money() -> None:
    """A limit that cannot be counted is refused, with the line that sets the price."""
    ledger = Ledger(Budget(cost_usd=0.01), now_s=0.0)
    assert "Budget(prices={'home': Price(" in refused(ledger.admit(now_s=0.0, model="home")).message
    free = Ledger(Budget(cost_usd=0.01, prices={"home": Price(0, 0)}), now_s=0.0)
    assert admitted(free.admit(now_s=0.0, model="home")).max_completion_tokens is None


def test_without_a_limit_an_unknown_model_says_so() -> None:
    """Without a limit in money the call runs, and the account names the models it could not price."""
    ledger = Ledger(Budget(), now_s=0.0)
    assert ledger.settle(admitted(ledger.admit(now_s=0.0, model="home")), Usage(5, 5)) is None
    assert (ledger.unpriced, ledger.cost_usd) == (("home",), 0.0)


def test_attempts_are_counted() -> None:
    """`Budget.attempts` bounds the sends over all targets."""
    ledger = Ledger(Budget(attempts=2), now_s=0.0)
    for _ in range(2):
        ledger.settle(admitted(ledger.admit(now_s=0.0)))
    assert refused(ledger.admit(now_s=0.0)).message.startswith("all 2 attempts of the budget are used")


def test_a_failure_that_never_left_costs_nothing() -> None:
    """Refused connections are free; an attempt that may have been worked on is estimated and flagged."""
    ledger = Ledger(Budget(), now_s=0.0)
    ledger.settle(admitted(ledger.admit(now_s=0.0, prompt_chars=300)), failure=Failure.of("connection"))
    assert (ledger.tokens, ledger.estimated) == (0, False)
    billed = Failure.of("timeout", maybe_billed=True)
    ledger.settle(admitted(ledger.admit(now_s=0.0, prompt_chars=300)), failure=billed, completion_chars=30)
    assert (ledger.tokens, ledger.estimated) == (110, True)


@pytest.mark.parametrize("usage", [None, Usage(-5, 10), Usage(0, 0)])
def test_usage_that_cannot_be_is_estimated(usage: Usage | None) -> None:
    """Fault B25: missing, negative or absurd numbers are replaced by an estimate that says so."""
    ledger = Ledger(Budget(), now_s=0.0)
    ledger.settle(admitted(ledger.admit(now_s=0.0, prompt_chars=30)), usage, completion_chars=31)
    assert (ledger.tokens, ledger.estimated) == (21, True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"deadline_s": 0}, "deadline_s=0 of Budget must be more than 0 seconds"),
        ({"deadline_s": 1e10}, "deadline_s=10000000000.0 of Budget must be .* The most is 1e\\+09"),
        ({"deadline_s": 10**400}, "of Budget must be more than 0 seconds"),
        ({"deadline_s": float("nan")}, "deadline_s=nan"),
        ({"tokens": 0}, "tokens=0 of Budget must be a whole number, 1 or more"),
        ({"tokens": 1.5}, "tokens=1.5"),
        ({"cost_usd": -1}, "cost_usd=-1 of Budget must be more than 0 US dollars"),
        ({"attempts": 0}, "attempts=0 of Budget"),
        ({"reserve": 1}, "reserve=1 of Budget must be a share"),
        ({"prices": [1]}, "prices= of Budget must be a mapping of model names to Price"),
        ({"prices": {"m": 3}}, r"prices\['m'\] of Budget must be a Price"),
    ],
)
def test_limits_that_cannot_work_are_refused(settings: dict[str, Any], message: str) -> None:
    """A wrong limit is an error when it is written."""
    with pytest.raises(ConfigError, match=message):
        Budget(**settings)


def test_it_prints_as_the_code_that_made_it() -> None:
    """The repr shows what differs from the defaults and evaluates to an equal value."""
    budget = Budget(deadline_s=20, tokens=50_000, cost_usd=0.1, prices={"m": Price(1, 2)})
    assert repr(Budget()) == "Budget()"
    assert eval(repr(budget), {"Budget": Budget, "Price": Price}) == budget
    assert hash(budget) == hash(eval(repr(budget), {"Budget": Budget, "Price": Price}))


def test_snapshots_cost_what_their_model_costs() -> None:
    """A dated name is priced as the model, a user's own price goes first, and an unknown name has none."""
    assert price_of("gpt-4o-2024-08-06") == PRICES["gpt-4o"]
    assert price_of("gpt-4-0613") == PRICES["gpt-4"]
    assert price_of("gpt-4o-mini") == PRICES["gpt-4o-mini"]
    assert price_of("gpt-4o", {"gpt-4o": Price(0, 0)}) == Price(0, 0)
    assert price_of("llama-3.3-70b-2024") is None
    assert cost_usd("gpt-4o", Usage(1_000_000, 0, cached_tokens=400_000)) == pytest.approx(
        0.6 * 2.5 + 0.4 * 1.25
    )
    assert cost_usd("home", Usage(1, 1)) is None


def test_the_built_in_table_says_of_which_day_it_is() -> None:
    """Who decides whether to trust the built-in prices can look at them, and at their date."""
    assert date.fromisoformat(PRICES_DATE)
    assert all(isinstance(price, Price) for price in PRICES.values())


@pytest.mark.parametrize("value", [-1, math.inf, math.nan, "1", None, True])
def test_a_price_is_a_number(value: Any) -> None:
    """A price that is no number of dollars is refused."""
    with pytest.raises(ConfigError, match="of Price must be dollars"):
        Price(value, 1.0)


class Spending(RuleBasedStateMachine):
    """Law: whatever is admitted and however it ends, the limits hold, and nothing stays reserved."""

    open_attempts = Bundle("open_attempts")

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(
            Budget(deadline_s=100, tokens=5_000, cost_usd=0.02, attempts=30, prices=CHEAP), now_s=0.0
        )
        self.now_s = 0.0
        self.open = 0
        self.sent = 0

    @rule(seconds=st.floats(0, 30))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule(
        target=open_attempts,
        chars=st.integers(0, 3_000),
        longest=st.integers(1, 1_000),
        left=st.integers(0, 2),
    )
    def admit(self, chars: int, longest: int, left: int) -> Admission | None:
        found = self.ledger.admit(
            now_s=self.now_s,
            model="m",
            prompt_chars=chars,
            max_completion_tokens=longest,
            fallbacks_left=left,
        )
        if isinstance(found, Refusal):
            return None
        assert self.now_s < found.ends_at_s <= 100  # type: ignore[operator]  # the budget has a deadline
        assert found.max_completion_tokens is not None
        assert found.max_completion_tokens >= longest
        self.sent += 1
        self.open += 1
        return found

    @rule(attempt=consumes(open_attempts), share=st.floats(0, 1))
    def settle_within_the_reservation(self, attempt: Admission | None, share: float) -> None:
        if attempt is None:
            return
        completion = int((attempt.reserved_tokens - attempt.prompt_tokens) * share)
        self.ledger.settle(attempt, Usage(attempt.prompt_tokens, completion))
        self.open -= 1

    @rule(attempt=consumes(open_attempts))
    def fail_unsent(self, attempt: Admission | None) -> None:
        if attempt is not None:
            self.ledger.settle(attempt, failure=Failure.of("connection"))
            self.open -= 1

    @invariant()
    def limits_hold(self) -> None:
        assert self.ledger.tokens <= 5_000
        assert self.ledger.cost_usd <= 0.02 + 1e-12
        assert self.ledger.attempts == self.sent <= 30

    @precondition(lambda self: self.open == 0 and self.now_s < 100 and self.sent < 30)
    @rule()
    def nothing_stays_reserved(self) -> None:
        left = 5_000 - self.ledger.tokens
        payable = int((0.02 - self.ledger.cost_usd) * 1e6 / 10.0)
        found = self.ledger.admit(now_s=self.now_s, model="m")
        if isinstance(found, Admission):
            assert abs((found.max_completion_tokens or 0) - min(left, payable)) <= 1
            self.ledger.settle(found, failure=Failure.of("connection"))
            self.sent += 1


TestSpending = Spending.TestCase
