"""Our view of chat messages: a `Call` on its way out, a `Reply` on its way back.

Both are made once, at the edge (`_reading.py`), so that no other module knows which client, dict or string
a text came from. Text never shows in a repr.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from guardrails_lite._errors import ConfigError
from guardrails_lite._messages._paths import PathOf, path_of

if TYPE_CHECKING:
    from guardrails_lite._tools import Tool

Message = Mapping[str, Any]
"""A chat message as the provider takes it: a dict, or an object with the same attributes."""


def get(source: object, name: str, default: Any = None) -> Any:
    """Read *name* of a dict or of an object: clients return either."""
    if type(source) is dict:
        return source.get(name, default)
    found: Any = source
    how = _how_to_read(found.__class__, name)
    if how == "attribute":
        return getattr(source, name, default)
    if how == "key":
        return found.get(name, default)
    fields = found.__dict__
    if name in fields:
        return fields[name]
    extra = found.__pydantic_extra__
    return extra.get(name, default) if extra else default


@lru_cache(maxsize=512)
def _how_to_read(kind: type, name: str) -> Literal["key", "field", "attribute"]:
    """Found out once: an abstract class is slow to ask, and so is a pydantic model for what it lacks."""
    if issubclass(kind, Mapping):
        return "key"
    return "field" if hasattr(kind, "__pydantic_fields__") and not hasattr(kind, name) else "attribute"


def set_field(target: Any, name: str, value: object) -> None:
    """Write *name* of a dict or of an object, as `get` reads it."""
    if isinstance(target, dict):
        target[name] = value
    else:
        setattr(target, name, value)


def with_fields(source: Any, /, **changes: Any) -> Any:
    """A copy of a dict or of an object in which these fields are others; *source* stays as it is."""
    if hasattr(source, "model_copy"):
        return source.model_copy(update=changes)
    if isinstance(source, Mapping):
        return {**source, **changes}
    made = copy.copy(source)
    for name, value in changes.items():
        object.__setattr__(made, name, value)  # a frozen dataclass may be copied with changes
    return made


def fields_of(source: Any, names: frozenset[str]) -> Mapping[str, Any]:
    """What *source* holds of *names*, and maybe more, found with one look: `get` for those who read many."""
    if type(source) is dict:
        return source
    if _holds_fields(source.__class__, names):
        extra = source.__pydantic_extra__
        return {**extra, **source.__dict__} if extra else source.__dict__
    found = ((name, get(source, name, _MISSING)) for name in names)
    return {name: value for name, value in found if value is not _MISSING}


_MISSING = object()


@lru_cache(maxsize=512)
def _holds_fields(kind: type, names: frozenset[str]) -> bool:
    return all(_how_to_read(kind, name) == "field" for name in names)


@dataclass(slots=True)
class Call:
    """Messages and parameters on their way to a target. Rewritten by `replace`, never mutated."""

    messages: tuple[Message, ...] = field(repr=False)
    """What is said, oldest first."""
    params: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Everything else in the request: ``model``, ``tools``, ``temperature``, …"""
    beside: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Parameters that only the request's own API has, so that no fallback is sent them."""
    path_of: PathOf = field(default=path_of, repr=False, compare=False)
    """How errors name a text of it, where the messages are not what the caller wrote."""

    @property
    def model(self) -> str | None:
        """The model asked for, where the request names one."""
        model = self.params.get("model") if self.params else None
        return model if isinstance(model, str) else None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one attempt, or of a whole call."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    """The part of the prompt tokens that the provider had cached."""
    reasoning_tokens: int = 0
    """The part of the completion tokens that was thinking."""
    estimated: bool = False
    """The provider did not report (all of) them, so they were counted from the characters."""

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.estimated or other.estimated,
        )


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool that the model asks for, checked before the application sees it."""

    id: str
    name: str
    arguments: str = field(repr=False)
    """The arguments as JSON text, as they are after the check."""
    kind: str = "function"
    """``"function"``, or ``"custom"`` for a tool that takes free text."""
    value: Any = field(default=None, repr=False)
    """The arguments parsed and typed: a model, or a dict. None until the call has passed the check."""
    tool: Tool | None = field(default=None, repr=False)
    """The declared tool; None until the call has passed the check."""

    def run(self) -> Any:
        """Run the tool with the checked arguments and return what it returns.

        Raises:
            ConfigError: the call has not been checked, or its tool is not a function that can be run.
        """
        return self._checked_tool().run(self)

    async def arun(self) -> Any:
        """Like `run`, for an async tool; a sync one runs in a thread."""
        return await self._checked_tool().arun(self)

    def _checked_tool(self) -> Tool:
        if self.tool is None:
            raise ConfigError(
                f"tool call {self.name!r} has not been checked, so it cannot be run. "
                "Declare the tool on the guard: Guard(tools=[...])."
            )
        return self.tool


