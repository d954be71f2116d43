"""The input of a request for a response, told as chat messages: an item is one, and is told back from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from guardrails_lite._errors import ConfigError
from guardrails_lite._messages import ToolCall, get
from guardrails_lite._messages._paths import Where, path_to
from guardrails_lite._messages._responses import ARGUMENTS, tool_call_of
from guardrails_lite._messages._responses_beside import NO_TEXT
from guardrails_lite._messages._responses_writing import item_of
from guardrails_lite._messages._texts import plain

ELSEWHERE = ("previous_response_id", "conversation")
"""Parameters that bring texts before the model which are not in the request."""
_PARTS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}
_OF_MESSAGE = frozenset({"type", "role", "content", "id", "status", "phase"})
_INSIDE = frozenset(
    ["type", "id", "caller_id", "image_url", "file_id", "file_data", "file_url", "encrypted_content"]
)
"""Fields inside an input item that hold a word and no text: identifiers, images, files."""
_ENTRUSTED = (NO_TEXT - {"name", "environment", "result"}) | _INSIDE
"""Fields of an input item itself that do."""
_OF_AN_IMAGE = _ENTRUSTED | {"result"}
_BESIDE = "beside"
"""Where a message that tells a call or its result has the other texts of the item."""
_OWN_NAMES = frozenset({"variables", "env", "attributes"})
"""Fields whose own fields are named by whoever fills them."""


class Part:
    """One text-bearing part of a request, and the message that tells it."""

    __slots__ = ("field", "item", "message", "place")

    def __init__(
        self, item: Any, message: dict[str, Any], *, field: str | None = None, place: int = 0
    ) -> None:
        self.item = item
        self.message = message
        self.field = field
        """The parameter that is this text; None for an item of ``input``."""
        self.place = place
        """Of an item: its place in the ``input``."""

    def path_of(self, where: Where) -> str:
        """How the caller wrote what is told at this place of the message."""
        item = (self.field,) if self.field is not None else ("input", self.place)
        if self.item is None or isinstance(self.item, str) or not where:
            return path_to(*item)
        kind = self.field or get(self.item, "type")
        if where[0] == _BESIDE:
            return path_to(*item)
        if kind in ARGUMENTS:
            said = where[-1] if where[-1] in ("tool_calls", "name") else ARGUMENTS[kind]
            return path_to(*item) if said == "tool_calls" else path_to(*item, said)
        if kind in (None, "message"):
            return path_to(*item, *where)
        if kind in _OUTPUTS:
            return path_to(*item, "output", *where[1:])
        nth = sum("text" in part for part in self.message["content"][: where[1]])
        return path_to(*item, *list(_places(self.item))[nth][0])

    def retold(self, message: Mapping[str, Any]) -> Any:
        """The item again, saying what *message* says."""
        if self.item is None or isinstance(self.item, str):
            return message["content"]
        item = plain(self.item)
        kind = self.field or get(item, "type")
        if kind in ARGUMENTS:
            key = "custom" if kind == "custom_tool_call" else "function"
            call = message["tool_calls"][0][key]
            said = call["input" if key == "custom" else "arguments"]
            told = {"name": call["name"], ARGUMENTS[kind]: said}
            return {**item, **told, **message.get(_BESIDE, {})}
        if kind in (None, "message"):
            beside = {name: message[name] for name in _beside(item)}
            return {**item, **beside, "content": _content(item.get("content"), message["content"])}
        if kind in _OUTPUTS:
            output = _content(item.get("output"), message["content"])
            return {**item, "output": output, **message.get(_BESIDE, {})}
        return _with_strings(item, iter([part["text"] for part in message["content"] if "text" in part]))


_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output"})


def parts_of(body: Mapping[str, Any]) -> Iterator[Part]:
    """What the body of a request says, in the order in which a model reads it.

    Raises:
        ConfigError: it is of a type that cannot be screened.
    """
    for name in ELSEWHERE:
        if (given := body.get(name)) is not None:
            beside = [] if isinstance(given, str) else list(_strings(given))
            content = [{"type": name}, *({"type": "text", "text": text} for text in beside)]
            yield Part(given, {"role": "system", "content": content}, field=name)
    if (prompt := body.get("prompt")) is not None:  # a template of the provider, filled with our texts
        texts = [{"type": "text", "text": text} for text in _strings(prompt)]
        told = {"role": "user", "content": [{"type": "prompt"}, *texts]}
        yield Part(prompt, told, field="prompt")
    instructions = body.get("instructions")
    if isinstance(instructions, str):
        yield Part(None, {"role": "system", "content": instructions}, field="instructions")
    elif instructions is not None:
        raise _unreadable("instructions", instructions)
    given = body.get("input")
    if isinstance(given, str):
        yield Part(None, {"role": "user", "content": given}, field="input")
    elif isinstance(given, Iterable) and not isinstance(given, Mapping):
        for place, item in enumerate(given):
            yield Part(item, _message_of(item), place=place)
    elif given is not None:
        raise _unreadable("input", given)


def _unreadable(name: str, value: object) -> ConfigError:
    return ConfigError(
        f"{name}= of POST /responses must be a str or a list of items for the guard to screen it, "
        f"not {type(value).__name__}"
    )


def _message_of(item: Any) -> dict[str, Any]:
    """The message that tells an input item."""
    if isinstance(item, str):
        return {"role": "user", "content": item}
    kind = get(item, "type")
    if kind in ARGUMENTS:
        call = tool_call_of(item)
        key = "input" if call.kind == "custom" else "arguments"
        told = {"id": call.id, "type": call.kind, call.kind: {"name": call.name, key: call.arguments}}
        more = _more(item, {"name": str, key: (str, Mapping)})
        return {"role": "assistant", "content": None, "tool_calls": [told], **more}
    if kind in _OUTPUTS:
        output = _chat_content(get(item, "output"))
        said = {"role": "tool", "tool_call_id": get(item, "call_id"), "content": output}
        return {**said, **_more(item, {"output": object})}
    if kind in (None, "message"):
        return {"role": get(item, "role"), "content": _chat_content(get(item, "content")), **_beside(item)}
    texts = [{"type": "text", "text": text} for text in _strings(item)]
    if kind == "item_reference":
        texts = [{"type": "item_reference"}, *texts]
    if _is_of_the_model(str(kind)):
        return {"role": "assistant", "content": texts}
    return {"role": "tool", "type": kind, "content": texts}


def _more(item: Any, told: Mapping[str, Any]) -> dict[str, Any]:
    """What a call or its result holds beside what is *told*, under these names, where it has a text."""
    more = {
        name: value
        for name, value in plain(item).items()
        if not (name in _ENTRUSTED and isinstance(value, str))
        and not (name in told and isinstance(value, told[name]))
    }
    return {_BESIDE: more} if next(_strings(more), None) is not None else {}


def _beside(message: Any) -> dict[str, Any]:
    """The fields of a message that the API does not have, which a compatible server may read."""
    if not isinstance(message, Mapping) and not hasattr(message, "model_dump"):
        return {}
    return {
        name: value
        for name, value in plain(message).items()
        if name != "content" and (name not in _OF_MESSAGE or isinstance(value, (Mapping, list, tuple)))
    }


def _is_of_the_model(kind: str) -> bool:
    return kind in ("reasoning", "item_reference") or kind.endswith("_call")


def _chat_content(content: Any) -> Any:
    if not isinstance(content, (list, tuple)):
        return content
    return [_chat_part(part) for part in content]


def _chat_part(part: Any) -> Any:
    if isinstance(part, str):
        return part
    kind, fields = get(part, "type"), plain(part)
    if kind in _PARTS:
        key = _PARTS[kind]
        beside = {
            name: value for name, value in fields.items() if value and name not in ("type", key, "logprobs")
        }
        return {"type": "refusal" if key == "refusal" else "text", key: get(part, key), **beside}
    if kind == "input_image" and isinstance(url := fields.pop("image_url", None), str):
        image = {"url": url} if fields.get("detail") is None else {"url": url, "detail": fields["detail"]}
        beside = {name: value for name, value in fields.items() if name not in ("type", "detail", "file_id")}
        return {"type": "image_url", "image_url": image, **beside}
    return plain(part)


def _beside_image(told: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of a part that is no text, less the image of it, which chat tells in another way."""
    beside = {name: value for name, value in told.items() if name not in ("type", "image_url")}
    detail = get(told.get("image_url"), "detail")
    return beside if detail is None else {**beside, "detail": detail}


