"""The registry: a small signed stream that tells which streams there are and how each one ended.

A stream per process makes writing fast and leaves one question open: is a stream missing? So each opening,
each ending, each recovery after a crash and each expiry is an entry of ``registry.jsonl``, chained like any
stream and followed by a checkpoint. The registry's key evolves with every entry, and it signs the first key
of every stream. Deleting a process's stream, or cutting it, contradicts the registry.

The log's description, ``log.json``, is repeated in the registry's first entry, so it cannot change unseen.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit._disk import Clock, make_private, replace_secret, sync_directory
from guardrails_lite.audit._format import FORMAT, NO_LEAF, BadLine, checkpoint_line, leaf_hash, parse
from guardrails_lite.audit._keys import Algorithm, PrivateKey, load_key, new_key
from guardrails_lite.audit._merkle import Frontier
from guardrails_lite.audit._note import Checkpoint, b64, unb64
from guardrails_lite.audit._scan import lines
from guardrails_lite.audit._turn import turn

REGISTRY = "registry"


@dataclass(slots=True)
class Known:
    """What the registry says of one stream."""

    name: str
    key: str
    epoch: int
    """The epoch of the registry's key when the stream was opened."""
    ended: Mapping[str, Any] | None = None
    """The entry that ended it: ``size``, ``root``, ``leaf``, and after a crash ``torn``."""
    expired: Mapping[str, Any] | None = None
    """The last of its segments that retention has removed: how far it went, and how it goes on."""
    heads: dict[int, str] = field(default_factory=dict)
    """Sizes at which a head of the log recorded its root."""


class Registry:
    """The registry of the log in *directory*, and the key that signs it."""

    def __init__(
        self, directory: Path, keys: Path, *, clock: Clock, encode: Callable[[object], bytes]
    ) -> None:
        self.path = directory / "registry.jsonl"
        self.config_path = directory / "log.json"
        self.lock_path = directory / "lock"
        self.keys = keys
        self.log = ""
        self._clock = clock
        self._encode = encode

    def create_or_load(self, algorithm: Algorithm, settings: Mapping[str, Any]) -> None:
        """Make the log unless it is there, and learn its name."""
        with turn(self.lock_path):
            if not self.config_path.exists():
                self._create(algorithm, settings)
            self.log = str(read_config(self.config_path)["log"])
            if not self.path.exists():
                raise _damaged(self.path, "it is missing; is this an incomplete copy?")
            if not self.keys.is_dir():
                raise ConfigError(
                    f"{self.keys}: the keys of this log are missing, so nothing can be added to it. "
                    "If they are kept elsewhere, give keys=; without them the log stays readable."
                )

    def has_streams(self) -> bool:
        """Whether anything was ever written to this log."""
        return any(b'"t":"stream.opened"' in line[:400] for line in lines(self.path))

    def _create(self, algorithm: Algorithm, settings: Mapping[str, Any]) -> None:
        if self.path.exists():
            raise ConfigError(
                f"{self.path.parent}: there is a registry but no log.json, so this log is damaged. "
                "Keep it as it is, run `guardrails-lite log verify`, and log to another directory."
            )
        log = f"guardrails-lite/{secrets.token_hex(8)}"
        key = new_key(algorithm, log)
        config = {
            "format": FORMAT,
            "log": log,
            "algorithm": algorithm,
            "genesis": key.declared,
            "created_ns": self._clock.wall_ns(),
            **settings,
        }
        make_private(self.keys)
        make_private(self.path.parent / "streams")
        verify = key.declared if algorithm == "ed25519" else b64(key.secret)
        replace_secret(self.keys / "verify.key", f"{algorithm} {log} {verify}\n".encode())
        self._save(algorithm, key, None, 0)
        self.log = log
        session = Session(self, [], key, algorithm, 0, {}, NO_LEAF, Frontier(), None)
        session.append("log.created", {"config": config})
        fresh = self.config_path.with_suffix(".new")
        with fresh.open("w") as file:
            file.write(json.dumps(config, indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, self.config_path)
        sync_directory(self.config_path.parent)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Hold the registry's lock, with all it says at hand."""
        with turn(self.lock_path):
            yield self._load()

    def _load(self) -> Session:
        known: dict[str, Known] = {}
        frontier, leaf, epoch, torn = Frontier(), NO_LEAF, 0, None
        raw = self.path.read_bytes()
        whole, _, rest = raw.rpartition(b"\n")
        last = ""
        leaves = []
        for line in whole.split(b"\n") if whole else ():
            try:
                entry = parse(line)
            except BadLine as error:
                raise _damaged(self.path, str(error)) from error
            digest = leaf_hash(line)
            leaves.append(digest)
            leaf, last = digest.hex(), entry.type
            note_entry(known, entry.type, entry.data, epoch)
            epoch += entry.type == "checkpoint"
        frontier.extend(leaves)
        algorithm, key = self._key(epoch)
        if rest:  # only now: of a registry that is damaged not a byte is removed
            torn = {"bytes": len(rest), "sha256": sha256(rest).hexdigest()}
            os.truncate(self.path, len(raw) - len(rest))
        session = Session(self, leaves, key, algorithm, epoch, known, leaf, frontier, torn)
        if leaves and last != "checkpoint":
            session.sign()
        return session

    def _key(self, epoch: int) -> tuple[str, PrivateKey]:
        path = self.keys / "signing.key"
        try:
            held = json.loads(path.read_bytes())
            algorithm, at = str(held["algorithm"]), int(held["epoch"])
            secrets_held = [unb64(held["secret"])] + ([unb64(held["next"])] if held["next"] else [])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{path}: the signing key of this log cannot be read ({type(error).__name__}), so "
                "nothing can be added to it. Log to another directory; this one stays readable."
            ) from error
        if not 0 <= epoch - at < len(secrets_held):
            raise _damaged(self.path, f"it is at epoch {epoch}, its key at {at}")
        return algorithm, load_key(algorithm, self.log, secrets_held[epoch - at])

    def _save(self, algorithm: str, key: PrivateKey, following: PrivateKey | None, epoch: int) -> None:
        held = {
            "algorithm": algorithm,
            "epoch": epoch,
            "secret": b64(key.secret),
            "next": b64(following.secret) if following is not None else None,
        }
        replace_secret(self.keys / "signing.key", json.dumps(held).encode())


