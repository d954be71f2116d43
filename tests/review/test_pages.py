"""The desk's pages: what they tell, in each form, and how they take hostile text."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from guardrails_lite.audit import AuditLog, Proof, check_proof, read
from guardrails_lite.audit.index import Index
from guardrails_lite.review._app import PAGES
from guardrails_lite.review._place import Directory
from tests.audit import forger
from tests.audit.calls import call_id, record
from tests.review.conftest import Serve

HOSTILE = "=<script>alert(1)</script>\u202e\x1b[31m'\"&"


def paths(form: str) -> list[str]:
    return [f"{'/overview' if path == '/' else path}{form}" for path in PAGES if "{" not in path]


@pytest.mark.parametrize("path", ["/", *paths("")[1:]])
def test_every_page_opens(visitor: httpx.Client, path: str) -> None:
    """Each page answers, is HTML, and lets a browser load nothing from elsewhere."""
    answer = visitor.get(path)
    assert answer.status_code == 200
    assert "<h1" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert re.findall(r'(?:src|href)="(?:https?:)?//', answer.text) == []
    assert re.findall(r"<[^>]* (?:style|on\w+)=", answer.text) == []


@pytest.mark.parametrize("path", paths(".json"))
def test_every_page_is_also_json(visitor: httpx.Client, path: str) -> None:
    """What a page tells can be had as data."""
    answer = visitor.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert isinstance(answer.json(), dict)


@pytest.mark.parametrize("path", paths(".csv"))
def test_every_page_is_also_csv(visitor: httpx.Client, path: str) -> None:
    """Its main table can be had as a table, with a head."""
    answer = visitor.get(path)
    assert answer.status_code == 200
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows
    assert {len(row) for row in rows} == {len(rows[0])}


def test_the_overview_counts_what_the_log_holds(visitor: httpx.Client, root: Path) -> None:
    """Its figures are those of a reader who goes through the whole log."""
    told = visitor.get("/overview.json?range=all").json()
    calls = [entry.data for entry in read(root)]
    assert told["totals"]["calls"] == len(calls)
    assert told["totals"]["blocked"] == sum(call["outcome"] in ("blocked", "tool denied") for call in calls)
    assert told["totals"]["unfinished"] == 1
    assert told["totals"]["cost_usd"] == pytest.approx(sum(call["cost_usd"] or 0 for call in calls))
    assert sum(step["calls"] for step in told["volume"]) == len(calls)
    found = sum(check["result"] == "found" for call in calls for check in call["checks"])
    assert told["to_review"] == found


def test_a_range_narrows(visitor: httpx.Client) -> None:
    """A shorter range has fewer calls, and no bar is lost."""
    totals = [
        visitor.get(f"/overview.json?range={span}").json()["totals"]["calls"] for span in ("24h", "7d", "30d")
    ]
    assert 0 < totals[0] < totals[1] < totals[2]


def test_facets_narrow_and_say_so_in_the_address(visitor: httpx.Client) -> None:
    """A facet's count is the number of calls behind its link, and choosing it again takes it back."""
    page = visitor.get("/calls?range=all")
    facets = visitor.get("/calls.json?range=all").json()["facets"]
    blocked = next(one["calls"] for one in facets["outcome"] if one["value"] == "blocked")
    assert "/calls?range=all&amp;outcome=blocked" in page.text
    chosen = visitor.get("/calls.json?range=all&outcome=blocked").json()
    assert len(chosen["calls"]) == blocked
    assert {call["outcome"] for call in chosen["calls"]} == {"blocked"}
    assert (
        'href="/calls?range=all" aria-current="true"' in visitor.get("/calls?range=all&outcome=blocked").text
    )


def test_all_calls_are_reached_page_by_page(visitor: httpx.Client, root: Path) -> None:
    """Following "older" meets every call once."""
    seen: list[str] = []
    more = ""
    while more is not None:
        page = visitor.get("/calls.json", params={"range": "all", **({"after": more} if more else {})}).json()
        seen += [call["id"] for call in page["calls"]]
        more = page["more"]
    assert len(seen) == len(set(seen)) == 421
    assert visitor.get("/calls?after=nonsense").status_code == 409


def test_a_spreadsheet_has_all_calls_that_were_filtered(visitor: httpx.Client, root: Path) -> None:
    """Not only one page of them."""
    for query, expected in (("range=all", 421), ("outcome=passed", None), ("after=1.1&range=all", 421)):
        rows = list(csv.DictReader(io.StringIO(visitor.get(f"/calls.csv?{query}").text)))
        wanted = [entry.id for entry in read(root) if entry.data["outcome"] == "passed"]
        assert len({row["id"] for row in rows}) == len(rows) == (expected or len(wanted))


def test_a_call_tells_every_step_in_order(visitor: httpx.Client, root: Path) -> None:
    """Input checks, then each attempt with what followed it."""
    (first, *_) = visitor.get("/calls.json?range=all&outcome=re-asked").json()["calls"]
    told = visitor.get(f"/calls/{first['id']}.json").json()
    assert [(step["attempt"], step["what"]) for step in told["steps"]] == [
        (0, "redact(pii()) on input"),
        (0, "block(injection()) on input"),
        (1, f"primary: {first['model']}"),
        (1, "redact(secrets()) on output"),
        (1, "reask(no_rivals) on output"),
        (1, "re-asked"),
        (2, f"primary: {first['model']}"),
        (2, "redact(secrets()) on output"),
        (2, "reask(no_rivals) on output"),
    ]
    (fell, *_) = visitor.get("/calls.json?range=all&outcome=fell+back").json()["calls"]
    told = visitor.get(f"/calls/{fell['id']}.json").json()
    assert [(step["attempt"], step["what"]) for step in told["steps"]][2:5] == [
        (1, f"primary: {fell['model']}"),
        (2, "waited"),
        (2, "fallback: gpt-5-mini"),
    ]
    assert visitor.get(f"/calls/{first['id'][:10]}").status_code == 200
    assert visitor.get("/calls/ffffffffffffffffffffffffffffffff").status_code == 404


