"""The review desk on a log that was shipped: the same pages as on its directory, and nothing but reading."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit import AuditLog, Proof, check_proof, hold, pseudonyms_in, read, sample
from guardrails_lite.audit.index import Index
from guardrails_lite.audit.postgres import ship
from guardrails_lite.cli import main
from guardrails_lite.review import shipped_desk
from guardrails_lite.review._app import ACTS, PAGES
from guardrails_lite.review._desk import Desk
from guardrails_lite.review._door import Door
from guardrails_lite.review._place import Directory, Place, Shipped
from tests.postgres.server import PASSWORD
from tests.postgres.test_ship import rounded
from tests.review import story
from tests.review.conftest import served
from tests.review.test_alerts import RULES
from tests.review.test_pages import post

PERSON = "u-3"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with a month behind it, a hold in force, a verdict given and a sample drawn."""
    root = tmp_path_factory.mktemp("story") / "log"
    story.told(root, calls=120)
    found = next(
        (entry.id, check["rule"])
        for entry in read(root)
        for check in entry.data["checks"]
        if check["result"] == "found"
    )
    with AuditLog(root, heartbeat_s=None) as log:
        hold(log, PERSON, owner="grace", reason="case 12")
        verdict = {"call": found[0], "rule": found[1], "verdict": "benign", "note": "a test"}
        log.event("review.decided", {**verdict, "reviewer": "grace", "needs": 1})
        with Index(root) as index:
            index.update()
            sample(log, index.calls(), seed="s", by="grace", size=40)
    return root


@pytest.fixture
def shipped(written: Path, database: str) -> str:
    """The database that it was shipped to."""
    ship(written, database)
    return database


def desk_on(place: Place) -> Desk:
    return Desk(place, clock=lambda: story.NOW_NS)


@pytest.fixture
def visit() -> Iterator[Any]:
    """Somebody who visits desks."""
    with ExitStack() as stack:

        def start(desk: Desk) -> httpx.Client:
            address = stack.enter_context(served(desk, Door("ada")))
            return stack.enter_context(httpx.Client(base_url=address, follow_redirects=True, timeout=60))

        yield start


def told(visitor: httpx.Client, path: str) -> Any:
    """What a page tells as JSON, without what differs from one check of the log to the next."""
    answer = visitor.get(path)
    assert answer.status_code == 200, answer.text
    data = answer.json()
    for name in ("checked_ns", "took_s"):
        data.pop(name, None)
    return rounded(data)


def checked(visitor: httpx.Client) -> None:
    assert post(visitor, "/integrity", "/integrity/check").status_code == 200


def paths() -> list[str]:
    pages = [f"{'/overview' if path == '/' else path}.json" for path in PAGES if "{" not in path]
    asked = ["/overview.json?range=all", "/calls.json?range=all&outcome=blocked&mode=enforce"]
    return [*pages, *asked]


def test_every_page_tells_what_the_directory_tells(written: Path, shipped: str, visit: Any) -> None:
    """One set of pages, two places, the same answers: the log is closed, so all of it was shipped."""
    key = (written / "keys" / "verify.key").read_text()
    here, there = visit(desk_on(Directory(written))), visit(desk_on(Shipped(shipped, key=key)))
    for visitor in (here, there):
        checked(visitor)
    (blocked, *_) = told(here, "/calls.json?range=all&outcome=blocked")["calls"]
    (drawn,) = told(here, "/activity.json?type=review.sampled")["acts"]

    for path in (*paths(), f"/calls/{blocked['id']}.json", f"/queue.json?sample={drawn['id']}"):
        mine, other = told(here, path), told(there, path)
        if path.startswith("/integrity"):
            assert (mine["report"].pop("key"), other["report"].pop("key")) == ("directory", "given")
        if path.startswith("/alerts"):
            assert (mine.pop("watched"), other.pop("watched")) == (False, None)
        assert other == mine
    for path in ("/calls.csv?range=all", "/rules.csv", "/policies.csv", "/activity.csv"):
        assert there.get(path).text == here.get(path).text


def test_rules_of_alerts_find_what_they_find_in_the_directory(
    written: Path, shipped: str, visit: Any, tmp_path: Path
) -> None:
    """Calls, hours beside their week and correlations: the rules are tried on the database itself."""
    (tmp_path / "rules.yml").write_text(RULES)
    for span in ("all", "7d"):
        mine, other = (
            told(
                visit(Desk(place, rules=[tmp_path], clock=lambda: story.NOW_NS)),
                f"/alerts.json?range={span}&try=1",
            )
            for place in (Directory(written), Shipped(shipped))
        )
        assert (mine.pop("watched"), other.pop("watched")) == (False, None)
        services = {alert["service"] for alert in mine["alerts"]}
        assert services >= {"call", "hour"}
        # what a verification finds is tried with the desk's own report, which is there when it is done
        for data in (mine, other):
            data["alerts"] = [alert for alert in data["alerts"] if alert["service"] != "integrity"]
        assert other["alerts"] == mine["alerts"]


