"""State that several processes share: whole updates, crashes, and a store that is down, slow or mad."""

from __future__ import annotations

import gc
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from guardrails_lite._errors import ConfigError
from guardrails_lite.reliability import Failure, Limits, RedisStore, SQLiteStore, Upstream
from guardrails_lite.reliability._lane import Lane
from guardrails_lite.reliability._permits import Permit, TurnedAway, Waiting
from guardrails_lite.reliability._shared_store import DegradingStore, StoreUnavailable
from guardrails_lite.reliability._stores import MemoryStore
from guardrails_lite.reliability._turns import wait_turn
from guardrails_lite.reliability._turnstile import Place, Turnstile, Turnstiles

PLACE = Place("account", "host", "model")
ONE = Upstream(limits=Limits(concurrency=1))
Open = Callable[[], Any]


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    """A real Redis server of the machine, on a port of its own."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        pytest.skip("needs redis-server")
    pytest.importorskip("redis")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [program, "--port", str(port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 0.1).close()
                break
            except OSError:
                time.sleep(0.02)
        yield f"redis://127.0.0.1:{port}/0"
        server.terminate()


@pytest.fixture(params=["sqlite", "redis"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same shared store again and again, as different processes do."""
    opened: list[Any] = []
    url = request.getfixturevalue("redis_url") if request.param == "redis" else ""

    def open_one() -> Any:
        if request.param == "redis":
            opened.append(RedisStore(url, wait_s=2.0, prefix=str(tmp_path)))
        else:
            opened.append(SQLiteStore(tmp_path / "state.db", wait_s=2.0))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


def gate(store: Any, upstream: Upstream = ONE) -> Turnstile:
    return Turnstiles(upstream, store).of(PLACE)


def goes(turn: object) -> Permit:
    assert isinstance(turn, Permit), turn
    return turn


def test_two_processes_share_a_limit(shared: Open) -> None:
    """What one process has taken is taken for the other, and what it gives back is free."""
    first, second = gate(shared()), gate(shared())
    permit = goes(first.ask())
    waiting = second.ask()
    assert isinstance(waiting, Waiting)
    first.settle(permit)
    goes(second.poll(waiting))


def test_breakers_and_pauses_are_shared(shared: Open) -> None:
    """A circuit that one process opened, and a pause that one was asked for, hold for the other."""
    first, second = gate(shared(), Upstream()), gate(shared(), Upstream())
    first.settle(goes(first.ask()), Failure.of("rate limited", status=429, retry_after_s=60.0))
    assert isinstance(second.ask(), Waiting)
    other = Place("account", "host", "other")
    first, second = (Turnstiles(Upstream(), shared()).of(other) for _ in range(2))
    for _ in range(10):
        first.settle(goes(first.ask()), Failure.of("server error", status=500))
    assert getattr(second.ask(), "reason", None) == "circuit open"


