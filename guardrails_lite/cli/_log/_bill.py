"""``guardrails-lite log spend --against``: what the log counted, held against a provider's bill."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from guardrails_lite._counts import counted
from guardrails_lite.cli._log._action import filter_of, index_of, names_of
from guardrails_lite.cli._parser import share
from guardrails_lite.cli._terminal import Bar, fail, print_json, print_table, safe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardrails_lite.audit import Bill, Difference, Entry, Reconciliation
    from guardrails_lite.audit.index import Filter, Index
    from guardrails_lite.audit.postgres import ShippedIndex

BILLED: Final = ("day", "model", "key", "project")
"""What a bill can be grouped by."""
_HEAD: Final = ("theirs USD", "ours USD", "difference", "share", "calls", "unpriced", "estimated", "cached")


def declare_bill(parser: argparse.ArgumentParser) -> None:
    """Declare the options about a bill."""
    group = parser.add_argument_group("a provider's bill")
    group.add_argument("--against", metavar="FILE", help="compare the log with this bill, a CSV file")
    group.add_argument(
        "--allow", type=share, metavar="SHARE", help="exit with 1 if they differ by more than this share"
    )
    group.add_argument(
        "--column",
        action="append",
        default=[],
        type=_pair,
        metavar="WHAT=NAME",
        help="which column holds the amount, day, model, key, project or currency; default: OpenAI's names",
    )
    group.add_argument(
        "--same",
        action="append",
        default=[],
        type=_pair,
        metavar="THEIRS=OURS",
        help="the log's name for a model, key or project of the bill; give a key as bound, or its pseudonym",
    )
    group.add_argument(
        "--encoding", help="the file's encoding; default: UTF-8, or as its byte order mark says"
    )
    group.add_argument("--decimal", choices=("point", "comma"), help="the file's decimal separator")


def _pair(told: str) -> tuple[str, str]:
    name, equals, value = told.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{told!r}: expected two names with = between them")
    return name, value


def is_about_a_bill(arguments: argparse.Namespace) -> bool:
    """Whether an option was given that only makes sense with a bill."""
    said = (arguments.column, arguments.same, arguments.encoding, arguments.decimal)
    return any(said) or arguments.allow is not None or arguments.by in ("day", "project")


def spend_against(arguments: argparse.Namespace) -> int:
    """Print the differences. Exits with 1 if one is larger than allowed."""
    from guardrails_lite.audit import read_bill, reconcile

    by: Any = arguments.by or "day"
    if by not in BILLED:
        return fail(f"a bill can be compared --by {', '.join(BILLED)}, but not by {by}", 2)
    try:
        bill = read_bill(
            arguments.against,
            by=by,
            columns=dict(arguments.column),
            encoding=arguments.encoding,
            decimal=arguments.decimal,
        )
    except OSError as error:
        return fail(f"{arguments.against}: cannot be read ({error.strerror or type(error).__name__})", 5)
    asked = _on_its_days(bill, filter_of(arguments))
    if asked is None:
        hint = "leave --since and --until out, or use a bill of fewer days"
        return fail(f"the bill covers {bill.first} to {bill.last}, UTC: {hint}", 2)
    with index_of(arguments) as index:
        totals = index.totals(asked)
        with Bar("calls counted") as bar:
            found = reconcile(bill, _counted(index, asked, totals.calls, bar), same=_same(arguments, by))
    over = found.over(arguments.allow) if arguments.allow is not None else []
    if arguments.json:
        told: dict[str, Any] = {"by": by, "columns": bill.columns, "rows": bill.rows, "empty": bill.empty}
        told |= {"first": bill.first, "last": bill.last, "unfinished": totals.unfinished, "lost": totals.lost}
        rows = [each.to_dict() for each in found.differences]
        print_json(
            {**told, "differences": rows, "total": found.total.to_dict(), "over": [o.name for o in over]}
        )
    else:
        _print(found, totals.unfinished, totals.lost, arguments.top)
        if over:
            print(f"over {arguments.allow:.2%}: {safe(', '.join(each.name or '-' for each in over))}")
    return 1 if over else 0


def _on_its_days(bill: Bill, asked: Filter) -> Filter | None:
    """The selected calls, limited to the bill's days; None if the selection leaves out some of those days."""
    if bill.first is None or bill.last is None:
        return asked
    begin, end = (
        int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 10**9
        for day in (bill.first, bill.last + timedelta(days=1))
    )
    if (asked.since or begin) > begin or (asked.until or end) < end:
        return None
    return replace(asked, since=begin, until=end)


def _counted(index: Index | ShippedIndex, asked: Filter, total: int, bar: Bar) -> Iterator[Entry]:
    finished = (call for call in index.calls(asked) if call.outcome != "unfinished")
    for done, entry in enumerate(index.entries(finished), 1):
        yield entry
        bar(done, total)


def _same(arguments: argparse.Namespace, by: str) -> dict[str, str]:
    shipped = arguments.db is not None
    if by != "key":
        return {ours: theirs for theirs, ours in arguments.same}
    return {
        name: theirs
        for theirs, ours in arguments.same
        for name in names_of(None if shipped else arguments.directory, "api_key", ours)
    }


def _print(found: Reconciliation, unfinished: int, lost: int, top: int) -> None:
    bill = found.bill
    shown = found.differences if bill.by == "day" else found.differences[:top]
    print_table((bill.by, *_HEAD), [_row(each) for each in (*shown, found.total)])
    if len(shown) < len(found.differences):
        print(f"and {len(found.differences) - len(shown)} more; --top N or --json shows them")
    print()
    taken = ", ".join(f"{what} from {column!r}" for what, column in bill.columns.items())
    print(safe(f"bill: {counted(bill.rows, 'row')} with an amount, {bill.empty} without; {taken}"))
    if unfinished or lost:
        print(f"without a record of what they cost: {unfinished} unfinished calls, {lost} lost")


def _row(each: Difference) -> tuple[Any, ...]:
    share = f"{each.share:.2%}" if math.isfinite(each.share) else "-"
    money = (f"{each.theirs_usd:.6f}", f"{each.ours_usd:.6f}", f"{each.difference_usd:+.6f}")
    counts = (each.unpriced or "-", each.estimated or "-", each.cached or "-")
    return (each.name or "-", *money, share, each.calls, *counts)
