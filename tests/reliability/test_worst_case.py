"""What a call can cost at most, which settings contradict each other, and how two requests are raced."""

from __future__ import annotations

import asyncio
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
    race,
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


def test_the_first_good_answer_wins_and_the_loser_is_awaited() -> None:
    """A slow first request is overtaken; it is cancelled, and it has ended when the answer is there."""
    ended: list[str] = []

    async def request(name: str, takes_s: float) -> str:
        try:
            await asyncio.sleep(takes_s)
            return name
        finally:
            await asyncio.sleep(0.01)  # closing takes a moment
            ended.append(name)

    async def main() -> str:
        return await race(lambda: request("slow", 30), lambda: request("quick", 0.01), delay_s=0.02)

    assert asyncio.run(main()) == "quick"
    assert sorted(ended) == ["quick", "slow"]


@pytest.mark.parametrize("may_hedge", [True, False])
def test_a_quick_request_is_not_hedged(may_hedge: bool) -> None:
    """Nothing is sent twice when the first answers, or fails, before the time, or when there is no budget."""
    sent: list[str] = []

    async def request(takes_s: float, error: Exception | None) -> str:
        sent.append("request")
        await asyncio.sleep(takes_s)
        if error:
            raise error
        return "answer"

    async def main() -> None:
        delay_s = 5.0 if may_hedge else 0.001
        assert (
            await race(
                lambda: request(0.02, None),
                lambda: request(0, None),
                delay_s=delay_s,
                may_hedge=lambda: may_hedge,
            )
            == "answer"
        )
        with pytest.raises(OSError, match="first"):
            await race(lambda: request(0, OSError("first")), lambda: request(0, None), delay_s=5.0)

    asyncio.run(main())
    assert len(sent) == 2


def test_when_both_fail_the_first_error_counts() -> None:
    """A bad second answer does not win over a first one still to come, and two failures are the first's."""

    async def fails(takes_s: float, name: str) -> str:
        await asyncio.sleep(takes_s)
        raise OSError(name)

    async def late() -> str:
        await asyncio.sleep(0.05)
        return "good"

    async def main() -> None:
        assert await race(late, lambda: fails(0.0, "second"), delay_s=0.01) == "good"
        with pytest.raises(OSError, match="first"):
            await race(lambda: fails(0.05, "first"), lambda: fails(0.0, "second"), delay_s=0.01)

    asyncio.run(main())
