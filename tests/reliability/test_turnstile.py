"""The way to one upstream, for many callers: on a virtual clock, and under real threads and loops."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import math
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails_lite._errors import ConfigError
from guardrails_lite.reliability import Breaker, Failure, Limits, RetryBudget, Upstream
from guardrails_lite.reliability._lane import Lane
from guardrails_lite.reliability._permits import Permit, TurnedAway, Waiting
from guardrails_lite.reliability._stores import MemoryStore
from guardrails_lite.reliability._turns import await_turn, wait_turn
from guardrails_lite.reliability._turnstile import Place, Turnstile, Turnstiles

PLACE = Place("account", "host", "model")
DOWN = Failure.of("server error", status=500)
THROTTLED = Failure.of("rate limited", status=429, retry_after_s=2.0)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def turnstile(
    upstream: Upstream, clock: Clock | None = None, place: Place = PLACE, seed: int = 1
) -> Turnstile:
    store = MemoryStore(clock=clock) if clock else MemoryStore()
    return Turnstile(upstream, place, store=store, dice=random.Random(seed).random)


def goes(turn: object) -> Permit:
    assert isinstance(turn, Permit), turn
    return turn


def waits(turn: object) -> Waiting:
    assert isinstance(turn, Waiting), turn
    return turn


def turned_away(turn: object) -> TurnedAway:
    assert isinstance(turn, TurnedAway), turn
    return turn


def test_a_failing_upstream_is_no_longer_asked() -> None:
    """After ten failures the next call is turned away, and is told when to ask again."""
    gate = turnstile(Upstream(), Clock())
    for _ in range(10):
        gate.settle(goes(gate.ask()), DOWN)
    away = turned_away(gate.ask())
    assert (away.reason, away.scope) == ("circuit open", "model")
    assert away.failure.action == "fall back"
    assert 0 < (away.retry_in_s or 0) <= 6


@pytest.mark.parametrize(
    "failure",
    [
        Failure.of("bad request", status=400),
        Failure.of("content filtered", status=400),
        Failure.of("context too long", status=400),
        Failure.of("cancelled"),
        Failure.of("own bug"),
        Failure.of("refused"),
        Failure.of("truncated"),
        Failure.of("rate limited", status=429, retry_after_s=0.001),
    ],
)
def test_what_is_not_the_upstreams_fault_opens_nothing(failure: Failure) -> None:
    """Bad prompts, own bugs, cancellations and rate limits never open a circuit."""
    clock = Clock()
    gate = turnstile(Upstream(), clock)
    for _ in range(40):
        gate.settle(goes(gate.ask()), failure)
        clock.now_s += 3
    goes(gate.ask())


def test_good_answers_that_come_slowly_shut_it_too() -> None:
    """What takes longer than `slow_s` is held against the upstream, however good it is."""
    clock = Clock()
    gate = turnstile(Upstream(breaker=Breaker(min_calls=2, slow_s=5, slow_share=0.5)), clock)
    for took_s in (5.0, 5.1):
        permit = goes(gate.ask())
        clock.now_s += took_s
        gate.settle(permit)
    assert turned_away(gate.ask()).reason == "circuit open"


def test_a_good_answer_from_before_it_opened_says_nothing_after_it_closed() -> None:
    """One that set off in an earlier epoch is no call of this one: a single failure opens nothing."""
    clock = Clock()
    gate = turnstile(Upstream(breaker=Breaker(min_calls=2, successes=1)), clock)
    early = goes(gate.ask())
    for _ in range(2):
        gate.settle(goes(gate.ask()), DOWN)
    clock.now_s += turned_away(gate.ask()).retry_in_s or 0.0
    gate.settle(goes(gate.ask()))
    gate.settle(early)
    gate.settle(goes(gate.ask()), DOWN)
    goes(gate.ask())


def test_blame_decides_what_opens() -> None:
    """A spent quota shuts the account, a dead network the endpoint, a failing model only itself."""
    store = MemoryStore(clock=Clock())

    def gate(account: str, endpoint: str, model: str) -> Turnstile:
        return Turnstile(Upstream(), Place(account, endpoint, model), store=store, dice=lambda: 0.5)

    first = gate("a", "h", "m")
    first.settle(goes(first.ask()), Failure.of("quota", status=429))
    assert turned_away(gate("a", "other", "other").ask()).scope == "account"
    second = gate("b", "h", "m")
    for _ in range(10):
        second.settle(goes(second.ask()), DOWN)
    assert turned_away(second.ask()).scope == "model"
    third = gate("b", "h", "n")
    for _ in range(10):
        third.settle(goes(third.ask()), Failure.of("connection"))
    assert turned_away(gate("c", "h", "new").ask()).scope == "endpoint"
    goes(gate("c", "elsewhere", "m").ask())


def test_one_retry_after_parks_every_caller() -> None:
    """Fault H11: after one 429 nobody else burns an attempt, and who cannot wait so long is told at once."""
    clock = Clock()
    gate = turnstile(Upstream(), clock)
    gate.settle(goes(gate.ask()), THROTTLED)
    away = turned_away(gate.ask(patience_s=1.0))
    assert away.reason == "no time to wait"
    assert (away.retry_in_s or 0) >= 2.0
    waiting = waits(gate.ask(patience_s=10.0))
    assert waiting.ready_s >= 2.0
    clock.now_s += waiting.ready_s
    goes(gate.poll(waiting))


def test_a_request_that_can_never_fit_does_not_pause_the_others() -> None:
    """A 429 that says "request too large" is the prompt's fault, not a reason to wait."""
    gate = turnstile(Upstream(), Clock())
    too_large = Failure("rate limited", "prompt", "fall back", status=429)
    gate.settle(goes(gate.ask()), too_large)
    goes(gate.ask())
    assert turned_away(turnstile(Upstream(limits=Limits(tpm=10))).ask(tokens=11)).reason == "too large"


