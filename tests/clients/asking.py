"""One question, asked of a client of either kind in each of four ways."""

from __future__ import annotations

import asyncio
from typing import Any

import openai

SAID: list[Any] = [{"role": "user", "content": "What is the capital of Norway?"}]


def answer(client: Any, api: str, stream: bool) -> str:
    """Ask, in one of the four ways, and read to the end."""
    if api == "chat":
        got = client.chat.completions.create(model="m", messages=SAID, stream=stream)
        if not stream:
            return str(got.choices[0].message.content)
        return "".join(chunk.choices[0].delta.content or "" for chunk in got)
    got = client.responses.create(model="m", input=SAID, stream=stream)
    if not stream:
        return str(got.output_text)
    return "".join(event.delta for event in got if event.type == "response.output_text.delta")


async def aanswer(client: Any, api: str, stream: bool) -> str:
    """`answer` for an async client."""
    if api == "chat":
        got = await client.chat.completions.create(model="m", messages=SAID, stream=stream)
        if not stream:
            return str(got.choices[0].message.content)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in got])
    got = await client.responses.create(model="m", input=SAID, stream=stream)
    if not stream:
        return str(got.output_text)
    return "".join([event.delta async for event in got if event.type == "response.output_text.delta"])


def ask(client: Any, api: str, stream: bool) -> str:
    """Ask a client of either kind, and close it."""
    if isinstance(client, openai.OpenAI):
        with client:
            return answer(client, api, stream)

    async def whole() -> str:
        async with client:
            return await aanswer(client, api, stream)

    return asyncio.run(whole())
