"""``guardrails-lite log alerts``, as a schedule, a watching process and a person use it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from guardrails_lite import AuditLog
from guardrails_lite.audit import read
from guardrails_lite.cli import main
from tests.alerts.facts import NOW, log_calls, rule
from tests.audit import forger
from tests.audit.calls import record

Run = Callable[..., Any]
HOSTILE = "m\x1b[31m\u202e<script>"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A log with two blocked calls, and a rule about them beside it."""
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rule(fields=["model"], level="high")))
    blocked = {"outcome": "blocked", "model": HOSTILE}
    log_calls(tmp_path / "log", [{"number": 1}, {"number": 2, **blocked}, {"number": 3, **blocked}])
    return tmp_path / "log"


@pytest.fixture
def run(root: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command on it with that rule; what it printed, and its errors."""

    def run(*arguments: object, code: int = 0) -> tuple[str, str]:
        rules = ("--no-shipped", "--rules", root.parent / "rules.yml", "--since", "2020-01-01")
        told = [str(one) for one in (root, *rules, *arguments)]
        assert main(["log", "alerts", *told]) == code
        printed = capsys.readouterr()
        return printed.out, printed.err

    return run


def test_once_tells_what_is_new_and_says_so_by_its_code(run: Run) -> None:
    """1 where there is something new, 0 where there is not."""
    told, error = run("--once", code=1)
    assert [line.split("  ")[0] for line in told.splitlines()] == ["2025-11-24 16:00:00"] * 2
    assert "high" in told
    assert "Rule 1" in told
    assert error == ""
    assert run("--once") == ("", "")


def test_what_is_printed_cannot_steer_a_terminal(run: Run) -> None:
    """Values of a log are hostile, in text and in JSON."""
    told = run("--dry-run", code=1)[0] + run("--dry-run", "--json", code=1)[0]
    assert "\x1b" not in told
    assert "\u202e" not in told


@pytest.mark.parametrize("option", ["--every", "--verify-every", "--timeout"])
@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon"])
def test_a_time_that_is_none_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    """Before anything is looked at, and with the option named."""
    with pytest.raises(SystemExit) as ended:
        main(["log", "alerts", str(root), f"{option}={value}"])
    assert ended.value.code == 2
    assert f"argument {option}: {value!r} is not a number of seconds" in capsys.readouterr().err


def test_json_comes_line_by_line(run: Run) -> None:
    """One alert on each, as it is recorded."""
    alerts = [json.loads(line) for line in run("--once", "--json", code=1)[0].splitlines()]
    assert [alert["fields"]["model"] for alert in alerts] == [HOSTILE, HOSTILE]


def test_a_dry_run_leaves_no_trace(run: Run, root: Path) -> None:
    """It finds the same each time, and nothing is recorded, sent or remembered."""
    before = {path.name for path in root.rglob("*")}
    first = json.loads(run("--dry-run", "--json", "--run", "/no/such/program", code=1)[0])
    assert json.loads(run("--dry-run", "--json", code=1)[0]) == first
    assert {path.name for path in root.rglob("*")} - before <= {"index.sqlite"}
    assert [json.loads(line)["id"] for line in run("--once", "--json", code=1)[0].splitlines()] == [
        alert["id"] for alert in first
    ]


def test_rules_can_be_listed_and_chosen(run: Run, capsys: pytest.CaptureFixture[str], root: Path) -> None:
    """The shipped ones, one's own, and those of a level and above."""
    (mine,) = json.loads(run("--list", "--json")[0])
    assert (mine["title"], mine["level"]) == ("Rule 1", "high")
    assert run("--once", "--level", "critical") == ("", "")
    assert main(["log", "alerts", str(root), "--list"]) == 0
    assert "Spend jumped" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rules", "none.yml"], "none.yml: cannot be read"),
        (["--webhook", "http://example.org/s3cret"], "the webhook on example.org is not encrypted"),
        (["--webhook", "env:NO_SUCH_THING"], "the environment has no variable 'NO_SUCH_THING'"),
        (["--run", "'"], "--run: a quotation mark is not closed"),
        (["--run", ""], "the command for alerts has no program"),
    ],
)
def test_wrong_use_is_2(run: Run, arguments: list[str], said: str) -> None:
    """Before anything is looked at, and without a secret in the error."""
    told, error = run("--once", *arguments, code=2)
    assert said in error
    assert "s3cret" not in error
    assert told == ""


