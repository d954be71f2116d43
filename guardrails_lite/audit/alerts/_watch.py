"""`Watch`: looks at what a log has gained, records each alert once, and sends it until it is taken.

What was raised and what was taken are entries of the log, ``alert.raised`` and ``alert.sent``. They are the
memory: a match whose alert is in the log is not raised again, and an alert that a receiver has not taken is
sent again, so that a crash at any point repeats a sending at worst, under the same id. ``alerts.json`` beside
the log says how far it was looked at. It saves work and nothing else; delete it at will.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from guardrails_lite._errors import ConfigError, LogUnavailable
from guardrails_lite.audit._disk import replace_secret, try_lock
from guardrails_lite.audit._log import AuditLog
from guardrails_lite.audit._registry import read_config
from guardrails_lite.audit._verify import Report
from guardrails_lite.audit.alerts._facts import Fact
from guardrails_lite.audit.alerts._gather import RAISED, SENT, Gatherer, Position
from guardrails_lite.audit.alerts._match import Alert, Matcher
from guardrails_lite.audit.alerts._send import NotSent, Receiver
from guardrails_lite.audit.alerts._sigma import Rules
from guardrails_lite.audit.alerts._windows import Group
from guardrails_lite.audit.index import Index

if TYPE_CHECKING:
    from guardrails_lite.audit.postgres import ShippedIndex

_ALL: Final = 2**62
_GIVE_UP: Final = 3
"""After so many refusals in a row a receiver is left alone until the next look."""
_LONGEST_WAIT_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look found."""

    raised: tuple[Alert, ...]
    """The alerts that are new."""
    problems: tuple[str, ...]
    """What could not be recorded or sent; it is tried again at the next look."""


@dataclass(slots=True)
class _Letter:
    """An alert on its way to a receiver."""

    body: bytes
    waiting: set[str]
    """The names of the receivers that have not taken it."""


