"""The way out for OpenAI's Responses API: a response and its events, saying what the rules left."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from guardrails_lite._messages import Reply, ToolCall, get, set_field, with_fields
from guardrails_lite._messages._reading import kind_of, string_of
from guardrails_lite._messages._responses import ARGUMENTS, TEXT_OF, parts_of, tool_call_of
from guardrails_lite._messages._writing import divided, in_place_of, parse_again, put_parsed


def write(raw: Any, after: Reply) -> Any:
    """*raw* again, saying what *after* says. Its type stays; what no longer fits a text is left out."""
    written = raw.model_copy(deep=True) if hasattr(raw, "model_copy") else copy.deepcopy(raw)
    items = get(written, "output")
    choice = after.choices[0]
    for kind, text in (("output_text", choice.text), ("refusal", choice.refusal)):
        places = list(parts_of(items, kind))
        for (place, nth, old), new in zip(
            places, divided([old for _, _, old in places], text or ""), strict=True
        ):
            if old != new:
                _say(get(items[place], "content")[nth], kind, new)
    called = [item for item in items if kind_of(item) in ARGUMENTS]
    left_out = []
    for item, call in zip(
        called, in_place_of(list(map(tool_call_of, called)), choice.tool_calls), strict=True
    ):
        if call is None:
            left_out.append(item)
        else:
            if tool_call_of(item).arguments != call.arguments:
                parse_again(item, "parsed_arguments", call.arguments)
            set_field(item, ARGUMENTS[get(item, "type")], call.arguments)
    if left_out:
        set_field(written, "output", [item for item in items if not any(item is each for each in left_out)])
    return written


def with_parsed(raw: Any, value: object) -> Any:
    """*raw* with ``output_parsed`` set, where the client's own ``parse`` has not."""
    if isinstance(raw, Mapping):
        return raw
    items = get(raw, "output")
    parts = list(parts_of(items if isinstance(items, (list, tuple)) else (), "output_text"))
    for nth, (place, part, _) in enumerate(parts):
        put_parsed(get(items[place], "content")[part], "parsed", None if nth else value)
    put_parsed(raw, "output_parsed", value)
    return raw


def _say(part: Any, kind: str, text: str) -> None:
    set_field(part, TEXT_OF[kind], text)
    parse_again(part, "parsed", text)
    if kind == "output_text":  # tokens and positions of a text that is no longer there
        for name in ("annotations", "logprobs"):
            if get(part, name):
                set_field(part, name, [])


def write_event(like: Any, *, text: str = "", refusal: str = "", finish_reason: str | None = None) -> Any:
    """An event that carries this content and nothing else, of the kind of *like* where it ends the reply."""
    if finish_reason is not None and get(like, "response") is not None:
        return with_fields(like, response=with_fields(get(like, "response"), output=[]))
    kind, delta = ("refusal", refusal) if refusal else ("output_text", text)
    logprobs: dict[str, Any] = {} if refusal else {"logprobs": []}
    place = {**_place(like, 0), "content_index": 0}
    return _made({"type": f"response.{kind}.delta", **place, "delta": delta, **logprobs}, like)


def write_call(like: Any, place: int, call: ToolCall) -> Iterator[Any]:
    """The event that tells of a whole tool call, at this place of the output: a message has the first."""
    yield _made({"type": "response.output_item.done", **_place(like, place), "item": item_of(call)}, like)


def _place(like: Any, place: int) -> dict[str, Any]:
    return {"output_index": place, "item_id": string_of(get(like, "item_id")) or "", "sequence_number": 0}


def item_of(call: ToolCall) -> dict[str, Any]:
    """A tool call as an output item."""
    kind = "custom_tool_call" if call.kind == "custom" else "function_call"
    return {
        "type": kind,
        "id": call.id,
        "call_id": call.id,
        "name": call.name,
        ARGUMENTS[kind]: call.arguments,
        "status": "completed",
    }


def _made(event: dict[str, Any], like: Any) -> Any:
    """An event as the client makes it, where *like* is one of the client's; else a dict."""
    if not hasattr(like, "model_copy"):
        return event
    from openai._models import construct_type
    from openai.types.responses import ResponseStreamEvent

    return construct_type(type_=ResponseStreamEvent, value=event)
