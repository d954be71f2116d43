"""Calls of a wrapped client: guarded, and otherwise just what the client does."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response

from clients.keyed import GUARD, KINDS, LEFT, MESSAGES, SAID, Do, chat_text, every, using
from guardrails_lite import (
    Blocked,
    ConfigError,
    Finding,
    Guard,
    Retry,
    block,
    target,
    validator,
)
from guardrails_lite.testing import HttpReply, LoopbackServer


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
