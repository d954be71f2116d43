"""A log's calls in other tools' formats: spreadsheets, columnar stores, SIEMs, OpenTelemetry.

Read in this order: `_formats` (what there is, and what writes it), `_facts` (what they ask of an entry),
`_rows` (CSV), `_parquet`, `_siem` (OCSF, CEF, syslog), `_otlp` (OpenTelemetry), `_collector` (OTLP over
HTTP), `_take` (an export that is recorded). What leaves here is a copy without proof; evidence is a `bundle`.
It has no text that the log does not have, and hostile words stay inside their field.
"""

from guardrails_lite.audit.export._collector import send
from guardrails_lite.audit.export._formats import FORMATS, Format, export
from guardrails_lite.audit.export._otlp import MAPPERS, Mapper, logs, metrics, traces
from guardrails_lite.audit.export._take import Taken, take

__all__ = [
    "FORMATS",
    "MAPPERS",
    "Format",
    "Mapper",
    "Taken",
    "export",
    "logs",
    "metrics",
    "send",
    "take",
    "traces",
]