def test_what_cannot_be_sent_is_5(run: Run, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    """Told on standard error without the address, recorded all the same, and tried again."""
    monkeypatch.setenv("HOOK", "http://ada:s3cret@127.0.0.1:1/s3cret")
    told, error = run("--once", "--webhook", "env:HOOK", code=5)
    assert len(told.splitlines()) == 2
    assert error.count("http://127.0.0.1:1 could not be reached (") == 2
    assert "s3cret" not in error
    assert len(list(read(root, kind="alert.raised"))) == 2
    assert "could not be reached" in run("--once", "--webhook", "env:HOOK", code=5)[1]


def test_a_log_that_cannot_be_opened_is_told_of(run: Run, root: Path, tmp_path: Path) -> None:
    """5, and the alarm goes out; so does that of a log that was tampered with."""
    keep = tmp_path / "kept"
    program = f"{sys.executable} -c \"import sys; open({str(keep)!r}, 'ab').write(sys.stdin.buffer.read())\""
    shipped = ["log", "alerts", str(root), "--once", "--level", "critical", "--run", program]
    forger.edit(root, forger.flip(2))
    assert main(shipped) == 1
    assert json.loads(keep.read_text())["fields"]["state"] == "tampered"
    keep.unlink()
    (root / "log.json").unlink()
    assert main(shipped) == 5
    assert json.loads(keep.read_text())["fields"]["state"] == "unreadable"


def test_a_process_killed_while_it_sends_repeats_a_sending_at_worst(root: Path, tmp_path: Path) -> None:
    """Killed for good by the very program that takes the alert; the next run goes on."""
    kept = tmp_path / "kept"
    program = tmp_path / "take.py"
    program.write_text(
        "import os, pathlib, signal, sys\n"
        f"kept = pathlib.Path({str(kept)!r})\n"
        "first = not kept.exists()\n"
        "with kept.open('ab') as file:\n"
        "    file.write(sys.stdin.buffer.read() + b'\\n')\n"
        "if first:\n"
        "    os.kill(os.getppid(), signal.SIGKILL)\n"
    )
    line = [sys.executable, "-m", "guardrails_lite", "log", "alerts", str(root), "--once", "--no-shipped"]
    line += ["--rules", str(tmp_path / "rules.yml"), "--since", "2020-01-01"]
    line += ["--run", f"{sys.executable} {program}"]
    codes = [subprocess.run(line, stdout=subprocess.DEVNULL).returncode for _ in range(2)]
    assert codes == [-signal.SIGKILL, 0]
    taken = [json.loads(one) for one in kept.read_text().splitlines()]
    raised = [entry.id for entry in read(root, kind="alert.raised")]
    assert [alert["id"] for alert in taken] == [raised[0], *raised]
    assert len(set(raised)) == 2


def test_a_watching_process_tells_as_it_happens(root: Path) -> None:
    """Calls that end in other processes while it runs; it ends when it is interrupted."""
    line = [sys.executable, "-m", "guardrails_lite", "log", "alerts", str(root), "--no-shipped", "--json"]
    line += ["--rules", str(root.parent / "rules.yml"), "--since", "2020-01-01", "--every", "0.1"]
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run as a job
    watcher = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, inherited)
    assert watcher.stdout is not None
    with watcher:
        try:
            assert {json.loads(watcher.stdout.readline())["call"] for _ in range(2)} == {
                f"{2:032x}",
                f"{3:032x}",
            }
            with AuditLog(root) as log:
                log(record(30, outcome="blocked", started=float(NOW)))
            assert json.loads(watcher.stdout.readline())["call"] == f"{30:032x}"
            watcher.send_signal(signal.SIGINT)
            assert watcher.wait(timeout=60) in (0, 1)
        finally:
            watcher.kill()
