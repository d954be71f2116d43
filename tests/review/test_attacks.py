"""The desk against who visits it, who wrote what it shows, and whose page its reader opens."""

from __future__ import annotations

import contextlib
import functools
import http.server
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from guardrails_lite.audit import AuditLog, read
from guardrails_lite.audit._verdicts import DECIDED, found_in, spell
from guardrails_lite.review._app import MENU
from guardrails_lite.review._desk import Desk
from guardrails_lite.review._door import COOKIE, HEADERS, Door
from guardrails_lite.review._place import Directory
from tests.audit.calls import call_id, record
from tests.review.browser import Browser
from tests.review.conftest import Serve, served
from tests.review.test_pages import HOSTILE, post

TOKENS = {"ada": "a" * 16, "mallory": "m" * 16}
ELSEWHERE: dict[str, dict[str, str]] = {
    "another site": {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    "another site, without fetch metadata": {"Origin": "https://evil.example"},
    "a page without an origin": {"Origin": "null"},
    "another program of this machine": {"Sec-Fetch-Site": "same-site"},
    "another port, without fetch metadata": {"Origin": "http://127.0.0.1:9"},
    "a name that begins like the desk's": {"Origin": "http://127.0.0.1.evil.example"},
}


@pytest.fixture
def guarded(root: Path, serve: Serve) -> str:
    """A desk that asks for a token."""
    return serve(root, door=Door("nobody", TOKENS, hosts=("127.0.0.1", "localhost", "desk.example")))


@pytest.mark.parametrize("where", ELSEWHERE)
def test_no_page_signs_a_reviewer_in_under_another_name(guarded: str, where: str) -> None:
    """X22: what the reviewer then decides would be somebody else's."""
    form = {"token": TOKENS["mallory"], "next": "/queue"}
    answer = httpx.post(f"{guarded}/enter", data=form, headers=ELSEWHERE[where], timeout=60)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert "not this desk's" in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://{host}"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://desk.example"},  # a proxy that asks as 127.0.0.1
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://desk.example", "Host": "desk.example:443"},
    ],
)
def test_the_desks_own_form_signs_in(guarded: str, headers: dict[str, str]) -> None:
    """From its own page, behind a proxy under a name of the desk's, and from a program."""
    told = {name: value.format(host=httpx.URL(guarded).netloc.decode()) for name, value in headers.items()}
    answer = httpx.post(f"{guarded}/enter", data={"token": TOKENS["ada"]}, headers=told, timeout=60)
    assert answer.status_code == 303
    assert COOKIE in answer.headers["set-cookie"]


def test_a_browser_is_not_signed_in_by_another_page(browser: Browser, guarded: str, tmp_path: Path) -> None:
    """X22, in Chromium: a page of another program posts the form of the door."""
    (tmp_path / "evil.html").write_text(
        f'<form method="post" action="{guarded}/enter">'
        f'<input name="token" value="{TOKENS["mallory"]}"></form><script>document.forms[0].submit()</script>'
    )
    with elsewhere(tmp_path) as evil, browser.page() as page:
        page.open(f"{evil}/evil.html")
        page.wait_for(f"location.href.startsWith({guarded!r}) && document.readyState === 'complete'")
        assert "not this desk's" in page.text()
        page.open(guarded)
        assert "mallory" not in page.text()
        assert page.run("document.querySelector('#token') !== null")


def test_a_link_to_the_desk_may_be_anywhere(guarded: str) -> None:
    """X23: it is followed; but no page has the desk's in itself, as a frame, picture or script."""
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert httpx.get(f"{guarded}/enter", headers=link, timeout=60).status_code == 200
    for changed in ({"Sec-Fetch-Dest": "iframe"}, {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}):
        for path in ("/enter", "/overview.json", "/static/desk.js"):
            answer = httpx.get(guarded + path, headers=link | changed, timeout=60)
            assert answer.status_code == 403


@pytest.mark.parametrize(
    "path", ["/", "/enter", "/calls.json", "/calls.csv", "/nothing", "/static/desk.css", "/calls?since=x", ""]
)
def test_every_answer_forbids_frames_and_caches(visitor: httpx.Client, path: str) -> None:
    """X23: a page, a file and a refusal alike."""
    answer = visitor.get(path, headers={} if path else {"Host": "evil.example"})
    assert answer.status_code == {"/nothing": 404, "/calls?since=x": 409, "": 421}.get(path, 200)
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


class Broken(Directory):
    """A log that no page can be made of."""

    def index(self) -> Any:
        raise RuntimeError("words of a person")


