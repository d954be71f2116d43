"""The public API as a type checker sees it: checked, not run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, assert_type

from openai import AsyncOpenAI, OpenAI, Stream
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from guardrails_lite import (
    AuditLog,
    Blocked,
    Breaker,
    Budget,
    Call,
    Clocks,
    Decision,
    Finding,
    Guard,
    Hedge,
    Limits,
    Outcome,
    Partial,
    Record,
    Retry,
    Rule,
    SQLiteStore,
    Upstream,
    Validator,
    block,
    bound,
    fall_back,
    reask,
    redact,
    target,
    tool,
    validator,
    warn,
)
from guardrails_lite_validators import injection, pii, secrets

Message = dict[str, str]

# --- validators and rules ---


@validator
def shouts(text: str) -> Iterator[Finding]:
    if text.isupper():
        yield Finding("is written in capitals")


@validator(window=6, version="2")
def names_rivals(text: str) -> list[Finding]:
    return [Finding("names a competitor", span=(0, 4), category="COMPETITOR", score=0.9)]


@validator(blocking=True)
def is_known(text: str, call: Call) -> list[Finding]:
    return [] if call.model else [Finding("has no model")]


@validator
async def asks_elsewhere(text: str) -> list[Finding]:
    return []


assert_type(shouts, Validator)
assert_type(names_rivals, Validator)
assert_type(block(shouts, roles=["user", "tool"], on_error="open", timeout_s=0.1), Rule)
assert_type(names_rivals("Acme"), list[Finding])

# --- guards ---


@dataclass
class Invoice:
    customer: str
    note: Annotated[str, reask(names_rivals)] = ""


def refund(order: str, cents: int) -> str:
    return order


plain = Guard(
    name="support",
    input=[redact(pii()), block(injection(), share=0.05), warn(shouts, mode="monitor")],
    output=[redact(secrets()), reask(names_rivals), fall_back(is_known)],
    tools=[refund, tool(refund, approve="deny", max_calls=1)],
    retry=Retry(attempts=4, reasks=2),
    fallback=[target(model="gpt-5-mini"), target(OpenAI(), model="llama-3.3-70b"), target("Sorry.")],
    budget=Budget(deadline_s=20, tokens=50_000, cost_usd=0.10),
    upstream=Upstream(breaker=Breaker(slow_s=30), limits=Limits(rpm=500), store=SQLiteStore("state.db")),
    clocks=Clocks(connect_s=2, first_content_s=8, min_chars_per_s=4),
    hedge=Hedge(after_s=0.8, max_share=0.05),
    log=[AuditLog("audit"), print],
    mode="enforce",
    accept=["refused"],
)
typed = Guard(schema=Invoice)

assert_type(typed, Guard[Invoice])
assert_type(Guard(schema={"type": "object"}), Guard[Any])
assert_type(plain.digest, str)
assert_type(plain.check("text", side="output"), Decision)

# --- a stream yields the function's chunks, or with a schema the value in parts ---

for partial in typed.stream(print, "hi"):
    assert_type(partial, Partial[Invoice])
    assert_type(partial.value, Invoice | None)


async def follow() -> None:
    async for part in typed.astream(print, "hi"):
        assert_type(part, Partial[Invoice])


# --- decorating: without a schema the function keeps its type, with one it gives the value ---


@plain
def answer(messages: list[Message], model: str = "gpt-5") -> ChatCompletion:
    raise NotImplementedError


@plain
async def answer_later(messages: list[Message]) -> str:
    raise NotImplementedError


@plain
def answer_in_pieces(prompt: str) -> Iterator[str]:
    yield prompt


@plain
async def answer_in_pieces_later(prompt: str) -> AsyncIterator[str]:
    yield prompt


@typed
def extract(messages: list[Message], language: str) -> ChatCompletion:
    raise NotImplementedError


@typed
async def extract_later(messages: list[Message]) -> str:
    raise NotImplementedError


@typed
def extract_in_pieces(prompt: str) -> Iterator[str]:
    yield prompt


@typed
async def extract_in_pieces_later(prompt: str) -> AsyncGenerator[str, None]:
    yield prompt


@typed
def extract_a_stream(prompt: str) -> Stream[ChatCompletionChunk]:
    raise NotImplementedError


class Desk:
    @plain
    def answer(self, messages: list[Message]) -> str:
        raise NotImplementedError


@plain(prompt="question")
def ask(question: str, urgent: bool = False) -> str:
    return question


@typed(prompt="question")
def ask_for_invoice(question: str, number: int) -> str:
    return question


@typed(prompt="question")
async def ask_for_invoice_later(question: str, number: int) -> str:
    return question


@typed(prompt="question")
def ask_for_invoice_in_pieces(question: str, number: int) -> Iterator[str]:
    yield question


assert_type(answer([], model="gpt-5-mini"), ChatCompletion)
assert_type(answer_in_pieces("hello"), Iterator[str])
assert_type(extract([], language="de"), Invoice)
assert_type(extract_in_pieces("hello"), Iterator[Invoice])
assert_type(extract_a_stream("hello"), Invoice)
assert_type(Desk().answer([]), str)
assert_type(ask("hello", urgent=True), str)
assert_type(ask_for_invoice("hello", number=1), Invoice)
assert_type(ask_for_invoice_in_pieces("hello", number=1), Iterator[Invoice])
ask("hello", hurry=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
ask_for_invoice("hello", number="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def decorated_coroutines() -> None:
    assert_type(await answer_later([]), str)
    assert_type(await extract_later([]), Invoice)
    assert_type(await ask_for_invoice_later("hello", number=1), Invoice)
    async for piece in answer_in_pieces_later("hello"):
        assert_type(piece, str)
    async for extracted in extract_in_pieces_later("hello"):
        assert_type(extracted, Invoice)
    assert_type(await plain.acheck("text"), Decision)


# --- clients keep their type ---

client = plain.wrap(OpenAI())
assert_type(client, OpenAI)
assert_type(plain.wrap(AsyncOpenAI()), AsyncOpenAI)
assert_type(client.chat.completions.create(model="gpt-5", messages=[]), ChatCompletion)

# --- one call ---

outcome = typed.run(extract, [], model="gpt-5")
assert_type(outcome, Outcome[Invoice])
assert_type(outcome.value, Invoice)
assert_type(outcome.record, Record)
assert_type(plain.run(answer, [], model="gpt-5"), Outcome[ChatCompletion])
assert_type(plain.run(answer_in_pieces, "hi").value, Any)


async def one_call() -> None:
    assert_type(await typed.arun(extract_later, []), Outcome[Invoice])
    assert_type(await plain.arun(answer, []), Outcome[ChatCompletion])
    assert_type(await plain.arun(answer_later, []), Outcome[str])
    assert_type((await plain.arun(answer_in_pieces_later, "hi")).value, Any)
    assert_type(await Guard(schema={"type": "object"}).arun(answer_later, []), Outcome[Any])


try:
    with bound(tenant="acme", user="u-17"):
        answer([])
except Blocked as blocked:
    assert_type(blocked.findings, tuple[Finding, ...])
    assert_type(blocked.record_id, str | None)
