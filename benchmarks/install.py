"""What having it costs: the time to import it, and what an installation brings."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from importlib.metadata import Distribution, distribution
from pathlib import Path

IMPORT_MS = 40
DISTRIBUTIONS = 25
MEGABYTES = 40
RUNS = 15


def rows() -> list[tuple[str, float, str, float | None, bool]]:
    """Time the import over a bare interpreter; count and weigh the distributions."""
    over = import_ms("guardrails_lite")
    brought = _closure("guardrails-lite")
    size = sum(map(_megabytes, brought))
    return [
        ("import guardrails_lite, over a bare interpreter", over, "ms", IMPORT_MS, over <= IMPORT_MS),
        ("distributions of a core install", len(brought), "", DISTRIBUTIONS, len(brought) <= DISTRIBUTIONS),
        ("their files on disk, bytecode aside", size, "MB", MEGABYTES, size <= MEGABYTES),
    ]


def import_ms(module: str) -> float:
    """The median of what importing adds to an interpreter's life, bytecode cached as after an install."""
    setting = "import sys; sys.dont_write_bytecode = False"
    added = [_run_ms(f"{setting}; import {module}") - _run_ms(setting) for _ in range(RUNS)]
    return statistics.median(added)


def _run_ms(code: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return (time.perf_counter() - began) * 1000


def _closure(name: str) -> list[Distribution]:
    """The distribution and all that it requires here, extras left out."""
    from packaging.requirements import Requirement  # comes with pytest

    found: dict[str, Distribution] = {}
    pending = [name]
    while pending:
        wanted = pending.pop()
        if wanted in found:
            continue
        found[wanted] = distribution(wanted)
        for line in found[wanted].requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                pending.append(requirement.name.lower().replace("_", "-"))
    return list(found.values())


def _megabytes(installed: Distribution) -> float:
    files = [Path(str(file.locate())) for file in installed.files or () if file.suffix != ".pyc"]
    return sum(file.stat().st_size for file in files if file.exists()) / 1e6
