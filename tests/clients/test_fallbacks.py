"""Where a wrapped client's call goes when its own server does not answer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest
from openai.types.responses import Response

from clients.keyed import KINDS, MESSAGES, chat_text, every, using
from guardrails_lite import (
    Exhausted,
    Guard,
    Retry,
    Upstream,
    target,
)
from guardrails_lite.testing import HttpReply, LoopbackServer, chunks
from guardrails_lite.testing._server import frame


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
    with LoopbackServer(then="Never.") as elsewhere:
        away = HttpReply(b"", status=307, headers={"location": f"{elsewhere.base_url}/chat/completions"})
        with LoopbackServer(then=away) as server:
            client = kind(api_key="k", base_url=server.base_url)
            guard = Guard(
                retry=Retry(attempts=1),
                fallback=[target(client, model="m", upstream=upstream), target("Sorry.")],
            )

            outcome = _offline(guard, client)
            assert outcome.reply.text == "Sorry."

        assert elsewhere.request_count == 0


@pytest.mark.parametrize("kind", KINDS[:2], ids=lambda kind: kind.__name__)
def test_a_fallbacks_stream_is_read_as_its_format_allows(kind: type[Any]) -> None:
    """Faults S12 and B06: events without data are borne, and an error instead of a stream is seen."""
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
        outcome = _offline(guard, client)

        assert outcome.reply.text == "Hello."
        assert [step.result for step in outcome.record.attempts][-2:] == ["quota", "answered"]


def _offline(guard: Guard, client: Any) -> Any:
    """The outcome of a call whose function is never answered, so that it goes to the fallback's *client*."""

    def function(messages: Any) -> str:
        raise ConnectionError

    async def ask() -> Any:
        async with client:
            return await guard.arun(function, MESSAGES)

    if isinstance(client, openai.AsyncOpenAI):
        return asyncio.run(ask())
    with client:
        return guard.run(function, MESSAGES)
