"""A thread whose work can be left behind: who waits for it waits for just so long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any

from guardrails_lite.reliability._tether import held

Late = Callable[[str], BaseException]
Discard = Callable[[Any], None]
_Given = SimpleQueue[Callable[[], None] | None]


class Worker:
    """One thread for what is done in turn, such as a request and the parts of its reply.

    The thread begins with the first piece and waits between two of them, until it is let go by `end`.
    """

    __slots__ = ("_given",)

    def __init__(self) -> None:
        self._given: _Given | None = None

    def do(self, work: Callable[[], Any], timeout_s: float | None, late: Late, discard: Discard) -> Any:
        """Do *work* there and stop waiting after *timeout_s*, or when nobody wants it any more.

        Python cannot stop the thread. When it finishes too late, what it brings is given to *discard*.
        """
        lock = threading.Lock()
        finished = threading.Event()
        given_up = False
        box: list[Any] = []
        context = copy_context()

        def whole() -> None:
            try:
                found, error = context.run(work), None
            except BaseException as raised:  # handed over to the waiting thread, whatever it is
                found, error = None, raised
            with lock:
                if not given_up:
                    box.extend((found, error))
                    finished.set()
                    return
            if error is None:
                discard(found)

        self._give(whole)
        try:
            held(finished.set, finished.wait, timeout_s)
        except BaseException:  # it is not wanted any more, whether it has come or not
            with lock:
                given_up = True
            if box and box[1] is None:
                discard(box[0])
            raise
        with lock:
            given_up = not box
        if not box:
            raise late("the deadline has passed")
        found, error = box
        if error is not None:
            raise error
        return found

    def end(self) -> None:
        """Let the thread go, after what it may be at. What comes later is done in another."""
        given, self._given = self._given, None
        if given is not None:
            given.put(None)

    def _give(self, work: Callable[[], None]) -> None:
        if self._given is None:
            self._given = SimpleQueue()
            threading.Thread(
                target=_work_off, args=(self._given,), name="guardrails-lite-bounded", daemon=True
            ).start()
        self._given.put(work)


def in_thread(work: Callable[[], Any], timeout_s: float | None, late: Late, discard: Discard) -> Any:
    """`Worker.do`, in a thread for this work alone."""
    worker = Worker()
    try:
        return worker.do(work, timeout_s, late, discard)
    finally:
        worker.end()


def _work_off(given: _Given) -> None:
    for work in iter(given.get, None):
        work()
        del work  # and what it brought: the next may be long in coming
