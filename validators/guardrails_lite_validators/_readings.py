"""Every way a text may be read: as it stands, decoded, mended, turned around.

`readings_of` gives a detector the text in plain lower case first and, only where something speaks for it,
other readings: encoded parts decoded (`_decode`), spaced, joined and digit-for-letter spelling mended,
misspelt words of orders written out (`_misspelt`), ROT13 and writing backwards undone. A list of common
words tells whether a reading is language. Each reading knows where its spans came from, so that whatever
is found can be masked in the text as it was written. Ordinary text has one reading.
"""

from __future__ import annotations

import functools
import itertools
import math
import re
import string
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from guardrails_lite_validators._common_words import common_words
from guardrails_lite_validators._decode import ROT13, decoded
from guardrails_lite_validators._fold import Edit, Reading, plain, replaced
from guardrails_lite_validators._masks import unmasked
from guardrails_lite_validators._misspelt import respelled
from guardrails_lite_validators._pieces import pieces_of
from guardrails_lite_validators._wording import Wording, wording_of, words_of


class Readings(NamedTuple):
    """The readings of one text, all of them in lower case."""

    plain: Reading
    """As it stands, folded."""
    wording: Wording
    """The words of the plain reading."""
    others: tuple[Reading, ...]
    """Readings of what was encoded, misspelled or turned around."""
    goes_on: bool = False
    """It is encoded in more layers than are decoded."""


def readings_of(text: str, *, asked: frozenset[tuple[str, str]] | None = None) -> Readings:
    """Read *text* in every way that something in it speaks for.

    Args:
        text: Any text.
        asked: The pairs of words that its wording will be asked for, with `SINGLES` among them: they are
            looked for once.
    """
    shown = plain(text)
    first = _heard(shown)
    wording = wording_of(first.text)
    others: list[Reading] = []
    pieces = pieces_of(shown.text)
    opened = decoded(text, shown=shown, pieces=pieces)
    best, told = first, wording
    if opened is not None:
        best = _heard(opened.reading.then(plain(opened.reading.text)))
        told = wording_of(best.text)
        others.append(best)
    spaced = not first.text.isascii() or not SINGLES.isdisjoint(wording.paired(asked or SINGLES))
    if spaced or opened is not None or any(end - start >= _LONG for start, end in pieces.long):
        mended = _mended(best, told.words)
    else:
        mended = _unspelled(best, told.words, pieces.digits)
    if mended is not None:
        others.append(mended)
        best, told = mended, wording_of(mended.text)
    spelled = respelled(best, told.said)
    if spelled is not None:
        others.append(spelled)
    if not told.said.isdisjoint(_turned_words()):
        others.extend(_turned(best, told.words))
    return Readings(first, wording, tuple(others), opened is not None and opened.goes_on)


def _heard(shown: Reading) -> Reading:
    """A reading in lower case, and without the names of masks."""
    lowered = shown.lower()
    return Reading(unmasked(lowered.text), lowered.back)


# --- mended spelling --------------------------------------------------------------------------------


def _mended(reading: Reading, words: Sequence[str]) -> Reading | None:
    mended = None
    lengths = _lengths(words)
    if b"\1" * 5 in lengths:
        reading = mended = reading.then(replaced(reading.text, _joined(reading.text)))
        words = words_of(reading.text)
    if lengths.translate(None, _SHORT):
        edits = list(_parted(reading.text, words))
        mended = reading.then(replaced(reading.text, edits)) if edits else mended
        reading = mended or reading
    return _unspelled(reading, words) or mended


def _unspelled(
    reading: Reading, words: Sequence[str], digits: Sequence[tuple[int, int]] | None = None
) -> Reading | None:
    """With letters for the digits and signs that stand for them, where there are such."""
    if _has_leet(reading.text, words, digits):
        edits = list(_unleeted(reading.text))
        if sum(end - start > 2 for start, end, _ in edits) >= 2:
            return reading.then(replaced(reading.text, edits))
    return None


