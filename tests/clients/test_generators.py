"""Async generators of the client under a guard: all are ended, and none is left to the garbage collector."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from typing import Any

import openai
import pytest

from guardrails_lite import Exhausted, Guard, Retry
from guardrails_lite.testing import HttpReply, LoopbackServer

ENDS: dict[str, HttpReply] = {
    "whole": HttpReply("Oslo is the capital.", size=2),
    "cut": HttpReply("Oslo is the capital.", size=2, cut_after=700),
    "an error instead": HttpReply.error(500),
    "JSON instead": HttpReply(b'{"error": {"message": "no"}}', headers={"content-type": "application/json"}),
    "a page instead": HttpReply(b"<html></html>", headers={"content-type": "text/html"}),
}


@pytest.mark.parametrize("leaves", [False, True])
@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("end", ENDS)
def test_no_generator_of_a_stream_is_left_to_the_garbage_collector(end: str, api: str, leaves: bool) -> None:
    """It would end them in any thread, and while one ends another: "async generator already executing"."""
    left: list[str] = []
    collected: list[str] = []
    found = left

    def finalise(generator: Any) -> None:
        found.append(f"{generator.ag_frame.f_globals['__name__']}.{generator.__qualname__}")

    async def ask(server: LoopbackServer) -> None:
        nonlocal found
        sys.set_asyncgen_hooks(finalizer=finalise)
        guard = Guard(retry=Retry(attempts=2, wait=0))
        async with openai.AsyncOpenAI(api_key="k", base_url=server.base_url) as bare:
            with contextlib.suppress(Exhausted):
                await _ask(guard.wrap(bare), api, leaves=leaves)
        found = collected
        gc.collect()

    with LoopbackServer([ENDS[end]], then="Oslo.") as server:
        asyncio.run(ask(server))
    assert collected == []
    # Some of the client's parts leave theirs where they stand, in no circle: they end with what reads them.
    assert [each for each in left if each.startswith("guardrails_lite.")] == []


async def _ask(client: Any, api: str, *, leaves: bool) -> None:
    if api == "chat":
        asked = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}], stream=True
        )
    else:
        asked = client.responses.create(model="m", input="hi", stream=True)
    async with await asked as stream:
        async for _ in stream:
            if leaves:
                return
