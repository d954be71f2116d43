"""Retry, re-ask, fallback and budget: what happens when a reply does not come, or is no good."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypedDict

import pytest
from pydantic import BaseModel

from guardrails_lite import (
    Blocked,
    Budget,
    BudgetExceeded,
    DeadlineExceeded,
    Exhausted,
    Guard,
    Retry,
    StreamInterrupted,
    redact,
    target,
    tool,
)
from guardrails_lite.reliability import time_left_s
from guardrails_lite.testing import STYLES, ScriptedModel, Style, completion, tool_call
from tests.engine.conftest import NOW, word

Call = Callable[..., Any]
OFFLINE = ConnectionError("no route to host 10.1.2.3")


class Invoice(BaseModel):
    customer: str
    total: float


@dataclasses.dataclass
class Point:
    x: int
    y: int


class Row(TypedDict):
    a: int


# --- retries and fallbacks ---


def test_a_transport_failure_is_retried(call: Call) -> None:
    """A failure to get a reply repeats the same request at the same target."""
    text, outcome, model = call(Guard(retry=NOW), [OFFLINE, TimeoutError(), "here"])

    assert text == "here"
    assert [step.result for step in outcome.record.attempts] == ["connection", "timeout", "answered"]
    assert [each.messages for each in model.calls] == ["hi"] * 3


def test_when_retries_are_used_the_fallback_is_asked(call: Call) -> None:
    """Targets are asked in their order, and the record says which answered."""
    guard = Guard(retry=Retry(attempts=2, wait=0), fallback=[target(model="small"), target("sorry")])

    text, outcome, model = call(guard, [OFFLINE, OFFLINE, "small here"], "hi", model="large")

    assert text == "small here"
    assert outcome.record.outcome == "fell back"
    assert [each.params["model"] for each in model.calls] == ["large", "large", "small"]
    assert [step.target for step in outcome.record.attempts][-1] == "model=small"


def test_a_fixed_answer_comes_last(call: Call) -> None:
    """When every target failed the caller still gets a text."""
    text, outcome, _ = call(Guard(retry=Retry(attempts=1), fallback=[target("sorry")]), [OFFLINE])

    assert (text, outcome.record.outcome) == ("sorry", "fell back")


def test_a_function_can_be_a_fallback(style: Style) -> None:
    """Another function, sync or async as the style asks, takes the messages."""
    spare = style.model(ScriptedModel(["spare"]))
    guard = Guard(retry=Retry(attempts=1), fallback=[target(spare, model="m-2")])

    outcome = style.call(guard, ScriptedModel([OFFLINE]), [{"role": "user", "content": "hi"}])

    assert outcome.reply.text == "spare"


def test_everything_failed_says_so_for_each_target(call: Call) -> None:
    """Fault X12: one error, all causes in order, no text of any of them."""
    guard = Guard(retry=Retry(attempts=1), fallback=[target(model="small")])
    with pytest.raises(Exhausted, match=r"connection.*model=small: timeout") as caught:
        call(guard, [OFFLINE, TimeoutError("secret text")])

    assert caught.value.outcome == "transport failed"
    assert isinstance(caught.value.last_error, TimeoutError)
    assert "secret text" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_error_of_the_applications_own_code_passes_through(call: Call) -> None:
    """A bug is neither retried nor hidden; the record still tells."""
    seen: list[Any] = []
    with pytest.raises(ZeroDivisionError):
        call(Guard(retry=NOW, log=seen.append), [ZeroDivisionError("mine"), "never"])

    assert (seen[0].outcome, seen[0].error) == ("transport failed", "ZeroDivisionError")
    assert seen[0].attempts[0].result == "own bug"


@pytest.mark.parametrize("on", ["failure", "validation"])
def test_a_fallback_can_be_for_one_kind_of_failure(call: Call, on: Any) -> None:
    """`on=` narrows a fallback to replies that never came, or to replies that never fitted."""
    guard = Guard(schema=Row, retry=Retry(attempts=1, reasks=0), fallback=[target('{"a": 1}', on=on)])

    for script, kind in (([OFFLINE], "failure"), (['{"a": "x"}'], "validation")):
        if kind == on:
            assert call(guard, script)[1].value == {"a": 1}
        else:
            with pytest.raises(Exhausted):
                call(guard, script)


def test_nothing_is_retried_after_the_first_released_character() -> None:
    """Once text has been released, a failing stream ends the call."""
    model = ScriptedModel([["hello ", OFFLINE], "never"])
    stream = Guard(retry=NOW, fallback=[target("never")]).stream(model.stream, "hi")
    got: list[str] = []
    with pytest.raises(StreamInterrupted, match="after 6 released characters") as caught:
        got.extend(iter(stream))

    assert "".join(got) == "hello "
    assert caught.value.delivered_chars == 6
    assert caught.value.record is not None
    assert caught.value.record.output_chars == 6
    assert len(model.calls) == 1


def test_a_stream_that_breaks_before_anything_was_released_is_retried() -> None:
    """Held-back text has not been released, so the stream begins again."""
    model = ScriptedModel([["sec", OFFLINE], "fine"])
    stream = Guard(output=[redact(word("secret", window=6))], retry=NOW).stream(model.stream, "hi")

    assert "".join(stream) == "fine"


# --- is it whole? ---


@pytest.mark.parametrize(
    ("reply", "error", "outcome"),
    [
        (completion("half an ans", finish_reason="length"), Exhausted, "truncated"),
        (completion(None, refusal="I will not."), Blocked, "refused"),
        (completion("so ", finish_reason="content_filter"), Blocked, "filtered"),
    ],
    ids=["truncated", "refused", "filtered"],
)
def test_endings_that_are_no_answer(style: Style, reply: Any, error: type[Any], outcome: str) -> None:
    """A cut, a refusal and a filter are outcomes of their own: never accepted, never asked again."""
    model = ScriptedModel([reply, reply, reply])
    with pytest.raises(error) as caught:
        style.call(Guard(schema=Invoice, retry=NOW), model, "hi")

    assert caught.value.outcome == outcome
    assert len(model.calls) == 1


def test_endings_can_be_accepted(call: Call) -> None:
    """An application that wants a cut answer says so."""
    text, outcome, _ = call(Guard(accept=["truncated"]), [completion("half an ans", finish_reason="length")])

    assert (text, outcome.record.outcome) == ("half an ans", "passed")


def unmarked(text: str | None, **parts: Any) -> Any:
    """A reply of a server that sends no finish reason, and says nothing of it in a stream either."""
    return completion(text, finish_reason=None, **parts)


def test_a_reply_without_a_finish_reason_counts_only_when_told(call: Call) -> None:
    """Nothing says that it is whole, so it is asked for again, unless the application knows its server."""
    with pytest.raises(Exhausted):
        call(Guard(retry=NOW), [unmarked("hello"), unmarked("hello"), unmarked("hello")])

    text, outcome, model = call(Guard(retry=NOW, accept=["unmarked"]), [unmarked("hello")])

    assert (text, outcome.record.outcome, len(model.calls)) == ("hello", "passed", 1)
    assert [(note.what, note.detail) for note in outcome.record.notes] == [("accepted", "no finish reason")]


@pytest.mark.parametrize(
    ("reply", "guard"),
    [
        (unmarked('{"customer": "Acme", "total": 1'), Guard(schema=Invoice, retry=NOW, accept=["unmarked"])),
        (
            unmarked(None, tool_calls=[tool_call("go")]),
            Guard(tools=[{"name": "go", "parameters": {}}], retry=NOW, accept=["unmarked"]),
        ),
        (unmarked(None), Guard(retry=NOW, accept=["unmarked"])),
    ],
    ids=["open JSON", "tool call", "nothing"],
)
def test_what_looks_cut_is_not_accepted_for_want_of_a_mark(call: Call, reply: Any, guard: Any) -> None:
    """A tool call must be known to be whole, and JSON must at least be closed."""
    with pytest.raises(Exhausted):
        call(guard, [reply, reply, reply])


@pytest.mark.parametrize(
    "reply", [{"choices": None}, {"choices": []}, completion(None), completion("")], ids=str
)
def test_an_empty_reply_under_success_is_a_failure_to_answer(style: Style, reply: Any) -> None:
    """It is asked for again, and never reaches a check or the caller."""
    model = ScriptedModel([[reply] if style.is_stream else reply, "here"])

    assert style.call(Guard(retry=NOW), model, "hi").reply.text == "here"


def test_every_choice_is_checked() -> None:
    """With `n=2` the second answer is no way around the rules."""
    from guardrails_lite.testing import with_choices

    two = with_choices(completion("fine"), completion("secret"))

    outcome = Guard(output=[redact(word("secret"))]).run(lambda messages: two, "hi")

    assert [choice.text for choice in outcome.reply.choices] == ["fine", "[REDACTED]"]
    assert outcome.value["choices"][1]["message"]["content"] == "[REDACTED]"
    assert two["choices"][1]["message"]["content"] == "secret", "the target's own object is left alone"


# --- schemas ---


@pytest.mark.parametrize(
    ("schema", "reply", "value"),
    [
        (Invoice, '{"customer": "Acme", "total": 12}', Invoice(customer="Acme", total=12)),
        (Point, 'Here: ```json\n{"x": 1, "y": 2}\n```', Point(1, 2)),
        (Row, 'It is {"a": 1}.', {"a": 1}),
        (list[int], "[1, 2]", [1, 2]),
        (
            {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            '{"a": 3}',
            {"a": 3},
        ),
    ],
    ids=["model", "dataclass", "typeddict", "list", "json schema"],
)
def test_a_schema_gives_a_typed_value(style: Style, schema: Any, reply: str, value: Any) -> None:
    """Bare, in fences or in prose: the caller gets the value."""
    assert style.call(Guard(schema=schema), ScriptedModel([reply]), "hi").value == value


def test_a_reply_that_does_not_fit_is_asked_again_with_paths(call: Call) -> None:
    """The whole conversation, then what was wrong: paths and expectations, no values."""
    guard = Guard(schema=Invoice, retry=NOW)
    said = [{"role": "system", "content": "be exact"}, {"role": "user", "content": "bill"}]

    _, outcome, model = call(
        guard, ['{"customer": "Acme", "total": "many"}', '{"customer": "A", "total": 1}'], said
    )

    assert outcome.value == Invoice(customer="A", total=1)
    assert outcome.record.outcome == "re-asked"
    assert model.calls[1].messages[:2] == said
    feedback = model.calls[1].messages[-1]["content"]
    assert "$.total" in feedback
    assert "many" not in feedback


def test_a_re_ask_never_grows(call: Call) -> None:
    """The newest failure replaces the last one."""
    guard = Guard(schema=Invoice, retry=Retry(reasks=5, wait=0))
    bad = [f'{{"customer": "A", "total": "no", "x{n}": 1}}' if n % 2 else '{"customer": 1}' for n in range(5)]

    _, _, model = call(guard, [*bad, '{"customer": "A", "total": 1}'], [{"role": "user", "content": "bill"}])

    assert [len(each.messages) for each in model.calls] == [1, 3, 3, 3, 3, 3]


def test_a_reply_that_never_fits_ends_as_schema_failed(call: Call) -> None:
    """The error names the first path; the record has every attempt."""
    with pytest.raises(Exhausted, match=r"the reply does not fit the schema: \$") as caught:
        call(Guard(schema=Invoice, retry=NOW), ["{}", '{"customer": 1}', '{"total": 1}'])

    assert caught.value.outcome == "schema failed"
    assert len(caught.value.record.attempts) == 3


def test_a_repaired_reply_says_so(call: Call) -> None:
    """A lossless repair is made, and recorded."""
    _, outcome, _ = call(Guard(schema=Row), ['{"a": 1,}'])

    assert (outcome.value, outcome.record.outcome) == ({"a": 1}, "repaired")


def test_rules_apply_to_typed_replies_too(call: Call) -> None:
    """What a rule masks is masked in the typed value, escaped or not."""
    guard = Guard(schema=Invoice, output=[redact(word("Acme"))])

    _, outcome, _ = call(guard, ['{"customer": "\\u0041cme", "total": 1}'])

    assert outcome.value.customer == "[REDACTED]"


# --- tools ---


def refund(order: str, euros: int) -> str:
    """Give money back."""
    return f"{euros} for {order}"


GOOD = {"order": "o-1", "euros": 5}


@pytest.mark.parametrize(
    ("call_", "verdict"),
    [
        (tool_call("refunds", GOOD), "unknown name"),
        (tool_call("refund", '{"order": "o-1", '), "not JSON"),
        (tool_call("refund", {"order": "o-1", "euros": "five"}), "wrong type"),
        (tool_call("refund", {"order": "o-1"}), "missing"),
        (tool_call("refund", {**GOOD, "to": "me"}), "undeclared"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_bad_tool_call_is_asked_again_before_the_application_sees_it(
    style: Style, call_: Any, verdict: str
) -> None:
    """Unknown, broken, wrong, missing, undeclared: each is caught, named and corrected."""
    model = ScriptedModel(
        [completion(tool_calls=[call_]), completion(tool_calls=[tool_call("refund", GOOD)])]
    )

    outcome = style.call(Guard(tools=[refund], retry=NOW), model, [{"role": "user", "content": "hi"}])

    assert [step.verdict for step in outcome.record.tools][-1] == "passed"
    if not (style.is_stream and verdict == "unknown name"):  # refused at its first delta
        assert outcome.record.tools[0].verdict == verdict
    assert outcome.reply.tool_calls[0].run() == "5 for o-1"
    answered = {each.get("tool_call_id") for each in model.calls[1].messages if each["role"] == "tool"}
    asked = {c["id"] for each in model.calls[1].messages for c in each.get("tool_calls") or ()}
    assert answered == asked, "each call of the history is answered, or the provider refuses it"


def test_a_tool_call_that_is_never_right_is_denied(call: Call) -> None:
    """It ends as tool denied, and no unchecked call is handed out."""
    bad = completion(tool_calls=[tool_call("refund", {"order": 1})])
    with pytest.raises(Exhausted) as caught:
        call(Guard(tools=[refund], retry=NOW), [bad, bad, bad], [{"role": "user", "content": "hi"}])

    assert caught.value.outcome == "tool denied"


@pytest.mark.parametrize("answer", [True, False])
def test_a_tool_that_needs_approval_is_asked_for(style: Style, answer: bool) -> None:
    """Consent is asked before the call is handed out, and recorded."""
    asked: list[str] = []

    def approve(call: Any) -> bool:
        asked.append(call.name)
        return answer

    model = ScriptedModel([completion(tool_calls=[tool_call("refund", GOOD)])])
    guard = Guard(tools=[tool(refund, approve=approve)])
    if answer:
        assert style.call(guard, model, "hi").reply.tool_calls[0].run() == "5 for o-1"
    else:
        with pytest.raises(Blocked, match="tool 'refund' was not approved") as caught:
            style.call(guard, model, "hi")
        assert caught.value.outcome == "tool denied"
    assert asked == ["refund"]


def test_tools_of_the_request_itself_are_enforced() -> None:
    """A guard that declares nothing still checks the calls of what was offered."""
    offered = [
        {"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}
    ]
    model = ScriptedModel([completion(tool_calls=[tool_call("lose", {})]), completion("fine")])

    outcome = Guard(retry=NOW).run(model, [{"role": "user", "content": "hi"}], tools=offered)

    assert outcome.record.tools[0].verdict == "unknown name"


@pytest.mark.parametrize("window", [None, 8], ids=["held", "windowed"])
def test_output_rules_see_refusals(call: Call, window: int | None) -> None:
    """A refusal that the application accepts is a text like any other."""
    guard = Guard(accept=["refused"], output=[redact(word("secret", window=window))])

    _, outcome, _ = call(guard, [completion(None, refusal="not the secret")])

    assert outcome.reply.choices[0].refusal == "not the [REDACTED]"


@pytest.mark.parametrize("window", [None, 8], ids=["held", "windowed"])
def test_output_rules_see_tool_arguments(call: Call, window: int | None) -> None:
    """A secret in an argument is masked like one in a text, also where the text is not held back."""
    model_reply = completion(tool_calls=[tool_call("refund", {"order": "secret", "euros": 5})])

    _, outcome, _ = call(Guard(tools=[refund], output=[redact(word("secret", window=window))]), [model_reply])

    assert outcome.reply.tool_calls[0].value == {"order": "[REDACTED]", "euros": 5}


# --- budgets ---


def test_a_deadline_stops_a_call(style: Style) -> None:
    """No attempt begins after the deadline."""

    def slow(call: Any) -> Any:
        time.sleep(0.05)
        return OFFLINE

    with pytest.raises((DeadlineExceeded, Exhausted)):
        style.call(Guard(retry=NOW, budget=Budget(deadline_s=0.04)), ScriptedModel([slow, slow, slow]), "hi")


class Asking:
    """A model that asks how long it still has, at each of its steps, as a function of any kind."""

    def __init__(self) -> None:
        self.told: list[float | None] = []

    def run(self, messages: Any) -> str:
        """Reply at once."""
        self.told.append(time_left_s())
        return "Oslo."

    async def arun(self, messages: Any) -> str:
        """Reply after a wait."""
        self.told.append(time_left_s())
        await asyncio.sleep(0)
        self.told.append(time_left_s())
        return "Oslo."

    def stream(self, messages: Any) -> Iterator[str]:
        """Reply in pieces."""
        for piece in ("Os", "lo."):
            self.told.append(time_left_s())
            yield piece

    async def astream(self, messages: Any) -> AsyncIterator[str]:
        """Reply in pieces, with waits."""
        for piece in ("Os", "lo."):
            self.told.append(time_left_s())
            await asyncio.sleep(0)
            yield piece


@pytest.mark.parametrize("deadline_s", [60.0, None])
def test_a_function_can_ask_how_long_its_call_still_has(style: Style, deadline_s: float | None) -> None:
    """So what nothing interrupts can end itself; without a deadline there is nothing to tell."""
    model = Asking()
    style.call(Guard(budget=Budget(deadline_s=deadline_s)), getattr(model, str(style)), "hi")

    assert model.told
    if deadline_s is None:
        assert set(model.told) == {None}
    else:
        assert all(left is not None and 0 < left <= deadline_s for left in model.told)
    assert time_left_s() is None


def test_a_fallback_can_ask_too(style: Style) -> None:
    """Also a plain function that runs in a thread, beside an event loop."""
    model = Asking()
    guard = Guard(retry=Retry(attempts=1), fallback=[target(model.run)], budget=Budget(deadline_s=60))
    style.call(guard, ScriptedModel([OFFLINE]), "hi")

    (left,) = model.told
    assert left is not None
    assert 0 < left <= 60


def test_tokens_are_refused_before_they_are_spent(call: Call) -> None:
    """A re-ask that does not fit the budget is not made."""
    bad = completion('{"a": "x"}', usage=(50, 50))
    with pytest.raises(BudgetExceeded) as caught:
        call(Guard(schema=Row, retry=NOW, budget=Budget(tokens=100)), [bad, bad, bad])

    assert caught.value.outcome == "budget stopped"
    assert len(caught.value.record.attempts) == 1


def test_usage_and_cost_of_failed_attempts_count(style: Style) -> None:
    """The record has the tokens of all attempts together."""
    script = [completion("{}", usage=(10, 5)), completion('{"a": 1}', usage=(20, 5))]
    outcome = style.call(
        Guard(schema=Row, retry=NOW), ScriptedModel(script), "hi", stream_options={"include_usage": True}
    )

    if not style.is_stream:
        assert outcome.record.usage.total_tokens == 40
    assert len(outcome.record.attempts) == 2


# --- leaving early ---


@pytest.mark.parametrize("style", [style for style in STYLES if style.name == "stream"], ids=str)
def test_leaving_a_stream_closes_it_and_completes_the_record(style: Style) -> None:
    """Fault S32: the upstream is closed and the record says cancelled."""
    records: list[Any] = []
    closed: list[bool] = []

    def chunks(messages: Any) -> Iterator[str]:
        try:
            yield from "abcdef"
        finally:
            closed.append(True)

    with Guard(log=records.append).stream(chunks, "hi") as stream:
        assert next(stream) == "a"

    assert closed == [True]
    [record] = records
    assert (record.outcome, record.attempts[0].result) == ("cancelled", "cancelled")


def test_a_stream_that_was_never_read_leaves_nothing_behind() -> None:
    """Nothing was sent, so nothing is recorded."""
    records: list[Any] = []

    Guard(log=records.append).stream(lambda messages: iter("never"), "hi").close()

    assert records == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_interrupts_pass_straight_through(call: Call, error: type[BaseException]) -> None:
    """They are never wrapped or retried, and the record is completed."""
    records: list[Any] = []
    with pytest.raises(error):
        call(Guard(log=records.append, retry=NOW, fallback=[target("never")]), [error()])

    assert [record.outcome for record in records] == ["cancelled"]