class Watch:
    """The alerts of the log in *directory*; use it in a ``with`` block. One process at a time may watch it.

    Args:
        directory: A directory that `AuditLog` made.
        rules: What to look for.
        receivers: Where alerts go. An alert is for those that are there when it is raised.
        since: Where the very first look begins, nanoseconds since the epoch. Later ones go on where the last
            one ended.
        keys: Where the log's keys live; default: in the log.
        check: Verifies the log; called by `look` when it is asked to, if a rule is about integrity.
        clock: Wall clock in nanoseconds.

    Raises:
        ConfigError: *directory* is not a compliance log, or another process watches it.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        rules: Rules,
        *,
        receivers: Iterable[Receiver] = (),
        since: int,
        keys: str | os.PathLike[str] | None = None,
        check: Callable[[], Report] | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.directory = Path(directory)
        self._name = str(read_config(self.directory / "log.json")["log"])
        self._receivers = {receiver.name: receiver for receiver in receivers}
        self._keys = keys
        self._check = check
        self._clock = clock
        self._log: AuditLog | None = None
        self._saved = ""
        self._unrecorded: set[str] = set()
        self._letters: dict[str, _Letter] = {}
        self._refusals: dict[str, tuple[int, int]] = {}
        with ExitStack() as stack:
            self._lock(stack)
            self._position = self._read_position(since)
            self._index = stack.enter_context(Index(self.directory))
            self._index.update()
            self._known, alerted = self._remember()
            self._matcher = Matcher(rules, log=self._name, alerted=alerted)
            self._gatherer = Gatherer(self._index, self._position, self._matcher)
            for fact in self._gatherer.before(self._matcher.longest_ns) if self._matcher.longest_ns else ():
                for _ in self._matcher.match(fact):
                    pass  # of an earlier look, or of a rule that was not there then
            self._stack = stack.pop_all()

    @property
    def asks_for_integrity(self) -> bool:
        """Whether a rule is about what a verification finds."""
        return "integrity" in self._matcher.asks

    def look(self, *, verify: bool = False) -> Seen:
        """Look at what is new, and send what is due.

        Args:
            verify: Also verify the log, which reads all of it.
        """
        raised: list[Alert] = []
        problems: list[str] = []
        try:
            self._index.update()
        except (OSError, sqlite3.OperationalError) as error:  # the rest is looked at all the same
            problems.append(f"the index could not be brought up to date ({type(error).__name__})")
        for fact in self._facts(verify):
            for alert in self._matcher.match(fact):
                if alert.id not in self._known:
                    self._known.add(alert.id)
                    raised.append(alert)
                    self._raise(alert, problems)
        self._send(problems)
        self._save_position()
        return Seen(tuple(raised), tuple(problems))

    def close(self) -> None:
        """End this process's stream of the log, if it wrote one, and let others watch."""
        if self._log is not None:
            self._log.close()
            self._log = None
        self._stack.close()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # -- looking --------------------------------------------------------------------------------------

    def _facts(self, verify: bool) -> Iterator[Fact]:
        if verify and self._check is not None and self.asks_for_integrity:
            yield _integrity(self._check(), self._clock())
        yield from self._gatherer.new(self._clock())

    def _remember(self) -> tuple[set[str], dict[str, dict[Group, int]]]:
        """What was raised before, what of it is on its way, and when correlations last alerted."""
        known = set(self._unrecorded)
        alerted: dict[str, dict[Group, int]] = {}
        sent: dict[str, set[str]] = {}
        for event in self._index.events(type=SENT, limit=_ALL, order="oldest"):
            sent.setdefault(str(event.data.get("alert")), set()).add(str(event.data.get("to")))
        for event in self._index.events(type=RAISED, limit=_ALL, order="oldest"):
            known.add(event.id)
            group, to = event.data.get("group"), event.data.get("to")
            if isinstance(group, dict) and group:
                newest = alerted.setdefault(str(event.data.get("rule")), {})
                newest[tuple(map(str, group.values()))] = int(event.data.get("at") or 0)
            waiting = {str(one) for one in to} if isinstance(to, list) else set()
            self._post(event.id, {"id": event.id, **event.data}, waiting - sent.get(event.id, set()))
        return known, alerted

    # -- recording and sending ------------------------------------------------------------------------

    def _raise(self, alert: Alert, problems: list[str]) -> None:
        told = alert.to_dict()
        del told["id"]
        try:
            self._writing().event(RAISED, {**told, "to": sorted(self._receivers)}, id=alert.id)
        except (ConfigError, LogUnavailable) as error:
            # What is wrong with the log may be what the alert is about: it goes out all the same.
            self._unrecorded.add(alert.id)
            problems.append(f"the alert {alert.id} was not recorded: {error}")
        self._post(alert.id, alert.to_dict(), set(self._receivers))

    def _post(self, ident: str, told: Mapping[str, Any], waiting: set[str]) -> None:
        waiting &= self._receivers.keys()
        if waiting:
            self._letters[ident] = _Letter(_body(told, self._name), waiting)

    def _send(self, problems: list[str]) -> None:
        for name, receiver in self._receivers.items():
            refusals, not_before = self._refusals.get(name, (0, 0))
            if self._clock() < not_before:
                continue
            in_a_row = 0
            for ident, letter in self._letters.items():
                if name not in letter.waiting:
                    continue
                try:
                    receiver(ident, letter.body)
                except NotSent as error:
                    in_a_row += 1
                    problems.append(f"the alert {ident} was not sent: {error}")
                    if in_a_row == _GIVE_UP:
                        break
                else:
                    in_a_row = 0
                    letter.waiting.discard(name)
                    self._note_sent(ident, name, problems)
            wait_s = min(_LONGEST_WAIT_S, 5.0 * 2**refusals)
            later = self._clock() + round(wait_s * 1e9)
            self._refusals[name] = (refusals + 1, later) if in_a_row else (0, 0)
        self._letters = {ident: letter for ident, letter in self._letters.items() if letter.waiting}

    def _note_sent(self, ident: str, name: str, problems: list[str]) -> None:
        if ident in self._unrecorded:
            return
        try:
            self._writing().event(SENT, {"alert": ident, "to": name})
        except (ConfigError, LogUnavailable) as error:
            problems.append(f"the alert {ident} was sent, but that was not recorded: {error}")

    def _writing(self) -> AuditLog:
        if self._log is None:
            self._log = AuditLog(self.directory, keys=self._keys)
        return self._log

    # -- beside the log -------------------------------------------------------------------------------

    def _lock(self, stack: ExitStack) -> None:
        try:
            held = try_lock(self.directory / "alerts.lock")
        except OSError as error:
            raise ConfigError(
                f"{self.directory}: alerts cannot be remembered here ({error.strerror}); "
                "watch the log where it is written, or try rules with --dry-run"
            ) from error
        if held is None:
            raise ConfigError(f"{self.directory}: another process watches this log for alerts")
        stack.callback(os.close, held)

    def _read_position(self, since: int) -> Position:
        try:
            told = json.loads((self.directory / "alerts.json").read_text())
            marks = {str(table): (int(row), str(of), int(n)) for table, (row, of, n) in told["marks"].items()}
            streams = {str(name): int(n) for name, n in told["streams"].items()}
            if told["log"] == self._name:
                self._unrecorded = set(map(str, told["unrecorded"]))
                return Position(int(told["since"]), streams, marks)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass  # lost or of another log: what was raised is in the log, so nothing is raised again
        return Position(since)

    def _save_position(self) -> None:
        told = {
            "log": self._name,
            "since": self._position.since,
            "streams": self._position.streams,
            "marks": self._position.marks,
            "unrecorded": sorted(self._unrecorded),
        }
        text = json.dumps(told)
        if text != self._saved:  # most looks find nothing new, and a durable write is dear
            replace_secret(self.directory / "alerts.json", text.encode())
            self._saved = text


