"""Misspelt words of orders, and words as they are shortened in chats, written out.

Only a misspelt key word of an attack, or a word that is written so in chats alone, gives a text another
reading; a model reads such text as easily as a person does.
"""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Iterator, Mapping, Set
from types import MappingProxyType

from guardrails_lite_validators._common_words import common_words
from guardrails_lite_validators._fold import Edit, Reading, replaced

_KEYS = frozenset(
    {
        "answer", "disregard", "everything", "filter", "filters", "follow", "forget", "guidelines",
        "hidden", "ignore", "initial", "instruction", "instructions", "jailbreak", "limits", "message",
        "override", "passphrase", "password", "policy", "pretend", "previous", "prompt", "restriction",
        "restrictions", "reveal", "repeat", "safety", "secret", "system", "unfiltered", "uncensored",
        "unrestricted", "without",
    }
)  # fmt: skip
_OTHER_WORDS = frozenset(
    {
        "answers", "answered", "bidden", "fellow", "filer", "filler", "fitter", "follows", "forged",
        "forger", "forgets", "hollow", "ignored", "ignorer", "ignores", "instructional", "massage",
        "midden", "overrides", "passwords", "police", "portend", "precious", "pretends", "repent",
        "repents", "reveals", "revels", "ridden", "secrete", "systems", "withhold",
    }
)  # fmt: skip
"""Words of their own that are one letter from a key word, besides the `common_words`."""
_CHAT = MappingProxyType(
    {
        "u": "you", "ur": "your", "urself": "yourself", "plz": "please", "pls": "please", "teh": "the",
        "wats": "whats", "b4": "before", "gimme": "give me", "lemme": "let me", "wanna": "want to",
        "abt": "about", "msg": "message", "pw": "password", "sez": "says", "thru": "through", "tho":
        "though", "cuz": "because",
    }
)  # fmt: skip
_ALSO = MappingProxyType({"r": "are", "n": "and", "2": "to", "4": "for"})
"""Written out where one of the others is found."""
_WORD = re.compile(r"[^\W_]+")


def respelled(reading: Reading, said: Set[str]) -> Reading | None:
    """*reading*, whose words are *said*, with such words written out; None where it has none."""
    if _written_out().keys().isdisjoint(said):
        return None
    return reading.then(replaced(reading.text, _edits(reading.text)))


def _edits(text: str) -> Iterator[Edit]:
    table = _written_out()
    for found in _WORD.finditer(text):
        shown = table.get(found.group()) or _ALSO.get(found.group())
        if shown is not None:
            yield *found.span(), shown


@functools.cache
def _written_out() -> Mapping[str, str]:
    """What each such word stands for. In a misspelling, one letter is missing, added, replaced or swapped."""
    own = {*_KEYS, *_OTHER_WORDS, *common_words()}
    table = {typed: key for key in sorted(_KEYS) for typed in _typed(key) if typed not in own}
    return MappingProxyType(table | _CHAT)


def _typed(word: str) -> Iterator[str]:
    for at in range(len(word) + 1):
        head, tail = word[:at], word[at:]
        yield from (head + letter + tail for letter in string.ascii_lowercase)
        if tail:
            yield head + tail[1:]
            yield from (head + letter + tail[1:] for letter in string.ascii_lowercase)
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]
