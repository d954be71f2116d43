"""Calls: listed, shown one by one, followed as they come."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from guardrails_lite.cli._log._action import Action, Misuse, declare_filters, filter_of, index_of, no_calls
from guardrails_lite.cli._log._policies import POLICY, show_policy
from guardrails_lite.cli._parser import whole
from guardrails_lite.cli._terminal import fail, print_json, print_json_line, print_table, safe

if TYPE_CHECKING:
    from guardrails_lite.audit.index import Call, Event, Index
    from guardrails_lite.audit.postgres import ShippedIndex

_HEAD = ("time", "id", "guard", "model", "outcome", "sends", "tokens", "ms", "found")
_POLL_S = 0.5


def _declare_ls(parser: argparse.ArgumentParser) -> None:
    declare_filters(parser)
    many = parser.add_mutually_exclusive_group()
    many.add_argument(
        "--last", type=whole(1), default=50, metavar="N", help="the newest N calls; default: 50"
    )
    many.add_argument("--all", action="store_true", help="all calls")


def _ls(arguments: argparse.Namespace) -> int:
    asked = filter_of(arguments)
    with index_of(arguments) as index:
        newest = index.calls(asked)
        calls = list(newest if arguments.all else islice(newest, arguments.last))[::-1]
        more = not arguments.all and next(newest, None) is not None
    print_calls(calls, as_json=arguments.json, empty=no_calls(asked))
    if more and not arguments.json:
        print(f"these are the newest {len(calls)}; --last N or --all shows more")
    return 0


def print_calls(calls: Sequence[Call], *, as_json: bool, empty: str = "no calls") -> None:
    """Print calls as a table or as JSON; if there are none, print *empty* instead of a table."""
    if as_json:
        print_json([call.to_dict() for call in calls])
    else:
        print_table(_HEAD, map(_row, calls), empty=empty)


def _row(call: Call) -> tuple[object, ...]:
    return (
        shown_time(call.at),
        call.id[:12],
        call.guard or "-",
        call.model or "-",
        call.outcome,
        call.attempts,
        call.tokens or "-",
        f"{call.us / 1000:.1f}",
        call.found or "-",
    )


def shown_time(ns: int) -> str:
    """A time in UTC, as tables show it."""
    return datetime.fromtimestamp(ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S") if ns else "-"


def _declare_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "id",
        metavar="ID",
        help="the call's id, or the beginning of it; policy:DIGEST shows what a policy says",
    )
    parser.add_argument(
        "--against",
        metavar="DIGEST",
        help="with policy:DIGEST: only the settings that differ from this other policy",
    )


def _show(arguments: argparse.Namespace) -> int:
    if arguments.id.startswith(POLICY):
        return show_policy(arguments)
    if arguments.against is not None:
        raise Misuse("--against goes with a policy: log show DIR policy:DIGEST --against DIGEST")
    with index_of(arguments) as index:
        call = the_call(index, arguments.id)
        record = dict(index.entry(call).data)
        events = index.events(call=call.id, order="oldest", limit=1000)
    if arguments.json:
        print_json({**record, "outcome": call.outcome, "events": [event.to_dict() for event in events]})
        return 0
    _print_record(call, record)
    _print_events(events)
    return 0


def the_call(index: Index | ShippedIndex, beginning: str) -> Call:
    """The one call whose id begins with *beginning*.

    Raises:
        LookupError: there is none, or there are several.
    """
    found = index.find(beginning)
    if len(found) != 1:
        raise LookupError(f"{'several calls begin' if found else 'no call begins'} with {beginning!r}")
    return found[0]


def _print_record(call: Call, record: Mapping[str, Any]) -> None:
    for name in ("id", "guard", "digest", "mode", "style", "model", "outcome", "error", "cost_usd"):
        value = call.outcome if name == "outcome" else record.get(name)
        print(f"{name + ':':10}{safe(value if value is not None else '-')}")
    print(f"{'started:':10}{shown_time(call.at)}   took {call.us / 1000:.1f} ms")
    print(f"{'where:':10}{safe(call.stream)} record {call.n}")
    who = record.get("who")
    if isinstance(who, Mapping) and who:
        print(f"{'who:':10}{safe(', '.join(f'{key} {value}' for key, value in who.items()))}")
    checks = ("rule", "side", "attempt", "result", "action", "us")
    _print_steps("checks", checks, record.get("checks"), "duration_us")
    attempts = ("target", "model", "number", "result", "status", "us")
    _print_steps("attempts", attempts, record.get("attempts"), "duration_us")
    _print_steps("tools", ("name", "attempt", "verdict", "repaired"), record.get("tools"))
    _print_steps("notes", ("what", "detail", "attempt"), record.get("notes"))


def _print_steps(title: str, head: tuple[str, ...], steps: Any, last: str | None = None) -> None:
    rows = [step for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []
    if not rows:
        return
    names = (*head[:-1], last) if last else head
    print(f"\n{title}")
    print_table(head, [["-" if step.get(name) is None else step[name] for name in names] for step in rows])


def _print_events(events: Iterable[Event]) -> None:
    rows = [(shown_time(event.at), event.type, event.id[:12], _told(event.data)) for event in events]
    if rows:
        print("\nabout this call")
        print_table(("time", "type", "id", "says"), rows)


def _told(data: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in data.items() if name != "call")


def _declare_tail(parser: argparse.ArgumentParser) -> None:
    declare_filters(parser)
    parser.add_argument(
        "--last", type=whole(0), default=10, metavar="N", help="begin with the newest N calls; default: 10"
    )
    parser.add_argument("--once", action="store_true", help="print the newest calls and stop")


def _tail(arguments: argparse.Namespace) -> int:
    asked = filter_of(arguments)
    with contextlib.suppress(KeyboardInterrupt), index_of(arguments) as index:
        seen = index.last_row
        newest = list(islice(index.calls(asked), arguments.last))[::-1]
        for call in newest:
            _print_call(call, arguments.json)
        if arguments.once and arguments.last and not newest and not arguments.json:
            print(no_calls(asked))
        while not arguments.once:
            time.sleep(_POLL_S)
            index.update()
            if index.last_row < seen:
                return fail("the log has lost entries: it was put back, replaced, or cut by retention", 3)
            for call in index.taken_in(seen, asked):
                if call.outcome != "unfinished":
                    _print_call(call, arguments.json)
            seen = index.last_row
    return 0


def _print_call(call: Call, as_json: bool) -> None:
    if as_json:
        print_json_line(call.to_dict())
    else:
        print("  ".join(safe(cell) for cell in _row(call)), flush=True)


ACTIONS = (
    Action(
        "ls",
        "list calls, newest last",
        "audit --outcome blocked --since 2h",
        _ls,
        _declare_ls,
        on="a log or a database",
    ),
    Action(
        "show",
        "show one call with every step, or what a policy says",
        "audit 8f3c21",
        _show,
        _declare_show,
        on="a log or a database",
    ),
    Action(
        "tail", "print calls as they end", "audit --last 5", _tail, _declare_tail, on="a log or a database"
    ),
)
