"""Validators by name: entry points of the group ``guardrails_lite.validators``, loaded when asked for."""

from __future__ import annotations

import difflib
import inspect
from importlib.util import find_spec
from typing import Any

from guardrails_lite._errors import ConfigError, MissingPackage
from guardrails_lite._validators import Validator

GROUP = "guardrails_lite.validators"


def names() -> list[str]:
    """The validators that installed packages announce."""
    from importlib.metadata import entry_points

    return sorted({entry.name for entry in entry_points(group=GROUP)})


def _called(made: Any, arguments: dict[str, Any]) -> object:
    """Call *made* by name, also where its parameters go by position; a list fills ``*names``."""
    named = dict(arguments)
    positional: list[Any] = []
    for each in inspect.signature(made).parameters.values():
        if each.name not in named:
            continue
        if each.kind is each.POSITIONAL_ONLY:
            positional.append(named.pop(each.name))
        elif each.kind is each.VAR_POSITIONAL and isinstance(named[each.name], list):
            positional += named.pop(each.name)
    return made(*positional, **named)


def parameters(name: str) -> frozenset[str]:
    """The arguments that the validator announced as *name* takes; none where no function makes it.

    Raises:
        ConfigError: no package announces it, or it cannot be imported.
    """
    made = _imported(name)
    return frozenset() if isinstance(made, Validator) else frozenset(inspect.signature(made).parameters)


def load(name: str, arguments: dict[str, Any]) -> Validator:
    """Make the validator that is announced as *name*, with *arguments*.

    Raises:
        ConfigError: no package announces it, it cannot be imported, or it does not take the arguments.
    """
    made = _imported(name)
    if isinstance(made, Validator):
        if arguments:
            raise ConfigError(f"validator {name!r} takes no arguments, but {', '.join(arguments)} is given")
        return made
    try:
        validator = _called(made, arguments)
    except TypeError as error:
        takes = ", ".join(inspect.signature(made).parameters) if callable(made) else ""
        raise ConfigError(
            f"validator {name!r} cannot be made with {', '.join(arguments) or 'nothing'}: {error}. "
            f"It takes {takes or 'nothing'}"
        ) from error
    except ImportError as error:
        raise ConfigError(f"validator {name!r} cannot be made: {_why(error)}") from error
    if not isinstance(validator, Validator):
        raise ConfigError(
            f"validator {name!r} makes a {type(validator).__name__}; expected a validator, see @validator"
        )
    return validator


def _imported(name: str) -> Any:
    """What the entry point *name* stands for."""
    from importlib.metadata import entry_points

    found = tuple(entry_points(group=GROUP, name=name))
    if not found and find_spec("guardrails_lite_validators") is None:
        raise MissingPackage.needed_by(
            f"the validator {name!r}, unless another package brings it,",
            "guardrails-lite-validators",
            install="guardrails-lite-validators",
        )
    if not found:
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f"no installed package has a validator {name!r}.{hint} There are: {', '.join(names()) or 'none'}."
        )
    try:
        return found[0].load()
    except Exception as error:
        raise ConfigError(
            f"validator {name!r} ({found[0].value}) cannot be imported: {_why(error)}"
        ) from error


def _why(error: Exception) -> str:
    """The class of *error*, and of an import that failed also what was to be imported."""
    told = type(error).__name__
    return f"{told}: {error}" if isinstance(error, ImportError) else told
