"""One guarded request of a wrapped client: out as its options, back as what its caller asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol, get_origin

from openai import NotGiven, Stream, Timeout
from openai._constants import RAW_RESPONSE_HEADER
from pydantic_core import to_json

from guardrails_lite._errors import ConfigError, Exhausted
from guardrails_lite._messages import Call, Reply
from guardrails_lite._messages._reading import read_reply
from guardrails_lite._messages._writing import with_parsed, write_reply
from guardrails_lite._targets import Answered, Sender, Target
from guardrails_lite._who import key_name
from guardrails_lite.clients import _openai_http
from guardrails_lite.clients._openai_carried import with_carried
from guardrails_lite.clients._openai_chat import json_of
from guardrails_lite.clients._openai_streams import (
    AsyncGuardedStream,
    AsyncHeard,
    Ended,
    GuardedStream,
    Heard,
    heedful,
)
from guardrails_lite.reliability._deadline import connect_limit_s

_NO_KEY = ("", "<missing API key>")
"""What a client holds where it was given something else than a key, such as a token of Azure's directory."""
_EXTRAS = frozenset({"extra_headers", "extra_query", "extra_body", "timeout"})


class Telling(Protocol):
    """How the chunks of one stream are read for the engine and written for the caller."""

    own: Any

    def read(self, chunk: Any) -> tuple[Any, ...]: ...
    def write(self, chunk: Any) -> tuple[Any, ...]: ...
    def end(self, outcome: Any) -> tuple[Any, ...]: ...


class ApiRequest(Protocol):
    """A request to one of the guarded APIs: how it and its replies look."""

    cast_to: Any
    chunk_type: Any
    input_name: str
    """The parameter that holds what is said."""
    stream_end: bytes
    retells: bool
    acts: bool
    """The provider does something besides answering, or knows more of the conversation than the guard."""
    call: Call

    def __init__(self, body: Mapping[str, Any], extras: Mapping[str, Any], *, screens: bool) -> None: ...
    @staticmethod
    def parameters() -> frozenset[str]: ...
    def body_of(self, call: Call, params: Mapping[str, Any]) -> dict[str, Any]: ...
    def own(self, reply: Reply) -> Any: ...
    @staticmethod
    def answer_of(text: str, call: Call) -> Any: ...
    def telling(self) -> Telling: ...
    @staticmethod
    def encode(chunk: Any) -> bytes: ...


