"""Who enforces a keyword of a schema: the provider while it writes, this library afterwards, or nobody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from guardrails_lite.schemas.formats import checker
from guardrails_lite.schemas.merging import ANNOTATIONS
from guardrails_lite.schemas.outline import escaped
from guardrails_lite.schemas.provider_limits import provider_limits
from guardrails_lite.schemas.strict import Conversion, convert

Enforced = Literal["provider", "here", "not enforceable"]

_NOT_ENFORCEABLE = frozenset({"contentEncoding", "contentMediaType", "contentSchema"})


@dataclass(frozen=True, slots=True)
class Line:
    """One keyword of a schema, and who enforces it."""

    path: str
    """Where in the schema, as a JSON pointer."""
    keyword: str
    enforced: Enforced
    note: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What becomes of a schema: `str` shows it as a table."""

    strict: bool
    """Whether the provider is held to it while it writes."""
    reasons: tuple[str, ...]
    """Why not, where it is not."""
    lines: tuple[Line, ...]
    sent: Mapping[str, Any]
    """The schema as it is sent."""
    as_of: str
    """The date of the limits it was checked against."""

    def __str__(self) -> str:
        head = f"strict: {'yes' if self.strict else 'no'} (limits of {self.as_of})"
        why = [f"  because {reason}" for reason in self.reasons]
        width = max((len(line.path) + len(line.keyword) for line in self.lines), default=0) + 2
        rows = [
            f"{line.path + '/' + line.keyword:<{width}} {line.enforced}"
            + (f": {line.note}" if line.note else "")
            for line in self.lines
        ]
        return "\n".join([head, *why, *rows])


def explain(schema: Mapping[str, Any]) -> Explanation:
    """Who enforces what of *schema*."""
    conversion = convert(schema)
    return Explanation(
        strict=conversion.is_strict,
        reasons=tuple(conversion.reasons),
        lines=tuple(_line(path, keyword, value, conversion) for path, keyword, value in _keywords(schema)),
        sent=conversion.schema,
        as_of=provider_limits().as_of,
    )


def _line(path: str, keyword: str, value: object, conversion: Conversion) -> Line:
    if keyword in _NOT_ENFORCEABLE:
        return Line(path, keyword, "not enforceable", "it describes the text, it does not constrain it")
    if keyword == "format" and isinstance(value, str) and checker(value, 2020) is None:
        return Line(path, keyword, "not enforceable", f"{value!r} is not a format of JSON Schema")
    if not conversion.is_strict:
        return Line(path, keyword, "here")
    note = conversion.notes.get((path, keyword))
    return Line(path, keyword, "provider" if note is None else "here", note or "")


def _keywords(schema: object, path: str = "") -> Iterator[tuple[str, str, object]]:
    """Every keyword of a schema that says something about values."""
    if not isinstance(schema, dict):
        return
    for keyword, value in schema.items():
        here = f"{path}/{keyword}"
        if keyword not in ANNOTATIONS:
            yield path, keyword, value
        match keyword:
            case "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas":
                for name, one in value.items():
                    yield from _keywords(one, f"{here}/{escaped(name)}")
            case "allOf" | "anyOf" | "oneOf" | "prefixItems":
                for index, one in enumerate(value):
                    yield from _keywords(one, f"{here}/{index}")
            case "items" if isinstance(value, list):
                for index, one in enumerate(value):
                    yield from _keywords(one, f"{here}/{index}")
            case (
                "items"
                | "additionalProperties"
                | "additionalItems"
                | "unevaluatedProperties"
                | "unevaluatedItems"
                | "contains"
                | "propertyNames"
                | "not"
                | "if"
                | "then"
                | "else"
            ):
                yield from _keywords(value, here)
