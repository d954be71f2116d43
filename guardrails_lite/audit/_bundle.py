"""The evidence bundle: a log in one file that somebody else can check on another machine, offline.

It is a zip file with everything that is signed so far, the log's public key, a manifest, and ``verify.py``,
which needs Python and nothing else. Making one is an entry of the log's registry: that entry names the
digest of the manifest, the manifest those of all files, and the log's own key signs the entry. So whoever
lacks that key cannot make another bundle of this log, and the log tells who has taken evidence from it.

Captured texts stay in the vault: a bundle holds what the chain holds, and no text.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit import _standalone
from guardrails_lite.audit._format import leaf_hash
from guardrails_lite.audit._merkle import Frontier
from guardrails_lite.audit._new_file import new_file, new_place
from guardrails_lite.audit._registry import Known, read_config
from guardrails_lite.audit._scan import lines, segments

if TYPE_CHECKING:
    from guardrails_lite.audit._log import AuditLog

_README: Final = """\
Evidence from the compliance log {log}
{underline}

Made by {by}. Reason: {reason}.

This is a copy of a log of guarded calls to language models: who called, under which policy, which checks
ran and what they did, what it cost, how it ended. It holds no text of any prompt or reply. Each line of
streams/*/*.jsonl is one entry, in JSON; the fields are explained in the documentation of guardrails-lite.

To check it you need Python 3.11 or newer, and nothing else:

    python3 -I -S verify.py

It reads every byte and says "intact", or what is wrong and where. The exit code is 0 for intact, 2 for
tampered, 3 for truncated, 5 for unreadable.

What that shows: the entries are those that the log signed when it wrote them, in that order, none changed,
none missing up to the moment this bundle was made, and the bundle was made by the holder of the log.

What it cannot show by itself: that the key in verify.key is the log's. Whoever runs the log was told to keep
a copy of verify.key elsewhere when the log was made; ask for that copy and compare:

    python3 -I -S verify.py --key THAT_COPY

A head of the log that a third party kept shows further that nothing was rolled back before this bundle was
made: --head FILE. And take verify.py itself from a copy of guardrails-lite that you trust
(`guardrails-lite log check-bundle`) if you do not trust whoever gave you this file.
"""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was made: what its maker keeps to recognise it."""

    path: Path
    sha256: str
    """Of the zip file."""
    manifest: str
    """SHA-256 of its manifest, which the log's entry ``bundle.made`` repeats."""
    head: str
    """The head of the log with that entry; keep it elsewhere."""
    records: int
    """Entries in it."""


def bundle(log: AuditLog, path: str | os.PathLike[str], *, by: str, reason: str) -> Bundle:
    """Write all that *log* has signed so far to the zip file *path*, and record that it was done.

    Streams of running processes are taken up to their newest checkpoint. `check_bundle`, and the
    ``verify.py`` inside, check it.

    Args:
        log: The log, with its signing key at hand.
        path: A new file outside the log, which only this user will be able to read.
        by: Who takes the evidence.
        reason: Why: a case, an audit. Both go into the log and the bundle as they are.

    Raises:
        ConfigError: *by* or *reason* is empty, *path* is taken, or the log is signed with HMAC, which
            nobody else can check.
        OSError: the file could not be written; nothing was recorded.
    """
    if not by or not reason:
        raise ConfigError("bundle(...) needs by= and reason=: taking evidence is itself recorded")
    place = new_place("bundle(...)", path, log=log.directory)
    config = read_config(log.directory / "log.json")
    if config.get("algorithm") != "ed25519":
        raise ConfigError(
            "bundle(...): this log is signed with HMAC, which only its owner can check. Begin a new log with "
            "Ed25519: pip install 'guardrails-lite[audit]'"
        )
    log.seal()
    with (
        new_file(place) as fresh,
        log._registry.session() as session,
        zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive,
    ):
        packing = _Packing(archive)
        packing.pack_text("README.txt", _readme(str(config["log"]), by, reason))
        packing.pack("verify.py", Path(_standalone.__file__))
        packing.pack("log.json", log.directory / "log.json")
        packing.pack_text("verify.key", f"ed25519 {config['log']} {config['genesis']}\n".encode())
        told = {
            known.name: packing.pack_stream(log.directory / "streams" / known.name, known)
            for known in session.streams.values()
        }
        manifest = packing.manifest(str(config["log"]), told)
        digest = sha256(manifest).hexdigest()
        packing.pack_text("manifest.json", manifest)
        session.append("bundle.made", {"manifest": digest, "by": by, "reason": reason})
        packing.pack("registry.jsonl", log._registry.path)
    return Bundle(place, _digest(place), digest, session.note, packing.records)


def check_bundle(
    path: str | os.PathLike[str], *, key: str | None = None, head: str | None = None
) -> dict[str, Any]:
    """Check a bundle, zipped or unpacked, as the ``verify.py`` inside does, by this trusted copy of it.

    Args:
        path: The zip file or the folder.
        key: The content of the log's ``verify.key``, kept elsewhere.
        head: A head of the log, kept elsewhere.

    Returns:
        ``state`` (``"intact"``, ``"tampered"``, ``"truncated"``, ``"unreadable"``), ``problems``, ``log``,
        ``records``, ``streams``, ``key``, ``by``, ``reason``, ``manifest``.
    """
    return _standalone.check(os.fspath(path), key=key, head=head)


@dataclass(slots=True)
class _Packing:
    """The zip file while it is filled, and what the manifest will say of it."""

    archive: zipfile.ZipFile
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    records: int = 0

    def pack(self, name: str, path: Path) -> None:
        """Take the whole file *path*."""
        with path.open("rb") as file:
            self._write(name, _blocks(file))

    def pack_text(self, name: str, text: bytes) -> None:
        """Take *text*."""
        self._write(name, [text])

    def pack_stream(self, directory: Path, known: Known) -> dict[str, Any]:
        """Take what is signed of one stream, and say how far that goes."""
        paths = segments(directory)
        if known.expired is not None:
            paths = [path for path in paths if int(path.stem) > known.expired["segment"]]
        if known.ended is not None:
            for path in paths:
                self.pack(f"streams/{known.name}/{path.name}", path)
            began = known.expired["size"] if known.expired is not None else 0
            self.records += known.ended["size"] - began
            return {"size": known.ended["size"], "root": known.ended["root"], "ended": True}
        tree, counted, signed = _tree_before(known), [], 0
        began = tree.size
        for path in paths:
            kept, size = 0, 0
            for line in lines(path):
                size += len(line)
                counted.append(leaf_hash(line[:-1]))
                if b'"t":"checkpoint"' in line[:300] and line.endswith(b"\n"):
                    kept, signed = size, len(counted)
            if kept:
                with path.open("rb") as file:
                    self._write(f"streams/{known.name}/{path.name}", _blocks(file, kept))
        tree.extend(counted[:signed])
        self.records += tree.size - began
        return {"size": tree.size, "root": tree.root().hex(), "ended": False}

    def manifest(self, log: str, streams: dict[str, Any]) -> bytes:
        """What is in the bundle: of every file but the registry its digest, of every stream its root."""
        from importlib.metadata import version

        told = {
            "format": _standalone.FORMAT,
            "log": log,
            "library": version("guardrails-lite"),
            "files": self.files,
            "streams": streams,
        }
        return json.dumps(told, indent=1).encode() + b"\n"

    def _write(self, name: str, blocks: Iterable[bytes]) -> None:
        entry = zipfile.ZipInfo(name)  # without the time: the bytes of a bundle follow from its content
        entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
        digest, size = sha256(), 0
        with self.archive.open(entry, "w", force_zip64=True) as file:
            for block in blocks:
                file.write(block)
                digest.update(block)
                size += len(block)
        self.files[name] = {"bytes": size, "sha256": digest.hexdigest()}


def _tree_before(known: Known) -> Frontier:
    if known.expired is None:
        return Frontier()
    return Frontier(known.expired["size"], map(bytes.fromhex, known.expired["peaks"]))


def _blocks(file: IO[bytes], size: int | None = None) -> Iterator[bytes]:
    while block := file.read(min(size, 1 << 20) if size is not None else 1 << 20):
        yield block
        if size is not None:
            size -= len(block)


def _readme(log: str, by: str, reason: str) -> bytes:
    title = f"Evidence from the compliance log {log}"
    shown = {"by": by, "reason": reason}
    for name, text in shown.items():
        shown[name] = " ".join(text.split()).encode("utf-8", "replace").decode()
    return _README.format(log=log, underline="=" * len(title), **shown).encode()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        digest = sha256()
        for block in _blocks(file):
            digest.update(block)
    return digest.hexdigest()
