"""Log-probabilities spell the text that was checked, or are left out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from clients.keyed import MESSAGES, every, using
from guardrails_lite import Finding, Guard, block, validator
from guardrails_lite.testing import HttpReply, LoopbackServer, completion
from guardrails_lite.testing._responses import response_events, response_of

SMILE = "\U0001f642".encode()


@validator(window=1)
def nothing(text: str) -> tuple[Finding, ...]:
    """Finds nothing, and needs no character to wait for the next."""
    return ()


CHECKED, MONITORED = Guard(output=[block(nothing)]), Guard(output=[block(nothing)], mode="monitor")


def token(name: str, spelt: bytes | None = None, **more: Any) -> dict[str, Any]:
    """One token as a server tells it, with another that the model might have written."""
    others = [{"token": "Badly", "bytes": list(b"Badly"), "logprob": -2.0}]
    told = {"token": name, "logprob": -0.5, "top_logprobs": others}
    return {**told, "bytes": list(name.encode() if spelt is None else spelt), **more}


TOKENS = [token("We"), token("ll.")]
CASES = [
    pytest.param("Well.", TOKENS, 2, id="all"),
    pytest.param("Well.", [token("We", bytes=None), token("ll.", bytes=None)], 2, id="without bytes"),
    pytest.param(
        "\U0001f642.",
        [token("\\xf0\\x9f", SMILE[:2]), token("bytes:\\x99\\x82", SMILE[2:]), token(".")],
        3,
        id="parts of a character",
    ),
    pytest.param("Well.", [token("We"), token("ll."), token("<|end|>")], 2, id="a token behind the text"),
    pytest.param("Well.", [token("We"), token("Badly"), token("ll.")], 1, id="a token of something else"),
    pytest.param("Well.", [token("Badly", b"We"), token("ll.")], 0, id="a token that is not its bytes"),
    pytest.param("Well.", [token("We", bytes="We"), token("ll.")], 0, id="bytes that are none"),
    pytest.param("Well.", [token("We", bytes=[-1]), token("ll.")], 0, id="numbers that are no bytes"),
    pytest.param("Well.", [token("We", logprob="Badly"), token("ll.")], 0, id="a word for a number"),
    pytest.param("Well.", [token("We", note="Badly"), token("ll.")], 2, id="a field that a server adds"),
    pytest.param("Well.", ["Badly", token("Well.")], 0, id="no token"),
    pytest.param("Well.", "Badly", 0, id="no list"),
]


@pytest.mark.parametrize("ask", ["chat", "chat stream", "responses", "events"])
@pytest.mark.parametrize(("text", "tokens", "left"), CASES)
def test_tokens_are_shown_as_far_as_they_spell_the_text(text: str, tokens: Any, left: int, ask: str) -> None:
    """Without the others that might have stood there, and whoever told them: any client, any function."""
    spelt, shown = _shown(CHECKED, text, tokens, ask)

    assert [got["token"] for got in spelt] == [told["token"] for told in tokens[:left]]
    assert all(got["logprob"] == -0.5 and got["top_logprobs"] == [] for got in spelt)
    assert "Badly" not in shown


@pytest.mark.parametrize("guard", [Guard(), MONITORED], ids=["no rules", "monitor"])
@pytest.mark.parametrize("ask", ["chat", "chat stream", "responses", "events"])
def test_where_no_rule_is_enforced_all_tokens_are_shown(guard: Guard[Any], ask: str) -> None:
    """Nothing is changed of what nobody checks."""
    spelt, _ = _shown(guard, "Well.", TOKENS, ask)

    assert [got["top_logprobs"][0]["token"] for got in spelt] == ["Badly", "Badly"]


@pytest.mark.parametrize("told", ["Badly", ["Badly"], {"tokens": ["Badly"], "note": "Badly"}, 7])
@pytest.mark.parametrize("streamed", [False, True])
def test_what_is_told_in_another_form_is_left_out(told: Any, streamed: bool) -> None:
    """Nobody could say whether it spells the text."""
    server = _server(_chat("Well.", told), streamed=streamed)
    with server:
        got = using(openai.OpenAI, server, lambda c: _asked(c, streamed=streamed), CHECKED)
    assert "Badly" not in repr(got)
    assert "Well." in repr(got)


def test_a_refusal_is_spelt_too() -> None:
    """It has tokens of its own."""
    said = _chat(None, {"content": None, "refusal": [token("No"), token("."), token("Badly")]})
    said["choices"][0]["message"]["refusal"] = "No."
    guard = Guard(output=[block(nothing)], accept=["refused"])
    with _server(said, streamed=False) as server:
        got = using(openai.OpenAI, server, lambda c: _asked(c, streamed=False), guard)
    assert [spelt.token for spelt in got.choices[0].logprobs.refusal] == ["No", "."]
    assert "Badly" not in repr(got)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_of_a_text_that_was_masked_no_token_is_shown(api: str, streamed: bool) -> None:
    """They spell what was there before."""
    tokens = [token("My "), token("sk-12345678")]
    said = (
        _chat("My sk-12345678", {"content": tokens}) if api == "chat" else _response("My sk-12345678", tokens)
    )
    with _server(said, streamed=streamed) as server:
        got = using(openai.OpenAI, server, lambda c: _asked(c, streamed=streamed, api=api))
    assert "[KEY]" in repr(got)
    assert "sk-" not in repr(got)
    assert "Badly" not in repr(got)


def test_an_event_of_a_function_shows_no_field_that_a_server_adds() -> None:
    """As an event of a wrapped client does; nor does the response that it ends with."""
    events = [
        {**event, "note": "Badly"} if "delta" in event else event
        for event in response_events({**_response("Well.", TOKENS), "output_text": "Badly"})
    ]
    got = list(CHECKED.stream(lambda messages, **_: iter(events), MESSAGES))

    assert "".join(event.get("delta", "") for event in got) == "Well."
    assert "Badly" not in repr(got)


def _chat(text: str | None, logprobs: Any) -> dict[str, Any]:
    said = completion(text or "")
    said["choices"][0]["message"]["content"] = text
    said["choices"][0]["logprobs"] = logprobs
    return said


def _response(text: str, tokens: Any) -> dict[str, Any]:
    response = response_of(completion(text))
    response["output"][0]["content"][0]["logprobs"] = tokens
    return response


def _server(said: dict[str, Any], *, streamed: bool) -> LoopbackServer:
    """A server that says this, as one chunk of all where it is asked to stream."""
    if not streamed:
        return LoopbackServer([HttpReply(json.dumps(said).encode())])
    if said["object"] == "response":
        return LoopbackServer([HttpReply(list(_told(said)))])
    return LoopbackServer([HttpReply(_chunks(said))])


def _chunks(said: dict[str, Any]) -> list[dict[str, Any]]:
    (choice,) = said["choices"]
    delta = {"index": 0, "delta": choice["message"], "logprobs": choice["logprobs"], "finish_reason": None}
    end = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
    like = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return [{**like, "choices": [delta]}, {**like, "choices": [end]}]


def _told(response: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of a response; of its text one delta, with its tokens."""
    tokens = response["output"][0]["content"][0]["logprobs"]
    for event in response_events(response, size=99):
        yield {**event, "logprobs": tokens} if "logprobs" in event else event


