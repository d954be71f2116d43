"""No hole in a wrapped client: everything it has is tried, and nothing may reach a model past the guard."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from guardrails_lite import Blocked, ConfigError, Finding, Guard, block, validator
from guardrails_lite.testing import LoopbackServer

from .walking import ENTRY_POINTS, fate_of, methods_of

pytest.importorskip("websockets")  # without it the client refuses web sockets itself

HARMLESS = re.compile(
    r"(GET|DELETE) models.*|(GET|POST|DELETE) files.*|POST uploads.*|(GET|POST|DELETE) containers.*"
    r"|(GET|POST|DELETE) vector_stores(?!.*/search).*|GET batches.*|POST batches/[^/]+/cancel"
    r"|GET fine_tuning/.*|POST fine_tuning/jobs/[^/]+/(cancel|pause)|DELETE fine_tuning/checkpoints/.*"
    r"|(GET|POST|DELETE) (organization|projects)/.*"
    r"|DELETE (responses|chat/completions|conversations|assistants|threads|evals|skills|videos)/.*"
    r"|POST (realtime/calls|live/sessions)/[^/]+/(hangup|reject)"
)
"""What may arrive at the server while every input is blocked. Whatever else a new version of the client
sends fails the walk, until somebody has looked at it and listed it here, or made it refused."""
SAYS_NOTHING = re.compile(r"client\.(qs|webhooks)\..*")
"""Methods that send nothing at all."""
NOT_GUESSED = {
    "client.beta.agents.environments.files.prepare",
    "client.beta.agents.environments.files.prepare_directory",
    "client.beta.agents.environments.files.upload",
    "client.beta.agents.sessions.artifacts.for_result",
    "client.uploads.upload_file_chunked",
}
"""Methods whose arguments the walk does not guess. They post below ``/agents`` (refused: see the paths
below) and ``/uploads`` (harmless)."""
GUARDED = tuple(
    (resource, raw + name)
    for resource in ("chat.completions", "responses")
    for raw, names in (
        ("", ("create", "parse", "stream")),
        ("with_raw_response.", ("create", "parse")),
        ("with_streaming_response.", ("create",)),
    )
    for name in names
)
"""What is guarded, rather than refused."""
KINDS = (openai.OpenAI, openai.AsyncOpenAI, openai.AzureOpenAI, openai.AsyncAzureOpenAI)


@validator(window=1)
def anything(text: str) -> Iterator[Finding]:
    """Everything."""
    yield Finding("is something", span=(0, len(text)))


GUARD = Guard(input=[block(anything)])


def wrapped(kind: type[Any], server: LoopbackServer) -> Any:
    """A client of this class, wrapped by a guard that blocks every input."""
    if "Azure" in kind.__name__:
        endpoint = server.base_url.removesuffix("/v1")
        return GUARD.wrap(kind(api_key="k", azure_endpoint=endpoint, api_version="v", max_retries=0))
    return GUARD.wrap(kind(api_key="k", admin_api_key="a", base_url=server.base_url, max_retries=0))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_nothing_that_a_wrapped_client_offers_reaches_a_model_unguarded(kind: type[Any]) -> None:
    """Each public method is guarded, refused, sends something harmless, or sends nothing."""
    leaving_out = _nothing if kind is openai.OpenAI else _raw_elsewhere
    fates: Counter[str] = Counter()
    guarded: set[str] = set()
    holes: list[str] = []

    async def walk(server: LoopbackServer) -> None:
        client = wrapped(kind, server)
        for method in methods_of(client, leaving_out=leaving_out):
            fate = await fate_of(method, server)
            fates[fate.word] += 1
            if fate.word == "guarded":
                guarded.add(method.path.replace(".beta.", "."))
            if fate.word == "arrived":
                sent = [f"{each.method} {_below_base(each.path)}" for each in fate.requests]
                holes.extend(f"{method.path}: {each}" for each in sent if not HARMLESS.fullmatch(each))
            elif fate.word in ("unknown", "local") and not _is_accounted_for(method.path):
                holes.append(f"{method.path}: {fate.word}, {fate.errors[-1:]}")
        await _closed(client)

    with LoopbackServer() as server:
        asyncio.run(walk(server))
    assert not holes
    assert guarded >= {f"client.{resource}.{name}" for resource, name in GUARDED}
    assert fates["refused"] > 100
    assert fates["arrived"] > 100


def _is_accounted_for(path: str) -> bool:
    return path in NOT_GUESSED or SAYS_NOTHING.fullmatch(path) is not None


async def _closed(client: Any) -> None:
    done = client.close()
    if done is not None:
        await done


def _nothing(path: str) -> bool:
    return False


def _raw_elsewhere(path: str) -> bool:
    """The raw forms of resources other than those guarded: the same methods again, by the same door."""
    return bool(re.search(r"\.with_(raw|streaming)_response$", path)) and not re.search(
        r"\.(chat|responses)\b", path
    )


def _below_base(path: str) -> str:
    """A request's path without what the client puts before it."""
    return re.sub(r"^/(v1|openai)/(v1/)?(deployments/[^/]+/)?", "", path).partition("?")[0]


