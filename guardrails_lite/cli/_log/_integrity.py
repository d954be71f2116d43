"""Whether the log is whole: verify it, explain it, close off its streams, rebuild its index."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guardrails_lite._counts import counted
from guardrails_lite._errors import ConfigError
from guardrails_lite.cli._log._action import Action, Misuse, declare_keys, files_of, read_text, writing
from guardrails_lite.cli._parser import whole
from guardrails_lite.cli._terminal import Bar, fail, print_json, safe

if TYPE_CHECKING:
    from guardrails_lite.audit import Stray


def _declare_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--key", metavar="KEY", help="verify.key, kept elsewhere: the file, or its one line")
    parser.add_argument("--heads", metavar="FILE", help="heads kept elsewhere; - is standard input")
    parser.add_argument(
        "--processes",
        metavar="N",
        type=whole(1),
        default=os.cpu_count() or 1,
        help="how many processes read a large log; default: one per core",
    )


def key_of(given: str | None) -> str | None:
    """The verification key that an option contains or names the file of."""
    if given is None or ("+" in given and not Path(given).exists()):  # the key itself
        return given
    text = read_text(given)
    if len(text.split()) != 3:
        raise Misuse(f"--key {given}: not a verification key; expected the one line of the log's verify.key")
    return text


def heads_of(place: str | None) -> list[str]:
    """The heads in the file that an option names."""
    from guardrails_lite.audit import read_heads

    if place is None:
        return []
    try:
        return read_heads(read_text(place))
    except ConfigError as error:
        raise ConfigError(f"--heads {place}: {error}") from error


def _verify(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit import verify

    heads = heads_of(arguments.heads)
    with files_of(arguments) as directory, Bar("bytes verified") as bar:
        report = verify(
            directory,
            key=key_of(arguments.key),
            heads=heads,
            processes=arguments.processes,
            on_progress=bar,
        )
    if arguments.json:
        print_json(report.to_dict())
    else:
        for line in str(report).splitlines():
            print(safe(line))
        if heads:
            print(f"compared with {counted(len(heads), 'head')} kept elsewhere")
    return report.exit_code


def _doctor(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit import diagnose

    heads = heads_of(arguments.heads)
    with Bar("bytes verified") as bar:
        found = diagnose(
            arguments.directory,
            key=key_of(arguments.key),
            heads=heads,
            processes=arguments.processes,
            on_progress=bar,
        )
    if arguments.json:
        print_json(found.to_dict())
        return found.exit_code
    print(safe(found.what))
    if found.trusted:
        print("\nWhat can be trusted:")
        for line in found.trusted:
            print(f"  {safe(line)}")
    problems = found.report.problems if found.report is not None else ()
    if problems:
        print("\nWhat is wrong:")
        for problem in problems:
            print(f"  {safe(problem)}")
    if found.advice:
        print("\nWhat to do:")
        for line in found.advice:
            print(f"  {safe(line)}")
    return found.exit_code


def _seal(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit import close_off

    with writing(arguments) as log:
        closed = close_off(log)
        head = log.head()
    if arguments.json:
        print_json({"closed": closed, "head": head})
        return 0
    for one in closed:
        torn = one["torn"]["bytes"]
        told = f", {counted(torn, 'byte')} of an unfinished line" if torn else ""
        print(f"closed off {safe(one['stream'])} after {counted(one['size'], 'entry')}{told}")
    streams = counted(len(closed), "stream")
    print(f"{streams} of ended processes closed off; the head of the log is now\n\n{head}")
    return 0


def _declare_repair(parser: argparse.ArgumentParser) -> None:
    declare_keys(parser)
    parser.add_argument(
        "--yes", action="store_true", help="do it; without --yes, only say what would be done"
    )


def _repair(arguments: argparse.Namespace) -> int:
    """Repair what can be repaired without touching a line: dead streams, stray texts, the index."""
    from guardrails_lite.audit import clear_strays, close_off, diagnose, strays
    from guardrails_lite.audit.index import Index

    with Bar("bytes verified") as bar:
        found = diagnose(arguments.directory, on_progress=bar)
    report = found.report
    if report is None:
        return fail(" ".join([f"{found.what}.", *found.advice]), found.exit_code)
    if report.state not in ("intact", "unsealed"):
        why = "nothing in it can be repaired without hiding what happened; see `guardrails-lite log doctor`"
        return fail(f"{found.what}; {why}", found.exit_code)
    dead = [stream.name for stream in report.streams if stream.ended == "open"]
    if not arguments.yes:
        return _tell_repairs(arguments, dead)
    closed: list[dict[str, Any]] = []
    cleared: list[Stray] = []
    if dead or strays(arguments.directory):
        with writing(arguments) as log:
            closed = close_off(log) if dead else []
            cleared = clear_strays(log)
    with Index(arguments.directory) as index, Bar("bytes indexed") as bar:
        index.rebuild(on_progress=bar)
        calls = index.totals().calls
    if arguments.json:
        print_json({"closed": closed, "cleared": [asdict(stray) for stray in cleared], "calls": calls})
        return 0
    print(f"closed off {counted(len(closed), 'stream')}; the index has {counted(calls, 'finished call')}")
    if cleared:
        print(f"overwrote {_size(cleared)} of kept texts without a record")
    if kept := strays(arguments.directory):
        print(f"{_size(kept)} of them stay, because a hold or a restriction may apply to them")
    return 0


def _tell_repairs(arguments: argparse.Namespace, dead: list[str]) -> int:
    """Print what a repair would do. Exits with 1 if there is anything to do."""
    from guardrails_lite.audit import strays

    left = strays(arguments.directory)
    if arguments.json:
        print_json({"dead": dead, "strays": [asdict(stray) for stray in left]})
    else:
        texts = f", overwrite {_size(left)} of kept texts without a record" if left else ""
        streams = counted(len(dead), "stream")
        print(f"would close off {streams} of ended processes{texts}, and rebuild the index; --yes does it")
    return 1 if dead or left else 0


def _size(left: list[Stray]) -> str:
    return counted(sum(stray.bytes for stray in left), "byte")


ACTIONS = (
    Action(
        "verify",
        "check that the log is whole and unchanged",
        "audit --key kept/verify.key",
        _verify,
        _declare_verify,
        looks="by itself",
        on="a log or a database",
    ),
    Action(
        "doctor",
        "say what this directory is, how much of it can be trusted, and what to do",
        "audit",
        _doctor,
        _declare_verify,
        looks="by itself",
    ),
    Action(
        "seal",
        "close off the streams of ended processes, and print the signed head",
        "audit",
        _seal,
        declare_keys,
        looks="at all of it",
    ),
    Action(
        "repair",
        "close off dead streams, remove stray texts and rebuild the index",
        "audit",
        _repair,
        _declare_repair,
        looks="by itself",
    ),
)
