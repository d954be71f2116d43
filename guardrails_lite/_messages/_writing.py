"""The edge, on the way out: what the rules left of a reply, in the shape in which it came.

Whatever a target returned, the caller gets the same kind of thing back: a string, a client's object, a dict
or a stream of any of these. `_reading.py` is the way in.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from guardrails_lite._messages import Choice, Reply, ToolCall, get, set_field
from guardrails_lite._messages._apis import api_of, api_of_event
from guardrails_lite._messages._reading import REASONING, calls_of, is_event, thoughts_in
from guardrails_lite._messages._texts import plain


def write_reply(raw: Any, before: Reply, after: Reply) -> Any:
    """*raw* again with what the rules changed from *before* to *after*; itself when nothing changed."""
    if before.choices == after.choices and not any(
        call.tool is not None for choice in after.choices for call in choice.tool_calls
    ):
        return raw
    if isinstance(raw, str):
        return after.choices[0].text
    if (api := api_of(raw)) is not None:
        return api.write(raw, after)
    written = raw.model_copy(deep=True) if hasattr(raw, "model_copy") else copy.deepcopy(raw)
    for nth, (old, new) in enumerate(zip(before.choices, after.choices, strict=True)):
        if old != new:
            _write_choice(get(written, "choices")[nth], old, new)
    return written


def _write_choice(choice: Any, old: Choice, new: Choice) -> None:
    message = get(choice, "message")
    if get(choice, "logprobs") is not None:  # they spell out the text that a rule has changed
        set_field(choice, "logprobs", None)
    if thoughts_in(get(message, "content")) and (old.text, old.reasoning) != (new.text, new.reasoning):
        set_field(message, "content", new.text)
        set_field(message, REASONING[0], new.reasoning)
    elif old.text != new.text:
        set_field(message, "content", new.text)
        parse_again(message, "parsed", new.text)
    if old.transcript != new.transcript:  # what is heard says the same
        set_field(get(message, "audio"), "transcript", new.transcript)
        set_field(get(message, "audio"), "data", "")
    if old.refusal != new.refusal:
        set_field(message, "refusal", new.refusal)
    if old.reasoning != new.reasoning:
        for name in REASONING:
            if isinstance(get(message, name), str):
                set_field(message, name, new.reasoning)
    _write_calls(message, old.tool_calls, new.tool_calls)


def _write_calls(message: Any, old: Sequence[ToolCall], new: Sequence[ToolCall]) -> None:
    left = []
    items = calls_of(get(message, "tool_calls"))
    for was, call, item in zip(old, in_place_of(old, new), items, strict=False):
        if call is None:
            continue
        if was.arguments != call.arguments:
            body = get(item, call.kind)
            set_field(body, "arguments" if call.kind == "function" else "input", call.arguments)
            parse_again(body, "parsed_arguments", call.arguments)
        left.append(item)
    if len(left) < len(old):
        set_field(message, "tool_calls", left)


def parse_again(source: Any, name: str, text: str | None) -> None:
    """Put what *text* is parsed to in the place of what the client had parsed before it was changed."""
    was = get(source, name)
    if was is None:
        return
    from pydantic import TypeAdapter

    try:
        parsed = TypeAdapter(type(was)).validate_json(text or "")
    except (TypeError, ValueError):  # what is left no longer fits
        parsed = None
    set_field(source, name, parsed)


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


def in_place_of(before: Sequence[ToolCall], after: Sequence[ToolCall]) -> list[ToolCall | None]:
    """What stands for each call of *before* in *after*; None where a call was left out."""
    left = deque(after)
    return [
        left.popleft()
        if left and (call.id, call.kind, call.name) == (left[0].id, left[0].kind, left[0].name)
        else None
        for call in before
    ]


def write_chunk(
    like: Any,
    index: int,
    *,
    text: str = "",
    refusal: str = "",
    tool_calls: tuple[ToolCall, ...] = (),
    finish_reason: str | None = None,
    reasoning: str = "",
    usage: Any = None,
    sealed: Mapping[str, Any] = MappingProxyType({}),
) -> Any:
    """A chunk in the shape of *like*, for one choice, with this content and nothing else of it."""
    if isinstance(like, str):
        return text
    choices = get(like, "choices")
    if choices is None and is_event(like):
        said = {"reasoning": reasoning} if reasoning else {"refusal": refusal} if refusal else {"text": text}
        return api_of_event(like).write_event(like, **said, finish_reason=finish_reason)
    choices = choices or ()
    template = next(iter(choices), None)
    if len(choices) > 1:
        template = next((choice for choice in choices if get(choice, "index", 0) == index), template)
    delta = get(template, "delta")
    fields: dict[str, Any] = {"content": text or None, "refusal": refusal or None, "tool_calls": None}
    if tool_calls:
        fields["tool_calls"] = [
            _write_tool_call(nth, call, like, sealed.get(call.id)) for nth, call in enumerate(tool_calls)
        ]
    extras = {"reasoning_content": reasoning} if reasoning else {}
    if hasattr(like, "model_copy") and template is not None:
        told = delta if hasattr(delta, "model_copy") else _bare_delta()  # a message stood there, or a text
        said = copied(told, {**fields, "function_call": None})
        object.__setattr__(said, "__pydantic_extra__", extras)  # nothing of the chunk's own is carried along
        # `logprobs` spell out the chunk's own text, which is not this one.
        changed = {"index": index, "logprobs": None, "delta": said, "finish_reason": finish_reason}
        if delta is None:
            changed["message"] = None
        return copied(like, {"choices": [copied(template, changed)], "usage": usage})
    kept = {key: value for key, value in fields.items() if value is not None}
    choice = {**(plain(template) if template is not None else {}), "index": index}
    for name in ("logprobs", "message"):
        choice.pop(name, None)
    role = get(delta, "role")
    choice["delta"] = {**({"role": role} if role else {}), **kept, **extras}
    choice["finish_reason"] = finish_reason
    written = {**plain(like), "choices": [choice]}
    written.pop("usage", None)
    return written if usage is None else {**written, "usage": usage}


def _bare_delta() -> Any:
    from openai.types.chat.chat_completion_chunk import ChoiceDelta

    return ChoiceDelta.model_construct()


def copied(model: Any, update: dict[str, Any]) -> Any:
    """`model_copy` of a client's model, whose fields *update* names: that costs more than a gate does."""
    if getattr(model, "__pydantic_private__", None) is not None:
        return model.model_copy(update=update)
    kind: Any = type(model)
    copied = kind.__new__(kind)
    extra = model.__pydantic_extra__
    put = object.__setattr__
    put(copied, "__dict__", {**model.__dict__, **update})
    put(copied, "__pydantic_extra__", extra and {name: extra[name] for name in extra if name not in update})
    put(copied, "__pydantic_fields_set__", model.__pydantic_fields_set__.union(update))
    put(copied, "__pydantic_private__", None)
    return copied


