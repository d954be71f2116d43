"""What the callers of one upstream share: breakers, limits, pauses and second tries, around whole calls."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from guardrails_lite import (
    Blocked,
    Breaker,
    Budget,
    ConfigError,
    DeadlineExceeded,
    Exhausted,
    Finding,
    Guard,
    Limits,
    Retry,
    RetryBudget,
    Upstream,
    block,
    fall_back,
    target,
    validator,
)
from guardrails_lite._engine._effects import Admit, Repeat, Send, Settle, Sleep, Write
from guardrails_lite.reliability import time_left_s
from guardrails_lite.reliability._lane import Lane
from guardrails_lite.reliability._permits import Permit, TurnedAway, Waiting
from guardrails_lite.reliability._turns import wait_turn
from guardrails_lite.testing import STYLES, HttpReply, LoopbackServer, ScriptedModel, Style, completion
from tests.engine.conftest import NOW, word
from tests.engine.test_steps import Steps, interrupted, waits

Call = Callable[..., Any]
OFFLINE = ConnectionError("no route to host 10.1.2.3")
ONCE = Retry(attempts=1)


class Status(Exception):
    """What a client raises for an error status."""

    def __init__(self, status: int, **headers: str) -> None:
        super().__init__(f"status {status}")
        self.status_code = status
        self.response = type("Response", (), {"headers": headers, "status_code": status})()


DOWN = Status(500)
BUSY = Status(429, **{"retry-after": "30"})


def hasty(**more: Any) -> Upstream:
    """An upstream whose breaker opens after two failures."""
    return Upstream(breaker=Breaker(min_calls=2), **more)


def lane(upstream: Upstream, account: str = "", endpoint: str = "", model: str | None = None) -> Lane:
    """The state of one model, as it is."""
    gate = upstream.turnstile(account, endpoint, model)
    return gate.store.update(gate._keys[2:], lambda found: found)


def is_empty(upstream: Upstream, **place: Any) -> bool:
    """Nobody waits and nothing is out."""
    found = lane(upstream, **place)
    return not (found.queue or found.meter.in_flight or found.circuit.probes or found.pause.out)


def failed(guard: Guard[Any], *script: Any, style: Style = STYLES[0], **params: Any) -> Any:
    """Make a call that fails; return its record."""
    with pytest.raises(Exhausted) as raised:
        style.call(guard, ScriptedModel(list(script)), "hi", **params)
    return raised.value.record


# --- breakers ---


def test_an_upstream_that_fails_is_not_asked_any_more(style: Style) -> None:
    """An open circuit refuses before anything is sent, and the record says why in its attempt."""
    guard = Guard(retry=ONCE, upstream=hasty())
    for _ in range(2):
        failed(guard, OFFLINE, style=style)

    model = ScriptedModel()
    with pytest.raises(Exhausted, match=r"not asked \(circuit open, worth asking again in \d") as raised:
        style.call(guard, model, "hi")

    assert model.calls == []
    record = raised.value.record
    assert record is not None
    assert record.outcome == "transport failed"
    assert [(step.result, step.error, step.blame, step.cost_usd) for step in record.attempts] == [
        ("turned away", "circuit open", "endpoint", 0.0)
    ]


def test_whoever_is_turned_away_asks_the_next_target(call: Call) -> None:
    """A fallback answers at once, without a wait, and has a circuit of its own."""
    guard = Guard(
        retry=Retry(attempts=1, wait=30),
        upstream=hasty(),
        fallback=[target(model="small"), target("Sorry.")],
    )
    for _ in range(2):
        call(guard, [DOWN, "small here"], "hi", model="large")

    text, outcome, model = call(guard, ["small here"], "hi", model="large")

    assert (text, outcome.record.outcome) == ("small here", "fell back")
    assert [each.params["model"] for each in model.calls] == ["small"]
    assert [step.result for step in outcome.record.attempts] == ["turned away", "answered"]


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param("forbidden", id="blocked"),
        pytest.param(completion("half", finish_reason="length"), id="truncated"),
        pytest.param(completion(refusal="I would rather not."), id="refused"),
        pytest.param(ValueError("a bug of the caller's"), id="own bug"),
    ],
)
def test_what_is_not_the_upstreams_fault_opens_nothing(style: Style, bad: Any) -> None:
    """Blocks, refusals, truncations and the caller's own bugs say nothing against the upstream."""
    guard = Guard(output=[block(word("forbidden"))], retry=ONCE, upstream=hasty())
    for _ in range(4):
        with pytest.raises((Blocked, Exhausted, ValueError)):
            style.call(guard, ScriptedModel([bad]), "hi")

    assert style.call(guard, ScriptedModel(["fine"]), "hi").reply.text == "fine"


