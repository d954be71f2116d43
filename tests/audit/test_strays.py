"""Kept texts without a record: taken back where that fails, overwritten where a process died."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from guardrails_lite import ConfigError, LogUnavailable
from guardrails_lite.audit import (
    AuditLog,
    Disk,
    KeptText,
    Stray,
    clear_strays,
    diagnose,
    hold,
    release,
    reveal,
    strays,
    verify,
)
from guardrails_lite.cli import main
from tests.audit import forger
from tests.audit.calls import call_id, record

pytest.importorskip("cryptography")

ROOT = Path(__file__).parents[2]
KILLED = """\
import os, signal, sys
from guardrails_lite.audit import AuditLog, Disk, KeptText
from tests.audit.calls import record

def write(fd, data):
    if b'"t":"call.completed"' in data and b"%032x" % 2 in data:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.write(fd, data)

log = AuditLog(sys.argv[1], capture="sealed", disk=Disk(write=write))
said = ("input", "user", "hi")
log(record(1, texts=(said,), who={"user": "ada"}))
log.sealed(record(2, texts=(said,), who={"user": "ada"}), [KeptText("input", "user", "what ada said")])
"""


def killed(root: Path) -> None:
    """A process that dies between the texts of its second call and their record."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(root)], check=False, cwd=ROOT)
    assert done.returncode == -9


def bytes_of_texts(root: Path) -> int:
    """How many bytes of the vault's boxes are something."""
    return sum(len(path.read_bytes().replace(b"\0", b"")) for path in root.glob("vault/*.boxes"))


@pytest.mark.parametrize("on_failure", ["closed", "open"])
def test_where_the_record_cannot_be_written_the_texts_do_not_stay(tmp_path: Path, on_failure: Any) -> None:
    """Law: a text that no entry names is not in the vault, and the next call's is opened as ever."""
    full = False

    def write(fd: int, data: bytes) -> int:
        if full and data.startswith(b'{"v":1'):
            os.write(fd, data[:17])
            raise OSError(errno.ENOSPC, "injected")
        return os.write(fd, data)

    log = AuditLog(tmp_path, capture="redacted", on_failure=on_failure, disk=Disk(write=write))
    log(record(1, texts=(("input", "user", "one"),)))
    before = bytes_of_texts(tmp_path)
    full = True
    if on_failure == "open":
        log(record(2, texts=(("input", "user", "two"),)))
    else:
        with pytest.raises(LogUnavailable):
            log(record(2, texts=(("input", "user", "two"),)))
    assert bytes_of_texts(tmp_path) == before
    full = False
    log(record(3, texts=(("input", "user", "three"),)))
    log.close()

    assert strays(tmp_path) == []
    assert [reveal(log, call_id(n), reader="a", reason="t")[0][2] for n in (1, 3)] == ["one", "three"]
    log.close()


def test_a_small_volume_that_is_full_keeps_no_stray_text(tmp_path: Path) -> None:
    """The same on a real one: calls until it is full, each with more text than record."""
    program = (
        "import sys\n"
        "from guardrails_lite import LogUnavailable\n"
        "from guardrails_lite.audit import AuditLog, strays, verify\n"
        "from tests.audit.calls import record\n"
        "log = AuditLog(sys.argv[1], capture='redacted', mode='async')\n"
        "lost = 0\n"
        "for number in range(400):\n"
        "    try:\n"
        "        log(record(number, texts=(('input', 'user', 'x' * 50 * (number % 60)),)))\n"
        "    except LogUnavailable:\n"
        "        lost += 1\n"
        "assert lost, 'the volume was never full'\n"
        "log.vault.close()\n"
        "print(strays(sys.argv[1]), verify(sys.argv[1]).state)\n"
    )
    mounted = f'mount -t tmpfs -o size=256k none {tmp_path} && exec {sys.executable} -c "$0" {tmp_path}/log'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mounted, program],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("this system lets nobody mount a volume of their own")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split(" ")[0] == "[]"


