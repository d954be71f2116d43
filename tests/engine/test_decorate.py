"""`@guard` on functions of every kind: the same shape comes back."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from guardrails_lite import Blocked, ConfigError, Guard, Outcome, block, redact, target
from guardrails_lite.testing import chunks, completion
from tests.engine.conftest import text_of, word

GUARD = Guard(input=[redact(word("ada"))], output=[redact(word("secret", window=6))])
ASK = [{"role": "user", "content": "ada"}]


def test_a_def_returns_what_it_returned_checked() -> None:
    """A str comes back as a str, a dict as a dict."""

    @GUARD
    def text(messages: list[Any]) -> str:
        return f"secret of {messages[0]['content']}"

    @GUARD
    def whole(messages: list[Any]) -> dict[str, Any]:
        return completion("secret")

    assert text(ASK) == "[REDACTED] of [REDACTED]"
    assert whole(ASK)["choices"][0]["message"]["content"] == "[REDACTED]"


def test_an_async_def_stays_one() -> None:
    """The decorated function is still a coroutine function."""

    @GUARD
    async def text(prompt: str) -> str:
        return f"secret of {prompt}"

    assert inspect.iscoroutinefunction(text)
    assert asyncio.run(text("ada")) == "[REDACTED] of [REDACTED]"


def test_a_generator_stays_one() -> None:
    """Chunks come out as they are checked."""

    @GUARD
    def text(prompt: str) -> Iterator[str]:
        yield from (f"the sec", "ret of ", prompt)  # noqa: F541  # cut in the middle of the word

    assert inspect.isgeneratorfunction(text)
    assert "".join(text("ada")) == "the [REDACTED] of [REDACTED]"


def test_an_async_generator_stays_one() -> None:
    """Dict chunks come out as dict chunks."""

    @GUARD
    async def text(prompt: str) -> AsyncIterator[dict[str, Any]]:
        for chunk in chunks("the secret of it", size=3):
            yield chunk

    async def read() -> list[Any]:
        return [piece async for piece in text("ada")]

    assert inspect.isasyncgenfunction(text)
    pieces = asyncio.run(read())
    assert "".join(map(text_of, pieces)) == "the [REDACTED] of it"
    assert pieces[-1]["choices"][0]["finish_reason"] == "stop"


def test_a_def_that_returns_a_stream_gives_a_stream() -> None:
    """What the function returns lazily is checked lazily."""

    @GUARD
    def text(prompt: str) -> Iterator[str]:
        return iter(["the sec", "ret"])

    @GUARD
    async def atext(prompt: str) -> AsyncIterator[str]:
        async def pieces() -> AsyncIterator[str]:
            yield "the sec"
            yield "ret"

        return pieces()

    async def read() -> str:
        return "".join([piece async for piece in await atext("hi")])

    assert "".join(text("hi")) == "the [REDACTED]"
    assert asyncio.run(read()) == "the [REDACTED]"


def test_methods_can_be_decorated() -> None:
    """`self` is left alone."""

    class Desk:
        name = "desk"

        @GUARD
        def ask(self, messages: list[Any], *, model: str = "m") -> str:
            return f"{self.name} {messages[0]['content']} {model}"

        @staticmethod
        @GUARD
        def tell(prompt: str) -> str:
            return prompt

    assert Desk().ask(ASK, model="n") == "desk [REDACTED] n"
    assert Desk().ask(messages=ASK) == "desk [REDACTED] m"
    assert Desk.tell("ada") == "[REDACTED]"


def test_the_prompt_can_have_another_name() -> None:
    """`@guard(prompt=...)` names the parameter, wherever it stands."""

    @GUARD(prompt="question")
    def answer(topic: str, question: str) -> str:
        return f"{topic}: {question}"

    assert answer("ada", "ada") == "ada: [REDACTED]"
    assert answer(question="ada", topic="x") == "x: [REDACTED]"


def test_a_schema_changes_what_comes_back() -> None:
    """Callers get the typed value; a generator yields it once."""
    guard = Guard(schema=list[int])

    @guard
    def numbers(prompt: str) -> str:
        return "[1, 2]"

    @guard
    def streamed(prompt: str) -> Iterator[str]:
        yield from "[1, 2]"

    assert numbers("hi") == [1, 2]
    assert list(streamed("hi")) == [[1, 2]]


def test_overrides_reach_the_parameters_of_the_function() -> None:
    """A fallback's model replaces the function's own, by position, keyword or default."""
    asked: list[str] = []

    @Guard(fallback=[target(model="small")])
    def ask(prompt: str, model: str = "large") -> str:
        asked.append(model)
        if model != "small":
            raise ConnectionError
        return "ok"

    assert (ask("hi"), ask("hi", "huge"), ask("hi", model="huge")) == ("ok", "ok", "ok")
    assert asked[-1] == "small"


def test_a_partial_that_cannot_take_an_override_is_refused_by_name() -> None:
    """What has no name of its own is called by its type, as in every other error."""
    ask = functools.partial(lambda prompt, tone: prompt, tone="kind")

    with pytest.raises(ConfigError, match=r"overrides 'model', which partial\(\) does not take"):
        Guard(fallback=[target(model="small")])(ask)


def test_a_function_that_cannot_take_an_override_is_refused_at_once() -> None:
    """The error comes when it is decorated, and says what to add."""
    with pytest.raises(
        ConfigError, match=r"overrides 'model', which ask\(\) does not take. Add the parameter"
    ):

        @Guard(fallback=[target(model="small")])
        def ask(prompt: str) -> str:
            return prompt


def test_a_function_without_messages_is_refused_at_once() -> None:
    """The error names the way out."""
    with pytest.raises(
        ConfigError, match=r"takes neither `messages` nor `prompt`.*@guard\(prompt='question'\)"
    ):

        @GUARD
        def ask(question: str) -> str:
            return question

    with pytest.raises(ConfigError, match="has no parameter 'query'; it has question"):
        GUARD(prompt="query")(lambda question: question)


@pytest.mark.parametrize("bad", [7, None, b"bytes", ["list"], {1}], ids=repr)
def test_a_function_that_returns_something_else_is_a_type_error(bad: Any) -> None:
    """The application's bug, told as one: what came, what was expected."""
    with pytest.raises(TypeError, match=r"returned .*; expected a string, a chat completion"):
        GUARD.run(lambda messages: bad, "hi")