def test_a_client_that_hangs_up_says_nothing_against_the_upstream(style: Style) -> None:
    """A call that is interrupted is neutral, however often."""
    upstream = hasty()
    guard = Guard(retry=ONCE, upstream=upstream)
    for _ in range(4):
        with pytest.raises(KeyboardInterrupt):
            style.call(guard, ScriptedModel([KeyboardInterrupt()]), "hi")

    assert style.call(guard, ScriptedModel(["fine"]), "hi").reply.text == "fine"
    assert is_empty(upstream)


# --- second tries ---


def test_a_retry_that_nobody_has_earned_is_not_made(call: Call) -> None:
    """The allowance of an upstream bounds the retries of all calls together, and is noted."""
    guard = Guard(retry=NOW, upstream=Upstream(breaker=None, retries=RetryBudget(share=0, reserve=1)))
    model = ScriptedModel([OFFLINE] * 5)
    records = []
    for _ in range(2):
        with pytest.raises(Exhausted, match="connection") as raised:
            guard.run(model, "hi")
        records.append(raised.value.record)

    assert len(model.calls) == 3
    assert [note.detail for record in records for note in record.notes if note.what == "no retry"] == [
        "retry budget spent",
        "retry budget spent",
    ]


def test_nobody_waits_for_a_retry_that_will_not_be_made() -> None:
    """What is known before the wait is asked before it: no sleep after the last attempt."""
    guard = Guard(retry=Retry(attempts=2, wait=7), upstream=Upstream(), log=lambda record: None)
    steps = Steps(guard)
    assert isinstance(steps.asked, Send)
    asked = steps.fail(OFFLINE)
    assert (type(asked), asked.second_try, asked.in_s) == (Repeat, "failed", 7)

    assert isinstance(steps.answer(TurnedAway("retry budget spent")), Write)
    steps.finish()


def test_a_paid_retry_sleeps_and_asks_for_its_turn_again() -> None:
    """A second try is admitted like a first one, and is not paid for twice."""
    upstream = Upstream(limits=Limits(concurrency=1))
    guard = Guard(retry=Retry(attempts=2, wait=7), upstream=upstream, log=lambda record: None)
    steps = Steps(guard)
    steps.fail(OFFLINE)

    assert steps.answer(steps.asked.run()) == Sleep(7)
    permit = wait_turn(upstream.turnstile("", "", None))
    asked = steps.answer()
    assert (type(asked), asked.second_try, type(asked.turn)) == (Admit, "paid", Waiting)
    assert lane(upstream).allowance.free < 2.5  # one of the three is paid, and not two
    assert lane(upstream).allowance.free > 1.5
    assert isinstance(permit, Permit)
    upstream.turnstile("", "", None).settle(permit)
    assert isinstance(steps.answer(asked.run()), Send)
    steps.finish()


