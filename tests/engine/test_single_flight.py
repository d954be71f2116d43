"""Identical calls that come together: one is sent, and what the others get when it ends.

The law of all these tests: of the calls that wait for one another, one request is out at most, and every
call comes to an end of its own.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import openai
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from openai import AsyncOpenAI, OpenAI

from guardrails_lite import (
    Blocked,
    Budget,
    Cache,
    DeadlineExceeded,
    Exhausted,
    Finding,
    Guard,
    GuardrailsError,
    Retry,
    block,
    target,
    validator,
)
from guardrails_lite._engine._effects import Join
from guardrails_lite.testing import HttpReply, LoopbackServer, completion, tool_call

HTTPX: Any = importlib.import_module("httpx2" if int(openai.__version__.split(".")[0]) >= 3 else "httpx")
"""What the installed client is built on."""
ASKED: Any = [{"role": "user", "content": "What is the capital of Norway?"}]
ONCE = Retry(attempts=1, reasks=0)
BUSY = HttpReply.error(503, message="busy")


@validator(window=4)
def oslo(text: str) -> list[Finding]:
    """A city."""
    at = text.find("Oslo")
    return [Finding("names a city", span=(at, at + 4), replacement="planted")] if at >= 0 else []


def text(reply: Any) -> str:
    """What a reply says."""
    return str(reply.choices[0].message.content)


def notes(record: Any) -> list[str]:
    """The notes of a record."""
    return [note.what for note in record.notes]


class Together:
    """Threads that ask the same, all of them before the first answer comes."""

    def __init__(self, callers: int, script: list[Any], **settings: Any) -> None:
        self._script = script
        self._callers = callers
        self._taken = threading.Lock()
        self.records: list[Any] = []
        self.got: list[Any] = []
        self.out = self.most = 0
        self._is_first = True

        settings = {"retry": ONCE, **settings}
        self.guard = Guard(cache=Cache(), log=self.records.append, **settings)
        with LoopbackServer(then=self._answer) as server:
            self.ask(server)
            self.sent = server.request_count

    def ask(self, server: LoopbackServer) -> None:
        """Have all of them ask."""
        with OpenAI(base_url=server.base_url, api_key="k") as plain, self.guard.wrap(plain) as client:
            threads = [threading.Thread(target=self._ask, args=(client,)) for _ in range(self._callers)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def _ask(self, client: Any) -> None:
        try:
            self.got.append(text(client.chat.completions.create(model="m", messages=ASKED)))
        except Exception as error:
            self.got.append(error)

    def _answer(self, _: Any) -> Any:
        with self._taken:
            self.out += 1
            self.most = max(self.most, self.out)
            answer = self._script.pop(0) if len(self._script) > 1 else self._script[0]
            is_first, self._is_first = self._is_first, False
        while is_first and sum(map(_waits, sys._current_frames().values())) < self._callers - 1:
            time.sleep(0.001)
        with self._taken:
            self.out -= 1
        return answer

    @property
    def kinds(self) -> Counter[str]:
        """What came back: texts, and classes of errors."""
        return Counter(each if isinstance(each, str) else type(each).__name__ for each in self.got)


def _waits(frame: FrameType | None) -> bool:
    """Whether a thread waits for what another call brings."""
    while frame is not None and frame.f_code is not Join.run.__code__:
        frame = frame.f_back
    return frame is not None


def test_a_failing_upstream_sees_one_of_them_at_a_time() -> None:
    """Each failure is its caller's own, until one is answered, and that answer is everybody's."""
    together = Together(6, [BUSY, BUSY, "Oslo."])

    assert together.kinds == {"Exhausted": 2, "Oslo.": 4}
    assert (together.sent, together.most) == (3, 1)
    assert sum("cached" in notes(record) for record in together.records) == 3
    assert [len(record.attempts) for record in together.records if record.outcome != "passed"] == [1, 1]


@pytest.mark.parametrize(
    ("answer", "kind", "outcome", "why"),
    [
        (HttpReply.error(400, message="planted"), Exhausted, "transport failed", "bad request 400"),
        (HttpReply.error(401, message="planted"), Exhausted, "transport failed", "auth 401"),
        (HttpReply.error(404, message="planted"), Exhausted, "transport failed", "not found 404"),
        (completion("planted", finish_reason="length"), Exhausted, "truncated", "truncated"),
        (completion(refusal="planted"), Blocked, "refused", "refused"),
        (completion("planted", finish_reason="content_filter"), Blocked, "filtered", "content filtered"),
        (completion("planted Oslo"), Blocked, "blocked", "a rule that stops the reply"),
    ],
    ids=["bad", "key", "model", "cut", "refused", "filtered", "rule"],
)
def test_what_the_same_request_would_meet_again_is_the_end_of_all(
    answer: Any, kind: type[GuardrailsError], outcome: str, why: str
) -> None:
    """They get the outcome in an error of their own, and nothing of another call but the id of its record."""
    together = Together(4, [answer], output=[block(oslo)])

    assert (together.sent, together.most) == (1, 1)
    assert {type(error) for error in together.got} == {kind}
    assert len({id(error) for error in together.got}) == 4
    assert {record.outcome for record in together.records} == {outcome}
    [sender] = [record for record in together.records if record.attempts]
    shared = [error for error in together.got if error.record is not sender]
    assert len(shared) == 3
    for error in shared:
        assert f"ended with {why}, so it was not sent. The record {sender.id} says more" in str(error)
        assert (error.findings, error.__cause__, error.__context__) == ((), None, None)
        assert getattr(error, "last_error", None) is None
        assert "planted" not in f"{error!r} {error.record!r} {error.record.steps!r}"
        assert [(note.what, note.detail) for note in error.record.notes] == [
            ("joined an identical call", None),
            ("shared its end", sender.id),
        ]


def test_a_check_that_breaks_is_the_end_of_one_call_only() -> None:
    """It says nothing about the reply, so another call may do better."""
    broken = [True]

    @validator
    def breaks(text: str) -> list[Finding]:
        if broken:
            broken.pop()
            raise RuntimeError("down")
        return []

    together = Together(4, ["Oslo."], output=[block(breaks)])

    assert together.kinds == {"Blocked": 1, "Oslo.": 3}
    assert (together.sent, together.most) == (2, 1)


def test_a_fallbacks_reply_is_everybodys_who_waited_and_nobody_elses() -> None:
    """The others would have gone the same way. Whoever asks later asks the first model."""
    together = Together(5, [BUSY, "Oslo."], fallback=[target("Sorry.")])

    assert together.kinds == {"Sorry.": 5}
    assert together.sent == 1
    assert {record.outcome for record in together.records} == {"fell back"}
    with LoopbackServer(then="Oslo.") as server:
        together.ask(server)
        assert server.request_count == 1
    assert together.kinds == {"Sorry.": 5, "Oslo.": 5}


@pytest.mark.parametrize("has_a_function", [False, True])
def test_each_asks_for_itself_where_the_reply_is_its_callers_own(has_a_function: bool) -> None:
    """Tool calls are made for each, and what a fallback of one's own does besides answering nobody sees."""
    asked: list[Any] = []

    def own(messages: Any, **params: Any) -> Any:
        asked.append(messages)
        return completion("Sorry.")

    if has_a_function:
        together = Together(3, [BUSY], fallback=[target(own)])
        assert together.kinds == {"Sorry.": 3}
        assert len(asked) == 3
    else:
        calls = completion(tool_calls=[tool_call("look_up", {})])
        tools = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}]
        together = Together(3, [calls], tools=tools)
        assert together.kinds == {"None": 3}
    assert together.sent == 3


