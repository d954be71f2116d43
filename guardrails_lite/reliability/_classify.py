"""What one failed attempt means: its kind, whose fault it is, and the next step of the ladder.

Errors of the OpenAI client, httpx and their relatives are recognised by the names of their classes and
by their attributes, so that none of them is imported here. What a body says is `_error_bodies.py`'s.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from guardrails_lite._nesting import refuse_depth
from guardrails_lite.reliability._error_bodies import (
    error_of,
    kind_of_codes,
    kind_of_message,
    never_fits,
    retry_info_s,
    safe_code,
)
from guardrails_lite.reliability._failure import Action, Blame, Failure, Kind
from guardrails_lite.reliability._retry_after import retry_after_s


def classify(error: BaseException, *, wall_clock: Callable[[], float] = time.time) -> Failure:
    """Say what *error* of an attempt means.

    Args:
        error: What the target raised: an error of the OpenAI client, of httpx or httpx2, of anything
            shaped like them, a built-in one, or an error of the user's own code.
        wall_clock: Seconds since the epoch, for a Retry-After date that came without a Date header.
    """
    name = type(error).__name__
    names = _class_names(error)
    status = _status(error)
    if _PASS_THROUGH & names:
        return Failure.of("cancelled", error_type=name)
    if status is not None:
        return _of_status(error, status, wall_clock)
    if "LengthFinishReasonError" in names:
        return Failure.of("truncated", error_type=name, maybe_billed=True)
    if "ContentFilterFinishReasonError" in names:
        return Failure.of("content filtered", error_type=name, maybe_billed=True)
    if _CONNECTION_WRAPPERS & names:
        return _of_wrapped(error, name)
    if "APIError" in names and isinstance(body := getattr(error, "body", None), (Mapping, str)):
        return replace(classify_body_error({"error": body}), error_type=name, maybe_billed=True)
    return replace(_of_names(names), error_type=name)


def classify_body_error(body: Mapping[str, Any]) -> Failure:
    """Say what an error object means that came under status 200 or as a frame of a stream.

    Args:
        body: The whole body, ``{"error": {...}}``, or the error object itself.
    """
    codes, message, number = error_of(body)
    status = number if number is not None and 400 <= number <= 599 else None
    kind = kind_of_codes(codes) or kind_of_message(message) or _kind_of_status(status) or "server error"
    failure = Failure.of(
        kind,
        status=status,
        retry_after_s=retry_info_s(body),
        error_type="body error",
        code=safe_code(codes),
    )
    return _refine(failure, codes, message)


# What the classes say

_PASS_THROUGH = frozenset(
    {"CancelledError", "Cancelled", "KeyboardInterrupt", "SystemExit", "GeneratorExit", "StreamClosed"}
)
_CONNECTION_WRAPPERS = frozenset({"APIConnectionError", "MaxRetryError"})


def _class_names(error: BaseException) -> frozenset[str]:
    return frozenset(kind.__name__ for kind in type(error).__mro__)


def _by_name(
    kind: Kind,
    *names: str,
    blame: Blame | None = None,
    action: Action | None = None,
    maybe_billed: bool = False,
) -> dict[str, Failure]:
    failure = Failure.of(kind, maybe_billed=maybe_billed)
    failure = replace(failure, blame=blame or failure.blame, action=action or failure.action)
    return dict.fromkeys(names, failure)


# The first name that an error's class or one of its bases carries decides, so the narrow ones come first.
_NAMES: Mapping[str, Failure] = {
    # The request never left: certain to be neither processed nor billed.
    **_by_name("timeout", "PoolTimeout", "EmptyPoolError", blame="caller", action="retry"),
    **_by_name("timeout", "ConnectTimeout", "ConnectTimeoutError", blame="network", action="retry"),
    **_by_name(
        "connection", "SSLCertVerificationError", "CertificateError", blame="endpoint", action="fall back"
    ),
    **_by_name(
        "connection",
        "ConnectError",
        "ProxyError",
        "ConnectionRefusedError",
        "gaierror",
        "herror",
        "ClientConnectorError",
        "NewConnectionError",
        "NameResolutionError",
    ),
    **_by_name(
        "own bug",
        "LocalProtocolError",
        "UnsupportedProtocol",
        "InvalidURL",
        "StreamError",
        "MissingSchema",
        "InvalidSchema",
    ),
    # The answer was on its way, or work on it had begun.
    **_by_name("timeout", "WriteTimeout", action="retry"),
    **_by_name(
        "malformed reply",
        "DecodingError",
        "ContentDecodingError",
        "APIResponseValidationError",
        maybe_billed=True,
    ),
    **_by_name(
        "malformed reply", "JSONDecodeError", "UnicodeDecodeError", "ContentTypeError", maybe_billed=True
    ),
    **_by_name("malformed reply", "TooLargeError", action="fall back", maybe_billed=True),
    **_by_name("timeout", "APITimeoutError", "TimeoutException", "ServerTimeoutError", maybe_billed=True),
    **_by_name("timeout", "ReadTimeout", "ReadTimeoutError", "Timeout", "TimeoutError", maybe_billed=True),
    **_by_name(
        "connection",
        "ReadError",
        "WriteError",
        "CloseError",
        "RemoteProtocolError",
        "ServerDisconnectedError",
        "ClientPayloadError",
        "ChunkedEncodingError",
        "IncompleteRead",
        "RemoteDisconnected",
        "ProtocolError",
        "ConnectionResetError",
        "ConnectionAbortedError",
        "BrokenPipeError",
        "TransportError",
        "NetworkError",
        "ClientConnectionError",
        "ConnectionError",
        "SSLError",
        "HTTPException",
        "URLError",
        maybe_billed=True,
    ),
    **_by_name("not found", "TooManyRedirects", action="fall back"),
    **_by_name("unknown", "APIError", "HTTPError", "RequestError", "ClientError", maybe_billed=True),
}
_OWN_BUG = Failure.of("own bug")


def _of_names(names: frozenset[str]) -> Failure:
    return next((failure for name, failure in _NAMES.items() if name in names), _OWN_BUG)


def _of_wrapped(error: BaseException, name: str) -> Failure:
    """A client's "connection error" says little; what it was raised from says the rest."""
    for cause in _causes(error):
        failure = _of_names(_class_names(cause))
        if failure.kind not in ("own bug", "unknown"):
            deeper = [_of_names(_class_names(below)) for below in _causes(cause)]
            certificate = next(
                (below for below in deeper if below.blame == "endpoint" and below.kind == "connection"), None
            )
            return replace(certificate or failure, error_type=name)
        if _class_names(cause) & _NAMES.keys():
            return replace(failure, error_type=name)
    timed_out = "APITimeoutError" in _class_names(error)
    return Failure.of("timeout" if timed_out else "connection", error_type=name, maybe_billed=True)


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen = {id(error)}
    below = error.__cause__ or error.__context__
    while below is not None and id(below) not in seen:
        yield below
        seen.add(id(below))
        below = below.__cause__ or below.__context__


