"""`AuditLog`: the sink that writes the compliance log.

A call's record is on its way to the disk when the sink returns: it has been handed to the operating system in
one write, so killing the process loses nothing that was acknowledged. `mode` says when a call also waits
for the disk itself. What happens when the log cannot be written is `on_failure`; it is never silent.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import secrets
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from guardrails_lite._arguments import by_name
from guardrails_lite._errors import ConfigError, LogUnavailable
from guardrails_lite._policy import alive, is_bound
from guardrails_lite.audit import _disk
from guardrails_lite.audit._disk import Clock, Disk
from guardrails_lite.audit._format import Entry, encoder
from guardrails_lite.audit._keys import Algorithm, has_cryptography
from guardrails_lite.audit._pseudonym import Pseudonyms
from guardrails_lite.audit._registry import Registry, Session
from guardrails_lite.audit._scan import find_tail, last_checkpoint
from guardrails_lite.audit._stream import NO_ID, Stream
from guardrails_lite.audit._vault import Vault

if TYPE_CHECKING:
    from guardrails_lite._record import Intent, Original, Record
    from guardrails_lite._tools import SQLiteLedger
    from guardrails_lite.audit._verify import Report

LogMode = Literal["async", "commit", "strict"]
OnFailure = Literal["closed", "spill", "open"]
Witness = Callable[[str], object]
Capture = Literal["none", "metadata", "redacted", "sealed"]

_LONGEST_POLICY: Final = 2**20
"""Bytes of what a policy consists of: each segment tells it anew."""
_LIVE: Final[weakref.WeakSet[AuditLog]] = weakref.WeakSet()
"""Logs of this process: a forked child must not write to its parent's streams, and exit ends them."""
_PREPARING = threading.RLock()
"""Held while a log is made, so that no fork duplicates a lock file in use."""
_FORKING: Final[dict[int, list[AuditLog]]] = {}
"""The logs whose locks the forking thread holds between the two halves of a fork."""


