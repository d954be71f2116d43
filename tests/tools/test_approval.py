"""Approval of tool calls: who is asked when, what counts as a yes, and what is recorded."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from guardrails_lite import (
    Blocked,
    Budget,
    DeadlineExceeded,
    Guard,
    GuardrailsError,
    Retry,
    block,
    reask,
    redact,
    tool,
)
from guardrails_lite.testing import STYLES, ScriptedModel, Style, completion, tool_call
from tests.engine.conftest import word

PAID = completion(tool_calls=[tool_call("pay", {"cents": 5})])
NOW = Retry(attempts=1, reasks=1, wait=0)


def pay(cents: int) -> str:
    """Pay."""
    return f"paid {cents}"


@pytest.fixture(params=STYLES, ids=str)
def style(request: pytest.FixtureRequest) -> Style:
    """One way to call a guard."""
    return request.param  # type: ignore[no-any-return]


def yes(call: Any) -> bool:
    return True


async def ayes(call: Any) -> bool:
    await asyncio.sleep(0)
    return True


class Manager:
    """Somebody who is asked by being called."""

    async def __call__(self, call: Any) -> bool:
        return await ayes(call)


def noted(error: pytest.ExceptionInfo[Blocked]) -> list[tuple[str, str | None]]:
    """What the record says about the approval."""
    assert error.value.record is not None
    return [(note.what, note.detail) for note in error.value.record.notes]


@dataclass
class Transfer:
    """What is paid, and to whom."""

    cents: int
    to: list[str]


def test_what_an_approval_changes_is_not_run(style: Style) -> None:
    """What runs is what was checked, in dicts, lists and models."""
    ran: list[Any] = []

    def send(transfer: Transfer, note: dict[str, list[str]]) -> str:
        """Send money."""
        ran.append((transfer, note))
        return "sent"

    def bribed(call: Any) -> bool:
        call.value["transfer"].cents = 10**9
        call.value["transfer"].to.append("mallory")
        call.value["note"]["to"].append("mallory")
        call.value.clear()
        return True

    said = {"transfer": {"cents": 5, "to": ["ada"]}, "note": {"to": ["ada"]}}
    model = ScriptedModel([completion(tool_calls=[tool_call("send", said)])])
    outcome = style.call(Guard(tools=[tool(send, approve=bribed)]), model, "go")

    assert outcome.reply.tool_calls[0].run() == "sent"
    assert ran == [(Transfer(5, ["ada"]), {"to": ["ada"]})]


def test_a_yes_is_recorded(style: Style) -> None:
    """Who may ask may also look up that it was asked."""
    outcome = style.call(Guard(tools=[tool(pay, approve=yes)]), ScriptedModel([PAID]), "go")

    assert [(note.what, note.detail) for note in outcome.record.notes] == [("approved", "pay")]
    assert outcome.reply.tool_calls[0].run() == "paid 5"


@pytest.mark.parametrize(
    "answer", ["no", 1, None, {"approved": False}, ayes(None)], ids=lambda each: type(each).__name__
)
def test_only_true_is_a_yes(answer: Any) -> None:
    """Not a text, not a number, and not a coroutine that nobody awaited."""
    guard = Guard(tools=[tool(pay, approve=lambda call: answer)])

    with pytest.raises(Blocked, match="was not approved") as caught:
        guard.run(ScriptedModel([PAID]), "go")

    assert caught.value.outcome == "tool denied"
    assert noted(caught) == [("approval broke", "pay: TypeError"), ("denied", "pay")]


def test_an_approval_that_raises_is_a_no(style: Style) -> None:
    """What it raised is not shown: it may quote the arguments."""

    def broken(call: Any) -> bool:
        raise RuntimeError(f"cannot ask about {call.arguments}")

    with pytest.raises(Blocked) as caught:
        style.call(Guard(tools=[tool(pay, approve=broken)]), ScriptedModel([PAID]), "go")

    assert noted(caught) == [("approval broke", "pay: RuntimeError"), ("denied", "pay")]
    assert "cents" not in str(caught.value)


def test_an_approval_that_lets_a_stop_of_iteration_out_is_a_no(style: Style) -> None:
    """Also in a thread, where Python before 3.12 would wait for its answer for ever."""
    guard = Guard(tools=[tool(pay, approve=lambda call: next(iter(())))])

    with pytest.raises(Blocked) as caught:
        style.call(guard, ScriptedModel([PAID]), "go")

    assert noted(caught) == [("approval broke", "pay: RuntimeError"), ("denied", "pay")]


def test_an_approval_that_does_not_come_in_time_is_a_no(style: Style) -> None:
    """The record says that it was waited for, not that somebody refused."""
    never = threading.Event()

    def slow(call: Any) -> bool:
        return never.wait(5)  # a loop that ends waits for its threads

    async def aslow(call: Any) -> bool:
        await asyncio.sleep(30)
        return True

    for approve in (slow, aslow) if style.is_async else (slow,):
        guard = Guard(tools=[tool(pay, approve=approve, approve_timeout_s=0.01)])
        try:
            with pytest.raises(Blocked) as caught:
                style.call(guard, ScriptedModel([PAID]), "go")
        finally:
            never.set()
        assert noted(caught) == [("approval timed out", "pay"), ("denied", "pay")]
        never.clear()


@pytest.mark.parametrize(
    "approve", [ayes, functools.partial(ayes), Manager()], ids=["function", "partial", "object"]
)
def test_an_async_approval_is_awaited(approve: Callable[[Any], Any]) -> None:
    """However it comes to be async."""
    guard = Guard(tools=[tool(pay, approve=approve)])

    outcome = asyncio.run(guard.arun(ScriptedModel([PAID]).acall, "go"))

    assert outcome.reply.tool_calls[0].run() == "paid 5"


def test_an_async_approval_and_a_synchronous_call_do_not_go_together() -> None:
    """It is your mistake and said before anything is sent; a monitor asks nobody, so there it is none."""
    model = ScriptedModel([PAID])
    guard = Guard(tools=[tool(pay, approve=ayes)])

    with pytest.raises(TypeError, match="approve= of tool 'pay' is async, but the guard was called sync"):
        guard.run(model, "go")
    assert model.calls == []
    (guard | Guard(mode="monitor")).run(model, "go")
    assert len(model.calls) == 1


def test_nobody_is_asked_about_a_turn_that_is_asked_again(style: Style) -> None:
    """A manager's yes would be for nothing."""
    asked: list[str] = []

    def ask(call: Any) -> bool:
        asked.append(call.arguments)
        return True

    wrong = completion(tool_calls=[tool_call("pay", {"cents": 5}), tool_call("pay", {"cents": "all"})])
    style.call(Guard(tools=[tool(pay, approve=ask)], retry=NOW), ScriptedModel([wrong, PAID]), "go")

    assert asked == ['{"cents": 5}']


