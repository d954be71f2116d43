"""An HTTP client that the user brought: what is its own stays so, and the guard's promises hold over it."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from typing import Any

import openai
import pytest

from guardrails_lite import Budget, Clocks, DeadlineExceeded, Exhausted, Guard, Retry, target
from guardrails_lite.clients._openai_sized import MOST_BYTES
from guardrails_lite.testing import HttpReply, LoopbackServer, Request, Wire
from guardrails_lite.testing._wire import Peer, head
from tests.clients.asking import aanswer, answer, ask

SOON_S = 0.4
LONG_S = 60.0
HTTP = {openai.OpenAI: openai.DefaultHttpxClient, openai.AsyncOpenAI: openai.DefaultAsyncHttpxClient}
KINDS = pytest.mark.parametrize("kind", HTTP)
STREAMED = pytest.mark.parametrize("stream", [False, True])
WHOSE = pytest.mark.parametrize("own", [False, True], ids=["default", "own"])
GUARDS = {
    "deadline": Guard(retry=Retry(attempts=1), budget=Budget(deadline_s=LONG_S)),
    "clocks": Guard(retry=Retry(attempts=1), clocks=Clocks(first_content_s=LONG_S, whole_reply_s=LONG_S)),
    "neither": Guard(retry=Retry(attempts=1), budget=Budget(deadline_s=None)),
}


def client_of(kind: Any, server: LoopbackServer, *, own: bool, **settings: Any) -> Any:
    """A client of the server, patient by itself; with an HTTP client of its own it follows redirects."""
    more = {"http_client": HTTP[kind](follow_redirects=True, **settings)} if own else {}
    return kind(base_url=server.base_url, api_key="k", timeout=LONG_S, **more)


def elsewhere(length: int, *body: bytes) -> Wire:
    """Send the request on to the same host, under a long body: each part of it, and then a wait."""

    def serve(peer: Peer, request: Request) -> None:
        peer.send(head(307, {"location": request.path, "content-length": str(length)}))
        for part in body:
            peer.send(part)
            peer.pause(0.02)
        peer.pause(LONG_S)

    return Wire(serve)


@STREAMED
@WHOSE
@KINDS
def test_a_body_that_is_dripped_ends_at_the_deadline(kind: Any, own: bool, stream: bool) -> None:
    """A client's own time-out is for one byte. Also where the body is that of a redirect."""
    guard = Guard(retry=Retry(attempts=1), budget=Budget(deadline_s=SOON_S))
    with LoopbackServer(then=elsewhere(10_000, *[b"x"] * 3_000)) as server:
        began_s = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            ask(guard.wrap(client_of(kind, server, own=own)), "chat", stream)
        assert SOON_S - 0.01 <= time.monotonic() - began_s < LONG_S / 4
        assert server.request_count == 1


@STREAMED
@WHOSE
@KINDS
def test_the_body_of_a_redirect_does_not_fill_the_memory(kind: Any, own: bool, stream: bool) -> None:
    """No more of it is read than of a reply, and none of it where it says how long it is."""
    endless = [bytes(2**20)] * (2 * MOST_BYTES // 2**20)
    records: list[Any] = []
    guard = Guard(retry=Retry(attempts=1), fallback=[target("Sorry.")], log=records.append)
    with LoopbackServer(then=elsewhere(10**12, *endless)) as server:
        tracemalloc.start()
        try:
            assert ask(guard.wrap(client_of(kind, server, own=own)), "chat", stream) == "Sorry."
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert server.request_count == 1
    assert peak < 2 * MOST_BYTES
    assert records[0].attempts[0].result == "malformed reply"


@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize("guard", GUARDS)
@STREAMED
@WHOSE
@KINDS
def test_a_prompt_goes_to_no_other_host(kind: Any, own: bool, stream: bool, guard: str, status: int) -> None:
    """Whatever the HTTP client is used to, and however it is waited for."""
    with LoopbackServer(then="Oslo.") as other:
        away = f"http://localhost:{other.port}/v1/chat/completions"
        with LoopbackServer(then=HttpReply(b"", status=status, headers={"location": away})) as server:
            with pytest.raises(Exhausted, match="OpenAI: not found"):
                ask(GUARDS[guard].wrap(client_of(kind, server, own=own)), "chat", stream)
            assert server.request_count == 1
        assert other.request_count == 0


@pytest.mark.parametrize("guard", GUARDS)
@KINDS
def test_its_headers_cookies_and_parameters_are_sent(kind: Any, guard: str) -> None:
    """Those it was made with, and the cookies that it has been given since."""
    settings = {"headers": {"x-gateway": "7"}, "params": {"tenant": "acme"}, "auth": ("user", "word")}
    cookie = HttpReply("Oslo.", headers={"set-cookie": "route=a; Path=/"})
    with LoopbackServer([cookie, "Oslo."]) as server:
        client = GUARDS[guard].wrap(client_of(kind, server, own=True, **settings))
        if kind is openai.OpenAI:
            with client:
                assert [answer(client, "chat", False) for _ in range(2)] == ["Oslo.", "Oslo."]
        else:
            assert asyncio.run(_twice(client)) == ["Oslo.", "Oslo."]
        first, second = server.requests
    for request in (first, second):
        assert request.headers["x-gateway"] == "7"
        assert request.headers["authorization"].startswith("Basic ")
        assert request.path == "/v1/chat/completions?tenant=acme"
    assert second.headers["cookie"] == "route=a"


async def _twice(client: Any) -> list[str]:
    async with client:
        return [await aanswer(client, "chat", False) for _ in range(2)]
