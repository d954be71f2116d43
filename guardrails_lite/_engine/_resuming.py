"""A stream that breaks after text was shown: it goes on where it stopped, or what was shown is taken back.

Nothing is asked again once a character has been shown, unless `Retry.after_text` says so.

``"resume"``
    The next attempt, at the same target or the next, is asked to go on with the text so far. The rules see
    one text: the gate that held back the end of the first stream reads on in the second, so what is found,
    masked and released is what it would be had the text come in one stream. Tool calls, several choices
    and text that a rule objects to are not gone on with.

``"restart"``
    A `Retraction` is released, and everything is as if nothing had been shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from guardrails_lite._engine._asking import Invalid, to_go_on
from guardrails_lite._engine._effects import Release
from guardrails_lite._engine._endings import Unanswered, interrupted
from guardrails_lite._engine._incoming import TimedIncoming
from guardrails_lite._engine._request import chars_of, screened_words
from guardrails_lite._engine._screen import acting, screened
from guardrails_lite._engine._tally import Stop
from guardrails_lite._messages import Call, Reply, get
from guardrails_lite._messages._reading import Chunk, Delta, UnreadableError, is_event, is_stream
from guardrails_lite._messages._seam import Misfit, Seam
from guardrails_lite._messages._writing import without_content, write_chunk
from guardrails_lite._record import NoteStep
from guardrails_lite.reliability import Failure

if TYPE_CHECKING:
    from guardrails_lite._engine._attempt import Attempt
    from guardrails_lite._engine._incoming import Incoming, Part
    from guardrails_lite._engine._partials import Reading
    from guardrails_lite._engine._screen import Tallies
    from guardrails_lite._engine._story import Story
    from guardrails_lite._targets import Primary, Target
    from guardrails_lite._tools import Offered


@dataclass(frozen=True, slots=True)
class Retraction:
    """A chunk of `Guard.stream`: everything before it is withdrawn, and the reply starts over.

    Only with ``Retry(after_text="restart")``.
    """

    chars: int
    """How many characters are withdrawn: all that were shown."""
    because: str
    """Why, in a word of the record: the kind of failure, or what was wrong with the reply."""
    attempt: int
    """The number of the attempt that they came from, as in the record."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A reply that broke off: what is needed to go on with it."""

    part: Part = field(repr=False)
    tallies: Tallies = field(repr=False)
    reading: Reading | None = field(repr=False)
    like: Any = field(repr=False)
    """A chunk of the first stream: all others are given out in its shape and under its name."""
    text: str = field(repr=False)
    """What came, as the rules of both sides leave it: what the model is told that it said."""

    def asked(self, call: Call, target: Target | Primary) -> Call:
        """*call*, asking this target to go on."""
        params = call.params
        if "response_format" in params:  # held to a form, a model can only begin anew
            params = {name: value for name, value in params.items() if name != "response_format"}
        return Call((*call.messages, *to_go_on(self.text, one_turn=target.one_turn)), params)

    def incoming(self, attempt: Attempt, *, hold: bool) -> Continued:
        """Reads the rest of the reply."""
        return Continued(attempt.story, attempt.call, self, hold=hold, began_ns=attempt.began_ns)


async def after_release(attempt: Attempt, why: Unanswered | Invalid, asked: Call) -> Begun | None:
    """Decide how a call goes on whose attempt failed after text had been shown.

    Args:
        attempt: The one that failed.
        why: How.
        asked: What the whole reply was asked with.

    Returns:
        What to go on from; None where the reply begins anew, once there is an attempt to `retract` for.

    Raises:
        StreamInterrupted: it can only end.
    """
    story, plan = attempt.story, attempt.plan
    wish = plan.retry.after_text if plan.enforce else "raise"
    if wish == "raise":
        raise interrupted(story, why) from None
    if isinstance(why, Unanswered) and why.failure.action == "fail":
        raise interrupted(story, why, "another attempt would not mend that") from None
    if wish == "restart":
        story.withdrawn_for = why.failure.kind if isinstance(why, Unanswered) else why.because
        return None
    if isinstance(why, Invalid):
        raise interrupted(story, why) from None
    begun = attempt.begun if attempt.incoming is None else await _begun(attempt, attempt.incoming, asked)
    if begun is None or isinstance(begun, str):
        because = begun or "it came whole"
        raise interrupted(story, why, f"it could not be resumed, because {because}") from None
    story.note("resume", f"after {story.released} characters")
    story.input_chars = chars_of(begun.asked(asked, attempt.target))
    return begun


