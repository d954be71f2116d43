"""What a schema says of one place alone, whatever stands elsewhere: how a value is checked as it arrives.

A plan follows the schema down from the root. Objects and arrays whose members the schema describes one by one
are taken apart; anything else is checked in one piece. For a Python type the check of a piece is pydantic's
own, so a piece that was admitted alone is admitted in its place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from guardrails_lite._errors import ConfigError
from guardrails_lite.schemas.outline import ALL_TYPES, Outline, escaped
from guardrails_lite.schemas.wrapping import WRAPPER

if TYPE_CHECKING:
    from guardrails_lite._schema import Schema
    from guardrails_lite.schemas.cores import Core
    from guardrails_lite.schemas.dialects import RawCheck

_BOUNDS = frozenset({"minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"})
"""What an object or array must be as a whole, whatever its members are."""


class Plan:
    """What must hold of one place."""

    def __init__(self, owner: Plans, schema: Mapping[str, Any], place: str, core: Core | None) -> None:
        self._owner = owner
        self._place = place
        self._schema = schema
        self._core = core
        self._members: dict[str | int, Plan | None] = {}
        self._parts: list[tuple[Schema[Any] | None, bool]] = []
        simple = _is_simple(schema)
        self.is_whole = not simple
        """It is checked in one piece when it ends; else its members are, one by one."""
        self.is_parted = simple and (core.is_parted if core is not None else not owner.is_typed)
        """Nothing but its members and its bounds is checked, so what is admitted of them may be shown."""
        self.is_judged_whole = self.is_whole or not self.is_parted or bool(_BOUNDS & schema.keys())
        """It is checked when it ends, whether its members are or not."""
        self.types = owner.outline.types_of([dict(schema)]) if schema else ALL_TYPES
        self.properties: Mapping[str, Any] = schema.get("properties", {}) if simple else {}
        self.required: tuple[str, ...] = tuple(schema.get("required", ())) if simple else ()
        self.shut = simple and schema.get("additionalProperties") is False

    @property
    def phrase(self) -> str:
        """What is expected, in words."""
        return self._owner.outline.phrase(self._schema)

    def phrase_of(self, name: str) -> str:
        """What is expected of a declared property, in words."""
        return self._owner.outline.phrase(self.properties.get(name, {}))

    def most(self, keyword: str) -> int | None:
        """An upper bound, where the schema itself has one."""
        most = self._schema.get(keyword)
        return most if type(most) is int else None

    def member(self, name: str | int) -> Plan | None:
        """What must hold of a member; None where nothing can be said before the end."""
        if self.is_whole:
            return None
        declared = isinstance(name, str) and name in self.properties
        # What is no object may come where one belongs, so an item is never taken for a property.
        key: str | int = name if declared else int(isinstance(name, str))
        if key not in self._members:
            keyword = "additionalProperties" if isinstance(name, str) else "items"
            if declared:
                under, place = self.properties[str(name)], f"/properties/{escaped(str(name))}"
            else:
                under, place = self._schema.get(keyword, True), f"/{keyword}"
            core = self._core.member(name) if self._core is not None else None
            self._members[key] = self._owner.plan(under, self._place + place, core)
        return self._members[key]

    def admits(self, value: object) -> bool:
        """Whether *value*, which is whole, is accepted here as it is."""
        part, is_all = self._part()
        return part is not None and is_all and part._check.accepts(value)

    def fits(self, value: object) -> bool:
        """Whether *value*, which is not admitted, may be accepted at the end all the same, once fitted."""
        part, _ = self._part()
        if part is None:
            return True
        parsed = part.parse(json.dumps(value))
        # How deep is too deep depends on the length of the whole.
        return parsed.ok or parsed.problems[0].code == "too deep"

    def _part(self) -> tuple[Schema[Any] | None, bool]:
        """This place as a schema of its own, None where it cannot be one, and whether that says all."""
        if not self._parts:
            self._parts.append(self._owner.part(self._schema, self._core))
        return self._parts[0]


class _Free(Plan):
    """A place of which the schema says nothing, so that anything is admitted."""

    def __init__(self) -> None:
        self.is_whole = self.is_judged_whole = self.shut = False
        self.is_parted = True
        self.types = ALL_TYPES
        self.properties = {}
        self.required = ()
        self._schema = {}

    def member(self, name: str | int) -> Plan:
        return self

    def admits(self, value: object) -> bool:
        return True


class Plans:
    """The plans of one schema."""

    def __init__(self, document: Mapping[str, Any], *, core: Core | None, is_typed: bool) -> None:
        self.document = document
        self.outline = Outline(document)
        self.is_typed = is_typed
        """It is a Python type, of which the JSON Schema says less than pydantic checks."""
        self._core = core
        self._known: dict[tuple[str, int], Plan] = {}
        self._free = _Free()

    def root(self) -> Plan | None:
        """The plan of the value."""
        return self.plan(self.document, "", self._core)

    def wrapper(self) -> Plan | None:
        """The plan where the value comes under the wrapper's name."""
        if "object" in self.outline.types_of([dict(self.document)]):
            # The object may be the wrapper or the value.
            return None
        wrapper = {
            "type": "object",
            "properties": {WRAPPER: self.document},
            "required": [WRAPPER],
            "additionalProperties": False,
        }
        plan = Plan(self, wrapper, "wrapper", None)
        plan.is_parted, plan.is_judged_whole = True, False
        plan._members[WRAPPER] = self.root()
        return plan

    def plan(self, schema: object, place: str, core: Core | None) -> Plan | None:
        """The plan of one place; None where nothing can be said before the end."""
        for _ in range(20):
            if not isinstance(schema, dict) or "$ref" not in schema:
                break
            reference = schema["$ref"]
            if set(schema) - _SILENT - {"$ref"} or not _is_definition(reference):
                return None
            schema, place = self.outline.resolve(reference), reference[1:]
        says_nothing = schema is True or (isinstance(schema, dict) and not set(schema) - _SILENT)
        if says_nothing and not self.is_typed:
            return self._free
        if schema is True:
            schema = {}
        if not isinstance(schema, dict) or (says_nothing and core is None):
            return None
        key = (place, 0 if core is None else id(core.schema))
        if key not in self._known:
            self._known[key] = Plan(self, schema, place, core)
        return self._known[key]

    def part(self, schema: Mapping[str, Any], core: Core | None) -> tuple[Schema[Any] | None, bool]:
        """A part, taken out of its place, None where that cannot be done; and whether it says all."""
        from guardrails_lite._schema import part_schema, typed_part

        kept = {
            key: self.document[key] for key in ("$schema", "$defs", "definitions") if key in self.document
        }
        alone = {**kept, **schema}
        if core is not None and (adapter := core.adapter()) is not None:
            return typed_part(adapter, alone), True
        if not _stands_alone(alone):
            return None, False
        try:
            return part_schema(alone, assert_formats=not self.is_typed), not self.is_typed
        except ConfigError:
            return None, False


