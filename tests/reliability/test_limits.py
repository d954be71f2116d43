"""How much may be sent: at a time, a minute, after a pause, and as second tries."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails_lite._errors import ConfigError
from guardrails_lite.reliability import Limits, RetryBudget
from guardrails_lite.reliability._meter import Meter
from guardrails_lite.reliability._pause import LONGEST_S, Pause
from guardrails_lite.reliability._retry_budget import Allowance


def enter(meter: Meter, limits: Limits, name: str, tokens: int = 0, now_s: float = 0.0) -> None:
    assert meter.ready_at_s(limits, tokens, now_s) <= now_s
    meter.enter(limits, name, tokens, now_s=now_s, lease_ends_s=now_s + 100)


def leave(
    meter: Meter, limits: Limits, name: str, *, tokens: int = 0, used: int | None = None, sent: bool = True
) -> None:
    meter.leave(limits, name, reserved=tokens, used=used, sent_s=0.0, sent=sent)


def test_calls_at_a_time() -> None:
    """A third call waits until one of two has ended, or until a dead one's lease has."""
    meter, limits = Meter(), Limits(concurrency=2)
    enter(meter, limits, "a")
    enter(meter, limits, "b")
    assert meter.ready_at_s(limits, 0, 1.0) == math.inf
    leave(meter, limits, "a")
    enter(meter, limits, "c", now_s=1.0)
    assert meter.ready_at_s(limits, 0, 99.0) == math.inf
    assert meter.ready_at_s(limits, 0, 100.0) == 100.0


def test_what_was_reserved_is_reconciled() -> None:
    """Tokens that a call did not use are free at once; a call that never left gives back everything."""
    meter, limits = Meter(), Limits(tpm=1_000, rpm=2)
    enter(meter, limits, "a", 900)
    assert meter.ready_at_s(limits, 500, 1.0) > 1.0
    leave(meter, limits, "a", tokens=900, used=100)
    enter(meter, limits, "b", 900, now_s=1.0)
    assert meter.ready_at_s(limits, 0, 1.0) > 1.0
    meter.leave(limits, "b", reserved=900, used=None, sent_s=1.0, sent=False)
    enter(meter, limits, "c", 900, now_s=1.0)


@given(
    calls=st.lists(st.tuples(st.floats(0, 40), st.integers(1, 400), st.floats(0, 1.5)), max_size=60),
)
def test_no_minute_holds_more_than_the_limit(calls: list[tuple[float, int, float]]) -> None:
    """Law: in any sixty seconds at most `rpm` requests and `tpm` tokens set off, whenever they come."""
    meter, limits = Meter(), Limits(rpm=10, tpm=1_000)
    now_s, sent = 0.0, []
    for number, (pause_s, tokens, share) in enumerate(calls):
        now_s += pause_s
        now_s = meter.ready_at_s(limits, tokens, now_s)
        assert now_s != math.inf
        enter(meter, limits, str(number), tokens, now_s)
        used = min(int(tokens * share), tokens)
        meter.leave(limits, str(number), reserved=tokens, used=used, sent_s=now_s, sent=True)
        sent.append((now_s, used))
    for start_s, _ in sent:
        minute = [used for at_s, used in sent if start_s <= at_s < start_s + 60]
        assert len(minute) <= 10
        assert sum(minute) <= 1_000


@pytest.mark.parametrize(
    ("headers", "ready_s"),
    [
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s"}, 1.0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20ms"}, 0.02),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 60.0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "7"}, 7.0),
        ({"x-ratelimit-remaining-tokens": "99", "x-ratelimit-reset-tokens": "12.5s"}, 12.5),
        ({"x-ratelimit-remaining-tokens": "100", "x-ratelimit-reset-tokens": "12.5s"}, 0.0),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2026-11-25T12:00:30Z",
            },
            30.0,
        ),
        ({"x-ratelimit-remaining-requests": "-1", "x-ratelimit-reset-requests": "1s"}, 0.0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "soon"}, 0.0),
        ({"x-ratelimit-remaining-requests": "0"}, 0.0),
        ({}, 0.0),
    ],
)
def test_the_providers_headers_count(headers: dict[str, str], ready_s: float) -> None:
    """What the provider says is left holds until its reset, for a minute at most; junk says nothing."""
    meter = Meter()
    meter.hear(headers, now_s=0.0, wall_clock_s=1795608000.0)
    assert meter.ready_at_s(Limits(), 100, 0.0) == pytest.approx(ready_s)
    assert meter.ready_at_s(Limits(), 100, 61.0) == 61.0


