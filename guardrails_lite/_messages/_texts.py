"""Where the texts of a request are, and how to put rewritten ones back.

Everything that reaches the model as text is a *piece*: content of every role, text parts of multimodal
content, names, refusals, and every string and number inside the arguments of tool calls in the history
(decoded, so that an escaped character hides nothing). What is not text, an image say, is listed as not
screened.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from guardrails_lite._messages import Message, get
from guardrails_lite._messages._paths import Where, path_of
from guardrails_lite._nesting import MAX_DEPTH, loads

_CONTENT = ("content",)
_new = tuple.__new__
"""Makes a named tuple without the Python frame that its own constructor takes."""
_TEXT_KEYS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}


_READ = frozenset({"content", "name", "refusal", "tool_calls", "function_call", "audio"})
"""Fields of a message that are looked at by name."""
_WORDS = frozenset({"role", "tool_call_id", "id", "type", "status"})
"""Those that hold a word, and no text."""
_READ_OF_CALL = frozenset({"function", "custom", "extra_content"})
"""The same of a tool call. The last is sealed by the provider, who wants it back as it was."""
_WORDS_OF_CALL = frozenset({"id", "type"})
_WORDS_OF_AUDIO = frozenset({"id", "data"})
_WORDS_OF_PART = frozenset({"type"})
_NONE: frozenset[str] = frozenset()
_UNREAD = re.compile(r"(.*_)?(id|url|uri|data|b64_json)")
"""Fields of a part in which an image, a sound or a file is, or where it is."""


class Piece(NamedTuple):
    """One text of one message. A named tuple, for there are many and they are short-lived."""

    message: int
    """Its number; less than nothing where the text stands in a parameter beside the messages (`_params`)."""
    where: Where
    """The path inside the message, such as ``("content", 0, "text")``."""
    role: str
    text: str
    nth: int | None = None
    """For a string inside JSON text at `where`: its place in the order of `json_strings`."""

    def __repr__(self) -> str:
        return f"Piece({path_of(self.message, self.where)!r}, role={self.role!r})"


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
    elif isinstance(content, Mapping):
        yield from _pieces_of_object(index, _CONTENT, role, content, unscreened)
    elif content is not None:
        yield from _pieces_of_odd(index, _CONTENT, role, content, type(content).__name__, unscreened)
    for key in ("name", "refusal"):
        yield from _pieces_of_value(index, (key,), role, get(message, key), unscreened)
    tool_calls = get(message, "tool_calls")
    if isinstance(tool_calls, (list, tuple)):
        for nth, tool_call in enumerate(tool_calls):
            yield from _pieces_of_call(index, ("tool_calls", nth), role, tool_call, unscreened)
    else:
        yield from _pieces_of_value(index, ("tool_calls",), role, tool_calls, unscreened)
    yield from _pieces_of_body(
        index, ("function_call",), "arguments", role, get(message, "function_call"), unscreened
    )
    yield from _pieces_beside(
        index, ("audio",), role, get(message, "audio"), _NONE, _WORDS_OF_AUDIO, unscreened
    )
    yield from _pieces_beside(index, (), role, message, _READ, _WORDS, unscreened)


def _pieces_beside(
    index: int,
    where: Where,
    role: str,
    source: Any,
    read: frozenset[str],
    words: frozenset[str],
    unscreened: list[str],
) -> Iterator[Piece]:
    """What stands in a message or a part of it beside what is *read*, such as reasoning."""
    if source is None or isinstance(source, (str, list, tuple)):
        yield from _pieces_of_value(index, where, role, source, unscreened)
        return
    for name, value in _fields_sent(source):
        if name not in read and not (name in words and isinstance(value, str)):
            yield from _pieces_of_value(index, (*where, name), role, value, unscreened)


def _pieces_of_value(
    index: int, where: Where, role: str, value: Any, unscreened: list[str]
) -> Iterator[Piece]:
    if isinstance(value, str):
        yield Piece(index, where, role, value)
    elif value and not isinstance(value, (bool, int, float)):
        yield from _pieces_of_object(index, where, role, value, unscreened)


def _fields_sent(message: Any) -> Iterator[tuple[Any, Any]]:
    """The fields of a message or part as they are sent, those of a client's object too."""
    if isinstance(message, Mapping):
        yield from message.items()
        return
    kept_back = _kept_back(message)
    fields = (getattr(message, name, None) or {} for name in ("__dict__", "__pydantic_extra__"))
    for key, value in itertools.chain.from_iterable(each.items() for each in fields):
        if key not in kept_back and not key.startswith("_"):
            yield key, value


def _pieces_of_call(
    index: int, where: Where, role: str, tool_call: Any, unscreened: list[str]
) -> Iterator[Piece]:
    for kind, key in (("function", "arguments"), ("custom", "input")):
        yield from _pieces_of_body(index, (*where, kind), key, role, get(tool_call, kind), unscreened)
    yield from _pieces_beside(index, where, role, tool_call, _READ_OF_CALL, _WORDS_OF_CALL, unscreened)


def _pieces_of_body(
    index: int, where: Where, key: str, role: str, body: Any, unscreened: list[str]
) -> Iterator[Piece]:
    said = get(body, key)
    if not isinstance(said, str):  # some compatible servers take the object itself
        yield from _pieces_beside(index, where, role, body, _NONE, _NONE, unscreened)
        return
    yield from _pieces_of_value(index, (*where, "name"), role, get(body, "name"), unscreened)
    yield from _pieces_of_json(index, (*where, key), role, said)
    yield from _pieces_beside(index, where, role, body, frozenset({"name", key}), _NONE, unscreened)