def test_a_failure_of_the_desk_says_nothing_and_forbids_the_same(root: Path) -> None:
    """X23: what is answered around everything else has the same headers."""
    with served(Desk(Broken(root)), Door("ada")) as address:
        answer = httpx.get(f"{address}/calls", timeout=60)
    assert answer.status_code == 500
    assert "words" not in answer.text
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\\\\evil.example",
        "http:evil.example",
        "javascript:alert(1)",
        " //evil.example",
        "/.//evil.example",
        "/x\r\nSet-Cookie: a=b",
    ],
)
def test_no_address_leads_away_or_adds_a_header(guarded: str, target: str) -> None:
    """X25: where a browser goes after coming in is on the desk, as browsers read addresses."""
    answer = httpx.post(f"{guarded}/enter", data={"token": TOKENS["ada"], "next": target}, timeout=60)
    to = answer.headers["location"]
    assert answer.status_code == 303
    assert to.startswith("/")
    assert not to.startswith(("//", "/\\"))
    assert to.isascii()
    assert to.isprintable()
    assert [name for name in answer.headers if name == "set-cookie"] == ["set-cookie"]
    assert COOKIE in answer.headers["set-cookie"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_cookie_goes_nowhere_else(guarded: str, scheme: str) -> None:
    """No script reads it, no other site's page has it sent, and over HTTPS it goes over nothing else."""
    answer = httpx.post(
        f"{guarded}/enter",
        data={"token": TOKENS["ada"]},
        headers={"X-Forwarded-Proto": scheme},
        timeout=60,
    )
    flags = {flag.strip().lower() for flag in answer.headers["set-cookie"].split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/"} <= flags
    assert ("secure" in flags) is (scheme == "https")


def test_two_desks_on_one_machine_keep_their_sessions_apart(root: Path, serve: Serve) -> None:
    """Browsers have one jar of cookies for all ports of a name."""
    first, second = serve(root), serve(root)
    with httpx.Client(timeout=60) as visitor:
        finding = visitor.get(f"{first}/queue.json").json()["finding"]["word"]
        page = visitor.get(f"{first}/queue").text
        visitor.get(second)
        token = page.split('name="form_token" value="')[1].split('"')[0]
        form = {"form_token": token, "finding": finding, "verdict": "benign"}
        assert visitor.post(f"{first}/queue/decide", data=form).status_code == 303


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/queue/decide", {"verdict": "benign", "note": "x" * 501}),
        ("/queue/decide", {"verdict": "x" * 501}),
        ("/exports/make", {"format": "csv", "reason": "x" * 501}),
        ("/exports/make", {"format": "../../x", "reason": "case"}),
        ("/integrity/bundle", {"reason": "x" * 501}),
        ("/privacy/act", {"person": "p", "names": "n", "act": "hold", "reason": "x" * 501}),
        ("/privacy/end", {"id": "0", "type": "hold.placed", "reason": "x" * 501}),
    ],
)
def test_nobody_fills_the_log_with_a_form(
    visitor: httpx.Client, root: Path, path: str, form: dict[str, str]
) -> None:
    """X26: a reason and a note are short, whatever the browser was told; nothing else is written."""
    word = visitor.get("/queue.json").json()["finding"]["word"]
    before = len(list(read(root, kind=None)))
    assert post(visitor, "/queue", path, finding=word, **form).status_code == 409
    assert len(list(read(root, kind=None))) == before


@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize("value", ["9" * 30, "-1", str(2**63), "1e9", "\u0663" * 40, "nan"])
def test_a_time_that_is_none_is_refused(visitor: httpx.Client, name: str, value: str) -> None:
    """Law: no address makes the desk fail."""
    answer = visitor.get("/calls", params={name: value})
    assert answer.status_code == 409
    assert "is not nanoseconds since the epoch" in answer.text


EVENTS: dict[str, dict[str, Any]] = {
    "hold.placed": {"subjects": ["p1:"], "owner": "", "reason": ""},
    "restriction.placed": {"subjects": ["p1:"], "owner": "", "request": "", "basis": ""},
    "hold.released": {"hold": "0" * 32, "owner": "", "reason": ""},
    "erasure": {"subjects": ["p1:"], "owner": "", "request": "", "basis": "", "keys": 1},
    "log.read": {"call": "0" * 32, "reader": "", "reason": "", "texts": ""},
    "log.repaired": {"removed": [{"file": "", "offset": 0, "bytes": 1}]},
    "export.made": {"by": "", "reason": "", "format": "", "sha256": "", "chosen": {"text": ""}},
    "bundle.made": {"by": "", "reason": "", "manifest": ""},
    "alert.raised": {"title": "", "rule": "", "level": "", "fields": {"who": ""}, "calls": [""]},
    "alert.sent": {"alert": "", "to": [""]},
    "gap": {"lost": 1, "why": "", "policy": ""},
    "witness.failed": {"error": ""},
    "note": {"anything": ""},
}