def test_nobody_waits_longer_than_its_own_deadline() -> None:
    """Even for one whose plain code holds up its thread, so that its own deadline cannot end it."""
    checks, late = threading.Event(), threading.Event()

    @validator
    def hangs(text: str) -> list[Finding]:
        checks.set()
        late.wait(30)
        return []

    guard = Guard(output=[block(hangs)], cache=Cache(), retry=ONCE, budget=Budget(deadline_s=0.2))
    with LoopbackServer(then="Oslo.") as server, OpenAI(base_url=server.base_url, api_key="k") as plain:
        client = guard.wrap(plain)
        first = threading.Thread(
            target=lambda: client.chat.completions.create(model="m", messages=ASKED), daemon=True
        )
        first.start()
        assert checks.wait(30)
        with pytest.raises(DeadlineExceeded, match="passed while the call waited for an identical") as found:
            client.chat.completions.create(model="m", messages=ASKED)
        late.set()
        first.join()
        assert server.request_count == 1

    assert found.value.record is not None
    assert (found.value.record.outcome, found.value.record.attempts) == ("deadline passed", ())


def test_as_many_failures_as_callers_take_no_longer_than_the_deadline() -> None:
    """Each that goes on in the place of another has what is left of its own time."""
    records: list[Any] = []
    guard = Guard(cache=Cache(), retry=ONCE, budget=Budget(deadline_s=0.3), log=records.append)
    never = threading.Event()

    async def main() -> list[Any]:
        with LoopbackServer([BUSY, BUSY], then=lambda _: never.wait(30) and BUSY) as server:
            async with AsyncOpenAI(base_url=server.base_url, api_key="k") as plain:
                client = guard.wrap(plain)
                calls = [client.chat.completions.create(model="m", messages=ASKED) for _ in range(9)]
                got = await asyncio.gather(*calls, return_exceptions=True)
            never.set()
        return got

    got = asyncio.run(main())

    assert Counter(map(type, got)) == {Exhausted: 2, DeadlineExceeded: 7}
    assert Counter(record.outcome for record in records) == {"transport failed": 2, "deadline passed": 7}


