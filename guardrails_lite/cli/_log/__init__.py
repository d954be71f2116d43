"""``guardrails-lite log``: everything that the command line can do with a compliance log.

Each action is a few lines around a function of `guardrails_lite.audit`, so that a program can do the same.
"""

from __future__ import annotations

import argparse
import os
import sys
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

_ACTIONS: dict[str, Action] = {
    action.name: action
    for module in (
        _calls,
        _search,
        _measures,
        _integrity,
        _custody,
        _evidence,
        _export,
        _people,
        _retention,
        _replay,
        _policy_diff,
        _review,
        _regression,
        _sample,
        _alerts,
        _schema,
        _ship,
    )
    for action in module.ACTIONS
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=Parser)
    for action in _ACTIONS.values():
        each = commands.add_parser(
            action.name,
            help=action.summary,
            **explained(f"log {action.name}", action.summary, action.example),
        )
        each.takes_a_database = action.on == "a log or a database"
        if action.on != "nothing":
            each.declare_log()
        each.add_argument("--json", action="store_true", help="print JSON")
        action.declare(each)


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked; see `guardrails_lite.cli` for the exit codes."""
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
    """The worst that `verify` finds in the log; None where it is whole, or no log."""
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
