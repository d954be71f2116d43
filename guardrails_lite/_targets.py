"""Where a call is sent: the primary, and the fallbacks that `target` declares."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from guardrails_lite._capabilities import Capabilities
from guardrails_lite._errors import ConfigError
from guardrails_lite._messages import Call

if TYPE_CHECKING:
    from guardrails_lite.reliability import Clocks, Upstream

On = Literal["any", "failure", "validation"]
Sender = Callable[[Call, float | None], Any]

_SECRET = frozenset({"extra_headers", "extra_query", "extra_body", "api_key"})
"""Overrides that carry keys, and print as ``...``."""


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A way to send a call, plus what it overrides in the request. Made by `target`."""

    kind: Literal["primary", "override", "client", "function", "answer"]
    name: str
    """How the record names it."""
    sender: Sender | None = field(default=None, repr=False)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    on: On = "any"
    """After what it is tried: a failure to get a reply, a reply that stayed invalid, or either."""
    blocks: bool = False
    """It waits in plain code, so an async guard sends to it from a thread."""
    subject: Any = field(default=None, repr=False)
    """The client, function or answer that it was made of."""
    accepts: frozenset[str] | None = field(default=None, repr=False)
    """The request parameters that it can take; None: any."""
    answer: Callable[[str, Call], Any] | None = field(default=None, repr=False)
    """How a fixed text is given back in this target's shape."""
    completion: bool = field(default=False, repr=False)
    """Only a completion counts as its reply: a bare string is what a proxy's error page becomes."""
    one_turn: bool = field(default=False, repr=False)
    """It takes one prompt, so the model does not see what it replied before."""
    can: Capabilities | None = None
    """What it can take; None: everything."""
    upstream: Upstream | None = None
    """How all its callers treat it together. An override without one goes through the primary's."""
    clocks: Clocks | None = None
    """When an attempt at it is given up. None: as the guard says."""
    account: str = field(default="", repr=False)
    """A digest of the client's key; empty for what is no client."""
    endpoint: str = field(default="", repr=False)
    """The client's host; empty for what is no client."""
    request: str = field(default="", repr=False)
    """Where a wrapped client's request goes, so that a reply may be kept for it; empty: none may."""
    acts: bool = field(default=False, repr=False)
    """The provider does something besides answering, or knows more of the conversation than the guard."""

    def send(self, call: Call, timeout_s: float | None) -> Any:
        """Send *call* and return what comes back, which may have to be awaited."""
        if self.sender is None:
            raise ConfigError(f"{self!r} can only be used as a fallback")
        return self.sender(call, timeout_s)

    def prepare(self, call: Call) -> Call:
        """*call* as this target gets it."""
        return replace(call, params={**call.params, **self.overrides}) if self.overrides else call

    def behind(self, primary: Target | Primary) -> Target:
        """This fallback, able to send: one that only overrides goes through the *primary*."""
        if self.kind == "override":
            return replace(
                self,
                sender=primary.send,
                blocks=primary.blocks,
                completion=primary.completion,
                one_turn=primary.one_turn,
                account=primary.account,
                endpoint=primary.endpoint,
            )
        if self.kind == "answer":
            shape = primary.answer
            text = self.subject
            sender: Sender = lambda call, _: shape(text, call) if shape else text  # noqa: E731
            return replace(self, sender=sender)
        return self

    def __repr__(self) -> str:
        parts = [] if self.subject is None else [self._subject_repr()]
        parts += [f"{name}={_printed(name, value)}" for name, value in self.overrides.items()]
        if self.on != "any":
            parts.append(f"on={self.on!r}")
        if self.can is not None:
            parts.append(f"can={self.can!r}")
        if self.upstream is not None:
            parts.append(f"upstream={self.upstream!r}")
        if self.clocks is not None:
            parts.append(f"clocks={self.clocks!r}")
        return f"target({', '.join(parts)})"

    def _subject_repr(self) -> str:
        if self.kind == "answer":
            return repr(self.subject)
        return str(getattr(self.subject, "__qualname__", type(self.subject).__name__))


