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
from types import ModuleType

from guardrails_lite.cli._parser import Parser, explained
from guardrails_lite.cli._terminal import fail

_COMMANDS = {
    "demo": ("show what a guard does, in real calls against a scripted model", ""),
    "check": ("explain a guard in TOML or YAML, and advise on what it may lack", "guard.toml"),
    "scan": ("run a guard's rules over text or JSON lines", "mail.txt --guard guard.toml --redact"),
    "eval": (
        "measure the recall, false positives and cost of a guard on labelled examples",
        "examples.jsonl --guard guard.toml --max-fpr 0.01",
    ),
    "faults": ("try a guard against what providers and networks do wrong", "H S07 --guard guard.toml"),
    "log": ("search, verify, export and manage a compliance log", "ls audit"),
    "review": ("serve the review desk: local pages about a compliance log", "audit --port 0"),
}
"""Each command: what it does, and example arguments."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; 130, as in a shell, if it was interrupted."""
    try:
        return _run(argv)
    except KeyboardInterrupt:  # most likely during the imports of a command, which take the longest
        return 130


def _run(argv: Sequence[str] | None) -> int:
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.version:
        import guardrails_lite

        print(f"guardrails-lite {guardrails_lite.__version__}")
        return 0
    if arguments.command is None:
        parser.print_help(sys.stderr)
        return 2
    try:
        code = int(_module(arguments.command).run(arguments))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader has enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return fail(f"cannot be written ({error.strerror})", 5)


def _module(command: str) -> ModuleType:
    return importlib.import_module(f"guardrails_lite.cli._{command}")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="guardrails-lite",
        description="Guard chat-completion calls, and review what happened.",
        epilog="Exit codes: 0 nothing found, 1 found, 2 wrong use or tampered log, 3 log cut short, "
        "4 unsealed tail, 5 unreadable, or a package is missing.",
    )
    parser.commands = _COMMANDS
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for name, (summary, example) in _COMMANDS.items():
        each = commands.add_parser(name, help=summary, **explained(name, summary, example))
        _module(name).add_arguments(each)
    return parser
