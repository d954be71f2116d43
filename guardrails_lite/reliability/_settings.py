"""Checks of numeric settings, so that each policy refuses the impossible in the same words."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

from guardrails_lite._arguments import LONGEST_S
from guardrails_lite._errors import ConfigError


def check_number(owner: object, name: str, unit: str, *, above: float = 0.0, optional: bool = False) -> None:
    """Refuse a setting that is no finite number above *above*."""
    value = getattr(owner, name)
    if value is None and optional:
        return
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    is_too_long = is_number and unit == "seconds" and value > LONGEST_S
    if not is_number or is_too_long or not above < value < math.inf:
        told = f" and at most {LONGEST_S:g}" if is_too_long else ""
        raise ConfigError(
            f"{name}={value!r} of {type(owner).__name__} must be more than {above:g} {unit}{told}"
            + (", or None for no limit." if optional else ".")
        )


def check_whole(owner: object, name: str, *, least: int = 1, optional: bool = False) -> None:
    """Refuse a setting that is no whole number from *least* upward."""
    value = getattr(owner, name)
    if value is None and optional:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(
            f"{name}={value!r} of {type(owner).__name__} must be a whole number, {least} or more"
            + (", or None for no limit." if optional else ".")
        )


def check_share(owner: object, name: str, *, zero: bool = False, one: bool = True) -> None:
    """Refuse a setting that is no share of a whole."""
    value = getattr(owner, name)
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1
    if not fits or (value == 0 and not zero) or (value == 1 and not one):
        low = "from 0" if zero else "above 0"
        high = "to 1" if one else "to less than 1"
        raise ConfigError(f"{name}={value!r} of {type(owner).__name__} must be a share {low} {high}.")


def as_code(value: Any) -> str:
    """Print a settings value as the code that makes it: only what differs from the defaults."""
    shown = [
        f"{setting.name}={getattr(value, setting.name)!r}"
        for setting in fields(value)
        if setting.init and getattr(value, setting.name) != setting.default
    ]
    return f"{type(value).__name__}({', '.join(shown)})"