@by_name
class AuditLog:
    """A compliance log in *directory*: hash-chained, signed, verifiable offline, without text.

    Give it to a guard as ``log=AuditLog("audit")``. Threads, asyncio and forked processes may share one, and
    any number of processes may log to the same directory: each writes its own stream.

    Args:
        directory: Where the log lives; made when it is not there.
        mode: When a call waits for the disk. ``"async"``: never, the disk is synced each second.
            ``"commit"``: where something was found, changed or failed, until its record is durable.
            ``"strict"``: always, and nothing is sent to the provider before the intent is durable.
        on_failure: What a call does when the log cannot be written. ``"closed"``: it fails with
            `LogUnavailable`. ``"spill"``: its record goes to the log at *spill*. ``"open"``: it goes on,
            and the number of lost records is written as a ``gap`` as soon as writing works again.
        spill: The directory for ``on_failure="spill"``, best on another volume.
        capture: What is kept of texts. ``"metadata"``, ``"none"``: nothing but counts. ``"redacted"``:
            what was let through, as the rules left it, in an encrypted vault, never in the log itself.
            ``"sealed"``: beside it in the vault also the originals, what was asked and answered before any
            rule rewrote or stopped it, which is opened only where that is asked for by name. Both need
            `cryptography`.
        signing: How checkpoints are signed; default: ``"ed25519"`` where `cryptography` is installed
            (extra ``[audit]``), otherwise ``"hmac-sha256"``. Decided when the log is made.
        keys: Where the keys live; default: ``keys`` in *directory*. Another volume or user is better.
        checkpoint_every: Sign after this many entries, and at the latest each second.
        heartbeat_s: Say that nothing happened after so many idle seconds; None: never.
        segment_bytes: Start a new segment, and a new signing key, at this size.
        witness: Receives the head of the log every *witness_s* seconds and when the log is closed, to keep
            it where this machine cannot change it (`witness_file`, syslog, a commit). It runs in the
            background; one that raises is recorded and asked again.
        clock: Tells the time; default: the system's clocks.
        disk: Writes and syncs; default: the system's calls.

    Raises:
        ConfigError: an argument cannot work, or the directory cannot be written or is damaged.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        mode: LogMode = "commit",
        on_failure: OnFailure = "closed",
        spill: str | os.PathLike[str] | None = None,
        capture: Capture = "metadata",
        signing: Algorithm | None = None,
        keys: str | os.PathLike[str] | None = None,
        checkpoint_every: int = 256,
        heartbeat_s: float | None = 60.0,
        segment_bytes: int = 64 * 1024 * 1024,
        witness: Witness | None = None,
        witness_s: float = 60.0,
        clock: Clock | None = None,
        disk: Disk | None = None,
    ) -> None:
        _check_path("AuditLog(...)", directory)
        self.directory = Path(directory).absolute()
        self.mode: LogMode = _one_of("mode", mode, ("async", "commit", "strict"))
        self.on_failure: OnFailure = _one_of("on_failure", on_failure, ("closed", "spill", "open"))
        if (spill is not None) != (on_failure == "spill"):
            raise ConfigError(
                "AuditLog: on_failure='spill' and spill=<directory> go together; give both or none"
            )
        for name, path in (("spill", spill), ("keys", keys)):
            if path is not None:
                _check_path(f"AuditLog: {name}=", path)
        _check_whole("checkpoint_every", checkpoint_every, least=1)
        _check_whole("segment_bytes", segment_bytes, least=4096)
        if heartbeat_s is not None:
            _check_seconds("heartbeat_s", heartbeat_s)
        _check_seconds("witness_s", witness_s)
        if witness is not None and not callable(witness):
            raise ConfigError(
                f"AuditLog: witness= takes a function that receives the head, not {type(witness).__name__}: "
                "witness=witness_file('heads')"
            )
        _check_system("clock", clock, Clock)
        _check_system("disk", disk, Disk)
        self.capture: Capture = _one_of("capture", capture, ("none", "metadata", "redacted", "sealed"))
        self._repr = _call_text(
            directory, mode=mode, on_failure=on_failure, spill=spill, capture=capture, signing=signing
        )
        self._clock = clock or Clock()
        self._disk = disk or Disk()
        self._every = checkpoint_every
        self._heartbeat_s = heartbeat_s
        self._witness = witness
        self._witness_s = witness_s
        self._segment_bytes = segment_bytes
        self._encode = encoder()
        self._keys = Path(keys).absolute() if keys is not None else self.directory / "keys"
        self._registry = Registry(self.directory, self._keys, clock=self._clock, encode=self._encode)
        self._pseudonyms = Pseudonyms(self._keys / "pseudonym.key")
        self.vault = Vault(self.directory / "vault", self._keys / "vault.key", disk=self._disk)
        self._spill = AuditLog(spill, mode=mode, keys=None) if spill is not None else None
        self._reset()
        with _PREPARING:
            self._prepare(signing)
        _LIVE.add(self)

    def _prepare(self, signing: Algorithm | None) -> None:
        if not _disk.HAS_LOCKS:
            raise ConfigError(
                "AuditLog needs POSIX file locks, which this system lacks; log to a callable instead"
            )
        algorithm = signing
        if algorithm is None:
            algorithm = "ed25519" if has_cryptography() else "hmac-sha256"
        _one_of("signing", algorithm, ("ed25519", "hmac-sha256"))
        if algorithm == "ed25519" and not has_cryptography():
            raise ConfigError(
                "AuditLog(signing='ed25519') needs cryptography: pip install 'guardrails-lite[audit]'"
            )
        if self.capture in ("redacted", "sealed") and not has_cryptography():
            raise ConfigError(
                f"AuditLog(capture={self.capture!r}) needs cryptography: pip install 'guardrails-lite[audit]'"
            )
        try:
            _disk.make_private(self.directory / "open")
            probe = self.directory / "open" / f".probe-{secrets.token_hex(8)}"
            probe.touch(exist_ok=False)
            probe.unlink()
            self._registry.create_or_load(algorithm, {})
            with _disk.locked(self._registry.lock_path):
                self._pseudonyms.load(make=not self._registry.has_streams())
                if self.capture in ("redacted", "sealed") or (self._keys / "vault.key").exists():
                    self.vault.load()
        except OSError as error:
            raise ConfigError(
                f"AuditLog({str(self.directory)!r}): the directory cannot be written "
                f"({error.strerror or type(error).__name__}). Make it, and let this user write to it."
            ) from error

    def _reset(self, parent: str | None = None) -> None:
        self._lock = threading.RLock()
        self._stream: Stream | None = None
        self._holds = -1
        self._parent = parent
        self._writing = False
        self._deferred: deque[tuple[str, str, bytes, str]] = deque()
        self._lost = 0
        self._trouble: str | None = None
        self._counts = {"call.intent": 0, "call.completed": 0}
        self._touched_ns = self._witnessed_ns = 0
        self._ticker: threading.Thread | None = None
        self._stop = threading.Event()

    # -- the sink -------------------------------------------------------------------------------------

    def __call__(self, record: Record) -> None:
        """Write the record of a finished call, and seal its texts where they are captured."""
        self.sealed(record, ())

    def sealed(self, record: Record, originals: Sequence[Original]) -> None:
        """The same, with what was said before any rule: it is kept at level ``"sealed"`` only."""
        data = record.to_dict(pseudonym=self._pseudonyms.of)
        wait = self.mode == "strict" or (self.mode == "commit" and _is_remarkable(data))
        if self.capture == "sealed" and (record.texts or originals):
            data["content"] = self._content(record, originals)
        elif self.capture == "redacted" and record.texts:
            data["content"] = self._content(record, ())
        self._put("call.completed", record.id, self._encode(data), wait, policy=record.digest)

    def intent(self, intent: Intent) -> None:
        """Write that a call is about to be made."""
        data = intent.to_dict(pseudonym=self._pseudonyms.of)
        self._put("call.intent", intent.id, self._encode(data), self.mode == "strict", policy=intent.digest)

    def _content(self, record: Record, originals: Sequence[Original]) -> dict[str, Any]:
        as_kept = tuple(said[:3] for said in originals) == record.texts
        user = record.who.get("user")
        subject = self._pseudonyms.of("user", user) if user is not None else f"call:{record.id}"
        try:
            content = self.vault.put(record.id, subject, record.texts, () if as_kept else originals)
        except OSError as error:
            # The record matters more than the texts: it is written, and says that they are missing.
            return {"capture": self.capture, "failed": type(error).__name__}
        told: dict[str, Any] = {"capture": self.capture}
        if content.kept is not None:
            told |= content.kept.to_dict()
        if originals:
            told["original"] = None if content.original is None else content.original.to_dict()
        return told

    def append(self, kind: str, ident: str, data: Mapping[str, Any]) -> None:
        """Write one entry of *kind* without waiting for the disk."""
        self._put(kind, ident, self._encode(data), False)

    def pseudonym(self, kind: str, value: str) -> str:
        """What stands in this log for *value*, which is a *kind* such as ``"user"``."""
        return self._pseudonyms.of(kind, value)

    def pseudonyms_of(self, kind: str, value: str) -> list[str]:
        """All that *value* may be called in this log: one pseudonym for each period of its key."""
        return self._pseudonyms.all_of(kind, value)

    def event(self, kind: str, data: Mapping[str, Any], *, id: str | None = None) -> str:
        """Write an entry of another *kind*, wait until it is durable, and return its id.

        Raises:
            LogUnavailable: it could not be written, whatever `on_failure` says.
        """
        ident = id or secrets.token_hex(16)
        self._put(kind, ident, self._encode(data), True, must=True)
        return ident

    def events(self, kind: str, several: Iterable[Mapping[str, Any]]) -> list[str]:
        """Write several entries of another *kind*, wait once until all are durable, and return their ids.

        Raises:
            LogUnavailable: one could not be written, whatever `on_failure` says.
        """
        idents, bodies = [], [self._encode(data) for data in several]
        for left, body in zip(range(len(bodies) - 1, -1, -1), bodies, strict=True):
            idents.append(secrets.token_hex(16))
            self._put(kind, idents[-1], body, not left, must=True)
        return idents

    @property
    def blocking(self) -> bool:
        """Whether a call may wait for the disk here; an event loop then writes in a thread."""
        return self.mode != "async"

    @property
    def effects(self) -> SQLiteLedger:
        """What the tools of guards with this log have done, so that no write happens twice."""
        from guardrails_lite._tools import SQLiteLedger

        return SQLiteLedger(self.directory / "effects.db", key=self._keys / "effects.key")

    # -- reading --------------------------------------------------------------------------------------

    def records(self, kind: str | None = "call.completed") -> Iterator[Entry]:
        """The entries of this log in the order of their time, of one *kind* or (None) of all."""
        from guardrails_lite.audit._read import read

        return read(self.directory, kind=kind)

    def verify(self, *, key: str | None = None, heads: Iterable[str] = ()) -> Report:
        """Check the whole log, this process's entries sealed first. See `guardrails_lite.audit.verify`."""
        from guardrails_lite.audit._verify import verify

        self.seal()
        return verify(self.directory, key=key if key is not None else self._verify_key(), heads=heads)

    def _verify_key(self) -> str | None:
        try:
            return (self._keys / "verify.key").read_text()
        except OSError:
            return None

    # -- ending ---------------------------------------------------------------------------------------

    def seal(self) -> None:
        """Sign and sync what has been written so far."""
        with self._lock:
            stream = self._stream
            if stream is None or stream.broken is not None:
                return
            try:
                stream.checkpoint()
                stream.sync(stream.size)
            except OSError as error:
                self._note_trouble(error)

    def head(self) -> str:
        """Seal, and sign how far every running stream has come: the head of the whole log.

        Whoever keeps this short text elsewhere can later show that the log was rolled back or rewritten,
        even by somebody who holds every key of this machine: ``verify(directory, heads=[...])``. It is a
        checkpoint in the format of C2SP tlog-checkpoint.
        """
        self.seal()
        with self._lock, self._registry.session() as session:
            streams = []
            for name in _open_streams(session):
                found = last_checkpoint(self.directory / "streams" / name)
                if found is not None:
                    streams.append((name, found.size, found.root.hex()))
            return session.head(streams)

    def close(self) -> None:
        """End this process's stream. A record that comes later opens a new one."""
        self._stop.set()
        with self._lock:
            stream, self._stream = self._stream, None
            if stream is None:
                return
            try:
                if stream.broken is None:
                    size, root = stream.end({**self._counts, "lost": self._lost})
                    with self._registry.session() as session:
                        ended = {"stream": stream.name, "size": size, "root": root, "leaf": stream.leaf}
                        session.append("stream.closed", ended)
                    (self.directory / "open" / stream.name).unlink(missing_ok=True)
            except OSError as error:
                self._note_trouble(error)
            finally:
                stream.abandon()
                self._let_go()
        if self._witness is not None:
            with contextlib.suppress(Exception):  # the stream that could tell of it has ended
                self._witness(self.head())
        self.vault.close()
        if self._spill is not None:
            self._spill.close()

    def __enter__(self) -> AuditLog:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()

    def __repr__(self) -> str:
        return self._repr

    # -- writing --------------------------------------------------------------------------------------

    def _put(
        self, kind: str, ident: str, body: bytes, wait: bool, *, policy: str = "", must: bool = False
    ) -> None:
        try:
            with self._lock:
                if self._writing:
                    # The garbage collector ended an abandoned stream while this thread was in here.
                    self._deferred.append((kind, ident, body, policy))
                    return
                self._writing = True
                try:
                    stream, size = self._write(kind, ident, body, policy)
                    while self._deferred:
                        self._write(*self._deferred.popleft())
                finally:
                    self._writing = False
            if wait:
                self.vault.sync()
                stream.sync(size)
        except (OSError, ConfigError) as error:
            self._failed(kind, ident, body, error, policy, must)

    def _write(self, kind: str, ident: str, body: bytes, policy: str) -> tuple[Stream, int]:
        stream = self._stream
        if stream is None or stream.broken is not None:
            stream = self._open()
        if self._trouble is not None:
            gap = {"lost": self._lost, "why": self._trouble, "policy": self.on_failure}
            stream.append("gap", NO_ID, self._encode(gap))
            self._lost, self._trouble = 0, None
        if policy and policy not in stream.explained:
            self._explain(stream, policy)
        size = stream.append(kind, ident, body)
        if kind in self._counts:
            self._counts[kind] += 1
        if size - stream.sealed >= self._every:
            try:
                stream.maintain()
            except OSError as error:
                self._note_trouble(error)
        return stream, size

    def _explain(self, stream: Stream, digest: str) -> None:
        """Write what the policy of that digest is, before the first call that is decided by it.

        Each segment says so anew: retention takes segments one by one, and one that is left explains itself.
        """
        policy = alive(digest)
        if policy is not None:
            told = {
                "digest": digest,
                "config": policy.config,
                "rest": policy.rest,
                "withheld": {
                    place: self._pseudonyms.of("withheld", text) for place, text in policy.withheld.items()
                },
                "capture": self.capture,
            }
            body = self._encode(told)
            # What is too long, or deeper than JSON is read, would be found as forged: it is not told then.
            if len(body) <= _LONGEST_POLICY and is_bound(json.loads(body), digest):
                stream.append("policy.loaded", digest, body)
        stream.explained.add(digest)

    def _failed(self, kind: str, ident: str, body: bytes, error: Exception, policy: str, must: bool) -> None:
        with self._lock:
            self._note_trouble(error)
            self._lost += 1
        if not must:
            if self.on_failure == "open":
                return
            if self._spill is not None:
                self._spill._put(kind, ident, body, True, policy=policy)
                return
        raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> LogUnavailable:
        what = f"the compliance log {str(self.directory)!r} could not be written"
        if isinstance(error, ConfigError):
            return LogUnavailable(f"{what}. {error}")
        return LogUnavailable(
            f"{what} ({self._trouble}). "
            "Free space or mend the volume; on_failure='spill' writes elsewhere meanwhile."
        )

    def _make_ready(self) -> None:
        """Open this process's stream, so that what is done next can be recorded.

        Raises:
            LogUnavailable: it cannot be written.
        """
        with self._lock:
            if self._stream is not None and self._stream.broken is None:
                return
            try:
                self._open()
            except (OSError, ConfigError) as error:
                self._note_trouble(error)
                raise self._unavailable(error) from error

    def _note_trouble(self, error: Exception) -> None:
        code = getattr(error, "errno", None)
        self._trouble = f"{type(error).__name__}{f' errno {code}' if code else ''}"

    # -- opening a stream -----------------------------------------------------------------------------

    def _open(self) -> Stream:
        if self._stream is not None:
            self._stream.abandon()
            self._stream = None
        self._let_go()
        wall = self._clock.wall_ns()
        at = time.strftime("%Y%m%dt%H%M%S", time.gmtime(wall // 10**9))
        name = f"{at}{wall // 1000 % 10**6:06d}-{os.getpid()}-{secrets.token_hex(6)}"
        with self._registry.session() as session:
            recovered = [
                found for known in _open_streams(session) if (found := self._recover(session, known))
            ]
            holds = _disk.try_lock(self.directory / "open" / name)
            if holds is None:
                raise OSError("the new stream's lock is held")
            self._holds = holds
            key = session.key.for_stream(f"{session.registry.log}/{name}")
            opened = {"stream": name, "key": key.declared, "parent": self._parent, "boot": _disk.boot_id()}
            stream = Stream(
                self.directory / "streams" / name,
                name=name,
                key=key,
                encode=self._encode,
                disk=self._disk,
                clock=self._clock,
                segment_bytes=self._segment_bytes,
            )
            # The first line comes before the registry's: a registered stream without a file was removed.
            stream.begin({"log": session.registry.log, "registry": len(session.leaves), **self._about()})
            session.append("stream.opened", opened)
        for found in recovered:
            stream.append("recovery", NO_ID, self._encode(found))
        self._stream = stream
        self._touched_ns = self._clock.mono_ns()
        self._start_ticker()
        return stream

    def _about(self) -> dict[str, Any]:
        from importlib.metadata import version

        return {
            "pid": os.getpid(),
            "parent": self._parent,
            "python": sys.version.split()[0],
            "library": version("guardrails-lite"),
            "mode": self.mode,
            "on_failure": self.on_failure,
        }

    def _recover(self, session: Session, stream: str) -> dict[str, Any] | None:
        """Close off a stream whose process is gone: what it holds is fixed in the registry."""
        marker = self.directory / "open" / stream
        holds = _disk.try_lock(marker)
        if holds is None:
            return None
        try:
            try:
                tail = find_tail(self.directory / "streams" / stream)
            except (OSError, ValueError, KeyError):
                return None  # damaged: `verify` tells how, and nothing here may cover it up
            told: dict[str, Any] = {
                "stream": stream,
                "size": tail.size,
                "root": tail.root,
                "leaf": tail.leaf,
                "torn": {"bytes": len(tail.torn), "sha256": tail.torn_sha256},
            }
            session.append("stream.recovered", told)
            marker.unlink(missing_ok=True)
            return {**told, "open_calls": list(tail.open_calls)}
        finally:
            os.close(holds)

    def _let_go(self) -> None:
        if self._holds >= 0 and self._stream is None:
            os.close(self._holds)
        self._holds = -1

    # -- in the background ----------------------------------------------------------------------------

    def _start_ticker(self) -> None:
        if self._ticker is None or not self._ticker.is_alive():
            self._stop = threading.Event()
            args = (weakref.ref(self), self._stop)
            self._ticker = threading.Thread(
                target=_tick_each_second, args=args, name="audit-log", daemon=True
            )
            self._ticker.start()

    def tick(self) -> None:
        """What the background thread does each second: seal and sync, or tell that nothing happened."""
        with self._lock:
            stream = self._stream
            if stream is None or stream.broken is not None or self._writing:
                return
            now = self._clock.mono_ns()
            if stream.size != stream.sealed:
                self._touched_ns = now
            elif self._heartbeat_s is not None and now - self._touched_ns >= self._heartbeat_s * 1e9:
                self._touched_ns = now
                with contextlib.suppress(OSError):
                    stream.append("heartbeat", NO_ID, self._encode(self._counts))
            try:
                stream.checkpoint()
            except OSError as error:
                self._note_trouble(error)
                return
            size = stream.size
        try:
            stream.sync(size)
        except OSError as error:
            with self._lock:
                self._note_trouble(error)
        if self._witness is not None and now - self._witnessed_ns >= self._witness_s * 1e9:
            self._witnessed_ns = now
            self._tell_witness()

    def _tell_witness(self) -> None:
        if self._witness is None:
            return
        try:
            self._witness(self.head())
        except Exception as error:  # a witness is the application's; the log goes on and says so
            with contextlib.suppress(LogUnavailable):
                self.event("witness.failed", {"error": type(error).__name__})


def _tick_each_second(log: Callable[[], AuditLog | None], stop: threading.Event) -> None:
    while not stop.wait(1.0):
        held = log()
        if held is None:
            return
        held.tick()
        del held


def _open_streams(session: Session) -> list[str]:
    return [known.name for known in session.streams.values() if known.ended is None]


def _is_remarkable(data: Mapping[str, Any]) -> bool:
    """Whether something was found, changed or failed, so that losing the record would matter most."""
    if data["outcome"] != "passed":
        return True
    return any(check["result"] not in _DULL for check in data["checks"])


_DULL = frozenset({"passed", "skipped", "not run"})


def _one_of(name: str, value: Any, allowed: tuple[str, ...]) -> Any:
    if value not in allowed:
        raise ConfigError(f"AuditLog({name}={value!r}): expected one of {', '.join(map(repr, allowed))}")
    return value


def _check_path(what: str, value: object) -> None:
    if not isinstance(value, (str, os.PathLike)):
        raise ConfigError(f"{what} takes the path of a directory, not {type(value).__name__}")


def _check_whole(name: str, value: object, *, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"AuditLog({name}={value!r}): expected a whole number, {least} or more")


def _check_seconds(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise ConfigError(f"AuditLog({name}={value!r}): expected a number of seconds, 0 or more")


def _check_system(name: str, value: Clock | Disk | None, kind: type[Clock] | type[Disk]) -> None:
    if value is None:
        return
    if not isinstance(value, kind):
        raise ConfigError(
            f"AuditLog: {name}= takes a guardrails_lite.audit.{kind.__name__}, not {type(value).__name__}; "
            "leave it out to use the system's"
        )
    for part in kind.__slots__:
        call = getattr(value, part)
        if not callable(call):
            raise ConfigError(
                f"AuditLog: {name}={kind.__name__}({part}=...) takes a function, not {type(call).__name__}"
            )


def _call_text(directory: str | os.PathLike[str], **options: object) -> str:
    plain = {"mode": "commit", "on_failure": "closed", "spill": None, "capture": "metadata", "signing": None}
    told = [f"{name}={value!r}" for name, value in options.items() if value != plain[name]]
    return f"AuditLog({', '.join([repr(os.fspath(directory)), *told])})"


def _before_fork() -> None:
    _PREPARING.acquire()
    for log in _FORKING.setdefault(os.getpid(), list(_LIVE)):
        log._lock.acquire()


def _after_fork_in_parent() -> None:
    for log in _FORKING.pop(os.getpid(), ()):
        log._lock.release()
    _PREPARING.release()


def _after_fork_in_child() -> None:
    global _PREPARING
    _PREPARING = threading.RLock()
    _FORKING.clear()
    for log in list(_LIVE):
        stream, holds = log._stream, log._holds
        log.vault._lock = threading.Lock()
        log.vault.close()
        log._reset(parent=stream.name if stream is not None else None)
        if stream is not None:
            stream.abandon()
        if holds >= 0:
            os.close(holds)


def _at_exit() -> None:
    for log in list(_LIVE):
        log.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
atexit.register(_at_exit)