class Primary:
    """Where a call goes first: made anew for each call, so it is no more than it needs to be."""

    __slots__ = ("answer", "blocks", "completion", "name", "one_turn", "send")
    kind: Literal["primary"] = "primary"
    on: On = "any"
    clocks = None
    account = ""
    endpoint = ""
    request = ""
    acts = False

    def __init__(
        self,
        name: str,
        sender: Sender,
        blocks: bool,
        answer: Callable[[str, Call], Any] | None = None,
        one_turn: bool = False,
    ) -> None:
        self.name = name
        self.send = sender
        """Sends a call and returns what comes back, which may have to be awaited."""
        self.blocks = blocks
        self.answer = answer
        self.one_turn = one_turn
        self.completion = False

    def prepare(self, call: Call) -> Call:
        """*call* as it is."""
        return call

    def __repr__(self) -> str:
        return f"{self.name}()"


@dataclass(frozen=True, slots=True)
class Answered:
    """What a client returned, with the headers it came under, for the limits they tell."""

    raw: Any
    headers: Mapping[str, str]
    choose: Callable[[], None] | None = None
    """Of two answers to one call: tells the client that this is the one."""


def target(
    subject: Any = None,
    /,
    *,
    on: On = "any",
    can: Capabilities | None = None,
    upstream: Upstream | None = None,
    clocks: Clocks | None = None,
    **overrides: Any,
) -> Target:
    """Declare a fallback.

    Args:
        subject: Whom to ask instead. Nothing: the primary again, with other parameters. A client
            (`OpenAI`, `AsyncOpenAI`, Azure's): its ``chat.completions.create``. A function that takes
            ``messages`` and the parameters of the request. A string: a fixed answer, always last.
        on: Try it only after a ``"failure"`` to get a reply, or only after replies that never passed
            ``"validation"``; default: after either. A block is never fallen back from, unless by a
            `fall_back` rule.
        can: What the target can handle, if a request may need more. It is then not asked or, with ``"drop"``,
            sent less.
        upstream: Limits, circuit breakers and a retry budget that all callers of this target share.
        clocks: When to give up an attempt at this target, instead of the guard's clocks.
        **overrides: Parameters of the request to replace, such as ``model="gpt-5-mini"``.

    Raises:
        ConfigError: *subject* is none of these, or nothing is given at all.
    """
    if on not in ("any", "failure", "validation"):
        raise ConfigError(f"on={on!r} of target(...) must be 'any', 'failure' or 'validation'")
    if can is not None and not isinstance(can, Capabilities):
        raise ConfigError(
            f"can= of target(...) takes Capabilities, not {type(can).__name__}: can=Capabilities(...)"
        )
    if upstream is not None:
        _check_upstream(subject, upstream)
    if clocks is not None:
        _check_clocks(subject, clocks)
    if subject is None:
        made = _override(overrides)
    elif inspect.isclass(subject):
        raise ConfigError(
            f"target({subject.__name__}): that is a class. Make a client of it first: "
            f"target({subject.__name__}(...))."
        )
    elif isinstance(subject, str):
        if overrides or can is not None:
            raise ConfigError("target(<fixed answer>) takes no parameters: nothing is asked")
        made = _answer(subject)
    elif hasattr(getattr(getattr(subject, "chat", None), "completions", None), "create"):
        made = _client(subject, overrides, tells_headers=upstream is not None)
    elif callable(subject):
        made = _function(subject, overrides)
    else:
        raise ConfigError(
            f"target({type(subject).__name__} object): expected a client with chat.completions.create, "
            "a function that takes messages, a fixed answer (str), or parameters such as model=..."
        )
    return replace(made, on=on, can=can, upstream=upstream, clocks=clocks)


def _override(overrides: Mapping[str, Any]) -> Target:
    if not overrides:
        raise ConfigError("target() names nothing: give a client, a function, an answer or model=...")
    name = ", ".join(f"{key}={_short(key, value)}" for key, value in overrides.items())
    return Target("override", name, overrides=overrides)