def test_second_tries_come_out_of_one_budget() -> None:
    """Retries beyond the reserve and the share earned by calls are not made."""
    gate = turnstile(Upstream(retries=RetryBudget(share=0.5, reserve=2)), Clock())
    made = [gate.ask(second_try="failed") for _ in range(3)]
    assert [isinstance(turn, Permit) for turn in made] == [True, True, False]
    assert turned_away(made[2]).reason == "retry budget spent"
    for _ in range(2):
        gate.settle(goes(gate.ask()))
    goes(gate.ask(second_try="failed"))
    goes(gate.ask(second_try="paid"))


def test_callers_go_in_the_order_they_came_whatever_their_size() -> None:
    """A large call is not overtaken for ever by small ones: the small ones wait behind it."""
    clock = Clock()
    gate = turnstile(Upstream(limits=Limits(tpm=100)), clock)
    first = goes(gate.ask(tokens=60))
    large = waits(gate.ask(tokens=90))
    small = waits(gate.ask(tokens=1))
    assert isinstance(gate.poll(small), Waiting)
    gate.settle(first, tokens=0)
    assert isinstance(gate.poll(small), Waiting)
    goes(gate.poll(large))
    goes(gate.poll(small))


def test_a_full_queue_and_a_caller_who_leaves() -> None:
    """One more than the queue holds is turned away; who leaves makes room for the next."""
    gate = turnstile(Upstream(limits=Limits(concurrency=1, queue=2)), Clock())
    holder = goes(gate.ask())
    first, second = waits(gate.ask()), waits(gate.ask())
    assert turned_away(gate.ask()).reason == "queue full"
    gate.leave(first)
    waits(gate.ask())
    gate.settle(holder)
    goes(gate.poll(second))


