"""Declaring tools: from a function, a type of arguments, or the provider's own dict."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from guardrails_lite._arguments import LONGEST_S, by_name
from guardrails_lite._errors import ConfigError
from guardrails_lite._tools._docstrings import read_docstring
from guardrails_lite._tools._signatures import arguments_type
from guardrails_lite._tools._tool import NAME, Approve, Effects, Tool

if TYPE_CHECKING:
    from guardrails_lite._schema import Schema


@by_name
def tool(
    declared: Any,
    *,
    name: str | None = None,
    description: str | None = None,
    approve: Approve | None = None,
    approve_timeout_s: float | None = None,
    max_calls: int | None = None,
    result: Any = None,
    only_after: Iterable[str] = (),
    effects: Effects | None = None,
    untrusted: bool | None = None,
) -> Tool:
    """Declare a tool and the terms on which the model may call it.

    Args:
        declared: A function with annotations (its docstring describes it and its parameters), a pydantic
            model or another type of its arguments, the provider's own dict, or a `Tool` to change.
        name: What the model calls it; default: the function's or model's name.
        description: What the model is told; default: the docstring.
        approve: A sync or async callable that gets a copy of the checked `ToolCall`; only True lets the call
            through, as it was checked. ``"deny"`` refuses every call.
        approve_timeout_s: Seconds to wait for the approval; without an answer the call is refused.
        max_calls: The most calls in one conversation.
        result: The type or JSON Schema of what it returns.
        only_after: Names of tools of which each must have returned first.
        effects: ``"write"`` for a tool that changes something outside: it runs at most once for one logical
            call, and two identical calls in one turn are refused. ``"read"`` for a tool that may be repeated.
        untrusted: True if strangers write what it returns: pages, mails, documents. A call of a tool with
            ``effects="write"`` is then refused if its arguments repeat text of such a result, unless the
            user wrote that text too, or the tool has a function as *approve*, which decides.

    Raises:
        ConfigError: what is declared cannot be checked, or an option cannot work.
    """
    if name is not None:
        _name(name)
    if description is not None and not isinstance(description, str):
        called = name or getattr(declared, "name", None) or getattr(declared, "__name__", "?")
        raise ConfigError(f"description={description!r} of tool {called!r} must be a str")
    if isinstance(declared, Tool):
        made = declared
        if name is not None or description is not None:
            made = _renamed(made, name, description)
    elif isinstance(declared, Mapping):
        made = _of_definition(declared, name, description)
    elif inspect.isclass(declared):
        made = _of_type(declared, name, description)
    elif callable(declared):
        made = _of_function(declared, name, description)
    else:
        raise ConfigError(
            f"tool(...) takes a function, a type of arguments or a tool dict, not {type(declared).__name__}"
        )
    return _with_terms(made, approve, approve_timeout_s, max_calls, result, only_after, effects, untrusted)


def _with_terms(
    made: Tool,
    approve: Approve | None,
    approve_timeout_s: float | None,
    max_calls: int | None,
    result: Any,
    only_after: Iterable[str],
    effects: Effects | None,
    untrusted: bool | None,
) -> Tool:
    named = f"of tool {made.name!r}"
    approve = made.approve if approve is None else approve
    if approve is not None and approve != "deny" and not callable(approve):
        raise ConfigError(f"approve={approve!r} {named} must be a function that takes the call, or 'deny'")
    if approve_timeout_s is not None and not (
        isinstance(approve_timeout_s, (int, float)) and 0 < approve_timeout_s <= LONGEST_S
    ):
        raise ConfigError(
            f"approve_timeout_s={approve_timeout_s!r} {named} must be more than 0 seconds and at most "
            f"{LONGEST_S:g}"
        )
    if approve_timeout_s is not None and (approve is None or approve == "deny"):
        raise ConfigError(f"approve_timeout_s= {named} needs a function as approve=")
    if max_calls is not None and (
        isinstance(max_calls, bool) or not isinstance(max_calls, int) or max_calls < 1
    ):
        raise ConfigError(
            f"max_calls={max_calls!r} {named} must be at least 1; to refuse all, approve='deny'"
        )
    if effects not in (None, "read", "write"):
        raise ConfigError(f"effects={effects!r} {named} must be 'read' or 'write'")
    if untrusted not in (None, True, False):
        raise ConfigError(f"untrusted={untrusted!r} {named} must be True or False")
    if not isinstance(only_after, Iterable):
        raise ConfigError(f"only_after={only_after!r} {named} must hold names of tools")
    after = (only_after,) if isinstance(only_after, str) else tuple(only_after)
    if not all(isinstance(other, str) for other in after):
        raise ConfigError(f"only_after={after!r} {named} must hold names of tools")
    if made.name in after:
        raise ConfigError(f"only_after={after!r} {named} holds the tool itself, so it could never be called")
    checked = made.result
    if result is not None:
        checked = _compiled(result, f"result= {named}")
    return replace(
        made,
        approve=approve,
        approve_timeout_s=made.approve_timeout_s if approve_timeout_s is None else approve_timeout_s,
        max_calls=made.max_calls if max_calls is None else max_calls,
        result=checked,
        only_after=after or made.only_after,
        effects=made.effects if effects is None else effects,
        untrusted=made.untrusted if untrusted is None else untrusted,
    )


def _of_function(function: Callable[..., Any], name: str | None, description: str | None) -> Tool:
    bare: Any = getattr(function, "func", function)
    named = _name(
        name or getattr(function, "__name__", None) or getattr(bare, "__name__", type(function).__name__)
    )
    text, described = read_docstring(inspect.getdoc(bare))
    schema = arguments_schema(named, arguments_type(function, named, described))
    return Tool(
        named,
        _definition(named, text if description is None else description, schema),
        function,
        schema,
        declared=function,
    )


def _of_type(declared: type, name: str | None, description: str | None) -> Tool:
    named = _name(name or declared.__name__)
    text = inspect.cleandoc(declared.__dict__.get("__doc__") or "")
    schema = arguments_schema(named, declared)
    return Tool(
        named,
        _definition(named, text if description is None else description, schema),
        None,
        schema,
        declared=declared,
    )


def _of_definition(declared: Mapping[str, Any], name: str | None, description: str | None) -> Tool:
    kind, body = body_of(declared)
    if kind not in ("function", "custom"):
        raise ConfigError(
            f"a tool of type {kind!r} is run by the provider, so a guard cannot check its calls. "
            "Pass it in the request's own tools=[...]."
        )
    named = _name(name or body.get("name"))
    changed = {**body, "name": named, **({"description": description} if description is not None else {})}
    definition = {"type": kind, kind: changed}
    if kind == "custom":
        return Tool(named, definition, None, None, declared=declared)
    return Tool(
        named, definition, None, arguments_schema(named, parameters_schema(body, named)), declared=declared
    )


def arguments_schema(name: str, declared: Any) -> Schema[Any]:
    """The compiled schema of a tool's arguments.

    Raises:
        ConfigError: it cannot be compiled, or is not the schema of an object.
    """
    from guardrails_lite.schemas.wrapping import is_object

    schema = _compiled(declared, f"the arguments of tool {name!r}")
    if not is_object(schema.json_schema):
        raise ConfigError(
            f"the arguments of tool {name!r} must be an object with properties, not {repr(schema)[:80]}. "
            "Declare a function, a model or a TypedDict."
        )
    return schema


def _compiled(declared: Any, what: str) -> Schema[Any]:
    from guardrails_lite._schema import Schema

    try:
        return Schema.of(declared)
    except ConfigError as error:
        raise ConfigError(f"{what} cannot be checked: {error}") from error


def body_of(definition: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The type of a tool dict and what describes it, in the form of either API of the provider.

    Raises:
        ConfigError: it describes no tool.
    """
    if "input_schema" in definition and definition.get("type", "custom") == "custom":  # Anthropic's form
        said = {key: value for key, value in definition.items() if key not in ("type", "input_schema")}
        return "function", {**said, "parameters": definition["input_schema"]}
    looks_like_one = "parameters" in definition or "function" in definition
    kind = definition.get("type", "function" if looks_like_one else None)
    body = definition.get(kind) if isinstance(kind, str) else None
    if body is None and isinstance(kind, str):  # the Responses API has no inner object
        body = {key: value for key, value in definition.items() if key != "type"}
    if not isinstance(kind, str) or not isinstance(body, Mapping):
        raise ConfigError(
            "a tool dict must look like {'type': 'function', 'function': {'name': ..., 'parameters': {...}}}"
        )
    return kind, dict(body)


