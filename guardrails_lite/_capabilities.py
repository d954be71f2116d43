"""What a fallback can take, and a request cut down to it: only where that was declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from guardrails_lite._arguments import by_name
from guardrails_lite._errors import ConfigError
from guardrails_lite._messages import Call, Message, get

CHARS_PER_TOKEN = 4
"""As many as English has: a request that is refused for its length by this estimate is surely too long."""

Can = bool | Literal["drop"]

_TOOL_PARAMS = frozenset({"tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"})
_IMAGES = frozenset({"image_url", "input_image", "image"})


@by_name
@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a target can handle: ``target(client, can=Capabilities(context=8_192, images="drop"))``.

    A request that needs more is not sent to it. With ``"drop"`` it is sent without what the target cannot
    handle, and the record says what was left out. What you do not declare is assumed to be supported.

    Raises:
        ConfigError: a value that cannot be.
    """

    context: int | None = None
    """Tokens that prompt and completion may have together. None: not known."""
    tools: Can = True
    """Whether it can call tools."""
    schema: Can = True
    """Whether it follows a JSON Schema in ``response_format``. The reply is checked in any case."""
    images: Can = True
    """Whether it can see images."""

    def __post_init__(self) -> None:
        context: object = self.context
        if context is not None and not (type(context) is int and context > 0):
            raise ConfigError(
                f"context={context!r} of Capabilities must be a whole number of tokens, or None."
            )
        for name in ("tools", "schema", "images"):
            value = getattr(self, name)
            if value is not True and value is not False and value != "drop":
                raise ConfigError(f"{name}={value!r} of Capabilities must be True, False or 'drop'.")

    def __repr__(self) -> str:
        shown = [
            f"{each.name}={getattr(self, each.name)!r}"
            for each in fields(self)
            if getattr(self, each.name) != each.default
        ]
        return f"Capabilities({', '.join(shown)})"


@dataclass(slots=True)
class Fitted:
    """A request as a target with these capabilities gets it."""

    call: Call
    lost: tuple[str, ...] = ()
    """What was left out of it."""
    lacks: str | None = None
    """Why it cannot be sent at all."""


def fitted(
    can: Capabilities, call: Call, *, chars: int, completion_tokens: int | None, outgrown: int = 0
) -> Fitted:
    """Cut *call* down to what the target can take, as far as that is declared.

    Args:
        can: What the target can take.
        call: The request.
        chars: The characters of everything that is said in it.
        completion_tokens: The longest reply that it asks for, where it does.
        outgrown: The longest context that has been found too short for it.
    """
    found = Fitted(call)
    for name, needs, without in (
        ("tools", _needs_tools, _without_tools),
        ("schema", _needs_schema, _without_schema),
        ("images", _needs_images, _without_images),
    ):
        ability = getattr(can, name)
        if ability is True or not needs(found.call):
            continue
        left = without(found.call) if ability == "drop" else None
        if left is None:
            found.lacks = f"it cannot take {name}"
            return found
        found.call = left
        found.lost += (name,)
    tokens = chars // CHARS_PER_TOKEN + (completion_tokens or 0)
    if can.context is not None and (tokens > can.context or can.context <= outgrown):
        found.lacks = "the request is too long for it"
    return found


def _needs_tools(call: Call) -> bool:
    return not call.params.keys().isdisjoint(_TOOL_PARAMS) or any(map(_is_of_tools, call.messages))


def _is_of_tools(message: Message) -> bool:
    return get(message, "role") in ("tool", "function") or bool(get(message, "tool_calls"))


def _without_tools(call: Call) -> Call | None:
    """None where the conversation has used tools, or must: nothing can stand for that."""
    choice = call.params.get("tool_choice", call.params.get("function_call"))
    if choice not in (None, "auto", "none") or any(map(_is_of_tools, call.messages)):
        return None
    return replace(call, params=_without_params(call, _TOOL_PARAMS))


def _needs_schema(call: Call) -> bool:
    chat, responses = call.params.get("response_format"), get(call.params.get("text"), "format")
    return "json_schema" in (get(chat, "type"), get(responses, "type"))


def _without_schema(call: Call) -> Call:
    return replace(call, params=_without_params(call, {"response_format", "text"}))


def _without_params(call: Call, names: frozenset[str] | set[str]) -> Mapping[str, Any]:
    return {name: value for name, value in call.params.items() if name not in names}


def _needs_images(call: Call) -> bool:
    return any(_is_image(part) for message in call.messages for part in _parts(message))


def _without_images(call: Call) -> Call | None:
    """None where a message is nothing but images."""
    messages: list[Message] = []
    for message in call.messages:
        left = [part for part in _parts(message) if not _is_image(part)]
        if len(left) == len(_parts(message)):
            messages.append(message)
        elif left and isinstance(message, Mapping):
            messages.append({**message, "content": left})
        else:
            return None
    return replace(call, messages=tuple(messages))


def _parts(message: Message) -> list[Any] | tuple[Any, ...]:
    content = get(message, "content")
    return content if isinstance(content, (list, tuple)) else ()


def _is_image(part: Any) -> bool:
    return get(part, "type") in _IMAGES
