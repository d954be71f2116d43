"""A request that another thread can end: whatever it waits for, and nothing else."""

from __future__ import annotations

import socket
import threading
from contextvars import copy_context
from typing import Any

import pytest

from guardrails_lite.reliability._tether import Tether, held, is_tethered
from guardrails_lite.reliability._worker import in_thread


def tied(tether: Tether, work: Any) -> Any:
    """Do *work* in a context of its own that *tether* holds."""

    def run() -> Any:
        tether.tie()
        return work()

    return copy_context().run(run)


def never() -> None:
    """What must not be called."""
    raise AssertionError


def test_a_wait_at_a_socket_is_ended() -> None:
    """Shutting the socket down ends the read of another thread."""
    ours, theirs = socket.socketpair()
    tether, waits, got = Tether(), threading.Event(), []

    def read() -> None:
        def work() -> bytes:
            waits.set()
            return ours.recv(1)

        got.append(held(lambda: ours.shutdown(socket.SHUT_RDWR), work))

    with ours, theirs:
        thread = threading.Thread(target=tied, args=(tether, read))
        thread.start()
        assert waits.wait(60)
        tether.cut()
        thread.join(60)
    assert got == [b""]


def test_an_operation_after_the_cut_does_not_begin() -> None:
    """The rope is found cut, and nothing is shut down that may be somebody else's by now."""
    tether = Tether()
    assert tied(tether, lambda: held(never, lambda: "done")) == "done"
    tether.cut()

    with pytest.raises(ConnectionAbortedError):
        tied(tether, lambda: held(never, never))


def test_without_a_tether_work_is_just_done() -> None:
    """Most requests are not raced."""
    assert not is_tethered()
    assert held(never, lambda left, right: left + right, 1, 2) == 3


@pytest.mark.parametrize("comes_first", [True, False])
def test_what_comes_when_nobody_wants_it_is_discarded(comes_first: bool) -> None:
    """A connection that was made for a request that is over is closed, whichever was first."""
    tether, begun, go_on = Tether(), threading.Event(), threading.Event()
    discarded: list[str] = []
    done = threading.Event()

    def work() -> str:
        begun.set()
        if not comes_first:
            assert go_on.wait(60)
        return "connection"

    def discard(found: str) -> None:
        discarded.append(found)
        done.set()

    def late() -> None:
        assert begun.wait(60)
        tether.cut()

    if comes_first:
        tether.cut()
    cutter = threading.Thread(target=late)
    cutter.start()
    with pytest.raises((ConnectionAbortedError, TimeoutError)):
        tied(tether, lambda: in_thread(work, None, TimeoutError, discard))
    go_on.set()
    cutter.join(60)
    assert done.wait(60)
    assert discarded == ["connection"]
