"""The command line, as a user runs it: in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from guardrails_lite import (
    AuditLog,
    Blocked,
    Capabilities,
    Guard,
    Limits,
    RetryBudget,
    Upstream,
    block,
    redact,
)
from guardrails_lite.cli import _COMMANDS, _parser, main
from guardrails_lite.cli._log import _ACTIONS
from guardrails_lite.cli._terminal import safe
from tests.engine.conftest import word

GUARD = """
name = "support"
log = "audit"

[[input]]
redact = "pii"

[[input]]
block = "keywords"
words = ["forbidden"]
roles = ["user"]

[retry]
attempts = 2

[budget]
deadline_s = 20

[[fallback]]
model = "small"

[[fallback]]
answer = "Sorry."
"""


@pytest.fixture
def guard_file(tmp_path: Path) -> Path:
    """A guard in TOML."""
    file = tmp_path / "guard.toml"
    file.write_text(GUARD)
    return file


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of three calls, the last one blocked."""
    directory = tmp_path / "log"
    audit = AuditLog(directory)
    guard = Guard(name="desk", input=[redact(word("ada")), block(word("bad"))], log=audit)
    for said in ("hello", "ada", "bad"):
        with contextlib.suppress(Blocked):
            guard.run(lambda messages, model: "fine", [{"role": "user", "content": said}], model="m-1")
    audit.close()
    return directory


