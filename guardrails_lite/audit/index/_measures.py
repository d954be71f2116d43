"""Sums over calls: volume, money, latency, rules. From the sums kept in advance where those can answer.

A *source* is a subquery with one row for each bucket or call. For a filter that the sums can answer it takes
whole buckets from a table of sums and the ends of the range from ``calls``; for any other it takes the calls.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit.index._database import Database
from guardrails_lite.audit.index._filter import Condition, Filter, conditions, joined
from guardrails_lite.audit.index._rows import whole
from guardrails_lite.audit.index._schema import BLOCKED, DAY_NS, HOUR_NS, UNFINISHED
from guardrails_lite.audit.index._sums import CHECKED, DAILY, HOURLY, IS_BLOCKED, PEOPLE, bucket_us, valued

By = Literal["key", "user", "tenant", "model", "guard", "digest", "outcome"]

_EXACT: Final = 20_000
"""Up to so many calls a percentile is read from the calls themselves."""

_CANDIDATES: Final = 200
"""So many of the dearest of all time are looked at before everybody is."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over finished calls, but for `unfinished` and `lost`."""

    calls: int
    blocked: int
    """Ended as ``blocked`` or ``tool denied``."""
    tokens_in: int
    tokens_out: int
    cost_usd: float
    unpriced: int
    """Calls whose cost is unknown, and so not in `cost_usd`."""
    unfinished: int
    """Calls with an intent and no record: they run, or their process died."""
    lost: int
    """Records that gaps of the log report as lost."""
    first: int
    """When the earliest call started, nanoseconds since the epoch; 0: there is none."""
    last: int
    outcomes: dict[str, int]
    """Most frequent first."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A step of time."""

    at: int
    """Its beginning, nanoseconds since the epoch."""
    calls: int
    blocked: int
    tokens: int
    cost_usd: float


@dataclass(frozen=True, slots=True)
class Spend:
    """What a user, a key, a model, … did and cost."""

    value: str
    calls: int
    blocked: int
    tokens: int
    cost_usd: float
    unpriced: int
    """Calls whose cost is unknown, and so not in `cost_usd`."""


@dataclass(frozen=True, slots=True)
class Latency:
    """How long calls took, in microseconds; None: there are none.

    Exact up to 20,000 calls; beyond, each is within 2.2 %.
    """

    calls: int
    p50_us: int | None
    p95_us: int | None
    p99_us: int | None
    max_us: int | None


@dataclass(frozen=True, slots=True)
class RuleUse:
    """What a rule did on one side."""

    rule: str
    side: str
    checks: int
    found: int
    broken: int
    """Broken or timed out."""
    not_run: int
    """Not run or skipped: an earlier rule had decided, or the call was outside its share."""
    blocked: int
    """How often it stopped a call."""
    opened: int
    """How often it broke and was let pass."""
    mean_us: float
    """Over the checks that ran."""
    p95_us: float | None
    """Within 2.2 %."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a guard did while it had one digest. Times are those of whole hours."""

    guard: str
    digest: str
    first: int
    """The hour of its first call, nanoseconds since the epoch."""
    last: int
    calls: int
    blocked: int
    cost_usd: float


def totals(db: Database, asked: Filter) -> Totals:
    """Everything in one row."""
    source, parameters = _by_hour(asked)
    sql = (
        "SELECT outcome, sum(calls), sum(tokens_in), sum(tokens_out), sum(cost), sum(unpriced) "
        f"FROM ({source}) AS s GROUP BY outcome ORDER BY 2 DESC, outcome"
    )
    rows = db.execute(sql, parameters).fetchall()
    where, held = joined(conditions(asked))
    (unfinished,) = db.execute(
        f"SELECT count(*) FROM calls c WHERE c.outcome = '{UNFINISHED}' AND {where}", held
    ).fetchone()
    first, last = (_edge(db, asked, way) for way in ("ASC", "DESC"))
    return Totals(
        calls=sum(row[1] for row in rows),
        blocked=sum(row[1] for row in rows if row[0] in BLOCKED),
        tokens_in=sum(row[2] for row in rows),
        tokens_out=sum(row[3] for row in rows),
        cost_usd=round(sum(row[4] for row in rows), 9),
        unpriced=sum(row[5] for row in rows),
        unfinished=unfinished,
        lost=_lost(db, asked),
        first=first,
        last=last,
        outcomes={row[0]: row[1] for row in rows},
    )


