"""`Guard`: the value users build. It says what to check, what to do, and where to record it."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, ParamSpec, TypeVar, get_args, overload

from guardrails_lite._binding import Binding, messages_of
from guardrails_lite._composition import asked_of, check_composition
from guardrails_lite._drivers import AsyncLive, Live, abegin, adrive, begin, drive
from guardrails_lite._engine import Outcome, check_text, exchange
from guardrails_lite._errors import ConfigError
from guardrails_lite._messages import Call
from guardrails_lite._plan import Plan
from guardrails_lite._rules import Finding, Mode, Role, Rule, Validator
from guardrails_lite._screen import Side
from guardrails_lite._targets import Primary, Target, is_blocking
from guardrails_lite.reliability import Budget, Retry
from guardrails_lite.sinks import default_sink

if TYPE_CHECKING:
    import os

    from guardrails_lite._cache import Cache
    from guardrails_lite._partials import Partial
    from guardrails_lite._record import Record, Style
    from guardrails_lite._tools import Toolbox
    from guardrails_lite.reliability import Upstream, WorstCase

T = TypeVar("T")
S = TypeVar("S")
P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C")

ToolCalls = Literal["together", "each"]
Accepted = Literal["empty", "refused", "truncated", "unmarked"]


_VERDICTS: Mapping[str, Any] = {"reask": "would re-ask", "fall_back": "would fall back"}


class Same:
    """Stands for "what the function returns" in the type of a guard without a schema."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a guard says about one text, without a model call."""

    verdict: Literal["passed", "redacted", "blocked", "would re-ask", "would fall back"]
    text: str | None = field(repr=False)
    """The text after the rules; None when it was stopped."""
    findings: tuple[Finding, ...]
    """What stopped it; empty when it passed. Findings that were masked or only noted are in the record."""
    record: Record

    @property
    def ok(self) -> bool:
        """Whether the text, as it is now, may pass."""
        return self.verdict in ("passed", "redacted")


