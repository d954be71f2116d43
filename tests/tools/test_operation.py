"""Writes happen once for one operation: across calls, fallbacks, processes and a kill in the middle."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from guardrails_lite import (
    AuditLog,
    Blocked,
    ConfigError,
    Guard,
    Retry,
    SQLiteLedger,
    operation,
    target,
    tool,
)
from guardrails_lite.testing import ScriptedModel, completion, tool_call

paid: list[int] = []


@pytest.fixture(autouse=True)
def _nothing_paid() -> None:
    paid.clear()


@pytest.fixture
def key() -> str:
    """The key of an operation of this test, since the process remembers all of them."""
    return f"invoice {uuid.uuid4()}"


def pay(cents: int) -> str:
    """Pay."""
    paid.append(cents)
    return f"paid {cents}"


PAY = tool(pay, effects="write")


def model(*cents: int, id: str | None = None) -> ScriptedModel:
    """A model that wants to pay, in each call the next amount."""
    return ScriptedModel(
        [completion(tool_calls=[tool_call("pay", {"cents": each}, id=id)]) for each in cents]
    )


def run(guard: Guard[Any], asked: ScriptedModel) -> Any:
    """Make one guarded call and run the tool call that it brings."""
    return guard.run(asked, "pay them").reply.tool_calls[0].run()


def test_the_same_operation_writes_once_over_several_calls(key: str) -> None:
    """An application that tries the whole thing again, with new ids from the model, does not pay again."""
    guard = Guard(tools=[PAY])

    with operation(key):
        assert run(guard, model(5, id="call_1")) == "paid 5"
        with pytest.raises(Blocked, match=r"has already run .*Name another operation") as caught:
            run(guard, model(5, id="call_2"))
    with operation(f"{key}, another"):
        run(guard, model(5))

    assert caught.value.outcome == "tool denied"
    assert paid == [5, 5]


def test_without_an_operation_each_guarded_call_is_its_own() -> None:
    """Only the application knows that two calls are one thing tried twice."""
    guard = Guard(tools=[PAY])
    run(guard, model(5))
    run(guard, model(5))

    call = guard.run(model(5), "pay them").reply.tool_calls[0]
    call.run()
    with pytest.raises(Blocked):
        call.run()
    assert paid == [5, 5, 5]


def test_other_arguments_are_another_write(key: str) -> None:
    """The key is the operation, the tool and the arguments, however they are written."""
    guard = Guard(tools=[PAY])

    with operation(key):
        run(guard, model(5))
        run(guard, model(6))
        again = ScriptedModel([completion(tool_calls=[tool_call("pay", '{ "cents" : 5.0 }')])])
        with pytest.raises(Blocked):
            run(guard, again)

    assert paid == [5, 6]


def test_it_holds_for_retries_and_fallbacks(tmp_path: Path, key: str) -> None:
    """Whoever answered in the end, the write is the same one."""
    with AuditLog(tmp_path / "audit") as log:
        for first in (TimeoutError(), completion(tool_calls=[tool_call("buy", {})])):
            primary = ScriptedModel([first], then=TimeoutError())
            other = model(5)
            behind = target(lambda messages, tools=None, other=other: other(messages))
            guard = Guard(tools=[PAY], retry=Retry(attempts=2, reasks=1, wait=0), fallback=[behind], log=log)
            with operation(key):
                call = guard.run(primary, "pay them").reply.tool_calls[0]
            if paid:
                with pytest.raises(Blocked):
                    call.run()
            else:
                call.run()

    assert paid == [5]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_async_calls_are_bound_to_their_own_operation(streamed: bool, key: str) -> None:
    """Tasks side by side have operations of their own; of two in one operation, one pays."""

    async def one(name: str) -> Any:
        guard = Guard(tools=[PAY])
        with operation(name):
            if streamed:
                async with guard.astream(model(5).astream, "pay them") as stream:
                    async for _ in stream:
                        await asyncio.sleep(0)
                outcome = stream.outcome
            else:
                outcome = await guard.arun(model(5).acall, "pay them")
        return await outcome.reply.tool_calls[0].arun()

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(
            *(one(f"{key} {name}") for name in ("a", "b", "b")), return_exceptions=True
        )

    got = asyncio.run(all_of_them())

    assert sorted(type(each).__name__ for each in got) == ["Blocked", "str", "str"]
    assert paid == [5, 5]


def test_operations_nest_and_end(tmp_path: Path, key: str) -> None:
    """The innermost counts, with its own ledger, and after the block the outer one again."""
    guard = Guard(tools=[PAY])
    with operation(f"outer {key}"):
        with operation(f"inner {key}", ledger=SQLiteLedger(tmp_path / "effects.db")):
            run(guard, model(5))
        run(guard, model(5))
        with pytest.raises(Blocked):
            run(guard, model(5))
    with operation(f"inner {key}", ledger=SQLiteLedger(tmp_path / "effects.db")), pytest.raises(Blocked):
        run(guard, model(5))

    assert paid == [5, 5]


@pytest.mark.parametrize("name", ["", 17, None])
def test_an_operation_needs_a_name(name: Any) -> None:
    """Said when the block is entered, not when money has moved."""
    with pytest.raises(ConfigError, match="takes a key that is not empty"), operation(name):
        pass


def test_another_process_knows_what_the_log_knows(tmp_path: Path, key: str) -> None:
    """A new log on the same directory, as after a restart, refuses what the old one did."""
    with AuditLog(tmp_path / "audit") as log, operation(key):
        run(Guard(tools=[PAY], log=log), model(5))
    with AuditLog(tmp_path / "audit") as log, operation(key), pytest.raises(Blocked):
        run(Guard(tools=[PAY], log=log), model(5))

    assert paid == [5]
    assert log.verify().ok


def test_the_logs_directory_does_not_tell_the_operation_or_the_arguments(tmp_path: Path) -> None:
    """Neither as they are nor as a plain digest."""
    with AuditLog(tmp_path / "audit") as log, operation("invoice of Ada Lovelace"):
        run(Guard(tools=[PAY], log=log), model(987654321))

    held = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"Lovelace" not in held
    assert b"987654321" not in held


CHILD = """
import sys, time
from pathlib import Path
from guardrails_lite import AuditLog, Guard, operation, tool
from guardrails_lite.testing import ScriptedModel, completion, tool_call

