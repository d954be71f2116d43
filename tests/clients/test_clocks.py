"""Wrapped clients and functions whose attempts have clocks, over real sockets: which of them ends what."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal

import httpx2
import openai
import pytest

from guardrails_lite import (
    Budget,
    Clocks,
    ConfigError,
    Exhausted,
    Guard,
    Hedge,
    Retry,
    StreamInterrupted,
    block,
    target,
    validator,
)
from guardrails_lite.testing import HttpReply, LoopbackServer, Wire, completion
from guardrails_lite.testing._responses import response_events, response_of
from guardrails_lite.testing._server import frame
from guardrails_lite.testing._shapes import chunks
from guardrails_lite.testing._wire import Peer, Request, head, http_chunk
from guardrails_lite.testing.faults import FaultServer
from tests.clients.asking import SAID, aanswer, answer

LONG_S = 60.0
SOON_S = 0.4
PATIENT = Clocks(first_content_s=LONG_S, whole_reply_s=LONG_S)
CLOCKS = {
    "first content": Clocks(first_content_s=SOON_S),
    "between content": Clocks(between_content_s=SOON_S),
    "rate": Clocks(min_chars_per_s=1_000, rate_over_s=SOON_S),
    "whole reply": Clocks(whole_reply_s=SOON_S),
}
How = Literal["silent", "alive", "stalled", "slow", "dripped"]
STREAMED: list[tuple[How, str]] = [
    ("silent", "first content"),
    ("alive", "first content"),
    ("stalled", "between content"),
    ("slow", "rate"),
]


class Provider:
    """The first request is answered badly, and those that follow well.

    Args:
        how: ``"silent"``: a stream that opens and says nothing. ``"alive"``: the same, with keep-alive
            comments and empty deltas. ``"stalled"``: one piece of content, then the same. ``"slow"``: a
            character now and then. ``"dripped"``: a whole reply that comes byte by byte.
        times: How many requests are answered so.
    """

    def __init__(self, how: How, times: int = 1) -> None:
        self._how = how
        self._left = times
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Any:
        """Answer one request."""
        with self._lock:
            self._left -= 1
            return Wire(self._answer) if self._left >= 0 else "Oslo."

    def _answer(self, peer: Peer, request: Request) -> None:
        if self._how == "dripped":
            peer.send(head(200, {"content-type": "application/json", "content-length": "100000"}))
            self._forever(peer, b" ")
        opening, empty, content = _frames("responses" if request.path.endswith("responses") else "chat")
        peer.send(head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"}))
        peer.send(http_chunk(opening))
        if self._how == "silent":
            peer.pause(LONG_S)
        if self._how == "stalled":
            peer.send(http_chunk(content))
        self._forever(peer, http_chunk(content if self._how == "slow" else b": keep-alive\n\n" + empty))

    def _forever(self, peer: Peer, piece: bytes) -> None:
        for _ in range(round(LONG_S / 0.02)):
            peer.send(piece)
            peer.pause(0.02)


def _frames(api: str) -> tuple[bytes, bytes, bytes]:
    """How a stream opens, what says nothing in it, and one piece of content."""
    if api == "chat":
        first, second = chunks(completion("late", usage=None), size=1)[:2]
        empty = {**second, "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": None}]}
        return frame(first), frame(empty), frame(second)
    events = response_events(response_of(completion("late")), size=1)
    place = next(n for n, event in enumerate(events) if event["type"] == "response.output_text.delta")
    opening = b"".join(_event(event) for event in events[:place])
    return opening, _event({**events[place], "delta": ""}), _event(events[place])


def _event(event: Any) -> bytes:
    return b"event: " + event["type"].encode() + b"\n" + frame(event)


@validator
def odd(text: str) -> Iterator[Any]:
    """Nothing; but it wants to see all of a text, so a stream is held."""
    yield from ()


@pytest.fixture
def written() -> list[Any]:
    """The records of the guard under test."""
    return []


def guard_of(written: list[Any], clock: str, **settings: Any) -> Guard[Any]:
    """A guard with one clock, and a patient fallback."""
    fallback = [target(model="other", clocks=PATIENT)]
    return Guard(
        **{
            "clocks": CLOCKS[clock],
            "retry": Retry(attempts=1),
            "fallback": fallback,
            "output": [block(odd)],
            "log": written.append,
            **settings,
        }
    )


def client_of(server: LoopbackServer | FaultServer, **settings: Any) -> openai.OpenAI:
    """A client of the server."""
    return openai.OpenAI(api_key="k", base_url=server.base_url, **settings)


async def asked(guard: Guard[Any], server: LoopbackServer | FaultServer, api: str, stream: bool) -> str:
    """`aanswer` by a client of the server."""
    bare = openai.AsyncOpenAI(api_key="k", base_url=server.base_url)
    async with guard.wrap(bare) as client:
        return await aanswer(client, api, stream)


def check(written: list[Any], clock: str) -> None:
    """The first attempt was ended by this clock, and no sooner; the next one answered."""
    [record] = written
    late, good = record.attempts
    assert (late.result, late.error, late.blame) == ("timeout", clock, "endpoint")
    assert SOON_S - 0.01 <= late.duration_us / 1e6 < LONG_S / 2
    assert (good.result, record.outcome) == ("answered", "fell back")


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize(("how", "clock"), STREAMED)
def test_a_stream_is_given_up_when_its_clock_runs_out(
    written: list[Any], api: str, how: How, clock: str
) -> None:
    """Comments and empty deltas show that a socket lives, and are no content."""
    with LoopbackServer(then=Provider(how)) as server:
        with guard_of(written, clock).wrap(client_of(server)) as client:
            assert answer(client, api, stream=True) == "Oslo."
        check(written, clock)
        assert server.wait_idle(LONG_S)


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize(("how", "clock"), STREAMED)
def test_an_async_stream_is_given_up_when_its_clock_runs_out(
    written: list[Any], api: str, how: How, clock: str
) -> None:
    """By cancelling what waits for it."""
    with LoopbackServer(then=Provider(how)) as server:
        assert asyncio.run(asked(guard_of(written, clock), server, api, stream=True)) == "Oslo."
        check(written, clock)
        assert server.wait_idle(LONG_S)


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("style", ["sync", "async"])
def test_a_whole_reply_is_given_up_when_its_clock_runs_out(written: list[Any], api: str, style: str) -> None:
    """Bytes of it are no sign of life; nothing of it can be used before it is whole."""
    guard = guard_of(written, "whole reply")
    with LoopbackServer(then=Provider("dripped")) as server:
        if style == "async":
            assert asyncio.run(asked(guard, server, api, stream=False)) == "Oslo."
        else:
            with guard.wrap(client_of(server)) as client:
                assert answer(client, api, stream=False) == "Oslo."
        check(written, "whole reply")
        assert server.wait_idle(LONG_S)


def test_after_text_was_shown_the_stream_is_broken(written: list[Any]) -> None:
    """Like any stream that breaks; the error names the clock."""
    guard = guard_of(written, "between content", output=[])
    with (
        LoopbackServer(then=Provider("stalled")) as server,
        guard.wrap(client_of(server)) as client,
        pytest.raises(StreamInterrupted, match=r"broke \(timeout: between content\) after 1 released"),
    ):
        answer(client, "chat", stream=True)


def test_where_no_target_answers_the_error_names_the_clocks(written: list[Any]) -> None:
    """For each target."""
    guard = guard_of(written, "first content", fallback=[target(model="other")])
    with (
        LoopbackServer(then=Provider("alive", times=2)) as server,
        guard.wrap(client_of(server)) as client,
        pytest.raises(Exhausted, match="OpenAI: timeout: first content; model=other: timeout: first content"),
    ):
        answer(client, "chat", stream=True)


@pytest.mark.parametrize("style", ["sync", "async"])
def test_who_cannot_be_reached_is_given_up_soon(written: list[Any], style: str) -> None:
    """The client's own time-out for it is longer."""
    guard = Guard(clocks=Clocks(connect_s=SOON_S), retry=Retry(attempts=2, wait=0), log=written.append)

    def ask(server: FaultServer) -> None:
        if style == "async":
            asyncio.run(asked(guard, server, "chat", stream=False))
        else:
            with guard.wrap(client_of(server)) as client:
                answer(client, "chat", stream=False)

    with FaultServer("C08") as server, pytest.raises(Exhausted, match="OpenAI: timeout: connect"):
        ask(server)
    for step in written[0].attempts:
        assert (step.result, step.error, step.blame) == ("timeout", "connect", "network")
        assert step.duration_us / 1e6 < 4  # the client's own is 5


