"""A provider's bill: what a CSV says that each day, model, key or project cost.

The file may come from anywhere: with a byte order mark, semicolons, decimal commas, currency signs, and of
any size. It is read line by line into sums. What may be read in two ways is refused, with what to say then.
"""

from __future__ import annotations

import csv
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Final, Literal

from guardrails_lite._errors import ConfigError
from guardrails_lite.reliability._prices import undated

BillBy = Literal["day", "model", "key", "project"]

KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "amount": ("amount_value", "cost_usd", "cost", "amount"),
    "currency": ("amount_currency", "currency"),
    "day": ("start_time_iso", "start_time", "date", "day", "usage_date"),
    "model": ("line_item", "model"),
    "key": ("api_key_id", "api_key"),
    "project": ("project_id", "project"),
}
"""The columns that are recognised, in lower case: OpenAI's names of 2026 come first."""

_BYTE_ORDER_MARKS: Final = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_LONGEST: Final = 1_000_000
"""Characters of a line."""
_MOST: Final = 100_000
"""Different names that are told apart."""
_NUMBER: Final = re.compile(r"[+-]?\d[\d.,]*(e[+-]?\d{1,3})?|[+-]?[.,]\d+")
_GROUPED: Final = re.compile(r"[+-]?[1-9]\d{0,2}([.,])\d{3}")
"""May be thousands, or a fraction."""
_LARGEST: Final = Decimal(10) ** 12
_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class Bill:
    """What a provider asks for."""

    by: BillBy
    amounts: Mapping[str, Decimal]
    """US dollars of each day (``"2026-11-25"``), model, key or project."""
    first: date | None
    """The first day, UTC; None where no column says days."""
    last: date | None
    rows: int
    """Rows that have an amount."""
    empty: int
    """Rows that have none, such as those of days on which nothing was asked."""
    columns: Mapping[str, str]
    """Which column was taken for what."""


def read_bill(
    path: str | os.PathLike[str],
    *,
    by: BillBy = "day",
    columns: Mapping[str, str] | None = None,
    encoding: str | None = None,
    decimal: Literal["point", "comma"] | None = None,
) -> Bill:
    """Read a bill, line by line.

    Args:
        path: A CSV with a head, whose columns are parted by commas, semicolons, tabs or bars.
        by: For what to add up.
        columns: Which column is the ``"amount"``, in US dollars, the ``"day"``, ``"model"``, ``"key"``,
            ``"project"``, ``"currency"``; default: those of OpenAI's cost export, and a few like them.
        encoding: Default: as the byte order mark says, else UTF-8.
        decimal: How fractions are written; default: as each amount shows by itself.

    Raises:
        ConfigError: the file is no such CSV. Says which line and column, and what can be done.
        OSError: it cannot be read.
    """
    wrong = set(columns or {}) - KNOWN.keys()
    if wrong:
        raise ConfigError(f"columns= has {sorted(wrong)[0]!r}; expected {', '.join(KNOWN)}")
    named = encoding or _marked(Path(path))
    try:
        with Path(path).open(encoding=named, newline="") as file:
            return _read(file, str(path), by, columns or {}, decimal)
    except UnicodeError as error:
        raise ConfigError(
            f"{path} is not {named.upper()}; say which encoding it has, with encoding= (--encoding cp1252)"
        ) from error
    except LookupError as error:
        raise ConfigError(
            f"encoding={encoding!r} is not an encoding that Python knows, such as utf-16 or cp1252"
        ) from error


def _marked(path: Path) -> str:
    with path.open("rb") as file:
        begin = file.read(3)
    return next((name for mark, name in _BYTE_ORDER_MARKS.items() if begin.startswith(mark)), "utf-8")


def _read(file: IO[str], name: str, by: BillBy, given: Mapping[str, str], decimal: str | None) -> Bill:
    lines = _lines(file, name)
    first = next(lines, "")
    parted = re.fullmatch(r"sep=(.)\s*", first)  # as spreadsheets begin a file
    delimiter = parted[1] if parted else max(",;\t|", key=first.count)
    if parted:
        first = next(lines, "")
    head = [cell.strip() for cell in next(csv.reader([first], delimiter=delimiter), [])]
    places = _places(name, head, by, given)
    amounts: defaultdict[str, Decimal] = defaultdict(Decimal)
    days: list[date] = []
    rows = empty = 0
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            row = _Row(name, reader.line_num + 1 + bool(parted), delimiter, places, cells)
            if not row.cell("amount"):
                empty += 1
                continue
            rows += 1
            amount = row.amount(decimal)
            if "day" in places:
                day = row.day()
                days = [min(day, *days[:1]), max(day, *days[1:])] if days else [day, day]
            key = str(day) if by == "day" else _called(row.cell(by), by)
            amounts[key] += amount
            if len(amounts) > _MOST:
                raise ConfigError(
                    f'{name} has more than {_MOST:,} different values in one column; add up by="day"'
                )
    except csv.Error as error:
        raise ConfigError(f"{name}:{reader.line_num + 1} is not a line of a CSV file ({error})") from error
    if by != "day" and amounts and set(amounts) == {""}:
        column = head[places[by]]
        raise ConfigError(
            f"{name} is not split by {by}: its column {column!r} is empty; export it grouped by that"
        )
    first_day, last_day = days or (None, None)
    taken = {what: head[place] for what, place in places.items()}
    return Bill(by, dict(amounts), first_day, last_day, rows, empty, taken)


