"""Guard an OpenAI client: OpenAI, AsyncOpenAI, Azure's, or a subclass of one.

Whatever is called on such a client, ``chat.completions.create``, ``.parse``, ``.stream``, ``client.post`` or
``with_raw_response`` of any of them, ends in one method: ``client.request(cast_to, options)``. That method
is the *door*. `wrap` returns a twin of the client, of a subclass of its class, that stands in the door:

- requests to a model (`_surface.py` says which) are made a `Call` and go through the guard, which sends them
  by the door's other side, the client's own ``request`` with its retries off;
- harmless requests pass as they are, with the client's own retries;
- all others are refused.

What comes back is the client's own type again, and for raw callers an HTTP response made anew from it
(`_openai_http.py`). Web sockets have no door, so everything that opens one is refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from openai import AsyncOpenAI, NotGiven, OpenAI

from guardrails_lite._errors import ConfigError
from guardrails_lite._guard._composition import check_hedged, check_held, check_style
from guardrails_lite._messages import Call, get
from guardrails_lite._messages._texts import plain
from guardrails_lite._targets import Answered, Sender
from guardrails_lite.clients._openai_carried import carrying
from guardrails_lite.clients._openai_chat import ChatRequest, completion_of
from guardrails_lite.clients._openai_declared import Declarations, noting, opening
from guardrails_lite.clients._openai_passage import ApiRequest, Passage, identity, within
from guardrails_lite.clients._openai_responses import ResponsesRequest
from guardrails_lite.clients._openai_sized import sized
from guardrails_lite.clients._openai_streams import heedful
from guardrails_lite.clients._openai_wary import Wary
from guardrails_lite.clients._surface import fate_of, refused
from guardrails_lite.reliability._bounded_client import bound_of, bounded_client
from guardrails_lite.reliability._deadline import connect_limit_s
from guardrails_lite.reliability._twins import twin_of

if TYPE_CHECKING:
    from guardrails_lite._guard import Guard

__all__ = ["completion_of", "identity", "sender", "wrap"]

C = TypeVar("C")


def wrap(guard: Guard[Any], client: C) -> C:
    """Return a twin of *client* whose calls of a model go through *guard*.

    Raises:
        ConfigError: it is no client that can be guarded, or it is guarded already.
    """
    if isinstance(client, _Door):
        raise ConfigError(
            f"{type(client).__name__} is guarded already. Merge the guards: (first | second).wrap(client)."
        )
    if inspect.isclass(client):
        raise ConfigError(
            f"guard.wrap({client.__name__}): that is a class. Make a client of it first: "
            f"guard.wrap({client.__name__}(...))."
        )
    if not isinstance(client, (OpenAI, AsyncOpenAI)):
        raise ConfigError(
            f"guard.wrap({type(client).__name__} object): expected OpenAI, AsyncOpenAI, AzureOpenAI or "
            "AsyncAzureOpenAI. For anything else decorate the function that calls it: @guard."
        )
    plan = guard._plan
    check_style(plan.retry, "guard.wrap(...)")
    if isinstance(client, OpenAI):
        check_held(plan.fallback)
    if bound_of(client) == "thread":
        check_hedged(
            plan.hedge,
            f"{type(client).__name__} with an HTTP client of your own",
            f"Leave out http_client=, or use Async{type(client).__name__}",
        )
    kind = _guarded(cast("type[Any]", type(client)))  # type: ignore[arg-type]  # a class is hashable
    twin = twin_of(_punctual(client), kind=kind, _guard=guard, _declarations=Declarations(guard))
    twin._client = sized(twin._client)
    return cast("C", twin)


def _punctual(client: Any) -> Any:
    """The client with waits that end at the deadline, unless it has them already."""
    http_client = getattr(client, "_client", None)
    if any(hasattr(http_client, f"guardrails_lite_{way}") for way in ("bounded", "threaded")):
        return client
    return bounded_client(client)


@lru_cache(maxsize=64)
def _guarded(kind: type) -> type:
    """The guarded subclass of a client's class."""
    door = _SyncDoor if issubclass(kind, OpenAI) else _AsyncDoor
    return type(f"Guarded{kind.__name__}", (door, kind), {"__module__": kind.__module__, "_wrapped": kind})


def _api_of(options: Any) -> type[ApiRequest] | None:
    """The guarded API that a request belongs to; None for a harmless one.

    Raises:
        ConfigError: it may not pass.
    """
    match fate_of(options.method, options.url):
        case "chat":
            return ChatRequest
        case "responses":
            return ResponsesRequest
        case _:
            return None


class _Door(Wary):
    """What the sync and the async twin share."""

    _guard: Guard[Any]
    _declarations: Declarations
    _wrapped: type
    """The client's own class."""

    def copy(self, **changes: Any) -> Any:
        """A client with other options, guarded like this one."""
        bare = twin_of(self, kind=self._wrapped)
        del bare.__dict__["_guard"], bare.__dict__["_declarations"]
        return wrap(self._guard, bare.copy(**changes))

    with_options = copy

    @cached_property
    def chat(self) -> Any:
        """The client's own, whose ``create`` is faster and whose ``parse`` tells the guard the type."""
        chat: Any = super().chat  # type: ignore[misc]  # of the client mixed in
        _tuned(chat.completions, ChatRequest.input_name, "response_format", self)
        return chat

    @cached_property
    def responses(self) -> Any:
        """The client's own, whose ``create`` is faster and whose ``parse`` tells the guard the type."""
        responses: Any = super().responses  # type: ignore[misc]  # of the client mixed in
        _tuned(responses, ResponsesRequest.input_name, "text_format", self)
        return responses

    @property
    def websocket_base_url(self) -> Any:
        """Where a session over a web socket would start: refused, for nothing said in it can be checked."""
        raise refused("A session over a web socket (realtime, live, responses.connect)")


