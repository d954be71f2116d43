"""The events of a streamed response: heard as chat chunks by the engine, and told anew from what it releases.

The provider's ``delta`` and ``done`` events are not passed on: each repeats text that may be held back or
masked. What the caller gets is the same sequence made again: items and parts are opened and closed as the
provider did, under its identifiers, and say what was released. The last event carries the response as the
rules left it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from openai._models import construct_type
from openai.types.responses import ResponseStreamEvent

from guardrails_lite._messages import (
    Choice,
    Reply,
    ToolCall,
    _responses,
    _responses_beside,
    _responses_writing,
    get,
    with_fields,
)
from guardrails_lite._messages._agreement import Agreement
from guardrails_lite._messages._reading import kind_of, read_reply
from guardrails_lite._messages._texts import plain
from guardrails_lite._messages._writing import copied
from guardrails_lite.clients._openai_built import built, event_classes
from guardrails_lite.clients._openai_heard import Heard, Part

_OPENINGS = frozenset({"response.created", "response.in_progress", "response.queued"})
_ENDS = frozenset({"response.completed", "response.incomplete"})
_TOLD_ANEW = frozenset(
    [
        "response.output_text.delta",
        "response.output_text.done",
        "response.refusal.delta",
        "response.refusal.done",
        "response.content_part.added",
        "response.content_part.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.custom_tool_call_input.delta",
        "response.custom_tool_call_input.done",
    ]
)
_GONE_ON = _ENDS | {
    "response.output_text.delta",
    "response.refusal.delta",
    "response.function_call_arguments.delta",
    "response.custom_tool_call_input.delta",
}
"""What is heard of a stream that goes on with another's reply, besides the beginnings of tool calls."""
_PLACES = frozenset({"type", "item_id", "output_index", "content_index", "sequence_number"})
_PADDING = frozenset({"obfuscation"})
"""What the provider adds to a delta to hide its length: random characters."""


