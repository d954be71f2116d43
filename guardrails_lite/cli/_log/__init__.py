"""``guardrails-lite log``: everything that the command line can do with a compliance log.

Each action is a few lines around a function of `guardrails_lite.audit`, so that a program can do the same.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

from guardrails_lite._errors import GuardrailsError
from guardrails_lite.cli._log import (
    _alerts,
    _calls,
    _custody,
    _evidence,
    _export,
    _integrity,
    _measures,
    _people,
    _policy_diff,
    _regression,
    _replay,
    _retention,
    _review,
    _sample,
    _schema,
    _search,
    _ship,
)
from guardrails_lite.cli._log._action import Action, Misuse
from guardrails_lite.cli._parser import Parser, explained
from guardrails_lite.cli._terminal import Bar, fail, safe

_GROUPS: Mapping[str, tuple[Action, ...]] = {
    "search and measure": (*_calls.ACTIONS, *_search.ACTIONS, *_measures.ACTIONS),
    "judge and compare": (
        *_review.ACTIONS,
        *_sample.ACTIONS,
        *_replay.ACTIONS,
        *_policy_diff.ACTIONS,
        *_regression.ACTIONS,
        *_alerts.ACTIONS,
    ),
    "verify and repair": _integrity.ACTIONS,
    "prove, export and ship": (
        *_custody.ACTIONS,
        *_evidence.ACTIONS,
        *_export.ACTIONS,
        *_ship.ACTIONS,
        *_schema.ACTIONS,
    ),
    "answer a person's request": _people.ACTIONS,
    "remove old entries": _retention.ACTIONS,
}
"""The actions, by task; the reference has the same headings."""
_ACTIONS = {action.name: action for group in _GROUPS.values() for action in group}


def add_arguments(parser: Parser) -> None:
    """Declare the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = f"{parser.description}\n\n{_listed()}"
    parser.commands = _ACTIONS
    parser.set_defaults(print_help=parser.print_help)
    commands = parser.add_subparsers(
        dest="action",
        metavar="ACTION",
        parser_class=Parser,
        help="what to do, as listed above; `guardrails-lite log ACTION --help` lists its options",
    )
    for action in _ACTIONS.values():
        each = commands.add_parser(
            action.name, **explained(f"log {action.name}", action.summary, action.example)
        )
        each.takes_a_database = action.on == "a log or a database"
        if action.on != "nothing":
            each.declare_log()
        each.add_argument("--json", action="store_true", help="print JSON")
        action.declare(each)


def _listed() -> str:
    """The list of all actions and what they do, as wide as the terminal."""
    width = shutil.get_terminal_size().columns - 2  # as argparse has it
    lines = []
    for heading, actions in _GROUPS.items():
        lines.append(f"{heading}:")
        for action in actions:
            told = textwrap.wrap(action.summary, max(width - 16, 20))
            lines.append(f"  {action.name:<14}{told[0]}")
            lines += [f"{'':16}{more}" for more in told[1:]]
        lines.append("")
    return "\n".join(lines[:-1])


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked; see `guardrails_lite.cli` for the exit codes."""
    if arguments.action is None:
        arguments.print_help(sys.stderr)
        return 2
    action = _ACTIONS[arguments.action]
    asks_a_database = action.on == "a log or a database" and arguments.db is not None
    if action.on != "nothing" and action.looks != "by itself" and not asks_a_database:
        _warn(arguments, whole=action.looks == "at all of it")
    try:
        return action.run(arguments)
    except LookupError as error:
        return fail(error.args[0] if error.args else error, 1)
    except Misuse as error:
        return fail(error, 2)
    except GuardrailsError as error:
        return fail(error, 5)
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is None:
            raise
        why = error.strerror or type(error).__name__
        told = f"{error.filename}: cannot be read or written ({why})"
        return fail(f"{told}; `guardrails-lite log doctor` says what can be trusted", 5)


def _warn(arguments: argparse.Namespace, *, whole: bool) -> None:
    """Warn on standard error that the log is damaged, so that nobody relies on its content."""
    from guardrails_lite.audit._shortfall import shortfall

    missing = shortfall(Path(arguments.directory))
    if missing is not None:
        told = f"this log was cut short or rolled back: {missing}."
    else:
        damage = _damage(arguments) if whole else None
        if damage is None:
            return
        told = f"this log is not what was written: {damage}."
    print(f"guardrails-lite: {safe(told)} `guardrails-lite log verify` says more.", file=sys.stderr)


def _damage(arguments: argparse.Namespace) -> str | None:
    """The worst problem that `verify` finds; None if the log is whole, or is no log."""
    from guardrails_lite.audit import verify

    keys = Path(getattr(arguments, "keys", None) or Path(arguments.directory, "keys"))
    try:
        key = (keys / "verify.key").read_text(errors="replace")
    except OSError:
        key = None
    # Retention may remove segments while the first looks; the second then knows of it.
    for _ in range(2):
        with Bar("bytes verified") as bar:
            report = verify(arguments.directory, key=key, processes=os.cpu_count() or 1, on_progress=bar)
        if report.state in ("intact", "unsealed"):
            return None
    worst = next(problem for problem in report.problems if problem.state == report.state)
    return str(worst) if report.log else None
