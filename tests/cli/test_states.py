"""Every action of ``guardrails-lite log`` on a directory in every state that one is found in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from guardrails_lite._record import CheckStep
from guardrails_lite.audit import AuditLog, decide
from guardrails_lite.audit.index import Index
from guardrails_lite.cli import main
from guardrails_lite.cli._log import _ACTIONS
from tests.audit import forger
from tests.audit.calls import call_id, intent, record
from tests.audit.test_crash import crashed

WHO = ["--owner", "ada", "--reason", "case 12"]
ARGUMENTS: Final[dict[str, list[str]]] = {
    "ls": [],
    "show": [call_id(3)],
    "tail": ["--once"],
    "grep": ["passed"],
    "sql": ["SELECT count(*) FROM calls"],
    "stats": [],
    "spend": [],
    "latency": [],
    "rules": [],
    "review": ["--as", "ada"],
    "verify": [],
    "doctor": [],
    "repair": [],
    "prove": [call_id(3)],
    "export": ["--format", "jsonl"],
    "find-subject": ["ada@example.org"],
    "hash": ["ada@example.org"],
    "expire": ["--keep-days", "30"],
    "holds": [],
    "seal": [],
    "witness": [],
    "bundle": ["EVIDENCE", "--by", "ada", "--reason", "case 12"],
    "hold": ["ada@example.org", *WHO],
    "release": ["ffff", *WHO],
    "erase": ["ada@example.org", "--request", "r-1", "--basis", "GDPR 17(1)(b)", "--yes"],
    "reveal": [call_id(3), "--reader", "ada", "--reason", "case 12"],
    "replay": ["GUARD", "--reader", "ada", "--reason", "case 12"],
    "diff-policy": ["GUARD", "--reader", "ada", "--reason", "case 12"],
    "sample": ["--size", "2", "--by", "ada"],
    "regression": ["EVIDENCE", "--by", "ada", "--reason", "case 12"],
    "alerts": ["--once"],
}
"""What each action is asked; the first nineteen only read."""

READING: Final = list(ARGUMENTS)[:19]
WRITING: Final = list(ARGUMENTS)[19:]
OTHERS: Final = {"check-proof", "check-bundle", "schema", "ship", "fetch"}
"""Those that take no log's directory, or a database too."""


def _be_newer(log: Path) -> None:
    config = json.loads((log / "log.json").read_bytes())
    (log / "log.json").write_text(json.dumps({**config, "format": "glog/2"}))


def _be_foreign(log: Path) -> None:
    shutil.rmtree(log)
    (log / "streams").mkdir(parents=True)
    (log / "streams" / "notes.jsonl").write_text("{}\n")


def _be_empty(log: Path) -> None:
    shutil.rmtree(log)
    log.mkdir()


def _be_a_file(log: Path) -> None:
    shutil.rmtree(log)
    log.write_text("a log\n")


def _unreadable(path: Path) -> None:
    """A file that is there and cannot be read, by nobody, so not by the superuser either."""
    path.unlink()
    path.mkdir()


def _second_segment(log: Path) -> Path:
    return sorted(forger.segment(log).parent.iterdir())[1]


def _turn_every_bit(path: Path) -> None:
    path.write_bytes(bytes(byte ^ 255 for byte in path.read_bytes()))


NO_LOG: Final[dict[str, tuple[Callable[[Path], None], str]]] = {
    "newer": (_be_newer, "format 'glog/2'"),
    "without log.json": (lambda log: (log / "log.json").unlink(), "log.json"),
    "log.json cut": (lambda log: (log / "log.json").write_text('{"format"'), "log.json"),
    "log.json unreadable": (lambda log: _unreadable(log / "log.json"), "log.json"),
    "foreign": (_be_foreign, "compliance log"),
    "empty": (_be_empty, "compliance log"),
    "a file": (_be_a_file, "log"),
    "not there": (shutil.rmtree, "log"),
}
"""States in which there is nothing that can be read as a log, and what every action says of it."""