def test_what_is_left_is_counted_down() -> None:
    """Between two responses our own calls are taken off what the last one said was left."""
    meter, limits = Meter(), Limits()
    meter.hear(
        {"x-ratelimit-remaining-requests": "2", "x-ratelimit-reset-requests": "30s"},
        now_s=0.0,
        wall_clock_s=0.0,
    )
    enter(meter, limits, "a")
    enter(meter, limits, "b")
    assert meter.ready_at_s(limits, 0, 1.0) == 30.0


def test_a_pause_is_shared_spread_and_never_shortened() -> None:
    """All callers wait for the server's time; a later, shorter answer does not cut it."""
    pause = Pause()
    pause.begin(10.0, now_s=0.0, random=lambda: 0.5)
    assert pause.ready_at_s(0.0) == 11.0
    pause.begin(1.0, now_s=2.0, random=lambda: 0.5)
    assert pause.ready_at_s(2.0) == 11.0


def test_a_pause_is_never_endless() -> None:
    """Fault H09: a server that asks for a day is asked again after five minutes or so."""
    pause = Pause()
    pause.begin(99_999.0, now_s=0.0, random=lambda: 1.0)
    assert pause.ready_at_s(0.0) == LONGEST_S * 1.2


def test_after_a_pause_callers_return_one_two_four() -> None:
    """One call goes first; every good answer doubles how many may be out, until nobody counts."""
    pause = Pause()
    pause.begin(1.0, now_s=0.0, random=lambda: 0.0)
    out: list[str] = []
    seen = []
    for turn in range(7):
        while pause.ready_at_s(2.0) <= 2.0 and len(out) < 100:
            out.append(f"{turn} {len(out)}")
            pause.enter(out[-1], lease_ends_s=100.0)
        seen.append(len(out))
        pause.leave(out.pop(0), good=True)
        if pause.allowed is None:
            break
    assert seen == [1, 2, 4, 8, 16]


def test_after_a_pause_bad_answers_and_dead_calls_do_not_block() -> None:
    """A bad answer frees its place without doubling; so does the end of a lease."""
    pause = Pause()
    pause.begin(1.0, now_s=0.0, random=lambda: 0.0)
    pause.enter("a", lease_ends_s=9.0)
    assert pause.ready_at_s(2.0) == math.inf
    pause.leave("a", good=False)
    assert pause.ready_at_s(2.0) == 2.0
    pause.enter("b", lease_ends_s=9.0)
    assert pause.ready_at_s(9.0) == 9.0
    assert pause.ready_at_s(1_000.0) == 1_000.0
    assert pause.allowed is None


@given(
    events=st.lists(
        st.tuples(st.sampled_from(["call", "failed", "throttled"]), st.floats(0, 2)), max_size=300
    )
)
def test_second_tries_stay_within_their_share(events: list[tuple[Any, float]]) -> None:
    """Law: second tries cost at most a fifth of the calls, plus the reserve in any ten seconds."""
    budget, allowance, now_s, spent, calls = RetryBudget(), Allowance(), 0.0, 0.0, 0
    for what, seconds in events:
        now_s += seconds
        if what == "call":
            calls += 1
            allowance.earn(budget)
        elif allowance.spend(budget, what, now_s):
            spent += 1 / 3 if what == "throttled" else 1
        assert spent <= 0.2 * calls + 3 + 3 * now_s / 10 + 1e-6
        again = Allowance()
        again.load(json.loads(json.dumps(allowance.dump())))
        assert again.dump() == allowance.dump()


def test_an_outage_does_not_triple_the_load() -> None:
    """With every call failing twice, 1,000 calls in ten seconds make about 200 retries, not 2,000."""
    budget, allowance, retries = RetryBudget(), Allowance(), 0
    for call in range(1_000):
        allowance.earn(budget)
        retries += sum(allowance.spend(budget, "failed", call / 100) for _ in range(2))
    assert 200 <= retries <= 210


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: Limits(rpm=0), "rpm=0 of Limits must be a whole number, 1 or more, or None"),
        (lambda: Limits(concurrency=2.5), "concurrency=2.5"),  # type: ignore[arg-type]
        (lambda: Limits(queue=-1), "queue=-1 of Limits must be a whole number, 0 or more"),
        (lambda: RetryBudget(share=1.5), "share=1.5 of RetryBudget must be a share from 0 to 1"),
        (lambda: RetryBudget(reserve=-1), "reserve=-1 of RetryBudget"),
    ],
)
def test_settings_that_cannot_work_are_refused(made: Any, message: str) -> None:
    """A wrong limit is an error when it is written."""
    with pytest.raises(ConfigError, match=message):
        made()


def test_the_part_of_one_worker() -> None:
    """While workers cannot agree, each goes by its part, never by none and never by all."""
    assert Limits(concurrency=10, rpm=3).shared_by(4) == Limits(concurrency=2, rpm=1)
