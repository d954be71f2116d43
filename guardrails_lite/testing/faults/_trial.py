"""One guarded call against one fault: what came back, what the server saw, what the record says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from guardrails_lite._errors import GuardrailsError
from guardrails_lite.testing.faults._fault import BROKEN, FAILED, TEXT, Fault, Variant
from guardrails_lite.testing.faults._server import PRIMARY, FaultServer

if TYPE_CHECKING:
    from guardrails_lite._guard import Guard
    from guardrails_lite._record import Record
    from guardrails_lite._targets import Target
    from guardrails_lite.reliability import Clocks

Way = Literal["sync", "async", "sync stream", "async stream"]
WAYS: tuple[Way, ...] = ("sync", "async", "sync stream", "async stream")

HELLO = ({"role": "user", "content": "How are things?"},)
PARIS = [("get_weather", '{"city": "Paris"}')]
LONDON = [("get_weather", '{"city": "London"}')]


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


@dataclass(slots=True)
class _Got:
    """What the caller of the guard got."""

    texts: dict[int, str]
    calls: dict[int, list[list[str]]]
    error: BaseException | None = None
    duration_s: float = 0.0

    def add_call(self, choice: int, index: int | None, name: str | None, arguments: str | None) -> None:
        calls = self.calls.setdefault(choice, [])
        at = len(calls) if index is None else index
        while len(calls) <= at:
            calls.append(["", ""])
        calls[at][0] = name or calls[at][0]
        calls[at][1] += arguments or ""


def attempt(
    guard: Guard[Any], fault: Fault, variant: Variant, way: Way, *, deadline_s: float, slack_s: float
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
    """
    records: list[Record] = []
    deadline_s += 2.5 * fault.waits_s
    tried = _tried(guard, deadline_s, records)
    with FaultServer(fault, variant.name) as server:
        got = _call(tried, server, way)
        idle = server.wait_idle(10.0)
    if fault.warm:
        del records[:1]
    resumed = any(note.what == "resume" for record in records for note in record.notes)
    if resumed:  # what was shown of the struck answer has its end
        variant = replace(
            variant, says=BROKEN, expected=(*(variant.expected or fault.expected), "RETRY", "FALL")
        )
    word = _word(got, server, records, variant, resumed=resumed)
    faults = list(_faults(got, server, records, variant, word, slack_s))
    if got.duration_s > deadline_s + slack_s:
        faults.append(f"took {got.duration_s:.2f} s with a deadline of {deadline_s:g} s")
    if not idle:
        faults.append("left a connection open")
    return Observation(
        fault,
        variant.name,
        way,
        word,
        variant.expected or fault.expected,
        tuple(faults),
        len(_arrivals(server)),
        got.duration_s,
        None if got.error is None else type(got.error).__name__,
    )


def _tried(guard: Guard[Any], deadline_s: float, records: list[Record]) -> Guard[Any]:
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
        "log": records.append,
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


def _call(guard: Guard[Any], server: FaultServer, way: Way) -> _Got:
    got = _Got({}, {})
    params = {"model": PRIMARY, "messages": HELLO, **server.fault.params}
    if way in ("sync", "sync stream"):
        _call_sync(guard, server, got, params, streams=way == "sync stream")
    else:
        asyncio.run(_call_async(guard, server, got, params, streams=way == "async stream"))
    return got


def _call_sync(
    guard: Guard[Any], server: FaultServer, got: _Got, params: dict[str, Any], *, streams: bool
) -> None:
    from openai import OpenAI

    with OpenAI(base_url=server.base_url, api_key="test") as bare, guard.wrap(bare) as client:
        create: Any = client.chat.completions.create
        if server.fault.warm:
            create(model=PRIMARY, messages=HELLO)
        started = time.monotonic()
        try:
            reply = create(**params, stream=streams)
            for chunk in reply if streams else ():
                _add_chunk(got, chunk)
            if not streams:
                _add_reply(got, reply)
        except Exception as error:
            got.error = error
        got.duration_s = time.monotonic() - started


async def _call_async(
    guard: Guard[Any], server: FaultServer, got: _Got, params: dict[str, Any], *, streams: bool
) -> None:
    from openai import AsyncOpenAI

    async with AsyncOpenAI(base_url=server.base_url, api_key="test") as client:
        create: Any = guard.wrap(client).chat.completions.create
        if server.fault.warm:
            await create(model=PRIMARY, messages=HELLO)
        started = time.monotonic()
        try:
            reply = await create(**params, stream=streams)
            if streams:
                async for chunk in reply:
                    _add_chunk(got, chunk)
            else:
                _add_reply(got, reply)
        except Exception as error:
            got.error = error
        got.duration_s = time.monotonic() - started


