"""What stands beside an answer: texts in a reply that no output rule has seen, and a reply without them."""

from __future__ import annotations

import copy
import operator
from collections.abc import Mapping
from typing import Any

from guardrails_lite._messages import get

_SCREENED = frozenset(
    [
        *("role", "content", "refusal", "tool_calls", "function_call", "reasoning_content", "reasoning"),
        *("audio", "parsed"),
    ]
)
"""Fields of a message that hold what was checked, or no text of their own."""


def without_unscreened(raw: Any) -> Any:
    """A reply without what no rule has seen: citations, and fields that a server adds to a message."""
    if isinstance(raw, str):
        return raw
    if get(raw, "object") == "response":
        from guardrails_lite._messages import _shapes_responses

        return _shapes_responses.without_unscreened(raw)
    choices = list(get(raw, "choices") or ())
    checked = list(map(_checked_only, choices))
    return raw if all(map(operator.is_, checked, choices)) else _with(raw, choices=checked)


def screened_fields(message: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a message of which nothing has to be left out."""
    return {name: value for name, value in message.items() if name in _SCREENED}


def _checked_only(choice: Any) -> Any:
    message = get(choice, "message")
    if isinstance(message, Mapping):
        left = screened_fields(message)
        return choice if len(left) == len(message) else _with(choice, message=left)
    named = ("annotations", *(getattr(message, "model_extra", None) or ()))
    beside = {name: None for name in named if name not in _SCREENED and get(message, name)}
    return _with(choice, message=_with(message, **beside)) if beside else choice


def _with(source: Any, /, **changes: Any) -> Any:
    if isinstance(source, Mapping):
        return {**source, **changes}
    if hasattr(source, "model_copy"):
        return source.model_copy(update=changes)
    made = copy.copy(source)
    for name, value in changes.items():
        setattr(made, name, value)
    return made
