"""Messages of Anthropic's API and their events without the text that no rule has seen."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

from guardrails_lite._messages import get, with_fields
from guardrails_lite._messages._anthropic import CALL
from guardrails_lite._messages._beside import known_only
from guardrails_lite._messages._reading import kind_of

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
_OF_EVENT = {
    "message_start": frozenset({"type", "message"}),
    "content_block_start": frozenset({"type", "index", "content_block"}),
    "content_block_delta": frozenset({"type", "index", "delta"}),
    "content_block_stop": frozenset({"type", "index"}),
    "message_delta": frozenset({"type", "delta", "usage"}),
}
_OF_DELTA = {
    "text_delta": frozenset({"type", "text"}),
    "thinking_delta": frozenset({"type", "thinking"}),
    "input_json_delta": frozenset({"type", "partial_json"}),
    "signature_delta": frozenset({"type", "signature"}),
}
_TYPE = frozenset({"type"})
_OF_END = frozenset({"stop_reason", "stop_sequence", "container"})


def without_unscreened(raw: Any) -> Any:
    """*raw* without text that is part of no answer, so that no text is in it that was not checked."""
    raw = known_only(raw, _OF_MESSAGE)
    blocks = list(get(raw, "content") or ())
    checked = [_known(block) for block in blocks if kind_of(block) in _OF_BLOCK]
    if len(checked) == len(blocks) and all(map(operator.is_, checked, blocks)):
        return raw
    return with_fields(raw, content=checked)


def event_without_unscreened(event: Any) -> Any:
    """An event without what is read of none: what is cited, and blocks that are no answer."""
    kind = kind_of(event)
    event = known_only(event, _OF_EVENT.get(kind, _TYPE))
    if kind == "message_delta":
        return bare_end(event)
    if kind == "content_block_delta":
        return _with_checked(event, "delta", _OF_DELTA)
    return _with_checked(event, "content_block", _OF_BLOCK) if kind == "content_block_start" else event


def _with_checked(event: Any, name: str, known: Mapping[str, frozenset[str]]) -> Any:
    """The event with what it brings, as far as its type is known; None in place of what is not."""
    brought = get(event, name)
    names = known.get(kind_of(brought))
    checked = None if names is None else known_only(brought, names)
    return event if checked is brought else with_fields(event, **{name: checked})


def _known(block: Any) -> Any:
    return known_only(block, _OF_BLOCK[kind_of(block)])


def bare_end(event: Any) -> Any:
    """The event that says how a message ended, without what the provider says of it in words."""
    delta = get(event, "delta")
    left = known_only(delta, _OF_END) if delta is not None else None
    return event if left is delta else with_fields(event, delta=left)


def last_event(raw: Any) -> Any:
    """A signature; or the end of the stream, without the message that the SDK's own reader puts in it."""
    return raw if get(raw, "delta") is not None else known_only(raw, _TYPE)
