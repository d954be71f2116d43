"""Faults that no server brings about: they lie in the caller's own process."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from guardrails_lite import Budget, DeadlineExceeded, Guard, Limits, Retry, Upstream, block, target
from guardrails_lite._engine._effects import Read, Send, Sleep, Write
from guardrails_lite.audit import AuditLog, verify
from guardrails_lite.testing import HttpReply, LoopbackServer, ScriptedModel, Style, Wire, chunks, completion
from guardrails_lite.testing._server import frame
from guardrails_lite.testing._wire import Peer, Request, head, http_chunk
from tests.engine.conftest import NOW
from tests.engine.test_steps import Steps, waits

DEADLINE_S = 10.0
SAID: Any = [{"role": "user", "content": "hi"}]


class Time:
    """A clock that stands still until it is told how much has passed."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        """Read it."""
        return self.now_s


class Model:
    """Its sends fail twice, then it streams."""

    def __init__(self) -> None:
        self.sent = 0
        self.has_ended = False
        """All of its stream was read."""

    def answer(self) -> Iterator[str]:
        """Answer one send."""
        self.sent += 1
        if self.sent < 3:
            raise ConnectionError
        return self._stream()

    def _stream(self) -> Iterator[str]:
        yield "a"
        yield "b"
        self.has_ended = True


def step_on(steps: Steps, model: Model, *, late: bool = False) -> None:
    """Answer what is asked for as a driver does; *late*, as one whose time is over."""
    asked = steps.asked
    if isinstance(asked, (Send, Read)) and late:
        steps.fail(TimeoutError())
    elif isinstance(asked, Send):
        try:
            stream = model.answer()
        except ConnectionError as error:
            steps.fail(error)
        else:
            steps.answer(stream)
    else:
        steps.answer(None if isinstance(asked, Sleep) else asked.run())


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("at", range(14))
def test_a_deadline_that_passes_at_any_step_is_the_end(at: int, live: bool) -> None:
    """Fault X02: nothing is sent or slept for any more, and the one record says what was waited for."""
    records: list[Any] = []
    clock = Time()
    guard = Guard(
        input=[block(waits)],
        output=[block(waits)],
        retry=Retry(attempts=2, wait=0.1),
        fallback=[target(model="spare")],
        budget=Budget(deadline_s=DEADLINE_S),
        log=records.append,
    )
    steps, model = Steps(guard, live=live, clock=clock), Model()
    for _ in range(at):
        if steps.asked is not None:
            step_on(steps, model)
    if steps.asked is None or isinstance(steps.asked, Write):
        steps.finish()
        return  # it was in time
    clock.now_s += 10 * DEADLINE_S
    was_whole = model.has_ended
    after: list[Any] = []

    def play() -> None:
        step_on(steps, model, late=True)
        while steps.asked is not None:
            after.append(type(steps.asked))
            step_on(steps, model, late=True)

    if was_whole:  # what has come is not thrown away
        play()
    else:
        with pytest.raises(DeadlineExceeded, match=f"the deadline of {DEADLINE_S:g} s passed"):
            play()
    assert [each.outcome for each in records] == ["fell back" if was_whole else "deadline passed"]
    assert Send not in after
    assert Sleep not in after


def test_a_full_pool_is_the_callers_own_and_nothing_is_sent() -> None:
    """Fault C13: it is waited for as long as the client says, then asked for again, then fallen back from."""
    records: list[Any] = []
    parents = {parent.__name__: parent.__module__ for parent in openai.DefaultHttpxClient.__mro__}
    package: Any = sys.modules[parents["Client"].partition(".")[0]]
    pool = package.Client(limits=package.Limits(max_connections=1))
    wait = package.Timeout(60, pool=0.01)
    with LoopbackServer(then=HttpReply("Oslo.")) as server, pool:
        bare = openai.OpenAI(base_url=server.base_url, api_key="k", http_client=pool, timeout=wait)
        guard = Guard(retry=Retry(attempts=2, wait=0), fallback=[target("Sorry.")], log=records.append)
        client = guard.wrap(bare)
        with bare.chat.completions.create(model="m", messages=SAID, stream=True):
            reply = client.chat.completions.create(model="m", messages=SAID)
        assert server.request_count == 1
    assert reply.choices[0].message.content == "Sorry."
    assert [(step.result, step.blame) for step in records[0].attempts[:2]] == [("timeout", "caller")] * 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_what_is_nobodys_to_handle_passes_as_it_is(style: Style, error: type[BaseException]) -> None:
    """Fault X03: not wrapped, not retried, not sent elsewhere; one record."""
    records: list[Any] = []
    raised = error()
    model = ScriptedModel([raised, "never", "never"])
    guard = Guard(retry=NOW, fallback=[target(model="spare"), target("never")], log=records.append)

    with pytest.raises(error) as caught:
        style.call(guard, model, "hi")

    assert caught.value is raised
    assert len(model.calls) == 1
    assert len(records) == 1


@pytest.mark.parametrize("live", [False, True])
def test_a_wall_clock_that_jumps_decides_nothing(live: bool) -> None:
    """Fault X04: an hour forward, an hour back, at each look: the same is done in the same order."""
    jumps = itertools.cycle([0.0, 3_600.0, -3_600.0, 86_400.0])
    told = [_told(live, lambda: 1e9), _told(live, lambda: 1e9 + next(jumps))]

    assert told[0] == told[1]
    assert "Sleep" in told[0]


def _told(live: bool, wall_clock: Callable[[], float]) -> list[str]:
    """What a call with retries, a fallback and a stream asks for, with how long it sleeps."""
    guard = Guard(
        input=[block(waits)],
        retry=Retry(attempts=2, wait=0.25),
        fallback=[target(model="spare")],
        budget=Budget(deadline_s=DEADLINE_S),
        upstream=Upstream(limits=Limits(rpm=1_000)),
        log=lambda record: None,
    )
    steps, model = Steps(guard, live=live, clock=Time(), wall_clock=wall_clock), Model()
    told: list[str] = []
    while steps.asked is not None:
        told.append(type(steps.asked).__name__)
        if isinstance(steps.asked, Sleep):
            told.append(f"{steps.asked.seconds:g}")
        step_on(steps, model)
    return told


PROGRAM = """
import asyncio, atexit, sys, threading, time
from openai import AsyncOpenAI, OpenAI
from guardrails_lite import AuditLog, Guard, Hedge, Limits, Upstream, validator, warn

