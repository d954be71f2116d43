"""What a new policy would decide otherwise: recorded calls, the decisions that change, by rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from guardrails_lite._rates import wilson
from guardrails_lite._rules import finder_of
from guardrails_lite.audit._alike import Alike
from guardrails_lite.audit._decided import (
    SEVERITY,
    Basis,
    Decider,
    DecisionName,
    Policy,
    Reason,
    Unknown,
    Verdict,
    furthest,
)
from guardrails_lite.audit._opening import Opened, Opener, Why
from guardrails_lite.audit._replay import refuse_models

if TYPE_CHECKING:
    from guardrails_lite._guard import Guard
    from guardrails_lite.audit._content import Form
    from guardrails_lite.audit._format import Entry
    from guardrails_lite.audit._log import AuditLog


@dataclass(frozen=True, slots=True)
class DecisionChange:
    """A call that would be decided otherwise."""

    call: str
    before: DecisionName
    """``"passed"``, ``"redacted"``, ``"re-asked"``, ``"fell back"`` or ``"blocked"``."""
    after: DecisionName
    rules: tuple[str, ...]
    """The rules it is due to, each with its side: the new guard's, or those that no longer decide."""

    @property
    def kind(self) -> str:
        """How it changes: ``"newly blocked"``, ``"no longer redacted"``, ``"redacted otherwise"``, …"""
        if self.before == self.after:
            return f"{self.after} otherwise"
        if SEVERITY.index(self.after) > SEVERITY.index(self.before):
            return f"newly {self.after}"
        return f"no longer {self.before}"


@dataclass(frozen=True, slots=True)
class Undecided:
    """A call of which it cannot be told what would be decided."""

    call: str
    why: Reason
    """``"no text"``: none was kept of what a rule would have to see, or another reply would come.
    ``"masked"``: it was masked before it was kept. ``"partly kept"``: some of what rules saw is not there,
    such as a tool call in an older log, or one whose arguments were repaired. ``"erased"``,
    ``"restricted"``, ``"damaged"``: it may not or cannot be read. ``"broken"``: a check broke just now."""
    rules: tuple[str, ...]
    """The rules that would have to see it; empty where it was not looked at."""


@dataclass(frozen=True, slots=True)
class Frequency:
    """How many calls change in one way, and what share of all calls that is."""

    calls: int
    """Calls that are known to change so."""
    undecided: int
    """Calls of which it is not known."""
    of: int
    """All calls, the undecided ones too: which calls are known depends on what was found in them."""

    @property
    def share(self) -> float:
        """From 0 to 1: the share that is known, and so the least it can be."""
        return self.calls / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """Where the share lies, at 95 % (Wilson 1927), however the undecided calls would be decided."""
        low, high = wilson(self.calls, self.of), wilson(self.calls + self.undecided, self.of)
        return (low or (0.0, 1.0))[0], (high or (0.0, 1.0))[1]


@dataclass(frozen=True, slots=True)
class PolicyDiff:
    """What a new guard would decide otherwise of the calls of a log."""

    digest: str
    """The new guard's."""
    against: str | None
    """That of the guard it is held against; None: what was decided when the calls were made."""
    known: Mapping[Basis, int]
    """Calls whose decisions are known, by how: ``"policy"``, the guard that made the record decides as this
    one; ``"record"``, from what checks found then; ``"texts"``, by checking kept texts as the rules had left
    them; ``"originals"``, by checking what was said before any rule."""
    changes: tuple[DecisionChange, ...]
    undecided: tuple[Undecided, ...]

    @property
    def compared(self) -> int:
        """Calls whose decisions are known before and after."""
        return sum(self.known.values())

    @property
    def kinds(self) -> dict[str, Frequency]:
        """How often decisions change in each way, most frequent first."""
        return self._frequencies(change.kind for change in self.changes)

    @property
    def rules(self) -> dict[tuple[str, str], Frequency]:
        """The same for each rule: by rule with its side, and the way."""
        return self._frequencies((rule, change.kind) for change in self.changes for rule in change.rules)

    @property
    def unknown(self) -> dict[Reason, int]:
        """How many calls are undecided, by why, most frequent first."""
        return dict(Counter(call.why for call in self.undecided).most_common())

    @property
    def blind(self) -> dict[str, int]:
        """For how many undecided calls each rule lacks a text, most frequent first."""
        return dict(Counter(rule for call in self.undecided for rule in call.rules).most_common())

    def _frequencies(self, of: Iterable[Any]) -> dict[Any, Frequency]:
        missing = len(self.undecided)
        counted = Counter(of).most_common()
        return {each: Frequency(calls, missing, self.compared + missing) for each, calls in counted}

    def to_dict(self) -> dict[str, Any]:
        """As JSON-compatible data."""
        return {
            "digest": self.digest,
            "against": self.against,
            "compared": self.compared,
            "known": dict(self.known),
            "kinds": [{"kind": kind, **_told(often)} for kind, often in self.kinds.items()],
            "rules": [
                {"rule": rule, "kind": kind, **_told(often)} for (rule, kind), often in self.rules.items()
            ],
            "changes": [{**asdict(change), "kind": change.kind} for change in self.changes],
            "unknown": self.unknown,
            "blind": self.blind,
            "undecided": [asdict(call) for call in self.undecided],
        }


