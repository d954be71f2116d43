"""The command ``guardrails-lite``: demo, check, scan, eval, log, review.

Exit codes: 0 done, nothing found; 1 something found; 2 wrong use, or a log that was tampered with;
3 a log cut short or rolled back; 4 a log with an unsealed tail; 5 something that cannot be read or
written, or a package that is not installed.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence

from guardrails_lite.cli._parser import Parser
from guardrails_lite.cli._terminal import fail

_COMMANDS = {
    "demo": "real calls against a scripted model: what a guard does",
    "check": "explain and lint a guard in TOML or YAML",
    "scan": "run a guard over text or JSON lines",
    "eval": "recall, false positives and cost of a guard on labelled examples",
    "faults": "try a guard against what providers and networks do wrong",
    "log": "look into a compliance log, verify it, prove from it, act on it",
    "review": "serve the review desk: local pages on a compliance log",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; 130 when it was interrupted, as shells have it."""
    try:
        return _run(argv)
    except KeyboardInterrupt:  # as likely as not while the imports of a command run, which take the longest
        return 130


def _run(argv: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(
        prog="guardrails-lite",
        description="Guard chat-completion calls, and review what happened.",
        epilog="Exit codes: 0 nothing found, 1 found, 2 wrong use or tampered log, 3 log cut short, "
        "4 unsealed tail, 5 unreadable, or a package is missing.",
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    modules = {}
    for name, summary in _COMMANDS.items():
        modules[name] = importlib.import_module(f"guardrails_lite.cli._{name}")
        modules[name].add_arguments(commands.add_parser(name, help=summary, description=f"{summary}."))
    arguments = parser.parse_args(argv)
    if arguments.version:
        import guardrails_lite

        print(f"guardrails-lite {guardrails_lite.__version__}")
        return 0
    if arguments.command is None:
        parser.print_help(sys.stderr)
        return 2
    try:
        code = int(modules[arguments.command].run(arguments))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader, `head` say, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return fail(f"cannot be written ({error.strerror})", 5)