_SILENT = frozenset(
    {
        "title",
        "description",
        "default",
        "examples",
        "deprecated",
        "$schema",
        "$defs",
        "definitions",
        "$comment",
    }
)


def _is_simple(schema: Mapping[str, Any]) -> bool:
    """Whether its members can be judged one by one."""
    if schema.get("type") == "object":
        speaking = {"type", "properties", "required", "additionalProperties"}
    elif schema.get("type") == "array" and isinstance(schema.get("items", {}), dict):
        speaking = {"type", "items"}
    else:
        return False
    return not set(schema) - speaking - _SILENT - _BOUNDS


def _is_definition(reference: object) -> bool:
    return isinstance(reference, str) and reference.startswith(("#/$defs/", "#/definitions/"))


def _stands_alone(schema: object) -> bool:
    """Whether every reference is to a definition, which goes where the schema goes."""
    if isinstance(schema, list):
        return all(_stands_alone(one) for one in schema)
    if not isinstance(schema, dict):
        return True
    if {"$id", "id", "$anchor", "$dynamicRef", "$recursiveRef"} & schema.keys():
        return False
    return _is_definition(schema.get("$ref", "#/$defs/")) and all(map(_stands_alone, schema.values()))


def plans_of(schema: Schema[Any], *, of_arguments: bool = False) -> Plans | None:
    """The plans of a schema, made once; None where nothing can be said before the end."""
    if of_arguments not in schema._plans:
        schema._plans[of_arguments] = _made(schema, schema._closed if of_arguments else None)
    return schema._plans[of_arguments]


def _made(schema: Schema[Any], closed: RawCheck | None) -> Plans | None:
    from guardrails_lite.schemas.models import ModelCheck

    check = schema._check
    if not isinstance(check, ModelCheck):
        return Plans((closed or check).json_schema, core=None, is_typed=False)
    if check.rewrites():
        return None
    from guardrails_lite.schemas.cores import core_of

    core = core_of(check.adapter.core_schema) if check.extra is not None else None
    return Plans(_narrowed(schema.json_schema), core=core, is_typed=True)


_FIRM = frozenset(
    {
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "prefixItems",
        "enum",
        "const",
        "anyOf",
        "oneOf",
        "allOf",
        "$ref",
        "$defs",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
    }
)
"""Keywords of a model's JSON Schema that pydantic means exactly. Others are looser there: its date-times need
no offset, its sets take repetitions."""


def _narrowed(schema: Any) -> Any:
    """A model's JSON Schema with the firm keywords only, and objects closed as pydantic is told to."""
    if isinstance(schema, list):
        return [_narrowed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    out: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword not in _FIRM:
            continue
        if keyword in ("properties", "$defs"):
            out[keyword] = {name: _narrowed(one) for name, one in value.items()}
        elif keyword in ("enum", "const", "required", "type"):
            out[keyword] = value
        else:
            out[keyword] = _narrowed(value)
    if "properties" in out and "additionalProperties" not in out:
        out["additionalProperties"] = False
    return out