def test_concurrent_updates_lose_nothing(shared: Open) -> None:
    """Law: eight threads over four openings count to the sum of what each added."""
    stores = [shared() for _ in range(4)]
    key = [("lane counted", Lane)]

    def count(store: Any) -> None:
        for _ in range(25):

            def add(lane: Lane) -> None:
                lane.throttled += 1

            store.update(key, add)

    threads = [threading.Thread(target=count, args=(stores[n % 4],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stores[0].update(key, lambda lane: lane.throttled) == 200


def test_nonsense_in_the_store_is_a_new_start(tmp_path: Path) -> None:
    """What cannot be read is replaced; it neither stops calls nor raises."""
    import sqlite3

    store = SQLiteStore(tmp_path / "state.db")
    goes(gate(store).ask())
    for body in ("garbage", "[1, 2]", '{"a": 1}', "null"):
        with sqlite3.connect(store.path) as connection:
            connection.execute("UPDATE states SET body = ? WHERE name != ''", (body,))
        connection.close()
        turnstile = gate(store)
        turnstile.settle(goes(turnstile.ask()))
    store.close()


def _crash(path: Path, ready: Any) -> None:
    turnstile = gate(SQLiteStore(path, wait_s=2.0))
    assert isinstance(turnstile.ask(lease_s=-4.5), Permit)  # a lease of half a second, grace included
    ready.set()
    time.sleep(60)


def test_what_a_killed_process_held_is_freed_by_its_lease(tmp_path: Path) -> None:
    """A process killed while it held the only place does not hold it for ever."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_crash, args=(tmp_path / "state.db", ready))
    process.start()
    assert ready.wait(30)
    store = SQLiteStore(tmp_path / "state.db", wait_s=2.0)
    turnstile = gate(store)
    waiting = turnstile.ask()
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert isinstance(waiting, (Waiting, Permit))
    if isinstance(waiting, Waiting):
        turnstile.leave(waiting)
        goes(wait_turn(turnstile, patience_s=10))
    store.close()


def test_after_a_restart_of_the_host_nothing_old_counts(tmp_path: Path) -> None:
    """A monotonic clock that begins anew would make old pauses last for weeks; they are forgotten."""
    now_s = [1e6]
    store = SQLiteStore(tmp_path / "state.db", clock=lambda: now_s[0])
    turnstile = gate(store)
    goes(turnstile.ask())
    assert isinstance(turnstile.ask(), Waiting)
    now_s[0] = 5.0
    goes(turnstile.ask())
    store.close()


def test_a_store_that_is_locked_costs_little_and_divides_the_limits(tmp_path: Path) -> None:
    """Fault X07: at most 50 ms are lost once; then each of four workers goes by a quarter, and says so."""
    import sqlite3

    store = SQLiteStore(tmp_path / "state.db", workers=4)
    upstream = Upstream(limits=Limits(concurrency=8))
    turnstile = gate(store, upstream)
    turnstile.settle(goes(turnstile.ask()))
    holder = sqlite3.connect(store.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    turns = [turnstile.ask() for _ in range(3)]
    assert time.monotonic() - began < 0.5
    assert [isinstance(turn, Permit) for turn in turns] == [True, True, False]
    assert goes(turns[0]).is_degraded
    holder.execute("ROLLBACK")
    holder.close()
    time.sleep(1.05)  # until the store is looked at again
    again = goes(turnstile.ask())
    assert not again.is_degraded
    turnstile.settle(goes(turns[0]))
    store.close()


def test_who_queued_while_the_store_was_down_leaves_that_queue_too() -> None:
    """Let through by the shared store, a caller is in nobody's way the next time that it is down."""
    now_s = [0.0]
    shared = Flaky()
    turnstile = Turnstiles(ONE, DegradingStore(shared, clock=lambda: now_s[0])).of(PLACE)
    shared.is_down = True
    first, waiting = goes(turnstile.ask()), turnstile.ask()
    assert isinstance(waiting, Waiting)
    shared.is_down = False
    now_s[0] += 2

    turnstile.settle(goes(turnstile.poll(waiting)))
    turnstile.settle(first)
    shared.is_down = True

    goes(turnstile.ask())


class Flaky(MemoryStore):
    """A store of two processes that is down when it is told to be."""

    workers = 2
    is_down = False

    def update(self, keys: Any, step: Any) -> Any:
        """Answer, or not."""
        if self.is_down:
            raise StoreUnavailable
        return super().update(keys, step)


def test_a_place_taken_while_the_store_was_down_is_given_back_where_it_was_taken() -> None:
    """The store answers again before the call ends: the next time that it is down, the place is free."""
    now_s = [0.0]
    shared = Flaky()
    store = DegradingStore(shared, clock=lambda: now_s[0])
    turnstile = Turnstiles(ONE, store).of(PLACE)

    for _ in range(3):
        shared.is_down = True
        permit = goes(turnstile.ask())
        assert permit.is_degraded
        assert isinstance(turnstile.ask(patience_s=0), TurnedAway)
        shared.is_down = False
        now_s[0] += 60
        other = goes(turnstile.ask())
        turnstile.settle(permit)
        turnstile.settle(other)


def test_who_queued_while_the_store_was_down_keeps_its_patience_by_the_stores_clock() -> None:
    """The clocks of the two have nothing in common: Redis counts from 1970, a process from the last boot."""
    here_s, there_s = [0.0], [1.7e9]
    shared = Flaky(clock=lambda: there_s[0])
    store = DegradingStore(shared, clock=lambda: here_s[0])
    turnstile = Turnstiles(ONE, store).of(PLACE)

    for pause_s, goes_on in [(0.0, Permit), (5.0, Waiting), (90.0, TurnedAway)]:
        shared.is_down = True
        held, waiting = goes(turnstile.ask()), turnstile.ask(patience_s=30.0)
        assert isinstance(waiting, Waiting)
        shared.is_down = False
        here_s[0] += 60
        there_s[0] += 60
        if pause_s:
            asked_to = Failure.of("rate limited", status=429, retry_after_s=pause_s)
            turnstile.settle(goes(turnstile.ask()), asked_to)
        turn = turnstile.poll(waiting)
        assert type(turn) is goes_on
        if isinstance(turn, Permit):
            turnstile.settle(turn)
        elif isinstance(turn, Waiting):
            turnstile.leave(waiting)
            there_s[0] += 60
        turnstile.settle(held)


def test_a_place_that_was_lost_is_given_up_when_the_callers_patience_has_ended() -> None:
    """The store goes down again before its caller can leave: the others do not wait a quarter of an hour."""
    here_s, there_s = [0.0], [1.7e9]
    shared = Flaky(clock=lambda: there_s[0])
    turnstile = Turnstiles(ONE, DegradingStore(shared, clock=lambda: here_s[0])).of(PLACE)
    other = Turnstiles(ONE, DegradingStore(shared, clock=lambda: here_s[0])).of(PLACE)
    permit = goes(other.ask())
    shared.is_down = True
    held, waiting = goes(turnstile.ask()), turnstile.ask(patience_s=1.0)
    assert isinstance(waiting, Waiting)
    shared.is_down = False
    here_s[0] += 60
    assert isinstance(turnstile.poll(waiting), Waiting)  # in the queue of the shared store
    shared.is_down = True
    turnstile.leave(waiting)
    shared.is_down = False
    here_s[0] += 60
    there_s[0] += 10

    other.settle(permit)
    goes(other.ask())
    turnstile.settle(held)


def test_a_store_for_one_process_knows_too_what_was_taken_while_it_was_down() -> None:
    """Nothing is divided then, but the place is still this process's own."""
    here_s = [0.0]
    shared = Flaky()
    shared.workers = 1
    turnstile = Turnstiles(ONE, DegradingStore(shared, clock=lambda: here_s[0])).of(PLACE)
    shared.is_down = True
    permit = goes(turnstile.ask())
    assert permit.is_degraded
    shared.is_down = False
    here_s[0] += 60
    turnstile.settle(permit)
    shared.is_down = True

    goes(turnstile.ask())


@pytest.mark.parametrize("answer", [None, b"+OK garbage\r\n" * 4])
def test_a_server_that_is_down_silent_or_mad_costs_at_most_fifty_milliseconds(answer: bytes | None) -> None:
    """Fault X07: a Redis that accepts and says nothing, or talks nonsense, is not waited for."""
    pytest.importorskip("redis")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            peers = []
            try:
                while True:
                    peer, _ = listening.accept()
                    peers.append(peer)
                    if answer is not None:
                        peer.sendall(answer)
            except OSError:
                for peer in peers:
                    peer.close()

        thread = threading.Thread(target=serve)
        thread.start()
        store = RedisStore(f"redis://127.0.0.1:{listening.getsockname()[1]}/0")
        took = []
        for _ in range(3):
            turnstile = gate(store)
            began = time.monotonic()
            permit = goes(turnstile.ask())
            took.append(time.monotonic() - began)
            assert permit.is_degraded
            turnstile.settle(permit)
        store.close()
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert min(took) < 0.06


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: SQLiteStore("x", workers=0), "workers=0 of SQLiteStore must be a whole number"),
        (lambda: SQLiteStore("x", wait_s=0), "wait_s=0 of SQLiteStore"),
        (lambda: RedisStore("redis://x", workers=0), "workers=0 of RedisStore"),
        (lambda: RedisStore("redis://x", wait_s=9), "wait_s=9 of RedisStore"),
    ],
)
def test_settings_that_cannot_work_are_refused(made: Callable[[], object], message: str) -> None:
    """A wrong setting is an error when it is written, and no address is shown."""
    with pytest.raises(ConfigError, match=message):
        made()


