"""A guard, prepared to run: what the engine looks things up in. Built once by `Guard`, never changed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from guardrails_lite._engine._screen import Side

if TYPE_CHECKING:
    from guardrails_lite._engine._cache import Cache
    from guardrails_lite._schema import Schema
    from guardrails_lite._targets import Target
    from guardrails_lite._tools import EffectLedger, Toolbox
    from guardrails_lite.reliability import Budget, Clocks, Hedge, Retry, Upstream

_DICE = random.SystemRandom().random
"""Spreads waits. Not the module's own generator: an application may have seeded that, and forks share it."""
_MEMO_SIZE = 4096


class Memo:
    """Texts of the history that have passed every input rule, remembered by their hashes only."""

    __slots__ = ("_new", "_old")

    def __init__(self) -> None:
        self._new: set[int] = set()
        self._old: set[int] = set()

    def __contains__(self, text: tuple[str, str | bytes]) -> bool:
        key = hash(text)
        return key in self._new or key in self._old

    def add(self, text: tuple[str, str | bytes]) -> None:
        """Remember a role's text; what was not added again for a generation is forgotten."""
        if len(self._new) >= _MEMO_SIZE:
            self._old, self._new = self._new, set()
        self._new.add(hash(text))


class HasDigest(Protocol):
    """The guard, as far as its plan needs it."""

    @property
    def digest(self) -> str:
        """Names the policy. Worked out when it is first asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Everything one exchange needs to know of its guard."""

    name: str | None
    guard: HasDigest
    enforce: bool
    input: Side
    output: Side
    schema: Schema[Any] | None
    toolbox: Toolbox | None
    retry: Retry
    budget: Budget
    fallback: tuple[Target, ...]
    sinks: tuple[Callable[[Any], Any], ...]
    """Called with each completed record."""
    intent_sinks: tuple[Callable[[Any], Any], ...]
    """Called with the intent before anything is sent."""
    accept: frozenset[str]
    """Endings that are values to this application: ``empty``, ``refused``, ``truncated``."""
    upstream: Upstream | None
    """Of the primary, and of fallbacks that only override its parameters."""
    cache: Cache | None
    hedge: Hedge | None
    clocks: Clocks | None
    """Of all targets that have none of their own."""
    has_clocks: bool
    """Whether any target has some."""
    has_upstreams: bool
    """Whether any target has one."""
    captures: bool
    """Some sink asks for the texts."""
    seals: bool
    """Some sink asks for the originals too: what was said before any rule rewrote or stopped it."""
    each_call: bool
    """The right tool calls of a turn are let through also where others are refused."""
    effects: EffectLedger | None
    """Where the log keeps what tools have done; None: nothing that outlives the process does."""
    needs_loop: str | None = None
    """The rule whose validator is async, so that the guard cannot be used synchronously."""
    memo: Memo = field(default_factory=Memo)
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    random: Callable[[], float] = _DICE
