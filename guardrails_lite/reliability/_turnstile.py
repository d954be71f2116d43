"""The way to one upstream: a call asks, waits for its turn or is turned away, and reports how it went.

One step decides on everything at once (is a breaker open, did the server ask for a pause, is there room,
is a second try paid for), so no caller comes between the question and the answer. What it looks at, and what
it changes, is in `_way.py`; who goes next of those who wait, in `_queue.py`. Nothing here sleeps: `_turns.py`
waits, in a thread or on an event loop.
"""

from __future__ import annotations

import itertools
import math
import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails_lite.reliability._breaker import Circuit
from guardrails_lite.reliability._failure import Failure
from guardrails_lite.reliability._forks import on_fork
from guardrails_lite.reliability._lane import Lane
from guardrails_lite.reliability._permits import Permit, Turn, TurnedAway, Waiting
from guardrails_lite.reliability._retry_budget import SecondTry
from guardrails_lite.reliability._shared_store import DegradingStore, SharedStore
from guardrails_lite.reliability._stores import Busy, Keys, MemoryStore, Store
from guardrails_lite.reliability._way import Way

if TYPE_CHECKING:
    from guardrails_lite.reliability._upstream import Upstream

DICE = random.SystemRandom().random
"""Spreads waits. Not the module's own generator: an application may have seeded that, and forks share it."""
LEASE_S = 900.0
"""How long a place is kept for a call that has no deadline and never reports back."""
_GRACE_S = 5.0


class Place(NamedTuple):
    """Which upstream it is. Failures are held against the part they belong to."""

    account: str
    """The key or the account, never as plain text: a digest of it."""
    endpoint: str
    """The host, such as ``api.openai.com``."""
    model: str
    """The model, where the request names one."""


