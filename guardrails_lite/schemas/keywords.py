"""JSON Schema compiled to Python closures: one table per schema, from the type of a value to its checks.

Every keyword speaks of one JSON type or of all, so a schema becomes a table from Python's seven JSON types
to the functions that must hold; ``type`` itself is where the table has no way through. What a keyword says
when it does not hold stands beside its check, and is asked for only after a refusal.

What would be asked again is kept for the time of one check. A schema that refers to itself by several ways
would be asked twice as often with each level of the value, so its verdict and its words on each place are.
``unevaluatedProperties`` and ``unevaluatedItems`` need to know what the neighbours looked at, so in schemas
that use them the verdicts of all subschemas are.
"""

# ruff: noqa: SIM110  # on the hot path a loop costs half of a generator under all() or any()

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import Any

from guardrails_lite.schemas.defects import MAX_DEFECTS, Defect, best_branch
from guardrails_lite.schemas.patterns import Pattern
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
        found: set[Any] = set()
        for part in self.parts:
            ask: Looked | None = part.properties if what == "properties" else part.items
            if ask is None or value.__class__ not in part.kinds:
                continue
            seen = ask(value, memo)
            if seen is None:
                return None
            found |= seen
        return found


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


# -- values ------------------------------------------------------------------------------------------


def freeze(value: Any) -> Any:
    """A hashable stand-in: equal for equal JSON, where 1 is 1.0 and neither is true."""
    kind = value.__class__
    if kind is bool:
        return (bool, value)
    if kind is list:
        return (list, tuple(freeze(item) for item in value))
    if kind is dict:
        return (dict, frozenset((name, freeze(item)) for name, item in value.items()))
    return value


def one_of(values: list[Any]) -> Part:
    """``enum`` and ``const``."""
    frozen = frozenset(freeze(value) for value in values)
    kinds = tuple(dict.fromkeys(kind for value in values for kind in _alike(value)))

    def plain(value: Any, memo: Memo) -> bool:
        return value in frozen

    def deep(value: Any, memo: Memo) -> bool:
        return freeze(value) in frozen

    simple = all(value.__class__ in (str, NoneType) for value in values)

    def check(value: Any, memo: Memo) -> bool:
        return value.__class__ in kinds and (plain if simple else deep)(value, memo)

    return Part(KINDS, check, says("not allowed"))


def _alike(value: Any) -> tuple[type, ...]:
    return (int, float) if value.__class__ in (int, float) else (value.__class__,)


def says(code: Code, expectation: str | None = None) -> Explain:
    """An explanation that needs nothing of the value."""
    return lambda value, pointer, memo: [Defect(pointer, code, expectation)]


def kinds_of(named: Any) -> tuple[frozenset[type], bool]:
    """The Python types that ``type`` lets through, and whether a float must be whole."""
    names = [named] if isinstance(named, str) else list(named)
    kinds = frozenset(kind for name in names for kind in _OF_TYPE.get(name, ()))
    return kinds, "integer" in names and "number" not in names


# -- numbers and strings -----------------------------------------------------------------------------


def bound(keyword: str, limit: Any) -> Part:
    """``minimum``, ``maximum`` and their exclusive forms."""
    checks: dict[str, Check] = {
        "minimum": lambda value, memo: value >= limit,
        "maximum": lambda value, memo: value <= limit,
        "exclusiveMinimum": lambda value, memo: value > limit,
        "exclusiveMaximum": lambda value, memo: value < limit,
    }
    return Part((int, float), checks[keyword], says("out of range"))


def multiple_of(divisor: Any) -> Part:
    """``multipleOf``, in decimal arithmetic: 0.3 is a multiple of 0.1."""
    exact = Fraction(Decimal(repr(divisor)))

    def check(value: Any, memo: Memo) -> bool:
        if value.__class__ is int and divisor.__class__ is int:
            return bool(value % divisor == 0)
        return (Fraction(Decimal(repr(value))) / exact).denominator == 1

    return Part((int, float), check, says("out of range", f"a multiple of {divisor!r}"))


