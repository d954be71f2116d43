"""``guardrails-lite log diff-policy``: which decisions a new guard would change, by rule."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from guardrails_lite._counts import counted
from guardrails_lite._errors import ConfigError
from guardrails_lite.cli._log._action import Action, form_of, writing
from guardrails_lite.cli._log._replay import MASKED, declare_reading, finished_calls, read_guard
from guardrails_lite.cli._parser import share
from guardrails_lite.cli._terminal import Bar, fail, print_json, print_table

if TYPE_CHECKING:
    from guardrails_lite.audit import Frequency, PolicyDiff

_SHOWN = 20
_BASES = {
    "policy": "by the digest of the guard that made them",
    "record": "by what their checks found then",
    "texts": "by what the rules left of their texts",
    "originals": "by their original texts, before any rule",
}
_WHY = {
    "no text": "a text that a rule would have to see was not kept",
    "masked": "the text was masked before it was kept",
    "partly kept": "part of the reply was not kept as rules saw it",
    "erased": "the text was erased",
    "restricted": "the person is under restriction",
    "damaged": "the kept text is damaged",
    "broken": "a check broke",
}


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="GUARD", help="the new guard, in TOML or YAML")
    parser.add_argument(
        "--against", metavar="OLD", help="compare with this guard instead of the recorded decisions"
    )
    parser.add_argument(
        "--allow",
        type=share,
        metavar="SHARE",
        help="exit with 0 if no more than this share of the calls changes, from 0 to 1, counting unknown "
        "calls as changed; default: exit with 1 at any known change",
    )
    declare_reading(parser)


def _run(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit import diff_policy

    try:
        guard = read_guard(arguments, arguments.file)
        against = None if arguments.against is None else read_guard(arguments, arguments.against)
    except ConfigError as error:
        return fail(error, 2)
    with (
        finished_calls(arguments) as (count, calls),
        writing(arguments) as log,
        Bar("calls compared") as bar,
    ):
        found = diff_policy(
            log,
            guard,
            against=against,
            reader=arguments.reader,
            reason=arguments.reason,
            texts=form_of(arguments),
            calls=calls,
            allow_models=arguments.allow_models,
            on_progress=lambda done: bar(done, count),
        )
    looked_at = found.compared + len(found.undecided)
    if arguments.json:
        print_json(found.to_dict())
    else:
        _print(found, looked_at)
    if not found.compared:
        return 1
    if arguments.allow is None:
        return 1 if found.changes else 0
    return 1 if (len(found.changes) + len(found.undecided)) / looked_at > arguments.allow else 0


def _print(found: PolicyDiff, calls: int) -> None:
    compared = f"{counted(calls, 'call')}, {found.compared} compared"
    print(f"{compared}, {len(found.changes)} would be decided differently")
    for basis, count in found.known.items():
        print(f"  compared {_BASES[basis]}: {count}")
    if "texts" in found.known:
        print(f"    {MASKED}")
    if found.undecided:
        print(f"  unknown: {len(found.undecided)}; the intervals allow for either decision")
    for why, count in found.unknown.items():
        print(f"    {_WHY[why]}: {count}")
    if found.blind:
        print()
        print_table(("lacks a text", "calls"), list(found.blind.items()))
    if not found.changes:
        return
    print()
    print_table(("decision", *_OFTEN), [(kind, *_cells(often)) for kind, often in found.kinds.items()])
    print()
    rows = [(rule, kind, *_cells(often)) for (rule, kind), often in found.rules.items()]
    print_table(("rule", "decision", *_OFTEN), rows)
    print()
    shown = found.changes[:_SHOWN]
    print_table(
        ("call", "was", "would be", "by"), [(c.call, c.before, c.after, ", ".join(c.rules)) for c in shown]
    )
    if len(found.changes) > _SHOWN:
        print(f"and {len(found.changes) - _SHOWN} more; --json shows all")


_OFTEN = ("calls", "of", "share", "95 % interval")


def _cells(often: Frequency) -> tuple[object, ...]:
    low, high = often.interval
    return (often.calls, often.of, f"{often.share:.1%}", f"{low:.1%} to {high:.1%}")


ACTIONS = (
    Action(
        "diff-policy",
        "show which decisions a new guard would change, by rule",
        "audit new.toml --reader ada --reason 'policy 7'",
        _run,
        _declare,
        looks="at all of it",
    ),
)
