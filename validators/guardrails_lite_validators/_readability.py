"""`readability`: text that is harder to read than its readers should find it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from guardrails_lite import ConfigError, Finding, Validator, validator

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_SENTENCE_END = re.compile(r"(?<![.!?\u2026。！？])[.!?\u2026。！？]++(?=\s|$)|\n\s*\n")
_VOWELS = re.compile("[aeiouy]+")
FEWEST_WORDS = 20


def readability(
    *, max_grade: float | None = None, max_lix: float | None = None, max_sentence_words: int | None = None
) -> Validator:
    """Find text that is too hard to read. A text of fewer than 20 words is not judged.

    Args:
        max_grade: The highest school grade by Flesch and Kincaid (1975), for English. 8 is plain.
        max_lix: The highest index by Björnsson (1968), for any language with spaces. 40 is plain, 60 hard.
        max_sentence_words: The most words a sentence may have, on average.

    Raises:
        ConfigError: no limit, or one that is not more than 0.
    """
    limits = {
        name: value
        for name, value in (
            ("max_grade", max_grade),
            ("max_lix", max_lix),
            ("max_sentence_words", max_sentence_words),
        )
        if value is not None
    }
    if not limits:
        raise ConfigError("readability() needs a limit, such as readability(max_grade=9)")
    for name, value in limits.items():
        if not value > 0:
            raise ConfigError(f"{name}={value!r} of readability(...) must be more than 0")

    @validator(name="readability", params=limits)
    def find(text: str) -> Iterator[Finding]:
        words = _WORD.findall(text)
        if len(words) < FEWEST_WORDS:
            return
        per_sentence = len(words) / max(len(_sentences(text)), 1)
        if max_sentence_words is not None and per_sentence > max_sentence_words:
            yield Finding("has longer sentences than allowed", category="READABILITY")
        if (max_lix is not None and per_sentence + 100 * _share_of_long(words) > max_lix) or (
            max_grade is not None and grade(words, per_sentence) > max_grade
        ):
            yield Finding("is harder to read than allowed", category="READABILITY")

    return find


def _sentences(text: str) -> list[str]:
    return [part for part in _SENTENCE_END.split(text) if _WORD.search(part)]


def _share_of_long(words: list[str]) -> float:
    return sum(len(word) > 6 for word in words) / len(words)


def grade(words: list[str], per_sentence: float) -> float:
    """Flesch and Kincaid's grade."""
    return 0.39 * per_sentence + 11.8 * sum(map(syllables, words)) / len(words) - 15.59


def syllables(word: str) -> int:
    """How many syllables an English word has, by its groups of vowels."""
    lowered = word.lower()
    count = len(_VOWELS.findall(lowered))
    if lowered.endswith("e") and not lowered.endswith(("le", "ee")) and count > 1:
        count -= 1
    return max(count, 1)
