"""Who comes in, and what no other page can do."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit import read
from guardrails_lite.audit._verdicts import DECIDED
from guardrails_lite.review._app import ACTS
from guardrails_lite.review._door import Door, Session, read_tokens
from tests.review.conftest import Serve

TOKENS = {"ada": "a" * 16, "bob": "b" * 16}


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


def test_a_session_cannot_be_made_up() -> None:
    """A cookie is worth what its signature is."""
    door = Door("nobody", TOKENS)
    session = door.enter(TOKENS["ada"])
    assert session is not None
    cookie = door.cookie(session)
    assert door.who(cookie, None) == session
    assert door.who(cookie.replace("ada", "bob"), None) is None
    assert door.who(cookie + "0", None) is None
    assert Door("nobody", TOKENS).who(cookie, None) is None
    assert door.who(door.cookie(Session("Zoë ~1", "0f")), None) == Session("Zoë ~1", "0f")
    assert "a" * 16 not in repr(door)


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
