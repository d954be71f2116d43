"""The privacy desk: a person is found by name, and what is done for them is an entry of the log."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from guardrails_lite import AuditLog, Blocked, Guard, block, bound, redact
from guardrails_lite.audit import read, verify
from guardrails_lite.testing import ScriptedModel, completion, tool_call
from guardrails_lite_validators import pii
from tests.review.conftest import Serve
from tests.review.test_pages import post

PERSON = "u-18 of Oslo"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with the kept texts of two people."""
    pytest.importorskip("cryptography")
    root = tmp_path / "log"
    with AuditLog(root, capture="redacted") as held:
        guard = Guard(name="support", input=[redact(pii())], log=held)
        for person in (PERSON, "u-17"):
            with bound(user=person, session="s-3"):
                asked = [{"role": "user", "content": "And\nfor ada@example.com?"}]
                guard.run(ScriptedModel(["Refunds take five days."]), asked)
    return root


@pytest.fixture
def visitor(log: Path, serve: Serve) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=serve(log), follow_redirects=True, timeout=60) as client:
        yield client


def look_up(visitor: httpx.Client, person: str = PERSON, kind: str = "user") -> httpx.Response:
    return post(visitor, "/privacy", "/privacy/find", person=person, kind=kind)


def do(visitor: httpx.Client, what: str, **form: str) -> httpx.Response:
    """Look the person up and do *what* for them."""
    names = look_up(visitor).url.params["names"]
    told = {"kind": "user", "person": PERSON, "names": names, "reason": "R-8", "basis": "", **form}
    return post(visitor, "/privacy", "/privacy/act", act=what, **told)


def calls_of(visitor: httpx.Client) -> list[str]:
    (known,) = visitor.get(look_up(visitor).url.copy_with(path="/privacy.json")).json()["known"]
    found = visitor.get("/calls.json", params={"range": "all", "text": known["name"]}).json()["calls"]
    assert len(found) == known["calls"]
    return [call["id"] for call in found]


def test_a_person_is_found_and_not_named(visitor: httpx.Client, log: Path) -> None:
    """The name leads to the pseudonym and its calls; it is in no address, no page and no byte of the log."""
    page = look_up(visitor)
    assert PERSON not in page.text
    assert "Oslo" not in str(page.url)
    assert len(calls_of(visitor)) == 1
    session = look_up(visitor, "s-3", "session").url.copy_with(path="/privacy.json")
    assert [known["calls"] for known in visitor.get(session).json()["known"]] == [2]
    assert "No call has" in look_up(visitor, "nobody").text
    assert not any(b"Oslo" in path.read_bytes() for path in log.rglob("*") if path.is_file())


def test_a_hold_beats_an_erasure_until_it_is_released(visitor: httpx.Client, log: Path) -> None:
    """Held, refused, released, erased: each is told by the page and chained in the log."""
    assert "this person" in do(visitor, "hold").text
    (held,) = visitor.get("/privacy.json").json()["in_force"]
    assert (held["type"], held["by"], held["why"]) == ("hold.placed", "ada", "R-8")
    assert do(visitor, "erase", basis="GDPR 17").status_code == 409
    ended = {"id": held["id"], "type": "hold.placed", "reason": "closed"}
    assert post(visitor, "/privacy", "/privacy/end", **ended).status_code == 200
    assert post(visitor, "/privacy", "/privacy/end", **ended).status_code == 404
    assert visitor.get("/privacy.json").json()["in_force"] == []
    do(visitor, "erase", basis="GDPR 17")
    (erased,) = visitor.get("/privacy.json").json()["erasures"]
    assert (erased["destroyed"], erased["why"]) == (1, "R-8, GDPR 17")
    assert ">1<" in visitor.get("/privacy").text
    kinds = [entry.type for entry in read(log, kind=None)]
    assert [kind for kind in kinds if kind in ("hold.placed", "hold.released", "erasure")] == [
        "hold.placed",
        "hold.released",
        "erasure",
    ]
    assert verify(log).state in ("intact", "unsealed")


def test_the_log_that_this_one_spills_to_is_named(tmp_path: Path, serve: Serve) -> None:
    """Law: whoever acts for a person here is told where else the person's calls may be."""
    spill, root = tmp_path / "spill", tmp_path / "log"
    AuditLog(root, on_failure="spill", spill=spill).close()
    address = serve(root)
    assert f"<code>{spill}</code>" in httpx.get(f"{address}/privacy", timeout=60).text
    assert httpx.get(f"{address}/privacy.json", timeout=60).json()["spill"] == str(spill)
    assert "not done there" not in httpx.get(f"{serve(spill)}/privacy", timeout=60).text