def _tuned(resource: Any, said: str, type_: str, client: Any) -> None:
    is_async = isinstance(client, AsyncOpenAI)
    resource.create = carrying(resource.create, said, is_async=is_async)
    resource.parse = noting(carrying(resource.parse, said, is_async=is_async), type_, is_async=is_async)
    resource.stream = opening(resource.stream, type_)


class _SyncDoor(_Door):
    def request(self, cast_to: Any, options: Any, *, stream: bool = False, stream_cls: Any = None) -> Any:
        """Stand in the door."""
        bare: Callable[..., Any] = super().request  # type: ignore[misc]  # of the client mixed in
        api = _api_of(options)
        if api is None:
            return bare(cast_to, options, stream=stream, stream_cls=stream_cls)
        passage = Passage(self, api, cast_to, options, stream, stream_cls)

        def send(call: Call, timeout_s: float | None) -> Any:
            return passage.arrived(bare(options=passage.options_for(call, timeout_s), **passage.expects))

        guard = self._declarations.guard_for(passage.call)
        begun = guard._begin(passage.target(send, blocks=True), passage.call)
        answer = passage.answer(begun)
        return answer if passage.is_plain else self._process_response(**passage.remade(answer))


class _AsyncDoor(_Door):
    async def request(
        self, cast_to: Any, options: Any, *, stream: bool = False, stream_cls: Any = None
    ) -> Any:
        """Stand in the door."""
        bare: Callable[..., Any] = super().request  # type: ignore[misc]  # of the client mixed in
        api = _api_of(options)
        if api is None:
            return await bare(cast_to, options, stream=stream, stream_cls=stream_cls)
        passage = Passage(self, api, cast_to, options, stream, stream_cls)

        async def arrived(options: Any) -> Any:
            return passage.arrived(await bare(options=options, **passage.expects))

        def send(call: Call, timeout_s: float | None) -> Any:
            return arrived(passage.options_for(call, timeout_s))

        guard = self._declarations.guard_for(passage.call)
        begun = await guard._abegin(passage.target(send, blocks=False), passage.call)
        answer = passage.answer(begun)
        return answer if passage.is_plain else await self._process_response(**passage.remade(answer))


def sender(client: Any, *, tells_headers: bool = False) -> tuple[Sender, bool]:
    """How a fallback sends to *client*, and whether that blocks the thread.

    Args:
        client: The client.
        tells_headers: Whether it says, where it can, under which headers an answer came.

    Raises:
        ConfigError: the client is wrapped by a guard already.
    """
    if isinstance(client, _Door):
        raise ConfigError(
            f"target({type(client).__name__}): this client is guarded already, and a guard inside a guard "
            "would retry what the other retries. Give target() the client that was wrapped."
        )
    patient = client
    if isinstance(client, (OpenAI, AsyncOpenAI)):
        patient = twin_of(client, max_retries=0)
    elif hasattr(client, "with_options"):
        patient = client.with_options(max_retries=0)
    patient = _straight(_punctual(patient))
    create = patient.chat.completions.create
    is_async = inspect.iscoroutinefunction(inspect.unwrap(create))
    if tells_headers and hasattr(patient.chat.completions, "with_raw_response"):
        raw_create = patient.chat.completions.with_raw_response.create
        create = _acreate_told(raw_create) if is_async else _create_told(raw_create)

    def send(call: Call, timeout_s: float | None) -> Any:
        params = dict(call.params)
        if timeout_s is not None or connect_limit_s() is not None:
            params["timeout"] = within(timeout_s, params.get("timeout", NotGiven()), patient)
        return create(messages=list(map(_of_chat, call.messages)), **params)

    return send, not is_async


def _of_chat(message: Any) -> Any:
    """A message without what only the Responses API has: the citations in a part of an earlier answer."""
    content = get(message, "content")
    if not isinstance(content, list) or not any(get(part, "annotations") for part in content):
        return message
    parts = [
        {name: value for name, value in part.items() if name != "annotations"}
        if isinstance(part, dict)
        else part
        for part in content
    ]
    return {**plain(message), "content": parts}


def _straight(client: Any) -> Any:
    """A twin that does not take the prompt to where a server sends it on, and reads with care what comes."""
    if not isinstance(client, (OpenAI, AsyncOpenAI)):
        return client
    kind = _straight_of(cast("type[Any]", type(client)))  # type: ignore[arg-type]  # a class is hashable
    twin = twin_of(client, kind=kind)
    twin._client = sized(twin._client)
    return twin


@lru_cache(maxsize=64)
def _straight_of(kind: type) -> type:
    def request(self: Any, cast_to: Any, options: Any, **more: Any) -> Any:
        options.follow_redirects = False
        if more.get("stream_cls") is not None:
            more["stream_cls"] = heedful(more["stream_cls"])
        return kind.request(self, cast_to, options, **more)  # type: ignore[attr-defined]

    own = {"__module__": kind.__module__, "request": request}
    return type(f"Straight{kind.__name__}", (Wary, kind), own)


def _create_told(raw_create: Any) -> Callable[..., Answered]:
    def create(**params: Any) -> Answered:
        response = raw_create(**params)
        return Answered(response.parse(), response.headers)

    return create


def _acreate_told(raw_create: Any) -> Callable[..., Awaitable[Answered]]:
    async def create(**params: Any) -> Answered:
        response = await raw_create(**params)
        return Answered(response.parse(), response.headers)

    return create
