"""A stream that breaks after text was shown: gone on with, or taken back, as the guard says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI
from pydantic import BaseModel

from guardrails_lite import (
    Budget,
    BudgetExceeded,
    ConfigError,
    Guard,
    Partial,
    Retraction,
    Retry,
    StreamInterrupted,
    block,
    redact,
    target,
    tool,
)
from guardrails_lite.testing import ScriptedModel, Style, completion, tool_call
from tests.engine.breaking import ASKED, OFFLINE, RESTART, RESUME, chunk, shown
from tests.engine.conftest import text_of, word

STREAMS = [Style("stream"), Style("astream")]


@pytest.fixture(params=STREAMS, ids=str)
def style(request: pytest.FixtureRequest) -> Style:
    """One way to call a guard that shows text before it is whole."""
    return request.param  # type: ignore[no-any-return]


# --- resume ---


def test_the_next_attempt_goes_on_with_the_text(style: Style) -> None:
    """The model is told what it has said, and what it says next follows on that."""
    model = ScriptedModel([["Refunds take fi", OFFLINE], ["ve ", "days."]])

    got, outcome = shown(style, Guard(retry=RESUME), model)

    assert "".join(got) == outcome.reply.text == outcome.value == "Refunds take five days."
    assert outcome.record.outcome == "passed"
    asked = model.calls[1].messages
    assert asked[:-1] == [*ASKED, {"role": "assistant", "content": "Refunds take fi"}]
    assert asked[-1]["role"] == "user"
    assert "Refunds" not in asked[-1]["content"]


def test_the_record_says_which_characters_each_attempt_showed(style: Style) -> None:
    """Attempts, offsets and counts are there, and no text."""
    seen: list[Any] = []
    model = ScriptedModel([["Refunds take fi", OFFLINE], OFFLINE, "five days."])

    got, outcome = shown(style, Guard(retry=RESUME, log=seen.append), model)

    assert "".join(got) == "Refunds take five days."
    assert [(step.result, step.shown) for step in outcome.record.attempts] == [
        ("connection", (0, 15)),
        ("connection", None),
        ("answered", (15, 23)),
    ]
    assert [(note.what, note.detail) for note in outcome.record.notes] == [
        ("resume", "after 15 characters"),
        ("resume", "after 15 characters"),
        ("overlap", "2 characters"),
    ]
    told = json.dumps(seen[0].to_dict())
    assert "Refunds" not in told
    assert json.loads(told)["attempts"][0]["shown"] == [0, 15]


def test_a_fallback_goes_on_in_the_shape_of_the_first_stream() -> None:
    """Another model, streaming or not, adds chunks that look like those before, and no fixed answer does."""
    spare = ScriptedModel([completion("ve days.", model="spare")])
    model = ScriptedModel([[{"id": "c-1", **chunk("Refunds take fi")}, OFFLINE]])
    guard = Guard(
        retry=Retry(attempts=1, after_text="resume"),
        fallback=[target(spare, model="small"), target("Sorry.")],
    )

    got, outcome = shown(Style("stream"), guard, model)

    assert "".join(map(text_of, got)) == "Refunds take five days."
    assert {piece["id"] for piece in got} == {"c-1"}
    assert got[-2]["choices"][0]["finish_reason"] == "stop"
    assert got[-1]["usage"]["completion_tokens"] > 0
    assert outcome.record.outcome == "fell back"


def test_a_fixed_answer_goes_on_with_nothing(style: Style) -> None:
    """Half a reply and an apology are no reply: the call ends as a broken stream."""
    model = ScriptedModel([["Refunds take ", OFFLINE], OFFLINE, TimeoutError()])

    got, error = shown(style, Guard(retry=RESUME, fallback=[target("Sorry.")]), model)

    assert "".join(got) == "Refunds take "
    assert isinstance(error, StreamInterrupted)
    assert error.delivered_chars == 13
    assert len(model.calls) == 3
    assert "no acceptable reply after 13 released characters" in str(error)


def test_a_continuation_that_breaks_is_gone_on_with_too(style: Style) -> None:
    """Each attempt is told all that has come before it."""
    model = ScriptedModel([["Refunds ", OFFLINE], ["take ", OFFLINE], "five days."])

    got, outcome = shown(style, Guard(retry=RESUME), model)

    assert "".join(got) == "Refunds take five days."
    assert model.calls[2].messages[1]["content"] == "Refunds take "
    assert [step.shown for step in outcome.record.attempts] == [(0, 8), (8, 13), (13, 23)]


def test_what_begins_again_in_other_words_is_no_continuation(style: Style) -> None:
    """It is not shown, and the next attempt is made."""
    begun = "Refunds take five days, as a rule, and are paid to the card."
    model = ScriptedModel([[begun, OFFLINE], begun[:40] + " to the account.", " Not always."])

    got, outcome = shown(style, Guard(retry=RESUME), model)

    assert "".join(got) == begun + " Not always."
    assert [(step.result, step.error) for step in outcome.record.attempts][1] == (
        "malformed reply",
        "no continuation",
    )


def test_when_no_attempt_is_left_the_error_says_what_was_delivered(style: Style) -> None:
    """A call that could not be gone on with ends as a broken stream, with its causes."""
    model = ScriptedModel([["Refunds ", OFFLINE]], then=OFFLINE)

    got, error = shown(style, Guard(retry=RESUME), model)

    assert "".join(got) == "Refunds "
    assert isinstance(error, StreamInterrupted)
    assert (error.delivered_chars, error.outcome) == (8, "transport failed")
    assert error.record is not None
    assert error.record.output_chars == 8
    assert error.__context__ is None
    assert len(model.calls) == 3


@pytest.mark.parametrize(
    ("pieces", "why"),
    [
        ([{"choices": [{"index": 0, "delta": {"reasoning_content": "hm"}}]}], "none of its text had come"),
        ([{"choices": [{"index": 0, "delta": {"content": "No", "refusal": "I"}}]}], "it is a refusal"),
        (
            [{"choices": [{"index": 0, "delta": {"content": "a"}}, {"index": 1, "delta": {"content": "b"}}]}],
            "it has several choices",
        ),
        (
            [{"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]}],
            "it had come to its end",
        ),
    ],
)
def test_what_cannot_be_gone_on_with_ends_the_call(style: Style, pieces: list[Any], why: str) -> None:
    """Only the text of one choice can be; the error says what it was."""
    model = ScriptedModel([[*pieces, OFFLINE], "never"])

    _, error = shown(style, Guard(retry=RESUME), model)

    assert isinstance(error, StreamInterrupted)
    assert f"it could not be resumed, because {why}" in str(error)
    assert len(model.calls) == 1


def test_a_tool_call_that_had_begun_is_never_gone_on_with(style: Style) -> None:
    """Half a call may not become a call, and text after it makes no sense."""

    def refund(order: int) -> str:
        """Refund an order."""
        return "done"

    half = {"index": 0, "id": "c", "type": "function", "function": {"name": "refund", "arguments": '{"or'}}
    model = ScriptedModel(
        [[chunk("One moment."), {"choices": [{"index": 0, "delta": {"tool_calls": [half]}}]}, OFFLINE], "no"]
    )

    _, error = shown(style, Guard(retry=RESUME, tools=[refund]), model)

    assert isinstance(error, StreamInterrupted)
    assert "because a tool call had begun" in str(error)
    assert len(model.calls) == 1


def test_a_continuation_may_call_a_tool(style: Style) -> None:
    """A call that comes whole in one stream is checked and given out like any other."""

    def refund(order: int) -> str:
        """Refund an order."""
        return "done"

    called = completion("ment.", tool_calls=[tool_call("refund", {"order": 7})])
    model = ScriptedModel([[chunk("One mo"), OFFLINE], called])

    got, outcome = shown(style, Guard(retry=RESUME, tools=[refund]), model)

    assert outcome.reply.text == "One moment."
    assert outcome.reply.tool_calls[0].value == {"order": 7}
    calls = [choice["delta"].get("tool_calls") or [] for piece in got for choice in piece["choices"]]
    assert [call["function"]["name"] for told in calls for call in told] == ["refund"]


def test_a_failure_that_nothing_mends_still_ends_the_call(style: Style) -> None:
    """A bug of the application's own is not a broken stream."""
    model = ScriptedModel([["Refunds ", ZeroDivisionError("mine")], "never"])

    _, error = shown(style, Guard(retry=RESUME), model)

    assert isinstance(error, StreamInterrupted)
    assert len(model.calls) == 1


