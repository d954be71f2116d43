"""A wrapped client's call cancelled at each of its awaits in turn: what it leaves behind."""

from __future__ import annotations

import asyncio
import importlib
import json
import re
import types
from collections import Counter
from collections.abc import Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

from guardrails_lite import (
    AuditLog,
    Blocked,
    Cache,
    Finding,
    Guard,
    Hedge,
    Limits,
    Retry,
    Upstream,
    reask,
    target,
    tool,
    validator,
)
from guardrails_lite.audit import read
from guardrails_lite.clients.openai import identity
from guardrails_lite.testing import HttpReply, LoopbackServer, Request, ScriptedModel, completion, tool_call
from tests.clients.asking import SAID
from tests.clients.test_hedged import aanswer
from tests.engine.test_upstream import is_empty

MOST = 300
"""More awaits than any of these calls has."""


@types.coroutine
def cancelled_at(number: int, call: Coroutine[Any, Any, Any]) -> Generator[Any, Any, None]:
    """Await *call*, and cancel the task when it has begun to wait *number* times."""
    task = asyncio.current_task()
    assert task is not None
    try:
        asked, count = call.send(None), 0
    except StopIteration:  # as of Python 3.14 what a thread brings at once is not waited for
        return
    while True:
        if count == number:
            task.cancel()
        count += 1
        failed: BaseException | None = None
        try:
            yield asked
        except BaseException as error:
            failed = error
        try:
            asked = call.send(None) if failed is None else call.throw(failed)
        except StopIteration:
            return


class Provider:
    """Fails each second request for the model of the call, and never for another."""

    def __init__(self) -> None:
        self._asked = 0

    def __call__(self, request: Request) -> Any:
        self._asked += request.model == "m"
        return (
            HttpReply.error(500) if request.model == "m" and self._asked % 2 else HttpReply("Oslo.", size=2)
        )


def loud(request: Request) -> HttpReply:
    """Shout, until asked not to."""
    said = request.body.get("messages") or request.body["input"]
    return HttpReply("OSLO." if len(said) == len(SAID) else "Oslo.", size=2)


def sloppy(request: Request) -> HttpReply:
    """Leave a field out, until told."""
    said = request.body.get("messages") or request.body["input"]
    return HttpReply('{"town": "Oslo."}' if len(said) == len(SAID) else '{"city": "Oslo."}', size=9)


def calling(request: Request) -> Any:
    """Call the tool."""
    return completion(tool_calls=[tool_call("look_up", {"country": "Norway"})])


@validator
async def shouting(text: str) -> list[Finding]:
    """Nothing but capitals; it takes a while to see."""
    await asyncio.sleep(0)
    return [Finding("is shouted")] if text.isupper() else []


async def ask_manager(call: Any) -> bool:
    """Consent, after a while."""
    await asyncio.sleep(0)
    return True


def look_up(country: str) -> str:
    """Say which city is the capital."""
    return "Oslo."


async def asked_of_tool(client: Any, api: str, stream: bool) -> str:
    """What the tool says that the model calls."""
    got = await client.chat.completions.create(model="other", messages=SAID, stream=stream)
    if stream:
        deltas = [chunk.choices[0].delta async for chunk in got]
        called = [call.function.name for delta in deltas for call in delta.tool_calls or ()]
    else:
        called = [call.function.name for call in got.choices[0].message.tool_calls]
    assert list(filter(None, called)) == ["look_up"]
    return look_up("Norway")


async def asked_in_json(client: Any, api: str, stream: bool) -> str:
    """What the reply says in its one field."""
    return str(json.loads(await aanswer(client, api, stream))["city"])


CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}

