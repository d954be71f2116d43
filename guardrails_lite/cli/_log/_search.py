"""Searching: entries by pattern, and the index in SQL."""

from __future__ import annotations

import argparse
import re
from itertools import islice

from guardrails_lite._errors import ConfigError
from guardrails_lite.cli._log._action import Action, files_of, index_of, read_text
from guardrails_lite.cli._log._calls import shown_time
from guardrails_lite.cli._parser import amount, whole
from guardrails_lite.cli._terminal import fail, print_json_line, print_table, safe

_SHOWN = 160


def _declare_grep(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pattern", metavar="PATTERN", help="a regular expression over the entry's JSON")
    parser.add_argument("-i", "--ignore-case", action="store_true", help="ignore case")
    parser.add_argument(
        "-F", "--fixed", action="store_true", help="take the pattern as plain text, not as an expression"
    )
    parser.add_argument("--type", metavar="TYPE", help="only entries of this type, such as erasure")
    parser.add_argument("-m", "--max", type=whole(1), metavar="N", help="stop after N entries")


def _grep(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit import entry_schema, read_lines

    text = re.escape(arguments.pattern) if arguments.fixed else arguments.pattern
    try:
        pattern = re.compile(text.encode(), re.IGNORECASE if arguments.ignore_case else 0)
    except re.error as error:
        return fail(f"the pattern is not a regular expression: {error}", 2)
    count = 0
    with files_of(arguments) as directory:
        found = (
            (entry, line)
            for entry, line in read_lines(directory, kind=arguments.type)
            if pattern.search(line)
        )
        for entry, line in islice(found, arguments.max):
            count += 1
            if arguments.json:
                print_json_line(
                    {
                        "stream": entry.stream,
                        "n": entry.n,
                        "type": entry.type,
                        "id": entry.id,
                        "data": entry.data,
                    }
                )
                continue
            match = pattern.search(line)
            at = max(0, match.start() - _SHOWN // 2) if match is not None else 0
            part = line[at : at + _SHOWN].decode("utf-8", "replace")
            print(f"{shown_time(entry.time_ns)}  {safe(entry.type)}  {safe(entry.id[:12])}  {safe(part)}")
    if not count and arguments.type is not None:
        try:
            entry_schema(arguments.type)
        except ConfigError as error:  # but of a later version, whose types a log may have
            return fail(error, 2)
    return 0 if count else 1


def _declare_sql(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "question", metavar="QUESTION", help="a SELECT over the index; - reads it from standard input"
    )
    parser.add_argument(
        "--timeout",
        type=amount("seconds"),
        default=30.0,
        metavar="S",
        help="give up after this many seconds; default: 30",
    )


def _sql(arguments: argparse.Namespace) -> int:
    question = read_text("-") if arguments.question == "-" else arguments.question
    with index_of(arguments) as index:
        try:
            answer = index.sql(question, timeout_s=arguments.timeout)
            if arguments.json:
                for row in answer.rows:
                    print_json_line(dict(zip(answer.columns, row, strict=True)))
            else:
                print_table(answer.columns, answer.rows, empty="no rows")
        except ConfigError as error:
            return fail(error, 2)
    return 0


ACTIONS = (
    Action(
        "grep",
        "print entries whose JSON matches a pattern",
        "audit 'rate limited' --type call.completed",
        _grep,
        _declare_grep,
        on="a log or a database",
        looks="at all of it",
    ),
    Action(
        "sql",
        "query the index in SQL, read-only",
        "audit 'SELECT model, count(*) FROM calls GROUP BY model'",
        _sql,
        _declare_sql,
        on="a log or a database",
    ),
)
