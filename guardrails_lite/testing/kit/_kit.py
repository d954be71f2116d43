"""Broken replies against one guard: does any of them get through, and which check caught each?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from guardrails_lite._errors import GuardrailsError, MissingPackage
from guardrails_lite.testing._shapes import JsonDict, completion, tool_call
from guardrails_lite.testing.faults._trial import WAYS, Way
from guardrails_lite.testing.kit._bench import Bench, Got
from guardrails_lite.testing.kit._broken import WELL, GoodCall, broken_replies, good_call, good_value
from guardrails_lite.testing.kit._examples import MARK
from guardrails_lite.testing.kit._reply import APIS, SMUGGLED, Api, BrokenReply

if TYPE_CHECKING:
    from guardrails_lite._guard import Guard
    from guardrails_lite._record import Record

_VALUES = (MARK, SMUGGLED, "undeclared_by_kit", "nothing_like_it_by_kit")
"""Words that a broken reply holds, and no error and no record may."""


@dataclass(frozen=True, slots=True)
class Caught:
    """What became of one broken reply."""

    reply: BrokenReply
    api: Api
    way: Way
    by: str
    """The check that caught it, as the record names it; ``mended``; ``harmless``, where the good reply is all
    that arrived; or ``nothing``."""
    outcome: str
    """How the call ended."""
    faults: tuple[str, ...]
    """Everything that was wrong; empty: it was caught."""

    @property
    def ok(self) -> bool:
        """Whether nothing broken reached the application."""
        return not self.faults

    def __str__(self) -> str:
        return (
            f"{self.reply.name} ({self.api}, {self.way}): {'; '.join(self.faults) or f'caught by {self.by}'}"
        )


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
        return len({(each.api, each.reply.name) for each in self.caught})

    def __str__(self) -> str:
        rows = ["| broken reply | api | way | caught by | outcome |", "|---|---|---|---|---|"]
        for each in self.caught:
            by = each.by if each.ok else f"**{'; '.join(each.faults)}**"
            rows.append(f"| {each.reply.name} | {each.api} | {each.way} | {by} | {each.outcome} |")
        return "\n".join(rows)


def failure_kit(
    guard: Guard[Any],
    *,
    apis: Iterable[Api] = APIS,
    ways: Iterable[Way] = WAYS,
    example: Any = None,
    arguments: Mapping[str, Mapping[str, Any]] | None = None,
) -> KitReport:
    """Send broken replies, made for the guard's own schema and tools, through the guard.

    It is wrapped around the real OpenAI client, on a server of its own; ``chat.completions.create`` and
    ``responses.create`` are called. After the broken reply comes a good one, so that a re-ask or a retry can
    succeed. Tools are never run and nobody is asked for approval; the guard's fallbacks and logs are left
    out.

    Args:
        guard: The guard to try.
        apis: Only replies of these APIs.
        ways: Only these ways of calling.
        example: A value that fits the guard's schema, as plain JSON. Default: made from the schema.
        arguments: By tool, arguments that fit. Default: made from the tool's own schema.

    Raises:
        MissingPackage: openai is not installed.
        ValueError: no valid example could be made, or the guard refuses it.
    """
    if find_spec("openai") is None:
        raise MissingPackage.needed_by("the failure kit", "openai", install="openai")
    tried = _settings(guard)
    schema, tools = tried["schema"], tried["tools"]
    call = good_call(tools, arguments)
    good = _good(schema, example, call)
    screens = bool(tried["output"]) and guard._plan.enforce
    caught: list[Caught] = []
    for api in apis:
        broken = broken_replies(api=api, schema=schema, tools=tools, example=example, arguments=arguments)
        for way in ways:
            with Bench(tried, api, way, good) as bench:
                expected = bench.attempt(good)
                if expected.error is not None:
                    raise ValueError(
                        f"the guard refuses the good reply ({type(expected.error).__name__}); "
                        "pass one that it takes: example=... or arguments=..."
                    ) from expected.error
                for reply in broken:
                    if reply.is_told(streamed=bench.streams):
                        got = bench.attempt(reply.chunks() if bench.streams else reply.reply)
                        faults = tuple(_faults(reply, got, expected, call, screens=screens))
                        caught.append(Caught(reply, api, way, *_by(reply, got), faults))
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
    return completion(WELL) if call is None else completion(tool_calls=[tool_call(*call[:2])])


def _faults(
    reply: BrokenReply, got: Got, good: Got, call: GoodCall | None, *, screens: bool
) -> Iterator[str]:
    record = got.records[-1] if got.records else None
    if len(got.records) != 1:
        yield f"{len(got.records)} records instead of 1"
    if got.error is None:
        by_itself = record is not None and any(step.verdict != "passed" for step in record.tools)
        if record is not None and len(record.attempts) == 1 and not reply.mends and not by_itself:
            yield "accepted in silence"
        elif not _says_the_same(got, good, call):
            yield "what arrived is not the good reply"
        if not got.told_twice:
            yield "the last event says something else than the events before it"
    elif not isinstance(got.error, GuardrailsError):
        yield f"{type(got.error).__name__}, which is not an error of this library"
    if any(SMUGGLED in seen for seen in got.seen) and (screens or not reply.mends):
        yield "text that is not part of the answer arrived unchecked"
    said = f"{got.written_error} {record!r} {record.to_dict() if record else ''}"
    if any(word in said for word in _VALUES):
        yield "a value of the reply is in the error or in the record"


def _says_the_same(got: Got, good: Got, call: GoodCall | None) -> bool:
    """The same value or text, or the good call, of which only optional arguments may be missing."""
    if not got.calls:
        return got.value == good.value and (good.value is not None or got.text == good.text)
    if call is None or len(got.calls) != 1:
        return False
    (name, given), (wanted, arguments, _) = got.parsed_calls[0], call
    return name == wanted and isinstance(given, dict) and given.items() <= arguments.items()


def _by(reply: BrokenReply, got: Got) -> tuple[str, str]:
    """Which check caught it, and how the call ended."""
    if not got.records:
        return "nothing", "unknown"
    record = got.records[-1]
    return _check(record) or ("harmless" if reply.mends else "nothing"), record.outcome


def _check(record: Record) -> str | None:
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
    return record.outcome if record.outcome != "passed" else None
