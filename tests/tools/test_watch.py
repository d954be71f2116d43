"""Tool calls in a stream: refused at the first fault that nothing mends, with the verdict of the whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails_lite import Exhausted, Guard, Retry, StreamInterrupted
from guardrails_lite._tools import CallWatch, Toolbox, ToolCallAssembler
from guardrails_lite.testing import chunks, completion, tool_call
from tests.engine.conftest import Source

ONCE = Retry(attempts=1, reasks=0)
HI = [{"role": "user", "content": "hi"}]


def refund(
    order: str, cents: int, why: Literal["late", "broken"] = "late", lines: list[int] | None = None
) -> str:
    """Give money back."""
    return f"{cents} for {order}"


def find(number: int) -> str:
    """Find something."""
    return str(number)


RAW = {
    "type": "function",
    "function": {
        "name": "raw",
        "parameters": {
            "type": "object",
            "properties": {"code": {"type": "string", "pattern": "^[A-Z]+$", "maxLength": 5}},
        },
    },
}
GUARD = Guard(tools=[refund, find, RAW], retry=ONCE)


def streamed(*calls: dict[str, Any], size: int = 1) -> Source:
    return Source(*chunks(completion(tool_calls=list(calls)), size=size))


LONG = "x" * 400


@pytest.mark.parametrize(
    ("name", "arguments", "most", "verdict"),
    [
        ("refuse", {"order": LONG}, 0, "unknown name"),
        ("refund", {"cents": "many", "order": LONG}, 17, "wrong type"),
        ("refund", {"cents": [1], "order": LONG}, 11, "wrong type"),
        ("refund", {"to": LONG}, 6, "undeclared"),
        ("refund", {"why": "cold", "order": LONG}, 15, "out of range"),
        ("refund", {"lines": [1, "x", 3], "order": LONG}, 22, "wrong type"),
        ("raw", {"code": LONG}, 16, "out of range"),
        ("raw", {"code": "a", "zz": LONG}, 13, "out of range"),
        ("raw", {"zz": LONG}, 6, "undeclared"),
    ],
)
def test_a_call_is_refused_as_soon_as_nothing_can_mend_it(
    name: str, arguments: dict[str, Any], most: int, verdict: str
) -> None:
    """The source is closed there, the record says how far it was read, and nothing is released."""
    source = streamed(tool_call(name, arguments))

    with pytest.raises(Exhausted, match=f"a tool call was refused: {verdict}") as caught:
        list(GUARD.stream(source, HI))

    record = caught.value.record
    assert source.closed
    assert source.given < len(source.pieces) - 300
    assert record.outcome == "tool denied"
    assert [step.verdict for step in record.tools] == [verdict]
    assert record.attempts[0].ended_at_chars == most + len(name)


def test_the_model_is_told_the_same_as_about_the_whole_call() -> None:
    """The same words, the same history: each call is answered, and what was cut off is not quoted."""
    good = tool_call("find", {"number": 1}, id="call_1")
    bad = tool_call("refund", {"cents": "many", "order": LONG}, id="call_2")
    told: list[Any] = []
    for source in (
        streamed(good, bad, size=3),
        lambda messages, **params: completion(tool_calls=[good, bad]),
    ):
        asked: list[Any] = []

        def model(messages: Any, source: Any = source, asked: list[Any] = asked, **params: Any) -> Any:
            asked.append(messages)
            return source(messages) if len(asked) == 1 else completion("Done.")

        outcome = Guard(tools=[refund, find], retry=Retry(reasks=1, wait=0)).run(model, HI)
        told.append((asked[1][2:], [(step.name, step.verdict) for step in outcome.record.tools]))

    (early, steps), (whole, whole_steps) = told
    assert [message["role"] for message in early] == ["tool", "tool"]
    assert [message["tool_call_id"] for message in early] == ["refused_0_call_1", "refused_1_call_2"]
    assert [message["content"] for message in early] == [
        "Not run: another tool call of this turn was refused.",
        "Refused: wrong type.\n$.cents: an integer",
    ]
    assert early[0] == whole[0]
    assert steps == whole_steps == [("find", "passed"), ("refund", "wrong type")]


def test_after_released_text_a_refused_call_ends_the_stream() -> None:
    """What was shown cannot be asked for again."""
    text = list(chunks(completion("Let me see."), size=3))[:-1]
    source = Source(*text, *streamed(tool_call("refuse", {"order": LONG})).pieces)

    with pytest.raises(StreamInterrupted, match="unknown name, after 11 released characters"):
        list(GUARD.stream(source, HI))
    assert source.closed


def test_a_monitor_refuses_nothing_early() -> None:
    """It reads on, and records the verdict of the whole."""
    source = streamed(tool_call("refuse", {"order": "x"}))

    stream = Guard(tools=[find], mode="monitor").stream(source, HI)
    list(stream)

    assert source.given == len(source.pieces)
    assert [step.verdict for step in stream.outcome.record.tools] == ["unknown name"]


def test_a_closed_call_is_read_to_the_end_of_the_stream() -> None:
    """All that is left of it is how it ended and what it cost."""
    source = streamed(tool_call("find", {"number": "x"}))

    with pytest.raises(Exhausted) as caught:
        list(GUARD.stream(source, HI))
    assert source.given == len(source.pieces)
    assert caught.value.record.attempts[0].ended_at_chars is None


def test_a_name_in_pieces_is_refused_when_it_can_become_no_other() -> None:
    """Its beginning alone is no fault, until arguments follow."""
    offered = Toolbox.of([refund, find]).offered({})
    for deltas, at in (
        ([("re", ""), ("fu", ""), ("s", ""), ("e", "")], 2),
        ([("re", ""), ("fund", ""), ("", "{")], None),
        ([("ref", ""), ("", "{")], 1),
    ):
        watch, assembler = CallWatch(offered, HI), ToolCallAssembler()
        refused = None
        for nth, (name, arguments) in enumerate(deltas):
            grown = assembler.add({"index": 0, "id": "c", "function": {"name": name, "arguments": arguments}})
            assert assembler.last is not None
            verdicts = watch.hear(assembler.last, grown)
            if verdicts and refused is None:
                refused = nth
                assert [verdict.reason for verdict in verdicts] == ["unknown name"]
        assert refused == at


VALUES = st.sampled_from(
    [1, "1", "A", "ABCDEF", "many", None, [1], ["x"], {}, 2.0, "late", "{}", True, "é\\\U0001f600"]
)
ARGUMENTS = st.dictionaries(
    st.sampled_from(["order", "cents", "why", "lines", "number", "code", "zz"]), VALUES, max_size=4
).map(json.dumps) | st.sampled_from(
    ["", "{}", "[]", '"{\\"number\\": 1}"', "{'number': 1}", '{"number": 1,}', "{"]
)
RIGHT = st.sampled_from(
    [
        ("refund", '{"order": "A", "cents": 1}'),
        ("refund", '{"order": "late", "cents": 7, "why": "broken", "lines": [1, 2]}'),
        ("find", '{"number": 1}'),
        ("raw", '{"code": "ABC"}'),
    ]
)
CALLS = st.lists(
    RIGHT | st.tuples(st.sampled_from(["refund", "find", "raw", "fond"]), ARGUMENTS), min_size=1, max_size=3
)


@settings(max_examples=80)
@given(
    calls=CALLS,
    cuts=st.lists(st.integers(0, 150), max_size=12),
    together=st.booleans(),
    late=st.integers(0, 14),
)
def test_in_any_chunks_the_calls_and_the_verdict_are_those_of_the_whole(
    calls: list[tuple[str, str]], cuts: list[int], together: bool, late: int
) -> None:
    """Interleaved or in turn, down to single characters, named late: released whole and valid or not."""
    reply = completion(
        tool_calls=[
            tool_call(name, arguments, id=f"call_{nth}") for nth, (name, arguments) in enumerate(calls)
        ]
    )
    whole = _end(lambda messages, **params: reply)
    streamed = _end(lambda messages, **params: iter(_pieces(calls, cuts, together=together, late=late)))

    assert streamed[:2] == whole[:2]
    assert set(streamed[2]) <= set(whole[2]) or whole[0] != "passed"


def _end(model: Any) -> tuple[str, list[tuple[str, Any]], list[str]]:
    """How a call ended, the calls that were let through, and the verdicts."""
    stream = GUARD.stream(model, HI)
    try:
        released = list(stream)
    except Exhausted as error:
        return error.record.outcome, [], [step.verdict for step in error.record.tools]
    assert released
    record = stream.outcome.record
    let_through = [(call.name, call.value) for call in stream.outcome.reply.tool_calls]
    return record.outcome, let_through, [step.verdict for step in record.tools]


def _pieces(
    calls: list[tuple[str, str]], cuts: list[int], *, together: bool, late: int
) -> Iterator[dict[str, Any]]:
    rows: list[list[dict[str, Any]]] = []
    for nth, (name, arguments) in enumerate(calls):
        places = sorted({min(cut, len(arguments)) for cut in cuts} | {0, len(arguments)})
        first = {
            "index": nth,
            "id": f"call_{nth}",
            "type": "function",
            "function": {"arguments": ""},
        }
        row: list[dict[str, Any]] = [first]
        row += [
            {"index": nth, "function": {"arguments": arguments[start:end]}} for start, end in pairwise(places)
        ]
        row[min(late, len(row) - 1)]["function"]["name"] = name
        rows.append(row)
    order = [one for row in rows for one in row]
    if together:
        order = [row[at] for at in range(max(map(len, rows))) for row in rows if at < len(row)]
    for delta in order:
        yield {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"tool_calls": [delta]}}]}
    yield {
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}],
    }
