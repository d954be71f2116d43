"""The four ways to call a guard, as values that a test can be parametrised with.

::

    @pytest.mark.parametrize("style", STYLES, ids=str)
    def test_masks_keys(style):
        outcome = style.call(guard, ScriptedModel(["sk-..."]), "hi")
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from guardrails_lite.testing._model import ScriptedModel

StyleName = Literal["run", "arun", "stream", "astream"]


@dataclass(frozen=True, slots=True)
class Style:
    """One way to call a guard: the method of `Guard` it goes through."""

    name: StyleName

    def __str__(self) -> str:
        return self.name

    @property
    def is_async(self) -> bool:
        """Whether the call runs in an event loop."""
        return self.name in ("arun", "astream")

    @property
    def is_stream(self) -> bool:
        """Whether the reply is released in pieces."""
        return self.name in ("stream", "astream")

    def model(self, model: Callable[..., Any]) -> Callable[..., Any]:
        """The function that this style guards: for a `ScriptedModel` its method of the same kind."""
        if not isinstance(model, ScriptedModel):
            return model
        match self.name:
            case "run":
                return model
            case "arun":
                return model.acall
            case "stream":
                return model.stream
            case "astream":
                return model.astream

    def call(self, guard: Any, model: Callable[..., Any], messages: Any, /, **params: Any) -> Any:
        """Make one guarded call to its end and return its `Outcome`; an async one runs in its own loop."""
        return self.released(guard, model, messages, **params)[1]

    def released(
        self, guard: Any, model: Callable[..., Any], messages: Any, /, **params: Any
    ) -> tuple[list[Any], Any]:
        """Like `call`, and also return the pieces as they were released; whole replies have none."""
        function = self.model(model)
        match self.name:
            case "run":
                return [], guard.run(function, messages, **params)
            case "arun":
                return [], asyncio.run(_awaited(guard.arun, function, messages, params))
            case "stream":
                stream = guard.stream(function, messages, **params)
                return _drained(iter(stream)), stream.outcome
            case "astream":
                return asyncio.run(_adrained(guard, function, messages, params))


STYLES: tuple[Style, ...] = (Style("run"), Style("arun"), Style("stream"), Style("astream"))
"""All four, in the order of the documentation."""


async def _awaited(method: Callable[..., Any], function: Any, messages: Any, params: dict[str, Any]) -> Any:
    return await method(function, messages, **params)


def _drained(stream: Iterator[Any]) -> list[Any]:
    return list(stream)


async def _adrained(
    guard: Any, function: Any, messages: Any, params: dict[str, Any]
) -> tuple[list[Any], Any]:
    stream = guard.astream(function, messages, **params)
    if inspect.isawaitable(stream):
        stream = await stream
    released: AsyncIterator[Any] = stream
    return [piece async for piece in released], stream.outcome
