"""Letting go and keeping: retention by segment, holds, restrictions, and what still verifies."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit import (
    AuditLog,
    Clock,
    KeptText,
    Problem,
    bundle,
    check_bundle,
    expirable,
    expire,
    hold,
    lift,
    read,
    release,
    restrict,
    restrictions,
    reveal,
    verify,
)
from guardrails_lite.audit._content import Box, content_of
from guardrails_lite.audit.index import Index
from tests.audit import forger
from tests.audit.calls import call_id, record

DAY_NS = 86_400 * 10**9
SECRET = "correct horse battery staple"
TEXTS = (KeptText("input", "user", SECRET),)


class Time:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_764_000_000 * 10**9

    def __call__(self) -> int:
        self.now += 1000
        return self.now

    def pass_days(self, days: float) -> None:
        self.now += int(days * DAY_NS)


@pytest.fixture
def time() -> Time:
    return Time()


def opened(root: Path, time: Time, **options: Any) -> AuditLog:
    clock = Clock(wall_ns=time, mono_ns=time)
    return AuditLog(root, checkpoint_every=4, segment_bytes=4096, heartbeat_s=None, clock=clock, **options)


def aged(root: Path, time: Time, *, user: str = "ada", days: float = 200, **options: Any) -> AuditLog:
    """A log with a closed stream of many segments from *days* ago and a young one that is open."""
    log = opened(root, time, **options)
    for number in range(12):
        log(record(number, who={"user": user}, texts=TEXTS))
    log.close()
    time.pass_days(days)
    for number in range(20, 24):
        log(record(number, who={"user": user}))
    return log


def ids(root: Path) -> list[str]:
    return [entry.id for entry in read(root)]


@pytest.mark.parametrize("signing", ["ed25519", "hmac-sha256"])
def test_old_segments_go_and_the_rest_verifies(tmp_path: Path, time: Time, signing: Any) -> None:
    """What is older than the limit is gone from the disk, and the log is intact against older heads."""
    log = aged(tmp_path / "log", time, signing=signing)
    head = log.head()
    planned = expirable(log, keep_days=183)
    assert len(planned) > 3
    assert expire(log, keep_days=183, by="nightly") == planned
    assert ids(log.directory) == [call_id(number) for number in range(20, 24)]
    assert len({path.parent for path in log.directory.glob("streams/*/*.jsonl")}) == 1
    assert log.verify(heads=[head]).ok
    assert expire(log, keep_days=183, by="nightly") == []
    log.close()
    assert log.verify().ok


def test_expiry_goes_on_within_a_stream(tmp_path: Path, time: Time) -> None:
    """A stream loses its first segments, later some more; what it says then is checked from there."""
    log = opened(tmp_path / "log", time)
    for number in range(12):
        log(record(number))
        time.pass_days(10)
    first = expire(log, keep_days=60, by="nightly")
    assert len(first) > 0
    assert log.verify().ok
    time.pass_days(30)
    second = expire(log, keep_days=60, by="nightly")
    assert len(second) > 0
    assert second[0].segment == first[-1].segment + 1
    assert log.verify().ok
    left = ids(log.directory)
    assert left == [call_id(number) for number in range(12)][-len(left) :]
    log.close()
    assert log.verify().ok
    forger.edit(log.directory, forger.flip(2))
    assert verify(log.directory).state == "tampered"


def test_a_bundle_goes_on_behind_what_expired(tmp_path: Path, time: Time) -> None:
    """Evidence of a log that retention has shortened is whole, by the other verifier too."""
    log = opened(tmp_path / "log", time)
    for number in range(12):
        log(record(number))
        time.pass_days(10)
    gone = expire(log, keep_days=60, by="nightly")
    found = bundle(log, tmp_path / "open.zip", by="auditor", reason="case 12")
    report = check_bundle(found.path)
    assert (report["state"], report["records"]) == ("intact", found.records)
    before = report["records"] + sum(segment.entries for segment in gone)
    log.close()
    closed = bundle(log, tmp_path / "closed.zip", by="auditor", reason="case 12")
    assert check_bundle(closed.path)["state"] == "intact"
    assert closed.records + sum(segment.entries for segment in gone) > before - 1


def test_a_segment_removed_by_hand_is_found(tmp_path: Path, time: Time) -> None:
    """Only what the registry has a tombstone for may be missing."""
    log = aged(tmp_path / "log", time)
    log.close()
    forger.segment(log.directory).unlink()
    assert verify(log.directory).state in ("tampered", "truncated")


def test_a_crash_between_tombstone_and_removal(tmp_path: Path, time: Time) -> None:
    """A file that outlived its tombstone changes nothing, and the next run removes it."""
    log = aged(tmp_path / "log", time)
    path = forger.segment(log.directory)
    held = path.read_bytes()
    expire(log, keep_days=183, by="nightly")
    path.write_bytes(held)
    assert log.verify().ok
    assert expire(log, keep_days=183, by="nightly") == []
    assert not path.exists()


def stopped(log: AuditLog) -> Path:
    """Have an expiry stop once it has recorded the first segment; this segment."""
    boxes = max(log.directory.glob("vault/*.boxes"), key=lambda path: path.stat().st_size)
    held = boxes.rename(boxes.with_suffix(".held"))
    boxes.mkdir()  # so that no text in it can be overwritten
    with pytest.raises(IsADirectoryError):
        expire(log, keep_days=183, by="nightly")
    boxes.rmdir()
    held.rename(boxes)
    assert log.verify().ok
    return forger.segment(log.directory)


def test_the_next_run_blanks_what_one_was_stopped_at(tmp_path: Path, time: Time) -> None:
    """Once a segment's file is gone nothing names the texts of its calls, so they go first."""
    log = aged(tmp_path / "log", time, capture="redacted")
    text = box_of(log, 0)
    first = stopped(log)
    assert any(held_at(log, text))

    assert expire(log, keep_days=300, by="nightly") == []  # however long entries are kept by then

    assert not first.exists()
    assert not any(held_at(log, text))
    assert any(held_at(log, box_of(log, 11)))
    assert log.verify().ok


