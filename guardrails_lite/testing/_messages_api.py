"""Chat completions retold as messages and events of Anthropic's Messages API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from guardrails_lite.testing._shapes import MODEL, JsonDict, pieces

_STOPPED = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
}


def message_of(whole: Mapping[str, Any]) -> JsonDict:
    """Tell a completion as a message. Without choices it has no content, and nothing says that it ended."""
    choices = whole["choices"]
    said, word = (choices[0]["message"], choices[0]["finish_reason"]) if choices else ({}, None)
    usage = whole.get("usage") or {}
    return {
        "id": f"msg_{str(whole.get('id', 'chatcmpl-1')).rpartition('-')[2]}",
        "type": "message",
        "role": "assistant",
        "model": whole.get("model", MODEL),
        "content": list(_blocks(said)),
        "stop_reason": None if word is None else _STOPPED.get(word, word),
        "stop_sequence": None,
        "usage": {
            "input_tokens": usage.get("prompt_tokens", 0),
            "output_tokens": usage.get("completion_tokens", 0),
        },
    }


def _blocks(said: Mapping[str, Any]) -> Iterator[JsonDict]:
    if thought := said.get("reasoning_content"):
        yield {"type": "thinking", "thinking": thought, "signature": "c2lnbmVk"}
    if said.get("content") is not None:
        yield {"type": "text", "text": said["content"], "citations": None}
    for call in said.get("tool_calls") or ():
        body = call["function"]
        try:
            given = json.loads(body["arguments"])
        except ValueError:
            given = {}  # this API tells arguments as an object, so they cannot be broken
        yield {"type": "tool_use", "id": call["id"], "name": body["name"], "input": given}


def message_events(message: Mapping[str, Any], *, size: int | Sequence[int] = 4) -> list[JsonDict]:
    """Tell a message as the events of a stream. One without a stop reason has no last events."""
    usage = message["usage"]
    begun = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    events: list[JsonDict] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    for index, block in enumerate(message["content"]):
        events.extend({**event, "index": index} for event in _block_events(block, size))
    if message["stop_reason"] is not None:
        ended = {name: message[name] for name in message if name.startswith("stop_")}
        told = {"output_tokens": usage["output_tokens"]}
        events += [{"type": "message_delta", "delta": ended, "usage": told}, {"type": "message_stop"}]
    return events


_DELTAS = {"text": "text_delta", "thinking": "thinking_delta", "tool_use": "input_json_delta"}
_EMPTY: Mapping[str, JsonDict] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
}


def _block_events(block: JsonDict, size: int | Sequence[int]) -> Iterator[JsonDict]:
    kind = block["type"]
    yield {"type": "content_block_start", "content_block": {**block, **_EMPTY.get(kind, {})}}
    if kind in _DELTAS:  # others come whole
        key = "partial_json" if kind == "tool_use" else kind
        said = json.dumps(block["input"]) if kind == "tool_use" else block[kind]
        for piece in pieces(said, size):
            yield {"type": "content_block_delta", "delta": {"type": _DELTAS[kind], key: piece}}
    if kind == "thinking":
        signed = {"type": "signature_delta", "signature": block["signature"]}
        yield {"type": "content_block_delta", "delta": signed}
    yield {"type": "content_block_stop"}
