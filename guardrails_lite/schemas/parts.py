"""Asking again for the wrong parts only, and putting the answers in.

A reply of a hundred rows with one wrong total need not be written again. Where every problem lies under a
place that the schema describes by itself, the model is asked for those places under short names; the answers
are put in and the whole is checked again. Where a place depends on a choice the model made (a union above
it), the question moves up to the choice; where that is the root, the whole reply is asked for.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from guardrails_lite._errors import ConfigError
from guardrails_lite.schemas.fields import replaced_by
from guardrails_lite.schemas.outline import Outline
from guardrails_lite.schemas.problems import Parsed, Pointer, Problem, child, pointer_of

if TYPE_CHECKING:
    from guardrails_lite._schema import Schema

MAX_PARTS = 16
"""More wrong places than this are not told apart: the whole is asked again."""

_WHOLE = frozenset(
    {"no json", "not json", "several values", "cut off", "too large", "too deep", "duplicate key"}
)
_UNREAD = _WHOLE | {"lossy repair"}


@dataclass(frozen=True, slots=True)
class Parts:
    """The wrong parts of a reply, as a question of their own."""

    schema: Schema[Any]
    """What to ask for: an object with one property for each part."""
    paths: tuple[str, ...]
    """Where the parts are, in the order of the properties ``part_1``, ``part_2``, …"""
    plain: object = field(repr=False)
    """The reply that they are parts of, as it was read."""
    around: dict[str, object] = field(repr=False)
    """By path, the object that each part lies in, or the part itself where it lies in an array."""
    pointers: tuple[Pointer, ...] = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The properties that stand for the parts, in the order of `paths`."""
        return tuple(f"part_{number}" for number in range(1, len(self.paths) + 1))

    @property
    def legend(self) -> str:
        """Which property stands for which place, a line for each."""
        return "\n".join(f"{name} is {path}" for name, path in zip(self.names, self.paths, strict=True))

    def echo(self, text: str, *, limit_chars: int) -> str | None:
        """The reply as the model is shown it again; None where there is too much to show.

        Args:
            text: The reply. One that is too long is shown by what lies around the parts.
            limit_chars: The most that may be shown.
        """
        if len(text) > limit_chars:
            text = json.dumps(self.around, ensure_ascii=False)
        return text if len(text) <= limit_chars else None

    def merged(self, answer: Parsed) -> str | None:
        """The whole reply with the answers in their places, as JSON text that is still to be checked.

        Args:
            answer: The verdict of `schema` on what came back. Answers that do not fit are put in too, so
                that it is the check of the whole that says what is wrong, and whether it is wrong again.

        Returns:
            None where what came back is something else than an answer, or was guessed at to be read.
        """
        given = answer.json
        if not isinstance(given, dict) or any(problem.code in _UNREAD for problem in answer.problems):
            return None
        places = dict(zip(self.names, self.pointers, strict=True))
        if not given or given.keys() - places.keys():
            return None
        new = {places[name]: value for name, value in given.items()}
        return json.dumps(replaced_by(self.plain, new), ensure_ascii=False)


def missing_parts(schema: Schema[Any], plain: object, problems: Iterable[Problem]) -> Parts | None:
    """The parts of a reply to ask for again; None where the whole must be asked again.

    Args:
        schema: What the reply must be.
        plain: The reply as it was read (`Parsed.json`).
        problems: What is wrong with it.
    """
    problems = tuple(problems)
    if not problems or any(problem.code in _WHOLE for problem in problems):
        return None
    outline = Outline(schema.json_schema)
    pointers: list[Pointer] = []
    for problem in problems:
        pointer = pointer_of(problem.path, plain)
        if pointer is None:
            return None
        settled = _settled(outline, pointer, plain)
        if not settled:
            return None
        pointers.append(settled)
    outer = _outermost(pointers)
    if len(outer) > MAX_PARTS or not _cheaper(plain, outer):
        return None
    properties: dict[str, Any] = {}
    for number, pointer in enumerate(outer, 1):
        forms = outline.declared(pointer)
        if len(forms) != 1 or _refers_to_root(forms[0]):
            return None
        properties[f"part_{number}"] = copy.deepcopy(forms[0])
    return _question(outline, properties, outer, plain)


def _question(
    outline: Outline, properties: dict[str, Any], pointers: list[Pointer], plain: object
) -> Parts | None:
    from guardrails_lite._schema import Schema

    root = outline.root
    shared: dict[str, Any] = {key: root[key] for key in ("$schema", "$defs", "definitions") if key in root}
    asked: dict[str, Any] = {
        **shared,
        "title": "parts",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    try:
        schema = Schema.of(asked)
    except ConfigError:  # a definition refers to what is no longer there, such as the root
        return None
    around: dict[str, object] = {}
    for pointer in pointers:
        parent = _at(plain, pointer[:-1])
        place = pointer[:-1] if isinstance(parent, dict) else pointer
        around[outline.path(place, plain)] = _at(plain, place)
    paths = tuple(outline.path(pointer, plain) for pointer in pointers)
    return Parts(schema, paths, plain, around, tuple(pointers))


def _at(value: object, pointer: Pointer) -> object:
    for name in pointer:
        value = child(value, name)
    return value


def _settled(outline: Outline, pointer: Pointer, plain: object) -> Pointer:
    """The deepest place on the way to *pointer* that is there and that the schema describes by itself."""
    forms = [outline.root]
    value = plain
    for length, name in enumerate(pointer):
        single = _single(outline, forms)
        under = outline.declared(pointer[: length + 1])
        holds = isinstance(value, dict) if isinstance(name, str) else isinstance(value, list)
        if single is None or not holds or len(under) != 1:
            return pointer[:length]
        forms, value = under, child(value, name)
    return pointer


def _single(outline: Outline, forms: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The one object or array that *forms* describe; None where there is a choice."""
    if len(forms) != 1:
        return None
    form: Mapping[str, Any] = forms[0]
    for _ in range(20):
        if "$ref" in form:
            target = outline.resolve(form["$ref"])
        elif isinstance(form.get("anyOf"), list) and "properties" not in form:
            rest = [one for one in form["anyOf"] if one != {"type": "null"}]
            target = rest[0] if len(rest) == 1 else None
        elif any(keyword in form for keyword in ("oneOf", "allOf", "anyOf", "if", "dependentSchemas")):
            return None
        else:
            return dict(form)
        if not isinstance(target, dict):
            return None
        form = target
    return None


def _outermost(pointers: list[Pointer]) -> list[Pointer]:
    """The places that lie in no other of them, each once."""
    known = set(pointers)
    return [
        pointer
        for pointer in dict.fromkeys(pointers)
        if not any(pointer[:length] in known for length in range(len(pointer)))
    ]


def _cheaper(plain: object, pointers: list[Pointer]) -> bool:
    """Whether the parts are less than half of the whole."""
    whole = len(json.dumps(plain))
    parts = 0
    for pointer in pointers:
        parts += len(json.dumps(_at(plain, pointer))) + 16
    return parts * 2 <= whole


def _refers_to_root(form: object) -> bool:
    if isinstance(form, dict):
        reference = form.get("$ref")
        if isinstance(reference, str) and not reference.startswith(("#/$defs/", "#/definitions/")):
            return True
        return any(_refers_to_root(value) for value in form.values())
    return isinstance(form, list) and any(_refers_to_root(value) for value in form)
