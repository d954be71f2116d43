"""Replies that are kept, and identical calls that are sent once: see `test_single_flight.py` for more."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
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
