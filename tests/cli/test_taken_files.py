"""Files that are taken out of a log: new, whole, for one user, outside the log, and harmless to open."""

from __future__ import annotations

import csv
import io
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from guardrails_lite.audit import AuditLog, verify
from guardrails_lite.audit._new_file import new_file
from guardrails_lite.audit.export import export
from guardrails_lite.cli import main
from tests.audit.calls import call_id, record

WHO = ("--by", "ada", "--reason", "case 12")
TAKING: dict[str, Callable[[Path, Path], list[str]]] = {
    "export": lambda log, file: ["export", str(log), "--output", str(file)],
    "export on record": lambda log, file: ["export", str(log), "--output", str(file), *WHO],
    "bundle": lambda log, file: ["bundle", str(log), str(file), *WHO],
    "prove": lambda log, file: ["prove", str(log), call_id(1), "--output", str(file)],
}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of one call."""
    with AuditLog(tmp_path / "log", signing="ed25519") as made:
        made(record(1))
    return tmp_path / "log"


@pytest.mark.parametrize("taking", TAKING)
def test_nothing_is_written_over(log: Path, tmp_path: Path, taking: str) -> None:
    """X15: not a file, not what a link leads to, nor the link itself, be it to nowhere."""
    file, link, lost = tmp_path / "mine", tmp_path / "link", tmp_path / "lost"
    file.write_text("mine")
    link.symlink_to(file)
    lost.symlink_to(tmp_path / "nowhere")
    for place in (file, link, lost):
        assert main(["log", *TAKING[taking](log, place)]) in (2, 5)
    assert file.read_text() == "mine"
    assert (os.readlink(link), os.readlink(lost)) == (str(file), str(tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("taking", TAKING)
def test_nothing_is_written_into_the_log(log: Path, taking: str) -> None:
    """X15: what does not belong there reads as tampering, also where the way leads around."""
    stream = next(log.glob("streams/*"))
    for place in (log / "registry.jsonl", stream / "000009.jsonl", log.parent / "log/../log/out"):
        assert main(["log", *TAKING[taking](log, place)]) in (2, 5)
    assert main(["log", "witness", str(log), "--file", str(log / "registry.jsonl")]) == 2
    assert verify(log).ok


@pytest.mark.parametrize("taking", TAKING)
def test_it_is_for_one_user_and_nothing_lies_beside_it(log: Path, tmp_path: Path, taking: str) -> None:
    """Whatever the umask says; and the file was whole before it had its name."""
    place = tmp_path / "out" / "taken"
    place.parent.mkdir()
    before = os.umask(0)
    try:
        assert main(["log", *TAKING[taking](log, place)]) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert list(place.parent.iterdir()) == [place]


def test_who_was_there_first_keeps_the_name(tmp_path: Path) -> None:
    """X15: two at once; the second is told, and the first one's file is whole."""
    place = tmp_path / "taken"
    with new_file(place) as file:
        file.write(b"first")
        with pytest.raises(FileExistsError), new_file(place):
            raise AssertionError("not reached")
    assert place.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [place]


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_half_a_file_never_has_the_name(tmp_path: Path, end: signal.Signals) -> None:
    """X16: after Ctrl-C nothing is there; after a kill a file that nobody takes for whole: it is empty."""
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background ignores it
        "from guardrails_lite.audit._new_file import new_file\n"
        "with new_file(Path(sys.argv[1])) as file:\n"
        "    file.write(b'half')\n"
        "    file.flush()\n"
        f"    os.kill(os.getpid(), {int(end)})\n"
        "    import time; time.sleep(60)\n"
    )
    place = tmp_path / "taken"
    subprocess.run([sys.executable, "-c", program, str(place)], check=False, stderr=subprocess.DEVNULL)
    if end == signal.SIGINT:
        assert list(tmp_path.iterdir()) == []
    else:
        assert place.read_bytes() == b""


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("=1+1", "'=1+1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        (" \t@SUM(A1)", " \\u{9}@SUM(A1)"),
        ("x;=cmd|'/c calc'!A1", "x;'=cmd|'/c calc'!A1"),
        ("x;  -2", "x;'  -2"),
        ("\x1b]0;taken\x07", "\\u{1b}]0;taken\\u{7}"),
        ("a\u202eb", "a\\u{202e}b"),
        ("a\nb\ud800", "a\\u{a}b\\u{d800}"),
        ("gpt-5 mini; fast-1", "gpt-5 mini; fast-1"),
    ],
)
def test_a_cell_is_only_text(tmp_path: Path, said: str, written: str) -> None:
    """X14: no spreadsheet runs it, in any country, and no terminal obeys it."""
    with AuditLog(tmp_path / "log") as made:
        made(record(1, model=said))
    table = io.StringIO("".join(export(tmp_path / "log", "csv")), newline="")
    (row,) = csv.DictReader(table)
    # What is no character is a question mark already in the record.
    assert row["model"].replace("?", "\\u{d800}") == written


def test_an_export_is_utf_8_whatever_the_terminal_speaks(tmp_path: Path) -> None:
    """A name that the terminal's encoding lacks ended the command halfway, with a traceback."""
    with AuditLog(tmp_path / "log") as made:
        made(record(1, model="modèle"))
    command = [sys.executable, "-m", "guardrails_lite", "log", "export", str(tmp_path / "log")]
    done = subprocess.run(
        command, check=True, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}
    )
    assert "modèle".encode() in done.stdout
