"""A tool: what the model may call, and the terms on which it may."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from guardrails_lite._errors import Blocked, ConfigError
from guardrails_lite._messages import ToolCall
from guardrails_lite._nesting import loads
from guardrails_lite._tools._ledger import Effect, EffectLedger, MemoryLedger, effect_key
from guardrails_lite._tools._signatures import parameters_of
from guardrails_lite._validators import code_digest

if TYPE_CHECKING:
    from guardrails_lite._schema import Schema
    from guardrails_lite.schemas.enforcement import Explanation

Approve = Callable[[ToolCall], "bool | Awaitable[bool]"] | Literal["deny"]
"""Asked before a call is let through; ``"deny"`` lets none through."""
Effects = Literal["read", "write"]
"""Whether a call changes something outside. A write is never run twice for one logical call."""

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What the provider takes as the name of a tool."""

_PROCESS_LEDGER = MemoryLedger()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Tool:
    """What the model may call. Make one with `tool`; it prints as the code that made it."""

    name: str
    definition: Mapping[str, Any] = field(repr=False)
    """What the provider is sent, in its strict form where it has one."""
    function: Callable[..., Any] | None
    """What `ToolCall.run` calls; None for a tool that is only described."""
    arguments: Schema[Any] | None
    """What the arguments are checked against; None for a ``custom`` tool, which takes free text."""
    approve: Approve | None = None
    approve_timeout_s: float | None = None
    max_calls: int | None = None
    """The most calls in one conversation."""
    result: Schema[Any] | None = None
    """What results are checked against."""
    only_after: tuple[str, ...] = ()
    """Tools of which each must have returned before this one may be called."""
    effects: Effects | None = None
    untrusted: bool = False
    """What it returns was written by strangers; see `_taint`."""
    declared: Any = field(default=None, repr=False)
    """What `tool` was given."""
    scope: str | None = field(default=None, repr=False)
    """The logical call that a checked call belongs to; see `within`."""
    ledger: EffectLedger | None = field(default=None, repr=False)
    """Where effects are reserved; None: in this process."""

    @property
    def kind(self) -> Literal["function", "custom"]:
        """Whether it takes JSON arguments or free text."""
        return "custom" if self.arguments is None else "function"

    @property
    def fingerprint(self) -> str:
        """Names this tool's terms: its definition, options and code."""
        parts = (
            _canonical(self.definition),
            repr(self),
            _code(self.function),
            _code(self.approve),
            "" if self.arguments is None else self.arguments.fingerprint,
            "" if self.result is None else self.result.fingerprint,
        )
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def explain(self) -> Explanation | None:
        """Which of its constraints the provider enforces while it writes, and which only this library.

        None for a ``custom`` tool: its grammar, if it has one, is the provider's business alone.
        """
        from guardrails_lite.schemas.enforcement import explain

        return None if self.arguments is None else explain(self.arguments.json_schema)

    def within(self, scope: str, ledger: EffectLedger | None = None) -> Tool:
        """This tool for the calls of one logical operation, whose writes happen at most once.

        Args:
            scope: Names the operation: the id of the record, or a key of the caller's that stays the same
                when the operation is tried again.
            ledger: Where effects are reserved; None: in this process.
        """
        return replace(self, scope=scope, ledger=ledger or self.ledger)

    def run(self, tool_call: ToolCall) -> Any:
        """Run the function with the checked arguments of *tool_call*.

        Raises:
            ConfigError: there is no function, it is async, or the call is not a checked call of this tool.
            Blocked: a write that has run (or begun) in this scope, or a result that breaks `result`.
        """
        function = self._runnable(tool_call)
        if _is_async(function):
            raise ConfigError(f"tool {self.name!r} is async: `await tool_call.arun()` instead of `.run()`")
        return self._run(function, tool_call)

    async def arun(self, tool_call: ToolCall) -> Any:
        """Like `run`, for an async function; a sync one runs in a thread.

        Cancelled before the function began, the call leaves nothing behind and may be made again.

        Raises:
            ConfigError: there is no function, or the call is not a checked call of this tool.
            Blocked: a write that has run (or begun) in this scope, or a result that breaks `result`.
        """
        import asyncio

        from guardrails_lite._threads import in_thread, in_thread_for

        function = self._runnable(tool_call)
        if not _is_async(function):  # in one piece, so that what is reserved runs, whoever still waits
            return await in_thread(self._run, function, tool_call)
        if self.effects != "write":
            return self._finish(None, await self._call(function, tool_call))
        key = await in_thread_for(lambda: self._reserve(tool_call), self._give_back)
        result = await self._call(function, tool_call)
        return await asyncio.to_thread(self._finish, key, result)

    def rewritten(self, tool_call: ToolCall, arguments: str) -> ToolCall:
        """*tool_call* with other arguments, checked again: what a rule that masks leaves of it.

        Raises:
            Blocked: they no longer fit, so the call cannot be let through in any form.
        """
        if self.arguments is None:
            return replace(tool_call, arguments=arguments, value=arguments)
        parsed = self.arguments.parse_arguments(arguments)
        if not parsed.ok:
            from guardrails_lite._schema import feedback

            raise Blocked(
                f"what a rule left of the arguments of tool {self.name!r} no longer fits: "
                f"{feedback(parsed.problems, limit_bytes=500)}. Block instead, or make "
                "the schema accept the mask.",
                outcome="tool denied",
            )
        return replace(tool_call, arguments=arguments, value=parsed.value)

    def _runnable(self, tool_call: ToolCall) -> Callable[..., Any]:
        checked_by = None if tool_call.tool is None else tool_call.tool.name
        if checked_by != self.name or tool_call.name != self.name or tool_call.value is None:
            raise ConfigError(
                f"this is not a checked call of tool {self.name!r}. Take the call from the reply of a guard "
                "that declares the tool."
            )
        if self.function is None:
            raise ConfigError(
                f"tool {self.name!r} was declared without a function, so there is nothing to run. "
                "Declare the function itself, tool(the_function), or use `tool_call.value`."
            )
        return self.function

    def _call(self, function: Callable[..., Any], tool_call: ToolCall) -> Any:
        values = dict(tool_call.value)
        only_by_place = [
            values.pop(parameter.name)
            for parameter in parameters_of(function)
            if parameter.kind is parameter.POSITIONAL_ONLY and parameter.name in values
        ]
        return function(*only_by_place, **values)

    def _run(self, function: Callable[..., Any], tool_call: ToolCall) -> Any:
        key = self._reserve(tool_call)
        return self._finish(key, self._call(function, tool_call))

    def _reserve(self, tool_call: ToolCall) -> str | None:
        if self.effects != "write":
            return None
        arguments = canonical_arguments(tool_call.arguments)
        key = effect_key(self.scope if self.scope is not None else tool_call.id, self.name, arguments)
        ledger = self.ledger or _PROCESS_LEDGER
        taken = ledger.reserve(key, self.name)
        if taken is not None:
            raise Blocked(_refusal(taken, ledger), outcome="tool denied")
        return key

    def _give_back(self, key: str | None) -> None:
        if key is not None:
            (self.ledger or _PROCESS_LEDGER).give_back(key)

    def _finish(self, key: str | None, result: Any) -> Any:
        if key is not None:
            (self.ledger or _PROCESS_LEDGER).done(key)
        if self.result is not None and (problems := self.result.check(result)):
            from guardrails_lite._schema import feedback

            raise Blocked(
                f"tool {self.name!r} returned something that its result= does not allow: "
                f"{feedback(problems)}",
                outcome="tool denied",
            )
        return result

    def __repr__(self) -> str:
        options = [
            f"{name}={shown}"
            for name, value, shown in (
                ("name", self._renamed, repr(self.name)),
                ("approve", self.approve, _shown(self.approve)),
                ("approve_timeout_s", self.approve_timeout_s, repr(self.approve_timeout_s)),
                ("max_calls", self.max_calls, repr(self.max_calls)),
                ("result", self.result, _shown(getattr(self.result, "declared", None))),
                ("only_after", self.only_after, repr(self.only_after)),
                ("effects", self.effects, repr(self.effects)),
                ("untrusted", self.untrusted, repr(self.untrusted)),
            )
            if value
        ]
        declared = self.declared
        shown = _shown(declared)
        if isinstance(declared, Mapping):
            shown = f"{{'type': {self.kind!r}, {self.kind!r}: {{'name': {self.name!r}, ...}}}}"
        elif not options and inspect.isfunction(declared):
            return shown
        return f"tool({', '.join([shown, *options])})"

    @property
    def _renamed(self) -> bool:
        return (
            not isinstance(self.declared, Mapping) and getattr(self.declared, "__name__", None) != self.name
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tool) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash((self.name, self.max_calls, self.effects))


