"""How long one attempt may show nothing, or too little, before it is given up.

The deadline of a `Budget` ends a call. The clocks end an attempt, so that what is left of the deadline is
there for another one. What shows that a reply comes along is content: text, a refusal, reasoning, a part of
a tool call. A keep-alive comment, a role or an empty delta shows that a socket lives, and no more.

`Clocks` is the value a user writes; a `Pulse` goes by it in one attempt.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

from guardrails_lite._arguments import by_name
from guardrails_lite._errors import ConfigError
from guardrails_lite.reliability._failure import Failure
from guardrails_lite.reliability._settings import as_code, check_number

ClockName = Literal["connect", "first content", "between content", "rate", "whole reply"]
"""What has run out, as the record of the attempt calls it."""

CLOCK_NAMES: frozenset[str] = frozenset(get_args(ClockName))
_LENGTHS = {clock: f"{clock.replace(' ', '_')}_s" for clock in CLOCK_NAMES}
"""Where `Clocks` says how long each may run: a clock begins anew with each chunk of a stream."""
AT_ONCE_S = 0.005
"""What fails with less than this left of a limit failed by it."""


@by_name
@dataclass(frozen=True, slots=True)
class Clocks:
    """When to give up a single attempt before the deadline. None: that clock does not run.

    An attempt whose clock runs out is a ``"timeout"``, and its record has the clock's name as the error. The
    call goes on with the next target or, if there is none, is retried. Time in which nobody waits for the
    model, such as when a stream is consumed slowly, does not count.

    Raises:
        ConfigError: a clock that cannot work, or none at all.
    """

    connect_s: float | None = None
    """Seconds until there is a connection, including TLS. For clients only: how a function connects cannot be
    seen, so a guard's setting does not apply to a fallback that is a function."""
    first_content_s: float | None = None
    """Seconds from the send to the first content of a stream. Models with hidden reasoning need long."""
    between_content_s: float | None = None
    """Seconds from one piece of content of a stream to the next, or to its end."""
    min_chars_per_s: float | None = None
    """Characters per second that a stream must deliver on average, over any `rate_over_s` from its first
    content on. A token is about four characters."""
    rate_over_s: float = 30.0
    """Seconds over which `min_chars_per_s` is measured."""
    whole_reply_s: float | None = None
    """Seconds until a reply that is not streamed has arrived: until then there is no other sign of life."""

    def __post_init__(self) -> None:
        for name in ("connect_s", "first_content_s", "between_content_s", "whole_reply_s"):
            check_number(self, name, "seconds", optional=True)
        check_number(self, "min_chars_per_s", "characters a second", optional=True)
        check_number(self, "rate_over_s", "seconds")
        if not any((*self.lengths().values(), self.min_chars_per_s)):
            raise ConfigError(
                "Clocks() sets no clock. Give it one, such as Clocks(connect_s=5, first_content_s=30, "
                "between_content_s=20)."
            )
        if found := list(self._contradictions()):
            raise ConfigError("\n".join(found))

    def lengths(self) -> dict[str, float]:
        """How long each clock runs that does, by the name of its setting."""
        names = ("connect_s", "first_content_s", "between_content_s", "whole_reply_s")
        lengths = {name: seconds for name in names if (seconds := getattr(self, name)) is not None}
        return lengths | ({"rate_over_s": self.rate_over_s} if self.min_chars_per_s is not None else {})

    def _contradictions(self) -> Iterator[str]:
        for later in ("first_content_s", "whole_reply_s"):
            later_s = getattr(self, later)
            if self.connect_s is not None and later_s is not None and self.connect_s >= later_s:
                yield (
                    f"connect_s={self.connect_s:g} of Clocks is no shorter than {later}={later_s:g}, which "
                    f"runs from the same moment. Lower connect_s or raise {later}."
                )
        between_s = self.between_content_s
        if self.min_chars_per_s is None:
            return
        if between_s is not None and between_s >= self.rate_over_s:
            yield (
                f"between_content_s={between_s:g} of Clocks never runs out: {self.rate_over_s:g} s without "
                f"content are below min_chars_per_s={self.min_chars_per_s:g} before. Lower it, or raise "
                "rate_over_s."
            )
        if self.min_chars_per_s * self.rate_over_s < 1:
            yield (
                f"min_chars_per_s={self.min_chars_per_s:g} of Clocks over rate_over_s={self.rate_over_s:g} "
                "is less than one character. Raise one of them, or use between_content_s."
            )

    def __repr__(self) -> str:
        return as_code(self)


