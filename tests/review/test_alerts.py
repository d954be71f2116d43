"""The page of alerts: what was raised, what the rules find now, and the calls behind both."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit import AuditLog
from guardrails_lite.audit.alerts import Rules, Watch, command, read_rules
from guardrails_lite.review._desk import Desk
from guardrails_lite.review._place import Directory
from tests.audit.calls import record
from tests.review import story
from tests.review.conftest import Serve
from tests.review.test_pages import HOSTILE

RULES = """
title: A call to the dear model was stopped
id: 4b0c6c1e-7d39-4f0a-9a55-0d6a3d1c7e11
level: medium
logsource:
    product: guardrails-lite
    service: call
detection:
    selection:
        model: gpt-5
        outcome: blocked
    condition: selection
fields:
    - model
---
title: One user was stopped again and again
id: 4b0c6c1e-7d39-4f0a-9a55-0d6a3d1c7e12
name: stopped
level: low
logsource:
    product: guardrails-lite
    service: call
detection:
    selection:
        outcome: blocked
    condition: selection
---
title: One user was stopped twice in a week
id: 4b0c6c1e-7d39-4f0a-9a55-0d6a3d1c7e13
level: high
correlation:
    type: event_count
    rules:
        - stopped
    group-by:
        - user
    timespan: 7d
    condition:
        gte: 2
---
title: An hour of a key with a stopped call
id: 4b0c6c1e-7d39-4f0a-9a55-0d6a3d1c7e14
level: low
logsource:
    product: guardrails-lite
    service: hour
detection:
    selection:
        of: key
        blocked|gte: 1
    condition: selection
fields:
    - of
    - value
    - blocked
"""
STOPPED, TWICE = (f"4b0c6c1e-7d39-4f0a-9a55-0d6a3d1c7e{end}" for end in ("11", "13"))


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "stopped.yml"
    path.write_text(RULES)
    return path


def watched(root: Path, rules: Rules) -> int:
    """Have *rules* raise what they find in the log; how many alerts that is."""
    receivers = [command(sys.executable, "-c", "", timeout_s=60)]
    with Watch(root, rules, receivers=receivers, since=0, clock=lambda: story.NOW_NS) as watch:
        return len(watch.look().raised)


@pytest.fixture
def visitor(root: Path, rules: Path, serve: Serve) -> Any:
    with httpx.Client(base_url=serve(root, rules=[rules]), follow_redirects=True, timeout=60) as client:
        yield client


def test_what_was_raised_is_shown_with_its_calls(visitor: httpx.Client, root: Path, rules: Path) -> None:
    """Each alert leads to its call, and says who took it."""
    raised = watched(root, read_rules(rules, shipped=False))
    told = visitor.get("/alerts.json?range=all").json()
    assert (told["total"], told["watched"], told["tried"]) == (raised, True, False)
    single = [alert for alert in told["alerts"] if alert["rule"] == STOPPED]
    blocked = visitor.get("/calls.json?range=all&outcome=blocked&model=gpt-5").json()["calls"]
    assert [alert["call"] for alert in single] == [call["id"] for call in blocked]
    assert {tuple(alert["sent"]) for alert in single} == {(Path(sys.executable).name,)}
    page = visitor.get("/alerts?range=all").text
    assert all(f'href="/calls/{call["id"]}"' in page for call in blocked)
    counted = {rule["id"]: (rule["alerts"], rule["last_ns"]) for rule in told["rules"]}
    assert counted[STOPPED] == (len(single), single[0]["at"])


def test_a_correlation_leads_to_the_calls_that_it_counted(
    visitor: httpx.Client, root: Path, rules: Path
) -> None:
    """Behind the link are as many calls of the group as the alert says, in the window that it says."""
    watched(root, read_rules(rules, shipped=False))
    alerts = visitor.get("/alerts.json", params={"range": "all", "rule": TWICE}).json()["alerts"]
    assert alerts
    for alert in alerts:
        address = alert["calls"].replace("/calls?", "/calls.json?outcome=blocked&")
        assert len(visitor.get(address).json()["calls"]) == alert["count"]


def test_an_hour_leads_to_its_calls(visitor: httpx.Client) -> None:
    """What is said of an hour of one key is what that hour's calls of the key say."""
    told = visitor.get("/alerts.json?range=all&try=1").json()["alerts"]
    hours = [alert for alert in told if alert["service"] == "hour"]
    assert hours
    for alert in hours:
        calls = visitor.get(alert["calls"].replace("/calls?", "/calls.json?")).json()["calls"]
        stopped = sum(call["outcome"] in ("blocked", "tool denied") for call in calls)
        assert alert["about"] == {"of": "key", "value": calls[0]["key"], "blocked": str(stopped)}