class Guard(Generic[T]):
    """What is checked around a chat-completion call, what is done about it, and where it is recorded.

    A guard is a value: it never changes, prints as the code that made it, merges with ``|`` and has a
    `digest`. Use it as a decorator, around a client (`wrap`), or around one call (`run`, `arun`, `stream`,
    `astream`).

    Args:
        name: What it is called in the record.
        input: Rules for everything that goes to the model, in order.
        output: Rules for everything that comes back, in order.
        schema: The type of the answer: a pydantic model, a dataclass, a TypedDict, any type that pydantic
            takes, or a JSON Schema as a dict. Callers then get the typed value.
        tools: The tools that the model may call: functions with annotations, pydantic models, OpenAI tool
            dicts, or any of these with terms, by `tool`.
        tool_calls: What becomes of a turn of which some calls are refused. ``"together"``: none is let
            through, and the model is asked again. ``"each"``: the right ones are let through, and
            `Reply.history` tells the model of the others; where none is right, it is asked again.
        retry: How often a failed attempt is repeated, and how often an invalid reply is asked again.
        fallback: Whom to ask when that does not help, in order; see `target`.
        budget: What one call may take: seconds, tokens, money.
        upstream: Limits, circuit breakers and a retry budget that all callers of the primary share, and of
            the fallbacks that only override its parameters. A monitor leaves it alone.
        cache: Replies of wrapped clients kept for requests that come again. A monitor leaves it alone.
        log: Where records go: an `AuditLog`, any callable, or several. Default: the ``guardrails_lite``
            logger, silent unless the application listens.
        mode: ``"monitor"`` checks and records everything, and changes and stops nothing.
        accept: Endings that are values to this application instead of errors: ``"empty"``,
            ``"refused"``, ``"truncated"``; and ``"unmarked"``, a text without a finish reason, for a server
            that never sends one. A tool call and JSON that looks cut are never accepted without.

    Raises:
        ConfigError: a setting that cannot work: what, where, what was expected, and the remedy.
    """

    __slots__ = ("__weakref__", "_digest", "_plan", "_settings")
    _settings: dict[str, Any]
    _plan: Plan
    _digest: str | None

    _DEFAULTS: Mapping[str, Any] = {
        "name": None,
        "input": (),
        "output": (),
        "schema": None,
        "tools": (),
        "tool_calls": "together",
        "retry": None,
        "fallback": (),
        "budget": None,
        "upstream": None,
        "cache": None,
        "log": None,
        "mode": "enforce",
        "accept": (),
    }

    @overload
    def __init__(
        self: Guard[Same],
        *,
        name: str | None = None,
        input: Iterable[Rule] = (),
        output: Iterable[Rule] = (),
        schema: None = None,
        tools: Iterable[Any] = (),
        tool_calls: ToolCalls = "together",
        retry: Retry | None = None,
        fallback: Iterable[Target] = (),
        budget: Budget | None = None,
        upstream: Upstream | None = None,
        cache: Cache | None = None,
        log: Callable[[Any], Any] | Iterable[Callable[[Any], Any]] | None = None,
        mode: Mode = "enforce",
        accept: Iterable[Accepted] = (),
    ) -> None: ...
    @overload
    def __init__(
        self: Guard[S],
        *,
        name: str | None = None,
        input: Iterable[Rule] = (),
        output: Iterable[Rule] = (),
        schema: type[S],
        tools: Iterable[Any] = (),
        tool_calls: ToolCalls = "together",
        retry: Retry | None = None,
        fallback: Iterable[Target] = (),
        budget: Budget | None = None,
        upstream: Upstream | None = None,
        cache: Cache | None = None,
        log: Callable[[Any], Any] | Iterable[Callable[[Any], Any]] | None = None,
        mode: Mode = "enforce",
        accept: Iterable[Accepted] = (),
    ) -> None: ...
    @overload
    def __init__(
        self: Guard[Any],
        *,
        name: str | None = None,
        input: Iterable[Rule] = (),
        output: Iterable[Rule] = (),
        schema: object,
        tools: Iterable[Any] = (),
        tool_calls: ToolCalls = "together",
        retry: Retry | None = None,
        fallback: Iterable[Target] = (),
        budget: Budget | None = None,
        upstream: Upstream | None = None,
        cache: Cache | None = None,
        log: Callable[[Any], Any] | Iterable[Callable[[Any], Any]] | None = None,
        mode: Mode = "enforce",
        accept: Iterable[Accepted] = (),
    ) -> None: ...
    def __init__(
        self,
        *,
        name: str | None = None,
        input: Iterable[Rule] = (),
        output: Iterable[Rule] = (),
        schema: object = None,
        tools: Iterable[Any] = (),
        tool_calls: ToolCalls = "together",
        retry: Retry | None = None,
        fallback: Iterable[Target] = (),
        budget: Budget | None = None,
        upstream: Upstream | None = None,
        cache: Cache | None = None,
        log: Callable[[Any], Any] | Iterable[Callable[[Any], Any]] | None = None,
        mode: Mode = "enforce",
        accept: Iterable[Accepted] = (),
    ) -> None:
        settings: dict[str, Any] = {
            "name": _checked_name(name),
            "input": _rules("input", input),
            "output": _rules("output", output),
            "schema": schema,
            "tools": tuple(_listed("tools", tools)),
            "tool_calls": tool_calls,
            "retry": _instance("retry", retry, Retry),
            "fallback": _fallback(fallback),
            "budget": _instance("budget", budget, Budget),
            "upstream": _upstream(upstream),
            "cache": _cache(cache),
            "log": _sinks(log),
            "mode": mode,
            "accept": tuple(_listed("accept", accept)),
        }
        _check(settings)
        object.__setattr__(self, "_settings", settings)
        object.__setattr__(self, "_digest", None)
        object.__setattr__(self, "_plan", _plan_of(settings, self))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Guard never changes; merge another into it: guard | Guard({name}=...)")

    # --- using it ---

    @overload
    def __call__(self: Guard[Same], function: F, /) -> F: ...
    @overload
    def __call__(self, function: Callable[P, Awaitable[Any]], /) -> Callable[P, Awaitable[T]]: ...
    @overload
    def __call__(self, function: Callable[P, Any], /) -> Callable[P, T]: ...
    @overload
    def __call__(self, /, *, prompt: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]: ...
    def __call__(self, function: Callable[..., Any] | None = None, /, *, prompt: str | None = None) -> Any:
        """Guard a function that calls a chat model.

        It may be a ``def``, an ``async def``, a generator or an async generator, a method too. Callers get
        what it returns, checked and rewritten, in the same shape; with a schema, the typed value.

        Args:
            function: It takes ``messages`` (a list of chat messages) or ``prompt`` (a string).
            prompt: The name of the parameter that holds the prompt, where it is called otherwise.

        Raises:
            ConfigError: it takes neither, or it cannot take what a fallback overrides.
        """
        if function is None:
            return functools.partial(_decorate, self, prompt=prompt)
        return _decorate(self, function, prompt=prompt)

    def wrap(self, client: C) -> C:
        """Guard a client: an `OpenAI`, `AsyncOpenAI` or Azure's.

        The result is used like the client and has its type. Whatever would reach a model is guarded, or
        refused with the way out. It has connections of its own, which keep to the deadline; close it like
        the client: ``with guard.wrap(OpenAI()) as client``.

        Raises:
            ConfigError: *client* is no client of the openai package.
        """
        from guardrails_lite.clients.openai import wrap

        return wrap(self, client)

    def run(self, function: Callable[..., Any], messages: Any, **params: Any) -> Outcome[T]:
        """Make one guarded call of *function* and return its `Outcome`.

        Args:
            function: Called with the messages, and *params* as keywords.
            messages: A list of chat messages, or a prompt, which is passed on as a string.
            **params: Parameters of the request, such as ``model``.
        """
        call, target = _one_call(self, function, messages, params)
        return drive(exchange(self._plan_for("sync"), call, target, "sync"))

    async def arun(self, function: Callable[..., Any], messages: Any, **params: Any) -> Outcome[T]:
        """`run` on the event loop. A *function* that is not async runs in a thread."""
        call, target = _one_call(self, function, messages, params)
        return await adrive(exchange(self._plan, call, target, "async"))

    @overload
    def stream(
        self: Guard[Same], function: Callable[..., Any], messages: Any, **params: Any
    ) -> Live[Any]: ...
    @overload
    def stream(self, function: Callable[..., Any], messages: Any, **params: Any) -> Live[Partial[T]]: ...
    def stream(self, function: Callable[..., Any], messages: Any, **params: Any) -> Live[Any]:
        """Make one guarded call and iterate over its reply as it is released.

        The chunks are those of *function*: strings, or a client's chunks. With a schema they are
        `Partial`s of its value, each with the fields that have become whole and passed; the last one is
        complete. After it, ``.outcome`` has the `Outcome`.
        """
        call, target = _one_call(self, function, messages, params)
        core = exchange(self._plan_for("stream"), call, target, "stream", live=True, partials=True)
        return Live(core)

    @overload
    def astream(
        self: Guard[Same], function: Callable[..., Any], messages: Any, **params: Any
    ) -> AsyncLive[Any]: ...
    @overload
    def astream(
        self, function: Callable[..., Any], messages: Any, **params: Any
    ) -> AsyncLive[Partial[T]]: ...
    def astream(self, function: Callable[..., Any], messages: Any, **params: Any) -> AsyncLive[Any]:
        """`stream` for ``async for``."""
        call, target = _one_call(self, function, messages, params)
        return AsyncLive(exchange(self._plan, call, target, "async stream", live=True, partials=True))

    def check(
        self, text: str, *, side: Literal["input", "output"] = "input", role: Role | None = None
    ) -> Decision:
        """Say what the rules of one side make of *text*, with no model call.

        Args:
            text: What to check.
            side: Whose rules apply.
            role: Who says it; default: the user on the input, the assistant on the output.
        """
        return drive(self._checking(self._plan_for("check"), text, side, role))

    async def acheck(
        self, text: str, *, side: Literal["input", "output"] = "input", role: Role | None = None
    ) -> Decision:
        """`check` on the event loop: for async and blocking validators."""
        return await adrive(self._checking(self._plan, text, side, role))

    async def _checking(
        self, plan: Plan, text: str, side: Literal["input", "output"], role: Role | None
    ) -> Decision:
        if side not in ("input", "output"):
            raise ConfigError(f"side={side!r} of check(...) must be 'input' or 'output'")
        if not isinstance(text, str):
            raise TypeError(f"check(...) takes a str, not {type(text).__name__}")
        left, stop, record = await check_text(plan, text, side, role)
        if stop is None:
            return Decision("passed" if left == text else "redacted", left, (), record)
        verdict = _VERDICTS.get(stop.verb, "blocked")
        return Decision(verdict, None, stop.findings, record)

    def worst_case(
        self,
        *,
        model: str | None = None,
        prompt_tokens: int | None = None,
        max_completion_tokens: int | None = None,
    ) -> WorstCase:
        """Say what one call can cost at most, before anything runs: requests, seconds, tokens, money.

        Tokens and money are bounded by the budget, or by the size of the request where it is told.

        Args:
            model: The model that the primary is asked for, for its price.
            prompt_tokens: The largest prompt.
            max_completion_tokens: The longest reply that a request asks for, all its choices together.
        """
        from guardrails_lite.reliability import worst_case

        plan = self._plan
        return worst_case(
            plan.retry,
            plan.budget,
            asked_of(plan.fallback, model),
            prompt_tokens=prompt_tokens,
            max_completion_tokens=max_completion_tokens,
        )

    # --- for the client adapters ---

    def _begin(self, target: Target | Primary, call: Call) -> Outcome[Any] | Live[Any]:
        live = bool(call.params.get("stream"))
        style: Style = "stream" if live else "sync"
        return begin(exchange(self._plan_for(style), call, target, style, live=live))

    async def _abegin(self, target: Target | Primary, call: Call) -> Outcome[Any] | AsyncLive[Any]:
        live = bool(call.params.get("stream"))
        style: Style = "async stream" if live else "async"
        return await abegin(exchange(self._plan, call, target, style, live=live))

    def _plan_for(self, style: str) -> Plan:
        """The plan, for a synchronous call, which an async validator rules out."""
        plan = self._plan
        if plan.needs_loop is not None:
            raise TypeError(
                f"{plan.needs_loop} is async, but the guard was called synchronously. "
                f"Decorate an `async def`, or use the async form of `{style}`."
            )
        return plan

    # --- the value ---

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Guard[Any]:
        """The guard that a TOML or YAML file describes, with its validators named by entry point.

        Raises:
            ConfigError: the file cannot be read, or says something that cannot work; with the place.
        """
        from guardrails_lite._files import settings_from_file

        return cls(**settings_from_file(path))

    @property
    def name(self) -> str | None:
        """What it is called in the record."""
        return self._settings["name"]  # type: ignore[no-any-return]

    @property
    def digest(self) -> str:
        """Names the policy: equal for guards that decide alike, other as soon as a rule changes."""
        if self._digest is None:
            object.__setattr__(self, "_digest", _digest(self._settings))
        return self._digest or ""

    def __or__(self, other: Guard[Any]) -> Guard[Any]:
        """This guard with *other* added: rules, tools, fallbacks and sinks joined, the rest replaced."""
        if not isinstance(other, Guard):
            return NotImplemented
        merged = dict(self._settings)
        for key, value in other._settings.items():
            if isinstance(value, tuple):
                before = merged[key] or ()
                merged[key] = (*before, *(each for each in value if each not in before))
            elif value != self._DEFAULTS[key]:
                merged[key] = value
        return Guard(**merged)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Guard) and self.digest == other.digest and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.digest)

    def __copy__(self) -> Guard[T]:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Guard[T]:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Guard cannot be pickled: its validators are functions and its sinks own files. "
            "Write it in a module or a file, and make it in each process, such as by Guard.from_file(...)."
        )

    def __repr__(self) -> str:
        shown = []
        for key, default in self._DEFAULTS.items():
            value = self._settings[key]
            if value == default:
                continue
            if key == "log":
                text = repr(value[0]) if len(value) == 1 else repr(list(value))
            elif key == "schema" and isinstance(value, type):
                text = value.__name__
            elif key == "tools" and self._plan.toolbox is not None:
                text = repr(list(self._plan.toolbox.tools))
            else:
                text = repr(list(value)) if isinstance(value, tuple) else repr(value)
            shown.append(f"{key}={text}")
        return f"Guard({', '.join(shown)})"

    def __str__(self) -> str:
        return f"{self!r}  # {self.streaming}"

    @property
    def streaming(self) -> str:
        """How it treats a streamed reply, in words."""
        plan = self._plan
        if plan.schema is not None:
            from guardrails_lite._partials import what_holds

            held = ", ".join(what_holds(plan))
            if held:
                return f"holds a streamed reply whole: schema, {held}"
            return "holds a streamed reply whole: schema; `stream` gives its fields as they pass"
        holding = [repr(rule) for rule in plan.output.rules if rule.holds]
        if holding:
            return f"holds a streamed reply whole: {', '.join(holding)}"
        windows = [rule.validator.window or 0 for rule in plan.output.rules if rule.mode == "enforce"]
        if not windows or max(windows) <= 1:
            return "streams at once"
        return f"streams, holding back {sum(window - 1 for window in windows)} characters"


