"""What a provider's error says in its body: codes, wordings, how long to wait.

The text of an error is searched for the wordings by which vendors say "context too long", and never kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from guardrails_lite.reliability._failure import Kind


def error_of(body: object) -> tuple[tuple[str, ...], str, int | None]:
    """The codes (lower case), the message and the number that an error body carries, however nested."""
    if isinstance(body, (list, tuple)):
        body = body[0] if body else None
    if isinstance(body, str):
        body = {"message": body}
    if not isinstance(body, Mapping):
        return (), "", None
    error = body.get("error", body)
    if not isinstance(error, Mapping):
        error = {"message": error, "type": body.get("error_type")}
    inner = error.get("innererror")
    found = [error.get(name) for name in ("code", "type", "status", "http_status_code", "error_code")]
    found.append(inner.get("code") if isinstance(inner, Mapping) else None)
    number = next((int(code) for code in found if _is_number(code)), None)
    codes = tuple(
        code.lower() for code in found if isinstance(code, str) and not code.isdigit() and code != "None"
    )
    message = error.get("message", error.get("detail"))
    return codes, message[:_MESSAGE_CHARS] if isinstance(message, str) else "", number


def _is_number(code: object) -> bool:
    return (isinstance(code, int) and not isinstance(code, bool)) or (
        isinstance(code, str) and code.isascii() and code.isdigit() and len(code) == 3
    )


def kind_of_codes(codes: tuple[str, ...]) -> Kind | None:
    """The most telling kind that the codes name; None: they name none."""
    kinds = {_KINDS[code] for code in codes if code in _KINDS}
    if any(code.endswith(("_spend_limit_exceeded", "_spend_limit_reached")) for code in codes):
        kinds.add("quota")
    return next((kind for kind in _MOST_TELLING if kind in kinds), None)


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


def kind_of_message(message: str) -> Kind | None:
    """Some vendors say it in prose only. The wordings were collected from their documented errors."""
    return next((kind for kind, wordings in _WORDINGS.items() if wordings.search(message)), None)


def never_fits(message: str) -> bool:
    """Whether a rate limit is one that this prompt alone exceeds."""
    return _NEVER_FITS.search(message) is not None


_TOO_LONG = re.compile(
    r"maximum context length|context (?:length|window|size) (?:of|is|exceed)|available context size"
    r"|prompt is too long|input is too long|maximum prompt length|too many (?:input )?tokens"
    r"|input token count .{0,80}exceeds|exceeds? the (?:model'?s )?(?:maximum )?context"
    r"|too large for model with \d+ maximum context|reduce the length of the (?:messages|prompt|input)"
    r"|max_new_tokens`? must be <=",
    re.IGNORECASE,
)
_NO_CREDIT = re.compile(r"credit balance is too low|insufficient (?:balance|credits)", re.IGNORECASE)
_WORDINGS: Mapping[Kind, re.Pattern[str]] = {
    "context too long": _TOO_LONG,
    "quota": _NO_CREDIT,
    "overloaded": re.compile(r"(?:model|server) is (?:currently )?overloaded", re.IGNORECASE),
    "not found": re.compile(r"^unexpected endpoint or method", re.IGNORECASE),
}
_NEVER_FITS = re.compile(r"request too large", re.IGNORECASE)
_MESSAGE_CHARS = 4_000


def retry_info_s(body: object) -> float | None:
    """Google's `RetryInfo` detail: ``{"retryDelay": "34s"}`` in the body instead of a header."""
    error = body.get("error", body) if isinstance(body, Mapping) else None
    details = error.get("details") if isinstance(error, Mapping) else None
    for detail in details if isinstance(details, (list, tuple)) else ():
        delay = detail.get("retryDelay") if isinstance(detail, Mapping) else None
        if isinstance(delay, str) and (match := re.fullmatch(r"(\d{1,6}(?:\.\d{1,9})?)s", delay)):
            return float(match[1]) or None
    return None


def safe_code(codes: tuple[str, ...]) -> str | None:
    """The first code, where it is a plain token; None: it might be anything."""
    return codes[0] if codes and _SAFE_CODE.fullmatch(codes[0]) else None


_SAFE_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
