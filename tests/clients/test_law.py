"""The law of streams, from end to end: a wrapped client, real HTTP, and bodies cut anywhere.

However a reply comes, whole or in chunks of whatever size, under a synchronous or an asynchronous client,
what is released of it, its calls and its verdict are the same; and nothing that was released is taken back.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel, Field

from guardrails_lite import Finding, Guard, GuardrailsError, Retry, block, reask, redact, validator, warn
from guardrails_lite.testing import HttpReply, LoopbackServer, chunks, completion, tool_call
from guardrails_lite.testing._responses import response_events, response_of

Api = Literal["chat", "responses"]
SECRET = re.compile(r"sk-[0-9]{4}")


@validator(window=7)
def keys(text: str) -> Iterator[Finding]:
    """Keys of seven characters."""
    for match in SECRET.finditer(text):
        yield Finding("holds a key", span=match.span(), category="KEY")


@validator(window=3)
def shouts(text: str) -> Iterator[Finding]:
    """Three exclamation marks."""
    for match in re.finditer("!!!", text):
        yield Finding("shouts", span=match.span())


class Line(BaseModel):
    """One line of an order."""

    sku: str
    qty: int = Field(ge=0)


class Order(BaseModel):
    """What a structured answer must be."""

    customer: str
    lines: list[Line]


def add(a: int, note: str = "") -> int:
    """Add *a*."""
    return a


def find(text: str) -> str:
    """Find *text*."""
    return text


ONCE = Retry(attempts=1, reasks=1, wait=0)
UNASKED = Retry(attempts=1, reasks=0, wait=0)
"""What stands before a refused call was shown: as a stream cannot ask again, the whole may not either."""
GUARDS: Mapping[str, Mapping[str, Any]] = {
    "redact": {"output": [redact(keys)]},
    "redact, then block": {"output": [redact(keys), block(shouts)]},
    "block, then redact": {"output": [block(shouts), redact(keys)]},
    "warn": {"output": [warn(keys), warn(shouts)]},
    "reask": {"retry": ONCE, "output": [redact(keys), reask(shouts)]},
    "tools": {"tools": [add, find], "output": [redact(keys)]},
    "tools, each": {"tools": [add, find], "tool_calls": "each", "output": [block(shouts)]},
    "schema": {"retry": ONCE, "schema": Order, "output": [redact(keys)]},
    "schema and tools": {"retry": ONCE, "schema": Order, "tools": [add, find]},
    "none": {},
}
REDACTING = ("redact", "redact, then block", "block, then redact", "reask", "tools", "schema")


# --- replies, and how they are cut ---

PIECES = ("sk-1234", "sk-", "12", "!!!", "!", "é", "\U0001f469‍\U0001f52c", " ", "\n", " ", "plain", '"')
texts = st.lists(st.sampled_from(PIECES), max_size=5).map("".join)
orders = st.builds(
    lambda name, qty, more: json.dumps(
        {"customer": name, "lines": [{"sku": name, "qty": each} for each in qty]} | more, ensure_ascii=False
    ),
    texts,
    st.lists(st.integers(-1, 3), max_size=3),
    st.sampled_from([{}, {}, {}, {"more": 1}]),
)
calls = st.one_of(
    st.builds(lambda a, note: tool_call("add", {"a": a, "note": note}), st.integers(0, 9), texts),
    st.builds(lambda text: tool_call("find", {"text": text}), texts),
    st.sampled_from(
        [
            tool_call("add", {"a": "one"}),
            tool_call("add", '{"a": 1'),
            tool_call("fnd", {"text": "x"}),
            tool_call("find", {"text": "x", "more": 1}),
        ]
    ),
)
ENDS = ("auto", "auto", "auto", "length", "content_filter")


class Cut(NamedTuple):
    """How a reply is cut into chunks, how those of its parts take turns, and how its bytes are cut."""

    sizes: tuple[int, ...] = (1000,)
    turns: tuple[int, ...] = ()
    split: int | None = None


cuts = st.builds(
    Cut,
    st.lists(st.integers(1, 9), min_size=1, max_size=6).map(tuple) | st.just((1,)),
    st.lists(st.integers(0, 3), max_size=12).map(tuple),
    st.sampled_from([None, 29, 101]),
)


def in_turns(rows: Sequence[list[Any]], turns: Sequence[int]) -> Iterator[Any]:
    """The items of several rows, each in its order; a row begins after those before it have begun."""
    left = [list(row) for row in rows if row]
    begun, nth = 0, 0
    while left:
        turn = turns[nth % len(turns)] if turns else 0
        at = min(turn, begun, len(left) - 1)
        yield left[at].pop(0)
        begun, nth = max(begun, at + 1), nth + 1
        if not left[at]:
            del left[at]
            begun -= 1


def chat_frames(reply: Mapping[str, Any], cut: Cut) -> list[Any]:
    """The chunks of a chat completion, those of text and of each call taking turns."""
    first, *middle, last = chunks(reply, size=cut.sizes, usage=False)
    rows: dict[object, list[Any]] = {}
    for frame in middle:
        deltas = frame["choices"][0]["delta"].get("tool_calls")
        rows.setdefault(deltas[0]["index"] if deltas else None, []).append(frame)
    return [first, *in_turns(list(rows.values()), cut.turns), last]


def events(reply: Mapping[str, Any], cut: Cut) -> list[Any]:
    """The events of a response, those of its items taking turns."""
    told = response_events(response_of(reply), size=cut.sizes)
    opening = [event for event in told if event["type"] in ("response.created", "response.in_progress")]
    rows: dict[int, list[Any]] = {}
    for event in told:
        if "output_index" in event:
            rows.setdefault(event["output_index"], []).append(event)
    middle = list(in_turns(list(rows.values()), cut.turns))
    numbered = [*opening, *middle, *told[len(opening) + len(middle) :]]
    return [{**event, "sequence_number": nth} for nth, event in enumerate(numbered)]


# --- what a caller gets ---


class Seen(NamedTuple):
    """What a caller got: the text and the calls, how it ended, and what the record says."""

    text: str
    calls: tuple[tuple[str, str, str], ...]
    finish: str | None
    outcome: str
    checks: tuple[Any, ...]
    requests: int
    error: type[BaseException] | None = None


@dataclass
class Place:
    """A server, and a client of each kind for each guard."""

    server: LoopbackServer
    runner: asyncio.Runner
    clients: Mapping[str, OpenAI] = field(default_factory=dict)
    aclients: Mapping[str, AsyncOpenAI] = field(default_factory=dict)
    records: list[Any] = field(default_factory=list)
    script: list[Any] = field(default_factory=list)

    def seen(self, got: Sequence[Any], api: Api, began: int, error: GuardrailsError | None) -> Seen:
        """What *got*, chunks or a whole reply, comes to."""
        (record,) = self.records
        text, told, finish = (of_chat if api == "chat" else of_events)(got)
        return Seen(
            text,
            told,
            finish,
            record.outcome,
            tuple((check.rule, check.result, len(check.findings)) for check in record.checks),
            self.server.request_count - began,
            type(error) if error else None,
        )

    def ask(self, api: Api, name: str, lines: Sequence[Any], *, stream: bool) -> Seen:
        """Ask the synchronous client."""
        client, began, got = self.clients[name], self._begin(lines), []
        failed: GuardrailsError | None = None
        try:
            if stream:
                got = []
                for each in _create(client, api, stream=True):
                    got.append(each)  # what came before an error is kept
            else:
                got = [_create(client, api)]
        except GuardrailsError as error:
            failed = error
        return self.seen(got, api, began, failed)

    def aask(self, api: Api, name: str, lines: Sequence[Any]) -> Seen:
        """Ask the asynchronous client for a stream."""
        client, began, got = self.aclients[name], self._begin(lines), []
        failed: GuardrailsError | None = None

        async def ask() -> None:
            async for each in await _create(client, api, stream=True):
                got.append(each)  # noqa: PERF401  # what came before an error is kept

        try:
            self.runner.run(ask())
        except GuardrailsError as error:
            failed = error
        return self.seen(got, api, began, failed)

    def _begin(self, lines: Sequence[Any]) -> int:
        self.records.clear()
        self.script[:] = lines
        return self.server.request_count


def _create(client: Any, api: Api, **more: Any) -> Any:
    if api == "chat":
        return client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], **more)
    return client.responses.create(model="m", input="hi", **more)


def of_chat(got: Sequence[Any]) -> tuple[str, tuple[tuple[str, str, str], ...], str | None]:
    """Text, calls and finish reason of a completion, or of chunks as a client would join them."""
    text, finish = "", None
    told: dict[int, list[str]] = {}
    for each in got:
        for choice in each.choices:
            message = choice.message if hasattr(choice, "message") else choice.delta
            assert finish is None, "something came after the end"
            text += message.content or ""
            finish = choice.finish_reason
            for nth, call in enumerate(message.tool_calls or ()):
                held = told.setdefault(getattr(call, "index", nth), ["", "", ""])
                held[0] += call.id or ""
                held[1] += call.function.name or ""
                held[2] += call.function.arguments or ""
    return text, tuple((a, b, c) for _, (a, b, c) in sorted(told.items())), finish


def of_events(got: Sequence[Any]) -> tuple[str, tuple[tuple[str, str, str], ...], str | None]:
    """Text, calls and status of a response, or of its events, in each of the ways in which they tell it."""
    if len(got) == 1 and getattr(got[0], "object", None) == "response":
        return of_response(got[0])
    assert [event.sequence_number for event in got] == list(range(len(got)))
    text = "".join(event.delta for event in got if event.type == "response.output_text.delta")
    args: dict[int, str] = {}
    told = []
    for event in got:
        if event.type == "response.function_call_arguments.delta":
            args[event.output_index] = args.get(event.output_index, "") + event.delta
        elif event.type == "response.output_item.done" and event.item.type == "function_call":
            told.append((event.item.call_id, event.item.name, event.item.arguments))
            assert args[event.output_index] == event.item.arguments
    if not got or got[-1].type not in ("response.completed", "response.incomplete"):
        return text, tuple(told), None
    last = of_response(got[-1].response)
    assert last[:2] == (text, tuple(told)), "the last event tells another story"
    return last


def of_response(response: Any) -> tuple[str, tuple[tuple[str, str, str], ...], str | None]:
    """Text, calls and status of a whole response."""
    return (
        response.output_text,
        tuple((i.call_id, i.name, i.arguments) for i in response.output if i.type == "function_call"),
        response.status,
    )


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """One server, one loop, and the clients, for the whole module."""
    with ExitStack() as stack:
        script: list[Any] = []
        server = stack.enter_context(LoopbackServer(then=lambda request: script.pop(0)))
        runner = stack.enter_context(asyncio.Runner())
        made = Place(server, runner, script=script)
        bare = stack.enter_context(OpenAI(api_key="k", base_url=server.base_url))
        abare = AsyncOpenAI(api_key="k", base_url=server.base_url)
        guards = {
            name: Guard(**{"retry": UNASKED, "log": [made.records.append], **settings})
            for name, settings in GUARDS.items()
        }
        made.clients = {name: stack.enter_context(guard.wrap(bare)) for name, guard in guards.items()}
        made.aclients = {name: guard.wrap(abare) for name, guard in guards.items()}
        yield made

        async def close() -> None:
            for client in (*made.aclients.values(), abare):
                await client.close()

        runner.run(close())


# --- the law ---

SECOND = {
    True: completion('{"customer": "B", "lines": []}'),
    False: completion("Another."),
}


def holds(place: Place, api: Api, name: str, reply: Mapping[str, Any], cut: Cut) -> None:
    """Whole, streamed, streamed asynchronously: one text, the same calls, one verdict."""
    second = SECOND["schema" in GUARDS[name]]
    frames = (chat_frames if api == "chat" else events)(reply, cut)
    streamed = HttpReply(frames, split=cut.split)
    whole = place.ask(api, name, [reply, second], stream=False)
    at_once = place.ask(api, name, [HttpReply(reply, size=1000), HttpReply(second)], stream=True)
    synchronous = place.ask(api, name, [streamed, HttpReply(second)], stream=True)
    asynchronous = place.aask(api, name, [streamed, HttpReply(second)])

    assert synchronous == asynchronous
    if whole.error is None:
        assert synchronous == whole
        return
    parts = up_to_its_faults(reply)
    first_faults = [whole, *(place.ask(api, name, [part, second], stream=False) for part in parts)]
    assert synchronous.outcome in {each.outcome for each in first_faults}
    if synchronous.error is None:
        assert synchronous in first_faults
        return
    assert not synchronous.calls
    said = reply["choices"][0]["message"]["content"] or ""
    if told_apart(reply):  # parts that take turns come to the first fault with more or less of the text
        assert at_once.text.startswith(synchronous.text)
    else:
        assert synchronous.text == at_once.text
    if name in REDACTING:
        assert SECRET.sub("[KEY]", said).startswith(synchronous.text)


def up_to_its_faults(reply: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A reply as far as a stream may be read: it ends at the first of several faults.

    That the reply was cut or filtered is told last, and its calls may come after a text that is stopped.
    """
    (choice,) = reply["choices"]
    message = choice["message"]
    calls = message.get("tool_calls")
    yield {**reply, "choices": [{**choice, "finish_reason": "tool_calls" if calls else "stop"}]}
    if calls and message["content"]:
        text = {name: value for name, value in message.items() if name != "tool_calls"}
        yield {**reply, "choices": [{**choice, "message": text, "finish_reason": "stop"}]}


def told_apart(reply: Mapping[str, Any]) -> bool:
    """Whether a reply has parts that can take turns: calls beside a text."""
    return bool(reply["choices"][0]["message"].get("tool_calls"))


replies = st.builds(
    lambda text, told, end: completion(
        text, tool_calls=[{**call, "id": f"c{nth}"} for nth, call in enumerate(told)], finish_reason=end
    ),
    st.none() | texts | orders,
    st.lists(calls, max_size=3),
    st.sampled_from(ENDS),
)
quick = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
)


@pytest.mark.parametrize("api", ["chat", "responses"])
@quick
@given(name=st.sampled_from(list(GUARDS)), reply=replies, cut=cuts)
def test_a_reply_is_the_same_however_it_comes(
    place: Place, api: Api, name: str, reply: dict[str, Any], cut: Cut
) -> None:
    """Released text, calls and verdict are those of the unstreamed reply."""
    holds(place, api, name, reply, cut)
