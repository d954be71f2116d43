"""Replies kept for requests that come again, and one send for identical requests that come together.

Kept is only what a wrapped client answered whole, and what every check let pass as it was told: never a
fallback's reply, a tool call, a refusal or a cut text. A key holds the guard's digest and a hash of the
screened request, so another policy never sees it, and callers whom `bound` tells apart share nothing.

What those who wait for a call get when it ends:

- its reply, a fallback's too: they would have gone the same way;
- its end, where the request or the key is at fault, or a rule stops the reply: asking again at once would
  only be another try to get past that. They get the outcome, and no finding, error or text of another call;
- else, as after a failure of the upstream, one of them goes on in its place, and the others wait for that
  one. So an upstream that fails sees one of them at a time, and each waits no longer than its own deadline;
- nothing, where the reply is the caller's own, as a tool call is: each asks for itself.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import math
import threading
from collections import OrderedDict
from collections.abc import Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from guardrails_lite._arguments import by_name
from guardrails_lite._engine._effects import Join
from guardrails_lite._engine._kept import as_left, as_said
from guardrails_lite._errors import Blocked, DeadlineExceeded, Exhausted, OutcomeName
from guardrails_lite._record import AttemptStep
from guardrails_lite.reliability._clocks import AT_ONCE_S
from guardrails_lite.reliability._forks import on_fork
from guardrails_lite.reliability._settings import as_code, check_number, check_whole

if TYPE_CHECKING:
    from guardrails_lite._engine._story import Story
    from guardrails_lite._messages import Call, Reply
    from guardrails_lite._targets import Primary, Target

    Answer = tuple[Reply, Any]

_NOT_SENT = frozenset({"timeout"})
"""Parameters that change how long is waited, and nothing of the reply."""
_THE_SAME_FOR_ALL = frozenset(
    {
        *("bad request", "context too long", "not found", "auth", "quota"),
        *("content filtered", "refused", "truncated"),
    }
)
"""Kinds of failure that an identical request with the same key would meet again."""


@by_name
@dataclass(frozen=True, slots=True)
class Cache:
    """Answer repeated requests of a wrapped client from memory, and send identical concurrent ones once.

    Guards that are given the same `Cache` object share it. It holds replies in memory, as the rules left
    them. Streamed calls are neither kept nor answered from it.

    Raises:
        ConfigError: a setting that cannot work.
    """

    entries: int = 1_000
    """The most replies that are kept; the least recently used one is dropped first."""
    ttl_s: float = 3_600.0
    """How many seconds a reply is kept."""
    _kept: _Kept = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_whole(self, "entries")
        check_number(self, "ttl_s", "seconds")
        object.__setattr__(self, "_kept", _Kept(self.entries, self.ttl_s))

    def __repr__(self) -> str:
        return as_code(self)

    async def answer(
        self,
        story: Story,
        target: Target | Primary,
        call: Call,
        climb: Coroutine[Any, Any, Answer],
    ) -> Answer:
        """The reply to *call*: kept, or another call's under way, or what *climb* brings.

        Args:
            story: The record of the call.
            target: The wrapped client.
            call: The request, screened.
            climb: Sends it, and brings the reply and the value through every check.
        """
        with contextlib.closing(climb):  # it is not needed where something is kept
            key = _key(story, target, call)
            if key is None:
                return await climb
            found = self._kept.find(key, story.plan.clock())
            if isinstance(found, Future):
                story.note("joined an identical call")
            while isinstance(found, Future):
                left_s = story.time_left_s()
                landed = await Join(found, None if math.isinf(left_s) else left_s)
                if landed in (None, "next") and story.time_left_s() <= AT_ONCE_S:
                    raise _too_late(story)
                if landed is None or landed == "each":
                    return await climb
                if isinstance(landed, Ended):
                    story.note("shared its end", landed.record_id)
                    raise landed.error()
                found = self._kept.find(key, story.plan.clock()) if landed == "next" else landed
            if found is None:
                return await self._lead(key, story, climb)
        entry = found
        story.note("cached", entry.record_id)
        story.fell_back = entry.fell_back
        reply, value = copy.deepcopy((entry.reply, entry.value))
        if story.plan.captures:
            story.texts += as_left(reply.choices, story.plan)
        if story.plan.seals:  # as it was kept: what the model had said before is the other call's
            story.originals += tuple(as_said(reply.choices, story.attempt))
        return reply, value

    async def _lead(self, key: str, story: Story, climb: Coroutine[Any, Any, Answer]) -> Answer:
        landed: Landed = "next"  # also where the caller is cancelled
        try:
            reply, value = await climb
            landed = _entry(story, reply, value) or "each"
            return reply, value
        except Exception as error:
            landed = _ended(story, error) or "next"
            raise
        finally:
            self._kept.land(key, landed, story.plan.clock())


@dataclass(frozen=True, slots=True)
class Entry:
    """One reply that is kept."""

    reply: Reply = field(repr=False)
    value: Any = field(repr=False)
    record_id: str
    """The record of the call that brought it."""
    fell_back: bool = False
    """A fallback's: it is for those who waited, and not kept."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A call ended as any other with the same request would."""

    outcome: OutcomeName
    why: str
    """A kind of failure with its status, or whose verdict it was: never a text."""
    record_id: str
    """The record of the call that ended so."""

    def error(self) -> Blocked | Exhausted:
        """What a caller gets who waited for it: an error of its own."""
        kind = Blocked if self.outcome in ("blocked", "refused", "filtered") else Exhausted
        return kind(
            f"an identical call that this one waited for ended with {self.why}, so it was not sent. "
            f"The record {self.record_id} says more.",
            outcome=self.outcome,
        )


