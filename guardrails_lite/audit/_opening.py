"""Opening the kept texts of many calls, each with an entry in the log that says who read it and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit._privacy import restrictions, restricts
from guardrails_lite.audit._vault import Box, Erased, Texts, box_of

if TYPE_CHECKING:
    from guardrails_lite.audit._format import Entry
    from guardrails_lite.audit._log import AuditLog

Why = Literal["no text", "erased", "restricted", "damaged"]
"""Why a call has no text to look at."""
_BATCH: Final = 256


class Opener:
    """Opens the kept texts of calls, each time with an entry in the log about it.

    Raises:
        ConfigError: *reader* or *reason* is empty.
    """

    def __init__(self, log: AuditLog, *, reader: str, reason: str) -> None:
        if not reader or not reason:
            raise ConfigError("a replay needs reader= and reason=: opening captured text is itself recorded")
        self._log = log
        self._told = {"reader": reader, "reason": reason}
        self._restricted = restrictions(log)

    def restricts(self, entry: Entry) -> bool:
        """Whether the call is about somebody under restriction, so that it is not to be used at all."""
        return restricts(entry, self._restricted) is not None

    def open(
        self, calls: Iterable[Entry], *, needed: Callable[[Entry], bool] = lambda call: True
    ) -> Iterator[tuple[Entry, Texts | Why]]:
        """Each call with its texts, or why there are none: it may also not be *needed* to open them.

        *calls* are taken some hundred at a time: a log of any length is gone through in little memory.
        """
        waiting = iter(calls)
        while batch := [(entry, self._box(entry, needed)) for entry in islice(waiting, _BATCH)]:
            # Recorded before the first is opened, and the disk is waited for once: that takes the longest.
            self._log.events("log.read", [{"call": entry.id, **self._told} for entry, box in batch if box])
            for entry, box in batch:
                yield entry, self._texts(entry, box)

    def _box(self, entry: Entry, needed: Callable[[Entry], bool]) -> Box | None:
        box = box_of(entry.data)
        return None if box is None or self.restricts(entry) or not needed(entry) else box

    def _texts(self, entry: Entry, box: Box | None) -> Texts | Why:
        if box is None:
            return "restricted" if box_of(entry.data) and self.restricts(entry) else "no text"
        try:
            return self._log.vault.take(entry.id, box)
        except Erased:
            return "erased"
        except (OSError, ValueError):
            return "damaged"
