"""Checking an evidence bundle with nothing but Python's standard library.

    python3 -I -S verify.py [BUNDLE] [--key FILE] [--head FILE] [--json]

This file is the ``verify.py`` of every bundle, so it imports nothing of the library, and it is a second
implementation of what `verify` checks: two that agree are better evidence than one. BUNDLE is the zip file
or the folder it was unpacked to; default: the folder of this file.

What is checked: every byte of every file against the manifest; the manifest against the log's own signed
registry; every hash chain, Merkle root and signature in it, from the log's first key on. What cannot be
checked from the bundle alone is whether that key is the right one: compare it with one that was kept
elsewhere (``--key``), and a head that was kept elsewhere (``--head``) shows that nothing was rolled back.

Exit codes: 0 intact, 2 tampered, 3 truncated or rolled back, 5 unreadable.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import io
import json
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256, sha512
from pathlib import Path
from typing import IO, Any

FORMAT = "glog-bundle/1"
EXIT_CODES = {"intact": 0, "tampered": 2, "truncated": 3, "unreadable": 5}
_ORDER = ("intact", "truncated", "tampered", "unreadable")
_DASH = "\u2014 "
_NO_LEAF = "0" * 64
_MOST_TEXT = 32 << 20
"""No manifest is larger: a bomb of a zip file must not fill the memory."""
_MOST_LINE = (16 << 20) + 1
"""What the format allows a line of a stream, with its end."""


def main(arguments: list[str] | None = None) -> int:
    """Check a bundle, print what was found, return the exit code."""
    parser = argparse.ArgumentParser(description="Check an evidence bundle of a guardrails-lite log.")
    parser.add_argument("bundle", nargs="?", default=str(Path(__file__).parent), help="zip file or folder")
    parser.add_argument("--key", metavar="FILE", help="the log's verify.key, kept elsewhere")
    parser.add_argument("--head", metavar="FILE", help="a head of the log, kept elsewhere")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    try:
        key = Path(options.key).read_text() if options.key else None
        head = Path(options.head).read_text() if options.head else None
    except (OSError, ValueError) as error:
        parser.error(f"the file given as --key or --head cannot be read ({type(error).__name__})")
    report = check(options.bundle, key=key, head=head)
    print(json.dumps(report, indent=1) if options.json else as_text(report))
    return EXIT_CODES[report["state"]]


def as_text(report: dict[str, Any]) -> str:
    """The *report* for a person, safe on a terminal."""
    problems = [f"{p['state']}: {_place(p)}: {p['message']}" for p in report["problems"]]
    streams = f"{report['streams']} stream{'' if report['streams'] == 1 else 's'}"
    about = [
        f"{report['state']}: {report['records']} entries in {streams} of {report['log']}",
        f"key: {report['key'] or 'none'}"
        + (
            ", as given"
            if report["key_given"]
            else ", found in the bundle: compare it with one kept elsewhere"
        ),
        f"made by {report['by']}, reason: {report['reason']}, sha256 of the manifest {report['manifest']}",
    ]
    lines = problems if report["log"] == "?" else about + problems  # of what is no bundle nothing is known
    return "\n".join(line.encode("unicode_escape").decode("ascii") for line in lines)


def _place(problem: dict[str, Any]) -> str:
    record = problem["record"]
    return str(problem["where"]) + ("" if record is None else f" record {record}")


def check(bundle: str, *, key: str | None = None, head: str | None = None) -> dict[str, Any]:
    """What is wrong with the *bundle*, as plain values; damage is in the report, never an exception.

    Args:
        bundle: The zip file, or the folder it was unpacked to.
        key: The content of the log's ``verify.key``, kept elsewhere.
        head: A head of the log (`AuditLog.head`, a witness), kept elsewhere.
    """
    found = _Found()
    report: dict[str, Any] = {"log": "?", "key": None, "key_given": key is not None}
    report.update({"records": 0, "streams": 0, "by": "?", "reason": "?", "manifest": "?"})
    try:
        with _Files(Path(bundle)) as files:
            _check(files, key, head, found, report)
    except _Unreadable as error:
        found.problem("unreadable", "bundle", None, str(error))
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, binascii.Error) as error:
        found.problem("unreadable", "bundle", None, f"a file cannot be read ({type(error).__name__})")
    except Exception as error:  # what no line of a bundle should do, whatever it holds
        found.problem(
            "tampered", "bundle", None, f"something in it has an unexpected form ({type(error).__name__})"
        )
    report["problems"] = found.problems
    report["state"] = max((p["state"] for p in found.problems), key=_ORDER.index, default="intact")
    return report


class _Unreadable(Exception):
    pass


class _Found:
    def __init__(self) -> None:
        self.problems: list[dict[str, Any]] = []

    def problem(self, state: str, where: str, record: int | None, message: str) -> None:
        if len(self.problems) < 100:
            self.problems.append({"state": state, "where": where, "record": record, "message": message})


class _Files:
    """The files of a bundle, zipped or not. Nothing is unpacked."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._names: list[str] | None = None
        self._zip = zipfile.ZipFile(place) if place.is_file() else None
        if self._zip is None and not place.is_dir():
            raise _Unreadable("there is no such file or folder")

    def __enter__(self) -> _Files:
        return self

    def __exit__(self, *error: object) -> None:
        if self._zip is not None:
            self._zip.close()

    def names(self) -> list[str]:
        if self._names is None:
            self._names = self._zip.namelist() if self._zip is not None else list(self._unpacked())
        return self._names

    def _unpacked(self) -> Iterator[str]:
        for path in self._place.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(self._place).as_posix()

    def open(self, name: str) -> IO[bytes]:
        if self._zip is None:
            return (self._place / name).open("rb")
        member: Any = self._zip.open(name)  # whose own lines are slow to read
        return io.BufferedReader(member, 1 << 20)

    def read(self, name: str) -> bytes:
        try:
            with self.open(name) as file:
                text = file.read(_MOST_TEXT + 1)
            if len(text) > _MOST_TEXT:
                raise _Unreadable(f"its {name} is larger than the format allows")
            return text
        except (KeyError, FileNotFoundError):
            raise _Unreadable(f"it has no {name}, so it is not an evidence bundle") from None


