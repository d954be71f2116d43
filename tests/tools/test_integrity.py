"""Whether a reply is whole, told from its evidence."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails_lite._engine._integrity import judge
from guardrails_lite._messages import Choice, Reply, ToolCall
from guardrails_lite._messages._reading import read_reply
from guardrails_lite.testing import completion, tool_call, with_choices

CALL = tool_call("f", {"x": 1})


def kind_of(raw: Any, **options: Any) -> str | None:
    """The kind of failure of a raw reply; None when it is whole."""
    failure = judge(read_reply(raw), **options)
    return None if failure is None else failure.kind


def changed(raw: Any, **fields: Any) -> Any:
    """*raw* with other fields in the message of its first choice."""
    raw["choices"][0]["message"] |= fields
    return raw


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("a plain string", id="plain string"),
        pytest.param(completion("hi"), id="stop"),
        pytest.param(completion(tool_calls=[CALL]), id="tool calls"),
        pytest.param(completion("hi", finish_reason="end_turn"), id="another provider's word"),
        pytest.param(completion("hi", finish_reason="a_word_from_the_future"), id="unknown word"),
        pytest.param(completion(tool_calls=[CALL], finish_reason="stop"), id="B14: stop with calls"),
        pytest.param(with_choices(completion("a"), completion("b")), id="more than asked for"),
        pytest.param(changed(completion(None), audio={"id": "a1", "data": "UklGRg=="}), id="speech"),
    ],
)
def test_a_whole_reply_passes(raw: Any) -> None:
    """Evidence of an end is enough; nothing is held against words that nobody knows."""
    assert kind_of(raw) is None


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        pytest.param({"choices": []}, "empty reply", id="B07: no choices"),
        pytest.param({"choices": None}, "empty reply", id="B07: null choices"),
        pytest.param(
            {"error": {"message": "x", "code": "insufficient_quota"}, "choices": None},
            "quota",
            id="B06: error body",
        ),
        pytest.param({"error": "overloaded", "choices": []}, "server error", id="B06: error text"),
        pytest.param(
            {"choices": [{"index": 0, "message": None, "finish_reason": "stop"}]},
            "malformed reply",
            id="B08: null message",
        ),
        pytest.param(
            {"choices": [{"index": 0, "finish_reason": "stop"}]}, "malformed reply", id="B08: no message"
        ),
        pytest.param(completion(None, finish_reason="stop"), "empty reply", id="B09: null content"),
        pytest.param(completion(" \n"), "empty reply", id="B10: white space"),
        pytest.param(completion("hi", finish_reason="length"), "truncated", id="B11: length"),
        pytest.param(completion("hi", finish_reason="MAX_TOKENS"), "truncated", id="B11: another word"),
        pytest.param(completion(tool_calls=[CALL], finish_reason="length"), "truncated", id="B11: calls"),
        pytest.param(completion("hi", finish_reason="content_filter"), "content filtered", id="B12: filter"),
        pytest.param(
            completion('{"a": 1}', finish_reason="SAFETY"), "content filtered", id="B12: another word"
        ),
        pytest.param(completion("hi", finish_reason="tool_calls"), "malformed reply", id="B13: no calls"),
        pytest.param(completion("hi", finish_reason="error"), "server error", id="B15: error"),
        pytest.param(completion("hi", finish_reason="insufficient_system_resource"), "overloaded", id="B15"),
        pytest.param(
            completion("hi", finish_reason="malformed_function_call"), "malformed reply", id="B15: Gemini"
        ),
        pytest.param(completion("hi", finish_reason=None), "malformed reply", id="B16: null"),
        pytest.param(completion("hi", finish_reason=""), "malformed reply", id="B16: empty"),
        pytest.param(completion(None, refusal="I cannot"), "refused", id="B17: refusal"),
        pytest.param(
            completion(None, refusal="I can", finish_reason="length"), "refused", id="B17: cut refusal"
        ),
        pytest.param(completion("hi \ud83d"), "malformed reply", id="B21: half a character"),
    ],
)
def test_what_is_not_whole_is_named(raw: Any, kind: str) -> None:
    """Each shape of the catalogue has one kind of failure."""
    assert kind_of(raw) == kind


@pytest.mark.parametrize("word", ["content_filter", "length", "error", None])
def test_one_bad_choice_of_several_spoils_the_reply(word: str | None) -> None:
    """All choices are looked at, because the application may use any."""
    assert kind_of(with_choices(completion("a"), completion("b", finish_reason=word))) is not None


def test_fewer_choices_than_asked_for_or_one_twice_is_malformed() -> None:
    """B27: too few, or an index twice. Another order is none of our business here."""
    twice = with_choices(completion("a"), completion("b"))
    twice["choices"][1]["index"] = 0
    backwards = with_choices(completion("a"), completion("b"))
    backwards["choices"].reverse()

    assert kind_of(completion("a"), n=2) == "malformed reply"
    assert kind_of(twice) == "malformed reply"
    assert kind_of(backwards, n=2) is None


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (completion(""), "empty"),
        (completion(None, refusal="no"), "refused"),
        (completion("hi", finish_reason="length"), "truncated"),
        (completion("hi", finish_reason=None), "unmarked"),
    ],
)
def test_an_ending_is_a_value_where_the_application_says_so(raw: Any, word: str) -> None:
    """Each word of `accept` lets exactly its own ending through."""
    others = frozenset({"empty", "refused", "truncated", "unmarked"}) - {word}

    assert kind_of(raw, accept=frozenset({word})) is None
    assert kind_of(raw, accept=others) is not None


@pytest.mark.parametrize(
    ("raw", "options"),
    [
        pytest.param(completion("{}", finish_reason="length"), {"wants_json": True}, id="cut and parses"),
        pytest.param(completion(tool_calls=[CALL], finish_reason="length"), {}, id="cut with calls"),
        pytest.param(completion("hi", finish_reason="content_filter"), {}, id="filtered"),
        pytest.param(completion(tool_calls=[CALL], finish_reason=None), {}, id="unmarked with calls"),
        pytest.param(
            completion("12", finish_reason=None), {"wants_json": True}, id="a number that may go on"
        ),
        pytest.param(completion('{"a": 1', finish_reason=None), {"wants_json": True}, id="open and unmarked"),
    ],
)
def test_some_endings_are_never_accepted(raw: Any, options: Any) -> None:
    """A cut answer is not final because it parses, and a tool never runs on one."""
    assert (
        kind_of(raw, accept=frozenset({"empty", "refused", "truncated", "unmarked"}), **options) is not None
    )


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ('{"a": [1, 2]}', True),
        ('{"a": "}"', False),
        ('{"a": "}}"', False),
        ('{"a": {"b": 1}', False),
        ('[{"a": 1}, {"a"', False),
        ('{"a": "with \\" inside', False),
        ('```json\n{"a": 1\n```', False),
        ('```json\n{"a": 1}\n```', True),
        ('{"a": 1} and prose {', True),
        ("prose only", True),
        ("42", True),
    ],
)
def test_an_open_root_is_no_whole_answer(text: str, whole: bool) -> None:
    """A finish reason that says "stop" is contradicted by an object that is not closed."""
    assert (kind_of(completion(text), wants_json=True) is None) is whole
    assert kind_of(completion(text)) is None


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
    )
)
def test_no_whole_json_is_called_open_and_no_cut_object_whole(value: Any) -> None:
    """Every document is closed, and every object cut before its end is open or no longer JSON."""
    text = json.dumps(value)

    assert kind_of(completion(text), wants_json=True) is None
    if isinstance(value, (dict, list)) and value:
        for end in range(1, len(text), 1 + len(text) // 20):
            assert kind_of(completion(text[:end]), wants_json=True) is not None or not is_json(text[:end])


def is_json(text: str) -> bool:
    """Whether a strict reader takes *text*."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>{"name": "f"}',
        "[TOOL_CALLS][{}]",
        "<function=f>{}</function>",
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0",
        "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}",
        '<|python_tag|>{"name": "f"}',
    ],
)
@pytest.mark.parametrize("before", ["", "\n", "I shall look it up.", "I shall look it up.\n\n", "Sure: "])
def test_a_call_left_in_the_text_is_malformed_where_tools_were_offered(text: str, before: str) -> None:
    """A server that failed to parse the model's call hands its markup to the user."""
    assert kind_of(completion(before + text), wants_tools=True) == "malformed reply"
    assert kind_of(completion(before + text)) is None
    assert kind_of(completion(f"{before}It is `{text}`."), wants_tools=True) is None
    assert kind_of(completion(f"{before}It is so:\n```\n{text}\n```\n"), wants_tools=True) is None


