"""One call on its way up the ladder: who is asked next, with what, and what follows when that fails.

In which order these questions come up is told in `_exchange.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from guardrails_lite._capabilities import fitted
from guardrails_lite._engine._asking import Invalid
from guardrails_lite._engine._attempt import Attempt
from guardrails_lite._engine._effects import Sleep
from guardrails_lite._engine._endings import (
    Unanswered,
    blocked,
    exhausted,
    fail_at,
    is_wanted,
    not_asked,
    with_cause,
)
from guardrails_lite._engine._request import asked_again, completion_limit
from guardrails_lite._engine._resuming import Begun, after_release
from guardrails_lite._engine._tally import Stop
from guardrails_lite._errors import GuardrailsError
from guardrails_lite._targets import Target
from guardrails_lite.reliability._budget import Admission, Refusal

if TYPE_CHECKING:
    from guardrails_lite._engine._story import Story
    from guardrails_lite._messages import Call
    from guardrails_lite._targets import Primary
    from guardrails_lite.reliability._retry_budget import SecondTry
    from guardrails_lite.schemas.parts import Parts


class Climb:
    """Where one call stands: the targets, what each came to, and what is asked of the next one."""

    target: Target | Primary
    fallbacks_left: int
    # Slots: an attribute that is a default of the class is slow to read.
    __slots__ = (
        "_asked",
        "_call",
        "_gave_up",
        "_invalid",
        "_lost",
        "_primary",
        "answerless",
        "begun",
        "failed",
        "fallbacks_left",
        "outgrown",
        "parts",
        "place",
        "second_try",
        "story",
        "target",
        "targets",
        "waited_s",
    )

    def __init__(self, story: Story, call: Call, primary: Target | Primary, past: Stop | None) -> None:
        self.story = story
        self._call = self._asked = call
        fallback = story.plan.fallback
        self.targets: tuple[Target | Primary, ...] = (primary, *fallback) if fallback else (primary,)
        self._primary = primary
        self.place = -1
        """Which target is asked."""
        self.target = primary
        self.fallbacks_left = len(fallback)
        self.parts: Parts | None = None
        """What is asked for, where it is not a whole reply."""
        self.begun: Begun | None = None
        """The reply that is gone on with, where one is."""
        self.outgrown = 0
        """The largest context that has been too small."""
        self.failed = 0
        """How many attempts at this target brought no reply."""
        self.waited_s = 0.0
        self.answerless: Unanswered | None = None
        """The last attempt at this target that was repeated."""
        self.second_try: SecondTry | None = None
        self._invalid: Invalid | None = None
        """The last reply that was not what was declared."""
        self._lost: tuple[str, ...] = ()
        self._gave_up: list[tuple[Target | Primary, Unanswered | Invalid | Stop]] = []
        if past is not None:  # the request itself goes past the primary
            self.place = 0
            self._gave_up.append((primary, past))

    # --- who is asked, and with what ---

    def next_target(self) -> bool:
        """Go on to the next target that is for what has happened; False: there is none."""
        if self.place < 0:  # the primary, which is always asked
            self.place = 0
            return True
        for place in range(self.place + 1, len(self.targets)):
            target = self.targets[place]
            if isinstance(target, Target) and self._is_wanted(target):
                self.target = target.behind(self._primary)
                self.place, self.fallbacks_left = place, len(self.targets) - place - 1
                self._start_over()
                return True
        return False

    def _is_wanted(self, target: Target | Primary) -> bool:
        if self.begun is not None and target.kind == "answer":
            return False  # it can begin a reply, and not go on with one
        return is_wanted(target, self._gave_up)

    def _start_over(self) -> None:
        self.story.fell_back = True
        self.story.note("fallback", self.target.name)
        if self.parts is not None:  # they are parts of another's reply
            self._asked, self.parts = self._call, None
        self.failed, self.waited_s, self.answerless, self.second_try = 0, 0.0, None, None
        self._lost = ()

    def attempt(self) -> Attempt | None:
        """The next attempt at the target, admitted; None: the target cannot take the request.

        Raises:
            DeadlineExceeded, BudgetExceeded: it is not admitted.
        """
        story, target, place, request = self.story, self.target, self.place, self._asked
        if self.begun is not None:
            request = self.begun.asked(request, target)
        request = target.prepare(request)
        if place and isinstance(target, Target) and target.can is not None:
            cut = fitted(
                target.can,
                request,
                chars=story.input_chars,
                completion_tokens=completion_limit(request),
                outgrown=self.outgrown,
            )
            if cut.lacks is not None:
                story.note("not asked", f"{target.name}: {cut.lacks}")
                self._gave_up.append((target, not_asked(cut.lacks)))
                return None
            request, self._lost = cut.call, cut.lost
        model = request.model
        admission: Admission | Refusal
        if place and target.kind == "answer":
            model, admission = None, story.ledger.admit_answer()
        else:
            if story.metered:
                story.bill_checks()
            admission = story.ledger.admit(
                now_s=story.plan.clock(),
                model=model,
                prompt_chars=story.input_chars,
                max_completion_tokens=completion_limit(request) if request.params else None,
                fallbacks_left=self.fallbacks_left,
            )
        if isinstance(admission, Refusal):
            raise with_cause(admission.error(), self._gave_up)
        attempt = Attempt(story, target, request, model, admission)
        if self.failed or story.reasks or place:
            attempt.waited_s, attempt.parts, attempt.begun = self.waited_s, self.parts, self.begun
        if self._lost:
            story.note("sent without", f"{target.name}: {', '.join(self._lost)}")
        return attempt

    # --- what follows; True: the same target is asked again ---

    async def repeats(self, attempt: Attempt, missed: Unanswered) -> bool:
        """No whole reply came: wait and try again, or give the target up.

        Raises:
            GuardrailsError: no other target would do better, or text has been shown.
            Exception: the guard is a monitor, and this is what its function raised.
        """
        story, plan, failure = self.story, self.story.plan, missed.failure
        self.failed += 1
        if story.released:
            self.begun = await after_release(attempt, missed, self._asked)
            if self.begun is not None and self.targets[-1].kind == "answer":
                self.fallbacks_left = len(self.targets) - self.place - 2
        delay_s = plan.retry.delay_s(
            failure,
            self.failed,
            random=plan.random,
            elapsed_s=plan.clock() - story.ledger.started_at_s,
            fallbacks_left=self.fallbacks_left,
        )
        if not plan.enforce and missed.error is not None:
            # A monitor changes nothing, not even how a call fails.
            raise missed.error from missed.error.__cause__
        if (
            delay_s is not None
            and story.ledger.can_wait(delay_s, now_s=plan.clock(), fallbacks_left=self.fallbacks_left)
            and await attempt.may_repeat(failure, delay_s)
        ):
            if delay_s > 0:
                await Sleep(delay_s)
            self.waited_s, self.answerless, self.second_try = delay_s, missed, "paid"
            return True
        target = self.target
        if failure.action == "fail":
            fail_at(missed, self._gave_up, target)
        if failure.kind == "context too long" and isinstance(target, Target) and target.can:
            self.outgrown = max(self.outgrown, target.can.context or 0)
        turned_away = failure.kind == "turned away"
        self._gave_up.append((target, self.answerless if turned_away and self.answerless else missed))
        return False

    async def asks_again(self, attempt: Attempt, found: Invalid) -> bool:
        """A whole reply came that is not what was declared: ask for a better one, or give the target up.

        Raises:
            GuardrailsError: text has been shown.
        """
        story, before = self.story, self._invalid
        if story.released:
            self.begun = await after_release(attempt, found, self._asked)
        is_the_same = before is not None and before.fingerprint == found.fingerprint
        self._invalid = found
        if story.reasks >= story.plan.retry.reasks or is_the_same:
            story.note("no re-ask", "the same failure again" if is_the_same else "all re-asks are used")
            self._gave_up.append((self.target, found))
            return False
        story.reasks += 1
        story.note("re-ask", found.because if found.narrowed is None else f"{found.because}: parts")
        self._asked, self.parts = await asked_again(story, self._call, found, in_blocks=attempt.in_blocks)
        self.waited_s, self.second_try = 0.0, None
        return True

    def stopped(self, stop: Stop) -> None:
        """A rule stops the reply: give the target up, where the rule says so.

        Raises:
            Blocked: it does not, or there is no other.
        """
        if stop.verb != "fall_back" or not self.fallbacks_left or self.story.released:
            raise blocked(stop, "the reply") from None
        self._gave_up.append((self.target, stop))

    def ending(self) -> GuardrailsError:
        """How a call ends that no target has answered."""
        return exhausted(self._gave_up, delivered_chars=self.story.released)