def test_waiting_callers_are_woken_one_after_another() -> None:
    """Each end of a call wakes the first in the queue, and a departure wakes the one behind."""
    gate = turnstile(Upstream(limits=Limits(concurrency=1)), Clock())
    holder = goes(gate.ask())
    woken: list[str] = []
    queue = [waits(gate.ask()) for _ in range(3)]
    for name, waiting in zip("abc", queue, strict=True):
        gate.ring_at(waiting, lambda name=name: woken.append(name))  # type: ignore[misc]
    gate.leave(queue[0])
    gate.settle(holder)
    assert woken == ["b", "b"]
    second = goes(gate.poll(queue[1]))
    assert woken == ["b", "b", "c"]
    gate.settle(second)
    goes(gate.poll(queue[2]))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: Upstream(breaker=3), "breaker=3 of Upstream must be a Breaker, or None"),  # type: ignore[arg-type]
        (lambda: Upstream(limits=Breaker()), "limits=Breaker() of Upstream must be a Limits"),  # type: ignore[arg-type]
        (lambda: Upstream(name=3), "name=3 of Upstream must be a str"),  # type: ignore[arg-type]
        (lambda: Upstream(store="state.db"), "store='state.db' of Upstream must be a SQLiteStore"),  # type: ignore[arg-type]
    ],
)
def test_settings_that_cannot_work_are_refused(made: Callable[[], object], message: str) -> None:
    """A wrong setting is an error when it is written."""
    with pytest.raises(ConfigError) as raised:
        made()
    assert message in str(raised.value)


def test_settings_print_as_the_code_that_made_them() -> None:
    """The repr, evaluated, gives an equal value."""
    upstream = Upstream(name="desk", limits=Limits(rpm=500), breaker=None)
    assert repr(upstream) == "Upstream(name='desk', breaker=None, limits=Limits(rpm=500))"
    assert eval(repr(upstream), {"Upstream": Upstream, "Limits": Limits}) == upstream
    assert repr(Upstream()) == "Upstream()"


class Simulation:
    """Many callers of one upstream on a virtual clock. One seed is one run."""

    def __init__(self, upstream: Upstream, seed: int) -> None:
        self.clock = Clock()
        self.dice = random.Random(seed)
        self.gate = turnstile(upstream, self.clock, seed=seed)
        self.numbers = itertools.count()
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.out = 0
        self.most_out = 0
        self.probes_out = 0
        self.most_probes = 0
        self.sent: list[float] = []
        self.ended = 0

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        heapq.heappush(self.events, (self.clock.now_s + seconds, next(self.numbers), what))

    def run(self) -> None:
        while self.events:
            self.clock.now_s, _, what = heapq.heappop(self.events)
            what()

    def call(self, outcome: Callable[[float], Failure | None], takes_s: float, **ask: Any) -> None:
        turn = self.gate.ask(**ask)
        self.follow(turn, outcome, takes_s, self.clock.now_s + ask.get("patience_s", math.inf))

    def follow(
        self, turn: object, outcome: Callable[[float], Failure | None], takes_s: float, ends_s: float
    ) -> None:
        if isinstance(turn, TurnedAway):
            self.ended += 1
        elif isinstance(turn, Permit):
            self.start(turn, outcome, takes_s)
        elif isinstance(turn, Waiting):
            polled = False

            def poll() -> None:
                nonlocal polled
                if polled:
                    return
                polled = True
                if self.clock.now_s >= ends_s:
                    self.gate.leave(turn)
                    self.ended += 1
                else:
                    self.follow(self.gate.poll(turn), outcome, takes_s, ends_s)

            self.gate.ring_at(turn, lambda: self.later(0.0, poll))
            self.later(min(max(turn.ready_s, 0.0005), ends_s - self.clock.now_s, 30.0), poll)

    def start(self, permit: Permit, outcome: Callable[[float], Failure | None], takes_s: float) -> None:
        self.out += 1
        self.most_out = max(self.most_out, self.out)
        self.sent.append(self.clock.now_s)
        probing = self.state().circuit.state == "half-open"
        self.probes_out += probing
        self.most_probes = max(self.most_probes, self.probes_out)

        def end() -> None:
            self.out -= 1
            self.probes_out -= probing
            self.ended += 1
            self.gate.settle(permit, outcome(permit.at_s))

        self.later(takes_s, end)

    def state(self) -> Lane:
        return self.gate.store.update(self.gate._keys[2:], lambda lane: lane)