@pytest.mark.parametrize("whole", [True, False], ids=["one line edited", "nothing but that line"])
def test_what_a_run_was_stopped_at_takes_no_text_of_another_call_with_it(
    tmp_path: Path, time: Time, whole: bool
) -> None:
    """It is verified no more, as the log goes on behind it; it is finished if it is what was recorded."""
    log = aged(tmp_path / "log", time, capture="redacted")
    ours, theirs = box_of(log, 0), box_of(log, 11)
    first = stopped(log)
    lines = first.read_bytes().replace(ours.ref.encode(), theirs.ref.encode()).splitlines(keepends=True)
    first.write_bytes(b"".join(line for line in lines if whole or theirs.ref.encode() in line))

    assert expire(log, keep_days=300, by="nightly") == []

    assert any(held_at(log, theirs))
    assert not first.exists()


def test_what_a_run_was_stopped_at_stays_while_it_is_held(tmp_path: Path, time: Time) -> None:
    """A hold that came in between is heeded: nothing of the person's goes before its end."""
    log = aged(tmp_path / "log", time, capture="redacted")
    text = box_of(log, 0)
    first = stopped(log)
    placed = hold(log, "ada", owner="counsel", reason="case 14")
    assert expire(log, keep_days=183, by="nightly") == []
    assert reveal(log, call_id(0), reader="counsel", reason="case 14") == TEXTS
    release(log, placed, owner="counsel", reason="settled")
    assert len(expire(log, keep_days=183, by="nightly")) > 1
    assert not first.exists()
    assert not any(held_at(log, text))


def box_of(log: AuditLog, number: int) -> Box:
    """Where the text of a call is kept."""
    (entry,) = (entry for entry in read(log.directory) if entry.id == call_id(number))
    (box,) = content_of(entry.data).boxes
    return box


def held_at(log: AuditLog, box: Box) -> bytes:
    """What is there now."""
    name, offset, length, _ = box.place
    return (log.directory / "vault" / f"{name}.boxes").read_bytes()[offset:][:length]


