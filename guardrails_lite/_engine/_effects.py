"""What the engine asks of the world, and the two ways of doing it.

The engine (`_exchange.py`) performs no I/O. It awaits *effects*: small values that say what is wanted.
Awaiting one hands it to whoever drives the engine; the driver (`_drivers.py`) performs it and sends the
answer back in, or throws the error. So the engine is written once and runs in four styles, and a test
can play the driver and answer by hand.

Two rules:

1. Every effect has `run` for a synchronous driver and `arun` for an asynchronous one. Apart from the
   drivers, the clients and `_running.py`, this file is the only code that knows the two apart.
2. An effect does one thing and decides nothing. What a failure means is the engine's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import math
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from guardrails_lite._engine._running import Checked, acheck, check, sooner
from guardrails_lite._patience import within
from guardrails_lite._threads import in_thread, in_thread_for, result_within
from guardrails_lite.reliability._deadline import begin_limit, connect_limit, end_limit, time_limit
from guardrails_lite.reliability._turns import await_in_line, await_turn, wait_in_line, wait_turn

if TYPE_CHECKING:
    from concurrent.futures import Future

    from guardrails_lite._messages import Call, ToolCall
    from guardrails_lite._record import Intent, KeptText, Record
    from guardrails_lite._rules import Rule
    from guardrails_lite._targets import Primary, Target
    from guardrails_lite._tools import Tool
    from guardrails_lite.reliability import Failure
    from guardrails_lite.reliability._permits import Permit, Turn, TurnedAway
    from guardrails_lite.reliability._retry_budget import SecondTry
    from guardrails_lite.reliability._turnstile import Turnstile

T = TypeVar("T")


class Effect(Generic[T]):
    """Something only a driver can do. Awaiting it gives the driver's answer."""

    __slots__ = ()

    def __await__(self) -> Generator[Effect[T], T, T]:
        return (yield self)

    def run(self) -> T:
        """Do it now, in this thread."""
        raise NotImplementedError

    async def arun(self) -> T:
        """Do it without blocking the event loop."""
        return self.run()


@dataclass(slots=True)
class Send(Effect[Any]):
    """Call a target. The answer is whatever it returns; a stream comes back as a `Source`."""

    target: Target | Primary
    call: Call
    timeout_s: float | None = None
    connect_s: float | None = None

    def run(self) -> Any:
        if self.timeout_s is None:
            raw = self._sent()
        else:  # every socket operation of a client keeps to the limit, and a function can ask for it
            limit = begin_limit(self.timeout_s)
            try:
                raw = self._sent()
            finally:
                end_limit(limit)
        if type(raw) is not str and hasattr(type(raw), "__await__"):
            _discard(raw)
            raise TypeError(
                f"{self.target!r} is async, but the guard was called synchronously. "
                "Decorate an `async def`, or call `await guard.arun(...)`."
            )
        return raw

    def arun(self) -> Coroutine[Any, Any, Any]:
        return self._answer() if self.timeout_s is None else self._answer_in(self.timeout_s)

    async def _answer(self) -> Any:
        raw = await in_thread_for(self._sent, _discard) if self.target.blocks else self._sent()
        return await raw if hasattr(type(raw), "__await__") else raw

    async def _answer_in(self, timeout_s: float) -> Any:
        began_s = time.monotonic()
        limit = begin_limit(timeout_s)
        try:
            if self.target.blocks:
                return await within(self._answer(), timeout_s, began_s)
            raw = self._sent()
            return await within(raw, timeout_s, began_s) if hasattr(type(raw), "__await__") else raw
        finally:
            end_limit(limit)

    def _sent(self) -> Any:
        """What the target returns, which may have to be awaited."""
        if self.connect_s is None:
            return self.target.send(self.call, self.timeout_s)
        with connect_limit(self.connect_s):
            return self.target.send(self.call, self.timeout_s)


@dataclass(slots=True)
class Admit(Effect["Permit | TurnedAway"]):
    """Ask an upstream for a turn, and wait for it. Whatever then becomes of the permit, it is given back."""

    turnstile: Turnstile
    tokens: int
    patience_s: float
    lease_s: float | None
    second_try: SecondTry | None
    caller: str = field(default="", repr=False)
    turn: Turn | None = None
    """What it was told, where it has asked already."""

    def run(self) -> Permit | TurnedAway:
        if self.turn is not None:
            return wait_in_line(self.turnstile, self.turn, self.patience_s)
        return wait_turn(
            self.turnstile,
            tokens=self.tokens,
            patience_s=self.patience_s,
            lease_s=self.lease_s,
            second_try=self.second_try,
            caller=self.caller,
        )

    async def arun(self) -> Permit | TurnedAway:
        if self.turn is not None:
            return await await_in_line(self.turnstile, self.turn, self.patience_s)
        return await await_turn(
            self.turnstile,
            tokens=self.tokens,
            patience_s=self.patience_s,
            lease_s=self.lease_s,
            second_try=self.second_try,
            caller=self.caller,
        )