class Pulse:
    """The clocks of one attempt. It is told when something is waited for, and what has come.

    Its time is the time waited, which stands still in between. Not thread-safe: an attempt has one thread
    or task at a time.
    """

    __slots__ = (
        "_chars",
        "_clock",
        "_due_s",
        "_first_s",
        "_heard",
        "_waited_s",
        "_waits_since_s",
        "clocks",
    )

    def __init__(self, clocks: Clocks, *, streamed: bool) -> None:
        self.clocks = clocks
        self._waited_s = 0.0
        self._waits_since_s: float | None = None
        self._clock: ClockName
        self._due_s: float
        """When the next clock runs out, and which."""
        self._run("first content" if streamed else "whole reply")
        self._first_s: float | None = None
        """When the first content came."""
        self._heard: deque[tuple[float, int]] = deque()
        """When so many characters came: the newest that together are enough for the rate."""
        self._chars = 0

    def wait(self, now_s: float) -> float:
        """A wait begins: say after how many seconds a clock runs out; infinite: none does."""
        self.rest(now_s)
        self._waits_since_s = now_s
        return self._due_s - self._waited_s

    def rest(self, now_s: float) -> None:
        """The wait is over."""
        if self._waits_since_s is not None:
            self._waited_s += now_s - self._waits_since_s
            self._waits_since_s = None

    def streams(self) -> None:
        """The answer has turned out to be a stream."""
        if self._clock == "whole reply":
            self._run("first content")

    def hear(self, chars: int, now_s: float) -> None:
        """Something has come, and so many characters of it are content; with none, no clock begins anew."""
        self.rest(now_s)
        if not chars:
            return
        if self._first_s is None:
            self._first_s = self._waited_s
        self._run("between content", self._waited_s)
        if self.clocks.min_chars_per_s is not None and (due_s := self._rate_due_s(chars)) < self._due_s:
            self._clock, self._due_s = "rate", due_s

    def named(self, failure: Failure, now_s: float) -> Failure:
        """*failure*, under the name of the clock that has run out, if one has."""
        if failure.kind != "timeout" or failure.status is not None:
            return failure
        if self.clocks.connect_s is not None and failure.blame == "network":
            return replace(failure, error_type="connect")
        under_way_s = 0.0 if self._waits_since_s is None else now_s - self._waits_since_s
        has_run_out = self._waited_s + under_way_s >= self._due_s - AT_ONCE_S
        return replace(failure, error_type=self._clock) if has_run_out else failure

    def _run(self, clock: ClockName, from_s: float = 0.0) -> None:
        length_s = getattr(self.clocks, _LENGTHS[clock])
        self._clock = clock
        self._due_s = math.inf if length_s is None else from_s + length_s

    def _rate_due_s(self, chars: int) -> float:
        """When the last `rate_over_s` will have brought too little, if nothing more comes.

        That is when the oldest of the characters that are still needed is so old.
        """
        clocks = self.clocks
        needed = (clocks.min_chars_per_s or 0.0) * clocks.rate_over_s
        self._heard.append((self._waited_s, chars))
        self._chars += chars
        while self._chars - self._heard[0][1] >= needed:
            self._chars -= self._heard.popleft()[1]
        from_s = self._heard[0][0] if self._chars >= needed else self._first_s
        return (from_s or 0.0) + clocks.rate_over_s