# --- the garbage collector, which strikes anywhere ---


def abandoned(gate: Turnstile) -> None:
    """A stream of a call that holds a permit, in a knot that only the collector unties."""

    def stream(permit: Permit) -> Iterator[str]:
        try:
            yield "Oslo"
        finally:
            gate.settle(permit, Failure.of("cancelled"))

    chunks = stream(goes(gate.ask()))
    next(chunks)
    knot: list[Any] = [chunks]
    knot.append(knot)


@pytest.mark.parametrize("kind", ["memory", "sqlite", "redis"])
def test_a_stream_that_is_collected_in_the_midst_of_an_update_gives_its_permit_back(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """In the very thread that is updating: it neither waits for itself, nor changes what is being changed."""
    store: Any = MemoryStore()
    if kind == "sqlite":
        store = SQLiteStore(tmp_path / "state.db", wait_s=2.0)
    elif kind == "redis":
        store = RedisStore(request.getfixturevalue("redis_url"), wait_s=2.0, prefix=str(tmp_path))
    turnstile = gate(store)
    rung: list[str] = []

    def step(*states: Any) -> int:
        out = states[2].meter.in_flight
        before = len(out)
        gc.collect()
        assert len(out) == before
        return before

    def collected() -> None:
        abandoned(turnstile)
        waiting = turnstile.ask()
        assert isinstance(waiting, Waiting)
        turnstile.ring_at(waiting, lambda: rung.append("bell"))
        assert turnstile.store.update(turnstile._keys, step) == 1
        turnstile.settle(goes(turnstile.poll(waiting)))
        assert turnstile.store.update(turnstile._keys, lambda *states: dict(states[2].meter.in_flight)) == {}
        rung.append("done")

    gc.disable()
    try:
        thread = threading.Thread(target=collected, daemon=True)
        thread.start()
        thread.join(10)
    finally:
        gc.enable()
    assert rung == ["bell", "done"]
    assert not getattr(turnstile.store, "is_degraded", False)
    if kind != "memory":
        store.close()
