"""What is asked for: a filter over calls, and the conditions that it becomes.

All of its parts must hold; of several values for one part, one must.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from guardrails_lite._errors import ConfigError

Values = str | Iterable[str]

COLUMNS: Final = ("outcome", "guard", "digest", "model", "user", "key", "tenant", "mode", "style")
"""The parts that are a column of ``calls``."""
SUMMED: Final = frozenset({"outcome", "guard", "digest", "model", "since", "until"})
"""The parts that the sums by hour and day can answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which calls. ``Filter()`` is all of them; a single value may be given for a tuple."""

    outcome: Values = ()
    """How they ended; ``"unfinished"``: they have not."""
    guard: Values = ()
    """`Guard.name`; the empty string for guards without one."""
    digest: Values = ()
    """`Guard.digest`."""
    model: Values = ()
    """The model that was asked for first."""
    user: Values = ()
    """Pseudonyms of users: `AuditLog.pseudonyms_of` says what a person may be called."""
    key: Values = ()
    """Pseudonyms of API keys."""
    tenant: Values = ()
    mode: Values = ()
    """``"enforce"`` or ``"monitor"``."""
    style: Values = ()
    """``"sync"``, ``"stream"``, …"""
    rule: Values = ()
    """Rules that had a finding, or broke."""
    tags: Mapping[str, str] | tuple[tuple[str, str], ...] = ()
    """Anything else of ``who``, such as ``{"app": "desk"}``."""
    text: str = ""
    """The beginning of the call's id, or the whole of a pseudonym or of a tag's value, such as a trace id."""
    since: int | None = None
    """Started at this time or later, nanoseconds since the epoch."""
    until: int | None = None
    """Started before this time."""

    def __post_init__(self) -> None:
        for name in (*COLUMNS, "rule"):
            value = getattr(self, name)
            values = (value,) if isinstance(value, str) else tuple(value)
            if not all(isinstance(one, str) for one in values):
                raise ConfigError(f"Filter({name}=...) takes a string or strings")
            object.__setattr__(self, name, values)
        object.__setattr__(self, "tags", tuple(dict(self.tags).items()))
        for name in ("since", "until"):
            if not isinstance(getattr(self, name), int | None):
                raise ConfigError(f"Filter({name}=...) takes nanoseconds since the epoch, a whole number")

    def values(self, name: str) -> tuple[str, ...]:
        """The values of the part *name*, which is a column or ``"rule"``."""
        found: tuple[str, ...] = getattr(self, name)
        return found

    def to_dict(self) -> dict[str, Any]:
        """The parts that narrow it, as JSON-compatible data."""
        told = {name: getattr(self, name) for name in sorted(self.used)}
        return {name: dict(value) if name == "tags" else value for name, value in told.items()}

    @property
    def used(self) -> frozenset[str]:
        """The parts that narrow it."""
        return frozenset(part.name for part in fields(self) if getattr(self, part.name) not in ((), "", None))

    @property
    def is_summed(self) -> bool:
        """Whether the sums by hour and day can answer it."""
        return self.used <= SUMMED and "unfinished" not in self.outcome


Condition = tuple[str, list[Any]]
"""A condition in SQL over the table ``c`` of calls, and its parameters."""


def conditions(asked: Filter, *, without: str = "", plus: str = "+") -> list[Condition]:
    """The conditions of *asked* but the part *without*; *plus* keeps the planner from their indexes."""
    found: list[Condition] = []
    for name in COLUMNS:
        values = asked.values(name)
        if values and name != without:
            found.append((f"{plus}c.{name} IN ({_marks(values)})", [*values]))
    rules = asked.values("rule")
    if rules and without != "rule":
        marks = _marks(rules)
        test = f"EXISTS (SELECT 1 FROM found WHERE rule IN ({marks}) AND at = c.at AND call = c.row)"
        found.append((test, [*rules]))
    for name, value in dict(asked.tags).items():
        test = "EXISTS (SELECT 1 FROM tags WHERE name = ? AND value = ? AND at = c.at AND call = c.row)"
        found.append((test, [name, value]))
    if asked.text and without != "text":
        found.append((f"c.row IN ({TEXT})", text_parameters(asked.text)))
    if asked.since is not None:
        found.append(("c.at >= ?", [asked.since]))
    if asked.until is not None:
        found.append(("c.at < ?", [asked.until]))
    return found


TEXT: Final = (
    "SELECT row FROM calls WHERE id >= ? AND id < ? UNION SELECT row FROM calls WHERE user = ? "
    "UNION SELECT row FROM calls WHERE key = ? UNION SELECT call FROM tags WHERE name IN "
    "(SELECT name FROM tag_names) AND value = ?"
)


def text_parameters(text: str) -> list[Any]:
    """The parameters of the search for *text*."""
    return [text.lower(), text.lower() + "\U0010ffff", text, text, text]


def joined(parts: Iterable[Condition], *, otherwise: str = "TRUE") -> Condition:
    """All of *parts* in one condition."""
    held = list(parts)
    return " AND ".join(sql for sql, _ in held) or otherwise, [
        value for _, values in held for value in values
    ]


def _marks(values: tuple[str, ...]) -> str:
    return ",".join("?" * len(values))
