"""Streams: no false alarm, nothing settled that is not so at the end, and each character once."""

from __future__ import annotations

import json
import time
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, BeforeValidator, Field, field_validator, model_validator

from guardrails_lite._schema import Schema
from guardrails_lite.schemas.streaming import Settled, StreamParser
from schema.values import VALUES


class Line(BaseModel):
    sku: str
    qty: int = Field(ge=0)


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Order(BaseModel):
    id: int
    lines: list[Line] = []
    who: Cat | Line | None = None
    tag: str = "x"
    rates: dict[str, float] = {}


class Pair(BaseModel):
    low: int
    high: int

    @model_validator(mode="after")
    def in_order(self) -> Pair:
        if self.low > self.high:
            raise ValueError("the lower one first")
        return self


class Exact(BaseModel):
    names: list[Annotated[str, Field(pattern="^[A-Z][0-9]$")]] = Field(max_length=2)
    code: str = Field(pattern="^[A-Z][0-9]$")
    day: date | None = None
    even: int = 0
    pair: Pair | None = None

    @field_validator("even")
    @classmethod
    def is_even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("an even number")
        return value


RAW: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"sku": {"type": "string"}, "qty": {"type": "integer", "minimum": 0}},
                "required": ["sku", "qty"],
                "additionalProperties": False,
            },
        },
        "who": {"oneOf": [{"type": "null"}, {"type": "object", "required": ["lives"]}]},
        "tag": {"type": "string", "maxLength": 3},
        "rates": {"type": "object", "additionalProperties": {"type": "number"}},
    },
    "required": ["id"],
    "additionalProperties": False,
}
SCHEMAS = {
    "model": Schema.of(Order),
    "raw": Schema.of(RAW),
    "list": Schema.of(list[Line]),
    "union": Schema.of(Cat | Line),
    "integer": Schema.of(int),
    "text": Schema.of(str),
    "exact": Schema.of(Exact),
}
LOOSE = st.recursive(
    st.sampled_from(
        [1, 1.0, -1, 1.5, "1", "x", "true", None, True, "[]", "{}", '{"sku":"a","qty":"1"}', "cat", "<think>"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "lines", "who", "tag", "rates", "sku", "qty", "kind", "lives", "value", "zz"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=10,
)
FRAMES = st.sampled_from(
    [
        "%s",
        " %s ",
        "%s and so on",
        "```json\n%s\n```",
        '```\n%s\n```\n```\n{"id":1}\n```',
        '%s {"id":1}',
        "so: %s",
        '{"id":1,"tag":null,"id":%s}',
        '{"value":%s}',
        "<think>%s",
        '<think>%s</think>{"id":1}',
        '%s hm</think>{"id":1}',
        '```json\n%s\n```</think>{"id":1}',
    ]
)


def chunked(text: str, sizes: list[int]) -> list[str]:
    chunks, at = [], 0
    for size in sizes:
        chunks.append(text[at : at + size])
        at += size
    return [*chunks, text[at:]]


def streamed(schema: Schema[Any], chunks: list[str]) -> tuple[StreamParser, list[Settled]]:
    """The parser, and all that was settled while it could be taken at its word."""
    parser = StreamParser(schema)
    settled: list[Settled] = []
    for chunk in chunks:
        parser.feed(chunk)
        if parser.is_at_its_word:
            settled += parser.settled
    return parser, settled


def at(pointer: tuple[str | int, ...], value: Any) -> Any:
    for name in pointer:
        value = value[name]
    return value


@given(st.sampled_from(sorted(SCHEMAS)), LOOSE, FRAMES, st.lists(st.integers(0, 9), max_size=20))
def test_a_stream_that_is_hopeless_could_not_be_accepted(
    name: str, value: object, frame: str, sizes: list[int]
) -> None:
    """Whatever is called hopeless is refused, at its place and in the words of the whole check."""
    schema = SCHEMAS[name]
    text = frame.replace("%s", json.dumps(value))
    parser, _ = streamed(schema, chunked(text, sizes))
    verdict = schema.parse(text)
    if parser.hopeless:
        assert not verdict.ok
        assert parser.problems()


@given(
    st.sampled_from(sorted(SCHEMAS)),
    LOOSE,
    FRAMES,
    st.text("{}[]\":, \n1a`'\\/", max_size=12),
    st.lists(st.integers(0, 9), max_size=20),
)
def test_what_was_admitted_is_part_of_the_value_that_is_accepted(
    name: str, value: object, frame: str, noise: str, sizes: list[int]
) -> None:
    """Up to the first member that is not admitted, what is settled is so at the end, mended or not."""
    schema = SCHEMAS[name]
    text = frame.replace("%s", json.dumps(value)) + noise
    _, settled = streamed(schema, chunked(text, sizes))
    verdict = schema.parse(text)
    if verdict.ok:
        for one in settled:
            if not one.is_admitted:
                break
            assert json.dumps(at(one.pointer, verdict.json)) == json.dumps(one.value)


@given(
    st.sampled_from(sorted(SCHEMAS)),
    LOOSE,
    st.text('{}[]":, \n1a`', max_size=12),
    st.sampled_from(
        [
            *('"', '"}', "}", "]}", "null}", '1,"tag":"x"}', "e1}"),
            *(' {"id":1}', '```\n{"id":1}\n```', '</think>{"id":1}', '"}</think>{"id":1}'),
        ]
    ),
)
def test_no_continuation_mends_what_is_hopeless(name: str, value: object, noise: str, rest: str) -> None:
    """From the moment a stream is hopeless, nothing that follows is accepted."""
    schema = SCHEMAS[name]
    text = json.dumps(value)
    parser = StreamParser(schema)
    for seen, character in enumerate(text, 1):
        parser.feed(character)
        if parser.hopeless:
            for tail in (rest, noise + rest, text[seen:] + rest, text[seen:] + noise):
                assert not schema.parse(text[:seen] + tail).ok
            return


@given(VALUES, st.lists(st.integers(0, 5), max_size=60))
def test_any_chunking_settles_the_same(value: object, sizes: list[int]) -> None:
    """Down to single characters and split escapes: every member once, innermost first, as it is."""
    schema = Schema.of({"type": "object"})
    text = json.dumps({"a": value, "b": [value]})
    parser, settled = streamed(schema, chunked(text, sizes))
    assert parser.is_complete
    assert [one[:4] for one in settled] == [one[:4] for one in streamed(schema, [text])[1]]
    assert [one.value for one in settled if one.pointer == ("a",)] == [value]
    assert settled[-1][:4] == (("b",), [value], True, True)
    assert len({one.pointer for one in settled}) == len(settled)


HOPELESS = [
    ("model", '{"id":[', "$.id: an integer (wrong type)"),
    ("model", '{"id":"x",', "$.id: an integer (wrong type)"),
    ("model", '{"id":1,"lines":[{"sku":"a","qty":-1}', "$.lines[0].qty: a number >= 0 (out of range)"),
    ("model", '{"id":1,"lines":[{"sku":"a"}', "$.lines[0].qty: an integer >= 0, which is missing (missing)"),
    ("model", '{"id":1,"zz":', "$: no properties but id, lines, who, tag, rates (1 undeclared) (undeclared)"),
    (
        "model",
        '{"id":1,"who":{"kind":"cow","lives":1},',
        "$.who: no properties but kind, lives, sku, qty (2 undeclared) (undeclared)",
    ),
    ("raw", '{"id":1,"rates":{"a":1,"b":"x"}', "$.rates[key 1]: a number (wrong type)"),
    ("list", '{"value":[{"sku":"a","qty":1},{"sku":[', "$[1].sku: a string (wrong type)"),
    ("list", '[{"sku":"a","qty":1},3,', "$[1]: an object with sku, qty (wrong type)"),
    ("raw", '{"id":1,"tag":"long', "$.tag: at most 3 characters (wrong length)"),
    ("exact", '{"names":["A1","a",', "$.names[1]: a string matching ^[A-Z][0-9]$ (wrong pattern)"),
    ("exact", '{"code":"a1"}', "$.code: a string matching ^[A-Z][0-9]$ (wrong pattern)"),
    ("exact", '{"code":"A1","day":"tomorrow",', "$.day: a string in the format date or null (wrong format)"),
    ("exact", '{"names":["A1","A2",\n"', "$.names: at most 2 items (wrong length)"),
    (
        "exact",
        '{"even":3,',
        "$.even: a value that the model's own validator takes: an even number (refused by the model)",
    ),
    (
        "exact",
        '{"pair":{"low":2,"high":1},',
        "$.pair: a value that the model's own validator takes: the lower one first (refused by the model)",
    ),
]


def test_a_bracket_that_may_be_prose_is_not_judged() -> None:
    """A reply may begin with a bracket that is none of its JSON."""
    text = '[1 more thing] {"id":1}'
    assert SCHEMAS["model"].parse(text).ok
    parser, _ = streamed(SCHEMAS["model"], list(text))
    assert parser.hopeless is None


@pytest.mark.parametrize(("name", "text", "problem"), HOPELESS)
def test_the_first_mistake_that_nothing_mends_ends_the_stream(name: str, text: str, problem: str) -> None:
    """It is told at the character that makes it certain, not before."""
    parser = StreamParser(SCHEMAS[name])
    parser.feed(text[:-1])
    assert parser.hopeless is None
    parser.feed(text[-1])
    first = parser.problems()[0]
    assert f"{first} ({first.code})" == problem


def test_what_came_in_one_reply_says_nothing_about_the_next() -> None:
    """A list where an object belongs leaves nothing behind by which the object's members would be judged."""
    schema = Schema.of(RAW)
    streamed(schema, ['```json\n{"id":1,"rates":[1,2]}\n```'])

    parser, settled = streamed(schema, ['{"id":1,"rates":{"a":1,"b":"x"}'])
    assert parser.hopeless is not None
    assert [one.pointer for one in settled if not one.is_admitted] == [("rates", "b")]


class Lenient(BaseModel):
    n: Annotated[int, BeforeValidator(lambda value: len(value) if isinstance(value, list) else value)]


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (Schema.of(Lenient), '{"n":[1,2]}'),
        (SCHEMAS["model"], '```\n{"id":[]}\n``` ```\n{"id":1}\n```'),
        (SCHEMAS["model"], '{"id":"1","lines":"[]","tag":null}'),
        (SCHEMAS["text"], "{not JSON"),
    ],
)
def test_there_is_no_early_word_where_the_end_may_differ(schema: Schema[Any], text: str) -> None:
    """Validators that rewrite, other fences, fitting: the parser waits."""
    parser, _ = streamed(schema, list(text))
    assert parser.hopeless is None