def test_the_demo_tells_its_story() -> None:
    """Every chapter comes out as told, with no key and no network."""
    done = subprocess.run(
        [sys.executable, "-m", "guardrails_lite", "demo"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "the model is scripted" in done.stdout
    assert "[EMAIL_ADDRESS]" in done.stdout
    assert "Invoice(customer='Acme', total=12.0)" in done.stdout
    assert "intact" in done.stdout
    assert "tampered" in done.stdout
    assert "WRONG" not in done.stdout


def test_check_explains_a_guard(guard_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What happens in which order, in sentences."""
    assert main(["check", str(guard_file)]) == 0

    out = capsys.readouterr().out
    assert "block(keywords(words=" in out
    assert "then target(model='small')" in out
    assert "all within 20 s" in out


def test_check_gives_json(guard_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For another program."""
    main(["check", "--json", str(guard_file)])

    assert json.loads(capsys.readouterr().out)["digest"] == Guard.from_file(guard_file).digest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "is not valid TOML"),
        ("nmae = 'x'", "a guard has no setting 'nmae'; did you mean 'name'?"),
        (
            "[[input]]\nblock = 'pji'",
            r"input[0]: no installed package has a validator 'pji'. Did you mean 'pii'?",
        ),
        ("[[input]]\nredcat = 'pii'", "fall_back, warn. Did you mean 'redact'?"),
        ("fallback = ['gpt-5']", "fallback[0] must be a table: [[fallback]], and below it a line"),
        ("input = ['pii']", "input[0] must be a table: [[input]], and below it a line such as block"),
        ("[[input]]\nstop = 'pii'", "input[0] names no verb; expected exactly one of block"),
        (
            "[[input]]\nblock = 'pii'\ncolor = 1",
            "input[0]: a rule with 'pii' has no setting 'color'; it takes entities, mask, mode, on_error, ",
        ),
        ("[[input]]\nblock = 'pii'\nonerror = 'open'", "no setting 'onerror'; did you mean 'on_error'?"),
        ("[[input]]\nblock = 'pii'\ntreshold = 1", "no setting 'treshold'; did you mean 'threshold'?"),
        ("[[input]]\nblock = 'keywords'", "input[0]: keywords(...): missing a required argument: 'words'"),
        (
            "tools = ['refund']",
            "tools are functions, so a file has none: Guard.from_file(...) | Guard(tools=",
        ),
        ("[[fallback]]\nmodel = 'm'\ntimeout = 30\n[budget]\ndeadline_s = 20", "Raise the deadline or lower"),
        ("[[input]]\nblock = 'pii'\non_error = 'x'", "on_error='x'"),
        ("[[input]]\nreask = 'pii'", "cannot be an input rule"),
        ("[retry]\nattempts = 0", "retry: attempts=0 of Retry must be a whole number"),
        ("[retry]\ntries = 1", "[retry] has no setting 'tries'; it takes after_text, attempts"),
        ("input = 'pii'", "input must be a list: [[input]]"),
        ("[[fallback]]\n", "fallback[0]: target() names nothing"),
        ("upstream = 5\n", "upstream must be a table: [upstream]"),
        ("[upstream]\nspeed = 5\n", "[upstream] has no setting 'speed'; it takes breaker, limits, name"),
        ("[upstream]\nlimits = {rpm = 0}\n", "upstream.limits: rpm=0 of Limits must be a whole number"),
        ("[upstream]\nstore = {}\n", "upstream.store must be a table with a path or a url"),
        ('[upstream]\nstore = {path = "x", speed = 5}\n', "[upstream.store] has no setting 'speed'"),
        ('[[fallback]]\nmodel = "m"\ncan = {context = 0}\n', "fallback[0].can: context=0 of Capabilities"),
    ],
)
def test_check_says_what_is_wrong_and_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    """The file, the place, what was expected."""
    file = tmp_path / "guard.toml"
    file.write_text(text)

    assert main(["check", str(file)]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert str(file) in err


def test_check_of_a_missing_file_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback."""
    assert main(["check", "nowhere.toml"]) == 2
    assert "nowhere.toml: cannot be read" in capsys.readouterr().err


def test_a_file_can_say_all_of_an_upstream(tmp_path: Path) -> None:
    """Its parts, a store beside the file, and what a fallback can take."""
    file = tmp_path / "guard.toml"
    file.write_text(
        '[upstream]\nname = "desk"\nbreaker = false\nlimits = {rpm = 5}\nretries = {share = 0.1}\n'
        'store = {path = "upstream.db", workers = 2}\n'
        '[[fallback]]\nmodel = "m"\ncan = {images = "drop"}\nupstream = {store = {url = "redis://h"}}\n'
    )

    guard = Guard.from_file(file)

    upstream, (fallback,) = guard._plan.upstream, guard._plan.fallback
    assert upstream == Upstream(
        name="desk", breaker=None, limits=Limits(rpm=5), retries=RetryBudget(share=0.1), store=upstream.store
    )
    assert repr(upstream.store) == f"SQLiteStore({str(tmp_path / 'upstream.db')!r}, workers=2)"
    assert fallback.can == Capabilities(images="drop")
    assert repr(fallback.upstream) == "Upstream(store=RedisStore(..., workers=4))"


def test_yaml_is_the_same_guard(tmp_path: Path, guard_file: Path) -> None:
    """A guard in YAML has the digest of the same guard in TOML."""
    pytest.importorskip("yaml", reason="PyYAML is an extra")
    file = tmp_path / "guard.yaml"
    file.write_text(
        "name: support\ninput:\n- {redact: pii}\n- {block: keywords, words: [forbidden], roles: [user]}\n"
        "retry: {attempts: 2}\nbudget: {deadline_s: 20}\nfallback: [{model: small}, {answer: Sorry.}]\n"
    )

    assert Guard.from_file(file).digest == Guard.from_file(guard_file).digest


@pytest.mark.parametrize("name", ["guard.toml", "guard.yaml"])
def test_an_empty_file_is_a_guard_that_checks_nothing(tmp_path: Path, name: str) -> None:
    """In YAML too, where nothing is read as null."""
    pytest.importorskip("yaml", reason="PyYAML is an extra")
    (tmp_path / name).touch()

    assert Guard.from_file(tmp_path / name) == Guard()


def test_a_file_says_whether_tool_calls_are_let_through_together(tmp_path: Path) -> None:
    """The setting is a word, so a file can have it; what the tools are, the request or the code says."""
    (tmp_path / "guard.toml").write_text('tool_calls = "each"\n')

    assert Guard.from_file(tmp_path / "guard.toml") == Guard(tool_calls="each")


def test_scan_finds_in_text_and_json_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 and the place of what was found; 0 when there is nothing."""
    (tmp_path / "clean.txt").write_text("nothing here\n")
    (tmp_path / "some.jsonl").write_text('{"text": "mail ada@example.com"}\n{"text": "fine"}\n')

    assert main(["scan", str(tmp_path / "clean.txt")]) == 0
    assert main(["scan", str(tmp_path / "some.jsonl")]) == 1
    out = capsys.readouterr().out
    assert "some.jsonl:1" in out
    assert "EMAIL_ADDRESS x1" in out
    assert "ada@example.com" not in out


def test_scan_redacts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each text as the rules leave it."""
    (tmp_path / "a.txt").write_text("mail ada@example.com\n")

    main(["scan", "--redact", "--validators", "pii", str(tmp_path / "a.txt")])

    assert capsys.readouterr().out == "mail [EMAIL_ADDRESS]\n"


@pytest.mark.parametrize(
    ("name", "text", "code"), [("a.jsonl", "{", 5), ("b.jsonl", '{"x": 1}', 5), ("c.jsonl", '{"text": 1}', 5)]
)
def test_scan_of_unreadable_lines_says_which(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, code: int
) -> None:
    """The file and the line, not its content."""
    (tmp_path / name).write_text(text)

    assert main(["scan", str(tmp_path / name)]) == code
    assert f"{name}:1" in capsys.readouterr().err


def test_scan_prints_half_a_character(tmp_path: Path) -> None:
    """JSON can hold one half of a surrogate pair, which no encoding has; it is shown by its number."""
    (tmp_path / "a.jsonl").write_text('{"text": "a\\ud800b"}')

    done = subprocess.run(
        [sys.executable, "-m", "guardrails_lite", "scan", "--redact", str(tmp_path / "a.jsonl")],
        capture_output=True,
        encoding="utf-8",
        env={"PYTHONIOENCODING": "utf-8"},
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "a\\ud800b\n", "")


@pytest.mark.parametrize("option", ["--guard", "--validators"])
def test_scan_with_nothing_is_wrong_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    """An unset variable in a script must not pass every text as clean."""
    (tmp_path / "a.txt").write_text("mail ada@example.com")

    assert main(["scan", option, "", str(tmp_path / "a.txt")]) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_no_finding(log: Path) -> None:
    """1 means that something was found, so output that cannot be written ends with 5."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "guardrails_lite", "log", "ls", str(log)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )

    assert done.returncode == 5
    assert done.stderr.startswith("guardrails-lite: cannot be written (No space left")
    assert "Traceback" not in done.stderr


def test_scan_of_what_cannot_be_read_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing file by its name, and bytes that are no text."""
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe")

    assert main(["scan", "nowhere.txt"]) == 5
    assert "nowhere.txt: cannot be read (No such file" in capsys.readouterr().err
    assert main(["scan", str(tmp_path / "bytes.txt")]) == 5
    assert "bytes.txt is not UTF-8; convert it first" in capsys.readouterr().err


def test_log_ls_lists_and_filters(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a call; `--outcome` narrows."""
    assert main(["log", "ls", str(log)]) == 0
    assert capsys.readouterr().out.count("desk") == 3
    main(["log", "ls", str(log), "--outcome", "blocked", "--json"])
    calls: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert [call["outcome"] for call in calls] == ["blocked"]


def test_log_show_tells_every_step(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the beginning of its id."""
    main(["log", "ls", str(log), "--json"])
    call = json.loads(capsys.readouterr().out)[1]

    assert main(["log", "show", str(log), call["id"][:10]]) == 0
    out = capsys.readouterr().out
    assert "redact(word(text='ada'))" in out
    assert "answered" in out
    assert main(["log", "show", str(log), "zz"]) == 1


def test_log_stats_counts(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Calls by outcome, in words and in JSON."""
    assert main(["log", "stats", str(log), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["calls"], told["outcomes"]["blocked"]) == (3, 1)
    assert main(["log", "stats", str(log)]) == 0


def test_log_verify_finds_a_flipped_bit(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 when whole, 2 when not; a directory that is no log is 5."""
    assert main(["log", "verify", str(log)]) == 0
    segment = next(log.rglob("*.jsonl"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    assert main(["log", "verify", str(log)]) == 2
    assert main(["log", "verify", str(log.parent)]) == 5
    capsys.readouterr()


def test_hostile_text_cannot_steer_the_terminal() -> None:
    """Escape codes, direction marks and invisible characters are shown as their numbers."""
    assert safe("a\x1b[31mb\u202ec\u200bd\ne") == "a\\u{1b}[31mb\\u{202e}c\\u{200b}d\\u{a}e"
    assert safe("ordinary é 漢字 🙂") == "ordinary é 漢字 🙂"


@pytest.mark.parametrize(
    "command",
    [*_COMMANDS, *(f"log {action}" for action in _ACTIONS)],
    ids=lambda each: each.replace(" ", "-"),
)
def test_help_says_what_a_command_does_and_shows_an_example_that_parses(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sentence, and a line to begin with, as one would type it."""
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    help_text = capsys.readouterr().out
    says = help_text.split("\n\n")[1]
    assert says[0].isupper()
    assert says.endswith(".")

    example = help_text.rpartition("example: guardrails-lite ")[2].strip()
    words = shlex.split(example)
    assert example.startswith(command)
    assert vars(_parser().parse_args(words))["command"] == words[0]


def test_no_command_prints_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong use is exit code 2."""
    assert main([]) == 2
    assert "demo" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["nonsense"])
    assert main(["--version"]) == 0


def test_no_action_lists_them_under_the_headings_of_the_reference(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One a line, with what it does, no wider than the terminal; it named 36 of them in one line of usage."""
    monkeypatch.setenv("COLUMNS", "72")
    assert main(["log"]) == 2
    told = capsys.readouterr().err
    assert max(map(len, told.splitlines())) <= 72
    groups = re.findall(r"^([a-z ,']+):\n((?:  .*\n)+)", told, re.M)
    listed = {heading: re.findall(r"^  (\S+)  ", lines, re.M) for heading, lines in groups}
    page = (Path(__file__).parents[2] / "docs" / "reference" / "cli.md").read_text()
    parts = re.findall(r"^### (.*)\n\n\| action \| what it does \|\n((?:\|.*\n)+)", page, re.M)
    told_there = {
        heading.lower(): dict.fromkeys(re.findall(r"^\| `log (\S+)", t, re.M)) for heading, t in parts
    }
    assert told_there
    assert {heading: set(listed[heading]) for heading in told_there} == {
        heading: set(actions) for heading, actions in told_there.items()
    }
    assert sum(map(len, told_there.values())) == len(_ACTIONS)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("demo extra", "usage: guardrails-lite demo [-h]"),
        ("demo extra", "guardrails-lite demo: error: unrecognized arguments: extra\n"),
        ("log verify audit --loud", "guardrails-lite log verify: error: unrecognized arguments: --loud\n"),
        ("log ls audit --db postgresql://h/d", "unrecognized arguments: audit; with --db, leave out DIR"),
        ("log ls audit --log desk", "log ls: error: --log goes with --db; without it, DIR is the log"),
        ("log ls audit --last 3 --all", "argument --all: not allowed with argument --last"),
        ("log sample audit --size 0 --by ada", "argument --size: '0' is not a whole number, 1 or more"),
        ("log sample audit --share 20 --by ada", "argument --share: '20' is not a share from 0 to 1"),
        ("scan --guard guard.toml --validators pii", "--validators: not allowed with argument --guard"),
    ],
)
def test_an_argument_that_does_nothing_is_refused(
    words: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is never passed over, and the usage is that of the command."""
    with pytest.raises(SystemExit, match="2"):
        main(words.split())
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("show {log} 8f --against 12", "--against goes with a policy: log show DIR policy:DIGEST"),
        ("export {log} --header a=b", "--header and --mapper go with --to"),
        ("export {log} --mapper 2026-06", "--header and --mapper go with --to"),
    ],
)
def test_an_option_without_the_one_that_it_belongs_to_is_wrong_use(
    log: Path, words: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Law: 5 is for what cannot be read."""
    assert main(["log", *words.format(log=log).split()]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ("eval nowhere.jsonl", 5, "nowhere.jsonl: cannot be read or written (No such file or directory)"),
        ("eval {examples} --validators ,", 2, "--validators names no validator, so nothing would be checked"),
        (
            "review {log} --tokens nowhere",
            2,
            "nowhere: the tokens cannot be read (No such file or directory)",
        ),
        ("review {log} --keys nowhere", 2, "--keys nowhere: there is no such directory"),
        ("log check-bundle it --key nowhere", 5, "nowhere: cannot be read (No such file or directory)"),
        ("log verify {log} --key {examples}", 2, "not a verification key; expected the one line"),
        ("log grep {log} x --type cal.completed", 2, "no entry type 'cal.completed'; there are call.intent,"),
        ("log export {log} --to http://127.0.0.1:1", 5, "could not be reached (Connection refused)"),
    ],
)
def test_what_is_wrong_is_told_by_its_reason(
    log: Path, tmp_path: Path, words: str, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file or option, and the reason in the system's words, not the class of an error."""
    (tmp_path / "examples.jsonl").write_text('{"text": "Hello there", "label": 0}\n')
    arguments = words.format(log=log, examples=tmp_path / "examples.jsonl").split()
    assert main(arguments) == code
    assert says in capsys.readouterr().err


def test_whoever_scans_nothing_is_told_that_the_terminal_is_read() -> None:
    """It waited, and said nothing."""
    ours, its = os.openpty()
    command = [sys.executable, "-m", "guardrails_lite", "scan", "--validators", "pii"]
    try:
        with subprocess.Popen(command, stdin=its, stdout=-1, stderr=-1, text=True) as process:
            os.write(ours, b"hello\n\x04")
            out, err = process.communicate(timeout=60)
    finally:
        os.close(ours)
        os.close(its)
    assert err == "guardrails-lite: reading standard input; Ctrl-D ends it\n"
    assert out == "1 passed\n"


def test_of_what_is_no_bundle_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """It was said to be of a log ?, made by ?, with a key to compare."""
    assert main(["log", "check-bundle", "nowhere.zip"]) == 5
    assert capsys.readouterr().out == "unreadable: bundle: there is no such file or folder\n"


def test_a_tail_of_nothing_does_not_say_that_there_is_nothing(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a log with calls it said that there were none yet."""
    assert main(["log", "tail", str(log), "--once", "--last", "0"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("lgo", "there is no 'lgo'; did you mean log? `guardrails-lite --help` lists"),
        ("log exprot audit", "there is no 'exprot'; did you mean export? `guardrails-lite log --help` lists"),
        ("log frobnicate", "there is no 'frobnicate'; `guardrails-lite log --help` lists"),
    ],
)
def test_a_word_that_is_no_command_is_told_in_a_line(
    words: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What may have been meant, and where they all are."""
    with pytest.raises(SystemExit, match="2"):
        main(words.split())
    told = capsys.readouterr().err
    assert says in told
    assert "check-bundle" not in told


def test_the_demo_takes_no_directory_with_something_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would count what is there among its own, and searched it for its texts."""
    (tmp_path / "notes.txt").write_text("mine")

    assert main(["demo", "--log", str(tmp_path)]) == 2
    assert "name a new directory" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


class Interruption:
    """What Ctrl-C does while a module is imported."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "guardrails_lite.cli._demo":
            raise KeyboardInterrupt


def test_an_interruption_during_imports_is_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They take most of a command's first second; 130 is what shells expect of Ctrl-C."""
    monkeypatch.delitem(sys.modules, "guardrails_lite.cli._demo", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interruption(), *sys.meta_path])

    assert main(["demo"]) == 130
    assert capsys.readouterr() == ("", "")


def test_faults_tells_what_a_guard_did(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each variant, and a code that CI can go by."""
    assert main(["faults", "H20", "--way", "sync", "--slack", "5"]) == 0
    assert "H20  402" in (told := capsys.readouterr().out)
    assert "1 call, none not as expected" in told
    assert main(["faults", "H20", "--way", "async", "--slack", "5", "--json"]) == 0
    (seen,) = json.loads(capsys.readouterr().out)
    assert (seen["id"], seen["way"], seen["did"], seen["wrong"]) == (
        "H20",
        "async",
        "FAIL transport failed",
        [],
    )


def test_faults_ends_with_1_where_a_guard_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A guard that never retries does not what the row of 408 expects."""
    file = tmp_path / "guard.toml"
    file.write_text("[retry]\nattempts = 1\n")

    assert main(["faults", "H21", "--guard", str(file), "--way", "sync", "--slack", "5", "--markdown"]) == 1
    assert "**FAIL transport failed instead of RETRY" in capsys.readouterr().out


def test_faults_of_no_such_row_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    """An id that names nothing is said."""
    assert main(["faults", "Q7"]) == 2
    assert "there are no faults Q7" in capsys.readouterr().err


COMMANDS = ("check", "demo", "eval", "faults", "review", "scan")
ACTIONS = tuple(f"log {action}" for action in _ACTIONS)


@pytest.mark.parametrize("command", [*COMMANDS, *ACTIONS])
def test_each_option_is_in_the_reference(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What `--help` lists, `docs/reference/cli.md` explains."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "cli.md").read_text()
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])

    listed = set(re.findall(r"(?<!\S)--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert {option for option in listed if f"`{option}" not in page and f" {option}" not in page} == set()
