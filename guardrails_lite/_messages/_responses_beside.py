"""What stands beside the answer of a response: texts in it that no output rule has seen, left out."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from typing import Any

from guardrails_lite._messages import get, with_fields
from guardrails_lite._messages._beside import known_only, spelling, without_more
from guardrails_lite._messages._reading import kind_of, string_of
from guardrails_lite._messages._responses import ARGUMENTS, SPOKEN, TEXT_OF
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
_IDENTIFYING = NO_TEXT - {"result", "caller", "environment"}
"""Those of them that are in any item of a reply, as a word."""
_OF_CALLER = frozenset({"type", "caller_id"})
_IMAGE = "image_generation_call"
DOCUMENTED = {
    "message": frozenset({"id", "type", "status", "role", "phase", "content"}),
    **{
        kind: frozenset({"id", "type", "status", "call_id", "name", "namespace", "async", "async_", said})
        | {"caller", "created_by", "encrypted_content"}
        for kind, said in ARGUMENTS.items()
    },
}
"""The fields of the items that an answer is made of."""
OF_PART = {kind: frozenset({"type", said, "annotations", "logprobs"}) for kind, said in TEXT_OF.items()}
_OF_EMPTY_PART = frozenset({"type"})
OF_RESPONSE = frozenset(
    [
        *("id", "object", "created_at", "completed_at", "status", "error", "incomplete_details", "model"),
        *("output", "usage", "background", "conversation", "instructions", "max_output_tokens", "metadata"),
        *("max_tool_calls", "parallel_tool_calls", "previous_response_id", "prompt", "prompt_cache_key"),
        *("prompt_cache_retention", "reasoning", "safety_identifier", "service_tier", "temperature", "text"),
        *("tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user", "moderation", "tool_usage"),
        *("access_programs", "image", "input_transformations", "prompt_cache_options"),
        "prompt_cache_diagnostics",
    ]
)
"""Fields of a response: the answer, how it came about, and the request once more."""
_OF_DELTA = frozenset(
    [
        *("type", "delta", "logprobs", "item_id", "output_index", "content_index", "sequence_number"),
        "obfuscation",  # the provider's random characters, which hide how long a delta is
    ]
)
_OF_ITEM_EVENT = frozenset({"type", "item_id", "output_index", "sequence_number", "item"})
_OF_RESPONSE_EVENT = frozenset({"type", "sequence_number", "response"})
"""Fields of an event that begins or ends an item, or the response."""
_DELTAS = frozenset({"response.output_text.delta", "response.refusal.delta"})


def without_unscreened(raw: Any) -> Any:
    """*raw* without text that is part of no answer, so that no text is in it that was not checked."""
    raw = without_more(raw, OF_RESPONSE)
    output = list(get(raw, "output") or ())
    checked = list(map(_without_unscreened, output))
    if all(map(operator.is_, checked, output)):
        return raw
    return with_fields(raw, output=checked)


def event_without_unscreened(event: Any) -> Any:
    """An event without what is read of none: beside a text, and in the response that it brings."""
    if kind_of(event) in _DELTAS:
        event = known_only(event, _OF_DELTA)
        if get(event, "logprobs"):
            event = with_fields(
                event, logprobs=spelling(get(event, "logprobs"), string_of(get(event, "delta")) or "")
            )
        return event
    response = get(event, "response")
    if response is None:
        return event
    return with_fields(known_only(event, _OF_RESPONSE_EVENT), response=without_more(response, OF_RESPONSE))


def event_about(event: Any, item: Any) -> Any:
    """An event that begins or ends an item, and says nothing but *item*."""
    return with_fields(known_only(event, _OF_ITEM_EVENT), item=item)


def _without_unscreened(item: Any) -> Any:
    kind = kind_of(item)
    if kind not in SPOKEN:
        return emptied(item)
    item = documented(item)
    if kind != "message":
        return item
    parts = list(get(item, "content"))
    checked = list(map(_checked_only, parts))
    return item if all(map(operator.is_, checked, parts)) else with_fields(item, content=checked)


def documented(item: Any) -> Any:
    """An item of an answer without the fields that a server adds."""
    item = known_only(item, DOCUMENTED[kind_of(item)])
    caller = get(item, "caller")
    return item if caller is None or _says_who(caller) else with_fields(item, caller=None)


def _says_who(caller: Any) -> bool:
    """Whether this is what a call is made by, and nothing else."""
    return known_only(caller, _OF_CALLER) is caller and not isinstance(caller, str)


def _checked_only(part: Any) -> Any:
    """A part of a message with the text of the answer only: what it cites is written by somebody else."""
    kind = kind_of(part)
    if kind not in TEXT_OF:
        return known_only(part, _OF_EMPTY_PART)
    part = known_only(part, OF_PART[kind])
    if tokens := get(part, "logprobs"):
        part = with_fields(part, logprobs=spelling(tokens, get(part, TEXT_OF[kind])))
    return with_fields(part, annotations=[]) if get(part, "annotations") else part


def emptied(item: Any) -> Any:
    """An item without its text: lists and texts become empty, objects None."""
    blank: dict[str, Any] = {
        name: "" if isinstance(value, str) else [] if isinstance(value, (list, tuple)) else None
        for name, value in _fields_with_text(item)
    }
    if not blank:
        return item
    return item.model_copy(update=blank) if hasattr(item, "model_copy") else {**plain(item), **blank}


def _fields_with_text(item: Any) -> Iterator[tuple[str, Any]]:
    """The fields of an item in which text can be."""
    fields = item.items() if isinstance(item, Mapping) else vars(item).items()
    extra = getattr(item, "__pydantic_extra__", None) or {}
    for name, value in (*fields, *extra.items()):
        if (
            value
            and not isinstance(value, (bool, int, float))
            and not _is_no_text(kind_of(item), name, value)
        ):
            yield name, value


def _is_no_text(kind: str, name: str, value: Any) -> bool:
    if isinstance(value, str):
        return name in _IDENTIFYING or (name == "result" and kind == _IMAGE)
    return name == "caller" and _says_who(value)
