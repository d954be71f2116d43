"""Checking a reply against a Python type, through pydantic.

Stricter than pydantic's defaults in two ways. Nothing is coerced (``"1"`` is not an integer), in pydantic's
strict mode for JSON, which still reads what JSON has no type for: dates, UUIDs, enums, tuples. And nothing
undeclared is ignored; a model that wants extra properties says so with ``extra="allow"``.
"""

from __future__ import annotations

import functools
import json
import sys
import types
import typing
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from guardrails_lite._errors import ConfigError
from guardrails_lite._validators import code_digest
from guardrails_lite.schemas.branching import branches, too_many
from guardrails_lite.schemas.cores import nodes
from guardrails_lite.schemas.defects import Defect
from guardrails_lite.schemas.outline import Outline
from guardrails_lite.schemas.problems import Pointer
from guardrails_lite.schemas.pydantic_errors import defects_of
from guardrails_lite.schemas.wrapping import WRAPPER

if TYPE_CHECKING:
    from pydantic import ValidationError


_TOO_NESTED = Defect((), "too deep", "nesting that can be checked")


class ModelCheck:
    """A Python type, compiled once."""

    def __init__(self, declared: Any, adapter: Any, schema: dict[str, Any]) -> None:
        self.declared = declared
        self.adapter = adapter
        self.json_schema = schema
        self.outline = Outline(schema)
        # A call-time `extra` would override models that allow extras, so where there are such models
        # the undeclared are looked for by the schema instead.
        self.extra = None if _allows_extra(schema) else "forbid"
        self._branches = branches(self.outline)
        self._load: Callable[..., object] = adapter.validator.validate_json
        from pydantic import ValidationError

        self.error: type[ValidationError] = ValidationError

    def judge(self, plain: object, data: bytes) -> tuple[object, list[Defect]]:
        """The typed value of strict JSON, and what keeps it from fitting."""
        if self._branches and too_many(self.outline, plain, len(data)):
            return None, [Defect((), "too deep", "fewer levels of nesting")]
        try:
            value = self._load(data, strict=True, extra=self.extra)
        except self.error as error:
            return None, defects_of(error, plain)
        except RecursionError:
            return None, [_TOO_NESTED]
        return value, [] if self.extra is not None else self.undeclared(plain)

    def accepts(self, plain: object) -> bool:
        """Whether a value made of JSON's own types fits as it stands."""
        return not self.judge(plain, json.dumps(plain).encode())[1]

    def judge_wrapped(self, plain: dict[str, Any], data: bytes) -> tuple[object, list[Defect]]:
        """The same for a value that came under the wrapper's name."""
        if self._branches and too_many(self.outline, plain[WRAPPER], len(data)):
            return None, [Defect((), "too deep", "fewer levels of nesting")]
        load = _wrapping(self)
        try:
            value = load(data, strict=True, extra=self.extra)
        except self.error as error:
            found = defects_of(error, plain)
            return None, [replace(one, pointer=one.pointer[1:]) for one in found]
        except RecursionError:
            return None, [_TOO_NESTED]
        return value[WRAPPER], [] if self.extra is not None else self.undeclared(plain[WRAPPER])

    def code(self) -> list[str]:
        """What of the user's code takes part in the verdict, by name and content."""
        return sorted(_functions(self.adapter.core_schema))

    def rewrites(self) -> bool:
        """Whether a validator of the model may take what its JSON Schema does not describe."""
        return _rewrites(self.adapter.core_schema)

    def undeclared(self, value: object) -> list[Defect]:
        """Properties that are not declared, where pydantic was not asked to refuse them."""
        return _undeclared(self.outline, (), value)


def adapt(declared: Any) -> ModelCheck:
    """Compile a Python type.

    Raises:
        ConfigError: pydantic cannot take it, or cannot express it as JSON Schema.
    """
    import pydantic

    if isinstance(declared, (str, bytes, bool, int, float, list, tuple, set)):
        raise ConfigError(
            f"schema= takes a type or a JSON Schema dict, not {type(declared).__name__}. Give the class "
            "itself (schema=Invoice), or parse a JSON Schema first (json.loads)."
        )
    declared = _modern(declared)
    try:
        adapter = pydantic.TypeAdapter(declared)
        schema = adapter.json_schema()
    except pydantic.errors.PydanticUserError as error:
        first = str(error).split("\n")[0]
        raise ConfigError(
            f"schema={name_of(declared)} cannot be an output schema: {first} Use a pydantic model, a "
            "dataclass, a TypedDict, a type that pydantic takes, or a JSON Schema dict."
        ) from error
    return ModelCheck(declared, adapter, schema)


