"""A call of a real client ends at its deadline, whatever the server does."""

from __future__ import annotations

import asyncio
import importlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any

import openai
import pytest

from guardrails_lite.reliability import classify, time_left_s
from guardrails_lite.reliability._bounded_client import bound_of, bounded_client
from guardrails_lite.reliability._deadline import time_limit
from guardrails_lite.testing import LoopbackServer

HTTPX: Any = importlib.import_module("httpx2" if int(openai.__version__.split(".")[0]) >= 3 else "httpx")
"""What the installed client is built on."""
LIMIT_S = 0.25
LATE_S = 0.05
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n"
SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
CHUNK = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m",'
    b'"choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":null}]}\n\n'
)

Serve = Callable[[socket.socket, threading.Event], None]


def every(seconds: float, part: bytes, first: bytes = b"", *, times: int = 10_000) -> Serve:
    """Send *first*, then *part* again and again."""

    def serve(peer: socket.socket, stop: threading.Event) -> None:
        peer.recv(65_536)
        peer.sendall(first)
        for _ in range(times):
            if stop.wait(seconds):
                return
            peer.sendall(part)
        stop.wait(30)

    return serve


def reads_nothing(peer: socket.socket, stop: threading.Event) -> None:
    stop.wait(30)


def reads_a_little(peer: socket.socket, stop: threading.Event) -> None:
    while not stop.wait(0.02):
        peer.recv(2_000)


@contextmanager
def server(serve: Serve) -> Iterator[str]:
    """A raw server that treats every connection with *serve*."""
    stop = threading.Event()
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)

        def connection(peer: socket.socket) -> None:
            with peer:
                try:
                    serve(peer, stop)
                except OSError:
                    return

        def accept() -> None:
            while not stop.is_set():
                try:
                    peer, _ = listening.accept()
                except OSError:
                    return
                threads.append(threading.Thread(target=connection, args=(peer,)))
                threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        stop.set()
        listening.shutdown(socket.SHUT_RDWR)
        accepting.join()
        for thread in threads:
            thread.join()


FAULTS: dict[str, tuple[Serve, bool, int]] = {
    "C09 silence": (every(60, b""), False, 1),
    "C10 headers dripped": (every(0.02, b"x", b"HTTP/1.1 200 OK\r\nx: "), False, 1),
    "C11 body dripped": (every(0.02, b" ", HEAD), False, 1),
    "C11 body dripped, then silence": (every(0.02, b" ", HEAD, times=10), False, 1),
    "S21 stream never starts": (every(60, b"", SSE), True, 1),
    "S22 keep-alive comments": (every(0.02, b": ping\n\n", SSE), True, 1),
    "S23 silence after content": (every(60, b"", SSE + CHUNK), True, 1),
    "S24 slow content": (every(0.03, CHUNK, SSE), True, 1),
    "request never read": (reads_nothing, False, 5_000_000),
    "request read slowly": (reads_a_little, False, 5_000_000),
}


def ask(client: openai.OpenAI, *, stream: bool, size: int = 1) -> None:
    made = client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "x" * size}], stream=stream
    )
    if stream:
        for _ in made:
            pass


def in_time(call: Callable[[], float]) -> None:
    """*call* takes the limit, give or take what is allowed, and what the machine keeps any thread waiting."""
    for _ in range(5):
        with pauses() as paused_s:
            took = call()
        assert took >= LIMIT_S - 0.01
        if took <= LIMIT_S + LATE_S + paused_s(took - LIMIT_S):
            return
    raise AssertionError(f"{took:.3f} s for a limit of {LIMIT_S} s, five times")


@contextmanager
def pauses() -> Iterator[Callable[[float], float]]:
    """A timer beside what is timed: by how much it went off too late, in all, in the last so many seconds."""
    late: list[tuple[float, float]] = []
    stop = threading.Event()

    def nap() -> None:
        began = time.monotonic()
        while not stop.wait(0.005):
            now = time.monotonic()
            late.append((now, max(now - began - 0.006, 0.0)))
            began = now

    def paused_s(last_s: float) -> float:
        return sum(min(late_s, last_s) for at, late_s in late if at >= ended - last_s)

    napping = threading.Thread(target=nap)
    napping.start()
    try:
        yield paused_s
    finally:
        ended = time.monotonic()
        stop.set()
        napping.join()


def test_a_call_that_is_late_is_told_from_a_machine_that_is() -> None:
    """A call that took a minute while no timer was late by as much is late."""
    with pytest.raises(AssertionError, match=r"60\.000 s for a limit of 0\.25 s, five times"):
        in_time(lambda: 60.0)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("own_http_client", [False, True], ids=["socket", "thread"])
def test_a_synchronous_call_ends_at_its_deadline(fault: str, own_http_client: bool) -> None:
    """Law: within 50 ms of the limit the call has raised a time-out, wherever the server stalls."""
    serve, stream, size = FAULTS[fault]

    def call() -> float:
        http_client = HTTPX.Client() if own_http_client else None
        plain = openai.OpenAI(api_key="k", base_url=url, max_retries=0, timeout=20, http_client=http_client)
        with plain, bounded_client(plain) as client:
            assert bound_of(plain) == ("thread" if own_http_client else "socket")
            began = time.monotonic()
            with (
                pytest.raises((openai.APITimeoutError, HTTPX.TimeoutException)) as raised,
                time_limit(LIMIT_S),
            ):
                ask(client, stream=stream, size=size)
            took = time.monotonic() - began
        assert classify(raised.value).kind == "timeout"
        return took

    with server(serve) as url:
        in_time(call)


