"""What a wrapped client costs beside the bare one: the same calls in turns, over HTTP on loopback."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from guardrails_lite import Finding, Guard, block, validator
from guardrails_lite.testing import HttpReply, LoopbackProcess, chunks

Row = tuple[str, float, str, float | None, bool]
Times = tuple[list[float], list[float]]
"""Seconds of each call, of the bare client and of the guarded one."""

CALLS = 300
REASKS = 120
STREAMS = 120
AT_ONCE = 64
ROUNDS = 8
TEXT = "It rains in Lisbon, and the wind turns to the west. " * 8
MESSAGES: Any = [
    {"role": "system", "content": "You are brief and exact."},
    {"role": "user", "content": "What is the weather in Lisbon today, and what will it be tomorrow?"},
]


@validator(window=8)
def forbidden(text: str) -> list[Finding]:
    """A word that is not there."""
    at = text.find("quixotic")
    return [] if at < 0 else [Finding("says a word", span=(at, at + 8))]


GUARD = Guard(input=[block(forbidden)], output=[block(forbidden)], log=[])


def rows() -> list[Row]:
    """Measure the calls, the streams and the throughput."""
    with (
        LoopbackProcess(then=HttpReply(TEXT, size=16)) as server,
        OpenAI(api_key="k", base_url=server.base_url, max_retries=0) as bare,
        GUARD.wrap(bare) as guarded,
    ):
        return [
            _ratio("guarded chat call over loopback, p50 to the bare client's", _calls(bare, guarded), 1.03),
            _ratio(
                "guarded chat stream over loopback, p50 to the bare client's",
                _streams(bare, guarded),
                1.15,
            ),
            _ratio(
                "the same of chunks with a frame of their own, as many servers send",
                _odd_streams({"service_tier": "on_demand"}, {}),
                1.15,
            ),
            _ratio(
                "the same of chunks whose choices end in an empty word, as some servers send",
                _odd_streams({}, {"finish_reason": ""}),
                1.15,
            ),
            _ratio(
                "the same of chunks that do not fit the client's types",
                _odd_streams({}, {"logprobs": []}),
                1.15,
            ),
            _ratio(
                "guarded response over loopback, p50 to the bare client's",
                _responses(bare, guarded),
                1.05,
            ),
            _ratio(
                "guarded response stream over loopback, p50 to the bare client's",
                _response_streams(bare, guarded),
                1.15,
            ),
            asyncio.run(_throughput(server.base_url)),
            _ratio("a typed answer over loopback, p50 to create plus model_validate_json", _typed(), 1.05),
            _ratio("a re-ask over loopback, p50 to a loop written by hand", _reasks(), 1.1),
        ]


def _ratio(name: str, times: Times, bound: float) -> Row:
    bare, guarded = times
    value = statistics.median(guarded) / statistics.median(bare)
    return (name, round(value, 4), "x", bound, value <= bound)


def _in_turns(count: int, bare: Callable[[], Any], guarded: Callable[[], Any]) -> Times:
    """Time both, in turns, so that both see the same machine."""
    times: Times = ([], [])
    pairs = list(zip((bare, guarded), times, strict=True))
    for call, _ in pairs * 10:
        call()
    for turn in range(count):
        for call, spent in pairs if turn % 2 else reversed(pairs):
            began = time.perf_counter()
            call()
            spent.append(time.perf_counter() - began)
    return times


def _calls(bare: OpenAI, guarded: OpenAI) -> Times:
    return _in_turns(
        CALLS,
        lambda: bare.chat.completions.create(model="m", messages=MESSAGES),
        lambda: guarded.chat.completions.create(model="m", messages=MESSAGES),
    )


def _streams(bare: OpenAI, guarded: OpenAI) -> Times:
    def read(client: OpenAI) -> None:
        for _ in client.chat.completions.create(model="m", messages=MESSAGES, stream=True):
            pass

    return _in_turns(STREAMS, lambda: read(bare), lambda: read(guarded))


def _odd_streams(frame: dict[str, Any], choice: dict[str, Any]) -> Times:
    """A compatible server has words of its own in every chunk: around the choices, or in them."""
    *told, last = chunks(TEXT, size=16)
    odd = [{**one, **frame, "choices": [{**each, **choice} for each in one["choices"]]} for one in told]
    odd.append({**last, **frame})
    with (
        LoopbackProcess(then=HttpReply(odd)) as server,
        OpenAI(api_key="k", base_url=server.base_url, max_retries=0) as bare,
        GUARD.wrap(bare) as guarded,
    ):
        return _streams(bare, guarded)


class Order(BaseModel):
    """What is asked for as JSON."""

    customer: str
    total: float
    lines: list[str]


def _typed() -> Times:
    answer = HttpReply(Order(customer="Acme", total=12.5, lines=["bolts"] * 20).model_dump_json())
    with (
        LoopbackProcess(then=answer) as server,
        OpenAI(api_key="k", base_url=server.base_url, max_retries=0) as bare,
        Guard(schema=Order, log=[]).wrap(bare) as guarded,
    ):

        def by_hand() -> Order:
            reply = bare.chat.completions.create(model="m", messages=MESSAGES)
            return Order.model_validate_json(reply.choices[0].message.content or "")

        def typed() -> object:
            message: Any = guarded.chat.completions.create(model="m", messages=MESSAGES).choices[0].message
            return message.parsed  # which the client's own type of a message does not have

        assert typed() == by_hand()
        return _in_turns(CALLS, by_hand, typed)


def _reasks() -> Times:
    """A reply that does not fit and its correction: by a guard, and by a loop that does only that."""
    script = [HttpReply('{"city": 7}'), HttpReply('{"city": "Oslo"}')] * (2 * (REASKS + 10))
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    }

    def by_hand() -> Any:
        messages = MESSAGES
        for _ in range(2):
            text = bare.chat.completions.create(model="m", messages=messages).choices[0].message.content
            value = json.loads(text or "")
            if isinstance(value.get("city"), str):
                return value
            said = {"role": "assistant", "content": text}
            messages = [*messages, said, {"role": "user", "content": "city must be a string. Try again."}]
        raise AssertionError("the second reply is right")

    with (
        LoopbackProcess(script) as server,
        OpenAI(api_key="k", base_url=server.base_url, max_retries=0) as bare,
        Guard(schema=schema, log=[]).wrap(bare) as guarded,
    ):
        return _in_turns(
            REASKS, by_hand, lambda: guarded.chat.completions.create(model="m", messages=MESSAGES)
        )


def _responses(bare: OpenAI, guarded: OpenAI) -> Times:
    return _in_turns(
        CALLS,
        lambda: bare.responses.create(model="m", input=MESSAGES),
        lambda: guarded.responses.create(model="m", input=MESSAGES),
    )


def _response_streams(bare: OpenAI, guarded: OpenAI) -> Times:
    def read(client: OpenAI) -> None:
        for _ in client.responses.create(model="m", input=MESSAGES, stream=True):
            pass

    return _in_turns(STREAMS, lambda: read(bare), lambda: read(guarded))


async def _throughput(base_url: str) -> Row:
    """Calls per second with many in flight, guarded to bare."""
    async with AsyncOpenAI(api_key="k", base_url=base_url, max_retries=0) as bare:
        guarded = GUARD.wrap(bare)

        async def many(client: AsyncOpenAI) -> float:
            calls: list[Awaitable[Any]] = [
                client.chat.completions.create(model="m", messages=MESSAGES) for _ in range(AT_ONCE * 3)
            ]
            limit = asyncio.Semaphore(AT_ONCE)

            async def one(call: Awaitable[Any]) -> None:
                async with limit:
                    await call

            began = time.perf_counter()
            await asyncio.gather(*map(one, calls))
            return len(calls) / (time.perf_counter() - began)

        await many(bare), await many(guarded)
        pairs = [(await many(bare), await many(guarded)) for _ in range(ROUNDS)]
    value = statistics.median(mine / theirs for theirs, mine in pairs)
    return (
        f"calls per second with {AT_ONCE} in flight, guarded to bare",
        round(value, 4),
        "x",
        0.95,
        value >= 0.95,
    )
