"""Verdicts as labelled examples: what reviewers decided of findings, with the texts that the rules saw.

A line is one finding: the text, on which side and in which role it was said, the rule, and whether the rule
was right to find something in it. Of several texts the record does not say in which it was found, so they
stay together. A finding becomes a line only where its texts are at hand as the rule saw them: what the rule
itself masked or stopped is so only where originals are kept and asked for.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from guardrails_lite._errors import ConfigError
from guardrails_lite._rules import ROLES, finder_of
from guardrails_lite.audit._opening import Opened, Opener, Why
from guardrails_lite.audit._privacy import check_form
from guardrails_lite.audit._screenings import Screening, screenings
from guardrails_lite.audit._verdicts import VERDICTS, Verdicts, read_verdicts
from guardrails_lite.audit.export._take import Taken, chosen, place_of, taken
from guardrails_lite.audit.index import Filter, Index

if TYPE_CHECKING:
    from guardrails_lite.audit._content import Form
    from guardrails_lite.audit._format import Entry
    from guardrails_lite.audit._log import AuditLog
    from guardrails_lite.audit._looked_at import LookedAt

Reason = (
    Why
    | Literal["masked", "stopped", "partly kept", "field", "broken", "contradictory", "lost"]
    | Literal["waiting", "disputed", "unsure", "escalated"]
)

FORMAT: Final = "verdicts"
LABELS: Final[Mapping[str, int]] = {"true positive": 1, "benign": 1, "false positive": 0}
"""The verdicts that say whether a rule was right, and what eval calls that: 1, something should be found."""


@dataclass(frozen=True, slots=True)
class TakenVerdicts:
    """A file of examples that was made of verdicts, and what did not go into it."""

    taken: Taken
    examples: int
    """Lines of the file."""
    positive: int
    """Those in which the rule should find something."""
    originals: int
    """Those with what was said before any rule; the others have what the rules before it had left."""
    repeated: int
    """Findings in the same texts by the same rule, with the same label as a line that is there."""
    contradictory: tuple[str, ...]
    """The calls of findings that are left out because the same texts were judged both ways."""
    left_out: Mapping[Reason, int]
    """Findings with a verdict that are no example, by why."""


def take_verdicts(
    log: AuditLog,
    path: str | os.PathLike[str],
    *,
    by: str,
    reason: str,
    texts: Form = "redacted",
    needs: int = 1,
    only: Iterable[str] = tuple(LABELS),
    filter: Filter | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> TakenVerdicts:
    """Write the settled verdicts of *log* to a new file, as examples that ``guardrails-lite eval`` reads.

    Each call whose texts are opened is an entry ``log.read``, the file one ``export.made``. It is a copy:
    what is erased in the log later stays in it.

    Args:
        log: The log.
        path: A new file, which only this user will be able to read.
        by: Who takes them.
        reason: Why. Both go into the log as they are, and so does *filter*.
        texts: ``"redacted"``: as the rules before the one in question left them. ``"original"``: as they
            were said, in those calls of which that was kept.
        needs: How many reviewers have to agree; at least as many as where it was decided.
        only: Which verdicts: of ``"true positive"``, ``"false positive"`` and ``"benign"``, which means that
            the rule was right.
        filter: Findings in which calls, and, by its `rule`, of which rules; default: all.
        on_progress: Told how many calls are done, and of how many.

    Raises:
        ConfigError: *by* or *reason* is empty, *path* is taken, *texts* is no form of them, *only* names no
            verdict of these, or *needs* is less than 1.
        LookupError: no verdict can become an example. It says why, and nothing is written.
        OSError: the file could not be written. Only what could be written whole is recorded.
    """
    place = place_of("take_verdicts", log, path, by=by, reason=reason)
    check_form("take_verdicts", texts)
    words = tuple(only)
    if not words or set(words) - LABELS.keys():
        raise ConfigError(f"take_verdicts(only={words!r}): expected some of {', '.join(LABELS)}")
    with Index(log.directory) as index:
        index.update()
        judged = _Judged()
        wanted = judged.sort(index, read_verdicts(index, needs=needs), words, filter or Filter())
        opener = Opener(log, reader=by, reason=reason, texts=texts)
        calls = opener.open(
            judged.calls(index, wanted), needed=lambda call: texts == "original" or _needed(call, wanted)
        )
        for done, (entry, opened) in enumerate(calls, 1):
            for rule, verdict in wanted[entry.id]:
                judged.add(entry, opened, rule, verdict)
            on_progress(done, len(wanted))
    lines = judged.lines()
    if not lines:
        raise LookupError(f"no verdict can become an example{_told(judged.left_out)}")
    told: dict[str, Any] = {"by": by, "reason": reason, "format": FORMAT, "chosen": chosen(filter)}
    told |= {"texts": texts, "examples": len(lines)}
    made = taken(log, place, (json.dumps(line) + "\n" for line in lines), told)
    return TakenVerdicts(
        made,
        len(lines),
        sum(line["label"] for line in lines),
        sum(line["form"] == "original" for line in lines),
        judged.repeated,
        tuple(judged.contradictory),
        dict(judged.left_out),
    )


def _told(left_out: Mapping[Reason, int]) -> str:
    if not left_out:
        return ": none of those asked for is settled"
    why = ", ".join(f"{word}: {count}" for word, count in left_out.items())
    hint = " Texts that were masked or stopped are kept only with capture='sealed', and exported with "
    asks = {"masked", "stopped"} & left_out.keys()
    return f". Left out, {why}." + (hint + "texts='original' (--original)." if asks else "")


@dataclass(slots=True)
class _Judged:
    """Examples as they are found, and what is none."""

    left_out: Counter[Reason] = field(default_factory=Counter)
    repeated: int = 0
    _held: dict[object, list[dict[str, Any]]] = field(default_factory=dict)
    """Lines by what they are about: of each label the first."""
    contradictory: dict[str, None] = field(default_factory=dict)

    def sort(
        self, index: Index, verdicts: Verdicts, only: tuple[str, ...], asked: Filter
    ) -> dict[str, list[tuple[str, str]]]:
        """The calls with a verdict that may become an example, oldest first: rules and verdicts of each."""
        wanted: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for found in reversed(list(index.findings(asked))):
            standing: Any = verdicts.standing((found.call, found.rule))
            if standing in only:
                wanted[found.call].append((found.rule, standing))
            elif standing in ("waiting", "disputed") or standing in VERDICTS.keys() - LABELS.keys():
                self.left_out[standing] += 1
        return wanted

    def calls(self, index: Index, wanted: Mapping[str, list[tuple[str, str]]]) -> Iterator[Entry]:
        """The records of these calls."""
        for ident in wanted:
            call = next((call for call in index.find(ident) if call.id == ident), None)
            if call is None:
                self.left_out["lost"] += len(wanted[ident])
            else:
                yield index.entry(call)

    def add(self, entry: Entry, opened: Opened | Why, rule: str, verdict: str) -> None:
        """Make a line of each screening in which *rule* found something."""
        reasons: list[Reason] = []
        made = False
        for screening in screenings(entry, opened):
            place = _place(screening, rule)
            if place is None:
                continue
            said = _as_seen(screening, place)
            if isinstance(said, str):
                reasons.append(said)
                continue
            made = True
            self._hold(_line(entry, screening, said, rule, verdict))
        if not made:
            self.left_out[next(iter(reasons), _why_nowhere(entry, rule))] += 1

    def _hold(self, line: dict[str, Any]) -> None:
        key = (finder_of(line["rule"]), line["side"], line.get("role"), line["text"])
        key += tuple((other.get("role"), other["text"]) for other in line.get("others", ()))
        held = self._held.setdefault(key, [])
        self.repeated += any(each["label"] == line["label"] for each in held)
        held.append(line)

    def lines(self) -> list[dict[str, Any]]:
        """The examples, without those that contradict each other."""
        kept: list[dict[str, Any]] = []
        for held in self._held.values():
            if len({line["label"] for line in held}) == 1:
                kept.append(held[0])
                continue
            self.left_out["contradictory"] += len(held)
            self.contradictory |= dict.fromkeys(line["call"] for line in held)
        return kept


def _line(entry: Entry, screening: Screening, said: LookedAt, rule: str, verdict: str) -> dict[str, Any]:
    *others, last = [_text(role, text) for _, role, text in said]
    data = entry.data
    return {
        **last,
        **({"others": others} if others else {}),
        "label": LABELS[verdict],
        "kind": finder_of(rule).partition("(")[0],
        "side": screening.side,
        "rule": rule,
        "verdict": verdict,
        "call": entry.id,
        "guard": str(data.get("guard") or ""),
        "digest": str(data.get("digest") or ""),
        "form": "redacted" if screening.said is None else "original",
    }


def _text(role: str, text: str) -> dict[str, str]:
    """One of whoever wrote it: a role that is none of the API's is nobody's."""
    return {"text": text, **({"role": role} if role in ROLES else {})}


def _needed(call: Entry, wanted: Mapping[str, list[tuple[str, str]]]) -> bool:
    """Whether what the rules left can have what one of them found."""
    rules = [rule for rule, _ in wanted[call.id]]
    places = [(each, _place(each, rule)) for each in screenings(call, "no text") for rule in rules]
    return any(place is not None and not _masked(each, place) for each, place in places)


def _place(screening: Screening, rule: str) -> int | None:
    """Where among its checks *rule* found something."""
    found = (
        place
        for place, check in enumerate(screening.checks)
        if check.get("rule") == rule and check.get("result") == "found"
    )
    return next(found, None)


def _masked(screening: Screening, place: int) -> bool:
    """Whether something was masked where the rule looked, or after it: the texts are not as it saw them."""
    return any(check.get("action") == "redact" for check in screening.checks[place:])


def _as_seen(screening: Screening, place: int) -> LookedAt | Reason:
    """The texts as the rule at *place* saw them, or as they came to the rules before it."""
    texts: LookedAt | Why = screening.texts
    if screening.said is not None:
        texts = screening.said
    elif texts in ("erased", "restricted", "damaged"):
        return texts
    elif _masked(screening, place):
        return "masked"
    elif texts == "no text" and screening.stopped:
        return "stopped"
    if isinstance(texts, str):
        return texts
    held = tuple(each for each in texts if each[2])
    if not held:
        return "no text"
    return held if screening.in_full else "partly kept"


def _why_nowhere(entry: Entry, rule: str) -> Reason:
    """Why a finding is none in the texts of a side: its rule is one on a field, or it only broke."""
    checks = entry.data.get("checks")
    told = [one for one in checks if isinstance(one, dict)] if isinstance(checks, list) else []
    fields = any(one.get("rule") == rule and one.get("side") == "field" for one in told)
    return "field" if fields else "broken"
