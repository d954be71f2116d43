"""What a call can cost at most, and which settings contradict each other."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails_lite.reliability import (
    Budget,
    Failure,
    Price,
    Retry,
    WorstCase,
    contradictions,
    worst_case,
)


@given(
    attempts=st.integers(1, 5),
    reasks=st.integers(0, 3),
    targets=st.integers(1, 3),
    fates=st.lists(st.sampled_from(["fault", "silence", "invalid"]), max_size=60),
)
def test_no_course_of_events_sends_more(attempts: int, reasks: int, targets: int, fates: list[str]) -> None:
    """Law: however attempts fail, a call that follows `Retry.delay_s` sends no more than the worst case."""
    retry, fate, sends, reasked = Retry(attempts=attempts, reasks=reasks), iter(fates), 0, 0
    for left in reversed(range(targets)):
        failed = 0
        while True:
            sends += 1
            kind = next(fate, "fault")
            if kind == "invalid":
                if reasked == reasks:
                    break
                reasked += 1
                continue
            failed += 1
            failure = Failure.of("server error" if kind == "fault" else "timeout")
            if retry.delay_s(failure, failed, random=lambda: 0.5, elapsed_s=0.0, fallbacks_left=left) is None:
                break
    assert sends <= worst_case(retry, Budget(), ["m"] * targets).sends


def test_budgets_bound_what_settings_would_allow() -> None:
    """The smaller of what could be sent and what may be spent is the worst case, and it prints."""
    budget = Budget(deadline_s=20, prices={"m": Price(1, 10)})
    found = worst_case(
        Retry(attempts=2, reasks=0), budget, ["m", "m"], prompt_tokens=1_000, max_completion_tokens=500
    )
    assert found == WorstCase(sends=4, seconds=20, tokens=6_000, cost_usd=pytest.approx(0.024))
    assert str(found) == "at most 4 sends, 20 s, 6000 tokens, $0.0240"
    capped = Budget(tokens=5_000, cost_usd=0.01, attempts=3, prices={"m": Price(1, 10)})
    found = worst_case(Retry(), capped, ["m"], prompt_tokens=1_000, max_completion_tokens=500)
    assert (found.sends, found.tokens, found.cost_usd) == (3, 5_000, 0.01)
    assert str(worst_case(Retry(), Budget(deadline_s=None), [None])) == (
        "at most 5 sends, no limit of time, no limit of tokens, no limit of money"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"attempt_s": 30.0}, "one attempt may take 30 s, and only 20 s"),
        ({"attempt_s": 8.0}, "3 attempts of 8 s and their waits take up to 24.3 s, and 20 s of"),
        ({"attempt_s": 5.0, "models": ["m", "m"]}, "and 12 s of Budget.deadline_s=20 are there"),
        ({"retry": Retry(wait=20)}, "Retry.wait=20 s is no shorter than Budget.deadline_s=20"),
        (
            {"budget": Budget(attempts=1), "models": ["m", "m"]},
            "Budget.attempts=1 is less than the 2 targets",
        ),
        ({"hedges": True, "writing_tools": ["refund"]}, "the tools refund write"),
        ({"client_retries": {"client": 2}}, "3 attempts become 9 requests"),
        ({"budget": Budget(cost_usd=1.0), "models": ["home"]}, "cannot hold for home: no price is known"),
    ],
)
def test_settings_that_contradict_each_other(settings: dict[str, Any], message: str) -> None:
    """What cannot hold is said with its arithmetic."""
    defaults: dict[str, Any] = {"retry": Retry(), "budget": Budget(deadline_s=20), "models": ["m"]}
    found = contradictions(**{**defaults, **settings})
    assert len(found) == 1
    assert message in found[0]


def test_sound_settings_are_not_complained_of() -> None:
    """The defaults, and a hedge with tools that only read, are fine."""
    assert contradictions(Retry(), Budget(), ["gpt-4o", None], attempt_s=20, hedges=True) == []
