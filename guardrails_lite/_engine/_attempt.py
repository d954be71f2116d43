"""One send to one target: admitted, sent, read, checked and booked.

`_exchange.py` says when an attempt is made and what follows from its failure, `_checking.py` how each check
of a reply is done. This file says in which order one reply is checked.
"""

from __future__ import annotations

import math
import time
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from guardrails_lite._engine._asking import Invalid, about_change
from guardrails_lite._engine._checking import (
    capture,
    merged,
    parsed_reply,
    parts_of,
    refuse,
    screened_at_once,
    screened_reply,
    screened_rest,
    tools_checked,
)
from guardrails_lite._engine._effects import Admit, Close, Opened, Release, Repeat, Send, Settle
from guardrails_lite._engine._endings import Unanswered
from guardrails_lite._engine._failing import missed, too_late
from guardrails_lite._engine._incoming import Incoming, TimedIncoming
from guardrails_lite._engine._integrity import is_unmarked, judge
from guardrails_lite._engine._kept import as_said
from guardrails_lite._engine._request import choices_asked, nothing_offered
from guardrails_lite._engine._resuming import Begun, as_stream
from guardrails_lite._engine._tally import Stop
from guardrails_lite._errors import GuardrailsError
from guardrails_lite._messages import Choice, Reply
from guardrails_lite._messages._beside import without_unscreened
from guardrails_lite._messages._reading import UnreadableError, is_stream, read_reply
from guardrails_lite._messages._writing import with_parsed, write_reply
from guardrails_lite._targets import Answered, Target
from guardrails_lite.reliability import Failure, classify
from guardrails_lite.reliability._budget import Admission
from guardrails_lite.reliability._clocks import AT_ONCE_S, Pulse
from guardrails_lite.reliability._permits import Permit, TurnedAway, Waiting

if TYPE_CHECKING:
    from guardrails_lite._engine._flights import Flight
    from guardrails_lite._engine._partials import Reading
    from guardrails_lite._engine._story import Story
    from guardrails_lite._messages import Call
    from guardrails_lite._targets import Primary
    from guardrails_lite.reliability._permits import Turn
    from guardrails_lite.reliability._retry_budget import SecondTry
    from guardrails_lite.reliability._turnstile import Turnstile
    from guardrails_lite.schemas.parts import Parts

_STREAMED = frozenset({"stream", "async stream"})
_ON_ITS_OWN = ("client", "function", "answer")
"""Kinds of target that do not go through the primary, and so not by its upstream."""


