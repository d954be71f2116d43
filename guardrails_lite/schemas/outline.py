"""What a JSON Schema says about one place: its names, its types, and how to put that in words.

This is for telling and for repairing, never for deciding: where several forms may apply, all are considered.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from guardrails_lite.schemas.problems import Pointer, child, step

_IN_PLACE = ("allOf", "anyOf", "oneOf")
_MAX_FORMS = 200
_MAX_PHRASE = 300
_MAX_DEPTH = 30
_MAX_CHAIN = 20
_NOUNS = {
    "null": "null",
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
    "string": "a string",
    "array": "an array",
    "object": "an object",
}
ALL_TYPES = frozenset(_NOUNS)


class Outline:
    """A schema that can be asked about a place."""

    def __init__(self, schema: object) -> None:
        self.root: dict[str, Any] = schema if isinstance(schema, dict) else {}

    def at(self, pointer: Pointer) -> list[dict[str, Any]]:
        """The schemas that may apply at *pointer*, references and alternatives opened."""
        forms = list(self.forms(self.root))
        for name in pointer:
            forms = list(self.forms(*_under(forms, name)))
        return forms

    def declared(self, pointer: Pointer) -> list[dict[str, Any]]:
        """The schemas that are written for *pointer*, unopened."""
        if not pointer:
            return [self.root]
        return list(_under(self.at(pointer[:-1]), pointer[-1]))

    def forms(self, *schemas: object) -> Iterator[dict[str, Any]]:
        """*schemas* and every schema that they apply to the same value, each once."""
        seen: set[int] = set()
        waiting = list(schemas)
        while waiting and len(seen) < _MAX_FORMS:
            form = waiting.pop(0)
            if not isinstance(form, dict) or id(form) in seen:
                continue
            seen.add(id(form))
            yield form
            if "$ref" in form:
                waiting.append(self.resolve(form["$ref"]))
            for keyword in _IN_PLACE:
                branches = form.get(keyword)
                if isinstance(branches, list):
                    waiting.extend(branches)
            waiting.extend(form[keyword] for keyword in ("then", "else") if keyword in form)

    def resolve(self, reference: object) -> object:
        """What a reference inside this document names; None for any other."""
        if not isinstance(reference, str) or not reference.startswith("#"):
            return None
        found: Any = self.root
        for part in reference[1:].split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            found = found[int(name)] if isinstance(found, list) and name.isdigit() else child(found, name)
        return found

    def chain(self, schema: object) -> Iterator[object]:
        """*schema*, what it refers to, what that refers to, and so on; a circle is left after some rounds."""
        for _ in range(_MAX_CHAIN):
            yield schema
            if not isinstance(schema, dict) or "$ref" not in schema:
                return
            schema = self.resolve(schema["$ref"])

    # -- names ---------------------------------------------------------------------------------------

    def path(self, pointer: Pointer, value: object) -> str:
        """The place as it may be shown: names that the schema does not declare become positions."""
        shown = "$"
        forms = list(self.forms(self.root))
        for name in pointer:
            if isinstance(name, int) or any(name in _properties(form) for form in forms):
                shown += step(name)
            else:
                keys = list(value) if isinstance(value, dict) else []
                shown += f"[key {keys.index(name)}]" if name in keys else "[key]"
            forms = list(self.forms(*_under(forms, name)))
            value = child(value, name)
        return shown

    def names(self, pointer: Pointer) -> list[str]:
        """The properties that are declared at *pointer*."""
        return list(dict.fromkeys(name for form in self.at(pointer) for name in _properties(form)))

    def is_required(self, pointer: Pointer) -> bool:
        """Whether the property that *pointer* lies in may not be left out; the root may not."""
        for length in range(len(pointer), 0, -1):
            name = pointer[length - 1]
            if isinstance(name, str):
                parents = self.at(pointer[: length - 1])
                declaring = [form for form in parents if name in _properties(form)]
                return not declaring or any(name in form.get("required", ()) for form in parents)
        return True

    # -- types ---------------------------------------------------------------------------------------

    def types(self, pointer: Pointer) -> frozenset[str]:
        """The JSON types that some form at *pointer* takes; all of them where nothing is said."""
        return self.types_of(self.declared(pointer))

    def types_of(self, schemas: list[dict[str, Any]]) -> frozenset[str]:
        """The types that any of *schemas* takes; every type that is not ruled out is there."""
        found = frozenset[str]().union(*(self._types(schema, 0) for schema in schemas))
        return found if schemas else ALL_TYPES

    def _types(self, schema: object, depth: int) -> frozenset[str]:
        if schema is False:
            return frozenset()
        if not isinstance(schema, dict) or depth > _MAX_DEPTH:
            return ALL_TYPES
        found = frozenset(_types(schema)) or ALL_TYPES
        if "number" in found:
            found |= {"integer"}
        if "$ref" in schema:
            found &= self._types(self.resolve(schema["$ref"]), depth + 1)
        for keyword in ("anyOf", "oneOf"):
            if isinstance(schema.get(keyword), list):
                found &= frozenset[str]().union(*(self._types(one, depth + 1) for one in schema[keyword]))
        for one in schema.get("allOf") or ():
            found &= self._types(one, depth + 1)
        return found

    # -- words ---------------------------------------------------------------------------------------

    def phrase_at(self, pointer: Pointer) -> str:
        """What is expected at *pointer*, in words."""
        schemas = self.declared(pointer)
        phrases = list(dict.fromkeys(self.phrase(schema) for schema in schemas[:5]))
        return _cap(" or ".join(phrases)) if phrases else "a value"

    def phrase(self, schema: object, depth: int = 0) -> str:
        """A schema in words, such as ``an integer >= 0``; the schema's own words only."""
        if schema is False:
            return "nothing"
        if not isinstance(schema, dict) or depth > 4:
            return "a value"
        if "const" in schema:
            return _cap(json.dumps(schema["const"]), 80)
        if isinstance(schema.get("enum"), list):
            return _enum(schema["enum"])
        if "$ref" in schema:
            return self.phrase(self.resolve(schema["$ref"]), depth + 1)
        for keyword in ("anyOf", "oneOf"):
            if isinstance(schema.get(keyword), list) and "type" not in schema:
                phrases = list(dict.fromkeys(self.phrase(one, depth + 1) for one in schema[keyword]))
                if len(phrases) > 5:
                    return f"one of {len(schema[keyword])} declared forms"
                return _cap(" or ".join(phrases))
        if isinstance(schema.get("allOf"), list) and "type" not in schema and schema["allOf"]:
            return self.phrase(schema["allOf"][0], depth + 1)
        kinds = sorted(_types(schema) - {"null"}) + (["null"] if "null" in _types(schema) else [])
        if not kinds:
            return "a value"
        return _cap(" or ".join(self._kind(kind, schema, depth) for kind in kinds))

    def _kind(self, kind: str, schema: Mapping[str, Any], depth: int) -> str:
        words = _NOUNS[kind]
        if kind in ("integer", "number"):
            bounds = [
                f"{sign} {schema[keyword]}"
                for keyword, sign in (
                    ("minimum", ">="),
                    ("exclusiveMinimum", ">"),
                    ("maximum", "<="),
                    ("exclusiveMaximum", "<"),
                )
                if isinstance(schema.get(keyword), (int, float)) and not isinstance(schema[keyword], bool)
            ]
            if "multipleOf" in schema:
                bounds.append(f"a multiple of {schema['multipleOf']}")
            return " ".join([words, " and ".join(bounds)]).strip()
        if kind == "string":
            if isinstance(schema.get("format"), str):
                words += f" in the format {schema['format']}"
            if isinstance(schema.get("pattern"), str):
                words += f" matching {_cap(schema['pattern'], 80)}"
            return words + _between(schema, "minLength", "maxLength", "characters")
        if kind == "array":
            words += _between(schema, "minItems", "maxItems", "items")
            if isinstance(schema.get("items"), dict) and depth < 2:
                of = self.phrase(schema["items"], depth + 1)
                words += f", each {of}" if of != "a value" else ""
            return words
        if kind == "object" and depth < 2:
            names = list(schema.get("required", ()))
            if names:
                words += " with " + ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
            words += _between(schema, "minProperties", "maxProperties", "properties")
        return words


