"""What a forked child must not inherit: locks that another thread held, places that are the parent's."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class StartsAfresh(Protocol):
    """Something that can forget what belongs to the parent process."""

    def start_afresh(self) -> None:
        """Forget it. Only the forking thread runs when this is called."""


_ALL: weakref.WeakSet[StartsAfresh] = weakref.WeakSet()


def on_fork(owner: StartsAfresh) -> None:
    """Have *owner* start afresh in every child that is forked from now on."""
    _ALL.add(owner)


def _after_fork() -> None:
    for owner in list(_ALL):
        owner.start_afresh()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_after_fork)
