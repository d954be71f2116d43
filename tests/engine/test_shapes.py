"""What clients return, read and written back: of the same type, and nothing shared with what they sent."""

from __future__ import annotations

from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk
from pydantic import BaseModel, ConfigDict, PrivateAttr

from guardrails_lite._messages import fields_of, get
from guardrails_lite._messages._reading import read_chunk
from guardrails_lite._messages._writing import write_chunk

NAMES = frozenset({"content", "refusal", "role"})


class Plain(BaseModel):
    """A model with what a client did not expect kept beside."""

    model_config = ConfigDict(extra="allow")
    content: str | None = None
    role: str | None = None


class Worked(BaseModel):
    """A model of which one name is no field."""

    role: str = "user"

    @property
    def content(self) -> str:
        """Worked out when it is asked for."""
        return "worked out"


class Traced(ChatCompletionChunk):
    """A chunk with something private."""

    _trace: str = PrivateAttr(default="t-1")


def _chunk(kind: type[ChatCompletionChunk] = ChatCompletionChunk, **delta: Any) -> ChatCompletionChunk:
    choice = {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": None, "logprobs": None}
    return kind.model_validate(
        {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    )


@pytest.mark.parametrize(
    "source",
    [
        {"content": "said", "role": None},
        MappingProxyType({"content": "said"}),
        SimpleNamespace(content="said", refusal="no"),
        Plain(content="said"),
        Plain.model_validate({"content": "said", "refusal": "no"}),
        Plain.model_construct(role="user"),
        Worked(),
        None,
        "text",
    ],
    ids=repr,
)
def test_fields_read_at_once_are_those_read_one_by_one(source: Any) -> None:
    """`fields_of` finds what `get` finds, in a dict, a mapping, a model, an object and in what has none."""
    fields = fields_of(source, NAMES)

    assert {name: fields.get(name) for name in NAMES} == {name: get(source, name) for name in NAMES}


@pytest.mark.parametrize("kind", [ChatCompletionChunk, Traced])
def test_a_chunk_is_written_as_its_own_type_and_shares_nothing(kind: type[ChatCompletionChunk]) -> None:
    """Only what was asked for is in it; the chunk it is like stays as it was."""
    like = _chunk(kind, content="before", reasoning_content="thought", function_call={"name": "f"})
    before = like.model_dump()

    written = write_chunk(like, 0, text="after")

    assert type(written) is kind
    assert written.model_dump(exclude_unset=True)["choices"][0]["delta"] == {
        "role": "assistant",
        "content": "after",
        "refusal": None,
        "tool_calls": None,
        "function_call": None,
    }
    assert kind.model_validate(written.model_dump()) == written
    written.choices[0].delta.content = "changed"
    written.id = "other"
    written.choices.clear()
    assert like.model_dump() == before


def test_a_written_chunk_keeps_what_its_server_adds() -> None:
    """Fields beside the choices that the client does not know stay with the chunk, in a copy of their own."""
    like = _chunk(content="before")
    like.model_extra["provider"] = "here"  # type: ignore[index]  # a client's chunk takes any field

    written = write_chunk(like, 0, text="after")
    written.model_extra["provider"] = "there"

    assert like.model_extra == {"provider": "here"}
    assert read_chunk(written).deltas[0].text == "after"
    assert written.model_dump()["provider"] == "there"


def test_what_is_private_to_a_chunk_is_copied_with_it() -> None:
    """A subclass may keep something of its own on a chunk."""
    written = write_chunk(_chunk(Traced, content="before"), 0, text="after")

    assert written._trace == "t-1"
