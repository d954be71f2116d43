"""Nothing unchecked reaches the application: of replies that no API describes, every string."""

from __future__ import annotations

import json
import re
import traceback
import warnings
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.chat_completion import Choice
from openai.types.chat.chat_completion_chunk import Choice as ChunkChoice
from openai.types.responses import (
    Response,
    ResponseCustomToolCall,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)

from guardrails_lite import Finding, Guard, GuardrailsError, Record, Retry, redact, validator
from guardrails_lite._messages import _beside, _responses_beside
from guardrails_lite.testing import HttpReply, LoopbackServer, completion, tool_call
from guardrails_lite.testing._responses import response_events, response_of
from tests.clients import maximal
from tests.clients.test_everything_shown import (
    NOT_SCREENED,
    NOT_SCREENED_OF_A_RESPONSE,
    PLANT,
    REPLY,
    RESPONSE,
)


@validator(window=12)
def plants(text: str) -> Iterator[Finding]:
    """The planted word, which is not in the name of the rule."""
    for match in re.finditer(PLANT, text):
        yield Finding("was planted", span=match.span())


CALLS = [
    tool_call("find", {"q": "Hi"}),
    {"id": "c2", "type": "custom", "custom": {"name": "say", "input": "Hi"}},
]
FIND = {"name": "find", "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}}
TOOLS: dict[str, list[Any]] = {
    "chat": [{"type": "function", "function": FIND}, {"type": "custom", "custom": {"name": "say"}}],
    "responses": [{"type": "function", **FIND, "strict": False}, {"type": "custom", "name": "say"}],
}


def saying(**message: Any) -> dict[str, Any]:
    """The maximal reply with another message."""
    reply: dict[str, Any] = json.loads(json.dumps(REPLY))
    reply["choices"][0] |= {"message": {"role": "assistant", "content": "Hi"} | message}
    reply["choices"][0]["finish_reason"] = "tool_calls" if "tool_calls" in message else "stop"
    return reply


def chunked(reply: dict[str, Any]) -> list[Any]:
    """A reply told by a chunk with all of it, and one that ends it."""
    (choice,) = reply["choices"]
    told = {**reply, "object": "chat.completion.chunk", "obfuscation": "xy"}
    beside = {name: value for name, value in choice.items() if name != "message"}
    calls = [{"index": nth, **call} for nth, call in enumerate(choice["message"].get("tool_calls", ()))]
    delta = {**choice["message"], **({"tool_calls": calls} if calls else {})}
    said = {**beside, "delta": delta, "finish_reason": None}
    return [{**told, "choices": [each]} for each in (said, {**beside, "delta": {}})]


ITEMS = [
    *RESPONSE["output"],
    {"type": "program_output", "id": "i4", "call_id": "k", "result": "Hi", "status": "completed"},
    {"type": "a_call_of_tomorrow", "id": "i5", "result": "Hi", "environment": {"note": "Hi"}},
    *response_of(completion(None, tool_calls=CALLS))["output"],
]


def events() -> list[Any]:
    """A response told by events, and events that are not told anew."""
    made = response_events(response_of(completion("Hi", tool_calls=CALLS)), size=9)
    place = {"output_index": 7, "item_id": "i7"}
    search = {"type": "web_search_call", "id": "i7", "action": {"query": "Hi"}}
    made[2:2] = [
        {"type": "response.output_item.added", "output_index": 7, "item": search},
        {"type": "response.reasoning_summary_text.delta", **place, "summary_index": 0, "delta": "Hi"},
        {"type": "response.web_search_call.searching", **place},
        {"type": "response.of.tomorrow", **place},
        {"type": "response.output_item.done", "output_index": 7, "item": search},
        {"type": "response.queued", "response": made[0]["response"]},
    ]
    return made


REPLIES: dict[str, tuple[str, Any]] = {
    "a text": ("chat", REPLY),
    "calls": ("chat", saying(tool_calls=CALLS)),
    "speech": ("chat", saying(audio={"id": "a", "data": "AA", "expires_at": 1, "transcript": "Hi"})),
    "parts": ("chat", saying(content=[{"type": "text", "text": "Hi"}])),
    "chunks": ("chat", chunked(REPLY)),
    "chunks of calls": ("chat", chunked(saying(tool_calls=CALLS))),
    "a response": ("responses", {**RESPONSE, "output": ITEMS}),
    "events": ("responses", events()),
}
PASSED_ON = (
    *(rf"(\[\]\.)?({listed})" for listed in (*NOT_SCREENED, "service_tier", "obfuscation", "metadata")),
    r"choices\[\]\.message\.(tool_calls\[\]\.(id|type)|audio\.(id|data)|content\[\]\.type)",
    r"(\[\]\.)?choices\[\]\.delta\.(role|tool_calls\[\]\.(id|type))",
    *(rf"(\[\]\.response\.)?({listed})" for listed in NOT_SCREENED_OF_A_RESPONSE),
    r"(\[\]\.response\.)?(tool_choice|output\[\]\.(call_id|name))",
    r"\[\]\.(type|item_id|obfuscation|item\.(type|id|status|role|call_id|name))",
)
"""Where a text of a reply is passed on as it is, as `docs/explanation/security-model.md` says."""


class Asked:
    """A wrapped client of either API, of a server that says what it is told to."""

    def __init__(self, server: LoopbackServer, client: openai.OpenAI, records: list[Record]) -> None:
        self.server, self.client, self.records = server, client, records
        self.reply: Any = None

    def told(self, api: str, reply: Any) -> str:
        """All that can be seen of a reply: what is returned, the record, the error, the warnings."""
        streamed = isinstance(reply, list)
        self.reply = HttpReply(reply) if streamed else HttpReply(json.dumps(reply).encode())
        more: dict[str, Any] = {"model": "m", "tools": TOOLS[api], "stream": streamed}
        got: list[Any] = []
        self.records.clear()
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                if api == "chat":
                    made: Any = self.client.chat.completions.create(messages=[], **more)
                else:
                    made = self.client.responses.create(input="Hello.", **more)
                got.extend(made if streamed else [made])  # what came before an error is kept
            except GuardrailsError as error:
                got.append(error)
        shown = [each.model_dump_json(warnings=False) for each in got if not isinstance(each, Exception)]
        failed = [
            line for each in got if isinstance(each, Exception) for line in traceback.format_exception(each)
        ]
        kept = [repr(record.to_dict()) for record in self.records]
        return "\n".join([*shown, *failed, *kept, *(str(each.message) for each in warned), repr(got)])


@pytest.fixture(scope="module")
def asked() -> Iterator[Asked]:
    """One server and one client for all replies."""
    records: list[Record] = []
    guard = Guard(output=[redact(plants)], retry=Retry(attempts=1), log=[records.append])
    with (
        LoopbackServer(then=lambda request: made.reply) as server,
        openai.OpenAI(api_key="k", base_url=server.base_url) as bare,
    ):
        made = Asked(server, guard.wrap(bare), records)
        yield made


@pytest.mark.parametrize(("api", "reply"), REPLIES.values(), ids=REPLIES)
def test_a_text_where_no_api_has_one_is_left_out(asked: Asked, api: str, reply: Any) -> None:
    """In a field of any object, and in a list or an object in the place of a text; whole and streamed."""
    plain = asked.told(api, reply)
    assert "Hi" in plain
    assert "Error" not in plain

    holes = [
        maximal.shown(at)
        for at, odd in maximal.odd(reply, PLANT)
        if not any(re.fullmatch(pattern, maximal.shown(at)) for pattern in PASSED_ON)
        and PLANT in asked.told(api, odd)
    ]

    assert holes == []


def test_a_completion_that_calls_itself_a_response_is_one_all_the_same(asked: Asked) -> None:
    """What a client of an API reads is what the rules read, and what they change is what it gets."""
    told = asked.told("chat", {**saying(content=f"Say {PLANT}."), "object": "response"})

    assert "Say [REDACTED]." in told
    assert PLANT not in told


def test_a_response_that_also_brings_choices_is_malformed_or_read_as_a_response(asked: Asked) -> None:
    """The choices, which its client does not read, do not hide its output from the rules."""
    both = {**RESPONSE, "choices": REPLY["choices"]}
    (*rest, message) = both["output"]
    both["output"] = [*rest, {**message, "content": [{**message["content"][0], "text": f"Say {PLANT}."}]}]

    assert "Say [REDACTED]." in asked.told("responses", both)
    for reply in (both, {**both, "object": "chat.completion"}):
        assert PLANT not in asked.told("responses", reply)


DECLARED = [
    (ChatCompletion, _beside.OF_REPLY),
    (ChatCompletionChunk, _beside.OF_REPLY),
    (Choice, _beside.OF_CHOICE),
    (ChunkChoice, _beside.OF_CHOICE),
    (Response, _responses_beside.OF_RESPONSE),
    (ResponseOutputMessage, _responses_beside.DOCUMENTED["message"]),
    (ResponseFunctionToolCall, _responses_beside.DOCUMENTED["function_call"]),
    (ResponseCustomToolCall, _responses_beside.DOCUMENTED["custom_tool_call"]),
    (ResponseOutputText, _responses_beside.OF_PART["output_text"]),
]


@pytest.mark.parametrize(("kind", "known"), DECLARED, ids=lambda value: getattr(value, "__name__", ""))
def test_every_field_that_the_client_declares_is_known(kind: type[Any], known: frozenset[str]) -> None:
    """One of a newer version is left out until somebody has looked at what it holds."""
    assert known >= kind.model_fields.keys()
