"""Replay: what another guard would do with the texts that a log has kept.

A log keeps texts as its guard left them, and none of a side that it stopped. So a replay says what another
guard would stop or change of what went through, rule by rule; it cannot say what it would let through of what
was stopped. The same guard finds nothing to do in its own log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from guardrails_lite._engine._drivers import drive
from guardrails_lite._engine._exchange import check_text
from guardrails_lite._errors import ConfigError
from guardrails_lite._record import CheckStep
from guardrails_lite.audit._privacy import restrictions, restricts
from guardrails_lite.audit._vault import Erased, box_of

if TYPE_CHECKING:
    from guardrails_lite._engine._plan import Plan
    from guardrails_lite._guard import Guard
    from guardrails_lite._record import Record
    from guardrails_lite.audit._format import Entry
    from guardrails_lite.audit._log import AuditLog

Kind = Literal["stopped", "changed"]
Why = Literal["no text", "erased", "restricted", "damaged"]

_ACTING: Final = ("block", "redact", "reask", "fall_back")


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
    calls: Iterable[Entry] | None = None,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Replay:
    """Check the kept texts of finished calls with the rules of *guard*. No model is called.

    Each reading is an entry of the log, as with `reveal`; *guard* writes to no log meanwhile.

    Args:
        guard: The guard that might come. Its rules see one text at a time and no earlier ones.
        reader: Who replays.
        reason: Why. It goes into the log as it is.
        calls: Entries of finished calls; default: all of the log's.
        on_progress: Told how many calls are done, after each.

    Raises:
        ConfigError: *reader* or *reason* is empty, or a rule of *guard* is asynchronous.
    """
    if not reader or not reason:
        raise ConfigError("replay(...) needs reader= and reason=: opening captured text is itself recorded")
    plan = replace(guard._plan_for("check"), sinks=(), intent_sinks=())
    restricted = restrictions(log)
    changes: list[Change] = []
    left_out: Counter[Why] = Counter()
    done = 0
    for entry in tuple(log.records() if calls is None else calls):
        box = box_of(entry.data)
        if box is None:
            left_out["no text"] += 1
        elif restricts(entry, restricted) is not None:
            left_out["restricted"] += 1
        else:
            log.event("log.read", {"call": entry.id, "reader": reader, "reason": reason})
            try:
                texts = log.vault.take(entry.id, box)
            except Erased:
                left_out["erased"] += 1
            except (OSError, ValueError):
                left_out["damaged"] += 1
            else:
                done += 1
                change = _change(plan, entry.id, texts)
                if change is not None:
                    changes.append(change)
        on_progress(done + left_out.total())
    return Replay(guard.digest, done, tuple(changes), dict(left_out))


def _change(plan: Plan, call: str, texts: Iterable[tuple[str, str, str]]) -> Change | None:
    rules: dict[str, None] = {}
    kind: Kind | None = None
    for side, role, text in texts:
        left, stop, record = drive(check_text(plan, text, cast("Any", side), role))
        if stop is not None:
            kind = "stopped"
        elif left != text:
            kind = kind or "changed"
        else:
            continue
        rules.update(dict.fromkeys(_acting(record)))
    return None if kind is None else Change(call, kind, tuple(rules))


def _acting(record: Record) -> Iterable[str]:
    for step in record.steps:
        if isinstance(step, CheckStep) and step.action in _ACTING:
            yield f"{step.side} {step.rule}"
