"""Whether a value looks like a secret: what places that name one ask of it.

Placeholders and references to variables are none, nor are words.
"""

# ruff: noqa: E501 - lists of words read best with long lines

from __future__ import annotations

import math
import re
from collections import Counter


def is_password(value: str, *, quoted: bool) -> bool:
    """Whether a value that is named a password may be one; quoted, also a long one without digits."""
    if len(value) < 6 or is_placeholder(value) or is_reference(value):
        return False
    kinds = sum(
        (
            any(char.islower() for char in value),
            any(char.isupper() for char in value),
            any(char.isdigit() for char in value),
            any(not char.isalnum() and char not in "._-/" for char in value),
        )
    )
    return (
        kinds >= 3
        or (kinds == 2 and any(char.isdigit() for char in value))
        or (quoted and len(value) >= 12 and kinds >= 2)
    )


def is_key_like(value: str) -> bool:
    """Whether a value that is named a key, a token or a secret was drawn at random."""
    if len(value) < 12 or is_placeholder(value) or is_reference(value):
        return False
    if not any(char.isalpha() for char in value):
        return False
    if not any(char.isdigit() for char in value) and (
        len(value) < 20 or entropy(value) < 3.7 or value.islower()
    ):
        return False
    if "/" in value and (
        value.startswith(("/", "./", "http")) or (value.count("/") > 2 and len(value) != 40)
    ):
        return False
    return entropy(value) >= 3.0


_PLACEHOLDERS = (
    "example", "placeholder", "your", "changeme", "change_me", "dummy", "redacted", "sample", "insert", "replace", "todo",
    "fixme", "fake", "mock", "foobar", "deadbeef", "abcdefgh", "abcdef01", "abcdef12", "0000000", "1111111", "xxxx", "***",
    "...", "<", "\u2026",
    "4ec39hqlyjwdarj", "bqokikjovbii2hl",  # keys of Stripe's documentation
    *(f"my{mark}{name}" for mark in ("", "_", "-") for name in ("secret", "token", "key", "pass")),
)  # fmt: skip
_UNLESS_NUMBERED = (
    "test", "demo", "invalid", "default", "none", "null", "undefined", "hidden", "masked", "secret", "password", "passwd",
    "token", "string", "value", "apikey", "api_key",
)  # fmt: skip
_BEFORE_MORE = ("12345678", *_UNLESS_NUMBERED)
_STANDS_ALONE = re.compile(rf"12345678(?!\d*[a-z]{{8}})|(?:{'|'.join(_UNLESS_NUMBERED)})(?![a-z]*\d)")


def is_placeholder(value: str) -> bool:
    """Whether a value stands for a secret in documentation rather than being one."""
    holds = value.lower().__contains__  # far quicker for each word than one pattern of all
    if any(map(holds, _PLACEHOLDERS)) or len(set(value)) < 5:
        return True
    return any(map(holds, _BEFORE_MORE)) and _STANDS_ALONE.search(value.lower()) is not None


_REFERENCE = re.compile(
    r"(?i:^\$|^%\w+%$|^\{\{|^@|^(?:os|env|process|self|this|config|settings|secrets?|vars?|data|request|req|ctx"
    r"|kwargs|args|options|params|user|props|state|app|form|body)\.|getenv|environ|\.get$|^--|^sha(?:256|384|512)[-:]"
    r"|^[a-z_]+(?:\.[a-z_]+)+$)"
    r"|^(?:[a-z]+_)*[a-z]+$|^(?:[A-Z]+_)*[A-Z]+$|^[A-Za-z][a-z]{1,12}(?:[A-Z][a-z]{2,12}){0,5}$"
)


def is_reference(value: str) -> bool:
    """A variable, an attribute, a shell or template reference: a name for a secret that is elsewhere."""
    return bool(_REFERENCE.search(value))


def entropy(value: str) -> float:
    """Shannon's bits per character."""
    size = len(value)
    return -sum(count / size * math.log2(count / size) for count in Counter(value).values())
