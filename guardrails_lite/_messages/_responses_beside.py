"""What stands beside the answer of a response: texts in it that no output rule has seen, left out."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from typing import Any

from guardrails_lite._messages import get
from guardrails_lite._messages._beside import spelling, without_more
from guardrails_lite._messages._reading import string_of
from guardrails_lite._messages._responses import ARGUMENTS, SPOKEN, TEXT_OF, kind_of
from guardrails_lite._messages._texts import plain

NO_TEXT = frozenset(
    [
        "id",
        "type",
        "status",
        "call_id",
        "role",
        "name",
        "server_label",
        "phase",
        "encrypted_content",
        "result",
        "namespace",
        "fingerprint",
        "created_by",
        "caller",
        "approval_request_id",
        "container_id",
        "environment",
        "max_output_length",
    ]
)
"""Fields of an item that are no text of the model: identifiers, states, what is sealed, images."""
_DOCUMENTED = {
    "message": NO_TEXT | {"content"},
    **{kind: NO_TEXT | {said} for kind, said in ARGUMENTS.items()},
}
"""The fields of the items that an answer is made of."""
_OF_PART = frozenset({"type", "text", "refusal", "annotations", "logprobs"})
_OF_RESPONSE = frozenset(
    [
        *("id", "object", "created_at", "completed_at", "status", "error", "incomplete_details", "model"),
        *("output", "usage", "background", "conversation", "instructions", "max_output_tokens", "metadata"),
        *("max_tool_calls", "parallel_tool_calls", "previous_response_id", "prompt", "prompt_cache_key"),
        *("prompt_cache_retention", "reasoning", "safety_identifier", "service_tier", "temperature", "text"),
        *("tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user"),
    ]
)
"""Fields of a response: the answer, how it came about, and the request once more."""
_OF_DELTA = frozenset(
    [
        *("type", "delta", "logprobs", "item_id", "output_index", "content_index", "sequence_number"),
        "obfuscation",  # the provider's random characters, which hide how long a delta is
    ]
)
_DELTAS = frozenset({"response.output_text.delta", "response.refusal.delta"})


def without_unscreened(raw: Any) -> Any:
    """*raw* without text that is part of no answer, so that no text is in it that was not checked."""
    raw = without_more(raw, _OF_RESPONSE)
    output = list(get(raw, "output") or ())
    checked = list(map(_without_unscreened, output))
    if all(map(operator.is_, checked, output)):
        return raw
    return _with(raw, output=checked)


def event_without_unscreened(event: Any) -> Any:
    """An event without what is read of none: beside a text, and in the response that it brings."""
    if kind_of(event) in _DELTAS:
        event = _without_more(event, _OF_DELTA)
        if get(event, "logprobs"):
            event = _with(
                event, logprobs=spelling(get(event, "logprobs"), string_of(get(event, "delta")) or "")
            )
    response = get(event, "response")
    return event if response is None else _with(event, response=without_more(response, _OF_RESPONSE))


def _without_unscreened(item: Any) -> Any:
    kind = kind_of(item)
    if kind not in SPOKEN:
        return emptied(item) if any(fields_with_text(item)) else item
    item = documented(item)
    if kind != "message":
        return item
    parts = list(get(item, "content"))
    checked = list(map(_checked_only, parts))
    return item if all(map(operator.is_, checked, parts)) else _with(item, content=checked)


def documented(item: Any) -> Any:
    """An item of an answer without the fields that a server adds."""
    return _without_more(item, _DOCUMENTED[kind_of(item)])


def _checked_only(part: Any) -> Any:
    """A part of a message with the text of the answer only: what it cites is written by somebody else."""
    if kind_of(part) not in TEXT_OF:
        return emptied(part)
    part = _without_more(part, _OF_PART)
    if tokens := get(part, "logprobs"):
        part = _with(part, logprobs=spelling(tokens, get(part, TEXT_OF[kind_of(part)])))
    return _with(part, annotations=[]) if get(part, "annotations") else part


def _without_more(source: Any, known: frozenset[str]) -> Any:
    """A message or a part of one without the fields that a server adds."""
    named = source if isinstance(source, Mapping) else getattr(source, "model_extra", None) or ()
    more = {name: None for name in named if name not in known and get(source, name)}
    return _with(source, **more) if more else source


def emptied(item: Any) -> Any:
    """An item without its text: lists and texts become empty, objects None."""
    blank: dict[str, Any] = {
        name: "" if isinstance(value, str) else [] if isinstance(value, (list, tuple)) else None
        for name, value in fields_with_text(item)
    }
    return item.model_copy(update=blank) if hasattr(item, "model_copy") else {**plain(item), **blank}


def fields_with_text(item: Any) -> Iterator[tuple[str, Any]]:
    """The fields of an item in which text can be."""
    fields = item.items() if isinstance(item, Mapping) else vars(item).items()
    extra = getattr(item, "__pydantic_extra__", None) or {}
    for name, value in (*fields, *extra.items()):
        if name not in NO_TEXT and value and not isinstance(value, (bool, int, float)):
            yield name, value


def _with(source: Any, /, **changes: Any) -> Any:
    return source.model_copy(update=changes) if hasattr(source, "model_copy") else {**source, **changes}
