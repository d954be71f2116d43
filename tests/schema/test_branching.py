"""Types that contain themselves in unions: how often pydantic tries them, and where that is too often."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Union

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails_lite._schema import Schema
from guardrails_lite.schemas.branching import MOST_TRIES, branches, too_many, tries
from guardrails_lite.schemas.outline import Outline
from guardrails_lite.schemas.streaming import StreamParser


class Left(pydantic.BaseModel):
    """One of two models that contain either."""

    under: Node
    a: int


class Right(pydantic.BaseModel):
    """The other."""

    under: Node
    b: int


Node = Union[Left, Right, int]  # noqa: UP007  # named in quotes above


class Sum(pydantic.BaseModel):
    """One of two that a word tells apart."""

    op: Literal["sum"]
    of: list[Term]


class Minus(pydantic.BaseModel):
    """The other."""

    op: Literal["minus"]
    of: Term


Term = Annotated[Sum | Minus, pydantic.Field(discriminator="op")] | int


class Linked(pydantic.BaseModel):
    """A list: there is one way to read it."""

    n: int
    next: Linked | None = None


class Branch(pydantic.BaseModel):
    """A union beside one that has a single way."""

    under: Branch | Leaf | int
    next: Branch | None = None
    a: int


class Leaf(pydantic.BaseModel):
    """What may stand in its place."""

    under: Branch | Leaf | int
    b: int


for model in (Left, Right, Sum, Minus, Linked, Branch, Leaf):
    model.model_rebuild()


def chain(levels: int, name: str, leaf: object = 1) -> str:
    """So many of the first two, one under the other."""
    return '{"under":' * levels + json.dumps(leaf) + f', "{name}": 1}}' * levels


@pytest.mark.parametrize("levels", range(9))
def test_tries_are_counted_as_pydantic_makes_them(levels: int) -> None:
    """Where nothing fits, each try of a leaf and of a model is an error."""
    outline = Outline(pydantic.TypeAdapter(Node).json_schema())
    text = chain(levels, "c", "no")
    with pytest.raises(pydantic.ValidationError) as caught:
        pydantic.TypeAdapter(Node).validate_json(text, strict=True)

    assert tries(outline, json.loads(text), MOST_TRIES) == caught.value.error_count()


@pytest.mark.parametrize("levels", [40, 190])
@pytest.mark.parametrize("leaf", [1, "no"])
def test_a_deep_chain_is_refused_before_pydantic_begins(levels: int, leaf: object) -> None:
    """Whether it fits or not would be known in years."""
    parsed = Schema.of(list[Node]).parse(f"[{chain(levels, 'b', leaf)}]")

    assert not parsed.ok
    assert [problem.code for problem in parsed.problems] == ["too deep"]


@pytest.mark.parametrize("name", ["a", "b"])
def test_what_is_not_deep_is_judged(name: str) -> None:
    """By pydantic, whichever member it is."""
    parsed = Schema.of(Node).parse(chain(9, name))

    assert parsed.ok, parsed.problems
    assert isinstance(parsed.value, (Left, Right))


def test_a_discriminator_and_an_option_are_one_way() -> None:
    """They may be as deep as JSON may be."""
    term = '{"op": "minus", "of": ' * 60 + '{"op": "sum", "of": [1, 2]}' + "}" * 60
    linked = '{"n": 1, "next": ' * 150 + "null" + "}" * 150

    assert Schema.of(Term).parse(term).ok
    assert Schema.of(Linked).parse(linked).ok
    for declared in (Term, Linked, list[int | list[int]]):
        assert not branches(Outline(pydantic.TypeAdapter(declared).json_schema()))


def test_an_option_may_stand_beside_a_union() -> None:
    """It has one way, and needs no discriminator to tell which."""
    parsed = Schema.of(Branch).parse('{"under": {"under": 2, "b": 3}, "next": null, "a": 1}')

    assert parsed.ok, parsed.problems
    assert isinstance(parsed.value, Branch)
    assert isinstance(parsed.value.under, Leaf)


def test_a_long_reply_is_not_a_deep_one() -> None:
    """It may be tried as often as it has bytes, besides what a short one may."""
    one = '{"under": {"under": 1, "b": 2}, "a": 3}'
    text = f"[{', '.join([one] * 4_000)}]"
    parsed = Schema.of(list[Branch]).parse(text)

    assert (
        tries(Outline(pydantic.TypeAdapter(list[Branch]).json_schema()), json.loads(text), 10**9) > MOST_TRIES
    )
    assert parsed.ok, parsed.problems


def test_a_long_reply_may_not_be_deep() -> None:
    """Its length excuses no more than its length."""
    text = f"[{', '.join([chain(4, 'b')] * 2_000 + [chain(40, 'b')])}]"
    outline = Outline(pydantic.TypeAdapter(list[Node]).json_schema())

    assert too_many(outline, json.loads(text), len(text))


@pytest.mark.parametrize("rest", [", 1]", ", 1" + " " * 40_000 + "]"], ids=["short", "long"])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_stream_is_judged_as_the_whole_reply_is(rest: str, size: int) -> None:
    """How deep it may be depends on its length, so that is known at its end, and told in the same words."""
    schema = Schema.of(list[Node])
    text = f"[{chain(13, 'b')}{rest}"
    stream = StreamParser(schema)
    for at in range(0, len(text), size):
        stream.feed(text[at : at + size])

    assert stream.hopeless is None
    assert stream.is_complete
    assert [problem.code for problem in schema.parse(text).problems] == ["too deep"] * (len(rest) < 99)


@given(
    st.recursive(
        st.integers() | st.text(max_size=2),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["under", "a", "b"]), inner, max_size=3)
        ),
        max_leaves=30,
    )
)
def test_no_value_is_counted_for_long(value: Any) -> None:
    """Any JSON is counted: what is no part of the type is not looked into."""
    outline = Outline(pydantic.TypeAdapter(Node).json_schema())

    assert 1 <= tries(outline, value, MOST_TRIES) <= MOST_TRIES * 4
