"""Samples: a few calls drawn for people to look at, so that anybody can draw the same ones again.

A call's place in the draw is the SHA-256 of the seed and its id, and the lowest places are drawn. So the draw
needs no generator that another version or language would lack; it does not depend on the order in which calls
are listed; and a larger sample with the same seed holds the smaller one.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from guardrails_lite._errors import ConfigError

if TYPE_CHECKING:
    from guardrails_lite.audit._log import AuditLog
    from guardrails_lite.audit.index import Call

STRATA: Final = ("outcome", "rule", "user", "key", "model", "guard", "digest", "tenant", "mode", "style")
"""What calls can be grouped by before they are drawn. ``"rule"``: by the set of rules that found."""

_METHOD: Final = "sha256-rank/1"
_LARGEST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Stratum:
    """Calls that have the same values for what a sample is stratified by."""

    values: tuple[str, ...]
    """In the order of the strata; empty where there are none."""
    calls: int
    """Calls there are."""
    drawn: int
    """Calls that were drawn."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Calls that were drawn, and all that another needs to draw the same."""

    entry: str
    """The id of the log's entry about it, ``review.sampled``."""
    seed: str
    calls: int
    """Calls that it was drawn from."""
    population: str
    """SHA-256 of their ids, sorted, one a line: who gets another one drew from other calls."""
    strata: tuple[Stratum, ...]
    drawn: tuple[Call, ...]
    """By stratum, and by place in the draw."""


def sample(
    log: AuditLog,
    calls: Iterable[Call],
    *,
    seed: str,
    by: str,
    size: int | None = None,
    share: float | None = None,
    strata: Iterable[str] = (),
    chosen: Mapping[str, Any] | None = None,
) -> Sample:
    """Draw some of *calls* at random, and record that in *log* as ``review.sampled``. No text is read.

    Only finished calls are drawn. The same calls and the same seed give the same sample.

    Args:
        calls: As `Index.calls` gives them.
        seed: Any printable text of up to 200 characters. Who knows it before calls are made can tell which
            ones will be drawn, so choose it afterwards.
        by: Who draws.
        size: Calls to draw from each stratum; from a smaller one all are drawn.
        share: The share of each stratum to draw, above 0 and at most 1, rounded up. Either this or *size*.
        strata: What to group calls by before drawing: names of `STRATA`. None: all calls are one stratum.
        chosen: What narrowed *calls*, for the entry: JSON-compatible, and nothing that names a person.

    Raises:
        ConfigError: an argument is none of these, or more than 10,000 calls would be drawn.
        LookupError: there is no finished call among *calls*; nothing is recorded.
    """
    names = (strata,) if isinstance(strata, str) else tuple(strata)
    _check(seed, by, size, share, names)
    groups: defaultdict[tuple[str, ...], list[Call]] = defaultdict(list)
    for call in calls:
        if call.outcome != "unfinished":
            groups[tuple(_value(call, name) for name in names)].append(call)
    if not groups:
        raise LookupError("no finished call to draw from")
    told, drawn = [], []
    for values, group in sorted(groups.items()):
        wanted = size if size is not None else math.ceil(len(group) * (share or 0))
        taken = sorted(group, key=lambda call: _place(seed, call))[:wanted]
        told.append(Stratum(values, len(group), len(taken)))
        drawn += taken
    if len(drawn) > _LARGEST:
        raise ConfigError(f"this would draw {len(drawn)} calls; a sample has {_LARGEST} at most")
    ids = sorted(call.id for group in groups.values() for call in group)
    population = sha256("".join(f"{each}\n" for each in ids).encode()).hexdigest()
    how: dict[str, Any] = {"method": _METHOD, "seed": seed, "strata": [*names]}
    how |= {"share": share} if size is None else {"size": size}
    of = {"chosen": dict(chosen or {}), "calls": len(ids), "population": population}
    entry = log.event("review.sampled", {"by": by, **how, **of, "drawn": [call.id for call in drawn]})
    return Sample(entry, seed, len(ids), population, tuple(told), tuple(drawn))


def _check(seed: str, by: str, size: int | None, share: float | None, strata: tuple[str, ...]) -> None:
    if not by:
        raise ConfigError("sample(...) needs by=: who draws is itself recorded")
    if not isinstance(seed, str) or not 0 < len(seed) <= 200 or not seed.isprintable():
        raise ConfigError("sample(seed=...) takes 1 to 200 printable characters")
    if (size is None) == (share is None):
        raise ConfigError("sample(...) takes either size= or share=")
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 1):
        raise ConfigError(f"sample(size={size!r}): expected a whole number, 1 or more")
    if share is not None and (isinstance(share, bool) or not 0 < share <= 1):
        raise ConfigError(f"sample(share={share!r}): expected a number above 0 and at most 1")
    for name in strata:
        if name not in STRATA:
            raise ConfigError(f"sample(strata=...): no stratum {name!r}; there are {', '.join(STRATA)}")


def _value(call: Call, name: str) -> str:
    return str(call.found if name == "rule" else getattr(call, name))


def _place(seed: str, call: Call) -> bytes:
    return sha256(f"{seed}\n{call.id}".encode()).digest()