def test_what_a_killed_process_left_is_found_and_overwritten(tmp_path: Path) -> None:
    """Law: the doctor tells of it and changes nothing; the repair overwrites it, and the log says what."""
    killed(tmp_path)
    before = bytes_of_texts(tmp_path)
    (stray,) = strays(tmp_path)
    advice = " ".join(diagnose(tmp_path).advice)
    assert f"{stray.bytes} bytes of kept texts have no record" in advice
    assert bytes_of_texts(tmp_path) == before

    with AuditLog(tmp_path) as log:
        assert clear_strays(log) == [stray]
        assert strays(tmp_path) == []
        assert bytes_of_texts(tmp_path) < before
        assert clear_strays(log) == []
        assert reveal(log, call_id(1), reader="officer", reason="T-1") == (KeptText("input", "user", "hi"),)
    (told,) = log.records("log.repaired")
    assert told.data == {"removed": [{"file": stray.file, "offset": stray.offset, "bytes": stray.bytes}]}
    assert verify(tmp_path).ok


def test_the_command_repairs_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what it would do, does it, and then finds nothing more to do."""
    killed(tmp_path)
    (stray,) = strays(tmp_path)

    assert main(["log", "repair", str(tmp_path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["strays"][0]["bytes"] == stray.bytes
    assert main(["log", "repair", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    told = f"would close off 1 stream of ended processes, overwrite {stray.bytes} bytes of kept texts"
    assert printed.startswith(told)
    assert main(["log", "repair", str(tmp_path), "--yes"]) == 0
    assert f"overwrote {stray.bytes} bytes" in capsys.readouterr().out
    assert main(["log", "repair", str(tmp_path)]) == 0


def test_what_is_held_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whose a stray text is cannot be told, so a hold on somebody with a key beside it keeps it."""
    killed(tmp_path)
    with AuditLog(tmp_path) as log:
        held = hold(log, "ada", owner="counsel", reason="case")
        assert clear_strays(log) == []
    assert main(["log", "repair", str(tmp_path), "--yes"]) == 0
    assert "stay, because a hold or a restriction may apply to them" in capsys.readouterr().out
    with AuditLog(tmp_path) as log:
        release(log, held, owner="counsel", reason="closed")
        assert len(clear_strays(log)) == 1


def test_a_running_process_has_none(tmp_path: Path) -> None:
    """Between the texts and the record of its call nothing may be taken from it."""
    seen: list[list[Stray]] = []

    def write(fd: int, data: bytes) -> int:
        if b'"t":"call.completed"' in data:
            seen.append(strays(tmp_path))
        return os.write(fd, data)

    with AuditLog(tmp_path, capture="redacted", disk=Disk(write=write)) as log:
        log(record(1, texts=(("input", "user", "hi"),)))

    assert seen == [[]]


def test_the_texts_of_records_that_somebody_removed_stay(tmp_path: Path) -> None:
    """X17: they are what is left of the evidence."""
    with AuditLog(tmp_path, capture="redacted") as log:
        log(record(1, texts=(("input", "user", "hi"),)))
        log(record(2, texts=(("input", "user", "hi"),)))
    before = bytes_of_texts(tmp_path)
    forger.edit(tmp_path, forger.delete(2))

    assert len(strays(tmp_path)) == 1
    with AuditLog(tmp_path) as log, pytest.raises(ConfigError, match="no kept text may be removed"):
        clear_strays(log)
    assert main(["log", "repair", str(tmp_path), "--yes"]) == 2
    assert bytes_of_texts(tmp_path) == before


@pytest.mark.parametrize("spelled", [b'"ref":"', b'"ref": "', b'"ref"\t:"'])
@pytest.mark.parametrize("tag", [{}, {"kind": "ref"}, {"ref": "order-17"}])
def test_what_a_record_names_is_no_stray_however_it_is_spelled(
    tmp_path: Path, spelled: bytes, tag: dict[str, str]
) -> None:
    """Places are read from a record's bytes, which other writers may space and tags may resemble."""
    with AuditLog(tmp_path, capture="sealed") as log:
        said = KeptText("input", "user", 'it said "ref":"x:0:1:2"')
        log.sealed(record(1, texts=(("input", "user", "hi"),), who={"user": "ada", **tag}), [said])
    (segment,) = tmp_path.glob("streams/*/*.jsonl")
    written = segment.read_bytes()
    assert written.count(b'"ref":"') == 2 + ("ref" in tag)
    segment.write_bytes(written.replace(b'"ref":"', spelled))

    assert strays(tmp_path) == []
