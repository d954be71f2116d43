"""A server that brings one fault about, and answers everything else well."""

from __future__ import annotations

import contextlib
import socket
import time
from types import TracebackType
from typing import Self

from guardrails_lite._engine._asking import GO_ON
from guardrails_lite.testing._server import Answer, HttpReply, Wire, send
from guardrails_lite.testing._shapes import completion, with_choices
from guardrails_lite.testing._wire import Gone, Listener, Peer, Request
from guardrails_lite.testing.faults._catalogue import FAULTS
from guardrails_lite.testing.faults._fault import BROKEN, TEXT, Fault, Place, Variant

PRIMARY = "primary"
"""The model whose requests are struck."""
_NO_MODELS = b'{"object": "list", "data": []}'


class FaultServer(Listener):
    """Serve one fault on 127.0.0.1 for the length of a `with` block.

    The first `fault.times` requests for the model ``"primary"`` are struck; all others are answered well.

    Args:
        fault: A row of the catalogue, or its id.
        variant: The name of one of its variants; default: the first.

    Raises:
        ValueError: there is no such row or variant, or the row is not served.
    """

    def __init__(self, fault: Fault | str, variant: str | None = None) -> None:
        super().__init__(answer=self._reply, greet=self._first_moment)
        self.fault = _row(fault)
        self.variant = _variant(self.fault, variant)
        self.place = self.variant.place or self.fault.place
        self.arrivals: list[tuple[float, str]] = []
        """When each request came, on the monotonic clock, and for which model."""
        self.unread = 0
        """How many connections ended before a request was read from them."""
        self._struck = 0
        self._greeted: set[Peer] = set()
        self._blocked: list[socket.socket] = []
        self._warm = self.fault.warm

    def __enter__(self) -> Self:
        super().__enter__()
        if self.place in ("refused", "full"):
            self._blocked = _blocked(full=self.place == "full")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sock in self._blocked:
            sock.close()
        super().__exit__(kind, error, trace)

    def __repr__(self) -> str:
        return f"<FaultServer {self.fault.id} {self.variant.name!r}: {self.request_count} requests>"

    @property
    def base_url(self) -> str:
        """What a client takes as `base_url`."""
        if self.place == "unresolvable":
            return "http://nothing.invalid/v1"
        port = self._blocked[0].getsockname()[1] if self._blocked else self.port
        return f"http://127.0.0.1:{port}/v1"

    @property
    def struck_call(self) -> list[tuple[float, str]]:
        """`arrivals` without the healthy call that comes first where the fault strikes a warm connection."""
        return self.arrivals[1:] if self.fault.warm else self.arrivals

    @property
    def is_up(self) -> bool:
        """Whether a client can connect to it."""
        return self.place not in ("refused", "unresolvable", "full")

    def _first_moment(self, peer: Peer) -> None:
        if self.place == "greeting" and self._strikes():
            self._greeted.add(peer)
            assert isinstance(self.variant.answer, Wire)
            try:
                self.variant.answer.serve(peer, Request("", "", {}, None))
            except Gone:
                self.unread += 1
                raise

    def _reply(self, peer: Peer, request: Request) -> None:
        if request.method == "GET":  # a client's list of models: no call, and never struck
            send(peer, request, HttpReply(_NO_MODELS))
            return
        self.arrivals.append((time.monotonic(), request.model))
        if peer in self._greeted:
            self._greeted.discard(peer)
            return
        answer: Answer = healthy(request)
        place: Place = "earlier" if self._warm else "answer"
        self._warm = False
        if request.model == PRIMARY and self.place == place and self._strikes():
            answer = self.variant.answer
        while callable(answer):
            answer = answer(request)
        send(peer, request, answer)

    def _strikes(self) -> bool:
        with self._lock:
            self._struck += 1
            return self._struck <= self.fault.times


def healthy(request: Request) -> Answer:
    """The answer that nothing is wrong with; to a request to go on with a broken one, the rest of that."""
    body = request.body if isinstance(request.body, dict) else {}
    messages = body.get("messages") or ()
    if messages and GO_ON in str(messages[-1].get("content")):
        begun = messages[-2]["content"]
        return BROKEN[len(begun) :] if BROKEN.startswith(begun) else BROKEN
    count = body.get("n")
    return with_choices(*[completion(TEXT)] * count) if isinstance(count, int) else TEXT


def _row(fault: Fault | str) -> Fault:
    row = FAULTS.get(fault) if isinstance(fault, str) else fault
    if row is None:
        raise ValueError(f"there is no fault {fault!r}; expected one of {', '.join(FAULTS)}")
    if not row.is_served:
        raise ValueError(
            f"fault {row.id} ({row.title}) lies in the caller's own process: no server brings it about"
        )
    return row


def _variant(fault: Fault, name: str | None) -> Variant:
    for variant in fault.answers:
        if name is None or variant.name == name:
            return variant
    names = ", ".join(repr(variant.name) for variant in fault.answers)
    raise ValueError(f"fault {fault.id} has no variant {name!r}; expected one of {names}")


def _blocked(*, full: bool) -> list[socket.socket]:
    """Take a port on which nobody listens, or where the queue of those who wait is full."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    if not full:
        return [sock]
    sock.listen(0)
    waiting = []
    for _ in range(4):
        waiting.append(socket.socket())
        waiting[-1].setblocking(False)
        with contextlib.suppress(BlockingIOError):
            waiting[-1].connect(sock.getsockname())
    return [sock, *waiting]
