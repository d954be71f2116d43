"""What exporters ask of an entry of a finished call, whoever wrote it: a log may be newer, or forged."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from guardrails_lite.audit._format import Entry
from guardrails_lite.audit.index._rows import money

FAILED: Final = frozenset(
    {"truncated", "schema failed", "budget stopped", "deadline passed", "transport failed", "cancelled"}
)
"""Outcomes of a call that brought nothing, without anybody having said no."""
STOPPED: Final = frozenset({"blocked", "tool denied", "refused", "filtered"})
"""Outcomes of a call that somebody stopped."""
_BATCH: Final = 500
_LAST_NS: Final = 253_402_300_799 * 10**9
"""The end of the year 9999."""


def text(entry: Entry, name: str) -> str:
    """The field *name* as a string; empty where it is absent."""
    value = entry.data.get(name)
    return "" if value is None else str(value)


def plain(value: str) -> str:
    """*value* as every reader takes it: without what is no character."""
    return value.replace("\0", "").encode("utf-8", "replace").decode()


def number(value: object) -> float:
    """A number; 0 where it is none."""
    return money(value) or 0.0


def who(entry: Entry) -> dict[str, str]:
    """Who called."""
    told = entry.data.get("who")
    return {str(name): str(value) for name, value in told.items()} if isinstance(told, Mapping) else {}


def steps(entry: Entry, name: str) -> Iterator[Mapping[str, Any]]:
    """The steps of one kind, such as ``checks``."""
    told = entry.data.get(name)
    for step in told if isinstance(told, list) else ():
        if isinstance(step, Mapping):
            yield step


def findings(check: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What a check found."""
    told = check.get("findings")
    yield from (each for each in (told if isinstance(told, list) else ()) if isinstance(each, Mapping))


def categories(check: Mapping[str, Any]) -> list[str]:
    """Of what kinds that is."""
    return sorted({str(found["category"]) for found in findings(check) if found.get("category")})


def batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """*entries*, so many at a time as go into one request."""
    left = iter(entries)
    while batch := list(itertools.islice(left, _BATCH)):
        yield batch


def tokens(entry: Entry) -> tuple[int, int]:
    """Tokens of the prompts and of the completions, over all attempts."""
    usage = entry.data.get("usage")
    told = usage if isinstance(usage, Mapping) else {}
    return int(number(told.get("prompt_tokens"))), int(number(told.get("completion_tokens")))


def began_ns(entry: Entry) -> int:
    """When the call began, nanoseconds since the epoch."""
    return _within(number(entry.data.get("started")) * 1e9)


def ends_ns(entry: Entry) -> tuple[int, int]:
    """When the call began and ended, nanoseconds since the epoch."""
    began = began_ns(entry)
    return began, max(began, _within(began + number(entry.data.get("duration_us")) * 1000))


def _within(ns: float) -> int:
    """A time that a calendar has."""
    return int(min(max(ns, 0), _LAST_NS)) if ns == ns else 0


def telling(entry: Entry) -> list[Mapping[str, Any]]:
    """The checks that found something, or could not look."""
    return [
        check for check in steps(entry, "checks") if check.get("result") not in ("passed", "not run", None)
    ]


def rules(entry: Entry) -> list[str]:
    """The rules that found something or broke."""
    return list(dict.fromkeys(str(check.get("rule")) for check in telling(entry)))


def stamp(ns: int) -> str:
    """A time as RFC 3339 has it, to the microsecond."""
    when = datetime.fromtimestamp(ns // 1_000_000_000, UTC).replace(microsecond=ns // 1000 % 1_000_000)
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def severity(entry: Entry) -> int:
    """How much a call asks to be looked at: 0 none, 1 something was found, 2 it failed, 3 it was stopped."""
    outcome = text(entry, "outcome")
    if outcome in STOPPED:
        return 3
    if outcome in FAILED:
        return 2
    return 1 if telling(entry) else 0
