"""Text as a reader would hear it, with the way back to where each character stood.

`plain` resolves compatibility forms (full-width, styled, enclosed letters), drops accents and invisible
characters, reads tag characters as the letters they carry, and turns look-alike letters into the Latin
ones they imitate. `fold` lowers case as well. What comes back is a `Reading`: another text, which knows
the original span of each of its spans, so that what is found in it can be masked where it stands. A text
that needs no change costs a look at it.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from guardrails_lite_validators._hidden_text import LOOKALIKES

Back = Callable[[int, int], tuple[int, int]]
"""From a span of a reading that is not empty to the span it came from."""
Edit = tuple[int, int, str]
"""Start, end, and the text that takes the place of what stands there."""


class Reading(NamedTuple):
    """One way of reading a text."""

    text: str
    back: Back | None = None
    """None: every character stands where it stood."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where ``text[start:end]``, which is not empty, came from in the original."""
        return (start, end) if self.back is None else self.back(start, end)

    def then(self, inner: Reading) -> Reading:
        """*inner*, which is a reading of this one's text, as a reading of the original."""
        back, outer = inner.back, self.back
        if back is None or outer is None:
            return Reading(inner.text, back or outer)
        return Reading(inner.text, lambda start, end: outer(*back(start, end)))

    def lower(self) -> Reading:
        """The same in lower case."""
        lowered = self.text.lower()
        if len(lowered) != len(self.text):  # one capital, U+0130, becomes two characters
            lowered = "".join(map(_lower, self.text))
        return Reading(lowered, self.back)


def _lower(char: str) -> str:
    lowered = char.lower()
    return lowered if len(lowered) == 1 else char


def fold(text: str) -> Reading:
    """Fold *text* for matching: `plain`, in lower case."""
    return Reading(text.lower()) if text.isascii() else plain(text).lower()


def plain(text: str) -> Reading:
    """Read *text* as it looks, in plain letters; see the module's docstring for what that means."""
    if text.isascii():
        return Reading(text)
    changed = {char: shown for char in set(text) if (shown := _FOLDS[char]) != char}
    if not changed:
        return Reading(text)
    longer = {char: shown for char, shown in changed.items() if len(shown) != 1}
    swapped = changed.keys() - longer
    if len(swapped) > 100:
        text = text.translate({ord(char): changed[char] for char in swapped})
    else:
        for char in swapped:  # one pass each, and yet quicker than `str.translate`
            text = text.replace(char, changed[char])
    if not longer:
        return Reading(text)
    runs = re.compile(f"[{re.escape(''.join(longer))}]+")
    return replaced(text, _expanded(runs, text, longer))


def _expanded(runs: re.Pattern[str], text: str, longer: dict[str, str]) -> Iterator[Edit]:
    for found in runs.finditer(text):
        start, end = found.span()
        if not any(map(longer.__getitem__, found.group())):
            yield start, end, ""
            continue
        for position in range(start, end):
            yield position, position + 1, longer[text[position]]


def replaced(text: str, edits: Iterable[Edit]) -> Reading:
    """*text* with other texts in some places, given from left to right, none inside another.

    What is found in a new text comes from the whole of its place.
    """
    pieces: list[str] = []
    starts, origins, widths = [0], [0], [0]
    length = done = 0
    for start, end, shown in edits:
        if start > done:
            pieces.append(text[done:start])
            length += start - done
        if shown:
            starts.append(length)
            origins.append(start)
            widths.append(end - start)
            pieces.append(shown)
            length += len(shown)
        starts.append(length)
        origins.append(end)
        widths.append(0)
        done = end
    pieces.append(text[done:])

    def back(start: int, end: int) -> tuple[int, int]:
        first = bisect_right(starts, start) - 1
        last = bisect_right(starts, end - 1) - 1
        began = origins[first] + (0 if widths[first] else start - starts[first])
        return began, origins[last] + (widths[last] or end - starts[last])

    return Reading("".join(pieces), back)


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
    if code < 0x80 or 0xAC00 <= code <= 0xD7A3:
        return char
    if 0xE0020 <= code <= 0xE007E:
        return chr(code - 0xE0000)
    if 0xE0009 <= code <= 0xE000D:
        return " "
    if shown := _ENCLOSED.get(code) or _letter(char):
        return shown
    decomposed = unicodedata.normalize("NFKD", char)
    return "".join(_simple(part) for part in decomposed)


def _simple(char: str) -> str:
    category = unicodedata.category(char)
    if category in ("Cf", "Mn", "Me", "Cs"):
        return char if _carries_meaning(char) else ""
    if category in ("Zs", "Zl", "Zp"):
        return " "
    if category == "Pd":
        return "-"
    return _QUOTES.get(char) or _letter(char) or char


def _letter(char: str) -> str | None:
    """The Latin letter that another one imitates, also as the capital of one that does."""
    if shown := LOOKALIKES.get(char) or _IMITATIONS.get(char):
        return shown
    small = char.lower()
    shown = LOOKALIKES.get(small) or _IMITATIONS.get(small)
    return shown.upper() if shown else None


def _carries_meaning(char: str) -> bool:
    """Vowel signs of Indic, Arabic and Hebrew scripts are marks too, and the word with them."""
    return unicodedata.category(char) == "Mn" and not _ORNAMENT.match(char)


_ORNAMENT = re.compile(
    "[\u034f\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\U000e0100-\U000e01ef]"
)
_QUOTES = {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2024": ".", "\u3002": "."}

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ENCLOSED = {
    first + place: letter
    for first in (0x1F110, 0x1F130, 0x1F150, 0x1F170, 0x1F1E6)  # in brackets, squares, discs; as indicators
    for place, letter in enumerate(_LETTERS)
} | {0x249C + place: letter.lower() for place, letter in enumerate(_LETTERS)}

_IMITATIONS = {
    char: letter
    for letter, chars in {
        "a": "ɑɐᴀ⍺ꭺꓮ",
        "b": "ʙᏼƅƄꓐ",
        "c": "ᴄⅽꓚꮯᏟ",
        "d": "ᴅԁꓓᎠɗđ",
        "e": "ᴇɛɘǝ℮ꓰᎬҽ",
        "f": "ꜰƒꓝ",
        "g": "ɢɡᶃꓖᏀց",
        "h": "ʜһհꓧᎻħ",
        "i": "ɪıɩꓲᎥɨ",
        "j": "ᴊյꓙᎫɉ",
        "k": "ᴋꓗᏦƙ",
        "l": "ʟⅼӏłꓡᏞɭ",
        "m": "ᴍⅿꓟᎷɱ",
        "n": "ɴոռꓠɳŋ",
        "o": "ᴏօꓳᎤøɵ",
        "p": "ᴘꓑᏢƿ",
        "q": "ԛզ",
        "r": "ʀꓣᏒɾɍ",
        "s": "ꜱʂꓢᏚƨ",
        "t": "ᴛꓔᎢŧƭ",
        "u": "ᴜսꓴʊᴗ",
        "v": "ᴠѵꓦᏙʋ",
        "w": "ᴡԝꓪᎳɯѡ",
        "x": "ꓫ᙮",
        "y": "ʏꓬᎩʎү",
        "z": "ᴢʐꓜᏃƶ",
    }.items()
    for char in chars
}
"""Small capitals, phonetic, Lisu, Cherokee and Armenian letters that print like a Latin one."""
