"""The edge, on the way in: what targets return, read into our `Reply` and `Delta`s.

A target may return a string, a chat completion (a client's object or a dict of that shape), or a stream
of strings or of completion chunks. Nothing about it is trusted: clients build their objects without
validation, so every field may be anything. `_writing.py` is the way back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from guardrails_lite._messages import Choice, Reply, ToolCall, Usage, fields_of, get
from guardrails_lite._messages._apis import api_of, api_of_event, declared_by, is_known_event


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
    """It is an event of another API than chat completions, of which others may tell the same once more."""


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
    if (api := api_of(raw)) is not None:
        return api.read(raw)
    choices = get(raw, "choices", _MISSING)
    if choices is _MISSING or "output" in declared_by(raw):
        raise UnreadableError(type(raw).__name__)
    found = choices if isinstance(choices, (list, tuple)) else ()
    return Reply(
        tuple(_read_choice(nth, choice) for nth, choice in enumerate(found)),
        model=string_of(get(raw, "model")),
        id=string_of(get(raw, "id")),
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
    return Choice(
        index=index if type(index) is int else nth,
        text=text_of(get(message, "content")),
        refusal=string_of(get(message, "refusal")),
        tool_calls=tuple(map(read_tool_call, calls_of(get(message, "tool_calls")))),
        finish_reason=string_of(get(choice, "finish_reason")) or None,
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
THOUGHTS = ("thinking", "summary")
"""What a part of a content calls them: a text, or parts of it."""


def reasoning_of(message: Any) -> str | None:
    """What the model thought first, where a message or a delta tells it."""
    return (
        string_of(get(message, REASONING[0]))
        or string_of(get(message, REASONING[1]))
        or thoughts_in(get(message, "content"))
    )


def thoughts_in(content: Any) -> str | None:
    """What the model thought first, as parts of a content."""
    if not isinstance(content, (list, tuple)):
        return None
    told = (get(part, name) for part in content if part_text(part) is None for name in THOUGHTS)
    return "".join(text for each in told if (text := text_of(each)))


def _transcript_of(audio: Any) -> str | None:
    return None if audio is None else string_of(get(audio, "transcript")) or ""


def read_tool_call(call: Any) -> ToolCall:
    kind = get(call, "type")
    custom = kind == "custom" or (get(call, "function") is None and get(call, "custom") is not None)
    body = get(call, "custom" if custom else "function")
    arguments = get(body, "input" if custom else "arguments")
    if isinstance(arguments, Mapping):  # some compatible servers send an object instead of its JSON
        import json

        arguments = json.dumps(arguments)
    return ToolCall(
        id=string_of(get(call, "id")) or "",
        name=string_of(get(body, "name")) or "",
        arguments=arguments if isinstance(arguments, str) else "",
        kind="custom" if custom else "function",
    )


def text_of(content: Any) -> str | None:
    """The text of content that may be a list of parts, or a number, as some compatible servers send."""
    if isinstance(content, (list, tuple)):
        return "".join(text for part in content if (text := part_text(part)) is not None)
    return str(content) if type(content) in (int, float) else string_of(content)


def calls_of(calls: Any) -> Sequence[Any]:
    """The tool calls of a message or a delta. Some compatible servers send the only one without a list."""
    if isinstance(calls, Mapping) and get(calls, "function") is not None:
        return (calls,)
    return calls if isinstance(calls, (list, tuple)) else ()


def part_text(part: Any) -> str | None:
    """The text of a part of a content; None where it is of another kind."""
    return string_of(part if isinstance(part, str) else get(part, "text"))


def string_of(value: object) -> str | None:
    """*value* where it is a string; None where it is anything else."""
    return value if isinstance(value, str) else None


def kind_of(source: Any) -> str:
    """The type of an item, a block, a part or an event; the empty string where it has none."""
    return string_of(get(source, "type")) or ""


def read_usage(usage: Any) -> Usage | None:
    """Tokens as reported; None when there is no report or it is impossible (negative, no number, all zero).

    Some servers count what the model thought in the total only: it belongs to the completion.
    """
    if usage is None:
        return None
    sent, received = "prompt_tokens", "completion_tokens"
    if get(usage, sent, _MISSING) is _MISSING:  # the words of the Responses API
        sent, received = "input_tokens", "output_tokens"
    prompt, completion = get(usage, sent), get(usage, received)
    if not (is_count(prompt) and is_count(completion)) or prompt == completion == 0:
        return None
    total = get(usage, "total_tokens")
    if is_count(total) and total > prompt + completion:
        completion = total - prompt
    cached = get(get(usage, f"{sent}_details"), "cached_tokens")
    reasoning = get(get(usage, f"{received}_details"), "reasoning_tokens")
    return Usage(
        prompt,
        completion,
        cached if is_count(cached) else 0,
        reasoning if is_count(reasoning) else 0,
    )


def usage_beside(chunk: Any) -> Usage | None:
    """Tokens as some servers report them in the last chunk: in a choice, or in a field of their own."""
    choices = get(chunk, "choices")
    told = [get(choice, "usage") for choice in choices] if isinstance(choices, (list, tuple)) else []
    return next(filter(None, map(read_usage, [*told, get(get(chunk, "x_groq"), "usage")])), None)


def is_count(value: object) -> bool:
    """Whether *value* may be how many tokens there were."""
    return type(value) is int and 0 <= value < 1 << 40


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
        if is_event(raw):
            told = api_of_event(raw).read_event(raw)
            told.is_event = True
            return told
        if isinstance(get(raw, "type"), str):  # an event of the server's own, which says nothing to a reader
            return Chunk((), raw)
        raise UnreadableError(type(raw).__name__)
    found = choices if isinstance(choices, (list, tuple)) else ()
    usage = fields.get("usage")
    return Chunk(
        tuple([_read_delta(nth, choice) for nth, choice in enumerate(found)]),
        raw,
        read_usage(usage) if usage is not None else None,
        string_of(fields.get("model")),
        string_of(fields.get("id")),
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
    content = said.get("content")
    is_odd = content is not None and type(content) is not str
    extras = is_odd or _extras_of(delta)
    legacy_call = said.get("function_call") is not None
    return Delta(
        index if type(index) is int else nth,
        text_of(content) or "",
        string_of(said.get("refusal")) or "",
        calls_of(said.get("tool_calls")),
        string_of(fields.get("finish_reason")) or None,
        reasoning_of(delta) or "",
        bool(extras) or legacy_call,
        legacy_call,
    )


def is_event(like: Any) -> bool:
    """Whether this is an event of another API, and no chunk of a chat completion."""
    kind = get(like, "type")
    return (
        isinstance(kind, str)
        and is_known_event(kind)
        and get(like, "choices") is None
        and "choices" not in declared_by(like)
    )
