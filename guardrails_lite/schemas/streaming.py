"""Reading JSON while it arrives: what has become whole, and the first mistake that nothing can mend.

Each character is looked at once. A member of an object or array is *settled* when what follows shows that it
is whole; it is then checked, by that part of the schema that speaks of it alone.

Two laws hold. The verdict at the end is the verdict on the whole text, because that is how it is reached.
And a stream is called hopeless only if no continuation could be accepted: not with mending, not with fitting,
not with another value in the text that follows. Where that cannot be known (the reply does not start with its
JSON, the JSON is not strict, a model has validators that rewrite) nothing is said before the end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from guardrails_lite._nesting import MAX_DEPTH
from guardrails_lite.schemas.outline import Outline, type_of
from guardrails_lite.schemas.plans import Plan, plans_of
from guardrails_lite.schemas.problems import Parsed, Pointer, Problem, child, step
from guardrails_lite.schemas.reading import MAX_CHARS
from guardrails_lite.schemas.tokens import ATOM, BLANK, is_begun_escape, is_scalar, read_string, skip_blank
from guardrails_lite.schemas.wrapping import WRAPPER

if TYPE_CHECKING:
    from guardrails_lite._schema import Schema

_BEGINNINGS = '{["-0123456789tfn'
_FENCE = re.compile(r"```(?:json|JSON)?[ \t]*\r?\n")
_MAX_FENCE = 12


@dataclass(slots=True)
class _Level:
    """An object or array that is open."""

    value: Any
    plan: Plan | None
    name: str | int | None
    """The member that is arriving; None between two properties."""
    names: set[str] | None
    """The properties that are whole; None for an array."""
    is_parted: bool = False
    """Its members can be checked one by one, and so can it in its own place."""
    is_short: bool = False
    """A property that it must have was missing when it was closed."""


_Held = tuple[Any, "Plan | None", "_Level | None"]
"""A value, what must hold of it, and the level that it was while it was open."""


class Settled(NamedTuple):
    """A member of an object or array that is whole."""

    pointer: Pointer
    value: object
    is_admitted: bool
    """It is accepted as it is, by all that speaks of it alone."""
    is_parted: bool
    """It is an object or array whose members were settled one by one before it."""
    plan: Plan | None
    """What must hold of it."""


class StreamParser:
    """Reads the JSON of one reply, or the arguments of one tool call, chunk by chunk."""

    def __init__(self, schema: Schema[Any]) -> None:
        self._schema = schema
        self._parse = schema.parse
        self._plans = plans_of(schema)
        self._wraps = schema._wraps
        self._root_plan: Plan | None = None
        self._wrapped = False
        self._chunks: list[str] = []
        self._length = 0
        self._taken = 0
        """How many characters have been read; what is begun and cannot be read yet is not counted."""
        self._state: Callable[[str, int], int] = self._begin
        self._pending = ""
        self._levels: list[_Level] = []
        self._root: object = None
        self._string: list[str] | None = None
        self._room: int | None = None
        """How many characters the string that is open may still have."""
        self._key_pieces: list[str] = []
        self._atom = ""
        self._held: _Held = (None, None, None)
        """A value whose end was seen, until what follows shows that it is whole."""
        self.settled: list[Settled] = []
        """What the last chunk has shown to be whole, innermost first."""
        self._judges = True
        self._begun = False
        self._doomed: Problem | None = None
        self.is_complete = False
        """Whether the whole value has arrived."""
        self._stopped = False
        self.hopeless: Problem | None = None
        """What no continuation can mend; None as long as there is hope."""

    @classmethod
    def of_arguments(cls, schema: Schema[Any]) -> StreamParser:
        """A reader of what `Schema.parse_arguments` judges."""
        parser = cls(schema)
        parser._parse = schema.parse_arguments
        parser._plans = plans_of(schema, of_arguments=True)
        parser._wraps = False
        return parser

    def feed(self, chunk: str) -> None:
        """Take the next part of the text."""
        self._chunks.append(chunk)
        self._length += len(chunk)
        self.settled = []
        if self._length > MAX_CHARS:
            self._give_up(Problem("$", f"at most {MAX_CHARS} characters", "too large"))
        text, self._pending = (self._pending + chunk, "") if self._pending else (chunk, "")
        at = 0
        while at < len(text) and not self._stopped and self.hopeless is None:
            at = self._state(text, at)
        self._taken = self._length - len(text) + at - len(self._pending)

    @property
    def is_at_its_word(self) -> bool:
        """Whether all that was read is strict JSON that the reply begins with, each property once."""
        return self._judges and (self.is_complete or not self._stopped)

    def problems(self) -> tuple[Problem, ...]:
        """What is hopeless, in the words that the check of a whole text has for it."""
        return self.verdict().problems

    def verdict(self) -> Parsed:
        """What has been read, and what is hopeless of it."""
        assert self.hopeless is not None
        parsed = self._parse(self.begun_text())
        return replace(parsed, problems=self._of_hopeless(self.hopeless, parsed.problems))

    def _of_hopeless(self, hopeless: Problem, found: Sequence[Problem]) -> tuple[Problem, ...]:
        """Of what is wrong with a text that was closed where it stands, what the rest would not mend."""
        place = hopeless.path
        here = tuple(problem for problem in found if problem.path == place)
        if hopeless.code in ("undeclared", "wrong length"):  # of what is still open, so more may come
            return here or (hopeless,)
        under = tuple(one for one in found if one.path.startswith((f"{place}.", f"{place}[")))
        return here + under or (hopeless,)

    def begun_text(self) -> str:
        """What has been read, closed where it stands: JSON up to the mistake."""
        text = "".join(self._chunks)[: self._taken].rstrip(BLANK)
        if self._string is not None:
            text += '"'
        elif text.endswith(":"):
            text += "null"
        elif text.endswith(","):
            one_too_many = self.hopeless is not None and self.hopeless.code == "wrong length"
            text = text + "null" if one_too_many else text[:-1]
        return text + "".join("]" if level.names is None else "}" for level in reversed(self._levels))

    # -- states: each takes the text and a position, and gives the position it has read up to -------------

    def _begin(self, text: str, at: int) -> int:
        at = skip_blank(text, at)
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
        self._wrapped = here == "{" and self._wraps
        if here in "{[" and self._plans is not None:
            self._root_plan = self._plans.wrapper() if self._wrapped else self._plans.root()
        self._state = self._value
        return at

    def _value(self, text: str, at: int) -> int:
        at = skip_blank(text, at)
        if at >= len(text):
            return at
        here = text[at]
        if self._levels and here in _BEGINNINGS and self._is_too_many(self._levels[-1]):
            return at
        if here in "{[":
            return self._open(here, at)
        if here == '"':
            self._string = []
            self._room = self._room_here()
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
        parted = plan is not None and plan.is_parted and (not self._levels or self._levels[-1].is_parted)
        name, names = (None, set[str]()) if here == "{" else (0, None)
        self._levels.append(_Level(value, plan, name, names, parted))
        self._state = self._key if here == "{" else self._value
        return at + 1

    def _key(self, text: str, at: int) -> int:
        at = skip_blank(text, at)
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
        if at < len(text):
            self._levels[-1].name = "".join(self._key_pieces)
            self._state = self._colon
            return at + 1
        return at

    def _in_string(self, text: str, at: int) -> int:
        pieces = self._string
        assert pieces is not None
        before = len(pieces)
        at = self._run(text, at, pieces)
        if self._room is not None:
            self._room -= sum(map(len, pieces[before:]))
            if self._room < 0:
                plan = self._plan_here()
                self._give_up(Problem(self._path(), plan.phrase if plan else "", "wrong length"))
                self._room = None
        if at < len(text):
            self._string = None
            self._hold("".join(pieces))
            return at + 1
        return at

    def _run(self, text: str, at: int, pieces: list[str]) -> int:
        """Take what there is of a string: up to its quote, or all of the chunk."""
        at = read_string(text, at, pieces)
        if at >= len(text) or text[at] == '"':
            return at
        if is_begun_escape(text, at):
            self._pending = text[at:]
            return len(text)
        return self._stop(text)

    def _room_here(self) -> int | None:
        plan = self._plan_here() if self._judges else None
        return plan.most("maxLength") if plan is not None and "string" in plan.types else None

    def _is_too_many(self, level: _Level) -> bool:
        """Whether an array has all the items that it may have, and another one begins."""
        if level.plan is None or level.names is not None or not self._judges:
            return False
        most = level.plan.most("maxItems")
        if most is None or len(level.value) < most or level.name != len(level.value):
            return False
        place = self._path(self._levels[:-1])
        self._give_up(Problem(place, level.plan.phrase, "wrong length"))
        return self.hopeless is not None

    def _colon(self, text: str, at: int) -> int:
        at = skip_blank(text, at)
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
        match = ATOM.match(text, at)
        if match is not None:
            self._atom += match.group()
            at = match.end()
            if at >= len(text):
                return at
        if not is_scalar(self._atom):
            return self._stop(text)
        self._hold(json.loads(self._atom))
        return at

    def _hold(self, value: object) -> None:
        """A value has ended, if what follows says so."""
        self._held = (value, self._plan_here(), None)
        if self._levels:
            self._put(value)
        else:
            self._root = value
        self._state = self._after

    def _after(self, text: str, at: int) -> int:
        at = skip_blank(text, at)
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
        if level.names is not None:
            if level.name in level.names:
                # A repeated property is refused, or dropped if it is the same; the end will tell.
                self._judges = False
            level.names.add(str(level.name))
        value, plan, was = self._held
        admitted = self._judges and plan is not None and (was is None or not was.is_short)
        if admitted and plan is not None and (was is None or plan.is_judged_whole):
            admitted = plan.admits(value)
            if not admitted and not plan.fits(value):
                self._refuse(level, plan, value)
        if level.is_parted:
            place = tuple(one.name for one in self._levels if one.name is not None)
            parted = was is not None and was.is_parted
            self.settled.append(Settled(place[self._wrapped :], value, admitted, parted, plan))

    def _refuse(self, level: _Level, plan: Plan, value: object) -> None:
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
                level.is_short = True
                path = self._path() + step(missing[0])
                self._give_up(Problem(path, f"{plan.phrase_of(missing[0])}, which is missing", "missing"))
        self._held = (level.value, plan, level)
        if not self._levels:
            self.is_complete = True
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

    def _path(self, levels: Sequence[_Level] | None = None) -> str:
        levels = self._levels if levels is None else levels
        pointer = tuple(level.name for level in levels if level.name is not None)
        root = self._root
        if self._wrapped:
            pointer, root = pointer[1:], child(root, WRAPPER)
        return Outline(self._schema.json_schema).path(pointer, root)

    def _begin_for_certain(self) -> None:
        """From here on this is the reply's JSON: a bracket alone may still turn out to be prose."""
        self._begun = True
        if self._doomed is not None:
            self.hopeless = self._doomed

    def _give_up(self, problem: Problem) -> None:
        if problem.code in ("too large", "too deep"):
            self.hopeless = problem
        elif self._judges and self._doomed is None:
            self._doomed = problem
            if self._begun:
                self.hopeless = problem
