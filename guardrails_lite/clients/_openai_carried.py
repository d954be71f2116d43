"""Messages that are plain JSON already, carried past the client's rewriting of them.

The client walks every message against the union of all message types, to rename fields and to unpack its
own objects. For plain dicts that changes nothing and is a quarter of what a call costs it. So such messages
wait here while the client works on an empty list, and are put in its place at the door.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

_CARRIED: ContextVar[list[Any] | None] = ContextVar("guardrails_lite_carried", default=None)
_ATOMS = frozenset({str, int, float, bool, type(None)})


def carrying(method: Callable[..., Any], parameter: str, *, is_async: bool) -> Callable[..., Any]:
    """*method*, with what is given as *parameter* carried past it where it is plain."""

    def left(kwargs: dict[str, Any]) -> list[Any] | None:
        given = kwargs.get(parameter)
        if type(given) is not list or not given or not _is_plain(given):
            return None
        kwargs[parameter] = []
        return given

    if is_async:  # the method itself may not look it: the client decorates some

        @functools.wraps(method)
        async def amethod(*args: Any, **kwargs: Any) -> Any:
            token = _CARRIED.set(left(kwargs))
            try:
                return await method(*args, **kwargs)
            finally:
                _CARRIED.reset(token)

        return amethod

    @functools.wraps(method)
    def method_(*args: Any, **kwargs: Any) -> Any:
        token = _CARRIED.set(left(kwargs))
        try:
            return method(*args, **kwargs)
        finally:
            _CARRIED.reset(token)

    return method_


def with_carried(body: Mapping[str, Any], parameter: str) -> Mapping[str, Any]:
    """*body* with what was carried past the client in its place. It is handed over once."""
    carried = _CARRIED.get()
    if carried is None:
        return body
    _CARRIED.set(None)
    return {**body, parameter: carried} if body.get(parameter) == [] else body


def _is_plain(value: Any) -> bool:
    """Whether *value* is made of JSON's own types and no others."""
    kind = type(value)
    if kind in _ATOMS:
        return True
    if kind is dict:
        return all(type(name) is str and _is_plain(each) for name, each in value.items())
    return kind is list and all(map(_is_plain, value))
