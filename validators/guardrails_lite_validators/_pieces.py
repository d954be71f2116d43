"""Where a text has long pieces between blanks, and where groups of digits: `Pieces` looks once for each.

With every character of one sort turned into one and the same, a row of them is found without a step of
Python for each letter. Bytes make that quick; the long pieces of text that is not in ASCII are split.
"""

from __future__ import annotations

from collections.abc import Iterator

from guardrails_lite._sharing import shared

_BLANK = 32


LONG = 12


def pieces_of(text: str) -> Pieces:
    """The pieces of *text*, shared by the validators that look at it together."""
    return shared(text, Pieces)


class Pieces:
    """What more than one question about a text begins with, each looked for when it is first asked for."""

    __slots__ = ("_digits", "_long", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._digits: list[tuple[int, int]] | None = None
        self._long: list[tuple[int, int]] | None = None

    @property
    def digits(self) -> list[tuple[int, int]]:
        """The `digit_groups`."""
        if self._digits is None:
            self._digits = digit_groups(self.text)
        return self._digits

    @property
    def long(self) -> list[tuple[int, int]]:
        """The `long_pieces`, of `LONG` characters and more."""
        if self._long is None:
            self._long = long_pieces(self.text, LONG)
        return self._long


def long_pieces(text: str, least: int) -> list[tuple[int, int]]:
    """Start and end of each piece without blanks that has so many characters, from left to right."""
    if not text.isascii():
        return list(_in_any_script(text, least))
    shown, row = text.encode("ascii").translate(_SHOWN), b"a" * least
    pieces = []
    start = shown.find(row)
    while start >= 0:
        end = shown.find(b" ", start + least)
        if end < 0:
            end = len(shown)
        pieces.append((start, end))
        start = shown.find(row, end)
    return pieces


_SHOWN = bytes(_BLANK if chr(code).isspace() else 97 for code in range(128)) + bytes(128)


def _in_any_script(text: str, least: int) -> Iterator[tuple[int, int]]:
    at = 0
    for piece in text.split():
        if len(piece) >= least:
            at = text.index(piece, at)
            yield at, at + len(piece)
            at += len(piece)


def digit_groups(text: str) -> list[tuple[int, int]]:
    """Start and end of each group of the digits 0 to 9, from left to right."""
    shown = text.encode("ascii", "replace").translate(_AS_DIGITS)  # any other character is one byte, too
    groups = []
    start = shown.find(b"0")
    while start >= 0:
        end = shown.find(b" ", start)
        if end < 0:
            end = len(shown)
        groups.append((start, end))
        start = shown.find(b"0", end)
    return groups


_AS_DIGITS = bytes(48 if 48 <= code < 58 else _BLANK for code in range(256))
