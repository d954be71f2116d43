"""Bytes behind a whole answer on a kept connection: the next call does not take them for its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest

from guardrails_lite import Exhausted, Guard, Retry
from guardrails_lite.testing.faults import FaultServer

HI: Any = [{"role": "user", "content": "hi"}]
ONCE: Guard[Any] = Guard(retry=Retry(attempts=1))


def ask(base_url: str, told: Callable[[], None]) -> None:
    """Two calls over one connection; *told* stands between them."""
    with openai.OpenAI(base_url=base_url, api_key="k") as bare, ONCE.wrap(bare) as client:
        client.chat.completions.create(model="primary", messages=HI)
        told()
        client.chat.completions.create(model="primary", messages=HI)


def aask(base_url: str, told: Callable[[], None]) -> None:
    """The same on an event loop."""

    async def calls() -> None:
        async with openai.AsyncOpenAI(base_url=base_url, api_key="k") as bare:
            client = ONCE.wrap(bare)
            await client.chat.completions.create(model="primary", messages=HI)
            told()
            await client.chat.completions.create(model="primary", messages=HI)

    asyncio.run(calls())


@pytest.mark.parametrize("calls", [ask, aask])
def test_an_answer_that_was_there_before_its_request_is_refused(calls: Callable[..., None]) -> None:
    """It is a failure of the connection, which is given up; the request had been sent."""
    open_before: list[int] = []
    with FaultServer("C15") as server:
        with pytest.raises(Exhausted) as raised:
            calls(server.base_url, lambda: open_before.append(server.open_connections))
        assert open_before == [1]
        assert server.wait_idle(10)

    record = raised.value.record
    assert record is not None
    [step] = record.attempts
    assert (record.outcome, step.result, step.blame) == ("transport failed", "connection", "network")
    assert "All is lost" not in repr(raised.value)


def test_the_bare_client_takes_it_for_its_own() -> None:
    """The fault is real: the second call gets an answer that was there before it asked."""
    with (
        FaultServer("C15") as server,
        openai.OpenAI(base_url=server.base_url, api_key="k") as client,
    ):
        client.chat.completions.create(model="primary", messages=HI)
        second = client.chat.completions.create(model="primary", messages=HI)
    assert second.choices[0].message.content == "All is lost."


def test_an_http_client_of_your_own_that_keeps_no_connection_cannot_meet_it() -> None:
    """A synchronous one is not looked after; this is what `docs/explanation/security-model.md` says to do."""
    limits = httpx2.Limits(max_keepalive_connections=0)
    with (
        FaultServer("C15") as server,
        httpx2.Client(limits=limits) as http_client,
        openai.OpenAI(base_url=server.base_url, api_key="k", http_client=http_client) as bare,
        ONCE.wrap(bare) as client,
    ):
        for _ in range(2):
            reply = client.chat.completions.create(model="primary", messages=HI)
            assert reply.choices[0].message.content == "All is well."
