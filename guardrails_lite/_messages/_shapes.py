"""The edge: what targets return, read into our `Reply` and `Delta`s, and written back in the same shape.

A target may return a string, a chat completion (a client's object or a dict of that shape), or a stream
of strings or of completion chunks. Whatever it is, the caller gets the same kind of thing back. Nothing
about it is trusted: clients build their objects without validation, so every field may be anything.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from guardrails_lite._messages import Choice, Reply, ToolCall, Usage, fields_of, get, set_field
from guardrails_lite._messages._texts import plain


class UnreadableError(Exception):
    """What came back has no shape we know. Carries the type's name, never the content."""


class MalformedError(UnreadableError):
    """A reply of a shape we know that is broken or contradicts itself: it went wrong on the way."""


@dataclass(slots=True)
class Delta:
    """What one chunk of a stream adds to one choice."""

    index: int = 0
    text: str = field(default="", repr=False)
    refusal: str = field(default="", repr=False)
    tool_calls: Sequence[Any] = ()
    finish_reason: str | None = None
    reasoning: str = field(default="", repr=False)
    extras: bool = False
    """The chunk holds more than we know of, so it may not be passed on as it is."""
    legacy_call: bool = False
    """It brings some of a call in the form from before tool calls."""

    @property
    def has_content(self) -> bool:
        """Whether it brings some of the reply itself, and not only says that it goes on or ends."""
        return self.chars > 0

    @property
    def chars(self) -> int:
        """How many characters of the reply it brings, those of tool calls included."""
        said = len(self.text) + len(self.refusal) + len(self.reasoning)
        return said + sum(map(_chars_of_call, self.tool_calls)) if self.tool_calls else said


@dataclass(slots=True)
class Chunk:
    """One chunk of a stream, read."""

    deltas: tuple[Delta, ...]
    raw: Any = field(repr=False)
    usage: Usage | None = None
    model: str | None = None
    id: str | None = None
    error: Any = field(default=None, repr=False)
    """The error object of a frame that carries one instead of content."""
    is_event: bool = False
    """It is an event of a streamed response, of which others may tell the same once more."""


def is_stream(raw: object) -> bool:
    """Whether *raw* yields chunks rather than being a reply itself."""
    if type(raw) is str or type(raw) is dict or hasattr(raw, "model_fields_set"):
        return False
    return not isinstance(raw, (str, bytes, Mapping, list, tuple)) and (
        isinstance(raw, (Iterator, AsyncIterator)) or hasattr(raw, "__iter__") or hasattr(raw, "__aiter__")
    )


def read_reply(raw: object) -> Reply:
    """Read a whole reply.

    Raises:
        UnreadableError: it is neither a string nor shaped like a chat completion.
    """
    if isinstance(raw, str):
        return Reply((Choice(0, raw),), None, None, None, raw)  # keywords make a class slower to call
    if raw is None or isinstance(raw, (bytes, int, float, list, tuple)):
        raise UnreadableError(type(raw).__name__)
    choices = get(raw, "choices", _MISSING)
    if choices is _MISSING:
        if get(raw, "output", _MISSING) is not _MISSING and get(raw, "object") == "response":
            from guardrails_lite._messages import _shapes_responses

            return _shapes_responses.read(raw)
        raise UnreadableError(type(raw).__name__)
    found = choices if isinstance(choices, (list, tuple)) else ()
    return Reply(
        tuple(_read_choice(nth, choice) for nth, choice in enumerate(found)),
        model=_string(get(raw, "model")),
        id=_string(get(raw, "id")),
        usage=read_usage(get(raw, "usage")),
        raw=raw,
    )


_MISSING = object()


def _chars_of_call(call: Any) -> int:
    """What a delta of a tool call says of its name and its arguments."""
    said: Any = (
        get(body, key)
        for body in (get(call, "function"), get(call, "custom"))
        if body is not None
        for key in ("name", "arguments", "input")
    )
    return sum(len(text) for text in said if isinstance(text, (str, Mapping)))


def _read_choice(nth: int, choice: Any) -> Choice:
    index = get(choice, "index")
    message = get(choice, "message")
    calls = get(message, "tool_calls")
    return Choice(
        index=index if type(index) is int else nth,
        text=text_of(get(message, "content")),
        refusal=_string(get(message, "refusal")),
        tool_calls=tuple(read_tool_call(call) for call in calls) if isinstance(calls, (list, tuple)) else (),
        finish_reason=_string(get(choice, "finish_reason")),
        reasoning=reasoning_of(message),
        legacy_call=get(message, "function_call") is not None,
        transcript=_transcript_of(get(message, "audio")),
    )


_KNOWN = frozenset({"role", "content", "refusal", "tool_calls", "function_call", "annotations", "audio"})


def _extras_of(message: Any) -> Mapping[str, Any]:
    """What a message or a delta holds beyond the fields of the API."""
    if isinstance(message, Mapping):
        return {key: value for key, value in message.items() if key not in _KNOWN and value is not None}
    return getattr(message, "model_extra", None) or {}


