"""What failures mean: kinds, blame and steps of the ladder, for the real client's errors and for others."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Callable
from typing import Any, get_args

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails_lite.reliability import classify
from guardrails_lite.reliability._classify import classify_body_error
from guardrails_lite.reliability._failure import Action, Blame, Kind

SECRET = "sk-live-0123456789abcdef"


def status_error(
    status: int,
    body: object = None,
    headers: dict[str, str] | None = None,
) -> BaseException:
    """The error that the real client raises for this answer."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx2.Response(status, content=content, headers=headers or {})

    return raised_by(answer)


def raised_by(answer: Callable[[httpx2.Request], httpx2.Response]) -> BaseException:
    http_client = httpx2.Client(transport=httpx2.MockTransport(answer))
    with openai.OpenAI(api_key="k", base_url="http://t/v1", max_retries=0, http_client=http_client) as client:
        try:
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": SECRET}])
        except Exception as error:
            return error
    raise AssertionError("the client returned instead of raising")


def openai_body(code: str | None, kind: str = "invalid_request_error", message: str = SECRET) -> object:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


@pytest.mark.parametrize(
    ("status", "body", "kind", "blame", "action"),
    [
        (429, openai_body("rate_limit_exceeded", "tokens"), "rate limited", "account", "retry"),
        (429, openai_body("insufficient_quota", "insufficient_quota"), "quota", "account", "fall back"),
        (429, openai_body("credit_balance_exhausted"), "quota", "account", "fall back"),
        (429, openai_body("organization_spend_limit_exceeded"), "quota", "account", "fall back"),
        (429, {"error": {"type": "enforced_spend_limit_reached"}}, "quota", "account", "fall back"),
        (429, openai_body(None, "tokens", "Request too large for m"), "rate limited", "prompt", "fall back"),
        (402, {}, "quota", "account", "fall back"),
        (400, {"error": {"message": "Your credit balance is too low"}}, "quota", "account", "fall back"),
        (500, {}, "server error", "endpoint", "retry"),
        (502, b"<html>bad gateway</html>", "server error", "endpoint", "retry"),
        (503, {}, "overloaded", "endpoint", "retry"),
        (504, {}, "timeout", "endpoint", "retry"),
        (520, {}, "server error", "endpoint", "retry"),
        (529, {"error": {"type": "overloaded_error"}}, "overloaded", "endpoint", "retry"),
        (599, {}, "server error", "endpoint", "retry"),
        (400, openai_body(None), "bad request", "caller", "fail"),
        (405, {}, "bad request", "caller", "fail"),
        (413, {}, "bad request", "caller", "fail"),
        (415, {}, "bad request", "caller", "fail"),
        (418, {}, "bad request", "caller", "fail"),
        (422, {"detail": [{"loc": ["body"]}]}, "bad request", "caller", "fail"),
        (404, {}, "not found", "caller", "fail"),
        (404, openai_body("model_not_found"), "not found", "model", "fall back"),
        (400, openai_body("context_length_exceeded"), "context too long", "prompt", "fall back"),
        (400, openai_body("content_policy_violation"), "content filtered", "prompt", "fail"),
        (400, openai_body("content_filter"), "content filtered", "prompt", "fail"),
        (401, openai_body("invalid_api_key"), "auth", "account", "fall back"),
        (403, {}, "auth", "account", "fall back"),
        (408, {}, "timeout", "endpoint", "retry"),
        (409, {}, "server error", "endpoint", "retry"),
        (425, {}, "server error", "endpoint", "retry"),
        (302, {}, "not found", "endpoint", "fall back"),
    ],
)
def test_a_status_says_what_to_do(status: int, body: object, kind: str, blame: str, action: str) -> None:
    """Faults H10 to H24: each status and code has one kind, one owner and one next step."""
    failure = classify(status_error(status, body))
    assert (failure.kind, failure.blame, failure.action) == (kind, blame, action)
    assert failure.status == status


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 8192 tokens. However, you requested 9000.",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "The input token count (1200000) exceeds the maximum number of tokens allowed",
        "Input is too long for requested model.",
        "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
        "too many tokens: total number of tokens in the prompt cannot exceed 4081",
        "the request exceeds the available context size. try increasing the context size",
        "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
        "Please reduce the length of the messages or completion.",
        "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000",
    ],
)
def test_a_context_that_is_too_long_is_known_by_its_wording(message: str) -> None:
    """Fault H17: vendors without a code for it are understood by what they write."""
    assert classify(status_error(400, {"error": {"message": message}})).kind == "context too long"


