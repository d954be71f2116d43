"""Faults of a whole answer whose status says 200."""

from __future__ import annotations

import gzip
import json

from guardrails_lite.testing._server import HttpReply
from guardrails_lite.testing._shapes import JsonDict, completion, error_body, tool_call, with_choices
from guardrails_lite.testing._wire import Peer, head
from guardrails_lite.testing.faults._fault import (
    BROKEN,
    FAILED,
    LATE,
    PAGE,
    TEXT,
    WEATHER,
    Variant,
    edited,
    fault,
    json_bytes,
    json_reply,
    wire,
    without,
)

_BODY = json_bytes(completion(BROKEN))
_WELL = json_bytes(completion(TEXT))
_ZIPPED = gzip.compress(_BODY)
_GZIP = {"content-encoding": "gzip"}
_CHUNKED = head(200, {"content-type": "application/json", "transfer-encoding": "chunked"})
_TOOLS: JsonDict = {"tools": [WEATHER]}
_PARIS = tool_call("get_weather", {"city": "Paris"})
_LONDON = tool_call("get_weather", {"city": "London"})


def _under_200(code: str, message: str) -> HttpReply:
    return json_reply(error_body(message, code=code))


def _raw(change: tuple[str, str]) -> HttpReply:
    """The text of a completion with one part replaced, for what `json.dumps` would not write."""
    return HttpReply(json.dumps(completion(TEXT)).replace(*change).encode("utf-8", "surrogatepass"))


def _called(*calls: JsonDict) -> JsonDict:
    return completion(tool_calls=calls)


