"""Bodies nested so deep that a parser which recurses would come to the interpreter's own limit."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from guardrails_lite import Guard, Retry, target
from guardrails_lite.testing import HttpReply, LoopbackServer, chunks, completion
from guardrails_lite.testing._responses import response_events, response_of
from guardrails_lite.testing._wire import Listener, Peer, Request, head
from tests.clients.asking import SAID, ask

BOMB = "[" * 500 + "]" * 500
"""Shallow enough for every version of the client to parse, where nothing else is on the stack."""
EVENTS = {"content-type": "text/event-stream"}
WAYS = [("chat", False), ("chat", True), ("responses", False), ("responses", True)]


def bomb(api: str, stream: bool) -> HttpReply:
    """A reply with a bomb in what is whole otherwise."""
    whole = completion("Oslo.") if api == "chat" else response_of(completion("Oslo."))
    if not stream:
        return HttpReply(_with_bomb(whole))
    first, *_ = chunks(whole) if api == "chat" else response_events(whole)
    named = b"" if api == "chat" else b"event: response.created\n"
    return HttpReply(named + b"data: " + _with_bomb(first) + b"\n\n", headers=EVENTS)


def _with_bomb(body: Any) -> bytes:
    return json.dumps({"bomb": 0, **body}).replace('"bomb": 0', f'"bomb": {BOMB}').encode()


@pytest.mark.parametrize("kind", [openai.OpenAI, openai.AsyncOpenAI])
@pytest.mark.parametrize(("api", "stream"), WAYS)
def test_a_body_nested_too_deep_is_malformed_and_asked_for_again(api: str, stream: bool, kind: Any) -> None:
    """It is refused before the client parses it, whatever the depth at which that would fail."""
    records: list[Any] = []
    guard = Guard(retry=Retry(attempts=2, wait=0), log=records.append)
    with LoopbackServer([bomb(api, stream), completion("Oslo.")]) as server:
        assert ask(guard.wrap(kind(base_url=server.base_url, api_key="k")), api, stream) == "Oslo."
    [record] = records
    [failed, _] = record.attempts
    assert (failed.result, failed.error) == ("malformed reply", "TooDeepError")


@pytest.mark.parametrize("kind", [openai.OpenAI, openai.AsyncOpenAI])
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_nested_too_deep_is_known_by_its_status(stream: bool, kind: Any) -> None:
    """The body of an error is read by the client too."""
    records: list[Any] = []
    guard = Guard(retry=Retry(attempts=2, wait=0), log=records.append)
    overloaded = HttpReply(f'{{"error": {BOMB}}}'.encode(), status=503)
    with LoopbackServer([overloaded, completion("Oslo.")]) as server:
        assert ask(guard.wrap(kind(base_url=server.base_url, api_key="k")), "chat", stream) == "Oslo."
    [failed, _] = records[0].attempts
    assert (failed.result, failed.error) == ("overloaded", "InternalServerError")


def test_a_file_is_no_reply() -> None:
    """It may look like JSON that never ends, and is not parsed."""
    content = BOMB.encode()[:900]

    def send(peer: Peer, _: Request) -> None:
        peer.send(head(200, {"content-length": str(len(content))}) + content)

    with Listener(answer=send, keep=1) as server:
        url = f"http://127.0.0.1:{server.port}/v1"
        with Guard().wrap(openai.OpenAI(base_url=url, api_key="k")) as client:
            assert client.files.content("file-1").read() == content


def test_the_client_of_a_fallback_reads_with_the_same_care() -> None:
    """It is not wrapped, but sent to by the guard."""
    records: list[Any] = []
    script = [bomb("chat", False)]
    with LoopbackServer(script) as server, openai.OpenAI(base_url=server.base_url, api_key="k") as spare:
        fallback = [target(spare, model="m"), target("Sorry.")]
        guard = Guard(retry=Retry(attempts=1), fallback=fallback, log=records.append)

        def down(messages: Any) -> str:
            raise ConnectionError

        assert guard.run(down, SAID).value == "Sorry."
    assert [each.error for each in records[0].attempts][:2] == ["ConnectionError", "TooDeepError"]
