"""Counts: calls and outcomes, money, milliseconds, what each rule did."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from typing import Any

from guardrails_lite._counts import counted
from guardrails_lite.cli._log._action import Action, declare_filters, filter_of, index_of, no_calls
from guardrails_lite.cli._log._bill import BILLED, declare_bill, is_about_a_bill, spend_against
from guardrails_lite.cli._log._calls import shown_time
from guardrails_lite.cli._log._policies import list_policies
from guardrails_lite.cli._parser import whole
from guardrails_lite.cli._terminal import fail, print_json, print_table, safe

_BY = ("key", "user", "tenant", "model", "guard", "digest", "outcome")


def _stats(arguments: argparse.Namespace) -> int:
    asked = filter_of(arguments)
    with index_of(arguments) as index:
        totals, latency = index.totals(asked), index.latency(asked)
        models = index.spend("model", asked)
        rules = index.rules(asked)
    if arguments.json:
        told = {**asdict(totals), "latency": asdict(latency)}
        print_json({**told, "models": [*map(asdict, models)], "rules": [*map(asdict, rules)]})
        return 0
    if not (totals.calls or totals.unfinished or totals.lost):
        print(no_calls(asked))
        return 0
    share = f" ({totals.blocked / totals.calls:.1%})" if totals.calls else ""
    print(f"calls:      {totals.calls}, of which {totals.blocked} blocked{share}")
    print(f"from:       {shown_time(totals.first)} to {shown_time(totals.last)}")
    for outcome, calls in totals.outcomes.items():
        print(f"  {safe(outcome)}: {calls}")
    print(f"unfinished: {totals.unfinished}")
    print(f"lost:       {totals.lost}")
    print(f"tokens:     {totals.tokens_in} in, {totals.tokens_out} out")
    print(f"cost:       {totals.cost_usd:.6f} USD, and {counted(totals.unpriced, 'call')} of unknown price")
    percentiles = (latency.p50_us, latency.p95_us, latency.p99_us)
    print(f"ms:         p50 {_ms(percentiles[0])}, p95 {_ms(percentiles[1])}, p99 {_ms(percentiles[2])}")
    return 0


def _declare_spend(parser: argparse.ArgumentParser) -> None:
    declare_filters(parser)
    parser.add_argument(
        "--by",
        choices=(*_BY, *(each for each in BILLED if each not in _BY)),
        help="what to group by; default: key. With --against: day (the default), model, key, project",
    )
    parser.add_argument(
        "--top", type=whole(1), default=20, metavar="N", help="the N most expensive; default: 20"
    )
    declare_bill(parser)


def _spend(arguments: argparse.Namespace) -> int:
    if arguments.against is not None:
        return spend_against(arguments)
    if is_about_a_bill(arguments):
        return fail(
            "--allow, --column, --same, --encoding, --decimal and --by day or project go with --against", 2
        )
    asked = filter_of(arguments)
    by: Any = arguments.by or "key"
    with index_of(arguments) as index:
        spends = index.spend(by, asked, limit=max(1, arguments.top))
    if arguments.json:
        print_json([asdict(spend) for spend in spends])
        return 0
    head = (by, "calls", "blocked", "tokens", "USD", "unpriced")
    print_table(
        head,
        [
            (s.value or "-", s.calls, s.blocked, s.tokens, f"{s.cost_usd:.6f}", s.unpriced or "-")
            for s in spends
        ],
        empty=no_calls(asked),
    )
    return 0


def _declare_latency(parser: argparse.ArgumentParser) -> None:
    declare_filters(parser)
    parser.add_argument("--by", choices=("model", "guard", "outcome"), help="what to group by")


def _latency(arguments: argparse.Namespace) -> int:
    asked = filter_of(arguments)
    with index_of(arguments) as index:
        found = {"all": index.latency(asked)}
        for facet in index.facets(arguments.by, asked) if arguments.by else ():
            chosen = asked.values(arguments.by)
            if not chosen or facet.value in chosen:
                part: Any = {arguments.by: facet.value}
                found[facet.value or "-"] = index.latency(replace(asked, **part))
    if arguments.json:
        print_json({name: asdict(latency) for name, latency in found.items()})
        return 0
    if not found["all"].calls:
        print(no_calls(asked).replace("calls", "finished calls"))
        return 0
    print_table(
        (arguments.by or "", "calls", "p50 ms", "p95 ms", "p99 ms", "max ms"),
        [
            (name, each.calls, *map(_ms, (each.p50_us, each.p95_us, each.p99_us, each.max_us)))
            for name, each in found.items()
        ],
    )
    return 0


def _declare_rules(parser: argparse.ArgumentParser) -> None:
    declare_filters(parser)
    parser.add_argument(
        "--policies", action="store_true", help="show which policies were in force, and when, instead"
    )


def _rules(arguments: argparse.Namespace) -> int:
    if arguments.policies:
        return list_policies(arguments)
    asked = filter_of(arguments)
    with index_of(arguments) as index:
        rules = index.rules(asked)
        calls = index.totals(asked).calls
    if arguments.json:
        print_json([asdict(rule) for rule in rules])
        return 0
    print_table(
        ("rule", "side", "checks", "found", "blocked", "broken", "let pass", "not run", "mean µs", "p95 µs"),
        [
            (
                rule.rule,
                rule.side,
                rule.checks,
                rule.found,
                rule.blocked,
                rule.broken,
                rule.opened,
                rule.not_run,
                f"{rule.mean_us:.0f}",
                "-" if rule.p95_us is None else f"{rule.p95_us:.0f}",
            )
            for rule in rules
        ],
        empty="no rule checked these calls" if calls else no_calls(asked),
    )
    return 0


def _ms(us: int | None) -> str:
    return "-" if us is None else f"{us / 1000:.1f}"


ACTIONS = (
    Action(
        "stats",
        "count calls and outcomes, and total their tokens, cost and time",
        "audit --since 7d",
        _stats,
        declare_filters,
        on="a log or a database",
    ),
    Action(
        "spend",
        "show who or what costs how much",
        "audit --by model --since 7d",
        _spend,
        _declare_spend,
        on="a log or a database",
    ),
    Action(
        "latency",
        "show how long calls took",
        "audit --by model",
        _latency,
        _declare_latency,
        on="a log or a database",
    ),
    Action(
        "rules",
        "show what each rule found, and how long it took",
        "audit --since 7d",
        _rules,
        _declare_rules,
        on="a log or a database",
    ),
)
