"""The index: a compliance log as a database, for lists, look-ups and sums.

It is derived from the log's segments and holds nothing of its own: delete ``index.sqlite`` at will, and it
is built again. Only entries that continue their stream's hash chain are indexed, and a call's record is read
from the segments (`Index.entry`), so the index saves work and adds nothing. Signatures, heads and the
registry's word are what `guardrails_lite.audit.verify` is for.

`_schema` says which tables there are, `_rows` what an entry becomes, `_follow` how the segments are followed,
`_filter` what can be asked for, `_pages`, `_findings`, `_decisions`, `_loaded` and `_measures` how it
is answered.
"""

from guardrails_lite.audit.index._decisions import Decision
from guardrails_lite.audit.index._filter import Filter
from guardrails_lite.audit.index._findings import Found
from guardrails_lite.audit.index._follow import Source
from guardrails_lite.audit.index._index import Index
from guardrails_lite.audit.index._loaded import ConfigChange, Loaded, changes
from guardrails_lite.audit.index._measures import Latency, Policy, RuleUse, Spend, Totals, Volume
from guardrails_lite.audit.index._pages import Call, Event, Facet, Page
from guardrails_lite.audit.index._sql import Answer
from guardrails_lite.audit.index._when import when

__all__ = [
    "Answer",
    "Call",
    "ConfigChange",
    "Decision",
    "Event",
    "Facet",
    "Filter",
    "Found",
    "Index",
    "Latency",
    "Loaded",
    "Page",
    "Policy",
    "RuleUse",
    "Source",
    "Spend",
    "Totals",
    "Volume",
    "changes",
    "when",
]
