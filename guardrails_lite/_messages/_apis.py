"""The APIs beside chat completions: how a reply or an event of each is read, written and screened."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from guardrails_lite._messages import get

if TYPE_CHECKING:
    from guardrails_lite._messages import Reply, ToolCall, Usage
    from guardrails_lite._messages._reading import Chunk


class Hearing(Protocol):
    """Hears whether the events of one stream go together."""

    in_blocks: bool
    """The API tells of tools in blocks of the content."""
    usage: Usage | None
    """What the events so far say that the reply cost, where that is told in parts."""

    def hear(self, event: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Api:
    """What is done with replies of one API, whole and in events."""

    read: Callable[[Any], Reply]
    write: Callable[[Any, Reply], Any]
    with_parsed: Callable[[Any, object], Any]
    """With the typed value beside the text, where the client has a place for it."""
    without_unscreened: Callable[[Any], Any]
    read_event: Callable[[Any], Chunk]
    write_event: Callable[..., Any]
    write_call: Callable[[Any, int, ToolCall], Iterable[Any]]
    event_without_unscreened: Callable[[Any], Any]
    last_event: Callable[[Any], Any]
    """An event without content, as its reader can go through it."""
    hearing: Callable[[], Hearing]


_MISSING = object()


def api_of(raw: Any) -> Api | None:
    """The API that a whole reply comes from; None: it is a chat completion, or nothing that we know.

    A client reads the one or the other, whatever the server calls it, so the class of its object decides.
    """
    kind = get(raw, "object")
    if kind == "response":
        api, key = _responses, "output"
    elif kind is None and get(raw, "type") == "message" and get(raw, "role") == "assistant":
        api, key = _anthropic, "content"
    else:
        return None
    declared = declared_by(raw)
    if "choices" in declared or key in declared:
        return api() if key in declared else None
    return (
        api()
        if get(raw, "choices", _MISSING) is _MISSING and get(raw, key, _MISSING) is not _MISSING
        else None
    )


def declared_by(raw: Any) -> Collection[str]:
    """The fields that the class of a client's object has."""
    return getattr(type(raw), "__pydantic_fields__", ())


def api_of_event(event: Any) -> Api:
    """The API that an event comes from."""
    from guardrails_lite._messages._anthropic import EVENTS

    return _anthropic() if get(event, "type") in EVENTS else _responses()


def is_known_event(kind: str) -> bool:
    """Whether an event of this type belongs to one of the APIs. Some servers send others of their own."""
    from guardrails_lite._messages._anthropic import EVENTS

    return kind.startswith("response.") or kind == "error" or kind in EVENTS


@functools.cache
def _responses() -> Api:
    from guardrails_lite._messages import _responses, _responses_beside, _responses_writing
    from guardrails_lite._messages._agreement import Agreement

    return Api(
        read=_responses.read,
        write=_responses_writing.write,
        with_parsed=_responses_writing.with_parsed,
        without_unscreened=_responses_beside.without_unscreened,
        read_event=_responses.read_event,
        write_event=_responses_writing.write_event,
        write_call=_responses_writing.write_call,
        event_without_unscreened=_responses_beside.event_without_unscreened,
        last_event=lambda event: event,
        hearing=Agreement,
    )


@functools.cache
def _anthropic() -> Api:
    from guardrails_lite._messages import _anthropic, _anthropic_beside, _anthropic_writing
    from guardrails_lite._messages._anthropic_agreement import AnthropicAgreement

    return Api(
        read=_anthropic.read,
        write=_anthropic_writing.write,
        with_parsed=lambda raw, _: raw,
        without_unscreened=_anthropic_beside.without_unscreened,
        read_event=_anthropic.read_event,
        write_event=_anthropic_writing.write_event,
        write_call=_anthropic_writing.write_call,
        event_without_unscreened=_anthropic_beside.event_without_unscreened,
        last_event=_anthropic_beside.last_event,
        hearing=AnthropicAgreement,
    )
