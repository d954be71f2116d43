"""What the client builds on `create`, `parse` and `stream`, ends as `create` does and shows no more."""

from __future__ import annotations

import asyncio
import json
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import cache
from typing import Annotated, Any, NamedTuple

import openai
import pytest
from pydantic import BaseModel, Field, field_validator

from guardrails_lite import (
    Exhausted,
    Finding,
    Guard,
    GuardrailsError,
    Record,
    Retry,
    Rule,
    block,
    fall_back,
    reask,
    redact,
    target,
    validator,
)
from guardrails_lite.testing import HttpReply, LoopbackServer, completion, tool_call
from guardrails_lite.testing._responses import response_of


class Note(BaseModel):
    """What is asked for, as a reply or as the arguments of a tool."""

    name: str
    text: str


KEY = "sk-12345678"
SOUND = '{"name": "Ada", "text": "sound"}'
MESSAGES: Any = [{"role": "user", "content": "hi"}]
FUNCTION: Any = openai.pydantic_function_tool(Note, name="save")
CHAT: Mapping[str, Any] = {"model": "m", "messages": MESSAGES, "tools": [FUNCTION]}
RESPONSES: Mapping[str, Any] = {
    "model": "m",
    "input": "hi",
    "tools": [{"type": "function", **FUNCTION["function"]}],
}
FORM = {"name": "Note", "strict": True, "schema": FUNCTION["function"]["parameters"]}
REPLIES = {
    "sound": completion(SOUND),
    "key in a field": completion(SOUND.replace("sound", f"{KEY} and on")),
    "field missing": completion('{"name": "Ada"}'),
    "prose": completion(f"There is no JSON here, but {KEY}."),
    "refusal": completion(None, refusal=f"I will not tell {KEY}."),
    "cut": completion(f'{{"name": "Ada", "text": "{KEY} and', finish_reason="length"),
    "cut, it says": completion(SOUND, finish_reason="length"),
    "filtered": completion(SOUND, finish_reason="content_filter"),
    "call": completion(tool_calls=[tool_call("save", SOUND)]),
    "key in a call": completion(tool_calls=[tool_call("save", SOUND.replace("sound", f"{KEY} and on"))]),
    "unknown call": completion(tool_calls=[tool_call("sav", SOUND.replace("sound", KEY))]),
    "call with a field missing": completion(tool_calls=[tool_call("save", {"name": KEY})]),
    "cut call": completion(tool_calls=[tool_call("save", f'{{"name": "{KEY}", "te')]),
}


@validator(window=12)
def keys(text: str) -> Iterator[Finding]:
    """Keys of eleven characters."""
    for match in re.finditer(r"sk-[0-9]{8}", text):
        yield Finding("holds a key", span=match.span(), category="KEY")


RULES = {"block": block(keys), "fall_back": fall_back(keys), "reask": reask(keys), "redact": redact(keys)}
HELPERS: Mapping[str, Callable[[Any], Any]] = {
    "chat.completions.parse": lambda c: c.chat.completions.parse(**CHAT, response_format=Note),
    "chat.completions.stream": lambda c: c.chat.completions.stream(**CHAT, response_format=Note),
    "responses.parse": lambda c: c.responses.parse(**RESPONSES, text_format=Note),
    "responses.stream": lambda c: c.responses.stream(**RESPONSES, text_format=Note),
}


class End(NamedTuple):
    """How a call ended, as far as every way of making it can tell."""

    outcomes: list[str]
    requests: int
    text: str | None
    arguments: list[Any]


