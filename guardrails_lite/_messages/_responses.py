"""The way in for OpenAI's Responses API: a response read into our `Reply`, and its events.

A response is a list of output items. Its messages' texts, joined, are the reply's text; its function and
custom tool calls are the reply's tool calls, by ``call_id``. Other items (reasoning, searches, code) hold
no answer; `without_unscreened` empties those of them that carry text all the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from guardrails_lite._messages import Choice, Reply, ToolCall, get
from guardrails_lite._messages._reading import Chunk, Delta, MalformedError, kind_of, read_usage, string_of

TEXT_OF = {"output_text": "text", "refusal": "refusal"}
ARGUMENTS = {"function_call": "arguments", "custom_tool_call": "input"}
_CUT = {"max_output_tokens": "length", "content_filter": "content_filter"}
_UNFINISHED = frozenset({"failed", "cancelled", "in_progress", "queued"})
SPOKEN = frozenset({"message", *ARGUMENTS})
"""The items that an answer is made of."""


def read(raw: Any) -> Reply:
    """Read a whole response.

    Raises:
        MalformedError: its output is not made of items as they are documented.
    """
    output = get(raw, "output")
    return Reply(
        () if output is None else (_choice(items_of(output), finish_reason(raw)),),
        model=string_of(get(raw, "model")),
        id=string_of(get(raw, "id")),
        usage=read_usage(get(raw, "usage")),
        raw=raw,
    )


def _choice(items: Sequence[Any], finish: str | None) -> Choice:
    texts = [text for _, _, text in parts_of(items, "output_text")]
    refusals = [text for _, _, text in parts_of(items, "refusal")]
    return Choice(
        0,
        "".join(texts) if texts else None,
        "".join(refusals) or None,
        tuple(tool_call_of(item) for item in items if kind_of(item) in ARGUMENTS),
        finish,
    )


def place_of(event: Any) -> int | None:
    """The place in the output of the item that an event is about; None where it does not say."""
    place = get(event, "output_index")
    return place if type(place) is int else None


def items_of(output: Any) -> Sequence[Any]:
    """The output's items, each of which has a type, and a list of parts where it is a message.

    Raises:
        MalformedError: they are not such items.
    """
    if output is None:
        return ()
    if not isinstance(output, (list, tuple)):
        raise MalformedError("output that is not a list")
    for item in output:
        kind = kind_of(item)
        if not kind:
            raise MalformedError("an item without a type")
        if kind == "message":
            content = get(item, "content")
            if not isinstance(content, (list, tuple)) or not all(map(_is_part, content)):
                raise MalformedError("a message without content")
    return output


def _is_part(part: Any) -> bool:
    kind = kind_of(part)
    return bool(kind) and (kind not in TEXT_OF or isinstance(get(part, TEXT_OF[kind]), str))


def is_unfinished(item: Any) -> bool:
    """Whether an item that belongs to the answer says that it is not whole."""
    return kind_of(item) in SPOKEN and get(item, "status") in ("incomplete", "in_progress")


def finish_reason(raw: Any) -> str | None:
    """How a response ended, in the words of a chat completion; None where it does not say."""
    output = get(raw, "output")
    items = output if isinstance(output, (list, tuple)) else ()
    status = string_of(get(raw, "status"))
    details = get(raw, "incomplete_details")
    if get(raw, "error"):
        return "failed"
    if status == "incomplete" or (status == "completed" and details):
        return _CUT.get(string_of(get(details, "reason")) or "", "incomplete")
    if status == "completed":
        if any(map(is_unfinished, items)):
            return "incomplete"
        return "tool_calls" if any(kind_of(item) in ARGUMENTS for item in items) else "stop"
    return status if status in _UNFINISHED else None


def parts_of(items: Sequence[Any], kind: str) -> Iterator[tuple[int, int, str]]:
    """The texts of one kind of content part, each with the places of its item and of itself."""
    for place, item in enumerate(items):
        content = get(item, "content") if kind_of(item) == "message" else None
        for nth, part in enumerate(content if isinstance(content, (list, tuple)) else ()):
            if kind_of(part) == kind and isinstance(text := get(part, TEXT_OF[kind]), str):
                yield place, nth, text


def tool_call_of(item: Any) -> ToolCall:
    """A function or custom tool call among the items."""
    kind = get(item, "type")
    arguments = get(item, ARGUMENTS[kind])
    if isinstance(arguments, Mapping):  # some compatible servers send an object instead of its JSON
        arguments = json.dumps(arguments)
    return ToolCall(
        id=string_of(get(item, "call_id")) or "",
        name=string_of(get(item, "name")) or "",
        arguments=string_of(arguments) or "",
        kind="custom" if kind == "custom_tool_call" else "function",
    )


def read_event(raw: Any) -> Chunk:
    """Read one event of a streamed response.

    Events that repeat a text or a call which has been streamed already carry nothing: they would bring the
    unchecked text to the caller once more.
    """
    match get(raw, "type"):
        case "error":
            return Chunk((), raw, error=raw)
        case "response.failed":
            return Chunk((), raw, error=get(get(raw, "response"), "error") or raw)
        case "response.output_text.delta":
            return Chunk((Delta(text=string_of(get(raw, "delta")) or ""),), raw)
        case "response.refusal.delta":
            return Chunk((Delta(refusal=string_of(get(raw, "delta")) or ""),), raw)
        case "response.output_item.added" if kind_of(get(raw, "item")) in ARGUMENTS:
            return Chunk((Delta(tool_calls=(_begun(raw),)),), raw)
        case "response.function_call_arguments.delta":
            return Chunk((Delta(tool_calls=(_more(raw, "function", "arguments"),)),), raw)
        case "response.custom_tool_call_input.delta":
            return Chunk((Delta(tool_calls=(_more(raw, "custom", "input"),)),), raw)
        case "response.completed" | "response.incomplete":
            response = get(raw, "response")
            return Chunk(
                (Delta(finish_reason=finish_reason(response)),),
                raw,
                usage=read_usage(get(response, "usage")),
                model=string_of(get(response, "model")),
                id=string_of(get(response, "id")),
            )
        case _:
            return Chunk((Delta(),), raw)


def _begun(raw: Any) -> dict[str, Any]:
    call = tool_call_of(get(raw, "item"))
    key = "arguments" if call.kind == "function" else "input"
    return {
        "index": get(raw, "output_index"),
        "id": call.id,
        "type": call.kind,
        call.kind: {"name": call.name, key: ""},
    }


def _more(raw: Any, kind: str, key: str) -> dict[str, Any]:
    return {"index": get(raw, "output_index"), kind: {key: string_of(get(raw, "delta")) or ""}}
