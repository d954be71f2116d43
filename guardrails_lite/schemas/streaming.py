"""Reading a reply while it arrives: partial values, and the first mistake that nothing can mend.

Each character is looked at once. What is read so far is there as plain JSON at any time; what is still open
is the way from the root to the last member, everything beside it is complete. A value is checked when what
follows shows that it is complete, by that part of the schema that speaks of it alone.

Two laws hold. The verdict at the end is the verdict on the whole text, because that is how it is reached.
And a stream is called hopeless only if no continuation could be accepted: not with mending, not with fitting,
not with another value in the text that follows. Where that cannot be known (the reply does not start with its
JSON, the JSON is not strict, a model has validators that rewrite) nothing is said before the end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from guardrails_lite._errors import ConfigError
from guardrails_lite.schemas.outline import Outline, type_of
from guardrails_lite.schemas.problems import Parsed, Pointer, Problem, child, step
from guardrails_lite.schemas.reading import MAX_CHARS, MAX_DEPTH
from guardrails_lite.schemas.strict import WRAPPER

if TYPE_CHECKING:
    from guardrails_lite._schema import Schema

_PLAIN = re.compile(r'[^"\\\x00-\x1f\ud800-\udfff]+')
_ATOM = re.compile(r"[A-Za-z0-9+.\-]+")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\Z")
_MAX_NUMBER = 300
_ESCAPE = re.compile(
    r"""\\(?:["\\/bfnrt]|u(?:[0-9A-Ca-cE-Fe-f][0-9A-Fa-f]{3}|[Dd][0-7][0-9A-Fa-f]{2}"""
    r"""|[Dd][89ABab][0-9A-Fa-f]{2}\\u[Dd][C-Fc-f][0-9A-Fa-f]{2}))"""
)
_ESCAPE_BEGUN = re.compile(r"\\(?:u[0-9A-Fa-f]{0,4}(?:\\(?:u[0-9A-Fa-f]{0,3})?)?)?")
_WORDS: dict[str, object] = {"true": True, "false": False, "null": None}
_FENCE = re.compile(r"```(?:json|JSON)?[ \t]*\r?\n")
_MAX_FENCE = 12


@dataclass(frozen=True, slots=True)
class Partial:
    """What has arrived of a value."""

    value: object = field(repr=False)
    """Plain JSON, as far as it goes. It is the reader's own and grows: look, do not change or keep."""
    open: Pointer | None = field(repr=False)
    """The way to the part that is still arriving; None when the value is complete. What is not on this way
    is complete."""
    closed: tuple[Pointer, ...] = field(repr=False)
    """The places that have become complete with the last chunk, innermost first."""

    @property
    def is_complete(self) -> bool:
        """Whether the whole value has arrived."""
        return self.open is None

    def is_open(self, pointer: Pointer) -> bool:
        """Whether what is at *pointer* is still arriving."""
        return self.open is not None and self.open[: len(pointer)] == pointer


@dataclass(slots=True)
class _Level:
    """An object or array that is open."""

    value: Any
    plan: Plan | None
    name: str | int | None
    """The member that is arriving; None between two properties."""
    names: set[str] | None
    """The properties that are whole; None for an array."""


class StreamParser:
    """Reads one reply, chunk by chunk."""

    def __init__(self, schema: Schema[Any]) -> None:
        self._schema = schema
        self._plans = plans_of(schema)
        self._root_plan: Plan | None = None
        self._wrapped = False
        self._chunks: list[str] = []
        self._length = 0
        self._state: Callable[[str, int], int] = self._begin
        self._pending = ""
        self._levels: list[_Level] = []
        self._root: object = None
        self._string: list[str] | None = None
        self._key_pieces: list[str] = []
        self._atom = ""
        self._held: tuple[Any, Plan | None] | None = None
        """A value whose end was seen, until what follows shows that it is whole."""
        self._closed: list[Pointer] = []
        self._judges = True
        self._begun = False
        self._doomed: Problem | None = None
        self._complete = False
        self._stopped = False
        self.hopeless: tuple[Problem, ...] = ()
        """What no continuation can mend; empty as long as there is hope."""

    def feed(self, chunk: str) -> Partial:
        """Take the next part of the text and give what there is of the value."""
        self._chunks.append(chunk)
        self._length += len(chunk)
        self._closed = []
        if self._length > MAX_CHARS:
            self._give_up(Problem("$", f"at most {MAX_CHARS} characters", "too large"))
        text, self._pending = (self._pending + chunk, "") if self._pending else (chunk, "")
        at = 0
        while at < len(text) and not self._stopped and not self.hopeless:
            at = self._state(text, at)
        return self.partial()

    def partial(self) -> Partial:
        """What has arrived so far."""
        if self._string is not None and len(self._string) > 1:
            self._string = ["".join(self._string)]
        if self._string:
            if self._levels:
                self._put(self._string[0])
            else:
                self._root = self._string[0]
        root, closed = self._root, tuple(self._closed)
        place = tuple(level.name for level in self._levels if level.name is not None)
        if self._wrapped:
            root = root.get(WRAPPER) if isinstance(root, dict) else None
            closed = tuple(pointer[1:] for pointer in closed[: len(closed) - self._complete])
            place = place[1:]
        return Partial(root, None if self._complete else place, closed)

    def finish(self) -> Parsed:
        """The verdict on all that arrived, the same as `Schema.parse` of the whole text."""
        return self._schema.parse("".join(self._chunks))

    # -- states: each takes the text and a position, and gives the position it has read up to -------------

    def _begin(self, text: str, at: int) -> int:
        at = _blank(text, at)
        if at >= len(text):
            return at
        here = text[at]
        if here == "`":
            fence = _FENCE.match(text, at)
            if fence is not None:
                # Another fence may follow, so nothing in this one is the last word.
                self._judges = False
                self._state = self._begin
                return fence.end()
            if len(text) - at > _MAX_FENCE:
                self._stopped = True
            self._pending = text[at:]
            return len(text)
        if here in "{[" and self._plans is not None:
            self._wrapped = here == "{" and self._plans.wraps
            self._root_plan = self._plans.wrapper() if self._wrapped else self._plans.root()
        self._state = self._value
        return at

    def _value(self, text: str, at: int) -> int:
        at = _blank(text, at)
        if at >= len(text):
            return at
        here = text[at]
        if here in "{[":
            return self._open(here, at)
        if here == '"':
            self._string = []
            self._state = self._in_string
            return at + 1
        if here == "]" and self._levels and self._levels[-1].value == []:
            return self._close(at)
        self._atom = ""
        self._state = self._in_atom
        return at

    def _open(self, here: str, at: int) -> int:
        if len(self._levels) >= MAX_DEPTH:
            self._give_up(Problem("$", f"at most {MAX_DEPTH} levels of nesting", "too deep"))
            return at + 1
        plan = self._plan_here()
        value: Any = {} if here == "{" else []
        if plan is not None and self._judges and type_of(value) not in plan.types:
            self._give_up(Problem(self._path(), plan.phrase, "wrong type"))
        if self._levels:
            self._put(value)
        else:
            self._root = value
        self._levels.append(_Level(value, plan, None if here == "{" else 0, set() if here == "{" else None))
        self._state = self._key if here == "{" else self._value
        return at + 1

    def _key(self, text: str, at: int) -> int:
        at = _blank(text, at)
        if at >= len(text):
            return at
        if text[at] == "}" and not self._levels[-1].value:
            return self._close(at)
        if text[at] != '"':
            return self._stop(text)
        self._key_pieces = []
        self._state = self._in_key
        return at + 1

    def _in_key(self, text: str, at: int) -> int:
        at = self._run(text, at, self._key_pieces)
        if at < len(text) and text[at] == '"' and not self._pending and not self._stopped:
            self._levels[-1].name = "".join(self._key_pieces)
            self._state = self._colon
            return at + 1
        return at

    def _in_string(self, text: str, at: int) -> int:
        pieces = self._string
        assert pieces is not None
        at = self._run(text, at, pieces)
        if at < len(text) and text[at] == '"' and not self._pending and not self._stopped:
            self._string = None
            self._hold("".join(pieces))
            return at + 1
        return at

    def _run(self, text: str, at: int, pieces: list[str]) -> int:
        """Take what there is of a string: up to its quote, the end of the chunk, or what is not strict."""
        while at < len(text):
            plain = _PLAIN.match(text, at)
            if plain is not None:
                pieces.append(plain.group())
                at = plain.end()
                continue
            if text[at] == '"':
                return at
            if text[at] != "\\":
                return self._stop(text)
            escape = _ESCAPE.match(text, at)
            if escape is None:
                if _ESCAPE_BEGUN.fullmatch(text, at):
                    self._pending = text[at:]
                    return len(text)
                return self._stop(text)
            pieces.append(json.loads(f'"{escape.group()}"'))
            at = escape.end()
        return at

    def _colon(self, text: str, at: int) -> int:
        at = _blank(text, at)
        if at >= len(text):
            return at
        if text[at] != ":":
            return self._stop(text)
        self._begin_for_certain()
        level = self._levels[-1]
        plan = level.plan
        if plan is not None and plan.shut and level.name not in plan.properties:
            level.name = None
            names = ", ".join(list(plan.properties)[:12])
            self._give_up(Problem(self._path(), f"no properties but {names} (1 undeclared)", "undeclared"))
        self._state = self._value
        return at + 1

    def _in_atom(self, text: str, at: int) -> int:
        match = _ATOM.match(text, at)
        if match is not None:
            self._atom += match.group()
            at = match.end()
            if at >= len(text):
                return at
        if self._atom in _WORDS:
            self._hold(_WORDS[self._atom])
        elif len(self._atom) < _MAX_NUMBER and _NUMBER.match(self._atom):
            self._hold(json.loads(self._atom))
        else:
            return self._stop(text)
        return at

    def _hold(self, value: object) -> None:
        """A value has ended, if what follows says so."""
        self._held = (value, self._plan_here())
        if self._levels:
            self._put(value)
        else:
            self._root = value
        self._state = self._after

    def _after(self, text: str, at: int) -> int:
        at = _blank(text, at)
        if at >= len(text):
            return at
        if not self._levels:
            return self._stop(text)
        here, level = text[at], self._levels[-1]
        if here not in (",", "]" if level.names is None else "}"):
            return self._stop(text)
        self._settle(level)
        if here != ",":
            return self._close(at)
        self._begin_for_certain()
        if level.names is None:
            level.name = int(level.name or 0) + 1
            self._state = self._value
        else:
            level.name = None
            self._state = self._key
        return at + 1

    def _settle(self, level: _Level) -> None:
        """The last member is whole: check it."""
        self._closed.append(tuple(one.name for one in self._levels if one.name is not None))
        if level.names is not None:
            if level.name in level.names:
                # A repeated property is refused, or dropped if it is the same; the end will tell.
                self._judges = False
            level.names.add(str(level.name))
        if self._held is None:
            return
        value, plan = self._held
        self._held = None
        if plan is None or not self._judges or plan.takes(value):
            return
        if value is None and level.plan is not None and level.name not in level.plan.required:
            # It stands for a property that is left out.
            return
        self._give_up(Problem(self._path(), plan.phrase, "wrong type"))

    def _close(self, at: int) -> int:
        level = self._levels.pop()
        self._state = self._after
        plan = level.plan
        if plan is not None and self._judges and level.names is not None:
            missing = [name for name in plan.required if name not in level.names]
            if missing:
                path = self._path() + step(missing[0])
                self._give_up(Problem(path, f"{plan.phrase_of(missing[0])}, which is missing", "missing"))
        self._held = (level.value, plan) if plan is not None and plan.is_whole else None
        if not self._levels:
            self._complete = True
            self._closed.append(())
            self._begin_for_certain()
            self._stopped = True
        return at + 1

    # -- what the states share -------------------------------------------------------------------------

    def _stop(self, text: str) -> int:
        """What follows is not strict JSON, or is after it: the end will tell."""
        self._stopped = True
        return len(text)

    def _put(self, value: object) -> None:
        level = self._levels[-1]
        if level.names is not None:
            level.value[level.name] = value
        elif len(level.value) > int(level.name or 0):
            level.value[int(level.name or 0)] = value
        else:
            level.value.append(value)

    def _plan_here(self) -> Plan | None:
        if not self._levels:
            return self._root_plan
        level = self._levels[-1]
        return level.plan.member(level.name) if level.plan is not None and level.name is not None else None

    def _path(self) -> str:
        pointer = tuple(level.name for level in self._levels if level.name is not None)
        root = self._root
        if self._wrapped:
            pointer, root = pointer[1:], child(root, WRAPPER)
        return Outline(self._schema.json_schema).path(pointer, root)

    def _begin_for_certain(self) -> None:
        """From here on this is the reply's JSON: a bracket alone may still turn out to be prose."""
        self._begun = True
        if self._doomed is not None:
            self.hopeless = (self._doomed,)

    def _give_up(self, problem: Problem) -> None:
        if problem.code in ("too large", "too deep"):
            self.hopeless = (problem,)
        elif self._judges and self._doomed is None:
            self._doomed = problem
            if self._begun:
                self.hopeless = (problem,)


def _blank(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


# -- the part of a schema that speaks of one value alone -------------------------------------------------


class Plan:
    """What must hold of one place, whatever stands elsewhere."""

    def __init__(self, owner: Plans, schema: Mapping[str, Any], place: str) -> None:
        self._owner = owner
        self._place = place
        self._schema = schema
        self._members: dict[str | int, Plan | None] = {}
        self._judge: Callable[[object], bool] | None = None
        simple = _is_simple(schema)
        self.is_whole = not simple
        """It is checked in one piece when it ends; else its members are, one by one."""
        self.types = owner.outline.types_of([dict(schema)])
        self.properties: Mapping[str, Any] = schema.get("properties", {}) if simple else {}
        self.required: tuple[str, ...] = tuple(schema.get("required", ())) if simple else ()
        self.shut = simple and schema.get("additionalProperties") is False

    @property
    def phrase(self) -> str:
        return self._owner.outline.phrase(self._schema)

    def phrase_of(self, name: str) -> str:
        return self._owner.outline.phrase(self.properties.get(name, {}))

    def member(self, name: str | int) -> Plan | None:
        """What must hold of a member; None where nothing can be said."""
        if self.is_whole:
            return None
        declared = isinstance(name, str) and name in self.properties
        key: str | int = name if declared else 0
        if key not in self._members:
            if declared:
                under, place = self.properties[str(name)], f"/properties/{_escaped(str(name))}"
            else:
                keyword = "additionalProperties" if isinstance(name, str) else "items"
                under, place = self._schema.get(keyword), f"/{keyword}"
            self._members[key] = self._owner.plan(under, self._place + place)
        return self._members[key]

    def takes(self, value: object) -> bool:
        """Whether *value*, which is whole, can be accepted here, as it is or fitted."""
        if self._judge is None:
            self._judge = self._owner.judge(self._schema)
        return self._judge(value)


class Plans:
    """The plans of one schema."""

    def __init__(self, document: Mapping[str, Any], *, wraps: bool, formats: bool) -> None:
        self.document = document
        self.outline = Outline(document)
        self.wraps = wraps
        self._formats = formats
        self._known: dict[str, Plan | None] = {}

    def root(self) -> Plan | None:
        return self.plan(self.document, "")

    def wrapper(self) -> Plan | None:
        """The plan where the value comes under the wrapper's name."""
        if "object" in self.outline.types_of([dict(self.document)]):
            # The object may be the wrapper or the value.
            return None
        wrapper = {
            "type": "object",
            "properties": {WRAPPER: self.document},
            "required": [WRAPPER],
            "additionalProperties": False,
        }
        plan = Plan(self, wrapper, "wrapper")
        plan._members[WRAPPER] = self.root()
        return plan

    def plan(self, schema: object, place: str) -> Plan | None:
        for _ in range(20):
            if not isinstance(schema, dict) or "$ref" not in schema:
                break
            reference = schema["$ref"]
            if set(schema) - _SILENT - {"$ref"} or not _is_definition(reference):
                return None
            schema, place = self.outline.resolve(reference), reference[1:]
        if not isinstance(schema, dict) or not schema:
            return None
        if place not in self._known:
            self._known[place] = Plan(self, schema, place)
        return self._known[place]

    def judge(self, schema: Mapping[str, Any]) -> Callable[[object], bool]:
        """A check of one value, taken out of its place, against its part of the schema."""
        from guardrails_lite._schema import part_schema

        kept = {
            key: self.document[key] for key in ("$schema", "$defs", "definitions") if key in self.document
        }
        alone = {**kept, **schema}
        if not _stands_alone(alone):
            return lambda value: True
        try:
            part = part_schema(alone, assert_formats=self._formats)
        except ConfigError:
            return lambda value: True
        accepts = part._check.accepts
        return lambda value: accepts(value) or part.parse(json.dumps(value)).ok


_SILENT = frozenset(
    {
        "title",
        "description",
        "default",
        "examples",
        "deprecated",
        "$schema",
        "$defs",
        "definitions",
        "$comment",
    }
)


def _is_simple(schema: Mapping[str, Any]) -> bool:
    """Whether its members can be judged one by one."""
    if schema.get("type") == "object":
        speaking = {"type", "properties", "required", "additionalProperties"}
    elif schema.get("type") == "array" and isinstance(schema.get("items", {}), dict):
        speaking = {"type", "items"}
    else:
        return False
    return not set(schema) - speaking - _SILENT


def _is_definition(reference: object) -> bool:
    return isinstance(reference, str) and reference.startswith(("#/$defs/", "#/definitions/"))


def _stands_alone(schema: object) -> bool:
    """Whether every reference is to a definition, which goes where the schema goes."""
    if isinstance(schema, list):
        return all(_stands_alone(one) for one in schema)
    if not isinstance(schema, dict):
        return True
    if {"$id", "id", "$anchor", "$dynamicRef", "$recursiveRef"} & schema.keys():
        return False
    return _is_definition(schema.get("$ref", "#/$defs/")) and all(map(_stands_alone, schema.values()))


def plans_of(schema: Schema[Any]) -> Plans | None:
    """The plans of a schema, made once; None where nothing can be said before the end."""
    if not schema._plans:
        schema._plans.append(_made(schema))
    return schema._plans[0]


def _made(schema: Schema[Any]) -> Plans | None:
    from guardrails_lite.schemas.models import ModelCheck

    check = schema._check
    if isinstance(check, ModelCheck):
        if check.rewrites():
            return None
        return Plans(_narrowed(schema.json_schema), wraps=schema._wraps, formats=False)
    return Plans(schema.json_schema, wraps=schema._wraps, formats=True)


_FIRM = frozenset(
    {
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "prefixItems",
        "enum",
        "const",
        "anyOf",
        "oneOf",
        "allOf",
        "$ref",
        "$defs",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minLength",
        "maxLength",
        "minItems",
    }
)
"""Keywords of a model's JSON Schema that pydantic means exactly. Others are looser there: its date-times need
no offset, its sets take repetitions."""


def _narrowed(schema: Any) -> Any:
    """A model's JSON Schema with the firm keywords only, and objects closed as pydantic is told to."""
    if isinstance(schema, list):
        return [_narrowed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    out: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword not in _FIRM:
            continue
        if keyword in ("properties", "$defs"):
            out[keyword] = {name: _narrowed(one) for name, one in value.items()}
        elif keyword in ("enum", "const", "required", "type"):
            out[keyword] = value
        else:
            out[keyword] = _narrowed(value)
    if "properties" in out and "additionalProperties" not in out:
        out["additionalProperties"] = False
    return out


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
