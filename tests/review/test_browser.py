"""The desk in a real browser: Chromium, with and without scripts, by mouse and by keyboard.

The pictures of the documentation are made here: ``GUARDRAILS_LITE_PICTURES=docs/images`` keeps them.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest

from guardrails_lite.audit import AuditLog, Clock, bundle, hold, read, release, restrict
from guardrails_lite.audit._verdicts import DECIDED, UNDONE
from guardrails_lite.audit.alerts import read_rules
from guardrails_lite.audit.export import take
from guardrails_lite.review._app import MENU
from tests.review.browser import Browser, Page
from tests.review.conftest import Serve
from tests.review.story import DAY_NS, NOW_NS, Time
from tests.review.test_alerts import RULES, watched
from tests.review.test_pages import hostile_log
from tests.review.test_samples import drawn_from, found_in

PICTURES = os.environ.get("GUARDRAILS_LITE_PICTURES")


@pytest.fixture
def address(root: Path, serve: Serve) -> str:
    return serve(root)


def test_every_page_renders_without_a_complaint(browser: Browser, address: str) -> None:
    """No script fails, nothing is missing, the security policy refuses nothing, every control has a name."""
    with browser.page() as page:
        for path, name in MENU:
            page.open(address + path)
            assert page.run("document.querySelector('h1').textContent") == name
            assert page.complaints() == []
            assert page.nameless() == []
            assert page.run("document.documentElement.scrollWidth <= innerWidth")


def test_a_menu_swaps_the_page_and_keeps_its_address(browser: Browser, address: str) -> None:
    """With scripts a link replaces the page in place; back and forward work, and the head is announced."""
    with browser.page() as page:
        page.open(address)
        page.run("window.same = true")
        page.click("nav a[href='/calls']")
        page.wait_for("document.querySelector('h1').textContent === 'Calls'")
        assert page.run("window.same === true && location.pathname === '/calls'")
        page.wait_for("document.activeElement === document.querySelector('h1')")
        assert page.run("document.title").startswith("Calls")
        page.run("history.back()")
        page.wait_for("document.querySelector('h1').textContent === 'Overview'")
        assert page.complaints() == []


def test_the_queue_is_worked_by_keyboard(browser: Browser, address: str, root: Path) -> None:
    """Decide, skip, note, undo: each with one key, and each is in the log."""
    with browser.page() as page:
        page.open(f"{address}/queue")
        first = finding(page)
        page.press("f")
        shows(page, f"{FINDING} !== '{first}'")
        assert "Recorded: false positive" in page.text()
        second = finding(page)
        page.press("j")
        shows(page, f"{FINDING} !== '{second}'")
        page.press("k")
        shows(page, f"{FINDING} === '{second}'")
        page.press("n")
        page.wait_for("document.activeElement.id === 'note'")
        for key in "teb":
            page.press(key)
        assert page.run("document.activeElement.value") == "teb"
        page.press("Escape")
        page.press("b")
        shows(page, f"{FINDING} !== '{second}' && document.querySelector('[role=status]') !== null")
        page.press("z")
        shows(page, f"{FINDING} === '{second}'")
        assert page.complaints() == []
    decided = [entry.data for entry in read(root, kind=DECIDED)]
    assert [(one["verdict"], one["note"]) for one in decided] == [("false positive", ""), ("benign", "teb")]
    assert len(list(read(root, kind=UNDONE))) == 1


def test_it_all_works_without_scripts(browser: Browser, address: str, root: Path) -> None:
    """Links, facets, the search and the forms need no script, and enter is enough to use them."""
    with browser.page(scripts=False) as page:
        page.open(address)
        page.click("nav a[href='/calls']")
        page.wait_for("document.readyState === 'complete' && location.pathname === '/calls'")
        page.click(".facet a[href*='outcome=blocked']")
        page.wait_for("location.search.includes('outcome=blocked') && document.readyState === 'complete'")
        page.click("tbody a")
        page.wait_for("location.pathname.startsWith('/calls/') && document.readyState === 'complete'")
        assert "block(injection())" in page.text()
        page.click("article a[href^='/queue']")
        page.wait_for("location.pathname === '/queue' && document.readyState === 'complete'")
        page.click("button[value='true positive']")
        page.wait_for("location.search.includes('did=') && document.readyState === 'complete'")
        assert "Recorded: true positive" in page.text()
    assert [entry.data["verdict"] for entry in read(root, kind=DECIDED)] == ["true positive"]


@pytest.mark.parametrize("scripts", [True, False])
def test_an_alert_leads_to_its_calls(
    browser: Browser, root: Path, tmp_path: Path, serve: Serve, scripts: bool
) -> None:
    """By keyboard from the list to the call, and the rules are behind a word that opens."""
    with browser.page(scripts=scripts) as page:
        page.open(alerted(root, tmp_path, serve) + "/alerts?range=all")
        page.run("document.querySelector('summary').focus()")
        page.press("Enter")
        page.wait_for("document.querySelector('details').open")
        assert "Spend jumped" in page.text()
        page.run("document.querySelector('tbody a[href^=\"/calls/\"]').focus()")
        page.press("Enter")
        page.wait_for("location.pathname.startsWith('/calls/') && document.readyState === 'complete'")
        page.wait_for("document.querySelector('h1').textContent.startsWith('Call ')")
        assert page.complaints() == []


def alerted(root: Path, tmp_path: Path, serve: Serve) -> str:
    """A desk with rules of its own, and alerts that were raised."""
    rules = tmp_path / "stopped.yml"
    rules.write_text(RULES)
    watched(root, read_rules(rules))
    return serve(root, rules=[rules])


def test_a_sample_is_worked_by_keyboard(browser: Browser, root: Path, serve: Serve) -> None:
    """One key a finding to the end of the sample; what is left and the precision follow."""
    drawn = drawn_from(root, size=12)
    findings = found_in(root, drawn)
    with browser.page() as page:
        page.open(f"{serve(root)}/queue?sample={drawn.entry}")
        for at in range(1, len(findings) + 1):
            page.press("t")
            shows(page, f"document.body.innerText.includes('{at} of {len(findings)} findings settled')")
        assert "Nothing is waiting for you here" in page.text()
        assert page.run("document.querySelector('.precision .n').textContent") == "100 %"
        assert page.complaints() == []
        assert page.nameless() == []
    assert {(entry.data["call"], entry.data["rule"]) for entry in read(root, kind=DECIDED)} == findings


def test_calls_are_taken_without_scripts(browser: Browser, address: str, root: Path, tmp_path: Path) -> None:
    """By keyboard: a reason, enter, and there is the file whose digest is in the log."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    with browser.page(scripts=False) as page:
        page.save_into(folder)
        page.open(f"{address}/exports")
        page.run("document.querySelector('#reason').focus()")
        for key in "case":
            page.press(key)
        page.press("Enter")
        content = page.saved(folder).read_bytes()
        page.open(f"{address}/exports")
        assert sha256(content).hexdigest() in page.run("document.body.innerHTML")
        assert page.complaints() == []
    (entry,) = read(root, kind="export.made")
    assert (entry.data["reason"], entry.data["sha256"]) == ("case", sha256(content).hexdigest())


