"""What becomes of one entry of a log: it is written behind the last, or what was agreed on is done instead.

Threads share one `Writer`, and so do the tasks of an event loop. In the background it signs and syncs each
second what was written since, or says that nothing was.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from guardrails_lite._errors import ConfigError, LogUnavailable
from guardrails_lite.audit import _lifetimes
from guardrails_lite.audit._own_stream import OwnStream
from guardrails_lite.audit._registry import Registry
from guardrails_lite.audit._settings import Settings
from guardrails_lite.audit._stream import NO_ID, Stream
from guardrails_lite.audit._turn import Later, in_turn, put_off, refuse_in_turn
from guardrails_lite.audit._vault import Vault

Otherwise = Callable[[], object]
"""What is done where an entry cannot be written."""


class Writer:
    """Writes one process's entries to the log of *registry*.

    Args:
        registry: The log's registry.
        settings: How it is written.
        vault: What the entries refer to: it is synced before them.
        encode: Makes JSON of a payload.
        explain: Says what the policy of a digest is, as a payload, where that is known.
    """

    def __init__(
        self,
        registry: Registry,
        settings: Settings,
        *,
        vault: Vault,
        encode: Callable[[object], bytes],
        explain: Callable[[str], bytes | None],
    ) -> None:
        self._registry = registry
        self._settings = settings
        self._vault = vault
        self._encode = encode
        self._explain = explain
        self._start(parent=None)
        _lifetimes.live(self)

    def _start(self, parent: str | None) -> None:
        self.lock = threading.RLock()
        self.own = OwnStream(self._registry, self._settings, self._encode, parent=parent)
        self._busy = False
        self._deferred: deque[Later] = deque()
        """What came while this thread was busy; see `_alone`."""
        self._lost = 0
        self._trouble: str | None = None
        self._counts = {"call.intent": 0, "call.completed": 0}
        self._touched_ns = self._witnessed_ns = 0
        self._ticker: threading.Thread | None = None
        self._stop = threading.Event()

    def begin_anew(self) -> None:
        """Forget, in a forked child, what belongs to the parent."""
        own = self.own
        self._vault.begin_anew()
        self._start(parent=own.stream.name if own.stream is not None else None)
        own.abandon()

    # -- writing --------------------------------------------------------------------------------------

    def put(
        self,
        kind: str,
        ident: str,
        body: bytes,
        wait: bool,
        *,
        policy: str = "",
        otherwise: Otherwise | None = None,
        unwritten: Otherwise | None = None,
        must: bool = False,
    ) -> None:
        """Write one entry, and *wait* until it is durable.

        Args:
            policy: The digest of the policy that decided it, which is explained before it.
            otherwise: Called where it could not be written, or may not be durable.
            unwritten: Called before, where nothing of it is in the log.
            must: It is written, whatever was agreed on.

        Raises:
            LogUnavailable: it could not be written, and nothing else was agreed on.
        """
        terms: dict[str, Any]
        if in_turn():  # so rarely that what is done later is put together only then
            terms = {"policy": policy, "otherwise": otherwise, "unwritten": unwritten, "must": must}
            if put_off(self._registry.lock_path, partial(self.put, kind, ident, body, wait, **terms)):
                return
        try:
            with self.lock:
                if self._busy:
                    terms = {"policy": policy, "otherwise": otherwise, "unwritten": unwritten, "must": must}
                    self._deferred.append(partial(self.put, kind, ident, body, False, **terms))
                    return
                self._busy = True
                try:
                    stream, size = self._write(kind, ident, body, policy)
                except (OSError, ConfigError):
                    if unwritten is not None:
                        unwritten()
                    raise
                finally:
                    self._busy = False
                if self._deferred:
                    self._write_deferred()
            if wait:
                self._vault.sync()
                stream.sync(size)
        except (OSError, ConfigError) as error:
            self.miss(error)
            if otherwise is not None:
                otherwise()
            elif must or self._settings.on_failure != "open":
                raise self._unavailable(error) from error

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other threads out, and let wait what this one would write in the midst of it.

        The garbage collector strikes anywhere, and may end a stream that somebody abandoned: that call's
        record comes to this thread, which holds the lock already.

        Raises:
            ConfigError: this thread holds the registry, for which another may wait with our lock held.
        """
        refuse_in_turn(self._registry.lock_path)
        with self.lock:
            before, self._busy = self._busy, True
            try:
                yield
            finally:
                self._busy = before
            if self._deferred and not before:
                self._write_deferred()

    def _write_deferred(self) -> None:
        while self._deferred:
            again = self._deferred.popleft()
            with contextlib.suppress(LogUnavailable):  # the gap tells of it; its call has no caller
                again()

    def event(self, kind: str, ident: str, body: bytes) -> None:
        """Write an entry that is about the log or a person, and wait until it is durable."""
        self.put(kind, ident, body, True, must=True)

    def _write(self, kind: str, ident: str, body: bytes, policy: str) -> tuple[Stream, int]:
        stream = self._ready()
        if self._trouble is not None:
            gap = {"lost": self._lost, "why": self._trouble, "policy": self._settings.on_failure}
            stream.append("gap", NO_ID, self._encode(gap))
            self._lost, self._trouble = 0, None
        if policy and policy not in stream.explained:
            # Each segment says so anew: retention takes segments one by one, and one that is left
            # explains itself.
            told = self._explain(policy)
            if told is not None:
                stream.append("policy.loaded", policy, told)
            stream.explained.add(policy)
        size = stream.append(kind, ident, body)
        if kind in self._counts:
            self._counts[kind] += 1
        if size - stream.sealed >= self._settings.checkpoint_every:
            try:
                stream.maintain()
            except OSError as error:
                self._note_trouble(error)
        return stream, size

    def _ready(self) -> Stream:
        stream = self.own.stream
        if stream is None or stream.broken is not None:
            stream = self.own.begin()
            self._touched_ns = self._settings.clock.mono_ns()
            self._start_ticker()
        return stream

    def make_ready(self) -> None:
        """Open this process's stream, so that what is done next can be recorded.

        Raises:
            LogUnavailable: it cannot be written.
        """
        with self._alone():
            try:
                self._ready()
            except (OSError, ConfigError) as error:
                self._note_trouble(error)
                raise self._unavailable(error) from error

    # -- what cannot be written -----------------------------------------------------------------------

    def miss(self, error: Exception) -> None:
        """Have the next entry that is written say that one was lost here, and why."""
        if put_off(self._registry.lock_path, partial(self.miss, error)):
            return
        with self.lock:
            self._note_trouble(error)
            self._lost += 1

    def _unavailable(self, error: Exception) -> LogUnavailable:
        what = f"the compliance log {str(self._settings.root)!r} could not be written"
        if isinstance(error, ConfigError):
            return LogUnavailable(f"{what}. {error}")
        return LogUnavailable(
            f"{what} ({self._trouble}). "
            "Free some space or repair the volume; on_failure='spill' writes elsewhere in the meantime."
        )

    def _note_trouble(self, error: Exception) -> None:
        code = getattr(error, "errno", None)
        self._trouble = f"{type(error).__name__}{f' errno {code}' if code else ''}"

    # -- signing, and the end -------------------------------------------------------------------------

    def seal(self) -> None:
        """Sign and sync what has been written so far."""
        with self._alone():
            stream = self.own.stream
            if stream is None or stream.broken is not None:
                return
            try:
                stream.checkpoint()
                self._sync_vault()
                stream.sync(stream.size)
            except OSError as error:
                self._note_trouble(error)

    def _sync_vault(self) -> None:
        try:
            self._vault.sync()
        except OSError as error:
            with self.lock:
                self._note_trouble(error)

    def head(self) -> str:
        """Seal, and sign how far every running stream has come."""
        self.seal()
        with self._alone():
            return self.own.head()

    def close(self) -> None:
        """End this process's stream. An entry that comes later opens a new one."""
        if put_off(self._registry.lock_path, self.close):
            return
        had_stream = False
        with self.lock:
            while self.own.stream is not None:  # once more where a record came while it ended
                had_stream = True
                with self._alone():
                    self._sync_vault()
                    try:
                        self.own.end({**self._counts, "lost": self._lost})
                    except OSError as error:
                        self._note_trouble(error)
        self._stop.set()
        if had_stream and self._settings.witness is not None:
            with contextlib.suppress(Exception):  # the stream that could tell of it has ended
                self._settings.witness(self.head())
        self._vault.close()

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
        """Seal and sync, or tell that nothing happened."""
        beats_s, clock = self._settings.heartbeat_s, self._settings.clock
        with self._alone():
            stream = self.own.stream
            if stream is None or stream.broken is not None:
                return
            now = clock.mono_ns()
            if stream.size != stream.sealed:
                self._touched_ns = now
            elif beats_s is not None and now - self._touched_ns >= beats_s * 1e9:
                self._touched_ns = now
                with contextlib.suppress(OSError):
                    stream.append("heartbeat", NO_ID, self._encode(self._counts))
            try:
                stream.checkpoint()
            except OSError as error:
                self._note_trouble(error)
                return
            size = stream.size
        self._sync_vault()
        try:
            stream.sync(size)
        except OSError as error:
            with self.lock:
                self._note_trouble(error)
        if now - self._witnessed_ns >= self._settings.witness_s * 1e9:
            self._witnessed_ns = now
            self._tell_witness()

    def _tell_witness(self) -> None:
        if self._settings.witness is None:
            return
        try:
            self._settings.witness(self.head())
        except Exception as error:  # a witness is the application's; the log goes on and says so
            told: Mapping[str, Any] = {"error": type(error).__name__}
            with contextlib.suppress(LogUnavailable):
                self.event("witness.failed", secrets.token_hex(16), self._encode(told))


def _tick_each_second(writer: Callable[[], Writer | None], stop: threading.Event) -> None:
    while not stop.wait(1.0):
        held = writer()
        if held is None:
            return
        held.tick()
        del held
