"""One attempt as a race: where its first content is late, a second send sets off, and one of them goes on.

Both are attempts like any other: each is admitted by the budget, takes a permit of the upstream and has its
step in the record. The race ends at the first content. What loses is given up before anything is released,
and is booked as ``cancelled`` by ``outrun``. A send that fails while the other is under way decides nothing,
unless its failure is final for the call, as a refusal or a filter is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from guardrails_lite._engine._effects import Admit, Settle
from guardrails_lite._engine._endings import Unanswered
from guardrails_lite._engine._flights import Flight, GiveUp, Land, Launch
from guardrails_lite._engine._request import completion_limit
from guardrails_lite._messages import get
from guardrails_lite._messages._reading import UnreadableError, is_stream, read_reply
from guardrails_lite._targets import Answered
from guardrails_lite.reliability import Failure
from guardrails_lite.reliability._budget import Refusal
from guardrails_lite.reliability._permits import TurnedAway

if TYPE_CHECKING:
    from guardrails_lite._engine._attempt import Attempt
    from guardrails_lite._messages import Reply
    from guardrails_lite.reliability import Hedge


async def raced(first: Attempt, hedge: Hedge, *, fallbacks_left: int) -> tuple[Reply, Any]:
    """Make an attempt, or a second one beside it, and bring the reply of one through every check.

    Args:
        first: The attempt. It has been admitted, and nothing has been sent.
        hedge: When a second one sets off.
        fallbacks_left: How many targets could still be asked.

    Raises:
        Unanswered: neither brought a whole reply; of two failures it is that of *first*.
        Invalid: a whole reply came that is not what was declared.
        Stop: a rule stops the reply.
    """
    story = first.story
    if story.attempt == 1:
        hedge.account.earn()
    if not story.hedged and (why_not := _why_not(first)) is not None:
        story.note("no hedge", why_not)
        story.hedged = True
    if story.hedged:
        return await first.make()
    race = _Race(first, hedge)
    ending, collected = "outrun", False  # for what is still out at the end
    try:
        await race.set_off(fallbacks_left)
        return await race.finish()
    except BaseException as error:
        if not isinstance(error, Unanswered):
            ending, collected = type(error).__name__, isinstance(error, GeneratorExit)
        raise
    finally:
        if collected:
            _drop(race.out, ending)
        elif race.out:
            await _give_up(race.out, ending)
        story.attempt = race.last


class _Race:
    """An attempt, and a second one beside it where its first content is late."""

    def __init__(self, first: Attempt, hedge: Hedge) -> None:
        self.first = first
        self.hedge = hedge
        self.lane = first.target.name, first.model, first.story.style
        self.began_s = first.plan.clock()
        self.out = [_Racer(first)]
        """Those that have not been made to their end, and not been given up."""
        self.last = first.story.attempt
        """The number of the last attempt."""

    async def set_off(self, fallbacks_left: int) -> None:
        """Send the first, and the second if the first is late and nothing speaks against it."""
        first = self.first
        await self.out[0].launch()
        await Land(_flights(self.out), self.hedge.delay_s(self.lane))
        if self.out[0].has_landed:
            return
        second = _second(first, self.hedge, first.plan.clock() - self.began_s, fallbacks_left)
        if second is not None and await _has_turn(first, second):
            self.out.append(_Racer(second))
            self.last = first.story.attempt
            await self.out[1].launch()

    async def finish(self) -> tuple[Reply, Any]:
        """Go on with whichever lands first, and with the other if that one brings no whole reply."""
        missed: Unanswered | None = None
        while True:
            racer = await self._landed()
            try:
                return await racer.make()
            except Unanswered as failed:
                if not self.out:  # a broken stream is gone on with from what the attempt has received
                    self.first.incoming = racer.attempt.incoming
                if failed.failure.action == "fail" or self.first.story.released:
                    raise
                if missed is None or racer.attempt is self.first:
                    missed = failed
                if not self.out:
                    raise missed from None

    async def _landed(self) -> _Racer:
        """The next one that has landed. Where it shows a reply, it has won, and the other is given up."""
        while (racer := next((each for each in self.out if each.has_landed), None)) is None:
            await Land(_flights(self.out))
        if racer.is_good:
            self.hedge.account.took(self.lane, self.first.plan.clock() - self.began_s)
            await _outrun(self.out, racer)
        self.out.remove(racer)
        return racer


def _why_not(attempt: Attempt) -> str | None:
    """What speaks against sending a call twice: something may then be done twice that is not an answer."""
    call = attempt.call
    tools = call.params.get("tools")
    if attempt.target.acts or any(
        get(tool, "type") not in ("function", "custom") for tool in (tools if isinstance(tools, list) else ())
    ):
        return "the provider may do more than answer"
    if any(get(message, "role") in ("tool", "function") for message in call.messages):
        from guardrails_lite._tools._history import History

        box = attempt.plan.toolbox
        harmless = {tool.name for tool in box.tools if tool.effects == "read"} if box is not None else set()
        if any(past.name not in harmless for past in History.of(call.messages).calls):
            return "a tool has acted before"
    return None


def _second(first: Attempt, hedge: Hedge, waited_s: float, fallbacks_left: int) -> Attempt | None:
    """The second send, if it is earned and the budget has room for it."""
    story = first.story
    story.hedged = True
    if not hedge.account.spend():
        story.note("no hedge", "Hedge.max_share is used up")
        return None
    story.bill_checks()
    admission = first.story.ledger.admit(
        now_s=first.plan.clock(),
        model=first.model,
        prompt_chars=story.input_chars,
        max_completion_tokens=completion_limit(first.call) if first.call.params else None,
        fallbacks_left=fallbacks_left,
    )
    if isinstance(admission, Refusal):
        story.note("no hedge", f"no room in the budget: {admission.limit}")
        return None
    return first.twin(admission, waited_s)


async def _has_turn(first: Attempt, second: Attempt) -> bool:
    """Whether the upstream lets it go at once: a second send never waits in the queue before first ones."""
    turn: Any = None
    if first.permit is not None:
        second.turnstile = first.turnstile
        ends_at_s = second.admission.ends_at_s
        left_s = None if ends_at_s is None else max(ends_at_s - second.plan.clock(), 0.0)
        turn = await Admit(second.turnstile, second.admission.reserved_tokens, 0.0, left_s, "hedge")
    if isinstance(turn, TurnedAway):
        second.story.ledger.withdraw(second.admission)
        second.story.attempt -= 1
        second.story.note("no hedge", turn.reason)
        return False
    second.permit = turn
    second.story.note("hedge", f"no content within {second.waited_s:.3f} s")
    return True


class _Racer:
    """One of the attempts in a race."""

    __slots__ = ("attempt", "flight", "lost", "number")

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.number = attempt.story.attempt
        self.flight: Flight | None = None
        self.lost: Failure | None = None
        """How it ended, if not as the winner."""

    async def launch(self) -> None:
        """Send."""
        left_s = self.attempt.limit_s()
        self.flight = await Launch(self.attempt.sending(None if left_s is None else max(left_s, 0.0)))

    @property
    def has_landed(self) -> bool:
        """Whether it has shown content, or come to its end."""
        return self.flight is not None and self.flight.future.done()

    @property
    def is_good(self) -> bool:
        """Whether it wins: a stream shows content, or a whole reply is there."""
        landing = self.flight.landing if self.flight is not None else None
        if landing is None or landing.has_content:
            return landing is not None
        reply = self._whole()
        return reply is not None and self.attempt.fault(reply) is None

    def _whole(self) -> Reply | None:
        landing = self.flight.landing if self.flight is not None else None
        raw = landing.raw if landing is not None else None
        raw = raw.raw if type(raw) is Answered else raw
        if raw is None or is_stream(raw):
            return None
        try:
            return read_reply(raw)
        except UnreadableError:
            return None

    async def make(self) -> tuple[Reply, Any]:
        """Go on with it."""
        assert self.flight is not None
        self.attempt.story.attempt = self.number
        return await self.attempt.make(self.flight)

    def lose(self, ending: str) -> None:
        """It is about to be given up, unless it has failed by itself."""
        if self.lost is None:
            error = self.flight.error if self.flight is not None else None
            self.lost = self.attempt.failure_of(error) if error is not None else _cancelled(ending)

    def book(self) -> Settle | None:
        """Account for what has lost, with what is known of its cost."""
        self.attempt.story.attempt = self.number
        self.attempt.reply = self._whole()
        return self.attempt.book(self.lost)


def _cancelled(ending: str) -> Failure:
    return Failure.of("cancelled", error_type=ending, maybe_billed=True)


def _flights(racers: Iterable[_Racer]) -> list[Flight]:
    return [racer.flight for racer in racers if racer.flight is not None]


async def _outrun(out: list[_Racer], winner: _Racer) -> None:
    """End the sends of all but the winner."""
    losers = [racer for racer in out if racer is not winner]
    if losers:
        for racer in losers:
            racer.lose("outrun")
        await GiveUp(_flights(losers))
        out[:] = [winner]
        await _book(losers)


async def _give_up(out: list[_Racer], ending: str) -> None:
    """End the sends of all."""
    for racer in out:
        racer.lose(ending)
    try:
        if flights := _flights(out):
            await GiveUp(flights)
    finally:
        await _book(out)


async def _book(racers: Iterable[_Racer]) -> None:
    for racer in racers:
        settle = racer.book()
        if settle is not None:
            await settle


def _drop(out: list[_Racer], ending: str) -> None:
    """`_give_up` where nothing can be awaited any more."""
    for racer in out:
        racer.lose(ending)
    GiveUp(_flights(out)).run()
    for racer in out:
        settle = racer.book()
        if settle is not None:
            settle.run()