def _refusal(taken: Effect, ledger: EffectLedger) -> str:
    """Why a write is not run, and what can be done about it."""
    with_these = f"with these arguments in this operation, at {taken.begun_at}"
    if taken.state == "done":
        return (
            f"tool {taken.tool!r} has already run {with_these}, so it is not run again. "
            "Name another operation(...) for what is meant to happen once more."
        )
    remedy = "name another operation(...) to run it all the same"
    if hasattr(ledger, "settle"):
        remedy = f"say so: {ledger!r}.settle({taken.reference!r}, 'done' or 'not done')"
    return (
        f"tool {taken.tool!r} was begun {with_these}, and nobody knows whether it happened: it is still "
        f"running, or was cut short. So it is not run again. Find out, then {remedy}."
    )


def _is_async(function: Any) -> bool:
    function = getattr(function, "func", function)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=repr)


def canonical_arguments(text: str) -> str:
    """JSON *text* in one form, so that the order of keys and white space do not tell calls apart."""
    try:
        return _canonical(loads(text, parse_float=_number))
    except (ValueError, RecursionError):
        return text


def _number(text: str) -> float:
    """``1.0`` is the same number as ``1``, to a schema as to a tool."""
    number = float(text)
    return int(number) if number.is_integer() else number


def _code(function: Any) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
    return "" if code is None else code_digest(code)


def _shown(value: object) -> str:
    name = getattr(value, "__qualname__", None)  # a class's or a function's
    return repr(value) if name is None else str(name).rpartition("<locals>.")[2]
