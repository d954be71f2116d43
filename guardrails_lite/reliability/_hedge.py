"""Sending a call a second time when its first content is late: the settings, and how often it may be done.

Now and then a call is slow by bad luck: a busy replica, a cold cache, a lost packet. A second send of the
same request then mostly comes first. It costs a second prompt, so only a bounded share of all calls is
hedged, and an upstream that is slow for everybody is not sent twice the load.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass, field

from guardrails_lite._arguments import by_name
from guardrails_lite.reliability._forks import on_fork
from guardrails_lite.reliability._settings import as_code, check_number, check_share

Lane = tuple[str, str | None, str]
"""Calls that take about as long: a target's name, its model, and how the reply is asked for."""

_SAVED = 5.0
_SAMPLES = 100
_ENOUGH = 20
_LATE = 0.95
_LANES = 256


@by_name
@dataclass(frozen=True, slots=True)
class Hedge:
    """Send a call a second time when its first content is late, and use whichever send has content first.

    The other send is cancelled. A call is hedged at most once, and only at its primary target. Guards that
    are given the same `Hedge` object share its account.

    Raises:
        ConfigError: a setting that cannot work.
    """

    after_s: float | None = None
    """Seconds without content after which to send a second time. None: the time within which 95 of the last
    100 calls of the same model and kind had content; nothing is hedged before 20 calls have been seen."""
    max_share: float = 0.05
    """The largest share of all calls that may be hedged. The default of one in twenty is as of November 2026:
    waiting for the 95th percentile makes about as many, and more would be a load that others notice."""
    _account: Account = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.after_s is not None:
            check_number(self, "after_s", "seconds")
        check_share(self, "max_share")
        object.__setattr__(self, "_account", Account(self.max_share))

    @property
    def account(self) -> Account:
        """How many hedges its calls have earned, and how long they took."""
        return self._account

    def delay_s(self, lane: Lane) -> float | None:
        """How long to wait for the first content; None: not known yet, so there is no hedge."""
        return self.account.late_s(lane) if self.after_s is None else self.after_s

    def __repr__(self) -> str:
        return as_code(self)


class Account:
    """What the calls of one `Hedge` have earned and taken. Safe under threads, event loops and forks."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._earned = 0.0
        self._took_s: dict[Lane, deque[float]] = {}
        self.start_afresh()
        on_fork(self)

    def start_afresh(self) -> None:
        """Give up a lock that another thread of the parent process may have held."""
        self._lock = threading.Lock()

    def earn(self) -> None:
        """A call is made. What is saved for later is small, so that a quiet hour is followed by no burst."""
        with self._lock:
            self._earned = min(self._earned + self._share, _SAVED)

    def spend(self) -> bool:
        """Pay for one hedge; False: the calls so far have not earned it."""
        with self._lock:
            if self._earned + 1e-9 < 1:
                return False
            self._earned = max(self._earned - 1, 0.0)
            return True

    def took(self, lane: Lane, seconds: float) -> None:
        """A call had its first content after so many seconds; if the hedge won, the first needed more."""
        with self._lock:
            samples = self._took_s.get(lane)
            if samples is None:
                if len(self._took_s) >= _LANES:
                    del self._took_s[next(iter(self._took_s))]
                samples = self._took_s[lane] = deque(maxlen=_SAMPLES)
            samples.append(seconds)

    def late_s(self, lane: Lane) -> float | None:
        """What all but the slowest calls needed; None: too few have been seen."""
        with self._lock:
            samples = sorted(self._took_s.get(lane, ()))
        return samples[math.ceil(_LATE * len(samples)) - 1] if len(samples) >= _ENOUGH else None
