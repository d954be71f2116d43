"""Formats of security monitoring: OCSF, CEF, syslog."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from guardrails_lite.audit._format import Entry
from guardrails_lite.audit.export import _facts as facts

OCSF: Final = "1.5.0"
"""The version of the schema that events name: https://schema.ocsf.io/1.5.0."""
ENTERPRISE: Final = 32473
"""The number that RFC 5612 reserves for documentation: this project has none of its own."""
_PRODUCT: Final = "guardrails-lite"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_OCSF_SEVERITY = (1, 2, 3, 3)  # informational, low, medium
_CEF_SEVERITY = (0, 3, 5, 6)
_SYSLOG_SEVERITY = (6, 5, 4, 4)  # informational, notice, warning
_AUDIT = 13
"""The facility "log audit" of RFC 5424."""


def version() -> str:
    """The version of this library, which every event names."""
    from guardrails_lite import __version__

    return str(__version__)


# --- OCSF -------------------------------------------------------------------------------------------


def as_ocsf(entries: Iterable[Entry]) -> Iterator[str]:
    """An API Activity (6003) a call, and a Detection Finding (2004) a check that found something or broke."""
    for entry in entries:
        yield json.dumps(_activity(entry)) + "\n"
        for nth, check in enumerate(facts.telling(entry)):
            yield json.dumps(_detection(entry, nth, check)) + "\n"


def _activity(entry: Entry) -> dict[str, Any]:
    began, ended = facts.ends_ns(entry)
    prompt, completion = facts.tokens(entry)
    told = facts.who(entry)
    failed = facts.severity(entry) > 1
    return {
        **_class(6003, 99, "Other"),
        "activity_name": "chat completion",
        "time": ended // 1_000_000,
        "start_time": began // 1_000_000,
        "end_time": ended // 1_000_000,
        "duration": (ended - began) // 1_000_000,
        "severity_id": _OCSF_SEVERITY[facts.severity(entry)],
        "status_id": 2 if failed else 1,
        "status": "Failure" if failed else "Success",
        "status_detail": facts.text(entry, "outcome"),
        "metadata": _metadata(entry, entry.id),
        "actor": _actor(told),
        "api": {"operation": "chat completion", "service": {"name": facts.text(entry, "model") or "unknown"}},
        "src_endpoint": {"uid": entry.stream},
        "unmapped": {
            "guard": facts.text(entry, "guard"),
            "digest": facts.text(entry, "digest"),
            "mode": facts.text(entry, "mode"),
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "cost_usd": entry.data.get("cost_usd"),
            "who": told,
        },
    }


def _detection(entry: Entry, nth: int, check: Mapping[str, Any]) -> dict[str, Any]:
    _, ended = facts.ends_ns(entry)
    found = check.get("result") == "found"
    rule = str(check.get("rule"))
    return {
        **_class(2004, 1, "Create"),
        "time": ended // 1_000_000,
        "severity_id": 3 if found and check.get("action") in ("block", "fall_back") else 2,
        "status_id": 1,
        "metadata": _metadata(entry, f"{entry.id}-{nth}"),
        "finding_info": {
            "uid": f"{entry.id}-{nth}",
            "title": rule if found else f"{rule}: {check.get('result')}",
            "types": sorted(
                {str(each.get("category")) for each in facts.findings(check) if each.get("category")}
            ),
            "related_events": [{"uid": entry.id, "type_uid": 600399}],
        },
        "unmapped": {"side": check.get("side"), "action": check.get("action"), "error": check.get("error")},
    }


def _class(number: int, activity: int, name: str) -> dict[str, Any]:
    return {
        "class_uid": number,
        "category_uid": number // 1000,
        "activity_id": activity,
        "activity_name": name,
        "type_uid": number * 100 + activity,
    }


def _metadata(entry: Entry, uid: str) -> dict[str, Any]:
    product = {"name": _PRODUCT, "vendor_name": _PRODUCT, "version": version()}
    return {"version": OCSF, "uid": uid, "product": product, "log_name": entry.stream, "sequence": entry.n}


def _actor(told: Mapping[str, str]) -> dict[str, Any]:
    actor: dict[str, Any] = {"app_name": told.get("app", _PRODUCT)}
    if user := told.get("user"):
        actor["user"] = {"uid": user}
    if session := told.get("session"):
        actor["session"] = {"uid": session}
    return actor


# --- CEF --------------------------------------------------------------------------------------------


def as_cef(entries: Iterable[Entry]) -> Iterator[str]:
    """An event of ArcSight's Common Event Format a call."""
    for entry in entries:
        began, ended = facts.ends_ns(entry)
        prompt, completion = facts.tokens(entry)
        told = facts.who(entry)
        outcome = facts.text(entry, "outcome") or "unknown"
        names = (_PRODUCT, _PRODUCT, version(), outcome, f"chat completion {outcome}")
        head = "|".join(_plain(name).replace("\\", "\\\\").replace("|", "\\|") for name in names)
        extension = {
            "start": began // 1_000_000,
            "end": ended // 1_000_000,
            "externalId": entry.id,
            "outcome": outcome,
            "suid": told.get("user"),
            "reason": ", ".join(facts.rules(entry)),
            "cs1Label": "guard",
            "cs1": facts.text(entry, "guard"),
            "cs2Label": "model",
            "cs2": facts.text(entry, "model"),
            "cs3Label": "digest",
            "cs3": facts.text(entry, "digest"),
            "cs4Label": "tenant",
            "cs4": told.get("tenant"),
            "cn1Label": "promptTokens",
            "cn1": prompt,
            "cn2Label": "completionTokens",
            "cn2": completion,
        }
        pairs = (
            f"{name}={_extension(value)}" for name, value in extension.items() if value not in (None, "")
        )
        yield f"CEF:0|{head}|{_CEF_SEVERITY[facts.severity(entry)]}|{' '.join(pairs)}\n"


def _extension(value: object) -> str:
    return _plain(str(value)).replace("\\", "\\\\").replace("=", "\\=")


# --- syslog -----------------------------------------------------------------------------------------


def as_syslog(entries: Iterable[Entry]) -> Iterator[str]:
    """A message of RFC 5424 a call, its facts as structured data."""
    for entry in entries:
        _, ended = facts.ends_ns(entry)
        prompt, completion = facts.tokens(entry)
        outcome = facts.text(entry, "outcome") or "unknown"
        told = {
            "id": entry.id,
            "outcome": outcome,
            "guard": facts.text(entry, "guard"),
            "digest": facts.text(entry, "digest"),
            "model": facts.text(entry, "model"),
            **{name: facts.who(entry).get(name, "") for name in ("tenant", "user", "session", "api_key")},
            "found": ", ".join(facts.rules(entry)),
            "promptTokens": str(prompt),
            "completionTokens": str(completion),
        }
        data = " ".join(f'{name}="{_parameter(value)}"' for name, value in told.items() if value)
        priority = _AUDIT * 8 + _SYSLOG_SEVERITY[facts.severity(entry)]
        yield (
            f"<{priority}>1 {facts.stamp(ended)} - {_PRODUCT} - call.completed "
            f"[call@{ENTERPRISE} {data}] chat completion {_plain(outcome)}\n"
        )


def _parameter(value: str) -> str:
    return re.sub(r'(["\\\]])', r"\\\1", _plain(value))


def _plain(value: str) -> str:
    """One line of printable text: whatever could end the event, or hide in it, becomes a blank."""
    return _CONTROL.sub(" ", value)
