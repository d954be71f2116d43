"""How often and after how long a failed attempt is repeated."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest
import tenacity
from hypothesis import given
from hypothesis import strategies as st

from guardrails_lite import _errors
from guardrails_lite.reliability import Failure, Retry
from guardrails_lite.reliability._failure import Kind
from guardrails_lite.reliability._retry import CAP_S

FAULT = Failure.of("server error")
THROTTLED = Failure.of("rate limited")


def delay(
    retry: Retry, failure: Failure = FAULT, attempt: int = 1, *, dice: float = 1.0, **more: Any
) -> float | None:
    return retry.delay_s(failure, attempt, random=lambda: dice, **{"elapsed_s": 0.0, **more})


def test_waits_double_up_to_the_cap() -> None:
    """The longest wait is 0.2 s, 0.4 s, 0.8 s … and never more than 20 s."""
    retry = Retry(attempts=99)
    assert [delay(retry, attempt=n) for n in (1, 2, 3)] == pytest.approx([0.2, 0.4, 0.8])
    assert delay(retry, attempt=98) == CAP_S


def test_a_busy_server_is_given_more_time() -> None:
    """After a rate limit or an overload the first wait is up to a second."""
    assert delay(Retry(), THROTTLED) == 1.0
    assert delay(Retry(), Failure.of("overloaded")) == 1.0


def test_nothing_is_waited_for_after_the_last_attempt() -> None:
    """With three attempts, the third failure ends it: there is no sleep that nobody needs."""
    retry = Retry(attempts=3)
    assert delay(retry, attempt=2) is not None
    assert delay(retry, attempt=3) is None


@given(asked=st.floats(0.001, 1e6), dice=st.floats(0, 1), attempt=st.integers(1, 9))
def test_what_the_server_asks_is_a_lower_bound_with_spread(asked: float, dice: float, attempt: int) -> None:
    """Law: no retry comes before the Retry-After, and callers spread over a quarter second or a fifth."""
    found = delay(Retry(attempts=10), Failure.of("rate limited", retry_after_s=asked), attempt, dice=dice)
    assert found is not None
    assert found >= asked
    assert found <= max(asked + max(0.25, asked * 0.2), CAP_S) * 1.000001


def test_fifty_callers_do_not_return_together() -> None:
    """Told to wait 2 s, callers spread over at least 0.25 s; the bare client's come within 20 ms."""
    seeded = random.Random(7)
    failure = Failure.of("rate limited", retry_after_s=2.0)
    back = [Retry().delay_s(failure, 1, random=seeded.random, elapsed_s=0.0) or 0.0 for _ in range(50)]
    assert max(back) - min(back) > 0.25
    assert min(back) >= 2.0


@pytest.mark.parametrize("kind", ["bad request", "auth", "quota", "context too long", "not found", "own bug"])
def test_what_will_not_heal_is_not_repeated(kind: Kind) -> None:
    """A request that is wrong, forbidden or unpaid is not sent to the same target again."""
    assert delay(Retry(), Failure.of(kind)) is None


def test_silence_is_repeated_only_where_nobody_else_can_be_asked() -> None:
    """Fault C09: after a silent target the next one is asked; the same one only when it is the last."""
    silent = Failure.of("timeout")
    assert delay(Retry(), silent) is None
    assert delay(Retry(), silent, fallbacks_left=0) is not None


def test_an_empty_reply_is_tried_once_more() -> None:
    """Faults B07, B09: a model's whim gets a second chance and no third."""
    empty = Failure.of("empty reply")
    assert delay(Retry(), empty, 1) is not None
    assert delay(Retry(), empty, 2) is None


def test_on_chooses_what_is_retried() -> None:
    """Kinds or a function replace the default choice; what must never be retried stays so."""
    assert delay(Retry(on=["timeout"]), Failure.of("timeout")) is not None
    assert delay(Retry(on=["timeout"]), FAULT) is None
    assert (
        delay(Retry(on=lambda failure: failure.status == 418), Failure.of("bad request", status=418))
        is not None
    )
    assert delay(Retry(on=lambda failure: True), Failure.of("content filtered")) is None
    assert delay(Retry(on=lambda failure: True), Failure.of("cancelled")) is None


@pytest.mark.parametrize(
    ("wait", "expected"),
    [
        (0.5, 0.5),
        (0, 0.0),
        (lambda attempt: attempt * 3.0, 6.0),
        (lambda attempt: float("nan"), 0.0),
        (lambda attempt: -1, 0.0),
        (tenacity.wait_fixed(4), 4.0),
        (tenacity.wait_exponential(multiplier=1, max=10), 2.0),
        (tenacity.wait_fixed(1) + tenacity.wait_incrementing(1, 1), 3.0),
        (tenacity.wait_chain(tenacity.wait_fixed(1), tenacity.wait_fixed(9)), 9.0),
        (tenacity.wait_exception(lambda error: error.failure.status / 100), 5.0),
    ],
)
def test_waits_of_ones_own(wait: Any, expected: float) -> None:
    """Numbers, functions and tenacity's wait objects give the second wait."""
    assert delay(Retry(wait=wait), Failure.of("server error", status=500), 2) == pytest.approx(expected)