def test_an_error_that_is_a_text_is_read_too() -> None:
    """Some servers send the message where OpenAI has an object."""
    body = {"error": "`inputs` tokens + `max_new_tokens` must be <= 4096", "error_type": "validation"}
    assert classify(status_error(422, body)).kind == "context too long"


def test_a_code_that_is_the_word_for_nothing_is_none() -> None:
    """A proxy writes Python's None into its errors."""
    body = {"error": {"message": "x", "type": "None", "param": "None", "code": "500"}}
    failure = classify_body_error(body)
    assert (failure.kind, failure.status, failure.code) == ("server error", 500, None)


def test_azure_says_it_one_level_deeper() -> None:
    """Fault H18: the inner error of a filter decides, not the outer "bad request"."""
    body = {"error": {"code": "BadRequest", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}
    assert classify(status_error(400, body)).kind == "content filtered"


def test_x_should_retry_overrides_the_status() -> None:
    """Faults H14, H15: the server's word on retrying counts, but never for what is terminal."""
    assert classify(status_error(503, {}, {"x-should-retry": "false"})).action == "fall back"
    assert classify(status_error(400, {}, {"x-should-retry": "true"})).action == "retry"
    blocked = status_error(400, openai_body("content_filter"), {"x-should-retry": "true"})
    assert classify(blocked).action == "fail"


def test_a_bad_retry_after_is_ignored_and_said() -> None:
    """Fault H07: junk is no wait, and the record can say that it came."""
    failure = classify(status_error(429, {}, {"retry-after": "soon"}))
    assert (failure.retry_after_s, failure.bad_retry_after) == (None, True)
    fine = classify(status_error(429, {}, {"retry-after": "1.5"}))
    assert (fine.retry_after_s, fine.bad_retry_after) == (1.5, False)


def test_the_wait_of_googles_body_counts() -> None:
    """A `RetryInfo` detail is a Retry-After that came in the body."""
    body = {"error": {"status": "RESOURCE_EXHAUSTED", "code": 429, "details": [{"retryDelay": "34.5s"}]}}
    failure = classify(status_error(429, body))
    assert (failure.kind, failure.retry_after_s) == ("rate limited", 34.5)


def _raise(error: BaseException) -> Callable[[httpx2.Request], httpx2.Response]:
    def answer(request: httpx2.Request) -> httpx2.Response:
        raise error

    return answer


@pytest.mark.parametrize(
    ("below", "kind", "blame", "action", "maybe_billed"),
    [
        (httpx2.ConnectTimeout("t"), "timeout", "network", "retry", False),
        (httpx2.ReadTimeout("t"), "timeout", "endpoint", "fall back", True),
        (httpx2.WriteTimeout("t"), "timeout", "endpoint", "retry", False),
        (httpx2.PoolTimeout("t"), "timeout", "caller", "retry", False),
        (httpx2.ConnectError("t"), "connection", "network", "retry", False),
        (httpx2.ReadError("t"), "connection", "network", "retry", True),
        (httpx2.RemoteProtocolError("t"), "connection", "network", "retry", True),
        (httpx2.DecodingError("t"), "malformed reply", "endpoint", "retry", True),
        (httpx2.LocalProtocolError("t"), "own bug", "caller", "fail", False),
        (httpx2.TooManyRedirects("t"), "not found", "endpoint", "fall back", False),
    ],
)
def test_the_clients_connection_errors_are_told_apart_by_their_cause(
    below: BaseException, kind: str, blame: str, action: str, maybe_billed: bool
) -> None:
    """Faults C01 to C13: what the transport raised decides, and whether the request may have been billed."""
    failure = classify(raised_by(_raise(below)))
    assert (failure.kind, failure.blame, failure.action) == (kind, blame, action)
    assert failure.maybe_billed is maybe_billed


def test_a_wrong_certificate_is_not_retried() -> None:
    """Trying again does not make a certificate right; another target may have a good one."""
    bottom = httpx2.ConnectError("t")
    bottom.__cause__ = ssl.SSLCertVerificationError("t")
    failure = classify(raised_by(_raise(bottom)))
    assert (failure.kind, failure.action) == ("connection", "fall back")


@pytest.mark.parametrize(
    ("error", "kind", "action"),
    [
        (ConnectionRefusedError(), "connection", "retry"),
        (ConnectionResetError(), "connection", "retry"),
        (socket.gaierror(), "connection", "retry"),
        (TimeoutError(), "timeout", "fall back"),
        (json.JSONDecodeError("m", "d", 0), "malformed reply", "retry"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "r"), "malformed reply", "retry"),
        (asyncio.CancelledError(), "cancelled", "fail"),
        (KeyboardInterrupt(), "cancelled", "fail"),
        (GeneratorExit(), "cancelled", "fail"),
        (ValueError("x"), "own bug", "fail"),
        (FileNotFoundError(), "own bug", "fail"),
        (MemoryError(), "own bug", "fail"),
        (RecursionError(), "own bug", "fail"),
    ],
)
def test_built_in_errors(error: BaseException, kind: str, action: str) -> None:
    """Faults of the network are retried, the user's own never, and cancellation is neither."""
    failure = classify(error)
    assert (failure.kind, failure.action) == (kind, action)


