"""Alerts: Sigma rules over a compliance log, recorded once for each match and sent on.

`_sigma` reads rules, `_detect` their conditions; `_gather` and `_hours` say what happened, as `_facts` names
it; `_match` and `_windows` find what rules look for; `_watch` records it and `_send` sends it.

Why not pySigma: it translates rules into queries, for SQLite over one table, without memory of what was
told; it takes unknown attributes and unknown fields without a word; and it brings eight packages, two of
them in C, under LGPL 2.1 and 3.0, and 1.8 s of import. What rules need of Sigma here is four short modules.
"""

from guardrails_lite.audit.alerts._match import Alert
from guardrails_lite.audit.alerts._send import NotSent, Receiver, command, webhook
from guardrails_lite.audit.alerts._sigma import LEVELS, Correlation, Rule, Rules, read_rules
from guardrails_lite.audit.alerts._watch import Seen, Watch, alarm, matches

__all__ = [
    "LEVELS",
    "Alert",
    "Correlation",
    "NotSent",
    "Receiver",
    "Rule",
    "Rules",
    "Seen",
    "Watch",
    "alarm",
    "command",
    "matches",
    "read_rules",
    "webhook",
]
