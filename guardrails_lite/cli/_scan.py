"""``guardrails-lite scan``: run a guard's rules over text or JSON lines, with no model call."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from guardrails_lite import _rules
from guardrails_lite._errors import ConfigError
from guardrails_lite._guard import Decision, Guard
from guardrails_lite._plugins import load
from guardrails_lite.cli._terminal import fail, print_table, progress, safe

NO_VALIDATOR = (
    "--validators names no validator, so nothing would be checked; expected, for example, pii,secrets"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "files", metavar="FILE", nargs="*", help="text or .jsonl files; default, or -: standard input"
    )
    rules = parser.add_mutually_exclusive_group()
    rules.add_argument("--guard", metavar="FILE", help="a guard in TOML or YAML")
    rules.add_argument(
        "--validators",
        metavar="NAMES",
        default="pii,secrets,injection",
        help="without --guard: use these validators, separated by commas; default: %(default)s",
    )
    parser.add_argument(
        "--side",
        choices=("input", "output"),
        default="input",
        help="use the input or the output rules; default: %(default)s",
    )
    parser.add_argument(
        "--jsonl", action="store_true", help="treat every line as JSON, whatever the file is called"
    )
    parser.add_argument(
        "--field", default="text", help="the field of a JSON line that holds the text; default: %(default)s"
    )
    parser.add_argument("--redact", action="store_true", help="print each text as the rules leave it")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each text")


def run(arguments: argparse.Namespace) -> int:
    """Scan. Exits with 0 if nothing was found, 1 if something was, 2 for wrong use, 5 for bad files."""
    try:
        guard = _guard(arguments)
        texts = list(_texts(arguments))
    except ConfigError as error:
        return fail(error)
    except OSError as error:
        return fail(f"{error.filename}: cannot be read ({error.strerror})", 5)
    except ValueError as error:
        return fail(error, 5)
    return asyncio.run(_scan(guard, texts, arguments))


async def _scan(guard: Guard[Any], texts: list[tuple[str, str]], arguments: argparse.Namespace) -> int:
    rows: list[tuple[str, str, str]] = []
    verdicts: Counter[str] = Counter()
    for where, text in progress(texts, total=len(texts), what="texts"):
        decision = await guard.acheck(text, side=arguments.side)
        found = _found(decision)
        verdicts[decision.verdict if found or not decision.ok else "passed"] += 1
        if arguments.json:
            told: dict[str, Any] = {"where": where, "verdict": decision.verdict, "found": found}
            if arguments.redact:
                told["text"] = decision.text
            print(json.dumps(told))
        elif arguments.redact:
            print(_encodable(decision.text) if decision.text is not None else f"[{decision.verdict}]")
        elif found or not decision.ok:
            rows.append(
                (where, decision.verdict, ", ".join(f"{each['what']} x{each['times']}" for each in found))
            )
    if not arguments.json and not arguments.redact:
        if rows:
            print_table(("where", "verdict", "found"), rows)
        print(
            safe(", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items())) or "no texts")
        )
    return 1 if set(verdicts) - {"passed"} else 0


def _encodable(text: str) -> str:
    """*text* with lone surrogates, which JSON allows but no encoding can write, as their numbers."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _found(decision: Decision) -> list[dict[str, Any]]:
    return [
        {"rule": step.rule, "what": finding.category or finding.message, "times": finding.times}
        for step in decision.record.checks
        for finding in step.findings
    ]


def _guard(arguments: argparse.Namespace) -> Guard[Any]:
    if arguments.guard is not None:
        return Guard.from_file(arguments.guard)
    if not arguments.validators.strip(", "):
        raise ConfigError(NO_VALIDATOR)
    rules = [
        (_rules.redact if name in ("pii", "secrets", "presidio") else _rules.warn)(load(name, {}))
        for name in arguments.validators.split(",")
        if name
    ]
    return Guard(name="scan", input=rules, output=rules)


def _texts(arguments: argparse.Namespace) -> Iterator[tuple[str, str]]:
    for name in arguments.files or ["-"]:
        where = "stdin" if name == "-" else name
        is_json = arguments.jsonl or name.endswith(".jsonl")
        if name == "-" and sys.stdin.isatty():
            print("guardrails-lite: reading standard input; Ctrl-D ends it", file=sys.stderr)
        try:
            lines = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"{where} is not UTF-8; convert it first") from None
        for number, line in enumerate(lines.splitlines(), 1):
            if not line.strip():
                continue
            if is_json:
                try:
                    line = json.loads(line)[arguments.field]
                except (ValueError, KeyError, TypeError) as error:
                    problem = (
                        "is not JSON"
                        if isinstance(error, ValueError)
                        else f"has no field {arguments.field!r}"
                    )
                    raise ValueError(f"{where}:{number} {problem}") from None
                if not isinstance(line, str):
                    raise ValueError(f"{where}:{number}: the field {arguments.field!r} is not a string")
            yield f"{where}:{number}", line
