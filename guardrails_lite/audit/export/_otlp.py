"""OpenTelemetry: traces, logs and metrics in OTLP's JSON, under a version of the GenAI conventions.

The conventions for guardrails are drafts that change, so each shape here has a date and stays as it is. A
record does not say when each check and each attempt began, so they are events of the call's span, not spans
with times that nobody took.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from guardrails_lite.audit._format import Entry
from guardrails_lite.audit.export import _facts as facts
from guardrails_lite.audit.export._siem import version

Attributes = Mapping[str, object]
Groups = Mapping[tuple[str, str, str], Sequence[Entry]]
"""Calls by guard, model and outcome."""
_VERDICTS = {"block": "deny", "redact": "modify", "warn": "warn", "reask": "deny", "fall_back": "deny"}
_BOUNDS_S: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""The bounds that the conventions advise for durations."""
_DELTA = 1
_SEVERITY = ((9, "INFO"), (13, "WARN"), (17, "ERROR"), (13, "WARN"))


@dataclass(frozen=True, slots=True)
class Mapper:
    """The names that a version of the conventions has for what a record says."""

    version: str
    check_event: str
    """The event of a check."""
    check: Callable[[Mapping[str, Any], Entry], Attributes]
    """Its attributes."""


def _check_of_june(check: Mapping[str, Any], entry: Entry) -> Attributes:
    found = check.get("result") == "found"
    action = str(check.get("action") or "none")
    return {
        "gen_ai.guardrail.policy.id": facts.text(entry, "guard") or None,
        "gen_ai.guardrail.policy.version": facts.text(entry, "digest"),
        "gen_ai.guardrail.rule.id": check.get("rule"),
        "gen_ai.guardrail.target": check.get("side"),
        "gen_ai.guardrail.verdict.type": _VERDICTS.get(action, "allow") if found else None,
        "gen_ai.guardrail.action.type": action,
    }


def _check_of_september(check: Mapping[str, Any], entry: Entry) -> Attributes:
    scores = [
        facts.number(each.get("score")) for each in facts.findings(check) if each.get("score") is not None
    ]
    return {
        "gen_ai.guardrail.result.type": "finding",
        "gen_ai.guardrail.result.value": check.get("result"),
        "gen_ai.guardrail.result.reason": check.get("error"),
        "gen_ai.guardrail.policy.id": facts.text(entry, "guard") or None,
        "gen_ai.guardrail.policy.version": facts.text(entry, "digest"),
        "gen_ai.guardrail.policy.rule.id": check.get("rule"),
        "gen_ai.guardrail.source": check.get("side"),
        "gen_ai.guardrail.risk.category": ", ".join(facts.categories(check)) or None,
        "gen_ai.guardrail.risk.score": max(scores, default=None),
    }


MAPPERS: Final = {
    each.version: each
    for each in (
        Mapper("2026-06", "gen_ai.run_guardrail", _check_of_june),
        Mapper("2026-09", "gen_ai.guardrail.result", _check_of_september),
    )
}
"""By the month in which the drafts had this shape. Each keeps our own words beside theirs."""
NEWEST: Final = "2026-09"


def traces(entries: Iterable[Entry], mapper: Mapper = MAPPERS[NEWEST]) -> dict[str, Any]:
    """An ``ExportTraceServiceRequest``: a client span a call, with an event a check and an attempt."""
    spans = [_span(entry, mapper) for entry in entries]
    return {"resourceSpans": [{"resource": _resource(), "scopeSpans": [{"scope": _scope(), "spans": spans}]}]}


def logs(entries: Iterable[Entry]) -> dict[str, Any]:
    """An ``ExportLogsServiceRequest``: an event a call, in its span."""
    records = []
    for entry in entries:
        _, ended = facts.ends_ns(entry)
        number, name = _SEVERITY[facts.severity(entry)]
        records.append(
            {
                "timeUnixNano": str(ended),
                "observedTimeUnixNano": str(entry.time_ns),
                "severityNumber": number,
                "severityText": name,
                "eventName": "gen_ai.client.inference.operation.details",
                "body": {"stringValue": f"chat completion {facts.text(entry, 'outcome')}"},
                "attributes": _attributes(_call(entry)),
                **_ids(entry),
            }
        )
    return {
        "resourceLogs": [{"resource": _resource(), "scopeLogs": [{"scope": _scope(), "logRecords": records}]}]
    }


def metrics(entries: Iterable[Entry]) -> dict[str, Any]:
    """An ``ExportMetricsServiceRequest``: calls, tokens, money and durations over the time of *entries*."""
    groups: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in entries:
        key = (facts.text(entry, "guard"), facts.text(entry, "model"), facts.text(entry, "outcome"))
        groups.setdefault(key, []).append(entry)
    every = [ends for group in groups.values() for ends in map(facts.ends_ns, group)]
    told: list[dict[str, Any]] = []
    if every:
        span = {
            "startTimeUnixNano": str(min(began for began, _ in every)),
            "timeUnixNano": str(max(ended for _, ended in every)),
        }
        told = [
            _sum("guardrails_lite.calls", "{call}", groups, span, lambda entry: 1),
            _sum(
                "gen_ai.client.inference.usage.input_tokens",
                "{token}",
                groups,
                span,
                lambda entry: facts.tokens(entry)[0],
            ),
            _sum(
                "gen_ai.client.inference.usage.output_tokens",
                "{token}",
                groups,
                span,
                lambda entry: facts.tokens(entry)[1],
            ),
            _sum(
                "guardrails_lite.cost",
                "USD",
                groups,
                span,
                lambda entry: facts.number(entry.data.get("cost_usd")),
            ),
            _durations(groups, span),
        ]
    return {
        "resourceMetrics": [{"resource": _resource(), "scopeMetrics": [{"scope": _scope(), "metrics": told}]}]
    }