def _lines(file: IO[str], name: str) -> Iterator[str]:
    number = 0
    while line := file.readline(_LONGEST + 1):
        number += 1
        if len(line) > _LONGEST:
            raise ConfigError(
                f"{name}:{number} has more than {_LONGEST:,} characters; this is not a bill in CSV"
            )
        yield line


def _places(name: str, head: Sequence[str], by: BillBy, given: Mapping[str, str]) -> dict[str, int]:
    """Where the columns are that are given or recognised."""
    folded = [cell.casefold() for cell in head]
    places: dict[str, int] = {}
    for what, known in KNOWN.items():
        for wanted in (given[what],) if what in given else known:
            if wanted.strip().casefold() in folded:
                places[what] = folded.index(wanted.strip().casefold())
                break
    for what in dict.fromkeys(("amount", by, *given)):
        if what not in places:
            there = ", ".join(repr(cell[:_SHOWN]) for cell in head[:20]) or "no head"
            missing = (
                f"no column {given[what]!r}" if what in given else f"no column that is known for the {what}"
            )
            raise ConfigError(f"{name} has {missing}; it has {there}. Say --column {what}=NAME (columns=)")
    return places


def _called(name: str, by: BillBy) -> str:
    """A model without what it is billed for and its date; other names as they are."""
    return undated(name.partition(", ")[0]) if by == "model" else name


class _Row:
    """One row, and where it stands."""

    def __init__(
        self, file: str, line: int, delimiter: str, places: Mapping[str, int], cells: Sequence[str]
    ) -> None:
        self._file, self._line, self._delimiter = file, line, delimiter
        self._places, self._cells = places, cells

    def cell(self, what: str) -> str:
        place = self._places[what]
        if place >= len(self._cells):
            raise ConfigError(
                f"{self._file}:{self._line} has {len(self._cells)} columns but no {what}; remove sums and "
                "notes from the file"
            )
        return self._cells[place].strip()

    def amount(self, decimal: str | None) -> Decimal:
        said = self.cell("amount")
        currency = self.cell("currency") if "currency" in self._places else ""
        signs = {sign for sign in said if unicodedata.category(sign) == "Sc"} - {"$"}
        if signs or currency.casefold() not in ("", "usd", "us$", "$"):
            raise self._wrong(
                "amount", said, f"is in {currency or ''.join(signs)}, and a log counts US dollars; convert it"
            )
        number = re.sub(r"US\$|\$|USD|['’\s]", "", said, flags=re.IGNORECASE).replace("\u2212", "-").lower()
        if number.startswith("(") and number.endswith(")"):
            number = f"-{number[1:-1]}"
        if _NUMBER.fullmatch(number):
            grouped = _GROUPED.fullmatch(number)
            # Where semicolons part the columns, commas are likely to part fractions, and points thousands.
            if decimal is None and grouped and (grouped[1] == "," or self._delimiter == ";"):
                raise self._wrong(
                    "amount", said, "could be thousands or a fraction; use --decimal point or --decimal comma"
                )
            plain = _plain(number, decimal)
            if plain is not None and abs(amount := Decimal(plain)) < _LARGEST:
                return amount
        raise self._wrong("amount", said, "is not an amount; use --decimal comma, or remove sums and notes")

    def day(self) -> date:
        said = self.cell("day")
        try:
            if re.fullmatch(r"\d{9,11}", said):
                return datetime.fromtimestamp(int(said), UTC).date()
            at = datetime.fromisoformat(said)
        except (ValueError, OverflowError, OSError):
            told = "is not a day; expected one such as 2026-11-25, a time in ISO 8601, or seconds since 1970"
            raise self._wrong("day", said, told) from None
        return (at if at.tzinfo is None else at.astimezone(UTC)).date()

    def _wrong(self, what: str, said: str, why: str) -> ConfigError:
        return ConfigError(f"{self._file}:{self._line}: the {what} {said[:_SHOWN]!r} {why}")


def _plain(number: str, decimal: str | None) -> str | None:
    """*number* as Python writes it; None where its separators make no sense."""
    mark = {"point": ".", "comma": ","}.get(decimal or "")
    if mark is None:
        last = max(number.rfind("."), number.rfind(","))
        mark = number[last] if last >= 0 and number.count(number[last]) == 1 else ""
    whole, _, rest = number.partition(mark) if mark else (number, "", "")
    if re.search(r"[.,]", rest) or not re.fullmatch(r"[+-]?(\d*|\d{1,3}([.,]\d{3})+)(e.*)?", whole):
        return None
    if len(set(re.findall(r"[.,]", whole))) > 1 or (mark and mark in whole):
        return None
    whole = re.sub(r"[.,]", "", whole)
    return f"{whole}.{rest}" if rest else whole
