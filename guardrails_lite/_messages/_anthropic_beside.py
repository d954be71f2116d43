"""Messages of Anthropic's API and their events without the text that no rule has seen."""

from __future__ import annotations

import operator
from typing import Any

from guardrails_lite._messages import get
from guardrails_lite._messages._anthropic import CALL
from guardrails_lite._messages._beside import known_only

_OF_BLOCK = {
    "text": frozenset({"type", "text"}),
    "thinking": frozenset({"type", "thinking", "signature"}),
    "redacted_thinking": frozenset({"type", "data"}),
    CALL: frozenset({"type", "id", "name", "input", "caller", "toolset_name"}),
}
"""The blocks of an answer, and their fields: what is checked, identifiers, what the provider has sealed."""
_OF_MESSAGE = frozenset(
    ["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage", "container"]
)
_OF_EVENT = frozenset({"type", "index", "delta", "content_block", "message", "usage"})
_OF_DELTA = frozenset({"type", "text", "thinking", "partial_json", "signature"})
_OF_END = frozenset({"stop_reason", "stop_sequence", "container"})


def without_unscreened(raw: Any) -> Any:
    """*raw* without text that is part of no answer, so that no text is in it that was not checked."""
    raw = known_only(raw, _OF_MESSAGE)
    blocks = list(get(raw, "content") or ())
    checked = [_known(block) for block in blocks if get(block, "type") in _OF_BLOCK]
    if len(checked) == len(blocks) and all(map(operator.is_, checked, blocks)):
        return raw
    return _with(raw, content=checked)


def event_without_unscreened(event: Any) -> Any:
    """An event without what is read of none: what is cited, and blocks that are no answer."""
    event = known_only(event, _OF_EVENT)
    match get(event, "type"):
        case "content_block_delta":
            delta = get(event, "delta")
            checked = known_only(delta, _OF_DELTA)
            return event if checked is delta else _with(event, delta=checked)
        case "content_block_start":
            block = get(event, "content_block")
            if get(block, "type") not in _OF_BLOCK:
                return _with(event, content_block=None)
            checked = _known(block)
            return event if checked is block else _with(event, content_block=checked)
        case "message_delta":
            return bare_end(event)
        case _:
            return event


def _known(block: Any) -> Any:
    return known_only(block, _OF_BLOCK[get(block, "type")])


def bare_end(event: Any) -> Any:
    delta = get(event, "delta")
    left = known_only(delta, _OF_END) if delta is not None else None
    return event if left is delta else _with(event, delta=left)


def last_event(raw: Any) -> Any:
    """A signature; or the end of the stream, without the message that the SDK's own reader puts in it."""
    return raw if get(raw, "delta") is not None else known_only(raw, frozenset({"type"}))


def _with(source: Any, /, **changes: Any) -> Any:
    return source.model_copy(update=changes) if hasattr(source, "model_copy") else {**source, **changes}