def test_a_recovering_upstream_gets_one_probe_at_a_time() -> None:
    """Fault X10: of 1,000 callers, never more than one is out while half-open, and in the end it closes."""
    world = Simulation(Upstream(breaker=Breaker(min_calls=5)), seed=3)
    recovers_s = world.clock.now_s + 20
    for number in range(1_000):
        begins_s = number * 0.04
        takes_s = world.dice.uniform(0.1, 2)
        world.later(
            begins_s,
            lambda takes_s=takes_s: world.call(lambda at_s: DOWN if at_s < recovers_s else None, takes_s),
        )  # type: ignore[misc]
    world.run()
    assert world.most_probes == 1
    assert world.ended == 1_000
    during = [at_s for at_s in world.sent if 1_003 < at_s < recovers_s]
    assert len(during) < 20
    assert world.state().circuit.state == "closed"


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    limits=st.builds(Limits, concurrency=st.sampled_from([None, 1, 3]), rpm=st.sampled_from([None, 5, 40])),
    faults=st.floats(0, 0.6),
)
def test_whatever_happens_limits_hold_and_nothing_is_left(seed: int, limits: Limits, faults: float) -> None:
    """Law: limits hold at every moment, every call ends, and afterwards nobody waits and nothing is out."""
    world = Simulation(Upstream(limits=limits, breaker=Breaker(min_calls=5)), seed)
    kinds = [DOWN, THROTTLED, Failure.of("cancelled"), Failure.of("timeout", maybe_billed=True), None]

    def outcome(_: float) -> Failure | None:
        return world.dice.choice(kinds) if world.dice.random() < faults else None

    for _ in range(60):
        takes_s, patience_s = world.dice.expovariate(1), world.dice.choice([0.0, 1.0, 30.0, 300.0])
        world.later(
            world.dice.uniform(0, 60),
            lambda takes_s=takes_s, patience_s=patience_s: world.call(
                outcome, takes_s, patience_s=patience_s
            ),  # type: ignore[misc]
        )
    world.run()
    state = world.state()
    assert world.ended == 60
    assert world.out == 0
    assert not state.queue
    assert not state.meter.in_flight
    assert not state.circuit.probes
    assert world.most_out <= (limits.concurrency or 60)
    if limits.rpm:
        for start_s in world.sent:
            assert sum(start_s <= at_s < start_s + 60 for at_s in world.sent) <= limits.rpm
    again = Lane()
    again.load(json.loads(json.dumps(state.dump())))
    assert again.dump() == state.dump()


def test_the_same_seed_is_the_same_run() -> None:
    """Decisions depend on the clock and the dice alone, so a run can be repeated."""

    def run(seed: int) -> list[float]:
        world = Simulation(Upstream(limits=Limits(concurrency=2, rpm=30)), seed)
        for number in range(50):
            world.later(
                number / 10, lambda: world.call(lambda at_s: THROTTLED if int(at_s) % 3 == 0 else None, 0.3)
            )
        world.run()
        return world.sent

    assert run(5) == run(5)
    assert run(5) != run(6)


def test_sixty_four_threads_and_three_loops_hold_the_limit() -> None:
    """Fault X06: callers of all kinds on one turnstile never exceed it, and it is used to the full."""
    gate = turnstile(Upstream(limits=Limits(concurrency=7)))
    lock = threading.Lock()
    out = most = served = 0

    def begin() -> None:
        nonlocal out, most
        with lock:
            out += 1
            most = max(most, out)

    def end() -> None:
        nonlocal out, served
        with lock:
            out -= 1
            served += 1

    def thread() -> None:
        for _ in range(4):
            permit = goes(wait_turn(gate, patience_s=30))
            begin()
            time.sleep(0.001)
            end()
            gate.settle(permit)

    async def task() -> None:
        permit = goes(await await_turn(gate, patience_s=30))
        begin()
        await asyncio.sleep(0.001)
        end()
        gate.settle(permit)

    async def tasks() -> None:
        await asyncio.gather(*(task() for _ in range(60)))

    workers = [threading.Thread(target=thread) for _ in range(64)]
    workers += [threading.Thread(target=lambda: asyncio.run(tasks())) for _ in range(3)]
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
    finally:
        sys.setswitchinterval(interval_s)
    assert served == 64 * 4 + 3 * 60
    assert most == 7
    assert not gate._wakers


