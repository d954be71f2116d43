"""What a guard decided of a recorded call, and what another would decide: told by texts, or by the record.

A record holds no text, but it says of each rule what its validator made of the texts. So where another guard
puts the same validator under whatever verb, what that would do is known without any text: a ``warn`` that
found something would have stopped the call as a ``block``. Where the record does not tell, kept texts are
checked; and where there are none, nothing is known, and that is said.

Two validators are the same where they print the same. What the record lacks is the version of their code;
only the guard that made the record has it, so where that guard is at hand, versions have to agree too.

A reply is taken as it was, and so are the verdicts on its tool calls, schemas and the rules on their fields:
no model is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from guardrails_lite._engine._screen import Side
from guardrails_lite._engine._story import chance_of
from guardrails_lite._rules import finder_of
from guardrails_lite.audit._opening import Opened, Why
from guardrails_lite.audit._replay import checking_plan, ident_of, judged
from guardrails_lite.audit._screenings import SIDES, Screening, SideName, screenings

if TYPE_CHECKING:
    from guardrails_lite._engine._plan import Plan
    from guardrails_lite._guard import Guard
    from guardrails_lite._rules import Rule
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


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided, or would be."""

    decision: DecisionName
    rules: tuple[str, ...]
    """The rules that decide so, each with its side."""
    basis: Basis
    """How it is known: the record's guard decides like this one, or what its checks found, or kept texts."""
    left: tuple[str, ...] | None = field(default=None, repr=False)
    """What is left of the texts; None where they are not at hand."""


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

    def word(self, acts: Iterable[str]) -> DecisionName:
        """The decision that these actions come to: a fallback where there is none is a block."""
        word = _word(acts)
        return "blocked" if word == "fell back" and not self._plan.fallback else word

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
        found = _along(screenings(entry, opened), _as_recorded, _word)
        assert isinstance(found, Verdict)
        if found.decision == "fell back" and entry.data.get("outcome") == "blocked":
            return replace(found, decision="blocked")  # there was nothing to fall back to
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
        one = _One(policy, entry.id, self._versions.get(made_by), alike)
        return _along(all_of_it, one.decide, policy.word)


@dataclass(frozen=True, slots=True)
class _Part:
    """What is decided of one screening."""

    acts: Mapping[str, str]
    basis: Basis
    left: tuple[str, ...] | None = None


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
        if screening.said is not None:
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
        if stops and {*stops, *open_rules.values()} == stops and len(stops) == 1:
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


def _as_recorded(screening: Screening) -> _Part:
    texts = screening.texts
    left = None if isinstance(texts, str) else tuple(text for *_, text in texts)
    return _Part(screening.acts, "policy", left)


def _along(
    all_of_it: Sequence[Screening],
    decide: Callable[[Screening], _Part | Unknown],
    word: Callable[[Iterable[str]], DecisionName],
) -> Verdict | Unknown:
    """Go along the screenings of a call as far as the decisions lead."""
    acts: dict[str, str] = {}
    left: tuple[str, ...] | None = ()
    bases: set[Basis] = set()
    for screening in all_of_it:
        part = decide(screening)
        if isinstance(part, Unknown):
            return part
        acts |= part.acts
        left = None if left is None or part.left is None else left + part.left
        bases.add(part.basis)
        goes_on = (
            ("passed", "redacted", "fell back") if screening.side == "input" else ("re-asked", "fell back")
        )
        if word(part.acts.values()) not in goes_on:
            break
    decision = word(acts.values())
    rules = tuple(rule for rule, act in acts.items() if word([act]) == decision)
    return Verdict(decision, rules, furthest(bases), left)


def furthest(bases: Iterable[Basis]) -> Basis:
    """Of several ways in which parts are known, the one that had to look at most."""
    return max(bases, key=_BASES.index, default="policy")


def _word(acts: Iterable[str]) -> DecisionName:
    return max((_WORDS[act] for act in acts), key=SEVERITY.index, default="passed")
