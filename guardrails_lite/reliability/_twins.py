"""A client once more, with something changed, and without asking its class.

A client's own ``copy`` calls the constructor. A subclass may have one with other parameters, and what it has
set besides would be lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any


def twin_of(client: Any, *, kind: type[Any] | None = None, **changes: Any) -> Any:
    """*client* in the same state but for these attributes, as an object of *kind*; default: of its class."""
    twin: Any = object.__new__(type(client) if kind is None else kind)
    twin.__dict__.update(_without_resources(type(client), vars(client)), **changes)
    return twin


def _without_resources(kind: type, state: Mapping[str, Any]) -> dict[str, Any]:
    """The state of a client without the resources it has made, for they hold on to it."""
    return {
        name: value
        for name, value in state.items()
        if not isinstance(getattr(kind, name, None), cached_property)
    }
