"""Who goes next of those who wait: in order, in turns by weight, and never not at all."""

from __future__ import annotations

import json
import threading
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails_lite import ConfigError, Guard, Limits, Upstream, bound
from guardrails_lite._engine._effects import Admit
from guardrails_lite.reliability._permits import Permit, TurnedAway, Waiting
from guardrails_lite.reliability._queue import Queue
from guardrails_lite.reliability._stores import MemoryStore
from guardrails_lite.reliability._turns import wait_turn
from guardrails_lite.reliability._turnstile import Place, Turnstile
from tests.engine.test_steps import Steps

LONG_S = 1e9
BY_APP = Limits(concurrency=1, by="app", weights={"chat": 4})


def served(queue: Queue, times: int) -> list[str]:
    """Let so many go; return their tickets."""
    gone = []
    for _ in range(times):
        ticket = queue.head
        assert ticket is not None
        queue.take(ticket)
        gone.append(ticket)
    return gone


def test_callers_of_one_name_go_in_the_order_they_came() -> None:
    """Whatever they cost."""
    queue = Queue()
    for number in range(50):
        queue.join(str(number), "", 50 - number, until_s=LONG_S)
    assert served(queue, 50) == [str(number) for number in range(50)]


def test_who_floods_the_queue_waits_behind_itself() -> None:
    """A hundred of a batch are there; a chat that comes then goes next but one, and so do those after it."""
    queue = Queue()
    for number in range(100):
        queue.join(f"batch {number}", "batch", 1, until_s=LONG_S)
    assert served(queue, 2) == ["batch 0", "batch 1"]
    for number in range(3):
        queue.join(f"chat {number}", "chat", 1 / 4, until_s=LONG_S)
    assert served(queue, 4) == ["chat 0", "chat 1", "chat 2", "batch 2"]


def test_an_idle_name_saves_nothing_up() -> None:
    """Turns that were not taken are gone: the others are not made to wait for them later."""
    queue = Queue()
    for number in range(40):
        queue.join(f"a{number}", "a", 1, until_s=LONG_S)
    served(queue, 20)
    for number in range(20):
        queue.join(f"b{number}", "b", 1, until_s=LONG_S)
    assert sum(ticket.startswith("b") for ticket in served(queue, 10)) in (5, 6)


def test_who_leaves_takes_its_turn_with_it() -> None:
    """Those of its name move up; a name whose callers give up is not put back for it."""
    queue = Queue()
    for number in range(100):
        queue.join(f"a{number}", "a", 1, until_s=LONG_S)
    queue.join("b0", "b", 1, until_s=LONG_S)
    for number in range(99):
        queue.leave(f"a{number}")
    queue.leave("nobody")
    queue.join("a100", "a", 1, until_s=LONG_S)
    queue.join("b1", "b", 1, until_s=LONG_S)
    assert sorted(served(queue, 2)) == ["a99", "b0"]
    assert sorted(served(queue, 2)) == ["a100", "b1"]


@given(
    weights=st.lists(st.sampled_from([0.5, 1.0, 2.0, 5.0]), min_size=2, max_size=4),
    bursts=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), max_size=60),
)
def test_turns_are_shared_by_weight(weights: list[float], bursts: list[tuple[int, int]]) -> None:
    """Law: of two names that always wait, neither is more than a turn of each ahead of its share."""
    queue, numbers = Queue(), count()
    waiting = dict.fromkeys(range(len(weights)), 0)
    gone = dict.fromkeys(range(len(weights)), 0)

    def join(name: int, times: int) -> None:
        for _ in range(times):
            queue.join(f"{name} {next(numbers)}", str(name), 1 / weights[name], until_s=LONG_S)
            waiting[name] += 1

    for name in waiting:
        join(name, 3)
    for extra, times in bursts:
        for _ in range(times):
            [ticket] = served(queue, 1)
            name = int(ticket.split()[0])
            waiting[name] -= 1
            gone[name] += 1
            if waiting[name] == 0:
                join(name, 1)
            for one in gone:
                for other in gone:
                    ahead = gone[one] / weights[one] - gone[other] / weights[other]
                    assert ahead <= 1 / weights[one] + 1 / weights[other] + 1e-9
        join(extra % len(weights), 2)


@given(
    before=st.lists(st.sampled_from(["a", "b", "c"]), max_size=20),
    later=st.lists(st.sampled_from(["a", "b", "c"]), min_size=200, max_size=200),
)
def test_nobody_waits_for_ever(before: list[str], later: list[str]) -> None:
    """Law: however many come later, at most so many go before as their weights allow."""
    costs = {"a": 1.0, "b": 0.25, "c": 4.0}
    queue = Queue()
    for number, name in enumerate(before):
        queue.join(f"before {number}", name, costs[name], until_s=LONG_S)
    queue.join("me", "c", costs["c"], until_s=LONG_S)
    for turns, name in enumerate(later):
        queue.join(f"later {turns}", name, costs[name], until_s=LONG_S)
        if served(queue, 1) == ["me"]:
            break
    else:
        turns = len(later)
    own = 1 + before.count("c")
    assert turns <= len(before) + own * (costs["c"] / costs["a"] + costs["c"] / costs["b"]) + 3


