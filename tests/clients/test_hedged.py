"""Wrapped clients whose calls are hedged, over real sockets: who wins, and what is left of who does not."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import httpx2
import openai
import pytest

from guardrails_lite import Budget, ConfigError, DeadlineExceeded, Guard, Hedge, Limits, Retry, Upstream
from guardrails_lite.clients.openai import identity
from guardrails_lite.testing import LoopbackServer, Wire, completion
from guardrails_lite.testing._server import frame, send
from guardrails_lite.testing._shapes import chunks
from guardrails_lite.testing._wire import Gone, Peer, Request, head, http_chunk
from tests.clients.asking import aanswer, answer
from tests.engine.test_upstream import is_empty

SOON = Hedge(after_s=0.001, max_share=1.0)
LONG_S = 60.0


class Provider:
    """The first request hangs until its client goes, the second is answered; or the other way round.

    Args:
        waits: Which request hangs. The other is answered when both are there, so no clock decides.
        begins: The one that hangs has sent its headers, and the role, before.
    """

    def __init__(self, *, waits: int, begins: bool = False) -> None:
        self.gone = threading.Event()
        """The one that hung has been hung up on."""
        self._both = threading.Barrier(2)
        self._lock = threading.Lock()
        self._waits = waits
        self._begins = begins
        self._count = 0

    def __call__(self, request: Request) -> Any:
        """Answer one request."""
        with self._lock:
            self._count += 1
            number = self._count
        if number > 2:
            return "Oslo, again."
        return Wire(self._hang if number == self._waits else self._answer)

    def _hang(self, peer: Peer, request: Request) -> None:
        try:
            if self._begins:
                peer.send(head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"}))
                peer.send(http_chunk(frame(chunks(completion("late"))[0])))
            self._both.wait(LONG_S)
            peer.pause(LONG_S)
        except Gone:
            self.gone.set()
            raise

    def _answer(self, peer: Peer, request: Request) -> None:
        self._both.wait(LONG_S)
        send(peer, request, "Oslo.")


@pytest.fixture
def written() -> list[Any]:
    """The records of the guard under test."""
    return []


@pytest.fixture
def upstream() -> Upstream:
    """Where the calls go."""
    return Upstream(limits=Limits(concurrency=2))


def guard_of(written: list[Any], upstream: Upstream) -> Guard[Any]:
    """A guard that hedges every call."""
    return Guard(hedge=SOON, retry=Retry(attempts=1), upstream=upstream, log=written.append)


def sync_client(server: LoopbackServer) -> openai.OpenAI:
    """A client of the server."""
    return openai.OpenAI(api_key="k", base_url=server.base_url)


def check(written: list[Any], provider: Provider, upstream: Upstream) -> None:
    """One record with both sends, and nothing left on either side."""
    [record] = written
    lost, won = record.attempts
    assert (lost.result, lost.error, won.result) == ("cancelled", "outrun", "answered")
    assert {lost.number, won.number} == {1, 2}
    assert provider.gone.wait(LONG_S)
    account, endpoint = identity(openai.OpenAI(api_key="k", base_url="http://127.0.0.1/v1"))
    assert is_empty(upstream, account=account, endpoint=endpoint, model="m")
    assert hedging_threads() == []


def hedging_threads() -> list[str]:
    """Threads that a race has left behind. One that has been told to end may need a moment for it."""
    ours = [each for each in threading.enumerate() if each.name.startswith("guardrails-lite")]
    for each in ours:
        each.join(LONG_S)
    return [each.name for each in ours if each.is_alive()]


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize(("stream", "begins"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("waits", [1, 2])
def test_a_sync_client_goes_on_with_the_first_content(
    written: list[Any], upstream: Upstream, api: str, stream: bool, begins: bool, waits: int
) -> None:
    """The loser's connection is shut down under its thread, which ends; no other connection is touched."""
    provider = Provider(waits=waits, begins=begins and api == "chat")
    with LoopbackServer(then=provider) as server:
        with guard_of(written, upstream).wrap(sync_client(server)) as client:
            assert answer(client, api, stream) == "Oslo."
            check(written, provider, upstream)
            assert answer(client, api, stream) == "Oslo, again."
        assert server.wait_idle(LONG_S)
        assert server.request_count >= 3


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize(("stream", "begins"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("waits", [1, 2])
def test_an_async_client_goes_on_with_the_first_content(
    written: list[Any], upstream: Upstream, api: str, stream: bool, begins: bool, waits: int
) -> None:
    """The loser's task is cancelled and awaited, and its connection closed."""
    provider = Provider(waits=waits, begins=begins and api == "chat")

    async def call(server: LoopbackServer) -> None:
        bare = openai.AsyncOpenAI(api_key="k", base_url=server.base_url)
        async with guard_of(written, upstream).wrap(bare) as client:
            assert await aanswer(client, api, stream) == "Oslo."
            assert len(asyncio.all_tasks()) == 1
            await asyncio.to_thread(check, written, provider, upstream)

    with LoopbackServer(then=provider) as server:
        asyncio.run(call(server))
        assert server.wait_idle(LONG_S)


def test_a_deadline_ends_both_sends(written: list[Any]) -> None:
    """Two hanging sends are cut at the deadline, and their threads end."""
    with LoopbackServer(then=Wire(lambda peer, request: peer.pause(LONG_S))) as server:
        guard = Guard(hedge=SOON, budget=Budget(deadline_s=0.5), log=written.append)
        with guard.wrap(sync_client(server)) as client, pytest.raises(DeadlineExceeded):
            answer(client, "chat", stream=False)
        assert server.wait_idle(LONG_S)
    assert {step.result for step in written[0].attempts} <= {"timeout", "cancelled"}
    assert hedging_threads() == []


def test_an_http_client_of_ones_own_is_not_hedged() -> None:
    """Its connections cannot be cut one by one, so it is refused when it is wrapped."""
    guard = Guard(hedge=SOON)
    with (
        openai.OpenAI(api_key="k", http_client=httpx2.Client()) as client,
        pytest.raises(ConfigError, match="OpenAI with an HTTP client of your own cannot be cancelled"),
    ):
        guard.wrap(client)


def test_a_request_that_acts_is_sent_once(written: list[Any]) -> None:
    """Tools that the provider runs, and a conversation that it keeps, would be run and continued twice."""
    with (
        LoopbackServer(then="Oslo.") as server,
        Guard(hedge=SOON, log=written.append).wrap(sync_client(server)) as client,
    ):
        client.responses.create(model="m", input="hi", tools=[{"type": "web_search"}])
        client.responses.create(model="m", input="hi", previous_response_id="r")
        client.responses.create(model="m", input="hi")

    assert [[note.what for note in record.notes] for record in written][:2] == [["no hedge"], ["no hedge"]]
    assert "no hedge" not in [note.what for note in written[2].notes]
