"""Whether the log is whole and unchanged, and evidence of it to take away."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

from starlette.responses import Response

from guardrails_lite.audit import bundle as make_bundle
from guardrails_lite.review._desk import Checked, Visit, plain
from guardrails_lite.review._view import View
from guardrails_lite.review.pages.activity import told, who

_TOLD: Final = ("head", "bundle.made", "segment.expired", "gap", "recovery", "witness.failed")
_COLUMNS: Final = ("stream", "state", "records", "sealed", "ended", "problem")


def page(visit: Visit) -> View:
    """The newest report, stream by stream, and what the log says of itself."""
    checked = visit.desk.checked
    streams = _streams(checked, {source.name: source.problem for source in visit.index.sources()})
    data: dict[str, Any] = {
        "report": checked.report.to_dict() if checked is not None else None,
        "checked_ns": checked.at_ns if checked is not None else None,
        "took_s": round(checked.took_s, 3) if checked is not None else None,
        "unchecked": visit.desk.unchecked,
        "streams": streams,
        "events": [
            {**event.to_dict(), "who": who(event.data), "told": told(event.data)}
            for event in visit.index.events(type=_TOLD, limit=50)
        ],
    }
    rows = [[stream[name] for name in _COLUMNS] for stream in streams]
    return View("integrity.html", "Integrity", data, _COLUMNS, rows)


def check(visit: Visit) -> str:
    """Verify the log now."""
    visit.desk.check()
    return "/integrity"


def bundle(visit: Visit) -> Response:
    """An evidence bundle, as a file.

    Raises:
        ConfigError: no reason was given, or this log cannot make one.
    """
    reason = visit.asked("reason")
    log = visit.desk.place.log()
    with tempfile.TemporaryDirectory() as folder:
        made = make_bundle(log, Path(folder) / "evidence.zip", by=visit.reviewer, reason=reason)
        content = made.path.read_bytes()
    headers = {"Content-Disposition": f'attachment; filename="evidence-{made.manifest[:12]}.zip"'}
    return Response(content, media_type="application/zip", headers=headers)


def _streams(checked: Checked | None, unindexed: dict[str, str]) -> list[dict[str, Any]]:
    if checked is None:
        return []
    problems: dict[str, str] = {}
    for problem in checked.report.problems:
        problems.setdefault(problem.stream, problem.message)
    return [
        {
            **plain(stream),
            "stream": stream.name,
            "problem": problems.get(stream.name, "") or unindexed.get(stream.name, ""),
        }
        for stream in checked.report.streams
    ]