# Two attempts would do, if what was cancelled never came late and failed in the place of another request.
SETTINGS: dict[str, dict[str, Any]] = {
    "retry": {"retry": Retry(attempts=4, wait=0.0001)},
    "fallback": {"retry": Retry(attempts=1), "fallback": [target(model="other")]},
    "hedge": {"retry": Retry(attempts=4, wait=0), "hedge": Hedge(after_s=0.0001, max_share=1.0)},
    "cache": {"retry": Retry(attempts=4, wait=0), "cache": Cache(entries=1, ttl_s=1e-9)},
    "re-ask": {"retry": Retry(attempts=4, wait=0, reasks=3), "output": [reask(shouting)]},
    "schema": {"retry": Retry(attempts=4, wait=0, reasks=3), "schema": CITY},
    "approval": {"tools": [tool(look_up, approve=ask_manager)]},
}
CASES = [
    (settings, api, stream)
    for settings in SETTINGS
    for api in ("chat", "responses")
    for stream in (False, True)
    if (settings, api) != ("approval", "responses")
]


@pytest.mark.parametrize(("settings", "api", "stream"), CASES)
def test_cancelled_at_any_await_it_leaves_nothing(
    settings: str, api: str, stream: bool, tmp_path: Path
) -> None:
    """Fault X01: no permit, task, connection or half record is left, and the next call is answered.

    The strict log has an intent and then a record of each call, and an attempt for each request.
    """
    records: list[Any] = []
    upstream = Upstream(limits=Limits(concurrency=2), retries=None, breaker=None)
    log = AuditLog(tmp_path / "log", mode="strict")
    guard = Guard(upstream=upstream, log=[log, records.append], **SETTINGS[settings])

    async def sweep(server: LoopbackServer) -> int:
        http = openai.DefaultAsyncHttpxClient(limits=_two_connections())
        async with openai.AsyncOpenAI(api_key="k", base_url=server.base_url, http_client=http) as bare:
            client = guard.wrap(bare)
            account, host = identity(bare)
            for number in range(MOST):
                try:
                    await cancelled_at(number, ask(client, api, stream))
                except asyncio.CancelledError:
                    asyncio.current_task().uncancel()  # type: ignore[union-attr]  # a task runs this
                else:
                    return number
                await _quiet()
                for model in ("m", "other"):
                    assert is_empty(upstream, account=account, endpoint=host, model=model), number
                assert await asyncio.wait_for(ask(client, api, stream), 30) == "Oslo.", number
        raise AssertionError("the call has no end")

    ask = {"approval": asked_of_tool, "schema": asked_in_json}.get(settings, aanswer)
    providers = {"re-ask": loud, "schema": sloppy, "approval": calling}
    with LoopbackServer(then=providers.get(settings) or Provider()) as server:
        ends = asyncio.run(sweep(server))
        assert server.wait_idle(5)
    log.close()

    assert ends >= 3
    entries = list(read(tmp_path / "log", kind=None))
    told = Counter(entry.type for entry in entries)
    assert (told["call.intent"], told["call.completed"]) == (len(records), len(records)), told
    calls: dict[str, list[str]] = {}
    for entry in sorted(entries, key=lambda entry: entry.n):
        if entry.type.startswith("call."):
            calls.setdefault(entry.id, []).append(entry.type)
    assert set(map(tuple, calls.values())) == {("call.intent", "call.completed")}
    attempts = [
        step for entry in entries if entry.type == "call.completed" for step in entry.data["attempts"]
    ]
    assert len(attempts) >= server.request_count
    assert {record.outcome for record in records} <= {"passed", "fell back", "re-asked", "cancelled"}
    assert all(step.result for record in records for step in record.attempts)


