"""A compiled pydantic type, taken apart: the check of one field or item as it would be made in its place.

What pydantic compiles a type to says where each field is and what checks it, the model's own field validators
included. An object or array is parted where nothing but its members and its bounds is checked; a model with
a validator of its own is not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

_BARE_LIST = frozenset({"type", "items_schema", "min_length", "max_length", "ref", "metadata"})
_BARE_DICT = _BARE_LIST - {"items_schema"} | {"keys_schema", "values_schema"}
_BY_NAME = ("populate_by_name", "validate_by_name", "loc_by_alias")


class Adapter(NamedTuple):
    """What `ModelCheck` needs of a pydantic adapter, for one part of a type."""

    core_schema: Any
    validator: Any


class Core:
    """One place of a compiled type."""

    def __init__(self, schema: Any, definitions: Mapping[str, Any], config: Any) -> None:
        self.schema = schema
        self._definitions = definitions
        self._config = config
        self._members: dict[str | int, Core | None] = {}
        inner, self._inner_config = self._opened(schema, config)
        self._fields = _fields(inner)
        self._each = _each(inner)
        self.is_parted = self._fields is not None or self._each is not None

    def member(self, name: str | int) -> Core | None:
        """A field by its name in JSON, or an item; None where it is not known by itself."""
        key: str | int = 0 if self._each is not None else name
        if key not in self._members:
            found = self._each if self._each is not None else (self._fields or {}).get(str(name))
            made = None if found is None else Core(found, self._definitions, self._inner_config)
            self._members[key] = made
        return self._members[key]

    def adapter(self) -> Adapter | None:
        """The check of this place alone; None where it looks at what stands elsewhere."""
        from pydantic_core import SchemaError, SchemaValidator

        if _looks_around(self.schema, self._definitions):
            return None
        schema: Any = self.schema
        if schema.get("ref") in self._definitions:
            schema = {"type": "definition-ref", "schema_ref": schema["ref"]}
        if self._definitions:
            every = list(self._definitions.values())
            schema = {"type": "definitions", "schema": schema, "definitions": every}
        try:
            return Adapter(schema, SchemaValidator(schema, self._config))
        except SchemaError:
            return None

    def _opened(self, schema: Any, config: Any) -> tuple[Any, Any]:
        """What is inside defaults, options and models that check nothing themselves."""
        for _ in range(50):
            match schema:
                case {"type": "default" | "nullable", "schema": inner}:
                    schema = inner
                case {"type": "definition-ref", "schema_ref": ref}:
                    schema = self._definitions.get(ref)
                case {"type": "model", "schema": inner, "custom_init": False, "root_model": False}:
                    if schema.get("post_init"):
                        break
                    config = schema.get("config", config)
                    if any((config or {}).get(name) for name in _BY_NAME):
                        break
                    schema = inner
                case {"type": "dataclass", "schema": inner, "post_init": False}:
                    schema, config = inner, schema.get("config", config)
                case _:
                    break
        return schema, config


def core_of(schema: Any) -> Core:
    """The root of a compiled type."""
    definitions: dict[str, Any] = {}
    if schema.get("type") == "definitions":
        definitions = {one["ref"]: one for one in schema["definitions"]}
        schema = schema["schema"]
    return Core(schema, definitions, None)


def _fields(schema: Any) -> dict[str, Any] | None:
    """The fields of a model, dataclass or TypedDict by their names in JSON."""
    fields: Iterable[tuple[str, Any]]
    match schema:
        case {"type": "model-fields" | "typed-dict", "fields": named}:
            fields = named.items()
        case {"type": "dataclass-args", "fields": listed}:
            fields = ((one["name"], one) for one in listed)
        case _:
            return None
    found: dict[str, Any] = {}
    for name, one in fields:
        alias = one.get("validation_alias", name)
        if not isinstance(alias, str):
            return None
        found[alias] = one["schema"]
    return found


def _each(schema: Any) -> Any:
    """What every item of a list, or every value of a dict, is checked by; None for anything else."""
    match schema:
        case {"type": "list", "items_schema": each} if not schema.keys() - _BARE_LIST:
            return each
        case {"type": "dict", "keys_schema": {"type": "str", **rest}, "values_schema": each}:
            return each if not schema.keys() - _BARE_DICT and not rest.keys() - {"metadata"} else None
    return None


def _looks_around(schema: Any, definitions: Mapping[str, Any]) -> bool:
    """Whether a validator in it is told of the fields before it."""
    inside = nodes(schema, skip=("metadata", "cls"), definitions=definitions)
    return any(isinstance(node, dict) and node.get("type") == "with-info" for node in inside)


def nodes(
    schema: Any, *, skip: Collection[str] = (), definitions: Mapping[str, Any] | None = None
) -> Iterator[Any]:
    """Everything inside a compiled type, each part once; it may hold itself.

    Args:
        schema: The compiled type.
        skip: Keys under which nothing is looked at.
        definitions: Where the references in it lead; default: they are not followed.
    """
    seen: set[int] = set()
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, dict):
            if definitions is not None and node.get("type") == "definition-ref":
                waiting.append(definitions.get(node["schema_ref"]))
            waiting.extend(value for key, value in node.items() if key not in skip)
        elif isinstance(node, (list, tuple)):
            waiting.extend(node)
