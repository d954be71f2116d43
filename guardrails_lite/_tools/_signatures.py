"""From a function's signature to the type of its arguments."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NotRequired, get_type_hints

from guardrails_lite._errors import ConfigError


def arguments_type(function: Callable[..., Any], name: str, described: Mapping[str, str]) -> type:
    """A TypedDict with one key for each parameter: what the model must send to call *function*.

    A parameter with a default may be left out, and the function's own default then applies.

    Raises:
        ConfigError: a parameter has no annotation, or the arguments of a model cannot reach it.
    """
    from pydantic import Field
    from typing_extensions import TypedDict

    hints = _hints(function, name)
    fields: dict[str, Any] = {}
    for parameter in parameters_of(function):
        if parameter.kind is parameter.VAR_POSITIONAL:
            raise ConfigError(
                f"tool {name!r} takes *{parameter.name}, which JSON arguments cannot fill. "
                "Take a list parameter, or wrap the function."
            )
        if parameter.kind is parameter.VAR_KEYWORD:
            continue  # nothing undeclared ever reaches it
        if parameter.name not in hints:
            raise ConfigError(
                f"parameter {parameter.name!r} of tool {name!r} has no annotation, so arguments cannot be "
                f"checked. Annotate it, for example `{parameter.name}: str`."
            )
        hint = hints[parameter.name]
        if parameter.name in described and not _is_described(hint):
            hint = Annotated[hint, Field(description=described[parameter.name])]
        fields[parameter.name] = hint if parameter.default is parameter.empty else NotRequired[hint]
    made: type = TypedDict(name, fields)  # type: ignore[misc]  # its keys are known only now
    return made


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters a caller fills."""
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"the signature of {function!r} cannot be read. Wrap it in a function with annotations."
        ) from error


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    bare: Any = inspect.unwrap(function)
    while isinstance(bare, functools.partial):
        bare = bare.func
    if not inspect.isroutine(bare):
        bare = type(bare).__call__
    try:
        return get_type_hints(bare, include_extras=True)
    except NameError as error:
        raise ConfigError(
            f"an annotation of tool {name!r} names {error.name!r}, which is not defined yet. Define "
            "or import the types that it names above the tool, at module level, not only for type checkers."
        ) from error
    except Exception as error:  # whatever evaluating someone's annotation raises
        raise ConfigError(
            f"an annotation of tool {name!r} cannot be evaluated ({type(error).__name__}). "
            "Write a type that exists at run time."
        ) from error


def _is_described(hint: Any) -> bool:
    """Whether the annotation says itself what the parameter means."""
    return any(getattr(extra, "description", None) for extra in getattr(hint, "__metadata__", ()))
