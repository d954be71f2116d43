"""What an attacker does to a log: edits that range from careless to careful."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from guardrails_lite.audit._format import NO_LEAF, checkpoint_line, leaf_hash, parse
from guardrails_lite.audit._keys import Ed25519Key, PrivateKey
from guardrails_lite.audit._merkle import Frontier
from guardrails_lite.audit._note import Checkpoint

Edit = Callable[[list[bytes]], list[bytes]]


def segment(root: Path) -> Path:
    """The first segment of the oldest stream."""
    return sorted((root / "streams").glob("*/*.jsonl"))[0]


def edit(root: Path, change: Edit) -> None:
    """Apply *change* to the lines of the first segment."""
    path = segment(root)
    path.write_bytes(b"\n".join([*change(path.read_bytes().split(b"\n")[:-1]), b""]))


def flip(record: int) -> Edit:
    def change(lines: list[bytes]) -> list[bytes]:
        line = bytearray(lines[record])
        line[len(line) // 2] ^= 1
        return [*lines[:record], bytes(line), *lines[record + 1 :]]

    return change


def delete(record: int) -> Edit:
    return lambda lines: lines[:record] + lines[record + 1 :]


def swap(record: int) -> Edit:
    return lambda lines: [*lines[:record], lines[record + 1], lines[record], *lines[record + 2 :]]


def duplicate(record: int) -> Edit:
    return lambda lines: lines[: record + 1] + lines[record:]


def insert(record: int) -> Edit:
    def change(lines: list[bytes]) -> list[bytes]:
        line = lines[record].replace(b"passed", b"blocked")
        return [*lines[:record], line, *lines[record:]]

    return change


def splice(record: int) -> Edit:
    def change(lines: list[bytes]) -> list[bytes]:
        foreign = json.loads(lines[record])
        foreign["s"] = "20250101t000000-1-abcdefabcdef"
        line = json.dumps(foreign, separators=(",", ":")).encode()
        return [*lines[:record], line, *lines[record:]]

    return change


def keep(records: int) -> Edit:
    return lambda lines: lines[:records]


def keep_to_checkpoint(which: int) -> Edit:
    """Cut behind checkpoint *which*, counted from 0."""

    def change(lines: list[bytes]) -> list[bytes]:
        places = [at for at, line in enumerate(lines) if parse(line).type == "checkpoint"]
        return lines[: places[which] + 1]

    return change


def rewrite(record: int, key: PrivateKey | None = None, *, own_key: bool = False) -> Edit:
    """Change a decision and recompute every later hash; sign anew with *key* where one is had."""

    def change(lines: list[bytes]) -> list[bytes]:
        done: list[bytes] = []
        frontier, leaf = Frontier(), NO_LEAF
        signer: PrivateKey | None = key
        for n, line in enumerate(lines):
            entry = parse(line)
            if entry.type == "checkpoint":
                note = str(entry.data["note"])
                origin = note.split("\n")[0]
                if own_key and signer is None:
                    signer = Ed25519Key.new(origin)
                if signer is not None:
                    note = Checkpoint(origin, n, frontier.root()).signed(signer)
                fresh = checkpoint_line(entry.stream, n, leaf, note)
            else:
                old = json.loads(line)["p"].encode()
                fresh = line.replace(b'"p":"' + old, b'"p":"' + leaf.encode(), 1)
                if n == record:
                    fresh = fresh.replace(b'"outcome":"passed"', b'"outcome":"blocked"')
                    assert fresh != line
            digest = leaf_hash(fresh)
            frontier.extend([digest])
            leaf = digest.hex()
            done.append(fresh)
        return done

    return change


def copy(root: Path, name: str) -> Path:
    """A copy of the directory, as a thief or an administrator keeps one."""
    place = root.with_name(name)
    shutil.copytree(root, place)
    return place


def restore(saved: Path, root: Path) -> None:
    """Put an older copy in place of the directory."""
    shutil.rmtree(root)
    shutil.copytree(saved, root)
