"""Closing the schema of a tool's arguments: what it does not declare is refused.

A function takes no arguments but its own; a JSON Schema that is silent takes any.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

_SPEAKS = ("additionalProperties", "patternProperties", "unevaluatedProperties", "propertyNames")
"""Keywords by which a schema speaks of undeclared properties itself."""
_IN_PLACE = ("allOf", "anyOf", "oneOf", "if", "then", "else", "$ref", "$dynamicRef", "dependentSchemas")
"""Keywords under which other schemas describe the same object."""


def close(schema: Mapping[str, Any], *, draft: int) -> dict[str, Any]:
    """*schema* with undeclared properties refused wherever it does not speak of them itself."""
    closed = copy.deepcopy(dict(schema))
    _close(closed, draft)
    return closed


def _close(schema: object, draft: int, *, is_part: bool = False) -> None:
    """Close one subschema in place; *is_part*: others describe the same object, so it must stay open."""
    if not isinstance(schema, dict):
        return
    if "properties" in schema and not is_part and not any(keyword in schema for keyword in _SPEAKS):
        if not any(keyword in schema for keyword in _IN_PLACE):
            schema["additionalProperties"] = False
        elif draft >= 2019:
            schema["unevaluatedProperties"] = False
    for keyword in ("properties", "patternProperties"):
        for one in (schema.get(keyword) or {}).values():
            _close(one, draft)
    for keyword in ("$defs", "definitions"):
        for name, one in (schema.get(keyword) or {}).items():
            _close(one, draft, is_part=_is_used_as_part(schema, f"#/{keyword}/{name}"))
    for keyword in ("items", "additionalProperties"):
        _close(schema.get(keyword), draft)
    for keyword in ("anyOf", "oneOf"):
        if isinstance(schema.get(keyword), list):
            beside = is_part or "properties" in schema or "allOf" in schema
            for one in schema[keyword]:
                _close(one, draft, is_part=beside)


def _is_used_as_part(root: Mapping[str, Any], reference: str) -> bool:
    """Whether a definition is used beside other schemas of the same object."""
    waiting: list[tuple[object, bool]] = [(root, False)]
    while waiting:
        item, is_part = waiting.pop()
        if isinstance(item, list):
            waiting.extend((one, is_part) for one in item)
        elif isinstance(item, dict):
            if item.get("$ref") == reference and (is_part or "properties" in item):
                return True
            for key, value in item.items():
                inside = key in ("allOf", "if", "then", "else", "dependentSchemas", "not")
                beside = key in ("anyOf", "oneOf") and ("properties" in item or is_part)
                waiting.append((value, inside or beside))
    return False
