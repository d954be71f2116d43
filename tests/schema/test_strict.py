"""What the provider is sent, and who enforces what."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from pydantic import BaseModel, ConfigDict, Field

from guardrails_lite._schema import Schema, explain_schema
from guardrails_lite.schemas.provider_limits import provider_limits
from guardrails_lite.schemas.strict import convert
from schema.test_dialects import SCHEMAS


class Node(BaseModel):
    name: str
    children: list[Node] = []


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(9, ge=0)


class Dog(BaseModel):
    kind: Literal["dog"]
    bark: Annotated[str, Field(min_length=1)]


class Pet(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    size: tuple[int, str]
    note: str | None = None


class Free(BaseModel):
    counts: dict[str, int]


class More(BaseModel):
    model_config = ConfigDict(extra="allow")
    x: int


def sent(declared: object) -> dict[str, Any]:
    form = Schema.of(declared).response_format()
    assert form["type"] == "json_schema"
    found: dict[str, Any] = form["json_schema"]
    return found


def broken_rules(schema: Any, *, root: bool = True) -> list[str]:
    """The strict subset's rules that a schema breaks, written out again from the provider's documents."""
    if not isinstance(schema, dict):
        return ["a schema that is no object"]
    found = []
    if root and (schema.get("type") != "object" or "anyOf" in schema):
        found.append("the root is not an object")
    found += [f"unknown keyword {key}" for key in schema.keys() - provider_limits().keywords]
    if "$ref" in schema and len(schema.keys() - {"$defs", "definitions"}) > 1:
        found.append("a reference with siblings")
    if not schema.keys() & {"type", "anyOf", "$ref", "enum", "const"}:
        found.append("no type")
    kind = schema.get("type")
    if kind == "object" or (isinstance(kind, list) and "object" in kind):
        if schema.get("additionalProperties") is not False:
            found.append("an open object")
        if sorted(schema.get("required", ())) != sorted(schema.get("properties", {})):
            found.append("an optional property")
    if (kind == "array" or (isinstance(kind, list) and "array" in kind)) and not schema.get("items"):
        found.append("an array without items")
    if schema.get("format") is not None and schema["format"] not in provider_limits().formats:
        found.append("an unknown format")
    for keyword in ("properties", "$defs", "definitions"):
        for one in schema.get(keyword, {}).values():
            found += broken_rules(one, root=False)
    for one in schema.get("anyOf", []):
        found += broken_rules(one, root=False)
    if "items" in schema:
        found += broken_rules(schema["items"], root=False)
    return found


@pytest.mark.parametrize(
    "declared",
    [
        Node,
        Cat,
        Pet,
        list[Cat],
        Cat | Dog,
        int,
        str,
        Literal["a", "b"],
        dict[Literal["x"], int] | Cat,
        tuple[int, str],
    ],
)
def test_what_is_sent_as_strict_keeps_the_rules(declared: object) -> None:
    """Discriminated unions, recursion, defaults, tuples, other roots: in the subset, or not strict."""
    form = sent(declared)
    if form["strict"]:
        assert broken_rules(form["schema"]) == []
    else:
        assert explain_schema(declared).reasons


@pytest.mark.parametrize("declared", [Node, Pet, list[Cat], Cat | Dog, int])
def test_ordinary_declarations_are_sent_as_strict(declared: object) -> None:
    """The forms that the client's own converter sends wrong are sent right."""
    assert sent(declared)["strict"]


@given(SCHEMAS)
def test_any_schema_is_sent_within_the_rules_or_not_as_strict(schema: dict[str, Any]) -> None:
    """Strict is claimed only for what the provider takes."""
    conversion = convert(schema)
    if not conversion.reasons:
        assert broken_rules(conversion.schema) == []
    assert conversion.schema.get("type") == "object" or conversion.reasons


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        (Free, "properties with names of the model's choice"),
        (More, "properties with names of the model's choice"),
        (dict[str, int], "properties with names of the model's choice"),
        (list[Any], "any value"),
        ({"type": "object"}, "an object with any properties"),
        ({"type": "object", "properties": {}, "patternProperties": {"a": True}}, "uses patternProperties"),
    ],
)
def test_what_has_no_strict_form_says_why(declared: object, reason: str) -> None:
    """It is sent without strict, and the reason is one line."""
    explanation = explain_schema(declared)
    assert not explanation.strict
    assert any(reason in one for one in explanation.reasons)
    assert not sent(declared)["strict"]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "$ref": "#"},
        {"type": "object", "$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
        {"type": "object", "allOf": [{"$ref": "#"}]},
        {
            "type": "object",
            "allOf": [{"$ref": "#/$defs/a"}],
            "$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}},
        },
        {
            "type": "object",
            "properties": {"a": {"allOf": [{"$ref": "#/properties/a"}, {"title": "A"}]}},
        },
    ],
)
def test_a_circle_of_references_ends(schema: dict[str, Any]) -> None:
    """What only refers to itself has no strict form, and is no endless way."""
    assert not sent(schema)["strict"]