def test_stop_objects_of_tenacity_end_it() -> None:
    """Elapsed time, the wait to come and events are seen by tenacity's stop objects."""
    assert delay(Retry(stop=tenacity.stop_after_delay(10)), elapsed_s=9.9) is not None
    assert delay(Retry(stop=tenacity.stop_after_delay(10)), elapsed_s=10.0) is None
    assert delay(Retry(stop=tenacity.stop_before_delay(10), wait=3), elapsed_s=7.5) is None
    event = threading.Event()
    assert delay(Retry(stop=tenacity.stop_when_event_set(event))) is not None
    event.set()
    assert delay(Retry(stop=tenacity.stop_when_event_set(event))) is None
    either = tenacity.stop_after_attempt(2) | tenacity.stop_after_delay(60)
    assert delay(Retry(stop=either), attempt=2) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"attempts": 0}, "attempts=0 of Retry must be a whole number, 1 or more"),
        ({"attempts": True}, "attempts=True of Retry"),
        ({"attempts": 2.0}, "attempts=2.0 of Retry"),
        ({"reasks": -1}, "reasks=-1 of Retry must be a whole number, 0 or more"),
        ({"wait": 1e300}, "of Retry must be a number of seconds"),
        ({"wait": -1}, "wait=-1 of Retry must be a number of seconds"),
        ({"wait": float("inf")}, "wait=inf of Retry"),
        ({"wait": "1"}, "wait='1' of Retry"),
        ({"wait": tenacity.stop_after_delay(1)}, r"wait=stop_after_delay\(1\) of Retry"),
        ({"stop": 3}, "stop=3 of Retry must be a stop object"),
        ({"stop": tenacity.wait_fixed(1)}, r"stop=wait_fixed\(1\) of Retry"),
        (
            {"stop": tenacity.stop_after_attempt(5)},
            "can never fire: attempts=3 stops first. Write attempts=5",
        ),
        ({"stop": tenacity.stop_never}, "stop=stop_never of Retry does nothing"),
        ({"on": ["timeouts"]}, r"on=\['timeouts'\] of Retry: expected some of"),
        ({"on": []}, r"on=\[\] of Retry"),
        ({"on": 3}, "on=3 of Retry: expected some of"),
        ({"on": [[]]}, r"on=\['\[\]'\] of Retry: expected some of"),
        ({"on": {"content filtered"}}, "these are never retried"),
        ({"on": tenacity.retry_if_exception_type(OSError)}, "is a retry predicate of tenacity"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], message: str) -> None:
    """A wrong setting is an error when it is written, and says what to write instead."""
    with pytest.raises(_errors.ConfigError, match=message):
        Retry(**settings)


@pytest.mark.parametrize(
    ("retry", "code"),
    [
        (Retry(), "Retry()"),
        (Retry(attempts=4, reasks=0), "Retry(attempts=4, reasks=0)"),
        (
            Retry(wait=tenacity.wait_exponential(multiplier=2, max=10)),
            "Retry(wait=wait_exponential(multiplier=2, max=10))",
        ),
        (Retry(wait=tenacity.wait_random(1, 2)), "Retry(wait=wait_random(min=1, max=2))"),
        (
            Retry(wait=tenacity.wait_fixed(1) + tenacity.wait_random(0, 2)),
            "Retry(wait=wait_fixed(1) + wait_random(max=2))",
        ),
        (Retry(wait=tenacity.wait_none()), "Retry(wait=wait_none())"),
        (
            Retry(stop=tenacity.stop_after_delay(30) | tenacity.stop_after_attempt(2)),
            "Retry(stop=stop_after_delay(30) | stop_after_attempt(2))",
        ),
        (Retry(on={"timeout", "connection"}), "Retry(on={'connection', 'timeout'})"),
    ],
)
def test_it_prints_as_the_code_that_made_it(retry: Retry, code: str) -> None:
    """The repr, evaluated, gives an equal value: what a log shows can be pasted back."""
    assert repr(retry) == code
    assert eval(code, {**vars(tenacity), "Retry": Retry}) == retry


def test_equal_settings_are_equal() -> None:
    """Values compare by what they do, also with tenacity's objects, which do not; functions by identity."""
    assert Retry(wait=tenacity.wait_fixed(1)) == Retry(wait=tenacity.wait_fixed(1))
    assert Retry(wait=tenacity.wait_fixed(1)) != Retry(wait=tenacity.wait_fixed(2))
    assert hash(Retry(on=["timeout"])) == hash(Retry(on={"timeout"}))
    assert Retry(wait=lambda attempt: 1.0) != Retry(wait=lambda attempt: 2.0)
