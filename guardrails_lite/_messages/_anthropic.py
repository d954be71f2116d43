"""The edge for Anthropic's Messages API: a message, or an event of a streamed one, read into our shapes.

A message is a list of content blocks. Its text blocks, joined, are the reply's text, its thinking blocks what
the model thought first, and its ``tool_use`` blocks the reply's tool calls. Other blocks (what the provider
searched, fetched or ran itself) hold no answer; `_anthropic_beside.py` leaves them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from guardrails_lite._messages import Choice, Reply, Usage, get
from guardrails_lite._messages._blocks import call_of
from guardrails_lite._messages._reading import Chunk, Delta, MalformedError, is_count, kind_of, string_of

SAID = {"text": "text", "thinking": "thinking"}
"""The blocks that hold text of the model, and the field in which it is."""
CALL = "tool_use"
EVENTS = frozenset(
    [
        *("message_start", "content_block_start", "content_block_delta", "content_block_stop"),
        *("message_delta", "message_stop", "ping"),
        # What the SDK's own reader of a stream adds: each repeats what an event before it has said.
        *("text", "thinking", "input_json", "citation", "signature"),
    ]
)
_ENDINGS = {"pause_turn": "incomplete", "model_context_window_exceeded": "length"}
"""Words of this API only, in those of others: a turn that goes on when it is sent back, a full window."""


def read(raw: Any) -> Reply:
    """Read a whole message.

    Raises:
        MalformedError: its content is not made of blocks as they are documented.
    """
    return Reply(
        (_choice(_blocks_of(raw), finish_reason(raw)),),
        model=string_of(get(raw, "model")),
        id=string_of(get(raw, "id")),
        usage=read_usage(get(raw, "usage")),
        raw=raw,
        in_blocks=True,
    )


def _choice(blocks: Sequence[Any], finish: str | None) -> Choice:
    texts = [text for _, text in saying(blocks, "text")]
    thoughts = [text for _, text in saying(blocks, "thinking")]
    return Choice(
        0,
        "".join(texts) if texts else None,
        None,
        tuple(call_of(block) for block in blocks if kind_of(block) == CALL),
        finish,
        "".join(thoughts) or None,
    )


def _blocks_of(raw: Any) -> Sequence[Any]:
    blocks = get(raw, "content")
    if not isinstance(blocks, (list, tuple)):
        raise MalformedError("content that is not a list")
    for block in blocks:
        kind = kind_of(block)
        if not kind:
            raise MalformedError("a block without a type")
        if kind in SAID and not isinstance(get(block, SAID[kind]), str):
            raise MalformedError("a block without its text")
    return blocks


def saying(blocks: Sequence[Any], kind: str) -> Iterator[tuple[Any, str]]:
    """The blocks of one kind that hold text, and their texts."""
    for block in blocks:
        if kind_of(block) == kind:
            yield block, get(block, SAID[kind])


def finish_reason(source: Any) -> str | None:
    """How a message ended; None where it does not say."""
    word = string_of(get(source, "stop_reason"))
    return word if word is None else _ENDINGS.get(word, word)


def read_usage(usage: Any, begun: Usage | None = None) -> Usage | None:
    """Tokens as reported: what was read from and written to the cache counts as prompt, like the rest.

    Args:
        usage: The report. That of a stream's end may leave out the prompt.
        begun: The report of the stream's beginning, which has it.
    """
    sent, received = get(usage, "input_tokens"), get(usage, "output_tokens")
    if not is_count(received):
        return None
    if not is_count(sent):
        return None if begun is None else Usage(begun.prompt_tokens, received, begun.cached_tokens)
    cached, written = get(usage, "cache_read_input_tokens"), get(usage, "cache_creation_input_tokens")
    cached = cached if is_count(cached) else 0
    return Usage(sent + cached + (written if is_count(written) else 0), received, cached)


def read_event(raw: Any) -> Chunk:
    """Read one event of a streamed message.

    Events that repeat a text or a call which has been streamed already carry nothing: they would bring the
    unchecked text to the caller once more.
    """
    match kind_of(raw):
        case "message_start":
            begun = get(raw, "message")
            return Chunk(
                (Delta(),),
                raw,
                usage=read_usage(get(begun, "usage")),
                model=string_of(get(begun, "model")),
                id=string_of(get(begun, "id")),
            )
        case "content_block_start":
            return Chunk((_begun(get(raw, "content_block"), get(raw, "index")),), raw)
        case "content_block_delta" if kind_of(get(raw, "delta")) == "signature_delta":
            return Chunk((), raw)  # goes with thoughts that are sent back, and says nothing itself
        case "content_block_delta":
            return Chunk((_more(get(raw, "delta"), get(raw, "index")),), raw)
        case "message_delta":
            return Chunk((Delta(finish_reason=finish_reason(get(raw, "delta"))),), raw)
        case "message_stop":
            return Chunk((), raw)
        case _:
            return Chunk((Delta(),), raw)


def _begun(block: Any, index: Any) -> Delta:
    match kind_of(block):
        case "text":
            return Delta(text=string_of(get(block, "text")) or "")
        case "thinking":
            return Delta(reasoning=string_of(get(block, "thinking")) or "")
        case "tool_use":
            call = call_of(block)
            arguments = "" if call.arguments == "{}" else call.arguments  # they follow, bit by bit
            return _calling(index, call.id, {"name": call.name, "arguments": arguments})
        case _:
            return Delta()


def _more(delta: Any, index: Any) -> Delta:
    match kind_of(delta):
        case "text_delta":
            return Delta(text=string_of(get(delta, "text")) or "")
        case "thinking_delta":
            return Delta(reasoning=string_of(get(delta, "thinking")) or "")
        case "input_json_delta":
            return _calling(index, None, {"arguments": string_of(get(delta, "partial_json")) or ""})
        case _:
            return Delta()


def _calling(index: Any, identity: str | None, body: dict[str, str]) -> Delta:
    return Delta(tool_calls=({"index": index, "id": identity, "type": "function", "function": body},))
