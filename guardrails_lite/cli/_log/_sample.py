"""``guardrails-lite log sample``: calls drawn at random, for people to look at."""

from __future__ import annotations

import argparse
import secrets
import shlex
import time
from dataclasses import asdict
from datetime import UTC, datetime

from guardrails_lite._errors import ConfigError
from guardrails_lite.cli._log._action import (
    Action,
    declare_filters,
    declare_keys,
    filter_of,
    index_of,
    writing,
)
from guardrails_lite.cli._log._calls import print_calls
from guardrails_lite.cli._parser import share, whole
from guardrails_lite.cli._terminal import fail, print_json, print_table, safe


def _declare(parser: argparse.ArgumentParser) -> None:
    from guardrails_lite.audit._sample import STRATA

    many = parser.add_mutually_exclusive_group(required=True)
    many.add_argument("--size", type=whole(1), metavar="N", help="draw this many calls from each stratum")
    many.add_argument("--share", type=share, metavar="S", help="draw this share of the calls in each stratum")
    parser.add_argument(
        "--stratum",
        action="append",
        default=[],
        choices=STRATA,
        help="group calls by this before drawing; may be repeated",
    )
    parser.add_argument(
        "--seed", metavar="TEXT", help="repeat the draw made with this seed; default: a new random seed"
    )
    parser.add_argument("--by", metavar="WHO", required=True, help="who draws; written to the log as it is")
    declare_keys(parser)
    declare_filters(parser)


def _run(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit import sample

    if arguments.until is None:  # so that calls which come later are in no second draw
        arguments.until = time.time_ns() // 1000 * 1000
    asked = filter_of(arguments)
    seed = secrets.token_hex(8) if arguments.seed is None else arguments.seed
    with index_of(arguments) as index, writing(arguments) as log:
        try:
            drawn = sample(
                log,
                index.calls(asked),
                seed=seed,
                by=arguments.by,
                size=arguments.size,
                share=arguments.share,
                strata=arguments.stratum,
                chosen=asked.to_dict(),
            )
        except ConfigError as error:
            return fail(error, 2)
    until = _moment(arguments.until)
    if arguments.json:
        told = {"entry": drawn.entry, "seed": drawn.seed, "until": until, "calls": drawn.calls}
        told |= {"population": drawn.population, "strata": [asdict(each) for each in drawn.strata]}
        print_json({**told, "drawn": [call.to_dict() for call in drawn.drawn]})
        return 0
    print_calls(drawn.drawn, as_json=False)
    if arguments.stratum:
        print()
        rows = [(*(value or "-" for value in each.values), each.calls, each.drawn) for each in drawn.strata]
        print_table((*arguments.stratum, "calls", "drawn"), rows)
    print(f"\ndrawn: {len(drawn.drawn)} of {drawn.calls} finished calls, whose sorted ids have the SHA-256")
    print(drawn.population)
    again = f"--seed {safe(shlex.quote(drawn.seed))} --until {until}"
    print(f"to repeat the draw: {again}, with the other options unchanged")
    print(f"recorded as {drawn.entry}")
    return 0


def _moment(ns: int) -> str:
    """A time to the microsecond, as ``--until`` takes it."""
    seconds, rest = divmod(ns // 1000, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{rest:06}"


ACTIONS = (
    Action(
        "sample",
        "draw calls at random for review, so that anybody can repeat the draw",
        "audit --size 20 --by ada",
        _run,
        _declare,
        looks="at all of it",
    ),
)