def volume(db: Database, asked: Filter, *, step_h: int) -> list[Volume]:
    """Calls in steps of *step_h* hours, oldest first; steps without a call are left out."""
    if step_h < 1:
        raise ConfigError(f"step_h={step_h!r} must be a whole number of hours, at least 1")
    source, parameters = _by_hour(asked)
    sql = (
        f"SELECT hour / ? AS step, sum(calls), sum(calls * {IS_BLOCKED}), "
        f"sum(tokens_in + tokens_out), sum(cost) FROM ({source}) AS s GROUP BY step ORDER BY step"
    )
    return [Volume(row[0] * step_h * HOUR_NS, *row[1:]) for row in db.execute(sql, [step_h, *parameters])]


def spend(db: Database, asked: Filter, *, by: By, limit: int) -> list[Spend]:
    """The *limit* dearest values of *by*."""
    if by in ("guard", "digest", "model", "outcome"):
        source, parameters = _by_hour(asked)
        source = (
            f"SELECT {by} AS value, calls, calls * {IS_BLOCKED} AS blocked, "
            f"tokens_in + tokens_out AS tokens, cost, unpriced FROM ({source}) AS s"
        )
    elif by in PEOPLE:
        if not asked.used:
            sql = (
                "SELECT value, calls, blocked, tokens, cost, unpriced FROM totals WHERE field = ? "
                "ORDER BY cost DESC, calls DESC LIMIT ?"
            )
            return [Spend(*row) for row in db.execute(sql, [by, limit])]
        if asked.used == {"since"} and (among := _of_the_dearest(db, asked, by, limit)) is not None:
            return among
        source, parameters = _by_person(asked, by)
    else:
        raise ConfigError(f"no spend by {by!r}; there are key, user, tenant, model, guard, digest, outcome")
    sql = (
        "SELECT value, sum(calls), sum(blocked), sum(tokens), sum(cost), sum(unpriced) "
        f"FROM ({source}) AS s GROUP BY value ORDER BY 5 DESC, 2 DESC, value LIMIT ?"
    )
    return [Spend(*row) for row in db.execute(sql, [*parameters, limit])]


