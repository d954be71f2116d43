"""Turns with tools in content blocks, as Anthropic's Messages API has them, and in chat messages.

One API tells a call and its result in messages of their own, the other in blocks of the assistant's and the
user's content. What the library does with tools, it does with chat messages.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from guardrails_lite._messages import Message, get, told_call
from guardrails_lite._messages._model import ToolCall
from guardrails_lite._messages._reading import kind_of, string_of
from guardrails_lite._messages._texts import plain

_TOOLS = frozenset({"tool_use", "tool_result"})


def holds_tools(message: Message) -> bool:
    """Whether calls or results of tools are among the blocks of a message."""
    content = get(message, "content")
    return isinstance(content, (list, tuple)) and any(kind_of(block) in _TOOLS for block in content)


def in_chat(message: Message) -> Iterator[Message]:
    """A message as chat messages: its results, each by itself, and then what else it says."""
    if not holds_tools(message):
        yield message
        return
    rest, calls = [], []
    for block in get(message, "content"):
        match kind_of(block):
            case "tool_result":
                yield {
                    "role": "tool",
                    "tool_call_id": get(block, "tool_use_id"),
                    "content": get(block, "content"),
                }
            case "tool_use":
                calls.append(told_call(call_of(block)))
            case _:
                rest.append(block)
    if calls:
        yield {"role": get(message, "role"), "content": rest, "tool_calls": calls}
    elif rest:
        yield {"role": get(message, "role"), "content": rest}


def call_of(block: Any) -> ToolCall:
    """The call that a ``tool_use`` block tells of."""
    given = get(block, "input")
    if given is not None and not isinstance(given, str):  # whatever it is, it is looked at
        given = json.dumps(given, default=repr)
    return ToolCall(string_of(get(block, "id")) or "", string_of(get(block, "name")) or "", given or "")


def in_blocks(messages: Sequence[Message]) -> tuple[dict[str, Any], ...]:
    """Chat messages as the Messages API takes them: calls as blocks, all results of a turn in one message."""
    told: list[Any] = []
    for message in messages:
        content = get(message, "content")
        if get(message, "role") == "tool":
            result = {
                "type": "tool_result",
                "tool_use_id": get(message, "tool_call_id"),
                "content": content,
                "is_error": True,
            }
            if told and holds_tools(told[-1]) and told[-1]["role"] == "user":
                told[-1]["content"].append(result)
            else:
                told.append({"role": "user", "content": [result]})
        elif calls := get(message, "tool_calls"):
            said = [{"type": "text", "text": content}] if content else []
            told.append({"role": "assistant", "content": [*said, *map(_block_of, calls)]})
        else:
            told.append(plain(message))
    return tuple(told)


def _block_of(call: Mapping[str, Any]) -> dict[str, Any]:
    body = call["function"]
    try:
        given = json.loads(body["arguments"] or "{}")
    except ValueError:
        given = {}
    return {"type": "tool_use", "id": call["id"], "name": body["name"], "input": given}
