"""From pydantic's errors to defects: places in the value, codes of ours, and not a word of the reply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from guardrails_lite.schemas.defects import MAX_DEFECTS, Defect, best_branch
from guardrails_lite.schemas.problems import Code, Pointer, child

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_CODES: dict[str, Code] = {
    **dict.fromkeys(("missing", "missing_argument", "missing_keyword_only_argument"), "missing"),
    **dict.fromkeys(("extra_forbidden", "unexpected_keyword_argument"), "undeclared"),
    **dict.fromkeys(
        (
            "greater_than",
            "greater_than_equal",
            "less_than",
            "less_than_equal",
            "multiple_of",
            "finite_number",
            "decimal_max_digits",
            "decimal_max_places",
            "decimal_whole_digits",
            "date_past",
            "date_future",
            "datetime_past",
            "datetime_future",
            "timezone_naive",
            "timezone_aware",
            "int_parsing_size",
        ),
        "out of range",
    ),
    **dict.fromkeys(
        (
            "string_too_short",
            "string_too_long",
            "bytes_too_short",
            "bytes_too_long",
            "too_short",
            "too_long",
            "url_too_long",
        ),
        "wrong length",
    ),
    **dict.fromkeys(("literal_error", "enum", "union_tag_invalid"), "not allowed"),
    "string_pattern_mismatch": "wrong pattern",
    **dict.fromkeys(("recursion_loop",), "too deep"),
}
_CONTEXT = (
    ("ge", "a number >= {}"),
    ("gt", "a number > {}"),
    ("le", "a number <= {}"),
    ("lt", "a number < {}"),
    ("multiple_of", "a multiple of {}"),
    ("max_digits", "at most {} digits"),
    ("decimal_places", "at most {} decimal places"),
    ("whole_digits", "at most {} digits before the point"),
)
_IDENTIFIER_LIMIT = 60

_Step = tuple[bool, str | int]
"""Whether a part of pydantic's location is a place in the value (not the name of a branch), and the part."""


def defects_of(error: ValidationError, value: object) -> list[Defect]:
    """What pydantic found wrong with *value*, the best branch of each union only."""
    located = []
    for detail in error.errors(include_url=False, include_input=False)[:MAX_DEFECTS]:
        steps = _align(detail, value)
        located.append((steps, _defect(detail, steps)))
    return _best(located, 0, 0)


def _align(detail: ErrorDetails, value: object) -> list[_Step]:
    """Tell places in the value from the branch names that pydantic puts between them."""
    steps: list[_Step] = []
    loc = detail["loc"]
    for number, part in enumerate(loc):
        is_last = number == len(loc) - 1
        is_place = (
            (isinstance(value, dict) and part in value)
            or (isinstance(value, list) and isinstance(part, int))
            or (is_last and _CODES.get(detail["type"]) == "missing")
        )
        steps.append((is_place, part))
        if is_place:
            value = child(value, part)
    return steps


def _defect(detail: ErrorDetails, steps: list[_Step]) -> Defect:
    kind, context = detail["type"], detail.get("ctx", {})
    pointer: Pointer = tuple(part for is_place, part in steps if is_place)
    if steps and steps[-1] == (False, "[key]"):
        return Defect(pointer[:-1], "wrong type", "property names of the declared form")
    code = _CODES.get(kind)
    if code == "undeclared":
        return Defect(pointer[:-1], code, undeclared=1)
    if kind == "union_tag_not_found" or kind == "union_tag_invalid":
        name = str(context.get("discriminator", "")).strip("'")
        if not name.endswith("()"):
            pointer = (*pointer, name)
        expected = _tags(context)
        return Defect(pointer, code or "missing", expected)
    if code is not None:
        return Defect(pointer, code, _bound(kind, context))
    if kind in ("value_error", "assertion_error"):
        return Defect(pointer, "refused by the model", _own_words(context.get("error")))
    if kind.endswith(("_parsing", "_version", "_scheme", "_violation", "_encoding", "_inexact")):
        return Defect(pointer, "wrong format")
    if kind.endswith("_type") or kind in ("none_required", "int_from_float", "is_instance_of"):
        return Defect(pointer, "wrong type")
    name = kind if kind.isidentifier() and len(kind) <= _IDENTIFIER_LIMIT else "its own"
    return Defect(pointer, "refused by the model", f"a value that the check {name!r} of the model takes")


def _tags(context: Mapping[str, Any]) -> str | None:
    tags = context.get("expected_tags")
    return f"one of {tags}" if isinstance(tags, str) and len(tags) <= 300 else None


def _bound(kind: str, context: Mapping[str, Any]) -> str | None:
    """The bound that was broken, from the schema's side of the error's context."""
    for key, words in _CONTEXT:
        if key in context:
            return words.format(context[key])
    unit = (
        "characters"
        if kind.startswith(("string", "url"))
        else "bytes"
        if kind.startswith("byte")
        else "items"
    )
    if "min_length" in context:
        return f"at least {context['min_length']} {unit}"
    if "max_length" in context:
        return f"at most {context['max_length']} {unit}"
    if kind == "finite_number":
        return "a finite number"
    if kind.endswith(("_past", "_future")):
        return f"a time in the {kind.rpartition('_')[2]}"
    return None


def _own_words(error: object) -> str:
    """What a model's own validator said, if it is a constant of its code.

    A message that was put together when it was raised may quote the value, so it is not repeated.
    """
    words = "a value that the model's own validator takes"
    if not isinstance(error, Exception) or len(error.args) != 1 or not isinstance(error.args[0], str):
        return words
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or error.args[0] not in trace.tb_frame.f_code.co_consts:
        return words
    return f"{words}: {error.args[0][:200]}"


def _best(located: list[tuple[list[_Step], Defect]], at: int, depth: int) -> list[Defect]:
    """Go down the locations together, keeping the best branch wherever there are branches."""
    here: list[Defect] = []
    places: dict[str | int, list[tuple[list[_Step], Defect]]] = {}
    branches: dict[str | int, list[tuple[list[_Step], Defect]]] = {}
    for steps, defect in located:
        if len(steps) == at:
            here.append(defect)
            continue
        is_place, part = steps[at]
        (places if is_place else branches).setdefault(part, []).append((steps, defect))
    for group in places.values():
        here.extend(_best(group, at + 1, depth + 1))
    here.extend(best_branch((_best(group, at + 1, depth) for group in branches.values()), depth))
    return here