def size(keyword: str, limit: Any) -> Part:
    """``minLength``, ``maxItems`` and the like."""
    kind = str if "Length" in keyword else list if "Items" in keyword else dict
    unit = {str: "characters", list: "items", dict: "properties"}[kind]
    if keyword.startswith("min"):
        return Part(
            (kind,),
            lambda value, memo: len(value) >= limit,
            says("wrong length", f"at least {limit} {unit}"),
        )
    return Part(
        (kind,), lambda value, memo: len(value) <= limit, says("wrong length", f"at most {limit} {unit}")
    )


def matches(pattern: Pattern) -> Part:
    """``pattern``."""
    return Part((str,), lambda value, memo: pattern(value), says("wrong pattern"))


def has_format(kinds: tuple[type, ...], holds: Callable[[Any], bool]) -> Part:
    """``format``, asserted."""
    return Part(kinds, lambda value, memo: holds(value), says("wrong format"))


# -- arrays ------------------------------------------------------------------------------------------


def items(prefix: list[Node], rest: Node | None, *, prefix_only: bool) -> Part:
    """``prefixItems`` and ``items``, under their names in any draft."""
    count = len(prefix)

    def check(value: Any, memo: Memo) -> bool:
        for node, item in zip(prefix, value, strict=False):
            if not node.check(item, memo):
                return False
        if rest is not None:
            holds = rest.check
            for item in value[count:] if count else value:
                if not holds(item, memo):
                    return False
        return True

    def explain(value: Any, pointer: Pointer, memo: Memo) -> Iterator[Defect]:
        for index, item in enumerate(value):
            node = prefix[index] if index < count else rest
            if node is None:
                continue
            if not node.kinds and index >= count:
                yield Defect(pointer, "wrong length", f"at most {count} items")
                return
            yield from node.explain(item, (*pointer, index), memo)

    def looked(value: Any, memo: Memo) -> set[Any] | None:
        return set(range(min(count, len(value)))) if prefix_only else None

    return Part((list,), check, explain, items=looked)


def unique() -> Part:
    """``uniqueItems``."""

    def check(value: Any, memo: Memo) -> bool:
        return len({freeze(item) for item in value}) == len(value)

    return Part((list,), check, says("not unique", "items that differ from each other"))


def contains(node: Node, least: Any, most: Any, *, evaluates: bool) -> Part:
    """``contains`` with its bounds."""

    def check(value: Any, memo: Memo) -> bool:
        found = sum(1 for item in value if node.check(item, memo))
        return found >= least and (most is None or found <= most)

    def explain(value: Any, pointer: Pointer, memo: Memo) -> Iterator[Defect]:
        found = sum(1 for item in value if node.check(item, memo))
        if found < least:
            yield Defect(pointer, "missing", f"at least {least} items of the form under `contains`")
        else:
            yield Defect(pointer, "wrong length", f"at most {most} items of the form under `contains`")

    def looked(value: Any, memo: Memo) -> set[Any]:
        return {index for index, item in enumerate(value) if node.check(item, memo)}

    return Part((list,), check, explain, items=looked if evaluates else None)


# -- objects -----------------------------------------------------------------------------------------


def required(names: list[str]) -> Part:
    """``required``."""
    wanted = frozenset(names)

    def explain(value: Any, pointer: Pointer, memo: Memo) -> Iterator[Defect]:
        for name in names:
            if name not in value:
                yield Defect((*pointer, name), "missing")

    return Part((dict,), lambda value, memo: value.keys() >= wanted, explain)


