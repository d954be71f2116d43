"""What stands beside an answer: texts in a reply that no output rule has seen, and a reply without them."""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping, Set
from functools import lru_cache
from typing import Any

from guardrails_lite._messages import fields_of, get, with_fields
from guardrails_lite._messages._apis import api_of, api_of_event
from guardrails_lite._messages._reading import (
    REASONING,
    THOUGHTS,
    calls_of,
    is_event,
    kind_of,
    part_text,
    read_tool_call,
    reasoning_of,
    text_of,
    thoughts_in,
)

_SCREENED = frozenset({"role", "content", "refusal", "tool_calls", "function_call", "audio", *REASONING})
"""Fields of a message that hold what was checked, or no text of their own."""
OF_REPLY = frozenset(
    [
        *("id", "object", "created", "model", "choices", "usage", "service_tier", "system_fingerprint"),
        *("metadata", "moderation", "prompt_filter_results", "error", "obfuscation"),
    ]
)
"""Fields of a reply or a chunk: who answered, how, and at what cost. One with an error ends the call."""
OF_CHOICE = frozenset(
    [
        *("index", "finish_reason", "native_finish_reason", "stop_reason", "content_filter_results"),
        *("message", "delta", "logprobs"),
    ]
)
"""Fields of a choice: what is said, how it ended, and what a content filter measured."""
_OF_OTHER_EVENT = OF_REPLY | {"type"}
_OF_DELTA = _SCREENED - {"audio"}
_READ_OF_CHOICE = frozenset({"delta", "message", "logprobs"})
_PLAIN = frozenset({"role", "content", "function_call"})
_TEXT = (str, type(None))
_OF_CALL = frozenset({"id", "index", "type", "extra_content"})
"""Fields of a tool call besides what it calls: no text, or sealed by the provider, who wants it back."""
_SAID_BY_CALL = {"function": "arguments", "custom": "input"}
_OF_WHOLE_CHOICE = OF_CHOICE - {"delta"}
_OF_AUDIO = frozenset({"id", "data", "expires_at", "transcript"})
_OF_PART = frozenset({"type", "text"})
_OF_LOGPROBS = frozenset({"content", "refusal"})
_OF_TOKEN = frozenset({"token", "bytes", "logprob", "top_logprobs"})
_PARSED = frozenset({"parsed", "parsed_arguments"})


def without_unscreened(raw: Any) -> Any:
    """A reply without what no rule has seen: citations, and fields that a server adds to a message."""
    if isinstance(raw, str):
        return raw
    if (api := api_of(raw)) is not None:
        return api.without_unscreened(raw)
    choices = list(get(raw, "choices") or ())
    checked = list(map(_checked_only, choices))
    raw = raw if all(map(operator.is_, checked, choices)) else with_fields(raw, choices=checked)
    return without_more(raw, OF_REPLY)


def chunk_without_unscreened(raw: Any) -> Any:
    """A chunk without what is read of no chunk: what its deltas hold beside text, thoughts and calls."""
    if isinstance(raw, str):
        return raw
    choices = get(raw, "choices")
    if not isinstance(choices, (list, tuple)):
        if is_event(raw):
            return api_of_event(raw).event_without_unscreened(raw)
        return without_more(raw, _OF_OTHER_EVENT)
    checked = list(map(_delta_only, choices))
    raw = raw if all(map(operator.is_, checked, choices)) else with_fields(raw, choices=checked)
    return without_more(raw, OF_REPLY)


