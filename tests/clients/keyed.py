"""Calls with a key in what is asked and in what is said, of a client of any kind."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import openai

from guardrails_lite import (
    Finding,
    Guard,
    Retry,
    redact,
    validator,
)
from guardrails_lite.testing import LoopbackServer, completion
from guardrails_lite.testing._responses import response_of

KINDS = (openai.OpenAI, openai.AsyncOpenAI, openai.AzureOpenAI, openai.AsyncAzureOpenAI)
SAID = "The key is sk-12345678, keep it."
LEFT = "The key is [KEY], keep it."
MESSAGES: Any = [{"role": "user", "content": "Mine is sk-87654321."}]


@validator(window=12)
def keys(text: str) -> Iterator[Finding]:
    """Keys of eleven characters."""
    for match in re.finditer(r"sk-[0-9]{8}", text):
        yield Finding("holds a key", span=match.span(), category="KEY")


GUARD = Guard(input=[redact(keys)], output=[redact(keys)], retry=Retry(attempts=1))
Do = Callable[[Any], Any]


def using(kind: type[Any], server: LoopbackServer, do: Do, guard: Guard[Any] = GUARD) -> Any:
    """What *do* makes of a wrapped client of this class; a coroutine is run."""
    place = (
        {"azure_endpoint": server.base_url.removesuffix("/v1"), "api_version": "v"}
        if "Azure" in kind.__name__
        else {"base_url": server.base_url}
    )
    return _with(kind(api_key="k", **place), do, guard)


def _with(client: Any, do: Do, guard: Guard[Any]) -> Any:
    if "Async" not in type(client).__name__:
        with client, guard.wrap(client) as wrapped:
            return do(wrapped)

    async def run() -> Any:
        async with client, guard.wrap(client) as wrapped:
            value = do(wrapped)
            return await value if inspect.isawaitable(value) else value

    return asyncio.run(run())


async def _all(stream: Any) -> list[Any]:
    return [item async for item in await stream]


def every(stream: Any) -> Any:
    """All that a stream yields, or a coroutine that collects it."""
    return _all(stream) if inspect.isawaitable(stream) else list(stream)


def chat_text(chunks: list[Any]) -> str:
    """The text of chat chunks."""
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


BESIDE = "sk-55555555"
"""A key that stands beside the answer, where no output rule looks."""


def cited(api: str) -> dict[str, Any]:
    """A reply with a citation that holds it, and a field of the server's own."""
    citation = {
        "type": "url_citation",
        "start_index": 0,
        "end_index": 3,
        "title": BESIDE,
        "url": f"/{BESIDE}",
    }
    if api == "responses":
        response = response_of(completion("See there."))
        (message,) = response["output"]
        message["content"][0] |= {"annotations": [citation], "source": BESIDE}
        message["thinking"] = BESIDE
        return response
    whole = completion("See there.")
    place = {name: citation[name] for name in ("start_index", "end_index", "title", "url")}
    whole["choices"][0]["message"] |= {
        "annotations": [{"type": "url_citation", "url_citation": place}],
        "thinking": BESIDE,
    }
    return whole
