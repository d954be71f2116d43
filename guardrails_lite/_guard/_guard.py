"""`Guard`: the value users build. It says what to check, what to do, and where to record it."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    NoReturn,
    ParamSpec,
    TypedDict,
    TypeVar,
    Unpack,
    overload,
)

from guardrails_lite._arguments import by_name
from guardrails_lite._engine._drivers import AsyncLive, Live, abegin, adrive, begin, drive
from guardrails_lite._engine._exchange import Outcome, exchange
from guardrails_lite._engine._plan import Plan
from guardrails_lite._errors import ConfigError
from guardrails_lite._guard._composition import asked_of
from guardrails_lite._guard._config import policy_from
from guardrails_lite._guard._deciding import Decision, decide
from guardrails_lite._guard._decorating import ClientStream, Decorator, decorate, one_call
from guardrails_lite._guard._settings import Accepted, ToolCalls, checked, plan_of, refuse_unknown
from guardrails_lite._messages import Call
from guardrails_lite._policy import Policy, canonical
from guardrails_lite._rules import Mode, Role, Rule
from guardrails_lite._targets import Primary, Target
from guardrails_lite.reliability import Budget, Retry

if TYPE_CHECKING:
    from guardrails_lite._engine._cache import Cache
    from guardrails_lite._engine._partials import Partial
    from guardrails_lite._record import Style
    from guardrails_lite.reliability import Clocks, Hedge, Upstream, WorstCase

T = TypeVar("T")
S = TypeVar("S")
P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C")
R = TypeVar("R")
Chunks = Iterator[Any] | AsyncIterator[Any]


class Same:
    """Stands for "what the function returns" in the type of a guard without a schema."""


class Untold:
    """Stands for a type that no guard has, so that only a ``Guard[Any]`` matches: what it gives is untold."""


class Settings(TypedDict, total=False):
    """What every guard takes beside its schema, as `Guard` explains it."""

    name: str | None
    input: Iterable[Rule]
    output: Iterable[Rule]
    tools: Iterable[Any]
    tool_calls: ToolCalls
    retry: Retry | None
    fallback: Iterable[Target]
    budget: Budget | None
    clocks: Clocks | None
    upstream: Upstream | None
    hedge: Hedge | None
    cache: Cache | None
    log: Callable[[Any], Any] | Iterable[Callable[[Any], Any]] | None
    mode: Mode
    accept: Iterable[Accepted]


class Guard(Generic[T]):
    """What is checked around a chat-completion call, what is done about it, and where it is recorded.

    A guard is a value: it never changes, prints as the code that made it, merges with ``|`` and has a
    `digest`. Use it as a decorator, around a client (`wrap`), or around one call (`run`, `arun`, `stream`,
    `astream`).

    Args:
        name: The name that appears in each record.
        input: Rules for everything that goes to the model, in order.
        output: Rules for everything that comes back, in order.
        schema: The type of the answer: a pydantic model, a dataclass, a TypedDict, any type that pydantic
            takes, or a JSON Schema as a dict. Callers then get the typed value.
        tools: The tools that the model may call: functions with annotations, pydantic models, OpenAI tool
            dicts, or `tool` around any of these, to set terms.
        tool_calls: What happens if some calls of a turn are refused. ``"together"``: none is let through,
            and the model is asked again. ``"each"``: the valid ones are let through, and `Reply.history`
            tells the model about the others; if none is valid, the model is asked again.
        retry: How often a failed attempt is repeated, and how often the model is asked again about an
            invalid reply.
        fallback: Which targets to ask, in order, when that does not help; see `target`.
        budget: What one call may use: seconds, tokens, money.
        clocks: When to give up a single attempt before the deadline. Not used in monitor mode.
        upstream: Limits, circuit breakers and a retry budget that all callers of the primary share, as do
            fallbacks that only override its parameters. Not used in monitor mode.
        hedge: When to send a call a second time because its first content is late. For wrapped clients and
            async functions, which can be cancelled. Not used in monitor mode.
        cache: Keeps replies of wrapped clients for repeated requests. Not used in monitor mode.
        log: Where records go: an `AuditLog`, any callable, or several. Default: the ``guardrails_lite``
            logger, silent unless the application listens.
        mode: ``"monitor"`` checks and records everything, but changes and stops nothing.
        accept: Endings that this application takes as values, not errors: ``"empty"``, ``"refused"``,
            ``"truncated"``; and ``"unmarked"``, a text without a finish reason, for a server that never
            sends one. Tool calls without one, and JSON that looks cut off, are never accepted.

    Raises:
        ConfigError: a setting that cannot work: what, where, what was expected, and the remedy.
    """

    __slots__ = ("__weakref__", "_plan", "_policy", "_settings")
    _settings: dict[str, Any]
    _plan: Plan
    _policy: Policy | None

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
        "clocks": None,
        "upstream": None,
        "hedge": None,
        "cache": None,
        "log": None,
        "mode": "enforce",
        "accept": (),
    }

    if not TYPE_CHECKING:  # a checker reads what __init__ takes

        def __new__(cls, *given: object, **settings: object) -> Guard[Any]:
            """Refuse what `__init__` would in words that say nothing of the way out."""
            refuse_unknown(given, settings, cls._DEFAULTS)
            return super().__new__(cls)

    @overload
    def __init__(self: Guard[Same], *, schema: None = None, **settings: Unpack[Settings]) -> None: ...
    @overload
    def __init__(self: Guard[S], *, schema: type[S], **settings: Unpack[Settings]) -> None: ...
    @overload
    def __init__(self: Guard[Any], *, schema: object, **settings: Unpack[Settings]) -> None: ...
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
        clocks: Clocks | None = None,
        upstream: Upstream | None = None,
        hedge: Hedge | None = None,
        cache: Cache | None = None,
        log: Callable[[Any], Any] | Iterable[Callable[[Any], Any]] | None = None,
        mode: Mode = "enforce",
        accept: Iterable[Accepted] = (),
    ) -> None:
        settings = checked(
            {
                "name": name,
                "input": input,
                "output": output,
                "schema": schema,
                "tools": tools,
                "tool_calls": tool_calls,
                "retry": retry,
                "fallback": fallback,
                "budget": budget,
                "clocks": clocks,
                "upstream": upstream,
                "hedge": hedge,
                "cache": cache,
                "log": log,
                "mode": mode,
                "accept": accept,
            }
        )
        object.__setattr__(self, "_settings", settings)
        object.__setattr__(self, "_policy", None)
        object.__setattr__(self, "_plan", plan_of(settings, self))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Guard never changes; merge another into it: guard | Guard({name}=...)")

    # --- using it ---

    @overload
    def __call__(self: Guard[Same], function: F, /) -> F: ...
    @overload
    def __call__(self, function: Callable[P, Awaitable[Any]], /) -> Callable[P, Awaitable[T]]: ...
    @overload
    def __call__(self, function: Callable[P, ClientStream], /) -> Callable[P, T]: ...
    @overload
    def __call__(self, function: Callable[P, AsyncIterator[Any]], /) -> Callable[P, AsyncIterator[T]]: ...
    @overload
    def __call__(self, function: Callable[P, Iterator[Any]], /) -> Callable[P, Iterator[T]]: ...
    @overload
    def __call__(self, function: Callable[P, Any], /) -> Callable[P, T]: ...
    @overload
    def __call__(self: Guard[Same], /, *, prompt: str) -> Callable[[F], F]: ...
    @overload
    def __call__(self, /, *, prompt: str) -> Decorator[T]: ...
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
            return functools.partial(decorate, self, prompt=prompt)
        return decorate(self, function, prompt=prompt)

    @by_name
    def wrap(self, client: C) -> C:
        """Guard a client: an `OpenAI`, `AsyncOpenAI` or Azure's.

        Use the result like the client; it has the same type. Every request that would reach a model is
        guarded, or refused with an error that says what to do instead. The wrapped client has its own
        connections, which obey the deadline. Close it like the client: ``with guard.wrap(...) as client``.

        Raises:
            ConfigError: *client* is not a client of the openai package.
        """
        from guardrails_lite.clients.openai import wrap

        return wrap(self, client)

    @overload
    def run(
        self: Guard[Untold], function: Callable[..., Any], messages: Any, **params: Any
    ) -> Outcome[Any]: ...
    @overload
    def run(
        self: Guard[Same], function: Callable[..., Chunks], messages: Any, **params: Any
    ) -> Outcome[Any]: ...
    @overload
    def run(self: Guard[Same], function: Callable[..., R], messages: Any, **params: Any) -> Outcome[R]: ...
    @overload
    def run(self, function: Callable[..., Any], messages: Any, **params: Any) -> Outcome[T]: ...
    def run(self, function: Callable[..., Any], messages: Any = None, **params: Any) -> Outcome[Any]:
        """Make one guarded call of *function* and return its `Outcome`.

        The outcome's value is what *function* returns, or the text of its chunks if it streams; with a
        schema, it is the typed value.

        Args:
            function: Called with the messages, and *params* as keywords.
            messages: A list of chat messages, or a prompt, which is passed on as a string.
            **params: Parameters of the request, such as ``model``.
        """
        call, target = one_call(self, function, messages, params, can_wait=False)
        return drive(exchange(self._plan_for("sync"), call, target, "sync"))

    @overload
    async def arun(
        self: Guard[Untold], function: Callable[..., Any], messages: Any, **params: Any
    ) -> Outcome[Any]: ...
    @overload
    async def arun(
        self: Guard[Same], function: Callable[..., Chunks | Awaitable[Chunks]], messages: Any, **params: Any
    ) -> Outcome[Any]: ...
    @overload
    async def arun(
        self: Guard[Same], function: Callable[..., Awaitable[R]], messages: Any, **params: Any
    ) -> Outcome[R]: ...
    @overload
    async def arun(
        self: Guard[Same], function: Callable[..., R], messages: Any, **params: Any
    ) -> Outcome[R]: ...
    @overload
    async def arun(self, function: Callable[..., Any], messages: Any, **params: Any) -> Outcome[T]: ...
    async def arun(self, function: Callable[..., Any], messages: Any = None, **params: Any) -> Outcome[Any]:
        """`run` on the event loop. A *function* that is not async runs in a thread."""
        call, target = one_call(self, function, messages, params)
        return await adrive(exchange(self._plan, call, target, "async"))

    @overload
    def stream(
        self: Guard[Same], function: Callable[..., Any], messages: Any, **params: Any
    ) -> Live[Any]: ...
    @overload
    def stream(self, function: Callable[..., Any], messages: Any, **params: Any) -> Live[Partial[T]]: ...
    def stream(self, function: Callable[..., Any], messages: Any = None, **params: Any) -> Live[Any]:
        """Make one guarded call and iterate over its reply as it is released.

        The chunks are those of *function*: strings, or a client's chunks. With a schema, they are
        `Partial`s of the value, each with the fields that are now complete and have passed; the last one
        is complete. After it, ``.outcome`` has the `Outcome`.
        """
        call, target = one_call(self, function, messages, params)
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
    def astream(self, function: Callable[..., Any], messages: Any = None, **params: Any) -> AsyncLive[Any]:
        """`stream` for ``async for``."""
        call, target = one_call(self, function, messages, params)
        return AsyncLive(exchange(self._plan, call, target, "async stream", live=True, partials=True))

    def check(
        self, text: str, *, side: Literal["input", "output"] = "input", role: Role | None = None
    ) -> Decision:
        """Decide what the rules of one side do with *text*, without a model call.

        Args:
            text: What to check.
            side: Whose rules apply.
            role: Who says it; default: the user on the input, the assistant on the output.
        """
        return drive(decide(self._plan_for("check"), text, side, role))

    async def acheck(
        self, text: str, *, side: Literal["input", "output"] = "input", role: Role | None = None
    ) -> Decision:
        """`check` on the event loop: for async and blocking validators."""
        return await adrive(decide(self._plan, text, side, role))

    def worst_case(
        self,
        *,
        model: str | None = None,
        prompt_tokens: int | None = None,
        max_completion_tokens: int | None = None,
    ) -> WorstCase:
        """Say what one call can cost at most, before anything runs: requests, seconds, tokens, money.

        Tokens and money are bounded by the budget, or by the size of the request if you pass it. They do
        not include what checks use, such as a judge that asks a model, because that is not known in
        advance; `WorstCase.checks` names the checks that may use something.

        Args:
            model: The model that the primary uses, for its price.
            prompt_tokens: The largest prompt.
            max_completion_tokens: The longest reply that a request asks for, all its choices together.
        """
        from guardrails_lite.reliability._worst_case import worst_case

        plan = self._plan
        fields = plan.schema.field_rules if plan.schema is not None else ()
        rules = (*plan.input.rules, *plan.output.rules, *(field.rule for field in fields))
        return worst_case(
            plan.retry,
            plan.budget,
            asked_of(plan.fallback, model, clocks=plan.clocks),
            hedged=plan.hedge is not None,
            checks=(rule.validator for rule in rules),
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
            ConfigError: the file cannot be read, or a setting in it cannot work; the error names the place.
        """
        from guardrails_lite._guard._files import settings_from_file

        settings = settings_from_file(path)
        try:
            return cls(**settings)
        except ConfigError as error:
            raise ConfigError(f"{os.fspath(path)}: {error}") from error

    @property
    def name(self) -> str | None:
        """What it is called in the record."""
        return self._settings["name"]  # type: ignore[no-any-return]

    @property
    def digest(self) -> str:
        """Names the policy: equal for guards that decide alike, other as soon as a rule changes."""
        return self._decides_by().digest

    @property
    def config(self) -> dict[str, Any]:
        """What `digest` names, as the log tells it: JSON, with private texts counted and not shown."""
        told: dict[str, Any] = json.loads(canonical(self._decides_by().config))
        return told

    def _decides_by(self) -> Policy:
        policy = self._policy
        if policy is None:
            policy = policy_from(self._settings)
            object.__setattr__(self, "_policy", policy)
        return policy

    def __or__(self, other: Guard[Any]) -> Guard[Any]:
        """This guard with *other* added: rules, tools, fallbacks and sinks joined, the rest replaced."""
        if not isinstance(other, Guard):
            told = f"guard | Guard(input=[{other!r}])" if isinstance(other, Rule) else "guard | Guard(...)"
            raise TypeError(
                f"guard | {type(other).__name__}: only a guard can be merged into a guard: {told}"
            )
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
            from guardrails_lite._engine._partials import what_holds

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