def screened_fields(message: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a message of which nothing has to be left out."""
    return dict(_message(message) or {})


def _checked_only(choice: Any) -> Any:
    message = get(choice, "message")
    left = message if message is None or _only_says(message) else _message(message)
    choice = choice if left is message else with_fields(choice, message=left)
    if (told := get(choice, "logprobs")) is not None:
        choice = with_fields(choice, logprobs=_spelling(told, message))
    return without_more(choice, _OF_WHOLE_CHOICE)


def without_more(source: Any, known: frozenset[str]) -> Any:
    """A reply, a chunk or a choice without the texts that a server adds, such as the results of a search."""
    if type(source) is dict and known.issuperset(source):
        return source
    if not getattr(source, "__pydantic_extra__", True) and not _declares_more(source.__class__, known):
        return source
    fields = source if isinstance(source, Mapping) else {**_own(source), **_added(source)}
    return _without(
        source,
        {
            name
            for name, value in fields.items()
            if name not in known and value and not isinstance(value, (bool, int, float))
        },
    )


def known_only(source: Any, names: frozenset[str]) -> Any:
    """*source* with these fields only, and what its own client has parsed them to."""
    if isinstance(source, Mapping):
        return source if names.issuperset(source) else _without(source, source.keys() - names)
    own = {
        name for name, value in _own(source).items() if value and name not in names and name not in _PARSED
    }
    return _without(source, own | (_added(source).keys() - names))


@lru_cache(maxsize=256)
def _declares_more(kind: type, known: frozenset[str]) -> bool:
    """Whether a client's class has fields besides *known*: in a newer version of it, or in a subclass."""
    return not known.issuperset(getattr(kind, "__pydantic_fields__", ()))


def _own(source: Any) -> Mapping[str, Any]:
    """The fields of an object, but for what its class keeps to itself."""
    held = getattr(source, "__dict__", {})
    if not hasattr(source, "__pydantic_fields__"):
        slots = _slots_of(source.__class__)
        held = {**{name: getattr(source, name, None) for name in slots}, **held}
    return {name: value for name, value in held.items() if not name.startswith("_")}


def _added(source: Any) -> Mapping[str, Any]:
    """The fields of a client's object that its class does not declare."""
    return getattr(source, "__pydantic_extra__", None) or {}


@lru_cache(maxsize=256)
def _slots_of(kind: type) -> tuple[str, ...]:
    slots = [each.__dict__.get("__slots__", ()) for each in kind.__mro__]
    return tuple(name for each in slots for name in ((each,) if isinstance(each, str) else each))


def _without(source: Any, names: Set[str]) -> Any:
    """*source* without these fields; those that its class declares become None."""
    if not names:
        return source
    if isinstance(source, Mapping):
        return {name: value for name, value in source.items() if name not in names}
    extra = _added(source)
    left = with_fields(source, **dict.fromkeys(names - extra.keys()))
    if extra:
        kept = {name: value for name, value in extra.items() if name not in names}
        object.__setattr__(left, "__pydantic_extra__", kept)
    return left


def _delta_only(choice: Any) -> Any:
    return without_more(_delta_without_more(choice), OF_CHOICE)


def _delta_without_more(choice: Any) -> Any:
    fields = fields_of(choice, _READ_OF_CHOICE)
    delta, message = fields.get("delta"), fields.get("message")
    if (told := fields.get("logprobs")) is not None:
        choice = with_fields(choice, logprobs=_spelling(told, message if delta is None else delta))
    if delta is None:
        left = message if message is None else _message(message, _OF_DELTA)
        return choice if left is message else with_fields(choice, message=left)
    left = delta if _only_says(delta) else _message(delta, _OF_DELTA)
    return choice if left is delta and message is None else with_fields(choice, delta=left, message=None)


def _only_says(message: Any) -> bool:
    """Whether there is text and nothing beside it, as almost always. Found out as fast as can be."""
    fields = message if type(message) is dict else getattr(message, "__dict__", None)
    if fields is None or type(fields.get("content")) not in _TEXT:
        return False
    if fields is not message and getattr(message, "__pydantic_extra__", True):
        return False
    return all(name in _PLAIN or not value for name, value in fields.items())


def _message(message: Any, names: frozenset[str] = _SCREENED) -> Any:
    """A message or a delta, saying only what was read of it; None where it is neither."""
    if isinstance(message, (str, bytes, int, float, list, tuple)):
        return None
    left = known_only(message, names)
    changes: dict[str, Any] = {}
    if not isinstance(get(left, "refusal"), (str, type(None))):
        changes["refusal"] = None
    content, told = get(left, "content"), reasoning_of(left)
    if isinstance(content, (list, tuple)):
        thoughts = THOUGHTS if thoughts_in(content) == told else ()  # they may be told as a field as well
        changes["content"] = [said for part in content if (said := _part(part, thoughts)) is not None]
    elif content is not None and not isinstance(content, str):
        changes["content"] = text_of(content)
    for name in REASONING:  # some servers say it under both names
        if (said := get(left, name)) and said != told:
            changes[name] = None
    if (audio := get(left, "audio")) is not None:
        heard = get(audio, "transcript")
        changes["audio"] = known_only(audio, _OF_AUDIO) if heard and isinstance(heard, str) else None
    if (calls := get(left, "tool_calls")) is not None:
        changes["tool_calls"] = list(map(_call, calls_of(calls))) or None
    changes = {name: new for name, new in changes.items() if new != get(left, name)}
    return with_fields(left, **changes) if changes else left


def _part(part: Any, thoughts: Collection[str]) -> Any:
    """A part of a content, saying only what was read of it, *thoughts* by which names; None: nothing."""
    if part_text(part) is not None:
        return known_only(part, _OF_PART)
    for name in thoughts:
        told = get(part, name)
        if isinstance(told, (list, tuple)):
            told = [known_only(each, _OF_PART) for each in told if part_text(each) is not None]
        if told and isinstance(told, (str, list)):
            return {"type": kind_of(part), name: told}
    return None


def _spelling(told: Any, said: Any) -> Any:
    """The log-probabilities of a choice, as far as they spell what a message or a delta has *said*."""
    if not isinstance(told, Mapping) and not hasattr(told, "__dict__"):
        return None
    left = known_only(told, _OF_LOGPROBS)
    texts = {"content": text_of(get(said, "content")), "refusal": get(said, "refusal")}
    changes = {
        name: spelling(tokens, text if isinstance(text, str) else "")
        for name, text in texts.items()
        if (tokens := get(told, name)) is not None
    }
    return with_fields(left, **changes)


def spelling(tokens: Any, text: str) -> list[Any]:
    """Those *tokens* that spell *text* from its beginning, each without its alternatives.

    They are words of the model that no rule has seen.
    """
    said = text.encode("utf-8", "surrogatepass")
    spelt: list[Any] = []
    at = 0
    for token in tokens if isinstance(tokens, (list, tuple)) else ():
        part = _bytes_of(token)
        if part is None or not said.startswith(part, at):
            break
        at += len(part)
        token = known_only(token, _OF_TOKEN)
        spelt.append(with_fields(token, top_logprobs=[]) if get(token, "top_logprobs") else token)
    return spelt


def _bytes_of(token: Any) -> bytes | None:
    """What a token adds to the text, which may be some bytes of a character; None where it does not agree."""
    name, part = get(token, "token"), get(token, "bytes")
    if not isinstance(name, str) or not isinstance(get(token, "logprob"), (int, float, type(None))):
        return None
    if part is None:
        return name.encode("utf-8", "surrogatepass")
    try:
        part = bytes(part) if isinstance(part, (list, tuple)) else b""
    except (TypeError, ValueError):
        return None
    shown = part.decode("utf-8", "backslashreplace")
    return part if name in (shown, f"bytes:{shown}") else None


def _call(call: Any) -> Any:
    kind = read_tool_call(call).kind
    left = known_only(call, _OF_CALL | {kind})
    body = get(left, kind)
    if body is None:
        return left
    said = _SAID_BY_CALL[kind]
    known = known_only(body, frozenset({"name", said}))
    if not isinstance(get(known, said), (str, Mapping)):  # read as no arguments at all
        known = with_fields(known, **{said: ""})
    return left if known is body else with_fields(left, **{kind: known})