@dataclass(frozen=True, slots=True)
class RefusedCall:
    """A tool call that was refused while others of its turn were let through. Its arguments are not kept."""

    id: str
    """The id under which it stands in the history."""
    name: str
    """The tool's name; ``"unknown"`` where there is no such tool."""
    reason: str
    """Why, in one of the words of the record."""
    answer: str = field(repr=False)
    """What the model is told: the reason, and what was expected where."""
    kind: str = "function"


@dataclass(slots=True)
class Choice:
    """One of the answers of a reply."""

    index: int = 0
    text: str | None = field(default=None, repr=False)
    refusal: str | None = field(default=None, repr=False)
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    reasoning: str | None = field(default=None, repr=False)
    """What the model thought first, where a compatible server tells it."""
    refused: tuple[RefusedCall, ...] = ()
    """Calls of the same turn that were refused, of a guard with ``tool_calls="each"``."""
    legacy_call: bool = False
    """It calls a function in the form from before tool calls, which is not checked, so it is refused."""
    transcript: str | None = field(default=None, repr=False)
    """What is said in the audio of the reply; None where it has none."""


@dataclass(slots=True)
class Reply:
    """What came back, whole: every choice's text, tool calls, refusal and finish reason."""

    choices: tuple[Choice, ...]
    model: str | None = None
    """The model that answered, as the provider names it."""
    id: str | None = None
    usage: Usage | None = None
    """The usage that the provider reported; None if it reported none."""
    raw: Any = field(default=None, repr=False, compare=False)
    """The object the client returned, after the rules; for a stream the chunks are not kept."""
    complete: bool | None = None
    """For a stream: whether its end was marked. None where the transport vouches for it."""
    in_blocks: bool = False
    """It came from an API that tells of tools in blocks of the content: Anthropic's."""

    @property
    def text(self) -> str:
        """The text of the first choice, or the empty string."""
        return (self.choices[0].text or "") if self.choices else ""

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls of the first choice."""
        return self.choices[0].tool_calls if self.choices else ()

    def history(self) -> list[dict[str, Any]]:
        """The first choice as messages, to go on with the conversation.

        The assistant's turn with all its calls, and an answer to each that was refused. Append it, then a
        message of role ``tool`` for each of `tool_calls`, and the provider accepts it: every call is
        answered.
        """
        choice = self.choices[0] if self.choices else Choice(text="")
        said: dict[str, Any] = {"role": "assistant", "content": choice.text}
        if choice.refusal:
            said["refusal"] = choice.refusal
        calls = [told_call(call) for call in choice.tool_calls]
        calls += [told_call(ToolCall(each.id, each.name, "{}", each.kind)) for each in choice.refused]
        if calls:
            said["tool_calls"] = calls
        answers = [
            {"role": "tool", "tool_call_id": each.id, "content": each.answer} for each in choice.refused
        ]
        if self.in_blocks:
            from guardrails_lite._messages._blocks import in_blocks

            return list(in_blocks([said, *answers]))
        return [said, *answers]


def told_call(call: ToolCall) -> dict[str, Any]:
    """A tool call as it stands in a message."""
    key = "input" if call.kind == "custom" else "arguments"
    return {"id": call.id, "type": call.kind, call.kind: {"name": call.name, key: call.arguments}}
