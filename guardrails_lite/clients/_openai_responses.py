"""Responses, as the door sees them: a request told as a chat `Call`, and replies as the client's own types.

The engine, the tool checks and the fallbacks know chat messages, so a request is told in them: each input
item becomes one message, in order. What is sent is each original item, with what the rules changed. What the
engine adds to ask again comes after them, and is told back as items. Parameters that only this API has stay
here and are put back when the request is sent.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from openai.resources.responses import Responses
from openai.types.responses import Response, ResponseStreamEvent

from guardrails_lite._errors import ConfigError
from guardrails_lite._messages import Call, Choice, Reply, ToolCall, get
from guardrails_lite._messages import _shapes_responses as shapes
from guardrails_lite._messages._params import PARAMS
from guardrails_lite._messages._paths import Where, path_to
from guardrails_lite._messages._texts import plain
from guardrails_lite.clients._openai_chat import json_of
from guardrails_lite.clients._openai_events import ResponsesTelling

_SHARED = frozenset(
    [
        "model",
        "stream",
        "temperature",
        "top_p",
        "metadata",
        "user",
        "parallel_tool_calls",
        "store",
        "service_tier",
        "top_logprobs",
        "prompt_cache_key",
        "safety_identifier",
    ]
)
"""Parameters that mean the same to both APIs."""
_RETOLD = _SHARED | {"tools", "tool_choice"}
_ELSEWHERE = ("previous_response_id", "conversation")
"""Parameters that bring texts before the model which are not in the request."""
_TOLD = frozenset({"input", "instructions", "prompt", *_ELSEWHERE, *_RETOLD})
"""Parameters that are told as messages, or as parameters of chat."""
_PARTS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}
_OF_MESSAGE = frozenset({"type", "role", "content", "id", "status", "phase"})
_INSIDE = frozenset({"type", "id", "image_url", "file_id", "file_data", "file_url", "encrypted_content"})
"""Fields inside an input item that are no text: identifiers, images, files."""
_ENTRUSTED = (shapes.NO_TEXT - {"name", "environment"}) | _INSIDE
"""Fields of an input item itself that are none."""
_OWN_NAMES = frozenset({"variables", "env", "attributes"})
"""Fields whose own fields are named by whoever fills them."""


class ResponsesRequest:
    """One request to ``POST /responses``."""

    cast_to: Any = Response
    chunk_type: Any = ResponseStreamEvent
    input_name = "input"
    stream_end = b""
    retells = True
    """The events of this API are told to the engine as chat chunks."""

    def __init__(self, body: Mapping[str, Any], extras: Mapping[str, Any], *, screens: bool) -> None:
        if body.get("background"):
            raise ConfigError(
                "responses.create(background=True) returns before there is a reply, so there is nothing to "
                "check. Leave it out, or use the client that was given to guard.wrap()."
            )
        self._screens = screens
        self._parts = list(_parts_of(body))
        self._told = tuple(part.message for part in self._parts)
        self._tools = _Tools(body.get("tools"), body.get("tool_choice"))
        self.acts = bool(self._tools.hosted or any(body.get(name) for name in _ELSEWHERE))
        self._kept = {name: value for name, value in body.items() if name not in _RETOLD}
        params = {name: value for name, value in body.items() if name in _SHARED}
        if (limit := body.get("max_output_tokens")) is not None:
            params["max_completion_tokens"] = limit
        if (format := get(body.get("text"), "format")) is not None:
            params["response_format"] = _chat_format(format)
        beside = {name: value for name, value in body.items() if name not in _TOLD}
        if (text := body.get("text")) is not None:
            beside["text"] = {name: value for name, value in plain(text).items() if name != "format"}
        if any(self._tools.more):
            beside["tools"] = self._tools.more
        self.call = Call(self._told, {**params, **self._tools.params, **extras}, beside, self._path_of)

    @staticmethod
    @lru_cache(maxsize=1)
    def parameters() -> frozenset[str]:
        """What a request may say by name; the rest travels in ``extra_body``."""
        return frozenset(inspect.signature(Responses.create).parameters) - {"self", "timeout"}

    def body_of(self, call: Call, params: Mapping[str, Any]) -> dict[str, Any]:
        """The body to send for *call*; *params* are those of its parameters that belong there."""
        params, beside = dict(params), dict(call.beside)
        tools = self._tools.body(
            params.pop("tools", None), params.pop("tool_choice", None), beside.pop("tools", self._tools.more)
        )
        body = {**self._kept, **beside, **tools}
        if (limit := params.pop("max_completion_tokens", None)) is not None:
            body["max_output_tokens"] = limit
        if (format := params.pop("response_format", None)) is not None:
            body["text"] = {**plain(body.get("text") or {}), "format": _responses_format(format)}
        if call.messages is not self._told:
            body |= self._input(call.messages)
        return {**body, **params}

    def _input(self, messages: Sequence[Any]) -> dict[str, Any]:
        """The parameters that say what *messages* say."""
        body: dict[str, Any] = {}
        items: list[Any] = []
        for part, message in zip(self._parts, messages, strict=False):
            if part.field is None:
                items.append(part.item if message is part.message else part.retold(message))
            elif message is not part.message:
                body[part.field] = part.retold(message)
        added = messages[len(self._parts) :]
        if items:
            body["input"] = items
        elif added:
            text = body.get("input", self._kept.get("input"))
            body["input"] = [{"role": "user", "content": text}] if text else []
        for message in added:
            body["input"].extend(_items_of(message))
        return body

    def _path_of(self, message: int, where: Where) -> str:
        """How the caller wrote what is told at this place."""
        if message >= 0:
            return self._parts[message].path_of(where) if message < len(self._parts) else "input"
        name, *steps = where
        if name == "tools" and message == PARAMS:
            return self._tools.path_of(*steps)
        if name == "response_format":
            return path_to("text", "format", *(steps[1:] if steps[0] == "json_schema" else steps))
        return path_to(*where)

    def own(self, reply: Reply) -> Any:
        """The reply as a `Response`, whoever gave it."""
        raw = reply.raw
        if not isinstance(raw, Response):
            raw = Response.model_construct(**response_dict(reply, self.call))
        return shapes.without_unscreened(raw) if self._screens else raw

    @staticmethod
    def answer_of(text: str, call: Call) -> Any:
        """A fixed answer, as this API would give it."""
        return Response.model_construct(**response_dict(Reply((Choice(text=text),)), call))

    def telling(self) -> ResponsesTelling:
        """How the events of one stream are told."""
        return ResponsesTelling(self.own, screens=self._screens)

    @staticmethod
    def encode(event: Any) -> bytes:
        """An event as a server-sent event."""
        return b"event: " + str(event.type).encode() + b"\ndata: " + json_of(event) + b"\n\n"


def response_dict(reply: Reply, call: Call) -> dict[str, Any]:
    """A reply as the dict of a response."""
    choice = reply.choices[0] if reply.choices else Choice(text="")
    content: list[dict[str, Any]] = []
    if choice.text is not None:
        content.append({"type": "output_text", "text": choice.text, "annotations": [], "logprobs": []})
    if choice.refusal is not None:
        content.append({"type": "refusal", "refusal": choice.refusal})
    output: list[dict[str, Any]] = [shapes.item_of(tool_call) for tool_call in choice.tool_calls]
    if content:
        message = {"type": "message", "id": "msg_guardrails_lite", "role": "assistant", "status": "completed"}
        output.insert(0, {**message, "content": content})
    return {
        "id": reply.id or "resp_guardrails_lite",
        "object": "response",
        "created_at": time.time(),
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": reply.model or call.model or "",
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }


# --- the input, told as messages ---------------------------------------------------------------------


class _Part:
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
        if kind in shapes.ARGUMENTS:
            said = where[-1] if where[-1] in ("tool_calls", "name") else shapes.ARGUMENTS[kind]
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
        if kind in shapes.ARGUMENTS:
            key = "custom" if kind == "custom_tool_call" else "function"
            call = message["tool_calls"][0][key]
            said = call["input" if key == "custom" else "arguments"]
            return {**item, "name": call["name"], shapes.ARGUMENTS[kind]: said}
        if kind in (None, "message"):
            beside = {name: message[name] for name in _beside(item)}
            return {**item, **beside, "content": _content(item.get("content"), message["content"])}
        if kind in _OUTPUTS:
            return {**item, "output": _content(item.get("output"), message["content"])}
        return _with_strings(item, iter([part["text"] for part in message["content"] if "text" in part]))


_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output"})


def _parts_of(body: Mapping[str, Any]) -> Iterator[_Part]:
    for name in _ELSEWHERE:
        if body.get(name) is not None:
            yield _Part(None, {"role": "system", "content": [{"type": name}]}, field=name)
    if (prompt := body.get("prompt")) is not None:  # a template of the provider, filled with our texts
        texts = [{"type": "text", "text": text} for text in _strings(prompt)]
        told = {"role": "user", "content": [{"type": "prompt"}, *texts]}
        yield _Part(prompt, told, field="prompt")
    instructions = body.get("instructions")
    if isinstance(instructions, str):
        yield _Part(None, {"role": "system", "content": instructions}, field="instructions")
    elif instructions is not None:
        raise _unreadable("instructions", instructions)
    given = body.get("input")
    if isinstance(given, str):
        yield _Part(None, {"role": "user", "content": given}, field="input")
    elif isinstance(given, Iterable) and not isinstance(given, Mapping):
        for place, item in enumerate(given):
            yield _Part(item, _message_of(item), place=place)
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
    if kind in shapes.ARGUMENTS:
        call = shapes.tool_call_of(item)
        key = "input" if call.kind == "custom" else "arguments"
        told = {"id": call.id, "type": call.kind, call.kind: {"name": call.name, key: call.arguments}}
        return {"role": "assistant", "content": None, "tool_calls": [told]}
    if kind in _OUTPUTS:
        output = _chat_content(get(item, "output"))
        return {"role": "tool", "tool_call_id": get(item, "call_id"), "content": output}
    if kind in (None, "message"):
        return {"role": get(item, "role"), "content": _chat_content(get(item, "content")), **_beside(item)}
    texts = [{"type": "text", "text": text} for text in _strings(item)]
    if kind == "item_reference":
        texts = [{"type": "item_reference"}]
    if _is_of_the_model(str(kind)):
        return {"role": "assistant", "content": texts}
    return {"role": "tool", "type": kind, "content": texts}


def _beside(message: Any) -> dict[str, Any]:
    """The fields of a message that the API does not have, which a compatible server may read."""
    if not isinstance(message, Mapping) and not hasattr(message, "model_dump"):
        return {}
    return {name: value for name, value in plain(message).items() if name not in _OF_MESSAGE}


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
            changed.append({**plain(part), **_beside_image(new)})
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
    source: Any, no_text: frozenset[str] = _ENTRUSTED, where: Where = ()
) -> Iterator[tuple[Where, str]]:
    """The same, each with where it is."""
    if isinstance(source, str):
        yield where, source
    elif isinstance(source, (list, tuple)):
        for nth, value in enumerate(source):
            yield from _places(value, _INSIDE, (*where, nth))
    elif isinstance(source, Mapping) or hasattr(source, "model_dump"):
        for name, value in plain(source).items():
            if name not in no_text:
                yield from _places(value, _no_text_in(name), (*where, name))


def _with_strings(source: Any, texts: Iterator[str], no_text: frozenset[str] = _ENTRUSTED) -> Any:
    """*source* with its strings replaced, in the order of `_strings`."""
    if isinstance(source, str):
        return next(texts)
    if isinstance(source, (list, tuple)):
        return [_with_strings(value, texts, _INSIDE) for value in source]
    if isinstance(source, Mapping) or hasattr(source, "model_dump"):
        return {
            name: value if name in no_text else _with_strings(value, texts, _no_text_in(name))
            for name, value in plain(source).items()
        }
    return source


def _no_text_in(name: str) -> frozenset[str]:
    return frozenset() if name in _OWN_NAMES else _INSIDE


def _items_of(message: Any) -> Iterator[dict[str, Any]]:
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
        item = shapes.item_of(ToolCall(get(call, "id"), get(body, "name"), arguments, kind))
        yield {name: value for name, value in item.items() if name not in ("id", "status")}


# --- the declarations, told as chat's -------------------------------------------------------------------


class _Tools:
    """The tools of a request: functions as chat declares them, and those that the provider runs itself."""

    def __init__(self, tools: Any, choice: Any) -> None:
        given = list(tools) if isinstance(tools, Iterable) and not isinstance(tools, (str, Mapping)) else []
        told = [_chat_tool(tool) if _is_of_chat(tool) else None for tool in given]
        self._given = list(zip(given, told, strict=True))
        self.hosted = any(chat is None for chat in told)
        self.more = [_more_than(tool, chat) for tool, chat in zip(given, told, strict=True)]
        """What chat's declarations leave out: all of a tool that the provider runs."""
        self._choice = choice
        self._told_choice = _chat_choice(choice)
        self.params: dict[str, Any] = {}
        if any(told):
            self.params["tools"] = [chat for chat in told if chat is not None]
        if self._told_choice is not None:
            self.params["tool_choice"] = self._told_choice

    def path_of(self, nth: Any, *steps: str | int) -> str:
        """How the caller wrote what stands in the *nth* of the tools as chat declares them."""
        told = [place for place, (_, chat) in enumerate(self._given) if chat is not None]
        if not told:  # the guard's own
            return path_to("tools", nth, *steps)
        return path_to("tools", told[nth], *steps[1:])

    def body(self, tools: Any, choice: Any, more: Sequence[Any]) -> dict[str, Any]:
        """The parameters that declare what chat's *tools* and *choice* do, and *more*."""
        body: dict[str, Any] = {}
        hosted = [tool for tool, (_, told) in zip(more, self._given, strict=True) if told is None]
        declared = [*hosted, *(self._back(tool, more) for tool in tools or ())]
        if declared:
            body["tools"] = declared
        if choice is not None:
            same = choice is self._told_choice
            body["tool_choice"] = self._choice if same else _responses_choice(choice)
        elif self._choice is not None:
            body["tool_choice"] = self._choice
        return body

    def _back(self, tool: Any, more: Sequence[Any]) -> Any:
        kind = get(tool, "type")
        body = plain(get(tool, kind))
        for (given, told), beside in zip(self._given, more, strict=True):
            if told is tool and more is self.more:
                return given
            if told is not None and get(told.get(kind), "name") == body.get("name"):
                return {"type": kind, **beside, **body}
        return {"type": kind, **body}


