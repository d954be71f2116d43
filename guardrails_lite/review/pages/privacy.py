"""What the log knows of a person, under which names, and what is done for them: hold, restrict, erase.

The log has pseudonyms only, so a person is looked up by their real name here. It is posted, never part of an
address, and each act asks for it again: that it is the person whose names are shown is then certain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import urlencode

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit import AuditLog, erase, hold, lift, release, restrict
from guardrails_lite.audit.index import Event, Filter
from guardrails_lite.review._desk import LARGEST_FORM, Visit
from guardrails_lite.review._placed import placed, why
from guardrails_lite.review._view import View

KINDS: Final = {"user": "User", "session": "Session", "api_key": "API key"}
"""What a name may be the name of."""
_MOST: Final = 2**62
_COLUMNS: Final = ("at", "type", "id", "subjects", "by", "why")


def page(visit: Visit) -> View:
    """The person that the address names by pseudonyms, all holds and restrictions in force, all erasures."""
    kind, names = _named(visit)
    erasures = visit.index.events(type="erasure", limit=_MOST)
    in_force = [_told(one.event, names) for one in placed(visit) if one.ended is None]
    forgotten = [_told(event, names) for event in erasures]
    data: dict[str, Any] = {
        "kind": kind,
        "names": names,
        "known": [known for name in names if (known := _known(visit, kind, name))["calls"]],
        "in_force": in_force,
        "erasures": forgotten,
        "spill": visit.desk.place.spill,
    }
    rows = [
        [" ".join(act[name]) if name == "subjects" else act[name] for name in _COLUMNS]
        for act in (*in_force, *forgotten)
    ]
    return View("privacy.html", "Privacy", data, _COLUMNS, rows, {"kinds": KINDS})


def find(visit: Visit) -> str:
    """Look a person up.

    Raises:
        ConfigError: no name was given, or the key of the pseudonyms is not here.
    """
    kind, value = _person(visit)
    return _address(kind, visit.desk.place.names_of(kind, value))


def act(visit: Visit) -> str:
    """Hold, restrict or erase what is about the person that is shown.

    Raises:
        ConfigError: it is another person, a field is empty, or a hold forbids it.
    """
    kind, value = _person(visit)
    what, reason, who = visit.asked("act"), visit.asked("reason"), visit.reviewer
    log = visit.desk.place.log()
    names = log.pseudonyms_of(kind, value)
    if names != visit.asked("names", longest=LARGEST_FORM).split():
        raise ConfigError("this is not the person whose calls were shown; look them up first")
    acts: dict[str, Callable[[], object]] = {
        "hold": lambda: hold(log, value, owner=who, reason=reason, kind=kind),
        "restrict": lambda: restrict(
            log, value, request=reason, basis=visit.asked("basis"), owner=who, kind=kind
        ),
        "erase": lambda: erase(log, value, request=reason, basis=visit.asked("basis"), owner=who, kind=kind),
    }
    if what not in acts:
        raise ConfigError(f"act={what!r}: expected one of {', '.join(acts)}")
    acts[what]()
    return _address(kind, names)


def end(visit: Visit) -> str:
    """Release a hold, or lift a restriction.

    Raises:
        LookupError: it is not in force.
        ConfigError: no reason was given.
    """
    ident, reason = visit.asked("id"), visit.asked("reason")
    ended: dict[str, Callable[..., None]] = {"hold.placed": release, "restriction.placed": lift}
    kind = visit.form.get("type", "")
    if kind not in ended:
        raise LookupError("Only a hold or a restriction can be ended.")
    log: AuditLog = visit.desk.place.log()
    ended[kind](log, ident, owner=visit.reviewer, reason=reason)
    return _address(*_named(visit))


def _person(visit: Visit) -> tuple[str, str]:
    kind = visit.form.get("kind", "user")
    if kind not in KINDS:
        raise ConfigError(f"kind={kind!r}: expected one of {', '.join(KINDS)}")
    return kind, visit.asked("person", longest=LARGEST_FORM)


def _named(visit: Visit) -> tuple[str, list[str]]:
    kind = visit.query.get("kind", "user")
    return kind if kind in KINDS else "user", visit.query.get("names", "").split()


def _address(kind: str, names: Iterable[str]) -> str:
    told = " ".join(names)
    return "/privacy" + (f"?{urlencode({'kind': kind, 'names': told})}" if told else "")


def _known(visit: Visit, kind: str, name: str) -> dict[str, Any]:
    """The calls under one pseudonym."""
    filters = {
        "user": Filter(user=name),
        "session": Filter(tags={"session": name}),
        "api_key": Filter(key=name),
    }
    totals = visit.index.totals(filters[kind])
    calls = totals.calls + totals.unfinished
    return {"name": name, "calls": calls, "first_ns": totals.first, "last_ns": totals.last}


def _told(event: Event, names: list[str]) -> dict[str, Any]:
    data = event.data
    subjects = [str(one) for one in data["subjects"]] if isinstance(data.get("subjects"), list) else []
    return {
        "at": event.at,
        "type": event.type,
        "id": event.id,
        "subjects": subjects,
        "by": str(data.get("owner", "")),
        "why": why(data),
        "destroyed": data.get("keys"),
        "theirs": not set(names).isdisjoint(subjects),
    }
