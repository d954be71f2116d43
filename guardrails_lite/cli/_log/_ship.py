"""``guardrails-lite log ship``: a log's signed part to a database, and ``log fetch``: back from there."""

from __future__ import annotations

import argparse

from guardrails_lite._counts import counted
from guardrails_lite.cli._log._action import Action
from guardrails_lite.cli._terminal import Bar, print_json, safe


def _declare_ship(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--db", metavar="URL", required=True, help="postgresql://user@host:port/database")


def _ship(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit.postgres import ship

    with Bar("bytes shipped") as bar:
        shipment = ship(arguments.directory, arguments.db, on_progress=bar)
    if arguments.json:
        print_json({**shipment.to_dict(), "exit_code": shipment.exit_code})
        return shipment.exit_code
    for problem in shipment.problems:
        print(safe(problem))
    if shipment.problems:
        print("nothing was shipped: the database holds more of this log than the directory, or other bytes")
    else:
        print(f"{safe(shipment.log)}: {counted(shipment.sent, 'byte')} sent, {shipment.held} held, ", end="")
        print(f"{shipment.waiting} waiting for a signature")
    return shipment.exit_code


def _declare_fetch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", help="a new directory for the log")
    _declare_ship(parser)
    parser.add_argument("--log", metavar="NAME", help="which log, if the database holds several")


def _fetch(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit.postgres import fetch

    with Bar("bytes fetched") as bar:
        name = fetch(arguments.db, arguments.directory, log=arguments.log, on_progress=bar)
    if arguments.json:
        print_json({"log": name, "directory": arguments.directory})
    else:
        print(f"{safe(name)} is in {safe(arguments.directory)}; `guardrails-lite log verify` checks it")
    return 0


ACTIONS = (
    Action(
        "ship",
        "send the signed part of the log to a PostgreSQL database",
        "audit --db postgresql://auditor@db/logs",
        _ship,
        _declare_ship,
        looks="at all of it",
    ),
    Action(
        "fetch",
        "write a shipped log to a new directory",
        "copy --db postgresql://auditor@db/logs",
        _fetch,
        _declare_fetch,
        on="nothing",
    ),
)