def _span(entry: Entry, mapper: Mapper) -> dict[str, Any]:
    began, ended = facts.ends_ns(entry)
    model = facts.text(entry, "model")
    events = [
        {
            "timeUnixNano": str(ended),
            "name": mapper.check_event,
            "attributes": _attributes(
                {
                    **mapper.check(check, entry),
                    "guardrails_lite.action": check.get("action"),
                    "guardrails_lite.duration_us": facts.number(check.get("duration_us")),
                }
            ),
        }
        for check in facts.steps(entry, "checks")
    ]
    events += [
        {
            "timeUnixNano": str(ended),
            "name": "guardrails_lite.attempt",
            "attributes": _attributes(
                {
                    f"guardrails_lite.attempt.{name}": attempt.get(name)
                    for name in ("number", "target", "model", "result", "status", "blame", "duration_us")
                }
            ),
        }
        for attempt in facts.steps(entry, "attempts")
    ]
    return {
        **_ids(entry),
        "name": f"chat {model}".strip(),
        "kind": 3,  # client
        "startTimeUnixNano": str(began),
        "endTimeUnixNano": str(ended),
        "attributes": _attributes(_call(entry)),
        "events": events,
        "status": {"code": 2} if facts.severity(entry) > 1 else {"code": 1},
    }


def _call(entry: Entry) -> Attributes:
    prompt, completion = facts.tokens(entry)
    told = facts.who(entry)
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": facts.text(entry, "model") or None,
        "gen_ai.request.stream": "stream" in facts.text(entry, "style"),
        "gen_ai.usage.input_tokens": prompt,
        "gen_ai.usage.output_tokens": completion,
        "gen_ai.conversation.id": told.get("session"),
        "user.id": told.get("user"),
        "error.type": facts.text(entry, "error") or None,
        "guardrails_lite.id": entry.id,
        "guardrails_lite.guard": facts.text(entry, "guard") or None,
        "guardrails_lite.digest": facts.text(entry, "digest"),
        "guardrails_lite.outcome": facts.text(entry, "outcome"),
        "guardrails_lite.cost_usd": entry.data.get("cost_usd"),
        "guardrails_lite.tenant": told.get("tenant"),
    }


def _ids(entry: Entry) -> dict[str, str]:
    """In the application's own trace, where the call was made in one; else in a trace of its own."""
    told = facts.who(entry)
    own = hashlib.sha256(entry.id.encode("utf-8", "replace")).hexdigest()
    trace = told.get("trace_id", "")
    ids = {"spanId": own[:16], "traceId": trace if _is_id(trace, 32) else own[32:]}
    if ids["traceId"] == trace and _is_id(parent := told.get("span_id", ""), 16):
        ids["parentSpanId"] = parent
    return ids


def _is_id(text: str, length: int) -> bool:
    return re.fullmatch(rf"[0-9a-f]{{{length}}}", text) is not None and set(text) != {"0"}


def _attributes(told: Attributes) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in told.items() if value is not None]


def _value(value: object) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}  # as OTLP's JSON has 64-bit numbers
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": str(value).encode("utf-8", "replace").decode()}


def _sum(
    name: str,
    unit: str,
    groups: Groups,
    span: Mapping[str, str],
    of: Callable[[Entry], float],
) -> dict[str, Any]:
    points = []
    for key, group in groups.items():
        total = sum(map(of, group))
        kind = {"asInt": str(total)} if isinstance(total, int) else {"asDouble": total}
        points.append({**span, "attributes": _key(key), **kind})
    return {
        "name": name,
        "unit": unit,
        "sum": {"dataPoints": points, "aggregationTemporality": _DELTA, "isMonotonic": True},
    }


def _durations(groups: Groups, span: Mapping[str, str]) -> dict[str, Any]:
    points = []
    for key, group in groups.items():
        seconds = [(ended - began) / 1e9 for began, ended in map(facts.ends_ns, group)]
        counts = [0] * (len(_BOUNDS_S) + 1)
        for each in seconds:
            counts[sum(each > bound for bound in _BOUNDS_S)] += 1
        points.append(
            {
                **span,
                "attributes": _key(key),
                "count": str(len(seconds)),
                "sum": sum(seconds),
                "min": min(seconds),
                "max": max(seconds),
                "bucketCounts": [str(count) for count in counts],
                "explicitBounds": list(_BOUNDS_S),
            }
        )
    return {
        "name": "gen_ai.client.inference.duration",
        "unit": "s",
        "histogram": {"dataPoints": points, "aggregationTemporality": _DELTA},
    }


def _key(key: tuple[str, str, str]) -> list[dict[str, Any]]:
    guard, model, outcome = key
    return _attributes(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": model or None,
            "guardrails_lite.guard": guard or None,
            "guardrails_lite.outcome": outcome,
        }
    )


def _resource() -> dict[str, Any]:
    return {"attributes": _attributes({"service.name": "guardrails-lite"})}


def _scope() -> dict[str, Any]:
    return {"name": "guardrails_lite", "version": version()}
