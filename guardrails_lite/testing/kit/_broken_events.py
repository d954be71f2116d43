"""Broken streams of events of OpenAI's Responses API, which tells each text and each call up to five times.

Each way to break a stream is one line of a table: of those that must not pass, or of those that may, because
what they lost is told elsewhere.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guardrails_lite.testing._shapes import JsonDict
from guardrails_lite.testing.kit._reply import SMUGGLED

Events = Sequence[Any]
Broken = Iterator[tuple[str, Events, bool]]
"""What is wrong, the events, and whether it can be mended."""

_ODD = {"of": "tomorrow"}
_UNKNOWN = "nothing_like_it_by_kit"
_ITEM_ADDED = "output_item.added"
_ITEM_DONE = "output_item.done"


def of_order(events: Sequence[JsonDict]) -> Broken:
    """Events missing, too many, or in no order."""
    stream = _Stream(events, next(place for place, event in enumerate(events) if "delta" in event))
    created, last, first = events[0], events[-1], events[stream.at]
    response = last["response"]
    other = {**created, "response": {**created["response"], "id": "resp_other"}}
    error = {"code": "server_error", "message": SMUGGLED}
    failed = {**response, "status": "failed", "output": []}
    cut = {**response, "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}

    def ends(kind: str, **more: Any) -> list[Any]:
        """The stream with another last event."""
        return [*events[:-1], {**last, "type": f"response.{kind}", **more}]

    def beside(odd: Any) -> list[Any]:
        """The stream with *odd* before its last event."""
        return [*events[:-1], odd, last]

    breaks = {
        "nothing": [],
        "no end": events[:-1],
        "stops in the text": stream.begun(),
        "stops before the text": events[:1],
        "stops when the text is done": stream.begun(
            *(event for event in events[stream.at + 1 : -3] if "delta" in event)
        ),
        "an error": stream.begun({"type": "error", **error, "param": None}),
        "an error object": stream.begun({"error": error}),
        "failed": stream.begun({**last, "type": "response.failed", "response": {**failed, "error": error}}),
        "failed without an error": ends("failed", response=failed),
        "incomplete": ends("incomplete", response=cut),
        "incomplete told of a completed response": ends("incomplete"),
        "completed told of an incomplete response": ends("completed", response=cut),
        "completed with null": ends("completed", response=None),
        "completed with nothing": [*events[:-1], {"type": "response.completed"}],
        "completed with a text": ends("completed", response=SMUGGLED),
        "the end first": [created, last, *events[1:-1]],
        "the end twice": [*events, last],
        "text after the end": [*events, first],
        "two replies": stream.begun(other, *events[1:]),
        "two replies, each whole": [*events, other, *events[1:]],
    }
    mends = {
        "an event without a type": beside({"delta": SMUGGLED}),
        "an event whose type is no word": beside({"type": _ODD, "delta": SMUGGLED}),
        "an event that is a number": beside(7),
        "an event that is null": beside(None),
        "an event that is a text": beside(SMUGGLED),
        "an event that is a list": beside([SMUGGLED]),
        "numbers repeated": [{**event, "sequence_number": 3} for event in events],
        "numbers backwards": [
            {**event, "sequence_number": 99 - event["sequence_number"]} for event in events
        ],
        "no numbers": [_without(event, "sequence_number") for event in events],
        "no first event": events[1:],
        "item ids changing": list(_renamed(events)),
        "no item ids": [_without(event, "item_id") for event in events],
    }
    yield from _told(breaks, mends)


def of_text(events: Sequence[JsonDict]) -> Broken:
    """Text that is told in several ways."""
    deltas = [place for place, event in enumerate(events) if event["type"].endswith("_text.delta")]
    stream, after_all = _Stream(events, deltas[0]), _Stream(events, deltas[-1])
    first, last = events[deltas[0]], events[deltas[-1]]
    smuggled = {"text": SMUGGLED}
    refusal = {"type": "response.refusal.delta", "content_index": 1, "delta": "I cannot."}
    thought = {"type": "response.reasoning_text.delta", "output_index": 3, "delta": SMUGGLED}
    part = {"type": "output_text", "text": SMUGGLED, "annotations": []}

    breaks = {
        "the text done is another": stream.changed("output_text.done", lambda e: e.update(smuggled)),
        "the part done says another text": stream.changed(
            "content_part.done", lambda e: e["part"].update(smuggled)
        ),
        "the item done says another text": stream.changed(
            _ITEM_DONE, lambda e: e["item"]["content"][0].update(smuggled)
        ),
        "the response says another text": stream.changed(
            "completed", lambda e: e["response"]["output"][0]["content"][0].update(smuggled)
        ),
        "the item done is unfinished": stream.changed(
            _ITEM_DONE, lambda e: e["item"].update(status="incomplete")
        ),
        "a delta lost": stream.in_place(),
        "a delta twice": stream.after(first),
        "text of an item never added": stream.after(
            {**first, "output_index": 7, "item_id": "msg_other", "delta": SMUGGLED}
        ),
        "text of a part never added": stream.after({**first, "content_index": 7, "delta": SMUGGLED}),
        "a delta that is no text": stream.before({**first, "delta": _ODD}),
        "a delta that is null": stream.in_place({**first, "delta": None}),
        "a refusal among the text": after_all.after({**_without(first, "logprobs"), **refusal}),
        "a message nobody streamed": stream.changed(
            "completed", lambda e: e["response"]["output"].insert(0, _other_message())
        ),
    }
    if first["delta"] != last["delta"]:
        swapped = list(events)
        swapped[deltas[0]], swapped[deltas[-1]] = last, first
        breaks["deltas in another order"] = swapped
    mends = {
        "parts never begun": [event for event in events if "content_part" not in event["type"]],
        "a text of tomorrow": stream.before(
            {**first, "type": "response.text_of_tomorrow.delta", "delta": SMUGGLED}
        ),
        "thoughts": stream.before({**first, **thought}),
        "a beginning that says it all": stream.changed(
            "created", lambda e: e["response"]["output"].append(_other_message())
        ),
        "an item added with its text": stream.changed(
            _ITEM_ADDED, lambda e: e["item"]["content"].append(part)
        ),
        "a part added with its text": stream.changed(
            "content_part.added", lambda e: e["part"].update(smuggled)
        ),
    }
    yield from _told(breaks, mends)


def of_call(events: Sequence[JsonDict]) -> Broken:
    """A call that is told in several ways."""
    stream = _Stream(events, next(place for place, event in enumerate(events) if "delta" in event))
    start = _Stream(events, next(at for at, e in enumerate(events) if e["type"] == f"response.{_ITEM_ADDED}"))
    first, added, last = events[stream.at], events[start.at], events[-1]
    [call] = last["response"]["output"]
    smuggled = f'{{"{SMUGGLED}": 1}}'

    def item(kind: str, **new: Any) -> list[Any]:
        """The stream with another item in the events of one kind."""
        return stream.changed(kind, lambda event: event["item"].update(new))

    def final(**new: Any) -> list[Any]:
        """The stream with another call in its last event."""
        return stream.changed("completed", lambda event: event["response"]["output"][0].update(new))

    breaks = {
        "no end": events[:-1],
        "cut off": stream.begun(),
        "the arguments done are others": stream.changed(
            "function_call_arguments.done", lambda e: e.update(arguments=smuggled)
        ),
        "the item done has other arguments": item(_ITEM_DONE, arguments=smuggled),
        "the response has other arguments": final(arguments=smuggled),
        "the item done has another name": item(_ITEM_DONE, name=_UNKNOWN),
        "the response has another name": final(name=_UNKNOWN),
        "the item added has another name": item(_ITEM_ADDED, name=_UNKNOWN),
        "the item done has another call_id": item(_ITEM_DONE, call_id="call_other"),
        "the item done is unfinished": item(_ITEM_DONE, status="incomplete"),
        "the item done is of another kind": item(_ITEM_DONE, type="custom_tool_call"),
        "without call_id": stream.changed(_ITEM_ADDED, lambda e: e["item"].pop("call_id")),
        "call_id no text": item(_ITEM_ADDED, call_id=_ODD),
        "added twice": start.after(added),
        "never added": start.in_place(),
        "a delta lost": stream.in_place(),
        "a delta twice": stream.after(first),
        "a delta that is no text": stream.before({**first, "delta": {}}),
        "arguments of an item never added": stream.after({**first, "output_index": 7, "delta": "{}"}),
        "free text among the arguments": stream.after(
            {**first, "type": "response.custom_tool_call_input.delta", "delta": "{}"}
        ),
        "another at its place": stream.after(
            {**added, "item": {**added["item"], "id": "fc_other", "call_id": "call_other", "name": _UNKNOWN}}
        ),
        "one that nobody streamed": stream.changed(
            "completed", lambda e: e["response"]["output"].append({**call, "call_id": "call_other"})
        ),
        "one that the response has not": stream.changed(
            "completed", lambda e: e["response"].update(output=[_other_message()])
        ),
        "all in its first event": [*item(_ITEM_ADDED, arguments=call["arguments"])[: start.at + 1], last],
    }
    mends = {
        "a place that is no number": [
            {**event, "output_index": {"of": 1}} if "output_index" in event else event for event in events
        ],
    }
    for name, told, is_mended in _told(breaks, mends):
        yield f"call: {name}", told, is_mended


@dataclass(frozen=True)
class _Stream:
    """A good stream, and one event of it around which it is broken."""

    events: Sequence[JsonDict]
    at: int

    def begun(self, *more: Any) -> list[Any]:
        """Up to the event, and *more*."""
        return [*self.events[: self.at + 1], *more]

    def before(self, *more: Any) -> list[Any]:
        return [*self.events[: self.at], *more, *self.events[self.at :]]

    def after(self, *more: Any) -> list[Any]:
        return [*self.begun(*more), *self.events[self.at + 1 :]]

    def in_place(self, *more: Any) -> list[Any]:
        return [*self.events[: self.at], *more, *self.events[self.at + 1 :]]

    def changed(self, kind: str, change: Callable[[JsonDict], object]) -> list[Any]:
        """All of it, with a change in the events of one kind."""
        told = copy.deepcopy(list(self.events))
        for event in told:
            if event["type"] == f"response.{kind}":
                change(event)
        return told


def _told(breaks: Mapping[str, Events], mends: Mapping[str, Events]) -> Broken:
    yield from ((name, events, False) for name, events in breaks.items())
    yield from ((name, events, True) for name, events in mends.items())


def _other_message() -> JsonDict:
    return {
        "type": "message",
        "id": "msg_other",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": SMUGGLED, "annotations": []}],
    }


def _renamed(events: Sequence[JsonDict]) -> Iterator[JsonDict]:
    for number, event in enumerate(copy.deepcopy(list(events))):
        if "item_id" in event:
            event["item_id"] = f"msg_{number}"
        if "item" in event:
            event["item"]["id"] = f"msg_{number}"
        yield event


def _without(event: JsonDict, key: str) -> JsonDict:
    return {name: value for name, value in event.items() if name != key}
