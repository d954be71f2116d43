"""Streams that break after text was shown, and what then comes out of a guard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from guardrails_lite import Guard, Retry
from guardrails_lite.testing import Style

OFFLINE = ConnectionError("no route to host 10.1.2.3")
RESUME = Retry(attempts=3, wait=0, after_text="resume")
RESTART = Retry(attempts=3, wait=0, after_text="restart")
ASKED = [{"role": "user", "content": "How long do refunds take?"}]


def shown(style: Style, guard: Guard[Any], model: Callable[..., Any]) -> tuple[list[Any], Any]:
    """What was released, and the outcome or the error that ended the call."""
    got: list[Any] = []
    function = style.model(model)
    if not style.is_async:
        stream = guard.stream(function, ASKED)
        try:
            got.extend(iter(stream))
        except Exception as error:
            return got, error
        return got, stream.outcome

    async def take() -> Any:
        live = guard.astream(function, ASKED)
        try:
            async for piece in live:
                got.append(piece)  # noqa: PERF401  # what came before an error counts
        except Exception as error:
            return error
        return live.outcome

    return got, asyncio.run(take())


def chunk(text: str) -> dict[str, Any]:
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": text}}]}
