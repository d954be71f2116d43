"""What parses arguments: argparse, which here knows a near miss, and a database in place of a directory."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable, Collection
from difflib import get_close_matches
from typing import Any

from guardrails_lite._errors import ConfigError


class Parser(argparse.ArgumentParser):
    """Takes ``--db URL`` in place of the directory, in commands that can read a database."""

    takes_a_database = False
    commands: Collection[str] = ()
    """The words that its first argument can be; empty: any."""

    def declare_log(self) -> None:
        """Declare the log's directory and, if the command takes one, the database in place of it."""
        instead = "; omit it with --db" if self.takes_a_database else ""
        self.add_argument("directory", metavar="DIR", help=f"the log's directory{instead}")
        if self.takes_a_database:
            self.add_argument(
                "--db",
                metavar="URL",
                help="in place of DIR: the PostgreSQL database that the log was shipped to",
            )
            self.add_argument(
                "--log", metavar="NAME", help="with --db: which log, if the database holds several"
            )

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; with ``--db``, an empty argument takes the place of the directory."""
        args = sys.argv[1:] if args is None else list(args)
        command = next((each for each in args if not each.startswith("-")), None)
        if self.commands and command is not None and command not in self.commands:
            near = get_close_matches(command, self.commands, 1)
            meant = f"did you mean {near[0]}? " if near else ""
            self.error(f"there is no {command!r}; {meant}`{self.prog} --help` lists all that there is")
        # An optional positional would not do: the parser may leave it out where it comes after an option.
        from_database = self.takes_a_database and any(each.partition("=")[0] == "--db" for each in args)
        if from_database:
            args = ["", *args]
        found, left = super().parse_known_args(args, namespace)
        if left:  # told here, and not by the parser above this one, whose usage has none of these options
            why = "; with --db, leave out DIR" if from_database else ""
            self.error(f"unrecognized arguments: {' '.join(left)}{why}")
        if self.takes_a_database and found.log is not None and not from_database:
            self.error("--log goes with --db; without it, DIR is the log")
        return found, left


def explained(command: str, summary: str, example: str) -> dict[str, Any]:
    """The description and the example in a command's help, as arguments of `add_parser`."""
    return {
        "description": f"{summary[0].upper()}{summary[1:]}.",
        "epilog": f"example: guardrails-lite {command} {example}".rstrip(),
    }


def share(text: str) -> float:
    """Read an option's value that is a share, from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share from 0 to 1; write 3 % as 0.03")
    return value


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """Make a reader of option values that are whole numbers, from *least* to *most*."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least or (most is not None and value > most):
            bounds = f"{least} or more" if most is None else f"from {least} to {most}"
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, {bounds}")
        return value

    return read


def amount(of: str, most: float = sys.float_info.max) -> Callable[[str], float]:
    """Make a reader of amounts *of* something, such as ``"seconds"``: more than 0, at most *most*."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not 0 < value <= most:
            bounds = "more than 0" if most == sys.float_info.max else f"more than 0 and up to {most}"
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of {of}; expected {bounds}")
        return value

    return read


def declare_reviewer(parser: argparse.ArgumentParser) -> None:
    """Declare the options that say who decides, and how many people must agree."""
    parser.add_argument("--as", dest="reviewer", metavar="NAME", help="who decides; default: your user name")
    parser.add_argument(
        "--needs", type=whole(1), default=1, metavar="N", help="how many reviewers must agree; default: 1"
    )


def reviewer_of(arguments: argparse.Namespace) -> str:
    """The reviewer's name.

    Raises:
        ConfigError: no name is given and the user has none, as in a container that runs under a user id.
    """
    try:
        return arguments.reviewer or getpass.getuser()
    except (KeyError, OSError, ImportError):  # which of them depends on the system and on Python's version
        raise ConfigError("your user has no name on this machine: say who decides with --as NAME") from None
