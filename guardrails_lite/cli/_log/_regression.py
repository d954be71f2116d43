"""``guardrails-lite log regression``: settled verdicts as labelled examples, for ``eval`` and for tests."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from guardrails_lite._counts import counted
from guardrails_lite.cli._log._action import (
    Action,
    declare_filters,
    declare_keys,
    declare_original,
    filter_of,
    form_of,
    is_of_log,
    writing,
)
from guardrails_lite.cli._log._replay import MASKED
from guardrails_lite.cli._log._review import WORDS
from guardrails_lite.cli._parser import whole
from guardrails_lite.cli._terminal import Bar, fail, print_json, safe

if TYPE_CHECKING:
    from guardrails_lite.audit.export import TakenVerdicts

_SAYING = ("tp", "fp", "benign")
"""The verdicts that say whether the rule was right."""


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="FILE", help="the new file, in JSON lines")
    parser.add_argument("--by", metavar="WHO", required=True, help="who takes the texts")
    parser.add_argument("--reason", metavar="WHY", required=True, help="why; written to the log as it is")
    parser.add_argument(
        "--verdict",
        action="append",
        choices=_SAYING,
        help="only these verdicts: the rule was right, was wrong, or was right but it is harmless",
    )
    parser.add_argument(
        "--needs",
        type=whole(1),
        default=1,
        metavar="N",
        help="how many reviewers must agree; at least as many as when the verdict was given",
    )
    declare_original(parser)
    declare_keys(parser)
    declare_filters(parser)


def _run(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit.export import take_verdicts

    try:
        with writing(arguments) as log, Bar("calls opened") as bar:
            made = take_verdicts(
                log,
                arguments.path,
                by=arguments.by,
                reason=arguments.reason,
                texts=form_of(arguments),
                needs=arguments.needs,
                only=[WORDS[word] for word in arguments.verdict or _SAYING],
                filter=filter_of(arguments),
                on_progress=bar,
            )
    except OSError as error:
        if is_of_log(error, arguments):
            raise
        return fail(f"{arguments.path}: cannot be written ({error.strerror or type(error).__name__})", 5)
    if arguments.json:
        _print_json(made)
    else:
        _print(made)
    return 0


def _print_json(made: TakenVerdicts) -> None:
    taken = made.taken
    print_json(
        {
            "path": str(taken.path),
            "bytes": taken.bytes,
            "sha256": taken.sha256,
            "entry": taken.entry,
            "examples": made.examples,
            "positive": made.positive,
            "originals": made.originals,
            "repeated": made.repeated,
            "contradictory": made.contradictory,
            "left_out": made.left_out,
        }
    )


def _print(made: TakenVerdicts) -> None:
    examples = counted(made.examples, "example")
    print(f"{examples}: {made.positive} to be found, {made.examples - made.positive} not")
    if made.originals:
        print(f"  from the original text, before any rule: {made.originals}")
    if made.repeated:
        print(f"repeated texts: {made.repeated}")
    for why, count in made.left_out.items():
        print(f"left out, {safe(why)}: {count}")
    if {"masked", "stopped"} & made.left_out.keys():
        print(f"  {MASKED}")
    if made.contradictory:
        print(f"  judged both ways, in {safe(', '.join(made.contradictory))}")
    print(f"{counted(made.taken.bytes, 'byte')} with the SHA-256\n{made.taken.sha256}")
    print(f"recorded as {safe(made.taken.entry)}")


ACTIONS = (
    Action(
        "regression",
        "write settled verdicts as labelled examples for eval and for tests",
        "audit examples.jsonl --by ada --reason 'policy 7'",
        _run,
        _declare,
        looks="at all of it",
    ),
)