@dataclass(slots=True)
class Settle(Effect[None]):
    """Give a permit back, and tell the upstream how the call went, where its store blocks."""

    turnstile: Turnstile
    permit: Permit
    failure: Failure | None
    tokens: int | None
    first_content_s: float | None
    headers: Mapping[str, str] | None = field(repr=False)

    def run(self) -> None:
        self.turnstile.settle(
            self.permit,
            self.failure,
            tokens=self.tokens,
            first_content_s=self.first_content_s,
            headers=self.headers,
        )

    async def arun(self) -> None:
        # Shielded, and no task: cancelled or not, the thread finishes what it has begun.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self.run))


@dataclass(slots=True)
class Repeat(Effect["TurnedAway | None"]):
    """Ask an upstream, before the wait for it, whether a second try is worth it. None: it is, and is paid."""

    turnstile: Turnstile
    second_try: SecondTry
    in_s: float
    patience_s: float

    def run(self) -> TurnedAway | None:
        return self.turnstile.repeat(self.second_try, in_s=self.in_s, patience_s=self.patience_s)

    async def arun(self) -> TurnedAway | None:
        return await asyncio.to_thread(self.run) if self.turnstile.store.blocks else self.run()


@dataclass(slots=True)
class Join(Effect[Any]):
    """Wait for what another call brings; None when it does not come in time."""

    flight: Future[Any]
    timeout_s: float | None

    def run(self) -> Any:
        if _is_on_a_loop():
            return None  # the other call may need this very loop to go on
        try:
            return self.flight.result(self.timeout_s)
        except TimeoutError:
            return None

    async def arun(self) -> Any:
        loop = asyncio.get_running_loop()
        landed = asyncio.Event()

        def wake(_: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there any more
                loop.call_soon_threadsafe(landed.set)

        self.flight.add_done_callback(wake)
        try:
            async with asyncio.timeout(self.timeout_s):
                await landed.wait()
        except TimeoutError:
            return None
        return self.flight.result()


def _is_on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _discard(unwanted: Any) -> None:
    """Close a coroutine nobody will await, of which Python would warn, or a stream nobody will read."""
    if inspect.iscoroutine(unwanted) or hasattr(type(unwanted), "__next__"):
        Close(unwanted).run()


END = object()
"""What `Read` answers when a stream has ended."""


@dataclass(slots=True)
class Read(Effect[Any]):
    """Take the next chunk of a stream, or `END`."""

    stream: Any
    """An iterator or an async iterator."""
    timeout_s: float | None = None

    def run(self) -> Any:
        with time_limit(self.timeout_s):
            return next(self.stream, END)

    async def arun(self) -> Any:
        if self.timeout_s is None:
            return await self._next()
        with time_limit(self.timeout_s):
            return await within(self._next(), self.timeout_s, time.monotonic())

    async def _next(self) -> Any:
        if hasattr(self.stream, "__anext__"):
            try:
                return await self.stream.__anext__()
            except StopAsyncIteration:
                return END
        return await in_thread_for(lambda: next(self.stream, END), lambda _: Close(self.stream).run())


@dataclass(slots=True)
class Close(Effect[None]):
    """Give back the connection of a stream. Closing twice, or what cannot be closed, does nothing.

    Nor does closing a generator that a thread is in: it is closed when the thread comes back (`Read`).
    """

    stream: Any

    def run(self) -> None:
        close = getattr(self.stream, "close", None)
        if close is not None and not inspect.iscoroutinefunction(close) and not self._is_running:
            close()

    async def arun(self) -> None:
        close = getattr(self.stream, "aclose", None) or getattr(self.stream, "close", None)
        if close is None or self._is_running:
            return
        done = close()
        if inspect.isawaitable(done):
            await done

    @property
    def _is_running(self) -> bool:
        return bool(getattr(self.stream, "gi_running", False))


@dataclass(slots=True)
class Check(Effect["list[Checked]"]):
    """Run neighbouring rules' validators over one text: one after another, or side by side if async."""

    rules: Sequence[Rule]
    text: str = field(repr=False)
    call: Call = field(repr=False)
    left_s: float = math.inf
    """How long the call still has. What holds up its own thread cannot be ended then."""

    def run(self) -> list[Checked]:
        return [check(rule, self.text, self.call, self.left_s) for rule in self.rules]

    async def arun(self) -> list[Checked]:
        waiting = [rule for rule in self.rules if rule.validator.kind != "plain" or rule.timeout_s]
        if not waiting:
            return self.run()
        if len(self.rules) == 1:
            return [await acheck(self.rules[0], self.text, self.call, self.left_s)]
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(acheck(rule, self.text, self.call, self.left_s)) for rule in self.rules
            ]
        return [task.result() for task in tasks]


