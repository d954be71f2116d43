"""The way to one upstream: a call asks, waits for its turn or is turned away, and reports how it went.

One step decides on everything at once (is a breaker open, did the server ask for a pause, is there room,
is a second try paid for), so no caller comes between the question and the answer. Who goes next of those
who wait is `_queue.py`'s. Nothing here sleeps: `_turns.py` waits, in a thread or on an event loop.
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
from typing import TYPE_CHECKING, NamedTuple

from guardrails_lite.reliability._breaker import Circuit
from guardrails_lite.reliability._failure import Failure
from guardrails_lite.reliability._forks import on_fork
from guardrails_lite.reliability._lane import Lane
from guardrails_lite.reliability._limits import NO_LIMITS, Limits
from guardrails_lite.reliability._permits import Permit, Scope, Turn, TurnedAway, Waiting
from guardrails_lite.reliability._queue import Queue
from guardrails_lite.reliability._retry_budget import SecondTry
from guardrails_lite.reliability._shared_store import DegradingStore, SharedStore
from guardrails_lite.reliability._stores import Key, MemoryStore, Store
from guardrails_lite.reliability._verdicts import NEUTRAL, condemns_the_account, verdicts

if TYPE_CHECKING:
    from guardrails_lite.reliability._upstream import Upstream

DICE = random.SystemRandom().random
"""Spreads waits. Not the module's own generator: an application may have seeded that, and forks share it."""
LEASE_S = 900.0
"""How long a place is kept for a call that has no deadline and never reports back."""
_GRACE_S = 5.0
_SAMPLES = 100
_UNASKED_PAUSE_S = 1.0

