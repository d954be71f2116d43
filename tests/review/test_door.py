"""Who comes in, and what no other page can do."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit import read
from guardrails_lite.audit._verdicts import DECIDED
from guardrails_lite.review._app import ACTS
from guardrails_lite.review._door import IDLE_S, LONGEST_S, Door, Session, read_tokens
from guardrails_lite.review._tries import MOST
from tests.review.conftest import Serve

TOKENS = {"ada": "a" * 16, "bob": "b" * 16}
HERE = "127.0.0.1"


@pytest.fixture
def guarded(root: Path, serve: Serve) -> str:
    """A desk that asks for a token."""
    return serve(root, door=Door("nobody", TOKENS))


@pytest.mark.parametrize("path", ["/", "/calls", "/queue.json", "/calls/ff/proof", "/nothing"])
def test_without_a_token_one_sees_the_door(guarded: str, path: str) -> None:
    """Every page and file leads to the door, and says nothing of the log."""
    answer = httpx.get(guarded + path, timeout=60)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/enter?next=")
    assert answer.text == ""
    assert httpx.post(guarded + "/queue/decide", data={"verdict": "benign"}, timeout=60).status_code == 303


def test_a_token_opens(guarded: str) -> None:
    """With one's token one comes in under one's name, to where one wanted."""
    with httpx.Client(base_url=guarded, follow_redirects=True, timeout=60) as visitor:
        wrong = visitor.post("/enter", data={"token": "c" * 16})
        assert (wrong.status_code, "not valid" in wrong.text) == (403, True)
        page = visitor.post("/enter", data={"token": TOKENS["bob"], "next": "/calls?range=all"})
        assert page.url.path == "/calls"
        assert "Reviewing as <strong>bob</strong>" in page.text


@pytest.mark.parametrize(
    "target", ["https://elsewhere.example", "//elsewhere.example", "/\\elsewhere.example"]
)
def test_the_door_leads_nowhere_else(guarded: str, target: str) -> None:
    """After coming in one is on the desk, whatever the address asked for."""
    answer = httpx.post(guarded + "/enter", data={"token": TOKENS["bob"], "next": target}, timeout=60)
    assert answer.headers["location"] == "/"


def test_a_program_shows_its_token_in_a_header(guarded: str) -> None:
    """Data is had without a session; a form is not."""
    with httpx.Client(
        base_url=guarded, headers={"Authorization": f"Bearer {TOKENS['ada']}"}, timeout=60
    ) as program:
        assert program.get("/overview.json").json()["totals"]["calls"] > 0
        assert program.post("/queue/decide", data={"form_token": ""}).status_code == 403
    wrong = {"Authorization": "Bearer nobody"}
    assert httpx.get(guarded + "/overview.json", headers=wrong, timeout=60).status_code == 401


def test_another_page_cannot_post_a_form(visitor: httpx.Client, root: Path) -> None:
    """Without the value that this session's pages carry, or with another session's, nothing is written."""
    told = visitor.get("/queue.json").json()["finding"]
    visitor.get("/")
    for token in ("", "0" * 64, Door("ada").form_token(Session("ada", "0" * 32))):
        form = {"finding": told["word"], "verdict": "benign", "form_token": token}
        assert visitor.post("/queue/decide", data=form).status_code == 403
    assert visitor.post("/queue/decide", data={"form_token": "x" * 100_000}).status_code == 403
    assert list(read(root, kind=DECIDED)) == []


@pytest.mark.parametrize("path", ACTS)
def test_no_form_is_taken_from_elsewhere(visitor: httpx.Client, root: Path, path: str) -> None:
    """Each address that does something asks for the value of this session's pages first."""
    before = len(list(read(root, kind=None)))
    answer = visitor.post(path.format(id="0"), data={"reason": "none", "form_token": "0" * 64})
    assert answer.status_code == 403
    assert "not from a page of this session" in answer.text
    assert len(list(read(root, kind=None))) == before


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:8321", 200),
        ("[::1]:8321", 200),
        ("elsewhere.example", 421),
        ("localhost.elsewhere.example:80", 421),
        ("", 421),
    ],
)
def test_the_desk_answers_to_its_own_names(visitor: httpx.Client, host: str, status: int) -> None:
    """A page elsewhere that gives this address a name of its own reads nothing (DNS rebinding)."""
    assert visitor.get("/overview.json", headers={"Host": host}).status_code == status


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at_s = 1000.0

    def __call__(self) -> float:
        return self.at_s


def test_a_session_cannot_be_made_up() -> None:
    """A cookie is worth what its signature is."""
    door = Door("nobody", TOKENS, clock=Hands())
    session = door.enter(TOKENS["ada"], HERE)
    assert session is not None
    cookie = door.cookie(session)
    assert door.who(cookie, None, HERE) == session
    assert door.who(cookie.replace("ada", "bob"), None, HERE) is None
    assert door.who(cookie.replace("1000", "2000"), None, HERE) is None
    assert door.who(cookie + "0", None, HERE) is None
    assert Door("nobody", TOKENS).who(cookie, None, HERE) is None
    odd = Session("Zoë ~1", "0f", 1000)
    assert door.who(door.cookie(odd), None, HERE) == odd
    assert "a" * 16 not in repr(door)


