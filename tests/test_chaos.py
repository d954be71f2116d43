"""Random faults, cancellations and outages, over threads and event loops: the laws of a call hold."""

from __future__ import annotations

import os

from benchmarks._chaos import chaos, stores_here


def test_in_chaos_the_laws_of_a_call_hold() -> None:
    """One round for each kind of store, with its outages.

    CHAOS_SEED and CHAOS_ROUNDS choose others: ``CHAOS_SEED=7 CHAOS_ROUNDS=100 pytest tests/test_chaos.py``.
    """
    seed = os.environ.get("CHAOS_SEED", "1")
    rounds = int(os.environ.get("CHAOS_ROUNDS", len(stores_here())))

    toll = chaos(seed, range(rounds), stores=stores_here())

    laws = "\n".join(toll.broken)
    assert not toll.broken, f"CHAOS_SEED={seed}: run `python -m benchmarks._chaos {seed} ROUND`\n{laws}"
    assert toll.requests > 20 * rounds
