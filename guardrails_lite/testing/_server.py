"""A real HTTP server on loopback that speaks OpenAI's API from a script.

::

    with LoopbackServer(["Hello.", HttpReply.error(429, headers={"Retry-After": "1"}), "Bye."]) as server:
        client = OpenAI(base_url=server.base_url, api_key="test")

It answers `/v1/chat/completions`, `/v1/responses` and, for Anthropic's client, `/v1/messages`, whole or
streamed as the request asks, and `/v1/models`. Each request for an answer takes the next line of the script.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from guardrails_lite.testing._messages_api import message_events, message_of
from guardrails_lite.testing._responses import response_events, response_of
from guardrails_lite.testing._shapes import (
    CREATED,
    FIRST_ID,
    MODEL,
    assembled,
    chunks,
    completion,
    error_body,
    estimated_tokens,
)
from guardrails_lite.testing._wire import LAST_CHUNK, Gone, Listener, Peer, Request, head, http_chunk

Body = str | Mapping[str, Any] | Sequence[Mapping[str, Any]] | bytes
"""What an answer carries: a text or a completion, whole or streamed as asked; a list of chunks; or bytes
that are sent as they are."""


@dataclass(frozen=True, slots=True)
class HttpReply:
    """An answer with its transport spelled out. All fields but the body have innocent defaults."""

    body: Body
    status: int = field(default=200, kw_only=True)
    headers: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    """Added to the usual headers, or put in their place."""
    size: int | Sequence[int] = field(default=4, kw_only=True)
    """Characters of text per chunk of a stream, or the sizes in turn."""
    split: int | None = field(default=None, kw_only=True)
    """Send the body in pieces of so many bytes; 1 cuts code points and frames everywhere."""
    delay_s: float = field(default=0.0, kw_only=True)
    """Seconds of silence before the status line."""
    every_s: float = field(default=0.0, kw_only=True)
    """Seconds between two pieces, or between two frames of a stream."""
    cut_after: int | None = field(default=None, kw_only=True)
    """Hang up after so many bytes of the body."""
    reset: bool = field(default=False, kw_only=True)
    """Hang up with a TCP reset rather than a clean close."""

    @classmethod
    def error(
        cls,
        status: int,
        *,
        code: str | None = None,
        message: str = "The loopback server was told to answer with an error.",
        headers: Mapping[str, str] | None = None,
        delay_s: float = 0.0,
    ) -> HttpReply:
        """Make an error answer in OpenAI's shape."""
        kind = "server_error" if status >= 500 else "invalid_request_error"
        body = json.dumps(error_body(message, code=code, type=kind)).encode()
        return cls(body, status=status, headers=dict(headers or {}), delay_s=delay_s)


@dataclass(frozen=True, slots=True)
class Wire:
    """Provisional: an answer that takes the connection into its own hands."""

    serve: Callable[[Peer, Request], None]


Answer = Body | HttpReply | Wire | Callable[[Request], "Answer"]
"""One line of a server's script: a body, a reply with its transport, or a function of the request that
returns one of these."""

Script = Iterable[Answer] | Mapping[str, Iterable[Answer]]


class LoopbackServer(Listener):
    """Serve a script over HTTP on 127.0.0.1 for the length of a `with` block.

    Args:
        script: The answers in turn; or a mapping from a model's name to the answers it gives.
        then: What every request after the last line gets. None: status 400, code `script_exhausted`.
        models: What `/v1/models` lists.
        keep: How many requests `requests` remembers.
    """

    def __init__(
        self,
        script: Script = (),
        *,
        then: Answer | None = None,
        models: Sequence[str] = ("scripted",),
        keep: int = 10_000,
    ) -> None:
        super().__init__(answer=self._reply, keep=keep)
        if isinstance(script, str | bytes | HttpReply | Wire) or callable(script):
            raise TypeError(f"LoopbackServer takes a list of answers, not one {type(script).__name__}: [...]")
        self._scripts: dict[str | None, list[Answer]] = (
            {model: list(answers) for model, answers in script.items()}
            if isinstance(script, Mapping)
            else {None: list(script)}
        )
        self._then = then
        self._models = tuple(models)
        self._used: dict[str | None, int] = {}
        self._answers = 0
        self._script_lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<LoopbackServer {self.base_url}: {self.request_count} requests>"

    @property
    def base_url(self) -> str:
        """What a client takes as `base_url`."""
        return f"http://127.0.0.1:{self.port}/v1"

    def _reply(self, peer: Peer, request: Request) -> None:
        path = request.path.partition("?")[0].rstrip("/")
        if request.method == "GET" and path.endswith("/models"):
            listed = [
                {"id": name, "object": "model", "created": CREATED, "owned_by": "loopback"}
                for name in self._models
            ]
            _send_whole(peer, HttpReply(b""), _json({"object": "list", "data": listed}))
        elif request.method == "POST" and path.endswith(_ANSWERS):
            answer, number = self._next(request)
            while callable(answer):
                answer = answer(request)
            send(peer, request, answer, number=number)
        else:
            send(peer, request, HttpReply.error(404, message=f"no {request.method} {path} here"))

    def _next(self, request: Request) -> tuple[Answer, int]:
        with self._script_lock:
            self._answers += 1
            key = None if None in self._scripts else request.model
            answers = self._scripts.get(key, [])
            used = self._used.get(key, 0)
            self._used[key] = used + 1
            if used < len(answers):
                return answers[used], self._answers
            if self._then is not None:
                return self._then, self._answers
        of_model = f" for model {key!r}" if key is not None else ""
        message = (
            f"request {used + 1} came{of_model}, but the script has {len(answers)} answers. Pass `then=`."
        )
        return HttpReply.error(400, code="script_exhausted", message=message), self._answers


