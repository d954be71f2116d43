"""Text that somebody else wrote, made harmless for where it is read: a terminal, a spreadsheet."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_FORMULA: Final = re.compile(r"(^|;)(?=\s*[=+\-@\uff1d\uff0b\uff0d\uff20])")
"""Before what a spreadsheet may run: a sign at the beginning of a cell, narrow or wide.

Where a comma is the decimal sign spreadsheets part cells at semicolons, whatever quotes stand around.
"""


def safe(value: object) -> str:
    """*value* as text in which nothing steers the terminal or hides from the reader.

    Control characters, escape codes, direction marks and invisible characters become their numbers.
    """
    return "".join(
        character
        if character == " " or unicodedata.category(character)[0] not in "CZ"
        else f"\\u{{{ord(character):x}}}"
        for character in str(value)
    )


def cell(text: str) -> str:
    """*text* as a cell of a table that no spreadsheet runs and no terminal obeys."""
    return _FORMULA.sub(r"\1'", safe(text))