def _asked(client: Any, *, streamed: bool, api: str = "chat") -> Any:
    if api == "responses":
        got = client.responses.create(model="m", input="Hello.", stream=streamed)
    else:
        got = client.chat.completions.create(model="m", messages=MESSAGES, stream=streamed)
    return every(got) if streamed else got


def _shown(guard: Guard[Any], text: str, tokens: Any, ask: str) -> tuple[list[dict[str, Any]], str]:
    """The tokens of one text that a caller sees, and all that it sees."""
    if ask == "events":  # of a function's own stream: a wrapped client's are told anew, without any
        (got,) = [
            event
            for event in guard.stream(lambda messages, **_: _told(_response(text, tokens)), MESSAGES)
            if event.get("type") == "response.output_text.delta"
        ]
        return got["logprobs"], repr(got)
    streamed = ask == "chat stream"
    api = "responses" if ask == "responses" else "chat"
    said = (
        _response(text, tokens) if api == "responses" else _chat(text, {"content": tokens, "refusal": None})
    )
    with _server(said, streamed=streamed) as server:
        got = using(openai.OpenAI, server, lambda c: _asked(c, streamed=streamed, api=api), guard)
    got = [each.model_dump(warnings=False) for each in (got if streamed else [got])]
    spelt = got[0]["output"][0]["content"][0] if api == "responses" else got[0]["choices"][0]["logprobs"]
    return spelt["logprobs" if api == "responses" else "content"], json.dumps(got)
