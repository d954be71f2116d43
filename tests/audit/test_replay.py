"""Replay: what another guard would do with the texts of a log."""

from __future__ import annotations

import contextlib
import errno
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest

from guardrails_lite import (
    AuditLog,
    Blocked,
    ConfigError,
    Finding,
    Guard,
    LogUnavailable,
    Validator,
    block,
    bound,
    redact,
    validator,
    warn,
)
from guardrails_lite.audit import Disk, diff_policy, erase, lift, read, replay, restrict
from guardrails_lite.cli import main
from tests.engine.conftest import word

pytest.importorskip("cryptography")

WHY = {"reader": "ada", "reason": "policy 7"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A log of four calls by two users: plain, masked, answered with a name, stopped at once."""
    directory = tmp_path / "log"
    with AuditLog(directory, capture="redacted") as log:
        guard = old(log)
        for user, said in (("u-1", "hello"), ("u-1", "ada asks"), ("u-2", "name it"), ("u-2", "bad")):
            with bound(user=user), contextlib.suppress(Blocked):
                guard.run(
                    lambda messages, model: "it is eve" if "name" in messages[0]["content"] else "fine",
                    [{"role": "user", "content": said}],
                    model="m-1",
                )
    return directory


def old(log: AuditLog | None = None) -> Guard[Any]:
    """The guard that made the log."""
    return Guard(name="desk", input=[redact(word("ada")), block(word("bad"))], log=log)


def ids(root: Path) -> list[str]:
    """The calls of the log, in order."""
    return [entry.id for entry in read(root) if entry.type == "call.completed"]


def test_the_same_guard_decides_the_same(root: Path) -> None:
    """Law: what a guard let through, as it left it, it lets through unchanged."""
    with AuditLog(root) as log:
        found = replay(log, old(), **WHY)

    assert (found.calls, found.changes, found.left_out) == (3, (), {"no text": 1})
    assert found.digest == old().digest


def test_each_rule_says_what_it_would_do(root: Path) -> None:
    """A call is stopped by any text, else changed; every rule that acts is named, with its side."""
    new = Guard(
        input=[redact(word("asks")), block(word("hello")), warn(word("name"))], output=[block(word("eve"))]
    )
    with AuditLog(root) as log:
        found = replay(log, new, **WHY)

    plain, masked, named, _ = ids(root)
    assert [(change.call, change.kind, change.rules) for change in found.changes] == [
        (plain, "stopped", ("input block(word(text='hello'))",)),
        (masked, "changed", ("input redact(word(text='asks'))",)),
        (named, "stopped", ("output block(word(text='eve'))",)),
    ]
    assert set(found.rules.values()) == {1}


def test_a_guard_in_monitor_mode_changes_nothing(root: Path) -> None:
    """What would only be noted is no other decision."""
    with AuditLog(root) as log:
        found = replay(log, Guard(input=[block(word("hello"))], mode="monitor"), **WHY)

    assert found.changes == ()


def test_each_reading_is_recorded_and_nothing_else_is(root: Path) -> None:
    """Who replays reads texts, so each call that was read has its entry; the replayed guard writes none."""
    before = ids(root)
    with AuditLog(root) as log:
        replay(log, old(log), **WHY)

    assert [
        (entry.data["call"], entry.data["reader"], entry.data["reason"])
        for entry in read(root, kind="log.read")
    ] == [(call, "ada", "policy 7") for call in before[:3]]
    assert ids(root) == before


def test_who_may_not_be_read_is_left_out(root: Path) -> None:
    """Restricted and erased texts are counted and not opened; what is left is replayed."""
    with AuditLog(root) as log:
        restrict(log, "u-2", request="R-1", basis="GDPR 18(1)(a)")
        erase(log, "u-1", request="R-2", basis="GDPR 17(1)(b)")
        found = replay(log, old(), **WHY)

    assert found.calls == 0
    assert found.left_out == {"erased": 2, "restricted": 1, "no text": 1}


def test_damaged_texts_are_counted_and_not_judged(root: Path) -> None:
    """A box that was changed is no text of the call."""
    for boxes in root.rglob("*.boxes"):
        boxes.write_bytes(bytes(len(boxes.read_bytes())))
    with AuditLog(root) as log:
        found = replay(log, Guard(input=[block(word("hello"))]), **WHY)

    assert (found.changes, found.left_out) == ((), {"damaged": 3, "no text": 1})


def test_a_rule_for_a_share_of_calls_runs_in_the_calls_it_would_run_in(root: Path) -> None:
    """Which calls these are, their ids say, so a replay says the same each time."""
    shares = sorted(int(call[:8], 16) / 0x1_0000_0000 for call in ids(root)[:3])
    half = Guard(output=[block(word("i"), share=shares[1])])
    with AuditLog(root) as log:
        found = [replay(log, half, **WHY) for _ in range(3)]

    (stopped,) = found[0].changes
    assert int(stopped.call[:8], 16) / 0x1_0000_0000 == shares[0]
    assert found[0] == found[1] == found[2]


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    """A log that seals what was said, of a guard that masks and stops, and one call from before it did."""
    directory = tmp_path / "sealed"
    for capture, said in (("redacted", ["ada first"]), ("sealed", ["ada asks", "so bad", "hello"])):
        with AuditLog(directory, capture=capture) as log:  # type: ignore[arg-type]
            for each in said:
                with bound(user="u-1"), contextlib.suppress(Blocked):
                    old(log).run(lambda messages: "fine", [{"role": "user", "content": each}])
    return directory


def test_what_was_said_is_replayed_where_it_was_kept(sealed: Path) -> None:
    """What was masked and what was stopped is found; of an older call only what the rules left."""
    new = Guard(input=[block(word("ada")), block(word("so"))])
    first, masked, stopped, _ = ids(sealed)
    with AuditLog(sealed) as log:
        by_texts = replay(log, new, **WHY)
        by_originals = replay(log, new, **WHY, texts="original")

    assert (by_texts.calls, by_texts.originals, by_texts.changes) == (3, 0, ())
    assert by_texts.left_out == {"no text": 1}
    assert (by_originals.calls, by_originals.originals, by_originals.left_out) == (4, 3, {})
    assert [(change.call, change.kind) for change in by_originals.changes] == [
        (masked, "stopped"),
        (stopped, "stopped"),
    ]
    told = [(entry.data["call"], entry.data["texts"]) for entry in read(sealed, kind="log.read")]
    assert ((first, "redacted") in told, (stopped, "redacted") in told) == (True, False)
    assert told[3:] == [(first, "redacted"), *((call, "original") for call in ids(sealed)[1:])]


def test_the_same_guard_finds_in_what_was_said_what_it_found(sealed: Path) -> None:
    """Law: over originals a guard masks and stops again what it masked and stopped."""
    with AuditLog(sealed) as log:
        found = replay(log, old(), **WHY, texts="original")
    _, masked, stopped, _ = ids(sealed)
    assert [(change.call, change.kind) for change in found.changes] == [
        (masked, "changed"),
        (stopped, "stopped"),
    ]


def test_what_may_not_be_read_is_not_replayed_by_what_was_said_either(sealed: Path) -> None:
    """Restricted and then erased, originals are left out and counted like all texts."""
    with AuditLog(sealed) as log:
        placed = restrict(log, "u-1", request="R-1", basis="GDPR 18")
        assert replay(log, old(), **WHY, texts="original").left_out == {"restricted": 4}
        lift(log, placed, owner="ada", reason="settled")
        erase(log, "u-1", request="R-2", basis="GDPR 17")
        assert replay(log, old(), **WHY, texts="original").left_out == {"erased": 4}
        with pytest.raises(ConfigError, match="expected 'redacted'"):
            replay(log, old(), **WHY, texts="both")  # type: ignore[arg-type]


def test_the_command_says_which_form_was_replayed(
    sealed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And of what the rules left, that less is found in it."""
    file = tmp_path / "guard.toml"
    file.write_text('[[input]]\nblock = "pii"\n')
    asked = ["log", "replay", str(sealed), str(file), "--reader", "ada", "--reason", "policy 7"]
    assert main(asked) == 0
    printed = capsys.readouterr().out
    assert "by what the rules left of their texts: 3" in printed
    assert "texts that they masked or stopped are missing" in printed
    assert main([*asked, "--original"]) == 0
    assert "by their original texts, before any rule: 3" in capsys.readouterr().out


def test_an_async_rule_is_refused(root: Path) -> None:
    """Said before anything is read, with the rule."""

    @validator
    async def judge(text: str) -> list[Finding]:
        return []

    with AuditLog(root) as log, pytest.raises(ConfigError, match=r"block\(judge\) is async"):
        replay(log, Guard(input=[block(judge)]), **WHY)

    assert list(read(root, kind="log.read")) == []


def asks_a_model(seen: list[str]) -> Validator:
    """A validator as a judge is one: it waits for somebody who is told the text."""

    @validator(blocking=True)
    def judge(text: str) -> list[Finding]:
        seen.append(text)
        return []

    return judge


@pytest.mark.parametrize("texts", ["redacted", "original"])
@pytest.mark.parametrize("asked", ["replay", "diff", "diff against"])
def test_no_text_is_shown_to_a_model_unasked(root: Path, asked: str, texts: Any) -> None:
    """Said before anything is read, with the validator and the way to allow it; allowed, it sees them."""
    seen: list[str] = []
    judging = Guard(input=[block(asks_a_model(seen))])

    def ask(log: AuditLog, **allowed: bool) -> object:
        if asked == "replay":
            return replay(log, judging, **WHY, texts=texts, **allowed)
        if asked == "diff":
            return diff_policy(log, judging, **WHY, texts=texts, **allowed)
        return diff_policy(log, old(), against=judging, **WHY, texts=texts, **allowed)

    with AuditLog(root) as log:
        with pytest.raises(ConfigError, match=r"judge may ask a model.*allow_models=True"):
            ask(log)
        assert (seen, list(read(root, kind="log.read"))) == ([], [])
        ask(log, allow_models=True)

    assert "hello" in seen


def test_what_is_not_told_texts_is_no_matter(root: Path) -> None:
    """Rules on fields are not replayed, so a judge of a field is told nothing."""

    @dataclass
    class Answer:
        words: Annotated[str, block(asks_a_model([]))]

    with AuditLog(root) as log:
        assert replay(log, Guard(schema=Answer), **WHY).calls == 3


@pytest.mark.parametrize("action", ["replay", "diff-policy"])
def test_the_command_refuses_a_guard_that_may_ask_a_model(
    root: Path,
    tmp_path: Path,
    action: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wrong use, before the log is opened; with the flag it runs."""
    plug_in = tmp_path / "installed"
    (plug_in / "asking-1.dist-info").mkdir(parents=True)
    (plug_in / "asking-1.dist-info" / "METADATA").write_text("Name: asking\nVersion: 1\n")
    (plug_in / "asking-1.dist-info" / "entry_points.txt").write_text(
        "[guardrails_lite.validators]\nasking_judge = asking:judge\n"
    )
    (plug_in / "asking.py").write_text(
        "from guardrails_lite import validator\nseen = []\n"
        "@validator(blocking=True)\ndef judge(text):\n    seen.append(text)\n    return []\n"
    )
    monkeypatch.syspath_prepend(plug_in)
    monkeypatch.delitem(sys.modules, "asking", raising=False)
    file = tmp_path / "guard.toml"
    file.write_text('[[input]]\nblock = "asking_judge"\n')
    asked = ["log", action, str(root), str(file), "--reader", "ada", "--reason", "policy 7"]

    assert main(asked) == 2
    assert "judge may ask a model" in capsys.readouterr().err
    assert (sys.modules["asking"].seen, list(read(root, kind="log.read"))) == ([], [])
    assert main([*asked, "--allow-models"]) == 0
    assert "hello" in sys.modules["asking"].seen


def test_what_cannot_be_recorded_is_not_read(root: Path) -> None:
    """A disk that takes no entry about the reading ends it, whatever the log's policy is."""

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, "injected")

    log = AuditLog(root, on_failure="open", disk=Disk(sync=full))
    with pytest.raises(LogUnavailable):
        replay(log, old(), **WHY)


@pytest.mark.parametrize("missing", ["reader", "reason"])
def test_nobody_replays_without_saying_who_and_why(root: Path, missing: str) -> None:
    """Without either nothing is read."""
    with AuditLog(root) as log, pytest.raises(ConfigError, match="needs reader= and reason="):
        replay(log, old(), **{**WHY, missing: ""})

    assert list(read(root, kind="log.read")) == []


def test_on_the_command_line(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Filters choose the calls; 1: something would be decided differently, 2: the guard is wrong."""
    guard = tmp_path / "new.toml"
    guard.write_text('[[output]]\nblock = "keywords"\nwords = ["eve"]\n')
    asked = ["log", "replay", str(root), str(guard), "--reader", "ada", "--reason", "policy 7"]

    assert main([*asked, "--user", "u-1"]) == 0
    assert "2 calls replayed, 0 would be decided differently" in capsys.readouterr().out
    assert main([*asked, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [(change["call"], change["kind"]) for change in told["changes"]] == [(ids(root)[2], "stopped")]
    assert (told["calls"], told["left_out"], [*told["rules"].values()]) == (3, {"no text": 1}, [1])
    assert main(asked) == 1
    assert ids(root)[2] in capsys.readouterr().out
    asked[3] = str(tmp_path / "none.toml")
    assert main(asked) == 2
