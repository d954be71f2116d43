"""Callers of several names at one turnstile, in any order of events, on a virtual clock."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from guardrails_lite.reliability import Failure, Limits, Upstream
from guardrails_lite.reliability._lane import Lane
from guardrails_lite.reliability._permits import Permit, TurnedAway, Waiting
from guardrails_lite.reliability._stores import Keys, MemoryStore
from guardrails_lite.reliability._turnstile import _GRACE_S, Place, Turnstile

R = TypeVar("R")

WEIGHTS = {"chat": 4.0, "batch": 0.5}
NAMES = ("chat", "batch", "other", "")
MOST_TOKENS = 20
LEASE_S = 100.0
CANCELLED = Failure.of("cancelled")
GAP = 1e-6
"""Sums of shares are not exact."""


def weight(name: str) -> float:
    """How often a name goes, compared to one that is not listed."""
    return WEIGHTS.get(name, 1.0)


class WrittenStore(MemoryStore):
    """Keeps its states as the shared stores do: written as JSON, and read again."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        super().__init__(clock=clock)
        self._written: dict[str, str] = {}

    def update(self, keys: Keys, step: Callable[..., R]) -> R:
        """Read what was written, and write what becomes of it."""
        states = [kind() for _, kind in keys]
        for (name, _), state in zip(keys, states, strict=True):
            if name in self._written:
                state.load(json.loads(self._written[name]))
        found = step(*states)
        for (name, _), state in zip(keys, states, strict=True):
            self._written[name] = json.dumps(state.dump())
        return found


@dataclass(eq=False)
class Caller:
    """One who waits, or is inside."""

    name: str
    cost: float
    patience_ends_s: float
    waiting: Waiting | None = None
    permit: Permit | None = None
    is_rung: bool = False
    """It was woken, and has not looked since."""
    before: float = 0.0
    """What those of its name ahead of it cost as it lined up."""
    passed: dict[str, float] = field(default_factory=dict)
    """What went of each other name since it lined up."""


