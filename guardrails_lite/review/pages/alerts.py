"""Alerts: what Sigma rules found in the log, when, and which calls that was.

What a watcher raised is in the log. Where nobody watches, or a rule is new, the rules can be tried: the page
then shows what they find, and nothing of it is recorded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from guardrails_lite.audit.alerts import LEVELS, Alert, Correlation, Rule
from guardrails_lite.audit.alerts._gather import RAISED, SENT
from guardrails_lite.audit.alerts._watch import matches_in
from guardrails_lite.audit.index._rows import text, whole
from guardrails_lite.audit.index._schema import HOUR_NS
from guardrails_lite.review._charts import Bar, bars
from guardrails_lite.review._desk import Visit
from guardrails_lite.review._series import label_of, places_of, step_of
from guardrails_lite.review._view import View
from guardrails_lite.review.pages.calls import FACETS

_LISTED: Final = 200
_TOLD: Final = 5
_GRAVE: Final = ("high", "critical")
_COLUMNS: Final = ("at", "level", "title", "rule", "service", "call", "count", "about", "sent", "id")


def page(visit: Visit) -> View:
    """The rules, and their alerts within the range: those that were raised, or what the rules find now."""
    tried, chosen = "try" in visit.query, visit.query.get("rule", "")
    every = _tried(visit) if tried else _raised(visit)
    rules = _rules(visit, every)
    told = [alert for alert in every if not chosen or alert["rule"] == chosen]
    data: dict[str, Any] = {
        "range": visit.span,
        "since_ns": visit.since,
        "tried": tried,
        "rule": chosen,
        "watched": visit.desk.place.watched,
        "rules": rules,
        "total": len(told),
        "alerts": told[:_LISTED],
    }
    drawn = {
        "chart": _chart(visit, told),
        "kept": {name: visit.query[name] for name in ("try", "rule") if name in visit.query},
        "raised_link": _link(visit, **{"try": None}),
        "tried_link": _link(visit, **{"try": "1", "range": visit.query.get("range", "24h")}),
        "every_rule": _link(visit, rule=None),
        "rule_links": {rule["id"]: _link(visit, rule=rule["id"]) for rule in rules},
        "title_of": next((rule["title"] for rule in rules if rule["id"] == chosen), chosen),
    }
    rows = [_row(alert) for alert in told]
    return View("alerts.html", "Alerts", data, _COLUMNS, rows, drawn)


def _raised(visit: Visit) -> list[dict[str, Any]]:
    """The alerts of the log, newest first."""
    sent: dict[str, list[str]] = {}
    for event in visit.index.events(type=SENT, since=visit.since, limit=2**62, order="oldest"):
        sent.setdefault(text(event.data.get("alert")), []).append(text(event.data.get("to")))
    found, spans = [], _spans(visit)
    for event in visit.index.events(type=RAISED, since=visit.since, limit=2**62):
        alert = _told({"id": event.id, **event.data}, sent.get(event.id, []), spans)
        if alert["at"] >= (visit.since or 0):
            found.append(alert)
    return sorted(found, key=lambda alert: alert["at"], reverse=True)


def _tried(visit: Visit) -> list[dict[str, Any]]:
    """What the rules find in the range, newest first."""
    checked = visit.desk.checked
    found: Iterable[Alert] = matches_in(
        visit.index,
        visit.desk.alert_rules(),
        log=visit.desk.place.name,
        since=visit.since or 0,
        check=(lambda: checked.report) if checked is not None else None,
        clock=visit.desk.clock,
    )
    spans = _spans(visit)
    told = {alert.id: _told(alert.to_dict(), [], spans) for alert in found}
    return sorted(told.values(), key=lambda alert: alert["at"], reverse=True)


def _spans(visit: Visit) -> dict[str, int]:
    """The timespan of each correlation, in nanoseconds."""
    return {one.id: one.timespan_s * 10**9 for one in visit.desk.alert_rules().correlations}


def _told(alert: Mapping[str, Any], sent: list[str], spans: Mapping[str, int]) -> dict[str, Any]:
    """An alert as the page tells it; of one that another program wrote, what can be made of it."""
    fields, group = _map(alert.get("fields")), _map(alert.get("group"))
    told: dict[str, Any] = {
        name: text(alert.get(name)) for name in ("id", "rule", "title", "level", "service", "call")
    }
    told |= {"at": whole(alert.get("at")), "count": whole(alert.get("count")), "sent": sent}
    # of a correlation the fields are those of its newest fact only
    seen = {**group, "count": told["count"]} if group else {**fields, "call": None}
    about = [(name, value) for name, value in seen.items() if value is not None]
    told["about"] = {text(name): _plain(value) for name, value in about[:_TOLD]}
    told["calls"] = _calls(told, fields, group, spans.get(told["rule"]))
    return told


def _row(alert: Mapping[str, Any]) -> list[Any]:
    about = ", ".join(f"{name} {value}" for name, value in alert["about"].items())
    return [{**alert, "about": about, "sent": " ".join(alert["sent"])}[name] for name in _COLUMNS]


def _plain(value: object) -> str:
    """A value in a few words."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _calls(
    alert: Mapping[str, Any], fields: Mapping[str, Any], group: Mapping[str, Any], span_ns: int | None
) -> str:
    """Where the calls are that an hour or a correlation is about; empty: it is one call, or none."""
    at = alert["at"]
    if alert["service"] == "hour":
        of = text(fields.get("of"))
        chosen = {of: text(fields.get("value"))} if of in FACETS else {}
        return _window(chosen, at, at + HOUR_NS)
    if span_ns is None or alert["service"] not in ("call", "check", "send"):
        return ""
    chosen = {name: text(value) for name, value in group.items() if name in FACETS}
    return _window(chosen, at - span_ns + 1, at + 1)