@dataclass(slots=True)
class Ask(Effect[bool]):
    """Ask whoever must approve a tool call."""

    tool: Tool
    tool_call: ToolCall
    left_s: float = math.inf
    """How long the call still has. What holds up its own thread cannot be ended then."""

    def run(self) -> bool:
        approve: Any = self.tool.approve
        if self.tool.approve_timeout_s is None:
            return _consent(approve(self.tool_call))
        limit_s = min(self.tool.approve_timeout_s, max(self.left_s, 0.0))
        return _consent(result_within(lambda: approve(self.tool_call), limit_s))

    async def arun(self) -> bool:
        approve: Any = self.tool.approve
        async with asyncio.timeout(sooner(self.tool.approve_timeout_s, self.left_s)):
            if inspect.iscoroutinefunction(approve):
                return _consent(await approve(self.tool_call))
            answer = await in_thread(approve, self.tool_call)
            return _consent(await answer if inspect.isawaitable(answer) else answer)


def _consent(answer: object) -> bool:
    """An approval's answer: yes is True and nothing else, least of all a coroutine that nobody awaited."""
    if type(answer) is not bool:
        _discard(answer)
        raise TypeError(f"an approval must answer True or False, not {type(answer).__name__}")
    return answer


@dataclass(slots=True)
class Sleep(Effect[None]):
    """Wait."""

    seconds: float

    def run(self) -> None:
        time.sleep(self.seconds)

    async def arun(self) -> None:
        await asyncio.sleep(self.seconds)


class Opened(Effect[None]):
    """The first target has begun to stream: a driver that returns streams returns one now."""

    __slots__ = ()

    def run(self) -> None:
        """Nothing to do for a driver that runs to the end."""


@dataclass(slots=True)
class Release(Effect[None]):
    """Give a checked chunk to the consumer. A driver that returns whole replies keeps nothing of it."""

    chunk: Any = field(repr=False)

    def run(self) -> None:
        """Nothing to do for a driver that runs to the end."""


@dataclass(slots=True)
class Write(Effect[None]):
    """Hand an intent or a record to the sinks, in order."""

    sinks: Sequence[Callable[[Any], Any]]
    entry: Intent | Record = field(repr=False)
    after: Write | None = field(default=None, repr=False)
    """What comes before it. A thread may still be at it: who waited for that may have been cancelled."""
    originals: tuple[KeptText, ...] = field(default=(), repr=False)
    """For those sinks alone that seal them; everybody else gets the entry, which has none."""
    under_way: tuple[threading.Event, ...] = field(default=(), init=False, repr=False)
    """Set when a thread has written it: one for each sink that waits for the disk."""

    def run(self) -> None:
        for written in self._before():
            written.wait(_ORDER_S)
        for sink in self.sinks:
            given = self._tell(sink)
            if given is not None and inspect.isawaitable(given):
                _discard(given)
                raise TypeError(
                    f"sink {sink!r} is async, but the guard was called synchronously. Use a plain function."
                )

    async def arun(self) -> None:
        cancelled: asyncio.CancelledError | None = None
        for sink in self.sinks:
            try:
                await self._give(sink)
            except asyncio.CancelledError as error:  # the others are to have it all the same
                cancelled = error
        if cancelled is not None:
            raise cancelled

    async def _give(self, sink: Callable[[Any], Any]) -> None:
        if getattr(getattr(sink, "__self__", sink), "blocking", False):  # it may wait for the disk
            written = threading.Event()
            self.under_way += (written,)
            # Shielded, and no task: cancelled or not, a thread writes it, also where none is free yet.
            work = partial(copy_context().run, self._give_in_thread, sink, written)
            given = await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, work))
        else:
            given = self._tell(sink)
        if given is not None and inspect.isawaitable(given):
            await given

    def _give_in_thread(self, sink: Callable[[Any], Any], written: threading.Event) -> Any:
        for earlier in self._before():  # its thread was asked for before this one, so it is no later
            earlier.wait()
        try:
            return self._tell(sink)
        finally:
            written.set()

    def _tell(self, sink: Any) -> Any:
        if self.originals and getattr(sink, "capture", "") == "sealed":
            return sink.sealed(self.entry, self.originals)
        return sink(self.entry)

    def _before(self) -> tuple[threading.Event, ...]:
        return self.after.under_way if self.after is not None else ()


_ORDER_S = 1.0
"""A loop that is torn down waits no longer for what comes before: better out of order than not at all."""