def test_hostile_text_runs_nowhere(browser: Browser, tmp_path: Path, serve: Serve) -> None:
    """What a record holds is text in the browser too."""
    hostile_log(tmp_path / "log")
    with browser.page() as page:
        page.open(serve(tmp_path / "log") + "/calls?range=all")
        assert page.run("document.querySelectorAll('main script').length") == 0
        assert "<script>alert(1)</script>" in page.text()
        assert page.complaints() == []


def test_what_a_policy_says_is_one_link_away(browser: Browser, address: str) -> None:
    """Its settings are a table with a name, with scripts and without."""
    for scripts in (True, False):
        with browser.page(scripts=scripts) as page:
            page.open(f"{address}/policies")
            page.click("td a[href*='says=']")
            page.wait_for("location.search.startsWith('?says=') && document.readyState === 'complete'")
            assert "budget.deadline_s" in page.run("document.querySelector('#says').textContent")
            assert page.run("document.documentElement.scrollWidth <= innerWidth")
            assert page.complaints() == []
            assert page.nameless() == []


def test_a_narrow_screen_and_print(browser: Browser, address: str) -> None:
    """On a telephone nothing sticks out; on paper the menu and the forms are gone."""
    with browser.page(width=390, height=800) as page:
        page.open(address)
        assert page.run("document.documentElement.scrollWidth <= innerWidth")
        page.send("Emulation.setEmulatedMedia", media="print")
        assert page.run("getComputedStyle(document.querySelector('.side')).display") == "none"


SPACES = """(() => {
    const dates = [...document.querySelector('.chart').querySelectorAll('.axis')]
        .filter(e => /^\\d\\d-\\d\\d$/.test(e.textContent) && getComputedStyle(e).display !== 'none');
    const seen = dates.map(e => e.getBoundingClientRect().x);
    return seen.slice(1).map((x, at) => Math.round(x - seen[at]));
})()"""
"""How far apart the dates below the first chart are."""