def escaped(name: str) -> str:
    """A property's name as one step of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def _under(forms: list[dict[str, Any]], name: str | int) -> Iterator[dict[str, Any]]:
    """The schemas that *forms* apply to their member *name*."""
    for form in forms:
        found: list[object] = []
        if isinstance(name, str):
            if name in _properties(form):
                found.append(form["properties"][name])
            else:
                found.extend(_mapping(form, "patternProperties").values())
                found.extend(
                    form.get(keyword) for keyword in ("additionalProperties", "unevaluatedProperties")
                )
        else:
            items = form.get("items")
            prefix = form.get("prefixItems", items if isinstance(items, list) else ())
            if name < len(prefix):
                found.append(prefix[name])
            elif isinstance(items, list):
                found.append(form.get("additionalItems"))
            else:
                found.extend((items, form.get("unevaluatedItems")))
        yield from (schema for schema in found if isinstance(schema, dict))


def _properties(form: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(form, "properties")


def _mapping(form: Mapping[str, Any], keyword: str) -> Mapping[str, Any]:
    found = form.get(keyword)
    return found if isinstance(found, dict) else {}


def _types(form: Mapping[str, Any]) -> set[str]:
    """The types that one schema names, or that its const or enum has."""
    named = form.get("type")
    if isinstance(named, str):
        return {named} & ALL_TYPES
    if isinstance(named, list):
        return {kind for kind in named if kind in ALL_TYPES}
    values = [form["const"]] if "const" in form else form.get("enum")
    if isinstance(values, list):
        return {type_of(value) for value in values}
    return set()


def type_of(value: object) -> str:
    """The JSON type of a value; a whole float is a number here."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list() | tuple():
            return "array"
        case _:
            return "object"


def _enum(values: list[object]) -> str:
    if len(values) == 1:
        return _cap(json.dumps(values[0]), 80)
    shown = [_cap(json.dumps(value), 60) for value in values[:12]]
    more = f", … ({len(values)} in all)" if len(values) > 12 else ""
    return _cap(f"one of {', '.join(shown)}{more}")


def _between(schema: Mapping[str, Any], low: str, high: str, unit: str) -> str:
    least, most = schema.get(low), schema.get(high)
    if least is not None and least == most:
        return f" of exactly {least} {unit}"
    if least is not None and most is not None:
        return f" of {least} to {most} {unit}"
    if least is not None:
        return f" of at least {least} {unit}"
    return f" of at most {most} {unit}" if most is not None else ""


def _cap(text: str, limit: int = _MAX_PHRASE) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
