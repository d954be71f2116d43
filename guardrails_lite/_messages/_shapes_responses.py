"""The edge for OpenAI's Responses API: a response read into our `Reply` and written back, and its events.

A response is a list of output items. Its messages' texts, joined, are the reply's text; its function and
custom tool calls are the reply's tool calls, by ``call_id``. Other items (reasoning, searches, code) hold
no answer; `without_unscreened` empties those of them that carry text all the same.
"""

from __future__ import annotations

import copy
import json
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from guardrails_lite._messages import Choice, Reply, ToolCall, get, set_field
from guardrails_lite._messages._beside import spelling, without_more
from guardrails_lite._messages._shapes import (
    Chunk,
    Delta,
    MalformedError,
    in_place_of,
    parse_again,
    put_parsed,
    read_usage,
)
from guardrails_lite._messages._texts import plain

_PARTS = {"output_text": "text", "refusal": "refusal"}
ARGUMENTS = {"function_call": "arguments", "custom_tool_call": "input"}
_CUT = {"max_output_tokens": "length", "content_filter": "content_filter"}
_UNFINISHED = frozenset({"failed", "cancelled", "in_progress", "queued"})
_SPOKEN = frozenset({"message", *ARGUMENTS})
"""The items that an answer is made of."""
NO_TEXT = frozenset(
    [
        "id",
        "type",
        "status",
        "call_id",
        "role",
        "name",
        "server_label",
        "phase",
        "encrypted_content",
        "result",
        "namespace",
        "fingerprint",
        "created_by",
        "caller",
        "approval_request_id",
        "container_id",
        "environment",
        "max_output_length",
    ]
)
"""Fields of an item that are no text of the model: identifiers, states, what is sealed, images."""
_DOCUMENTED = {
    "message": NO_TEXT | {"content"},
    **{kind: NO_TEXT | {said} for kind, said in ARGUMENTS.items()},
}
"""The fields of the items that an answer is made of."""
_OF_PART = frozenset({"type", "text", "refusal", "annotations", "logprobs"})
_OF_RESPONSE = frozenset(
    [
        *("id", "object", "created_at", "completed_at", "status", "error", "incomplete_details", "model"),
        *("output", "usage", "background", "conversation", "instructions", "max_output_tokens", "metadata"),
        *("max_tool_calls", "parallel_tool_calls", "previous_response_id", "prompt", "prompt_cache_key"),
        *("prompt_cache_retention", "reasoning", "safety_identifier", "service_tier", "temperature", "text"),
        *("tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user"),
    ]
)
"""Fields of a response: the answer, how it came about, and the request once more."""
_OF_DELTA = frozenset(
    [
        *("type", "delta", "logprobs", "item_id", "output_index", "content_index", "sequence_number"),
        "obfuscation",  # the provider's random characters, which hide how long a delta is
    ]
)
_DELTAS = frozenset({"response.output_text.delta", "response.refusal.delta"})


