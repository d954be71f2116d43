"""Rules on single fields, and asking again for the wrong parts only."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated, Any, Generic, NamedTuple, NewType, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field, RootModel
from typing_extensions import TypedDict

from guardrails_lite._errors import ConfigError
from guardrails_lite._rules import block, redact
from guardrails_lite._schema import Schema, feedback
from guardrails_lite._validators import Finding, Findings, validator
from guardrails_lite.schemas.parts import missing_parts


@validator(window=8)
def loud(text: str) -> Findings:
    """Capital letters."""
    return [Finding("is loud")] if text.isupper() else []


RULE, OTHER = block(loud), redact(loud)


class Node(BaseModel):
    title: Annotated[str, RULE]
    children: list[Node] = []


@dataclasses.dataclass
class Point:
    name: Annotated[str, RULE]


class Entry(TypedDict):
    text: Annotated[str | None, OTHER]


class Page(BaseModel):
    head: Annotated[str, Field(alias="Head"), RULE, OTHER]
    tree: Node | None = None
    points: tuple[Point, int] | None = None
    notes: dict[str, Annotated[str, RULE]] = {}
    entries: list[Entry] = []
    words: Annotated[list[str], OTHER] = []


PAGE = {
    "Head": "h",
    "tree": {"title": "t", "children": [{"title": "u", "children": []}]},
    "points": [{"name": "p"}, 1],
    "notes": {"own key": "n"},
    "entries": [{"text": None}, {"text": "e"}],
    "words": ["v", "w"],
}


def test_rules_are_found_at_any_depth() -> None:
    """In nested models, dataclasses, TypedDicts, lists, dicts, tuples, unions and aliases, each told once."""
    rules = Schema.of(Page).field_rules
    assert {(one.path, one.rule) for one in rules} == {
        ("$.Head", RULE),
        ("$.Head", OTHER),
        ("$.tree.title", RULE),
        ("$.points[*].name", RULE),
        ("$.notes[*]", RULE),
        ("$.entries[*].text", OTHER),
        ("$.words", OTHER),
    }
    assert len(rules) == 7


def test_the_texts_under_rules_are_given_with_places() -> None:
    """Also in recursion; a key that is the reply's own is shown by its position."""
    schema = Schema.of(Page)
    texts = schema.field_texts(schema.parse(json.dumps(PAGE)).json)
    assert {(one.path, one.text) for one in texts} == {
        ("$.Head", "h"),
        ("$.tree.title", "t"),
        ("$.tree.children[0].title", "u"),
        ("$.points[0].name", "p"),
        ("$.notes[key 0]", "n"),
        ("$.entries[1].text", "e"),
        ("$.words[0]", "v"),
        ("$.words[1]", "w"),
    }


def test_texts_are_put_back_and_the_whole_is_checked_again() -> None:
    """What redaction leaves is a typed value like any other, or a problem like any other."""
    schema = Schema.of(Page)
    plain = schema.parse(json.dumps(PAGE)).json
    new = {one.pointer: one.text.upper() for one in schema.field_texts(plain)}
    value = schema.with_texts(plain, new).value
    assert isinstance(value, Page)
    assert (value.head, value.notes, value.words) == ("H", {"own key": "N"}, ["V", "W"])
    assert json.dumps(plain) == json.dumps(PAGE)


def test_a_rule_on_what_holds_no_text_is_a_config_error() -> None:
    """It could never find anything."""
    with pytest.raises(ConfigError, match=r"is on \$\.n, which holds no text"):
        Schema.of(TypedDict("T", {"n": Annotated[int, RULE]}))
    with pytest.raises(ConfigError, match="on the keys"):
        Schema.of(dict[Annotated[str, RULE], int])


class Line(BaseModel):
    sku: str
    qty: int = Field(ge=0)


class Order(BaseModel):
    id: int
    note: str
    lines: list[Line]


ORDER = Schema.of(Order)


def rows(count: int) -> dict[str, Any]:
    return {
        "id": 1,
        "note": "n",
        "lines": [{"sku": f"sku-{number}", "qty": number} for number in range(count)],
    }


@given(st.sets(st.integers(0, 29), min_size=1, max_size=5), st.booleans())
def test_only_what_is_wrong_is_asked_for_again(wrong: set[int], missing: bool) -> None:
    """Wrong or missing fields are asked for by themselves, and with the answers in place the whole fits."""
    reply = rows(30)
    for number in wrong:
        if missing:
            del reply["lines"][number]["qty"]
        else:
            reply["lines"][number]["qty"] = -1
    parsed = ORDER.parse(json.dumps(reply))
    parts = missing_parts(ORDER, parsed.json, parsed.problems)
    assert parts is not None
    assert set(parts.paths) == {f"$.lines[{number}].qty" for number in wrong}
    answer = {f"part_{at}": int(path[8:].split("]")[0]) for at, path in enumerate(parts.paths, 1)}
    given = parts.schema.parse(json.dumps(answer))
    assert given.ok
    assert ORDER.parse(parts.merged(given) or "").value == Order(**rows(30))
    assert parts.schema.response_format()["json_schema"]["strict"]
    assert parts.legend.splitlines()[0] == f"part_1 is {parts.paths[0]}"
    assert len(json.dumps(answer)) < len(json.dumps(reply)) / 3


