"""The verdict on each call of one turn: its name, its place, its arguments, its terms.

In this order, and the first thing that is wrong names the verdict. The arguments of a call that may not be
made at all are not looked at, and the terms (limits, order, repeats, approval) only of a call that is right.
"""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from guardrails_lite._messages import Message, ToolCall
from guardrails_lite._tools._history import REFUSED, History
from guardrails_lite._tools._tool import Tool, canonical_arguments
from guardrails_lite._tools._verdicts import ToolReason, Verdict, reason_of

if TYPE_CHECKING:
    from guardrails_lite._schema import Schema
    from guardrails_lite._tools._toolbox import Offered
    from guardrails_lite.schemas.problems import Problem

MOST_CALLS = 128
"""Calls in one turn. More are a model that runs in circles."""
MOST_CUSTOM_CHARS = 1_000_000
"""Characters of free text for one custom tool."""

_Fault = tuple[ToolReason, str]
"""A reason, and what was expected instead."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a call of one offered name must satisfy."""

    kind: str
    tool: Tool
    also: Schema[Any] | None = None
    """The request's own schema, where the guard declares the tool differently."""


class Turn:
    """The calls of one turn, judged one after another."""

    def __init__(
        self,
        offered: Offered,
        history: History,
        ran: Mapping[str, int],
        calls: int,
        messages: Sequence[Message] = (),
    ) -> None:
        self._offered = offered
        self._messages = messages
        self._history = history
        self._ran = ran
        self._is_alone = calls == 1
        self._ids: set[str] = set()
        self._made: set[tuple[str, str]] = set()
        self._times: Counter[str] = Counter()

    def verdict(self, nth: int, call: ToolCall) -> Verdict:
        """Say what is wrong with *call*, the *nth* of the turn, or that nothing is."""
        terms = self._offered.terms.get(call.name)
        if terms is None:
            return self._unknown(call)
        fault = self._of_place(nth, call, terms)
        if fault is not None:
            return _refused(call, fault)
        verdict = _of_arguments(call, terms)
        if verdict.reason is not None:
            return verdict
        fault = (
            self._of_repeats(verdict.call, terms.tool)
            or self._of_terms(call, terms.tool)
            or self._of_taint(verdict.call, terms.tool)
        )
        if fault is not None:
            return replace(_refused(call, fault), edits=verdict.edits)
        self._times[call.name] += 1
        return verdict

    def verdict_on_begun(self, nth: int, call: ToolCall, problems: tuple[Problem, ...]) -> Verdict:
        """Say what is wrong with *call*, which is still arriving.

        Args:
            nth: Its place in the turn.
            call: The call so far. Its id may still come.
            problems: What is wrong with its arguments; nothing where its name is.
        """
        terms = self._offered.terms.get(call.name)
        if terms is None:
            return self._unknown(call)
        fault = self._of_place(nth, call if call.id else replace(call, id=f"begun_{nth}"), terms)
        return _refused(call, fault) if fault is not None else Verdict(call, reason_of(problems), problems)

    def _unknown(self, call: ToolCall) -> Verdict:
        offered = self._offered
        if call.name in offered.withheld:
            return _refused(call, ("not offered", f"a tool of this request: {listed(offered.terms)}"))
        near = nearest(call.name, offered.terms)
        meant = f"{near}, or another tool of this request" if near else "a tool of this request"
        return replace(_refused(call, ("unknown name", f"{meant}: {listed(offered.terms)}")), near=near)

    def _of_place(self, nth: int, call: ToolCall, terms: Terms) -> _Fault | None:
        """What is wrong with the call as such, whatever its arguments are."""
        offered = self._offered
        if offered.allowed is not None and call.name not in offered.allowed:
            expected = f"one of {listed(offered.allowed)}" if offered.allowed else "no tool call"
            return "excluded by tool_choice", expected
        if call.kind != terms.kind:
            return "wrong type", f"a call of type {terms.kind}"
        if not call.id or call.id.startswith(REFUSED):
            return "no id", "an id of its own"
        if call.id in self._ids:
            return "duplicate id", "an id of its own"
        self._ids.add(call.id)
        if nth and not offered.parallel:
            return "parallel not allowed", "one tool call in each turn"
        if nth >= MOST_CALLS:
            return "over its limit", f"at most {MOST_CALLS} tool calls in one turn"
        return None

    def _of_repeats(self, call: ToolCall, tool: Tool) -> _Fault | None:
        """Whether the same call was made before, in this turn or in the history."""
        past = [
            earlier
            for earlier in self._history.calls
            if earlier.name == call.name and (earlier.id == call.id or tool.effects == "write")
        ]
        if not past and (self._is_alone or tool.effects == "read"):
            return None
        arguments = canonical_arguments(call.arguments)
        for earlier in past:
            if canonical_arguments(earlier.arguments) == arguments:
                if earlier.id == call.id:
                    return "duplicate id", "an id of its own"
                if earlier.message > self._history.last_user:
                    return "identical repeat", "each call once"
        if (call.name, arguments) in self._made and tool.effects != "read":
            return "identical repeat", "each call once"
        self._made.add((call.name, arguments))
        return None

    def _of_terms(self, call: ToolCall, tool: Tool) -> _Fault | None:
        """What the declaration says beside the schema."""
        past = self._history.calls
        if tool.max_calls is not None:
            told = sum(earlier.name == call.name for earlier in past)
            if max(told, self._ran.get(call.name, 0)) + self._times[call.name] >= tool.max_calls:
                return "over its limit", f"at most {tool.max_calls} calls of this tool"
        for other in tool.only_after:
            returned = any(earlier.name == other and earlier.answered_at is not None for earlier in past)
            if not returned and not self._ran.get(other):
                return "out of order", f"a result of {other} first"
        if tool.approve == "deny":
            return "denied", "no call of this tool"
        return None

    def _of_taint(self, call: ToolCall, tool: Tool) -> _Fault | None:
        """Whether strangers have written what a tool is about to write."""
        if not self._offered.untrusted or tool.effects != "write" or callable(tool.approve):
            return None
        results = {
            past.answered_at
            for past in self._history.calls
            if past.answered_at is not None and past.name in self._offered.untrusted
        }
        if not results:
            return None
        from guardrails_lite._tools._taint import is_tainted

        arguments = call.arguments if tool.arguments is None else json.loads(call.arguments)
        if is_tainted(arguments, self._messages, results):
            return "tainted", "arguments that repeat no untrusted tool result"
        return None


