"""``guardrails-lite log expire``: remove old entries, so that the rest still verifies."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from guardrails_lite._counts import counted
from guardrails_lite.cli._log._action import Action, declare_keys, tell_of_spill, writing
from guardrails_lite.cli._log._calls import shown_time
from guardrails_lite.cli._parser import amount
from guardrails_lite.cli._terminal import Bar, fail, print_json, print_table

if TYPE_CHECKING:
    from guardrails_lite.audit import Expired, Problem


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keep-days",
        metavar="N",
        type=amount("days"),
        required=True,
        help="keep entries that are younger; the EU AI Act requires six months, PCI DSS one year, HIPAA six",
    )
    parser.add_argument(
        "--by", metavar="WHO", help="who removes them, a person or a job; required with --yes"
    )
    parser.add_argument(
        "--yes", action="store_true", help="do it; without --yes, only say what would be done"
    )
    declare_keys(parser)


def _run(arguments: argparse.Namespace) -> int:
    """Remove old segments. Exits with 1 if there are any and ``--yes`` is missing, 2 if damage keeps some."""
    from guardrails_lite.audit import expirable, expire

    if arguments.yes and not arguments.by:
        return fail("--yes needs --by WHO: the log records who removes entries", 2)
    damage: list[Problem] = []
    try:
        with writing(arguments) as log, Bar("segments looked at") as bar:
            how: Any = {"keep_days": arguments.keep_days, "on_damage": damage.append, "on_progress": bar}
            gone = expire(log, by=arguments.by, **how) if arguments.yes else expirable(log, **how)
    except OSError as error:
        why = error.strerror or type(error).__name__
        return fail(
            f"{error.filename or arguments.directory}: cannot be read or removed ({why}); "
            "the next run removes what was already recorded as removed",
            5,
        )
    if arguments.json:
        told = {"expired" if arguments.yes else "expirable": [asdict(each) for each in gone]}
        print_json({**told, "damaged": [asdict(problem) for problem in damage]})
    else:
        _print(gone, done=arguments.yes)
    tell_of_spill(arguments)
    for problem in damage:
        fail(f"old entries of the stream {problem.stream} stay from this place on: {problem}", 2)
    if damage:
        return 2
    return 1 if gone and not arguments.yes else 0


def _print(gone: list[Expired], *, done: bool) -> None:
    entries = sum(each.entries for each in gone)
    went = "removed" if done else "would be removed"
    more = "; --yes does it" if gone and not done else ""
    what = f"{counted(len(gone), 'segment')} {went}, with {counted(entries, 'entry')}"
    print(f"{what} and the kept texts of their calls{more}")
    if gone:
        print()
        rows = [
            (each.stream, each.segment, each.entries, shown_time(each.first_ns), shown_time(each.last_ns))
            for each in gone
        ]
        print_table(("stream", "segment", "entries", "from", "to"), rows)


ACTIONS = (
    Action(
        "expire",
        "remove entries older than a number of days",
        "audit --keep-days 365",
        _run,
        _declare,
    ),
)
