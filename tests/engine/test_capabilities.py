"""What fallbacks can take: who is asked, what is left out for them, and what the record says of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails_lite import Capabilities, ConfigError, Exhausted, Guard, Retry, target
from guardrails_lite._capabilities import fitted
from guardrails_lite._messages import Call as Request
from guardrails_lite.testing import HttpReply, LoopbackServer

Call = Callable[..., Any]
OFFLINE = ConnectionError("no route to host 10.1.2.3")
ONCE = Retry(attempts=1)
TEXT = {"role": "user", "content": "hi"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
PICTURE = {"role": "user", "content": [{"type": "text", "text": "What is this?"}, IMAGE]}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
FORM = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
USED = [
    {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "weather"}}]},
    {"role": "tool", "tool_call_id": "1", "content": "rain"},
]


def guard_with(can: Capabilities, **more: Any) -> Guard[Any]:
    """A guard whose only fallback can take so much."""
    return Guard(retry=ONCE, fallback=[target(model="small", can=can)], **more)


@pytest.mark.parametrize(
    ("can", "messages", "params", "why"),
    [
        (Capabilities(images=False), [PICTURE], {}, "it cannot take images"),
        (Capabilities(images="drop"), [{"role": "user", "content": [IMAGE]}], {}, "it cannot take images"),
        (Capabilities(tools=False), [TEXT], {"tools": [WEATHER]}, "it cannot take tools"),
        (Capabilities(tools="drop"), [TEXT, *USED], {}, "it cannot take tools"),
        (Capabilities(schema=False), [TEXT], {"response_format": FORM}, "it cannot take schema"),
        (Capabilities(schema=False), [TEXT], {"text": {"format": FORM}}, "it cannot take schema"),
        (
            Capabilities(context=100),
            [{"role": "user", "content": "word " * 100}],
            {},
            "the request is too long for it",
        ),
        (Capabilities(context=100), [TEXT], {"max_tokens": 101}, "the request is too long for it"),
    ],
)
def test_who_cannot_take_a_request_is_not_sent_it(
    call: Call, can: Capabilities, messages: list[Any], params: dict[str, Any], why: str
) -> None:
    """The next target is asked instead; the record says who was left out, and why."""
    guard = Guard(retry=ONCE, fallback=[target(model="small", can=can), target(model="large")])

    text, outcome, model = call(guard, [OFFLINE, "large here"], messages, **params)

    assert text == "large here"
    assert [each.params.get("model") for each in model.calls] == [None, "large"]
    assert [(note.what, note.detail) for note in outcome.record.notes if note.what == "not asked"] == [
        ("not asked", f"model=small: {why}")
    ]


@pytest.mark.parametrize(
    ("can", "messages", "params", "lost", "sent"),
    [
        (
            Capabilities(images="drop"),
            [PICTURE],
            {"seed": 1},
            "images",
            ([{"role": "user", "content": [{"type": "text", "text": "What is this?"}]}], {"seed": 1}),
        ),
        (
            Capabilities(tools="drop"),
            [TEXT],
            {"tools": [WEATHER], "tool_choice": "auto", "parallel_tool_calls": True},
            "tools",
            ([TEXT], {}),
        ),
        (Capabilities(schema="drop"), [TEXT], {"response_format": FORM}, "schema", ([TEXT], {})),
        (
            Capabilities(tools="drop", schema="drop"),
            [TEXT],
            {"tools": [WEATHER], "response_format": FORM},
            "tools, schema",
            ([TEXT], {}),
        ),
    ],
)
def test_what_may_be_dropped_is_dropped_and_told(
    call: Call, can: Capabilities, messages: list[Any], params: dict[str, Any], lost: str, sent: Any
) -> None:
    """Only what was declared is left out, only for that target, and the record says what was lost."""
    answer = '{"x": 1}'  # for a request that names a schema is held to it, whoever answers

    text, outcome, model = call(guard_with(can), [OFFLINE, answer], messages, **params)

    assert text == answer
    assert (model.calls[0].messages, model.calls[0].params) == (messages, params)
    assert (model.calls[1].messages, model.calls[1].params) == (sent[0], {**sent[1], "model": "small"})
    assert ("sent without", f"model=small: {lost}") in [
        (note.what, note.detail) for note in outcome.record.notes
    ]


@pytest.mark.parametrize(
    "can",
    [
        Capabilities(),
        Capabilities(context=1_000_000),
        Capabilities(tools="drop", images="drop", schema="drop"),
    ],
)
def test_what_fits_is_sent_as_it_is(call: Call, can: Capabilities) -> None:
    """Nothing is lost where nothing is lacking."""
    _, outcome, model = call(guard_with(can), [OFFLINE, "small here"], [TEXT], max_tokens=10)

    assert model.calls[1].params == {"max_tokens": 10, "model": "small"}
    assert [note.what for note in outcome.record.notes] == ["fallback"]


def test_when_nobody_can_take_it_the_error_says_so() -> None:
    """The failure of who was asked comes first; who was not, and why, stands beside it."""
    guard = guard_with(Capabilities(images=False))
    with pytest.raises(
        Exhausted, match=r"connection; model=small: not asked \(it cannot take images\)"
    ) as raised:
        guard.run(lambda messages, **_: (_ for _ in ()).throw(OFFLINE), [PICTURE])

    assert raised.value.outcome == "transport failed"
    assert raised.value.last_error is OFFLINE


def test_a_target_left_out_does_not_change_what_comes_after(call: Call) -> None:
    """A fallback for invalid replies is still for the primary's when one between them is left out."""
    guard = Guard(
        schema={"type": "object"},
        retry=Retry(attempts=1, reasks=0),
        fallback=[
            target(model="small", can=Capabilities(context=1)),
            target(model="careful", on="validation"),
            target(model="other", on="failure"),
        ],
    )

    _, outcome, model = call(guard, ["no", "{}"], "hello hello hello")

    assert outcome.value == {}
    assert [each.params.get("model") for each in model.calls] == [None, "careful"]


