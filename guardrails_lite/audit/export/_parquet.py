"""Parquet: the table of the calls in columns with types, for DuckDB, pandas, Spark and their like.

Rows are gathered for one row group, written, and given away before the next are read, so that memory does
not grow with the log.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterable, Iterator
from decimal import Context, Decimal
from typing import Any, Final

from guardrails_lite._errors import MissingPackage
from guardrails_lite.audit._format import Entry
from guardrails_lite.audit.export._rows import Row, row

_GROUP: Final = 16_384
"""Rows of a row group: a few megabytes here, and enough for a reader to skip groups by their bounds."""
_MONEY: Final = (18, 9)
"""Digits of an amount, and how many of them stand behind the point: what readers hold in 64 bits."""
_EXACT: Final = Context(prec=38)
_LARGEST: Final = 2**63 - 1

Column = tuple[Any, Callable[[Any], object]]
"""The type of a column, and what becomes of a value of `Row` in it."""


def as_parquet(entries: Iterable[Entry]) -> Iterator[bytes]:
    """The bytes of one file, a row group at a time.

    Raises:
        ConfigError: pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingPackage.needed_by("Parquet", "pyarrow", install="guardrails-lite[parquet]") from error
    return _pieces(pyarrow, parquet, map(row, entries))


def _pieces(pyarrow: Any, parquet: Any, rows: Iterator[Row]) -> Iterator[bytes]:
    columns = _columns(pyarrow)
    schema = pyarrow.schema([(name, kind) for name, (kind, _) in columns.items()])
    written = io.BytesIO()
    with parquet.ParquetWriter(written, schema, compression="zstd") as writer:
        while group := list(itertools.islice(rows, _GROUP)):
            arrays = [
                pyarrow.array(map(cell, values), kind)
                for values, (kind, cell) in zip(zip(*group, strict=True), columns.values(), strict=True)
            ]
            writer.write_batch(pyarrow.record_batch(arrays, schema=schema))
            yield _taken(written)
    yield _taken(written)


def _taken(written: io.BytesIO) -> bytes:
    """What was written since the last time; the writer counts by itself how far the file is."""
    piece = written.getvalue()
    written.seek(0)
    written.truncate()
    return piece


def _columns(pyarrow: Any) -> dict[str, Column]:
    """The fields of `Row`, in its order. Null is what is absent or unknown."""
    text: Column = (pyarrow.string(), lambda value: value or None)
    time: Column = (pyarrow.timestamp("us", "UTC"), lambda ns: ns // 1000)
    whole: Column = (pyarrow.int64(), lambda value: max(-_LARGEST, min(_LARGEST, value)))
    special: dict[str, Column] = {
        **dict.fromkeys(("started", "ended"), time),
        **dict.fromkeys(
            ("sends", "prompt_tokens", "completion_tokens", "input_chars", "output_chars"), whole
        ),
        "cost_usd": (pyarrow.decimal128(*_MONEY), _money),
        "duration_ms": (pyarrow.float64(), float),
        "found": (pyarrow.list_(pyarrow.string()), list),
    }
    return {name: special.get(name, text) for name in Row._fields}


def _money(value: float | None) -> Decimal | None:
    """An amount to a billionth; one that no column holds is unknown."""
    digits, places = _MONEY
    if value is None or abs(value) >= 10 ** (digits - places) - 1:
        return None
    # By way of its shortest text: 0.1 is a tenth here, as it is in the log.
    return Decimal(repr(value)).quantize(Decimal(1).scaleb(-places), context=_EXACT)
