"""Tools, calls of them as a model makes them, and what the check says."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from guardrails_lite._messages import ToolCall
from guardrails_lite._tools import Toolbox, Verdict


def get_weather(city: str, days: int = 1) -> str:
    """Tell the weather."""
    return f"sun in {city} for {days} days"


def refund(order: str, cents: int) -> None:
    """Pay an order back."""


def look_up(order: str) -> dict[str, int]:
    """Look an order up."""
    return {"cents": 1}


class Note(BaseModel):
    """Take a note."""

    text: str


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "maximum": 5}},
            "required": ["city"],
        },
    },
}
SHELL = {"type": "custom", "custom": {"name": "shell"}}
BOX = Toolbox.of([get_weather, refund, Note])


def call(
    name: str = "get_weather", arguments: Any = '{"city": "Oslo"}', id: str = "call_1", kind: str = "function"
) -> ToolCall:
    """A call as the model makes it."""
    return ToolCall(id, name, arguments if isinstance(arguments, str) else json.dumps(arguments), kind)


def verdicts(
    *calls: ToolCall, box: Any = BOX, messages: Any = (), ran: Any = None, **params: Any
) -> tuple[Verdict, ...]:
    """What the check says."""
    box = box if isinstance(box, Toolbox) else Toolbox.of(box)
    return box.offered(params).check(calls, messages, ran=ran)


def reasons(*calls: ToolCall, **options: Any) -> list[str | None]:
    """The reasons alone."""
    return [verdict.reason for verdict in verdicts(*calls, **options)]


def turn(*calls: Any, results: Any = "{}") -> list[Any]:
    """An assistant message with calls, and an answer to each."""
    answers = [{"role": "tool", "tool_call_id": made["id"], "content": results} for made in calls]
    return [{"role": "assistant", "content": None, "tool_calls": list(calls)}, *answers]


USER = {"role": "user", "content": "go on"}