def test_a_monitor_resumes_nothing(style: Style) -> None:
    """It changes nothing, and a second request is a change."""
    model = ScriptedModel([["Refunds ", OFFLINE], "never"])

    _, error = shown(style, Guard(retry=RESUME, mode="monitor"), model)

    assert isinstance(error, StreamInterrupted)
    assert len(model.calls) == 1


def test_a_prompt_is_told_the_text_in_one_turn(style: Style) -> None:
    """A function of one prompt has no past turns, so the prompt holds what was said."""
    model = ScriptedModel([["Refunds take fi", OFFLINE], "ve days."])
    function = style.model(
        lambda prompt: model.stream(prompt) if not style.is_async else model.astream(prompt)
    )
    guard = Guard(retry=RESUME)
    if style.is_async:

        async def take() -> list[Any]:
            return [piece async for piece in guard.astream(function, "How long?")]

        got = asyncio.run(take())
    else:
        got = list(guard.stream(function, "How long?"))

    assert "".join(got) == "Refunds take five days."
    assert model.calls[1].messages.startswith("How long?")
    assert model.calls[1].messages.endswith("\n\nRefunds take fi")


def test_the_model_is_told_what_the_rules_leave_of_its_text(style: Style) -> None:
    """Output rules and input rules run over the text before it goes back, held-back characters included."""
    model = ScriptedModel([["The KEY of Ada is here, KE", OFFLINE], "Y and more"])
    guard = Guard(
        input=[redact(word("Ada"))],
        output=[redact(word("KEY", window=3))],
        retry=RESUME,
    )

    got, _ = shown(style, guard, model)

    assert model.calls[1].messages[1]["content"] == "The [REDACTED] of [REDACTED] is here, KE"
    assert "".join(got) == "The [REDACTED] of Ada is here, [REDACTED] and more"


