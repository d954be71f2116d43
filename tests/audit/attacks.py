"""What can be done to a log, to evidence of it and to its copy in a database, and what finds it.

`docs/reference/attacks.md` is made of these rows, and the tests try each of them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from guardrails_lite.audit import AuditLog
from guardrails_lite.audit._chain import State
from guardrails_lite.audit._keys import load_key
from guardrails_lite.audit._note import unb64
from tests.audit import forger
from tests.audit.calls import record
from tests.audit.scene import Scene

VICTIM: Final = 9
"""The entry that the attacks are about: a completed call in the middle of the first segment."""


@dataclass(frozen=True, slots=True)
class LogAttack:
    """One thing that is done to a log's directory, and what `verify` says of it."""

    id: str
    what: str
    needs: str
    """What the attacker has to hold."""
    finds: str
    do: Callable[[Scene], None]
    states: tuple[State, State, State]
    """Where no signature can be checked; with the log's own key; with what was kept elsewhere."""
    named: str = "–"
    """What the report names."""
    record: int | None = None
    """The entry that it names, where the attack is about one."""
    says: str = ""
    """What a message of the report has in it."""
    signing: tuple[str, ...] = ("ed25519", "hmac-sha256")


def _edit(change: forger.Edit) -> Callable[[Scene], None]:
    return lambda scene: forger.edit(scene.root, change)


def _change_three(lines: list[bytes]) -> list[bytes]:
    changed = range(VICTIM, VICTIM + 3)
    return [
        line.replace(b'"d":{', b'"d":{"x":1,') if at in changed else line for at, line in enumerate(lines)
    ]


def _unchain(lines: list[bytes]) -> list[bytes]:
    held = json.loads(lines[VICTIM])["p"].encode()
    return [*lines[:VICTIM], lines[VICTIM].replace(held, b"0" * 64), *lines[VICTIM + 1 :]]


def _sign_with_the_stolen_key(scene: Scene) -> None:
    held = json.loads((scene.root / "keys" / "signing.key").read_bytes())
    log = json.loads((scene.root / "log.json").read_bytes())["log"]
    stream = forger.segment(scene.root).parent.name
    key = load_key(held["algorithm"], f"{log}/{stream}", unb64(held["secret"]))
    forger.edit(scene.root, forger.rewrite(VICTIM, key))


def _rewrite_running(scene: Scene) -> None:
    forger.edit_file(scene.open_segment, forger.rewrite(2, scene.running))


def _rewrite_running_and_roll_the_registry_back(scene: Scene) -> None:
    _rewrite_running(scene)
    for name in ("registry.jsonl", "keys/signing.key"):
        shutil.copy(scene.earlier / name, scene.root / name)


def _cut_unsigned(scene: Scene) -> None:
    with scene.open_segment.open("ab") as file:
        file.write(scene.unsigned)
    forger.edit_file(scene.open_segment, forger.keep_to_checkpoint(-1))


def _cut_registry(scene: Scene) -> None:
    forger.edit_file(scene.root / "registry.jsonl", lambda lines: lines[:-2])


def _cut_registry_and_remove_the_key(scene: Scene) -> None:
    _cut_registry(scene)
    (scene.root / "keys" / "signing.key").unlink()


def _add_stream(scene: Scene) -> None:
    path = forger.segment(scene.root).parent
    shutil.copytree(path, path.with_name("20260101t000000-1-abcdefabcdef"))


def _describe_otherwise(scene: Scene) -> None:
    path = scene.root / "log.json"
    path.write_text(path.read_text().replace("created_ns", "creation_ns"))


def _replace(scene: Scene) -> None:
    signing = json.loads((scene.root / "log.json").read_bytes())["algorithm"]
    shutil.rmtree(scene.root)
    with AuditLog(scene.root, heartbeat_s=None, signing=signing) as log:
        log(record(1))


