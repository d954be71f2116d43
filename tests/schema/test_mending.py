"""Mending JSON: what is changed is told, what would be invented is refused."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails_lite.schemas.finding import candidates
from guardrails_lite.schemas.mending import mend
from guardrails_lite.schemas.reading import Refused, is_json
from schema.values import VALUES

MENDED = [
    ('{"a":1,}', {"a": 1}, ["trailing comma"]),
    ("[1,2,]", [1, 2], ["trailing comma"]),
    ("{'a': 'it\\'s'}", {"a": "it's"}, ["quotes", "quotes", "escape"]),
    ("{\u201ca\u201d: 1}", {"a": 1}, ["quotes"]),
    ("{a: 1, $b-c: 2}", {"a": 1, "$b-c": 2}, ["unquoted key", "unquoted key"]),
    ("[True, False, None]", [True, False, None], ["python literal"] * 3),
    ('{"a":1, // one\n "b":2 /* two */}', {"a": 1, "b": 2}, ["comment", "comment"]),
    ('{"a":"x\ny\tz"}', {"a": "x\ny\tz"}, ["control character", "control character"]),
    ("[+1, .5, 5.]", [1, 0.5, 5.0], ["number form"] * 3),
    ('{"a":1,"a":1}', {"a": 1}, ["repeated member"]),
    ('\ufeff{"a":1}', {"a": 1}, ["byte order mark"]),
    ('{"a":\u00a01}', {"a": 1}, ["white space"]),
]
GUESSED = [
    ('{"a":1 "b":2}', {"a": 1, "b": 2}, "missing comma"),
    ('{"a":"he said "hi" to"}', {"a": 'he said "hi" to'}, "inner quote"),
    ('{"a":"C:\\dir"}', {"a": "C:\\dir"}, "escape"),
]
REFUSED = [
    ("[1,2", "cut off"),
    ('{"a":"b', "cut off"),
    ('{"a":', "cut off"),
    ("[1 /* x", "cut off"),
    ("[1,,2]", "not json"),
    ("[1 2]", "not json"),
    ("[007]", "not json"),
    ("[0x1f]", "not json"),
    ("{a: hello}", "not json"),
    ("[1}", "not json"),
    ("[NaN]", "not finite"),
    ("[-Infinity]", "not finite"),
    ("[1e999]", "not finite"),
    ('{"a":1,"a":2}', "duplicate key"),
    ('["\\ud800"]', "lone surrogate"),
    ("[" * 202, "too deep"),
    ('["a" b" ' + 'c" ' * 100 + '"]', "not json"),
]


@pytest.mark.parametrize(("text", "value", "kinds"), MENDED)
def test_a_lossless_change_is_made_and_told(text: str, value: object, kinds: list[str]) -> None:
    """The value is what was meant, and the ledger names each change."""
    mended = mend(text)
    assert json.loads(mended.text) == value
    assert [edit.kind for edit in mended.edits] == kinds
    assert all(edit.lossless for edit in mended.edits)
    assert mended.guessed == ()


@pytest.mark.parametrize(("text", "value", "kind"), GUESSED)
def test_a_guess_is_told_as_one_with_its_place(text: str, value: object, kind: str) -> None:
    """A lossy change carries the place that it touched."""
    mended = mend(text)
    assert json.loads(mended.text) == value
    assert {edit.kind for edit in mended.edits} == {kind}
    assert not any(edit.lossless for edit in mended.edits)
    assert set(mended.guessed) == {("a",)}


@pytest.mark.parametrize(("text", "code"), REFUSED)
def test_nothing_is_closed_invented_or_chosen(text: str, code: str) -> None:
    """What cannot be read without making something up is refused, by name."""
    with pytest.raises(Refused) as caught:
        mend(text)
    assert caught.value.fault.code == code


def untidy(value: Any, chance: random.Random) -> str:
    """*value* as a careless model writes it, without loss."""
    blank = chance.choice(["", " ", "\n", " /* a, b: {c} */ ", " // it's\n"])
    match value:
        case None | True | False:
            return str(value) if chance.random() < 0.5 else json.dumps(value)
        case str():
            text = json.dumps(value)
            if chance.random() < 0.3 and not set("'\"\\") & set(value):
                return f"'{text[1:-1]}'"
            return text
        case list():
            inner = f",{blank}".join(untidy(item, chance) for item in value)
            return f"[{blank}{inner}{',' if value and chance.random() < 0.5 else ''}]"
        case dict():
            members = [
                f"{untidy(name, chance)}{blank}:{untidy(item, chance)}" for name, item in value.items()
            ]
            return "{" + ",".join(members) + ("," if members and chance.random() < 0.5 else "") + blank + "}"
        case _:
            return json.dumps(value)


@given(
    st.one_of(st.lists(VALUES, max_size=4), st.dictionaries(st.text("abc'", max_size=3), VALUES)),
    st.integers(),
)
def test_untidy_json_is_read_as_it_was_meant(value: object, seed: int) -> None:
    """Comments, commas, quotes and literals cost nothing: the value comes back the same."""
    mended = mend(untidy(value, random.Random(seed)))
    assert json.loads(mended.text) == value
    assert all(edit.lossless for edit in mended.edits)


@given(st.text("{}[]\"':,\\/*#ab1-.eu\n `", max_size=60))
def test_any_text_is_mended_to_strict_json_or_refused(text: str) -> None:
    """There is no third way: no other error, and nothing that the strict reader would not take."""
    try:
        mended = mend(text)
    except Refused:
        return
    assert is_json(mended.text)
    assert 0 <= mended.end <= len(text)
    assert all(0 <= edit.offset <= len(text) for edit in mended.edits)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('Sure:\n```json\n{"a":1}\n```\nDone.', ['{"a":1}']),
        ('```\n{"a":"```"}\n```', ['{"a":"```"}']),
        ('<think>{"a":9}</think>{"a":1}', ['{"a":1}']),
        ('<think>{"a":9}', []),
        ('<think>{"a":9}</think> so <thinking>{"a":8}', []),
        ('hm, {"a":9}?</think>{"a":1}', ['{"a":1}']),
        ('3 ways: {"a":9}?</think>{"a":1}', ['{"a":1}']),
        ('hm, {"a":9}?</think> I cannot', []),
        ('{"a":9} or so</think>{"a":1}', []),
        ('```json\n{"a":9}\n``` or so</think>{"a":1}', []),
        ('{"a":<think>9</think>}', []),
        ('{"a":"<think>1</think>",}', ['{"a":"<think>1</think>"}']),
        ('{"a":"<think>"} it is', ['{"a":"<think>"}']),
        ('```\n{"a":"</think>1"}\n```', ['{"a":"</think>1"}']),
        ('So: {"a":"<think>1</think>"}', []),
        ('As {x} says: {"a":1}', ['{"a":1}']),
        ('one {"a":1} two {"a":2}', ['{"a":1}', '{"a":2}']),
        ('{"a":1} is the answer, not {"a":2}', ['{"a":1}']),
        ('{"a":1}{"a":2}', []),
        ('{"a":1},\n{"a":2}', []),
        ('{"a":{"b":1} oops', []),
        ('here {"a":{"b":1}, !!} there {"a":1}', []),
        ("no JSON at all", []),
        ("", []),
    ],
)
def test_json_is_found_where_it_is_unambiguous(text: str, found: list[str]) -> None:
    """Fences before prose, reasoning never; and what breaks in the middle hides nothing that is inside it."""
    assert [candidate.mended.text for candidate in candidates(text)[0]] == found


@pytest.mark.parametrize(
    "text",
    [
        "{" * 300_000,
        "[{" * 150_000,
        "x[" * 150_000,
        "<think>[</think>[" * 50_000,
        "```\n" * 100_000,
        '[""' + '"' * 300_000,
        "{'a' " * 60_000,
    ],
)
def test_hostile_text_is_given_up_on_early(text: str) -> None:
    """Tries, guesses and characters read are bounded, so a long reply costs no more than a few readings."""
    found, fault = candidates(text)
    assert found == []
    assert fault.offset < 10_000
