"""What a page of the review desk costs over a million calls."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks.index import CALLS, DAYS, fill
from guardrails_lite.audit import AuditLog
from guardrails_lite.audit.index import Index
from guardrails_lite.review._app import application
from guardrails_lite.review._desk import Desk
from guardrails_lite.review._door import Door
from guardrails_lite.review._place import Directory

_END_NS = (1_764_000_000 + DAYS * 86_400) * 10**9
_TIMES = 5
_BOUNDS = {"/": 300.0, "/?range=all": 300.0}
_PAGES = (*_BOUNDS, "/calls", "/rules", "/spend")


def rows() -> list[tuple[str, float, str, float | None, bool]]:
    """Ask a desk on an index of a million calls for its pages, from the request to the last byte of HTML."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "log"
        AuditLog(root).close()
        with Index(root) as index:
            index.update()
            fill(index)
        taken = asyncio.run(_ask(Desk(Directory(root), clock=lambda: _END_NS)))
    return [
        (f"review: {path} over {CALLS // 10**6} M calls", ms, "ms", bound, bound is None or ms <= bound)
        for path, ms in taken.items()
        for bound in [_BOUNDS.get(path)]
    ]


async def _ask(held: Desk) -> dict[str, float]:
    transport = httpx.ASGITransport(application(held, Door("ada")))
    taken: dict[str, float] = {}
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=600) as client:
        for path in _PAGES:
            each = []
            for _ in range(_TIMES):
                began = time.perf_counter_ns()
                (await client.get(path)).raise_for_status()
                each.append(time.perf_counter_ns() - began)
            taken[path] = statistics.median(each) / 1e6
    return taken
