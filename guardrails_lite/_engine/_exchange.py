"""The whole story of one guarded call.

Two rules for this file:

1. It performs no I/O. What it wants done it awaits as an effect (`_effects.py`); whoever drives it
   (`_drivers.py`) does it, synchronously or on an event loop. So every style of calling takes this path.
2. Order is stated here, and for one reply in `_attempt.py`, and nowhere else. What the rules, the schema,
   the tools and the fallbacks are is the guard's business, and how each check is done is `_checking`'s; when
   their turn comes is neither's.

The order::

    request ─► input rules ─► intent written ─► a kept reply; or for each target, the primary first:
        turn ─► send ─► read ─► is it whole? ─► tool calls ─► output schema ─► output rules ─► release
          late: a second send beside it, and the first to have content goes on   (`_hedging.py`)
          not got: retry here, then the next target        (Unanswered)
          got, and invalid: ask again, then the next target (Invalid, or Stop of a `reask` rule)
          got, and forbidden: the end                       (Stop of a `block` rule)
    and whatever happened: the record written

Nothing is retried, re-asked or sent elsewhere once the first character has been released, unless the guard
says how (`_resuming`). Errors that are nobody's to handle (cancellation, an interrupt, a closed stream) pass
through; the record is written first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from guardrails_lite._capabilities import fitted
from guardrails_lite._engine._asking import Invalid
from guardrails_lite._engine._attempt import Attempt, chars_in
from guardrails_lite._engine._effects import Sleep, Write
from guardrails_lite._engine._endings import (
    Unanswered,
    blocked,
    exhausted,
    fail_at,
    is_wanted,
    not_asked,
    with_cause,
)
from guardrails_lite._engine._request import (
    asked_again,
    completion_limit,
    declared,
    screen_request,
)
from guardrails_lite._engine._resuming import Begun, after_release, retract
from guardrails_lite._engine._screen import screened
from guardrails_lite._engine._story import Story, outcome_of
from guardrails_lite._engine._tally import Stop
from guardrails_lite._errors import GuardrailsError
from guardrails_lite._messages import Call, Reply
from guardrails_lite._targets import Target
from guardrails_lite.reliability import Admission, Ledger, Refusal
from guardrails_lite.sinks import default_sink, is_silent

if TYPE_CHECKING:
    from guardrails_lite._engine._plan import Plan
    from guardrails_lite._record import Record, Style
    from guardrails_lite._targets import Primary
    from guardrails_lite.reliability._retry_budget import SecondTry
    from guardrails_lite.schemas.parts import Parts

_DEFAULT_SINKS = (default_sink,)
T = TypeVar("T")


@dataclass(slots=True)
class Outcome(Generic[T]):
    """What a guarded call came to."""

    value: T = field(repr=False)
    """With a schema, the typed value; else what the function returned, after the rules."""
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
        partials: With a schema, what is released are `Partial`s of the value instead.

    Raises:
        GuardrailsError: as its subclasses say; with the record attached.
    """
    story = Story(plan, call, style, live=live)
    if partials and plan.schema is not None:
        story.partials = True
    try:
        call, past_primary = await screen_request(story, call)
        if plan.intent_sinks:
            await Write(plan.intent_sinks, story.intent())
        if call.params or plan.schema is not None or plan.toolbox is not None:
            story.offered, call = declared(plan, call, primary)
        story.ledger = Ledger(plan.budget, plan.clock())
        climb = _climb(story, call, primary, past_primary)
        if plan.cache is None or not primary.request or live or past_primary is not None:
            reply, value = await climb
        else:
            left_s = story.ledger.time_left_s(plan.clock())
            reply, value = await plan.cache.answer(story, primary, call, left_s, climb)
    except BaseException as error:
        story.output_chars = story.released
        record = story.end(outcome_of(error), error)
        if isinstance(error, GuardrailsError):
            error.record = record
        if isinstance(error, GeneratorExit):  # collected as garbage: nothing can be awaited any more
            Write(plan.sinks, record).run()
            raise
        await Write(plan.sinks, record)
        raise
    story.output_chars = chars_in(reply)
    record = story.end(story.success, None)
    if plan.sinks and not (plan.sinks == _DEFAULT_SINKS and is_silent(record)):
        await Write(plan.sinks, record)
    return Outcome(value, reply, record)