@pytest.mark.parametrize("side", ["input", "output"])
def test_text_that_a_rule_stops_is_not_sent_back(style: Style, side: str) -> None:
    """What may not go to the model does not, as its own words neither."""
    model = ScriptedModel([["long enough to be shown, STO", OFFLINE], "never"])
    # The window is longer than the word, so that it is still held back when the stream breaks.
    guard: Guard[Any] = (
        Guard(input=[block(word("enough"))], retry=RESUME)
        if side == "input"
        else Guard(output=[block(word("STO", window=9))], retry=RESUME)
    )

    got, error = shown(style, guard, model)

    assert isinstance(error, StreamInterrupted)
    assert "STO" not in "".join(got) or side == "input"
    assert len(model.calls) == 1


def test_the_budget_is_asked_before_a_stream_is_resumed(style: Style) -> None:
    """A second request is made only where the budget holds it, and it counts in it."""
    model = ScriptedModel([["Refunds ", OFFLINE], "never"])
    guard = Guard(retry=RESUME, fallback=[target(model="b")], budget=Budget(attempts=2))
    model = ScriptedModel([["Refunds ", OFFLINE], ["take ", OFFLINE], "never"])

    got, error = shown(style, guard, model)

    assert "".join(got) == "Refunds take "
    assert isinstance(error, BudgetExceeded)
    assert len(model.calls) == guard.worst_case().sends == 2


def test_the_worst_case_counts_the_longer_request() -> None:
    """A resumed request holds the reply so far."""
    asked = {"prompt_tokens": 100, "max_completion_tokens": 10}
    plain = Guard(retry=Retry(attempts=2, reasks=0)).worst_case(**asked)
    resumed = Guard(retry=Retry(attempts=2, reasks=0, after_text="resume")).worst_case(**asked)

    assert (plain.sends, resumed.sends) == (2, 2)
    assert (plain.tokens, resumed.tokens) == (220, 260)


class Order(BaseModel):
    customer: str
    total: int
    note: str


def test_a_typed_value_is_gone_on_with_where_the_whole_fits(style: Style) -> None:
    """What was shown stays, the rest follows, and the joined text is parsed as one."""
    text = '{"customer": "Ada", "total": 12, "note": "by card"}'
    model = ScriptedModel([[text[:30], OFFLINE], text[30:]])

    got, outcome = shown(style, Guard(schema=Order, retry=RESUME), model)

    assert outcome.value == Order(customer="Ada", total=12, note="by card")
    assert [path for partial in got for path in partial.closed] == ["$.customer", "$.total", "$.note", "$"]
    assert [type(partial) for partial in got] == [Partial] * 4
    assert "response_format" not in model.calls[1].params


def test_a_typed_value_whose_rest_does_not_fit_ends_the_call(style: Style) -> None:
    """A part that was shown cannot be asked for again."""
    model = ScriptedModel([['{"customer": "Ada", ', OFFLINE], '"total": "many"}'])

    got, error = shown(style, Guard(schema=Order, retry=RESUME), model)

    assert [dict(partial.closed) for partial in got] == [{"$.customer": "Ada"}]
    assert isinstance(error, StreamInterrupted)
    assert "$.total" in str(error)


