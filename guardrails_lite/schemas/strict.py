"""What the provider is sent: its strict subset of JSON Schema where that is possible, and the truth about it.

OpenAI refuses a request whose schema steps outside the subset, so one wrong keyword would lose the call.
`to_send` writes the schema in the subset: alternatives as ``anyOf``, every property required and those that
were optional nullable, constraints the subset lacks put in words. Where the subset has no form (a dict with
free keys, for one), the schema is sent without ``strict``. Either way everything is enforced here, on the
reply, and a ``null`` that stands for a property left out is read as that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from guardrails_lite.schemas.merging import TOP, merged
from guardrails_lite.schemas.outline import Outline, escaped, type_of
from guardrails_lite.schemas.provider_limits import over_limits, provider_limits
from guardrails_lite.schemas.wrapping import WRAPPER, is_object, under_wrapper

_CONSTRAINTS = (
    "minLength",
    "maxLength",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "contains",
    "minContains",
    "maxContains",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependencies",
    "format",
    "pattern",
    "multipleOf",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
)
"""Keywords that only narrow: what the provider does not know of these is left to us."""
_DEFINITIONS = ("$defs", "definitions")
_LOOKAROUND = re.compile(r"\(\?<?[=!]")
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_-]+")


def to_send(schema: Mapping[str, Any], *, name: str) -> dict[str, Any]:
    """The ``json_schema`` part of OpenAI's ``response_format``; also fits a function's ``parameters``.

    Returns:
        ``name``, ``schema`` and ``strict``. The schema is an object at the root in any case.
    """
    conversion = convert(schema)
    clean = _NOT_A_NAME.sub("_", name).strip("_")[: provider_limits().max_name_chars] or "reply"
    return {"name": clean, "schema": conversion.schema, "strict": conversion.is_strict}


@dataclass(frozen=True, slots=True)
class Conversion:
    """What becomes of a schema on its way into the subset."""

    schema: dict[str, Any]
    reasons: list[str]
    """Why the strict form is not possible; empty when it is."""
    notes: dict[tuple[str, str], str]
    """Keywords that the strict form does not carry as they are, by place, and what became of them."""

    @property
    def is_strict(self) -> bool:
        """Whether the provider can be held to it."""
        return not self.reasons


def convert(schema: Mapping[str, Any]) -> Conversion:
    """Write *schema* in the provider's subset."""
    if is_object(schema):
        source, wrapped_at = dict(schema), ""
    else:
        source, wrapped_at = under_wrapper(schema), f"/properties/{WRAPPER}"
    if "$ref" in source:
        # The root may not be a reference; it is written as what it names, beside the definitions.
        *_, target = Outline(source).chain(source)
        named = target if isinstance(target, dict) and "$ref" not in target else {}
        source = {**named, **{key: source[key] for key in _DEFINITIONS if key in source}}
    writer = _Writer(Outline(source), wrapped_at)
    sent = writer.write(source, "")
    reasons = [*writer.reasons, *over_limits(sent, writer.limits)]
    return Conversion(sent, list(dict.fromkeys(reasons)), writer.notes)


