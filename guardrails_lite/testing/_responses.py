"""Chat completions retold as objects and events of OpenAI's Responses API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from guardrails_lite.testing._shapes import CREATED, MODEL, JsonDict, pieces

_CALLS = {
    "function_call": ("arguments", "response.function_call_arguments"),
    "custom_tool_call": ("input", "response.custom_tool_call_input"),
}
"""Items that call a tool: where the text is, and how its events begin."""


_FINISHED = frozenset({"stop", "tool_calls", "function_call"})
_CUT = {"length": "max_output_tokens"}
_FAILED = {"code": "server_error", "message": "The loopback server was told to answer with an error."}


def response_of(whole: Mapping[str, Any]) -> JsonDict:
    """Tell a completion as a response object.

    Without choices it has no output, and without a finish reason it is still in progress.
    """
    choices = whole["choices"]
    message, word = (choices[0]["message"], choices[0]["finish_reason"]) if choices else ({}, "stop")
    number = str(whole.get("id", "chatcmpl-1")).rpartition("-")[2]
    output = list(_items(message, number))
    status = "in_progress" if word is None else "completed" if word in _FINISHED else "incomplete"
    if word == "error":
        status = "failed"
    for item in output:
        item["status"] = "completed" if status == "completed" else "incomplete"
    response: JsonDict = {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": _FAILED if status == "failed" else None,
        "incomplete_details": {"reason": _CUT.get(word, word)} if status == "incomplete" else None,
        "instructions": None,
        "metadata": {},
        "model": whole.get("model", MODEL),
        "output": output,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
    }
    if (usage := whole.get("usage")) is not None:
        response["usage"] = {
            "input_tokens": usage.get("prompt_tokens", 0),
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": usage.get("completion_tokens", 0),
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage.get("total_tokens", 0),
        }
    return response


def response_events(response: Mapping[str, Any], *, size: int | Sequence[int] = 4) -> list[JsonDict]:
    """Tell a response as the events of a stream. One that is still in progress has no last event."""
    opening = {**response, "status": "in_progress", "output": [], "incomplete_details": None, "usage": None}
    events = [
        {"type": "response.created", "response": opening},
        {"type": "response.in_progress", "response": opening},
    ]
    for index, item in enumerate(response["output"]):
        events.extend(_item_events(index, item, size))
    if response["status"] != "in_progress":
        events.append({"type": f"response.{response['status']}", "response": response})
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def _items(message: Mapping[str, Any], number: str) -> Iterator[JsonDict]:
    parts: list[JsonDict] = []
    if message.get("content") is not None:
        parts.append({"type": "output_text", "text": message["content"], "annotations": [], "logprobs": []})
    if message.get("refusal") is not None:
        parts.append({"type": "refusal", "refusal": message["refusal"]})
    if parts:
        yield {"type": "message", "id": f"msg_{number}", "role": "assistant", "content": parts}
    for nth, call in enumerate(message.get("tool_calls") or ()):
        kind = "custom" if "custom" in call else "function"
        yield {
            "type": "custom_tool_call" if kind == "custom" else "function_call",
            "id": f"fc_{number}_{nth}",
            "call_id": call["id"],
            **call[kind],
        }


def _item_events(index: int, item: JsonDict, size: int | Sequence[int]) -> Iterator[JsonDict]:
    place: JsonDict = {"output_index": index, "item_id": item["id"]}
    running = {**item, "status": "in_progress"}
    if (called := _CALLS.get(item["type"])) is not None:
        key, kind = called
        yield {"type": "response.output_item.added", "output_index": index, "item": {**running, key: ""}}
        for piece in pieces(item[key], size):
            yield {"type": f"{kind}.delta", **place, "delta": piece}
        name = {"name": item["name"]} if key == "arguments" else {}
        yield {"type": f"{kind}.done", **place, **name, key: item[key]}
    else:
        yield {
            "type": "response.output_item.added",
            "output_index": index,
            "item": {**running, "content": []},
        }
        for nth, part in enumerate(item["content"]):
            yield from _part_events({**place, "content_index": nth}, part, size)
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _part_events(place: JsonDict, part: JsonDict, size: int | Sequence[int]) -> Iterator[JsonDict]:
    key = "text" if part["type"] == "output_text" else "refusal"
    extra: JsonDict = {"logprobs": []} if key == "text" else {}
    yield {"type": "response.content_part.added", **place, "part": {**part, key: ""}}
    for piece in pieces(part[key], size):
        yield {"type": f"response.{part['type']}.delta", **place, "delta": piece, **extra}
    yield {"type": f"response.{part['type']}.done", **place, key: part[key], **extra}
    yield {"type": "response.content_part.done", **place, "part": part}
