"""Broken replies against one guard: does any of them get through, and which check caught each?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from guardrails_lite._errors import GuardrailsError
from guardrails_lite.testing._server import LoopbackServer
from guardrails_lite.testing._shapes import JsonDict, completion, tool_call
from guardrails_lite.testing.faults._trial import WAYS, Way
from guardrails_lite.testing.kit._broken import BrokenReply, GoodCall, broken_replies, good_call, good_value
from guardrails_lite.testing.kit._examples import MARK

if TYPE_CHECKING:
    from guardrails_lite._guard import Guard
    from guardrails_lite._record import Record

HELLO = ({"role": "user", "content": "Hello."},)


@dataclass(frozen=True, slots=True)
class Caught:
    """What became of one broken reply."""

    reply: BrokenReply
    way: Way
    by: str
    """The check that caught it, as the record names it; ``mended``; or ``nothing``."""
    outcome: str
    """How the call ended."""
    faults: tuple[str, ...]
    """Everything that was wrong; empty: it was caught."""

    @property
    def ok(self) -> bool:
        """Whether nothing broken reached the application."""
        return not self.faults

    def __str__(self) -> str:
        return f"{self.reply.name} ({self.way}): {'; '.join(self.faults) or f'caught by {self.by}'}"


@dataclass(frozen=True, slots=True)
class KitReport:
    """What became of every broken reply."""

    caught: tuple[Caught, ...]

    @property
    def failed(self) -> tuple[Caught, ...]:
        """What got through, or came out as an error of somebody else's."""
        return tuple(each for each in self.caught if not each.ok)

    @property
    def shapes(self) -> int:
        """How many different broken replies were tried."""
        return len({each.reply.name for each in self.caught})

    def __str__(self) -> str:
        rows = ["| broken reply | way | caught by | outcome |", "|---|---|---|---|"]
        for each in self.caught:
            by = each.by if each.ok else f"**{'; '.join(each.faults)}**"
            rows.append(f"| {each.reply.name} | {each.way} | {by} | {each.outcome} |")
        return "\n".join(rows)


def failure_kit(
    guard: Guard[Any],
    *,
    ways: Iterable[Way] = WAYS,
    example: Any = None,
    arguments: Mapping[str, Mapping[str, Any]] | None = None,
) -> KitReport:
    """Send broken replies, made for the guard's own schema and tools, through the guard.

    It is wrapped around the real OpenAI client, on a server of its own. After the broken reply comes a good
    one, so that a re-ask or a retry can succeed. Tools are never run and nobody is asked for approval; the
    guard's fallbacks and logs are left out.

    Args:
        guard: The guard to try.
        ways: Only these ways of calling.
        example: A value that fits the guard's schema, as plain JSON. Default: made from the schema.
        arguments: By tool, arguments that fit. Default: made from the tool's own schema.

    Raises:
        ValueError: no valid example could be made, or the guard refuses it.
    """
    tried = _settings(guard)
    schema, tools = tried["schema"], tried["tools"]
    call = good_call(tools, arguments)
    good = _good(schema, example, call)
    broken = broken_replies(schema=schema, tools=tools, example=example, arguments=arguments)
    caught: list[Caught] = []
    for way in ways:
        with _Bench(tried, way, good) as bench:
            expected = bench.attempt(good)
            if expected.error is not None:
                raise ValueError(
                    f"the guard refuses the good reply ({type(expected.error).__name__}); "
                    "pass one that it takes: example=... or arguments=..."
                ) from expected.error
            for reply in broken:
                if reply.frames is None or bench.streams:
                    got = bench.attempt(reply.chunks() if bench.streams else reply.reply)
                    caught.append(_judged(reply, way, got, expected, call))
    return KitReport(tuple(caught))


def _settings(guard: Guard[Any]) -> dict[str, Any]:
    """What the guard that is tried is made of: nobody is asked, nothing waits, any order of calls goes."""
    from guardrails_lite._tools import Toolbox

    settings = dict(guard._settings)
    tools = Toolbox.of(settings["tools"]).tools if settings["tools"] else ()
    settings["tools"] = [replace(tool, approve=None, only_after=(), max_calls=None) for tool in tools]
    settings["retry"] = replace(guard._plan.retry, wait=0.0)
    settings["fallback"] = ()
    return settings


def _good(schema: object, example: Any, call: GoodCall | None) -> JsonDict:
    if schema is not None:
        return completion(json.dumps(good_value(schema, example)[0]))
    return completion("All is well.") if call is None else completion(tool_calls=[tool_call(*call[:2])])


