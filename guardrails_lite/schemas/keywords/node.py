"""One schema, compiled: a table from the type of a value to the checks that it must pass.

Every keyword speaks of one JSON type or of all, so a schema becomes a table from Python's seven JSON types
to the functions that must hold; ``type`` itself is where the table has no way through. What a keyword says
when it does not hold stands beside its check, and is asked for only after a refusal.

What would be asked again is kept for the time of one check. A schema that refers to itself by several ways
would be asked twice as often with each level of the value, so its verdict and its words on each place are.
``unevaluatedProperties`` and ``unevaluatedItems`` need to know what the neighbours looked at, so in schemas
that use them the verdicts of all subschemas are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from guardrails_lite.schemas.defects import MAX_DEFECTS, Defect
from guardrails_lite.schemas.problems import Code, Pointer

Memo = dict[tuple[int, object], Any]
"""What one check has found out: verdicts by schema and value, defects by schema and place."""
Check = Callable[[Any, Memo], bool]
Explain = Callable[[Any, Pointer, Memo], Iterable[Defect]]
Looked = Callable[[Any, Memo], "set[Any] | None"]
"""Which properties or items of a valid value a keyword looked at; None: all of them."""

NoneType = type(None)
KINDS: tuple[type, ...] = (dict, list, str, int, float, bool, NoneType)
_OF_TYPE: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int, float),
    "number": (int, float),
    "boolean": (bool,),
    "null": (NoneType,),
}


@dataclass(frozen=True, slots=True)
class Part:
    """One keyword of one schema."""

    kinds: tuple[type, ...]
    check: Check
    explain: Explain
    properties: Looked | None = None
    items: Looked | None = None


@dataclass(slots=True)
class Node:
    """One schema, compiled. It is filled in after it is made, because schemas refer to themselves."""

    parts: list[Part] = field(default_factory=list)
    kinds: frozenset[type] = frozenset(KINDS)
    only_integers: bool = False
    recurs: bool = False
    """It refers to itself, so that each level of a value may come to it by several ways."""
    check: Check = field(default=lambda value, memo: True)

    def finish(self, *, remembers: bool = False) -> None:
        """Make the table once all parts are there.

        Args:
            remembers: Its verdicts are kept for the time of one check; those of what recurs always are.
        """
        table: dict[type, tuple[Check, ...]] = {}
        for kind in KINDS:
            if kind not in self.kinds:
                table[kind] = (_never,)
                continue
            whole = (_is_whole,) if self.only_integers and kind is float else ()
            table[kind] = whole + tuple(part.check for part in self.parts if kind in part.kinds)

        def check(value: Any, memo: Memo) -> bool:
            for holds in table[value.__class__]:
                if not holds(value, memo):
                    return False
            return True

        def remembering(value: Any, memo: Memo) -> bool:
            key = (id(self), id(value))
            known: bool | None = memo.get(key)
            if known is None:  # not through `check`: a level of the value should cost no frame more
                known = True
                for holds in table[value.__class__]:
                    if not holds(value, memo):
                        known = False
                        break
                memo[key] = known
            return known

        self.check = remembering if remembers or self.recurs else check

    def explain(self, value: Any, pointer: Pointer, memo: Memo) -> Iterable[Defect]:
        """Why *value* is refused."""
        if not self.recurs:
            return self._explained(value, pointer, memo)
        key = (id(self), pointer)
        if key not in memo:
            memo[key] = list(islice(self._explained(value, pointer, memo), MAX_DEFECTS))
        told: list[Defect] = memo[key]
        return told

    def _explained(self, value: Any, pointer: Pointer, memo: Memo) -> Iterator[Defect]:
        kind = value.__class__
        if kind not in self.kinds or (self.only_integers and kind is float and not value.is_integer()):
            yield Defect(pointer, "wrong type")
            return
        for part in self.parts:
            if kind in part.kinds and not part.check(value, memo):
                yield from part.explain(value, pointer, memo)

    def looked(self, value: Any, memo: Memo, what: str) -> set[Any] | None:
        """What of *value*, which this schema takes, its keywords looked at; None: all of it."""
        parts = [part for part in self.parts if value.__class__ in part.kinds]
        asked = [part.properties if what == "properties" else part.items for part in parts]
        return union(ask(value, memo) for ask in asked if ask is not None)


def _never(value: Any, memo: Memo) -> bool:
    return False


def _is_whole(value: Any, memo: Memo) -> bool:
    return bool(value.is_integer())


def never() -> Node:
    """The schema ``false``."""
    node = Node(kinds=frozenset())
    node.finish()
    return node


def always() -> Node:
    """The schema ``true``."""
    node = Node()
    node.finish()
    return node


def kinds_of(named: Any) -> tuple[frozenset[type], bool]:
    """The Python types that ``type`` lets through, and whether a float must be whole."""
    names = [named] if isinstance(named, str) else list(named)
    kinds = frozenset(kind for name in names for kind in _OF_TYPE.get(name, ()))
    return kinds, "integer" in names and "number" not in names


def says(code: Code, expectation: str | None = None) -> Explain:
    """An explanation that needs nothing of the value."""
    return lambda value, pointer, memo: [Defect(pointer, code, expectation)]


def union(sets: Iterable[set[Any] | None]) -> set[Any] | None:
    """What several keywords looked at together."""
    found: set[Any] = set()
    for one in sets:
        if one is None:
            return None
        found |= one
    return found
