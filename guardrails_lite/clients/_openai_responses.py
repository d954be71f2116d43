"""Responses, as the door sees them: a request told as a chat `Call`, and replies as the client's own types.

The engine, the tool checks and the fallbacks know chat messages, so a request is told in them: each input
item becomes one message, in order. What is sent is each original item, with what the rules changed. What the
engine adds to ask again comes after them, and is told back as items. Parameters that only this API has stay
here and are put back when the request is sent.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from openai.resources.responses import Responses
from openai.types.responses import Response, ResponseStreamEvent

from guardrails_lite._errors import ConfigError
from guardrails_lite._messages import Call, Choice, Reply, get
from guardrails_lite._messages._params import PARAMS
from guardrails_lite._messages._paths import Where, path_to
from guardrails_lite._messages._responses_beside import without_unscreened
from guardrails_lite._messages._responses_writing import item_of
from guardrails_lite._messages._texts import plain
from guardrails_lite.clients._openai_chat import json_of
from guardrails_lite.clients._openai_events import ResponsesTelling
from guardrails_lite.clients._openai_input import ELSEWHERE, items_of, parts_of
from guardrails_lite.clients._openai_tools import Tools, chat_format, responses_format

_SHARED = frozenset(
    [
        "model",
        "stream",
        "temperature",
        "top_p",
        "metadata",
        "user",
        "parallel_tool_calls",
        "store",
        "service_tier",
        "top_logprobs",
        "prompt_cache_key",
        "safety_identifier",
    ]
)
"""Parameters that mean the same to both APIs."""
_RETOLD = _SHARED | {"tools", "tool_choice"}
_TOLD = frozenset({"input", "instructions", "prompt", *ELSEWHERE, *_RETOLD})
"""Parameters that are told as messages, or as parameters of chat."""


class ResponsesRequest:
    """One request to ``POST /responses``."""

    cast_to: Any = Response
    chunk_type: Any = ResponseStreamEvent
    input_name = "input"
    stream_end = b""
    retells = True
    """The events of this API are told to the engine as chat chunks."""

    def __init__(self, body: Mapping[str, Any], extras: Mapping[str, Any], *, screens: bool) -> None:
        if body.get("background"):
            raise ConfigError(
                "responses.create(background=True) returns before there is a reply, so there is nothing to "
                "check. Leave it out, or use the client that was given to guard.wrap()."
            )
        self._screens = screens
        self._parts = list(parts_of(body))
        self._told = tuple(part.message for part in self._parts)
        self._tools = Tools(body.get("tools"), body.get("tool_choice"))
        self.acts = bool(self._tools.hosted or any(body.get(name) for name in ELSEWHERE))
        self._kept = {name: value for name, value in body.items() if name not in _RETOLD}
        params = {name: value for name, value in body.items() if name in _SHARED}
        if (limit := body.get("max_output_tokens")) is not None:
            params["max_completion_tokens"] = limit
        if (format := get(body.get("text"), "format")) is not None:
            params["response_format"] = chat_format(format)
        beside = {name: value for name, value in body.items() if name not in _TOLD}
        if (text := body.get("text")) is not None:
            beside["text"] = {name: value for name, value in plain(text).items() if name != "format"}
        if any(self._tools.more):
            beside["tools"] = self._tools.more
        self.call = Call(self._told, {**params, **self._tools.params, **extras}, beside, self._path_of)

    @staticmethod
    @lru_cache(maxsize=1)
    def parameters() -> frozenset[str]:
        """What a request may say by name; the rest travels in ``extra_body``."""
        return frozenset(inspect.signature(Responses.create).parameters) - {"self", "timeout"}

    def body_of(self, call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
        """The body to send for *call*; *params* are those of its parameters that belong there."""
        params, beside = dict(params), dict(call.beside)
        tools = self._tools.body(
            params.pop("tools", None), params.pop("tool_choice", None), beside.pop("tools", self._tools.more)
        )
        body = {**self._kept, **beside, **tools}
        if (limit := params.pop("max_completion_tokens", None)) is not None:
            body["max_output_tokens"] = limit
        if (format := params.pop("response_format", None)) is not None:
            body["text"] = {**plain(body.get("text") or {}), "format": responses_format(format)}
        if call.messages is not self._told:
            body |= self._input(call.messages)
        return {**body, **params}

    def _input(self, messages: Sequence[Any]) -> dict[str, Any]:
        """The parameters that say what *messages* say."""
        body: dict[str, Any] = {}
        items: list[Any] = []
        for part, message in zip(self._parts, messages, strict=False):
            if part.field is None:
                items.append(part.item if message is part.message else part.retold(message))
            elif message is not part.message:
                body[part.field] = part.retold(message)
        added = messages[len(self._parts) :]
        if items:
            body["input"] = items
        elif added:
            text = body.get("input", self._kept.get("input"))
            body["input"] = [{"role": "user", "content": text}] if text else []
        for message in added:
            body["input"].extend(items_of(message))
        return body

    def _path_of(self, message: int, where: Where) -> str:
        """How the caller wrote what is told at this place."""
        if message >= 0:
            return self._parts[message].path_of(where) if message < len(self._parts) else "input"
        name, *steps = where
        if not steps:
            return "text.format" if name == "response_format" else str(name)
        if name == "tools" and message == PARAMS:
            return self._tools.path_of(*steps)
        if name == "response_format":
            return path_to("text", "format", *(steps[1:] if steps[0] == "json_schema" else steps))
        return path_to(*where)

    def own(self, reply: Reply) -> Any:
        """The reply as a `Response`, whoever gave it."""
        raw = reply.raw
        if not isinstance(raw, Response):
            raw = Response.model_construct(**response_dict(reply, self.call))
        return without_unscreened(raw) if self._screens else raw

    @staticmethod
    def answer_of(text: str, call: Call) -> Any:
        """A fixed answer, as this API would give it."""
        return Response.model_construct(**response_dict(Reply((Choice(text=text),)), call))

    def telling(self) -> ResponsesTelling:
        """How the events of one stream are told."""
        return ResponsesTelling(self.own, screens=self._screens)

    @staticmethod
    def encode(event: Any) -> bytes:
        """An event as a server-sent event."""
        return b"event: " + str(event.type).encode() + b"\ndata: " + json_of(event) + b"\n\n"


def response_dict(reply: Reply, call: Call) -> dict[str, Any]:
    """A reply as the dict of a response."""
    choice = reply.choices[0] if reply.choices else Choice(text="")
    content: list[dict[str, Any]] = []
    if choice.text is not None:
        content.append({"type": "output_text", "text": choice.text, "annotations": [], "logprobs": []})
    if choice.refusal is not None:
        content.append({"type": "refusal", "refusal": choice.refusal})
    output: list[dict[str, Any]] = [item_of(tool_call) for tool_call in choice.tool_calls]
    if content:
        message = {"type": "message", "id": "msg_guardrails_lite", "role": "assistant", "status": "completed"}
        output.insert(0, {**message, "content": content})
    return {
        "id": reply.id or "resp_guardrails_lite",
        "object": "response",
        "created_at": time.time(),
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": reply.model or call.model or "",
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
