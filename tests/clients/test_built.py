"""What is built in the client's place is what the client would have built, or is left to it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai._models import construct_type
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel

from guardrails_lite import Finding, Guard, redact, validator
from guardrails_lite.clients._openai_built import built
from guardrails_lite.testing import HttpReply, LoopbackServer, chunks, completion, tool_call
from guardrails_lite.testing._responses import response_events, response_of
from tests.clients.test_everything_shown import REPLY

SAID = completion("It rains.", tool_calls=[tool_call("look")])
CHUNK: dict[str, Any] = {
    "id": "c1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "m",
    "provider": "p",
    "choices": [
        {
            "index": 0,
            "delta": {"role": "assistant", "content": "Hi", "reasoning_content": "Hm."},
            "finish_reason": None,
            "logprobs": REPLY["choices"][0]["logprobs"],
            "native_finish_reason": "end",
        }
    ],
    "usage": REPLY["usage"],
}
SENT: list[tuple[Any, dict[str, Any]]] = [
    *((ChatCompletionChunk, chunk) for chunk in [*chunks(SAID, usage=True), CHUNK]),
    *((ResponseStreamEvent, event) for event in response_events(response_of(SAID))),
    *((ChatCompletion, SAID), (Response, response_of(SAID))),
]
MISSING = object()
Place = tuple[str | int, ...]
VALUES = st.sampled_from([None, True, 0, 7, 0.5, "", "7", "stop", "assistant", [], {}, [{}], {"text": "x"}])


@pytest.mark.parametrize(("cast_to", "data"), SENT)
def test_what_a_provider_sends_is_built(cast_to: Any, data: dict[str, Any]) -> None:
    """It is the client's own object to the last field, what a server adds included."""
    assert _all_of(built(cast_to, data)) == _all_of(construct_type(type_=cast_to, value=data))


@pytest.mark.parametrize(
    "frame",
    [
        {"service_tier": "on_demand"},
        {"object": "chat.completion", "created": 1.5},
        {"id": None, "model": ["m"]},
        dict.fromkeys(("id", "object", "created", "model"), MISSING),
    ],
)
def test_a_chunk_with_an_odd_frame_is_built(frame: dict[str, Any]) -> None:
    """Many servers send one in every chunk, and the client passes on whatever stands there."""
    data = {name: value for name, value in {**CHUNK, **frame}.items() if value is not MISSING}

    made = built(ChatCompletionChunk, data)

    assert made is not None
    assert _all_of(made) == _all_of(construct_type(type_=ChatCompletionChunk, value=data))


@pytest.mark.parametrize("word", ["", "eos", "COMPLETE"])
@pytest.mark.parametrize(("cast_to", "data"), [(ChatCompletionChunk, CHUNK), (ChatCompletion, SAID)])
def test_a_choice_that_ends_in_another_word_is_built(cast_to: Any, data: dict[str, Any], word: str) -> None:
    """Some servers send an empty one in every chunk."""
    data = {**data, "choices": [{**choice, "finish_reason": word} for choice in data["choices"] * 2]}

    made = built(cast_to, data)

    assert made is not None
    assert _all_of(made) == _all_of(construct_type(type_=cast_to, value=data))


@given(st.data())
def test_what_is_built_is_what_the_client_builds(draw: st.DataObject) -> None:
    """Whatever is missing, added or of another kind, at any place: the same, or nothing."""
    cast_to, data = draw.draw(st.sampled_from(SENT))
    data = copy.deepcopy(data)
    for _ in range(draw.draw(st.integers(1, 2))):
        *way, last = draw.draw(st.sampled_from([*_places(data), ("more",)]))
        inside: Any = data
        for name in way:
            inside = inside[name]
        if draw.draw(st.booleans()) and isinstance(inside, dict):
            inside.pop(last, None)
        else:
            inside[last] = copy.deepcopy(draw.draw(VALUES))

    made = built(cast_to, data)

    if made is not None:
        assert _all_of(made) == _all_of(construct_type(type_=cast_to, value=data))


@pytest.mark.parametrize("data", [None, "text", [CHUNK], {"type": []}, {"type": "no event"}, {}])
@pytest.mark.parametrize("cast_to", [ChatCompletionChunk, ResponseStreamEvent, dict, object])
def test_what_fits_no_type_is_left_to_the_client(cast_to: Any, data: Any) -> None:
    """Nothing is known about it."""
    assert built(cast_to, data) is None


def test_a_chunk_that_does_not_fit_comes_as_the_bare_client_yields_it() -> None:
    """A server that leaves fields out, or sends them as another kind, is read by the client's own rules."""
    odd = [{**chunk, "created": "now", "model": 7} for chunk in chunks(completion("It rains in Oslo."))]
    for chunk in odd:
        del chunk["object"]
    with (
        LoopbackServer([HttpReply(odd)] * 2) as server,
        openai.OpenAI(base_url=server.base_url, api_key="k") as bare,
        Guard(output=[redact(_nothing)]).wrap(bare) as guarded,
    ):
        told = [
            list(client.chat.completions.create(model="m", messages=[], stream=True))
            for client in (bare, guarded)
        ]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in told[1]) == "It rains in Oslo."
    assert {(type(chunk), chunk.created, chunk.model, chunk.object) for chunk in told[0] + told[1]} == {
        (ChatCompletionChunk, "now", 7, None)
    }


@validator(window=1)
def _nothing(text: str) -> list[Finding]:
    """Never finds anything."""
    return []


def _all_of(made: Any) -> Any:
    """All that an object of the client holds, with the types, in order."""
    if isinstance(made, BaseModel):
        return (
            type(made),
            [(name, _all_of(value)) for name, value in made.__dict__.items()],
            [(name, _all_of(value)) for name, value in (made.model_extra or {}).items()],
            made.model_dump(exclude_unset=True, warnings=False),
        )
    if isinstance(made, list):
        return list(map(_all_of, made))
    if isinstance(made, dict):
        return {name: _all_of(value) for name, value in made.items()}
    return type(made), made


def _places(data: Any, at: Place = ()) -> Iterator[Place]:
    """Where in *data* something stands."""
    found = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for name, value in found:
        yield (*at, name)
        yield from _places(value, (*at, name))
