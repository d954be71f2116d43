"""Opening the kept texts of many calls, each with an entry in the log that says who read it and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from guardrails_lite._errors import ConfigError, MissingPackage
from guardrails_lite.audit._content import Content, Form, Texts, content_of
from guardrails_lite.audit._privacy import check_form, restrictions, restricts
from guardrails_lite.audit._vault import Erased

if TYPE_CHECKING:
    from guardrails_lite.audit._format import Entry
    from guardrails_lite.audit._log import AuditLog

Why = Literal["no text", "erased", "restricted", "damaged"]
"""Why a call has no text to look at."""
_BATCH: Final = 256


class Opened(NamedTuple):
    """What the vault had of a call."""

    kept: Texts
    """As the rules left it."""
    originals: Texts | None
    """As it was said; None where that was not asked for, or not kept."""


class Opener:
    """Opens the kept texts of calls, each time with an entry in the log about it.

    Asked for originals, it opens what there is: of a call that has none, what the rules left.

    Raises:
        ConfigError: *reader* or *reason* is empty, or *texts* is no form of them.
    """

    def __init__(self, log: AuditLog, *, reader: str, reason: str, texts: Form = "redacted") -> None:
        check_form("replay", texts)
        if not reader or not reason:
            raise ConfigError("a replay needs reader= and reason=: opening captured text is itself recorded")
        self._log = log
        self._told = {"reader": reader, "reason": reason}
        self._originals = texts == "original"
        self._restricted = restrictions(log)

    def restricts(self, entry: Entry) -> bool:
        """Whether the call is about somebody under restriction, so that it is not to be used at all."""
        return restricts(entry, self._restricted) is not None

    def open(
        self, calls: Iterable[Entry], *, needed: Callable[[Entry], bool] = lambda call: True
    ) -> Iterator[tuple[Entry, Opened | Why]]:
        """Each call with its texts, or why there are none: it may also not be *needed* to open them.

        *calls* are taken some hundred at a time: a log of any length is gone through in little memory.
        """
        waiting = iter(calls)
        while batch := [(entry, self._content(entry, needed)) for entry in islice(waiting, _BATCH)]:
            # Recorded before the first is opened, and the disk is waited for once: that takes the longest.
            told = [
                {"call": entry.id, **self._told, "texts": self._form(content)}
                for entry, content in batch
                if content is not None
            ]
            self._log.events("log.read", told)
            for entry, content in batch:
                yield entry, self._texts(entry, content)

    def _content(self, entry: Entry, needed: Callable[[Entry], bool]) -> Content | None:
        content = content_of(entry.data)
        return content if self._has_text(content) and not self.restricts(entry) and needed(entry) else None

    def _has_text(self, content: Content) -> bool:
        return content.kept is not None or self._form(content) == "original"

    def _form(self, content: Content) -> Form:
        return "original" if self._originals and content.has_originals else "redacted"

    def _texts(self, entry: Entry, content: Content | None) -> Opened | Why:
        if content is None:
            hidden = self._has_text(content_of(entry.data)) and self.restricts(entry)
            return "restricted" if hidden else "no text"
        try:
            kept = () if content.kept is None else self._log.vault.take(entry.id, content.kept)
            if self._form(content) == "redacted":
                return Opened(kept, None)
            return Opened(kept, self._log.vault.take_originals(entry.id, content, kept))
        except Erased:
            return "erased"
        except MissingPackage:  # a ValueError too, and the texts are as they were
            raise
        except (OSError, ValueError):
            return "damaged"