def _check(files: _Files, key: str | None, head: str | None, found: _Found, report: dict[str, Any]) -> None:
    raw = files.read("manifest.json")
    report["manifest"] = sha256(raw).hexdigest()
    try:
        manifest = json.loads(raw)
        if manifest["format"] != FORMAT:
            raise _Unreadable(f"its format is not {FORMAT}; check it with the version that made it")
        listed, held = dict(manifest["files"]), dict(manifest["streams"])
    except (ValueError, KeyError, TypeError):
        raise _Unreadable("its manifest.json is not a manifest") from None
    report["log"] = str(manifest["log"])
    _check_files(files, listed, found)
    registry = _Registry(found, str(manifest["log"]))
    registry.key = _first_key(files, key, registry, found)
    report["key"] = registry.key.text if registry.key else None
    registry.heads = [] if head is None else _heads(head, report["log"], found)
    if "registry.jsonl" in files.names():
        registry.read(files, ["registry.jsonl"])
    registry.end(json.loads(files.read("log.json")) if "log.json" in listed else None, report["manifest"])
    report["by"], report["reason"] = registry.made.get("by", "?"), registry.made.get("reason", "?")
    for name, known in registry.streams.items():
        report["streams"] += 1
        report["records"] += _check_stream(files, name, known, held.pop(name, None), registry, found)
    for name in held:
        found.problem("tampered", name, None, "the registry does not know of it")


def _check_files(files: _Files, listed: dict[str, Any], found: _Found) -> None:
    names = Counter(files.names())
    for name, times in names.items():
        if times > 1 or name not in {*listed, "manifest.json", "registry.jsonl"}:
            found.problem("tampered", name, None, "the manifest does not list it, or lists it fewer times")
    for name, told in listed.items():
        if name not in names:
            found.problem("truncated", name, None, "the file is missing")
            continue
        digest, size = sha256(), 0
        with files.open(name) as file:
            while size <= told["bytes"] and (block := file.read(1 << 20)):
                digest.update(block)
                size += len(block)
        if digest.hexdigest() != told["sha256"]:
            state = "truncated" if size < told["bytes"] else "tampered"
            found.problem(state, name, None, f"its bytes are not the {told['bytes']} that are listed")


