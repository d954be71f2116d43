"""What the benchmarks prove with many calls, with few: nothing is lost, and nothing is left behind."""

from __future__ import annotations

import asyncio

from benchmarks._crowd import PROBES, recovering
from benchmarks._soak import Found, clients, functions


def check(found: Found) -> None:
    """Every call has its right answer or its error, and its one record; nothing of it is open."""
    assert (found.lost, found.ownerless, found.left) == (0, 0, 0)


def test_faulty_functions_lose_no_call_and_leave_nothing() -> None:
    """From threads and on a loop, one call in five meeting a fault."""
    found = functions(3_000)
    check(found)
    assert found.blocks < found.calls


def test_faulty_providers_lose_no_call_and_leave_nothing() -> None:
    """Through wrapped clients of both kinds: chat and responses, whole, streamed and left early."""
    check(clients(200))


def test_a_recovering_upstream_gets_no_more_probes_than_its_limit() -> None:
    """Fault X10 around whole calls: 1,000 callers ask again and again, and all are answered in the end."""
    probes, answered = asyncio.run(recovering())
    assert 0 < probes <= PROBES
    assert answered == 1_000
