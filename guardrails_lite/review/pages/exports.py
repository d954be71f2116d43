"""What was taken out of the log, and what has to stay in it: by whom, when and why."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from starlette.responses import Response

from guardrails_lite.audit.export import FORMATS, take, take_verdicts
from guardrails_lite.audit.export._take import TAKEN, Taken
from guardrails_lite.audit.index import Event, Filter
from guardrails_lite.audit.index._rows import text, whole
from guardrails_lite.review._desk import Visit
from guardrails_lite.review._placed import Placed, placed, why
from guardrails_lite.review._view import View

_WHAT: Final = {
    "hold.placed": "hold",
    "restriction.placed": "restriction",
    "bundle.made": "evidence bundle",
    TAKEN: "export",
}
_OFFERED: Final = [name for name in FORMATS if name != "parquet"]
"""Formats that need no package of their own."""
_ENDINGS: Final = {"csv": "csv", "cef": "log", "syslog": "log"}
_COLUMNS: Final = (
    *("at", "what", "by", "why", "state", "ended_at", "ended_by", "ended_why"),
    *("format", "bytes", "sha256", "subjects", "id"),
)


def page(visit: Visit) -> View:
    """All holds and restrictions with how they ended, all bundles and exports; the newest first."""
    kept = [_kept(one) for one in placed(visit)]
    taken = [_taken(event) for event in visit.index.events(type=("bundle.made", TAKEN), limit=2**62)]
    in_force = [one["what"] for one in kept if one["state"] == "in force"]
    data: dict[str, Any] = {
        "range": visit.span,
        "holds": in_force.count("hold"),
        "restrictions": in_force.count("restriction"),
        "bundles": sum(one["what"] == "evidence bundle" for one in taken),
        "exports": sum(one["what"] == "export" for one in taken),
        "rule": visit.query.get("rule", ""),
        "kept": kept,
        "taken": taken,
    }
    acts = sorted((*kept, *taken), key=lambda act: act["at"], reverse=True)
    rows = [[" ".join(act[name]) if name == "subjects" else act[name] for name in _COLUMNS] for act in acts]
    return View("exports.html", "Exports and holds", data, _COLUMNS, rows, {"formats": _OFFERED})


def make(visit: Visit) -> Response:
    """The calls of the range as a file. That they were taken, by whom and why, is recorded.

    Raises:
        ConfigError: no reason was given, there is no such format, or this process may not write to the log.
    """
    reason, format = visit.asked("reason"), visit.asked("format")
    asked = replace(visit, query=visit.form).within
    log = visit.desk.place.log()
    with tempfile.TemporaryDirectory() as folder:
        made = take(log, Path(folder) / "calls", format, by=visit.reviewer, reason=reason, filter=asked)
        return _file(made, "calls", _ENDINGS.get(format, "jsonl"))


def verdicts(visit: Visit) -> Response:
    """The settled verdicts as labelled examples, of one rule or of all. That is recorded like any export.

    Raises:
        ConfigError: no reason was given, or this process may not write to the log.
        LookupError: none can become an example.
    """
    reason, rule = visit.asked("reason"), visit.form.get("rule", "")
    log = visit.desk.place.log()
    with tempfile.TemporaryDirectory() as folder:
        made = take_verdicts(
            log,
            Path(folder) / "verdicts",
            by=visit.reviewer,
            reason=reason,
            texts="original" if visit.form.get("texts") == "original" else "redacted",
            needs=visit.desk.needs,
            filter=Filter(rule=rule or ()),
        )
        return _file(made.taken, "verdicts", "jsonl")


def _file(made: Taken, name: str, ending: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}-{made.sha256[:12]}.{ending}"'}
    content = made.path.read_bytes()
    return Response(content, media_type="application/octet-stream", headers=headers)


def _kept(one: Placed) -> dict[str, Any]:
    ended = one.ended
    return {
        **_act(one.event),
        "subjects": one.subjects,
        "state": "in force" if ended is None else ended.type.partition(".")[2],
        "ended_at": ended.at if ended is not None else None,
        "ended_by": text(ended.data.get("owner")) if ended is not None else "",
        "ended_why": why(ended.data) if ended is not None else "",
    }


def _taken(event: Event) -> dict[str, Any]:
    data = event.data
    return {
        **_act(event),
        "format": text(data.get("format")),
        "bytes": whole(data["bytes"]) if "bytes" in data else None,
        "sha256": text(data.get("sha256", data.get("manifest"))),
    }


def _act(event: Event) -> dict[str, Any]:
    """What all of them have, and nothing for what only some have."""
    nothing: dict[str, Any] = {**dict.fromkeys(_COLUMNS, ""), "subjects": [], "ended_at": None, "bytes": None}
    told = {"at": event.at, "what": _WHAT[event.type], "id": event.id, "why": why(event.data)}
    return nothing | told | {"by": text(event.data.get("owner", event.data.get("by")))}
