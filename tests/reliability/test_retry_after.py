"""How long a server asks to be left alone, in every form of the header."""

from __future__ import annotations

import email.utils
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails_lite.reliability._retry_after import http_date, retry_after_s

NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC).timestamp()


def read(headers: dict[str, str]) -> float | None:
    return retry_after_s(headers, wall_clock=lambda: NOW)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": " 7 "}, 7.0),
        ({"retry-after": "99999"}, 99999.0),
        ({"retry-after-ms": "700"}, 0.7),
        ({"retry-after-ms": "700", "retry-after": "2"}, 0.7),
        ({"retry-after-ms": "x", "retry-after": "2"}, 2.0),
        ({"retry-after": "Wed, 25 Nov 2026 12:00:03 GMT"}, 3.0),
        ({"retry-after": "Wednesday, 25-Nov-26 12:00:03 GMT"}, 3.0),
        ({"retry-after": "Wed Nov 25 12:00:03 2026"}, 3.0),
        ({"retry-after": "Wed, 25 Nov 2026 12:00:03 GMT", "date": "Wed, 25 Nov 2026 11:59:58 GMT"}, 5.0),
    ],
)
def test_what_the_server_asks_for(headers: dict[str, str], expected: float) -> None:
    """Faults H01 to H04: numbers, fractions, milliseconds and all three dates are understood."""
    assert read(headers) == pytest.approx(expected)


@pytest.mark.parametrize(
    "value",
    [
        *("0", "0.0", "-3", "soon", "nan", "inf", "", "2, 5", "1e3", "٣", "2s", "0x10"),
        *("Wed, 25 Nov 2026 11:00:00 GMT", "Wed, 99 Nov 2026 12:00:00 GMT"),
        *("Wed, 25 Foo 2026 12:00:00 GMT", "Wed, 25 Nov 2026 25:00:00 GMT"),
    ],
)
def test_what_says_nothing(value: str) -> None:
    """Faults H05 to H07: zero, the past and junk leave the wait to the caller's own backoff."""
    assert read({"retry-after": value}) is None


def test_a_wrong_clock_does_no_harm() -> None:
    """A date counts from the server's own Date header, whatever this machine believes."""
    headers = {"retry-after": "Wed, 25 Nov 2020 12:00:09 GMT", "date": "Wed, 25 Nov 2020 12:00:00 GMT"}
    assert read(headers) == 9.0


@given(st.integers(0, 4_000_000_000))
def test_dates_agree_with_the_standard_library(moment: int) -> None:
    """Law: reading what `email.utils.formatdate` writes gives the moment back."""
    assert http_date(email.utils.formatdate(moment, usegmt=True)) == moment


@given(st.text(max_size=40))
def test_any_value_is_a_positive_number_or_nothing(value: str) -> None:
    """Law: no value of the header raises, or asks to wait zero, negative or endless seconds."""
    found = read({"retry-after": value})
    assert found is None or 0 < found < 1e13
