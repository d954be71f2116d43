"""A plain HTTP/1.1 listener on loopback, one thread per connection.

It works on raw sockets rather than `http.server` because tests need what a decent server would not do:
reset a connection, stop in the middle of a body, send one byte at a time. And it is quick, so that it can
stand under a benchmark.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 429: "Too Many Requests", 500: "Server Error"}


class Gone(Exception):
    """The client hung up, or the server is being stopped: nothing is left to answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: Any
    """The JSON of the body, parsed; None where there is none."""
    raw: bytes = field(default=b"", repr=False)
    """The body as it came."""

    @property
    def model(self) -> str:
        """The model the request names, or the empty string."""
        return str(self.body.get("model", "")) if isinstance(self.body, dict) else ""

    @property
    def streams(self) -> bool:
        """Whether the request asks for a stream."""
        return isinstance(self.body, dict) and self.body.get("stream") is True


class Peer:
    """One connection, from the server's side."""

    def __init__(self, sock: socket.socket, stopping: socket.socket) -> None:
        self.sock = sock
        self._stopping = stopping
        self._buffer = b""

    def read_request(self) -> Request | None:
        """Wait for the next request; None when the client has closed instead."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if not self._fill():
                return None
        head, self._buffer = self._buffer[:end].decode("latin-1"), self._buffer[end + 4 :]
        first, *lines = head.split("\r\n")
        method, path, *_ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        while len(self._buffer) < length:
            if not self._fill():
                return None
        raw, self._buffer = self._buffer[:length], self._buffer[length:]
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = None
        return Request(method, path, headers, body, raw)

    def send(self, data: bytes) -> None:
        """Send *data* now."""
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise Gone from error

    def pause(self, seconds: float) -> None:
        """Wait, unless the client hangs up or the server stops first."""
        ends = time.monotonic() + seconds
        watched = [self.sock, self._stopping]
        while (left := ends - time.monotonic()) > 0:
            readable, _, _ = select.select(watched, [], [], left)
            if self._stopping in readable:
                raise Gone
            if self.sock in readable:
                try:
                    if not self.sock.recv(1, socket.MSG_PEEK):
                        raise Gone
                except OSError as error:
                    raise Gone from error
                watched.remove(self.sock)

    def reset(self) -> None:
        """Close with a TCP reset, as a crashed server does."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        raise Gone

    def hang_up(self) -> None:
        """Close in an orderly way, whatever was promised."""
        raise Gone

    def _fill(self) -> bool:
        try:
            data = self.sock.recv(65536)
        except OSError:
            return False
        self._buffer += data
        return bool(data)


class Listener:
    """Listen on 127.0.0.1 and give each request to `answer`, until the `with` block ends."""

    def __init__(
        self,
        *,
        answer: Callable[[Peer, Request], None],
        greet: Callable[[Peer], None] | None = None,
        keep: int = 10_000,
    ) -> None:
        self._answer = answer
        self._greet = greet  # what is done with a connection before anything is read from it
        self._requests: deque[Request] = deque(maxlen=keep)
        self._peers: set[Peer] = set()
        self._answering = 0
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._ends: tuple[socket.socket, socket.socket] | None = None
        self._count = 0
        self.port = 0

    def __enter__(self) -> Self:
        listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = listening.getsockname()[1]
        self._ends = socket.socketpair()
        self._accepting = self._start(self._accept, listening, self._ends[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._ends is not None
        wake, stopping = self._ends
        wake.close()
        self._accepting.join()
        with self._lock:
            peers, threads = list(self._peers), list(self._threads)
        for peer in peers:
            _shut(peer.sock)
        for thread in threads:
            thread.join(5)
        stopping.close()

    @property
    def requests(self) -> list[Request]:
        """The newest requests, oldest first."""
        return list(self._requests)

    @property
    def request_count(self) -> int:
        """How many requests have come."""
        return self._count

    @property
    def open_connections(self) -> int:
        """How many clients hold a connection."""
        with self._lock:
            return len(self._peers)

    def wait_idle(self, timeout_s: float = 1.0) -> bool:
        """Wait until no connection is open; False if some still are after *timeout_s*."""
        return self.wait_open(0, timeout_s)

    def wait_open(self, most: int, timeout_s: float = 1.0) -> bool:
        """Wait until at most so many connections are open; False if more still are after *timeout_s*."""
        return _until(lambda: self.open_connections <= most, timeout_s)

    def wait_answered(self, timeout_s: float = 1.0) -> bool:
        """Wait until no request is being answered; False if some still are after *timeout_s*.

        An answer is over when all of it is sent or the client has hung up; connections may stay open.
        """
        return _until(lambda: not self._answering, timeout_s)

    def _accept(self, listening: socket.socket, stopping: socket.socket) -> None:
        with listening:
            while True:
                readable, _, _ = select.select([listening, stopping], [], [])
                if stopping in readable:
                    return
                sock, _ = listening.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                peer = Peer(sock, stopping)
                with self._lock:
                    self._peers.add(peer)
                self._start(self._serve, peer)

    def _serve(self, peer: Peer) -> None:
        try:
            if self._greet is not None:
                self._greet(peer)
            while (request := peer.read_request()) is not None:
                with self._lock:
                    self._count += 1
                    self._requests.append(request)
                    self._answering += 1
                try:
                    self._answer(peer, request)
                finally:
                    with self._lock:
                        self._answering -= 1
                if request.headers.get("connection", "").lower() == "close":
                    break
        except Gone:
            pass
        finally:
            with self._lock:
                self._peers.discard(peer)
            peer.sock.close()

    def _start(self, target: Callable[..., None], *args: Any) -> threading.Thread:
        def run() -> None:
            try:
                target(*args)
            finally:
                with self._lock:
                    self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=run, name="loopback", daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()
        return thread


def _until(fine: Callable[[], bool], timeout_s: float) -> bool:
    ends = time.monotonic() + timeout_s
    while not fine():
        if time.monotonic() > ends:
            return False
        time.sleep(0.002)
    return True


def head(status: int, headers: Mapping[str, str] | list[tuple[str, str]]) -> bytes:
    """Write a status line and headers."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    lines = "".join(f"{name}: {value}\r\n" for name, value in pairs)
    return f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\n{lines}\r\n".encode("latin-1")


def http_chunk(data: bytes) -> bytes:
    """Frame *data* for `Transfer-Encoding: chunked`."""
    return b"%x\r\n%s\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
