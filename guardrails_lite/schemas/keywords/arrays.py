"""Keywords that speak of arrays and their items."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from guardrails_lite.schemas.defects import Defect
from guardrails_lite.schemas.keywords.node import Memo, Node, Part, says
from guardrails_lite.schemas.keywords.values import freeze
from guardrails_lite.schemas.problems import Pointer


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
