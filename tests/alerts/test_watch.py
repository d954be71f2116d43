"""Watching: each match once, whatever is lost, repeated or broken in between."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guardrails_lite import AuditLog, ConfigError
from guardrails_lite.audit import Clock, read, verify
from guardrails_lite.audit.alerts import Alert, NotSent, Receiver, Rules, Watch, alarm, matches
from guardrails_lite.audit.index import Index
from tests.alerts.facts import HOUR, NOW, Box, burst, clock, log_calls, rule, written
from tests.audit import forger
from tests.audit.calls import intent, record

BLOCKED: dict[str, Any] = {"outcome": "blocked", "who": {"user": "u-1", "tenant": "acme"}}


class Crash(BaseException):
    """The process ends here."""


def watch(root: Path, rules: Rules, *receivers: Receiver, **options: Any) -> Watch:
    return Watch(
        root, rules, receivers=receivers, **{"since": 0, "clock": lambda: (NOW + HOUR) * 10**9, **options}
    )


def looked(root: Path, rules: Rules, *receivers: Receiver, **options: Any) -> tuple[Alert, ...]:
    with watch(root, rules, *receivers, **options) as watching:
        seen = watching.look()
    assert seen.problems == ()
    return seen.raised


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A log with two blocked calls and one that passed."""
    log_calls(tmp_path / "log", [{"number": 1}, {"number": 2, **BLOCKED}, {"number": 3, **BLOCKED}])
    return tmp_path / "log"


@pytest.fixture
def rules(tmp_path: Path) -> Rules:
    """A rule about blocked calls."""
    return written(tmp_path, rule(fields=["outcome", "guard"]))


def test_an_alert_tells_what_its_rule_names_and_no_more(root: Path, rules: Rules) -> None:
    """Which rule, which call, when, and the fields the rule lists."""
    first, second = looked(root, rules)
    assert first.to_dict() == {
        "id": first.id,
        "rule": "00000000-0000-4000-8000-000000000001",
        "title": "Rule 1",
        "level": "medium",
        "description": "",
        "tags": [],
        "service": "call",
        "at": (NOW) * 10**9,
        "call": f"{2:032x}",
        "fields": {"outcome": "blocked", "guard": "support"},
        "group": {},
        "count": 1,
    }
    assert second.call == f"{3:032x}"
    assert second.id != first.id


def test_what_was_raised_and_taken_is_in_the_log(root: Path, rules: Rules) -> None:
    """As entries that verify, with whom it was for; the alert's id is the entry's."""
    box = Box()
    first, second = looked(root, rules, box)
    raised = list(read(root, kind="alert.raised"))
    assert [entry.id for entry in raised] == [first.id, second.id]
    assert {**raised[0].data, "id": first.id} == {**first.to_dict(), "to": ["box"]}
    sent = [entry.data for entry in read(root, kind="alert.sent")]
    assert sent == [{"alert": first.id, "to": "box"}, {"alert": second.id, "to": "box"}]
    assert verify(root).state == "intact"
    told = json.loads(box.taken[0][1])
    assert told == {**first.to_dict(), "log": verify(root).log, "time": "2025-11-24T16:00:00+00:00"}


@pytest.mark.parametrize("lost", [(), ("alerts.json",), ("index.sqlite",), ("alerts.json", "index.sqlite")])
def test_a_match_is_raised_once(root: Path, rules: Rules, lost: tuple[str, ...]) -> None:
    """Also where the position, the index or both are lost: the log remembers."""
    box = Box()
    assert len(looked(root, rules, box)) == 2
    for name in lost:
        (root / name).unlink()
    assert looked(root, rules, box) == ()
    log_calls(root, [{"number": 9, **BLOCKED}])
    assert [alert.call for alert in looked(root, rules, box)] == [f"{9:032x}"]
    assert len(box.taken) == 3


def test_a_position_of_another_log_or_of_no_shape_is_none(root: Path, rules: Rules) -> None:
    """It saves work and decides nothing."""
    for told in ('{"log": "x", "since": 1}', "[]", "{", '{"marks": {"calls": 1}, "streams": {}}'):
        (root / "alerts.json").write_text(told)
        assert len(looked(root, rules)) in (0, 2)
    assert len(list(read(root, kind="alert.raised"))) == 2