def _add_reply(got: _Got, reply: Any) -> None:
    for choice in reply.choices:
        got.texts[choice.index] = choice.message.content or ""
        for call in choice.message.tool_calls or ():
            got.add_call(choice.index, None, call.function.name, call.function.arguments)


def _add_chunk(got: _Got, chunk: Any) -> None:
    for choice in chunk.choices:
        got.texts[choice.index] = got.texts.get(choice.index, "") + (choice.delta.content or "")
        for call in choice.delta.tool_calls or ():
            function = call.function
            if function is not None:
                got.add_call(choice.index, call.index, function.name, function.arguments)


def _arrivals(server: FaultServer) -> list[tuple[float, str]]:
    return server.arrivals[1:] if server.fault.warm else server.arrivals


def _word(got: _Got, server: FaultServer, records: list[Record], variant: Variant, *, resumed: bool) -> str:
    if got.error is not None:
        if isinstance(got.error, GuardrailsError):
            return f"FAIL {got.error.outcome}"
        return f"CRASH {type(got.error).__name__}"
    outcome = records[-1].outcome if records else ""
    models = [model for _, model in _arrivals(server)]
    if outcome == "fell back" or any(model != PRIMARY for model in models):
        word = "FALL"
    elif (records and any(note.what == "re-ask" for note in records[-1].notes)) or outcome == "re-asked":
        word = "REASK"
    else:
        tries = max(len(models), len(records[-1].attempts) if records else 0)
        word = "RETRY" if tries > 1 else "DELIVER"
    says = variant.says if word == "DELIVER" or resumed else TEXT
    return word if _is_what_was_sent(got, word, says, server.fault) else "LEAK"


def _is_what_was_sent(got: _Got, word: str, says: str, fault: Fault) -> bool:
    """Whether the caller got the whole of one answer that may be delivered, and nothing else."""
    calls = [
        call for choice in got.calls.values() for name, arguments in choice if (call := (name, arguments))[0]
    ]
    if calls:
        return (
            bool(fault.params.get("tools"))
            and word in ("DELIVER", "REASK")
            and calls in (PARIS, PARIS + LONDON)
        )
    count = fault.params.get("n", 1)
    fixed = word == "FALL" and bool(got.texts)
    return fixed or list(got.texts.values()) == [says] * count


def _faults(
    got: _Got, server: FaultServer, records: list[Record], variant: Variant, word: str, slack_s: float
) -> Iterable[str]:
    fault = server.fault
    expected = variant.expected or fault.expected
    shown = any(got.texts.values())
    if "RETRY" in expected and shown and got.error is not None:
        expected = (*expected, FAILED)  # nothing is sent again once text has been shown
    if word not in expected:
        yield f"{word} instead of {' or '.join(expected)}"
    if got.error is not None and any(text and not _may_show(text, variant) for text in got.texts.values()):
        yield "showed text that no single answer begins with"
    if len(records) != 1:
        yield f"{len(records)} records instead of 1"
    elif server.place == "answer" and fault.id != "H22":
        arrived = len(_arrivals(server))
        sent = [
            step
            for step in records[0].attempts
            if step.target != "fixed answer" and step.result != "turned away"
        ]
        # One that ran out of time may have been given up before the server had read it.
        unread = sum(step.result == "timeout" for step in sent)
        if not len(sent) - unread <= arrived <= len(sent):
            yield f"{len(sent)} attempts on record, {arrived} requests at the server"
    arrivals = _arrivals(server)
    if fault.waits_s and len(arrivals) > 1:
        waited = arrivals[1][0] - arrivals[0][0]
        if waited < fault.waits_s:
            yield f"waited {waited:.3f} s of {fault.waits_s:g} s"
    if fault.within_s is not None and got.duration_s > fault.within_s + slack_s:
        yield f"took {got.duration_s:.2f} s, allowed {fault.within_s:g} s"


def _may_show(text: str, variant: Variant) -> bool:
    return any(whole.startswith(text) for whole in (TEXT, BROKEN, variant.says)) or text.startswith(
        BROKEN[:4]
    )
