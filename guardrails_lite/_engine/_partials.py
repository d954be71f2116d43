"""The typed value of a streamed reply while it comes in: what of it is hopeless, and what may be shown.

A part is shown when it is whole and has passed everything that speaks of it alone: its part of the schema,
the rules on its fields, the output rules over its text. Parts are shown in the order in which they come, so
what is shown is always the beginning of the value that the reply ends with. The first part that does not
pass, or that only the whole can vouch for, ends the showing; the rest comes with the verdict on the whole.
So what is decided never depends on what was shown, and nothing that was shown is ever taken back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from guardrails_lite._engine._asking import about_schema
from guardrails_lite._engine._gate import Gate
from guardrails_lite._engine._screen import Groups, acting, screened
from guardrails_lite._engine._tally import Stop, Tally, stops
from guardrails_lite._messages import Choice
from guardrails_lite.schemas.fields import replaced_by, texts_at
from guardrails_lite.schemas.problems import Pointer, step
from guardrails_lite.schemas.streaming import Settled, StreamParser

if TYPE_CHECKING:
    from guardrails_lite._engine._plan import Plan
    from guardrails_lite._engine._story import Story
    from guardrails_lite._messages import Call
    from guardrails_lite.schemas.fields import Shape
    from guardrails_lite.schemas.problems import Parsed

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Partial(Generic[T]):
    """The part of a typed value that has arrived and passed its checks.

    Everything in it is complete, except the objects and arrays on the path to `open`. The last partial of a
    stream is complete, and holds the value.
    """

    value: T | None = field(repr=False)
    """The typed value, as a call that is not streamed returns it; None until it is complete."""
    json: Any = field(repr=False)
    """The same as plain JSON, as far as it has arrived. All partials of a stream share one object, which
    grows: copy what you want to keep."""
    closed: Mapping[str, Any] = field(repr=False)
    """What this partial completes, innermost first: values by their paths, such as ``$.lines[0].sku``."""
    open: str | None = field(repr=False)
    """The path of the innermost object or array that is still arriving; None when the value is complete."""
    complete: bool
    """Whether this is the whole value, checked as a whole."""

    def is_open(self, path: str) -> bool:
        """Whether what is at *path*, such as ``$.lines``, is still arriving; what it has is complete."""
        return self.open is not None and (self.open == path or self.open.startswith((f"{path}.", f"{path}[")))


def what_holds(plan: Plan) -> list[str]:
    """The rules that keep every part of a value back until the whole has passed."""
    fields = plan.schema.field_rules if plan.schema is not None and plan.enforce else ()
    asking = [repr(one.rule) for one in fields if one.rule.verb in ("reask", "fall_back")]
    return [repr(rule) for rule in plan.output.rules if rule.holds] + asking


class Reading:
    """The text of one choice that must fit the schema, read as it comes.

    Args:
        story: The call's.
        call: What was asked.
        is_kept: Whether a reply with this verdict is read on, though it is hopeless; None: each is.
        shows: The consumer takes partials.
    """

    def __init__(
        self, story: Story, call: Call, *, is_kept: Callable[[Parsed], bool] | None, shows: bool
    ) -> None:
        assert story.plan.schema is not None
        self._story = story
        self._chunks: list[str] = []
        self._parser = StreamParser(story.plan.schema)
        self._is_kept = is_kept
        shows = shows and not what_holds(story.plan)
        self._shown = _Shown(story, call, self._parser) if shows else None

    async def take(self, text: str) -> Partial[Any] | None:
        """Take more text, and give what it completes that may be shown.

        Raises:
            Invalid: nothing that follows could make a value of it.
        """
        self._chunks.append(text)
        parser = self._parser
        parser.feed(text)
        if parser.hopeless is not None and self._is_kept is not None:
            verdict = parser.verdict()
            # When it is closed, all that is still to come is how it ended and what it cost.
            if not parser.is_complete and (self._story.released or not self._is_kept(verdict)):
                raise about_schema(Choice(text="".join(self._chunks)), verdict.problems)
            self._is_kept = None
        return await self._shown.take(text) if self._shown is not None else None

    def agrees(self, plain: object) -> bool:
        """Whether everything that was shown is part of *plain*, the value that has passed."""
        return self._shown is None or self._shown.agrees(plain)


class _Shown:
    """What has been shown, and what may be."""

    def __init__(self, story: Story, call: Call, parser: StreamParser) -> None:
        plan = story.plan
        assert plan.schema is not None
        self._story = story
        self._call = call
        self._parser = parser
        self._shape = plan.schema._shape if plan.enforce else None
        self._field_tallies: dict[int, Tally] = {}
        self._acting = acting(plan.output.checks("assistant", story.unbooked(plan.output)))
        self._gate: Gate | None = None
        if self._acting:  # a second reader, of the text as the output rules leave it
            self._gate = Gate(self._acting, call)
            self._parser = StreamParser(plan.schema)
        self._ahead = ""
        """Text that has come and has not passed the gate, where masks must be noticed."""
        self._is_held = False
        self._names: list[str | int] = []
        """The way to the innermost container that is open."""
        self._containers: list[Any] = []
        """The containers on that way, the root first."""
        self._log: list[tuple[Pointer, str]] = []
        self._passed_names: set[str] = set()

    async def take(self, text: str) -> Partial[Any] | None:
        """Show what *text* completes; None where that is nothing."""
        if self._is_held:
            return None
        if self._gate is not None:
            await self._feed(self._gate, text)
        if self._is_held or not self._parser.is_at_its_word or self._parser.hopeless is not None:
            self._is_held = True
            return None
        closed: dict[str, Any] = {}
        for settled in self._parser.settled:
            if not settled.pointer:
                continue  # the root comes with the verdict on the whole
            value = await self._passed(settled)
            if value is _HELD:
                self._is_held = True
                break
            closed[_path(settled.pointer)] = self._put(settled, value)
        return Partial(None, self._containers[0], closed, _path(self._names), False) if closed else None

    async def _feed(self, gate: Gate, text: str) -> None:
        """Pass *text* on as far as the output rules let it."""
        left, stop = await gate.feed(text)
        self._is_held = stop is not None
        if self._shape is not None:
            # A field's rules look at the field before it is masked, so past a mask only the whole will do.
            self._ahead += text
            self._is_held = self._is_held or not self._ahead.startswith(left)
            self._ahead = self._ahead[len(left) :]
        self._parser.feed(left)

    async def _passed(self, settled: Settled) -> Any:
        """The value as its rules leave it, or `_HELD`."""
        if not settled.is_admitted:
            return _HELD
        value = settled.value
        try:
            for name in settled.pointer:
                if isinstance(name, str) and name not in self._passed_names:
                    if not await self._is_clean(name):
                        return _HELD
                    self._passed_names.add(name)
            if settled.is_parted:
                return value
            if self._shape is not None:
                value = await self._after_field_rules(self._shape, settled)
            for string in _strings(value):
                if not await self._is_clean(string):
                    return _HELD
        except Stop:
            return _HELD
        return value

    async def _after_field_rules(self, shape: Shape, settled: Settled) -> Any:
        new: dict[Pointer, str] = {}
        for pointer, text, rule in texts_at(shape, settled.pointer, settled.value):
            if rule.rewrites or stops(rule):
                tally = self._field_tallies.get(id(rule))
                if tally is None:
                    tally = Tally(rule, rule.told, "field", self._story.attempt)
                    self._field_tallies[id(rule)] = tally
                    self._story.metered.append(tally)
                said = new.get(pointer, text)
                left = await screened(Groups([[tally]]), said, self._call)
                if left != said:
                    new[pointer] = left
        if not new:
            return settled.value
        under = len(settled.pointer)
        value = replaced_by(settled.value, {pointer[under:]: text for pointer, text in new.items()})
        may_show = not self._acting and settled.plan is not None and settled.plan.admits(value)
        return value if may_show else _HELD

    async def _is_clean(self, string: str) -> bool:
        """Whether nothing would take something out of a string: read by itself, as escapes hide it."""
        return not self._acting or await screened(self._acting, string, self._call) == string

    def _put(self, settled: Settled, value: Any) -> Any:
        """Add a part to what is shown, or close it; the part as it is there."""
        *way, name = settled.pointer
        if settled.is_parted:
            if self._names == [*way, name]:
                self._names.pop()
                return self._containers.pop()
            value = type(value)()  # it is empty, or one of its members would have opened it
        if not self._containers:
            self._containers.append(_container_of(settled.pointer[0]))
        for depth in range(len(self._names), len(way)):
            inner = _container_of(settled.pointer[depth + 1])
            _add(self._containers[-1], way[depth], inner)
            self._names.append(way[depth])
            self._containers.append(inner)
        _add(self._containers[-1], name, value)
        text = json.dumps(value)
        self._log.append((settled.pointer, text))
        self._story.released += len(text)
        return value

    def agrees(self, plain: Any) -> bool:
        """Whether everything that was shown is part of *plain*."""
        for pointer, text in self._log:
            found = plain
            try:
                for name in pointer:
                    found = found[name]
            except (KeyError, IndexError, TypeError):
                return False
            if json.dumps(found) != text:
                return False
        return True


_HELD = object()
"""In place of a value that may not be shown by itself."""


def _path(pointer: Sequence[str | int]) -> str:
    return "$" + "".join(map(step, pointer))


def _container_of(name: str | int) -> Any:
    """What can have a member of this name."""
    return {} if isinstance(name, str) else []


def _add(container: Any, name: str | int, value: Any) -> None:
    if isinstance(container, dict):
        container[name] = value
    else:
        container.append(value)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _strings(item)
