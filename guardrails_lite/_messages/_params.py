"""Where the texts of a request are that stand beside its messages: in its parameters.

A parameter is one of three kinds:

- a *setting* chooses how the model works, or how the request travels. It is not screened: `SETTINGS`;
- a *declaration* is told to the model about its tools, or about the form of the answer. It is the same in
  many requests, and often somebody else's: a tool server's, say;
- everything else is *data*: ``metadata``, a user's identifier, whatever ``extra_body`` takes to a compatible
  server. What a name does not tell us is data.

A text that means something by being just what it is, a key, a name, a value to choose from, is `Fixed`:
masked, it would say something else, so it stops the call instead.
"""

from __future__ import annotations

import json
import marshal
from collections.abc import Generator, Iterator, Mapping
from typing import Any

from guardrails_lite._messages._texts import Piece, plain, with_text
from guardrails_lite._nesting import MAX_DEPTH, TooDeepError

SETTINGS = frozenset(
    [
        *("model", "stream", "stream_options", "temperature", "top_p", "n", "seed", "modalities", "audio"),
        *("max_tokens", "max_completion_tokens", "max_output_tokens", "max_tool_calls", "top_logprobs"),
        *("frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "include", "truncation"),
        *("tool_choice", "parallel_tool_calls", "function_call", "reasoning", "reasoning_effort"),
        *("verbosity", "service_tier", "store", "background", "prompt_cache_retention"),
        *("timeout", "extra_headers", "extra_query", "top_k", "thinking", "cache_control"),
    ]
)
"""Parameters that hold no text for the model, or travel outside of what it reads."""
DECLARATIONS = ("tools", "functions", "response_format")
PARAMS, BESIDE = -1, -2
"""In place of a message's number: the text is in a parameter, or in one that only its own API has."""

_SEALED = frozenset(
    {"authorization", "headers", "server_url", "connector_id", "file_ids", "vector_store_ids"}
)
"""Of a tool that the provider runs: the keys to a server, where it is, and identifiers of what it reads."""
_PROSE = frozenset({"description", "title", "examples", "default", "$comment", "server_description"})
"""Fields of a declaration that explain, so that a masked one says the same of all the rest."""
_WORDS = frozenset(
    [
        *(
            "type",
            "function",
            "custom",
            "name",
            "description",
            "parameters",
            "strict",
            "json_schema",
            "schema",
        ),
        *("object", "string", "number", "integer", "boolean", "array", "null", "properties", "required"),
        *("additionalProperties", "items", "enum", "const", "anyOf", "oneOf", "allOf", "title", "default"),
        *("examples", "format", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems"),
        *("maxItems", "$ref", "$defs", "$schema", "json_object", "text", "input_schema"),
    ]
)
"""What every declaration says, whoever wrote it."""
_OF_OBJECTS = ("model_dump", "__dataclass_fields__")
_ROLES = {
    "prediction": "assistant",
    "response_format": "developer",
    "stop": "developer",
    "stop_sequences": "developer",
    "system": "system",
}
_FIXED = frozenset({"stop", "stop_sequences"})
_KINDS_IN = frozenset({"prediction", "web_search_options"})
"""Parameters whose objects say by a word of which kind they are."""


class Fixed(str):
    """A text that cannot be masked where it stands, so that what a rule would mask there stops the call."""

    __slots__ = ()


def is_given(value: object) -> bool:
    """Whether a parameter was passed: not None, and not a client's own word for "leave it out"."""
    return value is not None and type(value).__name__ not in ("NotGiven", "Omit")


def content_of(*parts: object) -> bytes | None:
    """The content of plain data as bytes; None for a client's objects. Quicker than JSON by far."""
    try:
        return marshal.dumps(parts, 2)  # type: ignore[arg-type]  # what it cannot take is caught
    except ValueError:
        return None


def pieces_beside(place: int, name: str, value: Any, unscreened: list[str]) -> Iterator[Piece]:
    """The texts of one parameter; into *unscreened* its name, where not all of it is JSON.

    Raises:
        TooDeepError: it is nested deeper than `MAX_DEPTH` levels.
    """
    if name in DECLARATIONS:
        yield from _declared(place, (name,), role_of(name), value, name)
    elif not (yield from _data(place, (name,), _ROLES.get(name, "user"), value, fixed=name in _FIXED)):
        unscreened.append(name if name.isidentifier() else "unknown")


def declares(piece: Piece) -> bool:
    """Whether a text is part of a declaration."""
    return piece.message < 0 and piece.where[0] in DECLARATIONS


def role_of(declaration: str) -> str:
    """Whose words a declaration counts as: of tools, a tool's."""
    return _ROLES.get(declaration, "tool")


def _data(
    place: int, where: tuple[str | int, ...], role: str, value: Any, *, fixed: bool
) -> Generator[Piece, None, bool]:
    """All strings, keys and numbers of a value; returns whether that was all of it."""
    match value:
        case str():
            yield Piece(place, where, role, Fixed(value) if fixed else value)
        case bool() | None:
            pass
        case int() | float():  # a number is text to a model, but a field of numbers takes no other
            yield Piece(place, where, role, Fixed(json.dumps(value)))
        case list() | tuple():
            whole = True
            for nth, each in enumerate(value):
                whole &= yield from _data(place, _deeper(where, nth), role, each, fixed=fixed)
            return whole
        case _ if (fields := _fields(value)) is not None:
            whole = True
            for key, each in fields.items():
                if key == "type" and isinstance(each, str) and where[0] in _KINDS_IN:
                    continue
                yield Piece(place, where, role, Fixed(key))
                whole &= yield from _data(place, _deeper(where, key), role, each, fixed=fixed)
            return whole
        case _:
            return False
    return True


def _declared(
    place: int, where: tuple[str | int, ...], role: str, value: Any, key: str, *, prose: bool = False
) -> Iterator[Piece]:
    """The texts of a declaration: all strings and keys but the words of JSON Schema itself."""
    if isinstance(value, str):
        if value not in _WORDS:
            yield Piece(place, where, role, value if prose else Fixed(value))
    elif isinstance(value, (list, tuple)):
        for nth, each in enumerate(value):
            yield from _declared(place, _deeper(where, nth), role, each, key, prose=prose)
    elif (fields := _fields(value)) is not None:
        names = key in ("properties", "$defs", "definitions")  # what stands in it are names, not keywords
        for name, each in fields.items():
            if name in _SEALED and len(where) == 2:
                continue
            if name not in _WORDS:
                yield Piece(place, where, role, Fixed(name))
            explains = prose or (name in _PROSE and not names)
            yield from _declared(
                place, _deeper(where, name), role, each, "" if names else name, prose=explains
            )


def _fields(value: Any) -> Mapping[str, Any] | None:
    """What an object says, keys as JSON has them; None where it is none. A class says nothing."""
    if isinstance(value, Mapping):
        return {str(key): each for key, each in value.items()}
    if isinstance(value, type) or not (
        hasattr(value, "model_dump") or hasattr(value, "__dataclass_fields__")
    ):
        return None
    return plain(value)


def _deeper(where: tuple[str | int, ...], step: str | int) -> tuple[str | int, ...]:
    if len(where) > MAX_DEPTH:
        raise TooDeepError
    return (*where, step)


def rewritten(params: Mapping[str, Any], texts: Mapping[Piece, str]) -> Mapping[str, Any]:
    """*params* with the *texts* in place of their pieces, in copies of what holds them."""
    for piece, text in texts.items():
        params = with_text(params, piece.where, text)
    return params
