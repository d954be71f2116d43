"""What a guard decided of a recorded call, and what another would decide: told by texts, or by the record.

A record holds no text, but it says of each rule what its validator made of the texts. So where another guard
puts the same validator under whatever verb, what that would do is known without any text: a ``warn`` that
found something would have stopped the call as a ``block``. Where the record does not tell, kept texts are
checked; and where there are none, nothing is known, and that is said.

Two validators are the same where they print the same. What the record lacks is the version of their code;
only the guard that made the record has it, so where that guard is at hand, versions have to agree too.

A reply is taken as it was, and so are the verdicts on its tool calls, schemas and the rules on their fields:
no model is called. Where another guard would ask for a reply that nobody asked for, what it would decide of
that one is not known. That it would ask again, or fall back, is.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from guardrails_lite._engine._screen import Side
from guardrails_lite._engine._story import chance_of
from guardrails_lite._rules import finder_of
from guardrails_lite.audit._opening import Opened, Why
from guardrails_lite.audit._replay import checking_plan, ident_of, judged
from guardrails_lite.audit._screenings import SIDES, Screening, SideName, Way, screenings

if TYPE_CHECKING:
    from guardrails_lite._engine._plan import Plan
    from guardrails_lite._guard import Guard
    from guardrails_lite._rules import Rule
    from guardrails_lite._targets import Target
    from guardrails_lite.audit._format import Entry
    from guardrails_lite.audit._looked_at import LookedAt

DecisionName = Literal["passed", "redacted", "re-asked", "fell back", "blocked"]
Reason = Why | Literal["masked", "partly kept", "broken"]
Basis = Literal["policy", "record", "texts", "originals"]

SEVERITY: Final[tuple[DecisionName, ...]] = ("passed", "redacted", "re-asked", "fell back", "blocked")
_BASES: Final[tuple[Basis, ...]] = ("policy", "record", "texts", "originals")
_WORDS: Final[Mapping[str, DecisionName]] = {
    "redact": "redacted",
    "reask": "re-asked",
    "fall_back": "fell back",
    "block": "blocked",
}


NEVER_ASKED: Final = Screening("output", (), "no text", in_full=True)
"""A reply that nobody asked for."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided, or would be."""

    decision: DecisionName
    rules: tuple[str, ...]
    """The rules that decide so, each with its side. Told by the record, they are those that are known to find
    something: one that is not known and decides the same may stand in front of them."""
    basis: Basis
    """How it is known: the record's guard decides like this one, or what its checks found, or kept texts."""
    left: tuple[str, ...] | None = field(default=None, repr=False)
    """What is left of the texts; None where they are not at hand."""
    is_open: bool = False
    """It would ask for a reply that nobody asked for, so the end may be worse than the decision."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """That a decision cannot be told."""

    why: Reason
    rules: tuple[str, ...]
    """The rules that would have to see a text."""


class Policy:
    """A guard, as far as its rules decide."""

    def __init__(self, guard: Guard[Any]) -> None:
        self.digest = guard.digest
        self._plan = checking_plan(guard)
        self._tails: dict[tuple[SideName, int], Plan] = {}
        self.versions: dict[str, str] = {}
        """By what a rule finds, as records tell it; empty where several rules are told alike and are not."""
        for rule in (rule for side in SIDES for rule in self.rules(side)):
            name, version = finder_of(rule.told), rule.validator.fingerprint
            self.versions[name] = version if self.versions.get(name, version) == version else ""

    def rules(self, side: SideName) -> tuple[Rule, ...]:
        """The rules of a side, in order."""
        return self._plan.input.rules if side == "input" else self._plan.output.rules

    def may_act(self, rule: Rule, call: str) -> bool:
        """Whether a finding of the rule changes anything in the *call*."""
        return rule.verb != "warn" and rule.mode == "enforce" and chance_of(ident_of(call)) < rule.share

    def way(self, word: DecisionName, screening: Screening, *, same: bool) -> Way | None:
        """What follows where the rules come to *word*; None: nothing.

        *same* says that they are those that came to it in the *screening*.
        """
        if word in ("passed", "redacted"):
            return "asked" if screening.side == "input" else None
        repeats = word == "re-asked" and not (same and screening.same_again)
        if repeats and screening.reasks < self._plan.retry.reasks:
            return "re-asked"
        return "fell back" if word != "blocked" and self.fallback(word, screening) else None

    def fallback(self, word: DecisionName, screening: Screening) -> Target | None:
        """What it falls back to; None: there is nothing."""
        after = "validation" if word == "re-asked" else "failure"
        left = self._plan.fallback[screening.fallbacks :]
        return next((target for target in left if target.on in ("any", after)), None)

    def plan_from(self, side: SideName, start: int) -> Plan:
        """The plan that checks texts of a side with its rules from *start* on."""
        key = (side, start)
        if key not in self._tails:
            part: dict[str, Any] = {side: Side(side, self.rules(side)[start:])}
            self._tails[key] = replace(self._plan, **part)
        return self._tails[key]


class Decider:
    """Tells what was decided of calls, and what policies would decide.

    Args:
        policies: All that are at hand: of the calls that one of them made, the versions of rules are known.
        alike: For each of them, which of its private rules the policy of a given digest had too.
    """

    def __init__(
        self,
        policies: Iterable[Policy],
        *,
        alike: Mapping[str, Callable[[str], frozenset[str]]] | None = None,
    ) -> None:
        self._versions = {policy.digest: policy.versions for policy in policies}
        self._alike = alike or {}

    def recorded(self, entry: Entry, opened: Opened | Why) -> Verdict:
        """What was decided, which the record always tells."""
        found = _along(screenings(entry, opened), _AsRecorded())
        assert isinstance(found, Verdict)
        return found

    def would(self, policy: Policy, entry: Entry, opened: Opened | Why) -> Verdict | Unknown:
        """What *policy* would decide."""
        if entry.data.get("digest") == policy.digest:
            return self.recorded(entry, opened)
        all_of_it = screenings(entry, opened)
        if not all_of_it:
            rules = [f"{side} {rule.told}" for side in SIDES for rule in policy.rules(side)]
            return Unknown("no text", tuple(rules))
        made_by = str(entry.data.get("digest"))
        alike = self._alike[policy.digest](made_by) if policy.digest in self._alike else frozenset[str]()
        return _along(all_of_it, _One(policy, entry.id, self._versions.get(made_by), alike))


@dataclass(frozen=True, slots=True)
class _Part:
    """What is decided of one screening."""

    acts: Mapping[str, str]
    basis: Basis
    left: tuple[str, ...] | None = None

    @property
    def word(self) -> DecisionName:
        """The decision."""
        return max((_WORDS[act] for act in self.acts.values()), key=SEVERITY.index, default="passed")

    @property
    def stops(self) -> frozenset[tuple[str, str]]:
        """What its rules that do more than mask do, and upon what."""
        return frozenset((act, finder_of(rule)) for rule, act in self.acts.items() if act != "redact")


Follows = Screening | Literal["as recorded", "another reply", "nothing"]
"""What comes after a screening. Of replies that are not recorded only a fixed one is known."""


class _Decides(Protocol):
    """Whoever decides of a call."""

    def decide(self, screening: Screening) -> _Part | Unknown:
        """What is decided of one screening."""

    def follow(self, screening: Screening, part: _Part) -> Follows:
        """What comes after it."""


class _AsRecorded:
    """Decides as it was decided."""

    def decide(self, screening: Screening) -> _Part:
        """What the record says."""
        texts = screening.texts
        left = None if isinstance(texts, str) else tuple(text for *_, text in texts)
        return _Part(screening.acts, "policy", left)

    def follow(self, screening: Screening, part: _Part) -> Follows:
        """What came."""
        return "nothing" if screening.then is None else "as recorded"


@dataclass(frozen=True, slots=True)
class _One:
    """A policy and a call."""

    policy: Policy
    call: str
    versions: Mapping[str, str] | None
    """Of the rules that made the record; None where they are not known."""
    alike: frozenset[str]
    """Which private rules made it too, where the versions are not known."""

    def decide(self, screening: Screening) -> _Part | Unknown:
        """By what was said, else by texts where they are what the policy would see, else by the record."""
        rules = self.policy.rules(screening.side)
        told = self._by_record(rules, screening)
        if screening.said is not None and not screening.cut:
            checked = self._by_text(0, {}, screening, screening.said)
            if isinstance(checked, Unknown):
                return told if isinstance(told, _Part) else checked
            return replace(checked, basis="originals")
        if isinstance(screening.texts, str) or screening.stopped:
            return told
        start = self._start(rules, screening)
        head = None if start is None else self._by_record(rules[:start], screening)
        if start is None or head is None or not isinstance(head, _Part):
            return told
        if {finder_of(rule.partition(" ")[2]) for rule in head.acts} != screening.maskers:
            return told
        checked = self._by_text(start, head.acts, screening, screening.texts)
        return told if isinstance(checked, Unknown) and isinstance(told, _Part) else checked

    def follow(self, screening: Screening, part: _Part) -> Follows:
        """What would come: as it came, where the same was asked of the same."""
        recorded = _Part(screening.acts, "record")
        if screening.side == "output" and screening.then and not (part.stops or recorded.stops):
            return "as recorded"  # it was refused for another reason: its form, or a tool call
        same = part.stops == recorded.stops
        way = self.policy.way(part.word, screening, same=same)
        if way is None:
            return "nothing"
        if way == "asked":
            return "as recorded" if screening.then == "asked" else NEVER_ASKED
        if way == "re-asked":
            return "as recorded" if screening.then == "re-asked" and same else "another reply"
        target = self.policy.fallback(part.word, screening)
        assert target is not None
        if target.kind == "answer":  # and behind a fixed answer there is nothing
            said = (("output", "assistant", target.subject),) if target.subject else ()
            return replace(NEVER_ASKED, texts=said, reasks=screening.reasks, fallbacks=sys.maxsize)
        is_same = screening.then == "fell back" and screening.fell_to == target.name
        return "as recorded" if is_same else "another reply"

    def _start(self, rules: Sequence[Rule], screening: Screening) -> int | None:
        """Behind which rules the texts are as they were kept; None: nowhere, for one that masked is gone."""
        names = [finder_of(rule.told) if rule.rewrites and self._counts(rule) else "" for rule in rules]
        if not screening.maskers <= set(names):
            return None
        return max((place + 1 for place, name in enumerate(names) if name in screening.maskers), default=0)

    def _counts(self, rule: Rule) -> bool:
        """Whether what the record says of such a rule holds for this one."""
        if not self.policy.may_act(rule, self.call):
            return False
        if self.versions is None:
            return not rule.validator.private or finder_of(rule.told) in self.alike
        return self.versions.get(finder_of(rule.told)) == rule.validator.fingerprint

    def _by_record(self, rules: Sequence[Rule], screening: Screening) -> _Part | Unknown:
        masked: set[str] = set()
        acts: dict[str, str] = {}
        open_rules: dict[str, str] = {}
        acting = [rule for rule in rules if self.policy.may_act(rule, self.call)]
        for rule in acting:
            found = screening.found(rule, masked) if self._counts(rule) else None
            if found is None:
                open_rules[f"{screening.side} {rule.told}"] = rule.verb
            elif found:
                acts[f"{screening.side} {rule.told}"] = rule.verb
                if rule.verb == "redact":
                    masked.add(finder_of(rule.told))
        stops = {verb for verb in acts.values() if verb != "redact"}
        others = set(open_rules.values())
        if screening.side == "input" and screening.stopped and "block" not in stops:
            others |= {rule.verb for rule in acting}  # which would look on, and at more than was seen
        if len(stops) == 1 and others <= stops:
            return _Part(acts, "record")  # whatever else might stop it would do the same
        if not acting or not (open_rules or stops or screening.stopped):
            return _Part(acts, "record")
        why: Reason = screening.texts if isinstance(screening.texts, str) else "masked"
        return Unknown(why, tuple(open_rules) or tuple(f"{screening.side} {rule.told}" for rule in acting))

    def _by_text(
        self, start: int, acts: Mapping[str, str], screening: Screening, every: LookedAt
    ) -> _Part | Unknown:
        side = screening.side
        all_acts, left = dict(acts), []
        for each in judged(self.policy.plan_from(side, start), self.call, every):
            if each.broken:
                return Unknown("broken", each.broken)
            all_acts |= each.acts
            if each.left is None:
                return _Part(all_acts, "texts")
            left.append(each.left)
        if not screening.in_full:
            rules = self.policy.rules(side)[start:]
            open_rules = [f"{side} {rule.told}" for rule in rules if self.policy.may_act(rule, self.call)]
            if open_rules:
                return Unknown("partly kept", tuple(open_rules))
        return _Part(all_acts, "texts", tuple(left))


def _along(all_of_it: Iterable[Screening], decides: _Decides) -> Verdict | Unknown:
    """Go along the screenings of a call as far as the decisions lead."""
    acts: dict[str, str] = {}
    left: dict[SideName, tuple[str, ...] | None] = {}
    bases: set[Basis] = set()
    follows: Follows = "as recorded"
    waiting = deque(all_of_it)
    while waiting and follows not in ("nothing", "another reply"):
        screening = waiting.popleft()
        part = decides.decide(screening)
        if isinstance(part, Unknown):
            return part
        bases.add(part.basis)
        left[screening.side] = part.left
        follows = decides.follow(screening, part)
        if isinstance(follows, Screening):
            waiting = deque([follows])
        if follows == "nothing" and part.word in ("re-asked", "fell back"):  # nobody is left to ask
            rules = tuple(rule for rule, act in part.acts.items() if _WORDS[act] == part.word)
            return Verdict("blocked", rules, furthest(bases))
        is_given_up = screening.side == "output" and follows != "nothing"
        acts |= {rule: act for rule, act in part.acts.items() if act != "redact" or not is_given_up}
    whole = _Part(acts, furthest(bases), _together(left.values()))
    rules = tuple(rule for rule, act in acts.items() if _WORDS[act] == whole.word)
    return Verdict(whole.word, rules, whole.basis, whole.left, is_open=follows == "another reply")


def _together(left: Iterable[tuple[str, ...] | None]) -> tuple[str, ...] | None:
    parts = list(left)
    return None if None in parts else tuple(text for part in parts for text in part or ())


def furthest(bases: Iterable[Basis]) -> Basis:
    """Of several ways in which parts are known, the one that had to look at most."""
    return max(bases, key=_BASES.index, default="policy")