REASONING = ("reasoning_content", "reasoning")
"""Servers call it one or the other."""


def reasoning_of(message: Any) -> str | None:
    """What the model thought first, where a message or a delta tells it."""
    return _string(get(message, REASONING[0])) or _string(get(message, REASONING[1]))


def _transcript_of(audio: Any) -> str | None:
    return None if audio is None else _string(get(audio, "transcript")) or ""


def read_tool_call(call: Any) -> ToolCall:
    kind = get(call, "type")
    custom = kind == "custom" or (get(call, "function") is None and get(call, "custom") is not None)
    body = get(call, "custom" if custom else "function")
    arguments = get(body, "input" if custom else "arguments")
    if isinstance(arguments, Mapping):  # some compatible servers send an object instead of its JSON
        import json

        arguments = json.dumps(arguments)
    return ToolCall(
        id=_string(get(call, "id")) or "",
        name=_string(get(body, "name")) or "",
        arguments=arguments if isinstance(arguments, str) else "",
        kind="custom" if custom else "function",
    )


def text_of(content: Any) -> str | None:
    """The text of content that may be a list of parts, as some compatible servers send."""
    if isinstance(content, (list, tuple)):
        return "".join(text for part in content if (text := part_text(part)) is not None)
    return _string(content)


def part_text(part: Any) -> str | None:
    """The text of a part of a content; None where it is of another kind."""
    return _string(part if isinstance(part, str) else get(part, "text"))


def _string(value: object) -> str | None:
    return value if isinstance(value, str) else None


def read_usage(usage: Any) -> Usage | None:
    """Tokens as reported; None when there is no report or it is impossible (negative, no number)."""
    if usage is None:
        return None
    sent, received = "prompt_tokens", "completion_tokens"
    if get(usage, sent, _MISSING) is _MISSING:  # the words of the Responses API
        sent, received = "input_tokens", "output_tokens"
    prompt, completion = get(usage, sent), get(usage, received)
    if not (_is_count(prompt) and _is_count(completion)):
        return None
    cached = get(get(usage, f"{sent}_details"), "cached_tokens")
    reasoning = get(get(usage, f"{received}_details"), "reasoning_tokens")
    return Usage(
        prompt,
        completion,
        cached if _is_count(cached) else 0,
        reasoning if _is_count(reasoning) else 0,
    )


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 40


def write_reply(raw: Any, before: Reply, after: Reply) -> Any:
    """*raw* again with what the rules changed from *before* to *after*; itself when nothing changed."""
    if before.choices == after.choices and not any(
        call.tool is not None for choice in after.choices for call in choice.tool_calls
    ):
        return raw
    if isinstance(raw, str):
        return after.choices[0].text
    if get(raw, "object") == "response":
        from guardrails_lite._messages import _shapes_responses

        return _shapes_responses.write(raw, after)
    written = raw.model_copy(deep=True) if hasattr(raw, "model_copy") else copy.deepcopy(raw)
    for nth, (old, new) in enumerate(zip(before.choices, after.choices, strict=True)):
        if old == new:
            continue
        choice = get(written, "choices")[nth]
        message = get(choice, "message")
        if get(choice, "logprobs") is not None:  # they spell out the text that a rule has changed
            set_field(choice, "logprobs", None)
        if old.text != new.text:
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
        left = []
        for was, call, item in zip(
            old.tool_calls,
            in_place_of(old.tool_calls, new.tool_calls),
            get(message, "tool_calls") or (),
            strict=False,
        ):
            if call is None:
                continue
            if was.arguments != call.arguments:
                body = get(item, call.kind)
                set_field(body, "arguments" if call.kind == "function" else "input", call.arguments)
                parse_again(body, "parsed_arguments", call.arguments)
            left.append(item)
        if len(left) < len(old.tool_calls):
            set_field(message, "tool_calls", left)
    return written


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


def in_place_of(before: Sequence[ToolCall], after: Sequence[ToolCall]) -> list[ToolCall | None]:
    """What stands for each call of *before* in *after*; None where a call was left out."""
    left = deque(after)
    return [
        left.popleft()
        if left and (call.id, call.kind, call.name) == (left[0].id, left[0].kind, left[0].name)
        else None
        for call in before
    ]


def read_chunk(raw: object) -> Chunk:
    """Read one chunk of a stream: a string, a completion chunk, or a whole reply among the chunks.

    Raises:
        UnreadableError: it is nothing of the kind.
    """
    if isinstance(raw, str):
        return Chunk((Delta(0, raw),), raw)
    fields = fields_of(raw, _OF_CHUNK)
    error = fields.get("error")
    if error is not None or fields.get("object") == "error":
        return Chunk((), raw, error=error if error is not None else raw)
    choices = fields.get("choices", _MISSING)
    if choices is _MISSING:
        if isinstance(get(raw, "type"), str):
            from guardrails_lite._messages import _shapes_responses

            told = _shapes_responses.read_event(raw)
            told.is_event = True
            return told
        raise UnreadableError(type(raw).__name__)
    found = choices if isinstance(choices, (list, tuple)) else ()
    usage = fields.get("usage")
    return Chunk(
        tuple([_read_delta(nth, choice) for nth, choice in enumerate(found)]),
        raw,
        read_usage(usage) if usage is not None else None,
        _string(fields.get("model")),
        _string(fields.get("id")),
    )


