"""The segments of a log scanned ahead of their turn, by several processes where there is much to scan.

Scanning is almost all of the time that checking takes, and holds the interpreter's lock, so threads would not
help. What the processes give back is what `_runs.scan` gives here, so who asks cannot tell the difference.

The processes are spawned, not forked: a process that verifies a log may well write one in another thread,
and a fork copies that thread's locks as they stand. Whatever keeps processes from starting or ends them,
the scanning is then done here.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from guardrails_lite.audit._runs import PART_BYTES, Part, Run, parts, scan

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

LEAST_BYTES: Final = 8 * PART_BYTES
"""With less to scan, starting a process takes longer than it saves."""


class Ahead:
    """*segments*, each a stream's name and a file, scanned in this order by *processes* processes.

    Used in a ``with`` block, which ends them.
    """

    def __init__(
        self,
        segments: Iterable[tuple[str, Path]],
        *,
        processes: int,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
        least_bytes: int = LEAST_BYTES,
    ) -> None:
        self._waiting = deque(part for stream, path in segments for part in parts(stream, path))
        self._begun: deque[tuple[Part, _Job]] = deque()
        self._total = sum(part.size for part in self._waiting)
        self._done = 0
        self._tell = on_progress
        parallel = processes > 1 and self._total >= least_bytes
        self._pool = _pool(processes) if parallel else None
        # Enough that no process waits for work, and no more: what they found is held until its turn.
        self._at_once = 3 * processes if parallel else 1

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def scan(self, path: Path) -> Iterator[Run | bytes]:
        """What is in the segment *path*, which must come after those that were asked for.

        Raises:
            OSError: it cannot be read.
        """
        for part, job in iter(self._next, None):
            if part.path == path:  # else: the rest of one that could not be read
                try:
                    yield from job()
                except BrokenExecutor:
                    yield from scan(part)
            self._done += part.size
            self._tell(self._done, self._total)
            if part.is_last and part.path == path:
                return

    def _next(self) -> tuple[Part, _Job] | None:
        while self._waiting and len(self._begun) < self._at_once:
            part = self._waiting.popleft()
            self._begun.append((part, self._begin(part)))
        return self._begun.popleft() if self._begun else None

    def _begin(self, part: Part) -> _Job:
        if self._pool is not None:
            try:
                with _interrupts_held():
                    return self._pool.submit(_scan, part).result
            except Exception:  # whatever keeps processes from starting, this one can do the work
                self._pool.shutdown(cancel_futures=True)
                self._pool = None
        return partial(scan, part)


_Job = Callable[[], Iterable[Run | bytes]]


def _scan(part: Part) -> list[Run | bytes]:
    return list(scan(part))


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let processes that start in here never see a Ctrl-C: their parent does, and ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _pool(processes: int) -> ProcessPoolExecutor | None:
    try:
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        return ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _end_with_parent)
    except (ImportError, NotImplementedError, OSError):  # this system has no semaphores to offer
        return None


def _end_with_parent() -> None:
    """Let no process outlive the one it works for, however that ends."""
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is not None:

        def leave() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=leave, daemon=True).start()
