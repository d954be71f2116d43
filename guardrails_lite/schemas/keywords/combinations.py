"""Keywords that combine schemas of one value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from guardrails_lite.schemas.defects import MAX_DEFECTS, Defect, best_branch
from guardrails_lite.schemas.keywords.node import KINDS, Check, Explain, Looked, Memo, Node, Part, says, union
from guardrails_lite.schemas.problems import Pointer


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
                return union((condition.looked(value, memo, what), then.looked(value, memo, what)))
            return otherwise.looked(value, memo, what)

        return ask

    return Part(KINDS, check, explain, looked("properties"), looked("items"))


def _combined(nodes: list[Node], check: Check, explain: Explain) -> Part:
    def looked(what: str) -> Looked:
        def ask(value: Any, memo: Memo) -> set[Any] | None:
            return union(node.looked(value, memo, what) for node in nodes if node.check(value, memo))

        return ask

    return Part(KINDS, check, explain, looked("properties"), looked("items"))