def _is_of_chat(tool: Any) -> bool:
    return get(tool, "type") in ("function", "custom")


def _more_than(tool: Any, told: Any) -> Any:
    """What a tool declares beyond what is *told* of it; of such a thing the type is None."""
    if told is None:
        return tool
    return {
        name: value
        for name, value in plain(tool).items()
        if name not in told[told["type"]] and name != "type" and value is not None
    }


def _chat_tool(tool: Any) -> dict[str, Any]:
    fields = plain(tool)
    kind = fields.pop("type")
    names = ["name", "description", *(["format"] if kind == "custom" else ["parameters", "strict"])]
    return {"type": kind, kind: {name: fields[name] for name in names if fields.get(name) is not None}}


def _chat_choice(choice: Any) -> Any:
    """How chat says a tool choice; None where it cannot, or nothing was said."""
    if choice is None or isinstance(choice, str):
        return choice
    match get(choice, "type"):
        case "function" | "custom" as kind:
            return {"type": kind, kind: {"name": get(choice, "name")}}
        case "allowed_tools":
            tools = [
                {"type": kind, kind: {"name": get(tool, "name")}}
                for tool in get(choice, "tools") or ()
                if (kind := get(tool, "type")) in ("function", "custom")
            ]
            allowed = {"mode": get(choice, "mode"), "tools": tools}
            return {"type": "allowed_tools", "allowed_tools": allowed}
        case _:
            return None


def _responses_choice(choice: Any) -> Any:
    if isinstance(choice, str):
        return choice
    kind = get(choice, "type")
    if kind == "allowed_tools":
        allowed = get(choice, kind)
        tools = [
            {"type": get(tool, "type"), "name": get(get(tool, get(tool, "type")), "name")}
            for tool in get(allowed, "tools") or ()
        ]
        return {"type": kind, "mode": get(allowed, "mode"), "tools": tools}
    return {"type": kind, "name": get(get(choice, kind), "name")}


def _chat_format(format: Any) -> dict[str, Any]:
    fields = plain(format)
    kind = fields.pop("type", None)
    return {"type": kind, kind: fields} if kind == "json_schema" else {"type": kind, **fields}


def _responses_format(format: Any) -> dict[str, Any]:
    fields = plain(format)
    kind = fields.get("type")
    return {"type": kind, **plain(fields["json_schema"])} if kind == "json_schema" else fields