@validator(blocking=True)
def look(text):
    return ()

atexit.register(time.sleep, 0.5)  # while it ends its threads go on, and see what that does to them
url, way = sys.argv[1:]
said = [{"role": "user", "content": "hi"}]
guard = Guard(output=[warn(look)], upstream=Upstream(limits=Limits(concurrency=4)), log=AuditLog("audit"))

def call(client):
    for chunk in client.chat.completions.create(model="m", messages=said, stream=True):
        print("one", flush=True)

async def acall(client):
    async for chunk in await client.chat.completions.create(model="m", messages=said, stream=True):
        print("one", flush=True)

if way == "thread":
    client = guard.wrap(OpenAI(base_url=url, api_key="k"))
    threading.Thread(target=call, args=[client], daemon=True).start()
    sys.stdin.readline()
elif way == "idle":
    client = guard.wrap(OpenAI(base_url=url, api_key="k"))
    client.models.list()
    print("one", flush=True)
    sys.stdin.readline()
elif way == "left open":
    client = guard.wrap(OpenAI(base_url=url, api_key="k"))
    stream = client.chat.completions.create(model="m", messages=said, stream=True)
    print(next(stream) and "one", flush=True)
    sys.stdin.readline()
else:
    hedge = Hedge(after_s=0.01, max_share=1.0) if way == "hedged task" else None
    async def main():
        client = (guard | Guard(hedge=hedge)).wrap(AsyncOpenAI(base_url=url, api_key="k"))
        task = asyncio.create_task(acall(client))
        await asyncio.to_thread(sys.stdin.readline)
    asyncio.run(main())
"""


@pytest.mark.parametrize("way", ["thread", "idle", "left open", "task", "hedged task"])
def test_a_program_ends_in_the_middle_of_a_call(way: str, tmp_path: Path) -> None:
    """Fault X13: at once, without a word on standard error; and its log is whole."""

    def for_ever(peer: Peer, request: Request) -> None:
        peer.send(head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"}))
        peer.send(http_chunk(frame(chunks(completion("Oslo is the capital."))[1])))
        peer.pause(60)

    with LoopbackServer(then=Wire(for_ever)) as server:
        program = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PROGRAM, server.base_url, way],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
        assert program.stdout is not None
        assert program.stdout.readline() == "one\n"
        _, said = program.communicate("\n", timeout=60)
    assert (program.returncode, said) == (0, "")
    assert verify(tmp_path / "audit").state in ("intact", "unsealed")
    with AuditLog(tmp_path / "audit") as log:
        ended = [entry.data["outcome"] for entry in log.records()]
    # A thread is stopped where it stands, and an idle client has no call.
    assert ended == ["cancelled"] or (way in ("thread", "idle") and not ended)