@pytest.mark.parametrize("callers", [2, 5])
def test_whoever_of_one_flight_is_cancelled_the_others_are_answered(callers: int) -> None:
    """Fault X01 with a single flight: the one that asks, or one that waits for it, at any of its awaits."""
    records: list[Any] = []
    upstream = Upstream(limits=Limits(concurrency=callers), retries=None, breaker=None)
    guard = Guard(upstream=upstream, cache=Cache(entries=1, ttl_s=1e-9), log=records.append)

    async def sweep(server: LoopbackServer, cancels_first: bool) -> int:
        async with openai.AsyncOpenAI(api_key="k", base_url=server.base_url) as bare:
            client = guard.wrap(bare)
            account, host = identity(bare)
            for number in range(MOST):
                asked = [aanswer(client, "chat", stream=False) for _ in range(callers)]
                at = 0 if cancels_first else callers - 1
                asked[at] = cancelled_at(number, asked[at])  # type: ignore[call-overload]  # it is awaitable
                got = await asyncio.gather(*map(_task, asked), return_exceptions=True)
                lost = got.pop(at)
                assert got == ["Oslo."] * (callers - 1), number
                await _quiet()
                assert is_empty(upstream, account=account, endpoint=host, model="m"), number
                if not isinstance(lost, asyncio.CancelledError):
                    return number
        raise AssertionError("the call has no end")

    with LoopbackServer(then="Oslo.") as server:
        ends = [asyncio.run(sweep(server, cancels_first)) for cancels_first in (True, False)]
        assert server.wait_idle(5)

    assert min(ends) >= 1
    assert len(records) == callers * (sum(ends) + 2)
    assert {record.outcome for record in records} == {"passed", "cancelled"}
    assert any(note.what == "joined an identical call" for record in records for note in record.notes)


async def _task(call: Any) -> Any:
    return await call


@pytest.mark.parametrize("effects", ["read", "write"])
@pytest.mark.parametrize("kind", ["async", "sync"])
def test_a_tool_that_is_cancelled_at_any_await_has_run_once_or_not(kind: str, effects: Any) -> None:
    """`ToolCall.arun`: no task is left. What has begun to write is never begun again."""
    began = 0

    def write_down(country: str) -> str:
        nonlocal began
        began += 1
        return "Oslo."

    async def awrite_down(country: str) -> str:
        written = write_down(country)
        await asyncio.sleep(0)
        return written

    function = tool(awrite_down if kind == "async" else write_down, name="write_down", effects=effects)
    guard: Guard[Any] = Guard(tools=[function])

    async def sweep() -> int:
        nonlocal began
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        for number in range(MOST):
            began = 0
            said = completion(
                tool_calls=[tool_call("write_down", {"country": "Norway"}, id=f"call_{number}")]
            )
            outcome = await guard.arun(ScriptedModel([said]).acall, "Where?")
            [called] = outcome.reply.tool_calls
            try:
                await cancelled_at(number, called.arun())
            except asyncio.CancelledError:
                asyncio.current_task().uncancel()  # type: ignore[union-attr]  # a task runs this
            else:
                assert began == 1
                return number
            await _quiet()
            if effects == "read":
                assert await called.arun() == "Oslo."
            else:
                await asyncio.to_thread(int)  # the only thread has done what it was at
                had_begun = began
                try:
                    told = await called.arun()
                except Blocked as error:
                    told = str(error)
                assert re.search(r"was begun|has already run" if had_begun else r"^Oslo\.$", told), number
                assert began == 1, number
        raise AssertionError("the call has no end")

    assert asyncio.run(sweep()) >= (kind == "async")


def _two_connections() -> Any:
    parents = {parent.__name__: parent.__module__ for parent in openai.DefaultAsyncHttpxClient.__mro__}
    package = parents["AsyncClient"].partition(".")[0]
    # The pool of httpx, under older clients, loses a place by itself when its caller is cancelled.
    return importlib.import_module(package).Limits(max_connections=None if package == "httpx" else 2)


async def _quiet() -> None:
    """What was cancelled has ended after a few turns of the loop, and no task is left."""
    for _ in range(200):
        if len(asyncio.all_tasks()) == 1:
            return
        await asyncio.sleep(0.001)
    raise AssertionError(f"left: {asyncio.all_tasks()}")