@dataclass(slots=True)
class _Got:
    """What the application got of one guarded call, and what the record says."""

    records: list[Record]
    value: Any = None
    calls: dict[int, list[str]] = field(default_factory=dict)
    text: str = ""
    error: BaseException | None = None

    def add(self, choices: Any, key: str) -> None:
        for choice in choices or ():
            part = getattr(choice, key)
            self.text += part.content or ""
            for nth, call in enumerate(part.tool_calls or ()):
                at = self.calls.setdefault(getattr(call, "index", nth), ["", ""])
                at[0] = call.function.name or at[0]
                at[1] += call.function.arguments or ""

    @property
    def parsed_calls(self) -> list[tuple[str, Any]]:
        return [(name, json.loads(arguments or "null")) for name, arguments in self.calls.values()]


class _Bench:
    """A server and a client, for many guarded calls in one way."""

    def __init__(self, settings: Mapping[str, Any], way: Way, good: JsonDict) -> None:
        self.streams = "stream" in way
        self._settings = settings
        self._is_async = "async" in way
        self._good = good
        self._answers: list[Any] = []
        self._server = LoopbackServer(then=lambda _: self._answers.pop() if self._answers else self._good)
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        from openai import AsyncOpenAI, OpenAI

        self._server.__enter__()
        kind = AsyncOpenAI if self._is_async else OpenAI
        self._client: Any = kind(base_url=self._server.base_url, api_key="test")
        return self

    def __exit__(self, *exc: object) -> None:
        closing = self._client.close()
        if self._is_async:
            self._runner.run(closing)
        self._runner.close()
        self._server.__exit__(None, None, None)

    def attempt(self, answer: Any) -> _Got:
        """Make one guarded call that is answered with *answer*, and with the good reply from then on."""
        from guardrails_lite._guard import Guard

        got = _Got([])
        self._answers = [answer]
        guard = Guard(**{**self._settings, "log": got.records.append})
        create = guard.wrap(self._client).chat.completions.create
        try:
            if self._is_async:
                self._runner.run(self._acall(create, got))
            else:
                self._call(create, got)
        except Exception as error:
            got.error = error
        return got

    def _call(self, create: Any, got: _Got) -> None:
        reply = create(model="m", messages=HELLO, stream=self.streams)
        for chunk in reply if self.streams else ():
            got.add(chunk.choices, "delta")
        self._finish(reply, got)

    async def _acall(self, create: Any, got: _Got) -> None:
        reply = await create(model="m", messages=HELLO, stream=self.streams)
        if self.streams:
            async for chunk in reply:
                got.add(chunk.choices, "delta")
        self._finish(reply, got)

    def _finish(self, reply: Any, got: _Got) -> None:
        if self.streams:
            got.value = reply.outcome.value
        else:
            got.add(reply.choices, "message")
            got.value = getattr(reply.choices[0].message, "parsed", None)


def _judged(reply: BrokenReply, way: Way, got: _Got, good: _Got, call: GoodCall | None) -> Caught:
    faults = []
    record = got.records[-1] if got.records else None
    if len(got.records) != 1:
        faults.append(f"{len(got.records)} records instead of 1")
    if got.error is None:
        by_itself = record is not None and any(step.verdict != "passed" for step in record.tools)
        if record is not None and len(record.attempts) == 1 and not reply.mends and not by_itself:
            faults.append("accepted in silence")
        elif not _says_the_same(got, good, call):
            faults.append("what arrived is not the good reply")
    elif not isinstance(got.error, GuardrailsError):
        faults.append(f"{type(got.error).__name__}, which is no error of ours")
    said = f"{got.error} {record!r} {record.to_dict() if record else ''}"
    if any(word in said for word in (MARK, "undeclared_by_kit", "nothing_like_it_by_kit")):
        faults.append("a value of the reply is in the error or in the record")
    by = "nothing" if record is None else _by(record)
    return Caught(reply, way, by, "unknown" if record is None else record.outcome, tuple(faults))


def _says_the_same(got: _Got, good: _Got, call: GoodCall | None) -> bool:
    """The same value or text, or the good call, of which only optional arguments may be missing."""
    if not got.calls:
        return got.value == good.value and (good.value is not None or got.text == good.text)
    if call is None or len(got.calls) != 1:
        return False
    (name, given), (wanted, arguments, _) = got.parsed_calls[0], call
    return name == wanted and isinstance(given, dict) and given.items() <= arguments.items()


def _by(record: Record) -> str:
    for step in record.tools:
        if step.verdict != "passed":
            return f"tool check: {step.verdict}"
    if record.attempts and record.attempts[0].result != "answered":
        return f"integrity: {record.attempts[0].result}"
    for check in record.checks:
        if check.result == "found":
            return check.rule
    for note in record.notes:
        if note.what == "re-ask":
            return f"re-ask: {note.detail}"
    if any(note.what == "repair" for note in record.notes) or any(step.repaired for step in record.tools):
        return "mended"
    return record.outcome if record.outcome != "passed" else "nothing"