def test_texts_are_read_with_a_reason(visitor: httpx.Client, log: Path) -> None:
    """Reading is recorded first; what is restricted or erased is not shown."""
    (call,) = calls_of(visitor)
    page, path = f"/calls/{call}", f"/calls/{call}/texts"
    assert "for [EMAIL_ADDRESS]?" in post(visitor, page, path, reason="case 1").text
    assert "Refunds take five days." in post(visitor, page, path, reason="case 1").text
    assert [entry.data["reader"] for entry in read(log, kind="log.read")] == ["ada", "ada"]
    assert post(visitor, page, path, reason="").status_code == 409
    do(visitor, "restrict", basis="GDPR 18")
    assert post(visitor, page, path, reason="case 1").status_code == 409
    (held,) = visitor.get("/privacy.json").json()["in_force"]
    post(visitor, "/privacy", "/privacy/end", id=held["id"], type=held["type"], reason="settled")
    do(visitor, "erase", basis="GDPR 17")
    assert post(visitor, page, path, reason="case 1").status_code == 404


def test_what_was_said_is_read_by_a_button_of_its_own(tmp_path: Path, serve: Serve) -> None:
    """By default a reader gets what the rules left; the originals only where they ask, which the log says."""
    pytest.importorskip("cryptography")
    root = tmp_path / "sealed"
    with AuditLog(root, capture="sealed") as held:
        guard = Guard(input=[redact(pii())], log=held)
        stops = Guard(input=[block(pii())], log=held)
        for each, said in ((guard, "for ada@example.com?"), (guard, "hello"), (stops, "to ada@example.com!")):
            with contextlib.suppress(Blocked):
                each.run(ScriptedModel(["fine"]), [{"role": "user", "content": said}])
    masked, plain, stopped = (entry.id for entry in read(root))
    with httpx.Client(base_url=serve(root), follow_redirects=True, timeout=60) as visitor:
        for call, button in ((masked, True), (plain, True), (stopped, False)):
            page = visitor.get(f"/calls/{call}").text
            assert ('value="redacted"' in page) is button
            assert 'value="original"' in page
            assert "ada@example.com" not in page + visitor.get(f"/calls/{call}.json").text

        def texts(call: str, **form: str) -> httpx.Response:
            return post(visitor, f"/calls/{call}", f"/calls/{call}/texts", reason="case 1", **form)

        for form in ({}, {"texts": "redacted"}, {"texts": "all"}):
            assert "for [EMAIL_ADDRESS]?" in texts(masked, **form).text
        assert "for ada@example.com?" in texts(masked, texts="original").text
        assert "to ada@example.com!" in texts(stopped, texts="original").text
        assert texts(stopped).status_code == 404
        told = [entry.data["texts"] for entry in read(root, kind="log.read")]
        assert told == ["redacted", "redacted", "redacted", "original", "original"]
        assert "texts original" in visitor.get("/activity").text


@pytest.mark.parametrize(
    "wrong",
    [
        {"person": "u-17"},
        {"person": ""},
        {"act": "erase", "basis": ""},
        {"act": "burn"},
        {"reason": " "},
        {"kind": "cat"},
    ],
)
def test_what_is_not_done(visitor: httpx.Client, log: Path, wrong: dict[str, str]) -> None:
    """Another person, a missing field or an unknown act changes nothing."""
    form = {name: value for name, value in wrong.items() if name != "act"}
    assert do(visitor, wrong.get("act", "hold"), **form).status_code == 409
    assert not list(read(log, kind="hold.placed")) + list(read(log, kind="erasure"))


def test_tool_calls_are_read_with_the_texts(tmp_path: Path, serve: Serve) -> None:
    """Which tool, in which attempt, with which arguments, as text; nothing of it before a reason is given."""
    pytest.importorskip("cryptography")

    def send(to: str) -> str:
        return to

    root = tmp_path / "agent"
    with AuditLog(root, capture="sealed") as held:
        agent = Guard(output=[redact(pii())], tools=[send], log=held)
        asked = tool_call("send", {"to": "<b>ada@example.com</b>"}, id="call_1")
        agent.run(ScriptedModel([completion(tool_calls=[asked])]), [{"role": "user", "content": "hi"}])
    (call,) = (entry.id for entry in read(root))
    with httpx.Client(base_url=serve(root), follow_redirects=True, timeout=60) as visitor:
        page = f"/calls/{call}"
        assert "example.com" not in visitor.get(page).text + visitor.get(f"{page}.json").text

        def texts(form: str) -> str:
            return post(visitor, page, f"{page}/texts", reason="case 1", texts=form).text

        assert "assistant, tool call send<" in texts("redacted")
        assert "ada@example.com" not in texts("redacted")
        assert "assistant, attempt 1, tool call send (call_1)<" in texts("original")
        assert "&lt;b&gt;ada@example.com&lt;/b&gt;" in texts("original")