async def retract(attempt: Attempt) -> None:
    """Take back what was shown of the attempt before, now that *attempt* is made."""
    story = attempt.story
    because, story.withdrawn_for = story.withdrawn_for or "", None
    chars, story.released, attempt.shown_from = story.released, 0, 0
    number = story.attempt - 1
    story.steps.append(NoteStep("retracted", f"{chars} characters", number))
    await Release(Retraction(chars, because, number))


async def _begun(attempt: Attempt, incoming: Incoming, asked: Call) -> Begun | str:
    """What has come of a reply; or why it cannot be gone on with."""
    part = incoming.parts.get(0)
    if part is None or len(incoming.parts) > 1:
        return "it has several choices"
    if part.has_calls:
        return "a tool call had begun"
    if part.refusal:
        return "it is a refusal"
    if part.finish_reason is not None:
        return "it had come to its end"
    text = "".join(part.text)
    if not text:
        return "none of its text had come"
    side = attempt.plan.output
    checks = acting(side.checks("assistant", attempt.story.unbooked(side)))
    try:
        left: str | None = await screened(checks, text, attempt.call)
    except Stop as stop:
        return f"{stop.rule.told} objects to the text so far"
    left = await screened_words(attempt.story, asked, left or "")
    if not left:
        return "an input rule keeps the text so far from the model"
    like = incoming.like if isinstance(incoming, Continued) else part.opening
    return Begun(part, incoming.tallies, incoming.reading, like, left)


def as_stream(raw: Any, target: Target | Primary) -> Any:
    """What came for the rest of a reply, as a stream: a whole reply is one of one chunk.

    Raises:
        Unanswered: it is a page, and no answer.
    """
    if is_stream(raw):
        return raw
    if isinstance(raw, str) and target.completion:
        raise Unanswered(Failure.of("malformed reply", error_type="str", maybe_billed=True))
    return iter((raw,))


class Continued(TimedIncoming):
    """The rest of a streamed reply, released as more chunks of the first stream."""

    def __init__(self, story: Story, call: Call, begun: Begun, *, hold: bool, began_ns: int) -> None:
        super().__init__(story, call, begun.tallies, hold=hold, began_ns=began_ns)
        self.parts[0] = begun.part
        self.like = self._last = begun.like  # of a function's text, which ends as it likes, none may come
        self._begun = begun
        self._seam = Seam(begun.text)

    async def read(
        self,
        stream: Any,
        timeout_s: Callable[[], float | None],
        *,
        reading: Reading | None = None,
        offered: Offered | None = None,
    ) -> Reply:
        """Read to the end, and return the whole reply, what had come before included.

        Raises:
            Unanswered: it does not go on with what had come.
        """
        reply = await super().read(stream, timeout_s, reading=self._begun.reading, offered=offered)
        if rest := self._new(self._seam.finish):
            await super()._take(Chunk((), self.like), Delta(text=rest))
            reply = self._reply()
        part = self._begun.part
        if part.closing is not None and not is_event(self.like):
            part.closing = self.like
        self._last = self.like
        self._tail = [told for raw in self._tail for told in self._retold(raw)]
        return reply

    async def _take(self, chunk: Chunk, delta: Delta) -> None:
        if delta.index != 0:
            raise UnreadableError("a second choice")
        self._clock(delta)
        new = self._new(lambda: self._seam.feed(delta.text)) if delta.text else ""
        self.chars += len(delta.text) - len(new) + len(delta.reasoning)
        await super()._take(chunk, replace(delta, text=new, reasoning=""))  # the reply has had its thought

    def _new(self, told: Callable[[], str]) -> str:
        """What the seam lets through."""
        was_open = self._seam.overlap is None
        try:
            new = told()
        except Misfit:
            raise Unanswered(
                Failure.of("malformed reply", error_type="no continuation", maybe_billed=True)
            ) from None
        if was_open and self._seam.overlap:
            self._story.note("overlap", f"{self._seam.overlap} characters")
        return new

    async def _release(self, chunk: Chunk, index: int, part: Part, text: str, stop: Stop | None) -> None:
        await super()._release(Chunk((_NOTHING,), self.like), index, part, text, stop)

    def _retold(self, raw: Any) -> tuple[Any, ...]:
        """The report of the usage, under the name of the first stream."""
        usage = get(raw, "usage")
        if usage is None or type(raw) is not type(self.like) or is_event(raw):
            return ()
        return (without_content(write_chunk(self.like, 0, usage=usage)),)


_NOTHING = Delta()
