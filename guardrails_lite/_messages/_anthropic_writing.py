"""The way out for Anthropic's Messages API: a message and its events, saying what the rules left."""

from __future__ import annotations

import copy
import importlib
import json
from collections.abc import Iterator
from typing import Any

from guardrails_lite._messages import Reply, ToolCall, get, set_field
from guardrails_lite._messages._anthropic import CALL, SAID, saying
from guardrails_lite._messages._anthropic_beside import bare_end
from guardrails_lite._messages._blocks import call_of
from guardrails_lite._messages._reading import kind_of
from guardrails_lite._messages._writing import divided, in_place_of


def write(raw: Any, after: Reply) -> Any:
    """*raw* again, saying what *after* says. Its type stays; what no longer fits a text is left out."""
    written = raw.model_copy(deep=True) if hasattr(raw, "model_copy") else copy.deepcopy(raw)
    choice, blocks = after.choices[0], get(written, "content")
    for kind, text in (("text", choice.text), ("thinking", choice.reasoning)):
        said = list(saying(blocks, kind))
        for (block, old), new in zip(said, divided([old for _, old in said], text or ""), strict=True):
            if old != new:
                set_field(block, SAID[kind], new)
                beside, empty = ("citations", None) if kind == "text" else ("signature", "")
                if get(block, beside):  # of a text that is no longer there
                    set_field(block, beside, empty)
    called = [block for block in blocks if kind_of(block) == CALL]
    left_out = []
    for block, call in zip(called, in_place_of(list(map(call_of, called)), choice.tool_calls), strict=True):
        if call is None:
            left_out.append(block)
        elif call_of(block).arguments != call.arguments:
            set_field(block, "input", _parsed(call.arguments))
    if left_out:
        set_field(
            written, "content", [block for block in blocks if not any(block is each for each in left_out)]
        )
    return written


def _parsed(arguments: str) -> Any:
    try:
        return json.loads(arguments or "{}")
    except ValueError:  # it quotes what it could not read
        return arguments


def write_event(like: Any, *, text: str = "", reasoning: str = "", finish_reason: str | None = None) -> Any:
    """An event that carries this content and nothing else; the end of *like* where it ends the reply."""
    if finish_reason is not None and kind_of(like) == "message_delta":
        return bare_end(like)
    delta = (
        {"type": "thinking_delta", "thinking": reasoning}
        if reasoning
        else {"type": "text_delta", "text": text}
    )
    index = get(like, "index")
    return _made(
        {"type": "content_block_delta", "index": index if type(index) is int else 0, "delta": delta}, like
    )


def write_call(like: Any, place: int, call: ToolCall) -> Iterator[Any]:
    """The events that tell of a whole tool call, at this place of the content: a text has the first."""
    block = {"type": CALL, "id": call.id, "name": call.name, "input": {}}
    told = {"type": "input_json_delta", "partial_json": call.arguments}
    yield _made({"type": "content_block_start", "index": place, "content_block": block}, like)
    yield _made({"type": "content_block_delta", "index": place, "delta": told}, like)
    yield _made({"type": "content_block_stop", "index": place}, like)


def _made(event: dict[str, Any], like: Any) -> Any:
    """An event as the client makes it, where *like* is one of the client's; else a dict."""
    if not hasattr(like, "model_copy"):
        return event
    package = type(like).__module__.partition(".")[0]  # whose it is, is loaded already
    models, types = (importlib.import_module(f"{package}.{name}") for name in ("_models", "types"))
    return models.construct_type(type_=types.RawMessageStreamEvent, value=event)