@pytest.mark.parametrize(
    "text",
    [
        "The tag <tool_call> opens a call.",
        "Between <tool_call> and </tool_call> stands JSON, such as {}.",
        "a<tool_call>{",
        "1 < 2 and [TOOL_CALLS] is a token",
        "<b>[1]</b>",
    ],
)
def test_a_text_about_calls_is_a_text(text: str) -> None:
    """Only a call that begins, outside of code, is taken for one."""
    assert kind_of(completion(text), wants_tools=True) is None


def test_a_bare_string_of_a_client_is_a_page() -> None:
    """B04: a login page under status 200 comes out of the OpenAI client as a string."""
    assert kind_of("<html>log in</html>", from_client=True) == "malformed reply"
    assert kind_of("<html>my page</html>") is None


@pytest.mark.parametrize(
    ("complete", "kind"), [(False, "stream interrupted"), (True, None), (None, "malformed reply")]
)
def test_a_stream_without_finish_reason(complete: bool | None, kind: str | None) -> None:
    """S07, S09: a marked end vouches for the text; without one the stream was interrupted."""
    failure = judge(Reply((Choice(text="hello wor"),), complete=complete))

    assert (None if failure is None else failure.kind) == kind
    assert failure is None or failure.action == "retry"


def test_a_streamed_call_without_an_end_is_never_whole() -> None:
    """S20: a tool call cut by the end of the stream is not run."""
    reply = Reply((Choice(tool_calls=(ToolCall("a", "f", "{}"),)),), complete=False)

    for accept in (frozenset[str](), frozenset({"unmarked", "truncated", "empty"})):
        assert judge(reply, accept=accept) is not None


