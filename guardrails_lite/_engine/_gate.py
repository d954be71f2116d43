"""How much streamed text is held back, and why it comes out the same however it was cut into chunks.

A validator declares a *window*: the most characters it must see at once. With a window of ``w``, whether
a finding covers the character at position ``p`` depends on nothing beyond ``p + w - 1``. So once ``n``
characters are there, every position up to ``n - w`` is *settled*: what covers it is known and will not
change. A gate

- runs the validator over the unsettled text plus the ``w - 1`` settled characters before it,
- acts only on findings that begin at a settled position, ignoring the rest until they are,
- releases settled text only, and keeps the rest.

Which position is settled when depends on the chunks; what is found there does not. So the released text,
its order, and the point at which a rule stops are those of the whole reply. A rule that stops lets pass
exactly the text before its finding, again whatever the chunks were.

Gates are chained, one for each group of rules: what one releases is the stream that the next one sees,
and the law carries over. When any rule must see the whole reply, all of them wait for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from guardrails_lite._engine._screen import Checks, in_order
from guardrails_lite._engine._tally import Stop, Tally, look, stop_of_broken, stops

if TYPE_CHECKING:
    from guardrails_lite._messages import Call


class Gate:
    """All rules of one side over one growing text."""

    def __init__(self, checks: Checks, call: Call) -> None:
        self._stages: list[_Stage | _Watch] = []
        for group in checks:
            for tally in group:
                tally.texts += 1
            self._stages += _stages_of(group, call)

    async def feed(self, text: str, *, last: bool = False) -> tuple[str, Stop | None]:
        """Take more text; return what may be released, and the rule that stops after it, if any."""
        stopped: Stop | None = None
        for stage in self._stages:
            text, stop = await stage.feed(text, last=last)
            if stop is not None:  # what follows sees the text before the stop, and may stop earlier
                stopped, last = stop, False
        return text, stopped

    async def finish(self) -> tuple[str, Stop | None]:
        """The text is complete: return the rest of it, and the rule that stops after it, if any."""
        return await self.feed("", last=True)


def _stages_of(group: Sequence[Tally], call: Call) -> Iterator[_Stage | _Watch]:
    """A group as stages: what keeps text back, and what only watches it go by."""
    watching = [tally for tally in group if tally.rule.watches]
    keeping = [tally for tally in group if not tally.rule.watches]
    if keeping:
        yield _Stage(keeping, call)
    if watching:
        yield _Watch(watching, call)


class _Watch:
    """A group that looks at the whole text when it is there, and keeps none of it back."""

    def __init__(self, group: Sequence[Tally], call: Call) -> None:
        self._group = group
        self._call = call
        self._parts: list[str] = []

    async def feed(self, text: str, *, last: bool) -> tuple[str, Stop | None]:
        self._parts.append(text)
        if last:
            seen = await look(self._group, "".join(self._parts), self._call)
            for tally, findings in zip(self._group, seen, strict=True):
                if findings is None:
                    stop_of_broken(tally)
                elif findings:
                    tally.found(findings)
        return text, None


class _Stage:
    """One group of rules over a growing text."""

    def __init__(self, group: Sequence[Tally], call: Call) -> None:
        self._group = group
        self._call = call
        self._window = max(tally.rule.validator.window or 1 for tally in group)
        self._text = ""
        self._base = 0  # the position of the first character of _text
        self._settled = 0  # every position before this one is settled
        self._released = 0  # every position before this one is released, or masked
        self._seen: list[tuple[int, int]] = []  # spans found in the text at hand

    async def feed(self, text: str, *, last: bool) -> tuple[str, Stop | None]:
        self._text += text
        length = self._base + len(self._text)
        settled = length if last else max(self._settled, length - self._window + 1)
        if settled <= self._settled and not last:
            return "", None
        out, stop = await self._settle(settled, last=last)
        self._settled = settled
        keep = self._between_findings(settled - self._window + 1)
        self._text = self._text[keep - self._base :]
        self._base = keep
        return out, stop

    def _between_findings(self, keep: int) -> int:
        """The last position up to *keep* that is inside no finding.

        A scan that begins inside one would cut a row of findings that touch each other differently.
        """
        while self._seen and (inside := [start for start, end in self._seen if start < keep < end]):
            keep = min(inside)
        return max(self._base, keep)

    async def _settle(self, settled: int, *, last: bool) -> tuple[str, Stop | None]:
        if not self._text:
            return "", None
        seen = await look(self._group, self._text, self._call)
        if None not in seen and not any(seen):  # as almost always
            self._seen = []
            return self._up_to(settled), None
        base = self._base
        fresh = range(self._settled, settled + last)  # at the end an empty finding may sit behind the text
        stopped: list[tuple[int, Stop]] = []
        spans: list[tuple[int, int, str]] = []
        self._seen = [
            (base + finding.span[0], base + finding.span[1])
            for findings in seen
            for finding in findings or ()
            if finding.span is not None
        ]
        for tally, findings in zip(self._group, seen, strict=True):
            if findings is None:
                if broken := stop_of_broken(tally):
                    stopped.append((self._released, broken))
                continue
            now = [finding for finding in findings if finding.span is None or base + finding.span[0] in fresh]
            if now:
                tally.found(now)
                if tally.rule.rewrites:
                    spans = [
                        (base + start, base + end, mask)
                        for start, end, mask in in_order(now, len(self._text))
                    ]
                elif stops(tally.rule):
                    first = min(self._released if f.span is None else base + f.span[0] for f in now)
                    stopped.append((first, Stop(tally.rule, now)))
        if stopped:
            at, stop = min(stopped, key=lambda found: found[0])
            return self._up_to(min(at, settled)), stop
        return self._masked(spans, settled), None

    def _masked(self, spans: list[tuple[int, int, str]], settled: int) -> str:
        parts: list[str] = []
        for start, end, mask in spans:
            if end <= self._released and start < self._released:
                continue
            if start >= self._released:
                parts += (self._up_to(start), mask)
            self._released = max(self._released, end)
        parts.append(self._up_to(settled))
        return "".join(parts)

    def _up_to(self, position: int) -> str:
        """Release the text up to *position*."""
        text = self._text[max(0, self._released - self._base) : max(0, position - self._base)]
        self._released = max(self._released, position)
        return text
