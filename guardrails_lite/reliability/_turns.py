"""Waiting for a turn at a turnstile: in a thread, or on an event loop.

The functions below come in pairs that do the same. A caller that gives up, for whatever reason, leaves the
queue.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from guardrails_lite.reliability._failure import Failure
from guardrails_lite.reliability._permits import Permit, Turn, TurnedAway, Waiting

if TYPE_CHECKING:
    import asyncio

    from guardrails_lite.reliability._retry_budget import SecondTry
    from guardrails_lite.reliability._turnstile import Turnstile

_LOOK_S = 30.0
"""A caller that others wake looks by itself now and then: they may have died."""


def wait_turn(
    turnstile: Turnstile,
    *,
    tokens: int = 0,
    patience_s: float = math.inf,
    lease_s: float | None = None,
    second_try: SecondTry | None = None,
    caller: str = "",
) -> Permit | TurnedAway:
    """Wait in this thread until the call may set off, or is turned away. See `Turnstile.ask`."""
    turn = turnstile.ask(
        tokens=tokens, patience_s=patience_s, lease_s=lease_s, second_try=second_try, caller=caller
    )
    return wait_in_line(turnstile, turn, patience_s)


def wait_in_line(turnstile: Turnstile, turn: Turn, patience_s: float) -> Permit | TurnedAway:
    """Wait in this thread for what comes of *turn*: the same, but of a place in the queue."""
    if not isinstance(turn, Waiting):
        return turn
    waiting = turn
    ends_s = time.monotonic() + patience_s
    bell = threading.Event()
    turnstile.ring_at(waiting, bell.set)
    try:
        turn = turnstile.poll(waiting)
        while isinstance(turn, Waiting):
            left_s = ends_s - time.monotonic()
            if left_s <= 0:
                return TurnedAway("no time to wait")
            bell.wait(_wait_s(turnstile, turn, left_s))
            bell.clear()
            turn = turnstile.poll(turn)
        return turn
    finally:
        if isinstance(turn, Waiting):
            turnstile.leave(waiting)


async def await_turn(
    turnstile: Turnstile,
    *,
    tokens: int = 0,
    patience_s: float = math.inf,
    lease_s: float | None = None,
    second_try: SecondTry | None = None,
    caller: str = "",
) -> Permit | TurnedAway:
    """Wait on this event loop until the call may set off, or is turned away. See `Turnstile.ask`."""

    def ask() -> Turn:
        return turnstile.ask(
            tokens=tokens, patience_s=patience_s, lease_s=lease_s, second_try=second_try, caller=caller
        )

    turn = await _do(turnstile, ask) if turnstile.store.blocks else ask()
    return await await_in_line(turnstile, turn, patience_s)


async def await_in_line(turnstile: Turnstile, turn: Turn, patience_s: float) -> Permit | TurnedAway:
    """Wait on this event loop for what comes of *turn*: the same, but of a place in the queue."""
    if not isinstance(turn, Waiting):
        return turn

    import asyncio

    waiting = turn
    loop = asyncio.get_running_loop()
    ends_s = loop.time() + patience_s
    bell = asyncio.Event()

    def wake() -> None:
        try:
            loop.call_soon_threadsafe(bell.set)
        except RuntimeError:  # the loop is closed: nobody waits there any more
            turnstile.leave(waiting)

    turnstile.ring_at(waiting, wake)
    try:
        turn = await _do(turnstile, lambda: turnstile.poll(waiting))
        while isinstance(turn, Waiting):
            left_s = ends_s - loop.time()
            if left_s <= 0:
                return TurnedAway("no time to wait")
            try:
                async with asyncio.timeout(_wait_s(turnstile, turn, left_s)):
                    await bell.wait()
            except TimeoutError:
                pass
            bell.clear()
            turn = await _do(turnstile, lambda: turnstile.poll(waiting))
        return turn
    finally:
        if isinstance(turn, Waiting):
            turnstile.leave(waiting)


def _wait_s(turnstile: Turnstile, waiting: Waiting, left_s: float) -> float:
    poll_s = _LOOK_S if turnstile.store.poll_s is None else turnstile.store.poll_s
    return min(max(min(waiting.ready_s, poll_s), 0.0005), left_s)


async def _do(turnstile: Turnstile, work: Callable[[], Turn]) -> Turn:
    """Do *work*, in a thread if the store waits for a disk or a network."""
    if not turnstile.store.blocks:
        return work()

    import asyncio

    # No task: one that is cancelled as the loop ends would never tell what its thread has brought.
    turn = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(turn)
    except BaseException:
        # The thread goes on, and what it brings must not be lost.
        turn.add_done_callback(lambda done: _give_back(turnstile, done))
        raise


def _give_back(turnstile: Turnstile, done: asyncio.Future[Turn]) -> None:
    if done.cancelled() or done.exception() is not None:
        return
    match done.result():
        case Permit() as permit:
            turnstile.settle(permit, Failure.of("cancelled"))
        case Waiting() as waiting:
            turnstile.leave(waiting)
