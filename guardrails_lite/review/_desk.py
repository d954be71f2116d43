"""What all pages share: the log, its index, the newest integrity report, and what a visitor asked for."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit import AuditLog, Report, verify
from guardrails_lite.audit._registry import read_config
from guardrails_lite.audit.alerts import Rules, read_rules
from guardrails_lite.audit.index import Filter, Index
from guardrails_lite.audit.index._schema import DAY_NS, HOUR_NS
from guardrails_lite.review._verdicts import DECIDED, UNDONE, Verdicts

SPANS: Final = {"24h": "24 hours", "7d": "7 days", "30d": "30 days", "1y": "1 year", "all": "all time"}
_DAYS: Final = {"7d": 7, "30d": 30, "1y": 365}


@dataclass(frozen=True, slots=True)
class Checked:
    """An integrity report, and when it was made."""

    report: Report
    at_ns: int
    took_s: float


class Desk:
    """A review desk on the log in *directory*.

    Args:
        directory: A directory that `AuditLog` made.
        keys: Where the log's keys live; default: in the log.
        needs: How many reviewers have to agree before a finding is settled.
        rules: Files and folders of Sigma rules, beside those that are shipped.
        clock: Wall clock in nanoseconds.

    Raises:
        ConfigError: *directory* is not a compliance log, *needs* is less than 1, or a rule is not understood.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        keys: str | os.PathLike[str] | None = None,
        needs: int = 1,
        rules: Iterable[str | os.PathLike[str]] = (),
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        if needs < 1:
            raise ConfigError(f"needs={needs!r}: at least one reviewer has to decide")
        self.directory = Path(directory).absolute()
        self.name = str(read_config(self.directory / "log.json")["log"])
        self.needs = needs
        self.clock = clock
        self.checked: Checked | None = None
        self.keys = keys
        places = (rules,) if isinstance(rules, (str, os.PathLike)) else tuple(rules)
        self._rules = read_rules(*places) if places else None
        self._log: AuditLog | None = None
        self._lock = threading.Lock()
        self._checking = threading.Lock()

    @contextmanager
    def index(self) -> Iterator[Index]:
        """The index, as new as the log."""
        with Index(self.directory) as index:
            index.update()
            yield index

    def log(self) -> AuditLog:
        """The log, opened for writing: decisions are entries of it.

        Raises:
            ConfigError: this process may not write to it.
        """
        with self._lock:
            if self._log is None:
                self._log = AuditLog(self.directory, keys=self.keys)
            return self._log

    def alert_rules(self) -> Rules:
        """The Sigma rules, as they were when they were read first."""
        with self._lock:
            if self._rules is None:
                self._rules = read_rules()
            return self._rules

    def check(self) -> Checked:
        """Verify the whole log now, and remember what came out."""
        with self._checking:
            began = time.monotonic()
            key = Path(self.keys or self.directory / "keys") / "verify.key"
            report = verify(self.directory, key=key.read_text() if self.keys and key.exists() else None)
            self.checked = Checked(report, self.clock(), time.monotonic() - began)
            return self.checked

    def close(self) -> None:
        """End this process's stream of the log, if it wrote one."""
        with self._lock:
            if self._log is not None:
                self._log.close()
                self._log = None


@dataclass(frozen=True, slots=True)
class Visit:
    """One request for a page."""

    desk: Desk
    index: Index
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
        events = self.index.events(type=(DECIDED, UNDONE), limit=2**62, order="oldest")
        return Verdicts.read(events, needs=self.desk.needs)

    def asked(self, name: str) -> str:
        """One value of the form, trimmed.

        Raises:
            ConfigError: it is missing.
        """
        value = self.form.get(name, "").strip()
        if not value:
            raise ConfigError(
                f"the field {name!r} is empty; it goes into the log, so it has to say something"
            )
        return value


def plain(value: Any) -> dict[str, Any]:
    """A frozen dataclass of the index as JSON-compatible data."""
    return {name: getattr(value, name) for name in type(value).__slots__}