@pytest.mark.parametrize("end", [interrupted, lambda steps: steps.core.close()], ids=["thrown", "closed"])
def test_who_is_interrupted_before_the_wait_leaves_the_queue(end: Callable[[Steps], None]) -> None:
    """A call joins the queue before a driver is asked to wait; its place does not stay behind."""
    upstream = Upstream(limits=Limits(concurrency=1))
    permit = wait_turn(upstream.turnstile("", "", None))
    steps = Steps(Guard(upstream=upstream, log=lambda record: None))
    assert isinstance(steps.asked, Admit)
    assert len(lane(upstream).queue) == 1

    with contextlib.suppress(KeyboardInterrupt):
        end(steps)

    assert isinstance(permit, Permit)
    upstream.turnstile("", "", None).settle(permit)
    assert is_empty(upstream)


def test_a_reask_is_a_first_try(call: Call) -> None:
    """Sending a wrong reply back is no retry: it takes nothing from the allowance."""
    upstream = Upstream(retries=RetryBudget(share=0, reserve=0.001))
    guard = Guard(schema={"type": "object"}, retry=NOW, upstream=upstream)

    _, outcome, model = call(guard, ["no", "{}"])

    assert (outcome.value, len(model.calls)) == ({}, 2)


# --- pauses and limits ---


def test_one_retry_after_holds_for_every_guard(style: Style) -> None:
    """Fault H11: two guards share one upstream, and the second burns no attempt on a pause it cannot wait."""
    upstream = Upstream()
    first = Guard(retry=ONCE, upstream=upstream)
    second = Guard(upstream=upstream, budget=Budget(deadline_s=1), fallback=[target("Sorry.")])
    failed(first, BUSY)

    model = ScriptedModel()
    outcome = style.call(second, model, "hi")

    assert (outcome.reply.text, model.calls) == ("Sorry.", [])
    assert outcome.record.attempts[0].error == "no time to wait"
    other = style.call(second, ScriptedModel(["here"]), "hi", model="another")
    assert other.reply.text == "here"


def test_a_request_that_never_fits_goes_to_the_next_target(call: Call) -> None:
    """More tokens than a minute's are refused at once, with nothing sent and nothing spent."""
    guard = Guard(
        upstream=Upstream(limits=Limits(tpm=10)),
        fallback=[target("Sorry.")],
        budget=Budget(attempts=1, tokens=5_000),
    )

    text, outcome, model = call(guard, [], "hi" * 50)

    assert (text, model.calls, outcome.record.attempts[0].error) == ("Sorry.", [], "too large")


def test_tokens_are_reconciled_with_what_was_used(style: Style) -> None:
    """A call reserves its worst case, and gives back what it did not use."""
    upstream = Upstream(limits=Limits(tpm=1_000))
    guard = Guard(upstream=upstream)
    style.call(guard, ScriptedModel([completion("fine")]), "hi", max_tokens=900)

    used = lane(upstream).meter.tokens.total

    assert 0 < used < 100


def test_waiting_for_a_turn_ends_at_the_deadline(style: Style) -> None:
    """A queue is no way around the deadline; the message says what the call was waiting for."""
    upstream = Upstream(limits=Limits(concurrency=1))
    wait_turn(upstream.turnstile("", "", None))
    model = ScriptedModel()
    with pytest.raises(DeadlineExceeded, match=r"deadline of 0.05 s passed .* waited for its turn at"):
        style.call(Guard(upstream=upstream, budget=Budget(deadline_s=0.05)), model, "hi")

    assert model.calls == []
    assert not lane(upstream).queue


def test_the_wait_for_a_turn_is_on_record() -> None:
    """How long an attempt waited for others stands in the attempt, not in its duration."""
    upstream = Upstream(limits=Limits(concurrency=1))
    gate = upstream.turnstile("", "", None)
    permit: Any = wait_turn(gate)
    threading.Timer(0.1, gate.settle, [permit]).start()

    outcome = Guard(upstream=upstream).run(ScriptedModel(["fine"]), "hi")

    (step,) = outcome.record.attempts
    assert step.waited_s >= 0.09
    assert step.duration_us < step.waited_s * 1e6


