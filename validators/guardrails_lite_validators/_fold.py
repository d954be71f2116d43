"""Text as a reader would hear it, with the way back to where each character stood.

`fold` lowers case, resolves compatibility forms (full-width, styled and enclosed letters), drops
accents and invisible characters, reads tag characters as the letters they carry, and turns look-alike
letters into the Latin ones they imitate. Offsets are kept as the few places where folding changed the
length, so text that needs none costs nothing.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass, field

from guardrails_lite_validators._hidden_text import LOOKALIKES


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text that knows the original span of each of its spans."""

    text: str
    _ends: list[int] = field(repr=False)
    """Folded offsets at which the distance to the original changes, rising from 0."""
    _origins: list[int] = field(repr=False)
    """The original offset of the character at each of them."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where ``text[start:end]`` came from."""
        if start >= end:
            origin = self._origin(start)
            return origin, origin
        return self._origin(start), self._origin(end - 1) + 1

    def _origin(self, offset: int) -> int:
        at = bisect_right(self._ends, offset) - 1
        return self._origins[at] + offset - self._ends[at]


def fold(text: str) -> Folded:
    """Fold *text* for matching; see the module's docstring for what that means."""
    if text.isascii():
        return Folded(text.lower(), [0], [0])
    pieces: list[str] = []
    ends, origins = [0], [0]
    length = done = 0
    for found in _FOREIGN.finditer(text):
        start, end = found.span()
        plain = text[done:start].lower()
        pieces.append(plain)
        length += len(plain)
        for position in range(start, end):
            shown = _FOLDS[text[position]]
            if len(shown) == 1:
                pieces.append(shown)
                length += 1
                continue
            for char in shown:
                ends.append(length)
                origins.append(position)
                pieces.append(char)
                length += 1
            ends.append(length)
            origins.append(position + 1)
        done = end
    pieces.append(text[done:].lower())
    return Folded("".join(pieces), ends, origins)


_FOREIGN = re.compile(r"[^\x00-\x7f]+")


class _FoldTable(dict[str, str]):
    """What one character becomes; worked out when it is first met."""

    def __missing__(self, char: str) -> str:
        shown = _fold_char(char)
        if len(self) < 8192:
            self[char] = shown
        return shown


_FOLDS = _FoldTable()


def _fold_char(char: str) -> str:
    code = ord(char)
    if 0xE0020 <= code <= 0xE007E:
        return chr(code - 0xE0000).lower()
    if char in LOOKALIKES:
        return LOOKALIKES[char].lower()
    if "\uac00" <= char <= "\ud7a3":
        return char
    decomposed = unicodedata.normalize("NFKD", char)
    return "".join(_simple(part) for part in decomposed)


def _simple(char: str) -> str:
    category = unicodedata.category(char)
    if category in ("Cf", "Mn", "Me", "Cs"):
        return "" if not _carries_meaning(char) else char
    if category in ("Zs", "Zl", "Zp"):
        return " "
    if category == "Pd":
        return "-"
    return _QUOTES.get(char) or LOOKALIKES.get(char, char).lower()


def _carries_meaning(char: str) -> bool:
    """Vowel signs of Indic, Arabic and Hebrew scripts are marks too, and the word with them."""
    return unicodedata.category(char) == "Mn" and not "\u0300" <= char <= "\u036f" and char not in _SELECTORS


_SELECTORS = frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0), 0x034F)))
_QUOTES = {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2024": ".", "\u3002": "."}