class _Key:
    """An Ed25519 public key, written ``name+id+base64(0x01 ‖ key)`` as in C2SP signed-note."""

    def __init__(self, text: str) -> None:
        self.name, _, rest = text.partition("+")
        self.id, _, encoded = rest.partition("+")
        data = _unbase64(encoded)
        expected = sha256(self.name.encode() + b"\n" + data).hexdigest()[:8]
        if len(data) != 33 or data[0] != 1 or self.id != expected:
            raise ValueError("not a public key")
        self.text, self.public = text, data[1:]

    def has_signed(self, note: str) -> bool:
        """Whether *note* carries this key's signature, and nothing after it."""
        text, _, tail = note.partition("\n\n")
        encoded = tail.rpartition(" ")[2].removesuffix("\n")
        signature = _unbase64(encoded)
        if tail != f"{_DASH}{self.name} {encoded}\n" or signature[:4].hex() != self.id:
            return False
        return is_signed(self.public, f"{text}\n".encode(), signature[4:])


def _first_key(files: _Files, given: str | None, registry: _Registry, found: _Found) -> _Key | None:
    texts = [given] if given is not None else []
    if "verify.key" in files.names():
        texts.append(files.read("verify.key").decode("ascii", "replace"))
    keys = []
    for text in texts:
        try:
            algorithm, log, key = text.split()
            keys.append(_Key(key))
            if algorithm != "ed25519" or log != registry.origin:
                raise ValueError("of another log")
        except (ValueError, binascii.Error):
            found.problem("tampered", "verify.key", None, "it is not the one line of this log's Ed25519 key")
    if given is not None and len({key.text for key in keys}) > 1:
        found.problem("tampered", "verify.key", None, "it is not the key that was kept elsewhere")
    return keys[0] if keys else None


class _Chain:
    """One stream, line by line: its hashes, its tree, its checkpoints and their keys."""

    TELLS: tuple[bytes, ...] = (b'segment.sealed"',)
    """What kinds of entries have to be read; of all others only the bytes count."""

    def __init__(self, found: _Found, name: str, origin: str) -> None:
        self.found, self.name, self.origin = found, name, origin
        self.key: _Key | None = None
        self.size, self.sealed, self.leaf = 0, 0, _NO_LEAF
        self.peaks: list[bytes] = []
        self.torn = b""
        self.broken = False
        self._note: str | None = None
        self._next_key: str | None = None

    def problem(self, state: str, record: int | None, message: str) -> None:
        self.found.problem(state, self.name, record, message)
        self.broken = True

    def read(self, files: _Files, names: list[str]) -> None:
        for name in names:
            with files.open(name) as file:
                while line := file.readline(_MOST_LINE):
                    if self.broken:
                        return
                    if self.torn:
                        self.problem(
                            "tampered", self.size, "a line that was never finished, within the stream"
                        )
                    elif line.endswith(b"\n"):
                        self._line(line[:-1])
                    else:
                        self.torn = line

    def finish(self) -> None:
        """The newest checkpoint covers all before it, so its signature is the one that counts."""
        note, self._note = self._note, None
        if note is not None and not self.broken and (self.key is None or not self.key.has_signed(note)):
            self.problem("tampered", self.sealed - 1, "its signature is not the log's")

    def root(self) -> str:
        return _root(self.peaks).hex()

    def _line(self, line: bytes) -> None:
        start = f'{{"v":1,"s":"{self.name}","n":{self.size},"p":"{self.leaf}","t":"'.encode()
        if not line.startswith(start):
            at = max(self.size - 1, 0)
            self.problem("tampered", at, f"the chain breaks between records {at} and {self.size}")
            return
        kind = line[len(start) : len(start) + 20]
        if kind.startswith(b'checkpoint"'):
            self._checkpoint(line, start)
        elif kind.startswith(b'policy.loaded"'):
            self._policy(json.loads(line))
        elif kind.startswith(self.TELLS):
            self._entry(json.loads(line)["t"], json.loads(line)["d"])
        leaf = sha256(b"\0" + line)
        _push(self.peaks, self.size, leaf.digest())
        self.size += 1
        self.leaf = leaf.hexdigest()

    def _entry(self, kind: str, data: dict[str, Any]) -> None:
        self._next_key = data["next_key"]

    def _policy(self, entry: dict[str, Any]) -> None:
        """What a policy consists of must be what its digest was made of."""
        told = entry["d"]
        meant = json.dumps(
            {"config": told["config"], "rest": told["rest"]},
            sort_keys=True,
            separators=(",", ":"),
            allow_nan=False,
        )
        if entry["id"] != told["digest"] or sha256(meant.encode()).hexdigest()[:32] != told["digest"]:
            self.problem("tampered", self.size, "its policy does not match its digest")

    def _checkpoint(self, line: bytes, start: bytes) -> None:
        note = json.loads(line)["d"]["note"]
        text = f"{self.origin}\n{self.size}\n{base64.b64encode(_root(self.peaks)).decode()}\n\n{_DASH}"
        if line != start + b'checkpoint","d":{"note":%b}}' % json.dumps(note).encode():
            self.problem("tampered", self.size, "a checkpoint with unexpected content")
        elif not note.startswith(text):
            self.problem(
                "tampered", self.sealed, f"records {self.sealed} to {self.size} are not what was signed"
            )
        else:
            self._note = note
            self.sealed = self.size + 1
            self.signed(note)
            if self._next_key is not None:
                declared, self._next_key = self._next_key, None
                self.finish()
                self.key = _Key(declared)

    def signed(self, note: str) -> None:
        """A checkpoint that fits what precedes it."""


