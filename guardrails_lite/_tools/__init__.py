"""Tools: how they are declared, and the check of every call before the application sees it.

Read in this order: `_tool` (what a tool is, and how a checked call runs), `_declare` (how one is made),
`_toolbox` (which tools a request offers), `_turn` (the verdict on each call that comes back), `_verdicts`
(the closed set of reasons, and how the model is told), `_taint` (arguments that strangers wrote),
`_assembler` (calls from the deltas of a stream), `_watch` (the first fault of a call that is not complete
yet), `_ledger` and `_sqlite_ledger` (writes that happen at most once), `_operation` (the job that a write
belongs to). These read from `_history`, `_signatures` and `_docstrings`.
"""

from guardrails_lite._tools._assembler import ToolCallAssembler
from guardrails_lite._tools._declare import tool
from guardrails_lite._tools._ledger import Effect, EffectLedger, EffectState, MemoryLedger
from guardrails_lite._tools._operation import current_operation, operation
from guardrails_lite._tools._sqlite_ledger import SQLiteLedger
from guardrails_lite._tools._tool import Approve, Effects, Tool
from guardrails_lite._tools._toolbox import Offered, Toolbox
from guardrails_lite._tools._verdicts import (
    TOOL_REASONS,
    ToolReason,
    Verdict,
    feedback_messages,
    refused_calls,
)
from guardrails_lite._tools._watch import CallWatch

__all__ = [
    "TOOL_REASONS",
    "Approve",
    "CallWatch",
    "Effect",
    "EffectLedger",
    "EffectState",
    "Effects",
    "MemoryLedger",
    "Offered",
    "SQLiteLedger",
    "Tool",
    "ToolCallAssembler",
    "ToolReason",
    "Toolbox",
    "Verdict",
    "current_operation",
    "feedback_messages",
    "operation",
    "refused_calls",
    "tool",
]