@pytest.mark.parametrize("fault", FAULTS)
def test_an_asynchronous_call_ends_at_its_deadline(fault: str) -> None:
    """Law: the same for the asynchronous client, by cancellation, and no connection is left behind."""
    serve, stream, size = FAULTS[fault]

    async def ask(client: openai.AsyncOpenAI) -> None:
        made = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "x" * size}], stream=stream
        )
        if stream:
            async for _ in made:
                pass

    async def call() -> float:
        async with openai.AsyncOpenAI(api_key="k", base_url=url, max_retries=0, timeout=20) as plain:
            assert bound_of(plain) == "cancellation"
            began = time.monotonic()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ask(bounded_client(plain)), LIMIT_S)
            return time.monotonic() - began

    with server(serve) as url:
        in_time(lambda: asyncio.run(call()))


def test_a_full_backlog_ends_at_the_deadline() -> None:
    """Fault C08: a connection that is never accepted is given up at the limit."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        time.sleep(0.05)  # until the kernel has filled its queue
        url = f"http://127.0.0.1:{address[1]}/v1"

        def call() -> float:
            with (
                openai.OpenAI(api_key="k", base_url=url, max_retries=0) as plain,
                bounded_client(plain) as client,
            ):
                began = time.monotonic()
                with pytest.raises(openai.APITimeoutError), time_limit(LIMIT_S):
                    ask(client, stream=False)
                return time.monotonic() - began

        in_time(call)
        for filler in fillers:
            filler.close()


def test_without_a_limit_nothing_changes() -> None:
    """A bounded client answers like the plain one, whole and streamed, and keeps its connection."""
    asked: Any = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    with LoopbackServer(then="Hello.") as loopback:
        plain = openai.OpenAI(api_key="k", base_url=loopback.base_url)
        with plain, bounded_client(plain) as client:
            for _ in range(2):
                whole = client.chat.completions.create(**asked)
                assert whole.choices[0].message.content == "Hello."
            assert loopback.open_connections == 1  # a stream is left at its last event, maybe before its end
            with time_limit(5):
                parts = client.chat.completions.create(**asked, stream=True)
                text = "".join(part.choices[0].delta.content or "" for part in parts if part.choices)
            assert text == "Hello."


FALLING_BACK = """
import gc, warnings
import openai
from guardrails_lite import Guard, Retry, target
from guardrails_lite.testing import HttpReply, LoopbackServer

def offline(messages):
    raise ConnectionError

def fall_back():
    with LoopbackServer(then="Hello.") as loopback:
        away = HttpReply(b"", status=307, headers={"location": f"{loopback.base_url}/chat/completions"})
        with LoopbackServer(then=away) as server:
            client = openai.OpenAI(api_key="k", base_url=server.base_url)
            targets = [target(client, model="m"), target("Sorry.")]
            with client:
                Guard(retry=Retry(attempts=1), fallback=targets).run(offline, "Hi.")

fall_back()
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    gc.collect()
print([str(each.message) for each in said])
"""


def test_a_client_that_nobody_closes_is_closed_when_it_is_collected() -> None:
    """A fallback's own, which is part of a circle: its sockets are closed before the collector finds them."""
    done = subprocess.run([sys.executable, "-c", FALLING_BACK], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_limits_nest_and_end() -> None:
    """An inner limit can only shorten an outer one, and after the block there is none."""
    assert time_left_s() is None
    with time_limit(10):
        with time_limit(1):
            assert 0.9 < (time_left_s() or 0) <= 1
        with time_limit(60):
            assert 9.9 < (time_left_s() or 0) <= 10
        with time_limit(None):
            assert 9.9 < (time_left_s() or 0) <= 10
    assert time_left_s() is None


def test_a_limit_ends_with_a_coroutine_that_is_closed_outside_its_task() -> None:
    """As the garbage collector does with one that was left behind: no error, and no limit stays."""
    closed: list[bool] = []

    async def wait_limited() -> None:
        with time_limit(10):
            try:
                await asyncio.sleep(0)
            finally:
                closed.append(True)

    left_behind = wait_limited()
    copy_context().run(left_behind.send, None)
    left_behind.close()
    assert closed == [True]
    assert time_left_s() is None


def test_a_redirect_to_another_host_is_not_followed() -> None:
    """Fault H22: a prompt is not carried to a host that the user did not name."""
    away = b"HTTP/1.1 307 Away\r\nlocation: http://localhost:9/v1/x\r\ncontent-length: 0\r\n\r\n"
    with (
        server(every(60, b"", away)) as url,
        openai.OpenAI(api_key="k", base_url=url, max_retries=0) as plain,
        bounded_client(plain) as client,
        pytest.raises(openai.APIConnectionError) as raised,
    ):
        ask(client, stream=False)
    assert classify(raised.value).kind == "not found"


def test_what_cannot_be_bounded_says_so() -> None:
    """An opaque callable is bounded only by its own co-operation, and the label tells it."""

    def model(messages: object) -> str:
        return "x"

    assert bound_of(model) == "cooperative"
    assert bounded_client(model) is model
