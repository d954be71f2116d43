"""Verdicts as labelled examples: what reviewers decided becomes what a guard is tested with."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from guardrails_lite import (
    AuditLog,
    Blocked,
    ConfigError,
    Finding,
    Guard,
    block,
    bound,
    redact,
    validator,
    warn,
)
from guardrails_lite.audit import decide, entry_schema, erase, hold, read, restrict, undo
from guardrails_lite.audit.export import TakenVerdicts, take_verdicts
from guardrails_lite.audit.index import Index
from guardrails_lite.cli import main
from guardrails_lite.evaluation import evaluate, read_examples
from guardrails_lite.testing import ScriptedModel, check_examples, completion, tool_call
from tests.engine.conftest import word

pytest.importorskip("cryptography")

WHO = {"by": "ada", "reason": "tune the words"}
ADA, ODD, BAD, EVE = redact(word("ada")), warn(word("odd")), block(word("bad")), warn(word("eve"))
SYSTEM = {"role": "system", "content": "Be brief."}


def guard(log: AuditLog | None = None, **changes: Any) -> Guard[Any]:
    """The guard that made the log."""
    return Guard(name="desk", input=[ADA, ODD, BAD], output=[EVE], log=log, **changes)


def ask(log: AuditLog, *said: str, reply: str = "fine", user: str = "u-1") -> str:
    """A call in which a user says this; its id."""
    messages = [SYSTEM, *({"role": "user", "content": each} for each in said)]
    with bound(user=user), contextlib.suppress(Blocked):
        guard(log).run(ScriptedModel([reply]), messages)
    *_, last = log.records()
    return last.id


Make = Callable[..., AuditLog]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Opens a log, at the capture level that is asked for."""
    with contextlib.ExitStack() as stack:
        yield lambda capture="sealed": stack.enter_context(AuditLog(tmp_path / "log", capture=capture))


def judge(
    log: AuditLog, call: str, rule: Any, verdict: str, *, reviewer: str = "ada", needs: int = 1
) -> None:
    with Index(log.directory) as index:
        index.update()
        decide(log, index, call, repr(rule), verdict, reviewer=reviewer, needs=needs)


def taken(log: AuditLog, tmp_path: Path, **asked: Any) -> tuple[TakenVerdicts, list[dict[str, Any]]]:
    """What is taken, and its lines."""
    made = take_verdicts(log, tmp_path / f"{len(list(tmp_path.iterdir()))}.jsonl", **WHO, **asked)
    return made, [json.loads(line) for line in made.taken.path.read_text().splitlines()]


def test_a_verdict_becomes_a_test_that_fails_when_the_rule_is_wrong_again(make: Make, tmp_path: Path) -> None:
    """Law: over its verdicts a guard misses no true positive, and flags a false one until it is mended."""
    log = make()
    right, wrong = ask(log, "so bad"), ask(log, "badge, please")
    judge(log, right, BAD, "true positive")
    made, _ = taken(log, tmp_path, texts="original")
    check_examples(guard(), made.taken.path)

    judge(log, wrong, BAD, "false positive")
    made, lines = taken(log, tmp_path, texts="original")
    assert [(line["text"], line["label"], line["call"]) for line in lines] == [
        ("so bad", 1, right),
        ("badge, please", 0, wrong),
    ]
    with pytest.raises(AssertionError, match=r"1 of 2 examples .*\nline 2: block.* flags what it should let"):
        check_examples(guard(), made.taken.path)
    mended = Guard(input=[block(word("so bad"))])
    check_examples(mended, made.taken.path)
    with pytest.raises(AssertionError, match=r"line 1: block.* misses what it should find"):
        check_examples(Guard(input=[block(word("worse"))]), made.taken.path)
    with pytest.raises(AssertionError, match="no rule of the guard looks"):
        check_examples(Guard(output=[block(word("bad"))]), made.taken.path)


def test_a_line_says_where_the_rule_saw_the_text(make: Make, tmp_path: Path) -> None:
    """Side, role, the texts beside it, the rule, the policy; nobody's name and no note."""
    log = make()
    call = ask(log, "first", "odd one", reply="it is eve")
    judge(log, call, ODD, "benign")
    judge(log, call, EVE, "false positive")
    made, lines = taken(log, tmp_path)

    shared = {"call": call, "guard": "desk", "digest": guard().digest, "form": "redacted", "kind": "word"}
    assert {line["side"]: line for line in lines} == {
        "input": {
            "text": "odd one",
            "role": "user",
            "others": [{"text": "Be brief.", "role": "system"}, {"text": "first", "role": "user"}],
            "label": 1,
            "side": "input",
            "rule": repr(ODD),
            "verdict": "benign",
            **shared,
        },
        "output": {
            "text": "it is eve",
            "role": "assistant",
            "label": 0,
            "side": "output",
            "rule": repr(EVE),
            "verdict": "false positive",
            **shared,
        },
    }
    found = evaluate(guard(), read_examples(made.taken.path))
    assert [each.flagged for each in found.seen] == [True, True]
    assert not evaluate(Guard(input=[EVE], output=[ODD]), read_examples(made.taken.path)).recall.hits


