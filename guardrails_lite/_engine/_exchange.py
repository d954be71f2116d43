"""The whole story of one guarded call.

Two rules for this file:

1. It performs no I/O. It awaits an effect (`_effects.py`) for everything that must be done, and a driver
   (`_drivers.py`) does it, synchronously or on an event loop. So every style of calling takes this path.
2. Order is stated here, and for one reply in `_attempt.py`, and nowhere else. The guard says which rules,
   schema, tools and fallbacks there are, `_checking` how each check is done, and `_climbing` what follows
   from a failure; only this file says when it is their turn.

The order::

    request ─► input rules ─► intent written ─► a kept reply; or for each target, the primary first:
        turn ─► send ─► read ─► is it whole? ─► tool calls ─► output schema ─► output rules ─► release
          late: send a second time, and use whichever send has content first (`_hedging.py`)
          no reply: retry here, then the next target         (Unanswered)
          an invalid reply: ask again, then the next target  (Invalid, or Stop of a `reask` rule)
          a forbidden reply: the end                         (Stop of a `block` rule)
    whatever happened: the record is written

Nothing is retried, re-asked or sent elsewhere once the first character has been released, unless the guard
says how (`_resuming`). Errors that nothing here may handle (cancellation, an interrupt, a closed stream) pass
through, after the record has been written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from guardrails_lite._engine._asking import Invalid
from guardrails_lite._engine._attempt import chars_in
from guardrails_lite._engine._climbing import Climb
from guardrails_lite._engine._effects import Write
from guardrails_lite._engine._endings import Unanswered
from guardrails_lite._engine._request import declared, screen_request
from guardrails_lite._engine._resuming import retract
from guardrails_lite._engine._screen import screened
from guardrails_lite._engine._story import Story, outcome_of
from guardrails_lite._engine._tally import Stop
from guardrails_lite._errors import GuardrailsError
from guardrails_lite._messages import Call, Reply
from guardrails_lite._targets import Target
from guardrails_lite.reliability._budget import Ledger
from guardrails_lite.sinks import default_sink, is_silent

if TYPE_CHECKING:
    from guardrails_lite._engine._plan import Plan
    from guardrails_lite._record import Record, Style
    from guardrails_lite._targets import Primary

_DEFAULT_SINKS = (default_sink,)
T = TypeVar("T")


@dataclass(slots=True)
class Outcome(Generic[T]):
    """The result of a guarded call."""

    value: T = field(repr=False)
    """With a schema, the typed value; otherwise what the function returned, after the rules."""
    reply: Reply
    """The reply, after the rules."""
    record: Record
    """The account of the call."""


async def exchange(
    plan: Plan,
    call: Call,
    primary: Target | Primary,
    style: Style,
    *,
    live: bool = False,
    partials: bool = False,
) -> Outcome[Any]:
    """Make one guarded call.

    Args:
        plan: The guard, prepared.
        call: What the caller asks for.
        primary: Where it goes first.
        style: How the caller called, for the record.
        live: The consumer takes chunks as they are released.
        partials: With a schema, release `Partial`s of the value instead of chunks.

    Raises:
        GuardrailsError: see its subclasses; the record is attached.
    """
    story = Story(plan, call, style, primary.account, live)  # keywords make a class slower to call
    story.ledger = Ledger(plan.budget, plan.clock())
    intent: Write | None = None
    if partials and plan.schema is not None:
        story.partials = True
    try:
        screening = screen_request(story, call)
        call, past_primary = screening if isinstance(screening, tuple) else await screening
        if plan.intent_sinks:
            intent = Write(plan.intent_sinks, story.intent())
            await intent
        if call.params or plan.schema is not None or plan.toolbox is not None:
            story.offered, call = declared(plan, call, primary)
        climb = _climb(story, call, primary, past_primary)
        if plan.cache is None or not primary.request or live or past_primary is not None:
            reply, value = await climb
        else:
            reply, value = await plan.cache.answer(story, primary, call, climb)
    except BaseException as error:
        story.output_chars = story.released
        record = story.end(outcome_of(error), error)
        if isinstance(error, GuardrailsError):
            error.record = record
        if isinstance(error, GeneratorExit):  # collected as garbage: nothing can be awaited any more
            Write(plan.sinks, record, intent, story.originals).run()
            raise
        await Write(plan.sinks, record, intent, story.originals)
        raise
    story.output_chars = chars_in(reply)
    late_s = plan.clock() - story.ledger.ends_at_s
    if late_s > 0:  # nothing ends a function that is waited for in this thread
        story.note("answered late", f"{late_s:.3f} s after the deadline")
    record = story.end(story.success, None)
    if plan.sinks and not (plan.sinks == _DEFAULT_SINKS and is_silent(record)):
        await Write(plan.sinks, record, intent, story.originals)
    return Outcome(value, reply, record)


async def _climb(
    story: Story, call: Call, primary: Target | Primary, past_primary: Stop | None
) -> tuple[Reply, Any]:
    """Attempts, re-asks and targets, until a reply passes."""
    plan = story.plan
    climb = Climb(story, call, primary, past_primary)
    while climb.next_target():
        while (attempt := climb.attempt()) is not None:
            if story.withdrawn_for is not None:
                await retract(attempt)
            try:
                if plan.has_upstreams and (turn := attempt.admit(climb.second_try)) is not None:
                    await turn
                if plan.hedge is not None and not climb.place and climb.begun is None:
                    from guardrails_lite._engine._hedging import raced

                    return await raced(attempt, plan.hedge, fallbacks_left=climb.fallbacks_left)
                return await attempt.make()
            except Unanswered as missed:
                if not await climb.repeats(attempt, missed):
                    break
            except Invalid as found:
                if not await climb.asks_again(attempt, found):
                    break
            except Stop as stop:
                climb.stopped(stop)
                break
    raise climb.ending()


async def check_text(
    plan: Plan,
    text: str,
    side: Literal["input", "output"],
    role: str | None,
    *,
    call_id: str | None = None,
) -> tuple[str | None, Stop | None, Record]:
    """Run the rules of one side over one text: what is left of it, the rule that stops it, the record.

    Of a text of a request that may only go to a fallback both are told. With *call_id* it is a text of that
    call: rules that run in a share of calls run where they would in it.
    """
    role = role or ("user" if side == "input" else "assistant")
    call = Call(({"role": role, "content": text},))
    story = Story(plan, call, "check")
    story.id = call_id or story.id
    story.input_chars = len(text)
    rules = plan.input if side == "input" else plan.output
    checks = rules.checks(role, story.tallies(rules))
    left: str | None = None
    past: list[Stop] = []
    try:
        left = await screened(checks, text, call, past if side == "input" else None)
        stopped = past[0] if past else None
        story.output_chars = 0 if past else len(left)
    except Stop as stop:
        stopped = stop
    record = story.end("blocked" if stopped is not None else "passed", None)
    if plan.sinks:
        await Write(plan.sinks, record)
    return left, stopped, record
