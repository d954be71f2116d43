"""The fault lab: the catalogue, its server, and our own guard against all of it."""

from __future__ import annotations

import http.client
import importlib
import inspect
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import openai
import pytest
from openai import OpenAI

from guardrails_lite import Clocks, Guard, Retry, RetryBudget, Upstream, target
from guardrails_lite.testing.faults import FAULTS, FaultServer, faults_matrix
from guardrails_lite.testing.faults._judge import Run, judge
from guardrails_lite.testing.faults._trial import WAYS, Way, attempt, kept_open
from tests.testing.faults_page import OFFLINE, PAGE, TESTED, page

HTTPX: Any = importlib.import_module("httpx2" if int(openai.__version__.split(".")[0]) >= 3 else "httpx")
"""What the installed client is built on."""
GUARD: Guard[Any] = Guard(retry=Retry(attempts=3, reasks=2), fallback=[target(model="fallback")])
HI: Any = [{"role": "user", "content": "hi"}]

SERVED = [fault for fault in FAULTS.values() if fault.is_served]


def test_the_catalogue_is_whole() -> None:
    """All 113 faults are rows, numbered without a gap in their groups."""
    by_group: dict[str, list[int]] = {}
    for id, fault in FAULTS.items():
        assert id == fault.id
        by_group.setdefault(fault.group, []).append(int(id[1:]))
    counts = {"status": 25, "connection": 15, "body": 27, "stream": 33, "system": 13}
    assert by_group == {group: list(range(1, count + 1)) for group, count in counts.items()}
    assert sum(counts.values()) == len(FAULTS) == 113


def test_the_page_of_the_catalogue_is_in_step() -> None:
    """`docs/reference/faults.md` says what the rows and their tests say."""
    assert PAGE.read_text() == page(), "run: python tests/testing/faults_page.py"
    how_to = (PAGE.parents[1] / "how-to" / "certify-your-guard.md").read_text()
    assert f"[{len(FAULTS)} faults]" in how_to
    assert f"the {len(SERVED)} of them" in how_to


def test_what_no_server_brings_about_has_a_test_that_names_it() -> None:
    """Faults of the caller's own process."""
    assert [id for id, fault in FAULTS.items() if not fault.is_served and id not in TESTED] == []


def test_variants_have_names_of_their_own() -> None:
    """No two variants of a fault share a name, and each fault has words to expect."""
    for fault in FAULTS.values():
        names = [variant.name for variant in fault.answers]
        assert len(set(names)) == len(names), fault.id
        assert fault.expected, fault.id


def _marks(id: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.skip(OFFLINE[id])] if id in OFFLINE else []


@pytest.fixture(scope="module")
def imported() -> None:
    """What the lab opens once and keeps is open."""
    faults_matrix(GUARD, ids=["H23", "S01"])


@pytest.fixture
def nothing_left(imported: None) -> Iterator[None]:
    """A test leaves no thread and no descriptor; an HTTP client may take a moment to close what it had."""
    threads, descriptors = set(threading.enumerate()), _descriptors()
    yield
    ends = time.monotonic() + 10
    while (set(threading.enumerate()) - threads or _descriptors() > descriptors) and time.monotonic() < ends:
        threading.Event().wait(0.005)
    assert not set(threading.enumerate()) - threads
    assert _descriptors() <= descriptors


def _descriptors() -> int:
    return len(os.listdir("/dev/fd"))


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("fault", [pytest.param(f, id=f.id, marks=_marks(f.id)) for f in SERVED])
def test_our_guard_does_what_is_expected(fault: Any) -> None:
    """Around the real client, in all four ways of calling: as its row says, and as each row has to."""
    # A hang would last 20 s and more. How exactly a deadline is kept is measured by the benchmarks.
    matrix = faults_matrix(GUARD, ids=[fault.id], slack_s=8.0)
    if any(each.duration_s > 1 for each in matrix.failed):
        # The lab's deadline is short, and the machine may be busy; four times as long tells them apart.
        matrix = faults_matrix(GUARD, ids=[fault.id], deadline_s=10, slack_s=8.0, workers=1)
    assert not matrix.failed, "\n".join(map(str, matrix.failed))


def _answered() -> tuple[Run, FaultServer]:
    """A call with two attempts that went as it should, and the server that saw it."""
    run, server = Run(), FaultServer("H21", "408")
    tries = iter([TimeoutError(), "All is well."])

    def model(messages: Any) -> str:
        said = next(tries)
        server.arrivals.append((time.monotonic(), "primary"))
        if isinstance(said, Exception):
            raise said
        return said

    run.begin()
    guard = Guard(retry=Retry(attempts=2, wait=0, on=["timeout"]), log=run)
    run.texts[0] = str(guard.run(model, HI).value)
    run.end()
    return run, server


