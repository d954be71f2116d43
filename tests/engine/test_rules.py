"""What each verb does, whichever way the guard is called."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from guardrails_lite import (
    Blocked,
    Budget,
    DeadlineExceeded,
    Exhausted,
    Finding,
    Guard,
    block,
    fall_back,
    reask,
    redact,
    target,
    validator,
    warn,
)
from guardrails_lite.reliability import time_left_s
from guardrails_lite.testing import STYLES, ScriptedModel, Style
from tests.engine.conftest import NOW, word

Call = Callable[..., Any]


def sent(model: ScriptedModel, nth: int = -1) -> Any:
    """What the model was told last."""
    told = model.calls[nth].messages
    return told if isinstance(told, str) else told[-1]["content"]


def test_redact_masks_the_request_before_it_is_sent(call: Call) -> None:
    """What an input rule masks never reaches the model."""
    guard = Guard(input=[redact(word("secret", category="WORD"))])

    _, outcome, model = call(guard, ["fine"], "my secret is a secret")

    assert sent(model) == "my [WORD] is a [WORD]"
    assert outcome.record.outcome == "passed"
    assert outcome.record.checks[0].findings[0].times == 2


def test_redact_masks_the_reply(call: Call) -> None:
    """What an output rule masks never reaches the caller, however the reply is cut into pieces."""
    text, outcome, _ = call(Guard(output=[redact(word("secret", window=8))]), ["it is secret, yes"])

    assert text == "it is [REDACTED], yes"
    assert outcome.reply.text == "it is [REDACTED], yes"


def test_block_on_the_input_sends_nothing(call: Call) -> None:
    """A blocked request never leaves, and the error carries the record."""
    model = ScriptedModel(["never"])
    with pytest.raises(Blocked, match=r"block\(word\(text='bad'\)\) stopped messages\[0\].content") as caught:
        call(Guard(input=[block(word("bad"))]), [lambda _: model([])], "a bad thing")

    assert model.calls == []
    assert caught.value.record is not None
    assert caught.value.record.outcome == "blocked"
    assert caught.value.record.attempts == ()
    assert caught.value.findings[0].message == "contains the word"


def test_block_on_the_output_is_final(call: Call) -> None:
    """A blocked reply is neither retried nor answered by a fallback."""
    guard = Guard(output=[block(word("bad"))], fallback=[target("sorry")], retry=NOW)
    with pytest.raises(Blocked) as caught:
        call(guard, ["a bad thing", "never"])

    assert len(caught.value.record.attempts) == 1


def test_warn_changes_nothing_and_is_recorded(call: Call) -> None:
    """A warning is in the record and nowhere else."""
    text, outcome, model = call(
        Guard(input=[warn(word("odd"))], output=[warn(word("odd"))]), ["odd too"], "odd"
    )

    assert (sent(model), text) == ("odd", "odd too")
    assert [(step.side, step.result, step.action) for step in outcome.record.checks] == [
        ("input", "found", "warn"),
        ("output", "found", "warn"),
    ]


def test_reask_sends_the_reply_back_without_what_was_found(call: Call) -> None:
    """The model is told what was wrong, and not shown again what a rule objected to."""
    guard = Guard(output=[reask(word("Globex"))], retry=NOW)

    text, outcome, model = call(guard, ["ask Globex", "ask us"], [{"role": "user", "content": "whom?"}])

    assert text == "ask us"
    assert outcome.record.outcome == "re-asked"
    echo, feedback = model.calls[1].messages[1:]
    assert echo == {"role": "assistant", "content": "ask [REDACTED]"}
    assert "contains the word" in feedback["content"]
    assert "Globex" not in str(model.calls[1].messages)


def test_reask_gives_the_primary_nothing_that_is_for_the_fallback(call: Call) -> None:
    """Its own reply neither: it is told what was wrong without it. A fallback is told with it."""
    replies = iter(["private: bad", "private: fine"])
    seen: list[Any] = []

    def local(messages: list[Any]) -> str:
        seen.extend(messages)
        return next(replies)

    rules: dict[str, Any] = {"input": [fall_back(word("private"))], "output": [reask(word("bad"))]}
    guard = Guard(**rules, fallback=[target(local)], retry=NOW)
    _, outcome, model = call(guard, ["private: bad", "fine"], [{"role": "user", "content": "whom?"}])
    call(guard, ["never"], [{"role": "user", "content": "a private question"}])

    assert [message["role"] for message in model.calls[1].messages] == ["user", "user"]
    assert any(note.what == "re-ask without the reply" for note in outcome.record.notes)
    assert {"role": "assistant", "content": "private: [REDACTED]"} in seen


def test_reask_gives_up_after_its_budget(call: Call) -> None:
    """The same failure twice ends the loop: asking again does not help."""
    with pytest.raises(Exhausted) as caught:
        call(Guard(output=[reask(word("bad"))], retry=NOW), ["bad", "bad", "bad", "bad"])

    assert caught.value.outcome == "blocked"
    assert len(caught.value.record.attempts) == 2


def test_fall_back_on_the_output_asks_the_next_target(call: Call) -> None:
    """A rule that names the fallback is the only way past what it found."""
    guard = Guard(output=[fall_back(word("bad"))], fallback=[target("a fixed answer")])

    text, outcome, _ = call(guard, ["bad"])

    assert text == "a fixed answer"
    assert outcome.record.outcome == "fell back"


def test_fall_back_on_the_input_skips_the_primary(call: Call) -> None:
    """What the primary may not see goes to the fallback."""
    guard = Guard(input=[fall_back(word("private"))], fallback=[target("a local answer")])

    text, outcome, model = call(guard, ["never"], "something private")

    assert (text, model.calls) == ("a local answer", [])
    assert outcome.record.outcome == "fell back"


@pytest.mark.parametrize("option", [{}, {"roles": ["user"]}, {"timeout_s": 9}])
@pytest.mark.parametrize("place", [0, 1])
def test_what_goes_to_the_fallback_is_screened_by_all_rules(
    call: Call, place: int, option: dict[str, Any]
) -> None:
    """Wherever `fall_back` stands, a mask is put on the text, and a block is final."""
    seen: list[Any] = []

    def local(messages: list[Any]) -> str:
        seen.append(messages[-1]["content"])
        return "a local answer"

    rules = [redact(word("zoe"), **option), block(word("bad"), **option)]
    rules.insert(place, fall_back(word("private"), **option))
    guard = Guard(input=rules, fallback=[target(local)])

    text, _, _ = call(guard, ["never"], "private: zoe")
    with pytest.raises(Blocked, match=r"block\(word\(text='bad'\)"):
        call(guard, ["never"], "private: zoe is bad")

    assert (text, seen) == ("a local answer", ["private: [REDACTED]"])
    assert guard.check("private: zoe is bad").verdict == "blocked"
    assert guard.check("private: zoe").verdict == "would fall back"


def test_fall_back_without_a_fallback_blocks(call: Call) -> None:
    """Where nobody is left to ask, the finding is a block."""
    with pytest.raises(Blocked):
        call(Guard(input=[fall_back(word("private"))]), ["never"], "private")


def test_rules_see_what_the_rules_before_them_left(call: Call) -> None:
    """A judge after a mask never sees what was masked."""
    seen: list[str] = []

    @validator
    def judge(text: str) -> Iterator[Finding]:
        seen.append(text)
        yield from ()

    call(Guard(input=[redact(word("ada")), block(judge)]), ["ok"], "ada is here")

    assert seen == ["[REDACTED] is here"]


@validator
def broken(text: str) -> Iterator[Finding]:
    """A validator with a bug."""
    raise KeyError(text)


def test_a_broken_check_blocks_and_is_recorded_as_broken(call: Call) -> None:
    """Fault X09: fail closed, and say so: broken is not found."""
    with pytest.raises(Blocked, match=r"could not be checked \(KeyError\)") as caught:
        call(Guard(input=[block(broken)]), ["never"], "swordfish")

    step = caught.value.record.checks[0]
    assert (step.result, step.action, step.error) == ("broken", "block", "KeyError")
    assert "swordfish" not in str(caught.value) + repr(caught.value.record)


def test_a_blocking_check_that_lets_a_stop_of_iteration_out_is_broken(call: Call) -> None:
    """Also in a thread, where Python before 3.12 would wait for it for ever."""

    @validator(blocking=True)
    def first(text: str) -> list[Finding]:
        return next(iter(()))

    with pytest.raises(Blocked) as caught:
        call(Guard(input=[block(first)]), ["never"])

    assert caught.value.record is not None
    assert caught.value.record.checks[0].result == "broken"


def test_a_broken_redaction_blocks(call: Call) -> None:
    """What cannot be masked may not pass."""
    with pytest.raises(Blocked):
        call(Guard(output=[redact(broken)]), ["swordfish"])


def test_open_on_error_lets_pass_visibly(call: Call) -> None:
    """`on_error="open"` is a decision, and the record shows it."""
    _, outcome, _ = call(Guard(input=[block(broken, on_error="open")]), ["fine"])

    assert (outcome.record.checks[0].result, outcome.record.checks[0].action) == ("broken", "open")


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ([Finding("x", span=(0, 99))], "span outside the text"),
        (["a secret"], "str instead of a Finding"),
        ("a secret", "str instead of a Finding"),
        (True, "bool instead of findings"),
        (None, "None instead of findings"),
        (Finding("x"), "Finding instead of findings"),
    ],
    ids=["span", "texts", "text", "bool", "nothing", "one"],
)
def test_a_validator_that_breaks_its_contract_is_broken(call: Call, bad: Any, said: str) -> None:
    """It counts as found; its author is told what came in place of findings, by type, and no text of it."""
    with pytest.raises(Blocked, match=rf"could not be checked \({said}\)"):
        call(Guard(input=[block(validator(lambda text: bad))]), ["never"])


def test_an_async_validator_that_returns_no_findings_is_broken_too() -> None:
    """What came is told there as well."""

    async def later(text: str) -> Any:
        return True

    decision = asyncio.run(Guard(input=[block(validator(later))]).acheck("text"))

    assert [check.error for check in decision.record.checks] == ["bool instead of findings"]


def test_a_check_that_takes_too_long_times_out(call: Call) -> None:
    """Fault X09: `timeout_s` bounds a validator, also a blocking one under a synchronous call."""

    @validator(blocking=True)
    def slow(text: str) -> list[Finding]:
        time.sleep(0.3)
        return []

    with pytest.raises(Blocked) as caught:
        call(Guard(input=[block(slow, timeout_s=0.02)]), ["never"])

    assert caught.value.record.checks[0].result == "timed out"


@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "plain"])
def test_a_check_can_ask_how_long_it_may_still_take(call: Call, blocking: bool) -> None:
    """What its rule allows it; so what nobody waits for any more can end itself."""
    left: list[float | None] = []

    @validator(blocking=blocking)
    def asks(text: str) -> list[Finding]:
        left.append(time_left_s())
        return []

    call(Guard(input=[block(asks, timeout_s=60)], budget=Budget(deadline_s=None)), ["yes"])
    call(Guard(input=[block(asks)], budget=Budget(deadline_s=None)), ["yes"])

    assert left[0] is not None
    assert 0 < left[0] <= 60
    assert left[1] is None


def test_monitor_changes_and_stops_nothing(call: Call) -> None:
    """A monitoring guard records what it would have done."""
    guard = Guard(input=[redact(word("ada"))], output=[block(word("bad"))], mode="monitor")

    text, outcome, model = call(guard, ["a bad reply"], "ada")

    assert (sent(model), text) == ("ada", "a bad reply")
    assert [step.action for step in outcome.record.checks] == ["monitor", "monitor"]
    assert outcome.record.outcome == "passed"


def test_roles_narrow_a_rule(call: Call) -> None:
    """A rule for users leaves the system's words alone."""
    guard = Guard(input=[redact(word("ada"), roles=["user"])])

    _, _, model = call(
        guard, ["ok"], [{"role": "system", "content": "ada"}, {"role": "user", "content": "ada"}]
    )

    assert [message["content"] for message in model.calls[0].messages] == ["ada", "[REDACTED]"]