def test_dates_below_a_chart_are_evenly_spaced_on_a_telephone(
    browser: Browser, root: Path, tmp_path: Path, serve: Serve
) -> None:
    """Every other one is left out, however many numbers the other axis has."""
    address = alerted(root, tmp_path, serve)
    with browser.page(width=400, height=800) as page:
        for path in ("/", "/alerts"):
            page.open(address + path)
            spaces = page.run(SPACES)
            assert len(spaces) >= 3
            assert max(spaces) - min(spaces) <= 1


def test_a_digest_stays_on_its_line_on_a_telephone(browser: Browser, address: str) -> None:
    """It is compared by eye, so a table of policies scrolls sooner than it breaks one."""
    with browser.page(width=400, height=800) as page:
        page.open(f"{address}/policies")
        lines = page.run("[...document.querySelectorAll('td code')].map(e => e.getClientRects().length)")
        assert set(lines) == {1}
        settings = page.run(
            "[...document.querySelectorAll('td.setting')].filter(e => e.textContent.includes('p1:'))"
            ".map(e => e.clientHeight)"
        )
        assert settings
        assert max(settings) < 60  # two lines: how many characters, and the digest


@pytest.mark.parametrize(
    ("name", "path", "dark"),
    [
        ("desk-overview", "/", False),
        ("desk-overview-dark", "/", True),
        ("desk-call", "/calls/{call}", False),
        ("desk-findings", "/queue", False),
        ("desk-alerts", "/alerts", False),
        ("desk-sample", "/queue?sample={sample}", False),
        ("desk-rules", "/rules", False),
        ("desk-policies", "/policies", False),
        ("desk-exports", "/exports", False),
        ("desk-privacy", "/privacy?kind=user&names={names}", False),
    ],
)
def test_pictures(
    browser: Browser, root: Path, serve: Serve, tmp_path: Path, name: str, path: str, dark: bool
) -> None:
    """The pages of which the documentation has pictures, after some findings were decided."""
    decided(root)
    time = Time(NOW_NS - 9 * DAY_NS)
    with AuditLog(root, heartbeat_s=None, clock=Clock(wall_ns=time, mono_ns=time)) as log:
        names = "+".join(log.pseudonyms_of("user", "u-3"))
        over = hold(log, "u-2", owner="grace", reason="complaint 29")
        time.now += 2 * DAY_NS + 7_380 * 10**9
        hold(log, "u-3", owner="grace", reason="complaint 31")
        bundle(log, tmp_path / "evidence.zip", by="ada", reason="complaint 31")
        time.now += 3 * DAY_NS + 4_500 * 10**9
        restrict(log, "u-4", request="request 12", basis="GDPR 18(1)(a)", owner="grace")
        release(log, over, owner="ada", reason="settled")
        time.now += 3 * DAY_NS + 900 * 10**9
        take(log, tmp_path / "calls.csv", "csv", by="ada", reason="quarterly audit")
    call = next(entry.id for entry in read(root) if entry.data["outcome"] == "re-asked")
    entry = drawn_from(root).entry if "sample" in name else ""
    address = alerted(root, tmp_path, serve) if "alerts" in name else serve(root)
    folder = Path(PICTURES) if PICTURES else tmp_path
    with browser.page(width=1180, height=1020 if "sample" in name else 760, dark=dark) as page:
        page.open(address + path.format(call=call, names=names, sample=entry))
        page.shot(folder / f"{name}.png")
        assert page.complaints() == []
    assert (folder / f"{name}.png").stat().st_size < 150_000


def decided(root: Path) -> None:
    """Verdicts on every other finding, wrong ones among them."""
    with AuditLog(root) as log:
        for at, entry in enumerate(read(root)):
            for check in entry.data["checks"]:
                if check["result"] == "found" and at % 2:
                    verdict = (
                        "false positive" if at % 9 == 0 else "benign" if at % 7 == 0 else "true positive"
                    )
                    told = {"call": entry.id, "rule": check["rule"], "verdict": verdict, "note": ""}
                    log.append(DECIDED, f"{at:032x}", {**told, "reviewer": "grace", "needs": 1})


FINDING = "document.querySelector('input[name=finding]')?.value"


def finding(page: Page) -> str:
    """Which finding the queue shows."""
    return str(page.run(FINDING))


def shows(page: Page, what: str) -> None:
    """Wait until the page shows *what* and listens to keys."""
    page.wait_for(f"{what} && document.readyState === 'complete'")
