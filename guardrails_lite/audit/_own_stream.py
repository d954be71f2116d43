"""The one stream of a log that this process writes: begun, ended, and closed off after a crash.

A file in ``open/`` bears the name of each stream that has not ended, and its writer holds a lock on it. Where
nobody does the process is gone: whoever begins a stream next fixes in the registry how far that one came.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from guardrails_lite.audit._disk import boot_id, try_lock
from guardrails_lite.audit._registry import Registry, Session
from guardrails_lite.audit._scan import find_tail, last_checkpoint
from guardrails_lite.audit._settings import Settings
from guardrails_lite.audit._stream import NO_ID, Stream


class OwnStream:
    """This process's stream in the log of *registry*, when it has one.

    Args:
        parent: The stream that the process had from which this one was forked.
    """

    def __init__(
        self,
        registry: Registry,
        settings: Settings,
        encode: Callable[[object], bytes],
        *,
        parent: str | None = None,
    ) -> None:
        self.stream: Stream | None = None
        """The stream; it may be broken."""
        self._registry = registry
        self._settings = settings
        self._encode = encode
        self._parent = parent
        self._holds = -1

    def begin(self) -> Stream:
        """Begin a new stream, and close off those whose process is gone or that this one gave up.

        Raises:
            OSError: it could not be written.
            ConfigError: the log's registry or keys are not whole.
        """
        self.abandon()
        settings = self._settings
        wall = settings.clock.wall_ns()
        at = time.strftime("%Y%m%dt%H%M%S", time.gmtime(wall // 10**9))
        name = f"{at}{wall // 1000 % 10**6:06d}-{os.getpid()}-{secrets.token_hex(6)}"
        with self._registry.session() as session:
            recovered = [
                found for known in _open_streams(session) if (found := self._recover(session, known))
            ]
            holds = try_lock(settings.root / "open" / name)
            if holds is None:
                raise OSError("the new stream's lock is held")
            self._holds = holds
            key = session.key.for_stream(f"{session.registry.log}/{name}")
            opened = {"stream": name, "key": key.declared, "parent": self._parent, "boot": boot_id()}
            stream = Stream(
                settings.root / "streams" / name,
                name=name,
                key=key,
                encode=self._encode,
                disk=settings.disk,
                clock=settings.clock,
                segment_bytes=settings.segment_bytes,
            )
            # The first line comes before the registry's: a registered stream without a file was removed.
            stream.begin({"log": session.registry.log, "registry": len(session.leaves), **self._about()})
            session.append("stream.opened", opened)
        for found in recovered:
            stream.append("recovery", NO_ID, self._encode(found))
        self.stream = stream
        return stream

    def end(self, data: Mapping[str, Any]) -> None:
        """Write the last line and tell the registry of it; there is no stream then.

        Raises:
            OSError: it could not be told. Who comes next closes the stream off.
        """
        stream, self.stream = self.stream, None
        if stream is None:
            return
        try:
            if stream.broken is None:
                size, root = stream.end(data)
                with self._registry.session() as session:
                    ended = {"stream": stream.name, "size": size, "root": root, "leaf": stream.leaf}
                    session.append("stream.closed", ended)
                (self._settings.root / "open" / stream.name).unlink(missing_ok=True)
        finally:
            stream.abandon()
            self._let_go()

    def abandon(self) -> None:
        """Let go of the stream; nothing is written."""
        if self.stream is not None:
            self.stream.abandon()
            self.stream = None
        self._let_go()

    def head(self) -> str:
        """Sign how far every running stream of the log has come."""
        with self._registry.session() as session:
            streams = []
            for name in _open_streams(session):
                found = last_checkpoint(self._settings.root / "streams" / name)
                if found is not None:
                    streams.append((name, found.size, found.root.hex()))
            return session.head(streams)

    def _about(self) -> dict[str, Any]:
        from importlib.metadata import version

        return {
            "pid": os.getpid(),
            "parent": self._parent,
            "python": sys.version.split()[0],
            "library": version("guardrails-lite"),
            "mode": self._settings.mode,
            "on_failure": self._settings.on_failure,
        }

    def _recover(self, session: Session, stream: str) -> dict[str, Any] | None:
        """Close off a stream whose process is gone: what it holds is fixed in the registry."""
        marker = self._settings.root / "open" / stream
        holds = try_lock(marker)
        if holds is None:
            return None
        try:
            try:
                tail = find_tail(self._settings.root / "streams" / stream)
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
        if self._holds >= 0:
            os.close(self._holds)
        self._holds = -1


def _open_streams(session: Session) -> list[str]:
    return [known.name for known in session.streams.values() if known.ended is None]
