"""Where a continuation is joined to the text that it goes on from.

A model that is asked to go on with a text should begin with the very next character. Many repeat something
first: the word that was cut, the last sentence, or the whole text. What is repeated is cut off, by a rule
that looks at the two texts only, so that the joined text never depends on how the continuation was streamed.

The *overlap* is the longest beginning of the continuation with which the text ends, if it is

- the whole text, or
- the letters of the word that the text breaks off in, two or more, or
- at least 16 characters: what is shorter, such as a bracket and a line break, may well come twice.

A continuation without an overlap that begins like the text itself, for 32 characters or for half of a
shorter text, has begun the reply again in other words. It does not fit.
"""

from __future__ import annotations

import re

_OVERLAP_CHARS = 16
"""Fewer characters than these are not taken for a repetition."""
_REACH_CHARS = 4_000
"""How far from its end the text is searched for what is repeated, unless all of it is."""
_SAME_CHARS = 32
"""This many characters like those of the beginning are a new beginning."""
_WORD = re.compile(r"\w\w+\Z")


class Misfit(Exception):
    """A continuation that does not continue. Says nothing of either text."""


class Seam:
    """The joint between a text and its continuation, which comes in pieces."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tail = text[-_REACH_CHARS:]
        word = _WORD.search(self._tail)
        self._word = "" if word is None else word[0]
        self._came = ""
        self.overlap: int | None = None
        """How many characters were repeated; None until that is known."""

    def feed(self, piece: str) -> str:
        """Take more of the continuation; return what of it is new.

        Raises:
            Misfit: it begins the text again, in other words.
        """
        if self.overlap is not None:
            return piece
        self._came += piece
        return "" if self._may_repeat_more() else self._decided()

    def finish(self) -> str:
        """The continuation has ended: return the rest of what is new.

        Raises:
            Misfit: it begins the text again, in other words.
        """
        return "" if self.overlap is not None else self._decided()

    def _may_repeat_more(self) -> bool:
        """Whether more of the continuation could still make the overlap longer."""
        came, tail = self._came, self._tail
        if len(came) < len(self._text) and self._text.startswith(came):
            return True
        if len(came) < len(self._word) and self._word.startswith(came):
            return True
        return -1 < tail.find(came) < min(len(tail) - len(came), len(tail) - _OVERLAP_CHARS + 1)

    def _decided(self) -> str:
        came, text = self._came, self._text
        self._came = ""
        overlap = self._overlap_of(came)
        if not overlap and _shared(came, text) >= min(_SAME_CHARS, max(8, len(text) // 2)):
            raise Misfit
        self.overlap = overlap
        return came[overlap:]

    def _overlap_of(self, came: str) -> int:
        if came.startswith(self._text):
            return len(self._text)
        for length in range(min(len(came), len(self._tail)), _OVERLAP_CHARS - 1, -1):
            if self._tail.endswith(came[:length]):
                return length
        return len(self._word) if self._word and came.startswith(self._word) else 0


def _shared(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    longest = min(len(one), len(other))
    return next((at for at in range(longest) if one[at] != other[at]), longest)
