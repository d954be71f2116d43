"""Asking again for the wrong parts only: what is sent, what is merged, and when the whole is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import OpenAI
from pydantic import BaseModel, Field, model_validator

from guardrails_lite import Blocked, Budget, Exhausted, Guard, Price, Retry, block, reask, redact, target
from guardrails_lite.testing import LoopbackServer, ScriptedModel, completion

from .conftest import word

NOW = Retry(attempts=2, reasks=3, wait=0)
Call = Callable[..., tuple[str, Any, ScriptedModel]]


class Line(BaseModel):
    sku: str
    qty: Annotated[int, Field(ge=0)]


class Order(BaseModel):
    customer: str
    lines: list[Line]

    @model_validator(mode="after")
    def _is_not_empty(self) -> Order:
        if sum(line.qty for line in self.lines) == 0:
            raise ValueError("nothing is ordered")
        return self


def order(wrong: Any = 1, *, lines: int = 12, sku: str = "sku", at: int = 3) -> str:
    """An order in JSON, one quantity of which is *wrong*."""
    rows = [{"sku": f"{sku}-{nth}", "qty": wrong if nth == at else 1} for nth in range(lines)]
    return json.dumps({"customer": "Acme", "lines": rows})


WHOLE = Order.model_validate_json(order(7))
SAID = [{"role": "system", "content": "be exact"}, {"role": "user", "content": "my order"}]


def test_the_wrong_part_is_asked_for_and_merged(call: Call) -> None:
    """The question names the place, the answer is put in, and the caller gets the whole and nothing else."""
    text, outcome, model = call(Guard(schema=Order, retry=NOW), [order("many"), '{"part_1": 7}'], SAID)

    assert outcome.value == WHOLE
    assert json.loads(text) == WHOLE.model_dump()
    asked = model.calls[1].messages
    assert asked[:2] == SAID
    assert asked[2] == {"role": "assistant", "content": order("many")}
    assert asked[3]["content"] == (
        "Your last reply was not accepted, because it does not have the required form:\n"
        "$.lines[3].qty: an integer >= 0\n"
        "Reply with a JSON object of part_1 and nothing else, where\n"
        "part_1 is $.lines[3].qty"
    )
    assert [(note.what, note.detail) for note in outcome.record.notes] == [
        ("re-ask", "schema: parts"),
        ("merged parts", "1"),
    ]
    assert outcome.record.outcome == "re-asked"


@given(st.sets(st.integers(0, 11), min_size=1, max_size=4), st.integers(0, 99))
def test_a_merged_reply_is_what_the_whole_would_have_been(wrong: set[int], qty: int) -> None:
    """Whatever places were wrong, the value is that of a reply that had them right at once."""
    right = json.loads(order(1))
    right["customer"] = 'Ácme \u2028 \U0001f600 \\ "'
    broken = json.loads(json.dumps(right))
    for nth in wrong:
        right["lines"][nth]["qty"] = qty
        broken["lines"][nth]["qty"] = -1
    answer = {f"part_{nth}": qty for nth in range(1, len(wrong) + 1)}
    model = ScriptedModel([json.dumps(broken), json.dumps(answer)])

    outcome = Guard(schema=Order, retry=NOW).run(model, SAID)

    assert outcome.value == Order.model_validate(right)
    assert json.loads(outcome.reply.text) == right


@pytest.mark.parametrize(
    "answer",
    [order(7), f"Here it is:\n```json\n{order(7)}\n```"],
    ids=["bare", "fenced"],
)
def test_a_whole_reply_instead_of_the_part_is_as_good(call: Call, answer: str) -> None:
    """A model that writes all of it again has answered the question too."""
    _, outcome, model = call(Guard(schema=Order, retry=NOW), [order("many"), answer], SAID)

    assert outcome.value == WHOLE
    assert len(model.calls) == 2


@pytest.mark.parametrize(
    "answer",
    ["I cannot tell.", '{"part_1": -3}', "[7]", "{}", '{"part_1": 7, "lines": []}', '{"part_1": {"qty": 7}}'],
    ids=["prose", "wrong otherwise", "a list", "nothing", "more than asked for", "another form"],
)
def test_after_an_answer_that_is_no_good_the_whole_is_asked_for(call: Call, answer: str) -> None:
    """One question about parts at a time: a model that cannot answer it is asked the plain way."""
    guard = Guard(schema=Order, retry=NOW)
    first = order(-1) if '{"qty' in answer else order("many")

    _, outcome, model = call(guard, [first, answer, order(7)], SAID)

    assert outcome.value == WHOLE
    assert "part_1" in model.calls[1].messages[-1]["content"]
    assert "part_" not in model.calls[2].messages[-1]["content"]
    assert len(model.calls[2].messages) == len(SAID) + 2


@pytest.mark.parametrize("second", ['{"part_1": "none"}', order("none")], ids=["part", "whole"])
def test_the_same_errors_twice_end_the_loop(call: Call, second: str) -> None:
    """Also where the second time they are those of a part: a third payment would buy nothing."""
    with pytest.raises(Exhausted) as caught:
        call(Guard(schema=Order, retry=NOW), [order("many"), second], SAID)

    assert caught.value.outcome == "schema failed"
    assert [note.detail for note in caught.value.record.notes][-1] == "the same failure again"
    assert len(caught.value.record.attempts) == 2


def test_a_guess_is_no_answer(call: Call) -> None:
    """What had to be guessed at to be read is not put in, though the guess would fit."""
    guard = Guard(schema=Order, retry=NOW)

    _, outcome, model = call(guard, [order("many"), '{"part_1": 7 7}', order(7)], SAID)

    assert len(model.calls) == 3
    assert outcome.value == WHOLE


def test_the_check_of_the_whole_has_the_last_word(call: Call) -> None:
    """Parts that fit may still make a whole that does not: a validator of the model's own sees all of it."""
    rows = [{"sku": f"s-{nth}", "qty": -1 if nth == 3 else 0} for nth in range(12)]
    first = json.dumps({"customer": "Acme", "lines": rows})

    _, outcome, model = call(Guard(schema=Order, retry=NOW), [first, '{"part_1": 0}', order(7)], SAID)

    assert outcome.value == WHOLE
    assert "part_" not in model.calls[2].messages[-1]["content"]


