"""`keywords`: words and phrases of a list."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from guardrails_lite import ConfigError, Finding, Validator, validator
from guardrails_lite_validators._spans import every_match, outermost


def keywords(
    words: Iterable[str],
    /,
    *,
    category: str | None = None,
    match: str = "word",
    case: str = "ignore",
) -> Validator:
    """Find words and phrases of a list.

    A space in a phrase stands for any run of up to three blanks or line breaks.

    Args:
        words: What to look for, literally.
        category: The category of the findings; a redaction then reads ``[CATEGORY]``.
        match: ``"word"``: not inside a longer word. ``"anywhere"``: also inside one.
        case: ``"ignore"`` or ``"exact"``.

    Raises:
        ConfigError: no words, an empty word, a single string, or an unknown option.
    """
    listed = tuple_of_words("keywords", "words", words)
    if match not in ("word", "anywhere"):
        raise ConfigError(f"match={match!r} of keywords(...) must be 'word' or 'anywhere'")
    if case not in ("ignore", "exact"):
        raise ConfigError(f"case={case!r} of keywords(...) must be 'ignore' or 'exact'")
    pattern = word_pattern(listed, whole=match == "word", ignore_case=case == "ignore")
    given = {"words": list(listed), "category": category, "match": match, "case": case}
    defaults = {"category": None, "match": "word", "case": "ignore"}

    @validator(
        name="keywords",
        window=word_window(listed),
        params={key: value for key, value in given.items() if value != defaults.get(key, ...)},
        private={"words": listed},
    )
    def find(text: str) -> Iterator[Finding]:
        yield from outermost(
            Finding("contains a listed word", span=found.span(), category=category)
            for found in every_match(pattern, text)
        )

    return find


def tuple_of_words(function: str, parameter: str, words: Iterable[str]) -> tuple[str, ...]:
    """Check a list of words given by a user."""
    if isinstance(words, str):
        raise ConfigError(
            f"{parameter} of {function}(...) is a single string, {words!r}; expected a list of strings. "
            "Put it in brackets."
        )
    listed = tuple(words)
    if not listed or not all(isinstance(word, str) and word.strip() for word in listed):
        raise ConfigError(f"{parameter} of {function}(...) must be a list of strings, none of them empty")
    return listed


def word_pattern(words: Iterable[str], *, whole: bool = True, ignore_case: bool = True) -> re.Pattern[str]:
    """One pattern for all words, the longest first, so that each start yields its longest match."""
    ordered = sorted(set(words), key=lambda word: (-len(word), word))
    body = "|".join(r"\s{1,3}".join(map(re.escape, word.split())) for word in ordered)
    flags = re.IGNORECASE if ignore_case else 0
    return re.compile(rf"(?<!\w)(?:{body})(?!\w)" if whole else f"(?:{body})", flags)


def word_window(words: Iterable[str]) -> int:
    """The longest of the words with its widest blanks, and a character on either side."""
    return max(len(word) + 2 * len(word.split()) for word in words) + 2