def test_the_first_look_begins_where_it_is_told_to(tmp_path: Path, rules: Rules) -> None:
    """What is older is left out, now and later; streams that come later are looked at whole."""
    root = tmp_path / "old"
    log_calls(root, [{"number": 1, **BLOCKED}], clock=clock(NOW))
    assert looked(root, rules, since=(NOW + 10) * 10**9) == ()
    log_calls(root, [{"number": 2, "at": 20, **BLOCKED}], clock=clock(NOW + 20))
    assert [alert.call for alert in looked(root, rules, since=0)] == [f"{2:032x}"]
    (root / "index.sqlite").unlink()
    assert looked(root, rules, since=0) == ()


class Crashing(Box):
    """Ends the process before or after it takes the first alert."""

    def __init__(self, when: str) -> None:
        super().__init__()
        self.when = when

    def __call__(self, ident: str, body: bytes) -> None:
        if self.when == "before":
            raise Crash
        super().__call__(ident, body)
        if self.when == "after":
            raise Crash


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_while_sending_repeats_a_sending_at_worst(root: Path, rules: Rules, when: str) -> None:
    """Nothing is lost, nothing is raised twice, and what is sent again has the same id and body."""
    box = Crashing(when)
    with pytest.raises(Crash), watch(root, rules, box) as watching:
        watching.look()
    box.when = ""
    assert looked(root, rules, box) == ()
    assert looked(root, rules, box) == ()
    assert len(list(read(root, kind="alert.raised"))) == 2
    assert len(box.taken) == (2 if when == "before" else 3)
    assert len(set(box.taken)) == 2


def test_what_a_receiver_does_not_take_is_sent_again(root: Path, rules: Rules) -> None:
    """To that receiver only, until it takes it; one that was not there when it was raised gets nothing."""

    class Refusing(Box):
        refuses = True

        def __call__(self, ident: str, body: bytes) -> None:
            if self.refuses:
                raise NotSent("refusing says no")
            super().__call__(ident, body)

    refusing, box, late = Refusing("refusing"), Box(), Box("late")
    with watch(root, rules, refusing, box) as watching:
        seen = watching.look()
    assert len(seen.raised) == len(box.taken) == 2
    assert seen.problems == tuple(f"the alert {a.id} was not sent: refusing says no" for a in seen.raised)
    refusing.refuses = False
    assert looked(root, rules, refusing, box, late) == ()
    assert (len(refusing.taken), len(box.taken), late.taken) == (2, 2, [])
    assert looked(root, rules, refusing, box) == ()
    assert len(refusing.taken) == 2


def test_a_receiver_that_refuses_is_asked_less_and_less(root: Path, rules: Rules) -> None:
    """After three refusals in a row it is left alone, for a time that doubles up to five minutes."""
    log_calls(root, [{"number": number, **BLOCKED} for number in range(10, 20)])
    asked: list[str] = []
    now = [NOW * 10**9]

    class Dead(Box):
        def __call__(self, ident: str, body: bytes) -> None:
            asked.append(ident)
            raise NotSent("dead")

    with watch(root, rules, Dead(), clock=lambda: now[0]) as watching:
        watching.look()
        for wait_s in (5, 10, 20, 40, 80, 160, 300, 300):
            now[0] += wait_s * 10**9 - 1
            before = len(asked)
            watching.look()
            assert len(asked) == before
            now[0] += 1
            watching.look()
            assert len(asked) == before + 3


def test_one_process_watches_a_log(root: Path, rules: Rules) -> None:
    """A second one is told so, and can watch when the first has ended."""
    with (
        watch(root, rules),
        pytest.raises(ConfigError, match="another process watches this log for alerts"),
    ):
        watch(root, rules)
    assert len(looked(root, rules)) == 2


def test_a_try_leaves_no_trace(root: Path, rules: Rules) -> None:
    """`matches` finds the same and writes nothing but the index, which is derived."""
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    found = list(matches(root, rules, since=0))
    after = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert {path.name for path in after.keys() - before.keys()} <= {"index.sqlite"}
    assert {path: after[path] for path in before} == before
    assert tuple(found) == looked(root, rules)


