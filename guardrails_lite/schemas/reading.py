"""Strict reading of JSON, with every hygiene question decided.

===========================  ==========================================================
duplicate key                refused (an exact repetition of a member is dropped on repair)
NaN, Infinity, 1e999         refused: JSON has no such numbers
integer beyond 2**53         kept exactly and noted: JavaScript would round it
integer beyond a double      refused
lone surrogate               refused, raw or escaped: it is not text
byte order mark              dropped and noted
more than 200 levels         refused
more than 2 million chars    refused
===========================  ==========================================================

The clean path is one pass of the parser that the OpenAI client brings (jiter) and one look for digits.
Why a text was refused is worked out only then, by the slower reader in `mending`.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass

from guardrails_lite.schemas.problems import Code, Edit

MAX_CHARS = 2_000_000
"""Characters of one text."""
MAX_SAFE_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader keeps (RFC 8259, section 6)."""

_LARGEST_DOUBLE = int(1.7976931348623157e308)
_DIGITS_ALIKE = bytes.maketrans(b"0123456789", b"0000000000")
_LONG_NUMBER = b"0" * 16


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a text is not acceptable JSON."""

    code: Code
    offset: int = 0
    expectation: str = ""
    begun: bool = False
    """Whether part of an object or array had been read, so that this is broken JSON and not prose."""


class Refused(Exception):
    """Carries a `Fault` out of a reader. It never leaves this package."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.code)
        self.fault = fault


Read = tuple[object, bytes, "tuple[Edit, ...]"]
"""A JSON value, its UTF-8 bytes, and notes on what was kept."""


@functools.cache
def _parser() -> Callable[..., object]:
    from jiter import from_json

    return from_json


def read(text: str) -> Read:
    """The JSON value of *text*, its UTF-8 bytes, and notes on what was kept.

    Raises:
        Refused: it is not JSON, or breaks one of the rules above. A syntax error has the code
            ``"not json"`` and no place: `mending.mend` finds it.
    """
    if len(text) > MAX_CHARS:
        raise Refused(Fault("too large", 0, f"at most {MAX_CHARS} characters"))
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise Refused(Fault("lone surrogate", error.start, "text without lone surrogates")) from None
    try:
        value = _parser()(data, catch_duplicate_keys=True, allow_inf_nan=False)
    except ValueError:
        raise Refused(Fault("not json")) from None
    alike = data.translate(_DIGITS_ALIKE)
    if _LONG_NUMBER in alike or b"0e" in alike or b"0E" in alike:
        return value, data, _numbers(value)
    return value, data, ()


def _numbers(value: object) -> tuple[Edit, ...]:
    """A note for each integer that not every reader keeps; refuses what is not finite."""
    notes = 0
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, float):
            if item - item != 0:
                raise Refused(Fault("not finite", 0, "finite numbers"))
        elif isinstance(item, int) and not -MAX_SAFE_INTEGER <= item <= MAX_SAFE_INTEGER:
            if abs(item) > _LARGEST_DOUBLE:
                raise Refused(Fault("not finite", 0, "numbers within the range of a double"))
            notes += 1
    return (Edit("big integer", 0),) * min(notes, 1)


def is_json(text: str) -> bool:
    """Whether *text* is acceptable JSON as it stands."""
    try:
        read(text)
    except Refused:
        return False
    return True


def unquote(token: str) -> str:
    """The string that a strict JSON string token stands for."""
    return str(json.loads(token))