def test_threads_and_loops_on_one_guard_hold_the_limit_exactly() -> None:
    """Fault X06: 64 threads and three loops never have more calls out than allowed, and use all of them."""
    guard = Guard(upstream=Upstream(limits=Limits(concurrency=7)), log=lambda record: None)
    lock = threading.Lock()
    out = most = served = 0

    def begin() -> None:
        nonlocal out, most
        with lock:
            out += 1
            most = max(most, out)

    def end() -> None:
        nonlocal out, served
        with lock:
            out -= 1
            served += 1

    def model(messages: Any) -> str:
        begin()
        time.sleep(0.001)
        end()
        return "fine"

    async def amodel(messages: Any) -> str:
        begin()
        await asyncio.sleep(0.001)
        end()
        return "fine"

    async def tasks() -> None:
        await asyncio.gather(*(guard.arun(amodel, "hi") for _ in range(40)))

    workers = [threading.Thread(target=lambda: [guard.run(model, "hi") for _ in range(3)]) for _ in range(64)]
    workers += [threading.Thread(target=lambda: asyncio.run(tasks())) for _ in range(3)]
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
    finally:
        sys.setswitchinterval(interval_s)

    assert (served, most) == (64 * 3 + 3 * 40, 7)


# --- what belongs to which upstream ---


def test_a_fallback_has_its_own_upstream(call: Call) -> None:
    """`target(..., upstream=...)` shares with nobody who was not given the same one."""
    theirs = hasty()

    def fails(messages: Any, **params: Any) -> str:
        raise OFFLINE

    def streamed(messages: Any, **params: Any) -> str:
        return "third"

    guard = Guard(retry=ONCE, fallback=[target(fails, upstream=theirs), target(streamed)])
    for _ in range(2):
        call(guard, [OFFLINE])

    text, outcome, model = call(guard, [OFFLINE])

    assert (text, len(model.calls)) == ("third", 1)
    assert [step.result for step in outcome.record.attempts] == ["connection", "turned away", "answered"]
    assert lane(theirs).circuit.state == "open"


def test_an_override_goes_by_the_primarys_upstream_unless_it_has_its_own() -> None:
    """Another model of the same upstream is admitted by it too."""
    shared, own = Upstream(), Upstream()
    for fallback, by in ((target(model="small"), shared), (target(model="small", upstream=own), own)):
        guard = Guard(retry=ONCE, upstream=shared, fallback=[fallback])
        before = len(lane(by, model="small").circuit.recent)
        guard.run(ScriptedModel([OFFLINE, "small"]), "hi")
        assert len(lane(by, model="small").circuit.recent) == before + 1


def test_a_monitor_leaves_the_upstream_alone(style: Style) -> None:
    """A guard that only looks neither waits nor refuses."""
    upstream = Upstream(limits=Limits(concurrency=1, queue=0))
    wait_turn(upstream.turnstile("", "", None))

    outcome = style.call(Guard(upstream=upstream, mode="monitor"), ScriptedModel(["fine"]), "hi")

    assert outcome.reply.text == "fine"


def test_an_upstream_is_part_of_the_value() -> None:
    """It prints, changes the digest, survives a merge, and is refused where it cannot work."""
    upstream = Upstream(limits=Limits(rpm=5))
    guard = Guard(upstream=upstream)
    assert repr(guard) == "Guard(upstream=Upstream(limits=Limits(rpm=5)))"
    assert guard.digest != Guard().digest
    assert (guard | Guard(name="desk"))._plan.upstream is upstream
    assert repr(target(model="m", upstream=Upstream())) == "target(model='m', upstream=Upstream())"
    with pytest.raises(ConfigError, match="upstream= of Guard takes a Upstream, not int"):
        Guard(upstream=5)  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match=r"upstream= of target.* takes an Upstream, not Limits"):
        target(model="m", upstream=Limits())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="takes no upstream: nothing is asked"):
        target("Sorry.", upstream=Upstream())


