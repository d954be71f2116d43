"""Broken replies as OpenAI's Responses API can tell them whole: what can be wrong with its items and states.

What can be wrong with a completion is retold, and there is more that only this API can do: it says how a
response ended in three places. What can be wrong with its events is in `_broken_events`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from guardrails_lite.testing._responses import response_events, response_of
from guardrails_lite.testing._shapes import JsonDict, completion, tool_call
from guardrails_lite.testing.kit import _broken_events
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
    for name, told, mends in (*_broken_events.of_order(events), *_broken_events.of_text(events)):
        if is_good or not mends:
            yield BrokenReply(f"events: {name}", good, mends, frames=tuple(told))


def of_call(name: str, arguments: str) -> Iterator[BrokenReply]:
    """Ways in which a response that makes one good call can be broken."""
    good = response_of(completion(tool_calls=[tool_call(name, arguments, id="call_kit")]))
    yield from _whole(good, _of_call_items(good), is_good=True)
    events = response_events(good, size=max(1, len(arguments) // 4))
    for what, told, mends in _broken_events.of_call(events):
        yield BrokenReply(f"events: {what}", good, mends, frames=tuple(told))


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
