"""A thread for one request and its reply: it does what it is given in turn, and is not left behind."""

from __future__ import annotations

import gc
import importlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from guardrails_lite.reliability._bounded_client import bounded_client
from guardrails_lite.reliability._deadline import time_limit
from guardrails_lite.reliability._worker import Worker

HTTPX: Any = importlib.import_module("httpx2" if int(openai.__version__.split(".")[0]) >= 3 else "httpx")
"""What the installed client is built on."""
EVENT = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m",'
    b'"choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":null}]}\n\n'
)


def never(_: object) -> None:
    """What must not be called."""
    raise AssertionError


def done(worker: Worker, work: Callable[[], Any]) -> Any:
    return worker.do(work, 60, TimeoutError, never)


def test_it_does_one_thing_after_another_in_one_thread_and_ends() -> None:
    """Also one that is ended twice, and one that never began."""
    worker = Worker()
    first, second = (done(worker, threading.current_thread) for _ in range(2))
    worker.end()
    worker.end()
    first.join(60)

    assert first is second
    assert not first.is_alive()
    Worker().end()


def test_after_its_end_it_begins_anew() -> None:
    """So who reads on in what was closed gets the answer of what was closed, and waits for nobody."""
    worker = Worker()
    first = done(worker, threading.current_thread)
    worker.end()
    second = done(worker, threading.current_thread)
    worker.end()
    second.join(60)

    assert first is not second
    assert not second.is_alive()


def test_an_error_comes_to_who_waits_and_the_next_thing_is_done() -> None:
    """The thread outlives it."""
    worker = Worker()
    thread = done(worker, threading.current_thread)
    with pytest.raises(ZeroDivisionError):
        done(worker, lambda: 1 // 0)
    assert done(worker, threading.current_thread) is thread
    worker.end()


def test_what_is_left_behind_ends_with_what_it_was_at() -> None:
    """What it brings is discarded there, once, and the thread is gone."""
    worker, go_on = Worker(), threading.Event()
    thread = done(worker, threading.current_thread)
    discarded: list[object] = []
    with pytest.raises(TimeoutError, match="the deadline has passed"):
        worker.do(lambda: go_on.wait(60), 0.01, TimeoutError, discarded.append)
    worker.end()
    assert thread.is_alive()
    go_on.set()
    thread.join(60)

    assert not thread.is_alive()
    assert discarded == [True]


class Told(HTTPX.BaseTransport):  # type: ignore[misc, name-defined]  # the module is chosen at run time
    """A user's own transport: a stream of events, which tells by whom it was waited for."""

    def __init__(self, stalls: threading.Event | None) -> None:
        self.threads: list[threading.Thread] = []
        self._stalls = stalls

    def handle_request(self, request: Any) -> Any:
        self.threads.append(threading.current_thread())
        return HTTPX.Response(200, headers={"content-type": "text/event-stream"}, stream=Events(self))

    def events(self) -> Iterator[bytes]:
        for _ in range(3):
            self.threads.append(threading.current_thread())
            yield EVENT
        if self._stalls is not None:
            self._stalls.wait(60)
        yield b"data: [DONE]\n\n"


class Events(HTTPX.SyncByteStream):  # type: ignore[misc, name-defined]  # the module is chosen at run time
    def __init__(self, told: Told) -> None:
        self._told = told

    def __iter__(self) -> Iterator[bytes]:
        return self._told.events()


def read(reply: Any) -> None:
    assert len(list(reply)) == 3


def close(reply: Any) -> None:
    assert next(reply)
    reply.close()


def close_unread(reply: Any) -> None:
    reply.close()


def drop(reply: Any) -> None:
    """Nothing: its last reader is gone."""


def wait(reply: Any) -> None:
    with pytest.raises((openai.APITimeoutError, HTTPX.ReadTimeout)):
        list(reply)


@pytest.mark.parametrize("leave", [read, close, close_unread, drop, wait])
def test_a_streamed_reply_has_one_thread_that_ends_with_it(leave: Callable[[Any], None]) -> None:
    """However it ends; a thread that stalls in a client of the user's own ends when that lets it go."""
    stalls = threading.Event() if leave is wait else None
    told = Told(stalls)
    plain = openai.OpenAI(api_key="k", base_url="http://x/v1", http_client=HTTPX.Client(transport=told))
    with plain, bounded_client(plain) as client, time_limit(0.5 if leave is wait else 60):
        leave(
            client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "x"}], stream=True
            )
        )
        gc.collect()
        if stalls is not None:
            stalls.set()
        thread, *others = told.threads
        thread.join(60)

    assert thread is not threading.current_thread()
    assert set(others) <= {thread}
    assert not thread.is_alive()