def _told(often: Frequency) -> dict[str, Any]:
    low, high = often.interval
    return {"calls": often.calls, "of": often.of, "share": often.share, "low": low, "high": high}


def diff_policy(
    log: AuditLog,
    guard: Guard[Any],
    *,
    against: Guard[Any] | None = None,
    reader: str,
    reason: str,
    texts: Form = "redacted",
    calls: Iterable[Entry] | None = None,
    allow_models: bool = False,
    on_progress: Callable[[int], None] = lambda done: None,
) -> PolicyDiff:
    """Say which decisions *guard* would change, of finished calls. Their model is not asked again.

    Kept texts are opened only where neither digest nor record tells, and each reading is an entry of the log,
    as with `replay`. Replies are taken as they were, and so are tool calls, schemas and rules on fields.

    Args:
        guard: The guard that might come. Its rules see one text at a time and no earlier ones.
        against: The guard that it is held against; default: what was decided when the calls were made. Of
            the calls it made itself that is the same, and its rules are then compared by version too.
        reader: Who asks.
        reason: Why. It goes into the log as it is.
        texts: ``"redacted"``: as the rules left them. ``"original"``: as they were said, in those calls of
            which that was kept, so that what was stopped or masked is decided too.
        calls: Entries of finished calls, taken as they are needed; default: all of the log's.
        allow_models: Let validators that wait, as a judge that asks a model does, see the texts. Without
            it a guard that has one is refused, for what the log has kept could leave this machine.
        on_progress: Told how many calls are done, after each.

    Raises:
        ConfigError: *reader* or *reason* is empty, *texts* is no form of them, or a rule of a guard is
            asynchronous, or waits and is not allowed to.
    """
    guards = [guard] if against is None else [against, guard]
    if not allow_models:
        for each in guards:
            refuse_models(each)
    new = Policy(guard)
    old = None if against is None else Policy(against)
    alike = {each.digest: Alike(log, each).rules for each in guards}
    decider = Decider([new] if old is None else [old, new], alike=alike)
    opener = Opener(log, reader=reader, reason=reason, texts=texts)
    known: Counter[Basis] = Counter()
    changes: list[DecisionChange] = []
    undecided: list[Undecided] = []

    def needed(call: Entry) -> bool:
        made_by = call.data.get("digest")
        return made_by != new.digest or (old is not None and made_by != old.digest)

    opened = opener.open(log.records() if calls is None else calls, needed=needed)
    for done, (entry, found) in enumerate(opened, 1):
        pair = (
            Unknown("restricted", ()) if opener.restricts(entry) else _pair(decider, entry, found, old, new)
        )
        if isinstance(pair, Unknown):
            undecided.append(Undecided(entry.id, pair.why, pair.rules))
        else:
            before, after = pair
            known[furthest((before.basis, after.basis))] += 1
            change = _change(entry.id, before, after)
            if change is not None:
                changes.append(change)
        on_progress(done)
    against_digest = None if old is None else old.digest
    return PolicyDiff(new.digest, against_digest, dict(known), tuple(changes), tuple(undecided))


def _pair(
    decider: Decider, entry: Entry, opened: Opened | Why, old: Policy | None, new: Policy
) -> tuple[Verdict, Verdict] | Unknown:
    """What is decided of a call before and after."""
    before = decider.recorded(entry, opened) if old is None else decider.would(old, entry, opened)
    if isinstance(before, Unknown):
        return before
    after = decider.would(new, entry, opened)
    if isinstance(after, Unknown):
        return after
    milder, harder = sorted((before, after), key=lambda each: SEVERITY.index(each.decision))
    if milder.is_open and milder.decision != harder.decision:
        return Unknown("no text", milder.rules)  # another reply may come to the same in the end
    return before, after


def _change(call: str, before: Verdict, after: Verdict) -> DecisionChange | None:
    """What changes, and the rules that it is due to."""
    rules = after.rules
    if before.decision == after.decision:
        if after.decision != "redacted" or _is_same(before, after):
            return None
        rules = tuple(dict.fromkeys([*before.rules, *after.rules]))
        apart = tuple(rule for rule in rules if (rule in before.rules) != (rule in after.rules))
        rules = apart or rules
    elif SEVERITY.index(after.decision) < SEVERITY.index(before.decision):
        rules = before.rules
    return DecisionChange(call, before.decision, after.decision, rules)


def _is_same(before: Verdict, after: Verdict) -> bool:
    """Whether both mask the same: the texts left say so; without them, the rules do."""
    if before.left is not None and after.left is not None:
        return before.left == after.left
    finders = [{(rule.partition(" ")[0], finder_of(rule)) for rule in each.rules} for each in (before, after)]
    return finders[0] == finders[1]