def properties(
    declared: Mapping[str, Node], patterned: list[tuple[Pattern, Node]], rest: Node | None, *, closes: bool
) -> Part:
    """``properties``, ``patternProperties`` and ``additionalProperties`` together."""
    get = declared.get
    shut = rest is not None and not rest.kinds

    def simple(value: Any, memo: Memo) -> bool:
        for name, item in value.items():
            node = get(name, rest)
            if node is not None and not node.check(item, memo):
                return False
        return True

    def few(value: Any, memo: Memo) -> bool:
        for name, node in pairs:
            if name in value and not node.check(value[name], memo):
                return False
        return True

    def full(value: Any, memo: Memo) -> bool:
        for name, item in value.items():
            for node in nodes(name):
                if not node.check(item, memo):
                    return False
        return True

    def nodes(name: str) -> list[Node]:
        found = [node for pattern, node in patterned if pattern(name)]
        node = get(name)
        if node is not None:
            found.append(node)
        return found if found or rest is None else [rest]

    def explain(value: Any, pointer: Pointer, memo: Memo) -> Iterator[Defect]:
        extra = 0
        for name, item in value.items():
            for node in nodes(name):
                if shut and node is rest:
                    extra += 1
                else:
                    yield from node.explain(item, (*pointer, name), memo)
        if extra:
            yield Defect(pointer, "undeclared", undeclared=extra)

    def looked(value: Any, memo: Memo) -> set[Any] | None:
        if closes:
            return None
        return {name for name in value if name in declared or any(pattern(name) for pattern, _ in patterned)}

    pairs = list(declared.items())
    check = full if patterned else simple if rest is not None else few
    return Part((dict,), check, explain, properties=looked)


def property_names(node: Node) -> Part:
    """``propertyNames``."""

    def check(value: Any, memo: Memo) -> bool:
        return all(node.check(name, memo) for name in value)

    def explain(value: Any, pointer: Pointer, memo: Memo) -> Iterator[Defect]:
        wrong = sum(1 for name in value if not node.check(name, memo))
        yield Defect(pointer, "undeclared", "property names of the form under `propertyNames`", wrong)

    return Part((dict,), check, explain)


def dependent_required(wanted: Mapping[str, list[str]]) -> Part:
    """``dependentRequired``."""

    def check(value: Any, memo: Memo) -> bool:
        return all(
            name not in value or all(other in value for other in others) for name, others in wanted.items()
        )

    def explain(value: Any, pointer: Pointer, memo: Memo) -> Iterator[Defect]:
        for name, others in wanted.items():
            if name in value:
                for other in others:
                    if other not in value:
                        yield Defect((*pointer, other), "missing")

    return Part((dict,), check, explain)


def dependent_schemas(wanted: Mapping[str, Node]) -> Part:
    """``dependentSchemas``."""

    def check(value: Any, memo: Memo) -> bool:
        return all(name not in value or node.check(value, memo) for name, node in wanted.items())

    def explain(value: Any, pointer: Pointer, memo: Memo) -> Iterator[Defect]:
        for name, node in wanted.items():
            if name in value:
                yield from node.explain(value, pointer, memo)

    def looked(value: Any, memo: Memo) -> set[Any] | None:
        return _union(
            node.looked(value, memo, "properties") for name, node in wanted.items() if name in value
        )

    return Part((dict,), check, explain, properties=looked)


# -- combinations ------------------------------------------------------------------------------------


def all_of(nodes: list[Node]) -> Part:
    """``allOf``, and a reference as the only one."""

    def check(value: Any, memo: Memo) -> bool:
        for node in nodes:
            if not node.check(value, memo):
                return False
        return True

    def one(value: Any, memo: Memo) -> bool:
        return only.check(value, memo)

    def explain(value: Any, pointer: Pointer, memo: Memo) -> Iterator[Defect]:
        for node in nodes:
            yield from node.explain(value, pointer, memo)

    only = nodes[0]
    return _combined(nodes, one if len(nodes) == 1 else check, explain)


def any_of(nodes: list[Node]) -> Part:
    """``anyOf``."""

    def check(value: Any, memo: Memo) -> bool:
        for node in nodes:
            if node.check(value, memo):
                return True
        return False

    def explain(value: Any, pointer: Pointer, memo: Memo) -> list[Defect]:
        return best_branch((_some(node, value, pointer, memo) for node in nodes), len(pointer))

    return _combined(nodes, check, explain)