def test_a_reply_that_never_fits_can_go_to_another_model_only(call: Call) -> None:
    """``on="validation"``: a stronger model for replies that stay invalid, and not for an outage."""
    guard = Guard(
        schema={"type": "object"},
        retry=Retry(attempts=1, reasks=1),
        fallback=[target(model="careful", on="validation"), target('{"down": 1}', on="failure")],
    )

    _, outcome, model = call(guard, ["no", "neither", '{"x": 1}'])
    assert (outcome.value, [each.params.get("model") for each in model.calls]) == (
        {"x": 1},
        [None, None, "careful"],
    )
    _, outcome, model = call(guard, [OFFLINE])
    assert (outcome.value, len(model.calls)) == ({"down": 1}, 1)


def test_a_request_too_long_for_one_is_not_sent_to_a_smaller_one() -> None:
    """Fault H17: when a server says the context is too long, targets that are no larger are left out."""
    too_long = HttpReply.error(400, code="context_length_exceeded")
    with LoopbackServer({"middle": [too_long], "large": ["Hello."]}) as server:
        client = openai.OpenAI(base_url=server.base_url, api_key="k")
        guard = Guard(
            retry=ONCE,
            fallback=[
                target(client, model="middle", can=Capabilities(context=8_000)),
                target(client, model="small", can=Capabilities(context=4_000)),
                target(client, model="large", can=Capabilities(context=128_000)),
            ],
        )

        outcome = guard.run(lambda messages: (_ for _ in ()).throw(OFFLINE), [TEXT])

        assert outcome.reply.text == "Hello."
        assert [request.model for request in server.requests] == ["middle", "large"]
        client.close()


def weather(city: str) -> str:
    """The weather in a city."""
    return city


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Capabilities(context=0), "context=0 of Capabilities must be a whole number of tokens"),
        (lambda: Capabilities(tools="maybe"), "tools='maybe' of Capabilities must be True, False or 'drop'"),  # type: ignore[arg-type]
        (lambda: target(model="m", can=5), "can= of target(...) takes Capabilities, not int"),  # type: ignore[arg-type]
        (lambda: target("Sorry.", can=Capabilities()), "takes no parameters: nothing is asked"),
        (
            lambda: guard_with(Capabilities(tools=False), tools=[weather]),
            "target(model='small', can=Capabilities(tools=False)) is never asked: it takes no tools",
        ),
        (
            lambda: Guard(
                schema={"type": "object"},
                fallback=[target(openai.OpenAI(api_key="k"), can=Capabilities(schema=False))],
            ),
            "declare Capabilities(schema='drop') to ask it without",
        ),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_written(make: Callable[[], object], message: str) -> None:
    """A fallback that could never be asked is found when the guard is built."""
    with pytest.raises(ConfigError) as raised:
        make()
    assert message in str(raised.value)


MESSAGES = st.lists(st.sampled_from([TEXT, PICTURE, *USED, {"role": "user", "content": [IMAGE]}]), max_size=4)
PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "tools": st.just([WEATHER]),
        "tool_choice": st.sampled_from(["auto", "required"]),
        "response_format": st.just(FORM),
        "temperature": st.just(0.5),
    },
)
CAN = st.sampled_from([True, False, "drop"])


def test_a_tool_that_must_be_called_cannot_be_left_out() -> None:
    """Where the request demands a call, going without tools could only fail."""
    request = Request((TEXT,), {"tools": [WEATHER], "tool_choice": "required"})

    found = fitted(Capabilities(tools="drop"), request, chars=0, completion_tokens=None)

    assert found.lacks == "it cannot take tools"


@given(can=st.builds(Capabilities, tools=CAN, schema=CAN, images=CAN), messages=MESSAGES, params=PARAMS)
def test_what_is_sent_never_needs_more_than_can_be_taken(
    can: Capabilities, messages: list[Any], params: dict[str, Any]
) -> None:
    """Law: what is left lacks nothing, nothing undeclared is left out, and the original is untouched."""
    request = Request(tuple(messages), params)
    before = repr((request.messages, request.params))

    found = fitted(can, request, chars=0, completion_tokens=None)

    assert repr((request.messages, request.params)) == before
    if found.lacks is None:
        as_if_never = Capabilities(
            tools=can.tools is True, schema=can.schema is True, images=can.images is True
        )
        assert fitted(as_if_never, found.call, chars=0, completion_tokens=None).lacks is None
        assert all(getattr(can, name) == "drop" for name in found.lost)
        assert found.lost or found.call is request