# --- nothing is left behind ---


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("at", range(14))
def test_an_interrupt_at_every_step_leaves_no_permit(at: int, live: bool) -> None:
    """Fault X01: wherever it strikes, the permit is back, one record is written, and it passes through."""
    records: list[Any] = []
    upstream = Upstream(limits=Limits(concurrency=1, rpm=100, tpm=10_000))
    guard = Guard(
        input=[block(waits)],
        output=[block(waits)],
        retry=Retry(attempts=2, wait=0.001),
        upstream=upstream,
        log=records.append,
    )
    steps = Steps(guard, live=live)
    sent = 0
    for _ in range(at):
        if steps.asked is None:
            break
        if isinstance(steps.asked, Send) and not sent:
            sent += 1
            steps.fail(OFFLINE)
        else:
            steps.answer(iter(["a", "b"]) if isinstance(steps.asked, Send) else steps.asked.run())
    if steps.asked is None or isinstance(steps.asked, Write):
        steps.finish()
        assert is_empty(upstream)
        return  # the call has ended: nothing is left to interrupt
    settling = steps.asked if isinstance(steps.asked, Settle) else None
    with pytest.raises(KeyboardInterrupt):
        interrupted(steps)
    if settling is not None:
        settling.run()  # it was interrupted before it could be done: the lease would end it

    assert [record.outcome for record in records] == ["cancelled"]
    assert is_empty(upstream)


@pytest.mark.parametrize("streams", [False, True])
def test_cancelling_at_every_await_leaves_no_permit(streams: bool) -> None:
    """Fault X01 on a loop: after any number of turns of the loop, a cancelled call has given all back."""
    upstream = Upstream(limits=Limits(concurrency=1))
    guard = Guard(retry=Retry(attempts=2, wait=0.001), upstream=upstream, log=lambda record: None)

    async def model(messages: Any) -> Any:
        await asyncio.sleep(0)
        if streams:
            return pieces()
        raise OFFLINE

    async def pieces() -> Any:
        for piece in "abc":
            await asyncio.sleep(0)
            yield piece

    async def consume() -> None:
        async for _ in guard.astream(model, "hi"):
            await asyncio.sleep(0)

    async def main() -> None:
        for turns in range(25):
            tasks = [asyncio.create_task(consume()) for _ in range(2)]
            for _ in range(turns):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert is_empty(upstream), turns

    asyncio.run(main())


@pytest.mark.parametrize("after", [0, 1, 2])
def test_closing_a_stream_gives_the_permit_back(after: int) -> None:
    """A consumer that leaves, or forgets the stream, holds nothing."""
    upstream = Upstream(limits=Limits(concurrency=1))
    guard = Guard(upstream=upstream, log=lambda record: None)

    def leave() -> None:
        stream = guard.stream(ScriptedModel(["abcdefgh"], size=2).stream, "hi")
        for _ in range(after):
            next(stream)

    with guard.stream(ScriptedModel(["abcdefgh"], size=2).stream, "hi") as stream:
        for _ in range(after):
            next(stream)
    assert is_empty(upstream)
    leave()
    assert is_empty(upstream)


def test_a_rule_that_sends_the_call_elsewhere_gives_the_permit_back(call: Call) -> None:
    """A reply that a rule turned down was an answer all the same."""
    upstream = Upstream(limits=Limits(concurrency=1))
    guard = Guard(output=[fall_back(word("x"))], upstream=upstream, fallback=[target("Sorry.")])

    text, _, _ = call(guard, ["x"])

    assert text == "Sorry."
    assert is_empty(upstream)


# --- a real client ---

HI: Any = [{"role": "user", "content": "hi"}]
SPENT = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "30s"}


def offline(messages: Any) -> str:
    """A primary that is never there."""
    raise OFFLINE


