"""Whose turn it is at a log's registry: one process's, and in it one thread's, which never waits for itself.

The garbage collector strikes anywhere. It may end a stream that somebody abandoned, or drop a log that nobody
closed, while this very thread reads the registry through for an hour; that call's record would need the
registry, too. So what comes to the thread whose turn it is waits until it has let go.

The application's callbacks run in that thread as well, such as the ``on_progress`` of `expire`. A record they
write waits in the same way. What has to be done at once and needs the registry is refused.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from guardrails_lite._errors import ConfigError, GuardrailsError
from guardrails_lite.audit._disk import locked

Later = Callable[[], object]


class _Turns(threading.local):
    """The turns of one thread: by lock file, what waits until it is over."""

    def __init__(self) -> None:
        self.waiting: dict[str, list[Later]] = {}


_TURNS: Final = _Turns()


@contextlib.contextmanager
def turn(lock: Path) -> Iterator[None]:
    """Hold the lock file *lock*, waiting for whoever has it; then do what was put off meanwhile.

    Raises:
        ConfigError: this thread holds it already.
    """
    name = os.path.realpath(lock)
    refuse_in_turn(lock)
    # From before it is held until after, for the collector may strike in between.
    _TURNS.waiting[name] = []
    try:
        with locked(lock):
            yield
    finally:
        with contextlib.ExitStack() as due:  # all of it is done, whatever one of them raises
            for what in reversed(_TURNS.waiting.pop(name, ())):
                due.callback(_do, what)


def _do(what: Later) -> None:
    with contextlib.suppress(GuardrailsError, OSError):  # its call has no caller any more
        what()


def refuse_in_turn(lock: Path) -> None:
    """Let nobody wait for *lock* who holds it.

    Raises:
        ConfigError: this thread holds it.
    """
    if os.path.realpath(lock) in _TURNS.waiting:
        raise ConfigError(
            f"{lock.parent}: this thread is already using this log alone, in a callback such as "
            "on_progress=, so it would wait for itself. Do this after the call that took the callback."
        )


def in_turn() -> bool:
    """Whether this thread holds any lock file here."""
    return bool(_TURNS.waiting)


def put_off(lock: Path, what: Later) -> bool:
    """Whether this thread holds *lock*; if so, *what* is done as soon as it has let go."""
    waiting = _TURNS.waiting.get(os.path.realpath(lock))
    if waiting is None:
        return False
    waiting.append(what)
    return True


def _begin_anew() -> None:
    """Forget, in a forked child, the turns of the parent."""
    _TURNS.waiting.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
