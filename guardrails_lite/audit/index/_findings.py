"""Findings, one by one: which rule found something in which call, or broke at it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from guardrails_lite.audit.index._database import Database
from guardrails_lite.audit.index._filter import Filter, conditions, joined

_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Found:
    """One rule that found something in one call, or broke at it."""

    rule: str
    at: int
    """When the call started, nanoseconds since the epoch."""
    call: str
    """The call's id."""


def findings(db: Database, asked: Filter) -> Iterator[Found]:
    """The findings in the calls asked for, newest first."""
    rules = asked.values("rule")
    where, parameters = joined(conditions(asked, without="rule"))
    if rules:
        where, parameters = f"f.rule IN ({','.join('?' * len(rules))}) AND {where}", [*rules, *parameters]
    behind: list[Any] = [2**63 - 1, 2**63 - 1, ""]
    while True:
        sql = (
            "SELECT f.rule, f.at, c.id, f.call FROM found f JOIN calls c ON c.row = f.call "
            f"WHERE (f.at, f.call, f.rule) < (?, ?, ?) AND {where} "
            "ORDER BY f.at DESC, f.call DESC, f.rule DESC LIMIT ?"
        )
        rows = db.execute(sql, [*behind, *parameters, _AT_ONCE]).fetchall()
        for rule, at, call, _ in rows:
            yield Found(rule, at, call)
        if len(rows) < _AT_ONCE:
            return
        behind = [rows[-1][1], rows[-1][3], rows[-1][0]]


def findings_in(db: Database, calls: Iterable[str]) -> list[Found]:
    """The findings in the calls with these ids, in the same order."""
    rows: list[tuple[int, int, str, str]] = []
    waiting = iter(dict.fromkeys(calls))
    while ids := list(islice(waiting, _AT_ONCE)):
        marks = ",".join("?" * len(ids))
        sql = (
            "SELECT f.at, f.call, f.rule, c.id FROM calls c JOIN found f ON f.at = c.at AND f.call = c.row "
            f"WHERE c.id IN ({marks})"
        )
        rows += db.execute(sql, ids)
    return [Found(rule, at, call) for at, _, rule, call in sorted(rows, reverse=True)]


def count(db: Database, since: int) -> int:
    """How many findings there are in calls that started at *since* or later."""
    (found,) = db.execute("SELECT count(*) FROM found WHERE at >= ?", [since]).fetchone()
    return int(found)
