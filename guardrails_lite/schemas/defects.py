"""From a checker's raw errors to problems: one per place, the best branch of a union only.

Both kinds of schema report here in one form: a tree in which a union holds the errors of each branch. The
branch that the reply most plausibly meant is kept, because the errors of the others are noise that costs
tokens and misleads.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from guardrails_lite.schemas.outline import Outline
from guardrails_lite.schemas.problems import Code, Pointer, Problem

MAX_DEFECTS = 1000
"""How many errors of a checker are looked at: what is wrong a thousand times is wrong."""
MAX_PROBLEMS = 100
"""How many problems a verdict has."""


@dataclass(frozen=True, slots=True)
class Defect:
    """One error of a checker, at a place."""

    pointer: Pointer
    code: Code
    expectation: str | None = None
    """In the schema's words; None: what the schema says about the place."""
    undeclared: int = 0
    """How many properties of the object are not declared."""


def best_branch(branches: Iterable[list[Defect]], depth: int) -> list[Defect]:
    """The errors of the branch that fits best, at a union that is *depth* steps down.

    Best is the branch whose own type fits, then the one with fewer wrong constants (a discriminator is one),
    then fewer errors, then errors further in. Where no branch has the type, that is the one error.
    """
    ranked = sorted((branch for branch in branches if branch), key=lambda branch: _rank(branch, depth))
    if not ranked:
        return []
    best = ranked[0]
    wrong = [defect for defect in best if len(defect.pointer) == depth and _is_other_kind(defect)]
    if wrong and len(ranked) > 1:
        same = {defect.code for branch in ranked for defect in branch if len(defect.pointer) == depth}
        code: Code = "not allowed" if same == {"not allowed"} else "wrong type"
        return [Defect(wrong[0].pointer, code)]
    return best


def _is_other_kind(defect: Defect) -> bool:
    return defect.code in ("wrong type", "not allowed", "no branch")


def _rank(branch: list[Defect], depth: int) -> tuple[int, int, int, int]:
    return (
        sum(1 for defect in branch if len(defect.pointer) == depth and _is_other_kind(defect)),
        sum(1 for defect in branch if defect.code == "not allowed"),
        sum(max(defect.undeclared, 1) for defect in branch),
        -max(len(defect.pointer) for defect in branch),
    )


def problems_of(defects: Iterable[Defect], outline: Outline, value: object) -> tuple[Problem, ...]:
    """The defects as problems that may be shown, without repetition, ordered by where they are found."""
    merged: dict[tuple[Pointer, Code, str | None], int] = {}
    for defect in defects:
        key = (defect.pointer, defect.code, defect.expectation)
        merged[key] = merged.get(key, 0) + defect.undeclared
    problems = {
        Problem(
            outline.path(pointer, value),
            _expectation(pointer, code, expectation, undeclared, outline),
            code,
        ): None
        for (pointer, code, expectation), undeclared in islice(merged.items(), MAX_PROBLEMS)
    }
    return tuple(problems)


def _expectation(
    pointer: Pointer, code: Code, expectation: str | None, undeclared: int, outline: Outline
) -> str:
    if code == "undeclared":
        names = outline.names(pointer)
        listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
        only = f"no properties but {listed}" if names else "no properties"
        return f"{only} ({undeclared} undeclared)" if undeclared else only
    if code == "missing" and expectation is None:
        return f"{outline.phrase_at(pointer)}, which is missing"
    return expectation if expectation is not None else outline.phrase_at(pointer)
