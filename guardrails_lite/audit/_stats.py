"""Counting a log: calls, outcomes, tokens, money, milliseconds, rules. One pass, no index."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from guardrails_lite.audit._read import read


def stats(directory: str | os.PathLike[str]) -> dict[str, Any]:
    """Totals over the log in *directory*, as plain values.

    Returns:
        ``calls``, ``outcomes``, ``unfinished`` (intents without a completion: a crash, or still
        running), ``lost`` (records that gaps report), ``tokens``, ``cost_usd``, ``latency_us``
        (p50, p95, p99), ``models``, ``guards``, and ``rules``: for each rule how often it passed, found,
        broke and did not run.

    Raises:
        ConfigError: *directory* is not a compliance log.
    """
    outcomes: Counter[str] = Counter()
    models: defaultdict[str, Counter[str]] = defaultdict(Counter)
    guards: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    rules: defaultdict[str, Counter[str]] = defaultdict(Counter)
    durations: list[int] = []
    started: set[str] = set()
    cost = 0.0
    lost = 0
    first = last = 0
    for entry in read(directory, kind=None):
        data = entry.data
        if entry.type == "call.intent":
            started.add(entry.id)
        elif entry.type == "gap":
            lost += _number(data.get("lost"))
        if entry.type != "call.completed":
            continue
        started.discard(entry.id)
        first, last = first or entry.time_ns, entry.time_ns
        outcomes[str(data.get("outcome"))] += 1
        guards[str(data.get("guard"))] += 1
        duration = data.get("duration_us")
        if isinstance(duration, int | float):
            durations.append(int(duration))
        spent = data.get("cost_usd")
        cost += spent if isinstance(spent, int | float) else 0.0
        usage = _mapping(data.get("usage"))
        for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
            tokens[name] += _number(usage.get(name))
        model = models[str(data.get("model"))]
        model["calls"] += 1
        model["total_tokens"] += _number(usage.get("total_tokens"))
        for check in checks_of(data):
            rule = rules[str(check.get("rule"))]
            rule[str(check.get("result"))] += 1
            rule["duration_us"] += _number(check.get("duration_us"))
    return {
        "calls": outcomes.total(),
        "outcomes": dict(outcomes.most_common()),
        "unfinished": len(started),
        "lost": lost,
        "tokens": dict(tokens),
        "cost_usd": round(cost, 9),
        "latency_us": percentiles(durations),
        "models": {name: dict(found) for name, found in models.items()},
        "guards": dict(guards.most_common()),
        "rules": {name: dict(found) for name, found in sorted(rules.items())},
        "first_ns": first,
        "last_ns": last,
    }


def percentiles(values: Iterable[int]) -> dict[str, int | None]:
    """The 50th, 95th and 99th percentile of *values* (nearest rank); None where there are none."""
    ordered = sorted(values)
    return {f"p{share}": _rank(ordered, share) for share in (50, 95, 99)}


def checks_of(data: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The checks in the payload of a completed call, whatever its shape."""
    found = data.get("checks")
    return [check for check in found if isinstance(check, Mapping)] if isinstance(found, list) else []


def _rank(ordered: Sequence[int], share: int) -> int | None:
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)] if ordered else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0
