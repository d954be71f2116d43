"""Two guards over the same examples: who catches what the other misses, and can that be chance?"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from guardrails_lite.evaluation._evaluate import Evaluation


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two guards differ on one group of examples, pair by pair."""

    both: int
    """Flagged by both."""
    only_first: int
    only_second: int
    neither: int

    @property
    def p_value(self) -> float:
        """McNemar's exact test (1947): how likely a difference this large is if neither is better."""
        apart = self.only_first + self.only_second
        fewer = min(self.only_first, self.only_second)
        tail = sum(math.comb(apart, hits) for hits in range(fewer + 1)) / 2**apart
        return min(2.0 * float(tail), 1.0)

    def to_dict(self) -> dict[str, Any]:
        """As JSON-compatible data."""
        return {
            "both": self.both,
            "only_first": self.only_first,
            "only_second": self.only_second,
            "neither": self.neither,
            "p_value": self.p_value,
        }


def compare(first: Evaluation, second: Evaluation) -> tuple[Comparison, Comparison]:
    """Compare two evaluations of the same examples: on the positive ones, and on the benign ones.

    Raises:
        ValueError: they are of different examples.
    """
    pairs = [
        (one.positive, one.flagged, two.flagged)
        for one, two in zip(first.seen, second.seen, strict=False)
        if (one.example, one.line, one.positive, one.chars)
        == (two.example, two.line, two.positive, two.chars)
    ]
    if not len(pairs) == len(first.seen) == len(second.seen):
        raise ValueError(
            f"compare(...) takes evaluations of the same examples; {first.name!r} and {second.name!r} differ"
        )
    return (
        _comparison((one, two) for positive, one, two in pairs if positive),
        _comparison((one, two) for positive, one, two in pairs if not positive),
    )


def _comparison(pairs: Iterable[tuple[bool, bool]]) -> Comparison:
    listed = list(pairs)
    return Comparison(
        listed.count((True, True)),
        listed.count((True, False)),
        listed.count((False, True)),
        listed.count((False, False)),
    )
