"""``guardrails-lite log bundle`` and ``log check-bundle``: evidence for somebody else."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from guardrails_lite.cli._terminal import fail, print_json, safe


def add_arguments(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare both actions."""
    made = commands.add_parser("bundle", help="evidence in one file", description="evidence in one file.")
    made.add_argument("directory", metavar="DIR", help="the log's directory")
    made.add_argument("path", metavar="FILE", help="the new zip file")
    made.add_argument("--by", required=True, help="who takes the evidence")
    made.add_argument("--reason", required=True, help="why: a case, an audit")
    made.add_argument("--keys", metavar="DIR", help="where the log's keys live, unless in the log")
    made.add_argument("--json", action="store_true", help="print JSON")
    checked = commands.add_parser("check-bundle", help="check evidence", description="check evidence.")
    checked.add_argument("path", metavar="FILE", help="the zip file, or the folder it was unpacked to")
    checked.add_argument("--key", metavar="FILE", help="the log's verify.key, kept elsewhere")
    checked.add_argument("--head", metavar="FILE", help="a head of the log, kept elsewhere")
    checked.add_argument("--json", action="store_true", help="print JSON")


def bundle(arguments: argparse.Namespace) -> int:
    """Make a bundle, then check it: the exit code is the check's."""
    from guardrails_lite.audit import AuditLog, _standalone, check_bundle
    from guardrails_lite.audit import bundle as make
    from guardrails_lite.audit._registry import read_config

    read_config(Path(arguments.directory) / "log.json")  # never makes a log where there is none
    try:
        with AuditLog(arguments.directory, keys=arguments.keys) as log:
            made = make(log, arguments.path, by=arguments.by, reason=arguments.reason)
    except OSError as error:
        return fail(f"{arguments.path}: cannot be written ({error.strerror or type(error).__name__})", 5)
    report = check_bundle(made.path)
    if arguments.json:
        told = {"path": os.fspath(made.path), "sha256": made.sha256, "manifest": made.manifest}
        print_json({**told, "head": made.head, "check": report})
    else:
        print(f"{safe(made.path)}: {made.records} entries, checked: {report['state']}")
        print(f"sha256 {made.sha256}")
        for line in made.head.splitlines():
            print(safe(line))
    return _standalone.EXIT_CODES[report["state"]]


def check_bundle(arguments: argparse.Namespace) -> int:
    """Check a bundle with the verifier that is installed here."""
    from guardrails_lite.audit import _standalone
    from guardrails_lite.audit import check_bundle as check

    try:
        key = Path(arguments.key).read_text() if arguments.key else None
        head = Path(arguments.head).read_text() if arguments.head else None
    except (OSError, ValueError) as error:
        return fail(f"a given file cannot be read ({type(error).__name__})", 2)
    report = check(arguments.path, key=key, head=head)
    if arguments.json:
        print_json(report)
    else:
        print(_standalone.as_text(report))
    return _standalone.EXIT_CODES[report["state"]]
