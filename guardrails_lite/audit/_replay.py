"""Replay: what another guard would do with the texts that a log has kept.

A log keeps texts as its guard left them, and none of a side that it stopped. So a replay says what another
guard would stop or change of what went through, rule by rule; it cannot say what it would let through of what
was stopped, nor find what was masked. The same guard finds nothing to do in its own log.

Where a log has the originals too (`AuditLog(capture="sealed")`) and they are asked for, a replay says what a
guard would stop or change of what was said. The same guard then finds what it found.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from guardrails_lite._engine._drivers import drive
from guardrails_lite._engine._exchange import check_text
from guardrails_lite._errors import ConfigError
from guardrails_lite._record import CheckStep
from guardrails_lite.audit._looked_at import came_to_rules, looked_at
from guardrails_lite.audit._opening import Opened, Opener, Why

if TYPE_CHECKING:
    from guardrails_lite._engine._plan import Plan
    from guardrails_lite._guard import Guard
    from guardrails_lite.audit._content import Form
    from guardrails_lite.audit._format import Entry
    from guardrails_lite.audit._log import AuditLog

Kind = Literal["stopped", "changed"]

ACTING: Final = ("block", "redact", "reask", "fall_back")
_ID: Final = re.compile("[0-9a-f]{32}")
_NO_CALL: Final = "0" * 32


@dataclass(frozen=True, slots=True)
class Change:
    """A call that went through and would not go through unchanged."""

    call: str
    kind: Kind
    """``"stopped"``: a rule would not let a text pass. ``"changed"``: one would rewrite a text."""
    rules: tuple[str, ...]
    """The rules that would do so, each with its side: ``input block(injection())``."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What a guard would do with the calls of a log."""

    digest: str
    """The guard's."""
    calls: int
    """Calls whose texts were checked."""
    changes: tuple[Change, ...]
    left_out: dict[Why, int]
    """Calls that could not be replayed. ``"no text"``: none was kept, or all of it was stopped."""
    originals: int = 0
    """How many of the calls were checked by what was said; the others by what the rules had left of it, in
    which another rule finds less."""

    @property
    def rules(self) -> dict[str, int]:
        """In how many calls each rule would act, most frequent first."""
        return dict(Counter(rule for change in self.changes for rule in change.rules).most_common())


def replay(
    log: AuditLog,
    guard: Guard[Any],
    *,
    reader: str,
    reason: str,
    texts: Form = "redacted",
    calls: Iterable[Entry] | None = None,
    allow_models: bool = False,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Replay:
    """Check the kept texts of finished calls with the rules of *guard*. The calls' model is not asked.

    Each reading is an entry of the log, as with `reveal`; *guard* writes to no log meanwhile.

    Args:
        guard: The guard that might come. Its rules see one text at a time and no earlier ones.
        reader: Who replays.
        reason: Why. It goes into the log as it is.
        texts: ``"redacted"``: as the rules left them. ``"original"``: as they were said, in those calls of
            which that was kept.
        calls: Entries of finished calls, taken as they are needed; default: all of the log's.
        allow_models: Let validators that wait, as a judge that asks a model does, see the texts. Without
            it a guard that has one is refused, for what the log has kept could leave this machine.
        on_progress: Told how many calls are done, after each.

    Raises:
        ConfigError: *reader* or *reason* is empty, *texts* is no form of them, or a rule of *guard* is
            asynchronous, or waits and is not allowed to.
    """
    if not allow_models:
        refuse_models(guard)
    plan = checking_plan(guard)
    opener = Opener(log, reader=reader, reason=reason, texts=texts)
    changes: list[Change] = []
    left_out: Counter[Why] = Counter()
    done = originals = 0
    for entry, opened in opener.open(log.records() if calls is None else calls):
        if isinstance(opened, str):
            left_out[opened] += 1
        else:
            done += 1
            originals += opened.originals is not None
            change = _change(plan, entry, opened)
            if change is not None:
                changes.append(change)
        on_progress(done + left_out.total())
    return Replay(guard.digest, done, tuple(changes), dict(left_out), originals)


def refuse_models(guard: Guard[Any]) -> None:
    """Refuse a guard that may show what is kept to somebody else.

    A validator says that it waits, not what for: one that runs a model here is refused with the others.

    Raises:
        ConfigError: a validator of its rules on texts waits.
    """
    rules = (*guard._plan.input.rules, *guard._plan.output.rules)
    asking = dict.fromkeys(rule.validator.name for rule in rules if rule.validator.kind == "blocking")
    if asking:
        raise ConfigError(
            f"the kept texts could leave this machine: {', '.join(asking)} may ask a model. Leave these "
            "rules out, or let them see the texts: --allow-models, allow_models=True"
        )


def checking_plan(guard: Guard[Any]) -> Plan:
    """The plan of *guard* to check texts with, which writes to no log.

    Raises:
        ConfigError: a rule is asynchronous.
    """
    plan = guard._plan
    for rule in (*plan.input.rules, *plan.output.rules):
        if rule.validator.kind == "async":
            raise ConfigError(
                f"{rule!r} is async, and kept texts are checked without an event loop; leave the rule out"
            )
    return replace(plan, sinks=(), intent_sinks=())


@dataclass(frozen=True, slots=True)
class Judged:
    """What the rules of a plan make of one kept text."""

    left: str | None
    """What is left of it; None: nothing, for a rule stops it."""
    stopped: bool
    """Whether a rule does not let it pass. A text of a request may still be left for a fallback."""
    acts: dict[str, str]
    """What each rule that acted did, by rule with its side: ``block``, ``redact``, …"""
    broken: tuple[str, ...]
    """The rules whose validator broke or timed out."""


def judged(plan: Plan, call: str, texts: Iterable[tuple[str, str, str]]) -> Iterator[Judged]:
    """Check each of the *texts* of the *call*, whose id says which rules with a share apply to it."""
    for side, role, text in texts:
        left, stop, record = drive(check_text(plan, text, cast("Any", side), role, call_id=ident_of(call)))
        steps = [step for step in record.steps if isinstance(step, CheckStep)]
        acts = {f"{step.side} {step.rule}": step.action for step in steps if step.action in ACTING}
        broken = tuple(f"{step.side} {step.rule}" for step in steps if step.result in ("broken", "timed out"))
        yield Judged(left, stop is not None, cast("Any", acts), broken)


def ident_of(call: str) -> str:
    """The id of a call, or of none where a log that somebody else made holds no such id."""
    return call if _ID.fullmatch(call) else _NO_CALL


def _change(plan: Plan, entry: Entry, opened: Opened) -> Change | None:
    rules: dict[str, None] = {}
    kind: Kind | None = None
    texts = opened.kept if opened.originals is None else came_to_rules(opened.originals, entry.data)
    every = looked_at(texts)
    for (_, _, text), each in zip(every, judged(plan, entry.id, every), strict=True):
        if each.stopped:
            kind = "stopped"
        elif each.left != text:
            kind = kind or "changed"
        else:
            continue
        rules.update(dict.fromkeys(each.acts))
    return None if kind is None else Change(entry.id, kind, tuple(rules))