def name_of(declared: object) -> str:
    """How a type is written in code."""
    if declared is None or declared is types.NoneType:
        return "None"
    if isinstance(declared, type) and not isinstance(declared, types.GenericAlias):
        return declared.__qualname__.rpartition("<locals>.")[2]
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if origin is typing.Annotated:
        metadata = "".join(f", {one!r}" for one in declared.__metadata__)  # type: ignore[attr-defined]
        return f"Annotated[{name_of(arguments[0])}{metadata}]"
    if origin in (typing.Union, types.UnionType):
        return " | ".join(name_of(one) for one in arguments)
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    if origin is not None and arguments:
        inner = ", ".join("..." if one is ... else name_of(one) for one in arguments)
        return f"{name_of(origin)}[{inner}]"
    return repr(declared).removeprefix("typing.")


def _modern(declared: Any) -> Any:
    """*declared* with `typing.TypedDict` made over, which pydantic refuses before Python 3.12."""
    if sys.version_info >= (3, 12):
        return declared
    if (
        isinstance(declared, type)
        and type(declared).__module__ == "typing"
        and hasattr(declared, "__total__")
    ):
        import typing_extensions

        hints = typing_extensions.get_type_hints(declared, include_extras=True)
        required: frozenset[str] = getattr(declared, "__required_keys__", frozenset())
        fields = {}
        for name, hint in hints.items():
            # Under postponed annotations the class does not know its own NotRequired; the hint does.
            said: Any = typing.get_origin(hint)
            needed = said is typing.Required or (said is not typing.NotRequired and name in required)
            inner = _modern(_bare(hint))
            fields[name] = (
                typing_extensions.Required[inner] if needed else typing_extensions.NotRequired[inner]
            )
        made = typing_extensions.TypedDict(declared.__name__, fields)  # type: ignore[misc]  # made at run time
        made.__module__, made.__doc__ = declared.__module__, declared.__doc__
        return made
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if origin is None or origin is typing.Literal or not arguments:
        return declared
    made_over = tuple(_modern(one) for one in arguments)
    if all(new is old for new, old in zip(made_over, arguments, strict=True)):
        return declared
    if origin is types.UnionType:
        return typing.Union[made_over]  # noqa: UP007  # built from a tuple
    if origin is typing.Annotated:
        return typing.Annotated[(made_over[0], *declared.__metadata__)]
    return origin[made_over] if len(made_over) > 1 else origin[made_over[0]]


def _bare(hint: Any) -> Any:
    origin = typing.get_origin(hint)
    return typing.get_args(hint)[0] if origin in (typing.Required, typing.NotRequired) else hint


def _allows_extra(schema: object) -> bool:
    waiting = [schema]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if item.get("additionalProperties") and "properties" in item:
                return True
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return False


def _undeclared(outline: Outline, pointer: Pointer, value: object) -> list[Defect]:
    found: list[Defect] = []
    waiting: list[tuple[Pointer, object]] = [(pointer, value)]
    while waiting:
        place, item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(((*place, index), member) for index, member in enumerate(item))
        elif isinstance(item, dict):
            waiting.extend(((*place, name), member) for name, member in item.items())
            forms = outline.at(place)
            names = {name for form in forms for name in form.get("properties", ())}
            is_open = not names or any("additionalProperties" in form for form in forms)
            extra = 0 if is_open else sum(1 for name in item if name not in names)
            if extra:
                found.append(Defect(place, "undeclared", undeclared=extra))
    return found


@functools.lru_cache(maxsize=256)
def _wrapping(check: ModelCheck) -> Callable[..., Any]:
    """Reads the same type from under the wrapper's name."""
    import pydantic
    import typing_extensions

    wrapper = typing_extensions.TypedDict("wrapper", {WRAPPER: check.declared})  # type: ignore[misc]  # made at run time
    load: Callable[..., Any] = pydantic.TypeAdapter(wrapper).validator.validate_json
    return load


def _functions(schema: object) -> set[str]:
    """The functions inside a compiled pydantic type."""
    found: set[str] = set()
    for node in nodes(schema):
        if callable(node) and not isinstance(node, type):
            inner: Any = getattr(node, "__func__", node)
            code = getattr(inner, "__code__", None)
            if code is not None and not str(getattr(inner, "__module__", "")).startswith("pydantic"):
                found.add(f"{inner.__qualname__} {code_digest(code)}")
    return found


_REWRITING = frozenset(
    {"function-before", "function-wrap", "function-plain", "call", "custom-error", "arguments"}
)
_LOOSENING = ("strip_whitespace", "missing", "populate_by_name", "validate_by_name", "coerce_numbers_to_str")


def _rewrites(schema: object) -> bool:
    """Whether what is accepted may differ from what was written by more than its types."""
    return any(
        node.get("type") in _REWRITING
        or any(node.get(key) for key in _LOOSENING)
        or isinstance(node.get("validation_alias"), list)
        for node in nodes(schema, skip=("metadata", "serialization"))
        if isinstance(node, dict)
    )
