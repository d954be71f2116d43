"""Where in strict JSON its values stand."""

from __future__ import annotations

import re
from dataclasses import dataclass

from guardrails_lite.schemas.problems import Pointer
from guardrails_lite.schemas.reading import unquote

_TOKEN = re.compile(r'[ \t\r\n]*([\[\]{},:]|"(?:[^"\\]|\\.)*"|[^\s\[\]{},:"]+)', re.DOTALL)
"""One token of a text that is known to be strict JSON."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where a value stands in a text."""

    start: int
    end: int
    key_start: int
    """Where its property begins; the value's own start in an array."""


def spans(text: str, wanted: set[Pointer]) -> dict[Pointer, Span]:
    """Where in *text*, which `read` has accepted, the values at some places stand."""
    found: dict[Pointer, Span] = {}
    pointer: list[str | int] = []
    opened: list[tuple[Pointer | None, int, int]] = []
    key_next = False
    key_start = -1
    depths = {len(place) for place in wanted}
    for match in _TOKEN.finditer(text):
        token = match.group(1)
        start, end = match.span(1)
        first = token[0]
        name = pointer[-1] if pointer else None
        if first == ",":
            if isinstance(name, int):
                pointer[-1] = name + 1
            else:
                key_next = True
        elif first in "]}":
            pointer.pop()
            place, opened_at, key_start = opened.pop()
            if place in wanted:
                found[place] = Span(opened_at, end, key_start)
            key_next = False
        elif key_next:
            pointer[-1] = unquote(token)
            key_start = start
            key_next = False
        elif first in "[{":
            place = tuple(pointer) if len(pointer) in depths else None
            opened.append((place, start, key_start if isinstance(name, str) else start))
            pointer.append("" if first == "{" else 0)
            key_next = first == "{"
        elif first != ":" and len(pointer) in depths and tuple(pointer) in wanted:
            found[tuple(pointer)] = Span(start, end, key_start if isinstance(name, str) else start)
    return found
