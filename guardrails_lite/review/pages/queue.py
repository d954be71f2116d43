"""The findings that somebody has to look at, one at a time, and what is decided about them.

A decision is an entry of the log. With two reviewers to agree, one does not see what the other decided until
both have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final
from urllib.parse import urlencode

from guardrails_lite.audit import _verdicts
from guardrails_lite.audit._verdicts import VERDICTS, Key, Verdicts, finding_of, spell, unspell
from guardrails_lite.audit.index import Filter, Found
from guardrails_lite.audit.index._rows import text
from guardrails_lite.review._desk import LARGEST_FORM, Visit
from guardrails_lite.review._samples import SAMPLED, Sampled, sampled
from guardrails_lite.review._view import View

KEYS: Final = {
    "true positive": "t",
    "false positive": "f",
    "benign": "b",
    "unsure": "u",
    "escalated": "e",
}
"""Which key stands for which verdict."""

SHOWN: Final = {
    "open": "for me",
    "waiting": "waiting for another",
    "disputed": "disputed",
    "escalated": "escalated",
    "unsure": "unsure",
}
"""The piles that can be worked through."""

_LISTED: Final = 200
_OFFERED: Final = 5
_COLUMNS: Final = ("at", "call", "rule", "standing")


def page(visit: Visit) -> View:
    """The first finding of the chosen pile, or the one that the address names."""
    verdicts, show, rule = visit.verdicts(), _shown(visit), visit.query.get("rule", "")
    sample = sampled(visit)
    place = _find(visit, verdicts, sample)
    if sample is None:
        standings, total = verdicts.standings(), visit.index.count_findings()
    else:
        standings = Counter(verdicts.standing((one.call, one.rule)) for one in sample.found)
        total = len(sample.found)
    settled = sum(standings[word] for word in VERDICTS)
    data: dict[str, Any] = {
        "show": show,
        "rule": rule,
        "finding": _finding(visit, verdicts, place.here) if place.here is not None else None,
        "total": total,
        "settled": settled,
        "standings": dict(standings),
        "needs": visit.desk.needs,
        "sample": _told(visit, verdicts, sample) if sample is not None else None,
    }
    newest = verdicts.newest(visit.reviewer)
    drawn = {
        "did": newest if newest is not None and newest.id == visit.query.get("did") else None,
        "did_word": spell((newest.call, newest.rule)) if newest is not None else "",
        "next": _link(visit, at=place.after) if place.after else "",
        "previous": _link(visit, at=place.before) if place.before else "",
        "verdicts": [(word, KEYS[word], meaning) for word, meaning in VERDICTS.items()],
        "piles": [
            (pile, name, _link(visit, show=pile), _size(pile, standings, total))
            for pile, name in SHOWN.items()
        ],
        "rules": [(one, _link(visit, rule=one)) for one in _rules(visit, sample)],
        "every_rule": _link(visit, rule=None),
        "every_call": _link(visit, sample=None),
        "samples": _samples(visit) if sample is None else [],
        "decide": _link(visit, path="/queue/decide", show=show),
        "undo": _link(visit, path="/queue/undo"),
    }
    rows = [
        (found.at, found.call, found.rule, verdicts.standing((found.call, found.rule)))
        for found in islice(_pile(visit, verdicts, sample), _LISTED if sample is None else None)
    ]
    return View("queue.html", "Findings", data, _COLUMNS, rows, drawn)


def decide(visit: Visit) -> str:
    """Write one verdict into the log.

    Raises:
        LookupError: the call has no such finding.
        ConfigError: the verdict is none, or the note is too long.
    """
    key = unspell(visit.asked("finding", longest=LARGEST_FORM))
    decision = _verdicts.decide(
        visit.desk.place.log(),
        visit.index,
        *key,
        visit.asked("verdict"),
        reviewer=visit.reviewer,
        note=visit.form.get("note", "").strip(),
        needs=visit.desk.needs,
    )
    return _link(visit, at=visit.form.get("next") or None, did=decision)


def undo(visit: Visit) -> str:
    """Take one's own newest verdict back, by another entry.

    Raises:
        LookupError: there is none.
    """
    decision = visit.verdicts().newest(visit.reviewer)
    if decision is None or decision.id != visit.asked("decision"):
        raise LookupError("This verdict is not your newest, or was taken back already.")
    _verdicts.take_back(visit.desk.place.log(), decision)
    return _link(visit, at=spell((decision.call, decision.rule)))


@dataclass(slots=True)
class _Place:
    """Where in the pile a visitor is."""

    here: Key | None = None
    before: str = ""
    after: str = ""


def _find(visit: Visit, verdicts: Verdicts, sample: Sampled | None) -> _Place:
    asked = unspell(visit.query["at"]) if visit.query.get("at") else None
    place = _Place(asked)
    passed = asked is None
    for found in _pile(visit, verdicts, sample, asked):
        key = (found.call, found.rule)
        if key == asked:
            passed = True
        elif not passed:
            place.before = spell(key)
        elif place.here is None:
            place.here = key
        else:
            place.after = spell(key)
            break
    return place


def _pile(
    visit: Visit, verdicts: Verdicts, sample: Sampled | None, asked: Key | None = None
) -> Iterator[Found]:
    """The findings of the chosen pile, and the one *asked* for wherever it lies."""
    show, rule = _shown(visit), visit.query.get("rule")
    every: Iterable[Found]
    if sample is None:
        every = visit.index.findings(Filter(rule=rule or ()))
    else:
        every = (found for found in sample.found if not rule or found.rule == rule)
    for found in every:
        key = (found.call, found.rule)
        standing = verdicts.standing(key)
        if key == asked or (verdicts.is_for(visit.reviewer, key) if show == "open" else standing == show):
            yield found


def _finding(visit: Visit, verdicts: Verdicts, key: Key) -> dict[str, Any]:
    """What is known of one finding.

    Raises:
        LookupError: the call is not there, or its record has no such finding.
    """
    call, checks = finding_of(visit.index, key)
    decisions, standing = verdicts.of(key), verdicts.standing(key)
    blind = verdicts.is_hidden(visit.reviewer, key)
    return {
        "word": spell(key),
        "call": call.to_dict(),
        "rule": key[1],
        "checks": checks,
        "standing": standing,
        "blind": blind,
        "decisions": [] if blind else [decision.to_dict() for decision in decisions],
    }


def _rules(visit: Visit, sample: Sampled | None) -> list[str]:
    """The rules that found most."""
    if sample is not None:
        return [rule for rule, _ in Counter(found.rule for found in sample.found).most_common()]
    return [facet.value for facet in visit.index.facets("rule", limit=30)]


def _samples(visit: Visit) -> list[dict[str, Any]]:
    """The newest samples."""
    return [
        {
            "at": event.at,
            "by": text(event.data.get("by")),
            "link": _link(visit, sample=event.id, rule=None, show=None),
        }
        for event in visit.index.events(type=SAMPLED, limit=_OFFERED)
    ]


def _told(visit: Visit, verdicts: Verdicts, sample: Sampled) -> dict[str, Any]:
    calls = sample.progress(visit, verdicts)
    done = sum(call["settled"] == call["found"] > 0 for call in calls)
    found = sum(call["found"] > 0 for call in calls)
    counted = {"with_findings": found, "settled_calls": done}
    return {**sample.to_dict(), **counted, "rules": sample.scores(verdicts), "calls": calls}


def _shown(visit: Visit) -> str:
    asked = visit.query.get("show", "open")
    return asked if asked in SHOWN else "open"


def _size(pile: str, standings: Counter[str], total: int) -> int:
    if pile == "open":
        return total - sum(standings[word] for word in VERDICTS)
    return standings[pile]


def _link(visit: Visit, *, path: str = "/queue", **changes: str | None) -> str:
    kept = {name: visit.query[name] for name in ("sample", "show", "rule") if visit.query.get(name)}
    asked = {name: value for name, value in {**kept, **changes}.items() if value}
    return path + (f"?{urlencode(asked)}" if asked else "")
