"""The formats that calls can be written in, by name."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, overload

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit._format import Entry
from guardrails_lite.audit.export import _otlp, _parquet, _rows, _siem
from guardrails_lite.audit.export._facts import batches

if TYPE_CHECKING:
    from guardrails_lite.audit.index import Filter


TextFormat = Literal["csv", "jsonl", "ocsf", "cef", "syslog", "otlp-traces", "otlp-logs", "otlp-metrics"]


@dataclass(frozen=True, slots=True)
class Format:
    """One format."""

    name: str
    summary: str
    write: Callable[[Iterable[Entry]], Iterator[str] | Iterator[bytes]]
    """From entries of finished calls to text, or to bytes, a piece at a time."""


def _requests(of: Callable[[Iterable[Entry]], dict[str, Any]]) -> Callable[[Iterable[Entry]], Iterator[str]]:
    """A request of OTLP on each line, for so many calls, as a collector's file receiver reads them."""

    def write(entries: Iterable[Entry]) -> Iterator[str]:
        for batch in batches(entries):
            yield json.dumps(of(batch)) + "\n"

    return write


FORMATS: Final = {
    each.name: each
    for each in (
        Format("csv", "one row per call, for spreadsheets", _rows.as_csv),
        Format("parquet", "one row per call, in typed columns; bytes", _parquet.as_parquet),
        Format("jsonl", "the whole entry of each call, one per line", _rows.as_jsonl),
        Format("ocsf", f"events of OCSF {_siem.OCSF}, one JSON object per line", _siem.as_ocsf),
        Format("cef", "ArcSight's Common Event Format", _siem.as_cef),
        Format("syslog", "messages of RFC 5424", _siem.as_syslog),
        Format(
            "otlp-traces", "OpenTelemetry spans, one OTLP request in JSON per line", _requests(_otlp.traces)
        ),
        Format("otlp-logs", "OpenTelemetry events, likewise", _requests(_otlp.logs)),
        Format("otlp-metrics", "OpenTelemetry metrics, likewise", _requests(_otlp.metrics)),
    )
}


@overload
def export(
    directory: str | os.PathLike[str], format: TextFormat, *, filter: Filter | None = None
) -> Iterator[str]: ...


@overload
def export(
    directory: str | os.PathLike[str], format: Literal["parquet"], *, filter: Filter | None = None
) -> Iterator[bytes]: ...


@overload
def export(
    directory: str | os.PathLike[str], format: str, *, filter: Filter | None = None
) -> Iterator[str] | Iterator[bytes]: ...


def export(
    directory: str | os.PathLike[str], format: str, *, filter: Filter | None = None
) -> Iterator[str] | Iterator[bytes]:
    """The finished calls of a log in another format, oldest first, a piece at a time.

    A piece is text, or bytes of Parquet, which are a file only when the last of them has come.

    Args:
        directory: A directory that `AuditLog` made.
        format: One of `FORMATS`.
        filter: Which calls; default: all.

    Raises:
        ConfigError: there is no such format, what it needs is not installed, or *directory* is not a
            compliance log.
    """
    if format not in FORMATS:
        raise ConfigError(f"format={format!r} of export(...): expected one of {', '.join(FORMATS)}")
    return FORMATS[format].write(calls(directory, filter))


def calls(directory: str | os.PathLike[str], filter: Filter | None = None) -> Iterator[Entry]:
    """The entries of the finished calls that *filter* lets through, oldest first."""
    if filter is None or not filter.used:
        from guardrails_lite.audit._read import read

        yield from read(directory)
        return
    from guardrails_lite.audit.index import Index

    with Index(directory) as index:
        index.update()
        found = index.calls(filter, order="oldest")
        yield from index.entries(call for call in found if call.outcome != "unfinished")
