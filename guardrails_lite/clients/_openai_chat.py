"""Chat Completions, as the door sees them: a request as a `Call`, and replies as the client's own types."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from openai.resources.chat.completions import Completions
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from guardrails_lite._errors import ConfigError
from guardrails_lite._messages import Call, Reply, get, told_call
from guardrails_lite._messages._beside import screened_fields
from guardrails_lite._messages._reading import read_reply


class ChatRequest:
    """One request to ``POST /chat/completions``."""

    cast_to: Any = ChatCompletion
    chunk_type: Any = ChatCompletionChunk
    input_name = "messages"
    stream_end = b"data: [DONE]\n\n"
    retells = False
    """The engine reads the chunks of this API as they are."""
    acts = False

    def __init__(self, body: Mapping[str, Any], extras: Mapping[str, Any], *, screens: bool) -> None:
        messages = body.get("messages")
        if isinstance(messages, (str, Mapping)) or not isinstance(messages, Iterable):
            raise ConfigError(
                f"POST /chat/completions needs a list of messages to screen, not {type(messages).__name__}. "
                "Use chat.completions.create(messages=[...], model=...)."
            )
        self._screens = screens
        params = {name: value for name, value in body.items() if name != "messages"}
        self.call = Call(tuple(messages), {**params, **extras})

    @staticmethod
    @lru_cache(maxsize=1)
    def parameters() -> frozenset[str]:
        """What a request may say by name; the rest travels in ``extra_body``."""
        return frozenset(inspect.signature(Completions.create).parameters) - {"self", "timeout"}

    def body_of(self, call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
        """The body to send for *call*; *params* are those of its parameters that belong there."""
        return {"messages": list(call.messages), **params}

    def own(self, reply: Reply) -> Any:
        """The reply as a `ChatCompletion`, whoever gave it."""
        raw = reply.raw
        if not isinstance(raw, ChatCompletion):
            raw = ChatCompletion.model_construct(**completion_dict(raw, reply, self.call))
        return raw

    @staticmethod
    def answer_of(text: str, call: Call) -> Any:
        """A fixed answer, as this API would give it."""
        return completion_of(text, call)

    def telling(self) -> ChatTelling:
        """How the chunks of one stream are told."""
        return ChatTelling(self.call, screens=self._screens)

    @staticmethod
    def encode(chunk: Any) -> bytes:
        """A chunk as a server-sent event."""
        return b"data: " + json_of(chunk) + b"\n\n"


def completion_of(text: str, call: Call) -> Any:
    """A fixed answer as a `ChatCompletion`."""
    message = {"role": "assistant", "content": text}
    return ChatCompletion.model_construct(
        **_frame(call, "chat.completion"), choices=[_choice(0, message=message, finish_reason="stop")]
    )


def completion_dict(raw: Any, reply: Reply, call: Call) -> dict[str, Any]:
    """What a fallback returned, a dict or a string or a foreign client's object, as a completion's dict."""
    if isinstance(raw, Mapping) and "choices" in raw:
        return dict(raw)
    if hasattr(raw, "model_dump") and hasattr(raw, "choices"):
        return dict(raw.model_dump(exclude_unset=True, warnings=False))
    frame = _frame(call, "chat.completion")
    return {
        **frame,
        "id": reply.id or frame["id"],
        "model": reply.model or frame["model"],
        "choices": [
            _choice(
                choice.index,
                message={"role": "assistant", "content": choice.text, "refusal": choice.refusal}
                | ({"tool_calls": list(map(told_call, choice.tool_calls))} if choice.tool_calls else {}),
                finish_reason=choice.finish_reason or ("tool_calls" if choice.tool_calls else "stop"),
            )
            for choice in reply.choices
        ],
    }


def _frame(call: Call, kind: str) -> dict[str, Any]:
    return {"id": "guardrails-lite", "object": kind, "created": int(time.time()), "model": call.model or ""}


def _choice(index: int, **fields: Any) -> dict[str, Any]:
    return {"index": index, **fields, "logprobs": None}


class ChatTelling:
    """The chunks of one stream. They are the client's own, unless a fallback made them."""

    own: Any = ChatCompletionChunk
    """The type of a chunk that needs no telling."""

    def __init__(self, call: Call, *, screens: bool) -> None:
        self._call = call
        self._screens = screens
        self._open: str | None = None

    def read(self, chunk: Any) -> tuple[Any, ...]:
        """What the engine gets to see of a chunk: the chunk."""
        return (chunk,)

    def write(self, chunk: Any) -> tuple[Any, ...]:
        """A released chunk as the client's own."""
        if isinstance(chunk, str):
            self._open = chunk
            return (self._chunk([_choice(0, delta={"role": "assistant", "content": chunk})]),)
        choices = get(chunk, "choices")
        if get(chunk, "object") == "chat.completion" or (choices and get(choices[0], "message") is not None):
            return (self._whole(chunk),)
        fields = chunk if isinstance(chunk, Mapping) else chunk.model_dump(exclude_unset=True, warnings=False)
        return (ChatCompletionChunk.model_construct(**fields),)

    def end(self, outcome: Any) -> tuple[Any, ...]:
        """What follows the last released chunk: the finish that a stream of strings does not have."""
        if self._open is None:
            return ()
        return (self._chunk([_choice(0, delta={}, finish_reason="stop")]),)

    def _whole(self, raw: Any) -> Any:
        told = completion_dict(raw, read_reply(raw), self._call)
        choices = []
        for choice in told["choices"]:
            message = dict(choice["message"])
            if self._screens:
                message = screened_fields(message)
            for nth, call in enumerate(message.get("tool_calls") or ()):
                message["tool_calls"][nth] = {"index": nth, **call}
            choices.append(_choice(choice["index"], delta=message, finish_reason=choice["finish_reason"]))
        return self._chunk(choices, id=told["id"], model=told["model"])

    def _chunk(self, choices: list[dict[str, Any]], **fields: Any) -> Any:
        frame = _frame(self._call, "chat.completion.chunk")
        return ChatCompletionChunk.model_construct(**{**frame, **fields}, choices=choices)


def json_of(model: Any) -> bytes:
    """One of the client's models as the JSON it came from."""
    text: str = model.model_dump_json(by_alias=True, exclude_unset=True, warnings=False)
    return text.encode()
