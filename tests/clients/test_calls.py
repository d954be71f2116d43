"""Calls of a wrapped client: guarded, and otherwise just what the client does."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from openai._models import construct_type
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response
from pydantic import BaseModel, field_validator

from guardrails_lite import (
    Blocked,
    ConfigError,
    Exhausted,
    Finding,
    Guard,
    Retry,
    Upstream,
    block,
    redact,
    target,
    validator,
)
from guardrails_lite.testing import HttpReply, LoopbackServer, chunks, completion, tool_call
from guardrails_lite.testing._responses import response_events, response_of
from guardrails_lite.testing._server import frame

KINDS = (openai.OpenAI, openai.AsyncOpenAI, openai.AzureOpenAI, openai.AsyncAzureOpenAI)
SAID = "The key is sk-12345678, keep it."
LEFT = "The key is [KEY], keep it."
MESSAGES: Any = [{"role": "user", "content": "Mine is sk-87654321."}]


@validator(window=12)
def keys(text: str) -> Iterator[Finding]:
    """Keys of eleven characters."""
    for match in re.finditer(r"sk-[0-9]{8}", text):
        yield Finding("holds a key", span=match.span(), category="KEY")


GUARD = Guard(input=[redact(keys)], output=[redact(keys)], retry=Retry(attempts=1))
Do = Callable[[Any], Any]


def using(kind: type[Any], server: LoopbackServer, do: Do, guard: Guard[Any] = GUARD) -> Any:
    """What *do* makes of a wrapped client of this class; a coroutine is run."""
    place = (
        {"azure_endpoint": server.base_url.removesuffix("/v1"), "api_version": "v"}
        if "Azure" in kind.__name__
        else {"base_url": server.base_url}
    )
    return _with(kind(api_key="k", **place), do, guard)


def _with(client: Any, do: Do, guard: Guard[Any]) -> Any:
    if "Async" not in type(client).__name__:
        with client, guard.wrap(client) as wrapped:
            return do(wrapped)

    async def run() -> Any:
        async with client, guard.wrap(client) as wrapped:
            value = do(wrapped)
            return await value if inspect.isawaitable(value) else value

    return asyncio.run(run())


async def _all(stream: Any) -> list[Any]:
    return [item async for item in await stream]


def every(stream: Any) -> Any:
    """All that a stream yields, or a coroutine that collects it."""
    return _all(stream) if inspect.isawaitable(stream) else list(stream)


def chat_text(chunks: list[Any]) -> str:
    """The text of chat chunks."""
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_wrapped_client_is_what_it_was(kind: type[Any]) -> None:
    """Its class, its settings and its options stay; a copy of it is guarded too."""
    with LoopbackServer(then=SAID) as server:

        def look(client: Any) -> Any:
            assert isinstance(client, kind)
            assert client.api_key == "k"
            again = client.with_options(timeout=7.0, max_retries=5)
            assert isinstance(again, type(client))
            assert (again.timeout, again.max_retries) == (7.0, 5)
            assert again.copy().timeout == 7.0
            return again.chat.completions.create(model="m", messages=MESSAGES)

        reply = using(kind, server, look)
        assert reply.choices[0].message.content == LEFT


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_chat_call_is_checked_both_ways_and_keeps_its_type(kind: type[Any]) -> None:
    """What the input rules left is sent; what the output rules left returns, in the client's type."""
    with LoopbackServer([HttpReply(SAID, headers={"x-request-id": "req_1"})]) as server:
        reply = using(kind, server, lambda c: c.chat.completions.create(model="m", messages=MESSAGES, seed=7))
        assert type(reply) is ChatCompletion
        assert reply.choices[0].message.content == LEFT
        assert reply._request_id == "req_1"
        sent = server.requests[0]
        assert sent.body == {
            "model": "m",
            "seed": 7,
            "messages": [{"role": "user", "content": "Mine is [KEY]."}],
        }


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_response_is_checked_both_ways_and_keeps_its_type(kind: type[Any]) -> None:
    """Instructions, messages, calls and their outputs are screened; the rest is sent as it was."""
    given = [
        {"role": "user", "content": [{"type": "input_text", "text": "sk-87654321"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a": "sk-87654321"}'},
        {"type": "function_call_output", "call_id": "c", "output": "sk-87654321"},
        {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "Hm."}]},
    ]
    with LoopbackServer([SAID]) as server:
        reply = using(
            kind,
            server,
            lambda c: c.responses.create(
                model="m", instructions="Hide sk-87654321.", input=given, max_output_tokens=9, store=False
            ),
        )
        assert type(reply) is Response
        assert reply.output_text == LEFT
        assert server.requests[0].body == {
            "model": "m",
            "instructions": "Hide [KEY].",
            "input": json.loads(json.dumps(given).replace("sk-87654321", "[KEY]")),
            "max_output_tokens": 9,
            "store": False,
        }


@pytest.mark.parametrize("kind", KINDS[:2], ids=lambda kind: kind.__name__)
def test_a_response_whose_input_is_a_text_stays_one(kind: type[Any]) -> None:
    """A text is sent as a text."""
    with LoopbackServer([SAID]) as server:
        using(kind, server, lambda c: c.responses.create(model="m", input="sk-87654321!"))
        assert server.requests[0].body == {"model": "m", "input": "[KEY]!"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_chat_stream_is_the_clients_own(kind: type[Any]) -> None:
    """It is an instance of the client's stream class, has a response, ends and tells its outcome."""
    with LoopbackServer([HttpReply(SAID, size=3, headers={"x-request-id": "req_1"})]) as server:

        def look(stream: Any) -> None:
            assert isinstance(stream, (openai.Stream, openai.AsyncStream))
            assert stream.response.headers["x-request-id"] == "req_1"
            assert stream.response.status_code == 200

        def read(client: Any) -> Any:
            stream = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
            if not inspect.isawaitable(stream):
                with stream:
                    look(stream)
                    return stream, list(stream)

            async def aread() -> Any:
                async with await stream as opened:
                    look(opened)
                    return opened, [chunk async for chunk in opened]

            return aread()

        stream, chunks = using(kind, server, read)
        assert {type(chunk) for chunk in chunks} == {ChatCompletionChunk}
        assert chat_text(chunks) == LEFT
        assert stream.outcome.record.outcome == "passed"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_stream_that_is_left_early_gives_its_connection_back(kind: type[Any]) -> None:
    """Closing a stream closes the upstream and completes the record as cancelled."""
    records: list[Any] = []
    guard = GUARD | Guard(log=[records.append])
    with LoopbackServer([HttpReply(SAID * 50, size=3)]) as server:

        def leave(client: Any) -> Any:
            stream = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
            if not inspect.isawaitable(stream):
                next(iter(stream))
                stream.close()
                return None

            async def aleave() -> None:
                opened = await stream
                async for _ in opened:
                    break
                await opened.close()

            return aleave()

        using(kind, server, leave, guard)
    assert [record.outcome for record in records] == ["cancelled"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_events_of_a_response_say_only_what_was_released(kind: type[Any]) -> None:
    """Deltas, the texts of the done events and the last response agree, and nothing else is said."""
    with LoopbackServer([HttpReply(SAID, size=3)]) as server:
        events = using(kind, server, lambda c: every(c.responses.create(model="m", input="hi", stream=True)))
        assert "".join(each.delta for each in events if each.type == "response.output_text.delta") == LEFT
        assert [each.text for each in events if each.type == "response.output_text.done"] == [LEFT]
        assert events[-1].type == "response.completed"
        assert events[-1].response.output_text == LEFT
        assert [each.sequence_number for each in events] == list(range(len(events)))
        assert not any("sk-" in each.model_dump_json() for each in events)


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("kind", KINDS[:2], ids=lambda kind: kind.__name__)
def test_a_raw_response_holds_the_checked_reply_in_every_form(
    kind: type[Any], streamed: bool, api: str
) -> None:
    """Headers are the provider's; the body is what the rules left, parsed or not."""
    with LoopbackServer([HttpReply(SAID, size=3, headers={"x-ratelimit": "9"})] * 3) as server:

        def ask(resource: Any) -> Any:
            said: Any = {"messages": MESSAGES} if api == "chat" else {"input": "hi"}
            return resource.create(model="m", **said, **({"stream": True} if streamed else {}))

        def raw(client: Any) -> Any:
            resource = client.chat.completions if api == "chat" else client.responses
            return ask(resource.with_raw_response)

        def bodies(client: Any) -> Any:
            resource = client.chat.completions if api == "chat" else client.responses
            opened = ask(resource.with_streaming_response)
            if hasattr(opened, "__enter__"):
                with opened as response:
                    return "\n".join(response.iter_lines())

            async def read() -> str:
                async with opened as response:
                    return "\n".join([line async for line in response.iter_lines()])

            return read()

        response = using(kind, server, raw)
        assert response.headers["x-ratelimit"] == "9"
        assert response.status_code == 200
        if not streamed:
            assert "sk-" not in response.text
            assert "[KEY]" in response.text
            parsed = response.parse()
            text = parsed.choices[0].message.content if api == "chat" else parsed.output_text
            assert text == LEFT
        body = using(kind, server, bodies)
        assert "sk-" not in body
        assert "KEY" in body


@pytest.mark.parametrize("kind", KINDS[:2], ids=lambda kind: kind.__name__)
def test_the_clients_own_helpers_run_on_guarded_streams(kind: type[Any]) -> None:
    """`chat.completions.stream` and `responses.stream` accumulate what was released."""
    with LoopbackServer([HttpReply(SAID, size=3)] * 2) as server:

        def both(client: Any) -> Any:
            chat = client.chat.completions.stream(model="m", messages=MESSAGES)
            response = client.responses.stream(model="m", input="hi")
            if hasattr(chat, "__enter__"):
                with chat as events:
                    said = events.get_final_completion().choices[0].message.content
                with response as events:
                    return said, events.get_final_response().output_text

            async def read() -> Any:
                async with chat as events:
                    said = (await events.get_final_completion()).choices[0].message.content
                async with response as events:
                    return said, (await events.get_final_response()).output_text

            return read()

        assert using(kind, server, both) == (LEFT, LEFT)


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int

    @field_validator("age")
    @classmethod
    def _is_odd(cls, age: int) -> int:
        if age % 2 == 0:
            raise ValueError("must be odd")
        return age


ODD, EVEN = '{"name": "Ada", "age": 37}', '{"name": "Ada", "age": 36}'


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("kind", KINDS[:2], ids=lambda kind: kind.__name__)
def test_parse_asks_again_until_the_type_itself_is_satisfied(kind: type[Any], api: str) -> None:
    """The type given to `parse` is enforced with all its validators, also around fences."""
    with LoopbackServer([EVEN, f"```json\n{ODD}\n```"]) as server:

        def parse(client: Any) -> Any:
            if api == "chat":
                return client.chat.completions.parse(model="m", messages=MESSAGES, response_format=Person)
            return client.responses.parse(model="m", input="hi", text_format=Person)

        reply = using(kind, server, parse)
        parsed = reply.choices[0].message.parsed if api == "chat" else reply.output_parsed
        assert parsed == Person(name="Ada", age=37)
        assert server.request_count == 2


def test_a_type_that_is_never_satisfied_ends_without_a_value_in_the_error() -> None:
    """The client's own ValidationError would quote the reply; ours does not."""
    with LoopbackServer(then='{"name": "Secretly", "age": 36}') as server:
        with pytest.raises(Exhausted) as caught:
            using(
                openai.OpenAI,
                server,
                lambda c: c.chat.completions.parse(model="m", messages=MESSAGES, response_format=Person),
            )
        assert caught.value.outcome == "schema failed"
        assert "Secretly" not in str(caught.value) + repr(caught.value.__cause__)


def test_a_response_format_is_enforced_though_the_guard_declares_nothing() -> None:
    """A JSON Schema of the request holds the reply, in `create` too."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    form: Any = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    with LoopbackServer(['{"n": "x"}', '{"n": 1}']) as server:
        reply = using(
            openai.OpenAI,
            server,
            lambda c: c.chat.completions.create(model="m", messages=MESSAGES, response_format=form),
        )
        assert reply.choices[0].message.content == '{"n": 1}'
        assert server.request_count == 2


TOOL: dict[str, Any] = {
    "name": "add",
    "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
}
WRONG, RIGHT = (completion(None, tool_calls=[tool_call("add", {"n": n})]) for n in ("x", 1))


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_wrong_call_of_a_responses_tool_is_asked_again(streamed: bool) -> None:
    """The refused call and why go back as items, and the caller sees the right call only."""
    with LoopbackServer([WRONG, RIGHT]) as server:
        got = using(
            openai.OpenAI,
            server,
            lambda c: (
                every(
                    c.responses.create(
                        model="m", input="hi", tools=[{"type": "function", **TOOL}], stream=True
                    )
                )
                if streamed
                else c.responses.create(model="m", input="hi", tools=[{"type": "function", **TOOL}])
            ),
        )
        response = got[-1].response if streamed else got
        assert [item.arguments for item in response.output] == ['{"n": 1}']
        again = server.requests[1].body
        assert again["tools"] == [{"type": "function", **TOOL}]
        kinds = [item.get("type", item.get("role")) for item in again["input"]]
        assert kinds == ["user", "function_call", "function_call_output"]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize(
    "guard", [Guard(retry=Retry(attempts=1)), Guard(schema=Person)], ids=["bare", "schema"]
)
@pytest.mark.parametrize(
    "tools",
    [{}, {"tools": []}, {"tools": [{"type": "web_search"}]}],
    ids=["none", "an empty list", "the provider's"],
)
def test_a_call_of_a_request_without_tools_is_refused(
    tools: dict[str, Any], guard: Guard[Any], api: str, streamed: bool
) -> None:
    """A request that offers no tool is answered by none, declared or not; the model is asked again."""
    with LoopbackServer([RIGHT, ODD]) as server:

        def ask(client: Any) -> Any:
            resource = client.chat.completions if api == "chat" else client.responses
            said: Any = {"messages": MESSAGES} if api == "chat" else {"input": "hi"}
            got = resource.create(model="m", **said, **tools, **({"stream": True} if streamed else {}))
            return every(got) if streamed else got

        got = using(openai.OpenAI, server, ask, guard)
        if api == "responses":
            text = (got[-1].response if streamed else got).output_text
        else:
            text = chat_text(got) if streamed else got.choices[0].message.content
        assert text == ODD
        assert server.request_count == 2


def test_a_stored_prompt_may_bring_tools_of_its_own() -> None:
    """What it offers is not known here, so a call that answers it is let through."""
    with LoopbackServer([RIGHT]) as server:
        prompt: Any = {"id": "pmpt_1"}
        got = using(
            openai.OpenAI,
            server,
            lambda c: c.responses.create(model="m", input="hi", prompt=prompt),
            Guard(retry=Retry(attempts=1)),
        )
        assert [item.name for item in got.output] == ["add"]


def test_the_clients_own_retries_are_off_under_the_guard() -> None:
    """One owner of retries: two attempts of the guard are two requests, whatever the client would do."""
    guard = Guard(retry=Retry(attempts=2, wait=0))
    with LoopbackServer(then=HttpReply.error(500)) as server:
        with pytest.raises(Exhausted):
            using(
                openai.OpenAI,
                server,
                lambda c: c.with_options(max_retries=5).chat.completions.create(model="m", messages=MESSAGES),
                guard,
            )
        assert server.request_count == 2
        assert {request.headers["x-stainless-retry-count"] for request in server.requests} == {"0"}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("kind", KINDS[:2], ids=lambda kind: kind.__name__)
def test_a_fixed_answer_comes_in_the_clients_own_shape(kind: type[Any], streamed: bool) -> None:
    """A fallback's text is a completion, a response, or the chunks of one."""
    guard = Guard(retry=Retry(attempts=1), fallback=[target("Sorry.")])
    with LoopbackServer(then=HttpReply.error(500)) as server:
        more = {"stream": True} if streamed else {}

        def chat(client: Any) -> Any:
            got = client.chat.completions.create(model="m", messages=MESSAGES, **more)
            return every(got) if streamed else got

        def response(client: Any) -> Any:
            got = client.responses.create(model="m", input="hi", **more)
            return every(got) if streamed else got

        said, told = using(kind, server, chat, guard), using(kind, server, response, guard)
        assert (chat_text(said) if streamed else said.choices[0].message.content) == "Sorry."
        assert (told[-1].response if streamed else told).output_text == "Sorry."


def test_a_fallback_to_another_client_gets_a_response_told_as_chat() -> None:
    """The items of a response are messages to whoever speaks chat only."""
    with LoopbackServer(then=HttpReply.error(500)) as broken, LoopbackServer(["Here."]) as other:
        with openai.OpenAI(api_key="k", base_url=other.base_url) as spare:
            guard = Guard(retry=Retry(attempts=1), fallback=[target(spare, model="spare")])
            reply = using(
                openai.OpenAI,
                broken,
                lambda c: c.responses.create(
                    model="m", instructions="Be brief.", input="hi", max_output_tokens=5
                ),
                guard,
            )
        assert type(reply) is Response
        assert reply.output_text == "Here."
        assert other.requests[0].body == {
            "model": "spare",
            "max_completion_tokens": 5,
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
        }


@pytest.mark.parametrize("upstream", [None, Upstream()], ids=["", "upstream"])
@pytest.mark.parametrize("kind", KINDS[:2], ids=lambda kind: kind.__name__)
def test_a_fallback_does_not_follow_the_prompt_elsewhere(kind: type[Any], upstream: Upstream | None) -> None:
    """Fault H22: where a server sends a request on, no client of either kind takes the prompt."""

    def offline(messages: Any) -> str:
        raise ConnectionError

    with LoopbackServer(then="Never.") as elsewhere:
        away = HttpReply(b"", status=307, headers={"location": f"{elsewhere.base_url}/chat/completions"})
        with LoopbackServer(then=away) as server:
            client = kind(api_key="k", base_url=server.base_url)
            guard = Guard(
                retry=Retry(attempts=1),
                fallback=[target(client, model="m", upstream=upstream), target("Sorry.")],
            )

            async def ask() -> Any:
                async with client:
                    return await guard.arun(offline, MESSAGES)

            if kind is openai.AsyncOpenAI:
                outcome = asyncio.run(ask())
            else:
                with client:
                    outcome = guard.run(offline, MESSAGES)
            assert outcome.reply.text == "Sorry."

        assert elsewhere.request_count == 0


@pytest.mark.parametrize("kind", KINDS[:2], ids=lambda kind: kind.__name__)
def test_a_fallbacks_stream_is_read_as_its_format_allows(kind: type[Any]) -> None:
    """Faults S12 and B06: events without data are borne, and an error instead of a stream is seen."""

    def offline(messages: Any) -> str:
        raise ConnectionError

    quota = json.dumps({"error": {"code": "insufficient_quota", "message": "nothing left"}}).encode()
    frames = [frame(part) for part in chunks("Hello.", size=3)]
    events = b"retry: 3000\n\n" + b"id: 7\n\n".join(frames) + b"data: [DONE]\n\n"
    with LoopbackServer(
        [HttpReply(quota), HttpReply(events, headers={"content-type": "text/event-stream"})]
    ) as server:
        client = kind(api_key="k", base_url=server.base_url)
        guard = Guard(
            retry=Retry(attempts=3, wait=0),
            fallback=[target(client, model=model, stream=True) for model in ("first", "second")],
        )

        async def ask() -> Any:
            async with client:
                return await guard.arun(offline, MESSAGES)

        if kind is openai.AsyncOpenAI:
            outcome = asyncio.run(ask())
        else:
            with client:
                outcome = guard.run(offline, MESSAGES)

        assert outcome.reply.text == "Hello."
        assert [step.result for step in outcome.record.attempts][-2:] == ["quota", "answered"]


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


def test_what_cannot_be_guarded_is_refused_when_it_is_wrapped_or_asked() -> None:
    """A guard inside a guard, a foreign client and a background response are refused with the way out."""
    with openai.OpenAI(api_key="k") as client, GUARD.wrap(client) as wrapped:
        with pytest.raises(ConfigError, match=r"\(first \| second\)\.wrap"):
            GUARD.wrap(wrapped)
        with pytest.raises(ConfigError, match="Give target"):
            target(wrapped)
        with pytest.raises(ConfigError, match="background"):
            wrapped.responses.create(model="m", input="hi", background=True)
    with pytest.raises(ConfigError, match="decorate the function"):
        GUARD.wrap(object())


def test_a_blocked_call_raises_before_and_after_the_model_in_raw_forms_too() -> None:
    """No form of a call gets round a block."""

    @validator(window=12)
    def says_key(text: str) -> list[Finding]:
        return [Finding("says key")] if "key" in text else []

    guard = Guard(output=[block(says_key)], retry=Retry(attempts=1))
    with LoopbackServer(then=SAID) as server:
        forms: tuple[Do, ...] = (
            lambda c: c.chat.completions.create(model="m", messages=MESSAGES),
            lambda c: c.chat.completions.with_raw_response.create(model="m", messages=MESSAGES),
            lambda c: c.responses.with_raw_response.create(model="m", input="hi"),
            lambda c: c.post("/chat/completions", cast_to=object, body={"model": "m", "messages": MESSAGES}),
            lambda c: every(c.responses.create(model="m", input="hi", stream=True)),
        )
        for form in forms:
            with pytest.raises(Blocked):
                using(openai.OpenAI, server, form, guard)


def as_sent(kind: type[Any], wrap: bool, ask: Do) -> Any:
    """The body that a call sends, by a wrapped client or by the client itself."""
    with LoopbackServer(then="hi") as server:
        client = kind(api_key="k", base_url=server.base_url)

        async def run() -> None:
            async with client:
                await ask(Guard().wrap(client) if wrap else client)

        if kind is openai.AsyncOpenAI:
            asyncio.run(run())
        else:
            with client:
                ask(Guard().wrap(client) if wrap else client)
        return server.requests[0].raw


@pytest.mark.parametrize("kind", KINDS[:2], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "messages",
    [
        MESSAGES,
        [
            {
                "role": "user",
                "content": [{"type": "text", "text": "é ‮ \u0000"}, {"type": "image_url", "x": None}],
            }
        ],
        [{"role": "assistant", "tool_calls": [tool_call("f", {"a": 1.5})]}, {"role": "tool", "content": "1"}],
        [{"role": "user", "content": "x", "of_tomorrow": {"deep": [1, True, None, {}]}}],
        [ChatCompletion.model_validate(completion("Hello.")).choices[0].message],
        [],
    ],
    ids=["plain", "parts", "calls", "unknown fields", "the client's own objects", "none"],
)
def test_what_no_rule_changes_is_sent_as_the_client_would_send_it(kind: type[Any], messages: Any) -> None:
    """Carrying plain messages past the client's rewriting changes nothing of them."""

    def chat(client: Any) -> Any:
        return client.chat.completions.create(model="m", messages=messages, temperature=0)

    def response(client: Any) -> Any:
        return client.responses.create(model="m", input=messages)

    for ask in (chat, response):
        sent, meant = json.loads(as_sent(kind, True, ask)), json.loads(as_sent(kind, False, ask))
        assert json.dumps(sent, sort_keys=True) == json.dumps(meant, sort_keys=True)


def test_messages_are_carried_to_their_own_call_only() -> None:
    """A call made inside another, by a fallback, sends its own messages, even when they are none."""
    with LoopbackServer(then=HttpReply.error(500)) as broken, LoopbackServer(then="hi") as other:
        with openai.OpenAI(api_key="k", base_url=other.base_url) as spare, Guard().wrap(spare) as inner:

            def ask(messages: Any, **params: Any) -> Any:
                return inner.post("/chat/completions", cast_to=ChatCompletion, body={"messages": []})

            guard = Guard(retry=Retry(attempts=1), fallback=[target(ask)])
            using(
                openai.OpenAI,
                broken,
                lambda c: c.chat.completions.create(model="m", messages=MESSAGES),
                guard,
            )
        assert other.requests[0].body == {"messages": []}


@pytest.mark.parametrize("kind", KINDS[:2])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_half_a_character_in_a_request_is_refused_without_showing_it(kind: type[Any], stream: bool) -> None:
    """The client's own error would hold the whole request."""
    said: Any = [{"role": "user", "content": "hunter2 \ud800"}]
    with LoopbackServer(then="Hello.") as server, pytest.raises(Blocked, match="a lone surrogate") as caught:
        using(kind, server, lambda c: c.chat.completions.create(model="m", messages=said, stream=stream))

    assert server.request_count == 0
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.record!r}"


BESIDE = "sk-55555555"
"""A key that stands beside the answer, where no output rule looks."""


def cited(api: str) -> dict[str, Any]:
    """A reply with a citation that holds it, and a field of the server's own."""
    citation = {
        "type": "url_citation",
        "start_index": 0,
        "end_index": 3,
        "title": BESIDE,
        "url": f"/{BESIDE}",
    }
    if api == "responses":
        response = response_of(completion("See there."))
        (message,) = response["output"]
        message["content"][0] |= {"annotations": [citation], "source": BESIDE}
        message["thinking"] = BESIDE
        return response
    whole = completion("See there.")
    place = {name: citation[name] for name in ("start_index", "end_index", "title", "url")}
    whole["choices"][0]["message"] |= {
        "annotations": [{"type": "url_citation", "url_citation": place}],
        "thinking": BESIDE,
    }
    return whole


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


@pytest.mark.parametrize("base", [openai.OpenAI, openai.AsyncOpenAI], ids=lambda kind: kind.__name__)
def test_a_subclass_with_a_constructor_of_its_own_is_guarded(base: type[Any]) -> None:
    """Its constructor is not called again, so it keeps what it has set; as the primary and as a fallback."""

    class Tenants(base):  # type: ignore[misc]  # the base is chosen at run time
        def __init__(self, tenant: str, **options: Any) -> None:
            super().__init__(**options)
            self.tenant = tenant

        def ask(self) -> Any:
            return self.chat.completions.create(model="m", messages=MESSAGES, user=self.tenant)

    def make(tenant: str, **options: Any) -> Any:
        return Tenants(tenant, **options)

    with LoopbackServer(["One.", HttpReply.error(500), "Two."]) as server:
        client = make("acme", base_url=server.base_url, api_key="k")
        second = make("emca", base_url=server.base_url, api_key="k")
        guard = Guard(retry=Retry(attempts=1), fallback=[target(second, model="m2")], log=[])

        async def told() -> list[Any]:
            async with guard.wrap(client) as wrapped, client, second:
                return [await wrapped.ask(), await wrapped.ask()]

        if base is openai.AsyncOpenAI:
            got = asyncio.run(told())
        else:
            with guard.wrap(client) as wrapped, client, second:
                got = [wrapped.ask(), wrapped.ask()]

    assert [each.choices[0].message.content for each in got] == ["One.", "Two."]
    assert [request.body["user"] for request in server.requests] == ["acme"] * 3
    assert server.requests[-1].model == "m2"


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


_CALLS: list[Any] = [
    {"type": "function_call", "call_id": each, "name": "find", "arguments": "{}"} for each in ("a", "b")
]
_OUTPUTS: list[Any] = [
    {"type": "function_call_output", "call_id": each, "output": "found"} for each in ("a", "b")
]
_THOUGHT: Any = {"type": "reasoning", "id": "r", "summary": []}
_SHELL: list[Any] = [
    {"type": "local_shell_call", "id": "l", "call_id": "l", "action": {"type": "exec", "command": ["ls"]}},
    {"type": "local_shell_call_output", "id": "l", "output": "a.txt"},
]


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([*_CALLS, *_OUTPUTS], id="side by side"),
        pytest.param([_THOUGHT, _CALLS[0], _THOUGHT, _CALLS[1], *_OUTPUTS], id="with thoughts between"),
        pytest.param([_CALLS[0], _OUTPUTS[0], _CALLS[1], _OUTPUTS[1]], id="one after another"),
        pytest.param(_SHELL, id="a tool of the provider"),
    ],
)
def test_an_input_with_several_tool_calls_goes_on(items: list[Any]) -> None:
    """Each call is an item of its own, and its result comes after those of its turn."""
    find: Any = {"type": "function", "name": "find", "parameters": {"type": "object"}, "strict": False}
    said = [{"role": "user", "content": "hi"}, *items]
    with LoopbackServer(then="ok") as server:
        ask: Do = lambda c: c.responses.create(model="m", input=said, tools=[find])  # noqa: E731
        assert using(openai.OpenAI, server, ask).output_text == "ok"
        assert server.requests[0].body["input"] == said


def test_a_result_that_answers_no_call_of_an_input_is_refused() -> None:
    """What the tool is said to have returned must be linked to a call of it."""
    find: Any = {"type": "function", "name": "find", "parameters": {"type": "object"}, "strict": False}
    said = [{"role": "user", "content": "hi"}, _CALLS[0], _OUTPUTS[1]]
    with LoopbackServer(then="ok") as server, pytest.raises(Blocked, match="a result of a call"):
        using(openai.OpenAI, server, lambda c: c.responses.create(model="m", input=said, tools=[find]))