@pytest.mark.parametrize("since", [-1, 0, 1, 2, 3, 4, 5])
def test_a_first_look_begins_at_its_time_whatever_ended_before(
    tmp_path: Path, rules: Rules, since: int
) -> None:
    """Calls count that ended then or later, also where they began earlier and stand between others."""
    now = [0]
    time = Clock(wall_ns=lambda: now[0], mono_ns=lambda: now[0])
    with AuditLog(tmp_path / "log", heartbeat_s=None, clock=time) as log:
        for number, ended in enumerate((0, 2, 1, 4, 3), 1):  # a clock may be set back
            now[0] = (NOW + ended * 60) * 10**9
            log(record(number, started=float(NOW - 600), outcome="blocked"))
    found = matches(tmp_path / "log", rules, since=(NOW + since * 60) * 10**9)
    expected = [number for number, ended in enumerate((0, 2, 1, 4, 3), 1) if ended >= since]
    assert sorted(int(alert.call, 16) for alert in found) == expected


def test_alerts_raise_no_alerts(tmp_path: Path, root: Path) -> None:
    """A rule about every entry is not about its own, or it would never end."""
    every = written(
        tmp_path,
        rule(
            logsource={"product": "guardrails-lite", "service": "event"},
            detection={"s": {"type": "*"}, "condition": "s"},
        ),
    )
    box = Box()
    assert {alert.fields["type"] for alert in looked(root, every, box)} == {
        "log.created",
        "stream.opened",
        "log.opened",
        "log.closed",
        "stream.closed",
    }
    for _ in range(2):  # the look itself opens and closes a stream
        assert {alert.fields["type"] for alert in looked(root, every, box)} <= {
            "stream.opened",
            "log.opened",
            "log.closed",
            "stream.closed",
        }


def test_a_call_is_looked_at_once_it_has_ended(tmp_path: Path, rules: Rules) -> None:
    """An intent is no match; its record is, also where another process brought the index up to date."""
    root = tmp_path / "running"
    with AuditLog(root, clock=clock()) as log:
        log.intent(intent(1))
        with watch(root, rules) as watching:
            assert watching.look().raised == ()
            log(record(1, outcome="blocked"))
            with Index(root) as index:
                index.update()
            assert [alert.call for alert in watching.look().raised] == [f"{1:032x}"]


# -- correlations -------------------------------------------------------------------------------------


def blocked(number: int, at: float, user: str = "u-1") -> dict[str, Any]:
    return {"number": number, "at": at, "outcome": "blocked", "who": {"user": user}}


def test_a_burst_is_one_alert_for_each_group_and_timespan(tmp_path: Path) -> None:
    """Counted in a sliding window, by group; calls without the group's field are in none."""
    rules = written(tmp_path, rule(), burst())
    root = tmp_path / "log"
    log_calls(
        root,
        [
            blocked(1, 0),
            blocked(2, 1800, "u-2"),
            blocked(3, 3000),
            blocked(4, 3601),  # the first is out of the window by now
            blocked(5, 3700),
            *(blocked(number, 3800 + number) for number in range(10, 30)),  # the same burst
            *({"number": number, "at": 4000, "outcome": "blocked", "who": {}} for number in range(40, 45)),
            *(blocked(number, 9000 + number) for number in range(50, 55)),  # the next
        ],
    )
    found = looked(root, rules)
    assert [(alert.call, alert.count, alert.at // 10**9 - NOW) for alert in found] == [
        (f"{5:032x}", 3, 3700),
        (f"{52:032x}", 3, 9052),
    ]
    assert {alert.title for alert in found} == {"Burst 2"}
    assert all(alert.group["user"].startswith("p1:") for alert in found)


def test_values_are_counted_once_each(tmp_path: Path) -> None:
    """``value_count`` asks for different values of a field."""
    counted = burst(type="value_count", condition={"gte": 3, "field": "model"})
    rules = written(tmp_path, rule(), counted)
    root = tmp_path / "log"
    models = ["a", "b", "a", "", "b", "c", "d"]
    log_calls(root, [{**blocked(n, n), "model": model or None} for n, model in enumerate(models, 1)])
    assert [(alert.call, alert.count) for alert in looked(root, rules)] == [(f"{6:032x}", 3)]


_story = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from(["u-1", "u-2"]), st.booleans()), min_size=1, max_size=7
)


