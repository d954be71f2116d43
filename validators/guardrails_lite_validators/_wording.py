"""A text in lower case as the words it consists of, and where each of them stands.

Whatever asks for words asks here, so that a text is taken apart once. In ASCII, which most of a chat is,
a copy of the text that has blanks for all but letters and digits is searched for a word as a whole;
elsewhere each place is looked at on both sides.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Set
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Wording:
    """A text and its words: runs of letters and digits."""

    text: str
    words: list[str] = field(repr=False)
    """In order."""
    said: frozenset[str] = field(repr=False)
    """The same words, each once."""
    pairs: Set[tuple[str, str]] = field(repr=False)
    """Each two words in a row, once."""
    _apart: bytes | None = field(repr=False)
    """A text in ASCII with blanks for all but letters and digits, and a blank on either side."""

    def places(self, word: str) -> list[int]:
        """Where *word* begins, each time it is said."""
        apart = self._apart
        if apart is None:
            return list(_places(self.text, word))
        sought = f" {word} ".encode()
        at = apart.find(sought)
        found = []
        while at >= 0:
            found.append(at)
            at = apart.find(sought, at + len(sought) - 1)
        return found


def wording_of(text: str) -> Wording:
    """Take *text* apart into words."""
    if text.isascii():
        apart = text.encode("ascii").translate(_AS_WORDS)
        words = apart.decode("ascii").split()
        return Wording(text, words, frozenset(words), set(itertools.pairwise(words)), b" %b " % apart)
    words = _WORD.findall(text)
    return Wording(text, words, frozenset(words), set(itertools.pairwise(words)), None)


def words_of(text: str) -> list[str]:
    """The words of a text alone."""
    if text.isascii():
        return text.encode("ascii").translate(_AS_WORDS).decode("ascii").split()
    return _WORD.findall(text)


_WORD = re.compile(r"[^\W_]+")
_AS_WORDS = bytes(code if code < 128 and chr(code).isalnum() else 32 for code in range(256))


def _places(text: str, word: str) -> Iterator[int]:
    at = text.find(word)
    while at >= 0:
        end = at + len(word)
        if not (text[at - 1 : at].isalnum() or text[end : end + 1].isalnum()):
            yield at
        at = text.find(word, end)
