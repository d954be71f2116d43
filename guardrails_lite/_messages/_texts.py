"""Where the texts of a request are, and how to put rewritten ones back.

Everything that reaches the model as text is a *piece*: content of every role, text parts of multimodal
content, names, refusals, and every string inside the arguments of tool calls in the history (decoded, so
that an escaped character hides nothing). What is not text, an image say, is listed as not screened.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from guardrails_lite._messages import Message, get
from guardrails_lite._nesting import loads

_CONTENT = ("content",)
_new = tuple.__new__
"""Makes a named tuple without the Python frame that its own constructor takes."""
_TEXT_KEYS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}


_KNOWN_FIELDS = frozenset(
    [
        *("role", "content", "name", "refusal", "tool_calls", "tool_call_id"),
        *("function_call", "audio", "id", "type", "status"),
    ]
)
"""Fields of a message that are looked at by name, or hold an id and no text."""


class Piece(NamedTuple):
    """One text of one message. A named tuple, for there are many and they are short-lived."""

    message: int
    where: tuple[str | int, ...]
    """The path inside the message, such as ``("content", 0, "text")``."""
    role: str
    text: str
    nth: int | None = None
    """For a string inside JSON text at `where`: its place in the order of `json_strings`."""

    def __repr__(self) -> str:
        return f"Piece({self.path!r}, role={self.role!r})"

    @property
    def path(self) -> str:
        """The path as people read it: ``messages[2].content[0].text``."""
        steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.where)
        return f"messages[{self.message}]{steps}"


def pieces_of(messages: Sequence[Message]) -> tuple[list[Piece], list[str]]:
    """List the texts of *messages* in order, and the kinds of parts that are not text."""
    pieces: list[Piece] = []
    unscreened: list[str] = []
    for index, message in enumerate(messages):
        if type(message) is dict and len(message) == 2:  # the plain case, without a generator
            role, content = message.get("role"), message.get("content")
            if type(role) is str and type(content) is str:
                pieces.append(_new(Piece, (index, _CONTENT, role, content, None)))
                continue
        pieces.extend(_pieces_of_message(index, message, unscreened))
    return pieces, unscreened


def _pieces_of_message(index: int, message: Message, unscreened: list[str]) -> Iterator[Piece]:
    content = get(message, "content")
    role = get(message, "role")
    role = role if isinstance(role, str) else "user"
    if isinstance(content, str):
        yield Piece(index, ("content",), role, content)
    elif isinstance(content, (list, tuple)):
        for nth, part in enumerate(content):
            yield from _pieces_of_part(index, nth, role, part, unscreened)
    elif content is not None:
        unscreened.append(type(content).__name__)
    for key in ("name", "refusal"):
        value = get(message, key)
        if isinstance(value, str):
            yield Piece(index, (key,), role, value)
    tool_calls = get(message, "tool_calls")
    for nth, tool_call in enumerate(tool_calls if isinstance(tool_calls, (list, tuple)) else ()):
        for kind, key in (("function", "arguments"), ("custom", "input")):
            text = get(get(tool_call, kind), key)
            if isinstance(text, str):
                yield from _pieces_of_json(index, ("tool_calls", nth, kind, key), role, text)
    if isinstance(message, Mapping):  # what a compatible server takes beside, such as reasoning
        for key, value in message.items():
            if key not in _KNOWN_FIELDS and isinstance(value, str):
                yield Piece(index, (key,), role, value)
            elif key not in _KNOWN_FIELDS and value and not isinstance(value, (bool, int, float)):
                unscreened.append(key if isinstance(key, str) and key.isidentifier() else "unknown")
    legacy = get(get(message, "function_call"), "arguments")
    if isinstance(legacy, str):
        yield from _pieces_of_json(index, ("function_call", "arguments"), role, legacy)


def _pieces_of_part(index: int, nth: int, role: str, part: Any, unscreened: list[str]) -> Iterator[Piece]:
    if isinstance(part, str):
        yield Piece(index, ("content", nth), role, part)
        return
    kind = get(part, "type")
    key = _TEXT_KEYS.get(kind) if isinstance(kind, str) else None
    text = get(part, key) if key else None
    if key and isinstance(text, str):
        yield Piece(index, ("content", nth, key), role, text)
    else:
        unscreened.append(kind if isinstance(kind, str) and kind.isidentifier() else "unknown")


def _pieces_of_json(index: int, where: tuple[str | int, ...], role: str, text: str) -> Iterator[Piece]:
    strings = json_strings(text)
    if strings is None:
        yield Piece(index, where, role, text)
        return
    for nth, string in enumerate(strings):
        yield Piece(index, where, role, string, nth)


def rewrite(messages: Sequence[Message], texts: Mapping[Piece, str]) -> tuple[Message, ...]:
    """Put the rewritten *texts* in place of their pieces; every other byte stays as it was."""
    by_place: dict[tuple[int, tuple[str | int, ...]], dict[int | None, str]] = {}
    for piece, text in texts.items():
        by_place.setdefault((piece.message, piece.where), {})[piece.nth] = text
    changed = list(messages)
    for (index, where), replaced in by_place.items():
        whole = replaced.get(None)
        message = changed[index]
        if whole is None:
            whole = with_json_strings(_at(message, where), replaced)
        changed[index] = _with(message, where, whole)
    return tuple(changed)


def _at(source: Any, where: tuple[str | int, ...]) -> Any:
    for step in where:
        source = source[step] if isinstance(step, int) else get(source, step)
    return source


def _with(source: Any, where: tuple[str | int, ...], text: str) -> Any:
    """Copy *source* with *text* at *where*; objects become dicts, as the provider takes either."""
    if not where:
        return text
    step, rest = where[0], where[1:]
    if isinstance(step, int):
        items = list(source)
        items[step] = _with(items[step], rest, text)
        return items
    fields = plain(source)
    fields[step] = _with(fields[step], rest, text)
    return fields


def plain(source: Any) -> dict[str, Any]:
    """A shallow dict of a message or part, whether it is a mapping or a client's object."""
    if isinstance(source, Mapping):
        return dict(source)
    if hasattr(source, "model_dump"):
        return dict(source.model_dump(exclude_none=True))
    return dict(vars(source))


def json_strings(text: str) -> list[str] | None:
    """Every string inside JSON *text*, keys included, in a fixed order; None if it is no JSON container."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        value = loads(text)
    except (ValueError, RecursionError):
        return None
    strings: list[str] = []
    _map_strings(value, lambda string: strings.append(string) or string)  # type: ignore[func-returns-value]
    return strings


def with_json_strings(text: str, replaced: Mapping[int | None, str]) -> str:
    """JSON *text* again, with the nth strings of `json_strings` replaced."""
    count = iter(range(len(text) + 1))
    value = _map_strings(json.loads(text), lambda string: replaced.get(next(count), string))
    return json.dumps(value, ensure_ascii=False)


def _map_strings(value: Any, change: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_map_strings(item, change) for item in value]
    if isinstance(value, dict):
        return {change(key): _map_strings(item, change) for key, item in value.items()}
    return value
