"""By how much a call outlives its deadline, and an attempt its clock: wrapped clients over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import openai

from guardrails_lite import Budget, Clocks, Guard, GuardrailsError, Retry
from guardrails_lite.testing import LoopbackServer, Peer, Request, Wire, chunks
from guardrails_lite.testing.faults import FaultServer

LIMIT_S = 0.3
ROUNDS = 3
_EVERY_S = 0.02
_JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500000\r\n\r\n"
_EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
_DEADLINE: dict[str, Any] = {"budget": Budget(deadline_s=LIMIT_S)}


class Provider:
    """Sends one thing at once, and another now and then for as long as the client stays."""

    def __init__(self, first: bytes, then: bytes = b"") -> None:
        self._first = first
        self._then = then
        self.began_s: float | None = None
        """When it sent the first."""

    def __call__(self, peer: Peer, request: Request) -> None:
        """Answer one request."""
        self.began_s = time.monotonic()
        peer.send(self._first)
        while True:
            peer.pause(_EVERY_S)
            peer.send(self._then)


@dataclass(frozen=True)
class Case:
    """What a provider does, and the setting that is to end it after `LIMIT_S`."""

    name: str
    settings: dict[str, Any]
    make: Callable[[], Provider] | None = None
    """None: it never gets so far as to answer."""
    stream: bool = False
    from_content: bool = False
    """The clock runs from the content that has come, not from the beginning."""
    fault: str | None = None
    """Which row of the catalogue serves it instead."""
    scheme: str = "http"


def _clock(**clocks: float) -> dict[str, Any]:
    return {"clocks": Clocks(**clocks), "retry": Retry(attempts=1)}


def _content() -> bytes:
    """The beginning of a stream, with one piece of content."""
    return b"".join(map(_event, chunks("A", size=1)[:2]))


def _event(chunk: Any) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


_COMMENT = b": still there\n\n"
CASES = (
    Case("deadline kept: dripped headers", _DEADLINE, lambda: Provider(b"HTTP/1.1 200 OK\r\nx: ", b"y")),
    Case("deadline kept: dripped body", _DEADLINE, lambda: Provider(_JSON, b" ")),
    Case("deadline kept: keep-alive comments", _DEADLINE, lambda: Provider(_EVENTS, _COMMENT), stream=True),
    Case("deadline kept: TLS handshake without an answer", _DEADLINE, scheme="https"),
    Case("clock kept: connect, nobody takes it up", _clock(connect_s=LIMIT_S), fault="C08"),
    Case("clock kept: connect, TLS handshake without an answer", _clock(connect_s=LIMIT_S), scheme="https"),
    Case(
        "clock kept: first content",
        _clock(first_content_s=LIMIT_S),
        lambda: Provider(_EVENTS, _COMMENT),
        stream=True,
    ),
    Case(
        "clock kept: between content",
        _clock(between_content_s=LIMIT_S),
        lambda: Provider(_EVENTS + _content(), _COMMENT),
        stream=True,
        from_content=True,
    ),
    Case(
        "clock kept: rate",
        _clock(min_chars_per_s=1_000, rate_over_s=LIMIT_S),
        lambda: Provider(_EVENTS + _content(), _event(chunks("A", size=1)[1])),
        stream=True,
        from_content=True,
    ),
    Case("clock kept: whole reply", _clock(whole_reply_s=LIMIT_S), lambda: Provider(_JSON, b" ")),
)


def lateness() -> Iterator[tuple[str, float]]:
    """Each case, and the milliseconds by which it ended too late or too soon: the best of some rounds."""
    for case in CASES:
        yield f"{case.name}, sync", min(abs(_late_ms(case, _call)) for _ in range(ROUNDS))
        yield f"{case.name}, async", min(abs(_late_ms(case, _acall)) for _ in range(ROUNDS))


def _late_ms(case: Case, call: Callable[[Guard[Any], str, bool], tuple[float, float]]) -> float:
    provider = case.make() if case.make is not None else None
    with contextlib.ExitStack() as stack:
        answer = None if provider is None else Wire(provider)
        server: Any = stack.enter_context(
            FaultServer(case.fault) if case.fault is not None else LoopbackServer(then=answer)
        )
        began_s, ended_s = call(
            Guard(log=[], **case.settings), server.base_url.replace("http:", f"{case.scheme}:"), case.stream
        )
    if case.from_content:
        assert provider is not None
        assert provider.began_s is not None
        began_s = provider.began_s
    return (ended_s - began_s - LIMIT_S) * 1e3


_ASKED: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "x"}]}


def _call(guard: Guard[Any], url: str, stream: bool) -> tuple[float, float]:
    with openai.OpenAI(api_key="k", base_url=url) as bare, guard.wrap(bare) as client:
        began_s = time.monotonic()
        with contextlib.suppress(GuardrailsError):
            for _ in client.chat.completions.create(**_ASKED, stream=stream):
                pass
        return began_s, time.monotonic()


def _acall(guard: Guard[Any], url: str, stream: bool) -> tuple[float, float]:
    async def call() -> tuple[float, float]:
        async with openai.AsyncOpenAI(api_key="k", base_url=url) as bare:
            client = guard.wrap(bare)
            began_s = time.monotonic()
            with contextlib.suppress(GuardrailsError):
                answer: Any = await client.chat.completions.create(**_ASKED, stream=stream)
                async for _ in answer:
                    pass
            return began_s, time.monotonic()

    return asyncio.run(call())
