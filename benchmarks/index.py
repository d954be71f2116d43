"""What asking the compliance log's index costs over a million calls."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guardrails_lite.audit import AuditLog
from guardrails_lite.audit._format import Entry
from guardrails_lite.audit.index import Filter, Index
from guardrails_lite.audit.index._rows import Batch, Place
from guardrails_lite.audit.index._sums import add_sums

if TYPE_CHECKING:
    from guardrails_lite.audit.postgres import ShippedIndex

CALLS = 1_000_000
PART = 50_000
EVERYTHING = Filter()
DAYS = 30
BEGIN_S = 1_764_000_000
_RULES = ("redact(pii())", "block(injection())", "block(secrets())")


def rows() -> list[tuple[str, float, str, float | None, bool]]:
    """Build an index of a million calls over a month, and ask it what lists and an overview ask."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "log"
        AuditLog(root).close()
        with Index(root) as index:
            index.update()
            built = fill(index) * CALLS / PART
            lists = {name: _median_ms(ask) for name, ask in questions(index).items()}
            slowest = max(lists, key=lambda name: lists[name])
            overview = _median_ms(lambda: _overview(index))
            week = Filter(since=(BEGIN_S + 20 * 86_400 + 77) * 10**9, until=(BEGIN_S + 27 * 86_400) * 10**9)
            of_a_week = _median_ms(lambda: _overview(index, week))
    return [
        _row("index: take in 1 M calls, two checks each", built, "s", None),
        _row(f"index: slowest list of {len(lists)} over 1 M calls ({slowest})", lists[slowest], "ms", 10),
        _row("index: overview over 1 M calls", overview, "ms", 300),
        _row("index: overview of a week that begins within an hour", of_a_week, "ms", None),
    ]


def _row(
    name: str, value: float, unit: str, bound: float | None
) -> tuple[str, float, str, float | None, bool]:
    return name, value, unit, bound, bound is None or value <= bound


def fill(index: Index) -> float:
    """Take in the first part call by call, and repeat it through the month; seconds for the first part."""
    chance, db = random.Random(7), index._db
    began = time.perf_counter()
    db.execute("BEGIN")
    batch = Batch(db, 1, 1)
    for number in range(PART):
        ident = f"{chance.getrandbits(128):032x}"
        batch.add(Entry("s", number, "call.completed", ident, 0, 0, payload(number, chance)), Place("s", 0))
    batch.write()
    db.execute("COMMIT")
    taken = time.perf_counter() - began
    columns = [row[1] for row in db.execute("PRAGMA table_info(calls)")]
    for copy in range(1, CALLS // PART):
        rows, ns = copy * PART, copy * DAYS * 86_400 * 10**9 // (CALLS // PART)
        moved = {"row": f"row + {rows}", "id": "lower(hex(randomblob(16)))", "at": f"at + {ns}"}
        selected = ",".join(moved.get(name, name) for name in columns)
        db.execute("BEGIN")
        db.execute(f"INSERT INTO calls SELECT {selected} FROM calls WHERE row <= {PART}")
        for table, key in (("checks", "call, step"), ("attempts", "call, step"), ("found", "rule, at, call")):
            names = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            moved = {"call": f"call + {rows}", "at": f"at + {ns}"}
            selected = ",".join(moved.get(name, name) for name in names)
            db.execute(
                f"INSERT INTO {table} SELECT {selected} FROM {table} WHERE call <= {PART} ORDER BY {key}"
            )
        add_sums(db, rows + 1)
        db.execute("COMMIT")
    return taken


def payload(number: int, chance: random.Random) -> dict[str, Any]:
    """A call: one in fifty is blocked, most users are rare, five models, three guards."""
    blocked = chance.random() < 0.02
    checks: list[dict[str, Any]] = [
        {"rule": rule, "side": "input", "result": "passed", "duration_us": 20 + 80 * chance.random()}
        for rule in chance.sample(_RULES, 2)
    ]
    if blocked:
        checks[0] |= {"result": "found", "action": "block"}
    return {
        "guard": chance.choice(("desk", "sales", "code")),
        "digest": "d" * 64,
        "mode": "enforce",
        "style": "sync",
        "model": f"m-{min(4, int(chance.expovariate(1)))}",
        "started": BEGIN_S + number * DAYS * 86_400 / CALLS,
        "duration_us": chance.lognormvariate(13.5, 0.6),
        "outcome": "blocked" if blocked else chance.choices(("passed", "repaired", "refused"), (95, 4, 1))[0],
        "checks": checks,
        "attempts": [{"target": "primary", "number": 1, "result": "answered", "duration_us": 9.0}],
        "usage": {"prompt_tokens": 300, "completion_tokens": 80, "total_tokens": 380},
        "cost_usd": chance.random() / 100,
        "input_chars": 900,
        "output_chars": 300,
        "who": {
            "user": f"p1:{int(10_000 * chance.random() ** 2):032x}",
            "api_key": f"k{chance.randrange(40)}",
        },
    }


def questions(index: Index | ShippedIndex) -> dict[str, Callable[[], object]]:
    """What lists and look-ups ask, by name."""
    middle = index.page(limit=1).calls[0].at - 12 * 86_400 * 10**9
    some = next(iter(index.page(Filter(until=middle), limit=1).calls))
    rule = _RULES[1]
    asked = {
        "the newest": Filter(),
        "blocked": Filter(outcome="blocked"),
        "blocked, one guard and model": Filter(outcome="blocked", guard="desk", model="m-2"),
        "two outcomes": Filter(outcome=("blocked", "refused")),
        "one guard": Filter(guard="desk"),
        "a rare model": Filter(model="m-4"),
        "a user": Filter(user=some.user),
        "a user's blocked calls": Filter(user=some.user, outcome="blocked"),
        "a key": Filter(key="k7"),
        "a rule's findings": Filter(rule=rule),
        "a rule's findings for a key": Filter(rule=rule, key="k7"),
        "up to the middle": Filter(until=middle),
        "an id": Filter(text=some.id[:12]),
        "nobody": Filter(user="p1:nobody"),
    }
    lists: dict[str, Callable[[], object]] = {name: partial(index.page, each) for name, each in asked.items()}
    deep = f"{middle}.0"
    lists["a page in the middle"] = lambda: index.page(after=deep)
    lists["look-up of an id"] = lambda: index.find(some.id)
    return lists


def _overview(index: Index, asked: Filter = EVERYTHING) -> None:
    """All that an overview page shows."""
    index.totals(asked)
    index.volume(asked, step_h=6)
    for by in ("user", "key", "model"):
        index.spend(by, asked, limit=10)
    index.latency(asked)
    index.rules(asked)


def _median_ms(ask: Callable[[], object]) -> float:
    taken = []
    for _ in range(5):
        began = time.perf_counter_ns()
        ask()
        taken.append(time.perf_counter_ns() - began)
    return statistics.median(taken) / 1e6
