"""What checks report to have used: in the record, in the budget, in the log's sums."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from jsonschema import Draft202012Validator

from guardrails_lite import Blocked, Budget, BudgetExceeded, Finding, Guard, Usage, Validator, block, reask
from guardrails_lite import validator as declare
from guardrails_lite.audit import AuditLog, entry_schema, read
from guardrails_lite.audit.index import Index
from guardrails_lite.reliability import Price, report_usage
from guardrails_lite.testing import ScriptedModel

PRICES = {"small": Price(100.0, 1000.0)}


@declare(blocking=True, name="asking")
def asking(text: str) -> Iterator[Finding]:
    """Uses 10 and 1 tokens for each text, and finds the word ``bad``."""
    report_usage({"prompt_tokens": 10, "completion_tokens": 1}, model="small")
    if "bad" in text:
        yield Finding("is bad")


@declare(name="aasking")
async def aasking(text: str) -> list[Finding]:
    """The same on a loop."""
    await asyncio.sleep(0)
    report_usage(Usage(10, 1), model="small")
    return [Finding("is bad")] if "bad" in text else []


def guarded(check: Validator = asking, **settings: Any) -> Guard[Any]:
    return Guard(
        input=[block(check, timeout_s=30)],
        output=[block(check)],
        budget=Budget(prices=PRICES, **settings),
    )


@pytest.mark.parametrize("check", [asking, aasking], ids=["blocking", "async"])
@pytest.mark.parametrize("style", ["async", "async stream"])
def test_on_a_loop_each_check_has_its_own(check: Validator, style: str) -> None:
    """In a thread of its own as well, and side by side."""

    async def main() -> Any:
        guard, model = guarded(check), ScriptedModel(["Fine."])
        if style == "async":
            return await guard.arun(model.acall, "Hi.")
        live = guard.astream(model.acall, "Hi.")
        async for _ in live:
            pass
        return live.outcome

    _is_billed(asyncio.run(main()).record)


@pytest.mark.parametrize("style", ["sync", "stream"])
def test_each_check_has_its_own(style: str) -> None:
    """Apart from what the model used."""
    guard, model = guarded(), ScriptedModel(["Fine."])
    if style == "sync":
        record = guard.run(model, "Hi.").record
    else:
        live = guard.stream(model, "Hi.")
        assert list(live)
        record = live.outcome.record
    _is_billed(record)


def _is_billed(record: Any) -> None:
    assert [(check.usage, check.cost_usd) for check in record.checks] == [(Usage(10, 1), 0.002)] * 2
    assert record.checks_usage == Usage(20, 2)
    assert record.checks_cost_usd == pytest.approx(0.004)
    assert record.to_dict()["checks_usage"]["total_tokens"] == 22
    assert record.usage is None or record.usage.total_tokens != 22


def test_what_no_check_reports_is_none() -> None:
    """And costs nothing: a plain check waits for nobody."""

    @declare(window=1)
    def plain(text: str) -> tuple[()]:
        report_usage(Usage(1, 1))
        return ()

    record = Guard(output=[block(plain)]).run(ScriptedModel(["Fine."]), "Hi.").record
    assert (record.checks_usage, record.checks_cost_usd) == (None, 0.0)
    assert record.to_dict()["checks"][0]["usage"] is None


def test_a_budget_counts_it_before_the_next_send() -> None:
    """Tokens and money; a price that is unknown cannot be held to."""
    bad = ["bad", "Fine."]
    for settings, said in [
        ({"tokens": 12}, "of 12 are left"),
        ({"cost_usd": 0.001, "prices": {**PRICES, "m": Price(0.0, 0.0)}}, "is left"),
        ({"cost_usd": 1.0, "prices": {"m": Price(0.0, 0.0)}}, "a check asked a model without a price"),
    ]:
        guard = Guard(
            input=[block(asking)],
            output=[reask(asking)],
            budget=Budget(**{"prices": PRICES, **settings}),  # type: ignore[arg-type]
        )
        with pytest.raises(BudgetExceeded, match=said):
            guard.run(ScriptedModel(bad), "Hi. " * 4, model="m")


def test_a_check_that_breaks_has_used_what_it_reported() -> None:
    """A timed-out one too, up to then."""

    @declare(blocking=True, name="breaking")
    def breaking(text: str) -> list[Finding]:
        report_usage(Usage(5, 0), cost_usd=0.5)
        raise RuntimeError

    with pytest.raises(Blocked) as caught:
        Guard(input=[block(breaking)]).run(ScriptedModel(["Fine."]), "Hi.")
    assert caught.value.record is not None
    (check,) = caught.value.record.checks
    assert (check.result, check.usage, check.cost_usd) == ("broken", Usage(5, 0), 0.5)


def test_the_worst_case_names_the_checks_whose_use_it_does_not_know() -> None:
    """Those that wait, on a side or on a field, each once; a plain one has nothing to report."""

    @declare(name="plain")
    def plain(text: str) -> list[Finding]:
        return []

    class Answer(TypedDict):
        text: Annotated[str, block(aasking)]

    free = Guard(output=[block(plain)]).worst_case()
    assert (free.checks, str(free)) == ((), "at most 5 sends, 120 s, no token limit, no cost limit")

    found = guarded(cost_usd=1.0).worst_case()
    assert found.checks == ("asking",)
    assert str(found) == "at most 5 sends, 120 s, no token limit, $1.0000; not counting what asking may use"
    typed = Guard(input=[block(asking)], schema=Answer).worst_case()
    assert typed.checks == ("asking", "aasking")


def test_usage_that_was_not_told_has_no_price() -> None:
    """The record says that it is an estimate."""

    @declare(blocking=True, name="silent")
    def silent(text: str) -> list[Finding]:
        report_usage(None, model="small")
        return []

    record = guarded(silent).run(ScriptedModel(["Fine."]), "Hi.").record
    assert record.checks_usage == Usage(estimated=True)
    assert record.checks_cost_usd is None


def test_it_is_in_the_log_and_its_sums(tmp_path: Path) -> None:
    """By the published schema."""
    with AuditLog(tmp_path / "log") as log:
        guard = Guard(output=[block(asking)], budget=Budget(prices={**PRICES, "m": Price(0, 0)}), log=log)
        guard.run(ScriptedModel(["Fine."]), "Hi.", model="m")
    (done,) = [entry for entry in read(tmp_path / "log") if entry.type == "call.completed"]
    Draft202012Validator(entry_schema("call.completed")).validate(done.data)
    assert done.data["checks"][0]["usage"]["total_tokens"] == 11
    with Index(tmp_path / "log") as index:
        index.update()
        assert index.totals().cost_usd == pytest.approx(0.002)


@pytest.mark.parametrize(
    ("usage", "settings", "error", "said"),
    [
        ("12", {}, ValueError, "a str without them came"),
        (Usage(-1, 0), {}, ValueError, "0 or more"),
        (None, {"model": 7}, TypeError, "the name of a model, not int"),
        (None, {"cost_usd": -1}, ValueError, "US dollars, 0 or more"),
        (None, {"cost_usd": float("nan")}, ValueError, "US dollars, 0 or more"),
    ],
)
def test_what_cannot_be_booked_is_refused(usage: Any, settings: Any, error: Any, said: str) -> None:
    """Also outside of a check, where a report does nothing else."""
    with pytest.raises(error, match=said):
        report_usage(usage, **settings)
    report_usage(Usage(1, 1))
