"""What one failed attempt means: its kind, whose fault it is, and the next step of the ladder.

Errors of the OpenAI client, httpx and their relatives are recognised by the names of their classes and
by their attributes, so that none of them is imported here. The text of an error is searched for the
wordings by which vendors say "context too long", and is never kept.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from guardrails_lite._nesting import refuse_depth
from guardrails_lite.reliability._retry_after import retry_after_s

Kind = Literal[
    "rate limited",
    "overloaded",
    "server error",
    "timeout",
    "connection",
    "malformed reply",
    "empty reply",
    "bad request",
    "context too long",
    "auth",
    "quota",
    "not found",
    "content filtered",
    "refused",
    "truncated",
    "stream interrupted",
    "cancelled",
    "own bug",
    "turned away",
    "unknown",
]
"""What happened, in one word of a closed set."""

Blame = Literal["caller", "prompt", "validator", "account", "model", "endpoint", "network", "provider"]
"""Whose fault it is. Breakers and budgets look at this: a bad prompt opens nothing, a spent quota opens
the account, not the model."""

Action = Literal["retry", "fall back", "fail"]
"""The next step when nobody decides otherwise: the same target, the next target, or an error at once."""

_LADDER: Mapping[Kind, tuple[Blame, Action]] = {
    "rate limited": ("account", "retry"),
    "overloaded": ("endpoint", "retry"),
    "server error": ("endpoint", "retry"),
    "timeout": ("endpoint", "fall back"),
    "connection": ("network", "retry"),
    "malformed reply": ("endpoint", "retry"),
    "empty reply": ("model", "retry"),
    "bad request": ("caller", "fail"),
    "context too long": ("prompt", "fall back"),
    "auth": ("account", "fall back"),
    "quota": ("account", "fall back"),
    "not found": ("endpoint", "fail"),
    "content filtered": ("prompt", "fail"),
    "refused": ("model", "fail"),
    "truncated": ("model", "fail"),
    "stream interrupted": ("endpoint", "fail"),
    "cancelled": ("caller", "fail"),
    "own bug": ("caller", "fail"),
    "turned away": ("caller", "fall back"),
    "unknown": ("provider", "fall back"),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """What one failed attempt means. It holds names and numbers, never the text of an error."""

    kind: Kind
    blame: Blame
    action: Action
    """The default step; rules and `Retry(on=...)` may choose another."""
    status: int | None = None
    """The HTTP status, where there was one."""
    retry_after_s: float | None = None
    """How long the server asks to be left alone, in seconds: a lower bound. None: it did not say."""
    error_type: str = ""
    """The name of the error's class."""
    code: str | None = None
    """The provider's own code, such as ``insufficient_quota``; None when it is not a plain token."""
    maybe_billed: bool = False
    """The request may have been worked on, so its tokens may be charged though no reply came."""
    bad_retry_after: bool = False
    """The server sent a Retry-After that says nothing (negative, text, twice); it was ignored."""

    @classmethod
    def of(
        cls,
        kind: Kind,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
        error_type: str = "",
        code: str | None = None,
        maybe_billed: bool = False,
    ) -> Failure:
        """A failure of *kind* with the blame and the step that go with it, such as a reply that is empty."""
        blame, action = _LADDER[kind]
        return cls(
            kind,
            blame,
            action,
            status=status,
            retry_after_s=retry_after_s,
            error_type=error_type,
            code=code,
            maybe_billed=maybe_billed,
        )

    @property
    def is_throttling(self) -> bool:
        """Whether the server has too much to do, so that waits start longer."""
        return self.kind in ("rate limited", "overloaded")


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
    if "APIError" in names and isinstance(body := getattr(error, "body", None), Mapping):
        return replace(classify_body_error(body), error_type=name, maybe_billed=True)
    return replace(_of_names(names), error_type=name)


def classify_body_error(body: Mapping[str, Any]) -> Failure:
    """Say what an error object means that came under status 200 or as a frame of a stream.

    Args:
        body: The whole body, ``{"error": {...}}``, or the error object itself.
    """
    codes, message, number = _error_of(body)
    status = number if number is not None and 400 <= number <= 599 else None
    kind = _kind_of_codes(codes) or _kind_of_message(message) or _kind_of_status(status) or "server error"
    failure = Failure.of(
        kind,
        status=status,
        retry_after_s=_retry_info_s(body),
        error_type="body error",
        code=_safe_code(codes),
    )
    return _refine(failure, codes, message)


# What the classes say

_PASS_THROUGH = frozenset({"CancelledError", "Cancelled", "KeyboardInterrupt", "SystemExit", "GeneratorExit"})
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