def test_a_function_without_a_return_is_asked_about_it() -> None:
    """The most likely of these bugs is named."""
    with pytest.raises(TypeError, match=r"returned NoneType; .* Does it end without a `return`\?"):
        GUARD.run(lambda messages: None, "hi")


def empty(messages: Any) -> str:
    return next(iter(()))


async def empty_later(messages: Any) -> str:
    return next(iter(()))


async def empty_later_too(messages: Any) -> str:
    raise StopAsyncIteration


def empty_pieces(messages: Any) -> Iterator[str]:
    yield next(iter(()))


async def empty_pieces_later(messages: Any) -> AsyncIterator[str]:
    yield next(iter(()))


async def _drained(pieces: AsyncIterator[Any]) -> list[Any]:
    async with asyncio.timeout(60):
        return [piece async for piece in pieces]


async def _in_time(guard: Guard[Any], function: Any) -> Outcome[Any]:
    async with asyncio.timeout(60):
        return await guard.arun(function, ASK)


@pytest.mark.parametrize("mode", ["enforce", "monitor"])
@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("empty", lambda guard: guard(empty)(ASK)),
        ("empty", lambda guard: guard.run(empty, ASK)),
        ("empty", lambda guard: list(guard.stream(empty, ASK))),
        ("empty", lambda guard: asyncio.run(_in_time(guard, empty))),
        ("empty_later", lambda guard: asyncio.run(guard(empty_later)(ASK))),
        ("empty_later_too", lambda guard: asyncio.run(_drained(guard.astream(empty_later_too, ASK)))),
        ("empty_pieces", lambda guard: list(guard(empty_pieces)(ASK))),
        ("empty_pieces", lambda guard: asyncio.run(_in_time(guard, empty_pieces))),
        ("empty_pieces_later", lambda guard: asyncio.run(_drained(guard(empty_pieces_later)(ASK)))),
    ],
    ids=[
        "def",
        "run",
        "stream",
        "thread",
        "async def",
        "astream",
        "generator",
        "its thread",
        "async generator",
    ],
)
def test_a_function_that_lets_a_stop_of_iteration_out_is_named(name: str, ask: Any, mode: Any) -> None:
    """A stop would end the caller's loop unseen, or the wait for a thread never: it is the function's bug."""
    seen: list[Any] = []
    with pytest.raises(ConfigError, match=rf"^{name} raised Stop\w+, which .* a default") as caught:
        ask(Guard(mode=mode, log=seen.append))

    assert isinstance(caught.value.__cause__, (StopIteration, StopAsyncIteration))
    assert (seen[0].outcome, seen[0].attempts[0].result) == ("transport failed", "own bug")
    assert caught.value.record_id == seen[0].id
    assert len(seen[0].attempts) == 1


def test_a_runtime_error_of_the_functions_own_stays_its_own() -> None:
    """Also one that tells of a stop, and with its cause."""

    def ask(messages: Any) -> str:
        try:
            return next(iter(()))
        except StopIteration as stop:
            raise RuntimeError("nothing there") from stop

    with pytest.raises(RuntimeError, match=r"^nothing there$") as caught:
        GUARD.run(ask, ASK)

    assert isinstance(caught.value.__cause__, StopIteration)


def test_a_call_without_messages_is_a_type_error() -> None:
    """As Python would say it."""

    @GUARD
    def ask(prompt: str) -> str:
        return prompt

    with pytest.raises(TypeError, match=r"ask\(\) needs 'prompt'"):
        ask()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="is the prompt and must be a str, not int"):
        ask(7)  # type: ignore[arg-type]


def test_run_gives_an_outcome() -> None:
    """Value, reply and record; none of them shows text when printed."""
    outcome = GUARD.run(lambda messages: "secret", "ada lovelace")

    assert isinstance(outcome, Outcome)
    assert outcome.value == outcome.reply.text == "[REDACTED]"
    assert "lovelace" not in repr(outcome)


@pytest.mark.parametrize("parameter", ["prompt", "question"])
def test_an_error_names_the_parameter_that_holds_the_prompt(parameter: str) -> None:
    """Its author wrote no messages, so `messages[0].content` would send them looking."""

    def ask(prompt: str = "", question: str = "") -> str:
        return "never"

    guarded = Guard(input=[block(word("ada"))])(prompt=parameter)(ask)

    with pytest.raises(Blocked, match=rf"stopped {parameter}: "):
        guarded(**{parameter: "Who is ada?"})
