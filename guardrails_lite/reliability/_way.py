"""The way to one upstream: whether it is open, when it has room, and who is on it.

It is what a store keeps, with the settings beside it. A `Turnstile` tells it the time at each step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from guardrails_lite.reliability._breaker import Breaker, Circuit, is_slow
from guardrails_lite.reliability._failure import Failure
from guardrails_lite.reliability._lane import Lane
from guardrails_lite.reliability._limits import NO_LIMITS
from guardrails_lite.reliability._permits import Epochs, Permit, Scope, TurnedAway
from guardrails_lite.reliability._retry_budget import SecondTry
from guardrails_lite.reliability._verdicts import NEUTRAL, condemns_the_account, verdicts

if TYPE_CHECKING:
    from guardrails_lite.reliability._stores import Store
    from guardrails_lite.reliability._upstream import Upstream

_new = tuple.__new__
"""Makes a named tuple without the Python frame that its own constructor takes."""
_SCOPES: tuple[Scope, ...] = ("account", "endpoint", "model")
_SAMPLES = 100
_UNASKED_PAUSE_S = 1.0


class Way:
    """The circuits of an account, an endpoint and a model, and the lane to that model."""

    now_s: float
    """When the step is made."""
    __slots__ = ("circuits", "is_alone", "lane", "limits", "now_s", "upstream")

    def __init__(
        self, upstream: Upstream, store: Store, account: Circuit, endpoint: Circuit, lane: Lane
    ) -> None:
        self.circuits = (account, endpoint, lane.circuit)
        self.lane = lane
        self.upstream = upstream
        self.is_alone = store.is_alone
        divisor = store.divisor
        limits = upstream.limits or NO_LIMITS
        self.limits = limits if divisor == 1 else limits.shared_by(divisor)

    @property
    def closed_epochs(self) -> Epochs | None:
        """The epochs of its circuits, where all are closed: none turns away, or lends a place to a probe."""
        account, endpoint, model = self.circuits
        if account.state == endpoint.state == model.state == "closed":
            return account.epoch, endpoint.epoch, model.epoch
        return None

    def enter_at_once(self, ticket: str, tokens: int, lease_s: float) -> Permit | None:
        """Let a first try set off where nothing is in its way, as most find it; None: something may be."""
        lane, epochs, budget = self.lane, self.closed_epochs, self.upstream.retries
        if epochs is None or lane.queue.waiters or lane.pause.allowed is not None:
            return None
        if not lane.meter.has_room(self.limits, tokens):
            return None
        if budget is not None:
            lane.allowance.earn(budget)
        now_s = self.now_s
        lane.meter.enter(self.limits, ticket, tokens, now_s, now_s + lease_s)
        return _new(Permit, (ticket, now_s, tokens, epochs, self.is_alone))

    def shut(self) -> TurnedAway | None:
        """What shuts it, at the widest scope; None: it is open."""
        breaker = self.upstream.breaker
        if breaker is None:
            return None
        for circuit, scope in zip(self.circuits, _SCOPES, strict=True):
            if not circuit.admits(breaker, self.now_s):
                return TurnedAway(
                    "circuit open", scope, max(circuit.retry_at_s(self.now_s) - self.now_s, 0.0)
                )
        return None

    def shut_in(self, in_s: float) -> TurnedAway | None:
        """What will still shut it in *in_s* seconds, as far as is known now."""
        for circuit, scope in zip(self.circuits, _SCOPES, strict=True):
            if circuit.state == "open" and circuit.until_s > self.now_s + in_s:
                return TurnedAway("circuit open", scope, circuit.until_s - self.now_s)
        return None

    def ready_at_s(self, tokens: int) -> float:
        """When a call of so many tokens has room; infinite: when some other call ends."""
        lane, now_s = self.lane, self.now_s
        ready_s = lane.meter.ready_at_s(self.limits, tokens, now_s)
        return ready_s if lane.pause.allowed is None else max(lane.pause.ready_at_s(now_s), ready_s)

    def is_full(self, caller: str) -> bool:
        """Whether nobody more may wait, or nobody more of this name."""
        queue, limits = self.lane.queue, self.limits
        return (len(queue) if limits.by is None else queue.waiting(caller)) >= limits.queue

    def pays(self, second_try: SecondTry | None) -> bool:
        """Whether the budget for second tries bears this one; a first try earns for those to come."""
        budget = self.upstream.retries
        if budget is None:
            return True
        if second_try is None:
            self.lane.allowance.earn(budget)
            return True
        return self.lane.allowance.spend(budget, second_try, self.now_s)

    def enter(self, ticket: str, tokens: int, lease_s: float) -> Permit:
        """A call sets off."""
        now_s, lane = self.now_s, self.lane
        ends_s = now_s + lease_s
        account, endpoint, model = self.circuits
        epochs = (
            account.enter(ticket, ends_s),
            endpoint.enter(ticket, ends_s),
            model.enter(ticket, ends_s),
        )
        lane.meter.enter(self.limits, ticket, tokens, now_s, ends_s)
        lane.pause.enter(ticket, ends_s)
        return Permit(ticket, now_s, tokens, epochs, self.is_alone)

    def leave(
        self,
        permit: Permit,
        failure: Failure | None,
        *,
        tokens: int | None,
        first_content_s: float | None,
        headers: Mapping[str, str] | None,
        dice: Callable[[], float],
    ) -> None:
        """A call has ended: its place is free, and what it tells of the upstream is kept."""
        ticket, sent_s, reserved, epochs, is_degraded = permit  # at once: its fields are slow to read
        breaker, lane, now_s = self.upstream.breaker, self.lane, self.now_s
        if breaker is not None:
            took_s = now_s - sent_s if first_content_s is None else first_content_s
            is_good = failure is None and not is_slow(breaker, took_s)
            if is_good and is_degraded == self.is_alone and epochs == self.closed_epochs:
                ended = (now_s, took_s, False)  # as most calls do: it opens and closes nothing
                for circuit in self.circuits:
                    circuit.recent.append(ended)
            else:
                self._judge(breaker, permit, failure, took_s, dice)
        if failure is not None and failure.status is not None and tokens is None:
            tokens = 0  # an error status is no completion
        is_sent = failure is None or _may_have_left(failure)
        lane.meter.leave(self.limits, ticket, reserved=reserved, used=tokens, sent_s=sent_s, sent=is_sent)
        lane.pause.leave(ticket, good=failure is None)
        if failure is None:
            lane.throttled = 0
            if first_content_s is not None:
                lane.first_content_s.append(first_content_s)
                del lane.first_content_s[:-_SAMPLES]
        elif failure.is_throttling and failure.blame != "prompt":
            self._pause(failure, dice)
        if headers:
            lane.meter.hear(headers, now_s=self.now_s, wall_clock_s=time.time())

    def _judge(
        self,
        breaker: Breaker,
        permit: Permit,
        failure: Failure | None,
        took_s: float,
        dice: Callable[[], float],
    ) -> None:
        now_s = self.now_s
        # The epochs of a permit from the shared store mean nothing here, and the other way round.
        said = verdicts(failure) if self.is_alone == permit.is_degraded else NEUTRAL
        for circuit, epoch, verdict in zip(self.circuits, permit.epochs, said, strict=True):
            circuit.leave(breaker, permit.id, epoch, verdict, now_s, took_s, dice)
        if condemns_the_account(failure):
            account, _, _ = self.circuits
            account.trip(breaker, now_s=now_s, random=dice)

    def _pause(self, failure: Failure, dice: Callable[[], float]) -> None:
        lane = self.lane
        if failure.retry_after_s is not None:
            lane.pause.begin(failure.retry_after_s, now_s=self.now_s, random=dice)
        elif failure.kind == "rate limited":
            seconds = _UNASKED_PAUSE_S * 2 ** min(lane.throttled, 4)
            lane.throttled += 1
            lane.pause.begin(seconds * dice(), now_s=self.now_s, random=dice)


def _may_have_left(failure: Failure) -> bool:
    # Nobody knows it of a cancelled call.
    return failure.status is not None or failure.maybe_billed or failure.kind == "cancelled"