@pytest.mark.parametrize(
    "path",
    [
        "/embeddings",
        "/completions",
        "/moderations",
        "/agents",
        "/agents/environments/e/files",
        "/chat/completions?stream=true",
        "/responses?beta=true",
        "/responses/compact",
        "/batches",
        "chat/completions",
        "//chat/completions",
        "/Chat/Completions",
        "/chat/completions/",
        "/models/../chat/completions",
        "/models/%2e%2e/chat/completions",
        "/files/./../responses",
        "http://127.0.0.1:9/v1/chat/completions",
        "/vector_stores/v/search",
        "/fine_tuning/alpha/graders/run",
        "/a-path-of-tomorrow",
        "",
    ],
)
@pytest.mark.parametrize("verb", ["post", "put", "patch"])
def test_a_path_that_is_not_known_to_be_harmless_is_refused(verb: str, path: str) -> None:
    """Paths are denied by default, however they are spelled."""
    with LoopbackServer() as server, wrapped(openai.OpenAI, server) as client:
        with pytest.raises(ConfigError, match=r"past the guard.*given to guard\.wrap\(\)"):
            getattr(client, verb)(path, cast_to=object, body={"messages": [], "input": "x"})
        assert server.request_count == 0


@pytest.mark.parametrize(
    "path", ["/responses/r_1", "/chat/completions/c_1", "/conversations/c_1", "/evals/e_1"]
)
def test_what_a_model_said_elsewhere_is_not_fetched_past_the_guard(path: str) -> None:
    """Stored replies have not been checked, so reading them is refused; the error holds no identifier."""
    with LoopbackServer() as server, wrapped(openai.OpenAI, server) as client:
        with pytest.raises(ConfigError) as caught:
            client.get(path, cast_to=object)
        assert server.request_count == 0
        assert path.rpartition("/")[2] not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"body": {"model": "m"}}, "list of messages"),
        ({"body": {"model": "m", "messages": "hello"}}, "list of messages"),
        ({"body": b'{"messages": []}'}, "JSON object"),
        ({"content": b'{"messages": []}'}, "JSON object"),
        ({}, "JSON object"),
        ({"body": {"messages": [], "stream": True}}, "stream"),
        ({"body": {"messages": []}, "options": {"extra_json": {"stream": True}}}, "stream"),
    ],
)
@pytest.mark.filterwarnings("ignore:Passing raw bytes:DeprecationWarning")
def test_a_body_that_cannot_be_screened_is_refused(options: dict[str, Any], says: str) -> None:
    """What the guard cannot read is not sent."""
    with LoopbackServer(then="hello") as server, wrapped(openai.OpenAI, server) as client:
        with pytest.raises((ConfigError, TypeError), match=f"{says}|unexpected keyword argument 'content'"):
            client.post("/chat/completions", cast_to=object, **options)
        assert server.request_count == 0


def test_messages_in_the_extra_body_are_screened_like_any_others() -> None:
    """`extra_body` wins over the arguments, so it is what the guard looks at."""
    with LoopbackServer(then="hello") as server, wrapped(openai.OpenAI, server) as client:
        hello = [{"role": "user", "content": "hello"}]
        with pytest.raises(Blocked):
            client.chat.completions.create(model="m", messages=[], extra_body={"messages": hello})
        with pytest.raises(Blocked):
            client.responses.create(model="m", extra_body={"input": "hello"})
        assert server.request_count == 0


def test_the_verbs_of_the_client_are_all_accounted_for() -> None:
    """A new method of the client that takes any path would have to be looked at."""
    for kind in KINDS:
        taking_any_path = {
            name
            for name, method in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_") and {"path", "options"} & inspect.signature(method).parameters.keys()
        }
        assert taking_any_path == ENTRY_POINTS


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_web_socket_is_refused_before_it_opens(kind: type[Any]) -> None:
    """Nothing said over a web socket can be checked."""
    with LoopbackServer() as server:
        client = wrapped(kind, server)
        with pytest.raises(ConfigError, match="web socket"):
            _ = client.websocket_base_url
        asyncio.run(_closed(client))
