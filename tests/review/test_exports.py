"""Exports and holds: what was taken out of the log and what has to stay in it, by the log's own entries."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from guardrails_lite import Guard, redact, warn
from guardrails_lite.audit import AuditLog, hold, lift, read, release, restrict
from guardrails_lite.audit.export import export
from guardrails_lite.audit.index import Filter
from guardrails_lite.review._door import Door
from tests.engine.conftest import word
from tests.review.conftest import Serve
from tests.review.test_pages import HOSTILE, post
from tests.review.test_queue import TOKENS, two


@pytest.fixture
def kept(root: Path) -> dict[str, str]:
    """A hold and a restriction that ended, and one of each in force: their ids."""
    with AuditLog(root) as log:
        over = hold(log, "u-1", owner="counsel", reason="case 11")
        held = hold(log, "u-2", owner="counsel", reason="case 12")
        lifted = restrict(log, "u-3", request="R-7", basis="GDPR 18(1)(a)", owner="dpo")
        placed = restrict(log, "u-4", request="R-8", basis="GDPR 18(1)(c)")
        release(log, over, owner="judge", reason="settled")
        lift(log, lifted, owner="dpo", reason="it was right")
    return {"over": over, "held": held, "lifted": lifted, "placed": placed}


def test_who_placed_what_and_who_ended_it(visitor: httpx.Client, kept: dict[str, str]) -> None:
    """Every hold and restriction, in force or not, with both names and both reasons."""
    told = visitor.get("/exports.json").json()
    assert (told["holds"], told["restrictions"]) == (1, 1)
    acts = {act["id"]: act for act in told["kept"]}
    named = ("what", "by", "why", "state", "ended_by", "ended_why")
    assert {name: tuple(acts[kept[name]][part] for part in named) for name in kept} == {
        "over": ("hold", "counsel", "case 11", "released", "judge", "settled"),
        "held": ("hold", "counsel", "case 12", "in force", "", ""),
        "lifted": ("restriction", "dpo", "R-7, GDPR 18(1)(a)", "lifted", "dpo", "it was right"),
        "placed": ("restriction", "", "R-8, GDPR 18(1)(c)", "in force", "", ""),
    }
    assert "no name given" in visitor.get("/exports").text


def test_a_hold_leads_to_the_calls_of_its_person(visitor: httpx.Client, kept: dict[str, str]) -> None:
    """By the pseudonym: the log has no name."""
    (act,) = (act for act in visitor.get("/exports.json").json()["kept"] if act["id"] == kept["held"])
    found = visitor.get("/calls.json", params={"range": "all", "text": act["subjects"][0]}).json()["calls"]
    assert {call["user"] for call in found} == {act["subjects"][0]}
    assert f'title="{act["subjects"][0]}" href="/calls?range=all&amp;text=' in visitor.get("/exports").text


def test_what_the_privacy_desk_does_names_the_reviewer(visitor: httpx.Client) -> None:
    """A restriction that is placed there has somebody who placed it."""
    found = post(visitor, "/privacy", "/privacy/find", person="u-5", kind="user")
    told = {"kind": "user", "person": "u-5", "names": found.url.params["names"], "reason": "R-9"}
    post(visitor, "/privacy", "/privacy/act", act="restrict", basis="GDPR 18(1)(d)", **told)
    (act,) = visitor.get("/exports.json").json()["kept"]
    assert (act["what"], act["by"], act["why"]) == ("restriction", "ada", "R-9, GDPR 18(1)(d)")


@pytest.mark.parametrize(("span", "format"), [("all", "csv"), ("7d", "jsonl"), ("all", "cef")])
def test_calls_are_taken_and_that_is_recorded(
    visitor: httpx.Client, root: Path, span: str, format: str
) -> None:
    """The file is what `export` writes of these calls, and the entry has its digest."""
    answer = post(visitor, "/exports", "/exports/make", reason="case 12", format=format, range=span)
    (entry,) = read(root, kind="export.made")
    since = entry.data["chosen"].get("since")
    assert (since is None) == (span == "all")
    assert answer.text == "".join(export(root, format, filter=Filter(since=since)))
    assert entry.data["sha256"] == sha256(answer.content).hexdigest()
    assert (entry.data["by"], entry.data["reason"]) == ("ada", "case 12")
    (taken,) = visitor.get("/exports.json").json()["taken"]
    assert (taken["what"], taken["format"], taken["bytes"]) == ("export", format, len(answer.content))
    assert taken["sha256"][:12] in answer.headers["content-disposition"]


@pytest.mark.parametrize("form", [{"reason": " "}, {"format": ""}, {"format": "xls"}])
def test_what_is_asked_for_wrongly_is_not_recorded(
    visitor: httpx.Client, root: Path, form: dict[str, str]
) -> None:
    """A reason and a format that there is."""
    asked = {"reason": "case 12", "format": "csv", "range": "all", **form}
    assert post(visitor, "/exports", "/exports/make", **asked).status_code == 409
    assert list(read(root, kind="export.made")) == []


def test_verdicts_are_taken_as_examples(tmp_path: Path, serve: Serve) -> None:
    """Of one rule or of all, in the form that is asked for, as often agreed on as the desk asks."""
    pytest.importorskip("cryptography")
    rule = warn(word("odd"))
    with AuditLog(tmp_path / "log", capture="sealed") as log:
        guard = Guard(input=[rule, redact(word("ada"))], log=log)
        for said in ("odd", "odd ada", "ada"):
            guard.run(lambda messages: "fine", [{"role": "user", "content": said}])
    with two(serve(tmp_path / "log", door=Door("", TOKENS), needs=2)) as (ada, bob):
        assert "#verdicts" not in ada.get("/queue").text
        assert post(ada, "/exports", "/exports/verdicts", reason="tune").status_code == 404
        for visitor in (ada, bob):
            while (found := visitor.get("/queue.json").json()["finding"]) is not None:
                post(visitor, "/queue", "/queue/decide", finding=found["word"], verdict="true positive")
        link = re.search(
            r'href="(/exports[^"]*)#verdicts"', ada.get("/queue", params={"rule": repr(rule)}).text
        )
        assert link is not None
        named = re.search(r'name="rule" value="([^"]*)"', ada.get(link[1]).text)
        assert named is not None
        taken = post(ada, link[1], "/exports/verdicts", reason="tune", rule=html.unescape(named[1]))
        assert [json.loads(line)["text"] for line in taken.text.splitlines()] == ["odd"]
        everything = post(bob, "/exports", "/exports/verdicts", reason="tune", texts="original")
        said = [json.loads(line)["text"] for line in everything.text.splitlines()]
        assert sorted(said) == ["ada", "odd", "odd ada", "odd ada"]
        assert post(ada, "/exports", "/exports/verdicts", reason="").status_code == 409
        assert [one["format"] for one in ada.get("/exports.json").json()["taken"]] == ["verdicts"] * 2
    first, second = read(tmp_path / "log", kind="export.made")
    assert (first.data["by"], first.data["texts"]) == ("ada", "redacted")
    assert first.data["chosen"] == {"rule": [repr(rule)]}
    assert (second.data["by"], second.data["sha256"]) == ("bob", sha256(everything.content).hexdigest())


def test_bundles_stand_beside_exports(visitor: httpx.Client) -> None:
    """With who took them and why; the table for a spreadsheet has all of it."""
    pytest.importorskip("cryptography")
    assert post(visitor, "/integrity", "/integrity/bundle", reason="audit").status_code == 200
    post(visitor, "/exports", "/exports/make", reason="case 12", format="csv", range="all")
    told = visitor.get("/exports.json").json()
    assert (told["bundles"], told["exports"]) == (1, 1)
    rows = list(csv.DictReader(io.StringIO(visitor.get("/exports.csv").text)))
    assert {(row["what"], row["by"], row["why"]) for row in rows} == {
        ("evidence bundle", "ada", "audit"),
        ("export", "ada", "case 12"),
    }
    assert {act["type"] for act in visitor.get("/activity.json").json()["acts"]} == {
        "bundle.made",
        "export.made",
    }


def test_hostile_entries_are_shown_and_do_nothing(tmp_path: Path, serve: Serve) -> None:
    """What a stranger wrote is text, whatever it holds; an end of something else ends nothing."""
    with AuditLog(tmp_path / "log") as log:
        placed = log.event("hold.placed", {"subjects": [HOSTILE, 3], "owner": HOSTILE, "reason": HOSTILE})
        log.event("hold.placed", {"subjects": 7, "owner": None})
        log.event("hold.released", {"hold": {}, "owner": "ada"})
        log.event("restriction.lifted", {"restriction": placed, "owner": "ada"})
        log.event("export.made", {"by": [], "bytes": "many", "sha256": HOSTILE, "format": HOSTILE})
    address = serve(tmp_path / "log")
    page = httpx.get(f"{address}/exports", timeout=60)
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert not {"\u202e", "\x1b"} & set(page.text)
    assert httpx.get(f"{address}/exports.json", timeout=60).json()["holds"] == 2
    assert "'=<script>" in httpx.get(f"{address}/exports.csv", timeout=60).text
