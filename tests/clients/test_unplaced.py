"""Events of a streamed response that do not say the place of their item, as llama.cpp's server sends them."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from guardrails_lite import Exhausted, Guard, Retry, StreamInterrupted, redact
from guardrails_lite.testing import HttpReply, LoopbackServer
from tests.clients.servers import PLANT, SAYS, THINKS
from tests.clients.test_servers import masked, plants

PART = {"type": "output_text", "annotations": [], "logprobs": [], "text": SAYS}
SAID = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [PART]}
THOUGHT = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [],
    "content": [{"type": "reasoning_text", "text": THINKS}],
    "encrypted_content": "",
}
TOOL: Any = {"type": "function", "name": "find", "parameters": {"type": "object"}, "strict": False}


def called(name: str, q: str) -> dict[str, Any]:
    """A call, which has no id besides that of the call."""
    arguments = json.dumps({"q": q})
    return {
        "type": "function_call",
        "status": "completed",
        "arguments": arguments,
        "call_id": name,
        "name": "find",
    }


def told(item: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of one item."""
    name = item.get("id") or item["call_id"]
    begun = {**item, "status": "in_progress"}
    match item["type"]:
        case "message":
            begun["content"] = []
            pieces = [SAYS[at : at + 5] for at in range(0, len(SAYS), 5)]
            more = [
                {"type": "response.content_part.added", "item_id": name, "part": {**PART, "text": ""}},
                *({"type": "response.output_text.delta", "item_id": name, "delta": each} for each in pieces),
                {"type": "response.output_text.done", "item_id": name, "text": SAYS},
                {"type": "response.content_part.done", "item_id": name, "part": PART},
            ]
        case "reasoning":
            begun["content"] = []
            more = [{"type": "response.reasoning_text.delta", "item_id": name, "delta": THINKS}]
        case _:
            begun["arguments"] = ""
            kind = "response.function_call_arguments.delta"
            pieces = [item["arguments"][:9], item["arguments"][9:]]
            more = [{"type": kind, "item_id": name, "delta": each} for each in pieces]
    added = {"type": "response.output_item.added", "item": begun}
    return [added, *more, {"type": "response.output_item.done", "item": item}]


def streamed(items: list[dict[str, Any]], output: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events of *items*, and those around them, of which the last tells the *output*."""
    response = {"id": "resp_1", "object": "response", "model": "m", "created_at": 1, "status": "in_progress"}
    usage = {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}
    ended = {**response, "status": "completed", "output": output, "usage": usage}
    return [
        {"type": "response.created", "response": response},
        *(event for item in items for event in told(item)),
        {"type": "response.completed", "response": ended},
    ]


def asked(events: list[dict[str, Any]]) -> tuple[Any, str]:
    """The response of the last event, and all that could be seen of the stream."""
    guard = Guard(output=[redact(plants)], retry=Retry(attempts=1), log=[])
    with (
        LoopbackServer([HttpReply(events)]) as server,
        openai.OpenAI(api_key="k", base_url=server.base_url) as bare,
    ):
        got = list(guard.wrap(bare).responses.create(model="m", input="Hello.", tools=[TOOL], stream=True))
    last: Any = got[-1]
    return last.response, "".join(each.model_dump_json(warnings=False) for each in got)


BERGEN = called("fc_2", "Bergen")
OSLO = called("fc_1", f"Oslo {PLANT}")


@pytest.mark.parametrize(
    "items", [[THOUGHT, SAID], [OSLO, BERGEN], [THOUGHT, SAID, OSLO], [SAID, OSLO, BERGEN]]
)
def test_each_event_belongs_to_the_item_that_it_names(items: list[dict[str, Any]]) -> None:
    """So that a text before a call, and one call after another, are not taken for one item told twice."""
    response, shown = asked(streamed(items, items))

    assert PLANT not in shown
    assert response.output_text == (masked(SAYS) if SAID in items else "")
    calls = [each.arguments for each in response.output if each.type == "function_call"]
    assert calls == [masked(each["arguments"]) for each in items if "arguments" in each]


@pytest.mark.parametrize("other", [{**OSLO, "arguments": "{}"}, BERGEN])
def test_items_that_contradict_the_last_event_are_a_fault_all_the_same(other: dict[str, Any]) -> None:
    """A call that was told in another way, or another call in its place."""
    with pytest.raises((Exhausted, StreamInterrupted), match="malformed reply"):
        asked(streamed([SAID, OSLO], [SAID, other]))