def test_an_answer_that_is_wrong_again_is_a_problem_of_the_whole() -> None:
    """Nothing is put in without the check of the whole."""
    reply = rows(30)
    reply["lines"][3]["qty"] = "many"
    parsed = ORDER.parse(json.dumps(reply))
    parts = missing_parts(ORDER, parsed.json, parsed.problems)
    assert parts is not None
    again = ORDER.parse(parts.merged(parts.schema.parse('{"part_1": -3}')) or "")
    assert feedback(again.problems) == "$.lines[3].qty: a number >= 0"


@pytest.mark.parametrize(
    "text", ["{}", "[1]", "7", '{"part_2": 1}', '{"part_1": 1, "id": 2}', '{"part_1": 1 1}']
)
def test_what_is_no_answer_is_not_merged(text: str) -> None:
    """Nothing, something else, more than asked for, or a guess at what was meant."""
    reply = rows(30)
    reply["lines"][3]["qty"] = "many"
    parsed = ORDER.parse(json.dumps(reply))
    parts = missing_parts(ORDER, parsed.json, parsed.problems)
    assert parts is not None
    assert parts.merged(parts.schema.parse(text)) is None


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (ORDER, "no JSON"),
        (ORDER, '{"id":1}'),
        (ORDER, "[]"),
        (ORDER, json.dumps({**rows(30), "extra": 1})),
        (Schema.of(list[Order | Line]), json.dumps([{"sku": "s", "qty": -1}])),
    ],
)
def test_the_whole_is_asked_for_where_parts_do_not_do(schema: Schema[Any], text: str) -> None:
    """Where the root is wrong, where it would not be cheaper, where a choice stands above the mistake."""
    parsed = schema.parse(text)
    assert not parsed.ok
    assert missing_parts(schema, parsed.json, parsed.problems) is None


class Root(RootModel[list[Annotated[str, OTHER]]]):
    pass


class Either(BaseModel):
    text: Annotated[str, OTHER] = Field(validation_alias=AliasChoices("said", "told"))


class Named(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    text: Annotated[str, OTHER] = Field(alias="said")


class Pair(NamedTuple):
    text: Annotated[str, OTHER]
    count: int = 0


@dataclasses.dataclass
class Renamed:
    text: Annotated[str, OTHER, Field(alias="said")]


class RenamedDict(TypedDict):
    text: Annotated[str, OTHER, Field(alias="said")]


T = TypeVar("T")


@dataclasses.dataclass
class Box(Generic[T]):
    inside: T
    more: list[T] = dataclasses.field(default_factory=list)


class Crate(TypedDict, Generic[T]):
    inside: T


Loud = NewType("Loud", Annotated[str, OTHER])  # type: ignore[valid-newtype]  # pydantic takes it


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        (Root, ["LOUD"]),
        (list[Root], [["LOUD"]]),
        (Either, {"said": "LOUD"}),
        (Either, {"told": "LOUD"}),
        (Named, {"said": "LOUD"}),
        (Named, {"text": "LOUD"}),
        (Pair, ["LOUD", 1]),
        (list[Pair], [{"text": "LOUD"}]),
        (Renamed, {"said": "LOUD"}),
        (RenamedDict, {"said": "LOUD"}),
        (Box[Annotated[str, OTHER]], {"inside": "LOUD"}),
        (Box[Annotated[str | None, OTHER]], {"inside": None, "more": ["LOUD"]}),
        (Crate[Annotated[str, OTHER]], {"inside": "LOUD"}),
        (list[Loud], ["LOUD"]),
    ],
    ids=repr,
)
def test_a_rule_is_asked_wherever_pydantic_finds_the_field(declared: Any, value: Any) -> None:
    """Under each of its names, by its place, and in what a generic class is given."""
    schema = Schema.of(declared)
    parsed = schema.parse(json.dumps(value))

    assert parsed.ok
    assert [(found.text, found.rule) for found in schema.field_texts(parsed.json)] == [("LOUD", OTHER)]


def test_a_rule_that_could_not_be_asked_is_refused() -> None:
    """Rather than being passed over."""

    class Deep(BaseModel):
        text: Annotated[str, RULE] = Field(validation_alias=AliasPath("said", 0))

    with pytest.raises(ConfigError, match=r"is on \$.text, which an AliasPath takes from deeper"):
        Schema.of(Deep)
    with pytest.raises(ConfigError, match=r"is on the undeclared properties of \$"):
        Schema.of(Open)


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Annotated[str, RULE]]
