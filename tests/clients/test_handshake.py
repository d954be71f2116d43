"""A server that takes a connection up and says nothing in TLS: what ends the handshake, and what is left."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest

from guardrails_lite import Budget, Clocks, DeadlineExceeded, Exhausted, Guard, Hedge, Retry
from guardrails_lite.testing import LoopbackServer
from tests.clients.asking import aanswer, answer

SOON_S = 0.4
OWN_S = 5
"""When the client gives up by itself."""

CLOCK = {"clocks": Clocks(connect_s=SOON_S), "retry": Retry(attempts=2, wait=0)}
DEADLINE = {"budget": Budget(deadline_s=SOON_S)}
HEDGED = {**DEADLINE, "hedge": Hedge(after_s=0.05, max_share=1.0)}


@pytest.fixture
def mute() -> Iterator[LoopbackServer]:
    """It waits for a request in plain HTTP, and is greeted in TLS. The garbage collector closes nothing."""
    gc.collect()
    gc.disable()
    try:
        with LoopbackServer() as server:
            yield server
    finally:
        gc.enable()


def ask(settings: dict[str, Any], server: LoopbackServer, style: str, stream: bool) -> tuple[Any, float]:
    """The record of a call, and the seconds it took; its connections are closed before its client is."""
    written: list[Any] = []
    guard: Guard[Any] = Guard(log=written.append, **settings)
    url = f"https://127.0.0.1:{server.port}/v1"

    def call() -> float:
        with openai.OpenAI(api_key="k", base_url=url) as bare, guard.wrap(bare) as client:
            began_s = time.monotonic()
            with pytest.raises((DeadlineExceeded, Exhausted)):
                answer(client, "chat", stream)
            took_s = time.monotonic() - began_s
            assert server.wait_idle(OWN_S)
        return took_s

    async def acall() -> float:
        async with openai.AsyncOpenAI(api_key="k", base_url=url) as bare:
            began_s = time.monotonic()
            with pytest.raises((DeadlineExceeded, Exhausted)):
                await aanswer(guard.wrap(bare), "chat", stream)
            took_s = time.monotonic() - began_s
            assert await asyncio.to_thread(server.wait_idle, OWN_S)
        return took_s

    took_s = asyncio.run(acall()) if style == "async" else call()
    [record] = written
    return record, took_s


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("style", ["sync", "async"])
def test_the_clock_for_connecting_goes_on_in_the_handshake(
    mute: LoopbackServer, style: str, stream: bool
) -> None:
    """There is no connection before it has ended."""
    record, _ = ask(CLOCK, mute, style, stream)
    assert record.outcome == "transport failed"
    assert [(step.result, step.error, step.blame) for step in record.attempts] == [
        ("timeout", "connect", "network"),
        ("timeout", "connect", "network"),
    ]
    for step in record.attempts:
        assert SOON_S - 0.01 <= step.duration_us / 1e6 < OWN_S - 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("settings", [DEADLINE, HEDGED], ids=["alone", "hedged"])
@pytest.mark.parametrize("style", ["sync", "async"])
def test_a_deadline_ends_a_handshake(
    mute: LoopbackServer, style: str, settings: dict[str, Any], stream: bool
) -> None:
    """Of each send that is under way."""
    record, took_s = ask(settings, mute, style, stream)
    assert record.outcome == "deadline passed"
    assert {step.result for step in record.attempts} <= {"timeout", "cancelled"}
    assert SOON_S - 0.01 <= took_s < OWN_S - 1


def test_an_http_client_of_ones_own_is_left_in_its_thread(mute: LoopbackServer) -> None:
    """The call ends; its connection is closed when the client's own time-out for the handshake comes."""
    url = f"https://127.0.0.1:{mute.port}/v1"
    with (
        httpx2.Client() as http_client,
        openai.OpenAI(api_key="k", base_url=url, http_client=http_client) as bare,
        Guard(budget=Budget(deadline_s=SOON_S)).wrap(bare) as client,
    ):
        began_s = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            answer(client, "chat", stream=False)
        assert time.monotonic() - began_s < OWN_S - 1
        assert mute.wait_idle(2 * OWN_S)
