"""``guardrails-lite log``, as a reviewer and as a program uses it."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guardrails_lite import AuditLog, Blocked, Guard, block, bound, redact
from guardrails_lite.cli import main
from tests.audit import forger
from tests.audit.calls import call_id, intent, record
from tests.engine.conftest import word

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of eight calls by two users, the last of each blocked, and one that never ended."""
    directory = tmp_path_factory.mktemp("cli") / "log"
    audit = AuditLog(directory, capture="redacted")
    guard = Guard(name="desk", input=[redact(word("ada")), block(word("bad"))], log=audit)
    for user in ("u-1", "u-2"):
        with bound(user=user, session=f"s-{user}", tenant="acme", app="shop"):
            for said in ("hello", "ada", "fine", "bad"):
                with contextlib.suppress(Blocked):
                    guard.run(
                        lambda messages, model: "fine", [{"role": "user", "content": said}], model="m-1"
                    )
    audit.intent(intent(9))
    audit.close()
    return directory


@pytest.fixture
def log(made: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    shutil.copytree(made, tmp_path / "log")
    return tmp_path / "log"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run an action; what it printed, read as JSON where it was asked for."""

    def run(action: str, *arguments: object, code: int = 0, lines: bool = False) -> Any:
        assert main(["log", action, *map(str, arguments)]) == code
        printed = capsys.readouterr()
        text = printed.out if code in (0, 1) and printed.out else printed.out + printed.err
        if "--json" not in arguments:
            return text
        return [json.loads(line) for line in text.splitlines()] if lines else json.loads(text)

    return run


def test_ls_narrows_by_what_a_call_is(made: Path, run: Run) -> None:
    """Each option narrows, an option given twice widens, and a person is found by name."""
    assert len(run("ls", made, "--json")) == 9
    assert len(run("ls", made, "--outcome", "blocked", "--json")) == 2
    assert len(run("ls", made, "--outcome", "blocked", "--outcome", "unfinished", "--json")) == 3
    assert len(run("ls", made, "--user", "u-1", "--json")) == 4
    assert len(run("ls", made, "--user", "nobody", "--json")) == 0
    assert len(run("ls", made, "--user", "u-1", "--rule", "block(word(text='bad'))", "--json")) == 1
    assert len(run("ls", made, "--tag", "app=shop", "--tenant", "acme", "--json")) == 8
    assert len(run("ls", made, "--since", "1h", "--json")) == 8
    assert len(run("ls", made, "--until", "2020-01-01", "--json")) == 0
    (call,) = run("ls", made, "--last", "1", "--outcome", "passed", "--json")
    assert run("ls", made, "--text", call["id"][:16], "--json") == [call]


def test_ls_says_when_there_is_more(made: Path, run: Run) -> None:
    """A table of the newest few says that it is one."""
    assert "these are the newest 2; --last N or --all shows more" in run("ls", made, "--last", "2")
    assert "more" not in run("ls", made, "--all")


def test_show_reads_the_record_and_what_is_about_it(log: Path, run: Run) -> None:
    """Steps from the log itself, and reviews and readings of the call below them."""
    (call,) = run("ls", log, "--user", "u-2", "--outcome", "blocked", "--json")
    with AuditLog(log) as audit:
        audit.event("human.review", {"call": call["id"], "verdict": "false positive"})

    told = run("show", log, call["id"][:10], "--json")
    assert (told["outcome"], told["id"]) == ("blocked", call["id"])
    assert told["events"][0]["data"]["verdict"] == "false positive"
    text = run("show", log, call["id"])
    assert "block(word(text='bad'))" in text
    assert "verdict false positive" in text
    assert "several calls begin" in run("show", log, "", code=1)
    assert "unfinished" in run("show", log, call_id(9))


def test_tail_prints_the_newest_and_then_what_comes(log: Path) -> None:
    """A follower sees calls of other processes as they end, in a table and as JSON lines."""
    follower = subprocess.Popen(
        [sys.executable, "-m", "guardrails_lite", "log", "tail", str(log), "--last", "2", "--json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert follower.stdout is not None
    with follower:
        try:
            first = [json.loads(follower.stdout.readline())["outcome"] for _ in range(2)]
            with AuditLog(log) as audit:
                audit(record(30, outcome="refused"))
            assert json.loads(follower.stdout.readline())["id"] == call_id(30)
            assert first == ["unfinished", "passed"] or "blocked" in first
        finally:
            follower.kill()


def test_tail_once_stops(made: Path, run: Run) -> None:
    """For a script."""
    assert len(run("tail", made, "--once", "--last", "3").splitlines()) == 3


def test_grep_finds_entries_of_any_type(made: Path, run: Run) -> None:
    """By expression or text, in either case, of one type; 1 when nothing is found."""
    assert len(run("grep", made, '"outcome": ?"blocked"', "--json", lines=True)) == 2
    assert len(run("grep", made, "WORD(TEXT='BAD')", "-F", "-i", "-m", "1", "--json", lines=True)) == 1
    assert {e["type"] for e in run("grep", made, "python", "--type", "log.opened", "--json", lines=True)} == {
        "log.opened"
    }
    assert run("grep", made, "no such thing", code=1) == ""
    assert "is not a regular expression" in run("grep", made, "(", code=2)


def test_sql_answers_and_changes_nothing(made: Path, run: Run) -> None:
    """A question gives rows; anything else is refused, with the reason."""
    question = "SELECT outcome, count(*) AS calls FROM calls GROUP BY outcome ORDER BY 2 DESC, 1"
    assert run("sql", made, question, "--json", lines=True)[0] == {"outcome": "passed", "calls": 6}
    assert "blocked" in run("sql", made, question)
    for wrong, said in [
        ("DELETE FROM calls", "can only be read"),
        ("ATTACH 'x' AS y", "can only be read"),
        ("PRAGMA journal_mode = DELETE", "can only be read"),
        ("SELECT colour FROM calls", "cannot be answered: no such column"),
        ("SELECT 1; SELECT 2", "cannot be answered"),
        ("", "gives no rows"),
    ]:
        assert said in run("sql", made, wrong, code=2)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    assert "took longer than 0.01 s" in run("sql", made, endless, "--timeout", "0.01", code=2)
    assert len(run("ls", made, "--json")) == 9


def test_counts_agree_with_one_another(made: Path, run: Run) -> None:
    """stats, spend, latency and rules count the same calls."""
    stats = run("stats", made, "--json")
    assert (stats["calls"], stats["blocked"], stats["unfinished"], stats["lost"]) == (8, 2, 1, 0)
    assert sum(spend["calls"] for spend in run("spend", made, "--by", "user", "--json")) == 8
    latency = run("latency", made, "--by", "outcome", "--json")
    assert {name: each["calls"] for name, each in latency.items()} == {"all": 8, "passed": 6, "blocked": 2}
    rules = {rule["rule"]: rule for rule in run("rules", made, "--json")}
    assert rules["block(word(text='bad'))"]["blocked"] == 2
    assert rules["redact(word(text='ada'))"]["found"] == 2
    for action in ("stats", "spend", "latency", "rules"):
        assert run(action, made, "--user", "u-1")
    assert run("stats", made, "--user", "u-1", "--json")["calls"] == 4


def test_a_witness_file_that_cannot_be_written_is_said(run: Run, log: Path, tmp_path: Path) -> None:
    """The head is not kept, and 1 would mean that something was found."""
    said = run("witness", log, "--file", tmp_path / "nowhere" / "heads", code=5)

    assert "heads: cannot be written (No such file" in said


def test_verify_compares_with_what_was_kept_elsewhere(log: Path, tmp_path: Path, run: Run) -> None:
    """A head and a key from another place find a log that was put back."""
    saved = forger.copy(log, "saved")
    with AuditLog(log) as audit:
        audit(record(40))
    run("witness", log, "--file", tmp_path / "heads")
    key = shutil.copy(log / "keys" / "verify.key", tmp_path / "key")
    options = ("--heads", tmp_path / "heads", "--key", key)
    assert "compared with 1 head kept" in run("verify", log, *options)
    forger.restore(saved, log)
    assert run("verify", log, *options, "--json", code=3)["state"] == "truncated"
    assert "a head kept elsewhere has seen" in run("doctor", log, *options, code=3)


@pytest.mark.parametrize(
    ("option", "wrong", "right"),
    [
        ("--outcome", "bloked", "'blocked'"),
        ("--mode", "monitoring", "'monitor'"),
        ("--style", "asynchronous", "'async stream'"),
    ],
)
def test_a_misspelt_word_is_no_word_without_calls(
    made: Path, run: Run, option: str, wrong: str, right: str
) -> None:
    """An empty list would read as if no call had ended so; the words there are are named."""
    for action in ("ls", "stats", "export"):
        said = run(action, made, option, wrong, code=2)
        assert f"{option} {wrong!r} is not a known {option[2:]}; expected one of '" in said
        assert right in said


def test_an_outcome_of_a_later_version_is_listed_and_asked_for(log: Path, run: Run) -> None:
    """What this version cannot name is a word as good as ours where the log has it."""
    with AuditLog(log) as audit:
        audit(record(10, outcome="withdrawn"))
    (call,) = run("ls", log, "--outcome", "withdrawn", "--outcome", "unfinished", "--last", "1", "--json")
    assert call["outcome"] == "withdrawn"
    assert "withdrawn" in run("ls", log)
    assert run("stats", log, "--json")["outcomes"]["withdrawn"] == 1
    assert "'withdrawn'" in run("ls", log, "--outcome", "with-drawn", code=2)


def test_a_file_without_heads_is_not_compared_with_in_silence(log: Path, tmp_path: Path, run: Run) -> None:
    """The key in place of heads, an empty file, a head cut short or quoted in a mail: nothing to compare."""
    head = run("witness", log)
    key = (log / "keys" / "verify.key").read_text()
    for text in (key, "", head + head[:50], "".join(f"> {line}\n" for line in head.splitlines())):
        (tmp_path / "heads").write_text(text)
        for action in ("verify", "doctor", "alerts"):
            said = run(action, log, "--heads", tmp_path / "heads", code=5)
            assert "no complete head; expected what `guardrails-lite log witness` prints" in said
    (tmp_path / "heads").write_bytes(head.replace("\n", "\r\n").encode())
    assert "compared with 1 head kept" in run("verify", log, "--heads", tmp_path / "heads")


def test_a_proof_leaves_the_log_and_holds(log: Path, tmp_path: Path, run: Run) -> None:
    """Proved here, checked there; a changed byte does not hold; what is no proof is said to be none."""
    (call,) = run("ls", log, "--user", "u-1", "--outcome", "blocked", "--json")
    file = tmp_path / "proof.json"
    run("prove", log, call["id"][:12], "-o", file)
    shutil.rmtree(log)
    assert run("check-proof", file, "--json")["entry"]["id"] == call["id"]
    assert "the proof holds: the call.completed entry" in run("check-proof", file)
    file.write_text(file.read_text().replace("blocked", "passed."))
    assert "does not hold" in run("check-proof", file, code=2)
    file.write_text("{}")
    assert "not a proof" in run("check-proof", file, code=5)


def test_a_person_is_found_held_and_erased(log: Path, run: Run) -> None:
    """The whole way of a request: who is it, what is there, a hold, its release, the erasure."""
    (name,) = run("hash", log, "u-1", "--json")
    assert {call["user"] for call in run("find-subject", log, "u-1", "--json")} == {name}
    assert len(run("find-subject", log, "s-u-2", "--kind", "session", "--json")) == 4
    assert run("find-subject", log, "nobody", "--json", code=1) == []
    call = run("ls", log, "--user", "u-1", "--outcome", "passed", "--json")[0]
    reading = ("--reader", "auditor", "--reason", "case 12")
    texts = run("reveal", log, call["id"], *reading, "--json")
    assert ("output", "assistant", "fine") in [(each["side"], each["role"], each["text"]) for each in texts]
    held = run("hold", log, "u-1", "--owner", "counsel", "--reason", "case 12", "--json")["hold"]
    assert held in run("holds", log)
    erasing = ("--request", "r-1", "--basis", "GDPR 17(1)(b)", "--yes")
    assert "under legal hold" in run("erase", log, "u-1", *erasing, code=5)
    run("release", log, held, "--owner", "counsel", "--reason", "closed")
    assert "no hold" in run("release", log, held, "--owner", "counsel", "--reason", "closed", code=1)
    assert "add --yes" in run("erase", log, "u-1", *erasing[:-1], code=2)
    assert run("erase", log, "u-1", *erasing, "--json")["keys"] == 1
    assert "was destroyed" in run("reveal", log, call["id"], *reading, code=1)
    assert run("verify", log, "--json")["state"] == "intact"


def test_a_value_may_come_on_standard_input(
    made: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """So that a name need not stand in the shell's history."""
    (tmp_path / "name").write_text("u-1\n")
    with (tmp_path / "name").open() as name:
        monkeypatch.setattr(sys, "stdin", name)
        assert run("hash", made, "-", "--json") == run("hash", made, "u-1", "--json")


def test_a_copy_without_keys_can_be_read_and_says_what_it_cannot(log: Path, run: Run) -> None:
    """Lists and checks work; looking up a value needs its key."""
    shutil.rmtree(log / "keys")
    assert len(run("ls", log, "--json")) == 9
    assert run("verify", log, "--json")["state"] == "intact"
    assert "the pseudonyms' key cannot be read" in run("ls", log, "--user", "u-1", code=5)
    assert not (log / "keys").exists()


def test_schema_is_printed_whole_or_by_type(run: Run) -> None:
    """For whoever reads the log with other tools."""
    assert run("schema", "--json")["title"].endswith("format glog/1")
    assert "lost" in run("schema", "gap", "--json")["properties"]
    assert "call.completed" in run("schema", "--list")
    assert "no entry type 'nothing'; there are call.intent" in run("schema", "nothing", code=2)


def test_hostile_text_in_a_record_cannot_steer_the_terminal(tmp_path: Path, run: Run) -> None:
    """Whatever a record says, no action prints a control character."""
    with AuditLog(tmp_path / "log") as audit:
        evil = "\x1b[2J\u202e\x07"
        who = {"user": evil, "app": evil}
        audit(record(1, guard=evil, model=evil, who=who))
        audit.event("note", {"call": call_id(1), "said": evil})
    for action in (
        ["ls"],
        ["show", call_id(1)],
        ["stats"],
        ["spend", "--by", "model"],
        ["grep", "2J"],
    ):
        text = run(action[0], tmp_path / "log", *action[1:])
        assert not set(text) & set(evil.replace("[2J", ""))


@pytest.mark.parametrize(
    "arguments",
    [
        ["ls", "DIR", "--since", "yesterday-ish"],
        ["ls", "DIR", "--tag", "nothing"],
        ["spend", "DIR", "--by", "colour"],
        ["nonsense", "DIR"],
    ],
)
def test_wrong_use_is_code_2(made: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """And says what was expected."""
    with pytest.raises(SystemExit) as ended:
        main(["log", *(str(made) if each == "DIR" else each for each in arguments)])
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_no_action_makes_a_log_where_there_is_none(tmp_path: Path, run: Run) -> None:
    """A mistyped directory is code 5 for every action, and stays as it was."""
    person = ["u-1", "--owner", "a", "--reason", "b"]
    for action in (
        ["ls"],
        ["stats"],
        ["verify"],
        ["doctor"],
        ["seal"],
        ["witness"],
        ["hold", *person],
        ["holds"],
    ):
        run(action[0], tmp_path, *action[1:], code=5)
    assert list(tmp_path.iterdir()) == []


def test_repair_says_in_json_too_what_it_would_do(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A program reads that, and not a sentence."""
    assert main(["log", "repair", str(made), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"dead": [], "strays": []}


def test_nobody_is_no_subject(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty value has a pseudonym as any other, which would mislead."""
    assert main(["log", "hash", str(made), ""]) == 5
    assert "VALUE is empty" in capsys.readouterr().err


def test_a_newer_log_is_asked_for_no_pseudonym(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a person is called may be made otherwise there, so an answer would mislead."""
    config = json.loads((log / "log.json").read_text())
    (log / "log.json").write_text(json.dumps({**config, "format": "glog/2"}))

    for action in ("hash", "find-subject"):
        assert main(["log", action, str(log), "u-1"]) == 5
        printed = capsys.readouterr()
        assert "this log has format 'glog/2', but this library reads 'glog/1'" in printed.err
        assert printed.out == ""


@pytest.mark.parametrize("given", ["0", "-1", "two"])
@pytest.mark.parametrize(
    ("action", "more", "option"),
    [
        ("verify", [], "--processes"),
        ("doctor", [], "--processes"),
        ("ls", [], "--last"),
        ("review", [], "--last"),
        ("spend", [], "--top"),
        ("grep", ["blocked"], "--max"),
        ("sql", ["SELECT 1"], "--timeout"),
    ],
)
def test_what_can_be_no_number_is_wrong_use(
    made: Path, capsys: pytest.CaptureFixture[str], action: str, more: list[str], option: str, given: str
) -> None:
    """Nothing about the log: an empty list would read as if there were nothing."""
    with pytest.raises(SystemExit) as ended:
        main(["log", action, str(made), *more, f"{option}={given}"])
    assert ended.value.code == 2
    assert f"{option}: {given!r} is not a " in capsys.readouterr().err


def test_what_is_no_log_says_what_it_is(made: Path, tmp_path: Path, run: Run) -> None:
    """Nothing, a file, a folder beside or within a log: each has its own way out."""
    (tmp_path / "file").touch()
    (tmp_path / "log.json").mkdir()
    shutil.copytree(made, tmp_path / "logs" / "audit")
    assert "there is no such directory; expected one that AuditLog made" in run("ls", tmp_path / "no", code=5)
    assert "it is not a directory" in run("ls", tmp_path / "file", code=5)
    assert "(IsADirectoryError in log.json; " in run("ls", tmp_path, code=5)
    inside = tmp_path / "logs" / "audit" / "streams"
    for place in (inside, tmp_path / "logs"):
        assert f"it has no log.json, which AuditLog writes into its directory; {inside.parent} is one" in run(
            "ls", place, code=5
        )


def cut(log: Path) -> None:
    forger.edit(log, forger.keep(5))


def remove(log: Path) -> None:
    shutil.rmtree(forger.segment(log).parent)


def roll_back(log: Path) -> None:
    """The registry as it was before its last entry and the checkpoint behind it."""
    path = log / "registry.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-2]))


SHORT = "guardrails-lite: this log was cut short or rolled back: "


@pytest.mark.parametrize(
    ("damage", "missing"),
    [
        (cut, "has 5 entries, but the registry knows of "),
        (remove, "has 0 entries, but the registry knows of "),
        (roll_back, "the registry ends at epoch "),
    ],
)
@pytest.mark.parametrize(
    "action",
    ["ls", "stats", "spend", "latency", "export", "replay", "diff-policy", "seal", "hold", "witness"],
)
def test_no_action_passes_over_a_log_that_was_cut_short(
    log: Path,
    action: str,
    damage: Callable[[Path], None],
    missing: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line on standard error says so first; what is printed stays what a program reads."""
    (tmp_path / "guard.toml").write_text('name = "other"\n')
    replaying = [str(tmp_path / "guard.toml"), "--reader", "a", "--reason", "b", "--json"]
    more = {
        "export": ["--format", "jsonl"],
        "replay": replaying,
        "diff-policy": replaying,
        "hold": ["u-1", "--owner", "a", "--reason", "b", "--json"],
    }
    damage(log)

    main(["log", action, str(log), *more.get(action, ["--json"])])

    printed = capsys.readouterr()
    first = printed.err.splitlines()[0]
    assert first.startswith(SHORT)
    assert missing in first
    assert first.endswith("verify` says more.")
    assert printed.err.count(SHORT) == 1
    assert "cut short" not in printed.out


def test_a_whole_log_gets_no_warning(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither one that ended, nor one whose process runs behind its last head or has a line under way."""
    assert main(["log", "ls", str(log)]) == 0
    with AuditLog(log) as audit:
        audit(record(40))
        audit.head()
        audit(record(41))
        assert main(["log", "ls", str(log)]) == 0
    assert capsys.readouterr().err == ""


def test_a_running_stream_cut_below_its_head_is_told(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The registry knows how far it had come, though it has not ended."""
    with AuditLog(log) as audit:
        for number in range(40, 44):
            audit(record(number))
        audit.head()
        path = max((log / "streams").glob("*/*.jsonl"))
        short = forger.copy(log, "short")
        running = short / path.relative_to(log)
        running.write_bytes(b"".join(running.read_bytes().splitlines(keepends=True)[:3]))
        assert main(["log", "stats", str(short)]) == 0
    assert f"the stream {path.parent.name} has 3 entries" in capsys.readouterr().err


def test_a_pipeline_may_allow_some_decisions_to_change(
    log: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """As many as it says, and a call that cannot be told counts as one that changes."""
    guard = tmp_path / "guard.toml"
    guard.write_text('name = "other"\n[[input]]\nblock = "keywords"\nwords = ["hello"]\n')
    asked = (log, guard, "--reader", "ada", "--reason", "policy 7")
    found = run("diff-policy", *asked, "--json", code=1)
    changed, unknown = len(found["changes"]), len(found["undecided"])
    assert changed
    assert unknown
    share = (changed + unknown) / (found["compared"] + unknown)
    run("diff-policy", *asked, "--allow", share)
    run("diff-policy", *asked, "--allow", share - 0.01, code=1)
    for wrong in ("1.5", "3%", "nan"):
        with pytest.raises(SystemExit):
            run("diff-policy", *asked, "--allow", wrong)
        assert f"'{wrong}' is not a share from 0 to 1; write 3 % as 0.03" in capsys.readouterr().err


def test_a_share_that_is_allowed_is_allowed_to_the_call(tmp_path: Path, run: Run) -> None:
    """29 of 100 calls are no more than 0.29 of them, though 0.29 * 100 is less than 29 to a computer."""
    file = tmp_path / "guard.toml"
    file.write_text('name = "new"\n[[input]]\nblock = "keywords"\nwords = ["hello"]\n')
    with AuditLog(tmp_path / "log") as audit:
        for guard, calls in ((Guard.from_file(file), 71), (Guard(name="old"), 29)):
            for _ in range(calls):
                (guard | Guard(log=audit)).run(lambda messages: "fine", "Say something.")
    asked = (tmp_path / "log", file, "--reader", "ada", "--reason", "policy 7", "--allow")

    run("diff-policy", *asked, "0.29")
    run("diff-policy", *asked, "0.28", code=1)