class _Registry(_Chain):
    """The log's signed list of its streams, of how each ended, and of this bundle."""

    TELLS = (b"",)

    def __init__(self, found: _Found, log: str) -> None:
        super().__init__(found, "registry", log)
        self.streams: dict[str, dict[str, Any]] = {}
        self.heads: list[str] = []
        self.made: dict[str, Any] = {}
        self._config: Any = None

    def _entry(self, kind: str, data: dict[str, Any]) -> None:
        super()._entry(kind, data)
        self.made = data if kind == "bundle.made" else {}
        if self.size == 0:
            self._config = data.get("config")
        name = str(data.get("stream"))
        if kind == "stream.opened":
            self.streams[name] = {"key": data["key"], "ended": None, "expired": None, "heads": {}}
        elif kind in ("stream.closed", "stream.recovered"):
            self.streams[name]["ended"] = data
        elif kind == "segment.expired":
            self.streams[name]["expired"] = data
        elif kind == "head":
            for stream, size, root in data["streams"]:
                if stream in self.streams:
                    self.streams[stream]["heads"][size] = root

    def signed(self, note: str) -> None:
        text = note.partition("\n\n")[0]
        self.heads = [head for head in self.heads if head != text]

    def end(self, config: Any, manifest: str) -> None:
        self.finish()
        if self.broken:
            return
        if not self.size or self.sealed != self.size or self.torn:
            self.problem("truncated", self.size, "it does not end in a checkpoint")
        elif self.made.get("manifest") != manifest:
            state = "tampered" if self.made else "truncated"
            self.problem(state, self.size - 2, "it does not end with the entry about this manifest")
        elif self._config != config:
            self.problem("tampered", 0, "log.json is not what it says the log was made as")
        elif self.heads:
            self.problem("truncated", None, "it does not contain the head that was kept elsewhere")


def _heads(text: str, log: str, found: _Found) -> list[str]:
    """The checkpoints in *text*, as the text that is signed, without its last line break."""
    parts = text.replace("|", "\n").split("\n\n")
    heads = [
        part.strip("\n") for part in parts if part.strip("\n") and not part.strip("\n").startswith(_DASH)
    ]
    if not heads or any(head.split("\n")[0] != log for head in heads):
        found.problem("tampered", "head", None, "the given head is not a head of this log")
        return []
    return heads


