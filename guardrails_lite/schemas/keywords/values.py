"""Keywords that speak of a value by itself: constants, numbers, strings, sizes."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from guardrails_lite.schemas.keywords.node import KINDS, Check, Memo, NoneType, Part, says
from guardrails_lite.schemas.patterns import Pattern

_SIZED: dict[str, tuple[type, str]] = {
    "Length": (str, "characters"),
    "Items": (list, "items"),
    "Properties": (dict, "properties"),
}


def freeze(value: Any) -> Any:
    """A hashable stand-in: equal for equal JSON, where 1 is 1.0 and neither is true."""
    kind = value.__class__
    if kind is bool:
        return (bool, value)
    if kind is list:
        return (list, tuple(freeze(item) for item in value))
    if kind is dict:
        return (dict, frozenset((name, freeze(item)) for name, item in value.items()))
    return value


def one_of(values: list[Any]) -> Part:
    """``enum`` and ``const``."""
    frozen = frozenset(freeze(value) for value in values)
    kinds = tuple(dict.fromkeys(kind for value in values for kind in _alike(value)))

    def plain(value: Any, memo: Memo) -> bool:
        return value.__class__ in kinds and value in frozen

    def deep(value: Any, memo: Memo) -> bool:
        return value.__class__ in kinds and freeze(value) in frozen

    is_plain = all(value.__class__ in (str, NoneType) for value in values)
    return Part(KINDS, plain if is_plain else deep, says("not allowed"))


def _alike(value: Any) -> tuple[type, ...]:
    return (int, float) if value.__class__ in (int, float) else (value.__class__,)


def bound(keyword: str, limit: Any) -> Part:
    """``minimum``, ``maximum`` and their exclusive forms."""
    checks: dict[str, Check] = {
        "minimum": lambda value, memo: value >= limit,
        "maximum": lambda value, memo: value <= limit,
        "exclusiveMinimum": lambda value, memo: value > limit,
        "exclusiveMaximum": lambda value, memo: value < limit,
    }
    return Part((int, float), checks[keyword], says("out of range"))


def multiple_of(divisor: Any) -> Part:
    """``multipleOf``, in decimal arithmetic: 0.3 is a multiple of 0.1."""
    exact = Fraction(Decimal(repr(divisor)))

    def check(value: Any, memo: Memo) -> bool:
        if value.__class__ is int and divisor.__class__ is int:
            return bool(value % divisor == 0)
        return (Fraction(Decimal(repr(value))) / exact).denominator == 1

    return Part((int, float), check, says("out of range", f"a multiple of {divisor!r}"))


def size(keyword: str, limit: Any) -> Part:
    """``minLength``, ``maxItems`` and the like."""
    kind, unit = _SIZED[keyword[3:]]
    if keyword.startswith("min"):
        told = says("wrong length", f"at least {limit} {unit}")
        return Part((kind,), lambda value, memo: len(value) >= limit, told)
    told = says("wrong length", f"at most {limit} {unit}")
    return Part((kind,), lambda value, memo: len(value) <= limit, told)


def matches(pattern: Pattern) -> Part:
    """``pattern``."""
    return Part((str,), lambda value, memo: pattern(value), says("wrong pattern"))


def has_format(holds: Callable[[Any], bool]) -> Part:
    """``format``, asserted."""
    return Part((str,), lambda value, memo: holds(value), says("wrong format"))