def test_a_fallback_that_cannot_be_reached_is_given_up_soon(written: list[Any]) -> None:
    """By the guard's clocks or its own."""
    with (
        LoopbackServer(then=HttpReply.error(500)) as server,
        FaultServer("C08") as unreached,
        client_of(unreached) as other,
        guard_of(
            written,
            "first content",
            clocks=None,
            fallback=[target(other, model="m", clocks=Clocks(connect_s=SOON_S))],
        ).wrap(client_of(server)) as client,
        pytest.raises(Exhausted, match="timeout: connect"),
    ):
        answer(client, "chat", stream=False)


@pytest.mark.parametrize("place", ["primary", "fallback"])
def test_an_http_client_of_ones_own_waits_in_a_thread(written: list[Any], place: str) -> None:
    """So that its waits can be ended, a fallback's too."""
    with LoopbackServer(then=Provider("alive")) as server, httpx2.Client() as http_client:
        own = client_of(server, http_client=http_client, timeout=LONG_S)
        if place == "primary":
            with guard_of(written, "first content").wrap(own) as client:
                assert answer(client, "chat", stream=True) == "Oslo."
            check(written, "first content")
            return
        failing = LoopbackServer(then=HttpReply.error(500))
        fallback = [target(own, model="m"), target("Sorry.")]
        with (
            failing,
            guard_of(written, "first content", fallback=fallback).wrap(client_of(failing)) as client,
        ):
            assert answer(client, "chat", stream=True) == "Sorry."
    assert [step.error for step in written[0].attempts][1] == "first content"