def test_a_users_error_with_a_status_is_the_users() -> None:
    """A web framework's error in the user's own code is no answer of a model."""

    class HTTPProblem(Exception):
        status_code = 503

    assert classify(HTTPProblem()).kind == "own bug"


def test_a_broken_reply_of_the_client_is_malformed() -> None:
    """Faults B01, B02: what leaks out of the client as a JSON error is a transport fault."""
    broken = raised_by(
        lambda request: httpx2.Response(200, content=b"{", headers={"content-type": "application/json"})
    )
    assert classify(broken).kind == "malformed reply"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ({"error": {"message": "x", "type": "server_error"}}, "server error", None),
        ({"error": {"message": "x", "code": 429}}, "rate limited", 429),
        ({"error": {"message": "x", "code": "502"}}, "server error", 502),
        ({"error": {"code": "insufficient_quota"}}, "quota", None),
        ({"object": "error", "message": "x", "type": "BadRequestError", "code": 400}, "bad request", 400),
        ({"error": "model overloaded", "error_type": "overloaded"}, "overloaded", None),
        ({"error": {"type": "overloaded_error"}, "type": "error"}, "overloaded", None),
        ({"error": {"code": "content_filter"}}, "content filtered", None),
        ({"error": {"message": "maximum context length is 10"}}, "context too long", None),
        ({"error": {"message": "x", "http_status_code": 422}}, "bad request", 422),
        ({"error": "Model is overloaded"}, "overloaded", None),
        ({"error": "Unexpected endpoint or method. (POST /chat/completions)"}, "not found", None),
        ({"error": None}, "server error", None),
        ({}, "server error", None),
    ],
)
def test_an_error_object_under_200_is_judged_by_its_code(
    body: dict[str, Any], kind: str, status: int | None
) -> None:
    """Faults B06, S04, S06: error objects under status 200 mean what they would mean as a status."""
    failure = classify_body_error(body)
    assert (failure.kind, failure.status) == (kind, status)


def test_a_response_of_another_make_is_asked_for_its_json() -> None:
    """Clients that are no relatives of httpx may hold their body as they like."""

    class Answer:
        status_code = 400
        headers = httpx2.Headers()

        def json(self) -> object:
            return openai_body("context_length_exceeded")

    class StatusError(Exception):
        response = Answer()

    assert classify(StatusError()).kind == "context too long"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "code", "type", "message", "status", "details", "innererror"]), inner
        )
    ),
    max_leaves=12,
)


@given(status=st.integers(300, 999), body=JSON, retry_after=st.binary(max_size=12))
def test_any_answer_gets_a_verdict(status: int, body: object, retry_after: bytes) -> None:
    """Law: classifying any answer does not raise, and its verdict is in the closed sets."""
    request = httpx2.Request("POST", "http://t/")
    response = httpx2.Response(status, headers=[(b"retry-after", retry_after)], request=request)
    failure = classify(openai.APIStatusError("m", response=response, body=body))
    assert failure.kind in get_args(Kind)
    assert failure.blame in get_args(Blame)
    assert failure.action in get_args(Action)
    assert failure.retry_after_s is None or failure.retry_after_s > 0


@given(code=st.text(max_size=80))
def test_no_text_of_an_error_is_kept(code: str) -> None:
    """Law: a failure holds the class's name and a plain token, never the message or an odd code."""
    failure = classify(status_error(400, {"error": {"message": SECRET, "code": f"{SECRET} {code}"}}))
    assert SECRET not in repr(failure)
    assert failure.code is None
