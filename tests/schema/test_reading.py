"""Strict reading: each question of hygiene has one answer."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails_lite._nesting import MAX_DEPTH
from guardrails_lite.schemas.reading import MAX_CHARS, Refused, is_json, read
from guardrails_lite.schemas.spans import spans
from schema.values import VALUES


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"a":1,"a":1}', "not json"),
        ("NaN", "not json"),
        ("[1e999]", "not finite"),
        ("1" * 400, "not finite"),
        ('"\\ud800"', "not json"),
        ('"\ud800"', "lone surrogate"),
        ("\ufeff{}", "not json"),
        ("[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2), "not json"),
        (" " * (MAX_CHARS + 1), "too large"),
        ("[1]x", "not json"),
        ('{"a":1 "b":2}', "not json"),
        ("", "not json"),
    ],
)
def test_what_is_not_clean_json_is_refused(text: str, code: str) -> None:
    """Strict reading takes what RFC 8259 takes, and of that only what every reader reads alike."""
    with pytest.raises(Refused) as caught:
        read(text)
    assert caught.value.fault.code == code
    assert not is_json(text)


def test_an_integer_that_javascript_would_round_is_kept_and_noted() -> None:
    """2**53 and beyond are exact here; the note tells a reviewer."""
    assert read(str(2**53 - 1))[2] == ()
    value, _, notes = read(str(2**63))
    assert value == 2**63
    assert [note.kind for note in notes] == ["big integer"]


def test_the_depth_that_is_allowed_is_read() -> None:
    """The stated limit itself is within."""
    assert is_json("[" * MAX_DEPTH + "]" * MAX_DEPTH)


@given(VALUES)
def test_what_json_writes_is_read_back(value: object) -> None:
    """Reading is the inverse of writing."""
    assert read(json.dumps(value))[0] == value


@given(VALUES, st.sampled_from([None, 1]))
def test_every_place_is_found_in_the_text(value: object, indent: int | None) -> None:
    """A span of a place holds exactly the text of the value there."""
    text = json.dumps(value, indent=indent)
    places: dict[tuple[str | int, ...], object] = {}

    def walk(item: object, place: tuple[str | int, ...]) -> None:
        places[place] = item
        if isinstance(item, dict):
            for name, member in item.items():
                walk(member, (*place, name))
        elif isinstance(item, list):
            for index, member in enumerate(item):
                walk(member, (*place, index))

    walk(value, ())
    found = spans(text, set(places))
    assert found.keys() == places.keys()
    assert all(json.loads(text[span.start : span.end]) == places[place] for place, span in found.items())
