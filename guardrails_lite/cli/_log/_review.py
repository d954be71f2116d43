"""``guardrails-lite log review``: the findings queue in a terminal, and verdicts on what is in it."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING, Final

from guardrails_lite._errors import ConfigError
from guardrails_lite.cli._log._action import (
    Action,
    declare_filters,
    declare_keys,
    filter_of,
    index_of,
    writing,
)
from guardrails_lite.cli._log._calls import shown_time, the_call
from guardrails_lite.cli._parser import declare_reviewer, reviewer_of, whole
from guardrails_lite.cli._terminal import fail, print_json, print_table, safe

if TYPE_CHECKING:
    from guardrails_lite.audit import Verdicts
    from guardrails_lite.audit.index import Found, Index
    from guardrails_lite.audit.postgres import ShippedIndex

WORDS: Final = {
    "tp": "true positive",
    "fp": "false positive",
    "benign": "benign",
    "unsure": "unsure",
    "escalate": "escalated",
}
_PILES: Final = {
    "open": "not settled, and not judged by you",
    "waiting": "judged, and waiting for another reviewer",
    "disputed": "on which reviewers disagree",
    "settled": "settled",
    "all": "settled or not",
}
_COLUMNS: Final = ("at", "call", "rule", "standing")


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--decide",
        choices=list(WORDS),
        help="record a verdict on the finding in --call: true positive, false positive, rightly found but "
        "harmless, cannot tell, somebody else has to look",
    )
    parser.add_argument("--call", metavar="CALL", help="with --decide: the call, or the beginning of its id")
    parser.add_argument(
        "--note", metavar="WHY", default="", help="with --decide: why, in up to 500 characters; quote nobody"
    )
    parser.add_argument("--undo", action="store_true", help="take your newest verdict back")
    parser.add_argument(
        "--show", choices=list(_PILES), default="open", help="which findings; default: those open for you"
    )
    parser.add_argument(
        "--last", type=whole(1), default=20, metavar="N", help="the newest N findings; default: 20"
    )
    declare_reviewer(parser)
    declare_keys(parser)
    declare_filters(parser)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.undo and arguments.decide is not None:
        return fail("give either --decide or --undo", 2)
    if arguments.decide is None and (arguments.call is not None or arguments.note):
        return fail("--call and --note go with --decide", 2)
    try:
        reviewer = reviewer_of(arguments)
    except ConfigError as error:
        return fail(error, 2)
    if arguments.undo:
        return _undo(arguments, reviewer)
    return _list(arguments, reviewer) if arguments.decide is None else _decide(arguments, reviewer)


def _list(arguments: argparse.Namespace, reviewer: str) -> int:
    from guardrails_lite.audit import read_verdicts

    with index_of(arguments) as index:
        verdicts = read_verdicts(index, needs=arguments.needs)
        pile = [
            (one.at, one.call, one.rule, verdicts.standing((one.call, one.rule)))
            for one in index.findings(filter_of(arguments))
            if _is_in(arguments.show, verdicts, one, reviewer)
        ]
    shown = pile[: max(arguments.last, 0)]
    if arguments.json:
        told = [dict(zip(_COLUMNS, row, strict=True)) for row in shown]
        print_json({"reviewer": reviewer, "findings": len(pile), "shown": told})
        return 0
    if not pile:
        print(f"no findings, {_PILES[arguments.show]}")
        return 0
    print_table(_COLUMNS, [(shown_time(at), *rest) for at, *rest in shown])
    print(f"{len(shown)} of {len(pile)}, {_PILES[arguments.show]}")
    return 0


def _is_in(pile: str, verdicts: Verdicts, one: Found, reviewer: str) -> bool:
    from guardrails_lite.audit._verdicts import VERDICTS

    key = (one.call, one.rule)
    if pile == "open":
        return verdicts.is_for(reviewer, key)
    standing = verdicts.standing(key)
    return pile == "all" or standing == pile or (pile == "settled" and standing in VERDICTS)


def _decide(arguments: argparse.Namespace, reviewer: str) -> int:
    from guardrails_lite.audit import decide

    if arguments.call is None:
        return fail("--decide needs --call: the call that the finding is in", 2)
    verdict = WORDS[arguments.decide]
    who = {"reviewer": reviewer, "note": arguments.note.strip(), "needs": arguments.needs}
    with index_of(arguments) as index, writing(arguments) as log:
        try:
            call, rule = _meant(index, arguments.call, arguments.rule or [])
            entry = decide(log, index, call, rule, verdict, **who)
        except ConfigError as error:
            return fail(error, 2)
    if arguments.json:
        print_json({"entry": entry, "call": call, "rule": rule, "verdict": verdict, "reviewer": reviewer})
    else:
        print(safe(f"{verdict}: {rule} in {call}, recorded as {entry}"))
    return 0


def _meant(index: Index | ShippedIndex, beginning: str, rules: list[str]) -> tuple[str, str]:
    """The finding that is meant.

    Raises:
        LookupError: there is none.
        ConfigError: it may be several.
    """
    call = the_call(index, beginning).id
    found = [one.rule for one in index.findings_in([call]) if not rules or one.rule in rules]
    if not found:
        raise LookupError(f"no {'such ' if rules else ''}rule found anything in call {call}")
    if len(found) > 1:
        told = " or ".join(f"--rule {shlex.quote(rule)}" for rule in sorted(found))
        raise ConfigError(f"several rules found something in this call; add {told}")
    return call, found[0]


def _undo(arguments: argparse.Namespace, reviewer: str) -> int:
    from guardrails_lite.audit import undo

    with index_of(arguments) as index, writing(arguments) as log:
        taken = undo(log, index, reviewer=reviewer)
    if arguments.json:
        print_json({"undone": taken.to_dict()})
    else:
        print(safe(f"taken back: {taken.verdict}, {taken.rule} in {taken.call}"))
    return 0


ACTIONS = (
    Action(
        "review",
        "list findings that nobody has judged yet, and record verdicts on them",
        "audit --decide fp --call 8f3c21 --note 'a test key'",
        _run,
        _declare,
        looks="at all of it",
    ),
)
