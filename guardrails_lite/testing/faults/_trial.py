"""One guarded call against one fault: it is made, watched, and judged."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from guardrails_lite.testing.faults._fault import Fault, Variant
from guardrails_lite.testing.faults._judge import Run, judge
from guardrails_lite.testing.faults._server import PRIMARY, FaultServer

if TYPE_CHECKING:
    from guardrails_lite._guard import Guard
    from guardrails_lite._targets import Target
    from guardrails_lite.reliability import Clocks

Way = Literal["sync", "async", "sync stream", "async stream"]
WAYS: tuple[Way, ...] = ("sync", "async", "sync stream", "async stream")

HELLO = ({"role": "user", "content": "How are things?"},)


@dataclass(frozen=True, slots=True)
class Observation:
    """What a guard did about one fault, in one way of calling."""

    fault: Fault
    variant: str
    way: Way
    word: str
    """What it did, in the words of the catalogue; or LEAK, CRASH, LATE with what happened."""
    expected: tuple[str, ...]
    faults: tuple[str, ...]
    """Everything that was wrong; empty: it passed."""
    requests: int
    """How many requests the server saw."""
    duration_s: float
    error: str | None
    """The class of the exception the caller got."""

    @property
    def ok(self) -> bool:
        """Whether the guard did what is expected, in time and on the record."""
        return not self.faults

    def __str__(self) -> str:
        name = f"{self.fault.id} {self.variant}".strip()
        what = "; ".join(self.faults) or self.word
        return f"{name} ({self.way}): {what}"


def attempt(
    guard: Guard[Any],
    fault: Fault,
    variant: Variant,
    way: Way,
    *,
    deadline_s: float,
    slack_s: float,
    patience_s: float = 10.0,
) -> Observation:
    """Make one guarded call against a server of its own.

    Args:
        guard: Its retries, fallbacks, budget, clocks, upstream, accepted endings and mode are tried; rules,
            schema, tools and logs are left out, for prompts and answers are the lab's own.
        fault: The row.
        variant: One of its variants.
        way: How to call.
        deadline_s: The deadline that stands in for the guard's own; what the fault asks to wait is added.
        slack_s: By how much the call may outlive its deadline.
        patience_s: How long what a call leaves may take to go, on a busy machine, before it counts as left.
    """
    deadline_s += 2.5 * fault.waits_s
    run = Run()
    tried = _tried(guard, deadline_s, run)
    with FaultServer(fault, variant.name) as server:
        _call(tried, server, run, way, patience_s)
        if not server.wait_idle(patience_s):
            run.left.append("a connection open")
    judged = judge(run, server, sends=tried.worst_case().sends, deadline_s=deadline_s, slack_s=slack_s)
    return Observation(
        fault,
        variant.name,
        way,
        judged.word,
        judged.expected,
        judged.faults,
        len(server.struck_call),
        run.duration_s,
        None if run.error is None else type(run.error).__name__,
    )


def _tried(guard: Guard[Any], deadline_s: float, run: Run) -> Guard[Any]:
    from guardrails_lite._guard import Guard

    plan = guard._plan
    retry, upstream, scale = plan.retry, plan.upstream, _scale(plan.budget.deadline_s, deadline_s)
    if plan.has_clocks:  # what holds together under the guard's deadline does so under the lab's
        retry = replace(retry, wait=deadline_s / 100)
    if isinstance(retry.wait, (int, float)):
        retry = replace(retry, wait=min(retry.wait, deadline_s / 20))
    if retry.after_text == "restart":  # a wrapped client has no way to say that
        retry = replace(retry, after_text="raise")
    settings: dict[str, Any] = {
        "retry": retry,
        "upstream": upstream and replace(upstream, store=None),
        "fallback": [_fallback(each, place, scale) for place, each in enumerate(plan.fallback)],
        "clocks": _scaled(plan.clocks, scale),
        "budget": replace(plan.budget, deadline_s=deadline_s, cost_usd=None),
        "log": run,
        "mode": "enforce" if plan.enforce else "monitor",
        "accept": plan.accept,
    }
    return Guard(**settings)


def _scale(own_s: float | None, lab_s: float) -> float:
    """By how much the lab is quicker than the guard's own deadline is."""
    return 0.8 * lab_s / max(own_s or lab_s, lab_s)