def matches(
    directory: str | os.PathLike[str],
    rules: Rules,
    *,
    since: int,
    check: Callable[[], Report] | None = None,
    clock: Callable[[], int] = time.time_ns,
) -> Iterator[Alert]:
    """What *rules* find in the log in *directory* since then. Nothing is recorded, sent or remembered.

    Args:
        directory: A directory that `AuditLog` made, or a copy of one.
        rules: What to look for.
        since: Where to begin, nanoseconds since the epoch.
        check: Verifies the log, for rules about integrity; None: those find nothing.
        clock: Wall clock in nanoseconds.

    Raises:
        ConfigError: *directory* is not a compliance log.
    """
    log = str(read_config(Path(directory) / "log.json")["log"])
    with Index(directory) as index:
        index.update()
        yield from matches_in(index, rules, log=log, since=since, check=check, clock=clock)


def matches_in(
    index: Index | ShippedIndex,
    rules: Rules,
    *,
    log: str,
    since: int,
    check: Callable[[], Report] | None = None,
    clock: Callable[[], int] = time.time_ns,
) -> Iterator[Alert]:
    """As `matches`, in an index that is open and new enough; *log* is the log's name."""
    matcher = Matcher(rules, log=log, alerted={})
    gatherer = Gatherer(index, Position(since), matcher)
    if check is not None and "integrity" in matcher.asks:
        yield from matcher.match(_integrity(check(), clock()))
    for fact in gatherer.new(clock()):
        yield from matcher.match(fact)


def alarm(report: Report, rules: Rules, receivers: Iterable[Receiver], *, log: str) -> Seen:
    """Send what *rules* say of a log that cannot be opened, and so cannot hold its own alerts.

    It is sent each time, under the same id for the same damage.

    Args:
        report: What a verification found.
        rules: What to look for; only rules about integrity find something.
        receivers: Where alerts go.
        log: The log's name, or its directory where the name cannot be read.
    """
    fact = _integrity(report, time.time_ns())
    raised = tuple(Matcher(rules, log=log, alerted={}).match(fact))
    problems = []
    for receiver in receivers:
        for alert in raised:
            try:
                receiver(alert.id, _body(alert.to_dict(), log))
            except NotSent as error:
                problems.append(f"the alert {alert.id} was not sent: {error}")
    return Seen(raised, tuple(problems))


def _body(told: Mapping[str, Any], log: str) -> bytes:
    """What is sent: an alert, when it was in words, and the log's name."""
    at = datetime.fromtimestamp(int(told.get("at") or 0) / 1e9, UTC).isoformat()
    body = {name: value for name, value in told.items() if name != "to"}
    return json.dumps({**body, "time": at, "log": log}).encode()


def _integrity(report: Report, now_ns: int) -> Fact:
    """What a verification found, named by its content: the same damage is one fact."""
    first = str(report.problems[0]) if report.problems else ""
    named = sha256(json.dumps([report.state, *map(str, report.problems)]).encode()).hexdigest()[:16]
    told = {
        "state": report.state,
        "problems": len(report.problems),
        "first": first,
        "records": report.records,
        "streams": len(report.streams),
        "key": report.key,
    }
    return Fact("integrity", now_ns, f"integrity {named}", told)