@pytest.mark.parametrize("path", [path for path in PAGES if "{" not in path])
def test_every_page_says_that_it_can_only_be_read(shipped: str, visit: Any, path: str) -> None:
    """And where else it is done; the only form that posts asks for another check."""
    page = visit(desk_on(Shipped(shipped))).get(path)

    assert page.status_code == 200
    assert "<strong>Read-only.</strong>" in page.text
    assert f"database &#39;{shipped.rpartition('/')[2]}&#39; at 127.0.0.1" in page.text
    assert "Reading as <strong>ada</strong>" in page.text
    posts = re.findall(r'<form[^>]* method="post"[^>]* action="([^"]+)"', page.text)
    assert posts == (["/integrity/check"] if path == "/integrity" else [])
    assert PASSWORD not in page.text


def test_the_door_says_nothing_of_the_database(shipped: str) -> None:
    """Who has no token does not learn where the log is."""
    with served(desk_on(Shipped(shipped)), Door("nobody", {"ada": "a" * 16})) as address:
        page = httpx.get(address, follow_redirects=True, timeout=60)

    assert page.url.path == "/enter"
    assert "127.0.0.1:" not in page.text
    assert "Read-only" not in page.text


def test_a_directory_says_nothing_of_the_kind(written: Path, visit: Any) -> None:
    """There it can be written."""
    page = visit(desk_on(Directory(written))).get("/queue")

    assert "Read-only" not in page.text
    assert 'action="/queue/decide' in page.text


@pytest.mark.parametrize("path", sorted(ACTS.keys() - {"/integrity/check"}))
def test_what_would_write_is_refused(written: Path, shipped: str, visit: Any, path: str) -> None:
    """Whoever posts a form of another desk is told where that is done, and nothing is written anywhere."""
    visitor = visit(desk_on(Shipped(shipped)))
    finding = told(visitor, "/queue.json")["finding"]
    before = [entry.id for entry in read(written, kind=None)]
    form = {
        "finding": finding["word"],
        "verdict": "benign",
        "decision": "f" * 32,
        "reason": "case 12",
        "person": PERSON,
        "act": "erase",
        "names": "p1:" + "0" * 32,
        "basis": "GDPR 17",
        "id": "f" * 32,
        "type": "hold.placed",
        "format": "csv",
    }
    answer = post(visitor, "/integrity", path.format(id=finding["call"]["id"]), **form)

    if path == "/queue/undo":  # nobody here has given a verdict to take back
        assert answer.status_code == 404
    else:
        assert answer.status_code == 409
        assert "this desk can only read" in answer.text
    assert [entry.id for entry in read(written, kind=None)] == before


def test_a_proof_is_made_of_what_was_shipped(written: Path, shipped: str, visit: Any) -> None:
    """It is the proof that the directory gives."""
    visitor = visit(desk_on(Shipped(shipped)))
    (blocked, *_) = told(visitor, "/calls.json?range=all&outcome=blocked")["calls"]
    proof = visitor.get(f"/calls/{blocked['id']}/proof").json()

    assert check_proof(Proof(proof["line"].encode(), proof["proof"], proof["key"]))
    assert proof == visit(desk_on(Directory(written))).get(f"/calls/{blocked['id']}/proof").json()


def test_a_person_is_found_by_pseudonym(written: Path, shipped: str, visit: Any) -> None:
    """The keys that make one were not shipped, so it is asked for, and what is in force shows."""
    visitor = visit(desk_on(Shipped(shipped)))
    (name,) = pseudonyms_in(written, "user", PERSON)
    page = visitor.get("/privacy")
    assert re.search(r'<input id="names" name="names"', page.text)
    assert 'action="/privacy/end"' not in page.text

    found = told(visitor, f"/privacy.json?names={name}&kind=user")
    assert found["known"][0]["calls"] > 0
    assert [(act["by"], act["theirs"]) for act in found["in_force"]] == [("grace", True)]


