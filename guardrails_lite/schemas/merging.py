"""An ``allOf`` as one schema: the provider's subset has none.

Parts that speak of different things are put together. Where two speak of the same thing in different ways, of
one property say, there is no one schema that a model could be held to.
"""

from __future__ import annotations

import re
from typing import Any

from guardrails_lite.schemas.outline import Outline

ANNOTATIONS = frozenset(
    {
        "$schema",
        "$id",
        "id",
        "$comment",
        "$anchor",
        "$vocabulary",
        "title",
        "description",
        "default",
        "examples",
        "example",
        "deprecated",
        "readOnly",
        "writeOnly",
        "discriminator",
        "$defs",
        "definitions",
    }
)
"""Keywords that say nothing about values."""
TOP = re.compile(r"#(/(\$defs|definitions)/[^/]+)?")
"""A reference that the subset has: to a definition at the top, or to the whole."""


def merged(schema: dict[str, Any], outline: Outline) -> dict[str, Any] | None:
    """*schema* without its ``allOf``, which is put into it; None where it cannot be."""
    whole = {key: value for key, value in schema.items() if key != "allOf"}
    match schema["allOf"]:
        case [{"$ref": str(reference), **more}] if not more and TOP.fullmatch(reference):
            if not set(whole) - ANNOTATIONS:
                return {**whole, "$ref": reference}
    for part in schema["allOf"]:
        for form in outline.chain(part):
            if not isinstance(form, dict) or set(form) - ANNOTATIONS != {"$ref"}:
                break
        if not isinstance(form, dict) or "$ref" in form or not _put_into(whole, form):
            return None
    return whole


def _put_into(whole: dict[str, Any], part: dict[str, Any]) -> bool:
    """Add what *part* says to *whole*; False where the two contradict each other, or may."""
    for key, value in part.items():
        if key in ANNOTATIONS or whole.get(key) == value:
            continue
        if key == "properties" and not (whole.get("properties", {}).keys() & value.keys()):
            whole["properties"] = {**whole.get("properties", {}), **value}
        elif key == "required":
            whole["required"] = [*whole.get("required", []), *value]
        elif key not in whole and key != "additionalProperties":
            whole[key] = value
        else:
            return False
    return True