def read(raw: Any) -> Reply:
    """Read a whole response.

    Raises:
        MalformedError: its output is not made of items as they are documented.
    """
    output = get(raw, "output")
    return Reply(
        () if output is None else (_choice(items_of(output), finish_reason(raw)),),
        model=_string(get(raw, "model")),
        id=_string(get(raw, "id")),
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


def kind_of(source: Any) -> str:
    """The type of an item, a part or an event; the empty string where it has none."""
    return _string(get(source, "type")) or ""


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
        raise MalformedError("output that is no list")
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
    return bool(kind) and (kind not in _PARTS or isinstance(get(part, _PARTS[kind]), str))


def is_unfinished(item: Any) -> bool:
    """Whether an item that belongs to the answer says that it is not whole."""
    return kind_of(item) in _SPOKEN and get(item, "status") in ("incomplete", "in_progress")


def finish_reason(raw: Any) -> str | None:
    """How a response ended, in the words of a chat completion; None where it does not say."""
    output = get(raw, "output")
    items = output if isinstance(output, (list, tuple)) else ()
    status = _string(get(raw, "status"))
    details = get(raw, "incomplete_details")
    if get(raw, "error"):
        return "failed"
    if status == "incomplete" or (status == "completed" and details):
        return _CUT.get(_string(get(details, "reason")) or "", "incomplete")
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
            if kind_of(part) == kind and isinstance(text := get(part, _PARTS[kind]), str):
                yield place, nth, text


def tool_call_of(item: Any) -> ToolCall:
    """A function or custom tool call among the items."""
    kind = get(item, "type")
    arguments = get(item, ARGUMENTS[kind])
    if isinstance(arguments, Mapping):  # some compatible servers send an object instead of its JSON
        arguments = json.dumps(arguments)
    return ToolCall(
        id=_string(get(item, "call_id")) or "",
        name=_string(get(item, "name")) or "",
        arguments=_string(arguments) or "",
        kind="custom" if kind == "custom_tool_call" else "function",
    )


def _string(value: object) -> str | None:
    return value if isinstance(value, str) else None


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
    set_field(part, _PARTS[kind], text)
    parse_again(part, "parsed", text)
    if kind == "output_text":  # tokens and positions of a text that is no longer there
        for name in ("annotations", "logprobs"):
            if get(part, name):
                set_field(part, name, [])


def divided(olds: Sequence[str], text: str) -> list[str]:
    """Divide the rewritten *text* among the parts that the old one came in.

    Parts before the first change keep their text. The part in which it lies takes all the rest, since
    nothing tells where the parts after it would begin.
    """
    news: list[str] = []
    for nth, old in enumerate(olds):
        if text.startswith(old) and nth < len(olds) - 1:
            news.append(old)
            text = text[len(old) :]
        else:
            news.append(text)
            text = ""
    return news


def without_unscreened(raw: Any) -> Any:
    """*raw* without text that is part of no answer, so that no text is in it that was not checked."""
    raw = without_more(raw, _OF_RESPONSE)
    output = list(get(raw, "output") or ())
    checked = list(map(_without_unscreened, output))
    if all(map(operator.is_, checked, output)):
        return raw
    return _with(raw, output=checked)


def event_without_unscreened(event: Any) -> Any:
    """An event without what is read of none: beside a text, and in the response that it brings."""
    if kind_of(event) in _DELTAS:
        event = _without_more(event, _OF_DELTA)
        if get(event, "logprobs"):
            event = _with(
                event, logprobs=spelling(get(event, "logprobs"), _string(get(event, "delta")) or "")
            )
    response = get(event, "response")
    return event if response is None else _with(event, response=without_more(response, _OF_RESPONSE))


def _without_unscreened(item: Any) -> Any:
    kind = kind_of(item)
    if kind not in _SPOKEN:
        return emptied(item) if any(fields_with_text(item)) else item
    item = documented(item)
    if kind != "message":
        return item
    parts = list(get(item, "content"))
    checked = list(map(_checked_only, parts))
    return item if all(map(operator.is_, checked, parts)) else _with(item, content=checked)


def documented(item: Any) -> Any:
    """An item of an answer without the fields that a server adds."""
    return _without_more(item, _DOCUMENTED[kind_of(item)])


def _checked_only(part: Any) -> Any:
    """A part of a message with the text of the answer only: what it cites is written by somebody else."""
    if kind_of(part) not in _PARTS:
        return emptied(part)
    part = _without_more(part, _OF_PART)
    if tokens := get(part, "logprobs"):
        part = _with(part, logprobs=spelling(tokens, get(part, _PARTS[kind_of(part)])))
    return _with(part, annotations=[]) if get(part, "annotations") else part


def _without_more(source: Any, known: frozenset[str]) -> Any:
    """A message or a part of one without the fields that a server adds."""
    named = source if isinstance(source, Mapping) else getattr(source, "model_extra", None) or ()
    more = {name: None for name in named if name not in known and get(source, name)}
    return _with(source, **more) if more else source


def emptied(item: Any) -> Any:
    """An item without its text: lists and texts become empty, objects None."""
    blank: dict[str, Any] = {
        name: "" if isinstance(value, str) else [] if isinstance(value, (list, tuple)) else None
        for name, value in fields_with_text(item)
    }
    return item.model_copy(update=blank) if hasattr(item, "model_copy") else {**plain(item), **blank}


def fields_with_text(item: Any) -> Iterator[tuple[str, Any]]:
    """The fields of an item in which text can be."""
    fields = item.items() if isinstance(item, Mapping) else vars(item).items()
    extra = getattr(item, "__pydantic_extra__", None) or {}
    for name, value in (*fields, *extra.items()):
        if name not in NO_TEXT and value and not isinstance(value, (bool, int, float)):
            yield name, value


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
            return Chunk((Delta(text=_string(get(raw, "delta")) or ""),), raw)
        case "response.refusal.delta":
            return Chunk((Delta(refusal=_string(get(raw, "delta")) or ""),), raw)
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
                model=_string(get(response, "model")),
                id=_string(get(response, "id")),
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
    return {"index": get(raw, "output_index"), kind: {key: _string(get(raw, "delta")) or ""}}


def write_event(like: Any, *, text: str = "", refusal: str = "", finish_reason: str | None = None) -> Any:
    """An event that carries this content and nothing else, of the kind of *like* where it ends the reply."""
    if finish_reason is not None and get(like, "response") is not None:
        return _with(like, response=_with(get(like, "response"), output=[]))
    kind, delta = ("refusal", refusal) if refusal else ("output_text", text)
    logprobs: dict[str, Any] = {} if refusal else {"logprobs": []}
    place = {**_place(like, 0), "content_index": 0}
    return _made({"type": f"response.{kind}.delta", **place, "delta": delta, **logprobs}, like)


def write_call(like: Any, place: int, call: ToolCall) -> Any:
    """The event that tells of a whole tool call, at this place of the output: a message has the first."""
    return _made({"type": "response.output_item.done", **_place(like, place), "item": item_of(call)}, like)


def _place(like: Any, place: int) -> dict[str, Any]:
    return {"output_index": place, "item_id": _string(get(like, "item_id")) or "", "sequence_number": 0}


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


def _with(source: Any, /, **changes: Any) -> Any:
    return source.model_copy(update=changes) if hasattr(source, "model_copy") else {**source, **changes}


def _made(event: dict[str, Any], like: Any) -> Any:
    """An event as the client makes it, where *like* is one of the client's; else a dict."""
    if not hasattr(like, "model_copy"):
        return event
    from openai._models import construct_type
    from openai.types.responses import ResponseStreamEvent

    return construct_type(type_=ResponseStreamEvent, value=event)
