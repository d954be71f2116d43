"""Replies that are kept, and identical calls that are sent once."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import openai
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openai import AsyncOpenAI, OpenAI

from guardrails_lite import (
    Blocked,
    Cache,
    ConfigError,
    Exhausted,
    Finding,
    Guard,
    Retry,
    block,
    bound,
    redact,
    target,
    validator,
)
from guardrails_lite.testing import HttpReply, LoopbackServer, completion, tool_call

HTTPX: Any = importlib.import_module("httpx2" if int(openai.__version__.split(".")[0]) >= 3 else "httpx")
"""What the installed client is built on."""
ASKED: Any = [{"role": "user", "content": "What is the capital of Norway?"}]
ONCE = Retry(attempts=1, reasks=0)


@dataclass
class Capital:
    """A typed answer."""

    name: str


@validator(window=4)
def oslo(text: str) -> list[Finding]:
    """A city."""
    at = text.find("Oslo")
    return [Finding("names a city", span=(at, at + 4), category="CITY")] if at >= 0 else []


class Served:
    """A server, a client of it, and the records of guarded calls."""

    def __init__(self, *script: Any, then: Any = "And so on.") -> None:
        self.server = LoopbackServer(list(script), then=then)
        self.records: list[Any] = []
        self.answers: list[Any] = []

    def __enter__(self) -> Served:
        self.server.__enter__()
        self.client = OpenAI(base_url=self.server.base_url, api_key="k")
        return self

    def __exit__(self, *error: object) -> None:
        self.client.close()
        self.server.__exit__(None, None, None)

    def ask(self, guard: Guard[Any], messages: Any = ASKED, **params: Any) -> Any:
        """One call through the guard."""
        with (guard | Guard(log=self.records.append)).wrap(self.client) as client:
            return client.chat.completions.create(**{"model": "m", "messages": messages, **params})

    @property
    def sent(self) -> int:
        """How many requests have arrived."""
        return self.server.request_count


def text(reply: Any) -> str:
    """What a reply says."""
    return str(reply.choices[0].message.content)


def notes(record: Any) -> list[str]:
    """The notes of a record."""
    return [note.what for note in record.notes]


def test_what_was_answered_is_answered_again_without_sending() -> None:
    """As the rules left it, with a record that names the call which brought it, and at no cost."""
    guard = Guard(output=[redact(oslo)], cache=Cache())
    with Served("Oslo it is.") as served:
        first, second = served.ask(guard), served.ask(guard)
        assert served.sent == 1

    assert text(first) == text(second) == "[CITY] it is."
    assert type(first) is type(second)
    assert first is not second
    one, two = served.records
    assert [(note.what, note.detail) for note in two.notes] == [("cached", one.id)]
    assert (two.outcome, two.attempts, two.cost_usd) == ("passed", (), 0.0)


def test_a_typed_value_is_kept_with_it() -> None:
    """And nobody can change it for another."""
    guard = Guard(schema=Capital, cache=Cache())
    with Served('{"name": "Oslo"}') as served:
        first = served.ask(guard).choices[0].message.parsed
        first.name = "changed"
        second = served.ask(guard).choices[0].message.parsed
        assert served.sent == 1

    assert second == Capital("Oslo")


@pytest.mark.parametrize(
    "other",
    [
        {"model": "other"},
        {"temperature": 0.5},
        {"messages": [{"role": "user", "content": "What is the capital of Norway"}]},
        {"messages": [{"role": "system", "content": "Be brief."}, *ASKED]},
        {"seed": 1},
    ],
)
def test_another_request_is_sent(other: dict[str, Any]) -> None:
    """Whatever of it is different."""
    guard = Guard(cache=Cache())
    with Served("Oslo.") as served:
        served.ask(guard)
        assert text(served.ask(guard, **other)) == "And so on."
        assert text(served.ask(guard)) == "Oslo."
        assert served.sent == 2


def test_another_policy_another_caller_or_another_key_shares_nothing() -> None:
    """A reply under other rules, or of another tenant, is none of theirs."""
    cache = Cache()
    guard = Guard(cache=cache)
    with Served() as served:
        served.ask(guard)
        served.ask(Guard(output=[redact(oslo)], cache=cache))
        for who in ({"tenant": "a"}, {"tenant": "b"}, {"tenant": "a", "user": "u"}):
            with bound(**who):
                served.ask(guard)
                served.ask(guard)
        served.client.close()
        served.client = OpenAI(base_url=served.server.base_url, api_key="other")
        served.ask(guard)
        assert served.sent == 6


@pytest.mark.parametrize(
    "answer",
    [
        completion("Oslo is", finish_reason="length"),
        completion(tool_calls=[tool_call("look_up", {})]),
        completion(refusal="No."),
        completion(""),
        HttpReply.error(400, message="no"),
    ],
    ids=["cut", "call", "refusal", "empty", "error"],
)
def test_only_a_whole_answer_is_kept(answer: Any) -> None:
    """Not what an application accepts beside it, nor a call whose effect is its own."""
    guard = Guard(accept=["truncated", "refused", "empty"], retry=ONCE, cache=Cache())
    tools: Any = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}]
    with Served(answer) as served:
        for _ in range(2):
            with contextlib.suppress(Exhausted):  # of the error
                served.ask(guard, tools=tools)
        assert served.sent == 2


def test_a_fallbacks_reply_is_not_kept() -> None:
    """When the first model is back, it is asked."""
    guard = Guard(fallback=[target("Sorry.")], retry=ONCE, cache=Cache())
    with Served(HttpReply.error(503, message="busy"), "Oslo.") as served:
        assert text(served.ask(guard)) == "Sorry."
        assert text(served.ask(guard)) == "Oslo."


def test_an_input_rule_still_stops_the_request() -> None:
    """What is kept was asked for under the same rules, and the rules run first."""

    @validator(window=6)
    def shouted(text: str) -> list[Finding]:
        return [Finding("is shouted")] if text.isupper() else []

    guard = Guard(input=[block(shouted)], cache=Cache())
    with Served() as served:
        for _ in range(2):
            with pytest.raises(Blocked):
                served.ask(guard, [{"role": "user", "content": "NORWAY"}])
        assert served.sent == 0


def test_it_forgets_what_is_old_and_what_was_not_asked_for_the_longest() -> None:
    """Time is the guard's; the places are few."""
    cache = Cache(entries=2, ttl_s=0.000_001)
    guard = Guard(cache=cache)
    with Served() as served:
        served.ask(guard)
        served.ask(guard)
        assert served.sent == 2

    guard = Guard(cache=Cache(entries=2))
    with Served() as served:
        for seed in (1, 2, 1, 3, 1, 2):
            served.ask(guard, seed=seed)
        assert served.sent == 4  # 3 took the place of 2


