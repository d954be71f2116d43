"""``unevaluatedProperties`` and ``unevaluatedItems``: what no other keyword looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from guardrails_lite.schemas.defects import Defect
from guardrails_lite.schemas.keywords.node import Memo, Node, Part
from guardrails_lite.schemas.problems import Pointer


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
