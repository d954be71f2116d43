"""The published JSON Schema of the log's entries: one document for each version of the format."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from guardrails_lite._errors import ConfigError


def entry_schema(type: str | None = None) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a whole entry, or of the payload of one *type* of entry.

    Members may be added to a payload without a new version; one that is listed keeps its meaning.

    Args:
        type: Such as ``"call.completed"``; default: the whole entry, which has all types in it.

    Raises:
        ConfigError: the format has no entry of this type.
    """
    whole: dict[str, Any] = json.loads(
        (files("guardrails_lite.audit") / "schemas" / "glog-1.json").read_text("utf-8")
    )
    if type is None:
        return whole
    shared = whole["$defs"]
    if type not in entry_types():
        raise ConfigError(f"no entry type {type!r}; there are {', '.join(entry_types())}")
    parts = {name: part for name, part in shared.items() if name not in entry_types()}
    return {"$schema": whole["$schema"], "$id": f"{whole['$id']}:{type}", **shared[type], "$defs": parts}


def entry_types() -> list[str]:
    """The types of entries that the format knows, in the order of its documentation."""
    whole = entry_schema()
    return [rule["if"]["properties"]["t"]["const"] for rule in whole["allOf"] if "then" in rule]
