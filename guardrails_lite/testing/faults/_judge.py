"""Whether one guarded call against a fault went as it should: the one place for the laws of all rows.

Whatever the fault, and however it was called: what came back is an answer that may be delivered, or an
error of our own; the log was told of the call and then, once, of its end; each request has its attempt on
record; there were no more of them than the guard's worst case; the deadline was kept; nothing is left.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from guardrails_lite._errors import GuardrailsError
from guardrails_lite._record import Intent, Record
from guardrails_lite.testing.faults._fault import BROKEN, FAILED, TEXT, Fault
from guardrails_lite.testing.faults._server import PRIMARY

if TYPE_CHECKING:
    from guardrails_lite.testing.faults._server import FaultServer

PARIS = [("get_weather", '{"city": "Paris"}')]
LONDON = [("get_weather", '{"city": "London"}')]


class Run:
    """One guarded call: what its caller got, what its log was told, and what it left."""

    def __init__(self) -> None:
        self.texts: dict[int, str] = {}
        self.calls: dict[int, list[list[str]]] = {}
        self.error: BaseException | None = None
        self.told: list[Intent | Record] = []
        self.left: list[str] = []
        self.duration_s = 0.0

    def begin(self) -> None:
        """The call begins. What was told before, of a first call over the same connection, is forgotten."""
        self.told.clear()
        self._began_s = time.monotonic()

    def end(self) -> None:
        """The caller has got all there is."""
        self.duration_s = time.monotonic() - self._began_s

    def intent(self, intent: Intent) -> None:
        """As a log is told that there will be a call."""
        self.told.append(intent)

    def __call__(self, record: Record) -> None:
        """As a log is told how it ended."""
        self.told.append(record)

    @property
    def records(self) -> list[Record]:
        """How it ended, as the log was told."""
        return [entry for entry in self.told if isinstance(entry, Record)]

    def noted(self, what: str) -> bool:
        """Whether its record has such a note."""
        return any(note.what == what for record in self.records for note in record.notes)

    def add_call(self, choice: int, index: int | None, name: str | None, arguments: str | None) -> None:
        """A tool call came, or a part of one."""
        calls = self.calls.setdefault(choice, [])
        at = len(calls) if index is None else index
        while len(calls) <= at:
            calls.append(["", ""])
        calls[at][0] = name or calls[at][0]
        calls[at][1] += arguments or ""


class Judgement(NamedTuple):
    """What a guard did, what it might have done, and everything that was wrong."""

    word: str
    expected: tuple[str, ...]
    faults: tuple[str, ...]


def judge(run: Run, server: FaultServer, *, sends: int, deadline_s: float, slack_s: float) -> Judgement:
    """Hold one call against what is expected of its row, and against the laws of all rows.

    Args:
        run: The call.
        server: What it was made to.
        sends: The most requests that the guard says it makes.
        deadline_s: The guard's deadline.
        slack_s: By how much the call may outlive that.
    """
    expected = server.variant.expected or server.fault.expected
    if run.noted("resume"):  # what was shown of the struck answer has its end
        expected = (*expected, "RETRY", "FALL")
    word = _word(run, server)
    within_s = min(deadline_s, server.fault.within_s or deadline_s)
    faults = (
        *_answer(run, server, word, expected),
        *_account(run, server, sends),
        *_wait(server),
        *(
            [f"took {run.duration_s:.2f} s, allowed {within_s:g} s"]
            if run.duration_s > within_s + slack_s
            else []
        ),
        *(f"left {what}" for what in run.left),
    )
    return Judgement(word, expected, faults)


def _word(run: Run, server: FaultServer) -> str:
    if run.error is not None:
        if isinstance(run.error, GuardrailsError):
            return f"FAIL {run.error.outcome}"
        return f"CRASH {type(run.error).__name__}"
    records, models = run.records, [model for _, model in server.struck_call]
    outcome = records[-1].outcome if records else ""
    if outcome == "fell back" or any(model != PRIMARY for model in models):
        word = "FALL"
    elif run.noted("re-ask") or outcome == "re-asked":
        word = "REASK"
    else:
        tries = max(len(models), len(records[-1].attempts) if records else 0)
        word = "RETRY" if tries > 1 else "DELIVER"
    says = TEXT
    if run.noted("resume"):
        says = BROKEN
    elif word == "DELIVER":
        says = server.variant.says
    return word if _is_what_was_sent(run, word, says, server.fault) else "LEAK"


def _is_what_was_sent(run: Run, word: str, says: str, fault: Fault) -> bool:
    """Whether the caller got the whole of one answer that may be delivered, and nothing else."""
    calls = [
        call for choice in run.calls.values() for name, arguments in choice if (call := (name, arguments))[0]
    ]
    if calls:
        return (
            bool(fault.params.get("tools"))
            and word in ("DELIVER", "REASK")
            and calls in (PARIS, PARIS + LONDON)
        )
    count = fault.params.get("n", 1)
    fixed = word == "FALL" and bool(run.texts)
    return fixed or list(run.texts.values()) == [says] * count


def _answer(run: Run, server: FaultServer, word: str, expected: tuple[str, ...]) -> Iterator[str]:
    """What came back is what the row expects."""
    shown = any(run.texts.values())
    if "RETRY" in expected and shown and run.error is not None:
        expected = (*expected, FAILED)  # nothing is sent again once text has been shown
    if word not in expected:
        yield f"{word} instead of {' or '.join(expected)}"
    whole = (TEXT, BROKEN, server.variant.says)
    for text in run.texts.values() if run.error is not None else ():
        if text and not any(each.startswith(text) for each in whole) and not text.startswith(BROKEN[:4]):
            yield "showed text that no single answer begins with"


def _account(run: Run, server: FaultServer, sends: int) -> Iterator[str]:
    """One intent, then one record of the same call; in it an attempt for each request, and not too many."""
    if [type(entry) for entry in run.told] != [Intent, Record] or len({entry.id for entry in run.told}) != 1:
        told = ", ".join(type(entry).__name__.lower() for entry in run.told)
        yield f"told the log {told or 'nothing'} instead of an intent and its one record"
        return
    arrived = len(server.struck_call)
    sent = [
        step
        for step in run.records[0].attempts
        if step.target != "fixed answer" and step.result != "turned away"
    ]
    if max(arrived, len(sent)) > sends:
        yield f"{max(arrived, len(sent))} requests, and at most {sends} by the guard's worst case"
    # One that ran out of time may have been given up before the server had read it.
    timeouts = sum(step.result == "timeout" for step in sent)
    most = len(sent) - server.unread if server.is_up else 0
    least = max(most - timeouts, 0)
    if not least <= arrived <= most or not sent:
        yield f"{len(sent)} attempts on record, {arrived} requests at the server"


def _wait(server: FaultServer) -> Iterator[str]:
    """The next request did not come before its time."""
    waits_s, arrivals = server.fault.waits_s, server.struck_call
    if waits_s and len(arrivals) > 1:
        waited_s = arrivals[1][0] - arrivals[0][0]
        if waited_s < waits_s:
            yield f"waited {waited_s:.3f} s of {waits_s:g} s"