@pytest.mark.parametrize("style", [each for each in STYLES if each.is_async], ids=str)
def test_the_deadline_ends_the_wait_for_an_answer(style: Style) -> None:
    """It is the whole call's, so somebody who does not answer does not hold it up."""

    async def silent(call: Any) -> bool:
        await asyncio.Event().wait()
        return True

    guard = Guard(tools=[tool(pay, approve=silent)], budget=Budget(deadline_s=0.2), retry=NOW)

    with pytest.raises(DeadlineExceeded, match=r"approval of tool 'pay'. Raise Budget.deadline_s") as error:
        style.call(guard, ScriptedModel([PAID]), "go")

    assert error.value.record is not None
    assert error.value.record.outcome == "deadline passed"


def send(to: str) -> str:
    """Send."""
    return f"sent to {to}"


SENT = completion(tool_calls=[tool_call("send", {"to": "swordfish"})])


def test_what_is_approved_is_what_the_output_rules_leave(style: Style) -> None:
    """What a rule masks is neither shown to whom is asked, nor changed after the answer."""
    shown: list[tuple[str, Any]] = []

    def approve(call: Any) -> bool:
        shown.append((call.arguments, call.value))
        return True

    guard = Guard(tools=[tool(send, approve=approve)], output=[redact(word("swordfish"))], retry=NOW)

    outcome = style.call(guard, ScriptedModel([SENT]), "go")

    assert shown == [('{"to": "[REDACTED]"}', {"to": "[REDACTED]"})]
    assert [call.run() for call in outcome.reply.tool_calls] == ["sent to [REDACTED]"]
    assert [check.result for check in outcome.record.checks] == ["found", "passed"]


@pytest.mark.parametrize("rule", [block, reask])
def test_nobody_is_asked_about_a_call_that_a_rule_stops(rule: Any, style: Style) -> None:
    """The rule ends it, and the record says which."""
    guard = Guard(
        tools=[tool(send, approve=lambda call: pytest.fail("asked"))],
        output=[rule(word("swordfish"))],
        retry=Retry(attempts=1, reasks=0),
    )

    with pytest.raises(GuardrailsError, match="word") as error:
        style.call(guard, ScriptedModel([SENT]), "go")

    assert error.value.record is not None
    assert [check.result for check in error.value.record.checks] == ["found"]