def _window(chosen: Mapping[str, str], since: int, until: int) -> str:
    return "/calls?" + urlencode({**chosen, "since": since, "until": until})


def _rules(visit: Visit, every: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All rules that can alert, and those that have and are not among them; the gravest first."""
    counted = Counter(alert["rule"] for alert in every)
    newest = {alert["rule"]: alert for alert in reversed(every)}
    told = [_rule(rule) for rule in visit.desk.alert_rules().alerting]
    known = {rule["id"] for rule in told}
    told += [
        {"id": ident, "title": alert["title"], "level": alert["level"], "description": "", "source": None}
        for ident, alert in newest.items()
        if ident not in known
    ]
    for rule in told:
        last = newest.get(rule["id"])
        rule |= {"alerts": counted[rule["id"]], "last_ns": last["at"] if last is not None else 0}
    return sorted(told, key=lambda rule: (-_grave(rule["level"]), -rule["alerts"], rule["title"]))


def _rule(rule: Rule | Correlation) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in ("id", "title", "level", "description", "source")}


def _grave(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else -1


def _chart(visit: Visit, told: list[dict[str, Any]]) -> Any:
    step_ns = step_of(visit, told[-1]["at"] if told else 0)
    found, grave = Counter[int](), Counter[int]()
    for alert in told:
        at = alert["at"] // step_ns * step_ns
        found[at] += 1
        grave[at] += alert["level"] in _GRAVE
    places = places_of(visit, step_ns, found, min(found, default=0))
    drawn = [
        Bar(
            label_of(at, step_ns),
            found[at],
            f"{found[at]:,} alerts, {grave[at]:,} high or critical",
            grave[at],
        )
        for at in places
    ]
    return bars(drawn, title="Alerts over time; the marked part is high or critical")


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _link(visit: Visit, **changes: str | None) -> str:
    kept = {name: visit.query[name] for name in ("range", "try", "rule") if name in visit.query}
    asked = {name: value for name, value in {**kept, **changes}.items() if value is not None}
    return "/alerts" + (f"?{urlencode(asked)}" if asked else "")
