"""How long a server asks to be left alone: `Retry-After` and `retry-after-ms`, in every form they take.

RFC 9110, section 10.2.3, allows whole seconds or an HTTP date, which RFC 9110, section 5.6.7, gives in
three forms. Providers also send fractions of a second and milliseconds under a name of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,12})?", re.ASCII)


def retry_after_s(headers: Mapping[str, str], *, wall_clock: Callable[[], float]) -> float | None:
    """Read the seconds that *headers* ask to wait; None when they say nothing usable.

    Negative numbers, words, ``nan``, ``inf``, two values in one header, zero and dates in the past all say
    nothing: the caller's own backoff applies. A date is taken relative to the server's own ``Date``
    header, so a clock that is wrong on either side does no harm.

    Args:
        headers: Names in lower case.
        wall_clock: Seconds since the epoch, asked only for a date without a ``Date`` header.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000 or None
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds or None
    until = http_date(value)
    if until is None:
        return None
    sent = http_date(headers.get("date", ""))
    wait = until - (sent if sent is not None else wall_clock())
    return wait if wait > 0 else None


def _number(value: str | None) -> float | None:
    return float(value.strip()) if value is not None and _NUMBER.fullmatch(value.strip()) else None


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_DATES = (
    re.compile(
        rf"[a-z]{{3}}, (?P<day>\d\d) (?P<month>[a-z]{{3}}) (?P<year>\d{{4}}) {_TIME} GMT", re.I | re.A
    ),
    re.compile(rf"[a-z]{{6,9}}, (?P<day>\d\d)-(?P<month>[a-z]{{3}})-(?P<year>\d\d) {_TIME} GMT", re.I | re.A),
    re.compile(rf"[a-z]{{3}} (?P<month>[a-z]{{3}}) (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})", re.I | re.A),
)


def http_date(value: str) -> float | None:
    """Seconds since the epoch of an HTTP date in any of its three forms; None when it is none of them."""
    from datetime import UTC, datetime

    match = next((found for form in _DATES if (found := form.fullmatch(value.strip()))), None)
    if match is None or match["month"].lower() not in _MONTHS:
        return None
    year = int(match["year"])
    if len(match["year"]) == 2:
        # The form with two digits is obsolete; no server of today means the last century with it.
        year += 2000 if year < 70 else 1900
    try:
        moment = datetime(
            year,
            _MONTHS.index(match["month"].lower()) + 1,
            int(match["day"]),
            int(match["hour"]),
            int(match["minute"]),
            min(int(match["second"]), 59),
            tzinfo=UTC,
        )
    except ValueError:
        return None
    return moment.timestamp()
