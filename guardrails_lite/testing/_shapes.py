"""Chat completions, tool calls and streams as the dicts that OpenAI's API sends.

All ids and times are fixed, so a test or a demo prints the same every time.
"""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

JsonDict = dict[str, Any]
"""One JSON object, as `json.loads` returns it."""

MODEL = "scripted"
FIRST_ID = "chatcmpl-1"
CREATED = 1_750_000_000
TOKEN_CHARS = 4


def completion(
    text: str | None = None,
    *,
    tool_calls: Iterable[Mapping[str, Any]] = (),
    finish_reason: str | None = "auto",
    refusal: str | None = None,
    usage: tuple[int, int] | Mapping[str, Any] | None = (12, -1),
    model: str = MODEL,
    id: str = FIRST_ID,
) -> JsonDict:
    """Make a whole chat completion with one choice.

    Args:
        text: The assistant's text; None where there is none.
        tool_calls: Calls made with `tool_call`.
        finish_reason: ``"auto"``: ``"tool_calls"`` with calls, else ``"stop"``. Anything else is kept.
        refusal: The model's own refusal.
        usage: Prompt and completion tokens, or the dict itself; None leaves usage out. A completion
            count of -1 stands for a quarter of the text's characters.
        model: The model that is said to have answered.
        id: The completion's id.
    """
    calls = [dict(call) for call in tool_calls]
    message: JsonDict = {"role": "assistant", "content": text, "refusal": refusal}
    if calls:
        message["tool_calls"] = calls
    if finish_reason == "auto":
        finish_reason = "tool_calls" if calls else "stop"
    reply: JsonDict = {
        "id": id,
        "object": "chat.completion",
        "created": CREATED,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}],
    }
    if usage is not None:
        reply["usage"] = _usage(usage, text or refusal or json.dumps(calls))
    return reply


def with_choices(*completions: Mapping[str, Any]) -> JsonDict:
    """Join completions into one with several choices, as `n=2` would return."""
    joined = copy.deepcopy(dict(completions[0]))
    joined["choices"] = [
        {**copy.deepcopy(dict(part["choices"][0])), "index": index} for index, part in enumerate(completions)
    ]
    return joined


def tool_call(name: str, arguments: str | Mapping[str, Any] = "{}", *, id: str | None = None) -> JsonDict:
    """Make one tool call.

    Args:
        name: The function's name.
        arguments: A mapping, written as JSON; or the text itself, kept as it is, broken or not.
        id: Default: derived from name and arguments, so that different calls have different ids.
    """
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    digest = hashlib.sha256(f"{name}\0{text}".encode(errors="surrogatepass")).hexdigest()[:8]
    return {"id": id or f"call_{digest}", "type": "function", "function": {"name": name, "arguments": text}}


def chunks(
    reply: str | Mapping[str, Any], *, size: int | Sequence[int] = 4, usage: bool = False
) -> list[JsonDict]:
    """Cut a text or a completion into the chunks of a stream.

    Args:
        reply: A text, or a completion such as `completion` makes.
        size: Characters of text, or of tool arguments, in one chunk; or the sizes in turn, the last
            of which repeats.
        usage: End with the frame that `stream_options={"include_usage": True}` asks for.
    """
    whole = completion(reply) if isinstance(reply, str) else reply
    head = {
        "id": whole.get("id", FIRST_ID),
        "object": "chat.completion.chunk",
        "created": whole.get("created", CREATED),
        "model": whole.get("model", MODEL),
    }
    frames = [
        {**head, "choices": [{"index": choice["index"], "delta": delta, "finish_reason": reason}]}
        for choice in whole["choices"]
        for delta, reason in _deltas(choice, size)
    ]
    if usage and whole.get("usage") is not None:
        frames.append({**head, "choices": [], "usage": whole["usage"]})
    return frames


def assembled(frames: Iterable[Mapping[str, Any]]) -> JsonDict:
    """Put the chunks of a stream back together into one completion."""
    choices: dict[int, JsonDict] = {}
    head: Mapping[str, Any] = {}
    usage: object = None
    for frame in frames:
        head = head or frame
        usage = frame.get("usage") or usage
        for part in frame["choices"]:
            choice = choices.setdefault(
                part["index"],
                {
                    "index": part["index"],
                    "message": {"role": "assistant", "content": None, "refusal": None},
                    "logprobs": None,
                    "finish_reason": None,
                },
            )
            choice["finish_reason"] = part["finish_reason"] or choice["finish_reason"]
            _add_delta(choice["message"], part["delta"])
    whole: JsonDict = {
        "id": head.get("id", FIRST_ID),
        "object": "chat.completion",
        "created": head.get("created", CREATED),
        "model": head.get("model", MODEL),
        "choices": [choices[index] for index in sorted(choices)],
    }
    if usage is not None:
        whole["usage"] = usage
    return whole


def error_body(message: str, *, code: str | None = None, type: str = "invalid_request_error") -> JsonDict:
    """Make the body that goes with an error status."""
    return {"error": {"message": message, "type": type, "param": None, "code": code}}


def estimated_tokens(text: str) -> int:
    """Estimate tokens as a quarter of the characters, at least 1."""
    return max(1, -(-len(text) // TOKEN_CHARS))


def pieces(text: str, size: int | Sequence[int]) -> Iterator[str]:
    """Cut *text* into pieces of *size* characters, or of the sizes in turn, the last of which repeats."""
    sizes = [size] if isinstance(size, int) else list(size)
    if not sizes or any(not isinstance(length, int) or length < 1 for length in sizes):
        raise ValueError(f"size={size!r} must be a positive number of characters, or several of them")
    start = 0
    for length in itertools.chain(sizes, itertools.repeat(sizes[-1])):
        if start >= len(text):
            return
        yield text[start : start + length]
        start += length


def _usage(usage: tuple[int, int] | Mapping[str, Any], text: str) -> JsonDict:
    if isinstance(usage, Mapping):
        return dict(usage)
    prompt, answer = usage
    answer = estimated_tokens(text) if answer == -1 else answer
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}


def _deltas(choice: Mapping[str, Any], size: int | Sequence[int]) -> Iterator[tuple[JsonDict, str | None]]:
    message = choice["message"]
    yield {"role": "assistant", "content": "" if message.get("content") is not None else None}, None
    for key in ("content", "refusal"):
        for piece in pieces(message.get(key) or "", size):
            yield {key: piece}, None
    for index, call in enumerate(message.get("tool_calls") or ()):
        kind, key = ("custom", "input") if "custom" in call else ("function", "arguments")
        body = call[kind]
        yield {"tool_calls": [{**call, "index": index, kind: {"name": body["name"], key: ""}}]}, None
        for piece in pieces(body[key], size):
            yield {"tool_calls": [{"index": index, kind: {key: piece}}]}, None
    yield {}, choice["finish_reason"]


def _add_delta(message: JsonDict, delta: Mapping[str, Any]) -> None:
    for key in ("content", "refusal"):
        if delta.get(key) is not None:
            message[key] = (message[key] or "") + delta[key]
    for part in delta.get("tool_calls") or ():
        calls = message.setdefault("tool_calls", [])
        while len(calls) <= part["index"]:
            calls.append({"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
        call, function = calls[part["index"]], part.get("function") or {}
        call["id"] = part.get("id") or call["id"]
        call["function"]["name"] = function.get("name") or call["function"]["name"]
        call["function"]["arguments"] += function.get("arguments") or ""
