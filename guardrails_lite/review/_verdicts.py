"""What reviewers decided: entries of the log, and the standing of each finding that follows from them.

A reviewer's newest decision on a finding counts until it is undone. A finding is settled when as many
reviewers as the desk asks for decided the same and nobody decided otherwise; then, and only then, it counts
for the rule's precision. Where two decided otherwise it is *disputed*; where one of two has decided it
*waits*.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from guardrails_lite._rates import wilson
from guardrails_lite.audit.index import Event

DECIDED: Final = "review.decided"
UNDONE: Final = "review.undone"

VERDICTS: Final = {
    "true positive": "the rule was right",
    "false positive": "the rule was wrong",
    "benign": "rightly found, and harmless here",
    "unsure": "cannot be told from the record",
    "escalated": "somebody else has to look",
}
"""What a reviewer may decide, and what it means."""

Key = tuple[str, str]
"""A finding: the id of the call and the rule."""


def spell(key: Key) -> str:
    """A finding as one word, for addresses and forms."""
    return urlsafe_b64encode("\0".join(key).encode()).decode().rstrip("=")


def unspell(word: str) -> Key:
    """The finding that *word* spells.

    Raises:
        LookupError: it spells none.
    """
    try:
        call, rule = urlsafe_b64decode(word + "=" * (-len(word) % 4)).decode().split("\0")
    except ValueError:
        raise LookupError("The address does not name a finding.") from None
    return call, rule


@dataclass(frozen=True, slots=True)
class Decision:
    """One reviewer's verdict on one finding."""

    id: str
    """The id of its entry."""
    at: int
    call: str
    rule: str
    verdict: str
    note: str
    reviewer: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON-compatible data."""
        return {name: getattr(self, name) for name in Decision.__slots__}


@dataclass(frozen=True, slots=True)
class Score:
    """How often a rule was right, by the findings that are settled."""

    right: int
    """True positives, and what was rightly found and harmless."""
    benign: int
    """How many of these were harmless."""
    wrong: int
    unsure: int
    """Unsure or escalated: they count for neither."""

    @property
    def precision(self) -> float | None:
        """The share that was right; None where nothing was decided."""
        judged = self.right + self.wrong
        return self.right / judged if judged else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the precision lies with 95 % confidence."""
        return wilson(self.right, self.right + self.wrong)


@dataclass(slots=True)
class Verdicts:
    """All decisions that stand."""

    needs: int
    """How many reviewers have to agree."""
    _held: dict[Key, dict[str, Decision]] = field(default_factory=dict)

    @staticmethod
    def read(events: Iterable[Event], *, needs: int) -> Verdicts:
        """Take in the review entries *events*, oldest first."""
        found = Verdicts(needs)
        for event in events:
            told = {name: str(event.data.get(name, "")) for name in ("call", "rule", "verdict", "note")}
            reviewer = str(event.data.get("reviewer", ""))
            held = found._held.setdefault((told["call"], told["rule"]), {})
            if event.type == DECIDED and told["verdict"] in VERDICTS:
                held[reviewer] = Decision(event.id, event.at, reviewer=reviewer, **told)
            elif (
                event.type == UNDONE and reviewer in held and held[reviewer].id == event.data.get("decision")
            ):
                del held[reviewer]
        return found

    def of(self, key: Key) -> list[Decision]:
        """The decisions on one finding, oldest first."""
        return sorted(self._held.get(key, {}).values(), key=lambda decision: decision.at)

    def standing(self, key: Key) -> str:
        """``"open"``, ``"waiting"``, ``"disputed"``, or the verdict that settles it."""
        words = [decision.verdict for decision in self._held.get(key, {}).values()]
        if not words:
            return "open"
        if len(set(words)) > 1:
            return "disputed"
        return words[0] if len(words) >= self.needs else "waiting"

    def is_for(self, reviewer: str, key: Key) -> bool:
        """Whether *reviewer* has yet to look at a finding that is not settled."""
        return reviewer not in self._held.get(key, {}) and self.standing(key) not in VERDICTS

    def settled(self) -> int:
        """How many findings are settled."""
        return sum(self.standing(key) in VERDICTS for key in self._held)

    def standings(self) -> Counter[str]:
        """How many findings that somebody has looked at stand how."""
        return Counter(standing for key in self._held if (standing := self.standing(key)) != "open")

    def newest(self, reviewer: str) -> Decision | None:
        """What *reviewer* decided last."""
        theirs = [held[reviewer] for held in self._held.values() if reviewer in held]
        return max(theirs, key=lambda decision: decision.at, default=None)

    def score(self, rule: str, *, among: Container[str] | None = None) -> Score:
        """How often *rule* was right; *among*: in these calls only."""
        words = Counter(
            self.standing(key) for key in self._held if key[1] == rule and (among is None or key[0] in among)
        )
        right = words["true positive"] + words["benign"]
        return Score(right, words["benign"], words["false positive"], words["unsure"] + words["escalated"])