def test_two_sends_of_a_hedge_have_their_own_clocks(written: list[Any]) -> None:
    """Each is given up by itself, and what follows goes by the first."""
    guard = guard_of(written, "first content", hedge=Hedge(after_s=0.05, max_share=1.0))
    with LoopbackServer(then=Provider("alive", times=2)) as server:
        with guard.wrap(client_of(server)) as client:
            assert answer(client, "chat", stream=True) == "Oslo."
        assert server.wait_idle(LONG_S)
    assert [(step.result, step.error) for step in written[0].attempts] == [
        ("timeout", "first content"),
        ("timeout", "first content"),
        ("answered", None),
    ]


class Foreign:
    """A client of another package, which nobody sees connect."""

    @property
    def chat(self) -> Any:
        """Where `completions` is."""
        return self

    completions = chat

    def create(self, **params: Any) -> Any:
        """Answer."""
        return completion("Oslo.")


def plain(messages: Any) -> str:
    """Answer."""
    return "Oslo."


@pytest.mark.parametrize("subject", [Foreign(), plain], ids=["client", "function"])
def test_a_fallback_that_nothing_can_end_is_given_no_clock_to_end_by(subject: Any) -> None:
    """Unless the call is async, where it waits in a thread."""
    late = target(subject, clocks=Clocks(whole_reply_s=SOON_S))
    guard: Guard[Any] = Guard(retry=Retry(attempts=1), fallback=[late])
    refused = pytest.raises(ConfigError, match="nothing can end it while it runs, in a call that is not")
    with refused:
        guard(plain)
    with refused:
        guard.run(plain, "Hello.")
    with refused, openai.OpenAI(api_key="k") as client:
        guard.wrap(client)
    assert asyncio.run(guard.arun(_offline, "Hello.")).reply.text == "Oslo."
    with pytest.raises(ConfigError, match="how it connects cannot be seen"):
        target(Foreign(), clocks=Clocks(connect_s=1))


async def _offline(messages: Any) -> str:
    raise ConnectionError


# --- functions ---


def test_a_coroutine_is_cancelled(written: list[Any]) -> None:
    """When its whole reply, or the next chunk of its stream, is not there in time."""
    guard = guard_of(written, "whole reply", fallback=[target("Sorry.")])

    @guard
    async def stuck(messages: Any) -> str:
        await asyncio.sleep(LONG_S)
        return "late"

    assert asyncio.run(stuck(SAID)) == "Sorry."
    assert written[0].attempts[0].error == "whole reply"


def test_an_async_generator_is_cancelled(written: list[Any]) -> None:
    """Empty chunks keep it no more than silence does."""
    guard = guard_of(written, "first content", fallback=[target("Sorry.")])

    @guard
    async def alive(messages: Any) -> AsyncIterator[str]:
        while True:
            yield ""
            await asyncio.sleep(0.01)

    async def read() -> str:
        return "".join([chunk async for chunk in alive(SAID)])

    assert asyncio.run(read()) == "Sorry."
    assert written[0].attempts[0].error == "first content"


def test_the_first_content_is_waited_for_from_the_send_on(written: list[Any]) -> None:
    """Also where nothing tells before that a stream will come: half the time before it, and half in it."""
    guard = guard_of(written, "first content", fallback=[target("Sorry.")])

    async def chunks() -> AsyncIterator[str]:
        await asyncio.sleep(SOON_S * 0.7)
        yield "late"

    @guard
    async def slow(messages: Any) -> AsyncIterator[str]:
        await asyncio.sleep(SOON_S * 0.7)
        return chunks()

    async def read() -> str:
        return "".join([chunk async for chunk in await slow(SAID)])

    assert asyncio.run(read()) == "Sorry."
    assert written[0].attempts[0].error == "first content"


def test_a_generator_is_given_up_at_its_next_chunk(written: list[Any]) -> None:
    """Nothing interrupts it, but a chunk that says nothing is looked at like any other."""
    guard = guard_of(written, "first content", fallback=[target("Sorry.")])

    @guard
    def alive(messages: Any) -> Iterator[str]:
        while True:
            yield ""

    assert "".join(alive(SAID)) == "Sorry."
    assert written[0].attempts[0].error == "first content"


def test_the_clocks_leave_the_deadline_alone(written: list[Any]) -> None:
    """A call that reaches its deadline is late by that."""
    guard = guard_of(written, "first content", clocks=None, fallback=[], budget=Budget(deadline_s=SOON_S))
    with (
        LoopbackServer(then=Provider("alive")) as server,
        guard.wrap(client_of(server)) as client,
        pytest.raises(Exception, match=r"the deadline of 0\.4 s passed"),
    ):
        answer(client, "chat", stream=True)