@given(st.lists(st.sampled_from([503, 200, 0]), max_size=6))
@settings(deadline=None, max_examples=10)
def test_several_event_loops_and_threads_follow_one_another(statuses: list[int]) -> None:
    """Whoever fails, is interrupted or answered, and wherever it runs."""
    callers, sent, got = 9, 0, list[str]()
    under_way, here = threading.Semaphore(1), threading.Semaphore(0)
    results: dict[int, Callable[[], Any]] = {
        200: lambda: HTTPX.Response(200, json=completion("Oslo.")),
        503: lambda: HTTPX.Response(503, json={}),
    }

    @validator
    def comes(text: str) -> list[Finding]:
        here.release()
        return []

    def answer(request: Any) -> Any:
        nonlocal sent
        assert under_way.acquire(blocking=False), "a second request beside the first"
        try:
            sent += 1
            if sent == 1:
                for _ in range(callers):
                    assert here.acquire(timeout=60)
            status = statuses[sent - 1] if sent <= len(statuses) else 200
            if not status:
                raise HTTPX.ConnectError("down", request=request)
            return results[status]()
        finally:
            under_way.release()

    async def aanswer(request: Any) -> Any:
        return await asyncio.to_thread(answer, request)

    guard = Guard(input=[block(comes)], cache=Cache(), retry=ONCE)
    where = {"base_url": "http://model/v1", "api_key": "k", "max_retries": 0}

    def note(call: Any) -> None:
        try:
            got.append(text(call()))
        except Exception as error:
            got.append(type(error).__name__)

    def in_thread() -> None:
        http = openai.DefaultHttpxClient(transport=HTTPX.MockTransport(answer))
        with OpenAI(http_client=http, **where) as plain, guard.wrap(plain) as client:
            note(lambda: client.chat.completions.create(model="m", messages=ASKED))

    async def on_loop() -> None:
        http = openai.DefaultAsyncHttpxClient(transport=HTTPX.MockTransport(aanswer))
        async with AsyncOpenAI(http_client=http, **where) as plain, guard.wrap(plain) as client:
            calls = [client.chat.completions.create(model="m", messages=ASKED) for _ in range(3)]
            for done in await asyncio.gather(*calls, return_exceptions=True):
                got.append(type(done).__name__ if isinstance(done, Exception) else text(done))

    threads = [threading.Thread(target=in_thread) for _ in range(3)]
    threads += [threading.Thread(target=asyncio.run, args=(on_loop(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    failed = next((at for at, status in enumerate(statuses) if status == 200), len(statuses))
    assert Counter(got) == Counter({"Exhausted": failed, "Oslo.": callers - failed})
    assert sent == failed + 1


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
        self.calls.append(asyncio.get_running_loop().create_task(asked))

    async def begin(self) -> None:
        """The client looks in a thread, once, where it runs. After that only the loop turns."""
        await self._client.models.list()

    async def quiet(self) -> None:
        """Whatever can happen has happened."""
        for _ in range(60):
            await asyncio.sleep(0)

    @property
    def under_way(self) -> list[asyncio.Task[Any]]:
        """The calls that have not ended."""
        return [call for call in self.calls if not call.done()]

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
            under_way = crowd.under_way
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


class Crowds(RuleBasedStateMachine):
    """Calls come, leave, fail and are answered in any order, beside a model of who must have what."""

    @initialize()
    def begin(self) -> None:
        """Nobody asks."""
        self.loop = asyncio.new_event_loop()
        self.crowd = self._do(self._begun)
        self.ended: Counter[str] = Counter()
        self.senders = 0
        """How many requests the model has seen set off."""
        self.kept = False

    async def _begun(self) -> Crowd:
        crowd = Crowd()
        await crowd.begin()
        return crowd

    def _do(self, work: Callable[[], Any]) -> Any:
        async def turn() -> Any:
            done = work()
            done = await done if asyncio.iscoroutine(done) else done
            if hasattr(self, "crowd"):
                await self.crowd.quiet()
            return done

        return self.loop.run_until_complete(turn())

    @rule()
    def comes(self) -> None:
        """It is answered if a reply is kept, sends if nobody does, else waits."""
        if not self.crowd.under_way and not self.kept:
            self.senders += 1
        self._do(self.crowd.call)
        if self.kept:
            self.ended["Oslo."] += 1

    @precondition(lambda self: self.crowd.under_way)
    @rule(data=st.data())
    def leaves(self, data: st.DataObject) -> None:
        """Whoever it is: if it was the one that sent, another one sends."""
        call, sent = data.draw(st.sampled_from(self.crowd.under_way), "who"), self.crowd.sent
        self._do(call.cancel)
        self.ended["cancelled"] += 1
        assert self.crowd.sent - sent in ((0, 1) if self.crowd.under_way else (0,))
        self.senders = self.crowd.sent

    @precondition(lambda self: self.crowd.waiting)
    @rule()
    def fails(self) -> None:
        """One of them has failed, and another one sends."""
        self._do(lambda: self.crowd.waiting[0].set_result(503))
        self.ended["Exhausted"] += 1
        self.senders += bool(self.crowd.under_way)

    @precondition(lambda self: self.crowd.waiting)
    @rule(status=st.sampled_from([400, 401, 404]))
    def is_refused(self, status: int) -> None:
        """That is the end of all."""
        self.ended["Exhausted"] += len(self.crowd.under_way)
        self._do(lambda: self.crowd.waiting[0].set_result(status))

    @precondition(lambda self: self.crowd.waiting)
    @rule()
    def is_answered(self) -> None:
        """So are all."""
        self.ended["Oslo."] += len(self.crowd.under_way)
        self._do(lambda: self.crowd.waiting[0].set_result(200))
        self.kept = True

    @invariant()
    def each_has_what_it_must(self) -> None:
        """One request is out while anybody waits, and everybody else has ended as the model says."""
        if not hasattr(self, "crowd"):
            return
        assert len(self.crowd.waiting) == (1 if self.crowd.under_way else 0)
        assert self.crowd.sent == self.senders
        ended = Counter(map(_came_to, filter(asyncio.Task.done, self.crowd.calls)))
        assert ended == self.ended
        assert len(self.crowd.records) == ended.total()

    def teardown(self) -> None:
        """Let the last ones go."""
        if hasattr(self, "crowd"):
            if self.crowd.waiting:
                self.is_answered()
                self.each_has_what_it_must()
            self.loop.close()


def _came_to(call: asyncio.Task[Any]) -> str:
    if call.cancelled():
        return "cancelled"
    error = call.exception()
    return text(call.result()) if error is None else type(error).__name__


TestCrowds = Crowds.TestCase
TestCrowds.settings = settings(deadline=None, max_examples=25, stateful_step_count=15)


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


def test_a_call_that_is_collected_while_another_looks_for_it_has_left() -> None:
    """The collector strikes anywhere, also in the thread that holds the lock of the cache."""
    cache = Cache()
    kept = cache._kept
    found: list[Any] = []

    def call() -> Iterator[None]:
        try:
            yield
        finally:
            kept.land("key", "next", 0.0)

    class Key(str):
        """It is looked up, and the collector strikes."""

        def __hash__(self) -> int:
            gc.collect()
            return hash(str(self))

    def look() -> None:
        assert kept.find("key", 0.0) is None
        call_under_way = call()
        next(call_under_way)
        knot: list[Any] = [call_under_way]
        knot.append(knot)
        del call_under_way, knot
        found.append(kept.find(Key("key"), 0.0))

    gc.disable()
    try:
        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        thread.join(10)
    finally:
        gc.enable()

    assert found == [None]  # so it sends itself
