"""Decisions: in how many calls each rule did what. What it does in several attempts of a call counts once."""

from __future__ import annotations

from dataclasses import dataclass

from guardrails_lite.audit.index._database import Database
from guardrails_lite.audit.index._filter import Filter, conditions, joined


@dataclass(frozen=True, slots=True)
class Decision:
    """What a rule did, or all of them together."""

    rule: str
    """Empty: any rule."""
    side: str
    """Empty: either."""
    action: str
    """``"block"``, ``"redact"``, …; ``"open"``: it broke and was let pass; ``"monitor"``: it only said so."""
    calls: int
    """In how many calls."""


def decisions(db: Database, asked: Filter) -> list[Decision]:
    """What rules did in the calls asked for: together, then each, in the order of their names."""
    parts = conditions(asked)
    bounds = [("f.at >= ?", [asked.since])] if asked.since is not None else []
    bounds += [("f.at < ?", [asked.until])] if asked.until is not None else []
    where, parameters = joined([*bounds, *parts])
    # A check that did something is in `found`, which has few rows beside `checks`: it leads, as a cross join
    # has it in SQLite, and where all calls are asked for these need not be looked at.
    source = "found f CROSS JOIN calls c CROSS JOIN checks k WHERE c.row = f.call AND"
    if not parts:
        source = "found f CROSS JOIN checks k WHERE"
    sql = f"""
        WITH done AS (
          SELECT k.rule, k.side, k.action, k.call
          FROM {source} k.call = f.call AND k.rule = f.rule AND k.action <> '' AND {where})
        SELECT '', '', action, count(DISTINCT call) FROM done GROUP BY action
        UNION ALL
        SELECT rule, side, action, count(DISTINCT call) FROM done GROUP BY rule, side, action
    """
    rows = db.execute(sql, parameters)
    return sorted((Decision(*row) for row in rows), key=lambda one: (one.rule, one.side, one.action))
