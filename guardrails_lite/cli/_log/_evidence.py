"""``guardrails-lite log bundle`` and ``log check-bundle``: evidence for somebody else."""

from __future__ import annotations

import argparse
import os

from guardrails_lite._counts import counted
from guardrails_lite.cli._log._action import Action, declare_keys, is_of_log, read_text, writing
from guardrails_lite.cli._terminal import fail, print_json, safe


def _declare_bundle(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="FILE", help="the new zip file")
    parser.add_argument("--by", metavar="WHO", required=True, help="who takes the evidence")
    parser.add_argument("--reason", metavar="WHY", required=True, help="why: a case, an audit")
    declare_keys(parser)


def _bundle(arguments: argparse.Namespace) -> int:
    """Make a bundle, then check it. The exit code is that of the check."""
    from guardrails_lite.audit import _standalone, bundle, check_bundle

    try:
        with writing(arguments) as log:
            made = bundle(log, arguments.path, by=arguments.by, reason=arguments.reason)
    except OSError as error:
        if is_of_log(error, arguments):
            raise
        return fail(f"{arguments.path}: cannot be written ({error.strerror or type(error).__name__})", 5)
    report = check_bundle(made.path)
    if arguments.json:
        told = {"path": os.fspath(made.path), "sha256": made.sha256, "manifest": made.manifest}
        print_json({**told, "head": made.head, "check": report})
    else:
        print(f"{safe(made.path)}: {counted(made.records, 'entry')}, checked: {report['state']}")
        print(f"sha256 {made.sha256}")
        for line in made.head.splitlines():
            print(safe(line))
    return _standalone.EXIT_CODES[report["state"]]


def _declare_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="FILE", help="the zip file, or the folder it was unpacked to")
    parser.add_argument("--key", metavar="FILE", help="the log's verify.key, kept elsewhere")
    parser.add_argument("--head", metavar="FILE", help="a head of the log, kept elsewhere")


def _check_bundle(arguments: argparse.Namespace) -> int:
    """Check a bundle with the installed verifier."""
    from guardrails_lite.audit import _standalone, check_bundle

    key = None if arguments.key is None else read_text(arguments.key)
    head = None if arguments.head is None else read_text(arguments.head)
    report = check_bundle(arguments.path, key=key, head=head)
    if arguments.json:
        print_json(report)
    else:
        print(_standalone.as_text(report))
    return _standalone.EXIT_CODES[report["state"]]


ACTIONS = (
    Action(
        "bundle",
        "write evidence to one file that includes its own verifier",
        "audit evidence.zip --by ada --reason 'case 12'",
        _bundle,
        _declare_bundle,
    ),
    Action(
        "check-bundle",
        "check such an evidence file",
        "evidence.zip --key kept/verify.key",
        _check_bundle,
        _declare_check,
        on="nothing",
    ),
)
