"""What reviewers decide: entries of the log, and the standing of each finding that follows from them.

A reviewer's newest decision on a finding counts until it is undone. A finding is settled when as many
reviewers as the desk asks for decided the same and nobody decided otherwise; then, and only then, it counts
for the rule's precision. Where two decided otherwise it is *disputed*; where one of two has decided it
*waits*. What was decided where more had to agree than are asked for now still waits for so many.

One name is one reviewer, however it is spelled. Whose name it is the log cannot know: at the review desk a
token says so, and at the command line whoever may write to the log is believed.
"""

from __future__ import annotations

import unicodedata
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from guardrails_lite._errors import ConfigError
from guardrails_lite._harmless import safe
from guardrails_lite._rates import wilson
from guardrails_lite.audit.index import Event
from guardrails_lite.audit.index._rows import whole

if TYPE_CHECKING:
    from guardrails_lite.audit._log import AuditLog
    from guardrails_lite.audit.index import Call, Index
    from guardrails_lite.audit.postgres import ShippedIndex

DECIDED: Final = "review.decided"
UNDONE: Final = "review.undone"

VERDICTS: Final = {
    "true positive": "the rule was right",
    "false positive": "the rule was wrong",
    "benign": "rightly found, but harmless here",
    "unsure": "the record does not tell",
    "escalated": "somebody else has to look",
}
"""What a reviewer may decide, and what it means."""

LONGEST_NOTE: Final = 500
"""How many characters a note or a reason has at most: it stays as long as the log does."""
QUIET: Final = ("passed", "not run", "skipped")
"""Results of a check of which nobody has to decide anything."""

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