def test_the_rule_sees_what_the_rules_before_it_left(make: Make, tmp_path: Path) -> None:
    """By what was said the guard masks again; no other rule stops the text before its rule has seen it."""
    log = make()
    call = ask(log, "ada is odd and bad")
    judge(log, call, ODD, "true positive")
    made, (line,) = taken(log, tmp_path, texts="original")
    assert line["text"] == "ada is odd and bad"
    check_examples(guard(), made.taken.path)
    with pytest.raises(AssertionError, match="misses"):
        check_examples(Guard(input=[redact(word("od")), ODD]), made.taken.path)
    check_examples(Guard(input=[block(word("ada")), warn(word("is")), block(word("odd"))]), made.taken.path)


def test_what_was_masked_or_stopped_is_there_as_it_was_said_only(make: Make, tmp_path: Path) -> None:
    """By what the rules left, a rule that masked or stopped would be tested with nothing; that is counted."""
    log = make()
    calls = [ask(log, "ada asks"), ask(log, "bad"), ask(log, "odd"), ask(log, "ada is odd")]
    for call, rule in zip(calls, (ADA, BAD, ODD, ODD), strict=True):
        judge(log, call, rule, "true positive")
    made, lines = taken(log, tmp_path)
    assert (made.examples, made.left_out, made.originals) == (2, {"masked": 1, "stopped": 1}, 0)
    assert [line["text"] for line in lines] == ["odd", "[REDACTED] is odd"]
    assert {entry.data["call"] for entry in read(log.directory, kind="log.read")} == set(calls[2:])
    check_examples(guard(), made.taken.path)

    made, _ = taken(log, tmp_path, texts="original")
    assert (made.examples, made.originals, made.left_out) == (4, 4, {})
    check_examples(guard(), made.taken.path)


@pytest.mark.parametrize("form", ["redacted", "original"])
def test_a_finding_in_a_tool_call_becomes_a_line(make: Make, tmp_path: Path, form: Any) -> None:
    """With each string of the arguments, decoded, as the rule saw them one by one."""

    def look(place: str) -> str:
        return place

    log, asked = make(), tool_call("look", '{"place": "\\u0065ve"}')
    guard(log, tools=[look]).run(ScriptedModel([completion(tool_calls=[asked])]), "hi")
    (call,) = (entry.id for entry in log.records())
    judge(log, call, EVE, "true positive")
    made, (line,) = taken(log, tmp_path, texts=form)

    assert (line["text"], line["role"], line["side"]) == ("eve", "assistant", "output")
    assert line["others"] == [{"text": "place", "role": "assistant"}]
    check_examples(guard(), made.taken.path)


def test_only_what_is_settled_is_taken(make: Make, tmp_path: Path) -> None:
    """Two people, where two had to agree; what waits, is disputed, unsure or taken back is no example."""
    log = make()
    calls = [ask(log, f"odd {number}") for number in range(6)]
    for call in calls[:3]:
        judge(log, call, ODD, "true positive", needs=2)
    judge(log, calls[0], ODD, "true positive", reviewer="grace", needs=2)
    judge(log, calls[1], ODD, "false positive", reviewer="grace", needs=2)
    judge(log, calls[3], ODD, "unsure")
    judge(log, calls[4], ODD, "false positive")
    judge(log, calls[5], ODD, "false positive")
    with Index(log.directory) as index:
        index.update()
        undo(log, index, reviewer="ada")
    made, lines = taken(log, tmp_path)
    assert [line["call"] for line in lines] == [calls[0], calls[4]]
    assert made.left_out == {"waiting": 1, "disputed": 1, "unsure": 1}
    made, lines = taken(log, tmp_path, needs=2)
    assert [line["call"] for line in lines] == [calls[0]]
    made, lines = taken(log, tmp_path, only=["false positive"])
    assert [line["call"] for line in lines] == [calls[4]]


def test_the_same_text_is_one_example_and_none_where_it_was_judged_both_ways(
    make: Make, tmp_path: Path
) -> None:
    log = make()
    calls = [ask(log, said) for said in ("odd", "odd", "so odd", "so odd", "odd bird")]
    verdicts = ("true positive", "benign", "true positive", "false positive", "false positive")
    for call, verdict in zip(calls, verdicts, strict=True):
        judge(log, call, ODD, verdict)
    made, lines = taken(log, tmp_path)
    assert [(line["call"], line["label"]) for line in lines] == [(calls[0], 1), (calls[4], 0)]
    assert (made.repeated, made.contradictory) == (1, (calls[2], calls[3]))
    assert made.left_out == {"contradictory": 2}


