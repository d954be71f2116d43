"""A text in lower case as the words it consists of, and where each of them stands.

Whatever asks for words asks here, so that a text is taken apart once. In ASCII, which most of a chat is,
a copy of the text that has blanks for all but letters and digits is searched for a word as a whole;
elsewhere each place is looked at on both sides.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Set


class Wording:
    """A text and its words: runs of letters and digits."""

    __slots__ = ("_apart", "_asked", "_paired", "_pairs", "said", "text", "words")

    def __init__(self, text: str, words: list[str], apart: bytes | None) -> None:
        self.text = text
        self.words = words
        """In order."""
        self.said = frozenset(words)
        """The same words, each once."""
        self._pairs: Set[tuple[str, str]] | None = None
        self._asked: frozenset[tuple[str, str]] | None = None
        self._paired: Set[tuple[str, str]] = frozenset()
        self._apart = apart
        """A text in ASCII with blanks for all but letters and digits, and a blank on either side."""

    @property
    def pairs(self) -> Set[tuple[str, str]]:
        """Each two words in a row, once; `paired` is quicker where a few are asked for."""
        if self._pairs is None:
            self._pairs = set(itertools.pairwise(self.words))
        return self._pairs

    def paired(self, asked: frozenset[tuple[str, str]]) -> Set[tuple[str, str]]:
        """Those of the pairs *asked* for that stand in a row. The last answer is kept."""
        if self._asked is not asked:
            self._asked, self._paired = asked, asked.intersection(itertools.pairwise(self.words))
        return self._paired

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
        return Wording(text, apart.decode("ascii").split(), b" %b " % apart)
    return Wording(text, _WORD.findall(text), None)


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