def person(name: str) -> str:
    """What is the same for all spellings of *name*: in capitals, in wide letters, with blanks or marks."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(each for each in folded if unicodedata.category(each)[0] not in "CZ")


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
    needs: int = 1
    """How many reviewers had to agree where it was decided."""

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
    """By finding and person."""

    @staticmethod
    def read(events: Iterable[Event], *, needs: int) -> Verdicts:
        """Take in the review entries *events*, oldest first."""
        found = Verdicts(needs)
        undone: set[tuple[str, str]] = set()
        for event in events:
            told = {name: str(event.data.get(name, "")) for name in ("call", "rule", "verdict", "note")}
            reviewer = str(event.data.get("reviewer", ""))
            if event.type == DECIDED and told["verdict"] in VERDICTS:
                asked = whole(event.data.get("needs"))
                held = found._held.setdefault((told["call"], told["rule"]), {})
                held[person(reviewer)] = Decision(event.id, event.at, **told, reviewer=reviewer, needs=asked)
            elif event.type == UNDONE:
                undone.add((person(reviewer), str(event.data.get("decision"))))
        # At the end, for where two processes wrote them a clock that was set may have put them in any order.
        for held in found._held.values():
            for who in [who for who, decision in held.items() if (who, decision.id) in undone]:
                del held[who]
        return found

    def of(self, key: Key) -> list[Decision]:
        """The decisions on one finding, oldest first."""
        return sorted(self._held.get(key, {}).values(), key=lambda decision: decision.at)

    def standing(self, key: Key) -> str:
        """``"open"``, ``"waiting"``, ``"disputed"``, or the verdict that settles it."""
        held = self._held.get(key, {}).values()
        words = {decision.verdict for decision in held}
        if not words:
            return "open"
        if len(words) > 1:
            return "disputed"
        needs = max(self.needs, *(decision.needs for decision in held))
        return words.pop() if len(held) >= needs else "waiting"

    def is_for(self, reviewer: str, key: Key) -> bool:
        """Whether *reviewer* has yet to look at a finding that is not settled."""
        return not self.has_decided(reviewer, key) and self.standing(key) not in VERDICTS

    def has_decided(self, reviewer: str, key: Key) -> bool:
        """Whether a decision of *reviewer* on a finding stands."""
        return person(reviewer) in self._held.get(key, {})

    def is_hidden(self, reviewer: str, key: Key) -> bool:
        """Whether *reviewer* is to decide on a finding without seeing what another decided."""
        return self.standing(key) == "waiting" and not self.has_decided(reviewer, key)

    def settled(self) -> int:
        """How many findings are settled."""
        return sum(self.standing(key) in VERDICTS for key in self._held)

    def standings(self) -> Counter[str]:
        """How many findings that somebody has looked at stand how."""
        return Counter(standing for key in self._held if (standing := self.standing(key)) != "open")

    def newest(self, reviewer: str) -> Decision | None:
        """What *reviewer* decided last."""
        who = person(reviewer)
        theirs = [held[who] for held in self._held.values() if who in held]
        return max(theirs, key=lambda decision: decision.at, default=None)

    def score(self, rule: str, *, among: Container[str] | None = None) -> Score:
        """How often *rule* was right; *among*: in these calls only."""
        words = Counter(
            self.standing(key) for key in self._held if key[1] == rule and (among is None or key[0] in among)
        )
        right = words["true positive"] + words["benign"]
        return Score(right, words["benign"], words["false positive"], words["unsure"] + words["escalated"])


def read_verdicts(index: Index | ShippedIndex, *, needs: int = 1) -> Verdicts:
    """What reviewers decided, over all time.

    Raises:
        ConfigError: *needs* is less than 1.
    """
    _check_needs(needs)
    events = index.events(type=(DECIDED, UNDONE), limit=2**62, order="oldest")
    return Verdicts.read(events, needs=needs)


def decide(
    log: AuditLog,
    index: Index | ShippedIndex,
    call: str,
    rule: str,
    verdict: str,
    *,
    reviewer: str,
    note: str = "",
    needs: int = 1,
) -> str:
    """Record in *log* what *reviewer* says of what *rule* found in *call*, as ``review.decided``.

    Args:
        log: The log.
        index: Its index, up to date.
        call: The call's id.
        rule: As the record prints it.
        verdict: One of `VERDICTS`.
        reviewer: Who decides, in printable characters. Names that differ only in capitals, blanks and the
            like are one reviewer.
        note: Up to 500 characters, which stay as long as the log does: quote nobody in it.
        needs: How many reviewers have to agree.

    Returns:
        The id of the entry.

    Raises:
        ConfigError: an argument is none of these.
        LookupError: the call has no such finding.
    """
    if verdict not in VERDICTS:
        raise ConfigError(f"verdict={verdict!r}: expected one of {', '.join(VERDICTS)}")
    _check_needs(needs)
    if not person(reviewer):
        raise ConfigError("decide(...) needs reviewer=: who decides is itself recorded")
    if safe(reviewer) != reviewer:
        raise ConfigError(f"reviewer={reviewer!r}: a name has no control characters and none that hide")
    if len(note) > LONGEST_NOTE:
        raise ConfigError(f"a note has at most {LONGEST_NOTE} characters; this one has {len(note)}")
    finding_of(index, (call, rule))
    told = {"call": call, "rule": rule, "verdict": verdict, "note": note}
    return log.event(DECIDED, {**told, "reviewer": reviewer, "needs": needs})


def undo(log: AuditLog, index: Index | ShippedIndex, *, reviewer: str) -> Decision:
    """Take the newest decision of *reviewer* back, by an entry of *log*, ``review.undone``.

    Returns:
        What no longer counts.

    Raises:
        LookupError: there is none.
    """
    decision = read_verdicts(index).newest(reviewer)
    if decision is None:
        raise LookupError(f"there is no verdict of {reviewer} to take back")
    take_back(log, decision)
    return decision


def take_back(log: AuditLog, decision: Decision) -> None:
    """Record that *decision* no longer counts, and no other."""
    told = {name: getattr(decision, name) for name in ("call", "rule", "reviewer")}
    log.event(UNDONE, {**told, "decision": decision.id})


def _check_needs(needs: int) -> None:
    if needs < 1:
        raise ConfigError(f"needs={needs!r}: at least one reviewer must decide")


def finding_of(index: Index | ShippedIndex, key: Key) -> tuple[Call, list[dict[str, Any]]]:
    """The call of a finding, and the checks of its record that are meant.

    Raises:
        LookupError: the call is not there, or its record has no such finding.
    """
    calls = index.find(key[0])
    if len(calls) != 1 or calls[0].id != key[0]:
        raise LookupError("The call of this finding is not in the log.")
    checks = [check for check in found_in(index.entry(calls[0]).data) if check.get("rule") == key[1]]
    if not checks:
        raise LookupError("The record of this call has no such finding.")
    return calls[0], checks


def found_in(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The checks of a record that found something, or broke."""
    checks = record.get("checks")
    told = [one for one in checks if isinstance(one, dict)] if isinstance(checks, list) else []
    return [check for check in told if check.get("result") not in QUIET]
