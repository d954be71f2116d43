"""What several validators work out of one text, worked out once while the rules of a guard look at it.

The engine opens a desk around the checks that it runs one after another in one thread, and clears it when
they are done, so that no text stays. Outside of that, and in other threads, each validator works for itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class _Desk(threading.local):
    is_open = False
    text: str | None = None
    made: dict[Callable[[str], Any], Any] | None = None


_DESK = _Desk()


def open_desk() -> None:
    """Let what is worked out of a text in this thread be shared, until `clear_desk`."""
    _DESK.is_open = True


def clear_desk() -> None:
    """Forget the text and all that was made of it."""
    desk = _DESK
    desk.is_open = False
    desk.text = desk.made = None


def shared(text: str, make: Callable[[str], T]) -> T:
    """What *make* makes of *text*; the same object for each who asks while the desk is open.

    It is not to be changed in a way that the next one would notice.
    """
    desk = _DESK
    if not desk.is_open:
        return make(text)
    if desk.text is not text or desk.made is None:  # a rule before has rewritten it, or it is the first
        desk.text, desk.made = text, {}
    if make not in desk.made:
        desk.made[make] = make(text)
    made: T = desk.made[make]
    return made
