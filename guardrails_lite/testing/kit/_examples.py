"""A value that a JSON Schema allows, made from the schema alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MARK = "kit value"
"""Stands in every string that is made up, so that a value in an error or a record can be recognised."""

_FORMATS = {
    "date": "2024-02-29",
    "date-time": "2024-02-29T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "P1D",
    "email": "ada@example.org",
    "idn-email": "ada@example.org",
    "hostname": "example.org",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.org/",
    "uri-reference": "/kit",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "binary": "a2l0",
}
_DEEP = 6


def example_of(schema: Any) -> Any:
    """Make a value for *schema*: the smallest that shows every property.

    It is right for most schemas and not promised to be: patterns and conditions are not solved. Check it.
    """
    return _made(schema, schema, 0)


def _made(schema: Any, root: Any, depth: int) -> Any:
    if not isinstance(schema, Mapping):
        return MARK
    if "$ref" in schema:
        return _made(_target(schema["$ref"], root), root, depth)
    for key in ("const", "default"):
        if schema.get(key) is not None:
            return schema[key]
    if schema.get("examples"):
        return schema["examples"][0]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            branches = [branch for branch in schema[key] if branch != {"type": "null"}] or schema[key]
            return _made({**_without(schema, key), **_resolved(branches[0], root)}, root, depth)
    if schema.get("allOf"):
        merged = _without(schema, "allOf")
        for part in schema["allOf"]:
            part = _resolved(part, root)
            merged = {
                **merged,
                **part,
                "properties": {**merged.get("properties", {}), **part.get("properties", {})},
            }
        return _made(merged, root, depth)
    return _of_type(_type(schema), schema, root, depth)


def _type(schema: Mapping[str, Any]) -> str:
    named = schema.get("type")
    if isinstance(named, list):
        named = next((kind for kind in named if kind != "null"), "null")
    if named:
        return str(named)
    return "object" if "properties" in schema else "array" if "items" in schema else "string"


def _of_type(kind: str, schema: Mapping[str, Any], root: Any, depth: int) -> Any:
    match kind:
        case "object":
            required = set(schema.get("required", ()))
            return {
                name: _made(part, root, depth + 1)
                for name, part in schema.get("properties", {}).items()
                if name in required or depth < _DEEP // 2
            }
        case "array":
            first = [_made(part, root, depth + 1) for part in schema.get("prefixItems", ())]
            least = max(schema.get("minItems", 0), 1 if depth < _DEEP else 0)
            item = schema.get("items", {"type": "string"})
            while item is not False and len(first) < least:
                first.append(_made(item, root, depth + 1))
            return first
        case "integer" | "number":
            return _number(schema, whole=kind == "integer")
        case "boolean":
            return True
        case "null":
            return None
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    text = MARK.ljust(schema.get("minLength", 0), "x")
    return text[: schema.get("maxLength", len(text))]


def _number(schema: Mapping[str, Any], *, whole: bool) -> float:
    least = schema.get("minimum", schema.get("exclusiveMinimum"))
    most = schema.get("maximum", schema.get("exclusiveMaximum"))
    step = schema.get("multipleOf", 1 if whole else 0.5)
    value = 7 * step
    if least is not None and value <= least:
        value = (least // step + 1) * step
    if most is not None and value >= most:
        value = (most // step - 1) * step if least is None else (least + most) / 2
    return int(value) if whole else value


def _resolved(schema: Any, root: Any) -> dict[str, Any]:
    while isinstance(schema, Mapping) and "$ref" in schema:
        schema = {**_without(schema, "$ref"), **_target(schema["$ref"], root)}
    return dict(schema) if isinstance(schema, Mapping) else {}


def _target(reference: str, root: Any) -> Any:
    at = root
    for step in reference.removeprefix("#").split("/")[1:]:
        at = at[step.replace("~1", "/").replace("~0", "~")]
    return at


def _without(schema: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != key}
