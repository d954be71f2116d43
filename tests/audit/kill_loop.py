"""Kill a logging process at random moments, again and again; say what was acknowledged.

``python -m tests.audit.kill_loop DIRECTORY RUNS SEED MODE``: prints one JSON object. A parent forks a child
that logs and acknowledges each record through a pipe after the sink has returned, then kills it with
SIGKILL. Run as a script so that no thread of a test runner is forked.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import time

from guardrails_lite.audit import AuditLog
from tests.audit.calls import intent, record


def main(directory: str, runs: int, seed: int, mode: str) -> None:
    """Kill *runs* children; the number of each acknowledged record goes to standard output."""
    rng = random.Random(seed)
    log = AuditLog(directory, mode=mode, checkpoint_every=16, segment_bytes=16384)  # type: ignore[arg-type]
    acknowledged: list[int] = []
    for run in range(runs):
        mine, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(mine)
            for number in range(run * 100_000, run * 100_000 + 100_000):
                log.intent(intent(number))
                log(record(number, outcome="blocked" if number % 7 == 0 else "passed"))
                os.write(theirs, b"%d\n" % number)
        os.close(theirs)
        # Most are killed while they log, some already while they open their stream.
        if rng.random() < 0.8:
            select.select([mine], [], [], 10)
        time.sleep(rng.uniform(0.0, 0.03))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        with os.fdopen(mine, "rb") as pipe:
            acknowledged += [int(line) for line in pipe.read().split(b"\n")[:-1]]
    json.dump(acknowledged, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