def test_a_hostile_number_of_segments_is_damage(tmp_path: Path, time: Time) -> None:
    """An HMAC key takes a step for each segment that is gone, and would take them for ever."""
    root = tmp_path / "log"
    log = aged(root, time, signing="hmac-sha256")
    expire(log, keep_days=90, by="job")
    log.close()
    registry = root / "registry.jsonl"
    told = re.sub(rb'("segment":)\d+', rb"\g<1>1000000000000", registry.read_bytes())
    registry.write_bytes(told)

    assert verify(root).state == "tampered"


def partly_old(root: Path, time: Time) -> AuditLog:
    """A log of one stream, whose first segments are old and whose last are young."""
    log = opened(root, time)
    for number in (*range(12), *range(20, 24)):
        if number == 20:
            time.pass_days(200)
        log(record(number, who={"user": "ada"}, texts=TEXTS))
    return log


def rename_outcome(lines: list[bytes]) -> list[bytes]:
    """Another outcome of the same length."""
    return [*lines[:2], lines[2].replace(b'"outcome":"passed"', b'"outcome":"failed"'), *lines[3:]]


@pytest.mark.parametrize(
    "attack",
    [
        rename_outcome,
        forger.delete(3),
        forger.swap(3),
        forger.duplicate(3),
        forger.rewrite(2),
        forger.rewrite(2, own_key=True),
        forger.keep_to_checkpoint(0),
    ],
)
@pytest.mark.parametrize("make", [aged, partly_old])
def test_what_does_not_verify_stays(tmp_path: Path, time: Time, make: Any, attack: forger.Edit) -> None:
    """What was done to a log is still to be seen, also where it is old enough to go."""
    log = make(tmp_path / "log", time)
    log.close()
    forger.edit(log.directory, attack)
    found = log.verify()
    files = sorted(log.directory.glob("streams/*/*"))
    damage: list[Problem] = []

    assert expire(log, keep_days=183, by="nightly", on_damage=damage.append) == []

    assert sorted(log.directory.glob("streams/*/*")) == files
    assert [problem.state for problem in damage] == ["tampered"]
    assert log.verify() == found
    assert expirable(log, keep_days=183) == []


def test_only_what_comes_before_damage_goes(tmp_path: Path, time: Time) -> None:
    """The segments before it are whole, and so are other streams."""
    root = tmp_path / "log"
    aged(root, time).close()
    log = aged(root, time)
    log.close()
    damaged = sorted(forger.segment(root).parent.glob("*.jsonl"))[2]
    damaged.write_bytes(damaged.read_bytes().replace(b'"user"', b'"user "', 1))
    damage: list[Problem] = []

    gone = expire(log, keep_days=183, by="nightly", on_damage=damage.append)

    [problem] = damage
    assert [each.segment for each in gone if each.stream == problem.stream] == [1, 2]
    assert {each.stream for each in gone} > {problem.stream}
    assert damaged.exists()
    report = log.verify()
    assert (report.state, [each.stream for each in report.problems]) == ("tampered", [problem.stream])


def test_an_edited_line_takes_no_text_of_another_call_with_it(tmp_path: Path, time: Time) -> None:
    """A box is blanked where the line that names it is what was written."""
    root = tmp_path / "log"
    log = aged(root, time, capture="redacted")
    log(record(30, who={"user": "bob"}, texts=TEXTS))
    log.close()
    path = forger.segment(root)
    ours = next(entry for entry in read(root) if entry.id == call_id(0)).data["content"]
    theirs = next(entry for entry in read(root) if entry.id == call_id(30)).data["content"]
    path.write_bytes(path.read_bytes().replace(ours["ref"].encode(), theirs["ref"].encode()))

    assert expire(log, keep_days=183, by="nightly") == []
    assert reveal(log, call_id(30), reader="officer", reason="T-1") == TEXTS