def parameters_schema(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The JSON Schema of the arguments, closed: what it does not declare is refused.

    Raises:
        ConfigError: it is not the schema of an object.
    """
    parameters = body.get("parameters")
    if parameters is None:
        parameters = {"type": "object", "properties": {}}
    if not isinstance(parameters, Mapping) or parameters.get("type", "object") != "object":
        raise ConfigError(f"parameters of tool {name!r} must be a JSON Schema with type 'object'")
    return {"type": "object", **parameters}


def _renamed(made: Tool, name: str | None, description: str | None) -> Tool:
    kind, body = body_of(made.definition)
    named = _name(name or made.name)
    body = {**body, "name": named, **({"description": description} if description is not None else {})}
    return replace(made, name=named, definition={"type": kind, kind: body})


def _definition(name: str, description: str, schema: Schema[Any]) -> dict[str, Any]:
    sent = schema.response_format()["json_schema"]
    body = {
        "name": name,
        **({"description": description} if description else {}),
        "parameters": sent["schema"],
        "strict": sent["strict"],
    }
    return {"type": "function", "function": body}


def _name(name: object) -> str:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ConfigError(
            f"tool name {name!r} must be 1 to 64 letters, digits, '_' or '-'. Set one: tool(..., name=...)."
        )
    return name
