"""Points in time as people write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from guardrails_lite._errors import ConfigError

_AGO: Final = re.compile(r"(\d{1,6})([smhdw])")
_UNIT_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def when(text: str, *, now_ns: int) -> int:
    """The time that *text* means, in nanoseconds since the epoch.

    Args:
        text: So long ago (``"90s"``, ``"15m"``, ``"2h"``, ``"7d"``, ``"4w"``), or a date or time in ISO 8601
            (``"2026-11-25"``, ``"2026-11-25T14:30+01:00"``); without an offset it is UTC.
        now_ns: The present.

    Raises:
        ConfigError: it means no time.
    """
    if ago := _AGO.fullmatch(text):
        return now_ns - int(ago[1]) * _UNIT_S[ago[2]] * 10**9
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"{text!r} is not a time; expected how long ago ('15m', '2h', '7d') or ISO 8601 "
            "('2026-11-25T14:30')"
        ) from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return round(found.timestamp() * 1e6) * 1000
