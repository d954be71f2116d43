"""The scripted model."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from guardrails_lite.testing import ModelCall, ScriptedModel, ScriptExhausted, chunks, completion, tool_call

HI = [{"role": "user", "content": "hi"}]


async def _collected(stream: Any) -> list[Any]:
    return [piece async for piece in stream]


def test_a_text_comes_whole_or_in_pieces() -> None:
    """A text is a str in every style; streams cut it by size."""
    model = ScriptedModel(then="Hello.", size=3)
    assert model(HI) == "Hello."
    assert asyncio.run(model.acall(HI)) == "Hello."
    assert list(model.stream(HI)) == ["Hel", "lo."]
    assert asyncio.run(_collected(model.astream(HI))) == ["Hel", "lo."]


def test_a_completion_streams_as_chunks() -> None:
    """A completion is a dict when whole and chunk dicts when streamed, with the usage at the end."""
    reply = completion(tool_calls=[tool_call("refund", {"id": 7})])
    model = ScriptedModel([reply, reply])
    assert model(HI) == reply
    assert list(model.stream(HI)) == chunks(reply, usage=True)


def test_given_pieces_are_kept() -> None:
    """Pieces spelled out in the script are released as they are, and joined when asked for whole."""
    frames = chunks("Hello.", size=1)
    model = ScriptedModel([["a", "b"], ["a", "b"], frames, frames])
    assert list(model.stream(HI)) == ["a", "b"]
    assert model(HI) == "ab"
    assert list(model.stream(HI)) == frames
    assert model(HI)["choices"][0]["message"]["content"] == "Hello."


def test_exceptions_are_raised_where_they_stand() -> None:
    """An exception as a line ends the call; among pieces it breaks the stream after those before it."""
    model = ScriptedModel(
        [TimeoutError("slow"), ["one", ConnectionError("cut")], ["one", ConnectionError("cut")]]
    )
    with pytest.raises(TimeoutError, match="slow"):
        model(HI)
    stream = model.stream(HI)
    assert next(stream) == "one"
    with pytest.raises(ConnectionError, match="cut"):
        next(stream)
    with pytest.raises(ConnectionError, match="cut"):
        model(HI)


def test_a_line_may_depend_on_the_call() -> None:
    """A function in the script is given the call and returns a line."""

    def echo(call: ModelCall) -> str:
        return f"{call.params['model']}: {call.messages[-1]['content']}"

    assert ScriptedModel([echo])(HI, model="m") == "m: hi"


def test_calls_are_remembered_as_they_were() -> None:
    """Messages changed after the call do not change what the model remembers."""
    model = ScriptedModel(["a", "b"])
    messages = [{"role": "user", "content": "hi"}]
    model(messages, temperature=0)
    messages.append({"role": "user", "content": "more"})
    assert model.calls == [ModelCall(HI, {"temperature": 0})]
    assert model.left == 1


def test_a_changed_reply_does_not_change_the_script() -> None:
    """Who edits a reply edits a copy."""
    reply = completion("Hello.")
    model = ScriptedModel(then=reply)
    model(HI)["choices"][0]["message"]["content"] = "edited"
    assert model(HI) == completion("Hello.")


def test_one_call_too_many_is_an_assertion() -> None:
    """A script that runs out says so, with the numbers."""
    model = ScriptedModel(["only"])
    model(HI)
    with pytest.raises(ScriptExhausted, match="call 2 came, but the script has 1 lines"):
        model(HI)


@pytest.mark.parametrize("line", ["text", completion("text"), ValueError()])
def test_a_single_line_is_not_a_script(line: Any) -> None:
    """Forgetting the brackets is caught before a text is read as a list of characters."""
    with pytest.raises(TypeError, match="takes a list of lines"):
        ScriptedModel(line)
