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
)
from guardrails_lite.reliability._worst_case import Asked, contradictions, worst_case


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
    assert sends <= worst_case(retry, Budget(), [Asked("m")] * targets).sends


def test_budgets_bound_what_settings_would_allow() -> None:
    """The smaller of what could be sent and what may be spent is the worst case, and it prints."""
    budget = Budget(deadline_s=20, prices={"m": Price(1, 10)})
    found = worst_case(
        Retry(attempts=2, reasks=0), budget, [M, M], prompt_tokens=1_000, max_completion_tokens=500
    )
    assert found == WorstCase(sends=4, seconds=20, tokens=6_000, cost_usd=pytest.approx(0.024))
    assert str(found) == "at most 4 sends, 20 s, 6000 tokens, $0.0240"
    capped = Budget(tokens=5_000, cost_usd=0.01, attempts=3, prices={"m": Price(1, 10)})
    found = worst_case(Retry(), capped, [M], prompt_tokens=1_000, max_completion_tokens=500)
    assert (found.sends, found.tokens, found.cost_usd) == (3, 5_000, 0.01)
    assert str(worst_case(Retry(), Budget(deadline_s=None), [Asked("m")])) == (
        "at most 5 sends, no time limit, no token limit, no cost limit"
    )


M = Asked("primary", "m")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"asked": [Asked("home", "m", 30.0)]}, "one attempt may take 30 s, and only 20 s of"),
        (
            {"asked": [Asked("home", "m", 8.0)]},
            "3 attempts of 8 s and their waits take up to 24.6 s, and 20 s of Budget.deadline_s=20 are there",
        ),
        (
            {"asked": [Asked("home", "m", 13.0), M]},
            "one attempt may take 13 s, and only 12 s of Budget.deadline_s=20 are there for home",
        ),
        (
            {"asked": [Asked("home", "m", 5.0), M], "retry": Retry(on={"timeout"}, wait=0)},
            "3 attempts of 5 s and their waits take up to 15 s, and 12 s of",
        ),
        ({"asked": [Asked("home", "m", 13.0)], "ends_in_answer": True}, "and only 12 s of"),
        ({"retry": Retry(wait=20)}, "Retry.wait=20 s is no shorter than Budget.deadline_s=20"),
        ({"budget": Budget(attempts=1), "asked": [M, M]}, "Budget.attempts=1 is less than the 2 targets"),
        (
            {"asked": [Asked("home", "m", own_retries=2)]},
            "home retries 2 times by itself, so 3 attempts become 9",
        ),
        (
            {"budget": Budget(cost_usd=1.0), "asked": [Asked("home", "llama")]},
            "cannot hold for llama: no price is known",
        ),
    ],
)
def test_settings_that_contradict_each_other(settings: dict[str, Any], message: str) -> None:
    """What cannot hold is said with its arithmetic."""
    defaults: dict[str, Any] = {"retry": Retry(), "budget": Budget(deadline_s=20), "asked": [M]}
    (found,) = contradictions(**{**defaults, **settings})
    assert message in found


@pytest.mark.parametrize(
    "settings",
    [
        {"budget": Budget(), "asked": [Asked("a", "gpt-4o", 30.0), Asked("b", None, 30.0)]},
        {"budget": Budget(deadline_s=None), "asked": [Asked("a", None, 600.0)]},
        {"asked": [Asked("a", None, 11.0), M]},  # a silent target is not asked twice where another is left
        {"retry": Retry(on=lambda failure: True), "asked": [Asked("a", None, 11.0)]},  # nobody can tell
    ],
)
def test_sound_settings_are_not_complained_of(settings: dict[str, Any]) -> None:
    """What can hold, if need be only when all goes well, is fine."""
    defaults: dict[str, Any] = {"retry": Retry(), "budget": Budget(deadline_s=20), "asked": [M]}
    assert list(contradictions(**{**defaults, **settings})) == []