def test_the_proof_of_a_call_is_checked_elsewhere(visitor: httpx.Client, root: Path) -> None:
    """What the button downloads proves the record to somebody without the log."""
    entry = next(iter(read(root)))
    told = visitor.get(f"/calls/{entry.id}/proof").json()
    proof = Proof(told["line"].encode(), told["proof"], told["key"])
    assert check_proof(proof)
    assert json.loads(told["line"])["id"] == entry.id
    assert not check_proof(Proof(proof.line.replace(b"passed", b"failed"), proof.text, proof.key))


def test_an_unfinished_call_has_a_page(visitor: httpx.Client) -> None:
    """A call whose process died is shown as what it is."""
    (call,) = visitor.get("/calls.json?range=all&outcome=unfinished").json()["calls"]
    assert "its process died" in visitor.get(f"/calls/{call['id']}").text


def hostile_log(root: Path) -> None:
    log = AuditLog(root)
    told: dict[str, Any] = {"guard": HOSTILE, "model": HOSTILE, "who": {"tenant": HOSTILE}}
    log(record(1, outcome="blocked", **told))
    log.event("hold.placed", {"subjects": [], "owner": HOSTILE, "reason": HOSTILE})
    log.close()


@pytest.mark.parametrize(
    "path", ["/?range=all", "/calls?range=all", f"/calls/{call_id(1)}", "/spend?range=all", "/activity"]
)
def test_hostile_text_is_shown_and_does_nothing(tmp_path: Path, serve: Serve, path: str) -> None:
    """Markup, escape codes and direction marks in a record come out as text that one can see."""
    hostile_log(tmp_path / "log")
    page = httpx.get(serve(tmp_path / "log") + path, timeout=60)
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text
    assert "\\u{202e}\\u{1b}[31m" in page.text
    assert not {"\u202e", "\x1b"} & set(page.text)


def test_hostile_text_does_nothing_in_a_spreadsheet(tmp_path: Path, serve: Serve) -> None:
    """A value that would be a formula is quoted, in ASCII where it steers."""
    hostile_log(tmp_path / "log")
    address = serve(tmp_path / "log")
    table = httpx.get(address + "/calls.csv?range=all", timeout=60).text
    (row,) = list(csv.DictReader(io.StringIO(table)))
    assert row["guard"].startswith("'=<script>")
    assert "\x1b" not in table
    assert httpx.get(address + "/calls.json?range=all", timeout=60).text.isascii()


def test_the_badge_tells_of_tampering(root: Path, serve: Serve) -> None:
    """The badge on every page is what `verify` says, and checking again renews it."""
    address = serve(root)
    with httpx.Client(base_url=address, follow_redirects=True, timeout=60) as visitor:
        assert post(visitor, "/integrity", "/integrity/check").status_code == 200
        assert 'class="badge intact"' in visitor.get("/").text
        forger.edit(root, forger.flip(9))
        page = post(visitor, "/integrity", "/integrity/check")
        assert 'class="badge tampered"' in page.text
        assert visitor.get("/integrity.json").json()["report"]["problems"][0]["record"] == 9


def post(visitor: httpx.Client, page: str, path: str, **form: str) -> httpx.Response:
    """Post a form as the page offers it."""
    token = re.search(r'name="form_token" value="(\w+)"', visitor.get(page).text)
    assert token is not None
    return visitor.post(path, data={"form_token": token[1], **form})


def test_evidence_is_downloaded(visitor: httpx.Client, root: Path, tmp_path: Path) -> None:
    """The bundle that the desk makes is whole, names the reviewer, and shows among the activity."""
    from guardrails_lite.audit import check_bundle

    answer = post(visitor, "/integrity", "/integrity/bundle", reason="case 12")
    (tmp_path / "evidence.zip").write_bytes(answer.content)
    report = check_bundle(tmp_path / "evidence.zip")
    assert (report["state"], report["by"], report["reason"]) == ("intact", "ada", "case 12")
    acts = visitor.get("/activity.json").json()["acts"]
    assert [(act["type"], act["who"]) for act in acts] == [("bundle.made", "ada")]
    assert "reason case 12" in visitor.get("/integrity").text
    assert post(visitor, "/integrity", "/integrity/bundle", reason=" ").status_code == 409


def test_a_page_that_is_not_there(visitor: httpx.Client) -> None:
    """Says so, inside the desk."""
    answer = visitor.get("/nothing")
    assert answer.status_code == 404
    assert "no such page" in answer.text


def test_a_desk_needs_a_log(tmp_path: Path) -> None:
    """Without a log there is no desk, and no log is made."""
    from guardrails_lite._errors import ConfigError

    with pytest.raises(ConfigError, match="not a compliance log"):
        Directory(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_findings_come_newest_first_and_whole(root: Path) -> None:
    """The index gives each rule of each call once, in the order of time, across its pages."""
    with Index(root) as index:
        index.update()
        found = list(index.findings())
        expected = {
            (entry.id, check["rule"])
            for entry in read(root)
            for check in entry.data["checks"]
            if check["result"] == "found"
        }
        assert len(found) == len(expected) == index.count_findings()
        assert {(one.call, one.rule) for one in found} == expected
        assert [one.at for one in found] == sorted((one.at for one in found), reverse=True)
