"""Whether an upstream is worth asking at all: a circuit breaker.

::

    closed ── too many failures, or too many slow answers ──► open ── time ──► half-open
      ▲                                                         ▲                │    │
      └──────────────── enough good probes ─────────────────────┼────────────────┘    │
                                                                └──── a bad probe ────┘

Four rules that other breakers lack. In half-open at most `probes` calls are out at a time, and each holds
a *lease*: one that never returns frees its place when the lease ends. A cancelled call is neutral: it
neither opens nor closes. Every transition starts a new *epoch*, and a result from an earlier one is
ignored. Failures that are the caller's, the prompt's or the account's do not count here at all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from guardrails_lite._arguments import by_name
from guardrails_lite.reliability._settings import as_code, check_number, check_share, check_whole

Verdict = Literal["good", "bad", "neutral"]
"""What a finished call says about the upstream. Neutral: nothing, as when it was cancelled."""

State = Literal["closed", "open", "half-open"]

_REMEMBERED = 100
_OPEN_SPREAD = 0.2


@by_name
@dataclass(frozen=True, slots=True)
class Breaker:
    """Stop asking an upstream that fails or is too slow, and return to it carefully.

    Raises:
        ConfigError: a setting that cannot work.
    """

    failure_share: float = 0.5
    """The circuit opens when this share of recent calls has failed."""
    min_calls: int = 10
    """… of at least this many calls."""
    window_s: float = 60.0
    """How many seconds a call counts as recent; extended to twice the duration of the longest recent call."""
    slow_s: float | None = None
    """A call that takes longer than this many seconds is slow. None: no call is."""
    slow_share: float = 0.8
    """The circuit opens when this share of recent calls was slow."""
    open_s: float = 5.0
    """Seconds until the first probe, doubled each time that probes fail."""
    longest_open_s: float = 120.0
    """The doubling stops here."""
    probes: int = 1
    """The most calls under way while the circuit is half-open."""
    successes: int = 2
    """How many successful probes in a row close the circuit."""

    def __post_init__(self) -> None:
        check_share(self, "failure_share")
        check_share(self, "slow_share")
        check_number(self, "window_s", "seconds")
        check_number(self, "slow_s", "seconds", optional=True)
        check_number(self, "open_s", "seconds")
        check_number(self, "longest_open_s", "seconds")
        for name in ("min_calls", "probes", "successes"):
            check_whole(self, name)

    def __repr__(self) -> str:
        return as_code(self)


def is_slow(breaker: Breaker, took_s: float) -> bool:
    """Whether a call that took so long is a slow one."""
    return breaker.slow_s is not None and took_s > breaker.slow_s


class Circuit:
    """The state of one breaker. It is told the time and the results, and holds no lock."""

    __slots__ = ("epoch", "opened", "probes", "recent", "state", "successes", "until_s")

    def __init__(self) -> None:
        self.state: State = "closed"
        self.epoch = 0
        """Counts the transitions; a result of an earlier epoch is ignored."""
        self.until_s = 0.0
        """While open: when the first probe may go."""
        self.opened = 0
        """How often it opened since it was last closed."""
        self.successes = 0
        """Good probes so far in this half-open epoch."""
        self.probes: dict[str, float] = {}
        """The probes that are out, and when their leases end."""
        self.recent: deque[tuple[float, float, bool]] = deque(maxlen=_REMEMBERED)
        """While closed: when each recent call ended, how long it took, whether it failed."""

    def admits(self, breaker: Breaker, now_s: float) -> bool:
        """Whether one more call may go. Turns half-open when its time has come."""
        if self.state == "closed":
            return True
        if self.state == "open":
            if now_s < self.until_s:
                return False
            self._turn("half-open")
        if self.probes:
            self.probes = {permit: ends_s for permit, ends_s in self.probes.items() if ends_s > now_s}
        return len(self.probes) < breaker.probes

    def retry_at_s(self, now_s: float) -> float:
        """When it is worth asking again, after `admits` said no."""
        return self.until_s if self.state == "open" else min(self.probes.values(), default=now_s)

    def enter(self, permit: str, lease_ends_s: float) -> int:
        """A call that was admitted sets off; the answer goes back to `leave`."""
        if self.state == "half-open":
            self.probes[permit] = lease_ends_s
        return self.epoch

    def leave(
        self,
        breaker: Breaker,
        permit: str,
        epoch: int,
        verdict: Verdict,
        now_s: float,
        took_s: float,
        random: Callable[[], float],
    ) -> None:
        """A call has ended. Whatever the verdict, its place is free again."""
        if self.probes:
            self.probes.pop(permit, None)
        if verdict == "neutral" or epoch != self.epoch or self.state == "open":
            return
        slow = is_slow(breaker, took_s)
        if self.state == "half-open":
            if verdict == "bad" or slow:
                self._open(breaker, now_s, random)
                return
            self.successes += 1
            if self.successes >= breaker.successes:
                self._turn("closed")
                self.opened = 0
            return
        self.recent.append((now_s, took_s, verdict == "bad"))
        if verdict == "bad" or slow:
            self._judge(breaker, now_s, random)

    def trip(self, breaker: Breaker, *, now_s: float, random: Callable[[], float]) -> None:
        """Open at once: one failure said enough, such as a spent quota."""
        if self.state != "open":
            self._open(breaker, now_s, random)

    def _judge(self, breaker: Breaker, now_s: float, random: Callable[[], float]) -> None:
        # A window shorter than the calls would never hold both the failures and what they compare with.
        window_s = max(breaker.window_s, 2 * max(took_s for _, took_s, _ in self.recent))
        recent = [call for call in self.recent if call[0] > now_s - window_s]
        self.recent = deque(recent, _REMEMBERED)
        calls = len(recent)
        if calls < breaker.min_calls:
            return
        bad = sum(failed for _, _, failed in recent)
        slow = sum(is_slow(breaker, took_s) for _, took_s, _ in recent)
        if bad >= breaker.failure_share * calls or (slow and slow >= breaker.slow_share * calls):
            self._open(breaker, now_s, random)

    def _open(self, breaker: Breaker, now_s: float, random: Callable[[], float]) -> None:
        self._turn("open")
        longest_s = max(breaker.open_s, breaker.longest_open_s)
        open_s = min(breaker.open_s * 2 ** min(self.opened, 32), longest_s)
        self.opened += 1
        self.until_s = now_s + open_s * (1 + _OPEN_SPREAD * (2 * random() - 1))

    def _turn(self, state: State) -> None:
        self.state = state
        self.epoch += 1
        self.successes = 0
        self.probes = {}
        self.recent.clear()

    def dump(self) -> list[Any]:
        """The state as JSON can hold it."""
        counts = (self.epoch, self.until_s, self.opened, self.successes)
        return [self.state, *counts, self.probes, list(self.recent)]

    def load(self, dumped: list[Any]) -> None:
        """Take over what `dump` gave."""
        self.state, self.epoch, self.until_s, self.opened, self.successes, self.probes, recent = dumped
        self.recent.clear()
        self.recent.extend((at_s, took_s, failed) for at_s, took_s, failed in recent)
