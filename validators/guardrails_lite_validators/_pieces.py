"""The long pieces of a text that stand between blanks: keys, addresses and encoded text are such pieces.

Most words are short, so the long pieces are looked for rather than picked out of all: with every visible
character turned into one and the same, a row of it is found without a step of Python for each word.
"""

from __future__ import annotations

from collections.abc import Iterator

_BLANK = 32
_SHOWN = bytes(_BLANK if chr(code).isspace() else 97 for code in range(128)) + bytes(128)


def long_pieces(text: str, least: int) -> Iterator[tuple[int, int]]:
    """Start and end of each piece without blanks that has so many characters, from left to right."""
    if not text.isascii():
        yield from _in_any_script(text, least)
        return
    shown, row = text.encode("ascii").translate(_SHOWN), b"a" * least
    start = shown.find(row)
    while start >= 0:
        end = shown.find(b" ", start + least)
        if end < 0:
            end = len(shown)
        yield start, end
        start = shown.find(row, end)


def _in_any_script(text: str, least: int) -> Iterator[tuple[int, int]]:
    at = 0
    for piece in text.split():
        if len(piece) >= least:
            at = text.index(piece, at)
            yield at, at + len(piece)
            at += len(piece)
