"""How often a call may be sent twice, and when it is late enough for that."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails_lite import ConfigError
from guardrails_lite.reliability import Hedge

LANE = ("model", "m", "sync")


@given(share=st.sampled_from([0.01, 0.05, 0.3, 1.0]), calls=st.lists(st.booleans(), max_size=400))
def test_hedges_are_never_more_than_their_share_of_the_calls(share: float, calls: list[bool]) -> None:
    """Law: at any moment, hedges ≤ `max_share` × calls; and after a long quiet at most five come at once."""
    account = Hedge(max_share=share).account
    made = hedged = 0
    for wants in calls:
        account.earn()
        made += 1
        if wants and account.spend():
            hedged += 1
        assert hedged <= share * made + 1e-6
    assert sum(account.spend() for _ in range(made)) <= 5


def test_what_is_earned_is_earned_once_whoever_asks() -> None:
    """Sixteen threads together get no more than one would."""
    account = Hedge(max_share=0.05).account
    granted: list[bool] = []

    def calls() -> None:
        for _ in range(500):
            account.earn()
            granted.append(account.spend())

    threads = [threading.Thread(target=calls) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) <= 0.05 * 16 * 500 + 1e-6
    assert sum(granted) >= 0.05 * 16 * 500 - 6


@given(took=st.lists(st.floats(0, 100), max_size=300))
def test_late_is_what_one_in_twenty_of_the_last_hundred_was(took: list[float]) -> None:
    """Law: at most five of the last hundred took longer, and nothing is said before twenty were seen."""
    hedge = Hedge()
    for seconds in took:
        hedge.account.took(LANE, seconds)

    late_s = hedge.delay_s(LANE)

    last = took[-100:]
    if len(last) < 20:
        assert late_s is None
    else:
        assert late_s in last
        assert sum(seconds > late_s for seconds in last) <= 0.05 * len(last)
        assert sum(seconds >= late_s for seconds in last) >= 0.05 * len(last)


def test_kinds_of_calls_are_told_apart_and_their_number_is_bounded() -> None:
    """A slow model says nothing about a fast one; what was not asked for the longest is forgotten."""
    hedge = Hedge()
    for number in range(1_000):
        for _ in range(20):
            hedge.account.took(("model", str(number), "sync"), float(number))

    assert hedge.delay_s(("model", "999", "sync")) == 999.0
    assert hedge.delay_s(("model", "0", "sync")) is None
    assert Hedge(after_s=0.5).delay_s(LANE) == 0.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"after_s": 0}, "after_s=0 of Hedge must be more than 0 seconds"),
        ({"after_s": 1e15}, "of Hedge must be more than 0 seconds and at most 1e"),
        ({"after_s": "soon"}, "after_s='soon' of Hedge must be more than 0 seconds"),
        ({"max_share": 0}, "max_share=0 of Hedge must be a share above 0 to 1"),
        ({"max_share": 5}, "max_share=5 of Hedge must be a share above 0 to 1"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    """A setting that cannot work is an error where it is written."""
    with pytest.raises(ConfigError, match=message):
        Hedge(**settings)
