"""A client once more, with something changed, and without asking its class.

A client's own ``copy`` calls the constructor. A subclass may have one with other parameters, and what it has
set besides would be lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any


def twin_of(client: Any, *, kind: type[Any] | None = None, **changes: Any) -> Any:
    """*client* in the same state but for these attributes, as an object of *kind*; default: of its class."""
    twin: Any = object.__new__(type(client) if kind is None else kind)
    twin.__dict__.update(_without_resources(type(client), vars(client)), **changes)
    return twin


def live_twin_of(client: Any, mixin: type[Any], *own: str) -> Any:
    """*client* with *mixin* before its class, and its very state: what is set on one is set on the other.

    Args:
        client: An HTTP client, whose connections are used.
        mixin: What the twin does differently.
        own: Attributes that the twin has for itself.
    """
    twin: Any = object.__new__(_mixed(mixin, type(client), own))  # type: ignore[arg-type]  # classes are hashable
    twin.__dict__ = client.__dict__
    twin.twin_of = client  # whoever made it may close its connections when it is gone
    return twin


@lru_cache(maxsize=64)
def _mixed(mixin: type[Any], kind: type[Any], own: tuple[str, ...]) -> type[Any]:
    members = {"__slots__": ("twin_of", *own), "__del__": _leave_open}
    return type(f"{mixin.__name__}{kind.__name__}", (mixin, kind), members)


def _leave_open(twin: Any) -> None:
    """What it is the twin of has connections to close, and says when."""


def _without_resources(kind: type, state: Mapping[str, Any]) -> dict[str, Any]:
    """The state of a client without the resources it has made, for they hold on to it."""
    return {
        name: value
        for name, value in state.items()
        if not isinstance(getattr(kind, name, None), cached_property)
    }
