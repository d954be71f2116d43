"""Labelled examples, and how they are read from JSON lines."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from guardrails_lite._rules import ROLES

Side = Literal["input", "output"]

BENIGN_LABELS = frozenset({"benign", "safe", "clean", "negative", "ok", "none", "false", "0", ""})
"""Words for a label that asks for no finding, in lower case; any other word names a kind."""


@dataclass(frozen=True, slots=True)
class Example:
    """A text, and whether something should be found in it."""

    text: str = field(repr=False)
    positive: bool
    """Something should be found."""
    kind: str = field(default="", kw_only=True)
    """What examples are grouped by: a kind of attack, an entity, a source."""
    role: str | None = field(default=None, kw_only=True)
    """Who says it; None: the user on the input, the assistant on the output."""
    spans: tuple[tuple[int, int, str], ...] = field(default=(), kw_only=True)
    """What should be found where in `text`: start, end, category."""
    side: Side | None = field(default=None, kw_only=True)
    """Whose rules apply; None: those of the side that is evaluated."""
    rule: str = field(default="", kw_only=True)
    """The rule that is right or wrong about it, as records tell it; empty: it is about all rules."""
    others: tuple[tuple[str | None, str], ...] = field(default=(), kw_only=True, repr=False)
    """More texts, each with its role: all of them are one example, in which it is not known which text is
    meant. A finding in any of them counts."""
    line: int = field(default=0, kw_only=True)
    """Where it was read; 0 where it was not read from a file."""

    @property
    def texts(self) -> tuple[tuple[str | None, str], ...]:
        """All its texts, each with its role."""
        return (*self.others, (self.role, self.text))


def read_examples(
    path: str | os.PathLike[str], *, text: str = "text", label: str = "label", kind: str | None = None
) -> Iterator[Example]:
    """Read examples from a file of JSON lines.

    A line is an object with a text and a label. The label is 1 or true where something should be found, 0,
    false or ``"benign"`` where nothing should; any other word means 1 and names the kind. A line may also
    have ``role``, ``spans``: a list of ``[start, end, category]``, ``side`` and ``rule``, and ``others``: a
    list of further texts, ``{"role": …, "text": …}``.

    Args:
        path: The file, in UTF-8.
        text: The field with the text.
        label: The field with the label. Without it, a line with spans is positive.
        kind: The field that examples are grouped by; default: ``kind``, else ``source``, else a word label.

    Raises:
        ValueError: a line that is no example; names the line, the field and what was expected.
        OSError: the file cannot be read.
    """
    with Path(path).open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError:
                raise ValueError(f"{path}:{number} is not JSON") from None
            if not isinstance(row, dict):
                raise ValueError(f"{path}:{number} is not a JSON object, but a {type(row).__name__}")
            try:
                yield _example(row, text, label, kind, number)
            except _UnfitError as error:
                raise ValueError(f"{path}:{number}: {error}") from None


class _UnfitError(Exception):
    """A row is no example, and why."""


def _example(row: Mapping[str, Any], text: str, label: str, kind: str | None, number: int) -> Example:
    said = row.get(text)
    if not isinstance(said, str):
        raise _UnfitError(f"the field {text!r} must hold a text; name another with --field")
    spans = _spans(row.get("spans", []), len(said))
    positive, word = _label(row, label, bool(spans) if "spans" in row else None)
    role = _role(row, "role")
    side, rule = row.get("side"), row.get("rule", "")
    if side not in (None, "input", "output"):
        raise _UnfitError("side must be 'input' or 'output'")
    if not isinstance(rule, str):
        raise _UnfitError("rule must be a text, as records tell a rule: block(injection())")
    named = row.get(kind) if kind is not None else row.get("kind", row.get("source", word))
    return Example(
        said,
        positive,
        kind="" if named is None else str(named),
        role=role,
        spans=spans,
        side=side,
        rule=rule,
        others=_others(row.get("others", [])),
        line=number,
    )


def _role(row: Mapping[str, Any], name: str) -> str | None:
    role = row.get("role")
    if role is not None and role not in ROLES:
        raise _UnfitError(f"{name} must be one of {', '.join(sorted(ROLES))}")
    return role


def _others(told: Any) -> tuple[tuple[str | None, str], ...]:
    others: list[tuple[str | None, str]] = []
    for place, each in enumerate(told if isinstance(told, list) else [None]):
        match each:
            case {"text": str(text)}:
                others.append((_role(each, f"others[{place}].role"), text))
            case _:
                raise _UnfitError(f"others[{place}] must be an object with a text, and perhaps a role")
    return tuple(others)


def _label(row: Mapping[str, Any], label: str, by_spans: bool | None) -> tuple[bool, str | None]:
    value = row.get(label, by_spans)
    if isinstance(value, str):
        folded = value.strip().lower()
        word = None if folded in BENIGN_LABELS or folded in ("1", "true") else value.strip()
        return folded not in BENIGN_LABELS, word
    if value is None or value not in (0, 1):
        raise _UnfitError(
            f"the field {label!r} must be 1 or 0, true or false, 'benign' or a kind; "
            "name another field with --label"
        )
    return bool(value), None


def _spans(told: Any, length: int) -> tuple[tuple[int, int, str], ...]:
    spans: list[tuple[int, int, str]] = []
    for place, each in enumerate(told if isinstance(told, list) else [None]):
        match each:
            case [int(start), int(end), str(category)] if 0 <= start < end <= length:
                spans.append((start, end, category))
            case _:
                raise _UnfitError(f"spans[{place}] must be [start, end, category] inside the text")
    return tuple(spans)