class Shown:
    """Every byte that a caller was shown."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def add(self, thing: Any) -> None:
        """Keep all forms of an event, a snapshot, a reply or an error."""
        self.texts += [repr(thing), str(thing), repr(getattr(thing, "__dict__", ""))]
        if isinstance(thing, BaseModel):
            self.texts.append(thing.model_dump_json(warnings=False))


@pytest.mark.parametrize("verb", RULES)
@pytest.mark.parametrize("helper", HELPERS)
@pytest.mark.parametrize("kind", [openai.OpenAI, openai.AsyncOpenAI], ids=lambda kind: kind.__name__)
def test_a_helper_ends_as_create_does(kind: type[Any], helper: str, verb: str) -> None:
    """Law: the same record, the same requests, the same reply; and what the rule is about is never shown."""
    ends, shown = made(kind, HELPERS[helper], RULES[verb])

    assert ends == made_by_create(verb)
    assert KEY not in "\n".join(shown.texts)


def test_the_replies_end_in_many_ways() -> None:
    """Or the law would hold of nothing."""
    outcomes = {
        outcome for verb in RULES for end in made_by_create(verb).values() for outcome in end.outcomes
    }
    assert outcomes >= {"passed", "blocked", "re-asked", "fell back", "refused", "truncated", "filtered"}


class Odd(Note):
    """A type that says more than its JSON Schema."""

    @field_validator("text")
    @classmethod
    def _is_odd(cls, text: str) -> str:
        if len(text) % 2 == 0:
            raise ValueError("must be of odd length")
        return text


TYPED: Mapping[str, Callable[[Any], Any]] = {
    "chat.completions.parse": lambda c: c.chat.completions.parse(**CHAT, response_format=Odd),
    "chat.completions.stream": lambda c: c.chat.completions.stream(**CHAT, response_format=Odd),
    "responses.parse": lambda c: c.responses.parse(**RESPONSES, text_format=Odd),
    "responses.stream": lambda c: c.responses.stream(**RESPONSES, text_format=Odd),
}


@pytest.mark.parametrize("helper", TYPED)
@pytest.mark.parametrize("kind", [openai.OpenAI, openai.AsyncOpenAI], ids=lambda kind: kind.__name__)
def test_a_helper_holds_the_reply_to_the_type_itself(kind: type[Any], helper: str) -> None:
    """What its own validators refuse is asked for again, or ends in an error that does not quote it."""
    even = SOUND.replace("sound", "secret")
    records: list[Record] = []
    guard = Guard(retry=Retry(attempts=1), log=records.append)

    def call(client: Any, run: Callable[[Any], Any]) -> Any:
        given = TYPED[helper](client)
        return finished(given, Shown()) if kind is openai.OpenAI else run(afinished(given, Shown()))

    with LoopbackServer([even, SOUND], then=even) as server, asyncio.Runner() as loop:
        bare = kind(api_key="k", base_url=server.base_url)
        client = guard.wrap(bare)
        assert told(call(client, loop.run))[0] == SOUND
        with pytest.raises(Exhausted) as caught:
            call(client, loop.run)
        for each in (client, bare):
            closing = each.close()
            if closing is not None:
                loop.run(closing)
    assert [record.outcome for record in records] == ["re-asked", "schema failed"]
    assert "secret" not in "".join(traceback.format_exception(caught.value))


@cache
def made_by_create(verb: str) -> dict[str, End]:
    """How `chat.completions.create` ends with the same type as a JSON Schema, reply by reply."""
    form = {"type": "json_schema", "json_schema": FORM}
    ends, _ = made(
        openai.OpenAI, lambda c: c.chat.completions.create(**CHAT, response_format=form), RULES[verb]
    )
    return ends


def made(kind: type[Any], do: Callable[[Any], Any], rule: Rule) -> tuple[dict[str, End], Shown]:
    """Make a call for each of the replies; what comes after a first reply is sound."""
    ends: dict[str, End] = {}
    shown = Shown()
    firsts: list[Any] = []
    records: list[Record] = []
    other = target(model="other")
    guard = Guard(output=[rule], retry=Retry(attempts=1), fallback=[other], log=records.append)

    def try_out(reply: str, call: Callable[[], Any]) -> None:
        records.clear()
        firsts.append(HttpReply(REPLIES[reply], size=3))
        before = server.request_count
        last = None
        try:
            last = call()
        except GuardrailsError as error:
            shown.add(error)
        requests = server.request_count - before
        ends[reply] = End([record.outcome for record in records], requests, *told(last))

    with LoopbackServer(then=lambda request: firsts.pop() if firsts else SOUND) as server:
        if kind is openai.OpenAI:
            with kind(api_key="k", base_url=server.base_url) as bare, guard.wrap(bare) as client:
                for reply in REPLIES:
                    try_out(reply, lambda: finished(do(client), shown))
        else:
            with asyncio.Runner() as loop:
                bare = kind(api_key="k", base_url=server.base_url)
                client = guard.wrap(bare)
                for reply in REPLIES:
                    try_out(reply, lambda: loop.run(afinished(do(client), shown)))
                loop.run(client.close())
                loop.run(bare.close())
    return ends, shown


async def afinished(given: Any, shown: Shown) -> Any:
    """`finished` on an event loop."""
    if isinstance(given, AbstractAsyncContextManager):
        async with given as stream:
            async for event in stream:
                shown.add(event)
                if is_chat(stream):
                    shown.add(stream.current_completion_snapshot)
            last = await (stream.get_final_completion() if is_chat(stream) else stream.get_final_response())
    else:
        last = await given
    shown.add(last)
    return last


def finished(given: Any, shown: Shown) -> Any:
    """The reply, or what a stream came to when everything was read."""
    last = given
    if isinstance(given, AbstractContextManager):
        with given as stream:
            for event in stream:
                shown.add(event)
                if is_chat(stream):
                    shown.add(stream.current_completion_snapshot)
            last = stream.get_final_completion() if is_chat(stream) else stream.get_final_response()
    shown.add(last)
    return last


def is_chat(stream: Any) -> bool:
    """Whether this is a stream of `chat.completions`."""
    return hasattr(stream, "get_final_completion")


def told(last: Any) -> tuple[str | None, list[Any]]:
    """The text and the arguments of a reply. Types are held to: `parsed` is a Note, or nothing."""
    if last is None:
        return None, []
    if hasattr(last, "choices"):
        message = last.choices[0].message
        calls = [call.function for call in message.tool_calls or ()]
        text, parsed = message.content, getattr(message, "parsed", None)
    else:
        calls = [item for item in last.output if item.type == "function_call"]
        text, parsed = last.output_text or None, last.output_parsed
    assert parsed is None or isinstance(parsed, (Note, dict))
    return text, [json.loads(call.arguments) for call in calls]


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_the_typed_value_is_the_guards_whatever_a_server_sends(api: str) -> None:
    """A reply can hold a field of the name under which the value is found."""
    body: Any = completion(SOUND)
    forged = {"name": KEY, "text": KEY}
    if api == "responses":
        body = response_of(body) | {"output_parsed": forged}
        body["output"][0]["content"][0]["parsed"] = forged
    else:
        body["choices"][0]["message"]["parsed"] = forged
    with LoopbackServer([body]) as server:
        client = openai.OpenAI(base_url=server.base_url, api_key="k")
        with Guard(schema=Note, log=[]).wrap(client) as guarded:
            if api == "chat":
                got: Any = guarded.chat.completions.create(model="m", messages=MESSAGES)
                values = [got.choices[0].message.parsed]
            else:
                got = guarded.responses.create(model="m", input="hi")
                values = [got.output_parsed, got.output[0].content[0].parsed]

    assert values == [Note(name="Ada", text="sound")] * len(values)
    assert KEY not in got.model_dump_json(warnings=False)


@pytest.mark.parametrize("text", [f"{KEY} and on", f"{KEY}."], ids=["still fits", "no longer fits"])
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_what_a_function_has_parsed_is_what_the_rules_left(api: str, text: str) -> None:
    """The client parsed the reply before a rule changed it: its value would say what was masked."""

    class Long(BaseModel):
        name: str
        text: Annotated[str, Field(min_length=12)]

    with LoopbackServer([completion(SOUND.replace("sound", text))]) as server:
        client = openai.OpenAI(base_url=server.base_url, api_key="k")

        @Guard(output=[redact(keys)], log=[])
        def answer(messages: Any) -> Any:
            if api == "chat":
                return client.chat.completions.parse(model="m", messages=messages, response_format=Long)
            return client.responses.parse(model="m", input=messages, text_format=Long)

        with client:
            got: Any = answer(MESSAGES)

    parsed = got.choices[0].message.parsed if api == "chat" else got.output_parsed
    assert KEY not in repr(got)
    assert parsed == (None if text == f"{KEY}." else Long(name="Ada", text="[KEY] and on"))