def _empty(scene: Scene) -> None:
    for path in (scene.root / "registry.jsonl", *scene.root.glob("streams/*/*.jsonl")):
        path.write_bytes(b"")


FILES: Final = "write access to the files"
OWN_KEYS: Final = "the files, keys of their own"
MISSING: Final = "the first entry that is missing"

NOWHERE: Final[tuple[State, State, State]] = ("intact", "intact", "intact")
TAMPERED: Final[tuple[State, State, State]] = ("tampered", "tampered", "tampered")
TRUNCATED: Final[tuple[State, State, State]] = ("truncated", "truncated", "truncated")
BY_HEAD: Final[tuple[State, State, State]] = ("intact", "intact", "truncated")

LOG: Final = (
    LogAttack(
        "L01",
        "flips one bit of an entry",
        FILES,
        "chain",
        _edit(forger.flip(VICTIM)),
        TAMPERED,
        "the entry",
        VICTIM,
    ),
    LogAttack(
        "L02", "removes an entry", FILES, "chain", _edit(forger.delete(VICTIM)), TAMPERED, MISSING, VICTIM
    ),
    LogAttack(
        "L03",
        "swaps two entries",
        FILES,
        "chain",
        _edit(forger.swap(VICTIM)),
        TAMPERED,
        "the first of them",
        VICTIM,
    ),
    LogAttack(
        "L04",
        "repeats an entry",
        FILES,
        "chain",
        _edit(forger.duplicate(VICTIM)),
        TAMPERED,
        "the second of them",
        VICTIM + 1,
    ),
    LogAttack(
        "L05",
        "inserts an entry",
        FILES,
        "chain",
        _edit(forger.insert(VICTIM)),
        TAMPERED,
        "the one behind it",
        VICTIM + 1,
    ),
    LogAttack(
        "L06",
        "inserts an entry of another stream",
        FILES,
        "chain",
        _edit(forger.splice(VICTIM)),
        TAMPERED,
        "it",
        VICTIM,
    ),
    LogAttack(
        "L07",
        "changes three entries that follow one another",
        FILES,
        "chain",
        _edit(_change_three),
        TAMPERED,
        "each of them",
        VICTIM,
    ),
    LogAttack(
        "L08",
        "changes what an entry says of the one before",
        FILES,
        "chain",
        _edit(_unchain),
        TAMPERED,
        "the entry",
        VICTIM,
    ),
    LogAttack(
        "L09",
        "changes a decision and computes every later hash anew",
        FILES,
        "checkpoint",
        _edit(forger.rewrite(VICTIM)),
        TAMPERED,
        "the entries that were signed together with it",
        9,
    ),
    LogAttack(
        "L10",
        "… and signs it anew",
        OWN_KEYS,
        "registry; signature",
        _edit(forger.rewrite(VICTIM, own_key=True)),
        TAMPERED,
        "the checkpoint",
        says="is not the log's",
    ),
    LogAttack(
        "L11",
        "… with the signing key that lies on the disk",
        "the files, signing.key",
        "registry; signature",
        _sign_with_the_stolen_key,
        TAMPERED,
        "the checkpoint",
        says="is not the log's",
    ),
    LogAttack(
        "L12",
        "… and the registry too",
        OWN_KEYS,
        "signature",
        lambda scene: forger.rewrite_all(scene.root, VICTIM),
        ("intact", "tampered", "tampered"),
        "the first checkpoint",
        says="is not the log's",
    ),
    LogAttack(
        "L13",
        "cuts a closed stream",
        FILES,
        "registry",
        _edit(forger.keep(VICTIM)),
        TRUNCATED,
        MISSING,
        VICTIM,
    ),
    LogAttack(
        "L14",
        "cuts it at a checkpoint, so that all that is left is signed",
        FILES,
        "registry",
        _edit(forger.keep_to_checkpoint(0)),
        TRUNCATED,
        MISSING,
        9,
    ),
    LogAttack("L15", "empties it", FILES, "registry", _edit(forger.keep(0)), TRUNCATED, MISSING, 0),
    LogAttack(
        "L16",
        "removes a whole stream",
        FILES,
        "registry",
        lambda scene: shutil.rmtree(forger.segment(scene.root).parent),
        TRUNCATED,
        MISSING,
        0,
        says="records 0 to",
    ),
    LogAttack(
        "L17",
        "adds a stream",
        FILES,
        "registry",
        _add_stream,
        TAMPERED,
        "the stream",
        says="does not know of",
    ),
    LogAttack(
        "L18",
        "cuts the registry",
        FILES,
        "signing.key: how far it has come",
        _cut_registry,
        TRUNCATED,
        "the registry",
        says="signing key has moved on",
    ),
    LogAttack(
        "L19",
        "… and removes signing.key, as if this were a copy without keys",
        FILES,
        "head kept elsewhere",
        _cut_registry_and_remove_the_key,
        BY_HEAD,
        "the registry",
        says="a head kept elsewhere has seen",
    ),
    LogAttack(
        "L20",
        "edits log.json",
        FILES,
        "registry",
        _describe_otherwise,
        TAMPERED,
        "log.json",
        says="when the log was made",
    ),
    LogAttack(
        "L21", "empties every file of entries", FILES, "registry; log.json", _empty, TAMPERED, "the registry"
    ),
    LogAttack(
        "L22",
        "cuts a running stream before what a head has seen",
        FILES,
        "registry, in which the head is",
        lambda scene: forger.edit_file(scene.open_segment, forger.keep(2)),
        TRUNCATED,
        MISSING,
        2,
        says="has seen",
    ),
    LogAttack(
        "L23",
        "cuts off entries that nobody has signed yet: those of the last second",
        FILES,
        "nothing",
        _cut_unsigned,
        NOWHERE,
    ),
    LogAttack(
        "L24",
        "changes a decision in a running stream that a head has seen, and signs it anew",
        "the files, the key in the process's memory",
        "registry, in which the head is",
        _rewrite_running,
        TAMPERED,
        "the stream",
        says="its first",
    ),
    LogAttack(
        "L25",
        "… and takes the registry back to before that head",
        "the files, the key in the process's memory, an older registry with its signing.key",
        "head kept elsewhere",
        _rewrite_running_and_roll_the_registry_back,
        BY_HEAD,
        "the registry",
        says="a head kept elsewhere has seen",
    ),
    LogAttack(
        "L26",
        "puts back an older copy of the directory",
        "the files, an older copy",
        "head kept elsewhere",
        lambda scene: forger.restore(scene.earlier, scene.root),
        BY_HEAD,
        "the registry",
        says="a head kept elsewhere has seen",
    ),
    LogAttack(
        "L27",
        "replaces the log by another one",
        OWN_KEYS,
        "key kept elsewhere; head kept elsewhere",
        _replace,
        ("intact", "intact", "tampered"),
        "log.json",
        says="belongs to the log",
    ),
    LogAttack(
        "L28",
        "rewrites a log that is signed with HMAC, with its verify.key, which is a secret there",
        "the files, verify.key",
        "head kept elsewhere",
        lambda scene: forger.rewrite_all(scene.root, VICTIM, scene.key),
        BY_HEAD,
        "the registry",
        signing=("hmac-sha256",),
        says="are not those of a head kept elsewhere",
    ),
    LogAttack(
        "L29",
        "changes what a policy says, computes all anew, and the registry too",
        OWN_KEYS,
        "the policy's digest",
        lambda scene: forger.rewrite_policy(scene.root),
        TAMPERED,
        "the policy's entry",
        says="its policy does not match its digest",
    ),
    LogAttack(
        "L30",
        "removes what a policy says",
        FILES,
        "chain",
        _edit(forger.remove_policy),
        TAMPERED,
        MISSING,
        says="are missing",
    ),
)
