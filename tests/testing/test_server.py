"""The loopback server, driven by the real client."""

from __future__ import annotations

import http.client
import importlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import openai
import pytest
from openai import OpenAI

from guardrails_lite.testing import (
    HttpReply,
    LoopbackProcess,
    LoopbackServer,
    Peer,
    Request,
    Wire,
    chunks,
    completion,
    tool_call,
    with_choices,
)

HTTPX: Any = importlib.import_module("httpx2" if int(openai.__version__.split(".")[0]) >= 3 else "httpx")
"""What the installed client is built on."""

HI: Any = [{"role": "user", "content": "hi"}]


@contextmanager
def client_of(server: LoopbackServer | LoopbackProcess, **options: Any) -> Iterator[OpenAI]:
    """A client of *server* that does not retry by itself."""
    with OpenAI(base_url=server.base_url, api_key="test", **{"max_retries": 0, **options}) as client:
        yield client


def ask(client: OpenAI, **params: Any) -> Any:
    return client.chat.completions.create(**{"model": "m", "messages": HI, **params})


def test_text_whole_and_streamed() -> None:
    """A text is answered in the shape the request asks for; ids count up, times stand still."""
    with LoopbackServer(["Hello.", "Hello."]) as server, client_of(server) as client:
        whole = ask(client)
        assert (whole.choices[0].message.content, whole.model) == ("Hello.", "m")
        assert (whole.id, whole.created) == ("chatcmpl-1", 1_750_000_000)
        frames = list(ask(client, stream=True, stream_options={"include_usage": True}))
    assert "".join(frame.choices[0].delta.content or "" for frame in frames[:-1]) == "Hello."
    assert frames[-1].usage.total_tokens > 0
    assert {frame.id for frame in frames} == {"chatcmpl-2"}


def test_tool_calls_whole_and_streamed() -> None:
    """Tool calls arrive as the client's own objects, and in deltas by index."""
    reply = completion(tool_calls=[tool_call("a", {"x": 1}), tool_call("b", {"y": 2})])
    with LoopbackServer(then=reply) as server, client_of(server) as client:
        calls = ask(client).choices[0].message.tool_calls
        assert [(call.function.name, call.function.arguments) for call in calls] == [
            ("a", '{"x": 1}'),
            ("b", '{"y": 2}'),
        ]
        with client.chat.completions.stream(model="m", messages=HI) as stream:
            streamed = stream.get_final_completion().choices[0].message.tool_calls
    assert [call.function.arguments for call in streamed] == [call.function.arguments for call in calls]


def test_choices_keep_their_indices() -> None:
    """n=2 can be answered whole and streamed."""
    with (
        LoopbackServer(then=with_choices(completion("a"), completion("b"))) as server,
        client_of(server) as client,
    ):
        assert [choice.message.content for choice in ask(client, n=2).choices] == ["a", "b"]
        indices = {choice.index for frame in ask(client, n=2, stream=True) for choice in frame.choices}
    assert indices == {0, 1}


def test_responses_whole_and_streamed() -> None:
    """The Responses API tells the same replies; its stream ends in the whole response."""
    reply = completion("Hello.", tool_calls=[tool_call("a", {"x": 1})])
    with LoopbackServer(then=reply) as server, client_of(server) as client:
        whole = client.responses.create(model="m", input="hi")
        with client.responses.stream(model="m", input="hi") as stream:
            kinds = {event.type for event in stream}
            final = stream.get_final_response()
    assert whole.output_text == final.output_text == "Hello."
    assert [item.type for item in whole.output] == ["message", "function_call"]
    assert {"response.output_text.delta", "response.function_call_arguments.done"} <= kinds


def test_a_cut_response_is_incomplete() -> None:
    """finish_reason length is told as an incomplete response with its reason."""
    with LoopbackServer([completion("Hel", finish_reason="length")]) as server, client_of(server) as client:
        response = client.responses.create(model="m", input="hi")
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"


def test_status_and_headers() -> None:
    """An error answer reaches the client as the error class of its status, with its headers and code."""
    script = [HttpReply.error(429, code="rate_limit_exceeded", headers={"Retry-After": "7"})]
    with (
        LoopbackServer(script) as server,
        client_of(server) as client,
        pytest.raises(openai.RateLimitError) as caught,
    ):
        ask(client)
    assert caught.value.code == "rate_limit_exceeded"
    assert caught.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("split", [1, 7, 1000])
def test_bytes_may_be_split_anywhere(split: int) -> None:
    """Cut between any two bytes, code points included, a stream says the same."""
    text = "Grüße 🦊 東"
    with LoopbackServer([HttpReply(text, split=split)]) as server, client_of(server) as client:
        said = "".join(frame.choices[0].delta.content or "" for frame in ask(client, stream=True))
    assert said == text


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_a_cut_body_is_a_connection_error(stream: bool, reset: bool) -> None:
    """A body that stops early, closed or reset, breaks at the client."""
    cut = HttpReply("Hello, world.", cut_after=100, reset=reset)
    with (
        LoopbackServer([cut]) as server,
        client_of(server) as client,
        pytest.raises((openai.APIConnectionError, HTTPX.TransportError)),  # the latter from older clients
    ):
        list(ask(client, stream=stream))