def test_what_is_settled_under_the_wrapper_is_the_value() -> None:
    """The provider's strict form wraps a list; the reader sees the list, item by item."""
    parser = StreamParser(SCHEMAS["list"])
    parser.feed('{"value":[{"sku":"a","qty":1},{"sku":"b')
    assert [one.pointer for one in parser.settled] == [(0, "sku"), (0, "qty"), (0,)]
    assert not parser.is_complete
    parser.feed('","qty":2}]}')
    assert parser.is_complete
    assert [one.pointer for one in parser.settled] == [(1, "sku"), (1, "qty"), (1,), ()]


def test_the_cost_of_a_chunk_does_not_grow() -> None:
    """At chunk 7,000 as at chunk 1,000, also inside one long string."""
    rows = ",".join(f'{{"sku":"SKU-{number:05}","qty":{number}}}' for number in range(2000))
    for text in (f'{{"id":1,"lines":[{rows}]}}', '{"id":1,"tag":"' + "word " * 9000 + '"}'):
        chunks = [text[at : at + 6] for at in range(0, len(text), 6)]
        times = []
        parser = StreamParser(SCHEMAS["model"])
        for chunk in chunks:
            began = time.perf_counter()
            parser.feed(chunk)
            times.append(time.perf_counter() - began)
        early, late = sorted(times[1000:1400])[200], sorted(times[6600:7000])[200]
        assert late < 5 * early + 50e-6