@dataclass(slots=True)
class Session:
    """The registry while its lock is held."""

    registry: Registry
    leaves: list[bytes]
    key: PrivateKey
    algorithm: str
    epoch: int
    streams: dict[str, Known]
    leaf: str
    frontier: Frontier
    torn: Mapping[str, Any] | None
    note: str = ""
    """The checkpoint of the newest entry, once one was added."""

    def append(self, kind: str, data: Mapping[str, Any]) -> None:
        """Add one entry, signed by today's key, and move on to the next key.

        The new key is on the disk before the entry that announces it, so a crash at any point leaves
        either the old state or the new one.
        """
        registry = self.registry
        following = self.key.next()
        registry._save(self.algorithm, self.key, following, self.epoch)
        told = {**data, "next_key": following.declared}
        if self.torn is not None:
            told["torn_registry"], self.torn = self.torn, None
        line = b'{"v":1,"s":"registry","n":%d,"p":"%b","t":"%b","id":"%b","ts":%d,"mono":%d,"d":%b}' % (
            len(self.leaves),
            self.leaf.encode(),
            kind.encode(),
            secrets.token_hex(16).encode(),
            registry._clock.wall_ns(),
            registry._clock.mono_ns(),
            registry._encode(told),
        )
        note_entry(self.streams, kind, told, self.epoch)
        self._write(line)
        self.sign(following)

    def head(self, streams: list[tuple[str, int, str]]) -> str:
        """Record how far each running stream has come; the checkpoint of that is the head of the log."""
        self.append("head", {"streams": streams})
        return self.note

    def sign(self, following: PrivateKey | None = None) -> None:
        """Checkpoint what is there under today's key, then forget it."""
        registry = self.registry
        following = following or self._following()
        self.note = Checkpoint(registry.log, self.frontier.size, self.frontier.root()).signed(self.key)
        self._write(checkpoint_line(REGISTRY, len(self.leaves), self.leaf, self.note))
        self.key = following
        self.epoch += 1
        registry._save(self.algorithm, following, None, self.epoch)

    def _following(self) -> PrivateKey:
        return self.registry._key(self.epoch + 1)[1]

    def _write(self, line: bytes) -> None:
        fd = os.open(self.registry.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(fd).st_size
            data = line + b"\n"
            try:
                done = os.write(fd, data)
                while done < len(data):
                    done += os.write(fd, data[done:])
                os.fsync(fd)
            except OSError:
                os.ftruncate(fd, size)
                raise
        finally:
            os.close(fd)
        digest = leaf_hash(line)
        self.leaves.append(digest)
        self.frontier.extend([digest])
        self.leaf = digest.hex()


_DIRECTORY = re.compile(r"[\w-]{1,200}", re.ASCII)
"""What may name a stream: a directory below ours, and none beside it."""


def note_entry(known: dict[str, Known], kind: str, data: Mapping[str, Any], epoch: int) -> None:
    """Take one entry of the registry into what is known of the streams; what is malformed tells nothing."""
    name = data.get("stream")
    told = data.get("streams") if kind == "head" else None
    for one in told if isinstance(told, list) else ():
        match one:
            case [str(stream), int(size), str(root)] if stream in known:
                known[stream].heads[size] = root
    if not isinstance(name, str) or not _DIRECTORY.fullmatch(name):
        return
    if kind == "stream.opened":
        known[name] = Known(name, str(data.get("key")), epoch)
    elif kind in ("stream.closed", "stream.recovered") and name in known:
        known[name].ended = {**data, "kind": kind}
    elif kind == "segment.expired" and name in known:
        known[name].expired = data


def read_config(path: Path) -> dict[str, Any]:
    """The description of a log.

    Raises:
        ConfigError: *path* is not one, or of a format that this library does not know.
    """
    try:
        config = json.loads(path.read_bytes())
        found = config["format"]
        log = config["log"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path.parent}: not a compliance log ({_why(path, error)})") from error
    if found != FORMAT or not isinstance(log, str):
        raise ConfigError(
            f"{path.parent}: this log has format {found!r}, but this library reads {FORMAT!r}. "
            "Nothing was changed; use the version of guardrails-lite that wrote it."
        )
    return dict(config)


def _why(path: Path, error: Exception) -> str:
    """What is there in place of a log, and what was expected."""
    place = path.parent
    if not place.exists():
        return "there is no such directory; expected one that AuditLog made"
    if not place.is_dir():
        return "it is not a directory; expected one that AuditLog made"
    if not isinstance(error, FileNotFoundError):
        return f"{type(error).__name__} in {path.name}; expected a directory that AuditLog made"
    around = [
        *(above / path.name for above in place.absolute().parents),
        *sorted(place.glob(f"*/{path.name}")),
    ]
    near = next((each.parent for each in around if os.path.isfile(each)), None)
    hint = "" if near is None else f"; {near} is one"
    return f"it has no {path.name}, which AuditLog writes into its directory{hint}"


def _damaged(path: Path, what: str) -> ConfigError:
    return ConfigError(
        f"{path}: the registry does not continue ({what}), so nothing is added to this log. "
        "Keep it as it is, run `guardrails-lite log verify`, and log to another directory."
    )
