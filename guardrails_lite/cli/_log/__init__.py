"""``guardrails-lite log``: everything that is done with a compliance log on the command line.

Each action is a few lines over a function of `guardrails_lite.audit`, so that a program can do the same.
"""

from __future__ import annotations

import argparse
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
    _replay,
    _retention,
    _sample,
    _schema,
    _search,
    _ship,
)
from guardrails_lite.cli._log._action import Action
from guardrails_lite.cli._parser import Parser
from guardrails_lite.cli._terminal import fail, safe

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
        each = commands.add_parser(action.name, help=action.summary, description=f"{action.summary}.")
        each.takes_a_database = action.on == "a log or a database"
        if action.on != "nothing":
            each.declare_log()
        each.add_argument("--json", action="store_true", help="print JSON")
        action.declare(each)


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked; see `guardrails_lite.cli` for the exit codes."""
    action = _ACTIONS[arguments.action]
    asks_a_database = action.on == "a log or a database" and arguments.db is not None
    if action.on != "nothing" and not action.verifies and not asks_a_database:
        _warn_of_shortfall(Path(arguments.directory))
    try:
        return action.run(arguments)
    except LookupError as error:
        return fail(error.args[0] if error.args else error, 1)
    except GuardrailsError as error:
        return fail(error, 5)


def _warn_of_shortfall(directory: Path) -> None:
    """Say on standard error that the log falls short, so that nobody takes what is left for all there was."""
    from guardrails_lite.audit._shortfall import shortfall

    missing = shortfall(directory)
    if missing is not None:
        told = f"this log was cut short or rolled back: {missing}. `guardrails-lite log verify` says more."
        print(f"guardrails-lite: {safe(told)}", file=sys.stderr)