def _judged(run: Run, server: FaultServer, *, sends: int = 2, deadline_s: float = 60) -> tuple[str, ...]:
    return judge(run, server, sends=sends, deadline_s=deadline_s, slack_s=0).faults


def test_a_call_that_went_well_is_not_blamed() -> None:
    """The laws of all rows hold of it."""
    assert _judged(*_answered()) == ()


def test_each_law_of_all_rows_is_looked_after() -> None:
    """Whatever a guard might do wrong, whatever the fault, is told."""
    run, server = _answered()
    assert _judged(run, server, sends=1) == ("2 requests, and at most 1 by the guard's worst case",)
    assert _judged(run, server, deadline_s=1e-6)[0].startswith("took 0.")
    run.left.append("a request open")
    assert _judged(run, server) == ("left a request open",)
    run.left.clear()
    run.texts[0] = "All is lost."
    assert _judged(run, server) == ("LEAK instead of RETRY",)
    run, server = _answered()
    server.arrivals *= 2
    assert _judged(run, server, sends=4) == ("2 attempts on record, 4 requests at the server",)


def test_a_connection_that_is_not_used_again_is_told() -> None:
    """One is kept for the next request. A reply that its client never read, be it the only one, is told."""
    with FaultServer("H21") as server, _client(server) as client:
        assert _said(client, "fallback") == "All is well."
        client.models.list()
        assert kept_open(server, 0.05) == []
        with client.chat.completions.with_streaming_response.create(model="fallback", messages=HI):
            client.models.list()
            assert kept_open(server, 0.05) == ["a connection that it does not use again"]


@pytest.mark.parametrize("way", WAYS)
def test_a_client_that_leaks_its_only_connection_is_told(way: Way, monkeypatch: Any) -> None:
    """The lab asks for one thing more after each call, and that comes over the same connection."""
    monkeypatch.setattr(HTTPX.Response, "close", _leaks(HTTPX.Response.close))
    monkeypatch.setattr(HTTPX.Response, "aclose", _leaks(HTTPX.Response.aclose))
    fault = FAULTS["H23"]
    seen = attempt(GUARD, fault, fault.answers[0], way, deadline_s=20, slack_s=20, patience_s=0.1)
    assert "left a connection that it does not use again" in seen.faults


def _leaks(close: Any) -> Any:
    """How a response is closed that has one read to the end and never gives its connection back."""

    async def nothing() -> None: ...

    def leak(response: Any) -> Any:
        if response.request.method == "GET" or response.status_code != 200:
            return close(response)
        return nothing() if inspect.iscoroutinefunction(close) else None

    return leak


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ([], "nothing"),
        ([0], "intent"),
        ([1], "record"),
        ([1, 0], "record, intent"),
        ([0, 1, 1], "intent, record, record"),
        ([0, 0, 1], "intent, intent, record"),
        ([0, 2], "intent, record"),
    ],
)
def test_an_account_that_is_not_kept_is_told(told: list[int], said: str) -> None:
    """One intent and one record of the same call, in this order."""
    run, server = _answered()
    entries = [*run.told, _answered()[0].told[1]]
    run.told = [entries[number] for number in told]
    assert f"told the log {said} instead of an intent and its one record" in _judged(run, server)


def test_only_the_primary_is_struck_and_only_at_first() -> None:
    """Another model and the next request get a healthy answer."""
    with FaultServer("H12", "503") as server, _client(server) as client:
        assert _said(client, "fallback") == "All is well."
        with pytest.raises(openai.InternalServerError):
            _said(client, "primary")
        assert _said(client, "primary") == "All is well."
        assert [model for _, model in server.arrivals] == ["fallback", "primary", "primary"]


def test_the_bare_client_takes_broken_replies_for_good() -> None:
    """The faults are real: without a guard many a broken answer comes back as if it were one."""
    taken = 0
    for id in ("B03", "B07", "B09", "B11", "B12", "B17"):
        with FaultServer(id) as server, _client(server) as client:
            client.chat.completions.create(model="primary", messages=HI)
            taken += 1
    assert taken == 6


def test_a_fault_can_be_met_without_a_client() -> None:
    """The server speaks plain HTTP: a cut body is a cut body for anyone."""
    with FaultServer("C06") as server, closing(http.client.HTTPConnection("127.0.0.1", server.port)) as plain:
        plain.request("POST", "/v1/chat/completions", json.dumps({"model": "primary"}))
        with pytest.raises(http.client.IncompleteRead):
            plain.getresponse().read()


