"""``guardrails-lite log replay``: what another guard would do with the kept texts."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from guardrails_lite._counts import counted
from guardrails_lite._errors import ConfigError
from guardrails_lite._guard import Guard
from guardrails_lite.cli._log._action import (
    Action,
    declare_filters,
    declare_keys,
    declare_original,
    filter_of,
    form_of,
    index_of,
    writing,
)
from guardrails_lite.cli._terminal import Bar, fail, print_json, print_table, safe

if TYPE_CHECKING:
    from guardrails_lite.audit import Entry

_SHOWN = 20
MASKED = "texts that they masked or stopped are missing; --original uses the original texts, if kept"
"""The note about texts that rules have changed."""


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="GUARD", help="the other guard, in TOML or YAML")
    declare_reading(parser)


def declare_reading(parser: argparse.ArgumentParser) -> None:
    """Declare the options that say who reads which kept texts, and why."""
    parser.add_argument("--reader", metavar="WHO", required=True, help="who reads the kept texts")
    parser.add_argument("--reason", metavar="WHY", required=True, help="why; written to the log as it is")
    declare_original(parser)
    parser.add_argument(
        "--allow-models",
        action="store_true",
        help="let validators that may ask a model, such as a judge, see the texts; without this option, a "
        "guard that has one is refused, because the texts could leave this machine",
    )
    declare_keys(parser)
    declare_filters(parser)


def read_guard(arguments: argparse.Namespace, file: str) -> Guard[Any]:
    """The guard in *file*.

    Raises:
        ConfigError: it cannot work, or may show the texts to a model and is not allowed to.
    """
    from guardrails_lite.audit._replay import refuse_models

    guard = Guard.from_file(file)
    if not arguments.allow_models:
        refuse_models(guard)
    return guard


@contextlib.contextmanager
def finished_calls(arguments: argparse.Namespace) -> Iterator[tuple[int, Iterator[Entry]]]:
    """The number of selected calls, and their records, each read only when needed."""
    asked = filter_of(arguments)
    with index_of(arguments) as index:
        finished = (call for call in index.calls(asked) if call.outcome != "unfinished")
        yield index.totals(asked).calls, (index.entry(call) for call in finished)


def _run(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit import replay

    try:
        guard = read_guard(arguments, arguments.file)
    except ConfigError as error:
        return fail(error, 2)
    with (
        finished_calls(arguments) as (count, calls),
        writing(arguments) as log,
        Bar("calls replayed") as bar,
    ):
        found = replay(
            log,
            guard,
            reader=arguments.reader,
            reason=arguments.reason,
            texts=form_of(arguments),
            calls=calls,
            allow_models=arguments.allow_models,
            on_progress=lambda done: bar(done, count),
        )
    if arguments.json:
        print_json({**asdict(found), "rules": found.rules})
        return 1 if found.changes else 0
    print(f"{counted(found.calls, 'call')} replayed, {len(found.changes)} would be decided differently")
    if found.originals:
        print(f"  by their original texts, before any rule: {found.originals}")
    if found.calls > found.originals:
        print(f"  by what the rules left of their texts: {found.calls - found.originals}")
        print(f"    {MASKED}")
    for why, count in found.left_out.items():
        print(f"left out, {safe(why)}: {count}")
    if found.changes:
        print()
        print_table(("rule", "calls"), list(found.rules.items()))
        print()
        shown = found.changes[:_SHOWN]
        print_table(("call", "would be", "by"), [(c.call, c.kind, ", ".join(c.rules)) for c in shown])
        if len(found.changes) > _SHOWN:
            print(f"and {len(found.changes) - _SHOWN} more; --json shows all")
    return 1 if found.changes else 0


ACTIONS = (
    Action(
        "replay",
        "show what another guard would stop or change in the kept texts",
        "audit new.toml --reader ada --reason 'policy 7'",
        _run,
        _declare,
        looks="at all of it",
    ),
)