def test_what_the_database_changed_shows(shipped: str, visit: Any) -> None:
    """The bytes are fetched and checked: the badge does not trust the database."""
    visitor = visit(desk_on(Shipped(shipped)))
    with psycopg.connect(shipped, autocommit=True) as connection:
        (schema,) = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'glog_%'"
        ).fetchone() or ("",)
        connection.execute(
            f"UPDATE {schema}.pieces SET bytes = set_byte(bytes, 700, get_byte(bytes, 700) # 1) "
            "WHERE path LIKE 'streams/%' AND at = 0"
        )
    checked(visitor)

    assert told(visitor, "/integrity.json")["report"]["state"] == "tampered"
    assert 'class="badge tampered"' in visitor.get("/").text


def test_a_later_shipment_is_seen_without_starting_anew(tmp_path: Path, database: str, visit: Any) -> None:
    """Each page asks the database as it is."""
    root = tmp_path / "log"
    story.told(root, calls=10)
    ship(root, database)
    visitor = visit(desk_on(Shipped(database)))
    before = told(visitor, "/overview.json?range=all")["totals"]["calls"]
    with AuditLog(root, heartbeat_s=None) as log:
        for number, entry in enumerate([*read(root)][:3]):
            log.append("call.completed", f"{0xA0 + number:032x}", dict(entry.data))
    ship(root, database)

    assert told(visitor, "/overview.json?range=all")["totals"]["calls"] == before + 3


def test_a_database_that_goes_away_is_said_to_have(shipped: str, visit: Any) -> None:
    """Each page says why, in words without the password, and the desk goes on."""
    visitor = visit(desk_on(Shipped(shipped)))
    name = shipped.rpartition("/")[2]
    with psycopg.connect(f"{shipped.rpartition('/')[0]}/postgres", autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} RENAME TO {name}_away")
        answer = visitor.get("/calls")
        connection.execute(f"ALTER DATABASE {name}_away RENAME TO {name}")

    assert answer.status_code == 409
    assert f"database &#34;{name}&#34; does not exist" in answer.text
    assert PASSWORD not in answer.text
    assert visitor.get("/calls").status_code == 200


def test_a_check_that_cannot_be_made_is_told(shipped: str) -> None:
    """In place of a badge that would say "checking" for ever."""
    desk = desk_on(Shipped(shipped))
    assert desk.state == "checking"
    with psycopg.connect(shipped, autocommit=True) as connection:
        (schema,) = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'glog_%'"
        ).fetchone() or ("",)
        connection.execute(f"INSERT INTO {schema}.files VALUES ('../elsewhere', 1)")
    with served(desk, Door("ada")) as address:
        httpx.get(address, timeout=60)  # the desk is open when it answers
        assert desk._first is not None
        desk._first.join()
        page = httpx.get(f"{address}/integrity", timeout=60)

    assert desk.state == "unchecked"
    assert "The log could not be checked: " in page.text
    assert "which no log has" in page.text


def test_a_desk_that_closes_leaves_no_copy(shipped: str, tmp_path: Path, monkeypatch: Any) -> None:
    """The check that was under way ends, and what it fetched goes."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    desk = desk_on(Shipped(shipped))
    with served(desk, Door("ada")) as address:
        httpx.get(address, timeout=60)

    assert list(tmp_path.iterdir()) == []


def test_a_desk_needs_a_log_there(database: str) -> None:
    """And is not made without one."""
    with pytest.raises(ConfigError, match="holds no compliance log"):
        shipped_desk(database, reviewer="ada")


def test_the_command_serves_a_database(shipped: str, written: Path) -> None:
    """`--db URL` stands in place of the directory, as for `log`."""
    key = written / "keys" / "verify.key"
    options = ["--port", "0", "--as", "ada", "--db", shipped, "--key", str(key)]
    command = [sys.executable, "-m", "guardrails_lite", "review", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().removeprefix("Review desk on ").strip()
        page = httpx.get(address, timeout=60)
        assert "Reading as <strong>ada</strong>" in page.text
        report = json.loads(httpx.get(f"{address}/overview.json?range=all", timeout=60).text)
        assert report["totals"]["calls"] == 120
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130


@pytest.mark.parametrize(
    ("arguments", "code", "match"),
    [
        (["--db", "{url}", "--keys", "keys"], 2, "--keys is for a directory"),
        (["log", "--key", "k"], 2, "--key goes with --db"),
        (["--db", "{url}", "--log", "ffff"], 5, "ffff"),
        (["--db", "{url}-not"], 5, "does not exist"),
        (["--db", "mysql://x"], 5, "not one for PostgreSQL"),
        (["--db", "{url}", "--host", "0.0.0.0"], 2, "need tokens"),
    ],
)
def test_what_the_command_refuses(
    shipped: str, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, match: str
) -> None:
    """Before anything is served, and without the password."""
    assert main(["review", *(each.format(url=shipped) for each in arguments)]) == code
    said = capsys.readouterr().err
    assert match in said
    assert PASSWORD not in said
