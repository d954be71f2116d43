"""Replies of a model, built faster than the client builds them.

The client takes whatever a server sends, so it builds its objects field by field, in Python and unchecked:
that is most of what reading a stream costs. What is exactly what the client's type says needs no such care,
and pydantic's validator makes the same object of it in a tenth of the time. The rest is left to the client.
Many servers are odd in the frame around the choices, in every chunk, so that is not looked at.
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
    try:
        made = kind.model_validate(data if frame is None else {**data, **frame}, strict=True)
    except ValidationError:
        return None
    if frame is not None:
        made.__dict__.update({name: data.get(name) for name in frame})
        made.__pydantic_fields_set__.difference_update(frame.keys() - data.keys())
    return made


@lru_cache(maxsize=1)
def event_classes() -> Mapping[Any, Any]:
    """The class of each type of event: the client tries all of them, which takes a hundred times as long."""
    union = get_args(ResponseStreamEvent)[0]
    return {get_args(each.model_fields["type"].annotation)[0]: each for each in get_args(union)}