def test_raw_bytes_are_sent_as_they_are() -> None:
    """What is no API answer can be scripted too."""
    page = HttpReply(b"<html>", headers={"Content-Type": "text/html"})
    with LoopbackServer([page]) as server, client_of(server) as client:
        assert ask(client) == "<html>"


def test_delay_ends_when_the_client_gives_up() -> None:
    """A silent server notices that its client has gone, and stops when it is told to."""
    with LoopbackServer([HttpReply("late", delay_s=60)]) as server:
        with client_of(server, timeout=0.05) as client, pytest.raises(openai.APITimeoutError):
            ask(client)
        assert server.wait_idle(5)


def test_stopping_does_not_wait_for_answers() -> None:
    """The `with` block ends at once although an answer is still due."""
    started = time.monotonic()
    with LoopbackServer([HttpReply("late", delay_s=60)]) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("POST", "/v1/chat/completions", b"{}")
        while not server.request_count:
            time.sleep(0.001)
    connection.close()
    assert time.monotonic() - started < 5


def test_requests_are_recorded() -> None:
    """Bodies come parsed, header names in lower case."""
    with LoopbackServer(["a"]) as server, client_of(server) as client:
        ask(client, temperature=0)
    (request,) = server.requests
    assert request.body["messages"] == HI
    assert request.body["temperature"] == 0
    assert request.headers["authorization"] == "Bearer test"
    assert (request.method, request.path, request.model) == ("POST", "/v1/chat/completions", "m")


def test_scripts_by_model() -> None:
    """Each model has its own script, for tests of fallbacks."""
    script = {"big": [HttpReply.error(500), "big again"], "small": ["small"]}
    with LoopbackServer(script) as server, client_of(server) as client:
        with pytest.raises(openai.InternalServerError):
            ask(client, model="big")
        assert ask(client, model="small").choices[0].message.content == "small"
        assert ask(client, model="big").choices[0].message.content == "big again"


def test_an_answer_may_depend_on_the_request() -> None:
    """A function in the script is given the request and returns an answer."""

    def echo(request: Request) -> str:
        return str(request.body["messages"][-1]["content"]).upper()

    with LoopbackServer(then=echo) as server, client_of(server) as client:
        assert ask(client).choices[0].message.content == "HI"


def test_an_answer_may_take_the_connection() -> None:
    """A wire answer sends whatever it likes."""

    def serve(peer: Peer, request: Request) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        peer.hang_up()

    with LoopbackServer([Wire(serve)]) as server, client_of(server) as client:
        assert ask(client).choices is None


def test_given_chunks_are_kept() -> None:
    """Chunks spelled out in the script reach a streaming client unchanged, and assemble for another."""
    frames = chunks("Hello.", size=[1, 5])
    with LoopbackServer([frames, frames]) as server, client_of(server) as client:
        assert [frame.to_dict() for frame in ask(client, stream=True)] == frames
        assert ask(client).choices[0].message.content == "Hello."


def test_models_are_listed() -> None:
    """`/v1/models` lists what the server was given and uses up no answer."""
    with LoopbackServer(["a"], models=["big", "small"]) as server, client_of(server) as client:
        assert [model.id for model in client.models.list()] == ["big", "small"]
        assert ask(client).choices[0].message.content == "a"


def test_one_request_too_many_names_the_numbers() -> None:
    """A script that runs out is an error no client retries."""
    with LoopbackServer(["a"]) as server, client_of(server, max_retries=2) as client:
        ask(client)
        with pytest.raises(openai.BadRequestError, match="request 2 came, but the script has 1 answers"):
            ask(client)
        assert server.request_count == 2


def test_unknown_paths_are_404() -> None:
    """Only the documented paths exist."""
    with LoopbackServer() as server, client_of(server) as client, pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="m", input="hi")


def test_many_connections_at_once() -> None:
    """Fifty threads are each answered once."""
    texts: list[str] = []

    def work() -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
            connection.request("POST", "/v1/chat/completions", b'{"model": "m"}')
            texts.append(json.loads(connection.getresponse().read())["id"])

    with LoopbackServer(then="a") as server:
        threads = [threading.Thread(target=work) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.wait_idle()
    assert len(set(texts)) == 50


def test_the_same_in_another_process() -> None:
    """A server in a process of its own answers, counts and remembers alike."""
    with LoopbackProcess(["a", completion("b")]) as server:
        with client_of(server) as client:
            assert [ask(client).choices[0].message.content for _ in range(2)] == ["a", "b"]
        assert server.request_count == 2
        assert [request.model for request in server.requests] == ["m", "m"]


@pytest.mark.parametrize("kind", [LoopbackServer, LoopbackProcess])
def test_a_single_answer_is_not_a_script(kind: type) -> None:
    """Forgetting the brackets is caught when the server is made."""
    with pytest.raises(TypeError, match="takes a list of answers"):
        kind("text")
