"""Whole tool calls from the deltas of a stream.

Servers disagree about deltas. The index may be missing, or the same for two calls; the id may come late,
or again with every delta; the name may come in pieces, or again. A delta belongs to

1. the call with its index, unless it carries an id that this call does not have: then to the call with
   that id at that index, or to a new one;
2. without an index: the call with its id, a new one for a new id, else the call that came last;
3. a new call, where it names a tool after the arguments of that call have begun and the name is another.

So the pieces of two calls are never glued into one. Each character is handled once.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from guardrails_lite._messages import ToolCall, get

_LONG_NAME = 256


@dataclass(slots=True)
class Growing:
    """A call of which more may come."""

    index: Hashable | None
    id: str = ""
    custom: bool = False
    name: list[str] = field(default_factory=list, repr=False)
    name_chars: int = 0
    arguments: list[str] = field(default_factory=list, repr=False)

    def whole(self) -> ToolCall:
        return ToolCall(
            self.id, "".join(self.name), "".join(self.arguments), "custom" if self.custom else "function"
        )


class ToolCallAssembler:
    """Collect the tool-call deltas of one choice; `calls` has what they make."""

    __slots__ = ("_by_id", "_by_index", "_calls", "chars", "last", "sealed")

    def __init__(self) -> None:
        self._calls: list[Growing] = []
        self._by_index: dict[Hashable, Growing] = {}
        self._by_id: dict[tuple[Hashable | None, str], Growing] = {}
        self.last: Growing | None = None
        """The call that the last delta belongs to."""
        self.chars = 0
        """Characters of names and arguments so far."""
        self.sealed: dict[str, Any] = {}
        """What the provider wants back with a call, by the call's id: only the provider can read it."""

    def add(self, delta: Any) -> str | None:
        """Take one delta, a dict or a client's object.

        Returns:
            The name so far of the call it belongs to, where the delta has made it grow:
            `Offered.known_prefix` says whether it can still become one that may be called. Else None.
        """
        custom = get(delta, "custom")
        body = custom if custom is not None else get(delta, "function")
        name = _string(get(body, "name"))
        text = _text(get(body, "arguments" if custom is None else "input"))
        identity = _string(get(delta, "id"))
        call = self._call_of(_index(get(delta, "index")), identity, name)
        repeats_id = bool(identity) and call.id == identity
        call.id = call.id or identity
        call.custom = call.custom or custom is not None or get(delta, "type") == "custom"
        self.last = call
        if (sealed := get(delta, "extra_content")) is not None:
            self.sealed[call.id] = sealed
        grown = bool(name) and not (
            (call.arguments or text or repeats_id)
            and call.name_chars == len(name)
            and "".join(call.name) == name
        )
        self.chars += len(text)
        if text:
            call.arguments.append(text)
        if not grown:
            return None
        call.name.append(name)
        call.name_chars += len(name)
        self.chars += len(name)
        # A name that is far too long was refused long ago; joining it each time would be quadratic.
        return "".join(call.name) if call.name_chars - len(name) <= _LONG_NAME else None

    def calls(self) -> tuple[ToolCall, ...]:
        """The calls so far, by index where each has one, else in the order of their first deltas."""
        calls = self._calls
        if all(isinstance(call.index, int) for call in calls):
            calls = sorted(calls, key=lambda call: call.index)  # type: ignore[arg-type,return-value]
        return tuple(call.whole() for call in calls)

    def __len__(self) -> int:
        return len(self._calls)

    def _call_of(self, index: Hashable | None, identity: str, name: str) -> Growing:
        if index is not None:
            call = self._by_index.get(index)
            if identity and call is not None and call.id not in ("", identity):
                call = self._by_id.get((index, identity))
        elif identity:
            call = self._by_id.get((None, identity))
            if call is None and self.last is not None and not self.last.id and self.last.index is None:
                call = self.last
        else:
            call = self.last
        if call is None or (name and _is_another(call, identity, name)):
            call = Growing(index)
            self._calls.append(call)
        if index is not None:
            self._by_index[index] = call
        if identity:
            self._by_id[(index, identity)] = call
            self._by_id[(None, identity)] = call
        return call


def _is_another(call: Growing, identity: str, name: str) -> bool:
    """Whether *name* begins a new call: arguments have begun, so it is no further piece of the name."""
    if not call.arguments or not call.name or (identity and identity == call.id):
        return False
    return call.name_chars != len(name) or "".join(call.name) != name


def _index(value: object) -> Hashable | None:
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if type(value) is int else None


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _text(value: object) -> str:
    """Argument text; some compatible servers send the object itself."""
    if isinstance(value, Mapping):
        return json.dumps(value)
    return value if isinstance(value, str) else ""