def test_streams_and_monitors_leave_it_alone() -> None:
    """A stream is released as it comes; a monitor changes nothing."""
    cache = Cache()
    with Served() as served:
        for _ in range(2):
            list(served.ask(Guard(cache=cache), stream=True))
            served.ask(Guard(mode="monitor", cache=cache))
        assert served.sent == 4


@pytest.fixture
def held() -> Iterator[tuple[Served, threading.Event, threading.Event]]:
    """A server that answers when it is told to."""
    arrived, go = threading.Event(), threading.Event()

    def answer(_: Any) -> Any:
        arrived.set()
        go.wait(30)
        return served.answers.pop(0) if served.answers else "Oslo."

    with Served(then=answer) as served:
        yield served, arrived, go
        go.set()


def test_identical_calls_of_threads_are_sent_once(held: Any) -> None:
    """Those that come while one is under way wait for it."""
    served, arrived, go = held
    cache, got = Cache(), []

    def ask() -> None:
        got.append(text(served.ask(Guard(cache=cache))))

    threads = [threading.Thread(target=ask) for _ in range(5)]
    threads[0].start()
    assert arrived.wait(30)
    for thread in threads[1:]:
        thread.start()
    go.set()
    for thread in threads:
        thread.join()

    assert got == ["Oslo."] * 5
    assert served.sent == 1
    assert sum("cached" in notes(record) for record in served.records) == 4