def write_tool_calls(
    like: Any, index: int, calls: tuple[ToolCall, ...], sealed: Mapping[str, Any]
) -> tuple[Any, ...]:
    """What tells of these calls in the shape of *like*: one chunk of all, or an event of each.

    *sealed* has what the provider wants back with a call, by the call's id.
    """
    if not is_event(like):
        return (write_chunk(like, index, tool_calls=calls, sealed=sealed),)
    api = api_of_event(like)
    return tuple(
        event for place, call in enumerate(calls, start=1) for event in api.write_call(like, place, call)
    )


def _write_tool_call(nth: int, call: ToolCall, like: Any, sealed: Any) -> Any:
    body = (
        {"name": call.name, "arguments": call.arguments}
        if call.kind == "function"
        else {"name": call.name, "input": call.arguments}
    )
    written: dict[str, Any] = {"index": nth, "id": call.id, "type": call.kind, call.kind: body}
    if sealed is not None:
        written["extra_content"] = sealed
    if hasattr(like, "model_copy"):
        from openai.types.chat.chat_completion_chunk import ChoiceDeltaToolCall

        return ChoiceDeltaToolCall.model_construct(**written)  # unchecked, as the client's: custom calls
    return written


def without_content(raw: Any) -> Any:
    """A chunk like *raw* whose choices carry neither text nor calls: for usage and other bookkeeping."""
    return raw if isinstance(raw, str) or not get(raw, "choices") else _with_no_choice(raw)


def beside_content(raw: Any) -> Any:
    """A chunk without any choice as its reader can go through it; None: it says nothing, as a ping does."""
    if isinstance(raw, str):
        return None
    if is_event(raw):
        return api_of_event(raw).last_event(raw)
    if isinstance(get(raw, "choices"), (list, tuple)):
        return raw
    return None if get(raw, "usage") is None else _with_no_choice(raw)


def _with_no_choice(raw: Any) -> Any:
    if hasattr(raw, "model_copy"):
        return raw.model_copy(update={"choices": []})
    return {**plain(raw), "choices": []}


def with_parsed(raw: Any, value: object) -> Any:
    """*raw* with ``message.parsed`` of its first choice set, where the client's own ``parse`` has not."""
    if (api := api_of(raw)) is not None:
        return api.with_parsed(raw, value)
    message = get((get(raw, "choices") or [None])[0], "message")
    if message is not None and not isinstance(message, Mapping):
        put_parsed(message, "parsed", value)
    return raw


def put_parsed(target: Any, name: str, value: object) -> None:
    """Set *name* of a client's object, which is what the client has parsed; what a server sent is not."""
    (getattr(target, "__pydantic_extra__", None) or {}).pop(name, None)
    if getattr(target, name, None) is None:
        target.__dict__[name] = value
