"""Broken replies as OpenAI's Responses API can tell them: objects with items, and streams of events.

What can be wrong with a completion is retold, and there is more that only this API can do: it says how a
response ended in three places, and each text and each call up to five times.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from guardrails_lite.testing._responses import response_events, response_of
from guardrails_lite.testing._shapes import JsonDict, completion, tool_call
from guardrails_lite.testing.kit._reply import SMUGGLED, BrokenReply

_ENDS = frozenset({"completed", "incomplete", "failed"})
_SIZE = 5
Broken = Iterator[tuple[str, Any, bool]]
"""What is wrong, the response or the events, and whether it can be mended."""


def retold(broken: Iterable[BrokenReply]) -> Iterator[BrokenReply]:
    """Broken completions as broken responses; those that are a matter of chunks are left out."""
    for each in broken:
        if each.frames is None:
            yield BrokenReply(each.name, response_of(each.reply), each.mends)


def of_text(text: str, *, is_good: bool) -> Iterator[BrokenReply]:
    """Ways in which a response that says *text* can be broken.

    Args:
        text: What it says.
        is_good: The guard takes this text, so what is the same in other words is tried too.
    """
    good = response_of(completion(text))
    yield from _whole(good, [*_of_state(good), *_of_items(good)], is_good=is_good)
    events = response_events(good, size=max(_SIZE, len(text) // 8))
    for name, told, mends in (*_of_order(events), *_of_text_events(events)):
        if is_good or not mends:
            yield _streamed(name, good, told, mends)


def of_call(name: str, arguments: str) -> Iterator[BrokenReply]:
    """Ways in which a response that makes one good call can be broken."""
    good = response_of(completion(tool_calls=[tool_call(name, arguments, id="call_kit")]))
    yield from _whole(good, _of_call_items(good), is_good=True)
    events = response_events(good, size=max(1, len(arguments) // 4))
    for what, told, mends in _of_call_events(events):
        yield _streamed(what, good, told, mends)


def _whole(
    good: JsonDict, broken: Iterable[tuple[str, Any, bool]], *, is_good: bool
) -> Iterator[BrokenReply]:
    """Each whole, and as the last event of a stream that went well until then."""
    events = response_events(good, size=10_000)[:-1]
    for name, response, mends in broken:
        if is_good or not mends:
            yield BrokenReply(f"response: {name}", response, mends, whole_only=True)
        status = response.get("status")
        kind = status if isinstance(status, str) and status in _ENDS else "completed"
        last = {"type": f"response.{kind}", "response": response, "sequence_number": len(events)}
        # Where the last event has no output, what was streamed stands for itself.
        mends = mends or (status == "completed" and not response.get("output"))
        if is_good or not mends:
            yield BrokenReply(f"response: in the end {name}", good, mends, frames=(*events, last))


def _streamed(name: str, good: JsonDict, events: Any, mends: bool) -> BrokenReply:
    return BrokenReply(f"events: {name}", good, mends, frames=tuple(events))


# --- whole ---


def _of_state(good: JsonDict) -> Broken:
    def stated(name: str, status: Any, **more: Any) -> tuple[str, JsonDict, bool]:
        return name, {**good, "status": status, **more}, False

    yield stated(
        "incomplete although it is whole", "incomplete", incomplete_details={"reason": "max_output_tokens"}
    )
    yield stated("incomplete without a reason", "incomplete")
    yield stated(
        "incomplete for a reason unknown", "incomplete", incomplete_details={"reason": "of tomorrow"}
    )
    yield stated("incomplete for no word", "incomplete", incomplete_details={"reason": {"of": "tomorrow"}})
    yield stated(
        "filtered although it is whole", "incomplete", incomplete_details={"reason": "content_filter"}
    )
    yield stated(
        "completed with a reason for being cut",
        "completed",
        incomplete_details={"reason": "max_output_tokens"},
    )
    yield stated("failed", "failed", error={"code": "server_error", "message": SMUGGLED})
    yield stated("failed without an error", "failed")
    yield stated("completed with an error", "completed", error={"code": "server_error", "message": SMUGGLED})
    yield stated("cancelled", "cancelled")
    yield stated("in progress", "in_progress")
    yield stated("queued", "queued")
    yield stated("in a state unknown", "paused")
    yield stated("in no state", None)
    yield stated("in a state that is no word", {"of": "tomorrow"})
    yield "without a state", {key: value for key, value in good.items() if key != "status"}, False


def _of_items(good: JsonDict) -> Broken:
    message = good["output"][0]
    part = message["content"][0]

    def output(name: str, *items: Any, mends: bool = False) -> tuple[str, JsonDict, bool]:
        return name, {**good, "output": list(items)}, mends

    def content(name: str, *parts: Any) -> tuple[str, JsonDict, bool]:
        return output(name, {**message, "content": list(parts)})

    yield "without output", {key: value for key, value in good.items() if key != "output"}, False
    yield "output null", {**good, "output": None}, False
    yield "output empty", {**good, "output": []}, False
    yield "output is one item", {**good, "output": message}, False
    yield "output is a text", {**good, "output": part["text"]}, False
    yield output("an item is a text", part["text"])
    yield output("an item is null", None, message)
    yield output("an item without a type", {key: value for key, value in message.items() if key != "type"})
    yield output("an item whose type is no word", {**message, "type": ["message"]}, message)
    yield output(
        "a message without content", {key: value for key, value in message.items() if key != "content"}
    )
    yield output("a message without content before the good one", {**message, "content": None}, message)
    yield output("a message whose content is a text", {**message, "content": part["text"]})
    yield output("an unfinished message", {**message, "status": "incomplete"})
    yield output("a message in progress", {**message, "status": "in_progress"})
    yield output("thoughts only", {"type": "reasoning", "id": "rs_kit", "summary": []})
    yield content("no part")
    yield content("a part is null", None, part)
    yield content("a part without a text", {"type": "output_text", "annotations": []})
    yield content("a part whose text is null", {**part, "text": None})
    yield content("a part whose text is no text", {**part, "text": {"of": "tomorrow"}})
    yield content("a part of another kind", {**part, "type": "text_of_tomorrow"})
    yield content("a part whose kind is no word", {**part, "type": {}}, part)
    yield content("refused beside the text", part, {"type": "refusal", "refusal": "I cannot."})
    thoughts = {"type": "reasoning", "id": "rs_kit", "summary": [{"type": "summary_text", "text": SMUGGLED}]}
    unknown = {"type": "item_of_tomorrow", "id": "it_kit", "status": "completed", "text": SMUGGLED}
    aside = {**part, "type": "text_of_tomorrow", "text": SMUGGLED}
    yield output("thoughts before it", thoughts, message, mends=True)
    yield output("an item unknown before it", unknown, message, mends=True)
    yield output("a part unknown beside it", {**message, "content": [part, aside]}, mends=True)


def _of_call_items(good: JsonDict) -> Broken:
    call = good["output"][0]

    def output(name: str, *items: Any, mends: bool = False) -> tuple[str, JsonDict, bool]:
        return f"call: {name}", {**good, "output": list(items)}, mends

    def without(key: str) -> JsonDict:
        return {name: value for name, value in call.items() if name != key}

    yield output("unfinished", {**call, "status": "incomplete"})
    yield output("in progress", {**call, "status": "in_progress"})
    yield output("one call_id twice", call, {**call, "id": "fc_other", "arguments": call["arguments"] + " "})
    yield output("the same again", call, {**call, "id": "fc_other", "call_id": "call_other"})
    yield output(
        "a good one beside a bad one",
        call,
        {**call, "call_id": "call_other", "name": "nothing_like_it_by_kit"},
    )
    yield output("without call_id", without("call_id"))
    yield output("call_id no text", {**call, "call_id": {"of": "tomorrow"}})
    yield output("without name", without("name"))
    yield output("name no text", {**call, "name": 7})
    yield output("without arguments", without("arguments")) if len(call["arguments"]) > 2 else output("none")
    yield output("arguments a list", {**call, "arguments": [call["arguments"]]})
    yield output(
        "as free text", {**without("arguments"), "type": "custom_tool_call", "input": call["arguments"]}
    )
    yield output("of a kind unknown", {**call, "type": "call_of_tomorrow"})
    refusal = response_of(completion(refusal="I cannot."))["output"][0]
    yield output("beside a refusal", call, refusal)
    yield output("without an id of its item", without("id"), mends=True)
    yield output("without a state", without("status"), mends=True)


# --- streamed ---


def _of_order(events: Sequence[JsonDict]) -> Broken:
    """Events missing, too many, or in no order."""
    first = next(place for place, event in enumerate(events) if "delta" in event)
    created, last = events[0], events[-1]
    other = {**created, "response": {**created["response"], "id": "resp_other"}}
    error = {"code": "server_error", "message": SMUGGLED}
    failed = {
        **last,
        "type": "response.failed",
        "response": {**last["response"], "status": "failed", "output": []},
    }
    cut = {**last["response"], "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}

    yield "nothing", [], False
    yield "no end", events[:-1], False
    yield "stops in the text", events[: first + 1], False
    yield "stops before the text", events[:1], False
    yield (
        "stops when the text is done",
        [*events[: first + 1], *(e for e in events[first + 1 : -3] if "delta" in e)],
        False,
    )
    yield "an error", [*events[: first + 1], {"type": "error", **error, "param": None}], False
    yield "an error object", [*events[: first + 1], {"error": error}], False
    yield (
        "failed",
        [*events[: first + 1], {**failed, "response": {**failed["response"], "error": error}}],
        False,
    )
    yield "failed without an error", [*events[:-1], failed], False
    yield "incomplete", [*events[:-1], {**last, "type": "response.incomplete", "response": cut}], False
    yield (
        "incomplete told of a completed response",
        [*events[:-1], {**last, "type": "response.incomplete"}],
        False,
    )
    yield "completed told of an incomplete response", [*events[:-1], {**last, "response": cut}], False
    yield "completed with null", [*events[:-1], {**last, "response": None}], False
    yield "completed with nothing", [*events[:-1], {"type": "response.completed"}], False
    yield "completed with a text", [*events[:-1], {**last, "response": SMUGGLED}], False
    yield "the end first", [created, last, *events[1:-1]], False
    yield "the end twice", [*events, last], False
    yield "text after the end", [*events, events[first]], False
    yield "two replies", [*events[: first + 1], other, *events[1:]], False
    yield "two replies, each whole", [*events, other, *events[1:]], False
    yield "an event without a type", [*events[:-1], {"delta": SMUGGLED}, last], True
    yield (
        "an event whose type is no word",
        [*events[:-1], {"type": {"of": "tomorrow"}, "delta": SMUGGLED}, last],
        True,
    )
    yield "an event that is a number", [*events[:-1], 7, last], True
    yield "an event that is null", [*events[:-1], None, last], True
    yield "an event that is a text", [*events[:-1], SMUGGLED, last], True
    yield "an event that is a list", [*events[:-1], [SMUGGLED], last], True
    yield "numbers repeated", [{**event, "sequence_number": 3} for event in events], True
    yield (
        "numbers backwards",
        [{**event, "sequence_number": 99 - event["sequence_number"]} for event in events],
        True,
    )
    yield "no numbers", [_without(event, "sequence_number") for event in events], True
    yield "no first event", events[1:], True
    yield "item ids changing", list(_renamed(events)), True
    yield "no item ids", [_without(event, "item_id") for event in events], True


def _of_text_events(events: Sequence[JsonDict]) -> Broken:
    """Text that is told in several ways."""
    deltas = [place for place, event in enumerate(events) if event["type"].endswith("_text.delta")]
    first, last = deltas[0], deltas[-1]
    at = events[first]

    def changed(kind: str, change: Callable[[JsonDict], None]) -> list[JsonDict]:
        told = copy.deepcopy(list(events))
        for event in told:
            if event["type"] == f"response.{kind}":
                change(event)
        return told

    def says(key: str) -> Callable[[JsonDict], None]:
        return lambda source: source.update({key: SMUGGLED})

    yield "the text done is another", changed("output_text.done", says("text")), False
    yield (
        "the part done says another text",
        changed("content_part.done", lambda e: says("text")(e["part"])),
        False,
    )
    yield (
        "the item done says another text",
        changed("output_item.done", lambda e: says("text")(e["item"]["content"][0])),
        False,
    )
    yield (
        "the response says another text",
        changed("completed", lambda e: says("text")(e["response"]["output"][0]["content"][0])),
        False,
    )
    yield (
        "the item done is unfinished",
        changed("output_item.done", lambda e: e["item"].update(status="incomplete")),
        False,
    )
    yield "a delta lost", [*events[:first], *events[first + 1 :]], False
    yield "a delta twice", [*events[: first + 1], at, *events[first + 1 :]], False
    if at["delta"] != events[last]["delta"]:
        swapped = list(events)
        swapped[first], swapped[last] = swapped[last], swapped[first]
        yield "deltas in another order", swapped, False
    yield (
        "text of an item never added",
        [
            *events[: first + 1],
            {**at, "output_index": 7, "item_id": "msg_other", "delta": SMUGGLED},
            *events[first + 1 :],
        ],
        False,
    )
    yield (
        "text of a part never added",
        [*events[: first + 1], {**at, "content_index": 7, "delta": SMUGGLED}, *events[first + 1 :]],
        False,
    )
    yield (
        "a delta that is no text",
        [*events[:first], {**at, "delta": {"of": "tomorrow"}}, *events[first:]],
        False,
    )
    yield "a delta that is null", [*events[:first], {**at, "delta": None}, *events[first + 1 :]], False
    refusal = {
        **_without(at, "logprobs"),
        "type": "response.refusal.delta",
        "content_index": 1,
        "delta": "I cannot.",
    }
    yield "a refusal among the text", [*events[: last + 1], refusal, *events[last + 1 :]], False
    nothing_more = [event for event in events if "content_part" not in event["type"]]
    yield (
        "a message nobody streamed",
        changed("completed", lambda e: e["response"]["output"].insert(0, _saying(e))),
        False,
    )
    yield "parts never begun", nothing_more, True
    yield (
        "a text of tomorrow",
        [
            *events[:first],
            {**at, "type": "response.text_of_tomorrow.delta", "delta": SMUGGLED},
            *events[first:],
        ],
        True,
    )
    yield (
        "thoughts",
        [
            *events[:first],
            {**at, "type": "response.reasoning_text.delta", "output_index": 3, "delta": SMUGGLED},
            *events[first:],
        ],
        True,
    )
    yield (
        "a beginning that says it all",
        changed("created", lambda e: e["response"]["output"].append(_saying(e))),
        True,
    )
    yield (
        "an item added with its text",
        changed(
            "output_item.added",
            lambda e: e["item"]["content"].append(
                {"type": "output_text", "text": SMUGGLED, "annotations": []}
            ),
        ),
        True,
    )
    yield "a part added with its text", changed("content_part.added", lambda e: says("text")(e["part"])), True


def _of_call_events(events: Sequence[JsonDict]) -> Broken:
    """A call that is told in several ways."""
    deltas = [place for place, event in enumerate(events) if "delta" in event]
    first = deltas[0]
    at, added = events[first], next(e for e in events if e["type"] == "response.output_item.added")
    start = list(events).index(added)

    def changed(kind: str, change: Callable[[JsonDict], None]) -> list[JsonDict]:
        told = copy.deepcopy(list(events))
        for event in told:
            if event["type"] == f"response.{kind}":
                change(event)
        return told

    def item(key: str, value: Any) -> Callable[[JsonDict], None]:
        return lambda event: event["item"].update({key: value})

    def final(key: str, value: Any) -> Callable[[JsonDict], None]:
        return lambda event: event["response"]["output"][0].update({key: value})

    other = {**added["item"], "id": "fc_other", "call_id": "call_other", "name": "nothing_like_it_by_kit"}
    yield "call: no end", events[:-1], False
    yield "call: cut off", events[: first + 1], False
    yield (
        "call: the arguments done are others",
        changed("function_call_arguments.done", lambda e: e.update(arguments=f'{{"{SMUGGLED}": 1}}')),
        False,
    )
    yield (
        "call: the item done has other arguments",
        changed("output_item.done", item("arguments", f'{{"{SMUGGLED}": 1}}')),
        False,
    )
    yield (
        "call: the response has other arguments",
        changed("completed", final("arguments", f'{{"{SMUGGLED}": 1}}')),
        False,
    )
    yield (
        "call: the item done has another name",
        changed("output_item.done", item("name", "nothing_like_it_by_kit")),
        False,
    )
    yield (
        "call: the response has another name",
        changed("completed", final("name", "nothing_like_it_by_kit")),
        False,
    )
    yield (
        "call: the item added has another name",
        changed("output_item.added", item("name", "nothing_like_it_by_kit")),
        False,
    )
    yield (
        "call: the item done has another call_id",
        changed("output_item.done", item("call_id", "call_other")),
        False,
    )
    yield (
        "call: the item done is unfinished",
        changed("output_item.done", item("status", "incomplete")),
        False,
    )
    yield (
        "call: the item done is of another kind",
        changed("output_item.done", item("type", "custom_tool_call")),
        False,
    )
    yield "call: without call_id", changed("output_item.added", lambda e: e["item"].pop("call_id")), False
    yield "call: call_id no text", changed("output_item.added", item("call_id", {"of": "tomorrow"})), False
    yield "call: added twice", [*events[: start + 1], added, *events[start + 1 :]], False
    yield "call: never added", [*events[:start], *events[start + 1 :]], False
    yield "call: a delta lost", [*events[:first], *events[first + 1 :]], False
    yield "call: a delta twice", [*events[: first + 1], at, *events[first + 1 :]], False
    yield "call: a delta that is no text", [*events[:first], {**at, "delta": {}}, *events[first:]], False
    yield (
        "call: arguments of an item never added",
        [*events[: first + 1], {**at, "output_index": 7, "delta": "{}"}, *events[first + 1 :]],
        False,
    )
    yield (
        "call: free text among the arguments",
        [
            *events[: first + 1],
            {**at, "type": "response.custom_tool_call_input.delta", "delta": "{}"},
            *events[first + 1 :],
        ],
        False,
    )
    yield (
        "call: another at its place",
        [*events[: first + 1], {**added, "item": other}, *events[first + 1 :]],
        False,
    )
    yield (
        "call: one that nobody streamed",
        changed(
            "completed",
            lambda e: e["response"]["output"].append({**e["response"]["output"][0], "call_id": "call_other"}),
        ),
        False,
    )
    yield (
        "call: one that the response has not",
        changed("completed", lambda e: e["response"].update(output=[_saying(e)])),
        False,
    )
    yield (
        "call: all in its first event",
        [
            *changed(
                "output_item.added", item("arguments", events[-1]["response"]["output"][0]["arguments"])
            )[: start + 1],
            events[-1],
        ],
        False,
    )
    yield (
        "call: a place that is no number",
        [{**e, "output_index": {"of": 1}} if "output_index" in e else e for e in events],
        True,
    )


def _saying(event: JsonDict) -> JsonDict:
    return {
        "type": "message",
        "id": "msg_other",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": SMUGGLED, "annotations": []}],
    }


def _renamed(events: Iterable[JsonDict]) -> Iterator[JsonDict]:
    for number, event in enumerate(copy.deepcopy(list(events))):
        if "item_id" in event:
            event["item_id"] = f"msg_{number}"
        if "item" in event:
            event["item"]["id"] = f"msg_{number}"
        yield event


def _without(event: JsonDict, key: str) -> JsonDict:
    return {name: value for name, value in event.items() if name != key}