class _Writer:
    """Writes the parts of one schema, and remembers what they lost on the way."""

    def __init__(self, outline: Outline, wrapped_at: str) -> None:
        self.outline = outline
        self.wrapped_at = wrapped_at
        self.limits = provider_limits()
        self.reasons: list[str] = []
        self.notes: dict[tuple[str, str], str] = {}
        self.merging: list[int] = []
        """The ``allOf`` that are being merged, by id: what meets one of them again refers to itself."""

    def note(self, path: str, keyword: str, words: str) -> None:
        self.notes[(path.removeprefix(self.wrapped_at), keyword)] = words

    def cannot(self, path: str, words: str) -> None:
        self.reasons.append(f"{path.removeprefix(self.wrapped_at) or 'the root'} {words}")

    def write(self, schema: Any, path: str) -> Any:
        """One subschema in the subset. What has no form is kept as it is, with a reason."""
        if not isinstance(schema, dict):
            self.cannot(path, "takes any value" if schema is True else "takes no value")
            return schema
        if "allOf" in schema and "$ref" not in schema and id(schema["allOf"]) not in self.merging:
            whole = merged(schema, self.outline)
            if whole is not None:
                self.note(path, "allOf", "sent merged into one schema")
                self.merging.append(id(schema["allOf"]))
                written = self.write(whole, path)
                self.merging.pop()
                return written
        out = {**self.definitions(schema, path), **self.form(schema, path)}
        known, unknown = self.constraints(schema, path)
        words = _words(schema, unknown)
        return {**out, **known, "description": words} if words else {**out, **known}

    def definitions(self, schema: dict[str, Any], path: str) -> dict[str, Any]:
        return {
            keyword: {
                name: self.write(one, f"{path}/{keyword}/{escaped(name)}")
                for name, one in schema[keyword].items()
            }
            for keyword in _DEFINITIONS
            if isinstance(schema.get(keyword), dict)
        }

    def form(self, schema: dict[str, Any], path: str) -> dict[str, Any]:
        """Which values it takes, but for what narrows them."""
        if "$ref" in schema:
            return self.reference(schema, path)
        if "allOf" in schema:
            self.cannot(path, "combines schemas with allOf that cannot be written as one")
            return {"allOf": schema["allOf"]}
        out = self.alternatives(schema, path)
        kinds = _kinds(schema)
        if kinds:
            out["type"] = kinds if isinstance(schema.get("type"), list) or len(kinds) > 1 else kinds[0]
        elif not out:
            self.cannot(path, "takes any value")
        out |= {keyword: schema[keyword] for keyword in ("enum", "const") if keyword in schema}
        if "object" in kinds:
            out |= self.object(schema, path)
        if "array" in kinds:
            out |= self.array(schema, path)
        return out

    def reference(self, schema: dict[str, Any], path: str) -> dict[str, Any]:
        reference = schema["$ref"]
        target = self.outline.resolve(reference)
        if target is None or not TOP.fullmatch(reference):
            self.cannot(path, f"refers to {reference[:80]!r}, which is not a definition at the top")
            return dict(target) if isinstance(target, dict) else {}
        silent = {"$ref", "title", *_DEFINITIONS, *(["default"] if schema.get("default") is None else [])}
        # A reference takes nothing beside it, not even a description.
        return {"anyOf": [{"$ref": reference}]} if schema.keys() - silent else {"$ref": reference}

    def alternatives(self, schema: dict[str, Any], path: str) -> dict[str, Any]:
        branches = [keyword for keyword in ("anyOf", "oneOf") if keyword in schema]
        if len(branches) > 1 or (branches and "properties" in schema):
            self.cannot(path, "has alternatives beside other keywords")
        if "oneOf" in schema:
            self.note(path, "oneOf", "sent as anyOf; that exactly one fits is checked here")
        forms = [
            self.write(one, f"{path}/{keyword}/{index}")
            for keyword in branches
            for index, one in enumerate(schema[keyword])
        ]
        return {"anyOf": forms} if branches else {}

    def object(self, schema: dict[str, Any], path: str) -> dict[str, Any]:
        out: dict[str, Any] = {}
        properties = schema.get("properties", {})
        for keyword in ("patternProperties", "unevaluatedProperties", "dependentSchemas"):
            if schema.get(keyword):
                self.cannot(path, f"uses {keyword}")
                out[keyword] = schema[keyword]
        extra = schema.get("additionalProperties")
        if extra:
            self.cannot(path, "takes properties with names of the model's choice")
            out["additionalProperties"] = extra
        elif not properties and extra is None:
            self.cannot(path, "takes an object with any properties")
        else:
            out["additionalProperties"] = False
        required = set(schema.get("required", ()))
        out["properties"] = {}
        for name, one in properties.items():
            form = self.write(one, f"{path}/properties/{escaped(name)}")
            out["properties"][name] = form if name in required else self.nullable(form, one)
        out["required"] = [name for name in properties if name in required or not extra]
        return out

    def nullable(self, form: Any, source: Any) -> Any:
        """*form* with null allowed as well, which stands for the property being left out."""
        if not isinstance(form, dict) or "null" in self.outline.types_of([source]):
            return form
        if isinstance(form.get("type"), str) and not form.keys() & {"enum", "const", "anyOf"}:
            return {**form, "type": [form["type"], "null"]}
        if set(form) - {"description"} == {"anyOf"}:
            return {**form, "anyOf": [*form["anyOf"], {"type": "null"}]}
        described = {"description": form["description"]} if "description" in form else {}
        inner = {key: value for key, value in form.items() if key != "description"}
        return {"anyOf": [inner, {"type": "null"}], **described}

    def array(self, schema: dict[str, Any], path: str) -> dict[str, Any]:
        under = schema.get("items")
        prefix = schema.get("prefixItems", under if isinstance(under, list) else None)
        if schema.get("unevaluatedItems") is not None:
            self.note(path, "unevaluatedItems", "not sent")
        if prefix is not None:
            keyword = "prefixItems" if "prefixItems" in schema else "items"
            self.note(path, keyword, "sent as items of any of these forms; their order is checked here")
            forms = [self.write(one, f"{path}/{keyword}/{index}") for index, one in enumerate(prefix)]
            rest = schema.get("additionalItems") if isinstance(under, list) else under
            if isinstance(rest, dict):
                forms.append(self.write(rest, f"{path}/items"))
            different = [form for index, form in enumerate(forms) if form not in forms[:index]]
            return {"items": different[0] if len(different) == 1 else {"anyOf": different}}
        if isinstance(under, dict) and under:
            return {"items": self.write(under, f"{path}/items")}
        self.cannot(path, "is an array of any values")
        return {"items": {} if under is None else under}

    def constraints(self, schema: dict[str, Any], path: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """What narrows the values: what of it the provider knows, and what it does not."""
        narrowing = {keyword: schema[keyword] for keyword in _CONSTRAINTS if keyword in schema}
        known = {
            keyword: value
            for keyword, value in narrowing.items()
            if "$ref" not in schema and self.is_known(keyword, value)
        }
        unknown = {keyword: value for keyword, value in narrowing.items() if keyword not in known}
        for keyword in unknown:
            self.note(path, keyword, "put in words for the provider")
        return known, unknown

    def is_known(self, keyword: str, value: Any) -> bool:
        match keyword:
            case "format":
                return value in self.limits.formats
            case "pattern":
                return _LOOKAROUND.search(value) is None
            case _:
                # A bound that is true or false is draft 4's way to write an exclusive one.
                return keyword in self.limits.keywords and not isinstance(value, bool)


def _kinds(schema: dict[str, Any]) -> list[str]:
    """The types that it names, or shows by its values and keywords; none where it says nothing."""
    if "type" in schema:
        return schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if isinstance(values, list) and values:
        return list(dict.fromkeys(type_of(value) for value in values))
    if "properties" in schema:
        return ["object"]
    return ["array"] if "items" in schema or "prefixItems" in schema else []


def _words(schema: dict[str, Any], unknown: dict[str, Any]) -> str:
    """A description that also says what the schema says and the subset has no keyword for."""
    words = [str(schema["description"])] if "description" in schema else []
    if schema.get("default") is not None:
        words.append(f"Default: {json.dumps(schema['default'])[:200]}.")
    if unknown:
        words.append(f"Constraints: {json.dumps(unknown)[:500]}")
    return " ".join(words)
