"""Faults that show in the status or in the headers of an answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate

from guardrails_lite.testing._server import Answer, HttpReply
from guardrails_lite.testing._shapes import completion
from guardrails_lite.testing._wire import Request, head
from guardrails_lite.testing.faults._fault import FAILED, TEXT, Variant, fault, json_bytes, whole, wire

error = HttpReply.error


def _throttled(after: str, name: str = "Retry-After") -> HttpReply:
    return error(429, code="rate_limit_exceeded", headers={name: after})


def _until(write: Callable[[float], str], seconds: float = 3.0) -> Answer:
    """A date to come, written when the request is there."""

    def answer(request: Request) -> Answer:
        now = time.time()
        headers = {"Retry-After": write(now + seconds), "Date": formatdate(now, usegmt=True)}
        return error(429, headers=headers)

    return answer


def _rfc850(moment: float) -> str:
    return time.strftime("%A, %d-%b-%y %H:%M:%S GMT", time.gmtime(moment))


def _asctime(moment: float) -> str:
    return time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime(moment))


def _two_headers() -> Answer:
    body = b'{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}'
    pairs = [("retry-after", "1"), ("retry-after", "soon"), ("content-length", str(len(body)))]
    return wire(head(429, [*pairs, ("content-type", "application/json")]) + body)


def _elsewhere(status: int) -> Answer:
    """Send the client to another host name, where something that is not the provider answers."""

    def answer(request: Request) -> Answer:
        host = request.headers.get("host", "")
        if host.startswith("localhost"):
            return "stolen"
        port = host.rpartition(":")[2]
        return HttpReply(b"", status=status, headers={"Location": f"http://localhost:{port}{request.path}"})

    return answer


def _in_circles(request: Request) -> Answer:
    return HttpReply(b"", status=307, headers={"Location": request.path})


def _many_headers() -> Answer:
    return HttpReply(TEXT, headers={f"x-header-{number}": "x" * 20 for number in range(10_000)})


def _coded(status: int, *codes: str) -> dict[str, Answer]:
    return {code: error(status, code=code, message=code.replace("_", " ")) for code in codes}


TOO_LONG = {
    "openai": ("context_length_exceeded", "This model's maximum context length is 128000 tokens."),
    "anthropic": (None, "prompt is too long: 210000 tokens > 200000 maximum"),
    "gemini": (
        None,
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    ),
    "mistral": (None, "Prompt contains 40000 tokens, too large for model with 32768 maximum context length"),
    "vllm": (None, "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens"),
    "llama.cpp": ("exceed_context_size_error", "the request exceeds the available context size"),
}

OWN_BACKOFF = ("negative", "-5"), ("text", "soon"), ("nan", "nan"), ("inf", "inf"), ("empty", "")

STATUS_FAULTS = (
    fault("H01", "429, Retry-After: 2", "RETRY", _throttled("2"), waits_s=2.0),
    fault("H02", "429, Retry-After: 1.5", "RETRY", _throttled("1.5"), waits_s=1.5),
    fault(
        "H03",
        "429, retry-after-ms: 700",
        "RETRY",
        {
            "alone": _throttled("700", "retry-after-ms"),
            "beside seconds": error(429, headers={"retry-after-ms": "700", "Retry-After": "60"}),
        },
        waits_s=0.7,
    ),
    fault(
        "H04",
        "429, Retry-After as a date to come",
        "RETRY",
        {
            "imf": _until(lambda moment: formatdate(moment, usegmt=True)),
            "rfc 850": _until(_rfc850),
            "asctime": _until(_asctime),
        },
        waits_s=1.9,
    ),
    fault("H05", "429, Retry-After in the past", "RETRY", _throttled("Wed, 01 Jan 2020 00:00:00 GMT")),
    fault("H06", "429, Retry-After: 0", "RETRY", _throttled("0"), waits_s=0.001),
    fault(
        "H07",
        "429, Retry-After that says nothing",
        "RETRY",
        {**{name: _throttled(value) for name, value in OWN_BACKOFF}, "two headers": _two_headers()},
    ),
    fault("H08", "429, Retry-After: 90", ("FALL", FAILED), _throttled("90"), times=9, within_s=2.0),
    fault("H09", "429, Retry-After: 99999", ("FALL", FAILED), _throttled("99999"), times=9, within_s=2.0),
    fault(
        "H10",
        "429, the account has nothing left",
        ("FALL", FAILED),
        _coded(429, "insufficient_quota", "billing_hard_limit_reached", "credit_balance_too_low"),
    ),
    fault("H11", "429 without a header", "RETRY", error(429, code="rate_limit_exceeded")),
    fault(
        "H12",
        "5xx",
        "RETRY",
        {str(status): error(status) for status in (500, 502, 503, 504, 520, 521, 522, 523, 524)},
    ),
    fault("H13", "529, overloaded", ("RETRY", "FALL"), error(529, code="overloaded_error")),
    fault(
        "H14", "503, x-should-retry: false", ("FALL", FAILED), error(503, headers={"x-should-retry": "false"})
    ),
    fault("H15", "400, x-should-retry: true", "RETRY", error(400, headers={"x-should-retry": "true"})),
    fault(
        "H16",
        "4xx, a bad request",
        FAILED,
        {str(status): error(status) for status in (400, 404, 405, 413, 415, 422)},
    ),
    fault(
        "H17",
        "400, the prompt is too long for the model",
        ("FALL", FAILED),
        {name: error(400, code=code, message=message) for name, (code, message) in TOO_LONG.items()},
    ),
    fault(
        "H18",
        "400, refused by the provider's filter",
        ("FAIL filtered", "FAIL blocked"),
        _coded(400, "content_policy_violation", "content_filter"),
    ),
    fault("H19", "401, 403", (FAILED, "FALL"), {"401": error(401), "403": error(403)}),
    fault("H20", "402", (FAILED, "FALL"), error(402)),
    fault("H21", "408, 409, 425", "RETRY", {str(status): error(status) for status in (408, 409, 425)}),
    fault(
        "H22",
        "3xx",
        (FAILED, "FALL"),
        {
            "301 to another host": _elsewhere(301),
            "307 to another host": _elsewhere(307),
            "308 to another host": _elsewhere(308),
            "in circles": _in_circles,
        },
        times=99,
    ),
    fault(
        "H23",
        "1xx before the answer",
        "DELIVER",
        {
            "100": wire(b"HTTP/1.1 100 Continue\r\n\r\n", whole(json_bytes(completion(TEXT)))),
            "103": wire(
                b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n", whole(json_bytes(completion(TEXT)))
            ),
        },
        streamed=False,
    ),
    fault(
        "H24",
        "a status nobody uses",
        (FAILED, "FALL"),
        (
            Variant("418", error(418)),
            Variant("499", error(499)),
            Variant("599", error(599), ("RETRY",)),
            Variant("600", error(600), ("RETRY", "FALL", FAILED)),
            Variant(
                "0", wire(b"HTTP/1.1 000 Nothing\r\ncontent-length: 2\r\n\r\n{}"), ("RETRY", "FALL", FAILED)
            ),
        ),
    ),
    fault(
        "H25",
        "headers without end",
        (FAILED, "FALL", "RETRY"),
        {"10,000 headers": _many_headers(), "1 MB": HttpReply(TEXT, headers={"x-header": "x" * 1_000_000})},
    ),
)