def exactly_one_of(nodes: list[Node]) -> Part:
    """``oneOf``."""

    def check(value: Any, memo: Memo) -> bool:
        found = 0
        for node in nodes:
            if node.check(value, memo):
                found += 1
                if found > 1:
                    return False
        return found == 1

    def explain(value: Any, pointer: Pointer, memo: Memo) -> list[Defect]:
        if any(node.check(value, memo) for node in nodes):
            return [
                Defect(pointer, "no branch", f"exactly one of {len(nodes)} forms, and more than one fits")
            ]
        return best_branch((_some(node, value, pointer, memo) for node in nodes), len(pointer))

    return _combined(nodes, check, explain)


def _some(node: Node, value: Any, pointer: Pointer, memo: Memo) -> list[Defect]:
    return list(islice(node.explain(value, pointer, memo), MAX_DEFECTS))


def none_of(node: Node) -> Part:
    """``not``."""
    return Part(
        KINDS,
        lambda value, memo: not node.check(value, memo),
        says("not allowed", "a value that is not of the form under `not`"),
    )


def conditional(condition: Node, then: Node, otherwise: Node) -> Part:
    """``if`` with ``then`` and ``else``."""

    def check(value: Any, memo: Memo) -> bool:
        return (then if condition.check(value, memo) else otherwise).check(value, memo)

    def explain(value: Any, pointer: Pointer, memo: Memo) -> Iterable[Defect]:
        return (then if condition.check(value, memo) else otherwise).explain(value, pointer, memo)

    def looked(what: str) -> Looked:
        def ask(value: Any, memo: Memo) -> set[Any] | None:
            if condition.check(value, memo):
                return _union((condition.looked(value, memo, what), then.looked(value, memo, what)))
            return otherwise.looked(value, memo, what)

        return ask

    return Part(KINDS, check, explain, looked("properties"), looked("items"))


def _combined(nodes: list[Node], check: Check, explain: Explain) -> Part:
    def looked(what: str) -> Looked:
        def ask(value: Any, memo: Memo) -> set[Any] | None:
            return _union(node.looked(value, memo, what) for node in nodes if node.check(value, memo))

        return ask

    return Part(KINDS, check, explain, looked("properties"), looked("items"))


def _union(sets: Iterable[set[Any] | None]) -> set[Any] | None:
    found: set[Any] = set()
    for one in sets:
        if one is None:
            return None
        found |= one
    return found


def unevaluated(owner: Node, node: Node, what: str) -> Part:
    """``unevaluatedProperties`` and ``unevaluatedItems``: what no other keyword of *owner* looked at.

    It must be the last part of its owner, and looks at all that is left.
    """
    parts = list(owner.parts)

    def left(value: Any, memo: Memo) -> list[tuple[str | int, Any]]:
        looked = Node(parts).looked(value, memo, what)
        if looked is None:
            return []
        members: Iterable[tuple[str | int, Any]] = value.items() if what == "properties" else enumerate(value)
        return [(name, item) for name, item in members if name not in looked]

    def check(value: Any, memo: Memo) -> bool:
        return all(node.check(item, memo) for _, item in left(value, memo))

    def explain(value: Any, pointer: Pointer, memo: Memo) -> Iterator[Defect]:
        members = left(value, memo)
        if node.kinds:
            for name, item in members:
                yield from node.explain(item, (*pointer, name), memo)
        elif what == "properties":
            yield Defect(pointer, "undeclared", undeclared=len(members))
        else:
            yield Defect(pointer, "wrong length", f"{len(members)} fewer items")

    def all_of_it(value: Any, memo: Memo) -> None:
        return None

    if what == "properties":
        return Part((dict,), check, explain, properties=all_of_it)
    return Part((list,), check, explain, items=all_of_it)