def test_identical_calls_of_an_event_loop_are_sent_once() -> None:
    """The loop goes on meanwhile."""
    go = threading.Event()
    records: list[Any] = []

    def answer(_: Any) -> str:
        go.wait(30)
        return "Oslo."

    async def main() -> None:
        with LoopbackServer(then=answer) as server:
            guard = Guard(cache=Cache(), log=records.append)
            async with (
                AsyncOpenAI(base_url=server.base_url, api_key="k") as plain,
                guard.wrap(plain) as client,
            ):
                calls = [
                    asyncio.create_task(client.chat.completions.create(model="m", messages=ASKED))
                    for _ in range(5)
                ]
                for _ in range(20):
                    await asyncio.sleep(0)
                go.set()
                got = await asyncio.gather(*calls)
            assert [text(each) for each in got] == ["Oslo."] * 5
            assert server.request_count == 1

    asyncio.run(main())

    assert [notes(record) for record in records[1:]] == [["joined an identical call", "cached"]] * 4


def test_when_the_first_fails_the_others_ask_for_themselves(held: Any) -> None:
    """A failure is nobody else's."""
    served, arrived, go = held
    served.answers = [HttpReply.error(400, message="no"), "Oslo."]
    guard, got = Guard(cache=Cache(), retry=ONCE), []

    def ask() -> None:
        try:
            got.append(text(served.ask(guard)))
        except Exception as error:
            got.append(type(error).__name__)

    first, second = threading.Thread(target=ask), threading.Thread(target=ask)
    first.start()
    assert arrived.wait(30)
    second.start()
    go.set()
    first.join()
    second.join()

    assert sorted(got)[1] == "Oslo."
    assert served.sent == 2


class Crowd:
    """Identical calls over a transport that answers when it is told to, on an event loop."""

    def __init__(self) -> None:
        self.records: list[Any] = []
        self.calls: list[asyncio.Task[Any]] = []
        self.waiting: list[asyncio.Future[int]] = []
        self.sent = self.most = 0
        http = openai.DefaultAsyncHttpxClient(transport=HTTPX.MockTransport(self._answer))
        plain = AsyncOpenAI(base_url="http://model/v1", api_key="k", http_client=http, max_retries=0)
        self._client = Guard(cache=Cache(), retry=ONCE, log=self.records.append).wrap(plain)

    def call(self) -> None:
        """One more asks."""
        asked = self._client.chat.completions.create(model="m", messages=ASKED)
        self.calls.append(asyncio.create_task(asked))

    async def begin(self) -> None:
        """The client looks in a thread, once, where it runs. After that only the loop turns."""
        await self._client.models.list()

    async def quiet(self) -> None:
        """Whatever can happen has happened."""
        for _ in range(60):
            await asyncio.sleep(0)

    async def _answer(self, request: Any) -> Any:
        if request.method == "GET":
            return HTTPX.Response(200, json={"object": "list", "data": []})
        self.sent += 1
        going: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.waiting.append(going)
        self.most = max(self.most, len(self.waiting))
        try:
            status = await going
        finally:
            self.waiting.remove(going)
        return HTTPX.Response(status, json=completion("Oslo.") if status == 200 else {"error": {}})


