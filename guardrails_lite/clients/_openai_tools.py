"""What a request for a response declares, told as chat does: its tools, its choice of them, its format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from guardrails_lite._messages import get
from guardrails_lite._messages._paths import path_to
from guardrails_lite._messages._texts import plain


class Tools:
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


def chat_format(format: Any) -> dict[str, Any]:
    """A ``text.format`` as chat's ``response_format``."""
    fields = plain(format)
    kind = fields.pop("type", None)
    return {"type": kind, kind: fields} if kind == "json_schema" else {"type": kind, **fields}


def responses_format(format: Any) -> dict[str, Any]:
    """Chat's ``response_format`` as a ``text.format``."""
    fields = plain(format)
    kind = fields.get("type")
    return {"type": kind, **plain(fields["json_schema"])} if kind == "json_schema" else fields