class Passage:
    """What has to be known of one request while it is with the guard."""

    def __init__(
        self, client: Any, api: type[ApiRequest], cast_to: Any, options: Any, stream: bool, stream_cls: Any
    ) -> None:
        self._client = client
        self._options = options
        self._stream = stream
        self._asked = _raw_header(options)
        self._wanted = client._maybe_override_cast_to(cast_to, options), stream_cls
        self._real: Any = None
        self.is_plain = self._asked is None and (
            get_origin(stream_cls) is client._default_stream_cls if stream else cast_to is api.cast_to
        )
        """The caller wants the parsed reply; otherwise an HTTP response, or a type of their own."""
        self._tells_headers = client._guard._plan.has_upstreams
        self._is_hedged = client._guard._plan.hedge is not None
        self._request = _request_of(api, options, stream, client._guard)
        self.call = self._request.call
        self._telling = self._request.telling() if stream else None

    def target(self, send: Sender, *, blocks: bool) -> Target:
        """The client itself, as the first target."""
        name, answer = self._client._wrapped.__name__, self._request.answer_of
        (account, endpoint), request = identity(self._client), ""
        if self._client._guard._plan.cache is not None:
            request = f"{type(self._request).__name__} {self._client._prepare_url(self._options.url)}"
        return Target(
            "primary",
            name,
            send,
            blocks=blocks,
            answer=answer,
            completion=True,
            account=account,
            endpoint=endpoint,
            request=request,
            acts=self._request.acts,
        )

    def options_for(self, call: Call, timeout_s: float | None) -> Any:
        """The request for *call*, with the client's own retries off."""
        params = call.params
        sent = self._options.model_copy()
        sent.follow_redirects = False  # the prompt goes to the host that was named, and to no other
        sent.json_data = self._request.body_of(
            call, {name: value for name, value in params.items() if name not in _EXTRAS}
        )
        sent.extra_json = params.get("extra_body")
        sent.headers = params.get("extra_headers") or {}
        if self._wants_response:
            sent.headers = {**sent.headers, RAW_RESPONSE_HEADER: "true"}
        sent.params = params.get("extra_query") or {}
        sent.max_retries = 0
        sent.post_parser = NotGiven()
        sent.timeout = params.get("timeout", NotGiven())
        if timeout_s is not None or connect_limit_s() is not None:
            sent.timeout = within(timeout_s, sent.timeout, self._client)
        return sent

    @property
    def _wants_response(self) -> bool:
        """Whether the HTTP response is needed, besides what the client makes of it."""
        return not self._stream and (not self.is_plain or self._tells_headers)

    @property
    def expects(self) -> dict[str, Any]:
        """The arguments that say what the client is to make of the answer."""
        request = self._request
        if not self._stream:
            return {"cast_to": request.cast_to}
        kind = heedful(self._client._default_stream_cls[request.chunk_type])
        return {"cast_to": request.cast_to, "stream": True, "stream_cls": kind}

    def arrived(self, raw: Any) -> Any:
        """What the client made of the provider's answer, as the engine reads it."""
        real: Any = None
        telling = self._telling
        if self._stream:
            real = raw.response
            if self._is_hedged:  # two may be read side by side
                telling = self._request.telling()
            if self._request.retells:
                raw = (Heard if isinstance(raw, Stream) else AsyncHeard)(raw, telling)
        elif self._wants_response:
            real = raw.http_response
            raw = raw.parse()
        if self._is_hedged:
            headers = {} if real is None else real.headers
            return Answered(raw, headers, lambda: self._choose(real, telling))
        self._real = real
        return Answered(raw, real.headers) if self._tells_headers else raw

    def _choose(self, real: Any, telling: Telling | None) -> None:
        self._real, self._telling = real, telling

    def answer(self, begun: Any) -> Any:
        """What the guard let through, as the client's own type."""
        if self._stream:
            live = Ended(begun) if hasattr(begun, "reply") else begun
            kind = GuardedStream if self._client._default_stream_cls is Stream else AsyncGuardedStream
            return kind(live, self._telling, self._remade_stream)
        answer = self._request.own(begun.reply)
        if isinstance(self._options.post_parser, NotGiven):
            return answer
        bare, parsed = self._parsed(answer, begun)
        if begun.value is not begun.reply.raw:  # a value of the guard's schema, and not the reply itself
            with_parsed(parsed, begun.value)
        return parsed if self.is_plain else bare

    def _parsed(self, answer: Any, begun: Any) -> tuple[Any, Any]:
        """*answer*, which has been accepted, so that the client can parse it, and as it parses it.

        The guard reads what the client does not, such as JSON between fences: the client gets it bare.
        """
        parse = self._options.post_parser
        try:
            return answer, parse(answer)
        except Exception:
            before = read_reply(answer)
            first = replace(before.choices[0], text=to_json(begun.value).decode())
            bare = write_reply(answer, before, replace(before, choices=(first, *before.choices[1:])))
        try:
            return bare, parse(bare)
        except Exception as error:
            failed = Exhausted(
                f"the reply passed the guard, but the client could not parse it ({type(error).__name__}). "
                "Use create(...) and read the message yourself.",
                outcome="schema failed",
            )
        failed.record = begun.record
        raise failed

    def remade(self, answer: Any) -> dict[str, Any]:
        """The arguments with which the client makes of *answer* what its caller asked for."""
        cast_to, stream_cls = self._wanted
        if self._stream:
            response = answer.response
        else:
            response = _openai_http.whole(self._real, json_of(answer), request=self._http_request())
        return {
            "cast_to": cast_to,
            "options": self._options,
            "response": response,
            "stream": self._stream,
            "stream_cls": stream_cls,
        }

    def _remade_stream(self, stream: Any) -> Any:
        request = self._request
        return _openai_http.streamed(
            self._real, stream, request.encode, request.stream_end, request=self._http_request()
        )

    def _http_request(self) -> Any:
        """The HTTP request that the response answers, marked with how its caller wants it."""
        if self._real is not None:
            request = self._real.request
        else:  # a fallback answered, and no HTTP took place
            request = self._client._client.build_request("POST", self._client._prepare_url(self._options.url))
        if self._asked is None:
            request.headers.pop(RAW_RESPONSE_HEADER, None)
        else:
            request.headers[RAW_RESPONSE_HEADER] = self._asked
        return request


