"""What stands beside an answer, where no rule looks, goes to nobody."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai._models import construct_type
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from clients.keyed import BESIDE, MESSAGES, SAID, cited, every, keys, using
from guardrails_lite import (
    Guard,
    Retry,
    redact,
    target,
)
from guardrails_lite.testing import HttpReply, LoopbackServer, completion, tool_call
from guardrails_lite.testing._responses import response_events, response_of


def test_text_of_a_response_that_no_rule_sees_is_left_out() -> None:
    """A summary of reasoning is not part of the answer, so it is not screened, so it is not shown."""
    body = {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "model": "m",
        "output": [
            {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": SAID}]},
            {
                "type": "message",
                "id": "m",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "Hello.", "annotations": []}],
            },
        ],
    }
    with LoopbackServer([HttpReply(json.dumps(body).encode())]) as server:
        reply = using(openai.OpenAI, server, lambda c: c.responses.create(model="m", input="hi"))
    assert reply.output[0].id == "r"
    assert "sk-" not in reply.model_dump_json()
    assert reply.output_text == "Hello."


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("kind", [openai.OpenAI, openai.AsyncOpenAI], ids=lambda kind: kind.__name__)
def test_what_stands_beside_an_answer_and_no_rule_has_seen_is_left_out(
    kind: type[Any], api: str, streamed: bool
) -> None:
    """With output rules, streamed as whole; a guard without them changes nothing of a whole reply."""

    def ask(client: Any) -> Any:
        if api == "responses":
            made = client.responses.create(model="m", input="Hello.", stream=streamed)
        else:
            made = client.chat.completions.create(model="m", messages=MESSAGES, stream=streamed)
        return every(made) if streamed else made

    with LoopbackServer(then=cited(api)) as server:
        got = using(kind, server, ask)
        assert BESIDE not in repr(got)
        assert "See there." in repr(got) or streamed
        if not streamed:
            assert BESIDE in repr(using(kind, server, ask, Guard(retry=Retry(attempts=1))))


def test_a_field_that_a_server_adds_to_an_event_is_left_out() -> None:
    """A delta is told by the fields that the API has."""
    told = [
        {**event, "thinking": BESIDE} if "delta" in event else event
        for event in response_events(response_of(completion("See there.")))
    ]

    with LoopbackServer([HttpReply(told)]) as server:
        got = using(
            openai.OpenAI, server, lambda c: every(c.responses.create(model="m", input="Hello.", stream=True))
        )
    assert "".join(getattr(event, "delta", "") for event in got) == "See there."
    assert BESIDE not in repr(got)


@pytest.mark.parametrize("shape", ["dict", "object"])
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_function_is_held_to_the_same_as_a_client(api: str, shape: str) -> None:
    """What a guarded function returns is left without it, whoever made it; without rules nothing changes."""
    made, kind = cited(api), ChatCompletion if api == "chat" else Response
    reply: Any = made if shape == "dict" else construct_type(type_=kind, value=made)

    screening, watching = Guard(output=[redact(keys)]), Guard(output=[redact(keys)], mode="monitor")
    for guard, has_it in ((screening, False), (watching, True), (Guard(), True)):
        got = guard(lambda messages: reply)(MESSAGES)
        outcome = guard.run(lambda messages: reply, MESSAGES)
        assert type(got) is type(reply)
        for told in (got, outcome.value, outcome.reply.raw):
            assert "See there." in repr(told)
            assert (BESIDE in repr(told)) is has_it
    assert BESIDE in repr(reply)


@pytest.mark.parametrize("shape", ["dict", "object"])
def test_a_fallbacks_reply_too_is_left_without_what_no_rule_has_seen(shape: str) -> None:
    """Whoever made it, and where the caller takes a stream as well."""

    def fall(messages: Any, **_: Any) -> Any:
        whole = cited("chat")
        return whole if shape == "dict" else ChatCompletion.model_validate(whole)

    guard = Guard(output=[redact(keys)], retry=Retry(attempts=1), fallback=[target(fall)])
    with LoopbackServer(then=HttpReply.error(500)) as server:

        def ask(client: Any) -> Any:
            create = client.chat.completions.create
            return [create(model="m", messages=MESSAGES), *create(model="m", messages=MESSAGES, stream=True)]

        got = repr(using(openai.OpenAI, server, ask, guard))
    assert "See there." in got
    assert BESIDE not in got


SAID_BEFORE: dict[str, Any] = {
    "a string among the items": BESIDE,
    "a string among the parts": {"role": "user", "content": [BESIDE, {"type": "input_text", "text": "x"}]},
    "a field of a message": {"role": "user", "content": "x", "more": BESIDE},
    "a field of a part": {"role": "user", "content": [{"type": "input_text", "text": "x", "more": BESIDE}]},
    "a citation": {
        "type": "message",
        "role": "assistant",
        "id": "m1",
        "status": "completed",
        "content": [
            {"type": "output_text", "text": "x", "annotations": [{"type": "url_citation", "title": BESIDE}]}
        ],
    },
    "the name of a function": {"type": "function_call", "call_id": "c1", "name": BESIDE, "arguments": "{}"},
    "an object": {"type": "function_call_output", "call_id": "c1", "output": {"who": BESIDE}},
}


@pytest.mark.parametrize("item", SAID_BEFORE.values(), ids=SAID_BEFORE)
def test_every_text_of_an_item_is_screened_and_the_rest_is_sent_as_it_was(item: Any) -> None:
    """Whatever shape it comes in."""
    with LoopbackServer(then="Yes.") as server:
        client = openai.OpenAI(base_url=server.base_url, api_key="k")
        with Guard(input=[redact(keys)], tools=[], log=[]).wrap(client) as guarded:
            guarded.responses.create(model="m", input=[item, {"role": "user", "content": "go"}])
        (request,) = server.requests

    sent = json.dumps(request.body["input"][0])
    left = json.dumps(item).replace(BESIDE, "[KEY]")
    assert sent == left


@pytest.mark.parametrize("streamed", [False, True])
def test_a_field_that_a_server_adds_to_a_tool_call_is_left_out(streamed: bool) -> None:
    """Of a call there is what was checked; the name under which a client keeps its value tells nothing."""
    response = response_of(completion(tool_calls=[tool_call("find", {"number": 1})]))
    response["output"][0] |= {"parsed_arguments": {"number": BESIDE}, "more": BESIDE}
    body: Any = HttpReply(response_events(response)) if streamed else response
    found: Any = {
        "type": "function",
        "name": "find",
        "parameters": {"type": "object", "properties": {"number": {"type": "integer"}}},
    }

    def ask(client: Any) -> Any:
        made = client.responses.create(model="m", input="Hello.", tools=[found], stream=streamed)
        return every(made) if streamed else made

    with LoopbackServer([body]) as server:
        got = using(openai.OpenAI, server, ask)

    assert '"number": 1' in repr(got)
    assert BESIDE not in repr(got)


def test_citations_of_earlier_answers_are_not_sent_to_a_fallback() -> None:
    """Chat Completions has no such field. Where the request goes first they stay, as the rules leave them."""
    said = {**SAID_BEFORE["a citation"]["content"][0], "logprobs": [{"token": BESIDE}]}
    item = {**SAID_BEFORE["a citation"], "content": [{**said, "text": BESIDE}]}
    with LoopbackServer(then=HttpReply.error(500)) as first, LoopbackServer(["Yes."]) as second:
        fallback = openai.OpenAI(base_url=second.base_url, api_key="k")
        guard = Guard(
            input=[redact(keys)],
            retry=Retry(attempts=1),
            fallback=[target(fallback, model="m2")],
            log=[],
        )
        client = openai.OpenAI(base_url=first.base_url, api_key="k")
        with fallback, guard.wrap(client) as guarded:
            got = guarded.responses.create(model="m", input=[item])

    assert got.output_text == "Yes."
    (part,) = first.requests[0].body["input"][0]["content"]
    assert (part["text"], part["annotations"][0]["title"], part["logprobs"]) == ("[KEY]", "[KEY]", [])
    assert second.requests[0].body["messages"] == [
        {"role": "assistant", "content": [{"type": "text", "text": "[KEY]"}]}
    ]