def test_rules_are_tried_and_leave_no_trace(visitor: httpx.Client, root: Path, rules: Path) -> None:
    """Without a watcher the page says so; trying shows what a watcher would raise, and writes nothing."""
    before = visitor.get("/alerts.json?range=all").json()
    assert (before["watched"], before["total"]) == (False, 0)
    assert "Nothing watches this log" in visitor.get("/alerts?range=all").text
    tried = visitor.get("/alerts.json?range=all&try=1").json()
    assert "Nothing was recorded" in visitor.get("/alerts?range=all&try=1").text
    assert visitor.get("/alerts.json?range=all").json()["total"] == 0
    watched(root, read_rules(rules))
    after = visitor.get("/alerts.json?range=all").json()
    # what a verification finds is tried with the desk's own report, which is there when it is done
    ids = [{one["id"] for one in told["alerts"] if one["service"] != "integrity"} for told in (tried, after)]
    assert ids[0] == ids[1]


def test_a_range_and_a_rule_narrow(visitor: httpx.Client, root: Path, rules: Path) -> None:
    """As on the other pages; each bar is as high as what is listed."""
    watched(root, read_rules(rules))
    totals = [visitor.get(f"/alerts.json?range={span}").json()["total"] for span in ("24h", "7d", "30d")]
    assert totals == sorted(totals)
    assert totals[0] < totals[2]
    only = visitor.get(f"/alerts.json?range=30d&rule={STOPPED}").json()
    assert {alert["rule"] for alert in only["alerts"]} == {STOPPED}
    assert "rule: A call to the dear model was stopped" in visitor.get(f"/alerts?rule={STOPPED}").text
    rows = list(csv.DictReader(io.StringIO(visitor.get(f"/alerts.csv?range=30d&rule={STOPPED}").text)))
    assert [row["call"] for row in rows] == [alert["call"] for alert in only["alerts"]]


def test_rules_of_ones_own_stand_beside_the_shipped(visitor: httpx.Client, rules: Path) -> None:
    """With where they are from; a rule that only a correlation counts alerts by nothing, and is not there."""
    told = {rule["title"]: rule["source"] for rule in visitor.get("/alerts.json").json()["rules"]}
    assert told["A call to the dear model was stopped"] == f"{rules} document 1"
    assert told["Spend jumped"] == ""
    assert "One user was stopped again and again" not in told


def test_a_rule_that_is_gone_still_has_its_alerts(root: Path, rules: Path, serve: Serve) -> None:
    """What was raised stays to be seen under a desk that does not know the rule."""
    watched(root, read_rules(rules, shipped=False))
    told = httpx.get(serve(root) + "/alerts.json?range=all", timeout=60).json()
    (gone,) = (rule for rule in told["rules"] if rule["id"] == STOPPED)
    assert (gone["source"], gone["title"]) == (None, "A call to the dear model was stopped")
    assert gone["alerts"] > 0


def test_a_wrong_rule_is_told_when_the_desk_is_made(root: Path, tmp_path: Path) -> None:
    """Not when somebody looks at the page."""
    (tmp_path / "odd.yml").write_text("title: odd")
    with pytest.raises(ConfigError, match="needs an id"):
        Desk(Directory(root), rules=[tmp_path / "odd.yml"])


def test_hostile_alerts_are_shown_and_do_nothing(tmp_path: Path, serve: Serve) -> None:
    """An alert that a stranger wrote is text, whatever it holds."""
    with AuditLog(tmp_path / "log") as log:
        log(record(1))
        log.event(
            "alert.raised", {"title": HOSTILE, "rule": HOSTILE, "level": HOSTILE, "fields": {HOSTILE: 1}}
        )
        log.event("alert.raised", {"at": "soon", "fields": 3, "group": [], "call": {}, "count": None})
        log.event("alert.sent", {"alert": 7, "to": [HOSTILE]})
    address = serve(tmp_path / "log")
    page = httpx.get(f"{address}/alerts?range=all", timeout=60)
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "\\u{202e}\\u{1b}[31m" in page.text
    table = httpx.get(f"{address}/alerts.csv?range=all", timeout=60).text
    titles = [row["title"] for row in csv.DictReader(io.StringIO(table))]
    assert sum(title.startswith("'=<script>") for title in titles) == 1
