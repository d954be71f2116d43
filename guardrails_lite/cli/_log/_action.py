"""What an action of ``guardrails-lite log`` is, and what several of them share."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal, get_args

from guardrails_lite._errors import ConfigError, OutcomeName
from guardrails_lite._record import Style
from guardrails_lite.cli._terminal import Bar, safe

if TYPE_CHECKING:
    from guardrails_lite.audit import AuditLog
    from guardrails_lite.audit._content import Form
    from guardrails_lite.audit.index import Filter, Index
    from guardrails_lite.audit.postgres import ShippedIndex


class Misuse(ConfigError):
    """An option has a value that it cannot have; this was seen only after the log was opened."""


def no_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing."""


@dataclass(frozen=True, slots=True)
class Action:
    """One action: its name, a short summary, an example, its arguments, and the function that runs it."""

    name: str
    summary: str
    example: str
    """Example arguments, as typed in a shell."""
    run: Callable[[argparse.Namespace], int]
    declare: Callable[[argparse.ArgumentParser], None] = no_arguments
    on: Literal["a log", "a log or a database", "nothing"] = "a log"
    """What it works on; a database is one that the log was shipped to, given as ``--db``."""
    looks: Literal["at the ends", "at all of it", "by itself"] = "at the ends"
    """What is checked first, so that damage is reported on standard error.

    ``"at the ends"``: whether the streams reach as far as they should. ``"at all of it"``: the whole log, for
    actions that hand entries out or act on them. ``"by itself"``: nothing, as the action reports damage.
    """


FILTERS = ("outcome", "guard", "digest", "model", "user", "key", "tenant", "mode", "style", "rule")


def declare_filters(parser: argparse.ArgumentParser) -> None:
    """Declare the options that narrow the calls."""
    group = parser.add_argument_group("which calls", "Repeat an option to allow several values.")
    for name in FILTERS:
        group.add_argument(f"--{name}", action="append", metavar="VALUE", help=_FILTER_HELP[name])
    group.add_argument(
        "--tag",
        action="append",
        type=_tag,
        metavar="NAME=VALUE",
        help="any other value bound to the call, such as app=desk",
    )
    group.add_argument(
        "--text", default="", metavar="TEXT", help="the beginning of an id, or a whole pseudonym or tag"
    )
    group.add_argument(
        "--since",
        type=at_time,
        metavar="TIME",
        help="started at or after this time: 15m, 2h or 7d ago, or 2026-11-25T14:30 in UTC",
    )
    group.add_argument("--until", type=at_time, metavar="TIME", help="started before this time")


_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "outcome": (*get_args(OutcomeName), "unfinished"),
    "mode": ("enforce", "monitor"),
    "style": get_args(Style),
}
"""Options that take only these words."""
_FILTER_HELP = {
    "outcome": "how the call ended, such as blocked; unfinished: it has not ended",
    "guard": "the guard's name",
    "digest": "the guard's digest",
    "model": "the requested model",
    "user": "a user, as bound or as a pseudonym",
    "key": "an API key, as bound or as a pseudonym",
    "tenant": "a tenant",
    "mode": "enforce or monitor",
    "style": "sync, async, stream, async stream or check",
    "rule": "a rule that found something or broke, as ls prints it",
}


def filter_of(arguments: argparse.Namespace) -> Filter:
    """The filter that the options describe."""
    from guardrails_lite.audit.index import Filter

    shipped = getattr(arguments, "db", None) is not None
    values: dict[str, Any] = {name: getattr(arguments, name) or () for name in FILTERS}
    for name, words in _WORDS.items():
        _refuse_others(arguments, name, set(values[name]) - {*words})
    for name, kind in (("user", "user"), ("key", "api_key")):
        values[name] = [
            each
            for value in values[name]
            for each in names_of(None if shipped else arguments.directory, kind, value)
        ]
    return Filter(
        **values,
        tags=dict(arguments.tag or ()),
        text=arguments.text,
        since=arguments.since,
        until=arguments.until,
    )


def no_calls(asked: Filter) -> str:
    """What to print if the list of calls is empty."""
    return "no calls that fit these options" if asked.used else "no calls yet"


def _refuse_others(arguments: argparse.Namespace, name: str, others: set[str]) -> None:
    """Refuse an unknown word: an empty list would read as if no call had ended that way.

    A word of a later version is accepted if the log contains it.
    """
    if not others:
        return
    with index_of(arguments) as index:
        logged = {facet.value for facet in index.facets(name, limit=1000)}
    if others - logged:
        words = ", ".join(map(repr, dict.fromkeys((*_WORDS[name], *sorted(logged)))))
        raise Misuse(f"--{name} {min(others - logged)!r} is not a known {name}; expected one of {words}")


