"""The failure kit: broken replies for a schema and tools, and our own guard against them."""

from __future__ import annotations

import json
import sys
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from guardrails_lite import Guard, MissingPackage, Retry, block
from guardrails_lite.testing.faults import WAYS, Way
from guardrails_lite.testing.kit import Api, broken_replies, failure_kit
from guardrails_lite.testing.kit._examples import example_of
from guardrails_lite_validators import length


class Line(BaseModel):
    sku: str
    amount: int = Field(ge=1, le=100)


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid")

    customer: str
    kind: Literal["retail", "trade"]
    total: float = Field(ge=0)
    lines: list[Line]


def refund(order: int, reason: Literal["broken", "late"], note: str = "") -> str:
    """Refund an order."""
    raise AssertionError("the kit must never run a tool")


RETRY = Retry(attempts=3, reasks=2)


def test_the_kit_names_the_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the line that brings it; broken replies by themselves need no client."""
    monkeypatch.setitem(sys.modules, "openai", None)
    assert broken_replies(schema=Order)
    with pytest.raises(MissingPackage, match=r"^the failure kit needs openai, .* pip install openai$"):
        failure_kit(Guard(schema=Order))


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("way", WAYS)
def test_nothing_broken_gets_through(api: Api, way: Way) -> None:
    """Whatever is broken is caught by some check, or mended to the good value; no text is on record."""
    report = failure_kit(Guard(schema=Order, tools=[refund], retry=RETRY), apis=[api], ways=[way])
    assert report.shapes >= 100
    assert not report.failed, "\n".join(map(str, report.failed))
    assert {each.by for each in report.caught} > {"mended", "re-ask: schema", "tool check: missing"}
    assert not any(each.by == "nothing" for each in report.caught)


@pytest.mark.parametrize(
    ("api", "way", "tool_calls"),
    [
        *(("chat", way, tool_calls) for way in WAYS for tool_calls in ("together", "each")),
        ("responses", "async", "each"),
        ("responses", "async stream", "each"),
    ],
)
def test_tools_alone(api: Api, way: Way, tool_calls: Any) -> None:
    """Without a schema the good reply is a call, and only calls are broken."""
    report = failure_kit(Guard(tools=[refund], tool_calls=tool_calls, retry=RETRY), apis=[api], ways=[way])
    assert report.shapes >= 60
    assert not report.failed, "\n".join(map(str, report.failed))
    assert not any(each.reply.name.startswith("schema:") for each in report.caught)


@pytest.mark.parametrize("way", ["sync", "async stream"])
def test_no_text_that_is_part_of_no_answer_arrives_unchecked(way: Way) -> None:
    """With an output rule, what no rule has seen is not handed over, wherever a response carries it."""
    report = failure_kit(
        Guard(output=[block(length(max_chars=100_000))], retry=RETRY), apis=["responses"], ways=[way]
    )
    assert not report.failed, "\n".join(map(str, report.failed))


def test_what_a_stream_tells_twice_it_tells_alike() -> None:
    """Where events contradict each other, it is a fault of the transport, and is asked for again."""
    report = failure_kit(Guard(tools=[refund], retry=RETRY), apis=["responses"], ways=["sync stream"])
    assert not report.failed, "\n".join(map(str, report.failed))
    contradictions = {
        each.by
        for each in report.caught
        if each.reply.name.startswith("events:")
        and any(
            word in each.reply.name for word in ("says another", "has other", "lost", "twice", "two replies")
        )
    }
    assert contradictions == {"integrity: malformed reply"}


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_guard_that_looks_at_nothing_fails(api: Api) -> None:
    """In monitor mode everything passes, and the report says what got through."""
    report = failure_kit(Guard(schema=Order, mode="monitor"), apis=[api], ways=["sync"])
    silent = {each.reply.name for each in report.failed if "accepted in silence" in each.faults}
    assert {"schema: prose", "schema: customer missing", "reply: cut by length"} <= silent
    assert "accepted in silence" in str(report)


def test_names_are_unique_and_the_broken_is_broken() -> None:
    """Each shape has a name of its own, and no broken value satisfies the schema."""
    shapes = broken_replies(schema=Order, tools=[refund])
    assert len({shape.name for shape in shapes}) == len(shapes) >= 120
    for shape in shapes:
        if shape.mends or not shape.name.startswith("schema:") or "a key twice" in shape.name:
            continue  # of a key that comes twice pydantic takes the last
        choice = shape.reply["choices"][0]
        if choice["finish_reason"] == "stop":
            with pytest.raises(ValidationError):
                Order.model_validate_json(choice["message"]["content"], strict=True)


def test_an_example_that_cannot_be_made_is_asked_for() -> None:
    """A pattern is not solved; the message says what to pass, and then it works."""
    schema = {
        "type": "object",
        "properties": {"code": {"type": "string", "pattern": "^[A-Z]{3}$"}},
        "required": ["code"],
        "additionalProperties": False,
    }
    with pytest.raises(ValueError, match="pass one as plain JSON: example="):
        broken_replies(schema=schema)
    assert len(broken_replies(schema=schema, example={"code": "ABC"})) > 40


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer", "minimum": 10}, 11),
        ({"type": "number", "exclusiveMaximum": 1}, 0.5),
        ({"enum": ["a", "b"]}, "a"),
        ({"const": 3}, 3),
        ({"type": ["null", "boolean"]}, True),
        ({"type": "string", "format": "ipv4"}, "192.0.2.1"),
        ({"type": "array", "items": {"type": "null"}, "minItems": 2}, [None, None]),
        ({"anyOf": [{"type": "null"}, {"$ref": "#/$defs/a"}], "$defs": {"a": {"const": 1}}}, 1),
        (
            {"allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"b": {"const": 2}}}]},
            {"a": 1, "b": 2},
        ),
        ({"type": "string", "maxLength": 3}, "kit"),
    ],
)
def test_examples_fit(schema: dict[str, Any], value: Any) -> None:
    """An example is made from types, limits, formats, references and combinations."""
    assert example_of(schema) == value
    assert json.dumps(value)