def test_what_parts_of_allof_narrow_is_told_beside_a_description() -> None:
    """The subset has no keyword for it, so it is in the words, after those of the schema itself."""
    name = {"description": "A name.", "allOf": [{"type": "string", "minLength": 2}]}
    form = sent({"type": "object", "properties": {"name": name}, "required": ["name"]})["schema"]
    assert form["properties"]["name"] == {
        "type": "string",
        "description": 'A name. Constraints: {"minLength": 2}',
    }


def test_a_reference_that_stands_alone_in_allof_is_a_reference() -> None:
    """Older generators write a recursive model so, to put a description beside it."""
    linked = {"allOf": [{"$ref": "#/$defs/Node"}], "description": "the next one"}
    node = {"type": "object", "properties": {"next": linked}}
    form = sent(
        {"type": "object", "properties": {"first": {"$ref": "#/$defs/Node"}}, "$defs": {"Node": node}}
    )
    assert form["strict"]
    assert broken_rules(form["schema"]) == []
    assert form["schema"]["$defs"]["Node"]["properties"]["next"] == {
        "anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}],
        "description": "the next one",
    }


def test_an_optional_property_is_asked_for_and_may_be_null() -> None:
    """With its default in words, and null read as left out."""
    properties = sent(Cat)["schema"]["properties"]
    assert properties["lives"]["type"] == ["integer", "null"]
    assert "Default: 9" in properties["lives"]["description"]
    assert Schema.of(Cat).parse('{"kind":"cat","lives":null}').value == Cat(kind="cat", lives=9)


def test_who_enforces_what_is_told_by_keyword() -> None:
    """The provider, this library, or nobody."""
    by_place = {(line.path, line.keyword): line.enforced for line in explain_schema(Pet).lines}
    assert by_place["/$defs/Cat/properties/lives", "minimum"] == "provider"
    assert by_place["/$defs/Dog/properties/bark", "minLength"] == "here"
    assert by_place["/properties/pet", "oneOf"] == "here"
    assert by_place["/properties/size", "prefixItems"] == "here"
    odd = explain_schema({"type": "string", "format": "colour", "contentEncoding": "base64"})
    assert {line.keyword: line.enforced for line in odd.lines} == {
        "type": "provider",
        "format": "not enforceable",
        "contentEncoding": "not enforceable",
    }
    assert "strict: yes" in str(odd)
    assert provider_limits().as_of in str(odd)


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (
            {"type": "object", "properties": {f"p{n}": {"type": "integer"} for n in range(5001)}},
            "5001 properties",
        ),
        (
            {"type": "object", "properties": {"e": {"enum": [f"{n}" for n in range(1001)]}}},
            "1001 enum values",
        ),
        (
            {"type": "object", "properties": {"e": {"enum": [f"{n:099}" for n in range(300)]}}},
            "29700 characters",
        ),
        ({"type": "object", "properties": {"n" * 120_001: {"type": "null"}}}, "120001 characters"),
    ],
)
def test_the_limits_are_checked_before_anything_is_sent(schema: dict[str, Any], reason: str) -> None:
    """A schema that the provider would refuse for its size is sent without strict, and says so."""
    compiled = Schema.of(schema)
    assert any(reason in one for one in explain_schema(compiled).reasons)
    assert not sent(compiled)["strict"]


def test_nesting_is_limited() -> None:
    """Ten levels of objects are taken, eleven are not."""
    schema: dict[str, Any] = {"type": "integer"}
    for _ in range(10):
        schema = {"type": "object", "properties": {"n": schema}, "required": ["n"]}
    assert sent(schema)["strict"]
    assert not sent({"type": "object", "properties": {"n": schema}, "required": ["n"]})["strict"]


def test_a_name_fits_the_providers_letters() -> None:
    """Names are letters, digits, underscores and hyphens, at most 64."""
    Odd = Enum("Odd", "A")
    assert sent(list[Cat])["name"] == "list_Cat"
    assert sent({"title": "Größe! " * 20, "type": "integer"})["name"].isascii()
    assert len(sent({"title": "x" * 99, "type": "integer"})["name"]) == 64
    assert sent(Odd)["name"] == "Odd"
