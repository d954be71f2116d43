"""A guard around a function: decorated, or called once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, overload

from guardrails_lite._engine._drivers import AsyncLive, Live, aadvance, advance
from guardrails_lite._engine._effects import Opened
from guardrails_lite._engine._exchange import Outcome, exchange
from guardrails_lite._errors import ConfigError
from guardrails_lite._guard._binding import Binding, messages_of, prompt_of
from guardrails_lite._guard._composition import check_clocks, check_hedged, check_held, check_style
from guardrails_lite._messages import Call
from guardrails_lite._targets import Primary, is_blocking

if TYPE_CHECKING:
    from guardrails_lite._engine._plan import Plan
    from guardrails_lite._guard import Guard

ClientStream = AbstractContextManager[Any, Any]
"""How a type checker tells a client's stream, which a function returns, from a generator: by its ``with``."""

P = ParamSpec("P")
T_co = TypeVar("T_co", covariant=True)


class Decorator(Protocol[T_co]):
    """What a guard with a schema is for a type checker once it knows the name of the prompt."""

    @overload
    def __call__(self, function: Callable[P, Awaitable[Any]], /) -> Callable[P, Awaitable[T_co]]: ...
    @overload
    def __call__(self, function: Callable[P, ClientStream], /) -> Callable[P, T_co]: ...
    @overload
    def __call__(self, function: Callable[P, AsyncIterator[Any]], /) -> Callable[P, AsyncIterator[T_co]]: ...
    @overload
    def __call__(self, function: Callable[P, Iterator[Any]], /) -> Callable[P, Iterator[T_co]]: ...
    @overload
    def __call__(self, function: Callable[P, Any], /) -> Callable[P, T_co]: ...


_INSTEAD = "Make it an `async def`, or wrap the client: guard.wrap(client)"


def decorate(guard: Guard[Any], function: Callable[..., Any], *, prompt: str | None = None) -> Any:
    """The guarded function, of the same kind.

    Raises:
        ConfigError: it is none, has nothing to screen, or cannot take what a fallback overrides.
    """
    if isinstance(function, (staticmethod, classmethod)):
        raise ConfigError("put @guard below @staticmethod or @classmethod, next to the function")
    if not callable(function):
        raise ConfigError(f"@guard takes a function, not {type(function).__name__}")
    _refuse_cache(guard)
    check_style(guard._plan.retry, "a decorated function")
    binding = Binding.of(function, prompt=prompt)
    is_plain = is_blocking(function) and not inspect.isgeneratorfunction(function)
    check_clocks(guard._plan.clocks, f"{binding.name}()", can_wait=not is_plain)
    for fallback in guard._plan.fallback:
        missing = [name for name in fallback.overrides if not binding.can_override(name)]
        if fallback.kind == "override" and missing:
            raise ConfigError(
                f"{fallback!r} overrides {missing[0]!r}, which {binding.name}() does not take. "
                f"Add the parameter {missing[0]!r} to the function, or give the fallback a client."
            )
    if inspect.isasyncgenfunction(function):
        return _async_generator(guard._plan, binding)
    if inspect.isgeneratorfunction(function):
        check_hedged(guard._plan.hedge, f"{binding.name}()", _INSTEAD)
        return _generator(guard._plan_for("stream"), binding)
    if not is_plain:
        return _coroutine(guard._plan, binding)
    check_hedged(guard._plan.hedge, f"{binding.name}()", _INSTEAD)
    check_held(guard._plan.fallback)
    return _plain(guard._plan_for("run"), binding)


def _async_generator(plan: Plan, binding: Binding) -> Any:
    has_schema = plan.schema is not None

    @functools.wraps(binding.function)
    async def guarded(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        call = binding.call(args, kwargs)
        target = binding.target(call, args, kwargs)
        live: AsyncLive[Any] = AsyncLive(exchange(plan, call, target, "async stream", live=True))
        async with live:
            async for chunk in live:
                if not has_schema:
                    yield chunk
        if has_schema:
            yield live.outcome.value

    return guarded


def _generator(plan: Plan, binding: Binding) -> Any:
    has_schema = plan.schema is not None

    @functools.wraps(binding.function)
    def guarded(*args: Any, **kwargs: Any) -> Iterator[Any]:
        call = binding.call(args, kwargs)
        target = binding.target(call, args, kwargs)
        live: Live[Any] = Live(exchange(plan, call, target, "stream", live=True))
        with live:
            for chunk in live:
                if not has_schema:
                    yield chunk
        if has_schema:
            yield live.outcome.value

    return guarded


def _coroutine(plan: Plan, binding: Binding) -> Any:
    has_schema = plan.schema is not None

    @functools.wraps(binding.function)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        call = binding.call(args, kwargs)
        target = binding.target(call, args, kwargs)
        core = exchange(plan, call, target, "async", live=not has_schema)
        got = await aadvance(core, Opened)  # not `abegin`: each coroutine is another frame to resume
        return got.value if type(got) is Outcome else AsyncLive(core)

    return guarded


def _plain(plan: Plan, binding: Binding) -> Any:
    has_schema = plan.schema is not None

    @functools.wraps(binding.function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        call = binding.call(args, kwargs)
        target = binding.target(call, args, kwargs)
        core = exchange(plan, call, target, "sync", live=not has_schema)
        got = advance(core, Opened)
        return got.value if type(got) is Outcome else Live(core)

    return guarded


def one_call(
    guard: Guard[Any], function: Any, messages: Any, params: dict[str, Any], *, can_wait: bool = True
) -> tuple[Call, Primary]:
    """The call and the target of `run` and its siblings.

    Args:
        guard: The guard.
        function: What is called.
        messages: What is said to it.
        params: With what.
        can_wait: Whether the wait for a plain function's reply can be ended, or there are chunks to look at.
    """
    if not callable(function):
        raise TypeError(
            "expected a function that calls a model, and what to say to it: guard.run(function, messages), "
            f"not {type(function).__name__}"
        )
    _refuse_cache(guard)
    name = getattr(function, "__name__", type(function).__name__)
    blocks = is_blocking(function)
    check_clocks(guard._plan.clocks, f"{name}()", can_wait=can_wait or not blocks)
    if blocks:
        check_hedged(guard._plan.hedge, f"{name}()", _INSTEAD)
    if not can_wait and guard._plan.has_clocks:
        check_held(guard._plan.fallback)
    is_prompt = isinstance(messages, str)

    def send(sent: Call, _: float | None) -> Any:
        return function(prompt_of(sent) if is_prompt else list(sent.messages), **sent.params)

    return Call(messages_of(messages), params), Primary(name, send, blocks, one_turn=is_prompt)


def _refuse_cache(guard: Guard[Any]) -> None:
    """What else a function does with its arguments nobody can see, so none of its replies is kept."""
    if guard._plan.cache is not None:
        raise ConfigError(
            "cache= of Guard keeps replies of wrapped clients only: guard.wrap(client). "
            "For a function, use a guard without it."
        )
