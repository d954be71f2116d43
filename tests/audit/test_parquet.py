"""Parquet: the table of the CSV export with types, read back by DuckDB, and written in a stream."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from pyarrow import parquet

from guardrails_lite import ConfigError
from guardrails_lite.audit import Entry
from guardrails_lite.audit.export import FORMATS, _parquet, export
from guardrails_lite.audit.export._formats import TextFormat
from guardrails_lite.audit.index import Filter
from tests.audit.calls import call_id
from tests.audit.test_export import HOSTILE, entry, payloads, root

__all__ = ["root"]


@pytest.fixture
def file(root: Path, tmp_path: Path) -> str:
    """The log as a Parquet file."""
    place = tmp_path / "calls.parquet"
    place.write_bytes(b"".join(export(root, "parquet")))
    return str(place)


def ask(file: str, question: str) -> list[tuple[Any, ...]]:
    """What DuckDB answers about *file*."""
    with duckdb.connect() as database:
        return database.execute(question, {"file": file}).fetchall()


def written(*entries: Entry) -> list[dict[str, Any]]:
    """The rows that a reader finds of *entries*."""
    rows: list[dict[str, Any]] = parquet.read_table(
        io.BytesIO(b"".join(_parquet.as_parquet(entries)))
    ).to_pylist()
    return rows


def test_the_columns_are_those_of_csv_with_types(root: Path, file: str) -> None:
    """Times, whole numbers, money without rounding errors, lists."""
    types = dict(ask(file, "SELECT column_name, column_type FROM (DESCRIBE FROM read_parquet($file))"))

    assert list(types) == next(csv.reader(export(root, "csv")))
    assert types["started"] == types["ended"] == "TIMESTAMP WITH TIME ZONE"
    assert types["cost_usd"] == "DECIMAL(18,9)"
    assert types["sends"] == types["prompt_tokens"] == types["output_chars"] == "BIGINT"
    assert types["duration_ms"] == "DOUBLE"
    assert types["found"] == "VARCHAR[]"
    assert types["user"] == types["outcome"] == "VARCHAR"


def test_duckdb_reads_what_csv_says(root: Path, file: str) -> None:
    """Each cell, in order; what is empty there is null here, and no formula needs an apostrophe."""
    of_csv = list(csv.DictReader(io.StringIO("".join(export(root, "csv")), newline="")))
    told = ask(
        file, "SELECT id, outcome, sends, prompt_tokens, cost_usd, found, error FROM read_parquet($file)"
    )

    assert told == [
        (
            row["id"],
            row["outcome"],
            int(row["sends"]),
            int(row["prompt_tokens"]),
            Decimal(row["cost_usd"]) if row["cost_usd"] else None,
            row["found"].split(", ") if row["found"] else [],
            row["error"] or None,
        )
        for row in of_csv
    ]
    assert ask(file, "SELECT sum(cost_usd), max(started) FROM read_parquet($file)") == [
        (Decimal("0.003"), datetime(2025, 11, 24, 16, 0, 4, tzinfo=UTC))
    ]
    assert ask(file, "SELECT model FROM read_parquet($file) WHERE id = '" + call_id(4) + "'") == [
        (HOSTILE.replace("\0", ""),)
    ]


def test_a_filter_narrows_what_is_written(root: Path) -> None:
    """As for any format."""
    found = b"".join(export(root, "parquet", filter=Filter(outcome="blocked")))

    assert parquet.read_table(io.BytesIO(found)).column("id").to_pylist() == [call_id(2)]


def test_a_log_without_calls_is_a_table_without_rows() -> None:
    """With its columns, so that a question about it has an answer."""
    assert written() == []
    assert len(parquet.read_schema(io.BytesIO(b"".join(_parquet.as_parquet([]))))) == 22


def test_rows_are_given_away_group_by_group() -> None:
    """After each group its bytes come, before another entry is read: a log larger than memory is written."""
    size, read = _parquet._GROUP, 0

    def many() -> Iterator[Entry]:
        nonlocal read
        for _ in range(2 * size + 1):
            read += 1
            yield entry(outcome="passed")

    pieces = _parquet.as_parquet(many())
    groups = [next(pieces)]
    assert read == size
    groups.append(next(pieces))
    assert read == 2 * size
    whole = parquet.ParquetFile(io.BytesIO(b"".join([*groups, *pieces])))

    assert read == 2 * size + 1
    assert [whole.metadata.row_group(number).num_rows for number in range(3)] == [size, size, 1]


@given(data=payloads)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_an_entry_holds_is_written(data: dict[str, Any]) -> None:
    """A log may be newer than this library, or forged: it is a row all the same."""
    assert len(written(entry(**data), entry())) == 2


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        (0.1, Decimal("0.100000000")),
        (1e-9, Decimal("0.000000001")),
        (1e-12, Decimal(0)),
        (0, Decimal(0)),
        (999_999_998.5, Decimal("999999998.5")),
        (1e9, None),
        (-1e300, None),
        (10**400, None),
        (math.inf, None),
        (math.nan, None),
        ("12", None),
        (True, None),
        (None, None),
    ],
)
def test_money_is_exact_or_unknown(cost: object, expected: Decimal | None) -> None:
    """To a billionth; what no amount can be is not taken for nothing."""
    assert [row["cost_usd"] for row in written(entry(cost_usd=cost))] == [expected]


def test_a_number_beyond_its_column_is_bounded() -> None:
    """A forged one cannot end an export."""
    row = written(entry(input_chars=1e300, output_chars=10**400, started=1e300, duration_us=math.nan))[0]

    assert row["input_chars"] == 2**63 - 1
    assert row["output_chars"] == 0
    assert row["started"].year == 9999


def test_the_formats_are_typed_by_name() -> None:
    """A type checker knows which formats are text."""
    assert {*get_args(TextFormat), "parquet"} == set(FORMATS)


def run(
    *arguments: str, stdout: int = subprocess.PIPE, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """The command, run for real."""
    return subprocess.run(
        [sys.executable, "-m", "guardrails_lite", "log", "export", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
        env={**os.environ, **environment},
    )


def test_the_command_writes_a_file_or_to_a_pipe(root: Path, tmp_path: Path) -> None:
    """The same bytes of the same rows."""
    place = tmp_path / "calls.parquet"
    done = run(str(root), "--format", "parquet", "--output", str(place), "--json")

    assert json.loads(done.stdout) == {
        "path": str(place),
        "bytes": place.stat().st_size,
        "format": "parquet",
    }
    assert place.stat().st_mode & 0o077 == 0
    assert run(str(root), "--format", "parquet").stdout == place.read_bytes()
    assert ask(str(place), "SELECT count(*) FROM read_parquet($file)") == [(4,)]


def test_a_terminal_gets_no_bytes(root: Path) -> None:
    """They would steer it."""
    master, terminal = os.openpty()
    try:
        done = run(str(root), "--format", "parquet", stdout=terminal)
    finally:
        os.close(terminal)
        os.close(master)

    assert done.returncode == 2
    assert b"name a file with --output" in done.stderr


def test_without_pyarrow_it_says_what_to_install(root: Path, tmp_path: Path) -> None:
    """And other formats never load it."""
    (tmp_path / "pyarrow.py").write_text("raise ImportError('there is no pyarrow here')")
    place = tmp_path / "calls.parquet"
    done = run(str(root), "--format", "parquet", "--output", str(place), PYTHONPATH=str(tmp_path))

    assert done.returncode == 5
    assert b"pip install 'guardrails-lite[parquet]'" in done.stderr
    assert b"Traceback" not in done.stderr
    assert not place.exists()
    assert run(str(root), "--format", "csv", PYTHONPATH=str(tmp_path)).returncode == 0


def test_an_unknown_format_names_this_one(root: Path) -> None:
    """Among those there are."""
    with pytest.raises(ConfigError, match=r"expected one of csv, parquet,"):
        export(root, "orc")