def _lengths(words: Sequence[str]) -> bytes:
    """One byte a word: bytes are searched without a step of Python for each."""
    try:
        return bytes(map(len, words))
    except ValueError:
        return bytes([min(len(word), 255) for word in words])


_ALONE = string.ascii_lowercase + string.digits
SINGLES = frozenset((first, second) for first in _ALONE for second in _ALONE)
"""Two letters that stand apart: a text in ASCII without any is not spaced."""
_LONG = 16
_SHORT = bytes(range(_LONG))
_MOST_LETTERS = 4000


def _joined(text: str) -> Iterator[Edit]:
    """Put letters that stand apart together."""
    left = _MOST_LETTERS
    for found in _SPACED.finditer(text):
        places = [place.start() for place in _LETTER.finditer(text, *found.span())]
        between = [text[a + 1 : b] for a, b in itertools.pairwise(places)]
        common = max(dict.fromkeys(between), key=between.count)
        start = 0
        for end in range(1, len(places) + 1):
            if end < len(places) and between[end - 1] == common:
                continue  # another separator than between the letters stands between words
            left -= end - start
            letters = "".join(text[place] for place in places[start:end])
            breaks = _breaks(letters) if left > 0 else frozenset()
            for nth in range(start, end - 1):
                yield places[nth] + 1, places[nth + 1], " " if nth - start + 1 in breaks else ""
            if end < len(places):
                yield places[end - 1] + 1, places[end], " "
            start = end


_SPACED = re.compile(r"(?<![^\W_])[^\W_](?:[\W_]{1,3}[^\W_](?![^\W_])){4,}")
_LETTER = re.compile(r"[^\W_]")


def _parted(text: str, words: Sequence[str]) -> Iterator[Edit]:
    """Put words that run together apart."""
    at, left = 0, _MOST_LETTERS
    for word in words:
        if len(word) < _LONG or not word.isascii() or not word.isalpha():
            continue
        found = text.find(word, at)
        left -= len(word)
        if found < 0 or left < 0:
            return
        for place in sorted(_breaks(word)):
            yield found + place, found + place, " "
        at = found + len(word)


def _breaks(letters: str) -> frozenset[int]:
    """Where words begin inside *letters*: the cheapest way to write them in common words."""
    known = _word_costs()
    if letters in known:
        return frozenset()
    costs, back = [0.0], [0]
    for end in range(1, len(letters) + 1):
        cost, begin = costs[-1] + _STRANGE, end - 1
        for start in range(max(end - 20, 0), end):
            word = known.get(letters[start:end])
            if word is not None and costs[start] + word < cost:
                cost, begin = costs[start] + word, start
        costs.append(cost)
        back.append(begin)
    if len(letters) * 2.5 <= costs[-1]:
        return frozenset()  # it is no row of common words
    breaks, end, after = [], len(letters), False
    while end > 0:
        start = back[end]
        strange = end - start == 1 and costs[end] == costs[start] + _STRANGE
        if end < len(letters) and not (strange and after):
            breaks.append(end)
        end, after = start, strange
    return frozenset(breaks)


_STRANGE = 7.0
"""What a letter costs that belongs to no common word."""


@functools.cache
def _word_costs() -> dict[str, float]:
    return {word: math.log(rank + 3) + 1 for word, rank in common_words().items()}