class Turnstile:
    """Admits calls to one upstream. Safe under threads, event loops and forks."""

    def __init__(
        self,
        upstream: Upstream,
        place: Place,
        *,
        store: Store | None = None,
        dice: Callable[[], float] = DICE,
    ) -> None:
        self.upstream = upstream
        self.place = place
        self.store: Store = store if store is not None else MemoryStore()
        self._dice = dice
        self._keys: Keys = (
            (f"account {place.account}", Circuit),
            (f"endpoint {place.endpoint}", Circuit),
            (f"lane {place.account} {place.endpoint} {place.model}", Lane),
        )
        self._wakers: dict[str, Callable[[], None]] = {}
        self.start_afresh()
        on_fork(self)

    def start_afresh(self) -> None:
        """Forget the parent process's waiting callers."""
        self._wakers.clear()
        self._way: Way | None = None
        self._prefix = f"{os.getpid():x}.{time.time_ns() & 0xFFFFFFFF:x}."
        self._numbers = itertools.count()

    def ask(
        self,
        *,
        tokens: int = 0,
        patience_s: float = math.inf,
        lease_s: float | None = None,
        second_try: SecondTry | None = None,
        caller: str = "",
    ) -> Turn:
        """Ask to set off.

        Args:
            tokens: What the call may use at most, prompt and completion; the estimate is corrected later.
            patience_s: How long the caller is willing to wait. Where it is known to take longer, the call
                is turned away at once.
            lease_s: How long the call may take, after which its place is free even if it never reports.
            second_try: It repeats a call (`"throttled"` or `"failed"`, or `"paid"` where `repeat` has been
                asked), or is a second send beside it (`"hedge"`).
            caller: The name of who calls, by `Limits.by`.
        """
        ticket = f"{self._prefix}{next(self._numbers)}"
        lease_s = LEASE_S if lease_s is None else lease_s + _GRACE_S

        def step(account: Circuit, endpoint: Circuit, lane: Lane) -> Turn:
            way = self._way_by(account, endpoint, lane)
            if second_try is None and (permit := way.enter_at_once(ticket, tokens, lease_s)) is not None:
                return permit
            now_s, queue = way.now_s, lane.queue
            shut = way.shut()
            if shut is not None:
                return shut
            if way.limits.tpm is not None and tokens > way.limits.tpm:
                return TurnedAway("too large")
            queue.forget_the_gone(now_s)
            ready_s = way.ready_at_s(tokens)
            if ready_s - now_s > patience_s and ready_s != math.inf:
                return TurnedAway("no time to wait", retry_in_s=ready_s - now_s)
            goes = ready_s <= now_s and not queue
            if not goes and (patience_s <= 0 or way.is_full(caller)):
                return TurnedAway("queue full" if patience_s > 0 else "no time to wait")
            if not way.pays(second_try):
                return TurnedAway("retry budget spent")
            if goes:
                return way.enter(ticket, tokens, lease_s)
            until_s = now_s + min(patience_s, LEASE_S) + _GRACE_S
            queue.join(ticket, caller, way.limits.cost_of(caller, tokens), until_s=until_s)
            wait_s = math.inf if queue.head != ticket else ready_s - now_s
            return Waiting(
                *(ticket, tokens, wait_s, now_s + patience_s, patience_s, way.is_alone, lease_s, caller)
            )

        return self.store.update(self._keys, step)

    def ring_at(self, waiting: Waiting, wake: Callable[[], None]) -> None:
        """Have *wake* called, from any thread, when the waiting caller should poll. Poll once after this."""
        self._wakers[waiting.ticket] = wake

    def poll(self, waiting: Waiting) -> Turn:
        """Ask again, from the place in the queue."""

        def step(*states: Any) -> tuple[Turn, str | None]:
            turn, queue = self._answer(self._way_by(*states), waiting), states[2].queue
            return turn, None if isinstance(turn, Waiting) else queue.head

        turn, head = self.store.update(self._keys, step)
        if not isinstance(turn, Waiting):
            self._wakers.pop(waiting.ticket, None)
            self._leave_here(waiting)
            self._wake(head)
        return turn

    def leave(self, waiting: Waiting) -> None:
        """Give up a place in the queue: the caller was cancelled, or its patience has ended."""
        self._wakers.pop(waiting.ticket, None)
        self._leave_here(waiting)

        def step(lane: Lane) -> str | None:
            lane.queue.leave(waiting.ticket)
            return lane.queue.head

        self._change(self.store.update, self._keys[2:], step)

    def repeat(
        self, second_try: SecondTry, *, in_s: float, patience_s: float = math.inf
    ) -> TurnedAway | None:
        """Say before a wait of *in_s* whether a second try is worth it, and pay for it; None: it is.

        The second try then asks as `"paid"`, so nobody waits only to be turned away for what is known now.
        """

        def step(*states: Any) -> TurnedAway | None:
            way = self._way_by(*states)
            shut = way.shut_in(in_s)
            if shut is not None:
                return shut
            pause = way.lane.pause
            paused_s = pause.until_s - way.now_s
            if pause.allowed is not None and paused_s > patience_s:
                return TurnedAway("no time to wait", retry_in_s=paused_s)
            return None if way.pays(second_try) else TurnedAway("retry budget spent")

        return self.store.update(self._keys, step)

    def settle(
        self,
        permit: Permit,
        failure: Failure | None = None,
        *,
        tokens: int | None = None,
        first_content_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Report how the call went. A cancelled one is reported too, as `Failure.of("cancelled")`.

        Args:
            permit: What `ask` or `poll` gave.
            failure: How it failed; None: it was answered.
            tokens: What it used, where that is known.
            first_content_s: How many seconds its first content took.
            headers: The response's, names in lower case, for its rate limits.
        """

        def step(account: Circuit, endpoint: Circuit, lane: Lane) -> str | None:
            self._way_by(account, endpoint, lane).leave(
                permit,
                failure,
                tokens=tokens,
                first_content_s=first_content_s,
                headers=headers,
                dice=self._dice,
            )
            return lane.queue.head

        store = self.store
        update = store.update
        if store.blocks and permit.is_degraded and isinstance(store, DegradingStore):
            update = store.update_here  # where its place is, also if the shared store answers again
        self._change(update, self._keys, step)

    def caller_of(self, who: Mapping[str, str]) -> str:
        """The name under which who calls waits for a turn."""
        limits = self.upstream.limits
        return "" if limits is None else limits.caller_of(who)

    def _way_by(self, account: Circuit, endpoint: Circuit, lane: Lane) -> Way:
        """The way by these states, at the time of the step that was given them."""
        store, way = self.store, self._way
        if way is None or way.lane is not lane or store.blocks:  # a store in memory gives the same each time
            way = self._way = Way(self.upstream, store, account, endpoint, lane)
        way.now_s = store.now_s()
        return way

    def _answer(self, way: Way, waiting: Waiting) -> Turn:
        """What a caller that waits is told when it asks again. It keeps its place only by waiting on."""
        now_s, queue, ticket = way.now_s, way.lane.queue, waiting.ticket
        queue.forget_the_gone(now_s)
        shut = way.shut()
        if shut is not None:
            queue.leave(ticket)
            return shut
        patience_ends_s = waiting.patience_ends_s
        if way.is_alone != waiting.is_degraded:  # it asked by another clock, and counts its time by itself
            patience_ends_s = now_s + waiting.patience_s
        if queue.place(ticket) is None:  # it was lost, as when a shared store was emptied: queue up anew
            cost = way.limits.cost_of(waiting.caller, waiting.tokens)
            until_s = min(patience_ends_s, now_s + LEASE_S) + _GRACE_S
            queue.join(ticket, waiting.caller, cost, until_s=until_s)
        if queue.head != ticket:
            return replace(waiting, ready_s=math.inf)
        ready_s = way.ready_at_s(waiting.tokens)
        if ready_s > patience_ends_s and ready_s != math.inf:
            queue.leave(ticket)
            return TurnedAway("no time to wait", retry_in_s=ready_s - now_s)
        if ready_s > now_s:
            return replace(waiting, ready_s=ready_s - now_s)
        queue.take(ticket)
        return way.enter(ticket, waiting.tokens, waiting.lease_s)

    def _leave_here(self, waiting: Waiting) -> None:
        """Leave this process's own queue too: it may have joined that while the shared store was down."""
        if isinstance(self.store, DegradingStore):
            self._change(
                self.store.update_here, self._keys[2:], lambda lane: lane.queue.leave(waiting.ticket)
            )

    def _change(self, update: Callable[..., str | None], keys: Keys, step: Callable[..., str | None]) -> None:
        """Give something back, and wake who goes next.

        The garbage collector strikes anywhere, and may end a stream that somebody abandoned: its permit
        comes back in the midst of an update that this very thread is making for another call.
        """
        try:
            head = update(keys, step)
        except Busy:
            self.store.put_off(partial(self._change, update, keys, step))
        else:
            if head is not None:
                self._wake(head)

    def _wake(self, ticket: str | None) -> None:
        wake = self._wakers.get(ticket) if ticket is not None else None
        if wake is not None:
            wake()


def _never_in_the_way(store: Store | SharedStore | None) -> Store:
    match store:
        case None:
            return MemoryStore()
        case SharedStore():
            return DegradingStore(store)
    return store


class Turnstiles:
    """The turnstiles of one `Upstream` in this process.

    Args:
        upstream: Its settings.
        store: Where their state lives: a `SQLiteStore`, a `RedisStore`; default: in this process.
    """

    def __init__(
        self,
        upstream: Upstream,
        store: Store | SharedStore | None = None,
        *,
        dice: Callable[[], float] = DICE,
    ) -> None:
        self.store: Store = _never_in_the_way(store)
        self._upstream = upstream
        self._dice = dice
        self._all: dict[Place, Turnstile] = {}
        self._lock = threading.Lock()
        on_fork(self)

    def of(self, place: Place) -> Turnstile:
        """The turnstile for *place*, the same one for every caller."""
        found = self._all.get(place)
        if found is None:
            with self._lock:
                made = Turnstile(self._upstream, place, store=self.store, dice=self._dice)
                found = self._all.setdefault(place, made)
        return found

    def start_afresh(self) -> None:
        """Give up a lock that another thread of the parent may have held."""
        self._lock = threading.Lock()