def send(peer: Peer, request: Request, answer: Answer, *, number: int = 1) -> None:
    """Send one answer to one request."""
    if isinstance(answer, Wire):
        answer.serve(peer, request)
        return
    assert not callable(answer)
    reply = answer if isinstance(answer, HttpReply) else HttpReply(answer)
    body = reply.body
    if reply.delay_s:
        peer.pause(reply.delay_s)
    if isinstance(body, bytes):
        _send_whole(peer, reply, body)
        return
    path = request.path.partition("?")[0].rstrip("/")
    retold = next((_RETOLD[each] for each in _RETOLD if path.endswith(each)), None)
    if isinstance(body, str):
        body = completion(body, usage=(estimated_tokens(request.raw.decode(errors="replace")), -1))
    if isinstance(body, Mapping):
        body = _filled_in(body, request, number)
    if not request.streams:
        whole = body if isinstance(body, Mapping) else assembled(body)
        _send_whole(peer, reply, _json(whole if retold is None else _as(retold, whole)))
    elif retold is not None:
        told = retold.events(_as(retold, body), size=reply.size) if isinstance(body, Mapping) else body
        _send_stream(peer, reply, [_event(event) for event in told])
    else:
        wants_usage = bool((request.body.get("stream_options") or {}).get("include_usage"))
        frames = chunks(body, size=reply.size, usage=wants_usage) if isinstance(body, Mapping) else body
        _send_stream(peer, reply, [*map(frame, frames), b"data: [DONE]\n\n"])


@dataclass(frozen=True, slots=True)
class _Retold:
    """How another API tells a chat completion."""

    whole: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    events: Callable[..., Sequence[Any]]


_RETOLD = {
    "/responses": _Retold(response_of, response_events),
    "/messages": _Retold(message_of, message_events),
}
_ANSWERS = ("/chat/completions", *_RETOLD)
"""The ends of the paths under which an answer is asked for."""


def _as(retold: _Retold, body: Mapping[str, Any]) -> Mapping[str, Any]:
    return retold.whole(body) if "choices" in body else body


def _filled_in(body: Mapping[str, Any], request: Request, number: int) -> Mapping[str, Any]:
    """Replace the id and the model where the script left them at their defaults."""
    filled = dict(body)
    if body.get("id") == FIRST_ID:
        filled["id"] = f"chatcmpl-{number}"
    if body.get("model") == MODEL and request.model:
        filled["model"] = request.model
    return filled


def frame(data: object) -> bytes:
    """Write one server-sent event of a chat stream."""
    return b"data: " + _json(data) + b"\n\n"


def _event(data: Any) -> bytes:
    kind = data.get("type") if isinstance(data, Mapping) else None
    return (f"event: {kind}\n".encode() if isinstance(kind, str) else b"") + frame(data)


def _send_whole(peer: Peer, reply: HttpReply, body: bytes) -> None:
    headers = {"content-type": "application/json", "content-length": str(len(body)), **_lower(reply.headers)}
    if _is_plain(reply):
        peer.send(head(reply.status, headers) + body)
    else:
        peer.send(head(reply.status, headers))
        _send_pieces(peer, reply, [body], lambda data: data)


def _send_stream(peer: Peer, reply: HttpReply, frames: list[bytes]) -> None:
    headers = {"content-type": "text/event-stream", "transfer-encoding": "chunked", **_lower(reply.headers)}
    if _is_plain(reply):
        peer.send(head(reply.status, headers) + b"".join(map(http_chunk, frames)) + LAST_CHUNK)
    else:
        peer.send(head(reply.status, headers))
        _send_pieces(peer, reply, frames, http_chunk)
        peer.send(LAST_CHUNK)


def _send_pieces(peer: Peer, reply: HttpReply, parts: list[bytes], framed: Callable[[bytes], bytes]) -> None:
    if reply.split is not None:
        body = b"".join(parts)
        parts = [body[start : start + reply.split] for start in range(0, len(body), reply.split)]
    left = reply.cut_after
    for nth, part in enumerate(parts):
        if nth and reply.every_s:
            peer.pause(reply.every_s)
        if left is not None and len(part) >= left:
            if part[:left]:
                peer.send(framed(part[:left]))
            if reply.reset:
                peer.reset()
            raise Gone
        peer.send(framed(part))
        left = None if left is None else left - len(part)
    if reply.reset:
        peer.reset()


def _is_plain(reply: HttpReply) -> bool:
    return reply.split is None and reply.cut_after is None and not reply.every_s and not reply.reset


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass")