def _pieces_of_object(
    index: int, where: Where, role: str, said: Any, unscreened: list[str]
) -> Iterator[Piece]:
    try:
        text = json.dumps(said)
    except (TypeError, ValueError, RecursionError):
        unscreened.append(_shown(where[-1]))
    else:
        yield from _pieces_of_json(index, where, role, text)


def _shown(name: Any) -> str:
    return name if isinstance(name, str) and name.isidentifier() else "unknown"


def _pieces_of_part(index: int, nth: int, role: str, part: Any, unscreened: list[str]) -> Iterator[Piece]:
    if isinstance(part, str):
        yield Piece(index, ("content", nth), role, part)
        return
    kind = get(part, "type")
    if kind == "tool_result":  # in a message of the user's, but not the user's words
        role = "tool"
    key = _TEXT_KEYS.get(kind) if isinstance(kind, str) else None
    text = get(part, key) if key else None
    if not key or not isinstance(text, str):
        yield from _pieces_of_odd(index, ("content", nth), role, part, _shown(kind), unscreened)
        return
    yield Piece(index, ("content", nth, key), role, text)
    yield from _pieces_beside(  # a title, say
        index, ("content", nth), role, part, frozenset({key}), _WORDS_OF_PART, unscreened
    )


def _pieces_of_odd(
    index: int, where: Where, role: str, part: Any, kind: str, unscreened: list[str]
) -> Iterator[Piece]:
    """The texts in what is no text itself; its *kind* is told where they are not all of it."""
    unread: list[str] = []
    pieces = list(_pieces_inside(index, where, role, part, unread))
    if unread or not pieces:
        unscreened.append(kind)
    yield from pieces


def _pieces_inside(index: int, where: Where, role: str, part: Any, unread: list[str]) -> Iterator[Piece]:
    """The texts of a part that is no text itself: a file's name, a document that a server takes whole."""
    if len(where) > MAX_DEPTH:
        unread.append("deep")
    elif isinstance(part, str):
        yield Piece(index, where, role, part)
    elif isinstance(part, (list, tuple)):
        for nth, each in enumerate(part):
            yield from _pieces_inside(index, (*where, nth), role, each, unread)
    elif isinstance(part, Mapping) or hasattr(part, "__dict__"):
        kind = get(part, "type")
        for name, value in _fields_sent(part):
            if kind == "text" and name == "data" and isinstance(value, str):  # a document of plain text
                yield Piece(index, (*where, name), role, value)
            elif kind == "thinking" and name == "signature" and isinstance(value, str):
                continue  # the provider's seal on what it reads beside it
            elif not isinstance(name, str) or (_UNREAD.fullmatch(name) and isinstance(value, str)):
                unread.append(_shown(name))
            elif name != "type" or not isinstance(value, str):
                yield from _pieces_inside(index, (*where, name), role, value, unread)


def _pieces_of_json(index: int, where: Where, role: str, text: str) -> Iterator[Piece]:
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
            whole = _with_strings(_at(message, where), replaced)
        changed[index] = with_text(message, where, whole)
    return tuple(changed)


def _with_strings(said: Any, replaced: Mapping[int | None, str]) -> Any:
    if isinstance(said, str):
        return with_json_strings(said, replaced)
    return json.loads(with_json_strings(json.dumps(said), replaced))


def _at(source: Any, where: tuple[str | int, ...]) -> Any:
    for step in where:
        source = source[step] if isinstance(step, int) else get(source, step)
    return source


def with_text(source: Any, where: tuple[str | int, ...], text: Any) -> Any:
    """Copy *source* with *text* at *where*; objects become dicts, as the provider takes either."""
    if not where:
        return text
    step, rest = where[0], where[1:]
    if isinstance(step, int):
        items = list(source)
        items[step] = with_text(items[step], rest, text)
        return items
    fields = plain(source)
    if step not in fields:  # a key that JSON will make a string
        fields = {str(name): value for name, value in fields.items()}
    fields[step] = with_text(fields[step], rest, text)
    return fields


def plain(source: Any) -> dict[str, Any]:
    """A shallow dict of a message or part, whether it is a mapping or a client's object."""
    if isinstance(source, Mapping):
        return dict(source)
    if hasattr(source, "model_dump"):
        return dict(source.model_dump(exclude_none=True, exclude=_kept_back(source), warnings=False))
    return dict(vars(source))


def _kept_back(source: Any) -> Any:
    """The fields of a client's object that hold its text once more, parsed, and are not for the provider."""
    return getattr(source, "__api_exclude__", None) or {"parsed"}


def json_strings(text: str) -> list[str] | None:
    """Every string and number of JSON *text*, keys included, in their order; None if it is no container.

    A number is given as it is written. Of a key that comes twice both values are there: a reader may go by
    either.
    """
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        loads(text)
        return [json.loads(token) if token[0] == '"' else token for token in _TOKENS.findall(text)]
    except (ValueError, RecursionError):
        return None


def with_json_strings(text: str, replaced: Mapping[int | None, str]) -> str:
    """JSON *text* again, with the nth strings of `json_strings` replaced, and all else as it was."""
    places = itertools.count()

    def said(token: re.Match[str]) -> str:
        new = replaced.get(next(places))
        return token[0] if new is None else json.dumps(new, ensure_ascii=False)

    return _TOKENS.sub(said, text)


_TOKENS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|-?[0-9][0-9.eE+-]*')
"""The strings and the numbers of a text that is JSON."""
