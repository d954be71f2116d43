"""How often pydantic would look at a value: once for each way through the unions above it.

pydantic tries every member of a union that has no discriminator, even after one has fitted, and for each of
them all that lies below. In a type that contains itself the ways multiply with every level, so that a reply
of a few hundred bytes keeps it busy for hours. They can be counted without walking them: what reaches a
value from above is added up, and passed on to its children at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from guardrails_lite.schemas.outline import Outline

MOST_TRIES = 30_000
"""Besides one for each byte. Some 0.05 s for what fits, and 1 s for what does not, since each try is an error
of its own."""

_Visits = dict[tuple[int, int], tuple[Any, Any, int]]
"""By value and schema: both, and how often they meet."""


def branches(outline: Outline) -> bool:
    """Whether a union without a discriminator stands in a type that contains itself."""
    definitions = outline.root.get("$defs")
    if not isinstance(definitions, dict):
        return False
    leads_to = {f"#/$defs/{name}": set(_references(inner)) for name, inner in definitions.items()}
    for name, inner in definitions.items():
        reached: set[str] = set()
        waiting = [f"#/$defs/{name}"]
        while waiting:
            new = leads_to.get(waiting.pop(), set()) - reached
            reached |= new
            waiting += new
        if f"#/$defs/{name}" in reached and any(_is_open(form) for form in _inside(inner)):
            return True
    return False


def too_many(outline: Outline, value: object, size: int) -> bool:
    """Whether pydantic would be kept busy by *value* for longer than its *size* in bytes explains."""
    most = MOST_TRIES + size
    return tries(outline, value, most) > most


def tries(outline: Outline, value: object, most: int) -> int:
    """How often a member of a union, or a type, is tried on *value* or a part of it; a little over *most*
    where it is more."""
    total = 0
    level: _Visits = {(id(value), id(outline.root)): (value, outline.root, 1)}
    while level and total <= most:
        below: _Visits = {}
        for met, schema, times in level.values():
            for form in _forms(outline, schema, met):
                total += times
                for part, inner in _parts(form, met):
                    key = id(part), id(inner)
                    *_, before = below.get(key, (None, None, 0))
                    below[key] = part, inner, before + times
        level = below
    return total


def _forms(outline: Outline, schema: object, value: object) -> Iterator[dict[str, Any]]:
    """What *schema* tries on *value*, with references and unions opened."""
    waiting = [schema]
    for _ in range(1_000):
        if not waiting:
            return
        form = waiting.pop()
        if not isinstance(form, dict):
            continue
        members = form.get("anyOf") or form.get("oneOf")
        if "$ref" in form:
            waiting.append(outline.resolve(form["$ref"]))
        elif isinstance(members, list):
            waiting += _chosen(form, value) if "discriminator" in form else members
        else:
            yield form


def _chosen(form: dict[str, Any], value: object) -> list[object]:
    """The member of a union that its discriminator names."""
    told = form["discriminator"]
    tag = value.get(told.get("propertyName")) if isinstance(value, dict) else None
    reference = told.get("mapping", {}).get(tag) if isinstance(tag, str) else None
    return [] if reference is None else [{"$ref": reference}]


def _parts(form: dict[str, Any], value: object) -> Iterator[tuple[object, object]]:
    """The parts of *value* that *form* looks into, each with the schema for it."""
    if isinstance(value, dict):
        declared, others = form.get("properties", {}), form.get("additionalProperties")
        for name, part in value.items():
            inner = declared.get(name, others)
            if isinstance(inner, dict):
                yield part, inner
    elif isinstance(value, list):
        first, rest = form.get("prefixItems", ()), form.get("items")
        for place, part in enumerate(value):
            inner = first[place] if place < len(first) else rest
            if isinstance(inner, dict):
                yield part, inner


def _is_open(form: dict[str, Any]) -> bool:
    """Whether it is a union of which more than one member may look into a value."""
    members = form.get("anyOf") or form.get("oneOf")
    if not isinstance(members, list) or "discriminator" in form:
        return False
    return sum(isinstance(one, dict) and _looks_inside(one) for one in members) > 1


def _looks_inside(form: dict[str, Any]) -> bool:
    return not form.keys().isdisjoint(("$ref", "properties", "additionalProperties", "items", "prefixItems"))


def _inside(schema: object) -> Iterator[dict[str, Any]]:
    waiting = [schema]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _references(schema: object) -> Iterator[str]:
    return (form["$ref"] for form in _inside(schema) if isinstance(form.get("$ref"), str))
