"""The tokens of strict JSON in a text that is still arriving."""

from __future__ import annotations

import json
import re

BLANK = " \t\r\n"
ATOM = re.compile(r"[A-Za-z0-9+.\-]+")
"""What a number, ``true``, ``false`` and ``null`` are made of; whether it is one shows at its end."""

_PLAIN = re.compile(r'[^"\\\x00-\x1f\ud800-\udfff]+')
_SCALAR = re.compile(r"(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)\Z")
_MAX_NUMBER = 300
_ESCAPE = re.compile(
    r"""\\(?:["\\/bfnrt]|u(?:[0-9A-Ca-cE-Fe-f][0-9A-Fa-f]{3}|[Dd][0-7][0-9A-Fa-f]{2}"""
    r"""|[Dd][89ABab][0-9A-Fa-f]{2}\\u[Dd][C-Fc-f][0-9A-Fa-f]{2}))"""
)
_ESCAPE_BEGUN = re.compile(r"\\(?:u[0-9A-Fa-f]{0,4}(?:\\(?:u[0-9A-Fa-f]{0,3})?)?)?")


def skip_blank(text: str, at: int) -> int:
    """Where the white space at *at* ends."""
    while at < len(text) and text[at] in BLANK:
        at += 1
    return at


def read_string(text: str, at: int, pieces: list[str]) -> int:
    """Add what there is of a string to *pieces*; up to its quote, or what cannot be read yet, or ever."""
    while at < len(text):
        plain = _PLAIN.match(text, at)
        if plain is not None:
            pieces.append(plain.group())
            at = plain.end()
            continue
        escape = _ESCAPE.match(text, at)
        if escape is None:
            return at
        pieces.append(json.loads(f'"{escape.group()}"'))
        at = escape.end()
    return at


def is_begun_escape(text: str, at: int) -> bool:
    """Whether *text* ends in an escape that begins at *at* and may go on."""
    return _ESCAPE_BEGUN.fullmatch(text, at) is not None


def is_scalar(atom: str) -> bool:
    """Whether it is a number or one of JSON's three words."""
    return len(atom) < _MAX_NUMBER and _SCALAR.match(atom) is not None