class ResponsesTelling:
    """One stream, on its way in (`read`) and on its way out (`write`, `end`).

    Args:
        own: Makes the response of the last event from the reply that was let through.
        screens: Output rules are in force, so text that they do not see is left out.
    """

    own: Any = None
    """No event passes untold."""

    def __init__(self, own: Callable[[Reply], Any], *, screens: bool) -> None:
        self._own = own
        self._screens = screens
        self._heard = Heard()
        self._number = 0
        self._indexes: dict[int, int] = {}
        self._open: _OpenItem | None = None
        self._agreement = Agreement()
        self._goes_on = False
        """A second stream goes on with the reply of a first: its text belongs to what is open."""
        self._done: list[Any] = []
        """The items that have been told to their end."""

    # --- in ---

    def begin(self) -> None:
        """The stream of an attempt begins."""
        self._agreement = Agreement()
        self._goes_on = self._number > 0
        if not self._goes_on:  # nothing of the attempt before has been released
            self._heard = Heard()

    def read(self, event: Any) -> tuple[Any, ...]:
        """What the engine gets to see of an event: a chat chunk, or nothing.

        Raises:
            UnreadableError: it contradicts the events before it.
        """
        chunk = _responses.read_event(event)
        if chunk.error is not None:
            return ({"error": _error_of(chunk.error)},)
        self._agreement.hear(event)
        kind = kind_of(event)
        if not kind or (self._goes_on and kind not in _GONE_ON and not chunk.deltas[0].tool_calls):
            return ()
        if kind in _ENDS:
            self._heard.final = get(event, "response")
        elif kind in ("response.output_item.added", "response.output_item.done"):
            self._hear_item(event)
        elif kind == "response.content_part.added":
            self._heard.begin(event)
        elif kind in _OPENINGS:
            self._hear_opening(event)
        elif kind not in _TOLD_ANEW and self._may_pass(event):
            self._heard.waiting.append(event)
        delta = chunk.deltas[0]
        if not (delta.text or delta.refusal or delta.tool_calls or kind in _ENDS):
            return ()
        if delta.text:
            self._heard.texts["output_text"].hear(delta.text, event)
        if delta.refusal:
            self._heard.texts["refusal"].hear(delta.refusal, event)
        said = {"content": delta.text, "refusal": delta.refusal, "tool_calls": delta.tool_calls}
        choice = {"index": 0, "delta": said, "finish_reason": delta.finish_reason}
        told = {"object": "chat.completion.chunk", "id": chunk.id, "model": chunk.model, "choices": [choice]}
        return ({**told, "usage": get(self._heard.final, "usage")} if kind in _ENDS else told,)

    def _hear_opening(self, event: Any) -> None:
        if get(get(event, "response"), "id") is None:  # it has no response to tell of
            return
        self._heard.waiting.append(
            _responses_beside.event_without_unscreened(event) if self._screens else event
        )

    def _hear_item(self, event: Any) -> None:
        item = get(event, "item")
        kind = kind_of(item)
        if self._screens:
            is_spoken = kind in _responses.SPOKEN
            item = _responses_beside.documented(item) if is_spoken else _responses_beside.emptied(item)
            event = _responses_beside.event_about(event, item)
        if kind in _responses.ARGUMENTS:
            self._heard.calls[_responses.tool_call_of(item).id] = event
        elif kind == "message":
            self._heard.messages[_responses.place_of(event)] = item
        else:
            self._heard.waiting.append(event)

    def _may_pass(self, event: Any) -> bool:
        """Whether an event that is not told anew may be passed on: it says nothing, or nobody checks."""
        return not self._screens or plain(event).keys() <= _PLACES

    # --- out ---

    def write(self, chunk: Any) -> tuple[Any, ...]:
        """What the caller gets of a released chunk."""
        return tuple(self._told(chunk))

    def _told(self, chunk: Any) -> Iterator[Any]:
        yield from self._passed_on()
        if isinstance(chunk, Mapping) and chunk.get("object") == "chat.completion.chunk":
            for choice in chunk["choices"]:
                delta = choice["delta"]
                yield from self._text("output_text", delta.get("content"))
                yield from self._text("refusal", delta.get("refusal"))
                for call in delta.get("tool_calls") or ():
                    body = call[call["type"]]
                    arguments = body.get("arguments", body.get("input"))
                    yield from self._call(ToolCall(call["id"], body["name"], arguments, call["type"]))
        else:  # the whole reply of a fallback
            reply = read_reply(chunk)
            choice = reply.choices[0] if reply.choices else Choice()
            yield from self._text("output_text", choice.text)
            yield from self._text("refusal", choice.refusal)
            for call in choice.tool_calls:
                yield from self._call(call)

    def end(self, outcome: Any) -> tuple[Any, ...]:
        """The last events: what is open is closed, and the response is told whole."""
        return () if outcome is None else tuple(self._ended(outcome.reply))  # None: closed early

    def _ended(self, reply: Reply) -> Iterator[Any]:
        yield from self._passed_on()
        yield from self._closed()
        final = self._heard.final
        if final is not None and reply.choices:
            if not get(final, "output"):  # some servers leave it out here
                final = with_fields(final, output=self._done)
            reply = Reply(reply.choices, raw=_responses_writing.write(final, reply))
        response = self._own(reply)
        status = get(response, "status")
        yield self._event(
            "response.incomplete" if status == "incomplete" else "response.completed", response=response
        )

    def _passed_on(self) -> Iterator[Any]:
        """The provider's events before what is now released, which say nothing themselves."""
        while self._heard.waiting:
            fields = dict(plain(self._heard.waiting.popleft()))
            kind = fields.pop("type")
            index = _responses.place_of(fields)
            if kind == "response.output_item.added":
                yield from self._closed()
                fields["output_index"] = self._index(index)
            elif index is not None:
                if index not in self._indexes:
                    continue
                fields["output_index"] = self._indexes[index]
            if kind in _OPENINGS:
                response = fields["response"]
                response = _responses_beside.without_unscreened(response) if self._screens else response
                fields["response"] = {**plain(response), "output": []}
            yield self._event(kind, **fields)

    def _text(self, kind: str, text: str | None) -> Iterator[Any]:
        for part, said in self._heard.texts[kind].divided(text) if text else ():
            yield from self._opened(part)
            assert self._open is not None
            self._open.said.append(said)
            yield self._delta(kind, said, self._heard.texts[kind].like)

    def _delta(self, kind: str, said: str, like: Any) -> Any:
        """An event that says *said*, made from one of the provider's where there is one: that is faster."""
        assert self._open is not None
        fields = {**self._open.place, "delta": said}
        if kind == "output_text":
            fields["logprobs"] = []
        if like is None or (self._screens and (like.model_extra or {}).keys() - _PADDING):
            return self._event(f"response.{kind}.delta", **fields)
        number, self._number = self._number, self._number + 1
        return copied(like, {**fields, "sequence_number": number})

    def _opened(self, part: Part) -> Iterator[Any]:
        """Open *part*, and its item; close what was open before."""
        item = self._open
        if item is not None and item.part is part:
            return
        if item is not None and item.part.output_index == part.output_index:
            yield from self._closed_part(item)
            item.part = part
        else:
            yield from self._closed()
            heard = self._heard.messages.get(part.output_index)
            fields = {"type": "message", "role": "assistant", **(plain(heard) if heard is not None else {})}
            fields = {**fields, "id": part.item_id, "status": "in_progress", "content": []}
            item = self._open = _OpenItem(fields, self._index(part.output_index), part)
            yield self._event("response.output_item.added", output_index=item.index, item=fields)
        yield self._event("response.content_part.added", **item.place, part=item.content(""))

    def _closed(self) -> Iterator[Any]:
        """Close the item that is open, if any."""
        item, self._open = self._open, None
        if item is not None:
            yield from self._closed_part(item)
            done = {**item.fields, "status": "completed", "content": item.done}
            yield self._event("response.output_item.done", output_index=item.index, item=done)

    def _closed_part(self, item: _OpenItem) -> Iterator[Any]:
        kind, text, place = item.part.kind, "".join(item.said), item.place
        logprobs: dict[str, Any] = {"logprobs": []} if kind == "output_text" else {}
        yield self._event(f"response.{kind}.done", **place, **{_responses.TEXT_OF[kind]: text}, **logprobs)
        part = item.content(text)
        yield self._event("response.content_part.done", **place, part=part)
        item.done.append(part)
        item.said.clear()

    def _call(self, call: ToolCall) -> Iterator[Any]:
        """A checked tool call, told at once."""
        yield from self._closed()
        heard = self._heard.calls.get(call.id)
        fields = {
            **_responses_writing.item_of(call),
            **(plain(get(heard, "item")) if heard is not None else {}),
        }
        key = _responses.ARGUMENTS[fields["type"]]
        fields |= {"name": call.name, key: call.arguments, "status": "completed"}
        index = self._index(_responses.place_of(heard))
        place = {"output_index": index, "item_id": fields["id"]}
        running = {**fields, key: "", "status": "in_progress"}
        yield self._event("response.output_item.added", output_index=index, item=running)
        kind = "function_call_arguments" if key == "arguments" else "custom_tool_call_input"
        yield self._event(f"response.{kind}.delta", **place, delta=call.arguments)
        name = {"name": call.name} if key == "arguments" else {}
        yield self._event(f"response.{kind}.done", **place, **name, **{key: call.arguments})
        yield self._event("response.output_item.done", output_index=index, item=fields)

    def _index(self, heard: int | None) -> int:
        """The next place in the output as it is told; *heard* is the provider's."""
        index = len(self._indexes)
        self._indexes[heard if heard is not None else -1 - index] = index
        return index

    def _event(self, kind: str, **fields: Any) -> Any:
        number, self._number = self._number, self._number + 1
        told = {**fields, "type": kind, "sequence_number": number}
        event = built(ResponseStreamEvent, told)
        if event is None:
            event = construct_type(type_=event_classes().get(kind, ResponseStreamEvent), value=told)
        if kind == "response.output_item.done":
            self._done.append(get(event, "item"))
        return event


class _OpenItem:
    """A message that is being told."""

    __slots__ = ("done", "fields", "index", "part", "said")

    def __init__(self, fields: dict[str, Any], index: int, part: Part) -> None:
        self.fields = fields
        self.index = index
        self.part = part
        self.said: list[str] = []
        self.done: list[Any] = []

    @property
    def place(self) -> dict[str, Any]:
        """The fields that say where a part is."""
        return {"output_index": self.index, "item_id": self.fields["id"], "content_index": len(self.done)}

    def content(self, text: str) -> dict[str, Any]:
        """The part, saying *text*."""
        kind = self.part.kind
        more: dict[str, Any] = {"annotations": [], "logprobs": []} if kind == "output_text" else {}
        return {"type": kind, _responses.TEXT_OF[kind]: text, **more}


def _error_of(error: Any) -> dict[str, Any]:
    fields = plain(error)
    return {name: fields[name] for name in ("code", "message", "type", "param") if name in fields}
