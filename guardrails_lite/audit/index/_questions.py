"""The questions that an index answers, whichever database holds it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit._format import Entry, parse
from guardrails_lite.audit.index import _decisions, _findings, _loaded, _measures, _pages
from guardrails_lite.audit.index._database import Database
from guardrails_lite.audit.index._decisions import Decision
from guardrails_lite.audit.index._filter import Filter
from guardrails_lite.audit.index._findings import Found
from guardrails_lite.audit.index._follow import Source, sources
from guardrails_lite.audit.index._loaded import Loaded
from guardrails_lite.audit.index._measures import Latency, Policy, RuleUse, Spend, Totals, Volume
from guardrails_lite.audit.index._pages import Call, Event, Facet, Order, Page

_ALL: Final = Filter()


def record_of(call: Call, line: bytes) -> Entry:
    """The record of *call*, out of the *line* at its place in the log.

    Raises:
        LookupError: the line is not there any more, or is another.
    """
    try:
        entry = parse(line)
    except ValueError as error:
        raise LookupError(f"the record of call {call.id} cannot be read at its place") from error
    if (entry.stream, entry.n) != (call.stream, call.n):
        raise LookupError(f"the record of call {call.id} is not at its place")
    return entry


class Questions:
    """What can be asked of the calls and events in a database."""

    _db: Database

    def sources(self) -> list[Source]:
        """The log's streams, and how far each is in the index. `Source.problem` says why one is not whole."""
        return list(sources(self._db))

    # -- asking ---------------------------------------------------------------------------------------

    def page(
        self, asked: Filter = _ALL, *, after: str | None = None, limit: int = 50, order: Order = "newest"
    ) -> Page:
        """Up to *limit* calls, newest first.

        Args:
            asked: Which calls.
            after: `Page.more` of the page before; None: the first page.
            limit: At most so many, 1 to 1,000.
            order: ``"newest"`` or ``"oldest"`` first.

        Raises:
            ConfigError: *after* is not a cursor, or *limit* is out of range.
        """
        if not 1 <= limit <= 1000:
            raise ConfigError(f"limit={limit!r} must be from 1 to 1000; use Page.more for the next page")
        return _pages.page(self._db, asked, after=after, limit=limit, order=order)

    def calls(self, asked: Filter = _ALL, *, order: Order = "newest") -> Iterator[Call]:
        """All calls asked for, page by page."""
        after: str | None = None
        while True:
            page = self.page(asked, after=after, limit=1000, order=order)
            yield from page.calls
            if page.more is None:
                return
            after = page.more

    def find(self, beginning: str, *, limit: int = 2) -> list[Call]:
        """The calls whose id begins with *beginning*, at most *limit*: two are enough to be ambiguous."""
        return _pages.find(self._db, beginning.lower(), limit=limit)

    def facets(self, name: str, asked: Filter = _ALL, *, limit: int = 20) -> list[Facet]:
        """How many calls there are for each value of *name*, were that part of the filter left open.

        Args:
            name: ``outcome``, ``guard``, ``digest``, ``model``, ``user``, ``key``, ``tenant``, ``mode``,
                ``style`` or ``rule``.

        Raises:
            ConfigError: there is no such facet.
        """
        return _pages.facets(self._db, asked, name, limit=limit)

    def events(
        self,
        *,
        type: str | Iterable[str] = (),
        call: str | None = None,
        since: int | None = None,
        until: int | None = None,
        limit: int = 100,
        order: Order = "newest",
    ) -> list[Event]:
        """Entries that are not calls: of some types, or all; about one call, or all.

        Those of the log's registry are among them. Checkpoints and heartbeats are not.
        """
        types = (type,) if isinstance(type, str) else type
        return _pages.events(
            self._db, type=types, call=call, since=since, until=until, limit=limit, order=order
        )

    @property
    def last_row(self) -> int:
        """The row of the call that was taken in last; 0: there is none."""
        return int(self._db.execute("SELECT coalesce(max(row), 0) FROM calls").fetchone()[0])

    def taken_in(self, after: int, asked: Filter = _ALL, *, limit: int | None = None) -> list[Call]:
        """Calls that `update` took in after the row *after*, in that order: what a follower has not seen.

        A call that was unfinished comes again, as a new row, once it has a record.
        """
        return _pages.taken_in(self._db, asked, after, limit=limit)

    def findings(self, asked: Filter = _ALL) -> Iterator[Found]:
        """What rules found in the calls asked for, newest first: one for each rule and call."""
        return _findings.findings(self._db, asked)

    def findings_in(self, calls: Iterable[str]) -> list[Found]:
        """The same of the calls with these ids, such as those of a sample; an id may be of no call."""
        return _findings.findings_in(self._db, calls)

    def count_findings(self, *, since: int = 0) -> int:
        """How many there are in calls that started at *since* or later."""
        return _findings.count(self._db, since)

    # -- measuring ------------------------------------------------------------------------------------

    def totals(self, asked: Filter = _ALL) -> Totals:
        """Calls, outcomes, tokens, money."""
        return _measures.totals(self._db, asked)

    def volume(self, asked: Filter = _ALL, *, step_h: int = 1) -> list[Volume]:
        """The same over time, in steps of *step_h* hours of UTC, oldest first."""
        return _measures.volume(self._db, asked, step_h=step_h)

    def spend(self, by: _measures.By, asked: Filter = _ALL, *, limit: int = 20) -> list[Spend]:
        """Who or what costs how much, dearest first."""
        return _measures.spend(self._db, asked, by=by, limit=limit)

    def latency(self, asked: Filter = _ALL) -> Latency:
        """How long calls took."""
        return _measures.latency(self._db, asked)

    def rules(self, asked: Filter = _ALL) -> list[RuleUse]:
        """How often each rule ran, found, broke, and how long it took."""
        return _measures.rule_use(self._db, asked)

    def decisions(self, asked: Filter = _ALL) -> list[Decision]:
        """In how many calls each rule blocked, redacted, …; and any rule, whose name is then empty."""
        return _decisions.decisions(self._db, asked)

    def policies(self, *, limit: int = 100) -> list[Policy]:
        """Which policies were in force, the last first."""
        return _measures.policies(self._db, limit=limit)

    def loaded(self, digests: str | Iterable[str]) -> dict[str, Loaded]:
        """What the log tells of the policies of these digests. It may tell nothing of some."""
        return _loaded.loaded(self._db, (digests,) if isinstance(digests, str) else digests)

    def find_policies(self, beginning: str, *, limit: int = 2) -> list[str]:
        """The digests that begin with *beginning* and of which the log tells what they mean."""
        return _loaded.beginning(self._db, beginning.lower(), limit=limit)
