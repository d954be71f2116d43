"""What all pages share: the log, its index, the newest integrity report, and what a visitor asked for."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit import Report, verify
from guardrails_lite.audit._verdicts import DECIDED, LONGEST_NOTE, Verdicts, read_verdicts
from guardrails_lite.audit.alerts import Rules, read_rules
from guardrails_lite.audit.index import Event, Filter, Index
from guardrails_lite.audit.index._schema import DAY_NS, HOUR_NS
from guardrails_lite.audit.postgres import ShippedIndex
from guardrails_lite.review._place import Place

SPANS: Final = {"24h": "24 hours", "7d": "7 days", "30d": "30 days", "1y": "1 year", "all": "all time"}
_DAYS: Final = {"7d": 7, "30d": 30, "1y": 365}
LARGEST_FORM: Final = 64 * 1024
"""How many bytes a form has at most."""
_PATIENCE_S: Final = 10.0
"""For the check to notice that the desk closes."""


@dataclass(frozen=True, slots=True)
class Checked:
    """An integrity report, and when it was made."""

    report: Report
    at_ns: int
    took_s: float


class Desk:
    """A review desk.

    Args:
        place: Where its log is.
        needs: How many reviewers have to agree before a finding is settled.
        rules: Files and folders of Sigma rules, beside those that are shipped.
        clock: Wall clock in nanoseconds.

    Raises:
        ConfigError: *needs* is less than 1, or a rule is not understood.
    """

    def __init__(
        self,
        place: Place,
        *,
        needs: int = 1,
        rules: Iterable[str | os.PathLike[str]] = (),
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        if needs < 1:
            raise ConfigError(f"needs={needs!r}: at least one reviewer must decide")
        self.place = place
        self.needs = needs
        self.clock = clock
        self.checked: Checked | None = None
        self.unchecked = ""
        """Why the newest check came to no end; empty: it did, or is under way."""
        paths = (rules,) if isinstance(rules, (str, os.PathLike)) else tuple(rules)
        self._rules = read_rules(*paths) if paths else None
        self._lock = threading.Lock()
        self._checking = threading.Lock()
        self._closing = threading.Event()
        self._first: threading.Thread | None = None

    @property
    def state(self) -> str:
        """What is known of the log's integrity, in a word."""
        if self.checked is not None:
            return self.checked.report.state
        return "unchecked" if self.unchecked else "checking"

    def alert_rules(self) -> Rules:
        """The Sigma rules, as they were when they were read first."""
        with self._lock:
            if self._rules is None:
                self._rules = read_rules()
            return self._rules

    def check(self) -> Checked:
        """Verify the whole log now, and remember what came out.

        Raises:
            ConfigError: it cannot be read from where it is.
        """
        with self._checking:
            began = time.monotonic()
            try:
                with self.place.files(self._go_on) as directory:
                    report = verify(directory, key=self.place.key(), on_progress=self._go_on)
            except OSError as error:
                why = error.strerror or type(error).__name__
                raise ConfigError(f"the log's files cannot be read, or not fetched ({why})") from error
            self.checked = Checked(report, self.clock(), time.monotonic() - began)
            self.unchecked = ""
            return self.checked

    def open(self) -> None:
        """Begin to verify the log, while pages are served already."""
        self._closing.clear()
        self._first = threading.Thread(target=self._check_first, name="desk-check", daemon=True)
        self._first.start()

    def close(self) -> None:
        """Let go of the log. A check that is under way ends, and takes what it fetched with it."""
        self._closing.set()
        if self._first is not None:
            self._first.join(_PATIENCE_S)
        self.place.close()

    def _check_first(self) -> None:
        try:
            self.check()
        except ConfigError as error:
            self.unchecked = str(error)

    def _go_on(self, done: int, total: int) -> None:
        if self._closing.is_set():
            raise ConfigError("the desk was closed before the check was done")


@dataclass(frozen=True, slots=True)
class Visit:
    """One request for a page."""

    desk: Desk
    index: Index | ShippedIndex
    reviewer: str
    query: Mapping[str, str]
    path: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    """What was posted."""

    @property
    def span(self) -> str:
        """The range of time that is looked at."""
        asked = self.query.get("range", "30d")
        return asked if asked in SPANS else "30d"

    @property
    def since(self) -> int | None:
        """When it begins, on a whole hour or day, so that sums are exact and cheap."""
        now = self.desk.clock()
        if self.span == "24h":
            return (now // HOUR_NS - 23) * HOUR_NS
        if self.span in _DAYS:
            return (now // DAY_NS - _DAYS[self.span] + 1) * DAY_NS
        return None

    @property
    def within(self) -> Filter:
        """All calls of the range."""
        return Filter(since=self.since)

    def verdicts(self) -> Verdicts:
        """What reviewers decided, over all time."""
        return read_verdicts(self.index, needs=self.desk.needs)

    def told(self, events: Iterable[Event]) -> Iterator[Event]:
        """*events*, without another's verdict on a finding that this reviewer has yet to judge."""
        verdicts = self.verdicts()
        for event in events:
            key = (str(event.data.get("call")), str(event.data.get("rule")))
            if event.type == DECIDED and verdicts.is_hidden(self.reviewer, key):
                shown = {name: event.data[name] for name in event.data if name not in ("verdict", "note")}
                yield replace(event, data=shown)
            else:
                yield event

    def asked(self, name: str, *, longest: int = LONGEST_NOTE) -> str:
        """One value of the form, trimmed.

        Raises:
            ConfigError: it is missing, or has more than *longest* characters.
        """
        value = self.form.get(name, "").strip()
        if not value:
            raise ConfigError(
                f"the field {name!r} is empty; it goes into the log, so it has to say something"
            )
        if len(value) > longest:
            raise ConfigError(
                f"the field {name!r} has at most {longest} characters; this one has {len(value)}"
            )
        return value


def plain(value: Any) -> dict[str, Any]:
    """A frozen dataclass of the index as JSON-compatible data."""
    return {name: getattr(value, name) for name in type(value).__slots__}
