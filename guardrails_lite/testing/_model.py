"""A scripted stand-in for a chat model, called in process.

What a line of the script is decides the shape of the reply; how the model is called decides whether it
comes whole or streamed::

    model = ScriptedModel(["Hello.", completion(tool_calls=[tool_call("refund", {"id": 7})]), TimeoutError()])

    model(messages)              # "Hello."                      def
    await model.acall(messages)  # the completion, a dict        async def
    model.stream(messages)       # raises the TimeoutError       generator
    model.astream(messages)      #                               async generator
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guardrails_lite.testing._shapes import JsonDict, assembled, chunks, pieces

Piece = str | JsonDict
Line = (
    str
    | Mapping[str, Any]
    | Sequence[Piece | BaseException]
    | BaseException
    | Callable[["ModelCall"], "Line"]
)
"""One line of a script: a text, a completion, the pieces of a stream, an exception, or a function that
is given the call and returns one of these. An exception among pieces breaks the stream there."""


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One call that a scripted model received."""

    messages: Any
    """What came as messages, copied when it came."""
    params: dict[str, Any]
    """The other arguments: `model`, `tools`, ..."""


class ScriptExhausted(AssertionError):
    """A scripted model was called more often than its script has lines."""


class ScriptedModel:
    """Answer each call with the next line of a script, and remember the calls.

    Args:
        script: One `Line` per call.
        then: What every call after the last line gets. None: `ScriptExhausted`.
        size: Characters per piece when a text or a completion is asked for as a stream; or the sizes in
            turn.
    """

    def __init__(
        self, script: Iterable[Line] = (), *, then: Line | None = None, size: int | Sequence[int] = 4
    ) -> None:
        if isinstance(script, str | Mapping | BaseException) or callable(script):
            raise TypeError(f"ScriptedModel takes a list of lines, not one {type(script).__name__}: [...]")
        self._script = tuple(script)
        self._then = then
        self._size = size
        self.calls: list[ModelCall] = []
        """The calls, oldest first."""

    def __repr__(self) -> str:
        return f"<ScriptedModel: {len(self._script)} lines, {len(self.calls)} calls>"

    def __call__(self, messages: Any, **params: Any) -> Any:
        """Reply whole: a text as str, anything else as a completion dict."""
        return _whole(self._next(messages, params))

    async def acall(self, messages: Any, **params: Any) -> Any:
        """Reply whole, as a coroutine."""
        return _whole(self._next(messages, params))

    def stream(self, messages: Any, **params: Any) -> Iterator[Any]:
        """Reply in pieces: a text as str, a completion as chunk dicts."""
        yield from self._pieces(self._next(messages, params))

    async def astream(self, messages: Any, **params: Any) -> AsyncIterator[Any]:
        """Reply in pieces, as an async generator."""
        for piece in self._pieces(self._next(messages, params)):
            yield piece

    @property
    def left(self) -> int:
        """How many lines of the script are unused."""
        return max(0, len(self._script) - len(self.calls))

    def _next(self, messages: Any, params: dict[str, Any]) -> Line:
        call = ModelCall(copy.deepcopy(messages), dict(params))
        self.calls.append(call)
        number = len(self.calls)
        line = self._script[number - 1] if number <= len(self._script) else self._then
        if line is None:
            raise ScriptExhausted(
                f"call {number} came, but the script has {len(self._script)} lines. "
                "Add a line, or pass `then=` for all further calls."
            )
        while callable(line):
            line = line(call)
        return line

    def _pieces(self, line: Line) -> Iterator[Any]:
        match line:
            case BaseException():
                raise line
            case str():
                yield from pieces(line, self._size)
            case Mapping():
                yield from chunks(line, size=self._size, usage=True)
            case _:
                for piece in line:  # type: ignore[union-attr]  # `_next` has called every function
                    if isinstance(piece, BaseException):
                        raise piece
                    yield piece


def _whole(line: Line) -> Any:
    match line:
        case BaseException():
            raise line
        case str():
            return line
        case Mapping():
            return copy.deepcopy(dict(line))
        case _:
            parts: list[Any] = list(line)  # type: ignore[arg-type]  # `_next` has called every function
            for part in parts:
                if isinstance(part, BaseException):
                    raise part
            if all(isinstance(part, str) for part in parts):
                return "".join(parts)
            return assembled(parts)
