"""What a request declares of its answer, enforced by its guard: a ``response_format``, or a helper's type.

``parse`` and ``stream`` send a JSON Schema made of a type, which says less than the type: validators of one's
own are not in it. So the type is noted when they make their request, and found again when that comes to the
door.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from guardrails_lite._messages import Call, get

if TYPE_CHECKING:
    from guardrails_lite._guard import Guard

_TYPE: ContextVar[Any] = ContextVar("guardrails_lite_answer_type", default=None)
_KEPT = 64
"""How many declarations one client remembers the guards for."""


@contextmanager
def _noted(type_: Any) -> Iterator[None]:
    token = _TYPE.set(type_ if inspect.isclass(type_) else None)
    try:
        yield
    finally:
        _TYPE.reset(token)


def noting(parse: Callable[..., Any], parameter: str, *, is_async: bool) -> Callable[..., Any]:
    """*parse*, noting the type that is given as *parameter*."""
    if is_async:

        @functools.wraps(parse)
        async def aparse(*args: Any, **kwargs: Any) -> Any:
            with _noted(kwargs.get(parameter)):
                return await parse(*args, **kwargs)

        return aparse

    @functools.wraps(parse)
    def parse_(*args: Any, **kwargs: Any) -> Any:
        with _noted(kwargs.get(parameter)):
            return parse(*args, **kwargs)

    return parse_


def opening(stream: Callable[..., Any], parameter: str) -> Callable[..., Any]:
    """*stream*, noting the type that is given as *parameter* when its request is made: as it is entered."""

    @functools.wraps(stream)
    def opened(*args: Any, **kwargs: Any) -> Any:
        manager = stream(*args, **kwargs)
        type_ = kwargs.get(parameter)
        if inspect.isclass(type_):
            manager.__class__ = _noting_manager(manager.__class__)
            manager._guardrails_lite_type = type_
        return manager

    return opened


@functools.cache
def _noting_manager(kind: type[Any]) -> type[Any]:
    """The client's context manager, which notes its type while it is entered."""

    async def __aenter__(self: Any) -> Any:
        with _noted(self._guardrails_lite_type):
            return await kind.__aenter__(self)

    def __enter__(self: Any) -> Any:
        with _noted(self._guardrails_lite_type):
            return kind.__enter__(self)

    enter = __aenter__ if hasattr(kind, "__aenter__") else __enter__
    return type(kind.__name__, (kind,), {enter.__name__: enter, "__module__": kind.__module__})


class Declarations:
    """One guard, and what it becomes for each declaration that has been met."""

    def __init__(self, guard: Guard[Any]) -> None:
        self._guard = guard
        self._guards: dict[Any, Guard[Any]] = {}

    def guard_for(self, call: Call) -> Guard[Any]:
        """The guard that also holds the answer to what *call* declares. A schema of its own comes first."""
        form = call.params.get("response_format")
        if form is None or self._guard._plan.schema is not None:
            return self._guard
        schema = _TYPE.get() or get(get(form, "json_schema"), "schema")
        if schema is None:
            return self._guard
        key = schema if inspect.isclass(schema) else json.dumps(schema, sort_keys=True)
        guard = self._guards.get(key)
        if guard is None:
            from guardrails_lite._guard import Guard

            if len(self._guards) >= _KEPT:
                self._guards = {}
            guard = self._guards[key] = self._guard | Guard(schema=schema)
        return guard
