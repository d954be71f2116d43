"""Valid calls pass, and each way of spoiling one is refused for its reason."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails_lite._messages import ToolCall
from guardrails_lite._tools import Toolbox

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "order": {"type": "string", "pattern": "^[A-Z]-[0-9]+$"},
        "cents": {"type": "integer", "minimum": 1, "maximum": 100_000},
        "rush": {"type": "boolean"},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"sku": {"type": "string"}, "count": {"type": "integer", "minimum": 1}},
                "required": ["sku", "count"],
            },
        },
        "ship": {"enum": ["air", "sea"]},
    },
    "required": ["order", "cents", "lines"],
}
OFFERED = Toolbox.of([{"name": "buy", "parameters": SCHEMA}]).offered({})

LINES = st.lists(
    st.fixed_dictionaries({"sku": st.text(max_size=6), "count": st.integers(1, 99)}), min_size=1, max_size=3
)
VALID = st.fixed_dictionaries(
    {"order": st.from_regex(r"\A[A-Z]-[0-9]{1,4}\Z"), "cents": st.integers(1, 100_000), "lines": LINES},
    optional={"rush": st.booleans(), "ship": st.sampled_from(["air", "sea"])},
)
KEYS = st.sampled_from(sorted(SCHEMA["properties"]))
OTHER_NAME = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=8).filter(
    lambda name: name not in {*SCHEMA["properties"], "sku", "count"}
)
# Nothing of these can be written as another type without loss.
WRONG = {
    "order": st.integers() | st.none() | st.lists(st.text()),
    "cents": st.text("abc", min_size=1) | st.lists(st.integers()) | st.none() | st.booleans(),
    "rush": st.integers() | st.text("xyz", min_size=1) | st.none().map(lambda _: []),
    "lines": st.text("abc") | st.integers() | st.dictionaries(st.text(max_size=2), st.integers()),
}
OUTSIDE = {
    "order": st.text("abc", max_size=5),
    "cents": st.integers(max_value=0) | st.integers(min_value=100_001, max_value=10**15),
    "ship": st.text(max_size=5).filter(lambda word: word not in ("air", "sea")),
}


def reason(arguments: Any, *, name: str = "buy") -> str | None:
    """Why a call is refused; None when it passes."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return OFFERED.check((ToolCall("call_1", name, text),), ())[0].reason


@given(VALID)
def test_a_valid_call_passes_unchanged(arguments: dict[str, Any]) -> None:
    """No valid call is refused, and its text is not touched."""
    call = ToolCall("call_1", "buy", json.dumps(arguments))
    (verdict,) = OFFERED.check((call,), ())

    assert verdict.ok
    assert (verdict.call.arguments, verdict.call.value, verdict.edits) == (call.arguments, arguments, ())


@given(VALID, st.data())
def test_a_renamed_argument(arguments: dict[str, Any], data: Any) -> None:
    """Missing, if it was required; undeclared in any case."""
    key = data.draw(st.sampled_from(sorted(arguments)))
    arguments[data.draw(OTHER_NAME)] = arguments.pop(key)

    assert reason(arguments) == ("missing" if key in SCHEMA["required"] else "undeclared")


@given(VALID, st.sampled_from(SCHEMA["required"]))
def test_a_dropped_argument(arguments: dict[str, Any], key: str) -> None:
    """It is missing."""
    del arguments[key]

    assert reason(arguments) == "missing"


@given(VALID, st.sampled_from(["sku", "count"]))
def test_a_dropped_inner_argument(arguments: dict[str, Any], key: str) -> None:
    """At any depth."""
    del arguments["lines"][-1][key]

    assert reason(arguments) == "missing"


@given(VALID, OTHER_NAME, st.booleans())
def test_an_added_argument(arguments: dict[str, Any], name: str, inside: bool) -> None:
    """It is undeclared, at any depth."""
    (arguments["lines"][0] if inside else arguments)[name] = 1

    assert reason(arguments) == "undeclared"


@given(VALID, st.data())
def test_a_wrong_type(arguments: dict[str, Any], data: Any) -> None:
    """Every property, with every type that it does not take."""
    key = data.draw(st.sampled_from(sorted(WRONG)))
    arguments[key] = data.draw(WRONG[key])

    assert reason(arguments) == "wrong type"


@given(VALID, st.data())
def test_a_value_out_of_range(arguments: dict[str, Any], data: Any) -> None:
    """The right type, and outside of what the schema allows."""
    key = data.draw(st.sampled_from(sorted(OUTSIDE)))
    arguments[key] = data.draw(OUTSIDE[key])

    assert reason(arguments) == "out of range"


@given(VALID, st.data())
def test_a_number_as_a_string_is_read_as_the_number(arguments: dict[str, Any], data: Any) -> None:
    """The one mutation that loses nothing: it is repaired, and the repair is recorded."""
    text = json.dumps({**arguments, "cents": str(arguments["cents"])})
    (verdict,) = OFFERED.check((ToolCall("call_1", "buy", text),), ())

    assert verdict.ok
    assert verdict.call.value == arguments
    assert json.loads(verdict.call.arguments) == arguments
    assert [edit.kind for edit in verdict.edits] == ["string to number"]


@given(VALID)
def test_encoded_twice(arguments: dict[str, Any]) -> None:
    """Decoded once more without loss; three times is nonsense."""
    assert reason(json.dumps(json.dumps(arguments))) is None
    assert reason(json.dumps(json.dumps(json.dumps(arguments)))) == "not an object"


@given(VALID, st.data())
@settings(max_examples=200)
def test_arguments_cut_anywhere(arguments: dict[str, Any], data: Any) -> None:
    """What was not closed is never closed for the model."""
    text = json.dumps(arguments)
    end = data.draw(st.integers(1, len(text) - 1))

    assert reason(text[:end]) == "not JSON"


@given(VALID, st.text(max_size=12))
def test_another_tool(arguments: dict[str, Any], name: str) -> None:
    """However near, the name is not corrected."""
    assert reason(arguments, name=name) == (None if name == "buy" else "unknown name")


@given(VALID, VALID)
def test_a_duplicate_id(first: dict[str, Any], second: dict[str, Any]) -> None:
    """The second call of an id is refused, whatever it says."""
    calls = tuple(ToolCall("call_1", "buy", json.dumps(arguments)) for arguments in (first, second))

    assert [verdict.reason for verdict in OFFERED.check(calls, ())] == [None, "duplicate id"]


@given(st.text(max_size=40), st.text(max_size=6), st.text(max_size=40))
def test_anything_at_all_gets_a_verdict(arguments: str, name: str, identity: str) -> None:
    """No call makes the check raise, and nothing unchecked carries a tool."""
    (verdict,) = OFFERED.check((ToolCall(identity, name, arguments),), ())

    assert verdict.ok == (verdict.call.tool is not None)