@given(st.lists(st.sampled_from(["call", "leave", "leave the first", "turn"]), max_size=25), st.randoms())
@example(["call"] * 8 + ["turn", "leave the first", "turn", "leave the first", "turn"], random.Random(0))
def test_who_leaves_is_followed_by_one_of_those_who_wait(moves: list[str], chance: random.Random) -> None:
    """Calls come and are cancelled at any moment: one request is out at most, the rest are answered."""

    async def main() -> Crowd:
        crowd = Crowd()
        await crowd.begin()
        for move in [*moves, "call"]:
            under_way = [call for call in crowd.calls if not call.done()]
            if move == "call":
                crowd.call()
            elif move == "turn":
                await crowd.quiet()
            elif under_way:
                (under_way[0] if move == "leave the first" else chance.choice(under_way)).cancel()
        await crowd.quiet()
        [going] = crowd.waiting
        going.set_result(200)
        await asyncio.wait(crowd.calls)
        return crowd

    crowd = asyncio.run(main())

    cancelled = sum(call.cancelled() for call in crowd.calls)
    assert [text(call.result()) for call in crowd.calls if not call.cancelled()] == ["Oslo."] * (
        len(crowd.calls) - cancelled
    )
    assert crowd.most == 1
    assert crowd.sent <= 1 + cancelled
    assert sum("cached" in notes(record) for record in crowd.records) == len(crowd.calls) - cancelled - 1


@given(st.integers(1, 6), st.integers(0, 6))
@settings(deadline=None, max_examples=15)
def test_threads_follow_one_another_too(stay: int, leave: int) -> None:
    """The first so many are interrupted as they send: each is followed by one, and nobody else sends."""
    got: list[str] = []
    sent = 0
    under_way, all_are_here = threading.Semaphore(1), threading.Event()

    def answer(request: Any) -> Any:
        nonlocal sent
        assert under_way.acquire(blocking=False), "a second request beside the first"
        try:
            sent += 1
            all_are_here.wait(60)
            if sent <= leave:
                raise KeyboardInterrupt
            return HTTPX.Response(200, json=completion("Oslo."))
        finally:
            under_way.release()

    http = openai.DefaultHttpxClient(transport=HTTPX.MockTransport(answer))
    plain = OpenAI(base_url="http://model/v1", api_key="k", http_client=http, max_retries=0)
    client = Guard(cache=Cache(), retry=ONCE).wrap(plain)

    def ask() -> None:
        try:
            got.append(text(client.chat.completions.create(model="m", messages=ASKED)))
        except BaseException as error:
            got.append(type(error).__name__)

    threads = [threading.Thread(target=ask) for _ in range(stay + leave)]
    for thread in threads:
        thread.start()
    all_are_here.set()
    for thread in threads:
        thread.join()

    assert sorted(got) == ["KeyboardInterrupt"] * leave + ["Oslo."] * stay
    assert sent == leave + 1


def test_a_synchronous_call_on_a_loop_waits_for_nobody() -> None:
    """The call that it would wait for may need that loop to go on."""

    async def main() -> None:
        with LoopbackServer(then="Oslo.") as server:
            guard = Guard(cache=Cache())
            async with (
                AsyncOpenAI(base_url=server.base_url, api_key="k") as plain,
                guard.wrap(plain) as client,
            ):
                under_way = asyncio.create_task(client.chat.completions.create(model="m", messages=ASKED))
                await asyncio.sleep(0)
                with OpenAI(base_url=server.base_url, api_key="k") as there, guard.wrap(there) as sync:
                    assert text(sync.chat.completions.create(model="m", messages=ASKED)) == "Oslo."
                assert text(await under_way) == "Oslo."
            assert server.request_count == 2

    asyncio.run(asyncio.wait_for(main(), 60))


def test_it_is_for_wrapped_clients_and_checked_when_it_is_made() -> None:
    """What else a function does nobody can see."""
    with pytest.raises(ConfigError, match="keeps replies of wrapped clients only"):
        Guard(cache=Cache())(lambda messages: "x")
    with pytest.raises(ConfigError, match="keeps replies of wrapped clients only"):
        Guard(cache=Cache()).run(lambda messages: "x", "hi")
    with pytest.raises(ConfigError, match="entries"):
        Cache(entries=0)
    with pytest.raises(ConfigError, match="ttl_s"):
        Cache(ttl_s=-1)
    with pytest.raises(ConfigError, match="takes a Cache"):
        Guard(cache=True)  # type: ignore[call-overload]
    assert repr(Guard(cache=Cache(ttl_s=60.0))) == "Guard(cache=Cache(ttl_s=60.0))"
