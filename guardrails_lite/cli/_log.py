"""``guardrails-lite log``: list, show, count, verify and bundle a compliance log."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from guardrails_lite._errors import ConfigError
from guardrails_lite.cli import _evidence
from guardrails_lite.cli._terminal import fail, print_json, print_table, safe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, summary in (
        ("ls", "list calls, newest last"),
        ("show", "one call, with every step"),
        ("stats", "counts, tokens, money, time"),
        ("verify", "is the log whole and unchanged?"),
    ):
        action = commands.add_parser(name, help=summary, description=f"{summary}.")
        action.add_argument("directory", metavar="DIR", help="the log's directory")
        action.add_argument("--json", action="store_true", help="print JSON")
        if name == "show":
            action.add_argument("id", help="the call's id, or the beginning of it")
        if name == "ls":
            action.add_argument("--outcome", help="only calls that ended so, such as blocked")
            action.add_argument("--guard", help="only calls of the guard with this name")
            action.add_argument("--last", type=int, metavar="N", help="only the last N")
        if name == "verify":
            action.add_argument("--key", help="the verification key, kept elsewhere")
    _evidence.add_arguments(commands)


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked; see `guardrails_lite.cli` for the exit codes."""
    try:
        return int(_ACTIONS[arguments.action](arguments))
    except ConfigError as error:
        return fail(error, 5)


def _calls(directory: str) -> Iterator[dict[str, Any]]:
    from guardrails_lite.audit import read

    for entry in read(directory):
        yield dict(entry.data)


def _ls(arguments: argparse.Namespace) -> int:
    calls: list[dict[str, Any]] = [
        call
        for call in _calls(arguments.directory)
        if arguments.outcome in (None, call.get("outcome")) and arguments.guard in (None, call.get("guard"))
    ]
    if arguments.last is not None:
        calls = calls[-arguments.last :] if arguments.last > 0 else []
    if arguments.json:
        print_json(calls)
        return 0
    print_table(
        ("time", "id", "guard", "model", "outcome", "sends", "tokens", "ms", "found"), map(_row, calls)
    )
    return 0


def _row(call: dict[str, Any]) -> tuple[object, ...]:
    usage = call.get("usage") or {}
    found = [check["rule"] for check in call.get("checks", ()) if check["result"] not in _QUIET]
    return (
        _time(call.get("started")),
        str(call.get("id"))[:12],
        call.get("guard") or "-",
        call.get("model") or "-",
        call.get("outcome"),
        len(call.get("attempts", ())),
        usage.get("total_tokens", "-"),
        f"{(call.get('duration_us') or 0) / 1000:.1f}",
        ", ".join(dict.fromkeys(found)) or "-",
    )


_QUIET = ("passed", "not run", "skipped")


def _time(started: object) -> str:
    if not isinstance(started, (int, float)):
        return "-"
    return datetime.fromtimestamp(started, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _show(arguments: argparse.Namespace) -> int:
    found = list(
        islice(
            (call for call in _calls(arguments.directory) if str(call.get("id")).startswith(arguments.id)), 2
        )
    )
    if len(found) != 1:
        return fail(f"{'several calls begin' if found else 'no call begins'} with {arguments.id!r}", 1)
    call = found[0]
    if arguments.json:
        print_json(call)
        return 0
    for name in ("id", "guard", "digest", "mode", "style", "model", "outcome", "error", "cost_usd"):
        print(f"{name + ':':10}{safe(call.get(name) if call.get(name) is not None else '-')}")
    print(
        f"{'started:':10}{_time(call.get('started'))}   took {(call.get('duration_us') or 0) / 1000:.1f} ms"
    )
    if call.get("who"):
        print(f"{'who:':10}{safe(', '.join(f'{key} {value}' for key, value in call['who'].items()))}")
    _section(
        "checks", ("rule", "side", "attempt", "result", "action", "us"), call.get("checks", ()), "duration_us"
    )
    _section(
        "attempts",
        ("target", "model", "number", "result", "status", "us"),
        call.get("attempts", ()),
        "duration_us",
    )
    _section("tools", ("name", "attempt", "verdict", "repaired"), call.get("tools", ()))
    _section("notes", ("what", "detail", "attempt"), call.get("notes", ()))
    return 0


def _section(title: str, head: tuple[str, ...], steps: Any, last: str | None = None) -> None:
    if not steps:
        return
    names = (*head[:-1], last) if last else head
    print(f"\n{title}")
    print_table(head, [["-" if step.get(name) is None else step[name] for name in names] for step in steps])


def _stats(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit import stats

    told = stats(arguments.directory)
    if arguments.json:
        print_json(told)
        return 0
    for name, value in told.items():
        if isinstance(value, dict):
            print(f"{safe(name)}:")
            for key, each in value.items():
                shown = ", ".join(f"{k} {v}" for k, v in each.items()) if isinstance(each, dict) else each
                print(f"  {safe(key)}: {safe(shown)}")
        else:
            print(f"{safe(name)}: {safe(value)}")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit import verify

    report = verify(arguments.directory, key=arguments.key)
    if arguments.json:
        print_json(report.to_dict())
    else:
        for line in str(report).splitlines():
            print(safe(line))
    return report.exit_code


_ACTIONS = {
    "bundle": _evidence.bundle,
    "check-bundle": _evidence.check_bundle,
    "ls": _ls,
    "show": _show,
    "stats": _stats,
    "verify": _verify,
}