async def _climb(
    story: Story, call: Call, primary: Target | Primary, past_primary: Stop | None
) -> tuple[Reply, Any]:
    """Attempts, re-asks and targets, until a reply passes."""
    plan, ledger = story.plan, story.ledger
    targets: tuple[Target | Primary, ...] = (primary,)
    if plan.fallback:
        targets += tuple([target.behind(primary) for target in plan.fallback])
    gave_up: list[tuple[Target | Primary, Unanswered | Invalid | Stop]] = []
    asked, invalid = call, None
    parts: Parts | None = None
    begun: Begun | None = None
    outgrown = 0
    if past_primary is not None:
        gave_up.append((primary, past_primary))
    for place in range(1 if past_primary else 0, len(targets)):
        target = targets[place]
        left = len(targets) - place - 1
        if place and not is_wanted(target, gave_up):
            continue
        if begun is not None and target.kind == "answer":
            continue  # it can begin a reply, and not go on with one
        if place:
            story.fell_back = True
            story.note("fallback", target.name)
        if parts is not None:  # they are parts of another's reply
            asked, parts = call, None
        failed = 0
        waited_s = 0.0
        answerless: Unanswered | None = None
        second_try: SecondTry | None = None
        lost: tuple[str, ...] = ()
        while True:
            request = target.prepare(asked if begun is None else begun.asked(asked, target))
            if place and isinstance(target, Target) and target.can is not None:
                cut = fitted(
                    target.can,
                    request,
                    chars=story.input_chars,
                    completion_tokens=completion_limit(request),
                    outgrown=outgrown,
                )
                if cut.lacks is not None:
                    story.note("not asked", f"{target.name}: {cut.lacks}")
                    gave_up.append((target, not_asked(cut.lacks)))
                    break
                request, lost = cut.call, cut.lost
            model = request.model
            admission: Admission | Refusal
            if place and target.kind == "answer":
                model, admission = None, ledger.admit_answer()
            else:
                admission = ledger.admit(
                    now_s=plan.clock(),
                    model=model,
                    prompt_chars=story.input_chars,
                    max_completion_tokens=completion_limit(request) if request.params else None,
                    fallbacks_left=left,
                )
            if isinstance(admission, Refusal):
                raise with_cause(admission.error(), gave_up)
            if story.withdrawn_for is not None:
                await retract(story)
            attempt = Attempt(story, target, request, model, admission)
            attempt.waited_s, attempt.parts, attempt.begun = waited_s, parts, begun
            if lost:
                story.note("sent without", f"{target.name}: {', '.join(lost)}")
            try:
                if plan.has_upstreams:
                    await attempt.admit(second_try)
                if plan.hedge is not None and not place and begun is None:
                    from guardrails_lite._engine._hedging import raced

                    return await raced(attempt, plan.hedge, fallbacks_left=left)
                return await attempt.make()
            except Unanswered as missed:
                failed += 1
                if story.released:
                    begun = await after_release(attempt, missed, asked)
                    if begun is not None and targets[-1].kind == "answer":
                        left = len(targets) - place - 2
                delay_s = plan.retry.delay_s(
                    missed.failure,
                    failed,
                    random=plan.random,
                    elapsed_s=plan.clock() - ledger.started_at_s,
                    fallbacks_left=left,
                )
                if not plan.enforce and missed.error is not None:
                    raise missed.error from None  # a monitor changes nothing, not even how a call fails
                if (
                    delay_s is not None
                    and ledger.can_wait(delay_s, now_s=plan.clock(), fallbacks_left=left)
                    and await attempt.may_repeat(missed.failure, delay_s)
                ):
                    if delay_s > 0:
                        await Sleep(delay_s)
                    waited_s = delay_s
                    answerless, second_try = missed, "paid"
                    continue
                if missed.failure.action == "fail":
                    fail_at(missed, gave_up, target)
                if missed.failure.kind == "context too long" and isinstance(target, Target) and target.can:
                    outgrown = max(outgrown, target.can.context or 0)
                turned_away = missed.failure.kind == "turned away"
                gave_up.append((target, answerless if turned_away and answerless else missed))
                break
            except Stop as stop:
                if stop.verb == "fall_back" and left and not story.released:
                    gave_up.append((target, stop))
                    break
                raise blocked(stop, "the reply") from None
            except Invalid as found:
                if story.released:
                    begun = await after_release(attempt, found, asked)
                again = invalid is not None and invalid.fingerprint == found.fingerprint
                invalid = found
                if story.reasks >= plan.retry.reasks or again:
                    story.note("no re-ask", "the same failure again" if again else "all re-asks are used")
                    gave_up.append((target, found))
                    break
                story.reasks += 1
                story.note("re-ask", found.because if found.narrowed is None else f"{found.because}: parts")
                asked, parts = await asked_again(story, call, found)
                waited_s, second_try = 0.0, None
    raise exhausted(gave_up, delivered_chars=story.released)


async def check_text(
    plan: Plan, text: str, side: Literal["input", "output"], role: str | None
) -> tuple[str | None, Stop | None, Record]:
    """Run the rules of one side over one text: what is left of it, the rule that stops it, the record."""
    role = role or ("user" if side == "input" else "assistant")
    call = Call(({"role": role, "content": text},))
    story = Story(plan, call, "check")
    story.input_chars = len(text)
    rules = plan.input if side == "input" else plan.output
    groups = rules.groups(role, story.tallies(rules))
    left: str | None = None
    stopped: Stop | None = None
    try:
        left = await screened(groups, text, call)
        story.output_chars = len(left)
    except Stop as stop:
        stopped = stop
    record = story.end("blocked" if stopped is not None else "passed", None)
    if plan.sinks:
        await Write(plan.sinks, record)
    return left, stopped, record
