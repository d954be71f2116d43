"""The record of a call while it is being made."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from guardrails_lite._engine._ids import next_id
from guardrails_lite._engine._screen import Round, Side, Tallies
from guardrails_lite._engine._tally import Tally
from guardrails_lite._errors import GuardrailsError, OutcomeName
from guardrails_lite._record import (
    AttemptStep,
    Intent,
    KeptText,
    NoteStep,
    Record,
    Step,
    Style,
    ToolStep,
)
from guardrails_lite._who import who_calls
from guardrails_lite.reliability._metering import billed

if TYPE_CHECKING:
    from guardrails_lite._engine._attempt import Attempt
    from guardrails_lite._engine._plan import Plan
    from guardrails_lite._messages import Call, Usage
    from guardrails_lite._tools import Offered, Verdict
    from guardrails_lite.reliability import Failure
    from guardrails_lite.reliability._budget import Ledger


_new = tuple.__new__
"""Makes a named tuple without the Python frame that its own constructor takes."""


class Story:
    """Steps in order, counts as they grow, and the word the call will end with."""

    # Slots: an attribute that is a default of the class is slow to read.
    __slots__ = (
        "_began_ns",
        "attempt",
        "call",
        "cost_usd",
        "fell_back",
        "hedged",
        "id",
        "input_chars",
        "ledger",
        "live",
        "metered",
        "offered",
        "opened",
        "originals",
        "output_chars",
        "partials",
        "plan",
        "reasks",
        "released",
        "repaired",
        "started",
        "steps",
        "style",
        "texts",
        "unscreened",
        "usage",
        "who",
        "withdrawn_for",
    )
    ledger: Ledger
    """What the call may spend, and has spent. A check of a text alone has none."""

    def __init__(self, plan: Plan, call: Call, style: Style, account: str = "", live: bool = False) -> None:
        self._began_ns = time.perf_counter_ns()
        self.plan = plan
        self.call = call
        self.style = style
        self.live = live
        """The consumer takes chunks as they are released."""
        self.started = started = plan.wall_clock()
        self.id = next_id(started)
        self.who = who_calls(account)
        self.steps: list[Step | Round | Tally] = []
        self.texts: list[KeptText] = []
        self.originals: tuple[KeptText, ...] = ()
        """What was said, in order; empty unless a sink seals it."""
        self.attempt = 0
        """The attempt under way, counted over all targets; 0 before the first."""
        self.reasks = 0
        self.repaired = False
        self.fell_back = False
        self.hedged = False
        """There is no second send beside an attempt any more: one was made, or ruled out."""
        self.opened = False
        """A stream has begun, so the caller has it."""
        self.partials = False
        """The consumer of a stream takes its typed value in parts, not its chunks."""
        self.released = 0
        """Characters given to the consumer of a stream."""
        self.withdrawn_for: str | None = None
        """Why what was released is taken back as soon as there is another attempt; None: it is not."""
        self.offered: Offered | None = None
        """The tools that the request and the guard offer; None: none."""
        self.usage: Usage | None = None
        self.cost_usd: float | None = 0.0
        self.input_chars = 0
        self.output_chars = 0
        self.metered: list[Tally] = []
        """The checks that may have something to report of what they used."""
        self.unscreened: tuple[str, ...] = ()

    def tallies(self, side: Side) -> Tallies:
        """Begin the checks of a side in this attempt; each rule's count becomes a step."""
        if side.finds:
            checks = Round(side, self.attempt)
            self.steps.append(checks)
            return checks
        tallies = self.unbooked(side)
        self.steps += tallies
        return tallies

    def unbooked(self, side: Side) -> list[Tally]:
        """The same without becoming steps: for a look ahead of the checks that count."""
        tallies = side.tallies(self.attempt)
        if side.waits and self.style != "check":
            for tally in tallies:
                tally.left_s = self.time_left_s
        if side.sampled:
            chance = chance_of(self.id)
            for tally in tallies:
                if chance >= tally.rule.share:
                    tally.result = "skipped"
        self.metered += tallies
        return tallies

    def time_left_s(self) -> float:
        """Seconds until the deadline; infinite without one."""
        return self.ledger.time_left_s(self.plan.clock())

    def bill_checks(self) -> None:
        """Tell the budget what the checks have used so far."""
        reports = [spent for tally in self.metered for spent in tally.spent]
        if reports:
            usage, cost_usd = billed(reports, self.plan.budget.prices)
            self.ledger.book_checks(usage.total_tokens, cost_usd)

    def note(self, what: str, detail: str | None = None) -> None:
        """Add something a reviewer should see."""
        self.steps.append(NoteStep(what, detail, self.attempt))

    def turn(self, verdicts: Iterable[Verdict]) -> None:
        """Add the verdicts on the tool calls of one turn."""
        for verdict in verdicts:
            name = verdict.call.name if verdict.reason != "unknown name" else None
            self.steps.append(ToolStep(name, self.attempt, verdict.reason or "passed", len(verdict.edits)))
            self.repaired = self.repaired or bool(verdict.ok and verdict.edits)

    def attempted(
        self,
        attempt: Attempt,
        failure: Failure | None,
        usage: Usage | None,
        cost_usd: float | None,
        ended_at_chars: int | None = None,
    ) -> None:
        """Add the fate of one send."""
        result, error, status, blame = "answered", None, None, None
        if failure is not None:
            result, error, status, blame = (
                failure.kind,
                failure.error_type or None,
                failure.status,
                failure.blame,
            )
        shown_from, released = attempt.shown_from, self.released
        fields = (
            attempt.target.name,
            attempt.model,
            self.attempt,
            result,
            error,
            status,
            (time.perf_counter_ns() - attempt.began_ns) / 1000,
            attempt.waited_s,
            usage,
            cost_usd,
            blame,
            ended_at_chars,
            (shown_from, released) if released > shown_from else None,
        )
        self.steps.append(_new(AttemptStep, fields))
        if usage is not None:
            self.usage = usage if self.usage is None else self.usage + usage
        if cost_usd is None:
            self.cost_usd = None
        elif self.cost_usd is not None:
            self.cost_usd += cost_usd

    @property
    def success(self) -> OutcomeName:
        """The word for a call that ends well."""
        if self.fell_back:
            return "fell back"
        if self.reasks:
            return "re-asked"
        return "repaired" if self.repaired else "passed"

    def intent(self) -> Intent:
        """What is written before anything is sent."""
        plan = self.plan
        return Intent(
            self.id,
            plan.name,
            plan.guard.digest,
            "enforce" if plan.enforce else "monitor",
            self.style,
            self.call.model,
            self.started,
            self.who,
            self.input_chars,
        )

    def end(self, outcome: OutcomeName, error: BaseException | None) -> Record:
        """Close the account."""
        plan = self.plan
        for tally in self.metered:
            if tally.spent:
                tally.usage, tally.cost_usd = billed(tally.spent, plan.budget.prices)
                if tally not in self.steps:  # a look ahead, which is told where it cost something
                    self.steps.append(tally)
        fields = (
            self.id,
            plan.name,
            plan.guard.digest,
            "enforce" if plan.enforce else "monitor",
            self.style,
            self.call.model,
            self.started,
            (time.perf_counter_ns() - self._began_ns) / 1000,
            outcome,
            type(error).__name__ if error is not None else None,
            self.steps,
            self.usage,
            self.cost_usd,
            self.input_chars,
            self.output_chars,
            self.unscreened,
            self.who,
            tuple(self.texts) if self.texts else (),
        )
        return _new(Record, fields)


def outcome_of(error: BaseException) -> OutcomeName:
    """The word for a call that ends in *error*."""
    if isinstance(error, GuardrailsError) and error.outcome is not None:
        return error.outcome
    return "transport failed" if isinstance(error, Exception) else "cancelled"


def chance_of(call_id: str) -> float:
    """Where a call stands between 0 and 1, which a rule's share is held against."""
    return int(call_id[:8], 16) / 0x1_0000_0000
