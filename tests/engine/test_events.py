"""A function that yields events of the Responses API: what is checked comes out as events, and all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai._models import construct_type
from openai.types.responses import ResponseStreamEvent

from guardrails_lite import Finding, Guard, GuardrailsError, Retry, block, validator
from guardrails_lite.testing.kit._broken_responses import of_call, of_text
from guardrails_lite.testing.kit._reply import BrokenReply

MESSAGES = [{"role": "user", "content": "What is the weather?"}]
CITIES = ["Oslo", "Bergen", "Bodø"]
END = {
    "type": "response.completed",
    "sequence_number": 9,
    "response": {"id": "r", "object": "response", "model": "m", "status": "completed", "output": []},
}
Make = Callable[[dict[str, Any]], Any]


def typed(event: dict[str, Any]) -> Any:
    """The event as the client makes it."""
    return construct_type(type_=ResponseStreamEvent, value=event)


either = pytest.mark.parametrize("make", [dict, typed])


def said(kind: str, delta: str) -> dict[str, Any]:
    place = {"output_index": 0, "content_index": 0, "item_id": "i", "sequence_number": 1}
    return {"type": f"response.{kind}.delta", "delta": delta, "logprobs": [], **place}


def called(place: int, city: str) -> Iterator[dict[str, Any]]:
    at = {"output_index": place, "item_id": f"i{place}", "sequence_number": 1}
    item = {"id": f"i{place}", "call_id": f"c{place}", "name": "get_weather", "arguments": ""}
    yield {"type": "response.output_item.added", **at, "item": {"type": "function_call", **item}}
    for part in ('{"city": "', city, '"}'):
        yield {"type": "response.function_call_arguments.delta", **at, "delta": part}


def get_weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"It rains in {city}."


@validator(window=6)
def rude(text: str) -> Iterator[Finding]:
    """Find the one rude word."""
    if (at := text.find("grumpy")) >= 0:
        yield Finding("rude", span=(at, at + 6))


@validator
def held(text: str) -> Iterator[Finding]:
    """Find nothing, once all is there."""
    yield from ()


def through(guard: Guard[Any], make: Make, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What comes out of a guarded function that yields these events, as dicts."""

    def talk(messages: Any) -> Iterator[Any]:
        yield from map(make, events)

    return [
        event if isinstance(event, dict) else event.model_dump(mode="json") for event in guard(talk)(MESSAGES)
    ]


@either
@pytest.mark.parametrize("number", [1, 3])
def test_each_call_comes_out_whole_in_an_event_of_its_own(make: Make, number: int) -> None:
    """However many calls a reply has, the caller gets each of them once, whole, at its own place."""
    events = [event for nth, city in enumerate(CITIES[:number]) for event in called(nth, city)]
    got = through(Guard(tools=[get_weather], log=[]), make, [*events, END])
    done = [event for event in got if event["type"] == "response.output_item.done"]
    assert [event["item"]["arguments"] for event in done] == [
        f'{{"city": "{city}"}}' for city in CITIES[:number]
    ]
    assert [event["item"]["call_id"] for event in done] == [f"c{nth}" for nth in range(number)]
    assert len({event["output_index"] for event in done}) == number
    assert not any("arguments.delta" in event["type"] for event in got)


@either
@pytest.mark.parametrize("usage", [None, {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}])
def test_the_end_comes_out_last(make: Make, usage: dict[str, int] | None) -> None:
    """The event that ends the reply is passed on, once, without an output that nobody checked."""
    text = "It rains."
    spoken = {"type": "message", "id": "i", "role": "assistant", "status": "completed"}
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    said_again = {"output": [{**spoken, "content": [part]}], "usage": usage}
    end = {**END, "response": {**END["response"], **said_again}}  # type: ignore[dict-item]
    got = through(Guard(output=[block(rude)], log=[]), make, [said("output_text", text), end])
    assert "".join(event["delta"] for event in got[:-1]) == text
    assert got[-1]["type"] == "response.completed"
    assert got[-1]["response"]["output"] == []
    assert (got[-1]["response"]["usage"] or {}).get("total_tokens") == (usage or {}).get("total_tokens")
    assert [event["type"] for event in got].count("response.completed") == 1


BROKEN = [
    each
    for each in (*of_text("It rains in Oslo.", is_good=True), *of_call("get_weather", '{"city": "Oslo"}'))
    if each.frames is not None and not each.mends
]


@either
@pytest.mark.parametrize("broken", BROKEN, ids=lambda each: each.name)
def test_events_that_contradict_each_other_are_no_answer(make: Make, broken: BrokenReply) -> None:
    """A function's stream is held to one story like a wrapped client's, and a break is the transport's."""
    assert broken.frames is not None
    guard = Guard(tools=[get_weather], retry=Retry(attempts=1, reasks=0), log=[])

    with pytest.raises(GuardrailsError) as caught:
        through(guard, make, list(broken.frames))
    assert caught.value.outcome in ("transport failed", "truncated", "filtered", "refused", "tool denied")


@either
@pytest.mark.parametrize("style", ["run", "decorated"])
def test_a_stream_that_contradicts_itself_is_tried_again(make: Make, style: str) -> None:
    """Nothing of it was shown, so the next attempt may be better."""
    wrong = {**said("output_text", "It snows."), "type": "response.output_text.done", "text": "It rains."}
    scripts = [[said("output_text", "It snows."), wrong, END], [said("output_text", "It rains."), END]]

    def talk(messages: Any) -> Iterator[Any]:
        yield from map(make, scripts.pop(0))

    guard = Guard(output=[block(held)], retry=Retry(attempts=2, wait=0), log=[])
    if style == "run":
        assert guard.run(talk, MESSAGES).reply.text == "It rains."
    else:
        assert "".join(
            getattr(e, "delta", "") or dict(e).get("delta", "") for e in guard(talk)(MESSAGES)
        ) == ("It rains.")
    assert scripts == []
