"""The command that serves the desk."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from guardrails_lite.cli import main


def test_the_command_serves_until_it_is_interrupted(root: Path) -> None:
    """It says where it is, answers there, and ends its stream of the log when it is told to stop."""
    command = [sys.executable, "-m", "guardrails_lite", "review", str(root), "--port", "0", "--as", "ada"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().removeprefix("Review desk on ").strip()
        page = httpx.get(address, timeout=60)
        assert "Reviewing as <strong>ada</strong>" in page.text
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
    assert list((root / "open").iterdir()) == []


def test_the_command_tells_its_operator_of_wrong_tokens(root: Path, tmp_path: Path) -> None:
    """On its terminal, without the token; what a proxy says of an address cannot steer it."""
    (tmp_path / "tokens").write_text(f"ada {'a' * 16}\n")
    command = [sys.executable, "-m", "guardrails_lite", "review", str(root), "--port", "0"]
    command += ["--tokens", str(tmp_path / "tokens")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().removeprefix("Review desk on ").strip()
        headers = {"X-Forwarded-For": "192.0.2.7\x1b[2J"}
        wrong = httpx.post(f"{address}/enter", data={"token": "secret"}, headers=headers, timeout=60)
        assert wrong.status_code == 403
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert "wrong token at the review desk, from 192.0.2.7" in said
    assert said.count("wrong token") == 1
    assert "secret" not in said
    assert "\x1b[2J" not in said


@pytest.mark.parametrize(
    ("arguments", "code", "match"),
    [
        (["--host", "0.0.0.0"], 2, "need tokens"),
        (["--tokens", "nothing"], 2, "cannot be read"),
    ],
)
def test_what_the_command_refuses(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, match: str
) -> None:
    """Nothing is served beyond this machine without tokens, and wrong settings are named."""
    assert main(["review", str(root), *arguments]) == code
    assert match in capsys.readouterr().err


@pytest.mark.parametrize(("option", "value"), [("--needs", "0"), ("--port", "65536"), ("--port", "http")])
def test_what_can_be_no_number_is_wrong_use(
    root: Path, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    """It says which numbers can be."""
    with pytest.raises(SystemExit) as ended:
        main(["review", str(root), option, value])
    assert ended.value.code == 2
    assert f"argument {option}: {value!r} is not a whole number, " in capsys.readouterr().err


def test_a_port_in_use_is_not_a_word_about_the_log(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It ended with 3, which means a log that was cut short; and the way out is named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["review", str(root), "--port", str(port)]) == 5
    said = capsys.readouterr().err
    assert f"--host 127.0.0.1 --port {port}: cannot serve there: Address already in use" in said
    assert "--port 0 takes any free port" in said


def test_the_command_needs_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory that is no log is said to be none."""
    assert main(["review", str(tmp_path)]) == 5
    assert "not a compliance log" in capsys.readouterr().err
