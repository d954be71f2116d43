"""`diagnose`: what a directory is, what can be trusted, what to do."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from guardrails_lite.audit import AuditLog, close_off, diagnose, verify
from tests.audit import forger
from tests.audit.calls import record


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A log of two streams, ten calls each."""
    for part in (range(10), range(10, 20)):
        with AuditLog(tmp_path / "log") as log:
            for number in part:
                log(record(number))
    return tmp_path / "log"


def streams(root: Path) -> list[Path]:
    return sorted((root / "streams").iterdir())


def without(*parts: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        for part in parts:
            path = root / part
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    return change


def newer(root: Path) -> None:
    config = json.loads((root / "log.json").read_text())
    (root / "log.json").write_text(json.dumps({**config, "format": "glog/2"}))


@pytest.mark.parametrize(
    ("change", "kind", "code", "what", "advice"),
    [
        (lambda root: None, "whole", 0, "intact", "keep verify.key elsewhere"),
        (without("log.json"), "half-copied", 5, "without its log.json", "Copy the whole log again"),
        (
            without("log.json", "registry.jsonl", "streams"),
            "foreign",
            5,
            "not a compliance log",
            "Give the directory",
        ),
        (lambda root: shutil.rmtree(root), "missing", 5, "there is nothing", "Give the directory"),
        (newer, "newer", 5, "'glog/2', but this library reads 'glog/1'", "the version .* that wrote it"),
        (
            lambda root: (root / "log.json").write_text("{"),
            "damaged",
            5,
            "cannot be read",
            "first entry repeats",
        ),
        (
            lambda root: shutil.rmtree(streams(root)[0]),
            "half-copied",
            3,
            "missing files",
            "Copy what is missing",
        ),
        (without("registry.jsonl"), "half-copied", 5, "missing files", "registry.jsonl"),
        (
            lambda root: forger.edit(root, forger.flip(4)),
            "damaged",
            2,
            "not what was written",
            "it is evidence",
        ),
    ],
)
def test_each_state_is_named_with_its_remedy(
    root: Path, change: Callable[[Path], None], kind: str, code: int, what: str, advice: str
) -> None:
    """Foreign, newer, damaged, half-copied: each in a sentence, with what to do."""
    change(root)

    found = diagnose(root)

    assert (found.kind, found.exit_code) == (kind, code)
    assert what in found.what
    assert re.search(advice, " ".join(found.advice))


def test_what_can_be_trusted_ends_before_the_damage(root: Path) -> None:
    """Per stream: all of it, or up to the first entry that is not what was written."""
    forger.edit(root, forger.flip(4))

    damaged, whole = diagnose(root).trusted

    assert damaged.endswith(": the first 4 of 13 entries")
    assert whole.endswith(": all 13 entries")


def test_a_forged_registry_leaves_nothing_to_trust(root: Path) -> None:
    """The streams hang from the registry."""
    path = root / "registry.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"stream.closed"', b'"stream.c1osed"', 1))

    assert all(line.endswith(": nothing") for line in diagnose(root).trusted)


def test_looking_changes_nothing(root: Path) -> None:
    """Not one byte, whatever is wrong."""
    forger.edit(root, forger.delete(3))
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}

    diagnose(root)

    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_the_streams_of_killed_processes_are_closed_off(root: Path) -> None:
    """Before: an unsealed tail. After: where it ended is in the registry, and no line was changed."""
    program = (
        "import os, signal\n"
        "from guardrails_lite.audit import AuditLog\n"
        "from tests.audit.calls import record\n"
        f"log = AuditLog({str(root)!r})\n"
        "log(record(90))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=False, cwd=Path(__file__).parents[2])
    found = diagnose(root)
    assert (found.kind, found.exit_code) == ("unsealed", 4)
    assert "1 stream left by processes that crashed or were killed" in " ".join(found.advice)
    lines = {path: path.read_bytes() for path in root.glob("streams/*/*.jsonl")}

    with AuditLog(root) as log:
        (closed,) = close_off(log)

    assert closed["size"] == 2
    assert verify(root).ok
    assert {path: path.read_bytes() for path in lines} == lines