def _tag(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not a tag; expected NAME=VALUE")
    return name, value


def at_time(text: str) -> int:
    """Read an option's value that is a time, as nanoseconds since the epoch."""
    from guardrails_lite.audit.index import when

    try:
        return when(text, now_ns=time.time_ns())
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def names_of(directory: str | None, kind: str, value: str) -> list[str]:
    """The pseudonyms of *value*, or *value* itself if it is one. Without *directory* there are no keys."""
    from guardrails_lite.audit import pseudonyms_in

    if re.fullmatch(r"p\d+:[0-9a-f]{32}", value) or not value:
        return [value]
    if directory is None:
        raise Misuse(
            "a database does not hold the keys that turn names into pseudonyms; give the pseudonym that "
            "`guardrails-lite log hash DIR VALUE` prints on the machine with the keys"
        )
    return pseudonyms_in(directory, kind, value)


@contextmanager
def index_of(arguments: argparse.Namespace) -> Iterator[Index | ShippedIndex]:
    """The index of the log, updated first, with a bar if that takes long; or the index in a database."""
    from guardrails_lite.audit.index import Index

    if getattr(arguments, "db", None) is not None:
        from guardrails_lite.audit.postgres import ShippedIndex

        opened: Index | ShippedIndex = ShippedIndex(arguments.db, log=arguments.log)
    else:
        opened = Index(arguments.directory)
    with opened as index:
        with Bar("bytes indexed") as bar:
            index.update(on_progress=bar)
        for source in index.sources():
            if source.problem:
                print(
                    f"guardrails-lite: the stream {source.name} is damaged at {source.problem}; everything "
                    "after that is left out. `guardrails-lite log doctor` says more.",
                    file=sys.stderr,
                )
        yield index


@contextmanager
def files_of(arguments: argparse.Namespace) -> Iterator[str]:
    """The log's directory; for a database, a temporary one."""
    if arguments.db is None:
        yield arguments.directory
        return
    from guardrails_lite.audit.postgres import fetched

    with Bar("bytes fetched") as bar, fetched(arguments.db, log=arguments.log, on_progress=bar) as directory:
        yield str(directory)


@contextmanager
def writing(arguments: argparse.Namespace) -> Iterator[AuditLog]:
    """The log, opened to write an entry; no log is created."""
    from guardrails_lite.audit import AuditLog
    from guardrails_lite.audit._registry import read_config

    read_config(Path(arguments.directory) / "log.json")
    with AuditLog(arguments.directory, keys=arguments.keys) as log:
        yield log


@contextmanager
def output_of(arguments: argparse.Namespace) -> Iterator[BinaryIO]:
    """The new file named by ``--output``, opened for writing.

    Raises:
        Misuse: it exists already, or is inside the log.
    """
    from guardrails_lite.audit._new_file import new_file, new_place

    try:
        place = new_place("--output", arguments.output, log=arguments.directory)
    except ConfigError as error:
        raise Misuse(str(error)) from None
    with new_file(place) as file:
        yield file


def tell_of_spill(arguments: argparse.Namespace) -> None:
    """Say on standard error that the same must be done in the log that this one spills to."""
    from guardrails_lite.audit._spilled import spilled

    spill = spilled(Path(arguments.directory))
    if spill is not None:
        told = (
            f"guardrails-lite: when this log cannot be written, it spills into {spill}, a separate log with "
            f"its own texts, which this command did not touch. Run it there too: `guardrails-lite log "
            f"{arguments.action} {shlex.quote(str(spill))} ...`"
        )
        print(safe(told), file=sys.stderr)


def is_of_log(error: OSError, arguments: argparse.Namespace) -> bool:
    """Whether *error* is about a file of the log, rather than about a file written elsewhere."""
    name = error.filename
    root = Path(arguments.directory).absolute()
    return isinstance(name, str | os.PathLike) and Path(name).absolute().is_relative_to(root)


def declare_keys(parser: argparse.ArgumentParser) -> None:
    """Declare where the keys are."""
    parser.add_argument("--keys", metavar="DIR", help="where the log's keys are; default: keys in the log")


def declare_original(parser: argparse.ArgumentParser) -> None:
    """Declare the option that chooses the form of the kept texts."""
    parser.add_argument(
        "--original",
        action="store_true",
        help="the original texts, before any rule, if the log keeps them (capture='sealed')",
    )


def form_of(arguments: argparse.Namespace) -> Form:
    """The requested form of the kept texts."""
    return "original" if arguments.original else "redacted"


def read_text(place: str) -> str:
    """The content of the file *place*; ``-`` is standard input."""
    try:
        return sys.stdin.read() if place == "-" else Path(place).read_text(errors="replace")
    except OSError as error:
        raise ConfigError(f"{place}: cannot be read ({error.strerror or type(error).__name__})") from error
