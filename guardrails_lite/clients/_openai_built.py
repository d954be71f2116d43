"""Replies of a model, built faster than the client builds them.

The client takes whatever a server sends, so it builds its objects field by field, in Python and unchecked:
that is most of what reading a stream costs. What is exactly what the client's type says needs no such care,
and pydantic's validator makes the same object of it in a tenth of the time. The rest is left to the client.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, get_args

from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import ValidationError

_BUILT = (ChatCompletionChunk, ResponseStreamEvent, ChatCompletion, Response)


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
    try:
        return kind.model_validate(data, strict=True)
    except ValidationError:
        return None


@lru_cache(maxsize=1)
def event_classes() -> Mapping[Any, Any]:
    """The class of each type of event: the client tries all of them, which takes a hundred times as long."""
    union = get_args(ResponseStreamEvent)[0]
    return {get_args(each.model_fields["type"].annotation)[0]: each for each in get_args(union)}
