"""`competitors`: names of companies and products, also where they are written a little differently."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from guardrails_lite import ConfigError, Finding, Validator, validator
from guardrails_lite_validators._keywords import tuple_of_words
from guardrails_lite_validators._spans import every_match, outermost

_BETWEEN = r"[\s\-\u2010\u2011._]{0,2}"
_ENDING = r"(?:['\u2019]s?|s['\u2019])?"


def competitors(names: Iterable[str], /, *, also_words: Iterable[str] = ()) -> Validator:
    """Find names of companies and products.

    A name of several words is found with spaces, hyphens or nothing between them ("Coca-Cola",
    "CocaCola"), in any case, and with a genitive ending, which the finding covers.

    Args:
        names: The names.
        also_words: Names that are ordinary words too, such as "Apple" or "Target": they count only as you
            write them, with their capitals.

    Raises:
        ConfigError: no names, an empty one, one of signs only, or a single string.
    """
    listed = tuple_of_words("competitors", "names", names)
    words = tuple_of_words("competitors", "also_words", also_words) if also_words else ()
    for name in (*listed, *words):
        if not re.search(r"\w", name):
            raise ConfigError(f"{name!r} of competitors(...) has no letter or digit, so it is not a name")
    exact = frozenset(words)
    anyhow = _pattern([name for name in listed if name not in exact], re.IGNORECASE)
    as_written = _pattern(words, 0)
    longest = max(3 * len(name) for name in (*listed, *words))  # two signs after each word
    params = {"names": list(listed)} | ({"also_words": list(words)} if words else {})

    @validator(
        name="competitors",
        window=longest + 4,
        params=params,
        private=params,
    )
    def find(text: str) -> Iterator[Finding]:
        yield from outermost(
            Finding("names a competitor", span=found.span(), category="COMPETITOR")
            for pattern in (anyhow, as_written)
            if pattern is not None
            for found in every_match(pattern, text)
        )

    return find


def _pattern(names: Iterable[str], flags: int) -> re.Pattern[str] | None:
    ordered = sorted(set(names), key=lambda name: (-len(name), name))
    body = "|".join(
        _BETWEEN.join(map(re.escape, re.split(r"[\s\-._]+", name.strip().strip("-._")))) for name in ordered
    )
    return re.compile(rf"(?<!\w)(?:{body}){_ENDING}(?!\w)", flags) if body else None