def test_a_filter_at_the_end_of_a_stream_counts() -> None:
    """S27: the text before it may have been shown, but the reply is not whole."""
    reply = Reply((Choice(text="some text", finish_reason="content_filter"),), complete=True)

    assert (failure := judge(reply)) is not None
    assert failure.kind == "content filtered"


def test_the_error_of_one_choice_names_the_fault() -> None:
    """A router reports the upstream's error inside the choice."""
    raw = completion("", finish_reason="error")
    raw["choices"][0]["error"] = {"code": 429, "message": "slow down"}

    assert kind_of(raw) == "rate limited"


def test_objects_of_the_client_are_judged_like_dicts() -> None:
    """The client builds its models without validation, so every field is evidence to be weighed."""
    from openai.types.chat import ChatCompletion

    assert kind_of(ChatCompletion.model_validate(completion("hi"))) is None
    assert kind_of(ChatCompletion.construct(weird=1)) == "empty reply"
    error = ChatCompletion.construct(error={"code": "rate_limit_exceeded"})
    assert kind_of(error) == "rate limited"


def test_a_failure_says_that_it_may_have_cost_money() -> None:
    """A reply that came back was generated, so its tokens are counted."""
    failure = judge(read_reply(completion("hi", finish_reason="length")))

    assert failure is not None
    assert failure.maybe_billed


@given(st.text(max_size=30), st.text(max_size=12) | st.none(), st.booleans() | st.none())
def test_anything_gets_a_verdict(text: str, word: str | None, complete: bool | None) -> None:
    """No reply makes it raise, and judging twice gives the same."""
    reply = Reply((Choice(text=text, finish_reason=word),), complete=complete)

    assert judge(reply, wants_json=True, wants_tools=True) == judge(
        replace(reply), wants_json=True, wants_tools=True
    )