DAMAGED: Final[dict[str, Callable[[Path], None]]] = {
    "tampered": lambda log: forger.edit(log, forger.flip(4)),
    "rewritten": lambda log: forger.rewrite_all(log, 4),
    "registry tampered": lambda log: forger.edit_file(log / "registry.jsonl", forger.flip(2)),
    "registry noise": lambda log: _turn_every_bit(log / "registry.jsonl"),
    "truncated": lambda log: forger.edit_file(max(log.glob("streams/*/*.jsonl")), forger.keep(2)),
    "lines of a newer version": lambda log: forger.edit(log, _newer_lines),
    "without registry": lambda log: (log / "registry.jsonl").unlink(),
    "without a segment": lambda log: _second_segment(log).unlink(),
    "without a stream": lambda log: shutil.rmtree(forger.segment(log).parent),
    "without streams": lambda log: shutil.rmtree(log / "streams"),
    "segment unreadable": lambda log: _unreadable(forger.segment(log)),
    "registry unreadable": lambda log: _unreadable(log / "registry.jsonl"),
}
"""States of a log that is not what was written."""

KEYS: Final[dict[str, tuple[Callable[[Path], None], str]]] = {
    "without keys": (lambda log: shutil.rmtree(log / "keys"), "keys of this log are missing"),
    "without signing.key": (lambda log: (log / "keys" / "signing.key").unlink(), "signing key"),
    "signing.key unreadable": (lambda log: _unreadable(log / "keys" / "signing.key"), "signing key"),
    "without pseudonym.key": (lambda log: (log / "keys" / "pseudonym.key").unlink(), "pseudonyms' key"),
    "pseudonym.key cut": (lambda log: (log / "keys" / "pseudonym.key").write_text("{"), "pseudonyms' key"),
}
"""States of a log that is whole and to which nothing can be added, and why."""


