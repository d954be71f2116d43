"""Taint: text of an untrusted tool result that reappears in the arguments of a tool that writes.

What a page or a mail says must not choose what is sent, paid or deleted. Which results are written by
strangers is declared (``tool(read_page, untrusted=True)``), so this asks no detector and guesses nothing:
arguments are *tainted* if they repeat a run of such a result, or name something (an address, a link, a
number) that stands there, unless the user or the system has written it too. Letters and digits are compared,
so case, spaces, punctuation and widths hide nothing. A translation, a paraphrase or an encoding is no repeat.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from guardrails_lite._messages import Message
from guardrails_lite._messages._texts import pieces_of

RUN = 20
"""So many letters and digits in a row are a repeat: three or four words."""
NAME = 6
"""So many are a name, where they are a whole argument that has a digit, an ``@`` or a slash."""
_TRUSTED = frozenset({"system", "developer", "user"})


def is_tainted(arguments: Any, messages: Sequence[Message], untrusted: Collection[int]) -> bool:
    """Whether *arguments* repeat what the messages at the *untrusted* places say and no trusted one does.

    It takes time in proportion to the lengths of the arguments and of the messages.
    """
    texts = [(text, _letters(text)) for text in _texts(arguments)]
    names = {said for text, said in texts if NAME <= len(said) < RUN and _IS_NAME.search(text)}
    runs = {said[at : at + RUN] for _, said in texts for at in range(len(said) - RUN + 1)}
    if not names and not runs:
        return False
    pieces, _ = pieces_of(messages)
    told = "\0".join([_letters(piece.text) for piece in pieces if piece.message in untrusted])
    shared = _shared(names, runs, told)
    if not shared:
        return False
    known = "\0".join([_letters(piece.text) for piece in pieces if piece.role in _TRUSTED])
    return bool(shared - _shared(names, runs, known))


def _shared(names: set[str], runs: set[str], text: str) -> set[str]:
    """Those of the names and runs that stand in *text*."""
    shared = {name for name in names if name in text}
    if runs:
        shared.update(run for at in range(len(text) - RUN + 1) if (run := text[at : at + RUN]) in runs)
    return shared


_IS_NAME = re.compile(r"[\d@/]")


def _letters(text: str) -> str:
    """The letters and digits of a text, in one case and width."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return "".join(_ALNUM.findall(text.casefold()))


_ALNUM = re.compile(r"[^\W_]+")


def _texts(value: Any) -> Iterator[str]:
    """Every text and number in *value*, the keys of objects too."""
    left = [value]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left += (*value, *value.values())
        elif isinstance(value, list):
            left += value
        elif isinstance(value, str):
            yield value
        elif type(value) in (int, float):
            yield str(value)