def test_texts_of_people_that_may_not_be_read_stay(make: Make, tmp_path: Path) -> None:
    """Erased and restricted they are counted; under a hold they are kept, and can be read."""
    log = make()
    for user in ("gone", "restricted", "held"):
        judge(log, ask(log, f"odd {user}", user=user), ODD, "true positive")
    erase(log, "gone", request="R-1", basis="GDPR 17")
    restrict(log, "restricted", request="R-2", basis="GDPR 18")
    hold(log, "held", owner="counsel", reason="case 12")
    made, lines = taken(log, tmp_path)
    assert made.left_out == {"erased": 1, "restricted": 1}
    assert [line["text"] for line in lines] == ["odd held"]


def test_who_took_them_is_recorded(make: Make, tmp_path: Path) -> None:
    """Each reading, in its form, and the file with its digest; it is for this user only."""
    log = make()
    call = ask(log, "odd")
    judge(log, call, ODD, "true positive")
    made, _ = taken(log, tmp_path, texts="original")
    (entry,) = read(log.directory, kind="export.made")
    (reading,) = read(log.directory, kind="log.read")
    assert reading.data == {"call": call, "reader": "ada", "reason": "tune the words", "texts": "original"}
    assert entry.id == made.taken.entry
    told = {"format": "verdicts", "texts": "original", "examples": 1, "sha256": made.taken.sha256}
    assert told.items() <= entry.data.items()
    assert entry.data.keys() <= entry_schema("export.made")["properties"].keys()
    assert made.taken.path.stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_taken_is_said_and_nothing_is_written(make: Make, tmp_path: Path) -> None:
    log = make("redacted")
    judge(log, ask(log, "bad"), BAD, "true positive")
    with pytest.raises(LookupError, match=r"stopped: 1\. Texts that were masked .*--original"):
        taken(log, tmp_path)
    with pytest.raises(ConfigError, match=r"only=\('unsure',\)"):
        taken(log, tmp_path, only=["unsure"])
    with pytest.raises(ConfigError, match="needs by= and reason="):
        take_verdicts(log, tmp_path / "new.jsonl", by="ada", reason="")
    with pytest.raises(ConfigError, match=r"take_verdicts\(texts='both'\)"):
        taken(log, tmp_path, texts="both")
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    assert not list(read(log.directory, kind="export.made"))


def test_a_log_without_texts_has_no_examples(make: Make, tmp_path: Path) -> None:
    log = make("metadata")
    judge(log, ask(log, "odd"), ODD, "true positive")
    with pytest.raises(LookupError, match="no text: 1"):
        taken(log, tmp_path)


def test_hostile_texts_stay_inside_their_line(make: Make, tmp_path: Path) -> None:
    """Line breaks, direction marks, escape codes and half characters come back as they were said."""
    log = make()
    said = 'odd\n{"label": 0}\r\u2028\u202e\x1b[31m\0 \ud800'
    judge(log, ask(log, said), ODD, "true positive")
    made, _ = taken(log, tmp_path)
    assert made.taken.path.read_bytes().isascii()
    (example,) = read_examples(made.taken.path)
    assert example.text == said


@validator
def broken(text: str) -> Iterator[Finding]:
    """Breaks."""
    raise ValueError
    yield


def test_a_check_that_broke_is_no_example(make: Make, tmp_path: Path) -> None:
    log = make()
    rule = warn(broken)
    Guard(input=[rule, ODD], log=log).run(ScriptedModel(["fine"]), [{"role": "user", "content": "odd"}])
    (call,) = (entry.id for entry in log.records())
    judge(log, call, rule, "false positive")
    judge(log, call, ODD, "true positive")
    assert taken(log, tmp_path)[0].left_out == {"broken": 1}


def test_on_the_command_line(make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file goes into eval as it is; what was left out is told."""
    log = make()
    for said, rule, verdict in (
        ("bad", BAD, "true positive"),
        ("so odd", ODD, "true positive"),
        ("odd", ODD, "false positive"),
        ("ada", ADA, "false positive"),
    ):
        judge(log, ask(log, said), rule, verdict)
    log.close()
    file = tmp_path / "verdicts.jsonl"
    asked = ["log", "regression", str(log.directory), str(file), "--by", "ada", "--reason", "tune"]
    with pytest.raises(SystemExit, match="2"):
        main([*asked, "--needs", "0"])
    assert main(asked) == 0
    printed = capsys.readouterr().out
    said = "2 examples: 1 to be found, 1 not\nleft out, stopped: 1\nleft out, masked: 1\n  texts that they"
    assert said in printed
    assert main(asked) == 5
    assert "already exists" in capsys.readouterr().err
    asked[3] = str(tmp_path / "all.jsonl")
    assert main([*asked, "--original", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["examples"], told["positive"], told["left_out"]) == (4, 2, {})

    toml = tmp_path / "guard.toml"
    toml.write_text('[[input]]\nblock = "keywords"\nwords = ["bad"]\n')
    assert main(["eval", asked[3], "--guard", str(toml), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["evaluations"]
    assert (found["examples"], found["recall"]["total"]) == (4, 2)
    asked[3] = str(tmp_path / "none.jsonl")
    assert main([*asked, "--verdict", "benign"]) == 1
    assert "none of those asked for is settled" in capsys.readouterr().err