def _refused(call: ToolCall, fault: _Fault) -> Verdict:
    return Verdict(call).refused(*fault)


def _of_arguments(call: ToolCall, terms: Terms) -> Verdict:
    tool = terms.tool
    asks = tool.approve is not None
    if tool.arguments is None:
        if len(call.arguments) > MOST_CUSTOM_CHARS:
            return _refused(call, ("too large", f"at most {MOST_CUSTOM_CHARS} characters"))
        return Verdict(replace(call, value=call.arguments, tool=tool), needs_approval=asks)
    parsed = tool.arguments.parse_arguments(call.arguments)
    problems = parsed.problems
    if not problems and terms.also is not None:
        problems = terms.also.check(parsed.json)
    if problems:
        return Verdict(call, reason_of(problems), problems, parsed.edits)
    text = call.arguments
    if parsed.repaired:
        text = json.dumps(parsed.json, ensure_ascii=False, separators=(",", ":"))
    checked = ToolCall(call.id, call.name, text, call.kind, parsed.value, tool)
    return Verdict(checked, edits=parsed.edits, needs_approval=asks)


def listed(names: Iterable[str]) -> str:
    """Names for a message: sorted, and not more than twenty."""
    shown = sorted(names)
    return ", ".join(shown[:20]) + (", ..." if len(shown) > 20 else "") if shown else "it has none"


def nearest(name: str, names: Collection[str]) -> str | None:
    """The name that *name* was meant to be, if one is close: another spelling, a prefix too many, a typo."""
    if not name or len(name) > 100:
        return None
    folded = {_folded(known): known for known in names}
    last = name.replace(":", ".").replace("/", ".").rpartition(".")[2]
    for spelled in (_folded(name), _folded(last)):
        if spelled in folded:
            return folded[spelled]
    close = difflib.get_close_matches(_folded(name), list(folded), n=1, cutoff=0.75)
    return folded[close[0]] if close else None


def _folded(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
