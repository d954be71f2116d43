"""Which consequential calls have begun and which have ended, so that none is made twice.

A tool with ``effects="write"`` reserves its key before it runs. The key names the logical call: the scope
(the record of the guarded call, or an `operation` that the caller names), the tool and the arguments. A key
that is taken is never run again in that scope, also when the first run failed half way and nobody knows how
far it came: then somebody has to find out, and settle it.
"""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass, replace
from typing import Literal, Protocol

EffectState = Literal["done", "unknown"]
"""How an effect stands: it happened, or it began and nobody knows how far it came."""


@dataclass(frozen=True, slots=True)
class Effect:
    """A consequential call that has begun."""

    reference: str
    """Names it in this ledger; says nothing about its arguments."""
    tool: str
    """The tool that was run."""
    state: EffectState
    begun: float
    """When it began, in seconds since 1970."""

    @property
    def begun_at(self) -> str:
        """When it began, to read."""
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.begun))


class EffectLedger(Protocol):
    """Where effects are reserved before they happen. Make one to keep them in a store of your own."""

    def reserve(self, key: str, tool: str) -> Effect | None:
        """Take *key* for *tool*, or tell what has taken it. Of many at once, exactly one gets None.

        A taken key counts as ``"unknown"`` until `done` is called, so that a crash leaves it so.
        """

    def done(self, key: str) -> None:
        """The effect of *key* happened."""

    def give_back(self, key: str) -> None:
        """Whoever reserved *key* was cancelled, and its effect cannot have begun: it is free again."""


def effect_key(scope: str, tool: str, arguments: str) -> str:
    """Name one logical call without showing its arguments."""
    digest = hashlib.sha256()
    for part in (scope, tool, arguments):
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()


class MemoryLedger:
    """Effects of this process. Holds the newest *size* of them: about 300 bytes each."""

    def __init__(self, *, size: int = 100_000) -> None:
        self._size = size
        self._effects: dict[str, Effect] = {}
        self._lock = threading.Lock()

    def reserve(self, key: str, tool: str) -> Effect | None:
        """Take *key* for *tool*, or tell what has taken it."""
        with self._lock:
            taken = self._effects.get(key)
            if taken is None:
                self._effects[key] = Effect(key[:12], tool, "unknown", time.time())
                while len(self._effects) > self._size:
                    del self._effects[next(iter(self._effects))]
            return taken

    def done(self, key: str) -> None:
        """The effect of *key* happened."""
        with self._lock:
            if key in self._effects:
                self._effects[key] = replace(self._effects[key], state="done")

    def give_back(self, key: str) -> None:
        """The effect of *key* never began."""
        with self._lock:
            if key in self._effects and self._effects[key].state != "done":
                del self._effects[key]

    def __repr__(self) -> str:
        return f"MemoryLedger(size={self._size})"
