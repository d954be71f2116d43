"""Many calls of which one in five meets a fault: what is lost, and what is left when they are over.

Functions are called from threads and on a loop; wrapped clients over loopback, from a server in a process
of its own. A first part of the calls fills what is kept on purpose; what the others add is the finding.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import openai

from guardrails_lite import Budget, Guard, GuardrailsError, Limits, Retry, RetryBudget, Upstream, target
from guardrails_lite.testing import HttpReply, LoopbackProcess, Request

FAULTY = 0.2
RIGHT = "Oslo is the capital."
SORRY = "Sorry."
THREADS, TASKS = 8, 32
_ENOUGH = 6
"""Characters after which a consumer leaves its stream."""
_HI = [{"role": "user", "content": "What is the capital of Norway?"}]


@dataclass
class Found:
    """What a soak found."""

    calls: int
    lost: int = 0
    """Calls answered wrongly or without their one record, and sends without their one attempt on record."""
    ownerless: int = 0
    """Failed attempts that are held against nobody."""
    blocks: int = 0
    """Blocks of memory more than after the first part of the calls."""
    left: int = 0
    """Threads, tasks, file descriptors and connections more than before."""


class Books:
    """Keeps the accounts of all calls: what came back, and what the records say."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.records = self.wrong = self.ownerless = self.sends = 0
        upstream = Upstream(limits=Limits(concurrency=TASKS // 2), retries=RetryBudget(share=1))
        self.guard = Guard(
            log=self._keep,
            retry=Retry(attempts=3, wait=0),
            upstream=upstream,
            fallback=[target(SORRY)],
            budget=Budget(deadline_s=60, tokens=50_000),
        )

    def _keep(self, record: Any) -> None:
        with self._lock:
            self.records += 1
            for each in record.attempts:
                self.sends += each.target != "fixed answer" and each.result != "turned away"
                self.ownerless += each.result not in ("answered", "cancelled") and each.blame is None

    def check(self, answer: str, *, whole: bool = True) -> None:
        """An answer must be the right one, or the beginning of it, or the fixed one."""
        if answer in (RIGHT, SORRY) or (not whole and RIGHT.startswith(answer)):
            return
        with self._lock:
            self.wrong += 1

    def close(self, found: Found, calls: int, sent: int) -> None:
        """Hold the accounts against what was really done."""
        found.lost = self.wrong + abs(calls - self.records) + abs(sent - self.sends)
        found.ownerless = self.ownerless


class _Unsteady:
    """A model that fails one time in five, in the ways of networks, providers and bad replies."""

    def __init__(self) -> None:
        self.sent = 0
        self._lock = threading.Lock()
        self._dice = random.Random(7)

    def answer(self, messages: Any) -> Any:
        with self._lock:
            self.sent += 1
            dice, kind = self._dice.random(), self._dice.randrange(4)
        if dice >= FAULTY:
            return RIGHT
        match kind:
            case 0:
                raise ConnectionResetError("reset")
            case 1:
                raise TimeoutError("late")
            case 2:
                return ""
            case _:
                return {"choices": None}

    async def aanswer(self, messages: Any) -> Any:
        await asyncio.sleep(0)
        return self.answer(messages)


def functions(calls: int) -> Found:
    """Call a function from threads, and an async one on a loop, *calls* times in all."""
    books, model = Books(), _Unsteady()
    ask: Callable[..., str] = books.guard(model.answer)
    aask: Callable[..., Awaitable[str]] = books.guard(model.aanswer)

    def one(number: int) -> None:
        with suppress(GuardrailsError):  # every target may fail; its record tells
            books.check(ask([{"role": "user", "content": f"question {number}"}]))

    async def aone(number: int) -> None:
        with suppress(GuardrailsError):
            books.check(await aask([{"role": "user", "content": f"question {number}"}]))

    def serve(count: int) -> int:
        _in_threads(count // 2, one)
        return asyncio.run(_in_tasks(count // 2, aone))

    found = _flat(calls, serve)
    books.close(found, calls, model.sent)
    return found


def clients(calls: int) -> Found:
    """Call wrapped clients over loopback: both kinds, chat and responses, whole, streamed and left early."""
    books = Books()
    with LoopbackProcess(then=_answer) as server:

        def serve(count: int) -> int:
            with (
                openai.OpenAI(api_key="k", base_url=server.base_url) as bare,
                books.guard.wrap(bare) as client,
            ):
                _in_threads(count // 2, lambda number: _call(books, client, number))
            return asyncio.run(_aserve(books, server.base_url, count // 2))

        found = _flat(calls, serve)
        ends_s = time.monotonic() + 5
        while (left := server.open_connections) and time.monotonic() < ends_s:
            time.sleep(0.01)  # it takes the server a moment to see that they are gone
        sent = server.request_count
    books.close(found, calls, sent)
    found.left += left
    return found


def _answer(request: Request) -> Any:
    """Answer a request; with one of five something is wrong. It runs in the server's process."""
    if _dice.random() >= FAULTY:
        return RIGHT
    match _dice.randrange(6):
        case 0:
            return HttpReply.error(500)
        case 1:
            return HttpReply.error(503)
        case 2:
            return b""
        case 3:
            return HttpReply(b"<!doctype html><html></html>", headers={"content-type": "text/html"})
        case 4:
            return HttpReply(RIGHT, cut_after=40)
        case _:
            return HttpReply(RIGHT, cut_after=0, reset=True)


_dice = random.Random(11)


def _call(books: Books, client: openai.OpenAI, number: int) -> None:
    chat: Any = client.chat.completions.create
    with suppress(GuardrailsError):
        match number % 5:
            case 0 | 1:
                books.check(chat(model="m", messages=_HI).choices[0].message.content)
            case 2:
                books.check(client.responses.create(model="m", input="capital of Norway?").output_text)
            case nth:
                said = ""
                with closing(chat(model="m", messages=_HI, stream=True)) as stream:
                    for chunk in stream:
                        said += _text(chunk)
                        if nth == 3 and len(said) > _ENOUGH:
                            break
                books.check(said, whole=nth != 3)


async def _aserve(books: Books, base_url: str, calls: int) -> int:
    async with openai.AsyncOpenAI(api_key="k", base_url=base_url) as bare:
        client = books.guard.wrap(bare)
        return await _in_tasks(calls, lambda number: _acall(books, client, number))


async def _acall(books: Books, client: openai.AsyncOpenAI, number: int) -> None:
    chat: Any = client.chat.completions.create
    with suppress(GuardrailsError):
        match number % 5:
            case 0 | 1:
                books.check((await chat(model="m", messages=_HI)).choices[0].message.content)
            case 2:
                books.check(
                    (await client.responses.create(model="m", input="capital of Norway?")).output_text
                )
            case nth:
                said = ""
                async with await chat(model="m", messages=_HI, stream=True) as stream:
                    async for chunk in stream:
                        said += _text(chunk)
                        if nth == 3 and len(said) > _ENOUGH:
                            break
                books.check(said, whole=nth != 3)


def _text(chunk: Any) -> str:
    return "".join(choice.delta.content or "" for choice in chunk.choices)


def _flat(calls: int, serve: Callable[[int], int]) -> Found:
    """Make a quarter of *calls*, then the others, and see what these have added; *serve* tells tasks left."""
    warm = calls // 4
    before = threading.active_count() + _descriptors()
    tasks = serve(warm)
    gc.collect()
    blocks = sys.getallocatedblocks()
    tasks += serve(calls - warm)
    gc.collect()
    left = max(threading.active_count() + _descriptors() - before, 0)
    return Found(calls, blocks=sys.getallocatedblocks() - blocks, left=left + tasks)


def _descriptors() -> int:
    return len(os.listdir("/dev/fd"))


def _in_threads(count: int, one: Callable[[int], None]) -> None:
    def some(first: int) -> None:
        for number in range(first, count, THREADS):
            one(number)

    threads = [threading.Thread(target=some, args=(first,)) for first in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


async def _in_tasks(count: int, one: Callable[[int], Any]) -> int:
    numbers: Iterator[int] = iter(range(count))

    async def some() -> None:
        for number in numbers:
            await one(number)

    await asyncio.gather(*(some() for _ in range(TASKS)))
    await asyncio.sleep(0.01)  # the HTTP client ends what it has closed a moment later
    return len(asyncio.all_tasks()) - 1
