"""``guardrails-lite log``: everything that is done with a compliance log on the command line.

Each action is a few lines over a function of `guardrails_lite.audit`, so that a program can do the same.
"""

from __future__ import annotations

import argparse

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
    _replay,
    _schema,
    _search,
)
from guardrails_lite.cli._log._action import Action
from guardrails_lite.cli._terminal import fail

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
        _replay,
        _alerts,
        _schema,
    )
    for action in module.ACTIONS
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for action in _ACTIONS.values():
        each = commands.add_parser(action.name, help=action.summary, description=f"{action.summary}.")
        if action.on == "a log":
            each.add_argument("directory", metavar="DIR", help="the log's directory")
        each.add_argument("--json", action="store_true", help="print JSON")
        action.declare(each)


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked; see `guardrails_lite.cli` for the exit codes."""
    try:
        return _ACTIONS[arguments.action].run(arguments)
    except LookupError as error:
        return fail(error.args[0] if error.args else error, 1)
    except GuardrailsError as error:
        return fail(error, 5)
