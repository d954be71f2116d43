"""Samples that ``log sample`` drew: which calls, what rules found in them, how far reviewers are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from guardrails_lite.audit._verdicts import VERDICTS, Verdicts
from guardrails_lite.audit.index import Event, Found
from guardrails_lite.audit.index._rows import text, whole
from guardrails_lite.review._desk import Visit

SAMPLED: Final = "review.sampled"
_LOOKED_UP: Final = 200


@dataclass(frozen=True, slots=True)
class Sampled:
    """A sample, and what rules found in its calls."""

    event: Event
    calls: tuple[str, ...]
    """The ids of the calls that were drawn, in the order of the draw."""
    found: tuple[Found, ...]
    """Newest first."""

    def to_dict(self) -> dict[str, Any]:
        """How it was drawn, as JSON-compatible data."""
        data = self.event.data
        strata, chosen = data.get("strata"), data.get("chosen")
        return {
            "entry": self.event.id,
            "at": self.event.at,
            "by": text(data.get("by")),
            "seed": text(data.get("seed")),
            "strata": [text(one) for one in strata] if isinstance(strata, list) else [],
            "size": whole(data["size"]) if "size" in data else None,
            "chosen": dict(chosen) if isinstance(chosen, Mapping) else {},
            "of": whole(data.get("calls")),
            "drawn": len(self.calls),
        }

    def progress(self, visit: Visit, verdicts: Verdicts) -> list[dict[str, Any]]:
        """Each call: how many findings it has, and how many are settled. The first 200 with their outcome."""
        findings = Counter(one.call for one in self.found)
        settled = Counter(
            one.call for one in self.found if verdicts.standing((one.call, one.rule)) in VERDICTS
        )
        told = [{"call": call, "found": findings[call], "settled": settled[call]} for call in self.calls]
        for one in told[:_LOOKED_UP]:
            held = visit.index.find(str(one["call"]))
            one["outcome"] = held[0].outcome if held else None
        return told

    def scores(self, verdicts: Verdicts) -> list[dict[str, Any]]:
        """How often each rule was right in these calls, by the findings that are settled."""
        told: list[dict[str, Any]] = []
        for rule, findings in Counter(one.rule for one in self.found).most_common():
            score = verdicts.score(rule, among=frozenset(self.calls))
            low, high = score.interval or (None, None)
            told.append(
                {
                    "rule": rule,
                    "found": findings,
                    "right": score.right,
                    "benign": score.benign,
                    "wrong": score.wrong,
                    "unsure": score.unsure,
                    "precision": score.precision,
                    "precision_low": low,
                    "precision_high": high,
                }
            )
        return told


def sampled(visit: Visit) -> Sampled | None:
    """The sample that the address names; None: it names none.

    Raises:
        LookupError: the log has no such sample.
    """
    entry = visit.query.get("sample")
    if not entry:
        return None
    for event in visit.index.events(type=SAMPLED, limit=2**62):
        if event.id == entry:
            drawn = event.data.get("drawn")
            held = dict.fromkeys(text(one) for one in drawn) if isinstance(drawn, list) else {}
            return Sampled(event, tuple(held), tuple(visit.index.findings_in(held)))
    raise LookupError("The log has no sample with this id.")
