"""A streamed reply while it comes in: assembled for the checks, and released as far as it is safe.

Text runs through a gate per choice. Tool calls are assembled and kept until they are whole and checked.
The chunk that ends a choice, and the usage report, wait for the end: they say that all is well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from guardrails_lite._engine._asking import about_tools
from guardrails_lite._engine._effects import END, Read, Release
from guardrails_lite._engine._gate import Gate
from guardrails_lite._engine._screen import Tallies
from guardrails_lite._engine._tally import Stop
from guardrails_lite._messages import Choice, Message, Reply, ToolCall, Usage
from guardrails_lite._messages._apis import Hearing, api_of_event
from guardrails_lite._messages._beside import chunk_without_unscreened
from guardrails_lite._messages._reading import Chunk, Delta, MalformedError, read_chunk, usage_beside
from guardrails_lite._messages._writing import beside_content, without_content, write_chunk, write_tool_calls

if TYPE_CHECKING:
    from guardrails_lite._engine._partials import Reading
    from guardrails_lite._engine._story import Story
    from guardrails_lite._messages import Call
    from guardrails_lite._tools import Offered, Verdict
    from guardrails_lite.reliability._clocks import Pulse


class Incoming:
    """One streamed reply."""

    first_content_s: float | None = None
    """How long its first content took, where that is measured; see `TimedIncoming`."""
    pulse: Pulse | None = None
    """The clocks that say when it is given up, where there are any."""

    def __init__(self, story: Story, call: Call, tallies: Tallies, *, hold: bool) -> None:
        self._story = story
        self._call = call
        self.tallies = tallies
        self._hold = hold
        self._screens = story.plan.enforce and bool(story.plan.output.rules)
        self.reading: Reading | None = None
        self._offered: Offered | None = None
        self.parts: dict[int, Part] = {}
        self._tail: list[Any] = []
        self._last: Any = None
        self.usage: Usage | None = None
        self.model: str | None = None
        self.id: str | None = None
        self._ids: set[str] = set()
        self._is_steady = False
        self._agreement: Hearing | None = None
        """What the events of another API than chat completions have said so far; None: there were none."""
        self.ended_early = False
        """Nothing that followed could have made the reply acceptable, so it was not read to its end."""
        self.chars = 0
        """Characters received so far, of text, refusals and arguments."""

    async def read(
        self,
        stream: Any,
        timeout_s: Callable[[], float | None],
        *,
        reading: Reading | None = None,
        offered: Offered | None = None,
    ) -> Reply:
        """Read to the end, releasing what is safe, and return the reply as the model gave it.

        Args:
            stream: An iterator or async iterator of chunks.
            timeout_s: How long the next chunk may take.
            reading: Reads the text of the first choice, where it must fit a schema.
            offered: The tools by which a call may be refused before it is whole; None: no call is.

        Raises:
            Stop: a rule stops the text; everything before it has been released.
            Invalid: nothing that follows could make the reply acceptable.
            FrameError: a chunk carried an error instead of content.
            UnreadableError: a chunk has no shape we know, belongs to another reply, or contradicts others.
        """
        self.reading, self._offered = reading, offered
        while (raw := await Read(stream, timeout_s())) is not END:
            told = raw
            if self._screens:
                raw = chunk_without_unscreened(raw)
            chunk = read_chunk(raw)
            if self.pulse is not None:
                chars = sum([delta.chars for delta in chunk.deltas])
                self.pulse.hear(chars, self._story.plan.clock())
            if chunk.error is not None:
                raise FrameError(chunk.error)
            if chunk.is_event:
                chunk.usage = self._hear(raw) or chunk.usage
            self.usage = chunk.usage or self.usage
            self.model = chunk.model or self.model
            if chunk.id:
                self._take_id(chunk.id)
            self._last = raw if chunk.deltas or self._last is None else self._last
            if not chunk.deltas:
                if (told := beside_content(raw)) is not None:
                    self._tail.append(told)
                continue
            for delta in chunk.deltas:
                await self._take(chunk, delta)
                if delta.finish_reason is not None and self.usage is None:
                    self.usage = usage_beside(told)
            if chunk.usage is not None and not chunk.is_event:  # the event that ends the reply tells it
                self._tail.append(without_content(raw))
        return self._reply()

    def _hear(self, event: Any) -> Usage | None:
        """What the events so far say that the reply cost.

        Raises:
            MalformedError: it does not go with those before it. A wrapped client has heard its own already.
        """
        if self._agreement is None:
            self._agreement = api_of_event(event).hearing()
        self._agreement.hear(event)
        return self._agreement.usage

    @property
    def in_blocks(self) -> bool:
        """Whether it comes from an API that tells of tools in blocks of the content."""
        return self._agreement is not None and self._agreement.in_blocks

    def _take_id(self, name: str) -> None:
        """Some servers name the chunks of one reply alike and some each for itself, but none does both."""
        if name == self.id:
            self._is_steady = True
            return
        if self._is_steady or name in self._ids:
            raise MalformedError("chunks of two replies")
        self._ids.add(name)
        self.id = name

    async def _take(self, chunk: Chunk, delta: Delta) -> None:
        part = self.parts.get(delta.index)
        if part is None:
            part = self.parts[delta.index] = Part(self._gate())
        self.chars += len(delta.text) + len(delta.refusal)
        if delta.tool_calls:
            self._take_calls(delta, part)
        if delta.legacy_call:
            part.legacy_call = True
        if delta.refusal:
            part.refusal.append(delta.refusal)
        if delta.reasoning:
            self.chars += len(delta.reasoning)
            part.reasoning.append(delta.reasoning)
            if not self._hold and not self._story.plan.output.rules:  # with rules it waits for its check
                self._story.released += len(delta.reasoning)
                part.reasoned = True
                await Release(write_chunk(chunk.raw, delta.index, reasoning=delta.reasoning))
        if delta.finish_reason is not None:
            part.finish_reason = delta.finish_reason
            part.closing = chunk.raw
        if delta.text:
            part.text.append(delta.text)
            if part.gate is not None:
                await self._release(chunk, delta.index, part, *await part.gate.feed(delta.text))
            elif self.reading is not None and delta.index == 0:
                partial = await self.reading.take(delta.text)
                if partial is not None:
                    await Release(partial)
            part.opening = part.opening if part.opening is not None else chunk.raw
        elif part.opening is None:
            part.opening = chunk.raw

    def _take_calls(self, delta: Delta, part: Part) -> None:
        chars, refused = part.add_calls(delta.tool_calls, self._offered, self._call.messages)
        self.chars += chars
        if refused:
            self._story.turn(refused)
            raise about_tools(Choice(delta.index, "".join(part.text) or None), refused)

    def _gate(self) -> Gate | None:
        if self._hold:
            return None
        return Gate(self._story.plan.output.checks("assistant", self.tallies), self._call)

    async def _release(self, chunk: Chunk, index: int, part: Part, text: str, stop: Stop | None) -> None:
        if text:
            self._story.released += len(text)
            part.released.append(text)
            delta = chunk.deltas[0]
            untouched = len(chunk.deltas) == 1 and delta.text == text
            more = delta.tool_calls or delta.refusal or delta.extras or delta.finish_reason is not None
            if untouched and not more and chunk.usage is None:
                await Release(chunk.raw)
            else:
                await Release(write_chunk(chunk.raw, index, text=text))
        if stop is not None:
            raise stop

    def choices(self) -> tuple[Choice, ...]:
        """What each choice has said so far."""
        return tuple(
            Choice(
                index,
                "".join(part.text) if part.text else None,
                "".join(part.refusal) or None,
                part.calls(),
                part.finish_reason,
                "".join(part.reasoning) or None,
                legacy_call=part.legacy_call,
            )
            for index, part in sorted(self.parts.items())
        )

    def _reply(self) -> Reply:
        return Reply(
            self.choices(),
            model=self.model,
            id=self.id,
            usage=self.usage,
            complete=isinstance(self._last, str)
            or all(part.finish_reason is not None for part in self.parts.values()),
            in_blocks=self.in_blocks,
        )

    async def finish_gates(self, reply: Reply) -> Reply:
        """The text is complete and whole: release what the gates still hold; return the text released."""
        choices = []
        for choice in reply.choices:
            part = self.parts[choice.index]
            if part.gate is not None:
                chunk = read_chunk(self._last)
                await self._release(
                    Chunk((Delta(choice.index),), self._last, model=chunk.model),
                    choice.index,
                    part,
                    *await part.gate.finish(),
                )
                text = "".join(part.released)
                choice = replace(choice, text=text if choice.text is not None else None)
            choices.append(choice)
        return replace(reply, choices=tuple(choices))

    async def release_rest(self, reply: Reply) -> None:
        """Everything has passed: release what was kept for the end, as *reply* has it."""
        like = self._last
        for choice in reply.choices:
            part = self.parts[choice.index]
            if choice.reasoning and not part.reasoned:
                self._story.released += len(choice.reasoning)
                await Release(write_chunk(part.opening, choice.index, reasoning=choice.reasoning))
            if part.gate is None and choice.text:
                self._story.released += len(choice.text)
                await Release(write_chunk(part.opening, choice.index, text=choice.text))
            if isinstance(like, str):
                continue
            if choice.refusal:
                self._story.released += len(choice.refusal)
                await Release(write_chunk(part.opening, choice.index, refusal=choice.refusal))
            if choice.tool_calls:
                for told in write_tool_calls(part.opening, choice.index, choice.tool_calls, part.sealed()):
                    await Release(told)
            if part.finish_reason is not None:
                await Release(write_chunk(part.closing, choice.index, finish_reason=part.finish_reason))
        for raw in self._tail:
            await Release(raw)


class TimedIncoming(Incoming):
    """One streamed reply of which is known how long its first content took, from the send on."""

    def __init__(self, story: Story, call: Call, tallies: Tallies, *, hold: bool, began_ns: int) -> None:
        super().__init__(story, call, tallies, hold=hold)
        self._began_ns = began_ns

    async def _take(self, chunk: Chunk, delta: Delta) -> None:
        self._clock(delta)
        await super()._take(chunk, delta)

    def _clock(self, delta: Delta) -> None:
        if self.first_content_s is None and delta.has_content:
            self.first_content_s = (time.perf_counter_ns() - self._began_ns) / 1e9


class FrameError(Exception):
    """A chunk carried an error instead of content. Holds the error object; shows nothing of it."""

    def __init__(self, error: Any) -> None:
        super().__init__("the stream reported an error")
        self.error = error


class Part:
    """One choice of a streamed reply."""

    __slots__ = (
        "_assembler",
        "_watch",
        "closing",
        "finish_reason",
        "gate",
        "legacy_call",
        "opening",
        "reasoned",
        "reasoning",
        "refusal",
        "released",
        "text",
    )

    def __init__(self, gate: Gate | None) -> None:
        self.gate = gate
        self.text: list[str] = []
        self.released: list[str] = []
        self.refusal: list[str] = []
        self.reasoning: list[str] = []
        self.reasoned = False
        """The reasoning has been released as it came."""
        self.legacy_call = False
        self.finish_reason: str | None = None
        self.opening: Any = None
        self.closing: Any = None
        self._assembler: Any = None
        self._watch: Any = None

    def add_calls(
        self, deltas: Any, offered: Offered | None, messages: Sequence[Message]
    ) -> tuple[int, Sequence[Verdict]]:
        """Add tool-call deltas.

        Returns:
            How many characters they bring, and the verdicts on the turn where it can only be refused.
        """
        if self._assembler is None:
            from guardrails_lite._tools import CallWatch, ToolCallAssembler

            self._assembler = ToolCallAssembler()
            self._watch = CallWatch(offered, messages) if offered is not None else None
        before: int = self._assembler.chars
        refused: Sequence[Verdict] = ()
        for delta in deltas:
            name = self._assembler.add(delta)
            if self._watch is not None and not refused:
                refused = self._watch.hear(self._assembler.last, name)
        return int(self._assembler.chars) - before, refused

    @property
    def has_calls(self) -> bool:
        """Whether any tool call has begun."""
        return self._assembler is not None

    def calls(self) -> tuple[ToolCall, ...]:
        """The tool calls as assembled."""
        return () if self._assembler is None else self._assembler.calls()

    def sealed(self) -> Mapping[str, Any]:
        """What the provider wants back with a call, by the call's id."""
        return {} if self._assembler is None else self._assembler.sealed
