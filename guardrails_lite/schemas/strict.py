"""What the provider is sent: its strict subset of JSON Schema where that is possible, and the truth about it.

OpenAI refuses a request whose schema steps outside the subset, so one wrong keyword would lose the call.
`to_send` writes the schema in the subset: alternatives as ``anyOf``, every property required and those that
were optional nullable, constraints the subset lacks put in words. Where the subset has no form (a dict with
free keys, for one), the schema is sent without ``strict``. Either way everything is enforced here, on the
reply, and a ``null`` that stands for a property left out is read as that.

What the subset holds and how large it may be is data with a date: ``provider_limits.json``.
"""

from __future__ import annotations

import copy
import functools
import importlib.resources
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from guardrails_lite.schemas.outline import Outline, type_of

WRAPPER = "value"
"""The property under which a value that is no object travels: the provider takes objects only."""

Enforced = Literal["provider", "here", "not enforceable"]

_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_-]+")
_MOST_REFERENCES = 20
"""How many references are followed, one to the next: more are taken to lead in a circle."""
_TOP = re.compile(r"#(/(\$defs|definitions)/[^/]+)?")
"""A reference that the subset has: to a definition at the top, or to the whole."""
_LOOKAROUND = re.compile(r"\(\?<?[=!]")
_ANNOTATIONS = frozenset(
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
_NOT_ENFORCEABLE = frozenset({"contentEncoding", "contentMediaType", "contentSchema"})
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


@dataclass(frozen=True, slots=True)
class Line:
    """One keyword of a schema, and who enforces it."""

    path: str
    """Where in the schema, as a JSON pointer."""
    keyword: str
    enforced: Enforced
    note: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What becomes of a schema: `str` shows it as a table."""

    strict: bool
    """Whether the provider is held to it while it writes."""
    reasons: tuple[str, ...]
    """Why not, where it is not."""
    lines: tuple[Line, ...]
    sent: Mapping[str, Any]
    """The schema as it is sent."""
    as_of: str
    """The date of the limits it was checked against."""

    def __str__(self) -> str:
        head = f"strict: {'yes' if self.strict else 'no'} (limits of {self.as_of})"
        why = [f"  because {reason}" for reason in self.reasons]
        width = max((len(line.path) + len(line.keyword) for line in self.lines), default=0) + 2
        rows = [
            f"{line.path + '/' + line.keyword:<{width}} {line.enforced}"
            + (f": {line.note}" if line.note else "")
            for line in self.lines
        ]
        return "\n".join([head, *why, *rows])


def to_send(schema: Mapping[str, Any], *, name: str) -> dict[str, Any]:
    """The ``json_schema`` part of OpenAI's ``response_format``; also fits a function's ``parameters``.

    Returns:
        ``name``, ``schema`` and ``strict``. The schema is an object at the root in any case.
    """
    conversion = convert(schema)
    limits = provider_limits()
    clean = _NOT_A_NAME.sub("_", name).strip("_")[: limits.max_name_chars] or "reply"
    return {"name": clean, "schema": conversion.schema, "strict": not conversion.reasons}


def explain(schema: Mapping[str, Any]) -> Explanation:
    """Who enforces what of *schema*."""
    conversion = convert(schema)
    strict = not conversion.reasons
    lines = []
    for path, keyword, value in _keywords(schema):
        lines.append(_line(path, keyword, value, conversion, strict=strict))
    return Explanation(
        strict, tuple(conversion.reasons), tuple(lines), conversion.schema, provider_limits().as_of
    )


def _line(path: str, keyword: str, value: object, conversion: Conversion, *, strict: bool) -> Line:
    if keyword in _NOT_ENFORCEABLE:
        return Line(path, keyword, "not enforceable", "it describes the text, it does not constrain it")
    if keyword == "format" and isinstance(value, str) and not _known_format(value):
        return Line(path, keyword, "not enforceable", f"{value!r} is not a format of JSON Schema")
    if not strict:
        return Line(path, keyword, "here")
    note = conversion.notes.get((path, keyword))
    if note is not None:
        return Line(path, keyword, "here", note)
    return Line(path, keyword, "provider")


def _known_format(name: str) -> bool:
    from guardrails_lite.schemas.formats import checker

    return checker(name, 2020) is not None


def _keywords(schema: object, path: str = "") -> Iterator[tuple[str, str, object]]:
    """Every keyword of a schema that says something about values."""
    if not isinstance(schema, dict):
        return
    for keyword, value in schema.items():
        here = f"{path}/{keyword}"
        if keyword not in _ANNOTATIONS:
            yield path, keyword, value
        match keyword:
            case "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas":
                for name, one in value.items():
                    yield from _keywords(one, f"{here}/{_escaped(name)}")
            case "allOf" | "anyOf" | "oneOf" | "prefixItems":
                for index, one in enumerate(value):
                    yield from _keywords(one, f"{here}/{index}")
            case "items" if isinstance(value, list):
                for index, one in enumerate(value):
                    yield from _keywords(one, f"{here}/{index}")
            case (
                "items"
                | "additionalProperties"
                | "additionalItems"
                | "unevaluatedProperties"
                | "unevaluatedItems"
                | "contains"
                | "propertyNames"
                | "not"
                | "if"
                | "then"
                | "else"
            ):
                yield from _keywords(value, here)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def is_object(schema: Mapping[str, Any]) -> bool:
    """Whether the provider takes it at the root: an object, not a choice between forms."""
    outline = Outline(schema)
    form: object = schema
    for _ in range(_MOST_REFERENCES):
        if not isinstance(form, dict):
            return False
        if form.get("type") == "object":
            return "anyOf" not in form and "oneOf" not in form
        if "$ref" not in form:
            return False
        form = outline.resolve(form["$ref"])
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


def _rewrite(schema: object, moved: Any) -> None:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            schema["$ref"] = moved(schema["$ref"])
        for value in schema.values():
            _rewrite(value, moved)
    elif isinstance(schema, list):
        for value in schema:
            _rewrite(value, moved)


# -- conversion --------------------------------------------------------------------------------------


@dataclass(slots=True)
class Conversion:
    """A schema on its way into the subset."""

    schema: dict[str, Any]
    reasons: list[str]
    """Why the strict form is not possible; empty when it is."""
    notes: dict[tuple[str, str], str]
    """Keywords that the strict form does not carry as they are, by place, and what became of them."""


def convert(schema: Mapping[str, Any]) -> Conversion:
    """Write *schema* in the provider's subset."""
    source = dict(schema) if is_object(schema) else under_wrapper(schema)
    shift = "" if is_object(schema) else f"/properties/{WRAPPER}"
    if "$ref" in source:
        # The root may not be a reference; it is written as what it names, beside the definitions.
        outline = Outline(source)
        target: object = source
        for _ in range(_MOST_REFERENCES):
            if isinstance(target, dict) and "$ref" in target:
                target = outline.resolve(target["$ref"])
        kept: dict[str, Any] = {key: source[key] for key in ("$defs", "definitions") if key in source}
        source = {**(target if isinstance(target, dict) and "$ref" not in target else {}), **kept}
    writer = _Writer(source, shift)
    sent = writer.write(source, "")
    if not isinstance(sent, dict):
        sent = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    writer.check_limits(sent)
    return Conversion(sent, list(dict.fromkeys(writer.reasons)), writer.notes)


class _Writer:
    def __init__(self, root: dict[str, Any], shift: str) -> None:
        self.root = root
        self.shift = shift
        self.outline = Outline(root)
        self.limits = provider_limits()
        self.reasons: list[str] = []
        self.notes: dict[tuple[str, str], str] = {}
        self.merging: list[int] = []
        """The ``allOf`` that are being merged, by id: what meets one of them again refers to itself."""

    def note(self, path: str, keyword: str, words: str) -> None:
        self.notes[(path.removeprefix(self.shift), keyword)] = words

    def cannot(self, path: str, words: str) -> None:
        self.reasons.append(f"{path.removeprefix(self.shift) or 'the root'} {words}")

    def write(self, schema: Any, path: str) -> Any:
        """One subschema in the subset. What has no form is kept as it is, with a reason."""
        if not isinstance(schema, dict):
            self.cannot(path, "takes any value" if schema is True else "takes no value")
            return schema
        out: dict[str, Any] = {}
        words: list[str] = []
        for keyword in ("$defs", "definitions"):
            if isinstance(schema.get(keyword), dict):
                out[keyword] = {
                    name: self.write(one, f"{path}/{keyword}/{_escaped(name)}")
                    for name, one in schema[keyword].items()
                }
        if "description" in schema:
            words.append(str(schema["description"]))
        if "default" in schema and schema["default"] is not None:
            words.append(f"Default: {json.dumps(schema['default'])[:200]}.")
        self.structure(schema, out, path)
        self.constraints(schema, out, words, path)
        if words:
            out["description"] = " ".join(words)
        return out

    def structure(self, schema: dict[str, Any], out: dict[str, Any], path: str) -> None:
        if "$ref" in schema:
            self.reference(schema, out, path)
            return
        branches = [keyword for keyword in ("anyOf", "oneOf", "allOf") if keyword in schema]
        if "allOf" in schema:
            parts = schema["allOf"]
            if len(parts) == 1 and _is_reference(parts[0]) and not set(schema) - _ANNOTATIONS - {"allOf"}:
                kept = {key: value for key, value in schema.items() if key != "allOf"}
                self.reference({**kept, **parts[0]}, out, path)
                return
            merged = None if id(parts) in self.merging else self.merged(schema, path)
            if merged is not None:
                self.merging.append(id(parts))
                written = self.write(merged, path)
                self.merging.pop()
                out.update(
                    {key: value for key, value in written.items() if key not in ("$defs", "definitions")}
                )
                self.note(path, "allOf", "sent merged into one schema")
                return
            self.cannot(path, "combines schemas with allOf that cannot be written as one")
            out["allOf"] = schema["allOf"]
            return
        if len(branches) > 1 or (branches and "properties" in schema):
            self.cannot(path, "has alternatives beside other keywords")
        for keyword in [str(branch) for branch in branches]:
            out["anyOf"] = out.get("anyOf", []) + [
                self.write(one, f"{path}/{keyword}/{index}") for index, one in enumerate(schema[keyword])
            ]
            if keyword == "oneOf":
                self.note(path, "oneOf", "sent as anyOf; that exactly one fits is checked here")
        kind = self.kind(schema)
        if kind is not None:
            out["type"] = kind
        elif not branches:
            self.cannot(path, "takes any value")
        for keyword in ("enum", "const"):
            if keyword in schema:
                out[keyword] = schema[keyword]
        kinds = kind if isinstance(kind, list) else [kind]
        if "object" in kinds:
            self.object(schema, out, path)
        if "array" in kinds:
            self.array(schema, out, path)

    def kind(self, schema: dict[str, Any]) -> Any:
        if "type" in schema:
            return schema["type"]
        values = [schema["const"]] if "const" in schema else schema.get("enum")
        if isinstance(values, list) and values:
            kinds = list(dict.fromkeys(type_of(value) for value in values))
            return kinds[0] if len(kinds) == 1 else kinds
        if "properties" in schema:
            return "object"
        return "array" if "items" in schema or "prefixItems" in schema else None

    def reference(self, schema: dict[str, Any], out: dict[str, Any], path: str) -> None:
        reference = schema["$ref"]
        if not _TOP.fullmatch(reference) or self.outline.resolve(reference) is None:
            target = self.outline.resolve(reference)
            self.cannot(path, f"refers to {reference[:80]!r}, which is not a definition at the top")
            out.update(target if isinstance(target, dict) else {})
            return
        if {key for key in schema if key not in ("$ref", "$defs", "definitions", "title", "default")}:
            out["anyOf"] = [{"$ref": reference}]
        else:
            out["$ref"] = reference
        if "default" in schema and schema["default"] is not None:
            out.pop("$ref", None)
            out["anyOf"] = [{"$ref": reference}]

    def merged(self, schema: dict[str, Any], path: str) -> dict[str, Any] | None:
        """An ``allOf`` of objects with different properties, or of one schema, as one schema."""
        whole: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
        for one in schema["allOf"]:
            target = one
            for _ in range(_MOST_REFERENCES):
                if isinstance(target, dict) and set(target) - _ANNOTATIONS == {"$ref"}:
                    target = self.outline.resolve(target["$ref"])
            if not isinstance(target, dict) or "$ref" in target:
                return None
            for key, value in target.items():
                if key in _ANNOTATIONS or whole.get(key) == value:
                    continue
                if key == "properties" and not (whole.get("properties", {}).keys() & value.keys()):
                    whole["properties"] = {**whole.get("properties", {}), **value}
                elif key == "required":
                    whole["required"] = [*whole.get("required", []), *value]
                elif key not in whole and key != "additionalProperties":
                    whole[key] = value
                else:
                    return None
        return whole

    def object(self, schema: dict[str, Any], out: dict[str, Any], path: str) -> None:
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
        written: dict[str, Any] = {}
        for name, one in properties.items():
            place = f"{path}/properties/{_escaped(name)}"
            form = self.write(one, place)
            if name not in required:
                form = self.nullable(form, one)
                self.note(place, "optional", "sent as null when left out")
            written[name] = form
        out["properties"] = written
        if extra:
            out["required"] = [name for name in properties if name in required]
        else:
            out["required"] = list(written)

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

    def array(self, schema: dict[str, Any], out: dict[str, Any], path: str) -> None:
        under = schema.get("items")
        prefix = schema.get("prefixItems", under if isinstance(under, list) else None)
        if prefix is not None:
            keyword = "prefixItems" if "prefixItems" in schema else "items"
            forms = [self.write(one, f"{path}/{keyword}/{index}") for index, one in enumerate(prefix)]
            rest = schema.get("additionalItems") if isinstance(under, list) else under
            if isinstance(rest, dict):
                forms.append(self.write(rest, f"{path}/items"))
            different = [form for index, form in enumerate(forms) if form not in forms[:index]]
            out["items"] = different[0] if len(different) == 1 else {"anyOf": different}
            self.note(path, keyword, "sent as items of any of these forms; their order is checked here")
        elif isinstance(under, dict) and under:
            out["items"] = self.write(under, f"{path}/items")
        else:
            self.cannot(path, "is an array of any values")
            out["items"] = {} if under is None else under
        if schema.get("unevaluatedItems") is not None:
            self.note(path, "unevaluatedItems", "not sent")

    def constraints(self, schema: dict[str, Any], out: dict[str, Any], words: list[str], path: str) -> None:
        unsaid: dict[str, Any] = {}
        for keyword in _CONSTRAINTS:
            if keyword not in schema:
                continue
            value = schema[keyword]
            known = keyword in self.limits.keywords and not isinstance(value, bool)
            if keyword == "format":
                known = value in self.limits.formats
            if keyword == "pattern":
                known = _LOOKAROUND.search(value) is None
            if known and "$ref" not in schema:
                out[keyword] = value
            else:
                unsaid[keyword] = value
                self.note(path, keyword, "put in words for the provider")
        if unsaid:
            words.append(f"Constraints: {json.dumps(unsaid)[:500]}")

    # -- size ----------------------------------------------------------------------------------------

    def check_limits(self, sent: dict[str, Any]) -> None:
        """Count what the provider counts."""
        limits, count = self.limits, _Count()
        count.walk(sent, 0)
        for what, found, most in (
            ("properties", count.properties, limits.max_properties),
            ("levels of objects", count.depth, limits.max_depth),
            ("characters of names and enum values", count.chars, limits.max_name_and_enum_chars),
            ("enum values", count.enum_values, limits.max_enum_values),
        ):
            if found > most:
                self.reasons.append(f"it has {found} {what}; the provider takes {most}")
        for size, chars in count.enums:
            if size > limits.large_enum_values and chars > limits.max_large_enum_chars:
                self.reasons.append(
                    f"an enum of {size} values has {chars} characters; the provider takes "
                    f"{limits.max_large_enum_chars} in an enum of more than {limits.large_enum_values}"
                )


def _is_reference(schema: object) -> bool:
    """Whether it is a reference that the subset has, and nothing else."""
    return isinstance(schema, dict) and schema.keys() == {"$ref"} and bool(_TOP.fullmatch(schema["$ref"]))


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


# -- arguments ---------------------------------------------------------------------------------------


def close(schema: Mapping[str, Any], *, draft: int) -> dict[str, Any]:
    """*schema* with undeclared properties refused wherever it does not speak of them itself."""
    closed: dict[str, Any] = _closed(copy.deepcopy(dict(schema)), draft, shared=False)
    return closed


_SPEAKS = ("additionalProperties", "patternProperties", "unevaluatedProperties", "propertyNames")
_IN_PLACE = ("allOf", "anyOf", "oneOf", "if", "then", "else", "$ref", "$dynamicRef", "dependentSchemas")


def _closed(schema: Any, draft: int, *, shared: bool) -> Any:
    """Close one subschema. *shared*: another schema describes the same object, so it must stay open."""
    if not isinstance(schema, dict):
        return schema
    composed = any(keyword in schema for keyword in _IN_PLACE)
    if "properties" in schema and not shared and not any(keyword in schema for keyword in _SPEAKS):
        if not composed:
            schema["additionalProperties"] = False
        elif draft >= 2019:
            schema["unevaluatedProperties"] = False
    for keyword in ("properties", "patternProperties"):
        for name, one in (schema.get(keyword) or {}).items():
            schema[keyword][name] = _closed(one, draft, shared=False)
    for keyword in ("$defs", "definitions"):
        for name, one in (schema.get(keyword) or {}).items():
            # A definition may be one of several parts of an object; only plain ones are closed.
            schema[keyword][name] = _closed(one, draft, shared=_is_part(schema, f"#/{keyword}/{name}"))
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            schema[keyword] = _closed(schema[keyword], draft, shared=False)
    for keyword in ("anyOf", "oneOf"):
        if isinstance(schema.get(keyword), list):
            beside = shared or "properties" in schema or "allOf" in schema
            schema[keyword] = [_closed(one, draft, shared=beside) for one in schema[keyword]]
    return schema


def _is_part(root: Mapping[str, Any], reference: str) -> bool:
    """Whether a definition is used beside other schemas of the same object."""
    waiting: list[tuple[object, bool]] = [(root, False)]
    while waiting:
        item, part = waiting.pop()
        if isinstance(item, list):
            waiting.extend((one, part) for one in item)
        elif isinstance(item, dict):
            if item.get("$ref") == reference and (part or "properties" in item):
                return True
            for key, value in item.items():
                inside = key in ("allOf", "if", "then", "else", "dependentSchemas", "not")
                beside = key in ("anyOf", "oneOf") and ("properties" in item or part)
                waiting.append((value, inside or beside))
    return False