# What the status says


def _status(error: BaseException) -> int | None:
    if "APIResponseValidationError" in _class_names(error):
        return None
    response = getattr(error, "response", None)
    for found in (getattr(error, "status_code", None), getattr(response, "status_code", None)):
        # A status of its own is not enough: a web framework's errors of the user's code have one too.
        if isinstance(found, int) and not isinstance(found, bool) and hasattr(response, "headers"):
            return found
    found = getattr(error, "status", None)
    if isinstance(found, int) and "ClientResponseError" in _class_names(error):
        return found
    return None


def _headers(error: BaseException) -> Mapping[str, str]:
    headers = (
        getattr(getattr(error, "response", None), "headers", None) or getattr(error, "headers", None) or {}
    )
    try:
        return {str(name).lower(): str(value) for name, value in headers.items()}
    except (AttributeError, TypeError, ValueError):
        return {}


def _body(error: BaseException) -> object:
    body = getattr(error, "body", None)
    if body is not None:
        return body
    try:
        # httpx leaves the body in the response; one that was not read, or is no JSON, says nothing.
        response: Any = getattr(error, "response", None)
        if isinstance(content := getattr(response, "content", None), bytes | str):
            refuse_depth(content)
        return response.json()
    except Exception:  # any client's own error for "no JSON here"
        return None


def _of_status(error: BaseException, status: int, wall_clock: Callable[[], float]) -> Failure:
    headers = _headers(error)
    codes, message, _ = error_of(_body(error))
    wait_s = retry_after_s(headers, wall_clock=wall_clock)
    kind = kind_of_codes(codes)
    if kind in ("server error", "bad request", "rate limited", "overloaded") and status not in (200, 400):
        kind = None  # the status is the more exact of the two
    if kind is None and status in (400, 413, 422, 500):
        kind = kind_of_message(message)
    failure = Failure.of(
        kind or _kind_of_status(status) or "unknown",
        status=status,
        retry_after_s=wait_s if wait_s is not None else retry_info_s(_body(error)),
        error_type=type(error).__name__,
        code=safe_code(codes),
        maybe_billed=status in (408, 504, 524),
    )
    if wait_s is None and ("retry-after" in headers or "retry-after-ms" in headers):
        failure = replace(failure, bad_retry_after=not _says_zero(headers))
    failure = _refine(failure, codes, message)
    match headers.get("x-should-retry"):
        case "true" if failure.kind not in _TERMINAL:
            return replace(failure, action="retry")
        case "false" if failure.action == "retry":
            return replace(failure, action="fall back")
    return failure


_TERMINAL = frozenset({"content filtered", "refused", "quota", "auth", "cancelled", "own bug"})


def _says_zero(headers: Mapping[str, str]) -> bool:
    return headers.get("retry-after-ms", headers.get("retry-after", "")).strip() in ("0", "0.0")


def _kind_of_status(status: int | None) -> Kind | None:
    match status:
        case None:
            return None
        case 429:
            return "rate limited"
        case 498 | 503 | 529:
            return "overloaded"
        case 402:
            return "quota"
        case 401 | 403 | 407:
            return "auth"
        case 404 | 410 | 421:
            return "not found"
        case 408 | 504 | 524:
            return "timeout"
        case 409 | 425:
            return "server error"
    if status >= 500:
        return "server error"
    if 300 <= status < 400:
        return "not found"
    return "bad request" if 400 <= status < 500 else "unknown"


def _refine(failure: Failure, codes: tuple[str, ...], message: str) -> Failure:
    """The few cases where status and code agree on the kind and something else decides the step."""
    if failure.kind == "timeout" and failure.status is not None:
        # The server answered, so it lives: unlike silence this is worth asking again.
        return replace(failure, action="retry")
    if failure.kind == "not found" and (
        failure.status is None or failure.status != 404 or "model_not_found" in codes
    ):
        return replace(
            failure, blame="model" if "model_not_found" in codes else "endpoint", action="fall back"
        )
    if failure.kind == "not found" and failure.status == 404:
        return replace(failure, blame="caller")
    if failure.kind == "rate limited" and never_fits(message):
        return replace(failure, blame="prompt", action="fall back")
    return failure
