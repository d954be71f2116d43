"""Replies of a model, built faster than the client builds them.

The client takes whatever a server sends, so it builds its objects field by field, in Python and unchecked:
that is most of what reading a stream costs. What is exactly what the client's type says needs no such care,
and pydantic's validator makes the same object of it in a tenth of the time. The rest is left to the client.
Many servers are odd in the frame around the choices, in every chunk, so that is not looked at; and some say
in a word of their own, or an empty one, how a choice ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, get_args

from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import ValidationError

_BUILT = (ChatCompletionChunk, ResponseStreamEvent, ChatCompletion, Response)
_FRAMES: Mapping[Any, Mapping[str, Any]] = {
    kind: {"id": "", "object": name, "created": 0, "model": "", "service_tier": None}
    for kind, name in ((ChatCompletionChunk, "chat.completion.chunk"), (ChatCompletion, "chat.completion"))
}
"""What stands for the fields of the frame while the rest is validated. The client takes anything there."""
_ENDINGS = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
"""How a choice ends, in words that the client's types have. The client takes any other."""


def built(cast_to: Any, data: object) -> Any:
    """*data* as the client's own object of type *cast_to*; None where it is not for us to say.

    Strict: nothing is coerced, so that it is the object that the client would have made. Only
    ``model_fields_set`` differs: it also names what the API has not, as with any object that pydantic made.
    """
    kind = cast_to
    if type(data) is not dict or cast_to not in _BUILT:
        return None
    if cast_to is ResponseStreamEvent:
        name = data.get("type")
        kind = event_classes().get(name) if type(name) is str else None
        if kind is None:
            return None
    frame = _FRAMES.get(kind)
    shown, odd = data, {}
    if frame is not None:
        shown = {**data, **frame}
        odd = _odd_endings(data.get("choices"))
        if odd:
            shown["choices"] = [
                {**choice, "finish_reason": "stop"} if place in odd else choice
                for place, choice in enumerate(data["choices"])
            ]
    try:
        made = kind.model_validate(shown, strict=True)
    except ValidationError:
        return None
    if frame is not None:
        made.__dict__.update({name: data.get(name) for name in frame})
        made.__pydantic_fields_set__.difference_update(frame.keys() - data.keys())
    for place, word in odd.items():
        made.choices[place].finish_reason = word
    return made


def _odd_endings(choices: object) -> dict[int, str]:
    """The words of choices, by their places, in which no choice ends for the client's types."""
    if type(choices) is not list:
        return {}
    return {
        place: word
        for place, choice in enumerate(choices)
        if type(choice) is dict and type(word := choice.get("finish_reason")) is str and word not in _ENDINGS
    }


@lru_cache(maxsize=1)
def event_classes() -> Mapping[Any, Any]:
    """The class of each type of event: the client tries all of them, which takes a hundred times as long."""
    union = get_args(ResponseStreamEvent)[0]
    return {get_args(each.model_fields["type"].annotation)[0]: each for each in get_args(union)}
