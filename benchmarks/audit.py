"""What the compliance log costs: to write, to verify, and over several processes."""

from __future__ import annotations

import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from guardrails_lite._messages import Usage
from guardrails_lite._record import AttemptStep, CheckStep, KeptText, Record
from guardrails_lite.audit import AuditLog, verify

CALLS = 4000
VERIFIED = 250_000
"""Five segments: enough that starting the processes does not count."""
PROCESSES = 4
TEXTS = (
    KeptText("input", "user", "What is the capital of Norway? " * 12),
    KeptText("output", "assistant", "Oslo. " * 20),
)


def rows() -> list[tuple[str, float, str, float | None, bool]]:
    """Measure appending, verifying and writing from four processes."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        sink, append = _append_us(root / "append")
        sealed = _sealed_us(root / "sealed")
        _write(root / "verify", VERIFIED)
        cores = os.cpu_count() or 1
        alone = _verify_s(root / "verify", 1)
        together = _verify_s(root / "verify", cores)
        one = _per_second(root / "one", 1)
        many = _per_second(root / "many", PROCESSES)
    return [
        _row("log: append a payload, signed every 256, p50", append, "µs", 15, at_most=True),
        _row("log: the same with its texts sealed in the vault, p50", sealed, "µs", 30, at_most=True),
        _row("log: the sink, from record to disk, p50", sink, "µs", None, at_most=True),
        _row(f"log: verify 1 M records, {cores} processes", together, "s", 5, at_most=True),
        _row("log: verify 1 M records, one process", alone, "s", None, at_most=True),
        _row(f"log: {PROCESSES} processes over one", many / one, "×", 2, at_most=False),
    ]


def _row(
    name: str, value: float, unit: str, bound: float | None, *, at_most: bool
) -> tuple[str, float, str, float | None, bool]:
    ok = bound is None or (value <= bound if at_most else value >= bound)
    return name, value, unit, bound, ok


def _record(number: int) -> Record:
    check = CheckStep("redact(pii())", "input", 0, "passed", None, (), 1, 0, 31.0, None)
    usage = Usage(120, 40)
    attempt = AttemptStep("primary", "m-1", 1, "answered", None, 200, 900.0, 0.0, usage, 0.001)
    return Record(
        id=f"{number:032x}",
        guard="support",
        digest="d" * 64,
        mode="enforce",
        style="sync",
        model="m-1",
        started=1_764_000_000.0,
        duration_us=1000.0,
        outcome="passed",
        error=None,
        steps=(check, attempt),
        usage=usage,
        cost_usd=0.001,
        input_chars=400,
        output_chars=120,
        unscreened=(),
        who={"tenant": "acme", "user": "ada"},
    )


def _append_us(root: Path) -> tuple[float, float]:
    record = _record(1)
    with AuditLog(root, mode="async") as log:
        log(record)
        data = record.to_dict(pseudonym=log.pseudonym)
        sink = _median_us(lambda: log(record))
        append = _median_us(lambda: log.append("call.completed", record.id, data))
    return sink, append


def _sealed_us(root: Path) -> float:
    record = _record(1)
    with AuditLog(root, mode="async", capture="redacted") as log:
        data = record.to_dict(pseudonym=log.pseudonym)
        who = log.pseudonym("user", "ada")

        def append() -> None:
            kept = log.vault.put(record.id, who, TEXTS).kept
            content = {"capture": "redacted", **(kept.to_dict() if kept is not None else {})}
            log.append("call.completed", record.id, {**data, "content": content})

        return _median_us(append)


def _median_us(run: Callable[[], object]) -> float:
    taken = []
    for _ in range(CALLS):
        began = time.perf_counter_ns()
        run()
        taken.append(time.perf_counter_ns() - began)
    return statistics.median(taken) / 1000


def _verify_s(root: Path, processes: int) -> float:
    """Seconds for a million records."""
    best = min(_timed(lambda: verify(root, processes=processes)) for _ in range(2))
    return best * 1_000_000 / VERIFIED


def _timed(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _write(root: Path, records: int) -> None:
    with AuditLog(root, mode="async") as log:
        data = _record(1).to_dict(pseudonym=log.pseudonym)
        for number in range(records):
            log.append("call.completed", f"{number:032x}", data)


def _work(root: Path, records: int, start: multiprocessing.synchronize.Barrier) -> None:
    with AuditLog(root, mode="async") as log:
        data = _record(1).to_dict(pseudonym=log.pseudonym)
        log.append("call.completed", "0" * 32, data)
        start.wait()
        for number in range(records):
            log.append("call.completed", f"{number:032x}", data)
        start.wait()


def _per_second(root: Path, processes: int) -> float:
    """Records a second that *processes* write together, from when all are ready to when all are done."""
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(processes + 1)
    workers = [spawn.Process(target=_work, args=(root, 20_000, start)) for _ in range(processes)]
    AuditLog(root).close()
    for worker in workers:
        worker.start()
    start.wait()
    began = time.perf_counter()
    start.wait()
    taken = time.perf_counter() - began
    for worker in workers:
        worker.join()
    return processes * 20_000 / taken
