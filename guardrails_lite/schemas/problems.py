"""What is wrong with a reply, and what was changed in it, without a word of the reply.

A problem names a place and an expectation. Both come from the schema: values never appear, and
neither do property names that the schema does not declare, because those are the reply's own text.
Where such a name is part of a place, its position stands in for it (``$.scores[key 3]``); undeclared
properties are counted at the object that holds them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

Code = Literal[
    "not json",
    "no json",
    "several values",
    "cut off",
    "too large",
    "too deep",
    "duplicate key",
    "not finite",
    "lone surrogate",
    "lossy repair",
    "missing",
    "undeclared",
    "wrong type",
    "out of range",
    "wrong length",
    "not allowed",
    "wrong format",
    "wrong pattern",
    "not unique",
    "no branch",
    "refused by the model",
    "not decidable",
]
"""The closed set of what can be wrong."""

CODES: frozenset[str] = frozenset(get_args(Code))

EditKind = Literal[
    "byte order mark",
    "reasoning",
    "fence",
    "prose",
    "bare text",
    "comment",
    "trailing comma",
    "missing comma",
    "quotes",
    "inner quote",
    "unquoted key",
    "python literal",
    "number form",
    "control character",
    "escape",
    "repeated member",
    "double encoding",
    "string to number",
    "string to boolean",
    "number to integer",
    "white space",
    "wrapper",
    "null for absent",
    "big integer",
]
"""The closed set of what is done to a reply before it is checked."""

NOTES: frozenset[str] = frozenset({"wrapper", "null for absent", "big integer"})
"""Kinds that change nothing: they record a decision that a reviewer may want to see."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SEGMENT = re.compile(r'\.([A-Za-z_][A-Za-z0-9_]*)|\[(\d+)\]|\[key (\d+)\]|\[("(?:[^"\\]|\\.)*")\]')

Pointer = tuple[str | int, ...]
"""A place in a JSON value as keys and indices: for internal use, since keys may be the reply's."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One way in which a reply is not what was declared."""

    path: str
    """Where, such as ``$.items[2].total``; ``$`` is the whole value."""
    expectation: str
    """What was expected there, in the schema's own terms, such as ``a number >= 0``."""
    code: Code
    """Of what kind it is."""

    def __str__(self) -> str:
        return f"{self.path}: {self.expectation}"


@dataclass(frozen=True, slots=True)
class Edit:
    """One change made to a reply so that it could be read, or one decision worth recording."""

    kind: EditKind
    """What was changed."""
    offset: int
    """Where in the reply's text, in characters."""
    lossless: bool = True
    """Whether the change can have cost nothing. A lossy one is a guess at what was meant."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """The verdict on one text."""

    value: object = field(default=None, repr=False)
    """The typed value; None unless `ok`."""
    json: object = field(default=None, repr=False)
    """The same as plain JSON; also there when it was read but does not fit the schema."""
    problems: tuple[Problem, ...] = ()
    """What is wrong; empty when `ok`."""
    edits: tuple[Edit, ...] = ()
    """The ledger of what was changed before the value was accepted or refused."""

    @property
    def ok(self) -> bool:
        """Whether the value may be used."""
        return not self.problems

    @property
    def repaired(self) -> bool:
        """Whether the reply had to be changed to be read."""
        return any(edit.kind not in NOTES for edit in self.edits)


_SLOTS = tuple(vars(Parsed)[name].__set__ for name in ("value", "json", "problems", "edits"))


def accepted(value: object, plain: object, edits: tuple[Edit, ...]) -> Parsed:
    """A verdict without problems, past the constructor, which costs as much as checking a small reply."""
    parsed = object.__new__(Parsed)
    set_value, set_json, set_problems, set_edits = _SLOTS
    set_value(parsed, value)
    set_json(parsed, plain)
    set_problems(parsed, ())
    set_edits(parsed, edits)
    return parsed


def step(name: str | int) -> str:
    """One step of a path, for a declared name or an index."""
    if isinstance(name, int):
        return f"[{name}]"
    return f".{name}" if _NAME.match(name) else f"[{json.dumps(name)}]"


def pointer_of(path: str, value: object) -> Pointer | None:
    """The place in *value* that a problem's path names; None where the path does not fit the value."""
    pointer: list[str | int] = []
    at = 1
    while at < len(path):
        match = _SEGMENT.match(path, at)
        if match is None:
            return None
        at = match.end()
        name, index, key, quoted = match.groups()
        found: str | int
        if index is not None:
            found = int(index)
        elif key is not None:
            if not isinstance(value, dict) or int(key) >= len(value):
                return None
            found = list(value)[int(key)]
        else:
            found = name if name is not None else json.loads(quoted)
        pointer.append(found)
        value = child(value, found)
    return tuple(pointer)


def child(value: object, name: str | int) -> object:
    """What *value* holds under *name*; None where it holds nothing."""
    if isinstance(value, dict):
        return value.get(name)
    if isinstance(value, list) and isinstance(name, int) and 0 <= name < len(value):
        return value[name]
    return None


def feedback(problems: Iterable[Problem], *, limit_bytes: int = 2000) -> str:
    """The problems as lines of ``path: expectation`` that a model can act on.

    The same place and expectation is told once. What does not fit *limit_bytes* (of UTF-8) is counted in a
    last line, so the size is bounded whatever the reply was.
    """
    lines = list(dict.fromkeys(str(problem) for problem in problems))
    kept: list[str] = []
    left = limit_bytes
    for number, line in enumerate(lines):
        size = len(line.encode()) + 1
        rest = len(lines) - number
        reserve = len(_more(rest).encode()) if rest > 1 else 0
        if size + reserve > left:
            more = _more(rest)
            return "\n".join([*kept, more]) if len(more) <= left else "\n".join(kept)
        kept.append(line)
        left -= size
    return "\n".join(kept)


def _more(count: int) -> str:
    return f"and {count} more problem{'s' if count > 1 else ''}"


def fingerprint(problems: Iterable[Problem]) -> str:
    """Names a set of problems: equal for the same set in any order, so that a loop can stop."""
    lines = sorted({f"{problem.code}\0{problem.path}\0{problem.expectation}" for problem in problems})
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
