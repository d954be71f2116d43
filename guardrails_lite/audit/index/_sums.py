"""The sums that are kept: how the calls of a batch are added to them."""

from __future__ import annotations

import math
import sqlite3
from typing import Final

from guardrails_lite.audit.index._database import Database
from guardrails_lite.audit.index._schema import BLOCKED, BUCKETS, DAY_NS, FOUND, HOUR_NS, UNFINISHED

IS_BLOCKED: Final = f"CASE WHEN outcome IN ({','.join(map(repr, BLOCKED))}) THEN 1 ELSE 0 END"
"""1 or 0."""

_UNPRICED: Final = "CASE WHEN c.cost_usd IS NULL THEN 1 ELSE 0 END"

HOURLY: Final = (
    f"SELECT c.at / {HOUR_NS} AS hour, c.guard, c.digest, c.model, c.outcome, 1 AS calls, "
    f"{_UNPRICED} AS unpriced, c.tokens_in, c.tokens_out, coalesce(c.cost_usd, 0.0) AS cost, c.us "
    f"FROM calls c WHERE c.outcome <> '{UNFINISHED}'"
)
"""Calls as rows of the table ``hours``, not added up."""


def valued(field: str, first_row: int = 0) -> str:
    """Calls from *first_row* on as rows of the tables ``people`` and ``totals`` for *field*, not added up."""
    value, source = f"c.{field}", "calls c"
    if field == "rule":
        results = ",".join(f"'{word}'" for word in FOUND)
        found = f"SELECT DISTINCT call, rule FROM checks WHERE result IN ({results}) AND call >= {first_row}"
        value, source = "k.rule", f"calls c JOIN ({found}) k ON k.call = c.row"
    return (
        f"SELECT '{field}' AS field, c.at / {DAY_NS} AS day, {value} AS value, 1 AS calls, "
        f"{IS_BLOCKED} AS blocked, {_UNPRICED} AS unpriced, c.tokens, "
        f"coalesce(c.cost_usd, 0.0) AS cost FROM {source} WHERE c.outcome <> '{UNFINISHED}'"
    )


DAILY: Final = (
    f"SELECT c.at / {DAY_NS} AS day, c.guard, c.digest, c.model, c.outcome, bucket_of(c.us) AS bucket, "
    f"1 AS calls FROM calls c WHERE c.outcome <> '{UNFINISHED}'"
)
"""Calls as rows of the table ``latencies``, not added up."""

CHECKED: Final = (
    f"SELECT c.at / {DAY_NS} AS day, c.guard, c.digest, k.rule, k.side, k.result, k.action, "
    "bucket_of(k.us) AS bucket, 1 AS checks, k.us FROM calls c JOIN checks k ON k.call = c.row WHERE TRUE"
)
"""Checks as rows of the table ``rules``, not added up."""

PEOPLE: Final = ("user", "key", "tenant")
"""What is summed by day."""

TOTALLED: Final = (*PEOPLE, "guard", "digest", "model", "outcome", "mode", "style", "rule")
"""What is summed over the whole log."""

_KEYS: Final = {
    "hours": ("hour", "guard", "digest", "model", "outcome"),
    "people": ("field", "day", "value"),
    "latencies": ("day", "guard", "digest", "model", "outcome", "bucket"),
    "rules": ("day", "guard", "digest", "rule", "side", "result", "action", "bucket"),
    "totals": ("field", "value"),
}
_ADDED: Final = {
    "hours": ("calls", "unpriced", "tokens_in", "tokens_out", "cost", "us"),
    "people": ("calls", "blocked", "unpriced", "tokens", "cost"),
    "latencies": ("calls",),
    "rules": ("checks", "us"),
    "totals": ("calls", "blocked", "unpriced", "tokens", "cost"),
}


def add_sums(db: Database, first_row: int) -> None:
    """Add the calls from *first_row* on to the sums."""
    new = f" AND c.row >= {first_row}"
    for table, source in (("hours", HOURLY), ("latencies", DAILY), ("rules", CHECKED)):
        db.execute(_addition(table, source + new))
    for field in PEOPLE:
        db.execute(_addition("people", valued(field, first_row) + new))
    for field in TOTALLED:
        db.execute(_addition("totals", valued(field, first_row) + new))


def _addition(table: str, source: str) -> str:
    keys, added = _KEYS[table], _ADDED[table]
    columns = ",".join(keys + added)
    summed = ",".join(f"sum({name})" for name in added)
    updates = ",".join(f"{name} = {table}.{name} + excluded.{name}" for name in added)
    return (
        f"INSERT INTO {table} ({columns}) SELECT {','.join(keys)},{summed} FROM ({source}) AS new WHERE TRUE "
        f"GROUP BY {','.join(keys)} ON CONFLICT ({','.join(keys)}) DO UPDATE SET {updates}"
    )


BUCKET_IN_SQL: Final = f"CASE WHEN us > 1 THEN CAST(round({BUCKETS} * ln(us) / ln(2)) AS BIGINT) ELSE 0 END"
"""`bucket`, for a database that cannot call it."""


def bucket(us: int) -> int:
    """The bucket that counts a duration."""
    return round(BUCKETS * math.log2(us)) if us > 1 else 0


def bucket_us(number: int) -> float:
    """The duration that bucket *number* stands for."""
    return float(2.0 ** (number / BUCKETS))


def define_functions(db: sqlite3.Connection) -> None:
    """Teach *db* what a bucket is."""
    db.create_function("bucket_of", 1, bucket, deterministic=True)
