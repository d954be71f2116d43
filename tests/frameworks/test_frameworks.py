"""Frameworks over a wrapped client: nothing unchecked reaches the model or the application, in any way
that they call. `.ci/run` has a section that installs them; elsewhere these tests are skipped."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import openai
import pytest

from guardrails_lite import Blocked, Finding, Guard, Record, block, redact, validator
from guardrails_lite.testing import LoopbackServer

SAID = "The key is sk-12345678, keep it."
LEFT = "The key is [KEY], keep it."
ASKED = "Mine is sk-87654321."


@validator(window=12)
def keys(text: str) -> Iterator[Finding]:
    """Keys of eleven characters."""
    for match in re.finditer(r"sk-[0-9]{8}", text):
        yield Finding("holds a key", span=match.span(), category="KEY")


@validator
def forbidden(text: str) -> Iterator[Finding]:
    """One word that nobody may say."""
    if "xyzzy" in text:
        yield Finding("says the word")


@dataclass(frozen=True, slots=True)
class Clients:
    """A guarded client of each kind, before the same server."""

    sync: openai.OpenAI
    asynchronous: openai.AsyncOpenAI


Way = Callable[[Clients, str], str]
"""Asks once, and gives all the text that the framework handed over."""


def _langchain(clients: Clients) -> Any:
    module: Any = importlib.import_module("langchain_openai")
    return module.ChatOpenAI(
        model="m",
        root_client=clients.sync,
        client=clients.sync.chat.completions,
        root_async_client=clients.asynchronous,
        async_client=clients.asynchronous.chat.completions,
    )


def _llama_index(clients: Clients) -> Any:
    module: Any = importlib.import_module("llama_index.llms.openai")
    return module.OpenAI(
        model="gpt-4o-mini", openai_client=clients.sync, async_openai_client=clients.asynchronous
    )


def _haystack(clients: Clients, **options: Any) -> Any:
    module: Any = importlib.import_module("haystack.components.generators.chat")
    generator = module.OpenAIChatGenerator(model="m", **options)
    generator.client, generator.async_client = clients.sync, clients.asynchronous
    return generator


def _said(prompt: str) -> list[Any]:
    module: Any = importlib.import_module("haystack.dataclasses")
    return [module.ChatMessage.from_user(prompt)]


async def _joined(parts: Any, text_of: Callable[[Any], str | None]) -> str:
    return "".join([text_of(part) or "" async for part in parts])


def _haystack_streamed(clients: Clients, prompt: str) -> str:
    parts: list[str] = []
    _haystack(clients, streaming_callback=lambda chunk: parts.append(chunk.content)).run(_said(prompt))
    return "".join(parts)


async def _llama_index_astream(clients: Clients, prompt: str) -> str:
    return await _joined(await _llama_index(clients).astream_complete(prompt), lambda part: part.delta)


async def _haystack_async(clients: Clients, prompt: str) -> str:
    return str((await _haystack(clients).run_async(_said(prompt)))["replies"][0].text)


def _run(clients: Clients, asked: Awaitable[Any]) -> Any:
    """What *asked* comes to; the client's connections are closed on the loop that they belong to."""

    async def answer() -> Any:
        async with clients.asynchronous:
            return await asked

    return asyncio.run(answer())


WAYS: dict[str, Way] = {
    "langchain invoke": lambda clients, prompt: _langchain(clients).invoke(prompt).content,
    "langchain stream": lambda clients, prompt: "".join(
        part.content for part in _langchain(clients).stream(prompt)
    ),
    "langchain ainvoke": lambda clients, prompt: _run(clients, _langchain(clients).ainvoke(prompt)).content,
    "langchain astream": lambda clients, prompt: _run(
        clients, _joined(_langchain(clients).astream(prompt), lambda part: part.content)
    ),
    "llama_index complete": lambda clients, prompt: _llama_index(clients).complete(prompt).text,
    "llama_index stream": lambda clients, prompt: "".join(
        part.delta or "" for part in _llama_index(clients).stream_complete(prompt)
    ),
    "llama_index acomplete": lambda clients, prompt: (
        _run(clients, _llama_index(clients).acomplete(prompt)).text
    ),
    "llama_index astream": lambda clients, prompt: _run(clients, _llama_index_astream(clients, prompt)),
    "haystack run": lambda clients, prompt: _haystack(clients).run(_said(prompt))["replies"][0].text,
    "haystack stream": _haystack_streamed,
    "haystack run_async": lambda clients, prompt: _run(clients, _haystack_async(clients, prompt)),
}


@pytest.fixture
def records() -> list[Record]:
    """What the guard's log receives."""
    return []


@pytest.fixture
def clients(
    monkeypatch: pytest.MonkeyPatch, records: list[Record]
) -> Iterator[tuple[Clients, LoopbackServer]]:
    """Guarded clients, and the server that answers them."""
    monkeypatch.setenv("HAYSTACK_TELEMETRY_ENABLED", "False")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    guard = Guard(input=[redact(keys), block(forbidden)], output=[redact(keys)], log=records.append)
    with LoopbackServer(then=SAID) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        with guard.wrap(openai.OpenAI()) as client:
            yield Clients(client, guard.wrap(openai.AsyncOpenAI())), server


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    """One way to ask, where its framework is installed."""
    framework = {"langchain": "langchain_openai"}.get(name := request.param.split()[0], name)
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"needs {framework}")
    return WAYS[request.param]


@pytest.mark.filterwarnings("ignore")  # of their making, with each of their versions
def test_what_a_framework_sends_and_hands_over_is_guarded(
    way: Way, clients: tuple[Clients, LoopbackServer], records: list[Record]
) -> None:
    """The server sees the prompt after the input rules, the application the reply after the output rules."""
    both, server = clients

    assert way(both, ASKED) == LEFT

    assert [request.body["messages"][-1]["content"] for request in server.requests] == ["Mine is [KEY]."]
    assert [record.outcome for record in records] == ["passed"]


@pytest.mark.filterwarnings("ignore")  # of their making, with each of their versions
def test_a_block_ends_a_frameworks_call_before_anything_is_sent(
    way: Way, clients: tuple[Clients, LoopbackServer], records: list[Record]
) -> None:
    """The framework raises the guard's own error, and asks no second time."""
    both, server = clients

    with pytest.raises(Blocked):
        way(both, "Say xyzzy.")

    assert server.request_count == 0
    assert [record.outcome for record in records] == ["blocked"]
