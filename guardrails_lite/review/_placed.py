"""Holds and restrictions: who placed each, and who ended it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from guardrails_lite.audit.index import Event
from guardrails_lite.audit.index._rows import text
from guardrails_lite.review._desk import Visit

PLACED: Final[Mapping[str, str]] = {
    "hold.placed": "hold.released",
    "restriction.placed": "restriction.lifted",
}
"""What is in force until an entry of the other type names it."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A hold or a restriction."""

    event: Event
    ended: Event | None
    """What ended it first; None: it is in force."""

    @property
    def subjects(self) -> list[str]:
        """What the person it is about may be called in the log."""
        held = self.event.data.get("subjects")
        return [str(one) for one in held] if isinstance(held, list) else []

    @property
    def why(self) -> str:
        """The reason, or the request and its basis."""
        return why(self.event.data)


def placed(visit: Visit) -> list[Placed]:
    """All that was ever placed, newest first."""
    found: dict[str, Event] = {}
    ended: dict[str, Event] = {}
    for event in visit.index.events(type=(*PLACED, *PLACED.values()), limit=2**62, order="oldest"):
        if event.type in PLACED:
            found[event.id] = event
            continue
        named = text(event.data.get(event.type.partition(".")[0]))
        if named in found and PLACED[found[named].type] == event.type:
            ended.setdefault(named, event)
    return [Placed(event, ended.get(ident)) for ident, event in found.items()][::-1]


def why(data: Mapping[str, Any]) -> str:
    """What an entry gives as its reason."""
    return ", ".join(text(data[name]) for name in ("reason", "request", "basis") if name in data)