@pytest.mark.parametrize(
    ("id", "variant", "words"),
    [
        ("H99", None, "there is no fault 'H99'"),
        ("H12", "777", "fault H12 has no variant '777'; expected one of '500'"),
        ("X01", None, "lies in the caller's own process"),
    ],
)
def test_what_cannot_be_served_is_refused(id: str, variant: str | None, words: str) -> None:
    """A wrong id or variant, or a fault no server can bring about, is refused with what there is."""
    with pytest.raises(ValueError, match=words):
        FaultServer(id, variant)


def test_a_matrix_tells_what_failed() -> None:
    """A guard that never retries fails the row that wants it, and the table says so."""
    matrix = faults_matrix(Guard(retry=Retry(attempts=1)), ids=["H21"], ways=["sync"])
    assert [each.variant for each in matrix.failed] == ["408", "409", "425"]
    assert "FAIL transport failed instead of RETRY" in matrix.table()
    assert str(matrix.failed[0]) == "H21 408 (sync): FAIL transport failed instead of RETRY"


def test_a_guard_that_resumes_is_given_the_rest_of_a_broken_reply() -> None:
    """Where text had been shown before the fault, the call ends well, and nothing is shown twice."""
    retry = Retry(attempts=2, wait=0, after_text="resume")
    matrix = faults_matrix(Guard(retry=retry), ids=["S05", "S07", "S10"], deadline_s=10, slack_s=60.0)
    assert not matrix.failed, "\n".join(map(str, matrix.failed))
    assert {each.word for each in matrix.observations} == {"RETRY"}


def test_a_guard_that_restarts_ends_a_broken_stream() -> None:
    """The lab calls by a wrapped client, which cannot withdraw what it has shown."""
    retry = Retry(attempts=2, wait=0, after_text="restart")
    matrix = faults_matrix(Guard(retry=retry), ids=["S07"], deadline_s=10, slack_s=60.0)
    assert {each.word for each in matrix.observations} == {"FAIL transport failed"}


def test_a_guard_is_tried_with_its_upstream_and_without_its_time_outs() -> None:
    """What a guard says of its upstream and fallbacks holds in the lab; nobody waits a whole minute there."""
    guard = Guard(
        retry=Retry(attempts=2, wait=60),
        upstream=Upstream(retries=RetryBudget(share=0, reserve=0.001)),
        fallback=[target(model="fallback", timeout=30), target("Sorry.")],
    )
    matrix = faults_matrix(guard, ids=["H21"], ways=["sync"], slack_s=0.6)
    assert [each.word for each in matrix.observations] == ["FALL"] * 3  # the retry that nobody has earned


@pytest.mark.parametrize(
    ("ids", "word", "clocks"),
    [
        (["C08"], "FAIL transport failed", Clocks(connect_s=12)),
        (["C09", "C10", "C11", "C12"], "FALL", Clocks(first_content_s=24, whole_reply_s=24)),
        (["S21", "S22"], "FALL", Clocks(first_content_s=24)),
        (["S23"], "FAIL transport failed", Clocks(between_content_s=24)),
        (["S24"], "FAIL transport failed", Clocks(min_chars_per_s=4, rate_over_s=24)),
    ],
)
def test_a_clock_ends_each_fault_that_is_slow(ids: list[str], word: str, clocks: Clocks) -> None:
    """Long before the deadline, and without a second try at who was silent."""
    patient = Clocks(first_content_s=60, whole_reply_s=60)
    guard: Guard[Any] = Guard(
        clocks=clocks,
        retry=Retry(attempts=1),
        fallback=[target(model="fallback", clocks=patient)],
    )
    matrix = faults_matrix(guard, ids=ids, deadline_s=10, slack_s=60.0)
    assert not matrix.failed, "\n".join(map(str, matrix.failed))
    assert {each.word for each in matrix.observations} == {word}


def test_unknown_ids_are_refused() -> None:
    """An id that names nothing is not silently an empty matrix."""
    with pytest.raises(ValueError, match="there are no faults Q7"):
        faults_matrix(GUARD, ids=["Q7"])


def _client(server: FaultServer) -> OpenAI:
    return OpenAI(base_url=server.base_url, api_key="test", max_retries=0)


def _said(client: OpenAI, model: str) -> str | None:
    return client.chat.completions.create(model=model, messages=HI).choices[0].message.content