# --- restart ---


def test_what_was_shown_is_taken_back_and_the_reply_begins_again(style: Style) -> None:
    """The caller sees a retraction between what is void and what counts."""
    model = ScriptedModel([["Refunds take ", OFFLINE], "It takes five days."])

    got, outcome = shown(style, Guard(retry=RESTART), model)

    place = next(at for at, piece in enumerate(got) if isinstance(piece, Retraction))
    assert got[place] == Retraction(13, "connection", 1)
    assert "".join(got[:place]) == "Refunds take "
    assert "".join(got[place + 1 :]) == outcome.reply.text == "It takes five days."
    assert model.calls[1].messages == ASKED
    assert [step.shown for step in outcome.record.attempts] == [(0, 13), (0, 19)]
    assert [(note.what, note.detail, note.attempt) for note in outcome.record.notes] == [
        ("retracted", "13 characters", 1)
    ]


def test_an_invalid_reply_is_asked_again_after_a_retraction(style: Style) -> None:
    """With nothing shown any more, the whole ladder is open: here, the re-ask about a tool call."""

    @tool
    def refund(order: int) -> str:
        """Refund an order."""
        return "done"

    wrong = completion("One moment.", tool_calls=[tool_call("refund", {"order": "x"})])
    right = completion("At once.", tool_calls=[tool_call("refund", {"order": 7})])

    got, outcome = shown(style, Guard(retry=RESTART, tools=[refund]), ScriptedModel([wrong, right]))

    assert [piece for piece in got if isinstance(piece, Retraction)] == [Retraction(11, "tools", 1)]
    assert outcome.reply.text == "At once."
    assert outcome.record.outcome == "re-asked"


def test_a_fixed_answer_may_come_after_a_retraction(style: Style) -> None:
    """It is a reply of its own, so it stands in place of what is taken back."""
    guard = Guard(retry=Retry(attempts=1, after_text="restart"), fallback=[target("Sorry.")])

    got, outcome = shown(style, guard, ScriptedModel([["Refunds ", OFFLINE]]))

    assert got[-2:] == [Retraction(8, "connection", 1), "Sorry."]
    assert outcome.record.outcome == "fell back"


def test_nothing_is_taken_back_for_an_attempt_that_is_not_made(style: Style) -> None:
    """When nobody is left to ask, what was shown stays, and the error says how much."""
    model = ScriptedModel([["Refunds ", OFFLINE], ["It ", OFFLINE]])

    got, error = shown(style, Guard(retry=Retry(attempts=2, wait=0, after_text="restart")), model)

    assert "".join(piece for piece in got if isinstance(piece, str)) == "Refunds It "
    assert got.count(Retraction(8, "connection", 1)) == 1
    assert not isinstance(got[-1], Retraction)
    assert isinstance(error, StreamInterrupted)
    assert error.delivered_chars == 3


def test_where_nothing_can_be_taken_back_restart_is_refused() -> None:
    """A decorated function and a wrapped client give out the model's own chunks, a schema its parts."""
    guard = Guard(retry=RESTART)
    with pytest.raises(ConfigError, match="cannot go with a decorated function"):

        @guard
        def model(messages: list[Any]) -> Iterator[str]:
            yield "hi"

    with (
        OpenAI(base_url="http://127.0.0.1:9/v1", api_key="test") as client,
        pytest.raises(ConfigError, match=r"cannot go with guard\.wrap"),
    ):
        guard.wrap(client)
    with pytest.raises(ConfigError, match="cannot go with schema="):
        Guard(retry=RESTART, schema=Order)


@pytest.mark.parametrize("budget", [None, Budget(attempts=1)])
def test_a_resume_that_no_attempt_is_left_for_is_refused(budget: Budget | None) -> None:
    """With one send in all there is none to go on with."""
    attempts = 1 if budget is None else 3
    with pytest.raises(ConfigError, match="needs a second send"):
        Guard(retry=Retry(attempts=attempts, after_text="resume"), fallback=[target("Sorry.")], budget=budget)


def test_an_unknown_choice_is_refused() -> None:
    """The three words are named."""
    with pytest.raises(ConfigError, match="'raise', 'resume' or 'restart'"):
        Retry(after_text="retry")  # type: ignore[arg-type]