def test_names_that_are_done_are_forgotten() -> None:
    """Names may be as many as there are users: a queue that is never empty does not collect them."""
    queue = Queue()
    queue.join("0", "user 0", 1, until_s=LONG_S)
    for number in range(1, 5_000):
        queue.join(str(number), f"user {number}", 1, until_s=LONG_S)
        assert served(queue, 1) == [str(number - 1)]
    assert len(json.dumps(queue.dump())) < 5_000


def test_the_state_survives_a_store() -> None:
    """As JSON, with no name in it."""
    queue = Queue()
    for number, name in enumerate(["u-17", "u-17", "", "u-18"]):
        queue.join(str(number), name, 1.0, until_s=LONG_S)
    served(queue, 1)
    dumped = json.dumps(queue.dump())
    assert "u-1" not in dumped
    again = Queue()
    again.load(json.loads(dumped))
    assert again.waiting("u-17") == 1
    assert served(again, 3) == served(queue, 3)


# --- limits ---


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"by": ""}, "by='' of Limits must name a field of bound"),
        ({"weights": {"chat": 4}}, r"weights= of Limits needs by=: which field of bound\(...\)"),
        ({"by": "app", "weights": [4]}, "weights= of Limits must be a mapping, not list"),
        ({"by": "app", "weights": {"chat": 0}}, r"weights\['chat'\]=0 of Limits must be more than 0"),
        ({"by": "app", "weights": {"chat": True}}, r"weights\['chat'\]=True"),
    ],
)
def test_weights_that_cannot_work_are_refused(settings: dict[str, Any], said: str) -> None:
    """When the limits are made."""
    with pytest.raises(ConfigError, match=said):
        Limits(**settings)


def test_limits_with_weights_are_a_value() -> None:
    """They print, compare and hash."""
    again = Limits(concurrency=1, by="app", weights={"chat": 4})
    assert (again, hash(again)) == (BY_APP, hash(BY_APP))
    assert repr(BY_APP) == "Limits(concurrency=1, by='app', weights={'chat': 4})"


def test_tokens_are_shared_where_tokens_are_limited() -> None:
    """A name with large prompts does not get more out of it than one with small ones."""
    assert Limits(by="app", weights={"chat": 4}, tpm=100).cost_of("chat", 40) == 10
    assert BY_APP.cost_of("chat", 40) == 1 / 4
    assert BY_APP.cost_of("batch", 40) == 1


def test_a_batch_fills_only_its_own_queue() -> None:
    """When its callers are too many they are refused, and others are let in to wait, and go soon."""
    limits = Limits(concurrency=1, queue=2, by="app", weights={"chat": 4})
    gate = Turnstile(Upstream(limits=limits), Place("a", "h", "m"), store=MemoryStore())
    holder = gate.ask(caller="batch")
    assert isinstance(holder, Permit)
    batch = [gate.ask(caller="batch") for _ in range(3)]
    assert [type(turn) for turn in batch] == [Waiting, Waiting, TurnedAway]
    chat = gate.ask(caller="chat")
    assert isinstance(chat, Waiting)
    assert isinstance(batch[0], Waiting)
    gate.settle(holder)
    first = gate.poll(batch[0])
    assert isinstance(first, Permit)
    gate.settle(first)
    assert isinstance(batch[1], Waiting)
    assert isinstance(gate.poll(batch[1]), Waiting)
    assert isinstance(gate.poll(chat), Permit)


def test_who_calls_is_what_is_bound() -> None:
    """A guarded call waits under the name that `bound` gives it; the field is the limits' choice."""
    upstream = Upstream(limits=BY_APP)
    upstream.turnstile("", "", None).ask()
    guard: Guard[Any] = Guard(upstream=upstream, log=[].append)
    with bound(app="chat", user="u-17"):
        named = Steps(guard)
    with bound(user="u-17"):
        nameless = Steps(guard)
    assert isinstance(named.asked, Admit)
    assert (named.asked.caller, nameless.asked.caller) == ("chat", "")
    assert "chat" not in repr(named.asked)
    for call in (named, nameless):
        call.core.close()


def test_real_callers_take_turns() -> None:
    """Threads of two names, one at a time: a chat is let in long before the batch that came first is done."""
    upstream = Upstream(limits=BY_APP, breaker=None, retries=None)
    gate = upstream.turnstile("", "", None)
    holder = gate.ask()
    assert isinstance(holder, Permit)
    order: list[str] = []

    def call(name: str) -> None:
        turn = wait_turn(gate, caller=name)
        assert isinstance(turn, Permit)
        order.append(name)
        gate.settle(turn)

    def line_up(name: str, times: int) -> list[threading.Thread]:
        before = len(gate.store.update(gate._keys[2:], lambda lane: lane.queue))
        threads = [threading.Thread(target=call, args=(name,)) for _ in range(times)]
        for thread in threads:
            thread.start()
        while len(gate.store.update(gate._keys[2:], lambda lane: lane.queue)) < before + times:
            threads[0].join(0.001)
        return threads

    threads = line_up("batch", 30) + line_up("chat", 4)
    gate.settle(holder)
    for thread in threads:
        thread.join()
    assert len(order) == 34
    assert max(at for at, name in enumerate(order) if name == "chat") < 8
