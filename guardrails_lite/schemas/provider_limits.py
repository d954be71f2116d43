"""What a provider's strict mode knows and how much it takes: data with a date, ``provider_limits.json``."""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Limits:
    """What a provider's strict mode takes, as it was documented on a day."""

    as_of: str
    source: str
    max_properties: int
    max_depth: int
    max_name_and_enum_chars: int
    max_enum_values: int
    max_large_enum_chars: int
    large_enum_values: int
    max_name_chars: int
    formats: frozenset[str]
    keywords: frozenset[str]


@functools.cache
def provider_limits(provider: str = "openai") -> Limits:
    """The limits of a provider, from ``provider_limits.json``."""
    file = importlib.resources.files("guardrails_lite.schemas") / "provider_limits.json"
    table = json.loads(file.read_text(encoding="utf-8"))[provider]
    table["formats"] = frozenset(table["formats"])
    table["keywords"] = frozenset(table["keywords"])
    return Limits(**table)


def over_limits(sent: dict[str, Any], limits: Limits) -> Iterator[str]:
    """In which ways a schema is larger than the provider takes, counted as the provider counts."""
    count = _Count()
    count.walk(sent, 0)
    for what, found, most in (
        ("properties", count.properties, limits.max_properties),
        ("levels of objects", count.depth, limits.max_depth),
        ("characters of names and enum values", count.chars, limits.max_name_and_enum_chars),
        ("enum values", count.enum_values, limits.max_enum_values),
    ):
        if found > most:
            yield f"it has {found} {what}; the provider takes {most}"
    for size, chars in count.enums:
        if size > limits.large_enum_values and chars > limits.max_large_enum_chars:
            yield (
                f"an enum of {size} values has {chars} characters; the provider takes "
                f"{limits.max_large_enum_chars} in an enum of more than {limits.large_enum_values}"
            )


class _Count:
    def __init__(self) -> None:
        self.properties = self.depth = self.chars = self.enum_values = 0
        self.enums: list[tuple[int, int]] = []

    def walk(self, schema: object, depth: int) -> None:
        if isinstance(schema, list):
            for one in schema:
                self.walk(one, depth)
            return
        if not isinstance(schema, dict):
            return
        for keyword in ("$defs", "definitions"):
            for name, one in schema.get(keyword, {}).items():
                self.chars += len(name)
                self.walk(one, 0)
        properties = schema.get("properties")
        if isinstance(properties, dict):
            depth += 1
            self.depth = max(self.depth, depth)
            self.properties += len(properties)
            for name, one in properties.items():
                self.chars += len(name)
                self.walk(one, depth)
        values = schema["enum"] if isinstance(schema.get("enum"), list) else []
        if values:
            chars = sum(len(value) if isinstance(value, str) else len(json.dumps(value)) for value in values)
            self.enum_values += len(values)
            self.chars += chars
            self.enums.append((len(values), chars))
        if "const" in schema:
            self.chars += len(json.dumps(schema["const"]))
        for keyword in ("items", "anyOf", "allOf", "prefixItems", "additionalProperties"):
            self.walk(schema.get(keyword), depth)