@settings(max_examples=8)
@given(_story)
@example([(0, "u-1", False), (1, "u-1", True), (2, "u-1", True), (3, "u-1", True)])
@example([(0, "u-1", True), (30, "u-1", True), (29, "u-1", True), (1, "u-1", True), (30, "u-1", True)])
def test_restarts_change_nothing(story: list[tuple[int, str, bool]]) -> None:
    """However a log is cut into looks, the same alerts are raised as in one look at all of it."""
    with TemporaryDirectory() as place:
        rules = written(Path(place), rule(), burst(timespan="10m"), burst(3, timespan="1h"))
        at = 0
        several: list[Alert] = []
        with AuditLog(Path(place) / "log", mode="async", signing="hmac-sha256", clock=clock()) as log:
            for number, (minutes, user, looks) in enumerate(story, 1):
                at += minutes * 60
                log(record(number, started=float(NOW + at), outcome="blocked", who={"user": user}))
                if looks:
                    several += looked(Path(place) / "log", rules)
        once = list(matches(Path(place) / "log", rules, since=0))
        several += looked(Path(place) / "log", rules)
        assert sorted(alert.id for alert in several) == sorted(alert.id for alert in once)


# -- integrity ----------------------------------------------------------------------------------------

INTEGRITY: dict[str, Any] = rule(
    logsource={"product": "guardrails-lite", "service": "integrity"},
    detection={"bad": {"state": ["tampered", "truncated", "unreadable"]}, "condition": "bad"},
)


def test_the_same_damage_is_one_alert(tmp_path: Path, root: Path) -> None:
    """Told when it is found, not again while nothing changes, and again when there is more of it."""
    rules = written(tmp_path, INTEGRITY)

    def look() -> list[str]:
        with watch(root, rules, check=lambda: verify(root)) as watching:
            return [str(alert.fields["first"]) for alert in watching.look(verify=True).raised]

    assert look() == []
    forger.edit(root, forger.flip(3))
    (first,) = look()
    assert "record 3" in first
    assert look() == []
    forger.edit(root, forger.flip(1))
    (second,) = look()
    assert "record 1" in second


@pytest.mark.parametrize("lost", [False, True])
def test_damage_that_keeps_the_log_from_being_written_is_sent(tmp_path: Path, root: Path, lost: bool) -> None:
    """What cannot be recorded is sent, once, and said to be missing."""
    rules = written(tmp_path, INTEGRITY)
    (root / "registry.jsonl").write_bytes(b"no entry\n")
    if lost:
        shutil.rmtree(root / "keys")
    box = Box()
    told = []
    for _ in range(2):
        with watch(root, rules, box, check=lambda: verify(root)) as watching:
            told.append(watching.look(verify=True))
    assert len(box.taken) == 1
    assert [len(seen.raised) for seen in told] == [1, 0]
    assert "was not recorded" in told[0].problems[0]


def test_a_log_that_cannot_be_opened_raises_the_alarm(tmp_path: Path, root: Path) -> None:
    """It cannot hold its own alerts, so they are sent each time, under one id."""
    rules = written(tmp_path, INTEGRITY)
    (root / "log.json").unlink()
    with pytest.raises(ConfigError):
        watch(root, rules)
    box = Box()
    for _ in range(2):
        seen = alarm(verify(root), rules, [box], log="audit")
        assert [alert.fields["state"] for alert in seen.raised] == ["unreadable"]
    assert len({ident for ident, _ in box.taken}) == 1


def test_verifying_is_left_out_where_no_rule_asks(root: Path, rules: Rules) -> None:
    """It reads the whole log, so it is not done for nothing."""

    def never() -> Any:
        raise AssertionError

    with watch(root, rules, check=never) as watching:
        assert not watching.asks_for_integrity
        watching.look(verify=True)
