"""What a request declares of its answer, enforced by its guard: a ``response_format``, or ``parse``'s type.

``parse`` sends a JSON Schema made of a type, which says less than the type: validators of one's own are not
in it. So the type is noted when ``parse`` is called, and found again when its request comes to the door.
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