def test_cancelling_at_every_await_leaves_nothing() -> None:
    """Fault X01: a caller cancelled while it waits leaves the queue, and the next one is served."""
    gate = turnstile(Upstream(limits=Limits(concurrency=1)))

    async def main() -> None:
        for steps in range(6):
            holder = goes(gate.ask())
            cancelled = asyncio.create_task(await_turn(gate))
            behind = asyncio.create_task(await_turn(gate))
            for _ in range(steps):
                await asyncio.sleep(0)
            cancelled.cancel()
            await asyncio.gather(cancelled, return_exceptions=True)
            gate.settle(holder)
            async with asyncio.timeout(5):
                gate.settle(goes(await behind))

    asyncio.run(main())
    assert not gate._wakers
    assert not gate.store.update(gate._keys[2:], lambda lane: lane.queue or lane.meter.in_flight)


def test_patience_ends_in_time() -> None:
    """A caller waits no longer than it said, in a thread and on a loop, and leaves the queue."""
    gate = turnstile(Upstream(limits=Limits(concurrency=1)))
    goes(gate.ask())
    began = time.monotonic()
    assert turned_away(wait_turn(gate, patience_s=0.05)).reason == "no time to wait"
    assert turned_away(asyncio.run(await_turn(gate, patience_s=0.05))).reason == "no time to wait"
    assert 0.09 < time.monotonic() - began < 2
    assert not gate.store.update(gate._keys[2:], lambda lane: lane.queue)


def test_a_loop_that_died_does_not_hold_up_the_others() -> None:
    """Fault X13: a waiting task whose loop is gone gives its place to the next caller."""
    gate = turnstile(Upstream(limits=Limits(concurrency=1)))
    holder = goes(gate.ask())
    loop = asyncio.new_event_loop()
    lost = loop.create_task(await_turn(gate))
    loop.run_until_complete(asyncio.sleep(0.01))
    lost.get_coro().close()  # type: ignore[union-attr]  # as when the loop is thrown away
    waiting = waits(gate.ask())
    gate.settle(holder)
    goes(gate.poll(waiting))
    lost.cancel()
    with pytest.raises((RuntimeError, asyncio.CancelledError)):
        loop.run_until_complete(lost)
    loop.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_starts_clean() -> None:
    """Fault X05: a child forked while permit and lock are held is neither blocked nor short of a place."""
    gate = Turnstiles(Upstream(limits=Limits(concurrency=1))).of(PLACE)
    goes(gate.ask())

    def hold(*_: object) -> int:
        child = os.fork()
        if child == 0:
            turn = gate.ask()
            os._exit(0 if isinstance(turn, Permit) and isinstance(gate.ask(), Waiting) else 1)
        return child

    child = gate.store.update(gate._keys, hold)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    waits(gate.ask())


def test_callers_of_one_upstream_share_its_turnstile() -> None:
    """Whoever has the same `Upstream` shares; another model, and another `Upstream`, has its own."""
    one = Upstream(name="desk")
    assert one.turnstile("", "", "m") is one.turnstile("", "", "m")
    assert one.turnstile("", "", "m") is not one.turnstile("", "", None)
    assert one.turnstile("", "", "m") is not Upstream(name="desk").turnstile("", "", "m")
    assert one.turnstile("a", "", "m").place == Place("a", "desk", "m")
