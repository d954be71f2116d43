"""The shipped rules: each finds what it is about in a real log, and none finds anything in a quiet one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guardrails_lite import AuditLog
from guardrails_lite._messages import Usage
from guardrails_lite._record import AttemptStep
from guardrails_lite.audit import (
    Disk,
    bundle,
    close_off,
    erase,
    expire,
    hold,
    read,
    release,
    reveal,
    verify,
)
from guardrails_lite.audit.alerts import Alert, matches, read_rules
from tests.alerts.facts import HOUR, NOW, clock, log_calls
from tests.audit import forger
from tests.audit.calls import call_id, record

DAY = 24 * HOUR
USER = {"who": {"user": "u-1", "api_key": "k-1", "tenant": "acme"}}


def found(root: Path, *, now: int = NOW) -> list[Alert]:
    """What all shipped rules find in the log."""
    return list(matches(root, read_rules(), since=0, check=lambda: verify(root), clock=lambda: now * 10**9))


def week(**changes: Any) -> list[dict[str, Any]]:
    """Two calls an hour for a week, one in fifty of them blocked."""
    return [
        {
            "number": number,
            "at": -7 * DAY + number * HOUR // 2,
            **({"outcome": "blocked"} if number % 50 == 0 else {"cost_usd": 0.5}),
            **USER,
            **changes,
        }
        for number in range(1, 7 * 48)
    ]


def spend(root: Path) -> None:
    log_calls(root, [*week(), *({"number": 1000 + n, "at": n, "cost_usd": 0.5, **USER} for n in range(8))])


def key_out_of_bounds(root: Path) -> None:
    """Twice what the key spends in every hour, which is no jump yet by the mean."""
    log_calls(root, [*week(), *({"number": 1000 + n, "at": n, "cost_usd": 0.5, **USER} for n in range(4))])


def blocks(root: Path) -> None:
    blocked = ({"number": 1000 + n, "at": n, "outcome": "blocked", **USER} for n in range(6))
    log_calls(root, [*week(), *blocked])


def tampered(root: Path) -> None:
    log_calls(root, [{"number": n} for n in range(1, 4)])
    forger.edit(root, forger.flip(2))


def rolled_back(root: Path) -> None:
    log_calls(root, [{"number": n} for n in range(1, 4)])
    forger.segment(root).unlink()


def unreadable(root: Path) -> None:
    log_calls(root, [{"number": 1}])
    (root / "registry.jsonl").unlink()


def gap(root: Path) -> None:
    full = {"now": False}

    def write(fd: int, data: bytes) -> int:
        if full["now"]:
            raise OSError(28, "injected")
        return os.write(fd, data)

    with AuditLog(root, on_failure="open", disk=Disk(write=write), clock=clock()) as log:
        log(record(1))
        full["now"] = True
        log(record(2))
        full["now"] = False
        log(record(3))


def killed(root: Path) -> None:
    program = (
        "import os, signal\n"
        "from guardrails_lite.audit import AuditLog\n"
        "from tests.audit.calls import intent\n"
        f"log = AuditLog({str(root)!r})\n"
        "log.intent(intent(90))\n"
        f"os.kill(os.getpid(), {int(signal.SIGKILL)})\n"
    )
    subprocess.run([sys.executable, "-c", program], check=False, cwd=Path(__file__).parents[2])
    with AuditLog(root) as log:
        close_off(log)
        log(record(1))


def erased(root: Path) -> None:
    with AuditLog(root, capture="redacted", clock=clock()) as log:
        log(record(1, texts=(("input", "user", "hi"),), who={"user": "u-1"}))
        erase(log, "u-1", request="r-1", basis="GDPR 17")


def released(root: Path) -> None:
    with AuditLog(root, clock=clock()) as log:
        release(log, hold(log, "u-1", owner="counsel", reason="case"), owner="counsel", reason="closed")


def expired(root: Path) -> None:
    log_calls(root, [{"number": n} for n in range(1, 30)], segment_bytes=4096)
    with AuditLog(root) as log:  # our story is a year old
        assert expire(log, keep_days=200, by="job")


def taken(root: Path) -> None:
    with AuditLog(root, clock=clock()) as log:
        log(record(1))
        log.seal()
        bundle(log, root.with_suffix(".zip"), by="auditor", reason="audit")


def late(**changes: Any) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        log_calls(root, [{"number": 1, "at": -2 * DAY, **USER}, {"number": 2, **USER, **changes}])

    return write


def let_pass(root: Path) -> None:
    broken = record(1).checks[0]._replace(result="broken", action="open", error="ValueError")
    log_calls(root, [{"number": n, "at": n, "steps": (broken,)} for n in range(1, 9)])


def injections(root: Path) -> None:
    log_calls(root, [{"number": n, "at": n, "outcome": "blocked", **USER} for n in range(1, 9)])


def denials(root: Path) -> None:
    log_calls(root, [{"number": n, "at": n, "outcome": "tool denied", **USER} for n in range(1, 9)])


def readings(root: Path) -> None:
    with AuditLog(root, capture="redacted", clock=clock()) as log:
        for number in range(20):
            log(record(number, texts=(("input", "user", "hi"),)))
        for number in range(20):
            reveal(log, call_id(number), reader="nosy", reason="T-1")


def unwitnessed(root: Path) -> None:
    def broken(head: str) -> None:
        raise ConnectionError

    with AuditLog(root, witness=broken, witness_s=0, heartbeat_s=None, clock=clock()) as log:
        for number in range(3):
            log(record(number))
            log.tick()


def failing(root: Path) -> None:
    sent = AttemptStep("primary", "m-1", 1, "rate limited", "RateLimitError", 429, 9.0, 0.0, None, None)
    calls = ({"number": n, "at": n, "steps": (sent,), "outcome": "transport failed"} for n in range(1, 31))
    log_calls(root, calls)


STORIES: dict[str, Callable[[Path], None]] = {
    "Spend jumped": spend,
    "An API key spends as it never did": key_out_of_bounds,
    "The share of blocked calls jumped": blocks,
    "Records were lost": gap,
    "A process ended with calls open": killed,
    "A person's kept texts were erased": erased,
    "A legal hold was released": released,
    "Segments of the log expired": expired,
    "Evidence was taken out of the log": taken,
    "A new API key": late(who={"api_key": "k-2"}),
    "A new model": late(model="m-2"),
    "A guard that was not seen before": late(digest="e" * 64),
    "A check broke and let texts pass": let_pass,
    "One user keeps trying to inject": injections,
    "One user's calls keep asking for tools that are denied": denials,
    "One reader opened the texts of many calls": readings,
    "The log's head is not kept elsewhere": unwitnessed,
    "A model keeps failing": failing,
}
ALSO = {
    "One user keeps trying to inject": "The share of blocked calls jumped",
    "An API key spends as it never did": "Spend jumped",
}


@pytest.mark.parametrize("title", STORIES)
def test_each_rule_finds_what_it_is_about(tmp_path: Path, title: str) -> None:
    """In a log in which that happened, and there no other rule has anything to say."""
    STORIES[title](tmp_path / "log")
    titles = [alert.title for alert in found(tmp_path / "log")]
    assert title in titles
    assert set(titles) <= {title, *(key for key, value in ALSO.items() if value == title)}


@pytest.mark.parametrize("damage", [tampered, rolled_back, unreadable])
def test_damage_is_found(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """Whatever became of the files."""
    damage(tmp_path / "log")
    (alert,) = [one for one in found(tmp_path / "log") if one.service == "integrity"]
    assert (alert.title, alert.level) == ("The log is not what was written", "critical")
    assert alert.fields["state"] in ("tampered", "truncated", "unreadable")


def test_every_rule_has_a_story() -> None:
    """So that the tests above are about all of them."""
    assert {rule.title for rule in read_rules().alerting} == {*STORIES, "The log is not what was written"}


def test_a_quiet_week_raises_nothing(tmp_path: Path) -> None:
    """Steady use, a few blocks, a running process, its restart."""
    log_calls(tmp_path / "log", week())
    log_calls(tmp_path / "log", [{"number": 1000, "cost_usd": 0.5, **USER}])
    assert found(tmp_path / "log") == []


def test_an_hour_is_compared_with_the_week_before(tmp_path: Path) -> None:
    """Of the log and of the key; the present hour as far as it has come; told with both numbers."""
    spend(tmp_path / "log")
    alerts = [alert for alert in found(tmp_path / "log", now=NOW + 10) if alert.title == "Spend jumped"]
    assert {alert.fields["of"] for alert in alerts} == {"log", "key"}
    for alert in alerts:
        assert alert.at == NOW * 10**9
        assert alert.fields["calls"] == 8
        assert alert.fields["cost_usd"] == pytest.approx(4.0)
        usual = sum(0.5 for number in range(1, 7 * 48) if number % 50) / 168
        assert alert.fields["usual_cost_usd"] == pytest.approx(usual, rel=0.01)
        assert alert.fields["cost_ratio"] == pytest.approx(4.0 / usual, rel=0.01)


@pytest.mark.parametrize(
    ("usual", "now", "raised"),
    [
        ([1.0] * 100, 1.4, False),  # half as much again, at least
        ([1.0] * 100, 1.6, True),
        ([1.0, 9.0] * 50, 9.5, False),  # who is wild has been there
        ([0.9] * 100, 0.99, False),  # less than a dollar
        ([0.0] * 23 + [5.0] + [0.0] * 23 + [5.0] + [0.0] * 23 + [5.0], 5.5, False),  # a batch, each night
        ([0.0] * 23 + [5.0] + [0.0] * 23 + [5.0] + [0.0] * 23 + [5.0], 9.0, True),
        ([1.0] * 40, 9.0, False),  # known for less than two days
    ],
)
def test_a_key_is_held_against_itself(tmp_path: Path, usual: list[float], now: float, raised: bool) -> None:
    """Far outside of what it does, and of what it has ever done; by tokens too, where there is no price."""
    amounts: dict[str, Callable[[float], dict[str, Any]]] = {
        "money": lambda amount: {"cost_usd": amount},
        "tokens": lambda amount: {"cost_usd": None, "usage": Usage(round(amount * 1e6), 0)},
    }
    for name, told in amounts.items():
        root = tmp_path / name
        calls = [
            {"number": 1 + at, "at": (at - len(usual)) * HOUR, **told(amount), **USER}
            for at, amount in enumerate(usual)
            if amount
        ]
        log_calls(root, [*calls, {"number": 1000, "at": 0, **told(now), **USER}])
        titles = [alert.title for alert in found(root) if alert.at == NOW * 10**9]
        assert ("An API key spends as it never did" in titles) == raised, name


def test_no_alert_has_text_of_a_call(tmp_path: Path) -> None:
    """Planted in every text and name that a call can have."""
    secret = "PLANTED"
    with AuditLog(tmp_path / "log", capture="sealed", clock=clock()) as log:
        for number in range(8):
            told = (("input", "user", secret), ("output", "assistant", secret))
            who = {"user": secret, "session": secret, "api_key": secret}
            log(record(number, outcome="blocked", texts=told, who=who))
    alerts = found(tmp_path / "log")
    assert alerts
    assert secret not in str([alert.to_dict() for alert in alerts])
    assert all(entry.id for entry in read(tmp_path / "log"))
