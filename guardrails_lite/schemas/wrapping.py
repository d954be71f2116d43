"""A value that is no object, under a property of one: providers take objects only."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from guardrails_lite.schemas.outline import Outline

WRAPPER = "value"
"""The property under which such a value travels."""


def is_object(schema: Mapping[str, Any]) -> bool:
    """Whether the provider takes it at the root: an object, not a choice between forms."""
    for form in Outline(schema).chain(schema):
        if isinstance(form, dict) and form.get("type") == "object":
            return "anyOf" not in form and "oneOf" not in form
    return False


def under_wrapper(schema: Mapping[str, Any]) -> dict[str, Any]:
    """*schema* as the only property of an object, its definitions moved to the top."""
    inner = copy.deepcopy(dict(schema))
    definitions: dict[str, Any] = {key: inner.pop(key) for key in ("$defs", "definitions") if key in inner}
    dialect = {"$schema": inner.pop("$schema")} if "$schema" in inner else {}
    prefix = f"#/properties/{WRAPPER}"

    def moved(reference: str) -> str:
        if not reference.startswith("#") or reference.startswith(("#/$defs/", "#/definitions/")):
            return reference
        return prefix + reference[1:]

    for part in (inner, *definitions.values()):
        _rewrite(part, moved)
    return {
        **dialect,
        "type": "object",
        "properties": {WRAPPER: inner},
        "required": [WRAPPER],
        "additionalProperties": False,
        **definitions,
    }


def _rewrite(schema: object, moved: Callable[[str], str]) -> None:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            schema["$ref"] = moved(schema["$ref"])
        for value in schema.values():
            _rewrite(value, moved)
    elif isinstance(schema, list):
        for value in schema:
            _rewrite(value, moved)
