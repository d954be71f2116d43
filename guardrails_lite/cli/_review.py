"""``guardrails-lite review``: serve the review desk."""

from __future__ import annotations

import argparse
import copy
import socket
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guardrails_lite._errors import ConfigError, MissingPackage
from guardrails_lite._loopback import is_loopback
from guardrails_lite.cli._parser import Parser, declare_reviewer, reviewer_of, whole
from guardrails_lite.cli._terminal import Bar, fail

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.applications import Starlette


def add_arguments(parser: Parser) -> None:
    """Declare the arguments."""
    parser.takes_a_database = True
    parser.declare_log()
    parser.add_argument(
        "--key", metavar="KEY", help="with --db: verify.key, kept elsewhere: the file, or its one line"
    )
    parser.add_argument(
        "--port",
        type=whole(0, 65535),
        default=8321,
        help="the port to serve on; default: 8321; 0: any free port",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="the interface to serve on; default: 127.0.0.1; others need --tokens",
    )
    parser.add_argument(
        "--host-name",
        action="append",
        default=[],
        metavar="NAME",
        help="another host name that the desk answers to, such as the name of a proxy; may be repeated",
    )
    parser.add_argument(
        "--tokens", metavar="FILE", help="who may use the desk: on each line a name, a space and a token"
    )
    declare_reviewer(parser)
    parser.add_argument(
        "--rules",
        action="append",
        default=[],
        metavar="PATH",
        help="a file or folder of Sigma rules for the alerts page, in addition to the shipped ones",
    )
    parser.add_argument("--keys", metavar="DIR", help="where the log's keys are; default: keys in the log")


def run(arguments: argparse.Namespace) -> int:
    """Serve until it is interrupted."""
    if missing := [name for name in ("jinja2", "starlette", "uvicorn") if find_spec(name) is None]:
        return fail(MissingPackage.needed_by("the review desk", *missing, install="guardrails-lite[review]"))
    import uvicorn
    from uvicorn.config import LOGGING_CONFIG

    from guardrails_lite.review._door import read_tokens

    if arguments.db is not None and arguments.keys is not None:
        return fail("--keys is for a directory; a database is read-only, and --key checks its signatures")
    if arguments.db is None and arguments.key is not None:
        return fail("--key goes with --db; for a directory, --keys says where the keys are")
    if arguments.keys is not None and not Path(arguments.keys).is_dir():
        return fail(
            f"--keys {arguments.keys}: there is no such directory; expected the one with the log's keys"
        )
    try:
        tokens = read_tokens(arguments.tokens) if arguments.tokens else {}
        reviewer = reviewer_of(arguments)
    except ConfigError as error:
        return fail(error)
    if not tokens and not is_loopback(arguments.host):
        return fail(
            f"--host {arguments.host}: other machines could reach the desk, so visitors need tokens: "
            "give --tokens FILE"
        )
    try:
        app = _desk(arguments, reviewer, tokens)
    except ConfigError as error:
        return fail(error, 5)
    told: dict[str, Any] = copy.deepcopy(LOGGING_CONFIG)
    told["loggers"]["guardrails_lite.review"] = {"handlers": ["default"]}  # wrong tokens, say
    config = uvicorn.Config(
        app,
        host=arguments.host,
        port=arguments.port,
        log_config=told,
        log_level="warning",
        server_header=False,
        ws="none",
    )
    server = uvicorn.Server(config)
    try:  # it listens already, so that whoever reads the address does not come too early
        sock = socket.create_server(
            (arguments.host, arguments.port),
            family=socket.AF_INET6 if ":" in arguments.host else socket.AF_INET,
        )
    except OSError as error:
        place = f"--host {arguments.host} --port {arguments.port}"
        return fail(f"{place}: cannot serve there: {error.strerror}; --port 0 takes any free port", 5)
    host, port = sock.getsockname()[:2]
    print(f"Review desk on http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)
    server.run(sockets=[sock])
    # It only ends when it is interrupted. Where the parent process ignores that signal, nothing was raised.
    return 130 if server.should_exit else 0


def _desk(arguments: argparse.Namespace, reviewer: str, tokens: Mapping[str, str]) -> Starlette:
    from guardrails_lite.audit.index import Index
    from guardrails_lite.cli._log._integrity import key_of
    from guardrails_lite.review import desk, shipped_desk

    hosts = (arguments.host, *arguments.host_name)
    if arguments.db is not None:
        return shipped_desk(
            arguments.db,
            reviewer=reviewer,
            log=arguments.log,
            key=key_of(arguments.key),
            tokens=tokens,
            hosts=hosts,
            needs=arguments.needs,
            rules=arguments.rules,
        )
    app = desk(
        arguments.directory,
        reviewer=reviewer,
        tokens=tokens,
        hosts=hosts,
        keys=arguments.keys,
        needs=arguments.needs,
        rules=arguments.rules,
    )
    with Index(arguments.directory) as index, Bar("bytes indexed") as drawn:
        index.update(on_progress=drawn)
    return app
