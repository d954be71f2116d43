"""What an attacker does to a log: edits that range from careless to careful."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from guardrails_lite.audit._format import NO_LEAF, checkpoint_line, leaf_hash, parse
from guardrails_lite.audit._keys import Ed25519Key, PrivateKey
from guardrails_lite.audit._merkle import Frontier
from guardrails_lite.audit._note import Checkpoint
from guardrails_lite.audit._registry import read_config
from guardrails_lite.audit._scan import find_tail
from guardrails_lite.audit._verify import read_registry, stream_chain

POLICY = "policy.loaded"
Edit = Callable[[list[bytes]], list[bytes]]
Sign = Callable[[str], Any]
"""The key that signs the next checkpoint of an origin; None: it stays as it is."""


def segment(root: Path) -> Path:
    """The first segment of the oldest stream."""
    return sorted((root / "streams").glob("*/*.jsonl"))[0]


def edit(root: Path, change: Edit) -> None:
    """Apply *change* to the lines of the first segment."""
    edit_file(segment(root), change)


def edit_file(path: Path, change: Edit) -> None:
    """Apply *change* to the lines of *path*."""
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
    sign = Ed25519Key.new if own_key else lambda origin: key
    return lambda lines: _anew(lines, _decide_otherwise(record), sign)


def rewrite_all(root: Path, record: int, verify_key: str | None = None) -> None:
    """Change a decision in the first stream and rewrite all that follows, and the registry to match.

    Both are signed with keys of the attacker's own, or as whoever has an HMAC log's *verify_key* can.
    """
    _rewrite(root, _decide_otherwise(record), verify_key)


def rewrite_policy(root: Path) -> None:
    """The same, but change what a policy says."""
    _rewrite(root, _say_otherwise, None)


def remove_policy(lines: list[bytes]) -> list[bytes]:
    """Take out what the log says of a policy."""
    kept = [line for line in lines if parse(line).type != POLICY]
    assert kept != lines
    return kept


def _rewrite(root: Path, change: Callable[[int, bytes], bytes], verify_key: str | None) -> None:
    path, registry = segment(root), root / "registry.jsonl"
    sign: Sign = Ed25519Key.new
    sign_registry: Sign = Ed25519Key.new
    if verify_key is not None:
        chain, _, _ = read_registry(root, read_config(root / "log.json"), verify_key)
        key, epochs = stream_chain(chain, chain.known[path.parent.name]).key, iter(chain.epochs)
        sign, sign_registry = lambda origin: key, lambda origin: next(epochs)
    before = find_tail(path.parent)
    edit_file(path, lambda lines: _anew(lines, change, sign))
    after = find_tail(path.parent)

    def end_otherwise(n: int, line: bytes) -> bytes:
        line = line.replace(before.root.encode(), after.root.encode())
        return line.replace(before.leaf.encode(), after.leaf.encode())

    edit_file(registry, lambda lines: _anew(lines, end_otherwise, sign_registry))


def _decide_otherwise(record: int) -> Callable[[int, bytes], bytes]:
    def change(n: int, line: bytes) -> bytes:
        changed = line.replace(b'"outcome":"passed"', b'"outcome":"blocked"') if n == record else line
        assert n != record or changed != line
        return changed

    return change


def _say_otherwise(n: int, line: bytes) -> bytes:
    if parse(line).type != POLICY:
        return line
    changed = line.replace(b'"mode":"monitor"', b'"mode":"enforce"')
    assert changed != line
    return changed


def _anew(lines: list[bytes], change: Callable[[int, bytes], bytes], sign: Sign) -> list[bytes]:
    """The *lines* changed and chained anew; checkpoints signed by what *sign* gives, or left as they are."""
    done: list[bytes] = []
    frontier, leaf = Frontier(), NO_LEAF
    for n, line in enumerate(lines):
        entry = parse(line)
        if entry.type == "checkpoint":
            note = str(entry.data["note"])
            origin = note.split("\n")[0]
            signer = sign(origin)
            if signer is not None:
                note = Checkpoint(origin, n, frontier.root()).signed(signer)
            fresh = checkpoint_line(entry.stream, n, leaf, note)
        else:
            old = json.loads(line)["p"].encode()
            fresh = change(n, line.replace(b'"p":"' + old, b'"p":"' + leaf.encode(), 1))
        digest = leaf_hash(fresh)
        frontier.extend([digest])
        leaf = digest.hex()
        done.append(fresh)
    return done


def copy(root: Path, name: str) -> Path:
    """A copy of the directory, as a thief or an administrator keeps one."""
    place = root.with_name(name)
    shutil.copytree(root, place)
    return place


def restore(saved: Path, root: Path) -> None:
    """Put an older copy in place of the directory."""
    shutil.rmtree(root)
    shutil.copytree(saved, root)