def test_nothing_goes_while_the_registry_does_not_verify(tmp_path: Path, time: Time) -> None:
    """It says how streams begin and end, so nothing could be checked against it."""
    log = aged(tmp_path / "log", time)
    log.close()
    registry = log.directory / "registry.jsonl"
    registry.write_bytes(registry.read_bytes().replace(b'"stream.closed"', b'"stream.closer"'))

    with pytest.raises(ConfigError, match=r"registry does not verify .*tampered"):
        expire(log, keep_days=183, by="nightly")


def test_captured_texts_go_with_their_records(tmp_path: Path, time: Time) -> None:
    """The boxes of expired calls are overwritten, not only out of reach."""
    log = aged(tmp_path / "log", time, capture="redacted")
    boxes = max(log.directory.glob("vault/*.boxes"), key=lambda path: path.stat().st_size)
    assert any(boxes.read_bytes())
    expire(log, keep_days=183, by="nightly")
    assert not any(boxes.read_bytes())


@pytest.mark.parametrize("kind", ["hold", "restriction"])
def test_what_is_held_stays(tmp_path: Path, time: Time, kind: str) -> None:
    """Calls of somebody under a hold or a restriction are kept until it ends, and so is its own entry."""
    log = aged(tmp_path / "log", time)
    if kind == "hold":
        placed = hold(log, "ada", owner="counsel", reason="case 12")
    else:
        placed = restrict(log, "ada", request="R-1", basis="GDPR 18(1)(c)")
    assert expirable(log, keep_days=183) == []
    log.close()
    time.pass_days(400)
    assert expire(log, keep_days=183, by="nightly") == []
    if kind == "hold":
        release(log, placed, owner="counsel", reason="settled")
    else:
        lift(log, placed, owner="counsel", reason="settled")
    assert expire(log, keep_days=183, by="nightly")
    assert ids(log.directory) == []
    assert log.verify().ok


def test_the_hold_itself_is_never_forgotten(tmp_path: Path, time: Time) -> None:
    """A hold on somebody without calls keeps the segment it stands in."""
    log = opened(tmp_path / "log", time)
    hold(log, "eve", owner="counsel", reason="case 13")
    for number in range(12):
        log(record(number))
    log.close()
    time.pass_days(400)
    assert expire(log, keep_days=183, by="nightly") == []


def test_what_is_restricted_is_kept_and_not_read(tmp_path: Path, time: Time) -> None:
    """Under a restriction nobody opens the person's texts; others' are read as before."""
    log = opened(tmp_path / "log", time, capture="redacted")
    log(record(1, who={"user": "ada"}, texts=TEXTS))
    log(record(2, who={"user": "bob"}, texts=TEXTS))
    placed = restrict(log, "ada", request="R-1", basis="GDPR 18(1)(a)")
    assert list(restrictions(log)) == [placed]
    with pytest.raises(ConfigError, match=f"under restriction {placed}"):
        reveal(log, call_id(1), reader="officer", reason="T-1")
    assert reveal(log, call_id(2), reader="officer", reason="T-1") == TEXTS
    lift(log, placed, owner="officer", reason="contested no longer")
    with pytest.raises(LookupError, match="no restriction"):
        lift(log, placed, owner="officer", reason="again")
    assert reveal(log, call_id(1), reader="officer", reason="T-1") == TEXTS
    log.close()
    assert log.verify().ok


def test_expiry_has_a_limit_and_a_name(tmp_path: Path, time: Time) -> None:
    """How long and by whom are said, for both go into the tombstone."""
    log = opened(tmp_path / "log", time)
    with pytest.raises(ConfigError, match="positive number of days"):
        expirable(log, keep_days=0)
    with pytest.raises(ConfigError, match="needs by="):
        expire(log, keep_days=183, by="")


def test_a_stream_that_expired_whole_leaves_the_index(tmp_path: Path, time: Time) -> None:
    """An index that settled a stream when it ended must not remember its calls."""
    log = aged(tmp_path / "log", time)
    with Index(log.directory) as index:
        index.update()
        assert index.totals().calls == 16
        expire(log, keep_days=183, by="ada")
        index.update()
        assert [call.id for call in index.calls()][::-1] == ids(log.directory)
    log.close()