def _content(content: Any, told: Any) -> Any:
    """*content* again, with the texts of *told*, which told it."""
    if not isinstance(content, (list, tuple)):
        return told
    changed = []
    for part, new in zip(content, told, strict=True):
        kind = get(part, "type")
        if isinstance(part, str):
            changed.append(new)
            continue
        if kind not in _PARTS:
            beside = _beside_image(new) if isinstance(get(part, "image_url"), str | None) else new
            changed.append({**plain(part), **beside})
            continue
        told = {**plain(part), **new, "type": kind}
        if told.get("logprobs") and new[_PARTS[kind]] != get(part, _PARTS[kind]):
            told["logprobs"] = []  # they spell out the text that a rule has changed
        changed.append(told)
    return changed


def _strings(source: Any) -> Iterator[str]:
    """Every text inside an item that is no message, in a fixed order."""
    return (text for _, text in _places(source))


def _places(
    source: Any, no_text: frozenset[str] | None = None, where: Where = ()
) -> Iterator[tuple[Where, str]]:
    """The same, each with where it is."""
    if isinstance(source, str):
        yield where, source
    elif isinstance(source, (list, tuple)):
        for nth, value in enumerate(source):
            yield from _places(value, _INSIDE, (*where, nth))
    elif isinstance(source, Mapping) or hasattr(source, "model_dump"):
        no_text = _entrusted(source) if no_text is None else no_text
        for name, value in plain(source).items():
            if name not in no_text or not isinstance(value, str):
                yield from _places(value, _no_text_in(name), (*where, name))


