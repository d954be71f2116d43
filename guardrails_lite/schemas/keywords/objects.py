"""Keywords that speak of objects and their properties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from guardrails_lite.schemas.defects import Defect
from guardrails_lite.schemas.keywords.node import Memo, Node, Part, union
from guardrails_lite.schemas.patterns import Pattern
from guardrails_lite.schemas.problems import Pointer


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
        return union(node.looked(value, memo, "properties") for name, node in wanted.items() if name in value)

    return Part((dict,), check, explain, properties=looked)
