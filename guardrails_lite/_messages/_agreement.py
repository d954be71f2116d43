"""Whether the events of a streamed response tell one story.

The Responses API tells each text and each call up to five times: in deltas, when its part is done, when its
item is done, and in the response of the last event. How it ended stands in the type of that event, in the
response and in each item. What is checked and released are the deltas, and a client may go by any of the
others. Where two differ, something was lost, doubled or mixed up on the way, and nobody can say which is the
answer: the stream ends there, as a fault of the transport.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from guardrails_lite._messages import ToolCall, Usage, _responses, get, with_fields
from guardrails_lite._messages._reading import MalformedError, kind_of

_TEXTS = ("output_text", "refusal")
_DELTAS: Mapping[str, str] = {f"response.{kind}.delta": kind for kind in _TEXTS}
_DONE: Mapping[str, str] = {f"response.{kind}.done": kind for kind in _TEXTS}
_CALL_DELTAS: Mapping[str, str] = {
    "response.function_call_arguments.delta": "function",
    "response.custom_tool_call_input.delta": "custom",
}
_CALL_DONE: Mapping[str, str] = {
    "response.function_call_arguments.done": "arguments",
    "response.custom_tool_call_input.done": "input",
}
_PART_BEGUN = "response.content_part.added"
_PART_DONE = "response.content_part.done"
_BEGUN = "response.created"
_ITEM_BEGUN = "response.output_item.added"
_ITEM_DONE = "response.output_item.done"
_ENDS = frozenset({"response.completed", "response.incomplete"})
_TELLING = frozenset(
    [
        *(*_DELTAS, *_DONE, *_CALL_DELTAS, *_CALL_DONE, *_ENDS),
        *(_BEGUN, _PART_BEGUN, _PART_DONE, _ITEM_BEGUN, _ITEM_DONE),
    ]
)
"""The events that tell of the answer. Others may come at any time."""
_FINISHED = frozenset({"stop", "tool_calls"})
_Place = tuple[int | None, int | None]
"""Of a part: the place of its item, and its own in it. None where a server does not say."""


class Agreement:
    """What one stream has said so far. Some servers leave out events that repeat, and none has to come."""

    in_blocks = False
    usage: Usage | None = None
    """What they say that the response cost is read from the last of them."""
    __slots__ = (
        "_begun",
        "_calls",
        "_ended",
        "_items",
        "_parts",
        "_places",
        "_said",
        "_texts",
        "_unfinished",
    )

    def __init__(self) -> None:
        self._begun = False
        self._ended = False
        self._unfinished = False
        self._items: set[int] = set()
        """The places of the items that were said to begin."""
        self._parts: set[_Place] = set()
        self._places = _Places()
        self._texts: dict[tuple[_Place, str], list[str]] = {}
        self._said: dict[str, list[str]] = {kind: [] for kind in _TEXTS}
        self._calls: dict[int | None, _Call] = {}

    def hear(self, event: Any) -> None:
        """Take the next event.

        Raises:
            MalformedError: it does not go with those before it.
        """
        kind = kind_of(event)
        if kind not in _TELLING:
            return
        if self._ended:
            raise MalformedError("events after the last")
        event = self._places.placed(event, kind)
        if kind in _DELTAS:
            self._text(event, _DELTAS[kind])
        elif kind in _CALL_DELTAS:
            self._arguments(event, _CALL_DELTAS[kind])
        elif kind in _DONE:
            key = "text" if kind == "response.output_text.done" else "refusal"
            _agree(get(event, key), self._heard(event, _DONE[kind]))
        elif kind in _CALL_DONE:
            call = self._calls.get(_responses.place_of(event))
            _agree(get(event, _CALL_DONE[kind]), None if call is None else "".join(call.arguments))
        elif kind in _ENDS:
            self._end(event)
        else:
            self._item_or_part(event, kind)

    def _item_or_part(self, event: Any, kind: str) -> None:
        if kind == _BEGUN:
            if self._begun:
                raise MalformedError("events of two responses")
            self._begun = True
        elif kind == _PART_BEGUN:
            self._parts.add(_place_of(event))
        elif kind == _PART_DONE:
            part = get(event, "part")
            if (of := kind_of(part)) in _TEXTS:
                _agree(get(part, "text" if of == "output_text" else "refusal"), self._heard(event, of))
        elif kind == _ITEM_BEGUN:
            self._begin_item(event)
        else:
            self._end_item(event)

    def _begin_item(self, event: Any) -> None:
        place = _responses.place_of(event)
        if place is not None:
            if place in self._items:
                raise MalformedError("two items at one place")
            self._items.add(place)
        item = get(event, "item")
        if kind_of(item) in _responses.ARGUMENTS:
            call = _responses.tool_call_of(item)
            self._calls[place] = _Call(call.id, call.name, call.kind)

    def _end_item(self, event: Any) -> None:
        place = _responses.place_of(event)
        items = _responses.items_of([get(event, "item")])
        self._unfinished |= any(map(_responses.is_unfinished, items))
        call = self._calls.get(place)
        self._compare(
            items,
            {kind: self._joined(place, kind) for kind in _TEXTS},
            [] if call is None else [call.told],
        )

    def _end(self, event: Any) -> None:
        self._ended = True
        response = get(event, "response")
        finish = _responses.finish_reason(response)
        if finish in _FINISHED and (self._unfinished or get(event, "type") == "response.incomplete"):
            raise MalformedError("an end told in two ways")
        items = _responses.items_of(get(response, "output"))
        if not items:  # some servers leave it out here
            return
        places = sorted(self._calls, key=lambda place: -1 if place is None else place)
        self._compare(
            items,
            {kind: "".join(said) for kind, said in self._said.items()},
            [self._calls[place].told for place in places],
        )

    @staticmethod
    def _compare(items: Sequence[Any], texts: Mapping[str, str], calls: Sequence[ToolCall]) -> None:
        """Whether *items* say what was heard."""
        for kind, heard in texts.items():
            _agree("".join(text for _, _, text in _responses.parts_of(items, kind)), heard)
        told = [_responses.tool_call_of(item) for item in items if kind_of(item) in _responses.ARGUMENTS]
        if told != calls:
            raise MalformedError("a call told in two ways")

    def _text(self, event: Any, kind: str) -> None:
        delta, place = get(event, "delta"), _place_of(event)
        item, part = place
        if not isinstance(delta, str):
            raise MalformedError("a delta without text")
        if (self._items and item is not None and item not in self._items) or (
            self._parts and part is not None and place not in self._parts
        ):
            raise MalformedError("text of a part that never began")
        self._texts.setdefault((place, kind), []).append(delta)
        self._said[kind].append(delta)

    def _arguments(self, event: Any, kind: str) -> None:
        delta, call = get(event, "delta"), self._calls.get(_responses.place_of(event))
        if not isinstance(delta, str):
            raise MalformedError("a delta without text")
        if call is None or call.kind != kind:
            raise MalformedError("arguments of a call that never began")
        call.arguments.append(delta)

    def _heard(self, event: Any, kind: str) -> str:
        return "".join(self._texts.get((_place_of(event), kind), ()))

    def _joined(self, place: int | None, kind: str) -> str:
        return "".join(
            piece
            for ((item, _), of), pieces in self._texts.items()
            if item == place and of == kind
            for piece in pieces
        )


class _Places:
    """The places of items that come in order and do not say them, as some servers send them."""

    __slots__ = ("_count", "_of")

    def __init__(self) -> None:
        self._count = 0
        self._of: dict[str, int] = {}
        """By the id of an item, or of its call."""

    def placed(self, event: Any, kind: str) -> Any:
        """*event* with its place, where that is known."""
        if _responses.place_of(event) is not None:
            return event
        item = get(event, "item")
        ids = get(event, "item_id"), get(item, "id"), get(item, "call_id")
        names = [name for name in ids if isinstance(name, str)]
        if kind == _ITEM_BEGUN:
            self._of |= dict.fromkeys(names, self._count)
            self._count += 1
        place = next((self._of[name] for name in names if name in self._of), None)
        return event if place is None else with_fields(event, output_index=place)


class _Call:
    __slots__ = ("arguments", "id", "kind", "name")

    def __init__(self, id: str, name: str, kind: str) -> None:
        self.id, self.name, self.kind = id, name, kind
        self.arguments: list[str] = []

    @property
    def told(self) -> ToolCall:
        return ToolCall(self.id, self.name, "".join(self.arguments), self.kind)


def _agree(told: Any, heard: str | None) -> None:
    if told != heard:
        raise MalformedError("a text told in two ways")


def _place_of(event: Any) -> _Place:
    nth = get(event, "content_index")
    return _responses.place_of(event), nth if type(nth) is int else None