def _with_strings(source: Any, texts: Iterator[str], no_text: frozenset[str] | None = None) -> Any:
    """*source* with its strings replaced, in the order of `_strings`."""
    if isinstance(source, str):
        return next(texts)
    if isinstance(source, (list, tuple)):
        return [_with_strings(value, texts, _INSIDE) for value in source]
    if isinstance(source, Mapping) or hasattr(source, "model_dump"):
        no_text = _entrusted(source) if no_text is None else no_text
        return {
            name: value
            if name in no_text and isinstance(value, str)
            else _with_strings(value, texts, _no_text_in(name))
            for name, value in plain(source).items()
        }
    return source


def _entrusted(item: Any) -> frozenset[str]:
    return _OF_AN_IMAGE if get(item, "type") == "image_generation_call" else _ENTRUSTED


def _no_text_in(name: str) -> frozenset[str]:
    return frozenset() if name in _OWN_NAMES else _INSIDE


def items_of(message: Any) -> Iterator[dict[str, Any]]:
    """The items that tell a message which the engine added."""
    role = get(message, "role")
    content = get(message, "content")
    if role == "tool":
        yield {"type": "function_call_output", "call_id": get(message, "tool_call_id"), "output": content}
        return
    if content:
        yield {"role": role, "content": content}
    for call in get(message, "tool_calls") or ():
        body = get(call, "function") or get(call, "custom")
        arguments = get(body, "arguments", get(body, "input")) or ""
        kind = "custom" if get(call, "custom") is not None else "function"
        item = item_of(ToolCall(get(call, "id"), get(body, "name"), arguments, kind))
        yield {name: value for name, value in item.items() if name not in ("id", "status")}
