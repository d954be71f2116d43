"""The compliance log: `AuditLog` writes it, and the functions here read, verify and export it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from guardrails_lite._record import KeptText
    from guardrails_lite.audit._bill import Bill, read_bill
    from guardrails_lite.audit._bundle import Bundle, bundle, check_bundle
    from guardrails_lite.audit._chain import Problem
    from guardrails_lite.audit._disk import Clock, Disk
    from guardrails_lite.audit._doctor import Diagnosis, close_off, diagnose
    from guardrails_lite.audit._format import Entry
    from guardrails_lite.audit._log import AuditLog
    from guardrails_lite.audit._policy_diff import (
        DecisionChange,
        Frequency,
        PolicyDiff,
        Undecided,
        diff_policy,
    )
    from guardrails_lite.audit._privacy import (
        erase,
        find_subject,
        hold,
        holds,
        lift,
        release,
        restrict,
        restrictions,
        reveal,
    )
    from guardrails_lite.audit._proof import Proof, check_proof, prove
    from guardrails_lite.audit._pseudonym import pseudonyms_in
    from guardrails_lite.audit._read import Damage, read, read_lines
    from guardrails_lite.audit._reconcile import Difference, Reconciliation, reconcile
    from guardrails_lite.audit._replay import Change, Replay, replay
    from guardrails_lite.audit._retention import Expired, expirable, expire
    from guardrails_lite.audit._sample import Sample, Stratum, sample
    from guardrails_lite.audit._schema import entry_schema, entry_types
    from guardrails_lite.audit._strays import Stray, clear_strays, strays
    from guardrails_lite.audit._vault import Erased
    from guardrails_lite.audit._verdicts import Verdicts, decide, read_verdicts, undo
    from guardrails_lite.audit._verify import Report, StreamReport, verify
    from guardrails_lite.audit._witness import read_heads, witness_command, witness_file, witness_syslog

_HOMES = {
    "AuditLog": "_log",
    "Bill": "_bill",
    "read_bill": "_bill",
    "Difference": "_reconcile",
    "Reconciliation": "_reconcile",
    "reconcile": "_reconcile",
    "Bundle": "_bundle",
    "bundle": "_bundle",
    "check_bundle": "_bundle",
    "Clock": "_disk",
    "Damage": "_read",
    "Diagnosis": "_doctor",
    "Disk": "_disk",
    "Entry": "_format",
    "Problem": "_chain",
    "Proof": "_proof",
    "check_proof": "_proof",
    "Stray": "_strays",
    "clear_strays": "_strays",
    "strays": "_strays",
    "close_off": "_doctor",
    "diagnose": "_doctor",
    "KeptText": "_content",
    "DecisionChange": "_policy_diff",
    "Frequency": "_policy_diff",
    "PolicyDiff": "_policy_diff",
    "Undecided": "_policy_diff",
    "diff_policy": "_policy_diff",
    "prove": "_proof",
    "Report": "_verify",
    "StreamReport": "_verify",
    "pseudonyms_in": "_pseudonym",
    "read": "_read",
    "read_lines": "_read",
    "entry_schema": "_schema",
    "entry_types": "_schema",
    "read_heads": "_witness",
    "Erased": "_vault",
    "erase": "_privacy",
    "find_subject": "_privacy",
    "hold": "_privacy",
    "holds": "_privacy",
    "lift": "_privacy",
    "Change": "_replay",
    "Replay": "_replay",
    "replay": "_replay",
    "restrict": "_privacy",
    "restrictions": "_privacy",
    "Expired": "_retention",
    "expirable": "_retention",
    "expire": "_retention",
    "Sample": "_sample",
    "Stratum": "_sample",
    "sample": "_sample",
    "release": "_privacy",
    "reveal": "_privacy",
    "Verdicts": "_verdicts",
    "decide": "_verdicts",
    "read_verdicts": "_verdicts",
    "undo": "_verdicts",
    "verify": "_verify",
    "witness_command": "_witness",
    "witness_file": "_witness",
    "witness_syslog": "_witness",
}

__all__ = [
    "AuditLog",
    "Bill",
    "Bundle",
    "Change",
    "Clock",
    "Damage",
    "DecisionChange",
    "Diagnosis",
    "Difference",
    "Disk",
    "Entry",
    "Erased",
    "Expired",
    "Frequency",
    "KeptText",
    "PolicyDiff",
    "Problem",
    "Proof",
    "Reconciliation",
    "Replay",
    "Report",
    "Sample",
    "Stratum",
    "Stray",
    "StreamReport",
    "Undecided",
    "Verdicts",
    "bundle",
    "check_bundle",
    "check_proof",
    "clear_strays",
    "close_off",
    "decide",
    "diagnose",
    "diff_policy",
    "entry_schema",
    "entry_types",
    "erase",
    "expirable",
    "expire",
    "find_subject",
    "hold",
    "holds",
    "lift",
    "prove",
    "pseudonyms_in",
    "read",
    "read_bill",
    "read_heads",
    "read_lines",
    "read_verdicts",
    "reconcile",
    "release",
    "replay",
    "restrict",
    "restrictions",
    "reveal",
    "sample",
    "strays",
    "undo",
    "verify",
    "witness_command",
    "witness_file",
    "witness_syslog",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
