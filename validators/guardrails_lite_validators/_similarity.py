"""`similarity`: text that repeats an earlier text or a document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from guardrails_lite import ConfigError, Finding, Validator, validator
from guardrails_lite_validators._keywords import tuple_of_words

_WORD = re.compile(r"[^\W_]+")


def similarity(texts: Iterable[str], /, *, threshold: float = 0.5, words: int = 5) -> Validator:
    """Find text that shares long runs of words with one of *texts*.

    The score is the share of the checked text's runs of words that also occur in the most similar of *texts*.
    Case, spacing and punctuation do not count; a paraphrase is not found.

    Args:
        texts: Documents that may not be copied, or answers that were given before.
        threshold: The share, from 0 to 1, from which it is reported.
        words: How many words make a run.

    Raises:
        ConfigError: no text with a run of words, or an option out of range.
    """
    given = tuple_of_words("similarity", "texts", texts)
    if not 0 <= threshold <= 1:
        raise ConfigError(f"threshold={threshold!r} of similarity(...) must be from 0 to 1")
    if isinstance(words, bool) or not isinstance(words, int) or words < 1:
        raise ConfigError(f"words={words!r} of similarity(...) must be a whole number, 1 or more")
    known = [runs for text in given if (runs := frozenset(_runs(text, words)))]
    if not known:
        raise ConfigError(f"texts of similarity(...) has no text of {words} words or more")

    @validator(
        name="similarity",
        params={"threshold": threshold, "words": words},
        private={"texts": given},
    )
    def find(text: str) -> Iterator[Finding]:
        runs = set(_runs(text, words))
        if not runs:
            return
        share = max(len(runs & each) for each in known) / len(runs)
        if share > 0 and share >= threshold:
            yield Finding("repeats another text", category="SIMILARITY", score=round(share, 3))

    return find


def _runs(text: str, words: int) -> Iterator[int]:
    folded = _WORD.findall(text.lower())
    for at in range(len(folded) - words + 1):
        yield hash(" ".join(folded[at : at + words]))