def _request_of(api: type[ApiRequest], options: Any, stream: bool, guard: Any) -> ApiRequest:
    """What the client's options ask for.

    Raises:
        ConfigError: it cannot be told, so it could not be screened.
    """
    body = options.json_data
    if not isinstance(body, Mapping) or getattr(options, "content", None) is not None or options.files:
        raise ConfigError(
            f"POST {options.url} needs a JSON object as its body, for the guard to screen. "
            "Pass body={...}, or use the method made for it, such as chat.completions.create."
        )
    body = with_carried(body, api.input_name)
    extras: dict[str, Any] = {}
    if extra := options.extra_json:
        named = api.parameters()
        body = {**body, **{name: value for name, value in extra.items() if name in named}}
        if rest := {name: value for name, value in extra.items() if name not in named}:
            extras["extra_body"] = rest
    if bool(body.get("stream")) is not stream:
        raise ConfigError(
            f"POST {options.url}: stream={body.get('stream')!r} in the body, but the client was told "
            f"stream={stream}. Say the same twice, or use chat.completions.create(stream=True)."
        )
    if not isinstance(options.headers, NotGiven) and (
        headers := {name: value for name, value in options.headers.items() if not _is_raw_header(name)}
    ):
        extras["extra_headers"] = headers
    if options.params:
        extras["extra_query"] = options.params
    if not isinstance(options.timeout, NotGiven):
        extras["timeout"] = options.timeout
    plan = guard._plan
    return api(body, extras, screens=bool(plan.enforce and plan.output.rules))


def _raw_header(options: Any) -> str | None:
    """How the caller asked for the HTTP response: ``"true"``, ``"stream"``, or not."""
    if isinstance(options.headers, NotGiven):
        return None
    return next((value for name, value in options.headers.items() if _is_raw_header(name)), None)


def _is_raw_header(name: str) -> bool:
    return name.lower() == RAW_RESPONSE_HEADER.lower()


def identity(client: Any) -> tuple[str, str]:
    """Whose calls they are and where they go: the name of the client's key, if it has one, and its host."""
    key = getattr(client, "api_key", None)
    account = ""
    if isinstance(key, str) and key not in _NO_KEY and getattr(client, "_api_key_provider", None) is None:
        account = key_name(key)
    return account, str(getattr(getattr(client, "base_url", None), "host", ""))


def within(timeout_s: float | None, given: Any, client: Any) -> Any:
    """The caller's timeout, or the client's, cut to what is left of the deadline and may go by to connect."""
    timeout = getattr(client, "timeout", None) if isinstance(given, NotGiven) else given
    connect_s = connect_limit_s()
    if connect_s is None and (timeout is None or isinstance(timeout, (int, float))):
        return _least(timeout, timeout_s)
    parts = {
        name: _least(getattr(timeout, name, timeout), timeout_s)
        for name in ("connect", "read", "write", "pool")
    }
    parts["connect"] = _least(parts["connect"], connect_s)
    kind = Timeout if timeout is None or isinstance(timeout, (int, float)) else type(timeout)
    return kind(**parts)


def _least(*limits_s: float | None) -> float | None:
    return min((limit_s for limit_s in limits_s if limit_s is not None), default=None)