# --- decorating --------------------------------------------------------------------------------------


def _decorate(guard: Guard[Any], function: Callable[..., Any], *, prompt: str | None = None) -> Any:
    if isinstance(function, (staticmethod, classmethod)):
        raise ConfigError("put @guard below @staticmethod or @classmethod, next to the function")
    if not callable(function):
        raise ConfigError(f"@guard takes a function, not {type(function).__name__}")
    _refuse_cache(guard)
    binding = Binding.of(function, prompt=prompt)
    for fallback in guard._plan.fallback:
        missing = [name for name in fallback.overrides if not binding.can_override(name)]
        if fallback.kind == "override" and missing:
            raise ConfigError(
                f"{fallback!r} overrides {missing[0]!r}, which {binding.name}() does not take. "
                f"Add the parameter {missing[0]!r} to the function, or give the fallback a client."
            )
    has_schema = guard._plan.schema is not None

    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        async def async_generator(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            call = binding.call(args, kwargs)
            target = binding.target(call, args, kwargs)
            core = exchange(guard._plan, call, target, "async stream", live=True)
            live: AsyncLive[Any] = AsyncLive(core)
            async with live:
                async for chunk in live:
                    if not has_schema:
                        yield chunk
            if has_schema:
                yield live.outcome.value

        return async_generator

    if inspect.isgeneratorfunction(function):
        plan = guard._plan_for("stream")

        @functools.wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Iterator[Any]:
            call = binding.call(args, kwargs)
            target = binding.target(call, args, kwargs)
            live: Live[Any] = Live(exchange(plan, call, target, "stream", live=True))
            with live:
                for chunk in live:
                    if not has_schema:
                        yield chunk
            if has_schema:
                yield live.outcome.value

        return generator

    if not is_blocking(function):
        plan = guard._plan

        @functools.wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            call = binding.call(args, kwargs)
            target = binding.target(call, args, kwargs)
            got = await abegin(exchange(plan, call, target, "async", live=not has_schema))
            return got.value if type(got) is Outcome else got

        return coroutine

    plan = guard._plan_for("run")

    @functools.wraps(function)
    def plain(*args: Any, **kwargs: Any) -> Any:
        call = binding.call(args, kwargs)
        target = binding.target(call, args, kwargs)
        got = begin(exchange(plan, call, target, "sync", live=not has_schema))
        return got.value if type(got) is Outcome else got

    return plain


def _one_call(
    guard: Guard[Any], function: Any, messages: Any, params: dict[str, Any]
) -> tuple[Call, Primary]:
    """The call and the target of `run` and its siblings."""
    _refuse_cache(guard)
    if not callable(function):
        raise TypeError(f"expected a function that calls a model, not {type(function).__name__}")
    if isinstance(messages, str):
        prompt = Binding(function, "prompt", 0, True, {}, {}, True, False, None, "prompt")
        call = Call(messages_of(messages), params)

        def send(sent: Call, _: float | None) -> Any:
            return function(prompt._value(sent), **sent.params)

    else:
        call = Call(messages_of(messages), params)

        def send(sent: Call, _: float | None) -> Any:
            return function(list(sent.messages), **sent.params)

    name = getattr(function, "__name__", type(function).__name__)
    return call, Primary(name, send, is_blocking(function), one_turn=isinstance(messages, str))


# --- checking the settings ---------------------------------------------------------------------------


def _checked_name(name: object) -> str | None:
    if name is not None and not isinstance(name, str):
        raise ConfigError(f"name={name!r} of Guard must be a str")
    return name


def _listed(key: str, value: Any) -> list[Any]:
    if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__iter__"):
        raise ConfigError(f"{key}= of Guard takes a list, not {type(value).__name__}: {key}=[...]")
    return list(value)


def _rules(side: str, rules: Any) -> tuple[Rule, ...]:
    if isinstance(rules, (Rule, Validator)):
        raise ConfigError(f"{side}= of Guard takes a list of rules: {side}=[{rules!r}]")
    for rule in (listed := _listed(side, rules)):
        if isinstance(rule, Validator):
            raise ConfigError(
                f"{side}=[{rule!r}]: a validator only finds; say what to do about it: block({rule!r}), "
                f"redact({rule!r}), warn({rule!r})"
            )
        if not isinstance(rule, Rule):
            raise ConfigError(f"{side}= of Guard takes rules such as block(...), not {type(rule).__name__}")
        if side == "input" and rule.verb == "reask":
            raise ConfigError(
                f"{rule!r} cannot be an input rule: there is no reply to ask again about. "
                "Use block or redact."
            )
    return tuple(listed)


def _instance(key: str, value: Any, kind: type[Any]) -> Any:
    if value is not None and not isinstance(value, kind):
        raise ConfigError(
            f"{key}= of Guard takes a {kind.__name__}, not {type(value).__name__}: {key}={kind.__name__}(...)"
        )
    return value


def _upstream(upstream: Any) -> Any:
    if upstream is None:
        return None
    from guardrails_lite.reliability import Upstream

    return _instance("upstream", upstream, Upstream)


def _cache(cache: Any) -> Any:
    if cache is None:
        return None
    from guardrails_lite._cache import Cache

    return _instance("cache", cache, Cache)


def _refuse_cache(guard: Guard[Any]) -> None:
    """What else a function does with its arguments nobody can see, so none of its replies is kept."""
    if guard._plan.cache is not None:
        raise ConfigError(
            "cache= of Guard keeps replies of wrapped clients only: guard.wrap(client). "
            "For a function, use a guard without it."
        )


def _fallback(fallback: Any) -> tuple[Target | Primary, ...]:
    if isinstance(fallback, Target):
        raise ConfigError(f"fallback= of Guard takes a list: fallback=[{fallback!r}]")
    targets = _listed("fallback", fallback)
    for place, each in enumerate(targets):
        if not isinstance(each, Target):
            raise ConfigError(
                f"fallback[{place}] of Guard must be target(...), not {type(each).__name__}: "
                "target(model=...), target(client), target(function) or target('fixed answer')"
            )
        if each.kind == "answer" and place != len(targets) - 1:
            raise ConfigError(
                f"fallback[{place}] is a fixed answer, which never fails, so what follows is never asked. "
                "Put it last."
            )
    return tuple(targets)


def _sinks(log: Any) -> tuple[Any, ...] | None:
    if log is None:
        return None
    sinks = tuple(log) if isinstance(log, (list, tuple)) else (log,)
    for sink in sinks:
        if not callable(sink):
            raise ConfigError(
                f"log= of Guard takes an AuditLog or a callable, not {type(sink).__name__}: "
                "log=AuditLog('audit')"
            )
    return sinks


def _check(settings: dict[str, Any]) -> None:
    if settings["mode"] not in ("enforce", "monitor"):
        raise ConfigError(f"mode={settings['mode']!r} of Guard must be 'enforce' or 'monitor'")
    if settings["tool_calls"] not in get_args(ToolCalls):
        raise ConfigError(f"tool_calls={settings['tool_calls']!r} of Guard must be 'together' or 'each'")
    unknown = [each for each in settings["accept"] if each not in get_args(Accepted)]
    if unknown:
        known = ", ".join(map(repr, get_args(Accepted)))
        raise ConfigError(f"accept={unknown!r} of Guard: expected some of {known}")


def _plan_of(settings: dict[str, Any], guard: Guard[Any]) -> Plan:
    schema = toolbox = None
    if settings["schema"] is not None:
        from guardrails_lite._schema import Schema

        schema = Schema.of(settings["schema"])
    if settings["tools"]:
        from guardrails_lite._tools import Toolbox

        toolbox = Toolbox.of(settings["tools"])
    enforce = settings["mode"] == "enforce"
    both = [
        tuple(rules if enforce else (replace(rule, mode="monitor") for rule in rules))
        for rules in (settings["input"], settings["output"])
    ]
    sinks = (default_sink,) if settings["log"] is None else settings["log"]
    upstream = settings["upstream"] if enforce else None
    retry, budget = settings["retry"] or Retry(), settings["budget"] or Budget()
    _check_answers(settings["fallback"], schema)
    check_composition(
        retry,
        budget,
        settings["fallback"],
        has_tools=toolbox is not None,
        has_schema=schema is not None,
    )
    return Plan(
        name=settings["name"],
        guard=guard,
        enforce=enforce,
        input=Side("input", both[0]),
        output=Side("output", both[1]),
        schema=schema,
        toolbox=toolbox,
        retry=retry,
        budget=budget,
        fallback=settings["fallback"],
        upstream=upstream,
        cache=settings["cache"] if enforce else None,
        has_upstreams=enforce
        and (upstream is not None or any(each.upstream is not None for each in settings["fallback"])),
        sinks=sinks,
        intent_sinks=tuple(sink.intent for sink in sinks if hasattr(sink, "intent")),
        accept=frozenset(settings["accept"]),
        captures=any(getattr(sink, "capture", "") in ("redacted", "sealed") for sink in sinks),
        each_call=settings["tool_calls"] == "each",
        effects=next((sink.effects for sink in sinks if toolbox and hasattr(sink, "effects")), None),
        needs_loop=next(_needing_a_loop(both, toolbox if enforce else None), None),
    )


def _needing_a_loop(both: Iterable[Iterable[Rule]], toolbox: Toolbox | None) -> Iterator[str]:
    """What is async and has to be answered before a reply is given out, as it is named in an error."""
    for rules in both:
        yield from (repr(rule) for rule in rules if rule.validator.kind == "async")
    for each in toolbox.tools if toolbox is not None else ():
        if inspect.iscoroutinefunction(each.approve):
            yield f"approve= of tool {each.name!r}"


def _check_answers(fallback: tuple[Target | Primary, ...], schema: Any) -> None:
    for each in fallback:
        if each.kind == "answer" and schema is not None:
            problems = schema.parse(each.subject).problems
            if problems:
                raise ConfigError(
                    f"the fixed answer {each!r} does not fit the schema ({problems[0]}), so it could never "
                    "be returned. Give JSON that fits, or leave it out."
                )


def _digest(settings: dict[str, Any]) -> str:
    parts: dict[str, Any] = {"version": 1}
    for side in ("input", "output"):
        parts[side] = [
            [repr(rule), rule.validator.fingerprint] for rule in settings[side] if isinstance(rule, Rule)
        ]
    if settings["schema"] is not None:
        from guardrails_lite._schema import Schema

        parts["schema"] = Schema.of(settings["schema"]).fingerprint
    if settings["tools"]:
        from guardrails_lite._tools import Toolbox

        parts["tools"] = Toolbox.of(settings["tools"]).fingerprint
    for key in ("retry", "fallback", "budget", "mode", "accept"):
        parts[key] = repr(settings[key])
    if settings["tool_calls"] != "together":
        parts["tool_calls"] = settings["tool_calls"]
    if settings["upstream"] is not None:
        parts["upstream"] = repr(settings["upstream"])
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
