"""The clocks of one attempt: which settings can work, when which of them runs out, and what stops none."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails_lite import Budget, Clocks, ConfigError, Guard, Retry, target
from guardrails_lite.reliability import Failure, classify
from guardrails_lite.reliability._clocks import Pulse

ONCE = Retry(attempts=1)
QUICK = Clocks(first_content_s=2)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, r"Clocks\(\) sets no clock. Give it one, such as"),
        ({"rate_over_s": 5}, "sets no clock"),
        ({"first_content_s": 0}, "first_content_s=0 of Clocks must be more than 0 seconds, or None"),
        ({"connect_s": 10**400}, "of Clocks must be more than 0 seconds and at most 1e"),
        ({"connect_s": "2"}, "connect_s='2' of Clocks must be more than 0 seconds"),
        ({"min_chars_per_s": -1}, "min_chars_per_s=-1 of Clocks must be more than 0 characters a second"),
        ({"connect_s": 5, "first_content_s": 5}, "connect_s=5 .* no shorter than first_content_s=5"),
        ({"connect_s": 5, "whole_reply_s": 2}, "connect_s=5 .* no shorter than whole_reply_s=2"),
        ({"between_content_s": 30, "min_chars_per_s": 4}, "between_content_s=30 .* never runs out: 30 s"),
        ({"min_chars_per_s": 0.1, "rate_over_s": 5}, "less than one character"),
    ],
)
def test_a_clock_that_cannot_work_is_refused(settings: dict[str, Any], said: str) -> None:
    """With the setting, what was given, and what to do."""
    with pytest.raises(ConfigError, match=said):
        Clocks(**settings)


def test_it_prints_as_the_code_that_made_it() -> None:
    """In the guard and in the target that have it; and it is part of what the guard decides."""
    clocks = Clocks(connect_s=2, first_content_s=8)
    guard = Guard(clocks=clocks, fallback=[target(model="m", clocks=Clocks(whole_reply_s=9))])
    assert repr(guard) == (
        "Guard(fallback=[target(model='m', clocks=Clocks(whole_reply_s=9))], "
        "clocks=Clocks(connect_s=2, first_content_s=8))"
    )
    assert guard.digest != Guard(fallback=guard._settings["fallback"]).digest


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"clocks": Clocks(between_content_s=20), "budget": Budget(deadline_s=20)},
            "Clocks.between_content_s=20 never runs out: 20 s of Budget.deadline_s=20",
        ),
        (
            {
                "clocks": Clocks(first_content_s=12),
                "fallback": [target(model="m", clocks=Clocks(connect_s=1))],
            },
            "Clocks.first_content_s=12 never runs out: 12 s of Budget.deadline_s=20",
        ),
        (
            {"clocks": Clocks(min_chars_per_s=4)},
            "Clocks.rate_over_s=30 never runs out",
        ),
        (
            {"clocks": Clocks(first_content_s=8), "retry": Retry(attempts=3, wait=1)},
            r"Clocks.first_content_s .* come to 26 s \(3 × 8 s\), and Budget.deadline_s=20",
        ),
        (
            {"clocks": Clocks(whole_reply_s=9), "fallback": [target(model="a"), target(model="b")]},
            r"come to 27 s \(1 × 9 s \+ 1 × 9 s \+ 1 × 9 s\)",
        ),
        (
            {"fallback": [target(model="a", clocks=Clocks(first_content_s=25)), target("Sorry.")]},
            "Clocks.first_content_s=25 never runs out: 12 s of Budget.deadline_s=20 are there for model=a",
        ),
    ],
)
def test_clocks_that_cannot_hold_with_the_rest_are_refused(settings: dict[str, Any], said: str) -> None:
    """With the arithmetic, when the guard is built."""
    with pytest.raises(ConfigError, match=said):
        Guard(**{"budget": Budget(deadline_s=20), "retry": ONCE, **settings})


def test_a_monitor_has_none() -> None:
    """It changes nothing, so it gives nothing up; and what would not hold does no harm."""
    plan = Guard(clocks=Clocks(first_content_s=8), mode="monitor")._plan
    assert plan.clocks is None
    assert not plan.has_clocks


@pytest.mark.parametrize(
    ("given", "expected"),
    [(None, "clocks= of target"), ("x", "clocks= of target.* takes Clocks, not str")],
)
def test_a_target_takes_clocks_only(given: Any, expected: str) -> None:
    """Its own, or none."""
    if given is None:
        assert target(model="m", clocks=None).clocks is None
        with pytest.raises(ConfigError, match="takes no clocks: nothing is asked"):
            target("Sorry.", clocks=Clocks(connect_s=1))
        return
    with pytest.raises(ConfigError, match=expected):
        target(model="m", clocks=given)


def test_how_a_function_connects_nobody_sees() -> None:
    """So a clock for it is refused, wherever a function is named."""

    def model(messages: Any) -> str:
        return "fine"

    guard = Guard(clocks=Clocks(connect_s=2))
    for use in (lambda: guard(model), lambda: guard.run(model, "hi"), lambda: guard.stream(model, "hi")):
        with pytest.raises(ConfigError, match=r"connect_s=2: how model\(\) connects cannot be seen"):
            use()
    with pytest.raises(ConfigError, match=r"connect_s=2 of target\(function object\)"):
        target(model, clocks=Clocks(connect_s=2))


def test_nothing_can_end_a_plain_function() -> None:
    """It is refused; a generator shows its chunks, and a coroutine is cancelled."""

    def plain(messages: Any) -> str:
        return "fine"

    def chunked(messages: Any) -> Any:
        yield "fine"

    async def coroutine(messages: Any) -> str:
        return "fine"

    guard = Guard(clocks=Clocks(whole_reply_s=2))
    for use in (lambda: guard(plain), lambda: guard.run(plain, "hi")):
        with pytest.raises(ConfigError, match=r"whole_reply_s=2: plain\(\) is not a coroutine"):
            use()
    guard(coroutine)
    assert "".join(guard(chunked)([{"role": "user", "content": "hi"}])) == "fine"


def test_the_worst_case_tells_how_long_silence_lasts() -> None:
    """All attempts that may be silent, with the longest waits between them."""
    guard = Guard(
        clocks=Clocks(first_content_s=3, whole_reply_s=5),
        retry=Retry(attempts=2, wait=1),
        fallback=[target(model="m", clocks=Clocks(first_content_s=2, whole_reply_s=4))],
        budget=Budget(deadline_s=20),
    )
    worst = guard.worst_case()
    assert worst.silence_s == 5 + 4 + 1 + 4
    assert str(worst).startswith("at most 6 sends, 20 s (14 s of silence), no token limit")
    assert (
        Guard(fallback=[target(model="m", clocks=Clocks(first_content_s=2))]).worst_case().silence_s is None
    )


# --- a pulse ---


def late(pulse: Pulse, now_s: float) -> str:
    """The clock that a silence is blamed on."""
    return pulse.named(classify(TimeoutError()), now_s).error_type


def test_each_clock_runs_from_its_own_moment() -> None:
    """First content from the send; between content from the content before; and nothing empty counts."""
    pulse = Pulse(Clocks(first_content_s=8, between_content_s=5), streamed=True)
    assert pulse.wait(100.0) == 8
    pulse.hear(0, 106.0)
    assert pulse.wait(106.0) == pytest.approx(2)
    pulse.hear(3, 107.5)
    assert pulse.wait(107.5) == 5
    pulse.hear(0, 111.0)
    assert pulse.wait(111.0) == pytest.approx(1.5)
    assert late(pulse, 112.0) == "TimeoutError"
    assert late(pulse, 112.5) == "between content"


def test_only_waiting_counts() -> None:
    """A consumer that takes its time does not make the model late."""
    pulse = Pulse(Clocks(first_content_s=8, between_content_s=5), streamed=True)
    pulse.wait(0.0)
    pulse.rest(1.0)
    assert pulse.wait(500.0) == 7
    pulse.hear(1, 501.0)
    assert pulse.wait(900.0) == 5


def test_a_whole_reply_has_a_clock_of_its_own() -> None:
    """Until it turns out that it is a stream."""
    clocks = Clocks(first_content_s=8, whole_reply_s=60)
    pulse = Pulse(clocks, streamed=False)
    assert pulse.wait(0.0) == 60
    pulse.rest(1.0)
    pulse.streams()
    assert pulse.wait(1.0) == 7
    assert Pulse(Clocks(between_content_s=1), streamed=False).wait(0.0) == math.inf


def test_what_is_no_silence_keeps_its_name() -> None:
    """A server that says it was too slow has answered; a connection that fails has its own clock."""
    pulse = Pulse(Clocks(first_content_s=1, connect_s=0.5), streamed=True)
    pulse.wait(0.0)
    gateway = Failure.of("timeout", status=504, error_type="InternalServerError")
    assert pulse.named(gateway, 9.0) == gateway
    unreached = classify(type("ConnectTimeout", (Exception,), {})())
    assert pulse.named(unreached, 0.6).error_type == "connect"
    assert pulse.named(unreached, 0.6).action == "retry"
    assert late(pulse, 9.0) == "first content"


@given(
    events=st.lists(st.tuples(st.floats(0, 8), st.integers(1, 12)), min_size=1, max_size=40),
    chars_per_s=st.sampled_from([0.5, 1.0, 2.5]),
)
def test_the_rate_is_that_of_any_window(events: list[tuple[float, int]], chars_per_s: float) -> None:
    """Law: the clock runs out at the first moment at which the window before it has brought too little."""
    window_s = 10.0
    pulse = Pulse(Clocks(min_chars_per_s=chars_per_s, rate_over_s=window_s), streamed=True)
    now_s, heard = 0.0, list[tuple[float, int]]()
    for gap_s, chars in events:
        pulse.wait(now_s)
        now_s += gap_s
        pulse.hear(chars, now_s)
        heard.append((now_s, chars))
        first_s = heard[0][0]
        moments = [first_s + window_s, *(at_s + window_s for at_s, _ in heard)]
        too_little = [
            moment_s
            for moment_s in {max(moment_s, now_s) for moment_s in moments if moment_s >= first_s + window_s}
            if sum(chars for at_s, chars in heard if at_s + window_s > moment_s) < chars_per_s * window_s
        ]
        due_s = now_s + max(pulse.wait(now_s), 0.0)
        if now_s > first_s + window_s + 1e-9 and due_s == now_s:
            return  # it had run out before this came
        assert due_s == pytest.approx(min(too_little))


def test_a_slow_stream_is_late_by_its_rate() -> None:
    """Each piece comes soon after the other, and all together bring too little."""
    pulse = Pulse(Clocks(min_chars_per_s=2, rate_over_s=10, between_content_s=5), streamed=True)
    now_s = 0.0
    for _ in range(11):
        left_s = pulse.wait(now_s)
        if left_s <= 1:
            break
        now_s += 1
        pulse.hear(1, now_s)
    assert late(pulse, now_s + left_s) == "rate"


def test_a_file_has_them_too(tmp_path: Path) -> None:
    """For the guard and for each fallback; what cannot work is said with its place."""
    file = tmp_path / "guard.toml"
    file.write_text(
        "[clocks]\nfirst_content_s = 8\n[[fallback]]\nmodel = 'm'\nclocks = {whole_reply_s = 9}\n"
    )
    guard: Guard[Any] = Guard.from_file(file)
    assert guard._plan.clocks == Clocks(first_content_s=8)
    assert guard._plan.fallback[0].clocks == Clocks(whole_reply_s=9)
    file.write_text("[clocks]\nfirst_content = 8\n")
    with pytest.raises(
        ConfigError, match=r"\[clocks\] has no setting 'first_content'; did you mean 'first_content_s'\?"
    ):
        Guard.from_file(file)