def asked(client: Any, model: str, *, stream: bool) -> str:
    """What a client of either kind gets."""
    if isinstance(client, openai.OpenAI):
        with client:
            got = client.chat.completions.create(model=model, messages=HI, stream=stream)
            if not stream:
                return str(got.choices[0].message.content)
            return "".join([chunk.choices[0].delta.content or "" for chunk in got if chunk.choices])

    async def ask() -> str:
        async with client:
            got: Any = await client.chat.completions.create(model=model, messages=HI, stream=stream)
            if not stream:
                return str(got.choices[0].message.content)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in got if chunk.choices])

    return asyncio.run(ask())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", [openai.OpenAI, openai.AsyncOpenAI])
@pytest.mark.parametrize("wrapped", [True, False])
def test_what_the_headers_say_holds_for_the_next_call(kind: Any, stream: bool, wrapped: bool) -> None:
    """After a response that says nothing is left, the next call does not even ask."""
    upstream = Upstream()
    with LoopbackServer([HttpReply("Hello.", headers=SPENT)]) as server:

        def once() -> str:
            client = kind(base_url=server.base_url, api_key="sk-1")
            budget = Budget(deadline_s=2)
            if wrapped:
                guard = Guard(retry=ONCE, upstream=upstream, budget=budget)
                return asked(guard.wrap(client), "m", stream=stream)
            there = target(client, upstream=upstream, model="m", stream=stream)
            guard = Guard(retry=ONCE, fallback=[there], budget=budget)
            if kind is openai.OpenAI:
                with client:
                    return guard.run(offline, HI).reply.text

            async def ask() -> str:
                async with client:
                    return (await guard.arun(offline, HI)).reply.text

            return asyncio.run(ask())

        assert once() == "Hello."
        with pytest.raises(Exhausted, match="no time to wait"):
            once()
        assert len(server.requests) == 1


def test_a_spent_quota_shuts_the_account_and_no_other() -> None:
    """Fault H10: one 429 that says the quota is spent, and no model of that key is asked; another key is."""
    upstream = Upstream()
    guard = Guard(retry=ONCE, upstream=upstream)
    quota = HttpReply.error(429, code="insufficient_quota")
    with LoopbackServer([quota], then="Hello.") as server:

        def once(key: str, model: str) -> str:
            with openai.OpenAI(base_url=server.base_url, api_key=key) as client:
                return asked(guard.wrap(client), model, stream=False)

        with pytest.raises(Exhausted, match="quota"):
            once("sk-1", "m")
        with pytest.raises(Exhausted, match="circuit open"):
            once("sk-1", "another")
        assert once("sk-2", "m") == "Hello."


def test_raw_callers_get_their_response_under_an_upstream() -> None:
    """Asking for headers changes nothing of what a caller of the raw response sees."""
    with LoopbackServer([HttpReply("Hello.", headers={"x-mine": "1"})]) as server:
        client = Guard(upstream=Upstream()).wrap(openai.OpenAI(base_url=server.base_url, api_key="sk-1"))
        with client:
            raw = client.chat.completions.with_raw_response.create(model="m", messages=HI)
            assert (raw.headers["x-mine"], raw.parse().choices[0].message.content) == ("1", "Hello.")


@validator
def never(text: str) -> Iterator[Finding]:
    """Finds nothing."""
    yield from ()


def test_a_deadline_that_passes_is_the_attempts_fate(style: Style) -> None:
    """An attempt that the deadline ended is recorded as timed out, not as answered."""

    def slow(*_: Any) -> Any:
        time.sleep(max(time_left_s() or 0.0, 0.0))
        raise TimeoutError

    guard = Guard(budget=Budget(deadline_s=0.5), output=[block(never)])
    with pytest.raises(DeadlineExceeded) as raised:
        style.call(guard, ScriptedModel([slow]), "hi")

    record = raised.value.record
    assert record is not None
    assert [step.result for step in record.attempts] == ["timeout"]