_OF_CHUNK = frozenset({"error", "object", "choices", "usage", "model", "id"})
_OF_CHOICE = frozenset({"index", "delta", "message", "finish_reason"})
_OF_DELTA = frozenset({"content", "refusal", "tool_calls", "function_call"})


def _read_delta(nth: int, choice: Any) -> Delta:
    fields = fields_of(choice, _OF_CHOICE)
    index = fields.get("index")
    delta = fields.get("delta")
    if delta is None:
        delta = fields.get("message")
    said = fields_of(delta, _OF_DELTA)
    calls = said.get("tool_calls")
    extras = _extras_of(delta)
    legacy_call = said.get("function_call") is not None
    return Delta(
        index if type(index) is int else nth,
        text_of(said.get("content")) or "",
        _string(said.get("refusal")) or "",
        calls if isinstance(calls, (list, tuple)) else (),
        _string(fields.get("finish_reason")),
        reasoning_of(delta) or "",
        bool(extras) or legacy_call,
        legacy_call,
    )


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
) -> Any:
    """A chunk in the shape of *like*, for one choice, with this content and nothing else of it."""
    if isinstance(like, str):
        return text
    choices = get(like, "choices")
    if choices is None and is_event(like):
        from guardrails_lite._messages import _shapes_responses

        return _shapes_responses.write_event(like, text=text, refusal=refusal, finish_reason=finish_reason)
    choices = choices or ()
    template = next(iter(choices), None)
    if len(choices) > 1:
        template = next((choice for choice in choices if get(choice, "index", 0) == index), template)
    delta = get(template, "delta")
    fields: dict[str, Any] = {"content": text or None, "refusal": refusal or None, "tool_calls": None}
    if tool_calls:
        fields["tool_calls"] = [_write_tool_call(nth, call, like) for nth, call in enumerate(tool_calls)]
    extras = {"reasoning_content": reasoning} if reasoning else {}
    if hasattr(like, "model_copy") and template is not None:
        told = _bare_delta() if delta is None else delta  # a whole message stood in its place
        said = _copied(told, {**fields, "function_call": None})
        object.__setattr__(said, "__pydantic_extra__", extras)  # nothing of the chunk's own is carried along
        # `logprobs` spell out the chunk's own text, which is not this one.
        changed = {"index": index, "logprobs": None, "delta": said, "finish_reason": finish_reason}
        if delta is None:
            changed["message"] = None
        return _copied(like, {"choices": [_copied(template, changed)], "usage": usage})
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


def _copied(model: Any, update: dict[str, Any]) -> Any:
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


def write_tool_calls(like: Any, index: int, calls: tuple[ToolCall, ...]) -> tuple[Any, ...]:
    """What tells of these calls in the shape of *like*: one chunk of all, or an event of each."""
    if not is_event(like):
        return (write_chunk(like, index, tool_calls=calls),)
    from guardrails_lite._messages import _shapes_responses

    return tuple(_shapes_responses.write_call(like, place, call) for place, call in enumerate(calls, start=1))


def is_event(like: Any) -> bool:
    """Whether this is an event of a streamed response, and no chunk of a chat completion."""
    return isinstance(get(like, "type"), str) and get(like, "choices") is None


def _write_tool_call(nth: int, call: ToolCall, like: Any) -> Any:
    body = (
        {"name": call.name, "arguments": call.arguments}
        if call.kind == "function"
        else {"name": call.name, "input": call.arguments}
    )
    written: dict[str, Any] = {"index": nth, "id": call.id, "type": call.kind, call.kind: body}
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
    if is_event(raw) or isinstance(get(raw, "choices"), (list, tuple)):
        return raw
    return None if get(raw, "usage") is None else _with_no_choice(raw)


def _with_no_choice(raw: Any) -> Any:
    if hasattr(raw, "model_copy"):
        return raw.model_copy(update={"choices": []})
    return {**plain(raw), "choices": []}


def with_parsed(raw: Any, value: object) -> Any:
    """*raw* with ``message.parsed`` of its first choice set, where the client's own ``parse`` has not."""
    if get(raw, "object") == "response":
        from guardrails_lite._messages import _shapes_responses

        return _shapes_responses.with_parsed(raw, value)
    message = get((get(raw, "choices") or [None])[0], "message")
    if message is not None and not isinstance(message, Mapping):
        put_parsed(message, "parsed", value)
    return raw


def put_parsed(target: Any, name: str, value: object) -> None:
    """Set *name* of a client's object, which is what the client has parsed; what a server sent is not."""
    (getattr(target, "__pydantic_extra__", None) or {}).pop(name, None)
    if getattr(target, name, None) is None:
        target.__dict__[name] = value
