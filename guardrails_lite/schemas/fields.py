"""Rules on single fields of a schema, from ``Annotated[str, block(...)]``.

They are found when the schema is compiled, at any depth: in nested models, lists, dicts and unions. A field
with a rule may be of any type that holds text; the rule is then asked about each text in it.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import inspect
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guardrails_lite._errors import ConfigError
from guardrails_lite._rules import Rule
from guardrails_lite.schemas.problems import Pointer, child, step

_MAX_TYPES = 10_000


@dataclass(frozen=True, slots=True)
class FieldRule:
    """A rule and the places in a value that it applies to."""

    path: str
    """The places, such as ``$.items[*].note``; ``[*]`` is any item or any key, ``**`` any depth of the same
    recursive type."""
    rule: Rule


@dataclass(frozen=True, slots=True)
class FieldText:
    """One text in a value that a rule applies to."""

    pointer: Pointer = dataclasses.field(repr=False)
    """Where, as keys and indices: for `Schema.with_texts`, not for showing."""
    path: str
    """Where, as it may be shown and recorded."""
    text: str = dataclasses.field(repr=False)
    rule: Rule


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """The part of a type that matters for rules: which members lead to one."""

    rules: list[Rule]
    members: dict[str, Shape]
    every: list[Shape]
    """For each item of an array and each value of a mapping."""
    at: dict[int, Shape]
    same: list[Shape]
    """Other forms of the same value: the members of a union."""


def shape_of(declared: object) -> Shape:
    """Find the rules in a type.

    Raises:
        ConfigError: a rule is on a field that holds no text, or on the keys of a dict.
    """
    return _Finder().shape(declared, "$")


def field_rules(shape: Shape) -> tuple[FieldRule, ...]:
    """The rules of a type with their places, each once."""
    found: dict[tuple[str, int], FieldRule] = {}

    def walk(shape: Shape, path: str, above: tuple[int, ...]) -> None:
        if id(shape) in above:
            return
        above = (*above, id(shape))
        for rule in shape.rules:
            found.setdefault((path, id(rule)), FieldRule(path, rule))
        for one in shape.same:
            walk(one, path, above)
        for name, one in shape.members.items():
            walk(one, path + step(name), above)
        for one in (*shape.every, *shape.at.values()):
            walk(one, path + "[*]", above)

    walk(shape, "$", ())
    return tuple(found.values())


def texts(shape: Shape, value: object, pointer: Pointer = ()) -> Iterator[tuple[Pointer, str, Rule]]:
    """The texts of *value*, plain JSON, that rules apply to."""
    for rule in shape.rules:
        yield from ((place, text, rule) for place, text in _all_texts(value, pointer))
    for one in shape.same:
        yield from texts(one, value, pointer)
    for name, one in shape.members.items():
        if isinstance(value, dict) and name in value:
            yield from texts(one, value[name], (*pointer, name))
    for index, one in shape.at.items():
        if isinstance(value, list) and index < len(value):
            yield from texts(one, value[index], (*pointer, index))
    if shape.every:
        members: list[tuple[str | int, object]] = []
        if isinstance(value, dict):
            members.extend(value.items())
        elif isinstance(value, list):
            members.extend(enumerate(value))
        for key, member in members:
            for one in shape.every:
                yield from texts(one, member, (*pointer, key))


def texts_at(shape: Shape, pointer: Pointer, value: object) -> Iterator[tuple[Pointer, str, Rule]]:
    """What `texts` gives of a whole value, for its part *value* at *pointer* alone, in the same order."""
    waiting = [(shape, 0)]
    while waiting:
        one, depth = waiting.pop(0)
        if depth == len(pointer):
            yield from texts(one, value, pointer)
            continue
        for rule in one.rules:
            yield from ((place, text, rule) for place, text in _all_texts(value, pointer))
        name = pointer[depth]
        under = one.members.get(name) if isinstance(name, str) else one.at.get(name)
        waiting += [(same, depth) for same in one.same]
        waiting += [(inner, depth + 1) for inner in (under, *one.every) if inner is not None]


def replaced_by(value: object, new: Mapping[Pointer, object]) -> object:
    """A copy of *value* with other values at some places; a property that is not there is added."""
    if () in new:
        return new[()]
    if not new or not isinstance(value, (dict, list)):
        return value
    under: dict[str | int, dict[Pointer, object]] = {}
    for pointer, member in new.items():
        under.setdefault(pointer[0], {})[pointer[1:]] = member
    changed: Any = value.copy()
    for name, inner in under.items():
        if isinstance(changed, list) and not (isinstance(name, int) and name < len(changed)):
            continue
        changed[name] = replaced_by(child(value, name), inner)
    return changed


def _all_texts(value: object, pointer: Pointer) -> Iterator[tuple[Pointer, str]]:
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _all_texts(item, (*pointer, index))
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _all_texts(item, (*pointer, name))


class _Finder:
    def __init__(self) -> None:
        self.known: dict[object, Shape] = {}

    def shape(self, declared: Any, path: str, metadata: tuple[object, ...] = ()) -> Shape:
        rules = [one for one in metadata if isinstance(one, Rule)]
        if rules:
            if not self.holds_text(declared):
                raise ConfigError(
                    f"{rules[0]!r} is on {path}, which holds no text. Rules check text: put it on a field of "
                    "type str, or on one that holds some."
                )
            inner = self.shape(declared, path)
            return Shape(rules, {}, [], {}, [inner])
        origin, arguments = typing.get_origin(declared), typing.get_args(declared)
        if origin is typing.Annotated:
            return self.shape(arguments[0], path, declared.__metadata__)
        if isinstance(declared, typing.TypeVar) or declared is None:
            return Shape([], {}, [], {}, [])
        if isinstance(declared, getattr(typing, "TypeAliasType", ())):
            return self.shape(getattr(declared, "__value__"), path)  # noqa: B009  # typing has it from 3.12
        if origin in (typing.Union, types.UnionType):
            return Shape([], {}, [], {}, [self.shape(one, path) for one in arguments])
        if origin in (typing.Required, typing.NotRequired, typing.Final, typing.ClassVar):
            return self.shape(arguments[0], path)
        if isinstance(declared, typing.NewType):
            return self.shape(declared.__supertype__, path)
        fields = self.fields(declared)
        if fields is not None:
            known = self.known.get(declared)
            if known is None:
                known = self.known[declared] = Shape([], {}, [], {}, [])
                self.fill(known, declared, fields, path)
            return known
        if origin is None or origin is typing.Literal:
            return Shape([], {}, [], {}, [])
        if isinstance(origin, type) and issubclass(origin, collections.abc.Mapping) and len(arguments) == 2:
            if self.shape(arguments[0], path).rules:
                raise ConfigError(f"a rule is on the keys of {path}; only values can have one")
            return Shape([], {}, [self.shape(arguments[1], f"{path}[*]")], {}, [])
        if origin is tuple and arguments and arguments[-1] is not ...:
            at = {index: self.shape(one, f"{path}[{index}]") for index, one in enumerate(arguments)}
            return Shape([], {}, [], at, [])
        return Shape([], {}, [self.shape(one, f"{path}[*]") for one in arguments if one is not ...], {}, [])

    def fill(self, shape: Shape, declared: Any, fields: Sequence[_Field], path: str) -> None:
        """Put the fields of a class where its JSON has them."""
        model = typing.get_origin(declared) or declared
        for nth, one in enumerate(fields):
            if getattr(model, "__pydantic_root_model__", False):
                shape.same.append(self.shape(one.hint, path, one.metadata))
                continue
            inner = self.shape(one.hint, path + step(one.names[0]), one.metadata)
            if one.is_deep and any(field_rules(inner)):
                raise ConfigError(
                    f"a rule is on {path + step(one.names[0])}, which an AliasPath takes from deeper in the "
                    "reply. Declare the objects on the way there, and put the rule on the last."
                )
            shape.members.update(dict.fromkeys(one.names, inner))
            if issubclass(model, tuple):
                shape.at[nth] = inner
        undeclared = _undeclared(model)
        if undeclared is not None and any(field_rules(self.shape(undeclared, path))):
            raise ConfigError(
                f"a rule is on the undeclared properties of {path}. Put it on a field of type dict instead."
            )

    def fields(self, declared: Any) -> Sequence[_Field] | None:
        """The fields of a class; None for anything else."""
        model = typing.get_origin(declared) or declared
        if not isinstance(model, type):
            return None
        made = getattr(declared, "__pydantic_fields__", None)
        if isinstance(made, dict):
            config = getattr(model, "model_config", None) or getattr(model, "__pydantic_config__", None) or {}
            by_name = bool(config.get("populate_by_name") or config.get("validate_by_name"))
            return [
                _Field(*_names(name, one, by_name=by_name), one.annotation, tuple(one.metadata))
                for name, one in made.items()
            ]
        is_tuple = issubclass(model, tuple) and hasattr(model, "_fields")
        if is_tuple or dataclasses.is_dataclass(model) or hasattr(model, "__total__"):
            hints = typing.get_type_hints(model, include_extras=True)
            given = dict(zip(getattr(model, "__parameters__", ()), typing.get_args(declared), strict=False))
            defaults = (
                {one.name: one.default for one in dataclasses.fields(model)}
                if not is_tuple and (dataclasses.is_dataclass(model))
                else {}
            )
            return [
                _Field(
                    *_names(name, _told(hint, defaults.get(name)), by_name=False), _filled(hint, given), ()
                )
                for name, hint in hints.items()
            ]
        return None

    def holds_text(self, declared: Any, seen: tuple[object, ...] = ()) -> bool:
        """Whether a value of this type can have text in it."""
        if declared is None or declared in (int, float, bool, type(None), complex):
            return False
        arguments = typing.get_args(declared)
        if typing.get_origin(declared) is typing.Annotated:
            return self.holds_text(arguments[0], seen)
        if arguments and typing.get_origin(declared) is not typing.Literal:
            return any(self.holds_text(one, seen) for one in arguments if one is not ...)
        return True


class _Field(typing.NamedTuple):
    names: tuple[str, ...]
    """What it may be called in JSON; one at least."""
    is_deep: bool
    """It may stand deeper in the JSON as well."""
    hint: Any
    metadata: tuple[object, ...]


def _names(name: str, told: Any, *, by_name: bool) -> tuple[tuple[str, ...], bool]:
    """The names of a field in JSON, and whether it may stand deeper: as pydantic reads its aliases."""
    alias = getattr(told, "validation_alias", None) or getattr(told, "alias", None) or name
    choices = getattr(alias, "choices", [alias])
    names = [choice for choice in choices if isinstance(choice, str)]
    if by_name or not names:
        names.append(name)
    return tuple(dict.fromkeys(names)), any(not isinstance(choice, str) for choice in choices)


def _told(hint: Any, default: object) -> Any:
    """Where pydantic is told about a field that is not a model's: beside its type, or as its default."""
    return next((one for one in (*getattr(hint, "__metadata__", ()), default) if hasattr(one, "alias")), None)


def _filled(hint: Any, given: Mapping[Any, Any]) -> Any:
    """*hint* of a generic class, with the types that it is *given*."""
    if isinstance(hint, typing.TypeVar):
        return given.get(hint, hint)
    wanted = getattr(hint, "__parameters__", ())
    return hint[tuple(given.get(one, one) for one in wanted)] if wanted and given else hint


def _undeclared(model: type) -> Any:
    """What a model says its undeclared properties are; None where it says nothing."""
    for kind in model.__mro__:
        if "__pydantic_extra__" in inspect.get_annotations(kind) and kind.__module__ != "pydantic.main":
            return typing.get_type_hints(kind, include_extras=True)["__pydantic_extra__"]
    return None
