"""The format of the entries, as JSON Schema."""

from __future__ import annotations

import argparse
import json

from guardrails_lite._errors import ConfigError
from guardrails_lite.cli._log._action import Action
from guardrails_lite.cli._terminal import fail


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("type", nargs="?", metavar="TYPE", help="the payload of this type; default: all")
    parser.add_argument("--list", action="store_true", help="only list the types, with a description of each")


def _schema(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit import entry_schema, entry_types

    if arguments.list:
        told = {name: entry_schema(name)["description"] for name in entry_types()}
        print(
            json.dumps(told, indent=2) if arguments.json else "\n".join(f"{k:20}{v}" for k, v in told.items())
        )
        return 0
    try:
        print(json.dumps(entry_schema(arguments.type), indent=2))
    except ConfigError as error:
        return fail(error, 2)
    return 0


ACTIONS = (
    Action(
        "schema",
        "print the JSON Schema of log entries",
        "call.completed",
        _schema,
        _declare,
        on="nothing",
    ),
)