def _newer_lines(lines: list[bytes]) -> list[bytes]:
    return [line.replace(b'{"v":1,', b'{"v":2,') for line in lines]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of two closed streams, the first of several segments, with kept texts."""
    place = tmp_path_factory.mktemp("states")
    options: dict[str, Any] = {"capture": "redacted", "heartbeat_s": None, "checkpoint_every": 8}
    with AuditLog(place / "log", segment_bytes=6000, **options) as log:
        for number in range(8):
            log.intent(intent(number))
            log(record(number, texts=(("input", "user", "correct horse"),)))
        odd = CheckStep("warn(odd)", "input", 0, "found", None, (), 1, 0, 1.0, None)
        log(record(24, steps=(odd,), texts=(("input", "user", "so odd"),)))
        with Index(place / "log", at=place / "index.sqlite") as index:
            index.update()
            decide(log, index, call_id(24), odd.rule, "true positive", reviewer="ada")
    with AuditLog(place / "log", **options) as log:
        for number in range(20, 24):
            log(record(number))
    (place / "guard.toml").write_text('name = "other"\n')
    return place


class Tried:
    """Actions run one by one, each on a fresh copy of the log in the state that *change* makes."""

    def __init__(self, made: Path, place: Path, change: Callable[[Path], None], capsys: Any) -> None:
        self._made, self._place, self._change, self._capsys = made, place, change, capsys

    def run(self, action: str) -> tuple[int, str, str, bool]:
        """Its exit code, what it printed and said, and whether it changed a byte of the log."""
        place = self._place / action
        log = place / "log"
        shutil.copytree(self._made / "log", log)
        self._change(log)
        before = content(log)
        given = {"EVIDENCE": str(place / "evidence.zip"), "GUARD": str(self._made / "guard.toml")}
        code = main(["log", action, str(log), *(given.get(each, each) for each in ARGUMENTS[action])])
        said = self._capsys.readouterr()
        return code, said.out, said.err, content(log) != before


def content(log: Path) -> dict[str, bytes | None]:
    """Every file, but for the index, which is derived."""
    paths = [log] if log.is_file() else sorted(log.rglob("*"))
    return {
        path.relative_to(log).as_posix(): path.read_bytes() if path.is_file() else None
        for path in paths
        if not path.name.startswith("index.sqlite")
    }


def test_every_action_is_tried() -> None:
    """One that is added comes here too."""
    assert set(ARGUMENTS) | OTHERS == set(_ACTIONS)


def test_a_whole_log_is_nothing_to_speak_of(made: Path, tmp_path: Path, capsys: Any) -> None:
    """No warning, and what only reads changes nothing."""
    tried = Tried(made, tmp_path, lambda log: None, capsys)
    for action in ARGUMENTS:
        code, _, err, changed = tried.run(action)
        assert (action, code, err) in ((action, 0, ""), ("release", 1, err)), action
        assert not (changed and action in READING), action


def test_an_unsealed_tail_is_no_damage(made: Path, tmp_path: Path, capsys: Any) -> None:
    """A process that was killed leaves one; whoever asks whether the log is whole is told."""
    shutil.copytree(made, tmp_path / "left")
    crashed(tmp_path / "left" / "log")
    tried = Tried(tmp_path / "left", tmp_path, lambda log: None, capsys)
    for action in ARGUMENTS:
        code, _, err, changed = tried.run(action)
        assert code == {"verify": 4, "doctor": 4, "repair": 1, "release": 1}.get(action, 0), action
        assert err == "" or action == "release", action
        assert not (changed and action in READING), action


@pytest.mark.parametrize("state", NO_LOG)
def test_what_is_no_log_is_refused(made: Path, tmp_path: Path, capsys: Any, state: str) -> None:
    """By every action, with 5 and what it is; nothing is made or changed there."""
    change, what = NO_LOG[state]
    tried = Tried(made, tmp_path, change, capsys)
    for action in ARGUMENTS:
        code, out, err, changed = tried.run(action)
        assert (code, changed) == (5, False), action
        assert what in out + err, action
        assert out == "" or action in ("verify", "doctor", "alerts"), action


@pytest.mark.parametrize("state", DAMAGED)
def test_damage_is_told_by_every_action(made: Path, tmp_path: Path, capsys: Any, state: str) -> None:
    """In a line, with a documented code; nothing is mended, and what only reads changes nothing."""
    tried = Tried(made, tmp_path, DAMAGED[state], capsys)
    for action in ARGUMENTS:
        code, out, err, changed = tried.run(action)
        assert code in range(6), action
        assert "Traceback" not in out + err, action
        if action in ("verify", "doctor", "repair"):
            assert code in (2, 3, 5), action
        if not _may_be_silent(action, state):
            told = out + err if action in ("verify", "doctor", "bundle", "alerts") else err
            words = ("damage", "cut short", "not what was written", "tampered", "truncated", "unreadable")
            assert any(word in told for word in (*words, "cannot be read", "missing files")), action
        assert not (changed and action in READING), action
        if state == "registry noise" and action in WRITING:
            assert not changed or action == "alerts", action  # which remembers what it has told


def _may_be_silent(action: str, state: str) -> bool:
    """`hash` reads no entry; `expire` looks at what is old; lists check hashes, and no signature."""
    from_the_index = set(READING) - {"grep", "verify", "doctor", "repair", "prove", "export", "find-subject"}
    return action in ("hash", "expire") or (state == "rewritten" and action in from_the_index - {"holds"})


@pytest.mark.parametrize("state", KEYS)
def test_without_its_keys_a_log_stays_readable(made: Path, tmp_path: Path, capsys: Any, state: str) -> None:
    """What would add to it says why it cannot, with 5, and destroys or makes nothing."""
    change, why = KEYS[state]
    tried = Tried(made, tmp_path, change, capsys)
    for action in ARGUMENTS:
        code, _, err, changed = tried.run(action)
        if action in WRITING and action not in ("release", "alerts"):
            assert (code, changed) == (5, False), action
            assert why in err, action
        elif action in ("release", "alerts", "holds", "expire", "hash", "find-subject"):
            assert code in (0, 1, 5), action
        else:
            assert (code, err, changed) == (0, "", False), action


@pytest.mark.parametrize(
    ("change", "code", "why"),
    [
        (lambda log: (log / "keys" / "vault.key").unlink(), 5, "the vault's key cannot be read"),
        (lambda log: _unreadable(log / "keys" / "vault.key"), 5, "the vault's key cannot be read"),
        (lambda log: shutil.rmtree(log / "vault"), 5, "No such file or directory"),
        (lambda log: _turn_every_bit(next(log.glob("vault/*.boxes"))), 2, "the box or its key was changed"),
    ],
)
def test_kept_texts_that_cannot_be_opened(
    made: Path, tmp_path: Path, capsys: Any, change: Callable[[Path], None], code: int, why: str
) -> None:
    """`reveal` says which part is missing or was changed."""
    found, out, err, _ = Tried(made, tmp_path, change, capsys).run("reveal")
    assert (found, out) == (code, "")
    assert why in err