def _scaled(clocks: Clocks | None, scale: float) -> Clocks | None:
    if clocks is None:
        return None
    rate = clocks.min_chars_per_s
    lengths = {name: length_s * scale for name, length_s in clocks.lengths().items()}
    return replace(clocks, **lengths, min_chars_per_s=None if rate is None else rate / scale)


def _fallback(declared: Target, place: int, scale: float) -> Target:
    """The fallback as the lab can ask it: with nobody's connection, time-out or state but its own."""
    from guardrails_lite._targets import target

    if declared.kind == "answer":
        return declared
    upstream = declared.upstream and replace(declared.upstream, store=None)
    kept = declared.overrides if declared.kind == "override" else {}
    overrides = {name: value for name, value in kept.items() if name != "timeout"}
    overrides.setdefault("model", f"fallback {place}")
    clocks = _scaled(declared.clocks, scale)
    return target(on=declared.on, can=declared.can, upstream=upstream, clocks=clocks, **overrides)


def _call(guard: Guard[Any], server: FaultServer, run: Run, way: Way, patience_s: float) -> None:
    params = {"model": PRIMARY, "messages": HELLO, **server.fault.params}
    if way in ("sync", "sync stream"):
        _call_sync(guard, server, run, params, patience_s, streams=way == "sync stream")
    else:
        asyncio.run(_call_async(guard, server, run, params, patience_s, streams=way == "async stream"))


def _call_sync(
    guard: Guard[Any],
    server: FaultServer,
    run: Run,
    params: dict[str, Any],
    patience_s: float,
    *,
    streams: bool,
) -> None:
    from openai import OpenAI

    with OpenAI(base_url=server.base_url, api_key="test") as bare, guard.wrap(bare) as client:
        create: Any = client.chat.completions.create
        if server.fault.warm:
            create(model=PRIMARY, messages=HELLO)
        run.begin()
        try:
            reply = create(**params, stream=streams)
            for chunk in reply if streams else ():
                _add_chunk(run, chunk)
            if not streams:
                _add_reply(run, reply)
        except Exception as error:
            run.error = error
        run.end()
        run.left += still_asked(server, patience_s)
        if server.is_up:
            client.models.list()
        run.left += kept_open(server, patience_s)


async def _call_async(
    guard: Guard[Any],
    server: FaultServer,
    run: Run,
    params: dict[str, Any],
    patience_s: float,
    *,
    streams: bool,
) -> None:
    from openai import AsyncOpenAI

    async with AsyncOpenAI(base_url=server.base_url, api_key="test") as client:
        create: Any = guard.wrap(client).chat.completions.create
        if server.fault.warm:
            await create(model=PRIMARY, messages=HELLO)
        run.begin()
        try:
            reply = await create(**params, stream=streams)
            if streams:
                async for chunk in reply:
                    _add_chunk(run, chunk)
            else:
                _add_reply(run, reply)
        except Exception as error:
            run.error = error
        run.end()
        run.left += [f"the task {task.get_name()!r}" for task in await _other_tasks(patience_s)]
        run.left += await asyncio.to_thread(still_asked, server, patience_s)
        if server.is_up:
            await client.models.list()
        run.left += await asyncio.to_thread(kept_open, server, patience_s)


def still_asked(server: FaultServer, patience_s: float) -> list[str]:
    """What the server is still at after the call."""
    return [] if server.wait_answered(patience_s) else ["a request open"]


def kept_open(server: FaultServer, patience_s: float) -> list[str]:
    """What the client has open after one more request, beside the connection that this one came over.

    A connection that its pool has given out and nobody reads is never used again, so the request has one of
    its own.
    """
    return [] if server.wait_open(1, patience_s) else ["a connection that it does not use again"]


async def _other_tasks(patience_s: float) -> set[asyncio.Task[Any]]:
    """The tasks beside this one that have not ended after a moment."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    return (await asyncio.wait(others, timeout=patience_s))[1] if others else set()


def _add_reply(run: Run, reply: Any) -> None:
    for choice in reply.choices:
        run.texts[choice.index] = choice.message.content or ""
        for call in choice.message.tool_calls or ():
            run.add_call(choice.index, None, call.function.name, call.function.arguments)


def _add_chunk(run: Run, chunk: Any) -> None:
    for choice in chunk.choices:
        run.texts[choice.index] = run.texts.get(choice.index, "") + (choice.delta.content or "")
        for call in choice.delta.tool_calls or ():
            function = call.function
            if function is not None:
                run.add_call(choice.index, call.index, function.name, function.arguments)
