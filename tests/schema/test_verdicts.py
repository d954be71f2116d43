"""The verdict on a reply, for everything that can be declared."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import typing
import uuid
from typing import Annotated, Any, Literal

import pytest
import typing_extensions
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from guardrails_lite._errors import ConfigError
from guardrails_lite._schema import Edit, Parsed, Problem, Schema, feedback, fingerprint
from guardrails_lite.schemas.problems import CODES, pointer_of


class Line(BaseModel):
    sku: str
    qty: int = Field(ge=0)
    price: float


class Order(BaseModel):
    id: int
    lines: list[Line]
    note: str | None = None
    tag: str = "none"
    due: datetime.date | None = None


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    bark: str


@dataclasses.dataclass
class Point:
    x: int
    y: int


class OldDict(typing.TypedDict):
    x: int
    name: typing.NotRequired[str]


class NewDict(typing_extensions.TypedDict):
    x: int


class Colour(enum.Enum):
    RED = "red"


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    x: int


class Holder(BaseModel):
    part: Open
    line: Line | None = None


ORDER = Schema.of(Order)
LINE = '{"sku":"a","qty":1,"price":2.5}'
RAW_ORDER = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "sku": {"type": "string"},
                    "qty": {"type": "integer", "minimum": 0},
                    "price": {"type": "number"},
                },
                "required": ["sku", "qty", "price"],
                "additionalProperties": False,
            },
        },
        "note": {"type": ["string", "null"]},
        "tag": {"type": "string"},
    },
    "required": ["id", "lines"],
    "additionalProperties": False,
}


def lines(parsed: Parsed) -> list[str]:
    return [f"{problem} ({problem.code})" for problem in parsed.problems]


@pytest.mark.parametrize(
    ("declared", "text", "value"),
    [
        (Order, f'{{"id":1,"lines":[{LINE}]}}', Order(id=1, lines=[Line(sku="a", qty=1, price=2.5)])),
        (Point, '{"x":1,"y":2}', Point(1, 2)),
        (OldDict, '{"x":1}', {"x": 1}),
        (list[OldDict], '[{"x":1,"name":"n"}]', [{"x": 1, "name": "n"}]),
        (NewDict, '{"x":1}', {"x": 1}),
        (int, "3", 3),
        (list[int], "[1,2]", [1, 2]),
        (list[int], '{"value":[1,2]}', [1, 2]),
        (Cat | Dog, '{"kind":"dog","bark":"w"}', Dog(kind="dog", bark="w")),
        (Cat | Dog, '{"value":{"kind":"cat","lives":9}}', Cat(kind="cat", lives=9)),
        (str, "plain words, no JSON", "plain words, no JSON"),
        (str, '"quoted"', "quoted"),
        (Literal["yes", "no"], "yes", "yes"),
        (Colour, '"red"', Colour.RED),
        (datetime.date, '"2026-02-28"', datetime.date(2026, 2, 28)),
        (decimal.Decimal, '"1.10"', decimal.Decimal("1.10")),
        (uuid.UUID, '"00000000-0000-0000-0000-000000000001"', uuid.UUID(int=1)),
        (tuple[int, str], '[1,"a"]', (1, "a")),
        (dict[str, int], '{"a":1}', {"a": 1}),
        (Holder, '{"part":{"x":1,"more":2}}', Holder(part=Open(x=1, more=2))),  # type: ignore[call-arg]
        (RAW_ORDER, f'{{"id":1,"lines":[{LINE}]}}', {"id": 1, "lines": [json.loads(LINE)]}),
        ({"type": "array"}, '{"value":[1]}', [1]),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "type": "integer"}, "3", 3),
    ],
)
def test_a_fitting_reply_is_accepted_and_typed(declared: object, text: str, value: object) -> None:
    """Everything that can be declared gives its own type."""
    parsed = Schema.of(declared).parse(text)
    assert lines(parsed) == []
    assert parsed.value == value
    assert type(parsed.value) is type(value)
    assert not parsed.repaired or text[0] not in "{["


@pytest.mark.parametrize("declared", [Order, RAW_ORDER])
@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", ["$: a JSON value (no json)"]),
        ("I cannot do that.", ["$: a JSON value (no json)"]),
        ('{"lines":[]}', ["$.id: an integer, which is missing (missing)"]),
        ('{"id":"x","lines":[]}', ["$.id: an integer (wrong type)"]),
        ('{"id":true,"lines":[]}', ["$.id: an integer (wrong type)"]),
        ('{"id":1.5,"lines":[]}', ["$.id: an integer (wrong type)"]),
        (
            '{"id":1,"lines":[{"sku":"a","qty":-1,"price":1}]}',
            ["$.lines[0].qty: {at_least} (out of range)"],
        ),
        (
            '{"id":1,"lines":[{"sku":"a","qty":1,"price":1,"secret-1":1,"secret-2":1}]}',
            ["$.lines[0]: no properties but sku, qty, price (2 undeclared) (undeclared)"],
        ),
        ("[]", ["$: an object with id, lines (wrong type)"]),
        (
            '{"id":1,"lines":[',
            ["$: a complete value: it ends before it is closed (at character 17) (cut off)"],
        ),
        ('{"id":1,"id":2,"lines":[]}', ["$: each property once (at character 8) (duplicate key)"]),
        ('{"id":1,"lines":[],"tag":NaN}', ["$: finite numbers (at character 25) (not finite)"]),
        (
            'a {"id":1,"lines":[]} b {"id":2,"lines":[]}',
            ["$: one JSON value, and several fit (several values)"],
        ),
        ('{"id":1,"lines":[]}{"id":1,"lines":[]}', ["$: one JSON value (at character 19) (several values)"]),
        (
            '{"id":1,"lines":[{"sku":"a "b" c","qty":1,"price":1}]}',
            ["$.lines[0].sku: a string, in valid JSON (lossy repair)"],
        ),
    ],
)
def test_what_does_not_fit_is_told_by_path_and_expectation(
    declared: object, text: str, problems: list[str]
) -> None:
    """A model and a JSON Schema that say the same refuse the same, in the same words."""
    at_least = "an integer >= 0" if declared is RAW_ORDER else "a number >= 0"
    parsed = Schema.of(declared).parse(text)
    assert lines(parsed) == [problem.replace("{at_least}", at_least) for problem in problems]
    assert parsed.value is None


@pytest.mark.parametrize("declared", [Order, RAW_ORDER])
@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ('{"id":"1","lines":[]}', ["string to number"]),
        ('{"id":1,"lines":"[]"}', ["double encoding"]),
        ('"{\\"id\\":1,\\"lines\\":[]}"', ["double encoding"]),
        ('```json\n{"id":1,"lines":[]}\n```', ["fence"]),
        ('Here you are: {"id":1,"lines":[]}.', ["prose"]),
        ('{"id":1,"lines":[],}', ["trailing comma"]),
        ('{"id":1,"lines":[],"note":"say "x" now"}', ["inner quote", "inner quote"]),
        (
            "```\n{'id':'1','lines':[],}\n```",
            ["fence", "quotes", "quotes", "quotes", "trailing comma", "string to number"],
        ),
    ],
)
def test_a_repair_is_accepted_with_its_ledger(declared: object, text: str, kinds: list[str]) -> None:
    """Lossless changes pass, a guess passes on an optional field; all are told, with offsets in the reply."""
    parsed = Schema.of(declared).parse(text)
    assert lines(parsed) == []
    assert [edit.kind for edit in parsed.edits] == kinds
    assert all(0 <= edit.offset < len(text) for edit in parsed.edits)
    assert parsed.repaired


def test_a_whole_float_is_an_integer() -> None:
    """JSON Schema says so from draft 6 on; for a Python type it is written as one, and told."""
    assert Schema.of(RAW_ORDER).parse('{"id":1.0,"lines":[]}').edits == ()
    parsed = ORDER.parse('{"id":1.0,"lines":[]}')
    assert parsed.ok
    assert [edit.kind for edit in parsed.edits] == ["number to integer"]


@pytest.mark.parametrize(
    "text",
    [
        '{"tag":null,"id":1,"lines":[]}',
        '{"id":1,"tag":null,"lines":[]}',
        '{"id":1,"lines":[],"tag":null}',
        '{"id":1,"lines":[] , "note":null , "tag" : null }',
    ],
)
def test_null_stands_for_a_property_left_out(text: str) -> None:
    """The strict form asks for every property, so a null where none is declared means it is left out."""
    parsed = ORDER.parse(text)
    assert parsed.value == Order(id=1, lines=[])
    assert [edit.kind for edit in parsed.edits] == ["null for absent"]
    assert not parsed.repaired


@pytest.mark.parametrize("absent", range(1, 2**4))
def test_any_members_can_be_left_out_as_null(absent: int) -> None:
    """What is left after taking out any set of members is JSON."""
    schema = {"type": "object", "properties": {name: {"type": "integer"} for name in "abcd"}}
    members = {name: None if absent & 1 << number else number for number, name in enumerate("abcd")}
    parsed = Schema.of(schema).parse(json.dumps(members))
    assert parsed.value == {name: value for name, value in members.items() if value is not None}


@pytest.mark.parametrize(
    ("text", "plain", "problems", "kinds"),
    [
        ("", {}, [], []),
        ('{"a":1}', {"a": 1}, [], []),
        ('"{\\"a\\":\\"1\\"}"', {"a": 1}, [], ["double encoding", "string to number"]),
        ('{"a":1,}', {"a": 1}, [], ["trailing comma"]),
        ('{"a":1,"b":2}', {"a": 1, "b": 2}, ["$: no properties but a (1 undeclared)"], []),
        ("[1]", [1], ["$: an object"], []),
        ('call it: {"a":1}', None, ["$: a JSON value"], []),
        ('{"a":1} {"a":2}', None, ["$: one JSON object and nothing after it (at character 7)"], []),
    ],
)
def test_arguments_are_an_object_and_nothing_else(
    text: str, plain: object, problems: list[str], kinds: list[str]
) -> None:
    """Tool arguments: no prose, nothing undeclared, empty means none."""
    schema = Schema.of({"type": "object", "properties": {"a": {"type": "integer"}}})
    parsed = schema.parse_arguments(text)
    assert parsed.json == plain
    assert list(map(str, parsed.problems)) == problems
    assert [edit.kind for edit in parsed.edits] == kinds


def test_the_best_branch_of_a_union_is_told() -> None:
    """One wrong field in one of the forms is one problem, not one for each form."""
    schema = Schema.of(list[Annotated[Cat | Dog | Point | Line, Field()]])
    assert lines(schema.parse('[{"sku":"a","qty":"x","price":1}]')) == [
        "$[0].qty: an integer >= 0 (wrong type)"
    ]
    tagged = Schema.of(list[Annotated[Cat | Dog, Field(discriminator="kind")]])
    assert lines(tagged.parse('[{"kind":"cow"}]')) == ["$[0].kind: one of 'cat', 'dog' (not allowed)"]


class Picky(BaseModel):
    code: str

    @field_validator("code")
    @classmethod
    def known(cls, code: str) -> str:
        if len(code) > 20:
            raise ValueError(f"{code} is too long")
        if not code.startswith("A"):
            raise ValueError("codes start with A")
        return code


def test_a_models_own_words_are_told_only_if_they_are_constant() -> None:
    """A message that was put together when it was raised may quote the value."""
    schema = Schema.of(Picky)
    assert "codes start with A" in str(schema.parse('{"code":"B"}').problems[0])
    assert "B" * 30 not in str(schema.parse('{"code":"%s"}' % ("B" * 30)).problems[0])


SECRET = "s3cr3t-planted-value"


@given(
    st.sampled_from([Order, RAW_ORDER, Cat | Dog, dict[str, int], list[Line], Picky, Holder, int, Point]),
    st.recursive(
        st.just(SECRET) | st.integers() | st.none(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from([SECRET, "id", "lines", "kind", "sku", "part", "code", "cat", "value"]), inner
            )
        ),
        max_leaves=8,
    ),
    st.sampled_from(["%s", "```\n%s", "%s,", "so %s!", '{"value":%s}', "%s" * 2, '{"%s"']),
)
def test_no_word_of_the_reply_is_in_what_is_told(declared: Any, value: object, frame: str) -> None:
    """A secret planted as any value or name is in no problem, feedback, ledger or repr."""
    schema = Schema.of(declared)
    text = frame.replace("%s", json.dumps(value)) + f" {SECRET}"
    for parsed in (schema.parse(text), schema.parse(json.dumps(value)), schema.parse_arguments(text)):
        assert SECRET not in repr(parsed)
        assert SECRET not in feedback(parsed.problems)
        assert all(problem.code in CODES for problem in parsed.problems)
        assert parsed.ok or parsed.value is None


@given(
    st.lists(st.builds(Problem, st.text(max_size=30), st.text(max_size=200), st.just("missing"))),
    st.integers(30, 500),
)
def test_feedback_keeps_within_its_bytes_and_says_each_thing_once(problems: Any, limit: int) -> None:
    """Constant size, whatever was wrong."""
    text = feedback(problems, limit_bytes=limit)
    assert len(text.encode("utf-8", "replace")) <= limit
    assert feedback(problems + problems, limit_bytes=limit) == text


def test_feedback_of_one_mistake_made_a_thousand_times_is_short() -> None:
    """The size of a re-ask does not depend on the size of the mistake."""
    parsed = Schema.of(list[int]).parse(json.dumps(["x"] * 5000))
    assert len(parsed.problems) <= 100
    assert len(feedback(parsed.problems).encode()) <= 2000


def test_the_same_problems_have_one_fingerprint() -> None:
    """In any order and any number; other problems have another."""
    one, two = ORDER.parse('{"id":"x"}').problems
    assert fingerprint([one, two]) == fingerprint([two, one, two])
    assert fingerprint([one]) != fingerprint([two])


@pytest.mark.parametrize(
    ("declared", "printed"),
    [
        (Order, "Order"),
        (list[Line], "list[Line]"),
        (Cat | None, "Cat | None"),
        (dict[str, tuple[int, ...]], "dict[str, tuple[int, ...]]"),
        (Literal["a", 1], "Literal['a', 1]"),
        ({"type": "integer"}, "{'type': 'integer'}"),
    ],
)
def test_a_schema_prints_as_it_is_declared(declared: object, printed: str) -> None:
    """What it prints is what was written."""
    assert repr(Schema.of(declared)) == printed


def test_the_fingerprint_follows_what_is_enforced() -> None:
    """It changes with the schema and with the code of its validators, and with nothing else."""

    class Twin(BaseModel):
        code: str

        @field_validator("code")
        @classmethod
        def known(cls, code: str) -> str:
            return code

    Twin.__name__ = Twin.__qualname__ = "Picky"
    assert Schema.of(Order).fingerprint == ORDER.fingerprint
    assert Schema.of(Order) == ORDER
    assert Schema.of(Twin).fingerprint != Schema.of(Picky).fingerprint
    assert (
        Schema.of({"type": "integer"}).fingerprint != Schema.of({"type": "integer", "minimum": 0}).fingerprint
    )


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (object(), "cannot be an output schema"),
        ({"type": 3}, "is not a valid JSON Schema"),
        ({"$schema": "http://json-schema.org/draft-03/schema#"}, "is not a draft of JSON Schema"),
        ({"$ref": "#/$defs/none"}, "which is not in it"),
        ({"type": "string", "pattern": "(?=a)b"}, "look-around"),
        ({"type": "string", "pattern": "a{1000}{1000}"}, "too large once its repetitions are written out"),
    ],
)
def test_what_cannot_be_compiled_is_a_config_error(declared: object, message: str) -> None:
    """It is said when the guard is built, with the remedy."""
    with pytest.raises(ConfigError, match=message):
        Schema.of(declared)


@pytest.mark.parametrize("text", ["[1]", '{"value": [1]}'])
def test_a_model_that_recurs_without_end_is_a_problem_of_the_reply(text: str) -> None:
    """A validator of the user's own may fill Python's stack; the verdict does not raise for it."""

    def endless(value: list[int]) -> list[int]:
        return endless(value)

    [problem] = Schema.of(Annotated[list[int], AfterValidator(endless)]).parse(text).problems
    assert problem.code == "too deep"


def test_check_judges_a_value_that_is_already_parsed() -> None:
    """The same problems as for its text; what JSON cannot hold is one."""
    assert ORDER.check({"id": 1, "lines": []}) == ()
    assert list(map(str, ORDER.check({"id": "x", "lines": []}))) == ["$.id: an integer"]
    assert ORDER.check({"id": {1, 2}})[0].code == "not json"


def test_paths_lead_back_to_places() -> None:
    """A problem's path names one place in the value, names that are not declared included."""
    value = {"a": [{"odd name": 1}], "x": {"hidden": 2}}
    assert pointer_of('$.a[0]["odd name"]', value) == ("a", 0, "odd name")
    assert pointer_of("$.x[key 0]", value) == ("x", "hidden")
    assert pointer_of("$.x[key 7]", value) is None


def test_an_edit_is_lossless_unless_it_says_otherwise() -> None:
    """Only the three guesses say otherwise."""
    assert Edit("fence", 3).lossless