directory = Path(sys.argv[1])


def pay(cents: int) -> str:
    (directory / "paid").write_text("5")
    print("paying", flush=True)
    time.sleep(600)


model = ScriptedModel([completion(tool_calls=[tool_call("pay", {"cents": 5})])])
guard = Guard(tools=[tool(pay, effects="write")], log=AuditLog(directory / "audit"))
with operation("invoice 17"):
    guard.run(model, "pay them").reply.tool_calls[0].run()
"""


def test_a_write_that_was_killed_half_way_is_not_repeated_until_it_is_settled(tmp_path: Path) -> None:
    """After SIGKILL nobody knows; the next process says so and how to go on, and does as it is told."""
    with subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"paying\n"
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    assert (tmp_path / "paid").read_text() == "5"

    with AuditLog(tmp_path / "audit") as log, operation("invoice 17"):
        guard = Guard(tools=[PAY], log=log)
        with pytest.raises(Blocked, match="nobody knows whether it happened") as caught:
            run(guard, model(5))
        (effect,) = log.effects.unsettled()
        assert effect.tool == "pay"
        assert f".settle({effect.reference!r}, 'done' or 'not done')" in str(caught.value)
        assert paid == []

        log.effects.settle(effect.reference, "not done")
        run(guard, model(5))
        with pytest.raises(Blocked, match="has already run"):
            run(guard, model(5))

    assert paid == [5]
