"""Proving one entry to somebody who does not have the log: C2SP tlog-proof.

A proof is a short text: the entry's place, the hashes that lead from its leaf to a root, and the signed
checkpoint over that root. With the entry's own line and the stream's key anybody can check it, and
nothing else of the log is shown.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit._format import BadLine, leaf_hash, parse
from guardrails_lite.audit._keys import Ed25519Public
from guardrails_lite.audit._merkle import inclusion, root_from_inclusion
from guardrails_lite.audit._note import BadNote, b64, check_note, read_note, unb64
from guardrails_lite.audit._read import stream_names
from guardrails_lite.audit._scan import lines, segments

_FIRST = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class Proof:
    """An entry and the proof that its stream's checkpoint contains it."""

    line: bytes
    """The entry as written, without its newline."""
    text: str
    """The proof, in the format of C2SP tlog-proof."""
    key: str
    """The public key that signed the checkpoint; check that it is the log's with `verify`."""


def prove(directory: str | os.PathLike[str], call: str, *, kind: str = "call.completed") -> Proof:
    """Prove the entry of *kind* of the call with the id *call*.

    Raises:
        LookupError: there is no such entry, or no checkpoint covers it yet.
        ConfigError: part of its stream was removed by retention, or the log is signed with HMAC, which
            nobody else can check.
    """
    root = Path(directory)
    for name in stream_names(root):
        found = _in_stream(root / "streams" / name, call, kind)
        if found is not None:
            return found
    raise LookupError(f"no {kind} entry of call {call!r} in {str(directory)!r}")


def _in_stream(directory: Path, call: str, kind: str) -> Proof | None:
    """Look for the entry; the first checkpoint behind it is the one that proves it."""
    leaves: list[bytes] = []
    wanted: bytes | None = None
    place, key = 0, ""
    mark = b'"t":"%b","id":"%b"' % (kind.encode(), call.encode())
    for path in segments(directory):
        for line in lines(path):
            body = line.rstrip(b"\n")
            kind_of = body[:400]
            if not leaves and b'"n":0,' not in kind_of:
                raise ConfigError(f"{directory}: its first segments are gone, so nothing in it can be proved")
            if b'"t":"checkpoint"' in kind_of and wanted is not None:
                path_up = inclusion(leaves, place)
                note = json.loads(body)["d"]["note"]
                text = "\n".join([_FIRST, f"index {place}", *map(b64, path_up), "", note])
                return Proof(wanted, text, key)
            if wanted is None:
                key = _announced(body) or key
                if mark in kind_of:
                    wanted, place = body, len(leaves)
            leaves.append(leaf_hash(body))
    if wanted is not None:
        raise LookupError(f"call {call!r} is not signed yet; AuditLog.seal() signs it")
    return None


def _announced(line: bytes) -> str | None:
    """The key that signs from here on, where *line* announces one."""
    if b'"t":"log.opened"' not in line[:400] and b'"t":"segment.sealed"' not in line[:400]:
        return None
    data = parse(line).data
    declared = str(data.get("key") or data.get("next_key"))
    if "+" not in declared:
        raise ConfigError(
            "this log is signed with HMAC, which only its owner can check. Begin a new log with Ed25519: "
            "pip install 'guardrails-lite[audit]'"
        )
    return declared


def check_proof(proof: Proof) -> bool:
    """Whether the checkpoint in *proof* is signed by its key and contains its entry."""
    head, _, rest = proof.text.partition("\n\n")
    first, *more = head.split("\n")
    try:
        if first != _FIRST or not more or not more[0].startswith("index "):
            return False
        index = int(more[0].removeprefix("index "))
        checkpoint = check_note(rest, Ed25519Public.read(proof.key))
        path = [unb64(text) for text in more[1:]]
        if read_note(rest)[0].origin.rpartition("/")[2] != parse(proof.line).stream:
            return False
    except (BadNote, BadLine, ValueError):
        return False
    return root_from_inclusion(leaf_hash(proof.line), index, checkpoint.size, path) == checkpoint.root
