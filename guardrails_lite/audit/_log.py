"""`AuditLog`: the sink that writes the compliance log.

A call's record is on its way to the disk when the sink returns: it has been handed to the operating system in
one write, so killing the process loses nothing that was acknowledged. `mode` says when a call also waits
for the disk itself. What happens when the log cannot be written is `on_failure`; it is never silent.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from guardrails_lite._arguments import by_name
from guardrails_lite._errors import ConfigError
from guardrails_lite.audit import _disk, _lifetimes, _spilled
from guardrails_lite.audit._content import Content
from guardrails_lite.audit._disk import Clock, Disk
from guardrails_lite.audit._explaining import explanation
from guardrails_lite.audit._format import Entry, encoder
from guardrails_lite.audit._keys import Algorithm
from guardrails_lite.audit._privacy import holds_lock
from guardrails_lite.audit._pseudonym import Pseudonyms
from guardrails_lite.audit._registry import Registry
from guardrails_lite.audit._settings import Capture, LogMode, OnFailure, Settings, Witness
from guardrails_lite.audit._turn import turn
from guardrails_lite.audit._vault import Vault
from guardrails_lite.audit._writer import Writer

if TYPE_CHECKING:
    from guardrails_lite._record import Intent, KeptText, Record
    from guardrails_lite._tools import SQLiteLedger
    from guardrails_lite.audit._verify import Report

_DULL: Final = frozenset({"passed", "skipped", "not run"})
"""Results of checks that change nothing about a call."""


@by_name
class AuditLog:
    """A compliance log in *directory*: hash-chained, signed, verifiable offline, without text.

    Give it to a guard as ``log=AuditLog("audit")``. Threads, asyncio and forked processes may share one, and
    any number of processes may log to the same directory; each writes its own stream.

    Args:
        directory: Where the log is stored; created if it does not exist.
        mode: When a call waits for the disk. ``"async"``: never; the disk is synced each second.
            ``"commit"``: if something was found, changed or failed, until its record is durable.
            ``"strict"``: always, and nothing is sent to the provider before the intent is durable.
        on_failure: What a call does when the log cannot be written. ``"closed"``: it fails with
            `LogUnavailable`. ``"spill"``: its record goes to the log at *spill*. ``"open"``: it goes on.
            As soon as writing works again, a ``gap`` entry says how many records are missing here.
        spill: The directory for ``on_failure="spill"``, best on another volume. It is a separate log, with
            texts at the same *capture* level. What you do here for a person (erase, hold, restrict) must
            also be done there, on `AuditLog.spill`.
        capture: What is kept of texts. ``"metadata"`` and ``"none"``: nothing but counts. ``"redacted"``:
            the text that was let through, as the rules left it, with the arguments of tool calls, in an
            encrypted vault, never in the log itself. ``"sealed"``: also the originals, from before any rule
            rewrote or stopped them, and refused tool calls; these are opened only on explicit request.
            Both need `cryptography`.
        signing: How checkpoints are signed; default: ``"ed25519"`` if `cryptography` is installed
            (extra ``[audit]``), otherwise ``"hmac-sha256"``. Fixed when the log is created.
        keys: Where the keys are stored; default: ``keys`` in *directory*. Another volume or user is safer.
            If this is given, the keys of *spill* are in its subdirectory ``spill``.
        checkpoint_every: Sign after this many entries, and at the latest each second.
        heartbeat_s: Write a heartbeat after this many idle seconds; None: never.
        segment_bytes: Start a new segment, and a new signing key, at this size.
        witness: Receives the head of the log every *witness_s* seconds and when the log is closed, to keep
            it where this machine cannot change it (`witness_file`, syslog, a commit). It runs in the
            background; if it raises, that is recorded, and it is called again.
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
        settings = Settings(
            directory=directory,
            mode=mode,
            on_failure=on_failure,
            spill=spill,
            capture=capture,
            signing=signing,
            keys=keys,
            checkpoint_every=checkpoint_every,
            heartbeat_s=heartbeat_s,
            segment_bytes=segment_bytes,
            witness=witness,
            witness_s=witness_s,
            clock=Clock() if clock is None else clock,
            disk=Disk() if disk is None else disk,
        )
        self.directory = settings.root
        self.mode: LogMode = mode
        self.on_failure: OnFailure = on_failure
        self.capture: Capture = capture
        self._settings = settings
        self._clock = settings.clock
        self._keys = settings.keys_root
        self._encode = encoder()
        self._registry = Registry(self.directory, self._keys, clock=self._clock, encode=self._encode)
        self._pseudonyms = Pseudonyms(self._keys / "pseudonym.key")
        self.vault = Vault(self.directory / "vault", self._keys / "vault.key", disk=settings.disk)
        self.spill: AuditLog | None = None
        if spill is not None:
            self.spill = AuditLog(spill, mode="strict", capture=capture, keys=settings.spill_keys)
        with _lifetimes.making():
            self._make()
        self._writer = Writer(
            self._registry,
            settings,
            vault=self.vault,
            encode=self._encode,
            explain=partial(explanation, pseudonyms=self._pseudonyms, capture=capture, encode=self._encode),
        )

    def _make(self) -> None:
        """Make what is not there of the log, and see that it can be written."""
        try:
            _disk.make_private(self.directory / "open")
            probe = self.directory / "open" / f".probe-{secrets.token_hex(8)}"
            probe.touch(exist_ok=False)
            probe.unlink()
            self._registry.create_or_load(self._settings.algorithm, {})
            with turn(self._registry.lock_path):
                holds_lock(self.directory).touch(0o600)  # there before a volume is full
                self._pseudonyms.load(make=not self._registry.has_streams())
                if self._settings.keeps_texts or (self._keys / "vault.key").exists():
                    self.vault.load()
            if self.spill is not None:
                with contextlib.suppress(OSError):  # a full volume is what there is a spill for
                    _spilled.note(self.directory, self.spill.directory)
        except OSError as error:
            raise ConfigError(
                f"AuditLog({str(self.directory)!r}): the directory cannot be written "
                f"({error.strerror or type(error).__name__}). Make it, and let this user write to it."
            ) from error

    # -- the sink -------------------------------------------------------------------------------------

    def __call__(self, record: Record) -> None:
        """Write the record of a finished call, and seal its texts where they are captured."""
        self.sealed(record, ())

    def sealed(self, record: Record, originals: Sequence[KeptText]) -> None:
        """The same, with what was said before any rule: it is kept at level ``"sealed"`` only."""
        otherwise = partial(self.spill.sealed, record, originals) if self.spill is not None else None
        said = originals if self.capture == "sealed" else ()
        data = record.to_dict(pseudonym=self._pseudonyms.of)
        wait = self.mode == "strict" or (self.mode == "commit" and _is_remarkable(data))
        unwritten = None
        if self._settings.keeps_texts and (record.texts or said):
            try:
                data["content"], content = self._content(record, said)
                unwritten = partial(self._take_back, content)
            except OSError as error:
                if otherwise is not None:
                    self._writer.miss(error)
                    otherwise()
                    return
                # The record matters more than the texts: it is written, and says that they are missing.
                data["content"] = {"capture": self.capture, "failed": type(error).__name__}
        body = self._encode(data)
        self._writer.put(
            "call.completed",
            record.id,
            body,
            wait,
            policy=record.digest,
            otherwise=otherwise,
            unwritten=unwritten,
        )

    def intent(self, intent: Intent) -> None:
        """Write that a call is about to be made."""
        otherwise = partial(self.spill.intent, intent) if self.spill is not None else None
        body = self._encode(intent.to_dict(pseudonym=self._pseudonyms.of))
        wait = self.mode == "strict"
        self._writer.put("call.intent", intent.id, body, wait, policy=intent.digest, otherwise=otherwise)

    def _content(self, record: Record, originals: Sequence[KeptText]) -> tuple[dict[str, Any], Content]:
        """Seal what is kept of a call: what its record says of that, and what it is."""
        said = tuple(originals)
        as_kept = tuple((*each[:3], None, *each[4:]) for each in said) == record.texts  # but for attempts
        user = record.who.get("user")
        subject = self._pseudonyms.of("user", user) if user is not None else f"call:{record.id}"
        content = self.vault.put(record.id, subject, record.texts, () if as_kept else said)
        told: dict[str, Any] = {"capture": self.capture}
        if content.kept is not None:
            told |= content.kept.to_dict()
        if originals:
            told["original"] = None if content.original is None else content.original.to_dict()
        return told, content

    def _take_back(self, content: Content) -> None:
        """Overwrite the texts of a call whose record could not be written: nothing would name them."""
        with contextlib.suppress(OSError):  # `clear_strays` finds what stays
            self.vault.blank(content.boxes)

    def append(self, kind: str, ident: str, data: Mapping[str, Any]) -> None:
        """Write one entry of *kind* without waiting for the disk."""
        otherwise = partial(self.spill.append, kind, ident, data) if self.spill is not None else None
        self._writer.put(kind, ident, self._encode(data), False, otherwise=otherwise)

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
        self._writer.event(kind, ident, self._encode(data))
        return ident

    def events(self, kind: str, several: Iterable[Mapping[str, Any]]) -> list[str]:
        """Write several entries of another *kind*, wait once until all are durable, and return their ids.

        Raises:
            LogUnavailable: one could not be written, whatever `on_failure` says.
        """
        idents, bodies = [], [self._encode(data) for data in several]
        for left, body in zip(range(len(bodies) - 1, -1, -1), bodies, strict=True):
            idents.append(secrets.token_hex(16))
            self._writer.put(kind, idents[-1], body, not left, must=True)
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
        self._writer.seal()

    def tick(self) -> None:
        """What is done in the background each second: seal and sync, or tell that nothing happened."""
        self._writer.tick()

    def head(self) -> str:
        """Seal, and sign how far every running stream has come: the head of the whole log.

        Whoever keeps this short text elsewhere can later show that the log was rolled back or rewritten,
        even by somebody who holds every key of this machine: ``verify(directory, heads=[...])``. It is a
        checkpoint in the format of C2SP tlog-checkpoint.
        """
        return self._writer.head()

    def close(self) -> None:
        """End this process's stream. A record that comes later opens a new one."""
        self._writer.close()
        if self.spill is not None:
            self.spill.close()

    def __enter__(self) -> AuditLog:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()

    def __repr__(self) -> str:
        return self._settings.as_code()


def _is_remarkable(data: Mapping[str, Any]) -> bool:
    """Whether something was found, changed or failed, so that losing the record would matter most."""
    if data["outcome"] != "passed":
        return True
    return any(check["result"] not in _DULL for check in data["checks"])
