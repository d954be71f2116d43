"""How a decorated function takes its messages and parameters, found out once when it is decorated."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from guardrails_lite._errors import ConfigError
from guardrails_lite._messages import Call
from guardrails_lite._messages._paths import PathOf, path_of
from guardrails_lite._targets import Primary, is_blocking

REQUEST_PARAMS = frozenset(
    {
        *("model", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"),
        *("response_format", "max_tokens", "max_completion_tokens", "n", "stop", "stream", "stream_options"),
        *("temperature", "top_p", "seed", "presence_penalty", "frequency_penalty", "logit_bias"),
        *("logprobs", "top_logprobs", "user", "metadata", "reasoning_effort", "verbosity"),
        *("timeout", "extra_headers", "extra_body"),
    }
)
"""Names by which a function's parameters are recognised as parameters of the request."""
_OF_ANTHROPIC = frozenset({"system", "stop_sequences", "top_k", "thinking"})
"""The same for what only Anthropic's Messages API has, so that no fallback to another is sent it."""
_KNOWN = REQUEST_PARAMS | _OF_ANTHROPIC


@dataclass(frozen=True, slots=True)
class Binding:
    """One decorated function: where its messages come in, and how to call it with others."""

    function: Callable[..., Any]
    parameter: str
    position: int | None
    is_prompt: bool
    params: Mapping[str, int | None]
    """Parameters of the request that it takes, with their positions."""
    defaults: Mapping[str, Any]
    """What these are when the caller leaves them out."""
    open_ended: bool
    """It takes any keyword."""
    blocks: bool
    answer: Callable[[str, Call], Any] | None
    name: str
    path_of: PathOf = path_of
    """How errors name what it was given: a prompt by the parameter's name."""

    @classmethod
    def of(cls, function: Callable[..., Any], *, prompt: str | None) -> Binding:
        """Look at *function*.

        Raises:
            ConfigError: it has no parameter for the messages or the prompt.
        """
        parameters = inspect.signature(function).parameters
        name, is_prompt = _parameter(function, parameters, prompt)
        positions: dict[str, int | None] = {
            each.name: None if each.kind is each.KEYWORD_ONLY else place
            for place, each in enumerate(parameters.values())
            if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
        }
        return cls(
            function,
            name,
            positions[name],
            is_prompt,
            {key: place for key, place in positions.items() if key in _KNOWN},
            {
                each.name: each.default
                for each in parameters.values()
                if each.name in _KNOWN and each.default not in (each.empty, None)
            },
            any(each.kind is each.VAR_KEYWORD for each in parameters.values()),
            is_blocking(function),
            _answer_shape(function),
            _name(function),
            _path_of_prompt(name) if is_prompt else path_of,
        )

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """The call that these arguments mean.

        Raises:
            TypeError: the messages are missing, or no list of messages.
        """
        if self.parameter in kwargs:
            value = kwargs[self.parameter]
        elif self.position is not None and self.position < len(args):
            value = args[self.position]
        else:
            raise TypeError(f"{_name(self.function)}() needs {self.parameter!r}")
        if self.is_prompt:
            if not isinstance(value, str):
                raise TypeError(
                    f"{self.parameter!r} of {_name(self.function)}() is the prompt and must be a str, "
                    f"not {type(value).__name__}"
                )
            messages: tuple[Any, ...] = ({"role": "user", "content": value},)
        else:
            messages = messages_of(value)
        params = dict(self.defaults)
        for name, place in self.params.items():
            if place is not None and place < len(args):
                params[name] = args[place]
        if kwargs:
            params.update(
                (name, value)
                for name, value in kwargs.items()
                if name in self.params or (self.open_ended and name in _KNOWN)
            )
        if not params or _OF_ANTHROPIC.isdisjoint(params):
            return Call(messages, params, {}, self.path_of)
        beside = {name: params.pop(name) for name in _OF_ANTHROPIC & params.keys()}
        return Call(messages, params, beside, self.path_of)

    def target(self, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Primary:
        """The function, with these arguments, as the primary target of *call*."""

        def send(sent: Call, timeout_s: float | None) -> Any:
            if sent is call:
                return self.function(*args, **kwargs)
            return self.function(*self._args(sent, args, kwargs), **self._kwargs(sent, args, kwargs))

        return Primary(self.name, send, self.blocks, self.answer, self.is_prompt)

    def _args(self, sent: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        changed, params = list(args), {**sent.params, **sent.beside}
        if self.parameter not in kwargs and self.position is not None:
            changed[self.position] = self._value(sent)
        for name, place in self.params.items():
            if place is not None and place < len(args) and name in params:
                changed[place] = params[name]
        return tuple(changed)

    def _kwargs(self, sent: Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        changed = dict(kwargs)
        if self.parameter in kwargs:
            changed[self.parameter] = self._value(sent)
        for name, value in {**sent.params, **sent.beside}.items():
            place = self.params.get(name)
            by_position = place is not None and place < len(args)
            if not by_position and (self.open_ended or name in self.params):
                changed[name] = value
        return changed

    def _value(self, sent: Call) -> Any:
        return prompt_of(sent) if self.is_prompt else list(sent.messages)

    def can_override(self, name: str) -> bool:
        """Whether a fallback may replace the request parameter *name*."""
        return self.open_ended or name in self.params


def prompt_of(sent: Call) -> str:
    """The messages of a call that began as a prompt, as one again: it, and what it is asked anew with."""
    first, last = sent.messages[0], sent.messages[-1]
    return str(first["content"] if first is last else f"{first['content']}\n\n{last['content']}")


def messages_of(value: Any) -> tuple[Any, ...]:
    """Chat messages as a tuple.

    Raises:
        TypeError: *value* is no sequence of messages.
    """
    if isinstance(value, str):
        return ({"role": "user", "content": value},)
    # The plain types first, here and below: an abstract class is slow to ask.
    if type(value) is not list and (isinstance(value, Mapping) or not hasattr(value, "__iter__")):
        raise TypeError(
            f"messages must be a list of chat messages, not {type(value).__name__}. "
            'Pass [{"role": "user", "content": ...}].'
        )
    messages = tuple(value)
    for place, message in enumerate(messages):
        if type(message) is not dict and not isinstance(message, Mapping) and not hasattr(message, "role"):
            raise TypeError(
                f"messages[{place}] must be a dict with a role, or a client's message object, "
                f"not {type(message).__name__}"
            )
    return messages


def _parameter(
    function: Callable[..., Any], parameters: Mapping[str, inspect.Parameter], prompt: str | None
) -> tuple[str, bool]:
    if prompt is not None:
        if prompt not in parameters:
            raise ConfigError(
                f"@guard(prompt={prompt!r}): {_name(function)}() has no parameter {prompt!r}; "
                f"it has {', '.join(parameters) or 'none'}"
            )
        return prompt, True
    for name, is_prompt in (("messages", False), ("prompt", True)):
        if name in parameters:
            return name, is_prompt
    raise ConfigError(
        f"{_name(function)}() takes neither `messages` nor `prompt`, so there is nothing to screen. "
        "Name the parameter that holds the user's text: @guard(prompt='question')."
    )


def _path_of_prompt(parameter: str) -> PathOf:
    """The prompt is told to the engine as a first message, which the function's author never wrote."""
    return lambda message, where: parameter if message == 0 else path_of(message, where)


def _answer_shape(function: Callable[..., Any]) -> Callable[[str, Call], Any] | None:
    """A fixed answer comes back as what the function says it returns: a completion, or the text."""
    returns = str(inspect.signature(function).return_annotation)
    if "ChatCompletion" in returns and "Chunk" not in returns:
        from guardrails_lite.clients.openai import completion_of

        return completion_of
    return None


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
