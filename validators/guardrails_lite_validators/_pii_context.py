"""The words beside a value: what tells an identity number from any other number.

Whole words only ("public" holds no "lic"), within about six words before a value and three after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from guardrails_lite_validators._wording import words_of

BEFORE, AFTER = 48, 24
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Words:
    """Words that make a kind likely, in several languages."""

    single: frozenset[str]
    phrases: tuple[str, ...]
    unspaced: tuple[str, ...]
    """Phrases with other letters than ASCII's, and words of languages that put no spaces between words."""


def words(told: str) -> Words:
    """Read a list that is separated by commas. Case does not matter."""
    listed = [word.strip().lower() for word in told.split(",") if word.strip()]
    single = frozenset(word for word in listed if _WORD.fullmatch(word) and not _is_unspaced(word))
    phrases = [word for word in listed if word not in single]
    return Words(
        single,
        tuple(phrase for phrase in phrases if phrase.isascii()),
        tuple(phrase for phrase in phrases if not phrase.isascii()),
    )


def _is_unspaced(word: str) -> bool:
    return word[0] >= "\u2e80"


class Around:
    """What stands around one value."""

    __slots__ = ("_lowered", "_words")

    def __init__(self, text: str, start: int, end: int) -> None:
        first, last = max(start - BEFORE, 0), min(end + AFTER, len(text))
        before, after = text[first:start], text[end:last]
        if first and text[first - 1].isalnum():
            before = _without_first(before)
        if last < len(text) and text[last].isalnum():
            after = _without_first(after[::-1])[::-1]
        self._lowered = f"{before} \n {after}".lower()
        self._words: list[str] | None = None

    def has(self, words: Words) -> bool:
        """Whether one of the words or phrases stands there."""
        if self._words is None:
            self._words = words_of(self._lowered)
        if not words.single.isdisjoint(self._words):
            return True
        lowered = self._lowered
        for phrase in words.phrases if lowered.isascii() else words.phrases + words.unspaced:
            if phrase in lowered:
                return True
        return False


def _without_first(part: str) -> str:
    """Leave out a word that may have been cut."""
    cut = _WORD.match(part)
    return part[cut.end() :] if cut is not None else part