# --- the rules ---


def test_a_merged_part_passes_the_output_rules_like_any_text(call: Call) -> None:
    """A secret that comes as a part is masked in the value and in the text, escaped or not."""
    guard = Guard(schema=Order, output=[redact(word("sk-9"))], retry=NOW)
    wrong = json.loads(order(1))
    wrong["lines"][3]["sku"] = 5

    text, outcome, _ = call(guard, [json.dumps(wrong), '{"part_1": "\\u0073k-9"}'], SAID)

    assert outcome.value.lines[3].sku == "[REDACTED]"
    assert "[REDACTED]" in text


def test_a_block_sees_the_merged_whole(call: Call) -> None:
    """Neither the part nor what was there before gets past it."""
    for first, answer in ((order("many"), '{"part_1": 7}'), (order("many", sku="bad"), '{"part_1": 7}')):
        with pytest.raises(Blocked):
            call(
                Guard(schema=Order, output=[block(word("-7" if "bad" not in first else "bad"))], retry=NOW),
                [first, answer],
                SAID,
            )


def test_a_rule_that_asks_again_asks_for_the_whole(call: Call) -> None:
    """What a rule objects to is not a place of the schema."""
    guard = Guard(schema=Order, output=[reask(word("bad"))], retry=NOW)

    _, outcome, model = call(guard, [order("many", sku="bad"), '{"part_1": 7}', order(7)], SAID)

    assert outcome.value == WHOLE
    assert "part_" not in model.calls[2].messages[-1]["content"]


def test_a_reply_that_may_not_go_back_is_asked_for_whole(call: Call) -> None:
    """Without its own reply before it a model cannot know what the parts are parts of."""
    guard = Guard(schema=Order, input=[block(word("bad"))], retry=NOW)

    _, outcome, model = call(guard, [order("many", sku="bad"), order(7)], SAID)

    assert outcome.value == WHOLE
    assert "bad" not in json.dumps(model.calls[1].messages)
    assert "part_" not in model.calls[1].messages[-1]["content"]


# --- where parts do not do ---


def test_a_function_that_takes_a_prompt_is_asked_for_the_whole() -> None:
    """It sends one turn, so the model does not see what it replied."""
    model = ScriptedModel([order("many"), order(7)])

    @Guard(schema=Order, retry=NOW)
    def ask(prompt: str) -> Any:
        return model(prompt)

    assert ask("my order") == WHOLE
    assert "part_" not in model.calls[1].messages


