"""A log's calls in other tools' formats: spreadsheets, columnar stores, SIEMs, OpenTelemetry.

Read in this order: `_formats` (what there is, and what writes it), `_facts` (what they ask of an entry),
`_rows` (CSV), `_parquet`, `_siem` (OCSF, CEF, syslog), `_otlp` (OpenTelemetry), `_collector` (OTLP over
HTTP), `_take` (an export that is recorded), `_verdicts` (what reviewers decided, as examples with texts).
What leaves here is a copy without proof; evidence is a `bundle`. Hostile words stay inside their field.
"""

from guardrails_lite.audit.export._collector import send
from guardrails_lite.audit.export._formats import FORMATS, Format, export
from guardrails_lite.audit.export._otlp import MAPPERS, Mapper, logs, metrics, traces
from guardrails_lite.audit.export._take import Taken, take
from guardrails_lite.audit.export._verdicts import TakenVerdicts, take_verdicts

__all__ = [
    "FORMATS",
    "MAPPERS",
    "Format",
    "Mapper",
    "Taken",
    "TakenVerdicts",
    "export",
    "logs",
    "metrics",
    "send",
    "take",
    "take_verdicts",
    "traces",
]