@pytest.fixture
def poisoned(written: Path, tmp_path: Path) -> Path:
    """A log with an entry of each kind and outcome, in which every text that may be chosen is hostile."""
    root, seen = tmp_path / "poisoned", set()
    with AuditLog(root) as log:
        for entry in read(written, kind=None):
            told = (entry.type, str(entry.data.get("outcome")))
            if entry.type.startswith(("call.", "policy.")) and told not in seen:
                seen.add(told)
                log.append(entry.type, entry.id, poison(entry.data))
        for kind, data in EVENTS.items():
            log.event(kind, poison(data))
        blocked = next(entry for entry in read(root) if found_in(entry.data))
        (check, *_) = found_in(blocked.data)
        decided = {"call": blocked.id, "rule": check["rule"], "verdict": "benign"}
        log.event(DECIDED, {**decided, "note": HOSTILE, "reviewer": HOSTILE, "needs": 1})
    assert len(seen) > 6
    return root


def test_no_field_of_any_entry_runs(poisoned: Path, serve: Serve) -> None:
    """X27: on every page and in every form of it, what a record holds is text."""
    with httpx.Client(base_url=serve(poisoned), timeout=60) as visitor:
        pages = [f"{path}?range=all" for path, _ in MENU]
        for entry in read(poisoned):
            pages.append(f"/calls/{entry.id}")
            words = [spell((entry.id, str(check["rule"]))) for check in found_in(entry.data)]
            pages += [f"/queue?at={word}" for word in words]
        shown = 0
        for path in pages:
            answer = visitor.get(path)
            assert answer.status_code == 200, path
            looked = Looked()
            looked.feed(answer.text)
            assert looked.wrong == [], path
            assert not {"\u202e", "\x1b"} & set(answer.text), path
            shown += answer.text.count("&lt;script&gt;alert(1)")
    assert shown > 100


def test_no_field_of_any_entry_runs_in_a_browser(browser: Browser, poisoned: Path, serve: Serve) -> None:
    """X27, in Chromium, by its policy too."""
    address = serve(poisoned)
    with browser.page() as page:
        for path in (*(path for path, _ in MENU), *(f"/calls/{entry.id}" for entry in read(poisoned))):
            page.open(f"{address}{path}?range=all")
            assert page.run("document.querySelectorAll('main script, main [onerror]').length") == 0
            assert page.complaints() == []


def test_no_text_stays_in_the_browser(browser: Browser, tmp_path: Path, serve: Serve) -> None:
    """X24: what was read is nowhere once another page is shown: not in a cache of the scripts either."""
    pytest.importorskip("cryptography")
    with AuditLog(tmp_path / "log", capture="redacted") as log:
        log(record(1, texts=(("input", "user", "words of a person"),)))
    with browser.page() as page:
        page.open(f"{serve(tmp_path / 'log')}/calls/{call_id(1)}")
        page.run("document.querySelector('[name=reason]').value = 'case'")
        page.click("form[action$='/texts'] button")
        page.wait_for("document.body.innerText.includes('words of a person')")
        page.wait_for("document.readyState === 'complete'")  # until then its links load a whole page
        page.click("nav a[href='/calls']")
        page.wait_for("location.pathname === '/calls' && document.activeElement.textContent === 'Calls'")
        kept = page.run("JSON.stringify([{...sessionStorage}, {...localStorage}])")
        assert "words of a person" not in kept
        page.run("history.back()")
        page.wait_for("document.querySelector('h1').textContent.startsWith('Call ')")
        assert "words of a person" not in page.text()


class Looked(HTMLParser):
    """What of a page could run."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = {name: value or "" for name, value in attrs}
        ours = tag == "script" and held.get("src", "").startswith("/static/")
        if tag in ("script", "iframe", "object", "embed", "base") and not ours:
            self.wrong.append(f"<{tag}>")
        self.wrong += [name for name in held if name.startswith(("on", "hx-on")) or name == "style"]
        leads = [held[name] for name in ("href", "src", "action", "formaction") if name in held]
        self.wrong += [each for each in leads if not each.startswith(("/", "?", "#"))]


def poison(value: Any, name: str = "") -> Any:
    """*value* with every text made hostile, but for words that decide on which page it is shown."""
    if isinstance(value, dict):
        return {key: poison(held, key) for key, held in value.items()}
    if isinstance(value, list):
        return [poison(held, name) for held in value]
    if isinstance(value, str) and name not in ("outcome", "result", "call", "decision", "verdict", "digest"):
        return value + HOSTILE
    return value


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextlib.contextmanager
def elsewhere(folder: Path) -> Iterator[str]:
    """Another program of this machine, which serves the files in *folder*."""
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