BODY_FAULTS = (
    fault("B01", "cut JSON of the promised length", "RETRY", HttpReply(_BODY[:-40])),
    fault("B02", "nothing", "RETRY", HttpReply(b"")),
    fault(
        "B03",
        "JSON of another kind",
        "RETRY",
        {name: HttpReply(name.encode()) for name in ("null", "[]", '"text"', "42", "{}")},
    ),
    fault(
        "B04",
        "an HTML page",
        ("RETRY", FAILED),
        {"text/html": HttpReply(PAGE, headers={"content-type": "text/html"}), "as JSON": HttpReply(PAGE)},
    ),
    fault(
        "B05",
        "JSON under another content type",
        "DELIVER",
        (
            Variant("text/plain", HttpReply(TEXT, headers={"content-type": "text/plain"})),
            Variant(
                "none", wire(head(200, {"content-length": str(len(_WELL))}) + _WELL), ("DELIVER", "RETRY")
            ),
        ),
    ),
    fault(
        "B06",
        "an error under 200",
        "RETRY",
        (
            Variant("rate limit", _under_200("rate_limit_exceeded", "slow down")),
            Variant("server error", _under_200("server_error", "try again")),
            Variant("quota", _under_200("insufficient_quota", "nothing left"), ("FALL", FAILED)),
            Variant("filter", _under_200("content_filter", "filtered"), ("FAIL filtered", "FAIL blocked")),
        ),
    ),
    fault(
        "B07",
        "no choices",
        "RETRY",
        {
            "empty": json_reply({**completion(BROKEN), "choices": []}),
            "null": json_reply({**completion(BROKEN), "choices": None}),
            "missing": json_reply(without(completion(BROKEN), "choices")),
        },
    ),
    fault(
        "B08",
        "no message",
        "RETRY",
        {
            "null": json_reply(edited(message=None)),
            "missing": json_reply({**completion(), "choices": [{"index": 0, "finish_reason": "stop"}]}),
        },
    ),
    fault("B09", "no content", "RETRY", completion(None)),
    fault(
        "B10",
        "empty content",
        "RETRY",
        (Variant("empty", completion("")), Variant("blank", completion(" \n "), says=" \n ")),
    ),
    fault("B11", "finish reason length", "FAIL truncated", completion(BROKEN, finish_reason="length")),
    fault(
        "B12",
        "finish reason content_filter",
        ("FAIL filtered", "FAIL blocked"),
        completion(BROKEN, finish_reason="content_filter"),
    ),
    fault(
        "B13", "finish reason tool_calls without calls", "RETRY", completion(None, finish_reason="tool_calls")
    ),
    fault(
        "B14",
        "finish reason stop with tool calls",
        "DELIVER",
        completion(None, tool_calls=[_PARIS], finish_reason="stop"),
        params=_TOOLS,
    ),
    fault(
        "B15",
        "unknown finish reason",
        "RETRY",
        {
            reason: completion(BROKEN, finish_reason=reason)
            for reason in ("insufficient_system_resource", "error")
        },
    ),
    fault(
        "B16",
        "finish reason null",
        ("RETRY", "FAIL truncated", FAILED),
        completion(BROKEN, finish_reason=None),
    ),
    fault("B17", "refusal", "FAIL refused", completion(None, refusal="I cannot help with that.")),
    fault(
        "B18",
        "tool arguments that are not JSON",
        "REASK",
        {
            "cut": _called(tool_call("get_weather", '{"city": "Par')),
            "prose": _called(tool_call("get_weather", "the city of Paris")),
        },
        params=_TOOLS,
    ),
    fault(
        "B19",
        "tool calls that break the contract",
        "REASK",
        {
            "unknown name": _called(tool_call("get_whether", {"city": "Paris"})),
            "duplicate ids": _called({**_PARIS, "id": "call_1"}, {**_LONDON, "id": "call_1"}),
            "wrong type": _called(tool_call("get_weather", {"city": ["Paris"]})),
            "missing argument": _called(tool_call("get_weather", {})),
            "undeclared argument": _called(tool_call("get_weather", {"city": "Paris", "unit": "K"})),
        },
        params=_TOOLS,
    ),
    fault(
        "B20",
        "invalid UTF-8",
        "RETRY",
        HttpReply(_BODY.replace(b"lost", b"\xff\xfe\xc3\x28")),
        streamed=False,
    ),
    fault(
        "B21",
        "JSON that strains a parser",
        ("RETRY", "FALL", FAILED),
        (
            Variant("lone surrogate", json_reply(completion("All is \ud83d lost."))),
            Variant(
                "NUL",
                json_reply(completion(TEXT + "\0")),
                ("RETRY", "FALL", FAILED, "DELIVER"),
                says=TEXT + "\0",
            ),
            Variant("BOM", HttpReply(b"\xef\xbb\xbf" + json_bytes(completion(TEXT))), ("DELIVER", "RETRY")),
            Variant(
                "duplicate keys",
                _raw(('"choices"', '"choices": [], "choices"')),
                ("RETRY", FAILED, "DELIVER"),
            ),
            Variant("NaN", _raw(('"created": 1750000000', '"created": NaN')), ("DELIVER", "RETRY", FAILED)),
            Variant("10^400", _raw(("1750000000", "1" + "0" * 400)), ("DELIVER", "RETRY", FAILED)),
            Variant("depth 10,000", _raw(('"logprobs": null', '"logprobs": ' + "[" * 10_000 + "]" * 10_000))),
        ),
        streamed=False,
    ),
    fault(
        "B22", "corrupt gzip", "RETRY", HttpReply(_ZIPPED[:60] + b"\0" * 40 + _ZIPPED[100:], headers=_GZIP)
    ),
    fault(
        "B23",
        "gzip bomb",
        (FAILED, "FALL", "RETRY", LATE),
        HttpReply(gzip.compress(b" " * 64_000_000, 9), headers=_GZIP),
    ),
    fault(
        "B24",
        "broken chunked framing",
        "RETRY",
        {
            "no length": wire(_CHUNKED, b"zz\r\n" + _BODY + b"\r\n", Peer.hang_up),
            "no end": wire(_CHUNKED, b"%x\r\n%s\r\n" % (len(_BODY), _BODY), Peer.hang_up),
        },
        streamed=False,
    ),
    fault(
        "B25",
        "usage missing, negative or absurd",
        "DELIVER",
        {
            "missing": completion(TEXT, usage=None),
            "negative": completion(TEXT, usage=(-5, -7)),
            "absurd": completion(TEXT, usage=(10**18, 10**18)),
            "text": completion(TEXT, usage={"prompt_tokens": "many", "completion_tokens": None}),
        },
    ),
    fault("B26", "another model answered", "DELIVER", completion(TEXT, model="another")),
    fault(
        "B27",
        "choices that do not match n",
        "RETRY",
        (
            Variant("too few", completion(BROKEN)),
            Variant(
                "out of order",
                {
                    **completion(TEXT),
                    "choices": with_choices(completion(TEXT), completion(TEXT))["choices"][::-1],
                },
                ("DELIVER",),
            ),
        ),
        params={"n": 2},
    ),
)