Landed = Entry | Ended | Literal["next", "each"]
"""What a call brought to those who waited for it; see the top of this file."""


class _Kept:
    """The replies, and the calls under way. Safe under threads, event loops and forks.

    The garbage collector may end a call that was abandoned while this very thread is in one of the two
    methods. So the lock lets the thread in again, and each of them bears that a call lands in its midst.
    """

    def __init__(self, most: int, ttl_s: float) -> None:
        self._most = most
        self._ttl_s = ttl_s
        self.start_afresh()
        on_fork(self)

    def start_afresh(self) -> None:
        """Begin with nothing: calls under way are the parent process's."""
        self._lock = threading.RLock()
        self._entries: OrderedDict[str, tuple[float, Entry]] = OrderedDict()
        self._flights: dict[str, Future[Landed]] = {}

    def find(self, key: str, now_s: float) -> Entry | Future[Landed] | None:
        """What is kept, else the call under way. None: there was none; the one that asks is under way now."""
        with self._lock:
            expires_s, entry = self._entries.get(key, (now_s, None))
            if entry is not None and expires_s > now_s:
                with contextlib.suppress(KeyError):  # another has taken its place just now
                    self._entries.move_to_end(key)
                return entry
            flight = self._flights.get(key)
            if flight is None:
                self._flights[key] = Future()
            return flight

    def land(self, key: str, landed: Landed, now_s: float) -> None:
        """The call under way has ended."""
        with self._lock:
            flight = self._flights.pop(key, None)
            if isinstance(landed, Entry) and not landed.fell_back:
                self._entries.pop(key, None)
                self._entries[key] = now_s + self._ttl_s, landed  # at the end
                while len(self._entries) > self._most:
                    self._entries.popitem(last=False)
        if flight is not None:
            flight.set_result(landed)


def _key(story: Story, target: Target | Primary, call: Call) -> str | None:
    """Names a request; None where it cannot be told apart from others."""
    params = {name: value for name, value in call.params.items() if name not in _NOT_SENT}
    who = [story.who.get(name) for name in ("tenant", "user")]
    fallbacks = [[each.account, each.endpoint] for each in story.plan.fallback]
    told = [
        *(story.plan.guard.digest, target.request, target.account, fallbacks),
        *(who, list(call.messages), params),
    ]
    try:
        text = json.dumps(told, sort_keys=True, default=_plain)
    except (TypeError, ValueError, RecursionError):
        return None
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    """A client's own message object as data."""
    return value.model_dump(mode="json", warnings=False)


def _entry(story: Story, reply: Reply, value: Any) -> Entry | None:
    """The reply for others; None where another call had better ask anew."""
    if not reply.choices:
        return None
    if story.fell_back and any(each.kind == "function" for each in story.plan.fallback):
        return None  # nobody sees what else it does
    for choice in reply.choices:
        if not choice.text or choice.tool_calls or choice.refusal or choice.finish_reason != "stop":
            return None
    try:
        reply, value = copy.deepcopy((reply, value))
    except Exception:  # a value of a type of the user's that cannot be copied cannot be shared either
        return None
    return Entry(reply, value, story.id, story.fell_back)


def _ended(story: Story, error: Exception) -> Ended | None:
    """The end for others; None where another call may do better."""
    if isinstance(error, Blocked) and error.outcome == "blocked":
        # Without a finding it is a check that broke, or a rule about something else than the reply.
        return Ended("blocked", "a rule that stops the reply", story.id) if error.findings else None
    attempts = [step for step in story.steps if type(step) is AttemptStep]
    if not isinstance(error, (Blocked, Exhausted)) or error.outcome is None or not attempts:
        return None
    if any(attempt.result not in _THE_SAME_FOR_ALL for attempt in attempts):
        return None
    last = attempts[-1]
    return Ended(error.outcome, f"{last.result} {last.status or ''}".strip(), story.id)


def _too_late(story: Story) -> DeadlineExceeded:
    return DeadlineExceeded(
        f"the deadline of {story.plan.budget.deadline_s:g} s passed while the call waited for an identical "
        "one. Raise Budget.deadline_s.",
        outcome="deadline passed",
    )
