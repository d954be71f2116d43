"""What ends or parts a process, and so concerns every log that is written in it: forks, and exit."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from typing import Final, Protocol


class Living(Protocol):
    """What writes a log in this process."""

    lock: threading.RLock
    """Held while it writes."""

    def begin_anew(self) -> None:
        """Forget, in a forked child, what belongs to the parent."""

    def close(self) -> None:
        """End what it writes."""


_LIVE: Final[weakref.WeakSet[Living]] = weakref.WeakSet()
"""A forked child must not write to its parent's streams, and exit ends them."""
_FORKING: Final[dict[int, list[Living]]] = {}
"""Those whose locks the forking thread holds between the two halves of a fork."""
_MAKING = threading.RLock()


def live(writer: Living) -> None:
    """Know of *writer* for as long as it is there."""
    _LIVE.add(writer)


def making() -> threading.RLock:
    """Held while a log is made, so that no fork duplicates a lock file in use."""
    return _MAKING


def _before_fork() -> None:
    _MAKING.acquire()
    for writer in _FORKING.setdefault(os.getpid(), list(_LIVE)):
        writer.lock.acquire()


def _after_fork_in_parent() -> None:
    for writer in _FORKING.pop(os.getpid(), ()):
        writer.lock.release()
    _MAKING.release()


def _after_fork_in_child() -> None:
    global _MAKING
    _MAKING = threading.RLock()
    _FORKING.clear()
    for writer in list(_LIVE):
        writer.begin_anew()


def _at_exit() -> None:
    for writer in list(_LIVE):
        writer.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
atexit.register(_at_exit)
