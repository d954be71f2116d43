"""Faults of a streamed answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import repeat

from guardrails_lite.testing._server import HttpReply, frame
from guardrails_lite.testing._shapes import JsonDict, completion, error_body
from guardrails_lite.testing._wire import LAST_CHUNK, Peer, head, http_chunk
from guardrails_lite.testing.faults._fault import (
    BROKEN,
    DONE,
    FAILED,
    LATE,
    LONG_S,
    PAGE,
    SSE,
    TEXT,
    WEATHER,
    Variant,
    delta,
    ended,
    fault,
    frames,
    json_reply,
    said,
    sse,
    wire,
)

_TOOLS: JsonDict = {"tools": [WEATHER]}
_GOOD = frames(TEXT)
_OPENING = frames()[:4]
_ERROR = frame(error_body("overloaded", code="server_error", type="server_error"))
_QUOTA = frame(error_body("nothing left", code="insufficient_quota"))
_VLLM = frame({"object": "error", "message": "engine dead", "type": "InternalServerError", "code": 500})
_NAMED_ERROR = b'event: error\ndata: {"message": "engine dead"}\n\n'
_PING = b"event: ping\ndata: {}\n\n"
_USAGE = {"object": "chat.completion.chunk", "usage": {"prompt_tokens": 9, "completion_tokens": 3}}
_CUT = ("FALL", "RETRY", LATE)
_BROKEN_OFF = (FAILED, "FAIL truncated", LATE, "RETRY", "FALL")
_ACCENTED = "Grüße 🦊"


def _call(change: JsonDict) -> bytes:
    return delta({"tool_calls": [change]})


def _opening(index: int, name: str, id: str) -> bytes:
    return _call({"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}})


def _arguments(index: int, text: str) -> bytes:
    return _call({"index": index, "function": {"arguments": text}})


def _interleaved() -> list[bytes]:
    first, second = '{"city": "Paris"}', '{"city": "London"}'
    return [
        delta({"role": "assistant", "content": None}),
        _opening(0, "get_weather", "call_1"),
        _opening(1, "get_weather", "call_2"),
        _arguments(0, first[:5]),
        _arguments(1, second[:9]),
        _arguments(0, first[5:]),
        _arguments(1, second[9:]),
        ended("tool_calls"),
        DONE,
    ]


def _rewritten(*changes: tuple[bytes, bytes]) -> HttpReply:
    """A good stream whose bytes are written in another way that the format allows."""
    body = b"".join([*_GOOD, DONE])
    for old, new in changes:
        body = body.replace(old, new)
    return HttpReply(body, headers={"content-type": "text/event-stream"})


def _multi_line() -> HttpReply:
    lines = (json.dumps(json.loads(part[6:]), indent=1).splitlines() for part in _GOOD)
    body = "".join("".join(f"data: {line}\n" for line in event) + "\n" for event in lines)
    return HttpReply(body.encode() + DONE, headers={"content-type": "text/event-stream"})


def _endless_frame(peer: Peer) -> None:
    peer.send(http_chunk(b'data: {"x": "'))
    for block in repeat(http_chunk(b"x" * 65_536), 1600):
        peer.send(block)


def _keepalives(peer: Peer) -> None:
    for _ in range(round(LONG_S / 0.1)):
        peer.send(http_chunk(b": keep-alive\n\n"))
        peer.pause(0.1)


def _slow_words() -> Iterator[bytes | float]:
    for part in frames(BROKEN, size=1):
        yield part
        yield 0.5


def _other_id(part: bytes) -> bytes:
    return part.replace(b"chatcmpl-1", b"chatcmpl-other")


STREAM_FAULTS = (
    fault(
        "S01",
        "an error status instead of a stream",
        "RETRY",
        {"429": HttpReply.error(429), "500": HttpReply.error(500), "503": HttpReply.error(503)},
        streamed=True,
    ),
    fault(
        "S02",
        "another body instead of a stream",
        "RETRY",
        (
            Variant("HTML", HttpReply(PAGE, headers={"content-type": "text/html"})),
            Variant("JSON", json_reply(completion(TEXT)), ("DELIVER", "RETRY")),
        ),
        streamed=True,
    ),
    fault("S03", "nothing but [DONE]", "RETRY", {"[DONE]": sse(DONE), "nothing": sse()}, streamed=True),
    fault(
        "S04",
        "an error before any text",
        "RETRY",
        (
            Variant("server error", sse(_ERROR)),
            Variant("server error, [DONE]", sse(_ERROR, DONE)),
            Variant("quota", sse(_QUOTA), ("FALL", FAILED)),
            Variant("by its event's name alone", sse(_NAMED_ERROR, *_GOOD, DONE)),
            Variant("a text", sse(b'data: "Internal error"\n\n', *frames(), DONE)),
        ),
        streamed=True,
    ),
    fault(
        "S05",
        "an error after text",
        _BROKEN_OFF,
        {
            "server error": sse(*_OPENING, _ERROR),
            "by its event's name alone": sse(*_OPENING, _NAMED_ERROR, *frames()[4:], DONE),
            "a text": sse(*_OPENING, b'data: "Internal error"\n\n', *frames()[4:], DONE),
        },
        streamed=True,
    ),
    fault(
        "S06",
        "vLLM's error frame",
        "RETRY",
        (
            Variant("first", sse(_VLLM, DONE)),
            Variant("after text", sse(*_OPENING, _VLLM, DONE), _BROKEN_OFF),
        ),
        streamed=True,
    ),
    fault("S07", "a clean end in the middle", _BROKEN_OFF, sse(*_OPENING), streamed=True),
    fault("S08", "finish reason but no [DONE]", "DELIVER", sse(*_GOOD), streamed=True),
    fault("S09", "[DONE] but no finish reason", _BROKEN_OFF, sse(*frames()[:-1], DONE), streamed=True),
    fault(
        "S10",
        "broken off after text",
        _BROKEN_OFF,
        {"reset": sse(*_OPENING, Peer.reset), "closed": sse(*_OPENING, Peer.hang_up)},
        streamed=True,
    ),
    fault(
        "S11",
        "one line that is not JSON",
        _BROKEN_OFF,
        sse(*_OPENING, b'data: {"id": "chatcm\n\n', *frames()[4:], DONE),
        streamed=True,
    ),
    fault(
        "S12",
        "everything the event format allows",
        "DELIVER",
        {
            "retry and id": _rewritten((b"data: [DONE]", b"retry: 3000\n\nid: 7\n\ndata: [DONE]")),
            "comments": _rewritten((b"data: {", b": ping\n\ndata: {")),
            "event names": _rewritten((b"data: {", b"event: message\ndata: {")),
            "CRLF": _rewritten((b"\n", b"\r\n")),
            "CR": _rewritten((b"\n", b"\r")),
            "BOM": HttpReply(
                b"\xef\xbb\xbf" + b"".join([*_GOOD, DONE]), headers={"content-type": "text/event-stream"}
            ),
            "no space": _rewritten((b"data: ", b"data:")),
            "several data lines": _multi_line(),
        },
        streamed=True,
    ),
    fault(
        "S13",
        "UTF-8 cut or invalid",
        "DELIVER",
        (
            Variant("cut between packets", HttpReply(TEXT + _ACCENTED, split=1), says=TEXT + _ACCENTED),
            Variant(
                "invalid",
                sse(*_OPENING, said("X").replace(b"X", b"\xff\xc3\x28"), ended(), DONE),
                (*_BROKEN_OFF, "DELIVER"),
                says=BROKEN + "\ufffd\ufffd(",
            ),
        ),
        streamed=True,
    ),
    fault("S14", "cut between any two bytes", "DELIVER", HttpReply(TEXT, split=1), streamed=True),
    fault(
        "S15",
        "a chunk twice",
        (*_BROKEN_OFF, "DELIVER"),
        (Variant("", sse(*_OPENING[:3], _OPENING[2], *frames()[3:], DONE), says="All is lis lost."),),
        streamed=True,
    ),
    fault(
        "S16",
        "two replies interleaved",
        _BROKEN_OFF,
        sse(*(part for pair in zip(frames(), map(_other_id, _GOOD), strict=True) for part in pair), DONE),
        streamed=True,
    ),
    fault(
        "S17",
        "frames without choices",
        "DELIVER",
        {
            "annotations": sse(
                frame({**json.loads(_GOOD[0][6:]), "choices": [], "prompt_filter_results": []}),
                *_GOOD,
                frame({**json.loads(_GOOD[0][6:]), "choices": []}),
                DONE,
            ),
            "usage with null": sse(*_GOOD, frame({**_USAGE, "choices": None}), DONE),
            "usage alone": sse(*_GOOD, frame(_USAGE), DONE),
            "pings": sse(_PING, *_GOOD[:1], _PING, *_GOOD[1:], _PING, DONE),
        },
        streamed=True,
    ),
    fault("S18", "tool calls interleaved", "DELIVER", sse(*_interleaved()), params=_TOOLS, streamed=True),
    fault(
        "S19",
        "tool calls out of order",
        ("DELIVER", "REASK"),
        {
            "arguments before the name": sse(
                _arguments(0, '{"city": '),
                _opening(0, "get_weather", "call_1"),
                _arguments(0, '"Paris"}'),
                ended("tool_calls"),
                DONE,
            ),
            "id repeated": sse(
                _opening(0, "get_weather", "call_1"),
                _call({"index": 0, "id": "call_1", "function": {"arguments": '{"city": '}}),
                _call({"index": 0, "id": "call_1", "function": {"arguments": '"Paris"}'}}),
                ended("tool_calls"),
                DONE,
            ),
            "index missing": sse(
                _call(
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
                    }
                ),
                ended("tool_calls"),
                DONE,
            ),
            "index jumps": sse(
                _opening(3, "get_weather", "call_1"),
                _arguments(3, '{"city": "Paris"}'),
                ended("tool_calls"),
                DONE,
            ),
        },
        params=_TOOLS,
        streamed=True,
    ),
    fault(
        "S20",
        "a tool call cut off",
        (FAILED, "FAIL truncated", "RETRY", "FALL"),
        {
            "clean end": sse(_opening(0, "get_weather", "call_1"), _arguments(0, '{"city": "Par')),
            "length": sse(
                _opening(0, "get_weather", "call_1"), _arguments(0, '{"city": "Par'), ended("length"), DONE
            ),
            "parses all the same": sse(_opening(0, "get_weather", "call_1"), _arguments(0, '{"city": "P"}')),
        },
        params=_TOOLS,
        streamed=True,
    ),
    fault("S21", "silence before any text", _CUT, sse(LONG_S), streamed=True),
    fault("S22", "keep-alive comments for ever", _CUT, sse(_keepalives), streamed=True),
    fault(
        "S23", "silence after text", (LATE, FAILED, "RETRY", "FALL"), sse(*_OPENING, LONG_S), streamed=True
    ),
    fault("S24", "one character now and then", (LATE, FAILED), sse(*_slow_words(), DONE), streamed=True),
    fault(
        "S25",
        "data after [DONE]",
        "DELIVER",
        sse(*_GOOD, DONE, said(" Or is it?"), b"data: junk\n\n"),
        streamed=True,
    ),
    fault("S26", "[DONE], then nothing", "DELIVER", sse(*_GOOD, DONE, LONG_S), streamed=True, within_s=1.5),
    fault(
        "S27",
        "a bad end",
        "FAIL truncated",
        (
            Variant("length", sse(*frames()[:-1], ended("length"), DONE)),
            Variant(
                "content_filter",
                sse(*frames()[:-1], ended("content_filter"), DONE),
                ("FAIL filtered", "FAIL blocked"),
            ),
            Variant(
                "refusal", sse(*frames(completion(None, refusal="I cannot help.")), DONE), ("FAIL refused",)
            ),
        ),
        streamed=True,
    ),
    fault(
        "S28",
        "a role, then the end",
        "RETRY",
        {"stop": sse(*frames(completion("")), DONE), "cut": sse(frames()[0])},
        streamed=True,
    ),
    fault(
        "S29",
        "one line of 100 MB",
        (FAILED, LATE, "RETRY", "FALL"),
        wire(head(200, SSE), _endless_frame, Peer.hang_up),
        streamed=True,
    ),
    fault(
        "S30",
        "the same chunk 10,000 times",
        ("DELIVER", "FAIL budget stopped", FAILED, LATE),  # it is whole; what bounds it is the budget
        (
            Variant(
                "",
                wire(
                    head(200, SSE), http_chunk(said("la ")) * 10_000, http_chunk(ended() + DONE), LAST_CHUNK
                ),
                says="la " * 10_000,
            ),
        ),
        streamed=True,
    ),
    fault(
        "S31",
        "no usage frame",
        "DELIVER",
        sse(*_GOOD, DONE),
        streamed=True,
        params={"stream_options": {"include_usage": True}},
    ),
    fault("S32", "the consumer breaks off", "DELIVER"),
    fault("S33", "two consumers of one stream", "DELIVER"),
)