class Attempt:
    """One send to one target: read, checked and booked."""

    asked_s: float
    """When its target was last waited for, on the call's clock. Known where there are clocks."""
    json: object
    """The value of the first choice as plain JSON, once it has been parsed."""
    turnstile: Turnstile
    # Slots: an attribute that is a default of the class is slow to read.
    __slots__ = (
        "admission",
        "asked_s",
        "began_ns",
        "begun",
        "call",
        "failure",
        "headers",
        "incoming",
        "json",
        "model",
        "offered",
        "parts",
        "permit",
        "plan",
        "pulse",
        "reply",
        "shown_from",
        "story",
        "target",
        "turnstile",
        "waited_s",
    )

    def __init__(
        self, story: Story, target: Target | Primary, call: Call, model: str | None, admission: Admission
    ) -> None:
        story.attempt += 1
        self.story = story
        self.plan = story.plan
        self.target = target
        self.call = call
        self.model = model
        self.admission = admission
        self.offered = story.offered
        self.shown_from = story.released
        self.began_ns = time.perf_counter_ns()
        self.waited_s = 0.0
        """How long the call slept before this attempt and waited for its turn."""
        self.reply: Reply | None = None
        self.incoming: Incoming | None = None
        self.parts: Parts | None = None
        """The parts that are asked for, if it is not the whole reply."""
        self.begun: Begun | None = None
        """The reply that this attempt continues, if it does."""
        self.failure: Failure | None = None
        self.permit: Permit | None = None
        """Its turn at the target's upstream, from `turnstile`; None: there is no upstream."""
        self.headers: Mapping[str, str] | None = None
        """The headers of the response, if they are asked for."""
        self.pulse = self._pulse(streamed=self._asks_for_stream()) if self.plan.has_clocks else None
        """The clocks that say when to give up this attempt, if there are any that run already."""

    def admit(self, second_try: SecondTry | None) -> Coroutine[Any, Any, None] | None:
        """Ask for a turn at the target's upstream, if it has one.

        Returns:
            Something to await for the turn; None: it has its turn, or needs none. Most do, and a store in
            memory takes less time to ask than a driver to be told of it.
        """
        turnstile = self._turnstile()
        if turnstile is None:
            return None
        admission, second = self.admission, second_try
        ends_at_s, tokens = admission.ends_at_s, admission.reserved_tokens
        left_s = None if ends_at_s is None else max(ends_at_s - self.plan.clock(), 0.0)
        patience_s = math.inf if left_s is None else left_s
        caller = turnstile.caller_of(self.story.who)
        turn: Turn | None = None
        if not turnstile.store.blocks:
            turn = turnstile.ask(
                tokens=tokens, patience_s=patience_s, lease_s=left_s, second_try=second, caller=caller
            )
            if type(turn) is Permit:
                self.turnstile, self.permit = turnstile, turn
                return None
        return self._admitted(Admit(turnstile, tokens, patience_s, left_s, second, caller, turn))

    async def _admitted(self, asked: Admit) -> None:
        """Wait for the turn.

        Raises:
            Unanswered: the call was turned away, and nothing has been sent.
            DeadlineExceeded: the deadline passed while the call waited.
        """
        try:
            turn = await asked
        except BaseException:
            if isinstance(asked.turn, Waiting):  # perhaps no driver has begun to wait, and would leave
                asked.turnstile.leave(asked.turn)
            raise
        finally:
            asked_ns, self.began_ns = self.began_ns, time.perf_counter_ns()
            self.waited_s += (self.began_ns - asked_ns) / 1e9
        if not isinstance(turn, TurnedAway):
            self.turnstile, self.permit = asked.turnstile, turn
            if turn.is_degraded:
                self.story.note("upstream store did not answer", "going by this process's part of the limits")
            return
        self.story.ledger.withdraw(self.admission)
        self.story.attempted(self, turn.failure, None, 0.0)
        if self.story.ledger.time_left_s(self.plan.clock()) <= AT_ONCE_S:
            raise too_late(self, "the call waited for its turn at")
        raise Unanswered(turn.failure)

    def _pulse(self, *, streamed: bool) -> Pulse | None:
        """The clocks of a stream, or of a reply that comes whole; None: none of them runs for that."""
        clocks = self.target.clocks or self.plan.clocks
        if clocks is None or not (streamed or clocks.whole_reply_s or clocks.connect_s):
            return None
        return Pulse(clocks, streamed=streamed)

    def _asks_for_stream(self) -> bool:
        """Whether the caller does. A function may answer with one all the same."""
        return self.story.style in _STREAMED or bool(self.call.params and self.call.params.get("stream"))

    def _turnstile(self) -> Turnstile | None:
        target, upstream = self.target, self.plan.upstream
        if isinstance(target, Target) and (target.upstream is not None or target.kind in _ON_ITS_OWN):
            upstream = target.upstream
        if upstream is None:
            return None
        return upstream.turnstile(target.account, target.endpoint, self.model)

    def twin(self, admission: Admission, waited_s: float) -> Attempt:
        """A second send of the same call, which was admitted separately."""
        twin = Attempt(self.story, self.target, self.call, self.model, admission)
        twin.offered, twin.waited_s, twin.parts = self.offered, waited_s, self.parts
        return twin

    async def may_repeat(self, failure: Failure, in_s: float) -> bool:
        """Whether the upstream allows a retry after a wait of *in_s* seconds; if so, it is charged for it."""
        if self.permit is None:
            return True
        left_s = self.story.ledger.time_left_s(self.plan.clock())
        second_try: SecondTry = "throttled" if failure.is_throttling else "failed"
        refused = await Repeat(self.turnstile, second_try, in_s, left_s)
        if refused is not None:
            self.story.note("no retry", refused.reason)
        return refused is None

    async def make(self, flight: Flight | None = None) -> tuple[Reply, Any]:
        """Send, or take the result of an earlier send, and bring the reply through every check.

        Args:
            flight: The earlier send, if there was one; it has finished.

        Raises:
            Unanswered: no complete reply came.
            Invalid: a complete reply came, but it does not fit what was declared.
            Stop: a rule stops the reply.
        """
        collected = False
        try:
            try:
                if flight is None:
                    raw = await self.sending(self._time_left_s())
                    if self.pulse is not None:
                        self.pulse.rest(self.plan.clock())
                else:
                    raw = flight.result()
                    if self.plan.has_clocks:  # it came in time, and they run from now on
                        self.asked_s = self.plan.clock()
                        self.pulse = self._pulse(streamed=self._asks_for_stream())
            except Exception as error:
                raise missed(self, error) from None
            if type(raw) is Answered:
                if raw.choose is not None:
                    raw.choose()
                self.headers, raw = raw.headers, raw.raw
            if self.begun is not None:
                return await self._stream(as_stream(raw, self.target))
            return await (self._stream(raw) if is_stream(raw) else self._whole(raw))
        except Unanswered as unanswered:
            self.failure = unanswered.failure
            raise
        except (Stop, Invalid, GuardrailsError):
            raise
        except BaseException as error:
            self.failure = classify(error)
            collected = isinstance(error, GeneratorExit)
            raise
        finally:
            settle = self.book(self.failure)
            if settle is not None and collected:  # nothing can be awaited any more
                settle.run()
            elif settle is not None:
                await settle

    async def _whole(self, raw: Any) -> tuple[Reply, Any]:
        plan = self.plan
        try:
            reply = self.reply = read_reply(raw)
            if self.target.completion and isinstance(raw, str):
                raise UnreadableError("str")
        except UnreadableError as unreadable:
            raise missed(self, unreadable) from None
        self._judge(reply)
        checked, value = reply, None
        if self.offered is not None or plan.schema is not None:
            checked, value = await self._checked(reply)
        else:  # one coroutine less for most calls
            if plan.output.rules:
                checked = screened_at_once(self, reply) or await screened_reply(self, reply)
            if plan.captures:
                capture(self, checked)
        if checked is not reply:
            raw = write_reply(raw, reply, checked)
        if plan.output.rules and plan.enforce:
            raw = without_unscreened(raw)
        if raw is not checked.raw:
            checked = replace(checked, raw=raw)
        if plan.schema is not None:
            with_parsed(raw, value)
        if self.story.live and (self.story.opened or self.story.style in _STREAMED):
            if self.story.partials:
                await self._release_value(checked, value)
            else:
                self.story.released += len(checked.text)
                await Release(raw)
        return checked, raw if plan.schema is None else value

    async def _stream(self, raw: Any) -> tuple[Reply, Any]:
        plan = self.plan
        stream = raw.__aiter__() if hasattr(raw, "__aiter__") else iter(raw)
        try:
            if not self.story.opened:
                self.story.opened = True
                await Opened()
            hold = not self.story.live or plan.output.holds or plan.schema is not None
            # Where each call stands for itself, a refused one is no reason to give up the others.
            offered = self.offered if plan.enforce and not plan.each_call else None
            incoming, reading = self._incoming(hold=hold)
            try:
                reply = await incoming.read(stream, self._time_left_s, reading=reading, offered=offered)
            except Unanswered:
                raise
            except (Stop, Invalid) as ended:
                if plan.seals:
                    self.story.originals += tuple(as_said(incoming.choices(), self.story.attempt))
                incoming.ended_early = isinstance(ended, Invalid)
                raise
            except Exception as error:
                raise missed(self, error) from None
            self.reply = reply
            self._judge(reply)
            if hold:
                reply, value = await self._checked(reply)
            else:
                if self.offered is not None:
                    reply = await tools_checked(self, reply, self.offered)
                reply = await incoming.finish_gates(reply)
                reply = await screened_rest(self, reply, incoming.tallies)
                if plan.captures:
                    capture(self, reply)
                value = reply.text
            if self.story.partials:
                await self._release_value(reply, value, reading)
            elif self.story.live:
                await incoming.release_rest(reply)
            return reply, value if plan.schema is not None else reply.text
        except GeneratorExit:
            raw = None
            raise
        finally:
            if raw is not None:
                await Close(raw)

    def _incoming(self, *, hold: bool) -> tuple[Incoming, Reading | None]:
        """What takes the stream in, and what reads its text as it comes: of a reply that goes on, its own."""
        incoming: Incoming
        if self.begun is not None:
            incoming, reading = self.begun.incoming(self, hold=hold), self.begun.reading
        else:
            tallies = [] if hold else self.story.tallies(self.plan.output)
            reading = self._reading()
            if self.permit is None:
                incoming = Incoming(self.story, self.call, tallies, hold=hold)
            else:
                incoming = TimedIncoming(self.story, self.call, tallies, hold=hold, began_ns=self.began_ns)
        if self.plan.has_clocks:
            incoming.pulse = self.pulse = self._pulse_of_stream()
        self.incoming = incoming
        return incoming, reading

    def _pulse_of_stream(self) -> Pulse | None:
        """The clocks now that the answer is a stream: they run since it was asked for."""
        pulse = self.pulse
        if pulse is not None:
            pulse.streams()
            return pulse
        pulse = self._pulse(streamed=True)
        if pulse is not None:
            pulse.wait(self.asked_s)
            pulse.rest(self.plan.clock())
        return pulse

    def _reading(self) -> Reading | None:
        """Reads the text of a stream as it comes, where it must fit the schema by itself."""
        if self.plan.schema is None or self.parts is not None:
            return None
        from guardrails_lite._engine._partials import Reading

        # Where tools are offered a call may still come, and then the text before it is not looked at.
        ends_early = self.plan.enforce and self.offered is None
        is_kept = (lambda parsed: parts_of(self, parsed) is not None) if ends_early else None
        return Reading(self.story, self.call, is_kept=is_kept, shows=self.story.partials)

    async def _release_value(self, reply: Reply, value: Any, reading: Reading | None = None) -> None:
        """Everything has passed: release the value as the last partial. A reply of tool calls has none."""
        from guardrails_lite._engine._partials import Partial

        choice = reply.choices[0] if reply.choices else Choice()
        if choice.tool_calls or choice.text is None:
            return
        if reading is not None and not reading.agrees(self.json):
            refuse(self, about_change())
        self.story.released = len(choice.text)
        await Release(Partial(value, self.json, {"$": self.json}, None, complete=True))

    def fault(self, reply: Reply) -> Failure | None:
        """What shows that the reply is not whole, or is none; None: it is."""
        return judge(
            reply,
            wants_tools=self.offered is not None,
            accept=self.plan.accept,
            wants_json=self.plan.schema is not None,
            n=choices_asked(self.call) if self.call.params else 1,
            from_client=self.target.completion,
        )

    def _judge(self, reply: Reply) -> None:
        """Is the reply whole? Nothing else is looked at before that."""
        failure = self.fault(reply)
        if self.plan.seals and (failure is None or not self.plan.enforce):
            self.story.originals += tuple(as_said(reply.choices, self.story.attempt))
        if failure is None:
            if self.offered is None and self.target.completion:
                self.offered = nothing_offered(self.call, reply)
            if "unmarked" in self.plan.accept and is_unmarked(reply):
                self.story.note("accepted", "no finish reason")
            return
        if not self.plan.enforce:
            self.story.note("would have failed", failure.kind)
            return
        raise Unanswered(failure)

    async def _checked(self, reply: Reply) -> tuple[Reply, Any]:
        """Tool calls, output schema, output rules, in this order; the reply as they leave it."""
        if self.offered is not None:
            reply = await tools_checked(self, reply, self.offered)
        if self.plan.schema is not None:
            reply, values = await parsed_reply(self, reply if self.parts is None else merged(self, reply))
        checked = await screened_reply(self, reply) if self.plan.output.rules else reply
        if self.plan.captures:
            capture(self, checked)
        if self.plan.schema is None:
            return checked, None
        if checked is not reply:
            checked, values = await parsed_reply(self, checked)
        return checked, values[0] if values else None

    def sending(self, timeout_s: float | None) -> Send:
        """Its send, as an effect."""
        connect_s = None if self.pulse is None else self.pulse.clocks.connect_s
        return Send(self.target, self.call, timeout_s, connect_s)

    def limit_s(self) -> float | None:
        """How long it may wait from now on, by the deadline and by its clocks; None: there is no limit."""
        ends = self.admission.ends_at_s
        if ends is None and not self.plan.has_clocks:
            return None
        now_s = self.asked_s = self.plan.clock()
        if self.pulse is None:
            return None if ends is None else ends - now_s
        left = min(self.pulse.wait(now_s), math.inf if ends is None else ends - now_s)
        return None if left == math.inf else left

    @property
    def in_blocks(self) -> bool:
        """Whether the target answers in an API that tells of tools in blocks of the content."""
        told = self.incoming if self.reply is None else self.reply
        return told is not None and told.in_blocks

    def _time_left_s(self) -> float | None:
        left = self.limit_s()
        if left is not None and left <= 0:
            raise TimeoutError
        return left

    def failure_of(self, error: BaseException) -> Failure:
        """What an error of the target means. A clock that has run out is named."""
        failure = classify(error)
        return failure if self.pulse is None else self.pulse.named(failure, self.plan.clock())

    def book(self, failure: Failure | None) -> Settle | None:
        """Account for the attempt, and give its permit back: by what is returned, where the store blocks."""
        ledger = self.story.ledger
        usage = self.reply.usage if self.reply is not None else None
        chars = 0
        ended_at_chars = None
        if self.incoming is not None:
            usage = usage or self.incoming.usage
            chars = self.incoming.chars
            ended_at_chars = chars if self.incoming.ended_early else None
        elif self.reply is not None and usage is None:
            chars = chars_in(self.reply)
        tokens_before = ledger.tokens
        cost = ledger.settle(self.admission, usage, failure=failure, completion_chars=chars)
        self.story.attempted(self, failure, usage, cost, ended_at_chars)
        if self.permit is None:
            return None
        turnstile, headers = self.turnstile, self.headers
        tokens = ledger.tokens - tokens_before if failure is None else None
        first_s = None if self.incoming is None else self.incoming.first_content_s
        if turnstile.store.blocks:
            return Settle(turnstile, self.permit, failure, tokens, first_s, headers)
        turnstile.settle(self.permit, failure, tokens=tokens, first_content_s=first_s, headers=headers)
        return None


def chars_in(reply: Reply) -> int:
    """Characters of all its texts."""
    choices = reply.choices
    if len(choices) == 1:
        text = choices[0].text
        return len(text) if text else 0
    return sum([len(choice.text or "") for choice in choices])