def test_a_small_reply_is_asked_for_whole(call: Call) -> None:
    """A part that is half of it saves nothing."""
    guard = Guard(schema=Line, retry=NOW)

    _, _, model = call(guard, ['{"sku": "a", "qty": "many"}', '{"sku": "a", "qty": 1}'], SAID)

    assert "part_" not in model.calls[1].messages[-1]["content"]


def test_several_choices_are_asked_for_whole() -> None:
    """A part belongs to one reply."""
    from guardrails_lite.testing import with_choices

    both = with_choices(completion(order("many")), completion(order(7)))
    good = with_choices(completion(order(7)), completion(order(7)))
    model = ScriptedModel([both, good])

    Guard(schema=Order, retry=NOW).run(model, SAID, n=2)

    assert "part_" not in model.calls[1].messages[-1]["content"]


def test_a_fallback_is_not_asked_about_a_part_of_anothers_reply(call: Call) -> None:
    """It gets the request as the caller made it."""
    other = ScriptedModel([order(7)])
    behind = target(lambda messages: other(messages))
    guard = Guard(schema=Order, retry=Retry(reasks=1, wait=0), fallback=[behind])

    outcome = guard.run(ScriptedModel([order("many"), '{"part_1": -1}']), SAID)

    assert outcome.value == WHOLE
    assert other.calls[0].messages == SAID


def test_a_long_reply_is_shown_by_what_is_around_its_parts(call: Call) -> None:
    """The size of a re-ask does not grow with the reply."""
    long = order("many", lines=400, at=300)

    _, outcome, model = call(Guard(schema=Order, retry=NOW), [long, '{"part_1": 7}'], SAID)

    assert outcome.value.lines[300].qty == 7
    assert model.calls[1].messages[2]["content"] == '{"$.lines[300]": {"sku": "sku-300", "qty": "many"}}'


# --- what it costs ---


def test_the_size_of_a_request_stays_the_same_over_five_failures(call: Call) -> None:
    """The sixth request is at most 1.3 times the second, whatever was asked for in between."""
    lines = [order("many"), '{"part_1": -3}', order(None, at=5), '{"part_1": -1}', order(-2, at=4), order(7)]

    _, outcome, model = call(Guard(schema=Order, retry=Retry(reasks=5, wait=0)), lines, SAID)

    sizes = [len(json.dumps(each.messages)) for each in model.calls]
    assert outcome.value == WHOLE
    assert max(sizes[1:]) <= 1.3 * sizes[1]


def test_tokens_and_money_of_the_questions_are_counted(call: Call) -> None:
    """Both attempts are in the record, with what the provider says they cost."""
    guard = Guard(schema=Order, retry=NOW, budget=Budget(prices={"m": Price(1_000_000, 2_000_000)}))
    lines = [completion(order("many"), usage=(100, 50)), completion('{"part_1": 7}', usage=(180, 5))]

    _, outcome, _ = call(guard, lines, SAID, model="m")

    assert (outcome.record.usage.prompt_tokens, outcome.record.usage.completion_tokens) == (280, 55)
    assert outcome.record.cost_usd == pytest.approx(280 + 2 * 55)


# --- a client ---


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_client_is_sent_the_schema_of_the_parts(api: str) -> None:
    """The provider is held to the question too, and the caller's reply holds the whole."""
    with LoopbackServer([order("many"), '{"part_1": 7}']) as server:
        guard = Guard(schema=Order, retry=NOW)
        with OpenAI(base_url=server.base_url, api_key="k") as client, guard.wrap(client) as wrapped:
            if api == "chat":
                reply = wrapped.chat.completions.create(model="m", messages=SAID)  # type: ignore[arg-type]
                text = reply.choices[0].message.content or ""
            else:
                text = wrapped.responses.create(model="m", input=SAID).output_text  # type: ignore[arg-type]
        bodies = [request.body for request in server.requests]

    first, second = (
        body["response_format"]["json_schema"] if api == "chat" else body["text"]["format"] for body in bodies
    )
    assert first["name"] == "Order"
    assert second["schema"]["properties"]["part_1"]["type"] == "integer"
    assert second["strict"] is True
    assert json.loads(text) == WHOLE.model_dump()
