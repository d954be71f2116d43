"""Arguments that something of this library does not take: an error that names what may have been meant."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from guardrails_lite._errors import ConfigError

M = TypeVar("M", bound=Callable[..., Any])

LONGEST_S = 1e9
"""The longest time that a setting may name, about 30 years: locks and sockets cannot wait for much longer."""


def by_name(make: M) -> M:
    """Have a function, or a class, refuse arguments that it does not take by a ConfigError.

    Python would only count them. Nothing is looked at where they are right.
    """
    if isinstance(make, type):
        make.__init__ = by_name(make.__init__)  # type: ignore[misc]  # of a class that stays what it is
        return make

    @functools.wraps(make)
    def made(*args: Any, **settings: Any) -> Any:
        try:
            return make(*args, **settings)
        except TypeError as error:
            problem = _misfit(make, args, settings)
            if problem is None:
                raise
            raise ConfigError(problem) from error

    return made  # type: ignore[return-value]  # it takes and gives the same


def unknown(what: str, name: str, known: Iterable[str], *, form: str = "{}=") -> str:
    """What to say of a setting that there is not; *form* is how a setting is written where it stands."""
    there = sorted(known)
    near = get_close_matches(name, there, 1, 0.6)
    meant = f"did you mean {form.format(near[0])}?" if near else f"it takes {', '.join(there) or 'none'}"
    return f"{what} has no setting {form.format(name)}; {meant}"


def _misfit(make: Callable[..., Any], args: tuple[Any, ...], settings: Mapping[str, Any]) -> str | None:
    """Why *make* cannot be called so; None: it can."""
    signature = inspect.signature(make)
    try:
        signature.bind(*args, **settings)
    except TypeError as error:
        why = str(error)
    else:
        return None
    what = make.__qualname__.removesuffix(".__init__")
    takes = dict(signature.parameters)
    if takes.pop("self", None) is not None and not (args and hasattr(type(args[0]), make.__name__)):
        owner = what.partition(".")[0]
        return f"{what}(...) is called on the class; make one first: {owner}(...).{make.__name__}(...)"
    for name in settings:
        if name not in takes:
            named = [each.name for each in takes.values() if each.kind is not each.POSITIONAL_ONLY]
            return unknown(what, name, named)
    shown = ", ".join(
        each.name if each.kind is each.POSITIONAL_ONLY or each.default is each.empty else f"{each.name}="
        for each in takes.values()
    )
    return f"{what}(...): {why}; it is called as {what}({shown})"
