"""The tool calls and tool results in the messages of a request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from guardrails_lite._messages import Message, get
from guardrails_lite._messages._blocks import in_chat

REFUSED = "refused_"
"""How the ids begin under which refused calls stand in a history. They did not happen, so limits and orders
do not count them, and their answers are no results. No call of a model with such an id is let through, so
it can only be us who say so, also in a history that was stored."""


@dataclass(frozen=True, slots=True)
class PastCall:
    """A tool call of an earlier turn, with the message that answers it."""

    message: int
    """The place of the assistant message in the history."""
    id: str
    name: str
    arguments: str = field(repr=False)
    result: Any = field(default=None, repr=False)
    """The content of the tool message; None when `answered_at` is None."""
    answered_at: int | None = None
    """The place of the tool message; None when nothing answers the call."""


@dataclass(frozen=True, slots=True)
class History:
    """What the messages say about tools so far."""

    calls: tuple[PastCall, ...]
    """Those that were let through."""
    unanswered: tuple[PastCall, ...]
    """Calls without an answer, refused ones too: the provider refuses such a history."""
    strays: tuple[int, ...]
    """Tool messages that answer no call of the turn before them."""
    repeats: tuple[int, ...]
    """Tool messages that answer a call which another one had answered."""
    last_user: int
    """The place of the last message of the user; -1 when there is none."""

    @classmethod
    def of(cls, messages: Sequence[Message]) -> History:
        """Read *messages*. A tool message belongs to the nearest turn of the assistant above it.

        A turn may be several messages: the Responses API has an item for each of its calls. Refused calls
        need an answer like any other, and are then passed over: they did not happen.
        """
        calls: list[PastCall] = []
        strays: list[int] = []
        repeats: list[int] = []
        last_user = -1
        open_calls: dict[str, int] = {}
        role = None
        for place, message in _each(messages):
            before, role = role, get(message, "role")
            if role == "user":
                last_user = place
            if role == "assistant":
                if before != "assistant":
                    open_calls = {}
                for past in _calls_of(place, message):
                    open_calls[past.id] = len(calls)
                    calls.append(past)
            elif role == "tool" and not _is_of_the_provider(message):
                identity = get(message, "tool_call_id")
                at = open_calls.get(identity) if isinstance(identity, str) else None
                if at is None:
                    strays.append(place)
                elif calls[at].answered_at is not None:
                    repeats.append(place)
                else:
                    past = calls[at]
                    calls[at] = PastCall(
                        past.message, past.id, past.name, past.arguments, get(message, "content"), place
                    )
        return cls(
            tuple(call for call in calls if not call.id.startswith(REFUSED)),
            tuple(call for call in calls if call.answered_at is None),
            tuple(strays),
            tuple(repeats),
            last_user,
        )


def _each(messages: Sequence[Message]) -> Iterator[tuple[int, Message]]:
    """The messages with their places; of one that tells of tools in blocks, each block's."""
    for place, message in enumerate(messages):
        for told in in_chat(message):
            yield place, told


def _is_of_the_provider(message: Message) -> bool:
    """Whether it tells what a tool of the provider has returned: such an item has a type of its own."""
    return get(message, "tool_call_id") is None and isinstance(get(message, "type"), str)


def _calls_of(place: int, message: Message) -> Iterator[PastCall]:
    calls = get(message, "tool_calls")
    for call in calls if isinstance(calls, (list, tuple)) else ():
        body = get(call, "function")
        arguments = get(body, "arguments")
        if body is None:
            body = get(call, "custom")
            arguments = get(body, "input")
        identity, name = get(call, "id"), get(body, "name")
        yield PastCall(
            place,
            identity if isinstance(identity, str) else "",
            name if isinstance(name, str) else "",
            arguments if isinstance(arguments, str) else "",
        )
