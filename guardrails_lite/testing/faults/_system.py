"""Faults of the caller's own process, which no server can bring about.

They are rows of the catalogue all the same, so that a reader sees what has to be tested elsewhere.
"""

from __future__ import annotations

from guardrails_lite.testing.faults._fault import Fault

SYSTEM_FAULTS = (
    Fault("X01", "the caller cancels at any await", ("the cancellation passes; nothing is left open",)),
    Fault("X02", "the deadline passes at any point", ("FAIL deadline passed",)),
    Fault("X03", "KeyboardInterrupt, SystemExit, MemoryError", ("passes unwrapped, never retried",)),
    Fault("X04", "the wall clock jumps", ("decisions unchanged",)),
    Fault("X05", "fork while permits are held", ("the child starts clean",)),
    Fault("X06", "64 threads and 3 event loops on one guard", ("limits hold, no serialisation",)),
    Fault("X07", "the shared store is down, slow or wrong", ("at most 50 ms, a lower limit, recorded",)),
    Fault("X08", "the log cannot be written", ("as the log's policy says",)),
    Fault("X09", "the user's validator or hook raises or hangs", ("isolated, timed, no re-ask",)),
    Fault("X10", "the upstream recovers with 1,000 waiting", ("no more probes than the limit",)),
    Fault("X11", "one of two upstreams is 10 times slower", ("extra load within the budget",)),
    Fault("X12", "everything fails", ("one error, the causes in order",)),
    Fault("X13", "the interpreter or the loop shuts down in a call", ("no hang, no warning",)),
)