def _answer(text: str) -> Target:
    if _is_a_model(text):
        raise ConfigError(
            f"target({text!r}) would give callers that text as a fixed answer. "
            f"To ask the model, write target(model={text!r})."
        )
    return Target("answer", "fixed answer", overrides={}, subject=text)


def _client(client: Any, overrides: Mapping[str, Any], *, tells_headers: bool) -> Target:
    from guardrails_lite.clients.openai import identity, sender

    send, blocks = sender(client, tells_headers=tells_headers)
    account, endpoint = identity(client)
    return Target(
        "client",
        _named(type(client).__name__, overrides),
        send,
        overrides,
        blocks=blocks,
        subject=client,
        completion=True,
        account=account,
        endpoint=endpoint,
    )


def _function(function: Callable[..., Any], overrides: Mapping[str, Any]) -> Target:
    return Target(
        "function",
        _named(getattr(function, "__name__", type(function).__name__), overrides),
        lambda call, _: function(list(call.messages), **call.params),
        overrides,
        blocks=is_blocking(function),
        subject=function,
        accepts=accepted(function),
    )


def _named(name: str, overrides: Mapping[str, Any]) -> str:
    return f"{name}(model={_short('model', overrides['model'])})" if "model" in overrides else name


def as_target(meant: object) -> str:
    """How to write, in code, the target that somebody meant by *meant*; for errors."""
    match meant:
        case Target():
            return repr(meant)
        case str() if _is_a_model(meant):
            return f"target(model={meant!r})"
        case str():
            return f"target({meant!r}) for a fixed answer, target(model={meant!r}) for a model"
        case _ if inspect.isroutine(meant) and hasattr(meant, "__name__"):  # not a partial, as of 3.14
            return f"target({meant.__name__})"
        case _ if hasattr(meant, "chat"):
            return "target(client, model=...)"
    return "target(model=...), target(client), target(function) or target('fixed answer')"


def _is_a_model(text: str) -> bool:
    from guardrails_lite.reliability._prices import price_of

    return price_of(text) is not None


def _check_upstream(subject: Any, upstream: object) -> None:
    from guardrails_lite.reliability import Upstream

    if not isinstance(upstream, Upstream):
        raise ConfigError(
            f"upstream= of target(...) takes an Upstream, not {type(upstream).__name__}: "
            "upstream=Upstream(...)"
        )
    if isinstance(subject, str):
        raise ConfigError("target(<fixed answer>) takes no upstream: nothing is asked")


def _check_clocks(subject: Any, clocks: object) -> None:
    from guardrails_lite.reliability import Clocks
    from guardrails_lite.reliability._bounded_client import bound_of

    if not isinstance(clocks, Clocks):
        raise ConfigError(
            f"clocks= of target(...) takes Clocks, not {type(clocks).__name__}: clocks=Clocks(...)"
        )
    if isinstance(subject, str):
        raise ConfigError("target(<fixed answer>) takes no clocks: nothing is asked")
    if clocks.connect_s is not None and subject is not None and bound_of(subject) == "cooperative":
        raise ConfigError(
            f"Clocks.connect_s={clocks.connect_s:g} of target({type(subject).__name__} object): how it "
            "connects cannot be seen. Give target() a client of the openai package, or leave connect_s out."
        )


def is_blocking(function: Callable[..., Any]) -> bool:
    """Whether calling *function* may block: anything that is not visibly async."""
    call = getattr(function, "__call__", function)  # noqa: B004  # the method itself is wanted
    return not any(
        inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each) for each in (function, call)
    )


def accepted(function: Callable[..., Any]) -> frozenset[str] | None:
    """The keyword parameters *function* takes; None when it takes any, or does not say."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return frozenset(
        parameter.name
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    )


def _printed(key: str, value: object) -> str:
    return repr(value) if key not in _SECRET else "..."


def _short(key: str, value: object) -> str:
    """What a record says of an override: headers and the like may hold keys, and names of people."""
    if isinstance(value, (int, float)) or (key == "model" and isinstance(value, str) and len(value) <= 64):
        return str(value)
    return type(value).__name__
