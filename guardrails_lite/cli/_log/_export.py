"""``guardrails-lite log export``: calls in other tools' formats, to a file or to a collector."""

from __future__ import annotations

import argparse
import sys

from guardrails_lite._counts import counted
from guardrails_lite._errors import ConfigError
from guardrails_lite.cli._log._action import (
    Action,
    declare_filters,
    declare_keys,
    filter_of,
    is_of_log,
    output_of,
    writing,
)
from guardrails_lite.cli._terminal import fail, print_json


def _declare(parser: argparse.ArgumentParser) -> None:
    from guardrails_lite.audit.export import FORMATS, MAPPERS

    parser.add_argument("--format", choices=list(FORMATS), help="the format to write; default: csv")
    parser.add_argument("--output", metavar="FILE", help="write to this new file; default: standard output")
    parser.add_argument(
        "--to", metavar="URL", help="send traces, logs and metrics to this OpenTelemetry collector instead"
    )
    parser.add_argument(
        "--mapper",
        choices=list(MAPPERS),
        help="with --to: use the GenAI conventions of this month; default: the newest",
    )
    parser.add_argument(
        "--header",
        action="append",
        default=[],
        type=_header,
        metavar="NAME=VALUE",
        help="with --to: also send this header",
    )
    parser.add_argument("--by", metavar="WHO", help="record in the log who took the export")
    parser.add_argument("--reason", metavar="WHY", help="with --by: why; written to the log as it is")
    declare_keys(parser)
    declare_filters(parser)


def _header(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError("expected NAME=VALUE")
    return name, value


def _run(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit.export import export

    if (arguments.header or arguments.mapper) and not arguments.to:
        return fail("--header and --mapper go with --to", 2)
    if arguments.by or arguments.reason:
        return _take(arguments)
    if arguments.to:
        if arguments.format or arguments.output:
            return fail("--to cannot be combined with --format or --output", 2)
        return _send(arguments)
    asked = filter_of(arguments)
    pieces = export(arguments.directory, arguments.format or "csv", filter=asked)
    if not arguments.output:
        if arguments.json:
            return fail("--json reports what was done, so it needs --output or --to", 2)
        if arguments.format == "parquet" and sys.stdout.isatty():
            return fail("Parquet is not text; name a file with --output, or redirect the output", 2)
        for piece in pieces:
            # In bytes, for what is exported is UTF-8, whatever the terminal's encoding is.
            sys.stdout.buffer.write(piece.encode() if isinstance(piece, str) else piece)
        return 0
    try:
        with output_of(arguments) as file:
            file.writelines(piece.encode() if isinstance(piece, str) else piece for piece in pieces)
            size = file.tell()
    except OSError as error:
        if is_of_log(error, arguments):
            raise
        return fail(f"{arguments.output}: cannot be written ({error.strerror or type(error).__name__})", 5)
    if arguments.json:
        print_json({"path": arguments.output, "bytes": size, "format": arguments.format or "csv"})
    return 0


def _take(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit.export import take

    if not (arguments.by and arguments.reason and arguments.output) or arguments.to:
        return fail("to record an export, give --by, --reason and --output, without --to", 2)
    try:
        with writing(arguments) as log:
            taken = take(
                log,
                arguments.output,
                arguments.format or "csv",
                by=arguments.by,
                reason=arguments.reason,
                filter=filter_of(arguments),
            )
    except OSError as error:
        if is_of_log(error, arguments):
            raise
        return fail(f"{arguments.output}: cannot be written ({error.strerror or type(error).__name__})", 5)
    if arguments.json:
        told = {"path": arguments.output, "bytes": taken.bytes, "format": arguments.format or "csv"}
        print_json({**told, "sha256": taken.sha256, "entry": taken.entry})
    else:
        print(f"{counted(taken.bytes, 'byte')} with the SHA-256\n{taken.sha256}\nrecorded as {taken.entry}")
    return 0


def _send(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit.export import MAPPERS, send
    from guardrails_lite.audit.export._formats import calls

    try:
        sent = send(
            calls(arguments.directory, filter_of(arguments)),
            arguments.to,
            mapper=arguments.mapper or max(MAPPERS),
            headers=dict(arguments.header),
        )
    except ConfigError as error:
        return fail(error, 5)
    if arguments.json:
        print_json({"endpoint": arguments.to, "calls": sent})
    else:
        print(f"{counted(sent, 'call')} sent")
    return 0


ACTIONS = (
    Action(
        "export",
        "write calls in the formats of other tools, or send them to an OpenTelemetry collector",
        "audit --format csv --output calls.csv",
        _run,
        _declare,
        looks="at all of it",
    ),
)