def test_a_share_of_zero_skips_a_rule_and_says_so(call: Call) -> None:
    """A rule that is not in this call's share is recorded as skipped."""
    _, outcome, _ = call(Guard(input=[block(word("bad"), share=0.0)]), ["ok"], "bad")

    assert outcome.record.checks[0].result == "skipped"


@pytest.mark.parametrize("style", [style for style in STYLES if style.is_async], ids=str)
def test_async_validators_judge_side_by_side(style: Style) -> None:
    """Neighbours that rewrite nothing run together; an async generator is a validator too."""
    together = asyncio.Barrier(2)

    @validator
    async def first(text: str) -> list[Finding]:
        await asyncio.wait_for(together.wait(), 5)
        return []

    @validator
    async def second(text: str) -> AsyncIterator[Finding]:
        await asyncio.wait_for(together.wait(), 5)
        yield Finding("seen")

    outcome = style.call(Guard(input=[block(first), warn(second)]), ScriptedModel(["ok"]), "hi")

    assert [step.result for step in outcome.record.checks] == ["passed", "found"]


@pytest.mark.parametrize("style", [style for style in STYLES if not style.is_async], ids=str)
def test_an_async_validator_under_a_synchronous_call_is_a_clear_error(style: Style) -> None:
    """The message names the rule and the way out."""

    @validator
    async def slow(text: str) -> list[Finding]:
        return []

    with pytest.raises(TypeError, match=r"block\(slow\) is async, but the guard was called synchronously"):
        style.call(Guard(input=[block(slow)]), ScriptedModel(["never"]), "hi")


@pytest.mark.parametrize("style", [each for each in STYLES if each.is_async], ids=str)
@pytest.mark.parametrize("timeout_s", [None, 60])
@pytest.mark.parametrize("side", ["input", "output"])
def test_the_deadline_ends_the_wait_for_a_check(side: str, timeout_s: float | None, style: Style) -> None:
    """It is the whole call's: what the check would have said does not matter any more."""

    @validator
    async def silent(text: str) -> list[Finding]:
        await asyncio.Event().wait()
        return []

    rule = block(silent, timeout_s=timeout_s, on_error="open")
    guard = Guard(**{side: [rule]}, budget=Budget(deadline_s=0.2), retry=NOW)

    with pytest.raises(DeadlineExceeded, match=r"waited for block\(silent.*Raise Budget.deadline_s") as error:
        style.call(guard, ScriptedModel(["fine"]), "hi")

    assert error.value.record is not None
    assert error.value.record.outcome == "deadline passed"
    assert [check.result for check in error.value.record.checks] == ["timed out"]
