"""``guardrails-lite faults``: the fault lab around a guard, and what it did about each fault."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from guardrails_lite._counts import counted
from guardrails_lite._errors import ConfigError
from guardrails_lite._guard import Guard
from guardrails_lite.cli._parser import amount, whole
from guardrails_lite.cli._terminal import Bar, fail, print_json, print_table

if TYPE_CHECKING:
    from guardrails_lite.testing.faults import Matrix, Observation, Way

_WAYS: tuple[Way, ...] = ("sync", "async", "sync stream", "async stream")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "ids",
        metavar="ID",
        nargs="*",
        help="only these rows, or whole groups by their letter, such as H S07; default: all",
    )
    parser.add_argument("--guard", metavar="FILE", help="a guard in TOML or YAML; default: Guard()")
    parser.add_argument(
        "--way", choices=_WAYS, action="append", help="only this way of calling; may be repeated"
    )
    parser.add_argument(
        "--slack",
        type=amount("seconds"),
        default=0.05,
        metavar="SECONDS",
        help="how many seconds a busy machine may go over the deadline; default: %(default)s",
    )
    parser.add_argument(
        "--workers",
        type=whole(1),
        default=4,
        metavar="N",
        help="how many calls run at a time; default: %(default)s",
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--markdown", action="store_true", help="print a Markdown table")
    output.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Try the faults. Exits with 0 if all went as expected, 1 if something did not, 2 for wrong use."""
    try:
        from guardrails_lite.testing.faults import faults_matrix

        guard: Guard[Any] = Guard() if arguments.guard is None else Guard.from_file(arguments.guard)
        with Bar("calls") as bar:
            matrix = faults_matrix(
                guard,
                ids=arguments.ids or None,
                ways=arguments.way or _WAYS,
                slack_s=arguments.slack,
                workers=arguments.workers,
                told=bar,
            )
    except (ConfigError, ValueError) as error:
        return fail(error)
    if arguments.json:
        print_json([_told(each) for each in matrix.observations])
    elif arguments.markdown:
        print(matrix)
    else:
        _print(matrix)
    return 1 if matrix.failed else 0


def _print(matrix: Matrix) -> None:
    print_table(
        ("id", "fault", "expected", "calls", "what it did"),
        [
            (
                seen[0].fault.id,
                f"{seen[0].fault.title}: {seen[0].variant}" if seen[0].variant else seen[0].fault.title,
                " or ".join(seen[0].expected),
                len(seen),
                "; ".join(dict.fromkeys(each.word if each.ok else f"WRONG {each}" for each in seen)),
            )
            for seen in matrix.rows()
        ],
    )
    failed = len(matrix.failed)
    print(f"\n{counted(len(matrix.observations), 'call')}, {failed or 'none'} not as expected")


def _told(each: Observation) -> dict[str, Any]:
    return {
        "id": each.fault.id,
        "fault": each.fault.title,
        "variant": each.variant,
        "way": each.way,
        "expected": each.expected,
        "did": each.word,
        "wrong": each.faults,
        "requests": each.requests,
        "duration_s": round(each.duration_s, 3),
        "error": each.error,
    }