def _has_leet(text: str, words: Sequence[str], digits: Sequence[tuple[int, int]] | None) -> bool:
    """Whether digits and signs may stand for letters; *digits* are the groups of them, where at hand."""
    if digits is not None and len(digits) <= _FEW and text.isascii():
        beside = "".join([text[start - 1 : start] + text[end : end + 1] for start, end in digits])
        signs = sum(text.count(sign) for sign in "@$|!" if sign in text)
        if signs <= 2 and not any(map(str.isalpha, beside)):
            return False  # with few signs, a letter must stand beside a digit
    known = text.encode("ascii", "replace")
    marks = known.translate(None, _NO_LEET)
    if len(marks) < 3:
        return False
    shape = known.translate(_AS_LEET)
    signs = len(marks.translate(None, b"013457"))
    if signs <= 2 and text.isascii() and _MIXED.search(shape) is None:
        return False
    if b"1a" not in shape and b"!a" not in shape:
        return False
    if signs > 2:
        return True
    mixed = [word for word in words if not word.isalpha() and not word.isdigit()]
    return len(mixed) > 1 and (signs > 0 or sum(_spelled(word) is not None for word in mixed) > 1)


_FEW = 50
"""Of more groups of digits than this, the engine of patterns is quicker to find one beside a letter."""
_NO_LEET = bytes(code for code in range(256) if code not in b"013457@$|!")
_AS_LEET = bytes(
    ord("a" if "a" <= char <= "z" else "1" if "0" <= char <= "9" else "!" if char in "@$|!+" else " ")
    for char in map(chr, range(256))
)
"""What is a letter, what is a digit, and what else may stand for a letter."""
_MIXED = re.compile(rb"1(?:(?=a)|(?<=a1))")
"""A digit beside a letter: the engine skips to the digit."""


def _unleeted(text: str) -> Iterator[Edit]:
    """Words in which digits and signs stand for letters."""
    for found in _LEET.finditer(text):
        word = found.group().rstrip("!")
        if not word.isalpha() and (spelled := _spelled(word)) is not None:
            yield found.start(), found.start() + len(word), spelled


def _spelled(word: str) -> str | None:
    """The common word that *word* is, with letters for its digits and signs."""
    if word.isdigit() or len(word) > 24:
        return None
    ranks = common_words()
    return next((spelled for spelled in _spellings(word) if spelled in ranks), None)


_LEET = re.compile(r"(?<![a-z0-9@$])[a-z0-9@$!|+]{2,}(?![a-z0-9@$])")
_LEET_LETTERS = str.maketrans("023456789@$+", "ozeasgtbgast")


def _spellings(word: str) -> Iterator[str]:
    """A word with letters for its digits. One, bars and exclamation marks are an i or an l."""
    shape = word.translate(_LEET_LETTERS).replace("!", "1").replace("|", "1")
    unsure = shape.count("1")
    if unsure > 4:
        return
    for letters in itertools.product("il", repeat=unsure):
        filled = iter(letters)
        yield "".join(next(filled) if char == "1" else char for char in shape)


# --- turned around ----------------------------------------------------------------------------------


_WORD = re.compile(r"[^\W_]+")


def _turned(reading: Reading, words: Sequence[str]) -> Iterator[Reading]:
    """The text in ROT13 and backwards, where that makes words of what is none."""
    ranks = common_words()
    rare = [word for word in words if word not in ranks and len(word) > 2]
    if len(rare) < 3:
        return
    strange = " ".join(rare)
    if _makes_words(strange.translate(ROT13).split()):
        yield reading.then(Reading(reading.text.translate(ROT13)))
    if _makes_words(strange[::-1].split()):
        end = len(reading.text)
        yield reading.then(Reading(reading.text[::-1], lambda start, stop: (end - stop, end - start)))
        yield reading.then(
            replaced(
                reading.text,
                [(*found.span(), found.group()[::-1]) for found in _WORD.finditer(reading.text)],
            )
        )


@functools.cache
def _turned_words() -> frozenset[str]:
    """What common words are in ROT13 and backwards, where that is not a common word again."""
    ranks = common_words()
    turned = {shown for word in ranks for shown in (word.translate(ROT13), word[::-1])}
    return frozenset(word for word in turned - ranks.keys() if len(word) > 2)


def _makes_words(turned: list[str]) -> bool:
    ranks = common_words()
    known = [len(word) for word in turned if word in ranks]
    return len(known) >= 3 and sum(known) >= 14