def _of_the_dearest(db: Database, asked: Filter, by: str, limit: int) -> list[Spend] | None:
    """The dearest since a day began, found among the dearest of all time; None where others may be dearer.

    Nobody costs more in a range than over all time. So once the last of those found costs more than all that
    anybody else ever did, the days of everybody else need not be added up.
    """
    since = asked.since or 0
    (last,) = db.execute("SELECT max(day) FROM people WHERE field = ?", [by]).fetchone()
    if since % DAY_NS or limit > _CANDIDATES or last is None or last - since // DAY_NS > 400:
        return None
    ordered = "FROM totals WHERE field = ? ORDER BY cost DESC, calls DESC LIMIT"
    sql = (
        "WITH RECURSIVE days (day) AS "
        "(SELECT CAST(? AS BIGINT) UNION ALL SELECT day + 1 FROM days WHERE day < ?), "
        f"top AS (SELECT value {ordered} ?) SELECT p.value, sum(p.calls), sum(p.blocked), sum(p.tokens), "
        "sum(p.cost), sum(p.unpriced) FROM top CROSS JOIN days CROSS JOIN people p "
        "WHERE p.field = ? AND p.day = days.day AND p.value = top.value "
        "GROUP BY p.value ORDER BY 5 DESC, 2 DESC, p.value LIMIT ?"
    )
    rows = db.execute(sql, [since // DAY_NS, last, by, _CANDIDATES, by, limit]).fetchall()
    next_one = db.execute(f"SELECT cost {ordered} 1 OFFSET ?", [by, _CANDIDATES]).fetchone()
    if next_one is not None and (len(rows) < limit or rows[-1][4] <= next_one[0] + 1e-9):
        return None
    return [Spend(*row) for row in rows]


def latency(db: Database, asked: Filter) -> Latency:
    """Percentiles by nearest rank."""
    counts = _buckets(db, asked) if asked.is_summed else None
    calls = sum(count for _, count in counts) if counts is not None else _count(db, asked)
    if calls <= _EXACT:
        where, held = joined(conditions(asked, plus=""))
        sql = f"SELECT c.us FROM calls c WHERE c.outcome <> '{UNFINISHED}' AND {where} ORDER BY c.us"
        exact = [row[0] for row in db.execute(sql, held)]
        return Latency(len(exact), *(_rank(exact, share) for share in (50, 95, 99, 100)))
    counts = counts if counts is not None else _buckets(db, asked)
    return Latency(calls, *(round(_percentile(counts, share) or 0) for share in (50, 95, 99, 100)))


def rule_use(db: Database, asked: Filter) -> list[RuleUse]:
    """What each rule did, in the order of their names."""
    if asked.used <= {"guard", "digest", "since", "until"}:
        source, parameters = _mixed(asked, "SELECT * FROM rules c WHERE TRUE", CHECKED, "day", DAY_NS)
    else:
        where, parameters = joined(conditions(asked, plus=""))
        source = f"{CHECKED} AND {where}"
    sql = (
        "SELECT rule, side, result, action, bucket, sum(checks), sum(us) "
        f"FROM ({source}) AS s GROUP BY rule, side, result, action, bucket"
    )
    grouped: dict[tuple[str, str], list[tuple[str, str, int, int, int]]] = {}
    for rule, side, *rest in db.execute(sql, parameters):
        grouped.setdefault((rule, side), []).append((rest[0], rest[1], rest[2], rest[3], rest[4]))
    return [_rule_use(rule, side, rows) for (rule, side), rows in sorted(grouped.items())]


def policies(db: Database, *, limit: int) -> list[Policy]:
    """The *limit* policies that were in force last, newest first."""
    sql = (
        f"SELECT guard, digest, min(hour) * {HOUR_NS}, max(hour) * {HOUR_NS}, sum(calls), "
        f"sum(calls * {IS_BLOCKED}), sum(cost) FROM hours GROUP BY guard, digest "
        "ORDER BY max(hour) DESC, min(hour) DESC, guard, digest LIMIT ?"
    )
    return [Policy(*row) for row in db.execute(sql, [limit])]


def _rule_use(rule: str, side: str, rows: list[tuple[str, str, int, int, int]]) -> RuleUse:
    ran = [row for row in rows if row[0] not in ("not run", "skipped")]
    checks = sum(row[3] for row in ran)
    buckets: Counter[int] = Counter()
    for row in ran:
        buckets[row[2]] += row[3]
    return RuleUse(
        rule,
        side,
        checks=sum(row[3] for row in rows),
        found=sum(row[3] for row in rows if row[0] == "found"),
        broken=sum(row[3] for row in rows if row[0] in ("broken", "timed out")),
        not_run=sum(row[3] for row in rows) - checks,
        blocked=sum(row[3] for row in rows if row[1] == "block"),
        opened=sum(row[3] for row in rows if row[1] == "open"),
        mean_us=sum(row[4] for row in ran) / checks if checks else 0.0,
        p95_us=_percentile(sorted(buckets.items()), 95),
    )


def _by_hour(asked: Filter) -> Condition:
    """Rows of ``hour, guard, digest, model, outcome, calls, unpriced, tokens_in, tokens_out, cost, us``."""
    return _mixed(asked, "SELECT * FROM hours c WHERE TRUE", HOURLY, "hour", HOUR_NS)


def _by_person(asked: Filter, by: str) -> Condition:
    """Rows of ``field, day, value, calls, blocked, unpriced, tokens, cost``."""
    if asked.used <= {"since", "until"}:
        of_days = f"SELECT * FROM people c WHERE c.field = '{by}'"
        return _mixed(asked, of_days, valued(by), "day", DAY_NS)
    where, parameters = joined(conditions(asked, plus=""))
    return f"{valued(by)} AND {where}", parameters


def _count(db: Database, asked: Filter) -> int:
    where, parameters = joined(conditions(asked, plus=""))
    sql = f"SELECT count(*) FROM calls c WHERE c.outcome <> '{UNFINISHED}' AND {where}"
    return int(db.execute(sql, parameters).fetchone()[0])


def _buckets(db: Database, asked: Filter) -> list[tuple[int, int]]:
    """How many calls each bucket of latency has."""
    source, parameters = _mixed(asked, "SELECT * FROM latencies c WHERE TRUE", DAILY, "day", DAY_NS)
    sql = f"SELECT bucket, sum(calls) FROM ({source}) AS s GROUP BY bucket ORDER BY bucket"
    return db.execute(sql, parameters).fetchall()


def _mixed(asked: Filter, of_sums: str, of_calls: str, unit: str, unit_ns: int) -> Condition:
    """Whole buckets from *of_sums* and the ends of the range from *of_calls*; or all from *of_calls*."""
    if not asked.is_summed:
        where, parameters = joined(conditions(asked, plus=""))
        return f"{of_calls} AND {where}", parameters
    plain = [part for part in conditions(asked, plus="") if not part[0].startswith("c.at")]
    where, parameters = joined(plain)
    begin = -(-asked.since // unit_ns) if asked.since is not None else 0
    end = asked.until // unit_ns if asked.until is not None else 2**40
    parts: list[Condition] = []
    if begin < end:
        parts.append((f"{of_sums} AND c.{unit} >= ? AND c.{unit} < ? AND {where}", [begin, end, *parameters]))
    for first, last in _ends(asked, begin, end, unit_ns):
        parts.append((f"{of_calls} AND c.at >= ? AND c.at < ? AND {where}", [first, last, *parameters]))
    if not parts:
        parts.append((f"{of_calls} AND FALSE", []))
    return " UNION ALL ".join(sql for sql, _ in parts), [value for _, held in parts for value in held]


def _ends(asked: Filter, begin: int, end: int, unit_ns: int) -> Iterator[tuple[int, int]]:
    """The parts of the range that are no whole buckets."""
    since, until = asked.since, asked.until
    if begin >= end and since is not None and until is not None:
        yield since, until
        return
    if since is not None and since < begin * unit_ns:
        yield since, begin * unit_ns
    if until is not None and until > end * unit_ns:
        yield end * unit_ns, until


def _edge(db: Database, asked: Filter, way: str) -> int:
    where, parameters = joined(conditions(asked, plus="+" if asked.is_summed else ""))
    row = db.execute(
        f"SELECT c.at FROM calls c WHERE {where} ORDER BY c.at {way} LIMIT 1", parameters
    ).fetchone()
    return int(row[0]) if row is not None else 0


def _lost(db: Database, asked: Filter) -> int:
    if not asked.used <= {"since", "until"}:
        return 0
    sql = "SELECT data FROM events WHERE type = 'gap' AND at >= ? AND at < ?"
    gaps = db.execute(sql, [asked.since or 0, 2**63 - 1 if asked.until is None else asked.until])
    return sum(max(0, whole(json.loads(data).get("lost"))) for (data,) in gaps)


def _rank(ordered: list[int], share: int) -> int | None:
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)] if ordered else None


def _percentile(counts: Iterable[tuple[int, int]], share: int) -> float | None:
    """The duration below which *share* percent of what *counts* holds lie."""
    held = list(counts)
    wanted = -(-sum(count for _, count in held) * share // 100)
    for number, count in held:
        wanted -= count
        if wanted <= 0:
            return bucket_us(number)
    return None
