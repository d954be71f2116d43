"""Typed values of a stream: shown part by part, never taken back, and equal to those of the whole reply."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, field_validator, model_validator

from guardrails_lite import (
    Blocked,
    Exhausted,
    Finding,
    Guard,
    Outcome,
    Partial,
    Retry,
    Rule,
    StreamInterrupted,
    Validator,
    block,
    fall_back,
    reask,
    redact,
    target,
    validator,
    warn,
)
from guardrails_lite.testing import ScriptedModel, completion, tool_call
from tests.engine.conftest import NOW, Source, word


class Line(BaseModel):
    sku: str
    qty: int = Field(ge=0)


class Order(BaseModel):
    customer: str
    lines: list[Line]
    note: str | None = None


ORDER = {"customer": "Ada", "lines": [{"sku": "A-1", "qty": 2}, {"sku": "B-2", "qty": 1}], "note": "at once"}
TEXT = json.dumps(ORDER)
ONCE = Retry(attempts=1, reasks=0)


def cut(text: str, size: int = 1) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def shown(guard: Guard[Any], pieces: list[str]) -> tuple[dict[str, str], Any]:
    """All that the partials of a stream completed, as JSON by path, and the value or how it ended."""
    stream = guard.stream(lambda messages: iter(pieces), "hi")
    found: dict[str, str] = {}
    last: Partial[Any] | None = None
    try:
        for partial in stream:
            assert last is None or not last.complete
            last = partial
            for path, value in partial.closed.items():
                assert path not in found, "a path was completed twice"
                found[path] = json.dumps(value)
    except (StreamInterrupted, Exhausted, Blocked) as error:
        return found, error
    assert last is not None
    assert last.complete
    assert last.value == stream.outcome.value
    return found, stream.outcome


def test_fields_are_shown_as_they_become_whole() -> None:
    """Each partial has what it completes, all that came before, and the place that is still open."""
    stream = Guard(schema=Order).stream(lambda messages: iter(cut(TEXT)), "hi")
    seen = []
    for partial in stream:
        seen.append((dict(partial.closed), partial.open, partial.complete, json.dumps(partial.json)))

    assert [(list(closed), place, whole) for closed, place, whole, _ in seen] == [
        (["$.customer"], "$", False),
        (["$.lines[0].sku"], "$.lines[0]", False),
        (["$.lines[0].qty"], "$.lines[0]", False),
        (["$.lines[0]"], "$.lines", False),
        (["$.lines[1].sku"], "$.lines[1]", False),
        (["$.lines[1].qty"], "$.lines[1]", False),
        (["$.lines[1]"], "$.lines", False),
        (["$.lines"], "$", False),
        (["$.note"], "$", False),
        (["$"], None, True),
    ]
    assert seen[3][0] == {"$.lines[0]": {"sku": "A-1", "qty": 2}}
    assert seen[2][3] == '{"customer": "Ada", "lines": [{"sku": "A-1", "qty": 2}]}'
    assert stream.outcome.value == partial.value == Order.model_validate(ORDER)
    assert partial.json == ORDER


def test_a_partial_says_what_is_open() -> None:
    """What is on the way to the open place is open, everything else that is there is complete."""
    for partial in Guard(schema=Order).stream(lambda messages: iter(cut(TEXT)), "hi"):
        if partial.open == "$.lines[0]":
            assert [partial.is_open(path) for path in ("$", "$.lines", "$.lines[0]")] == [True] * 3
            assert [partial.is_open(path) for path in ("$.customer", "$.line", "$.lines[0].sku")] == [
                False
            ] * 3
    assert partial.complete
    assert not partial.is_open("$")


def test_partials_come_on_an_event_loop_too() -> None:
    """`astream` gives what `stream` gives."""

    async def model(messages: Any) -> Any:
        for piece in cut(TEXT, 5):
            yield piece

    async def collected() -> list[str]:
        stream = Guard(schema=Order).astream(model, "hi")
        return [path async for partial in stream for path in partial.closed]

    assert asyncio.run(collected())[:2] == ["$.customer", "$.lines[0].sku"]


def test_no_value_is_in_the_repr_of_a_partial() -> None:
    """It may be logged."""
    stream = Guard(schema=Order).stream(lambda messages: iter(cut(TEXT)), "hi")

    assert {repr(partial) for partial in stream} == {"Partial(complete=False)", "Partial(complete=True)"}


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{TEXT}\n```",
        f"Here it is: {TEXT}",
        f"<think>hm</think>{TEXT}",
        TEXT.replace('"qty": 2', '"qty": "2"'),
        TEXT.replace('"Ada"', "'Ada'"),
    ],
)
def test_what_only_the_whole_can_vouch_for_comes_with_the_whole(text: str) -> None:
    """Fences, prose, reasoning, repairs: nothing is shown that the end may read otherwise."""
    found, outcome = shown(Guard(schema=Order), cut(text))

    assert "$.lines[0].qty" not in found
    assert outcome.value == Guard(schema=Order).run(lambda messages: text, "hi").value


def test_a_tag_of_reasoning_inside_a_value_is_a_text_like_any_other() -> None:
    """It is shown as it is, and the value has it, whatever follows."""
    text = json.dumps({**ORDER, "customer": "<think>Ada</think>"})
    found, outcome = shown(Guard(schema=Order), cut(f"{text} There you are."))

    assert found["$.customer"] == '"<think>Ada</think>"'
    assert outcome.value.customer == "<think>Ada</think>"


def test_a_fallback_gives_the_value_as_one_partial() -> None:
    """A whole reply among the targets is the last partial."""
    guard = Guard(schema=Order, retry=ONCE, fallback=[target(TEXT)])

    [partial] = guard.stream(ScriptedModel([ConnectionError()]).stream, "hi")

    assert (partial.complete, partial.value) == (True, Order.model_validate(ORDER))


def test_a_reply_of_tool_calls_has_no_value() -> None:
    """Its calls are in the outcome."""

    def find(number: int) -> str:
        """Find something."""
        return str(number)

    model = ScriptedModel([completion(tool_calls=[tool_call("find", {"number": 1})])])
    stream = Guard(schema=Order, tools=[find]).stream(model.stream, "hi")

    assert list(stream) == []
    assert stream.outcome.value is None
    assert stream.outcome.reply.tool_calls[0].run() == "1"


def test_leaving_early_closes_the_source() -> None:
    """The record says cancelled."""
    records: list[Any] = []
    source = Source(*cut(TEXT))
    with Guard(schema=Order, log=records.append).stream(source, "hi") as stream:
        assert next(stream).closed == {"$.customer": "Ada"}

    assert source.closed
    assert [record.outcome for record in records] == ["cancelled"]


# --- what the schema refuses ---


def test_a_hopeless_reply_is_ended_and_asked_again() -> None:
    """Nothing was shown, so the first mistake costs no more than its tokens; the record says how many."""
    source = Source(*cut('{"customer": 5, "lines": [' + '{"sku": "A", "qty": 1},' * 500))
    replies = [source, lambda messages: iter(cut(TEXT))]
    asked: list[Any] = []

    def model(messages: Any) -> Any:
        asked.append(messages)
        return replies[len(asked) - 1](messages)

    stream = Guard(schema=Order, retry=NOW).stream(model, [{"role": "user", "content": "hi"}])
    partials = list(stream)

    assert partials[-1].value == Order.model_validate(ORDER)
    assert source.closed
    assert source.given == len('{"customer": 5,')
    assert "$.customer: a string\n" in asked[1][-1]["content"]
    first, second = stream.outcome.record.attempts
    assert (first.result, first.ended_at_chars) == ("answered", len('{"customer": 5,'))
    assert second.ended_at_chars is None
    assert [note.what for note in stream.outcome.record.notes] == ["re-ask"]


def test_a_mistake_after_something_was_shown_ends_the_stream() -> None:
    """What was shown cannot be asked for again; the source is closed at once."""
    source = Source(*cut('{"customer": "Ada", "lines": [7, 8, 9, 10]}'))
    stream = Guard(schema=Order, retry=NOW).stream(source, "hi")

    assert next(stream).closed == {"$.customer": "Ada"}
    with pytest.raises(StreamInterrupted, match=r"\$\.lines\[0\].* after 5 released characters") as caught:
        next(stream)
    assert source.closed
    assert source.given == len('{"customer": "Ada", "lines": [7,')
    assert caught.value.record.outcome == "schema failed"
    assert caught.value.record.attempts[0].ended_at_chars == source.given


def test_a_reply_that_can_be_asked_for_in_parts_is_read_on() -> None:
    """Ending it would throw away what is right of it, and buy that once more."""
    rows = [{"sku": f"sku-{nth}", "qty": 1} for nth in range(12)]
    text = json.dumps({"customer": "Ada", "lines": [*rows, {"sku": "x", "qty": "many"}, *rows]})
    model = ScriptedModel([text, '{"part_1": 3}'])

    outcome = Guard(schema=Order, retry=NOW).run(model.stream, [{"role": "user", "content": "hi"}])

    assert outcome.value.lines[12] == Line(sku="x", qty=3)
    assert outcome.record.attempts[0].ended_at_chars is None


def test_without_a_re_ask_left_a_hopeless_reply_is_ended() -> None:
    """Also one that is only assembled: by `run`, a decorated generator, a client."""
    rows = '{"sku": "A", "qty": 1},' * 50
    source = Source(*cut(f'{{"customer": "Ada", "lines": [{rows} 7, {rows}'))

    with pytest.raises(Exhausted, match=r"\$\.lines\[50\]"):
        Guard(schema=Order, retry=ONCE).run(source, "hi")

    assert source.closed
    assert source.given < 1200


def test_a_monitor_reads_to_the_end() -> None:
    """It changes nothing, not even how much is read."""
    source = Source(*cut('{"customer": 5, "lines": []}'))

    *_, last = Guard(schema=Order, mode="monitor").stream(source, "hi")

    assert source.given == len(source.pieces)
    assert last.value == '{"customer": 5, "lines": []}'


class Checked(BaseModel):
    even: int
    pair: dict[str, int] = {}
    best: Line | None = None

    @field_validator("even")
    @classmethod
    def is_even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("an even number")
        return value


class Whole(Order):
    @model_validator(mode="after")
    def is_one_order(self) -> Whole:
        if not self.lines:
            raise ValueError("at least one line")
        return self


def test_a_models_own_check_of_a_field_is_made_when_the_field_is_whole() -> None:
    """What it refuses is never shown."""
    found, error = shown(
        Guard(schema=Checked, retry=ONCE), cut('{"pair": {"a": 1}, "even": 3, "best": null}')
    )

    assert list(found) == ["$.pair.a", "$.pair"]
    assert isinstance(error, StreamInterrupted)


def test_a_model_that_checks_itself_is_shown_whole() -> None:
    """Its parts have passed only when it has."""
    found, outcome = shown(Guard(schema=Whole), cut(TEXT))

    assert list(found) == ["$"]
    assert outcome.value.customer == "Ada"


@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        (
            {"type": "object", "properties": {"customer": {"type": "string"}}},
            ["$.customer", "$.lines[0].sku"],
        ),
        (Order.model_json_schema(), ["$.customer", "$.lines[0].sku"]),
        (
            {"type": "object", "properties": {"customer": {"type": "string"}}, "minProperties": 2},
            ["$.customer"],
        ),
        ({"type": "object", "anyOf": [{"required": ["note"]}]}, ["$"]),
        (dict[str, Any], ["$.customer", "$.lines"]),
    ],
)
def test_a_schema_shows_what_it_can_judge_alone(schema: Any, paths: list[str]) -> None:
    """Members where they are described one by one, anything else in one piece."""
    found, outcome = shown(Guard(schema=schema), cut(TEXT, 3))

    assert list(found)[: len(paths)] == paths
    assert outcome.value == ORDER


def test_a_list_is_shown_item_by_item_also_under_the_providers_wrapper() -> None:
    """The path is that of the value."""
    lines = json.dumps(ORDER["lines"])
    for text in (lines, f'{{"value": {lines}}}'):
        found, outcome = shown(Guard(schema=list[Line]), cut(text))
        assert list(found) == ["$[0].sku", "$[0].qty", "$[0]", "$[1].sku", "$[1].qty", "$[1]", "$"]
        assert outcome.value[0] == Line(sku="A-1", qty=2)


# --- what the rules refuse ---


class Note(BaseModel):
    id: int
    text: Annotated[str, redact(word("secret"))]
    tail: str = ""


def test_a_fields_own_rules_come_before_it_is_shown() -> None:
    """What is masked is shown masked, as in the value."""
    text = '{"id": 1, "text": "my secret", "tail": "x"}'
    found, outcome = shown(Guard(schema=Note), cut(text))

    assert found["$.text"] == '"my [REDACTED]"'
    assert list(found) == ["$.id", "$.text", "$.tail", "$"]
    assert outcome.value.text == "my [REDACTED]"


class Blocking(BaseModel):
    id: int
    text: Annotated[str, block(word("secret"))]
    tail: str = ""


def test_a_field_that_its_rule_blocks_is_never_shown() -> None:
    """Nor is what follows it; the verdict is that of the whole."""
    found, error = shown(Guard(schema=Blocking), cut('{"id": 1, "text": "my secret", "tail": "x"}'))

    assert list(found) == ["$.id"]
    assert isinstance(error, Blocked)


class Asking(BaseModel):
    id: int
    text: Annotated[str, reask(word("secret"))]


@pytest.mark.parametrize(
    "guard",
    [
        Guard(schema=Asking),
        Guard(schema=Order, output=[block(word("zzz"))]),
        Guard(schema=Order, output=[reask(word("zzz", window=3))]),
        Guard(schema=Order, output=[fall_back(word("zzz", window=3))], fallback=[target(TEXT)]),
    ],
    ids=str,
)
def test_a_rule_that_needs_the_whole_holds_every_part(guard: Guard[Any]) -> None:
    """Then only the value comes, and `print(guard)` says why."""
    text = '{"id": 1, "text": "x"}' if "Asking" in repr(guard) else TEXT
    found, outcome = shown(guard, cut(text))

    assert list(found) == ["$"]
    assert isinstance(outcome, Outcome)
    assert guard.streaming.startswith("holds a streamed reply whole: schema, ")


def test_an_output_rule_masks_before_a_part_is_shown() -> None:
    """Its window may reach over the end of a field, so parts come when it has passed."""
    guard = Guard(schema=Order, output=[redact(word("secret", window=6)), warn(word("Ada"))])
    text = json.dumps({**ORDER, "customer": "a secret", "note": "\\u0073ecret"})
    found, outcome = shown(guard, cut(text))

    assert found["$.customer"] == '"a [REDACTED]"'
    assert outcome.value == Order.model_validate(
        {**ORDER, "customer": "a [REDACTED]", "note": "\\u0073ecret"}
    )


def test_what_an_escape_hides_is_not_shown() -> None:
    """A string is looked at as it will be read, too."""
    guard = Guard(schema=Order, output=[redact(word("secret", window=6))])
    text = TEXT.replace("B-2", "\\u0073ecret")
    found, outcome = shown(guard, cut(text))

    assert "$.lines[1].sku" not in found
    assert outcome.value.lines[1].sku == "[REDACTED]"


def test_a_block_shows_nothing_of_what_it_found() -> None:
    """What was shown before it had passed."""
    guard = Guard(schema=Order, output=[block(word("B-2", window=3))])
    found, error = shown(guard, cut(TEXT))

    assert isinstance(error, Blocked)
    assert "B-2" not in "".join(found.values())
    assert found["$.customer"] == '"Ada"'


def test_a_check_that_breaks_shows_nothing_more() -> None:
    """It counts as found."""

    @validator(window=4)
    def angry(text: str) -> list[Finding]:
        raise ValueError("cannot judge")

    found, error = shown(Guard(schema=Order, output=[block(angry)]), cut(TEXT))

    assert found == {}
    assert isinstance(error, Blocked)


# --- the law ---


def pattern(regex: str, window: int) -> Validator:
    """A validator of one regular expression."""
    compiled = re.compile(regex)

    @validator(window=window, name="pattern", params={"regex": regex})
    def find(text: str) -> Iterator[Finding]:
        for match in compiled.finditer(text):
            yield Finding("matches", span=match.span())

    return find


class Tree(BaseModel):
    name: Annotated[str, redact(pattern("zz", 2))] = ""
    size: int | None = None
    under: list[Tree] = []
    rates: dict[str, float] = {}
    either: int | str | None = None


RULES: list[list[Rule]] = [
    [],
    [redact(pattern("ab", 2))],
    [block(pattern("aaa", 3)), redact(pattern(r"b\W*b", 6))],
]
GUARDS = [Guard(schema=Tree, output=output, retry=ONCE) for output in RULES]
NAMES = st.text('abz"\\<é\U0001f600', max_size=5)
TREES = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "name": NAMES,
            "size": st.none() | st.integers(-9, 9),
            "rates": st.dictionaries(NAMES, st.floats(0, 9) | st.just("x"), max_size=2),
            "either": st.none() | st.integers(0, 9) | NAMES,
        },
    ),
    lambda inner: st.fixed_dictionaries({"under": st.lists(inner, max_size=3)}, optional={"name": NAMES}),
    max_leaves=6,
)


@pytest.mark.parametrize("guard", GUARDS, ids=["no rules", "a mask", "a block and a mask"])
@settings(max_examples=60)
@given(
    tree=TREES,
    ascii_only=st.booleans(),
    cuts=st.lists(st.integers(0, 120), max_size=20),
    change=st.none() | st.tuples(st.integers(0, 120), st.sampled_from(["", '"', ",", "}", "x", "\\", "]"])),
)
@example(tree={"name": "a", "size": 1}, ascii_only=True, cuts=[], change=(9, '"'))
@example(tree={"name": "\U0001f600"}, ascii_only=True, cuts=list(range(60)), change=None)
def test_what_is_shown_is_part_of_what_the_whole_reply_gives(
    guard: Guard[Tree], tree: Any, ascii_only: bool, cuts: list[int], change: tuple[int, str] | None
) -> None:
    """Whole, broken or repaired, in any chunks: the same value or the same end, and nothing taken back."""
    text = json.dumps(tree, ensure_ascii=ascii_only)
    if change is not None:
        text = text[: change[0]] + change[1] + text[change[0] + 1 :]
    places = sorted({min(place, len(text)) for place in cuts} | {0, len(text)})
    pieces = [text[start:end] for start, end in pairwise(places)]
    whole: Any
    try:
        whole = guard.run(lambda messages: text, "hi")
    except (Exhausted, Blocked) as error:
        whole = error
    found, streamed = shown(guard, pieces)
    if streamed.record.attempts[0].ended_at_chars is not None:  # before it could be cut, too
        assert streamed.record.outcome == "schema failed"
        assert whole.record.outcome in ("schema failed", "transport failed")
        return
    assert streamed.record.outcome == whole.record.outcome
    if isinstance(whole, Outcome):
        assert streamed.value == whole.value
        final = json.loads(found.pop("$"))
        assert streamed.reply.text == whole.reply.text
        for path, value in found.items():
            assert json.dumps(_at(path, final)) == value


def _at(path: str, value: Any) -> Any:
    for index, name, quoted in re.findall(r'\[(\d+)\]|\.(\w+)|\[("(?:[^"\\]|\\.)*")\]', path):
        value = value[int(index) if index else name or json.loads(quoted)]
    return value