_SCOPES: tuple[Scope, ...] = ("account", "endpoint", "model")


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
        self._keys: tuple[Key, Key, Key] = (
            (f"account {place.account}", Circuit),
            (f"endpoint {place.endpoint}", Circuit),
            (f"lane {place.account} {place.endpoint} {place.model}", Lane),
        )
        self._breaker = upstream.breaker
        self._wakers: dict[str, Callable[[], None]] = {}
        self.start_afresh()
        on_fork(self)

    def start_afresh(self) -> None:
        """Forget the parent process's waiting callers."""
        self._wakers.clear()
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
            now_s, divisor = self.store.now_s(), self.store.divisor
            limits = self._limits(divisor)
            shut = self._shut(account, endpoint, lane, now_s)
            if shut is not None:
                return shut
            if limits.tpm is not None and tokens > limits.tpm:
                return TurnedAway("too large")
            lane.queue.forget_the_gone(now_s)
            ready_s = self._ready_at_s(lane, limits, tokens, now_s)
            if ready_s - now_s > patience_s and ready_s != math.inf:
                return TurnedAway("no time to wait", retry_in_s=ready_s - now_s)
            goes = ready_s <= now_s and not lane.queue
            if not goes and (patience_s <= 0 or _is_full(lane.queue, limits, caller)):
                return TurnedAway("queue full" if patience_s > 0 else "no time to wait")
            if not self._pays(lane, second_try, now_s):
                return TurnedAway("retry budget spent")
            if goes:
                return self._enter(account, endpoint, lane, limits, ticket, tokens, now_s, lease_s, divisor)
            until_s = now_s + min(patience_s, LEASE_S) + _GRACE_S
            lane.queue.join(ticket, caller, limits.cost_of(caller, tokens), until_s=until_s)
            wait_s = math.inf if lane.queue.head != ticket else ready_s - now_s
            return Waiting(ticket, tokens, wait_s, now_s + patience_s, lease_s, caller)

        return self.store.update(self._keys, step)

    def ring_at(self, waiting: Waiting, wake: Callable[[], None]) -> None:
        """Have *wake* called, from any thread, when the waiting caller should poll. Poll once after this."""
        self._wakers[waiting.ticket] = wake

    def poll(self, waiting: Waiting) -> Turn:
        """Ask again, from the place in the queue."""

        def cost(limits: Limits) -> float:
            return limits.cost_of(waiting.caller, waiting.tokens)

        def step(account: Circuit, endpoint: Circuit, lane: Lane) -> tuple[Turn, str | None]:
            now_s, divisor = self.store.now_s(), self.store.divisor
            limits = self._limits(divisor)
            lane.queue.forget_the_gone(now_s)
            ticket, queue = waiting.ticket, lane.queue
            turn: Turn
            shut = self._shut(account, endpoint, lane, now_s)
            if shut is not None:
                turn = shut
                queue.leave(ticket)
                return turn, queue.head
            if queue.place(ticket) is None and queue:
                # The place was lost, as when a shared store was emptied: queue up anew.
                queue.join(ticket, waiting.caller, cost(limits), until_s=now_s + LEASE_S)
            if queue.place(ticket):
                return _again(waiting, math.inf), None
            ready_s = self._ready_at_s(lane, limits, waiting.tokens, now_s)
            if ready_s > waiting.patience_ends_s and ready_s != math.inf:
                turn = TurnedAway("no time to wait", retry_in_s=ready_s - now_s)
                queue.leave(ticket)
            elif ready_s > now_s:
                if queue.place(ticket) is None:
                    queue.join(ticket, waiting.caller, cost(limits), until_s=now_s + LEASE_S)
                return _again(waiting, ready_s - now_s), None
            else:
                turn = self._enter(
                    account,
                    endpoint,
                    lane,
                    limits,
                    ticket,
                    waiting.tokens,
                    now_s,
                    waiting.lease_s,
                    divisor,
                )
                queue.take(ticket)
            return turn, queue.head

        turn, head = self.store.update(self._keys, step)
        if not isinstance(turn, Waiting):
            self._wakers.pop(waiting.ticket, None)
            self._wake(head)
        return turn

    def leave(self, waiting: Waiting) -> None:
        """Give up a place in the queue: the caller was cancelled, or its patience has ended."""
        self._wakers.pop(waiting.ticket, None)

        def step(lane: Lane) -> str | None:
            lane.queue.leave(waiting.ticket)
            return lane.queue.head

        self._wake(self.store.update(self._keys[2:], step))

    def repeat(
        self, second_try: SecondTry, *, in_s: float, patience_s: float = math.inf
    ) -> TurnedAway | None:
        """Say before a wait of *in_s* whether a second try is worth it, and pay for it; None: it is.

        The second try then asks as `"paid"`, so nobody waits only to be turned away for what is known now.
        """

        def step(account: Circuit, endpoint: Circuit, lane: Lane) -> TurnedAway | None:
            now_s = self.store.now_s()
            for circuit, scope in zip((account, endpoint, lane.circuit), _SCOPES, strict=True):
                if circuit.state == "open" and circuit.until_s > now_s + in_s:
                    return TurnedAway("circuit open", scope, circuit.until_s - now_s)
            paused_s = lane.pause.until_s - now_s
            if lane.pause.allowed is not None and paused_s > patience_s:
                return TurnedAway("no time to wait", retry_in_s=paused_s)
            return None if self._pays(lane, second_try, now_s) else TurnedAway("retry budget spent")

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
        judged = verdicts(failure)
        # A cancelled call may or may not have left: nobody knows.
        sent = failure is None or failure.status is not None or failure.maybe_billed
        sent = sent or (failure is not None and failure.kind == "cancelled")
        if failure is not None and failure.status is not None and tokens is None:
            tokens = 0  # an error status is no completion

        def step(account: Circuit, endpoint: Circuit, lane: Lane) -> str | None:
            now_s, divisor = self.store.now_s(), self.store.divisor
            limits = self._limits(divisor)
            # The epochs of a permit from the shared store mean nothing here, and the other way round.
            said = judged if divisor == permit.divisor else NEUTRAL
            took_s = now_s - permit.at_s if first_content_s is None else first_content_s
            breaker = self._breaker
            if breaker is not None:
                for circuit, epoch, verdict in zip(
                    (account, endpoint, lane.circuit), permit.epochs, said, strict=True
                ):
                    circuit.leave(breaker, permit.id, epoch, verdict, now_s, took_s, self._dice)
                if condemns_the_account(failure):
                    account.trip(breaker, now_s=now_s, random=self._dice)
            lane.meter.leave(
                limits, permit.id, reserved=permit.tokens, used=tokens, sent_s=permit.at_s, sent=sent
            )
            lane.pause.leave(permit.id, good=failure is None)
            if failure is None:
                lane.throttled = 0
                if first_content_s is not None:
                    lane.first_content_s.append(first_content_s)
                    del lane.first_content_s[:-_SAMPLES]
            elif failure.is_throttling and failure.blame != "prompt":
                self._pause(lane, failure, now_s)
            if headers:
                lane.meter.hear(headers, now_s=now_s, wall_clock_s=time.time())
            return lane.queue.head

        self._wake(self.store.update(self._keys, step))

    def caller_of(self, who: Mapping[str, str]) -> str:
        """The name under which who calls waits for a turn."""
        return (self.upstream.limits or NO_LIMITS).caller_of(who)

    def _limits(self, divisor: int) -> Limits:
        limits = self.upstream.limits or NO_LIMITS
        return limits if divisor == 1 else limits.shared_by(divisor)

    def _shut(self, account: Circuit, endpoint: Circuit, lane: Lane, now_s: float) -> TurnedAway | None:
        breaker = self._breaker
        if breaker is None or account.state == endpoint.state == lane.circuit.state == "closed":
            return None
        if not account.admits(breaker, now_s):
            return TurnedAway("circuit open", "account", max(account.retry_at_s(now_s) - now_s, 0.0))
        if not endpoint.admits(breaker, now_s):
            return TurnedAway("circuit open", "endpoint", max(endpoint.retry_at_s(now_s) - now_s, 0.0))
        if not lane.circuit.admits(breaker, now_s):
            return TurnedAway("circuit open", "model", max(lane.circuit.retry_at_s(now_s) - now_s, 0.0))
        return None

    def _ready_at_s(self, lane: Lane, limits: Limits, tokens: int, now_s: float) -> float:
        return max(lane.pause.ready_at_s(now_s), lane.meter.ready_at_s(limits, tokens, now_s))

    def _pays(self, lane: Lane, second_try: SecondTry | None, now_s: float) -> bool:
        budget = self.upstream.retries
        if budget is None:
            return True
        if second_try is None:
            lane.allowance.earn(budget)
            return True
        return lane.allowance.spend(budget, second_try, now_s)

    def _enter(
        self,
        account: Circuit,
        endpoint: Circuit,
        lane: Lane,
        limits: Limits,
        ticket: str,
        tokens: int,
        now_s: float,
        lease_s: float,
        divisor: int,
    ) -> Permit:
        ends_s = now_s + lease_s
        epochs = (
            account.enter(ticket, ends_s),
            endpoint.enter(ticket, ends_s),
            lane.circuit.enter(ticket, ends_s),
        )
        lane.meter.enter(limits, ticket, tokens, now_s, ends_s)
        lane.pause.enter(ticket, ends_s)
        return Permit(ticket, now_s, tokens, epochs, divisor)

    def _pause(self, lane: Lane, failure: Failure, now_s: float) -> None:
        if failure.retry_after_s is not None:
            lane.pause.begin(failure.retry_after_s, now_s=now_s, random=self._dice)
        elif failure.kind == "rate limited":
            seconds = _UNASKED_PAUSE_S * 2 ** min(lane.throttled, 4)
            lane.throttled += 1
            lane.pause.begin(seconds * self._dice(), now_s=now_s, random=self._dice)

    def _wake(self, ticket: str | None) -> None:
        wake = self._wakers.get(ticket) if ticket is not None else None
        if wake is not None:
            wake()


def _is_full(queue: Queue, limits: Limits, caller: str) -> bool:
    return (len(queue) if limits.by is None else queue.waiting(caller)) >= limits.queue


def _again(waiting: Waiting, ready_s: float) -> Waiting:
    return replace(waiting, ready_s=ready_s)


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