def test_a_session_ends_when_nobody_uses_it() -> None:
    """Each page that is shown keeps it alive for as long again."""
    clock = Hands()
    door = Door("nobody", TOKENS, clock=clock)
    session = door.enter(TOKENS["ada"], HERE)
    assert session is not None
    cookie = door.cookie(session)
    clock.at_s += IDLE_S - 1
    assert door.who(cookie, None, HERE) == session
    renewed = door.cookie(session)
    clock.at_s += 1
    assert door.who(cookie, None, HERE) is None
    assert door.who(renewed, None, HERE) == session


def test_a_session_ends_after_a_day_however_much_it_is_used() -> None:
    """What a browser was told once is worth nothing then, whoever has it."""
    clock = Hands()
    door = Door("nobody", TOKENS, clock=clock)
    session = door.enter(TOKENS["ada"], HERE)
    assert session is not None
    for _ in range(LONGEST_S // 3600):
        assert door.who(door.cookie(session), None, HERE) == session
        clock.at_s += 3600
    assert door.who(door.cookie(session), None, HERE) is None


def test_whoever_sits_here_stays() -> None:
    """Without tokens nobody else comes in, so no form of an old page is refused."""
    clock = Hands()
    door = Door("ada", clock=clock)
    session = door.who(None, None, HERE)
    assert session is not None
    cookie = door.cookie(session)
    clock.at_s += 2 * LONGEST_S
    assert door.who(cookie, None, HERE) == session


def test_a_session_that_ended_leads_to_the_door_and_back(root: Path, serve: Serve) -> None:
    """Also from a form, whose own address is no page."""
    clock = Hands()
    address = serve(root, door=Door("nobody", TOKENS, clock=clock))
    with httpx.Client(base_url=address, timeout=60) as visitor:
        visitor.post("/enter", data={"token": TOKENS["ada"]})
        clock.at_s += IDLE_S - 1
        assert visitor.get("/queue").status_code == 200
        clock.at_s += IDLE_S - 1
        assert visitor.get("/queue?show=all").status_code == 200
        clock.at_s += IDLE_S
        assert visitor.get("/calls?range=7d").headers["location"] == "/enter?next=/calls%3Frange%3D7d"
        told = visitor.post("/queue/decide", headers={"Referer": f"{address}/queue?show=all"})
        assert told.headers["location"] == "/enter?next=/queue%3Fshow%3Dall"
        wrong = visitor.post("/enter", data={"token": "c" * 16, "next": "/queue?show=all"})
        assert 'value="/queue?show=all"' in wrong.text
        back = visitor.post("/enter", data={"token": TOKENS["ada"], "next": "/queue?show=all"})
        assert back.headers["location"] == "/queue?show=all"


def test_guessing_is_slowed_and_told(root: Path, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """After ten wrong tokens in a minute, from wherever, none is looked at; who is in works on."""
    clock = Hands()
    guarded = serve(root, door=Door("nobody", TOKENS, clock=clock))
    right = {"Authorization": f"Bearer {TOKENS['bob']}"}
    with httpx.Client(base_url=guarded, timeout=60) as visitor:
        visitor.post("/enter", data={"token": TOKENS["ada"]})
        for n in range(MOST // 2):
            wrong = {"Authorization": f"Bearer guess{n}"}
            assert httpx.get(f"{guarded}/overview.json", headers=wrong, timeout=60).status_code == 401
            assert httpx.get(f"{guarded}/overview.json", headers=right, timeout=60).status_code == 200
            clock.at_s += 1
            last = httpx.post(f"{guarded}/enter", data={"token": f"secret{n}"}, timeout=60)
        assert (last.status_code, last.headers["retry-after"]) == (429, "55")
        assert "Try again in 55 seconds" in last.text
        for _ in range(3):  # what is not looked at does not make anybody wait for longer
            answer = httpx.get(f"{guarded}/overview.json", headers=right, timeout=60)
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "55")
            assert (
                httpx.post(f"{guarded}/enter", data={"token": TOKENS["bob"]}, timeout=60).status_code == 429
            )
        assert visitor.get("/queue").status_code == 200
    clock.at_s += 55
    assert httpx.get(f"{guarded}/overview.json", headers=right, timeout=60).status_code == 200
    told = [record.getMessage() for record in caplog.records if record.name == "guardrails_lite.review"]
    assert told.count("wrong token at the review desk, from 127.0.0.1") == MOST
    assert told[-1] == "too many wrong tokens at the review desk: none is looked at for 55 s"
    assert len(told) == MOST + 1
    assert not any(part in caplog.text for part in ("guess", "secret", "a" * 4, "b" * 4))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("", "one reviewer a line"),
        ("ada", "one reviewer a line"),
        ("ada short", "at least 16 characters"),
        (f"ada {'a' * 16}\nada {'b' * 16}", "occurs twice"),
        (f"ada {'a' * 16}\nbob {'a' * 16}", "occurs twice"),
    ],
)
def test_tokens_that_cannot_work_are_refused(tmp_path: Path, content: str, match: str) -> None:
    """Each reviewer has a token of their own that nobody guesses; no error shows one."""
    (tmp_path / "tokens").write_text(content)
    with pytest.raises(ConfigError, match=match) as caught:
        read_tokens(str(tmp_path / "tokens"))
    assert "a" * 16 not in str(caught.value)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_tokens(str(tmp_path / "nothing"))


def test_tokens_are_read(tmp_path: Path) -> None:
    """A name and a token on each line."""
    (tmp_path / "tokens").write_text("".join(f"{name} {token}\n" for name, token in TOKENS.items()))
    assert read_tokens(str(tmp_path / "tokens")) == TOKENS