class Turns(RuleBasedStateMachine):
    """Callers ask, wait, are woken, look, lose patience, are cancelled, go in, come out and die.

    The model beside it knows who came when, who is inside, and what each name has had.
    """

    @initialize(concurrency=st.integers(1, 3), queue=st.sampled_from([1, 3, 30]), by_tokens=st.booleans())
    def build(self, concurrency: int, queue: int, by_tokens: bool) -> None:
        """A turnstile with room for a few."""
        self.now_s = 1_000.0
        self.by_tokens = by_tokens
        self.limits = Limits(
            concurrency=concurrency,
            tpm=10**9 if by_tokens else None,
            queue=queue,
            by="app",
            weights=WEIGHTS,
        )
        upstream = Upstream(limits=self.limits, breaker=None, retries=None)
        store = WrittenStore(clock=lambda: self.now_s)
        self.gate = Turnstile(upstream, Place("a", "h", "m"), store=store, dice=random.Random(1).random)
        self.queue: list[Caller] = []
        self.inside: list[Caller] = []
        self.dead: list[Caller] = []
        self.ahead: dict[tuple[str, str], list[float]] = {}
        """Of two names that both wait ever since: what one had more than the other; least, most, now."""

    # --- what happens ---

    @rule(
        name=st.sampled_from(NAMES),
        tokens=st.integers(1, MOST_TOKENS),
        patience_s=st.sampled_from([0.0, 5.0, 1e6]),
    )
    def ask(self, name: str, tokens: int, patience_s: float) -> None:
        """Somebody comes: in at once, into the queue of its name, or away with the reason."""
        cost = (tokens if self.by_tokens else 1) / weight(name)
        caller = Caller(name, cost, self.now_s + patience_s)
        own = [other for other in self.queue if other.name == name]
        has_room = self.room() > 0 and not self.queue
        turn = self.gate.ask(tokens=tokens, patience_s=patience_s, lease_s=LEASE_S, caller=name)
        if isinstance(turn, Permit):
            assert has_room
            caller.permit = turn
            self.inside.append(caller)
        elif isinstance(turn, TurnedAway):
            assert not has_room
            assert turn.reason == ("queue full" if patience_s else "no time to wait")
            assert not patience_s or len(own) == self.limits.queue
        else:
            assert not has_room
            assert patience_s > 0
            assert len(own) < self.limits.queue
            caller.waiting = turn
            caller.before = sum(other.cost for other in own)
            self.queue.append(caller)
            self.gate.ring_at(turn, lambda: setattr(caller, "is_rung", True))
            for other in NAMES:
                if not own and other != name and self.waiting(other):
                    self.ahead[min(name, other), max(name, other)] = [0.0, 0.0, 0.0]
            self.look(caller)

    @rule(
        names=st.lists(
            st.tuples(st.sampled_from(NAMES), st.integers(1, MOST_TOKENS)), min_size=5, max_size=25
        )
    )
    def come_in_a_crowd(self, names: list[tuple[str, int]]) -> None:
        """Many come, and all have time."""
        for name, tokens in names:
            self.ask(name, tokens, 1e6)

    @rule(times=st.integers(1, 20))
    def go_on(self, times: int) -> None:
        """One after another, somebody comes out and who is woken looks."""
        for _ in range(times):
            if self.inside:
                self.come_out(0, None)
            for caller in [caller for caller in self.queue if caller.is_rung]:
                self.look(caller)

    @precondition(lambda self: self.inside)
    @rule(place=st.integers(0, 99), failure=st.sampled_from([None, CANCELLED]))
    def come_out(self, place: int, failure: Failure | None) -> None:
        """A call ends, or is cancelled."""
        caller = self.inside.pop(place % len(self.inside))
        assert caller.permit is not None
        self.gate.settle(caller.permit, failure, tokens=1)

    @precondition(lambda self: any(caller.is_rung for caller in self.queue))
    @rule(place=st.integers(0, 99))
    def answer_the_bell(self, place: int) -> None:
        """One who was woken looks."""
        rung = [caller for caller in self.queue if caller.is_rung]
        self.look(rung[place % len(rung)])

    @precondition(lambda self: self.queue)
    @rule(place=st.integers(0, 99))
    def look_unasked(self, place: int) -> None:
        """One who was not woken looks: it goes ahead of nobody."""
        self.look(self.queue[place % len(self.queue)])

    @precondition(lambda self: self.queue)
    @rule(places=st.lists(st.integers(0, 99), min_size=1, max_size=8))
    def cancel(self, places: list[int]) -> None:
        """Some who wait are cancelled, woken or not."""
        for place in places[: len(self.queue)]:
            self.give_up(self.queue[place % len(self.queue)])

    @precondition(lambda self: self.inside)
    @rule(place=st.integers(0, 99))
    def die(self, place: int) -> None:
        """One who is inside never reports back."""
        self.dead.append(self.inside.pop(place % len(self.inside)))

    @rule(seconds=st.sampled_from([1.0, 6.0, LEASE_S / 2]))
    def wait(self, seconds: float) -> None:
        """Time passes: some lose patience, leases of the dead end, and all who wait look for themselves."""
        self.now_s += seconds
        for caller in list(self.queue):
            if caller.patience_ends_s <= self.now_s:
                self.give_up(caller)
        self.inside = [caller for caller in self.inside if self.has_lease(caller)]
        self.dead = [caller for caller in self.dead if self.has_lease(caller)]
        for caller in sorted(self.queue, key=lambda caller: caller.name):
            self.look(caller)
        while rung := [caller for caller in self.queue if caller.is_rung]:
            self.look(rung[0])

    # --- the callers ---

    def look(self, caller: Caller) -> bool:
        """Whether it went in."""
        caller.is_rung = False
        assert caller.waiting is not None
        turn = self.gate.poll(caller.waiting)
        if isinstance(turn, Waiting):
            return False
        assert isinstance(turn, Permit)
        first = next(other for other in self.queue if other.name == caller.name)
        assert first is caller, "the order within a name"
        self.queue.remove(caller)
        self.inside.append(caller)
        caller.permit, caller.waiting = turn, None
        size = caller.cost * weight(caller.name)
        for other in self.queue:
            if other.name != caller.name:
                other.passed[caller.name] = other.passed.get(caller.name, 0.0) + size
        for pair, had in self.ahead.items():
            if caller.name in pair:
                had[2] += caller.cost if caller.name == pair[0] else -caller.cost
                had[:2] = min(had[0], had[2]), max(had[1], had[2])
        self.forget(caller.name)
        return True

    def give_up(self, caller: Caller) -> None:
        """As a caller does in whose wait an error is raised."""
        assert caller.waiting is not None
        self.gate.leave(caller.waiting)
        self.queue.remove(caller)
        self.forget(caller.name)

    def forget(self, name: str) -> None:
        """A name of which nobody waits any more has no claims."""
        if not self.waiting(name):
            self.ahead = {pair: had for pair, had in self.ahead.items() if name not in pair}

    def waiting(self, name: str) -> bool:
        """Whether somebody of that name waits."""
        return any(caller.name == name for caller in self.queue)

    def has_lease(self, caller: Caller) -> bool:
        """Whether its place is still kept."""
        assert caller.permit is not None
        return caller.permit.at_s + LEASE_S + _GRACE_S > self.now_s

    def room(self) -> int:
        """How many more may go in."""
        assert self.limits.concurrency is not None
        return self.limits.concurrency - len(self.inside) - len(self.dead)

    def lane(self) -> Lane:
        """What the turnstile keeps."""
        return self.gate.store.update(self.gate._keys[2:], lambda lane: lane)

    # --- the laws ---

    @invariant()
    def never_more_than_the_limit_are_inside(self) -> None:
        """Nor is a place lost."""
        assert self.room() >= 0
        assert len(self.lane().meter.in_flight) >= len(self.inside)

    @invariant()
    def who_waits_is_in_the_queue_and_nobody_else(self) -> None:
        """Who was cancelled left nothing, and who lost patience."""
        assert len(self.lane().queue) == len(self.queue) == len(self.gate._wakers)
        for caller in self.queue:
            assert caller.waiting is not None
            assert self.lane().queue.place(caller.waiting.ticket) is not None

    @invariant()
    def where_there_is_room_somebody_is_on_the_way(self) -> None:
        """No wake-up is lost: who goes next has been woken."""
        if self.queue and self.room() > 0:
            head = self.lane().queue.head
            assert any(c.is_rung for c in self.queue if c.waiting is not None and c.waiting.ticket == head)

    @invariant()
    def names_that_wait_share_by_weight(self) -> None:
        """Of two that wait all the while, neither gets ahead by more than the largest call of each."""
        most = MOST_TOKENS if self.by_tokens else 1
        for (one, other), (least, greatest, _) in self.ahead.items():
            assert greatest - least <= most / weight(one) + most / weight(other) + GAP

    @invariant()
    def nobody_waits_for_ever(self) -> None:
        """What goes before is bounded by who was there first, however many come later."""
        most = MOST_TOKENS if self.by_tokens else 1
        for caller in self.queue:
            for name, size in caller.passed.items():
                share = caller.before + most / weight(caller.name)
                assert size <= share * weight(name) + most + GAP

    def teardown(self) -> None:
        """When all have gone, nothing is left."""
        if not hasattr(self, "queue"):
            return
        for caller in self.inside + self.dead:
            assert caller.permit is not None
            self.gate.settle(caller.permit, CANCELLED)
        self.inside, self.dead = [], []
        for _ in range(len(self.queue)):
            # Who was woken may have had somebody step before it since, who knows of it.
            rung = [caller for caller in self.queue if caller.is_rung]
            head = next(caller for caller in rung if self.look(caller))
            assert head.permit is not None
            self.gate.settle(head.permit)
            self.inside.clear()
        assert not self.queue
        assert not self.gate._wakers
        assert not self.lane().queue
        assert all(ends_s <= self.now_s for ends_s in self.lane().meter.in_flight.values())


TestTurns = Turns.TestCase
TestTurns.settings = settings(max_examples=60, stateful_step_count=40)
