"""Changes of form that cost nothing: ``"3"`` where an integer is declared, an object inside a string.

They are made on the text, at the places where the checker found a wrong type, only where the schema takes no
string and the string is exactly how the wanted value is written. Everything is then read and checked again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from guardrails_lite.schemas.defects import Defect
from guardrails_lite.schemas.outline import Outline
from guardrails_lite.schemas.problems import Edit, EditKind, Pointer
from guardrails_lite.schemas.reading import MAX_SAFE_INTEGER, Refused, read, unquote
from guardrails_lite.schemas.spans import Span, spans

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\Z")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,15})?\Z")
MAX_ROUNDS = 4
"""How often a text is changed and read again: a string in a string in a string."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A text whose forms were changed."""

    text: str
    edits: tuple[Edit, ...]
    """Offsets are in the text before the change."""


def fit(text: str, defects: Iterable[Defect], outline: Outline, *, under: Pointer = ()) -> Fitted | None:
    """Strict JSON *text* with the wrong types put right that can be; None where none can.

    Args:
        under: Where in the text the value is that the defects speak of.
    """
    places = {
        under + defect.pointer: defect.pointer
        for defect in defects
        if defect.code in ("wrong type", "not allowed")
    }
    if not places:
        return None
    changes: list[tuple[int, int, str, EditKind]] = []
    absent: list[Span] = []
    for place, span in spans(text, set(places)).items():
        token = text[span.start : span.end]
        pointer = places[place]
        types = outline.types(pointer)
        if token == "null":
            if (
                "null" not in types
                and pointer
                and isinstance(pointer[-1], str)
                and not outline.is_required(pointer)
            ):
                absent.append(span)
            continue
        change = _change(token, types)
        if change is not None:
            changes.append((span.start, span.end, *change))
    changes += [(start, end, "", "null for absent") for start, end in _members(text, absent)]
    if not changes:
        return None
    changes.sort()
    pieces: list[str] = []
    at = 0
    for start, end, new, _ in changes:
        pieces += [text[at:start], new]
        at = end
    pieces.append(text[at:])
    return Fitted("".join(pieces), tuple(Edit(kind, start) for start, _, _, kind in changes))


def _members(text: str, absent: list[Span]) -> list[tuple[int, int]]:
    """The ranges of whole members, each with one comma, so that what is left is JSON."""
    ranges: list[tuple[int, int]] = []
    for span in sorted(absent, key=lambda span: span.start):
        start, end = span.key_start, span.end
        after = _skip(text, end)
        if text[after] == ",":
            ranges.append((start, after + 1))
            continue
        # The last member takes the comma before it, which an earlier member may have taken already.
        while True:
            before = len(text[:start].rstrip()) - 1
            if text[before] == ",":
                if ranges and ranges[-1][1] == before + 1:
                    start = ranges.pop()[0]
                    continue
                start = before
            break
        ranges.append((start, end))
    return ranges


def _skip(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at


def _has_number(types: frozenset[str]) -> bool:
    return "integer" in types and "number" not in types


def _change(token: str, types: frozenset[str]) -> tuple[str, EditKind] | None:
    """How *token* is written in one of *types*."""
    if token[0] == '"':
        if "string" in types:
            return None
        return _unquoted(unquote(token), types)
    if _has_number(types) and token[0] in "-0123456789":
        number = float(token)
        if number.is_integer() and abs(number) <= MAX_SAFE_INTEGER and not token.lstrip("-").isdigit():
            return str(int(number)), "number to integer"
    return None


def _unquoted(inner: str, types: frozenset[str]) -> tuple[str, EditKind] | None:
    if ("integer" in types and _INTEGER.match(inner)) or ("number" in types and _NUMBER.match(inner)):
        return inner, "string to number"
    if "boolean" in types and inner in ("true", "false"):
        return inner, "string to boolean"
    stripped = inner.strip()
    if ("object" in types and stripped.startswith("{")) or ("array" in types and stripped.startswith("[")):
        try:
            read(stripped)
        except Refused:
            return None
        return stripped, "double encoding"
    return None