def _check_stream(
    files: _Files, name: str, known: dict[str, Any], told: Any, registry: _Registry, found: _Found
) -> int:
    chain = _Chain(found, name, f"{registry.origin}/{name}")
    if told is None:
        chain.problem("truncated", None, "the registry mentions it, but the manifest does not")
        return 0
    chain.key = _Key(known["key"])
    gone, first = known["expired"], 1
    if gone is not None:
        first = gone["segment"] + 1
        chain.size = chain.sealed = gone["size"]
        chain.leaf, chain.key = gone["leaf"], _Key(gone["key"])
        chain.peaks = [bytes.fromhex(peak) for peak in gone["peaks"]]
    kept = [path for path in files.names() if path.startswith(f"streams/{name}/")]
    chain.read(files, sorted(path for path in kept if int(path[-12:-6]) >= first))
    chain.finish()
    if not chain.broken:
        _compare(chain, known, told)
    return chain.size - (gone["size"] if gone is not None else 0)


def _compare(chain: _Chain, known: dict[str, Any], told: dict[str, Any]) -> None:
    """Whether a whole chain is as long, and ends as, the registry and the manifest say."""
    ended = known["ended"] or told
    size, seen = ended["size"], max(known["heads"], default=0)
    torn = ended.get("torn") or {"bytes": 0}
    if chain.size < size:
        chain.problem("truncated", chain.size, f"records {chain.size} to {size - 1} are missing at its end")
    elif chain.size > size or chain.root() != ended["root"]:
        chain.problem("tampered", min(chain.size, size) - 1, "it does not end as the registry recorded")
    elif chain.size < seen:
        chain.problem("truncated", chain.size, f"a head of the log has seen {seen} records of it")
    elif len(chain.torn) != torn["bytes"] or (
        chain.torn and sha256(chain.torn).hexdigest() != torn["sha256"]
    ):
        chain.problem("tampered", size, "the unfinished line at its end is not the one that was recorded")


def _push(peaks: list[bytes], size: int, leaf: bytes) -> None:
    """Add a leaf to an RFC 6962 tree of *size* leaves, of which *peaks* are the perfect subtrees."""
    while size & 1:
        leaf = sha256(b"\1" + peaks.pop() + leaf).digest()
        size >>= 1
    peaks.append(leaf)


def _root(peaks: list[bytes]) -> bytes:
    if not peaks:
        return sha256(b"").digest()
    node = peaks[-1]
    for peak in reversed(peaks[:-1]):
        node = sha256(b"\1" + peak + node).digest()
    return node


def _unbase64(text: str) -> bytes:
    """Decode base64 in its one spelling, for a signature must have no other."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("base64 with stray bits")
    return data


# Ed25519 (RFC 8032). Slow, some milliseconds a signature, and not constant-time, which is fine: it only ever
# sees public values.

_P = 2**255 - 19
_GROUP = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_SQRT_MINUS_1 = pow(2, (_P - 1) // 4, _P)

_Point = tuple[int, int, int, int]


def is_signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether *signature* over *message* was made with the private half of *public*."""
    if len(public) != 32 or len(signature) != 64:
        return False
    key, commitment = _decode(public), _decode(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or scalar >= _GROUP:
        return False
    digest = sha512(signature[:32] + public + message).digest()
    challenge = int.from_bytes(digest, "little") % _GROUP
    return _same(_times(scalar, _BASE), _add(commitment, _times(challenge, key)))


def _add(a: _Point, b: _Point) -> _Point:
    e = (a[1] - a[0]) * (b[1] - b[0]) % _P
    f = (a[1] + a[0]) * (b[1] + b[0]) % _P
    g = 2 * a[3] * b[3] * _D % _P
    h = 2 * a[2] * b[2] % _P
    left, right, low, high = f - e, h - g, h + g, f + e
    return left * right % _P, low * high % _P, right * low % _P, left * high % _P


def _times(scalar: int, point: _Point) -> _Point:
    total: _Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = _add(total, point)
        point = _add(point, point)
        scalar >>= 1
    return total


def _same(a: _Point, b: _Point) -> bool:
    return (a[0] * b[2] - b[0] * a[2]) % _P == 0 and (a[1] * b[2] - b[1] * a[2]) % _P == 0


def _decode(data: bytes) -> _Point | None:
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _SQRT_MINUS_1 % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


_BASE_Y = 4 * pow(5, -1, _P) % _P
_BASE = _decode(_BASE_Y.to_bytes(32, "little")) or (0, 1, 1, 0)


if __name__ == "__main__":
    sys.exit(main())
