"""The format of the entries, as JSON Schema."""

from __future__ import annotations

import argparse
import json

from guardrails_lite._errors import ConfigError
from guardrails_lite.cli._log._action import Action
from guardrails_lite.cli._terminal import fail


def _declare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("type", nargs="?", metavar="TYPE", help="the payload of this type; default: all")
    parser.add_argument("--list", action="store_true", help="only the types, each with what it tells")


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
        "print the JSON Schema of the entries of a log",
        "call.completed",
        _schema,
        _declare,
        on="nothing",
    ),
)
