"""Printing to a terminal: tables, JSON, progress, and text that cannot take the terminal over."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from guardrails_lite._errors import MissingPackage
from guardrails_lite._harmless import safe as safe

T = TypeVar("T")


def print_table(head: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "") -> None:
    """Print rows under a head, in columns as wide as needed; if there are no rows, print *empty*."""
    cells = [list(head), *([safe(cell) for cell in row] for row in rows)]
    if empty and len(cells) == 1:
        print(empty)
        return
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_json(value: Any) -> None:
    """Print JSON that is safe on a terminal too: everything beyond ASCII is escaped."""
    print(json.dumps(value, indent=2, default=str))


def print_json_line(value: Any) -> None:
    """Print JSON on one line, for output that comes as a stream."""
    print(json.dumps(value, default=str), flush=True)


def fail(message: object, code: int = 2) -> int:
    """Say on standard error what is wrong; return the exit code."""
    print(f"guardrails-lite: {safe(message)}", file=sys.stderr)
    return code_of(message, code)


def code_of(error: object, code: int) -> int:
    """*code*, or 5 if *error* or one of its causes is a missing package."""
    while isinstance(error, BaseException):
        if isinstance(error, MissingPackage):
            return 5
        error = error.__cause__
    return code


def progress(items: Iterable[T], *, total: int | None, what: str) -> Iterator[T]:
    """Pass *items* on; if standard error is a terminal, draw a bar there."""
    if not sys.stderr.isatty():
        yield from items
        return
    drawn = began = time.monotonic()
    done = 0
    try:
        for item in items:
            yield item
            done += 1
            now = time.monotonic()
            if now - drawn > 0.1:
                drawn = now
                _draw(done, total, what, now - began)
        _draw(done, total, what, time.monotonic() - began)
    finally:
        print(file=sys.stderr)


def _draw(done: int, total: int | None, what: str, seconds: float) -> None:
    rate = done / seconds if seconds > 0 else 0
    bar = ""
    if total:
        filled = min(30, 30 * done // total)
        bar = f"[{'#' * filled}{'.' * (30 - filled)}] {done}/{total} "
    print(f"\r{bar or f'{done} '}{what}, {rate:,.0f}/s\x1b[K", end="", file=sys.stderr, flush=True)


class Bar:
    """A progress bar on standard error, called with what is done and the total; used in a ``with`` block.

    It appears only on a terminal, and only after half a second.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._began = self._drawn = time.monotonic()
        self._shown = False

    def __call__(self, done: int, total: int) -> None:
        """Draw the progress."""
        now = time.monotonic()
        if now - self._began > 0.5 and now - self._drawn > 0.1 and sys.stderr.isatty():
            self._drawn, self._shown = now, True
            _draw(done, total, self._what, now - self._began)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *error: object) -> None:
        if self._shown:
            print(file=sys.stderr)
