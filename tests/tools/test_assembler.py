"""Tool calls from the deltas of a stream."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails_lite._messages import ToolCall
from guardrails_lite._tools import ToolCallAssembler

NAMES = st.text("abcdefghij_", min_size=1, max_size=12)
TEXTS = st.one_of(
    st.dictionaries(st.text(max_size=4), st.one_of(st.text(max_size=8), st.integers()), max_size=4).map(
        json.dumps
    ),
    st.text(max_size=20),
)
CALLS = st.lists(st.tuples(NAMES, TEXTS, st.sampled_from(["function", "custom"])), max_size=5).map(
    lambda found: [ToolCall(f"call_{nth}", *call) for nth, call in enumerate(found)]
)


def delta(
    index: int | None = None, id: str | None = None, name: str | None = None, text: str | None = None
) -> Any:
    """One delta of a function call, with only what is given."""
    function = {key: value for key, value in (("name", name), ("arguments", text)) if value is not None}
    made: dict[str, Any] = {key: value for key, value in (("index", index), ("id", id)) if value is not None}
    return {**made, "function": function} if function else made


def assemble(*deltas: Any) -> list[tuple[str, str, str]]:
    """What the deltas make, as plain tuples."""
    assembler = ToolCallAssembler()
    for one in deltas:
        assembler.add(one)
    return [(call.id, call.name, call.arguments) for call in assembler.calls()]


def cut(draw: Any, text: str) -> list[str]:
    """Cut *text* anywhere, into pieces of at least one character."""
    if not text:
        return []
    places = sorted(draw(st.sets(st.integers(1, max(len(text) - 1, 1)), max_size=6)) - {len(text)})
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


@given(CALLS, st.data())
def test_any_chunking_gives_the_calls_of_the_whole_reply(calls: list[ToolCall], data: Any) -> None:
    """Names and arguments cut anywhere, calls interleaved anyhow: the same calls come out."""
    queues: list[list[Any]] = []
    for index, call in enumerate(calls):
        body = "input" if call.kind == "custom" else "arguments"
        pieces = cut(data.draw, call.name)
        queue: list[Any] = [
            {"index": index, "id": call.id, "type": call.kind, call.kind: {"name": pieces[0]}}
        ]
        queue += [{"index": index, call.kind: {"name": piece}} for piece in pieces[1:]]
        queue += [{"index": index, call.kind: {body: piece}} for piece in cut(data.draw, call.arguments)]
        queues.append(queue)
    assembler = ToolCallAssembler()
    while waiting := [queue for queue in queues if queue]:
        assembler.add(data.draw(st.sampled_from(waiting)).pop(0))

    assert assembler.calls() == tuple(calls)


@given(CALLS, st.data())
def test_whole_calls_without_indices_are_told_apart_by_their_ids(calls: list[ToolCall], data: Any) -> None:
    """A server that leaves out the index sends one call after another, or ids with every delta."""
    assembler = ToolCallAssembler()
    repeat = data.draw(st.booleans())
    for call in calls:
        body = "input" if call.kind == "custom" else "arguments"
        assembler.add({"id": call.id, "type": call.kind, call.kind: {"name": call.name}})
        for piece in cut(data.draw, call.arguments):
            assembler.add({**({"id": call.id} if repeat else {}), call.kind: {body: piece}})

    assert assembler.calls() == tuple(calls)


@pytest.mark.parametrize(
    ("deltas", "calls"),
    [
        pytest.param(
            [
                delta(0, "a", "f", ""),
                delta(1, "b", "g", ""),
                delta(1, text='{"y'),
                delta(0, text="{}"),
                delta(1, text='":2}'),
            ],
            [("a", "f", "{}"), ("b", "g", '{"y":2}')],
            id="interleaved",
        ),
        pytest.param(
            [delta(0, name="f"), delta(0, text="{"), delta(0, "a"), delta(0, text="}")],
            [("a", "f", "{}")],
            id="late id",
        ),
        pytest.param(
            [delta(0, "a", "f", ""), delta(0, "a", "f", "{"), delta(0, "a", "f", "}")],
            [("a", "f", "{}")],
            id="id and name repeated",
        ),
        pytest.param(
            [delta(0, "a", "f", ""), delta(0, name="f", text="{}")], [("a", "f", "{}")], id="name repeated"
        ),
        pytest.param(
            [delta(0, "a", "f", "{}"), delta(0, "b", "g", '{"x"'), delta(0, text=":1}")],
            [("a", "f", "{}"), ("b", "g", '{"x":1}')],
            id="same index, new id",
        ),
        pytest.param(
            [
                delta(0, "a", "f", "{"),
                delta(0, "b", "g", "["),
                delta(0, "a", text="}"),
                delta(0, "b", text="]"),
            ],
            [("a", "f", "{}"), ("b", "g", "[]")],
            id="same index, ids with every delta",
        ),
        pytest.param(
            [delta(0, name="f", text="{}"), delta(0, name="g", text="{}")],
            [("", "f", "{}"), ("", "g", "{}")],
            id="same index, no ids, another name",
        ),
        pytest.param(
            [delta(3, "b", "g", "{}"), delta(1, "a", "f", "{}")],
            [("a", "f", "{}"), ("b", "g", "{}")],
            id="gaps",
        ),
        pytest.param(
            [delta(0, text="{"), delta(0, "a", "f"), delta(0, text="}")],
            [("a", "f", "{}")],
            id="arguments first",
        ),
        pytest.param([delta(None, "a", "f", "{"), delta(text="}")], [("a", "f", "{}")], id="no index at all"),
        pytest.param(
            [delta(None, name="f", text="{"), delta(None, "a", text="}")],
            [("a", "f", "{}")],
            id="no index, late id",
        ),
        pytest.param(
            [{"index": "0", "id": "a", "function": {"name": "f", "arguments": {"x": 1}}}],
            [("a", "f", '{"x": 1}')],
            id="an object",
        ),
        pytest.param([{}, {"index": None}], [("", "", "")], id="nothing in it"),
    ],
)
def test_the_ways_of_servers(deltas: list[Any], calls: list[tuple[str, str, str]]) -> None:
    """Two calls are never glued into one, and one is never torn in two."""
    assert assemble(*deltas) == calls


def test_add_tells_each_name_as_it_grows() -> None:
    """A name can be refused at its first delta, and is told again only when it has grown."""
    assembler = ToolCallAssembler()
    deltas = (
        delta(0, "a", "get_"),
        delta(0, name="time"),
        delta(0, text="{"),
        delta(1, "b", "f"),
        delta(1, "b", "f"),
    )

    assert [assembler.add(one) for one in deltas] == ["get_", "get_time", None, "f", None]


def test_chars_counts_what_was_brought() -> None:
    """It is what a limit on the size of a reply is held against; what is repeated counts once."""
    assembler = ToolCallAssembler()
    assembler.add(delta(0, "a", "get", "{}"))
    assembler.add(delta(0, "a", "get", ""))

    assert assembler.chars == 5


def test_objects_of_the_client_are_read_like_dicts() -> None:
    """A stream of the OpenAI client yields objects."""
    from openai.types.chat.chat_completion_chunk import ChoiceDeltaToolCall

    assert assemble(ChoiceDeltaToolCall.model_validate(delta(0, "a", "f", "{}"))) == [("a", "f", "{}")]


@pytest.mark.parametrize("key", ["name", "text"])
def test_time_grows_with_the_stream_and_not_with_its_square(key: str) -> None:
    """Each character is handled once: ten times the deltas take about ten times as long."""

    def run(count: int) -> float:
        began = time.thread_time()
        assembler = ToolCallAssembler()
        assembler.add(delta(0, "a", "f"))
        for _ in range(count):
            assembler.add(delta(0, **{key: "xxxxxxxx"}))  # type: ignore[arg-type]
        assembler.calls()
        return time.thread_time() - began

    run(2_000)
    assert run(40_000) < 40 * max(min(run(4_000) for _ in range(3)), 1e-3)