# What the status and the provider's codes say


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
    codes, message, _ = _error_of(_body(error))
    wait_s = retry_after_s(headers, wall_clock=wall_clock)
    kind = _kind_of_codes(codes)
    if kind in ("server error", "bad request", "rate limited", "overloaded") and status not in (200, 400):
        kind = None  # the status is the more exact of the two
    if kind is None and status in (400, 413, 422, 500):
        kind = _kind_of_message(message)
    failure = Failure.of(
        kind or _kind_of_status(status) or "unknown",
        status=status,
        retry_after_s=wait_s if wait_s is not None else _retry_info_s(_body(error)),
        error_type=type(error).__name__,
        code=_safe_code(codes),
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
    if failure.kind == "rate limited" and _NEVER_FITS.search(message):
        return replace(failure, blame="prompt", action="fall back")
    return failure


_KINDS: Mapping[str, Kind] = {
    "insufficient_quota": "quota",
    "quota_exceeded": "quota",
    "billing_hard_limit_reached": "quota",
    "billing_not_active": "quota",
    "billing_error": "quota",
    "credit_balance_exhausted": "quota",
    "credit_balance_too_low": "quota",
    "insufficient_balance": "quota",
    "insufficient_credits": "quota",
    "payment_required": "quota",
    "arrearage": "quota",
    "content_filter": "content filtered",
    "content_policy_violation": "content filtered",
    "responsibleaipolicyviolation": "content filtered",
    "moderation_blocked": "content filtered",
    "data_inspection_failed": "content filtered",
    "prohibited_content": "content filtered",
    "safety": "content filtered",
    "context_length_exceeded": "context too long",
    "exceed_context_size_error": "context too long",
    "model_max_prompt_tokens_exceeded": "context too long",
    "request_too_large": "context too long",
    "invalid_api_key": "auth",
    "authentication_error": "auth",
    "permission_error": "auth",
    "permission_denied": "auth",
    "unauthenticated": "auth",
    "account_deactivated": "auth",
    "model_not_found": "not found",
    "not_found_error": "not found",
    "notfounderror": "not found",
    "rate_limit_exceeded": "rate limited",
    "rate_limit_error": "rate limited",
    "resource_exhausted": "rate limited",
    "tokens_exceeded": "rate limited",
    "overloaded": "overloaded",
    "overloaded_error": "overloaded",
    "engine_overloaded": "overloaded",
    "unavailable": "overloaded",
    "server_overloaded": "overloaded",
    "timeout_error": "timeout",
    "deadline_exceeded": "timeout",
    "server_error": "server error",
    "internal_error": "server error",
    "internal_server_error": "server error",
    "internalservererror": "server error",
    "api_error": "server error",
    "invalid_request_error": "bad request",
    "invalid_argument": "bad request",
    "badrequesterror": "bad request",
    "failed_precondition": "bad request",
}
# When an error carries several codes, the one that says most wins: "invalid_request_error" is the type of
# nearly every 400, a too long context among them.
_MOST_TELLING: tuple[Kind, ...] = (
    "quota",
    "content filtered",
    "context too long",
    "not found",
    "auth",
    "rate limited",
    "overloaded",
    "timeout",
    "server error",
    "bad request",
)


def _kind_of_codes(codes: tuple[str, ...]) -> Kind | None:
    kinds = {_KINDS[code] for code in codes if code in _KINDS}
    if any(code.endswith(("_spend_limit_exceeded", "_spend_limit_reached")) for code in codes):
        kinds.add("quota")
    return next((kind for kind in _MOST_TELLING if kind in kinds), None)


_TOO_LONG = re.compile(
    r"maximum context length|context (?:length|window|size) (?:of|is|exceed)|available context size"
    r"|prompt is too long|input is too long|maximum prompt length|too many (?:input )?tokens"
    r"|input token count .{0,80}exceeds|exceeds? the (?:model'?s )?(?:maximum )?context"
    r"|too large for model with \d+ maximum context|reduce the length of the (?:messages|prompt|input)"
    r"|max_new_tokens`? must be <=",
    re.IGNORECASE,
)
_NO_CREDIT = re.compile(r"credit balance is too low|insufficient (?:balance|credits)", re.IGNORECASE)
_NEVER_FITS = re.compile(r"request too large", re.IGNORECASE)
_MESSAGE_CHARS = 4_000


def _kind_of_message(message: str) -> Kind | None:
    """Some vendors say it in prose only. The wordings were collected from their documented errors."""
    if _TOO_LONG.search(message):
        return "context too long"
    return "quota" if _NO_CREDIT.search(message) else None


def _error_of(body: object) -> tuple[tuple[str, ...], str, int | None]:
    """The codes (lower case), the message and the number that an error body carries, however nested."""
    if isinstance(body, (list, tuple)):
        body = body[0] if body else None
    if not isinstance(body, Mapping):
        return (), "", None
    error = body.get("error", body)
    if not isinstance(error, Mapping):
        error = {"message": error, "type": body.get("error_type")}
    inner = error.get("innererror")
    found = [error.get(name) for name in ("code", "type", "status")]
    found.append(inner.get("code") if isinstance(inner, Mapping) else None)
    number = next((int(code) for code in found if _is_number(code)), None)
    codes = tuple(code.lower() for code in found if isinstance(code, str) and not code.isdigit())
    message = error.get("message", error.get("detail"))
    return codes, message[:_MESSAGE_CHARS] if isinstance(message, str) else "", number


def _is_number(code: object) -> bool:
    return (isinstance(code, int) and not isinstance(code, bool)) or (
        isinstance(code, str) and code.isascii() and code.isdigit() and len(code) == 3
    )


def _retry_info_s(body: object) -> float | None:
    """Google's `RetryInfo` detail: ``{"retryDelay": "34s"}`` in the body instead of a header."""
    error = body.get("error", body) if isinstance(body, Mapping) else None
    details = error.get("details") if isinstance(error, Mapping) else None
    for detail in details if isinstance(details, (list, tuple)) else ():
        delay = detail.get("retryDelay") if isinstance(detail, Mapping) else None
        if isinstance(delay, str) and (match := re.fullmatch(r"(\d{1,6}(?:\.\d{1,9})?)s", delay)):
            return float(match[1]) or None
    return None


_SAFE_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def _safe_code(codes: tuple[str, ...]) -> str | None:
    return codes[0] if codes and _SAFE_CODE.fullmatch(codes[0]) else None
