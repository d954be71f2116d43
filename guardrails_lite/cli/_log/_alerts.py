"""``guardrails-lite log alerts``: Sigma rules over the log, told once for each match."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from guardrails_lite._errors import ConfigError
from guardrails_lite.cli._log._action import Action, at_time, declare_keys
from guardrails_lite.cli._log._calls import shown_time
from guardrails_lite.cli._log._integrity import heads_of, key_of
from guardrails_lite.cli._parser import amount
from guardrails_lite.cli._terminal import Bar, fail, print_json, print_json_line, print_table, safe

if TYPE_CHECKING:
    from guardrails_lite.audit import Report
    from guardrails_lite.audit.alerts import Alert, Receiver, Rules

_HEAD = ("time", "level", "alert", "rule", "about")
_SHOWN = 5
_LONGEST_S = 30 * 86_400


def _declare(parser: argparse.ArgumentParser) -> None:
    from guardrails_lite.audit.alerts import LEVELS

    how = parser.add_argument_group("how")
    how.add_argument("--once", action="store_true", help="look once and stop; for a scheduled job")
    how.add_argument("--dry-run", action="store_true", help="look once; record, send and remember nothing")
    how.add_argument("--list", action="store_true", help="only list the rules")
    how.add_argument(
        "--since", type=at_time, default="1d", metavar="TIME", help="where the first look begins; default: 1d"
    )
    how.add_argument(
        "--every",
        type=amount("seconds", _LONGEST_S),
        default=5.0,
        metavar="S",
        help="seconds between two looks; default: 5",
    )
    how.add_argument(
        "--verify-every",
        type=amount("seconds", _LONGEST_S),
        default=3600.0,
        metavar="S",
        help="seconds between two verifications of the log, for rules about integrity; default: 3600; the "
        "first look always verifies",
    )
    which = parser.add_argument_group("which rules")
    which.add_argument(
        "--rules", action="append", default=[], metavar="PATH", help="add a file or folder of Sigma rules"
    )
    which.add_argument("--no-shipped", action="store_true", help="leave out the shipped rules")
    which.add_argument("--level", choices=LEVELS, default=LEVELS[0], help="only this level and above")
    to = parser.add_argument_group("where alerts go")
    to.add_argument(
        "--webhook",
        metavar="URL",
        help="POST each alert there as JSON; env:NAME reads the address from an environment variable. "
        "Requests are signed if GUARDRAILS_LITE_WEBHOOK_SECRET is set",
    )
    to.add_argument(
        "--run",
        dest="program",
        metavar="LINE",
        help="run this program for each alert, with the alert on its standard input",
    )
    to.add_argument(
        "--timeout",
        type=amount("seconds", _LONGEST_S),
        default=10.0,
        metavar="S",
        help="seconds that sending one alert may take; default: 10",
    )
    declare_keys(parser)
    parser.add_argument("--key", metavar="KEY", help="verify.key, kept elsewhere: the file, or its one line")
    parser.add_argument("--heads", metavar="FILE", help="heads that were kept elsewhere")


def _run(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit.alerts import read_rules

    try:
        rules = read_rules(*arguments.rules, shipped=not arguments.no_shipped).at_least(arguments.level)
        receivers = _receivers(arguments)
    except ConfigError as error:
        return fail(error, 2)
    if arguments.list:
        return _list(rules, as_json=arguments.json)
    if arguments.dry_run:
        return _try(arguments, rules)
    try:
        return _watch(arguments, rules, receivers)
    except ConfigError as error:
        return _alarm(arguments, rules, receivers, error)


def _receivers(arguments: argparse.Namespace) -> list[Receiver]:
    from guardrails_lite.audit.alerts import command, webhook
    from guardrails_lite.audit.alerts._send import SECRET

    found: list[Receiver] = []
    if arguments.webhook is not None:
        url = arguments.webhook
        if url.startswith("env:"):
            url = os.environ.get(url[4:])
            if url is None:
                raise ConfigError(f"--webhook: the environment has no variable {arguments.webhook[4:]!r}")
        found.append(webhook(url, secret=os.environ.get(SECRET), timeout_s=arguments.timeout))
    if arguments.program is not None:
        try:
            words = shlex.split(arguments.program)
        except ValueError:
            raise ConfigError("--run: a quotation mark is not closed") from None
        found.append(command(*words, timeout_s=arguments.timeout))
    return found


def _list(rules: Rules, *, as_json: bool) -> int:
    told = [
        {"id": rule.id, "level": rule.level, "title": rule.title, "description": rule.description}
        for rule in rules.alerting
    ]
    if as_json:
        print_json(told)
    else:
        rows = [(one["level"], one["title"], one["id"]) for one in told]
        print_table(("level", "rule", "id"), rows, empty="no rules")
    return 0


def _try(arguments: argparse.Namespace, rules: Rules) -> int:
    from guardrails_lite.audit.alerts import matches

    found = list(matches(arguments.directory, rules, since=arguments.since, check=_check(arguments)))
    if arguments.json:
        print_json([alert.to_dict() for alert in found])
    else:
        print_table(_HEAD, map(_row, found), empty="no alerts")
    return 1 if found else 0


def _watch(arguments: argparse.Namespace, rules: Rules, receivers: Iterable[Receiver]) -> int:
    from guardrails_lite.audit.alerts import Watch

    told = failed = False
    with (
        contextlib.suppress(KeyboardInterrupt),
        Watch(
            arguments.directory,
            rules,
            receivers=receivers,
            since=arguments.since,
            keys=arguments.keys,
            check=_check(arguments),
        ) as watch,
    ):
        verified = 0.0
        while True:
            now = time.monotonic()
            due = not verified or now - verified >= arguments.verify_every
            if due:
                verified = now
            seen = watch.look(verify=due)
            told, failed = told or bool(seen.raised), bool(seen.problems)
            _tell(seen.raised, as_json=arguments.json)
            for problem in seen.problems:
                fail(problem)
            if arguments.once:
                break
            time.sleep(max(0.1, arguments.every))
    return 5 if failed else int(told)


def _alarm(
    arguments: argparse.Namespace, rules: Rules, receivers: Iterable[Receiver], error: ConfigError
) -> int:
    """Raise an alert if the log cannot be opened: that is what a rule about integrity looks for."""
    from guardrails_lite.audit.alerts import alarm

    report = _check(arguments)()
    if report.state == "unreadable":
        seen = alarm(report, rules, receivers, log=report.log or arguments.directory)
        _tell(seen.raised, as_json=arguments.json)
        for problem in seen.problems:
            fail(problem)
    return fail(error, 5)


def _check(arguments: argparse.Namespace) -> Callable[[], Report]:
    def check() -> Report:
        from guardrails_lite.audit import verify

        with Bar("bytes verified") as bar:
            return verify(
                arguments.directory,
                key=key_of(arguments.key),
                heads=heads_of(arguments.heads),
                on_progress=bar,
            )

    return check


def _tell(alerts: Iterable[Alert], *, as_json: bool) -> None:
    for alert in alerts:
        if as_json:
            print_json_line(alert.to_dict())
        else:
            print("  ".join(safe(cell) for cell in _row(alert)), flush=True)


def _row(alert: Alert) -> tuple[str, ...]:
    told = {**alert.group, **({"count": alert.count} if alert.group else {}), **alert.fields}
    about = ", ".join(f"{name} {value}" for name, value in list(told.items())[:_SHOWN])
    return shown_time(alert.at), alert.level, alert.id[:12], alert.title, about


ACTIONS = (
    Action(
        "alerts",
        "run Sigma rules over the log and report each match once",
        "audit --once --level high",
        _run,
        _declare,
    ),
)
