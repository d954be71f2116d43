"""One process's stream of entries: written, chained, checkpointed, cut into segments.

A stream has one writer, so it needs no lock of its own; `AuditLog` holds one around it. Only `sync` may be
called beside the writer: whoever comes first syncs what all have written, and the others find their
entries already on the disk. That is the whole of group commit.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from guardrails_lite.audit._disk import Clock, Disk, make_private, sync_directory
from guardrails_lite.audit._format import NO_LEAF, checkpoint_line
from guardrails_lite.audit._keys import PrivateKey
from guardrails_lite.audit._merkle import Frontier
from guardrails_lite.audit._note import Checkpoint

NO_ID = "0" * 32


def segment_name(number: int) -> str:
    """The file of a stream's segment *number*, counted from 1."""
    return f"{number:06d}.jsonl"


class Stream:
    """The stream *name* under *directory*, opened for writing from its first line."""

    def __init__(
        self,
        directory: Path,
        *,
        name: str,
        key: PrivateKey,
        encode: Callable[[object], bytes],
        disk: Disk,
        clock: Clock,
        segment_bytes: int,
    ) -> None:
        self.name = name
        self.directory = directory
        self.size = 0
        """How many entries it has."""
        self.leaf = NO_LEAF
        """The leaf of the last one, in hex."""
        self.sealed = 0
        """How many of them a checkpoint covers."""
        self.explained: set[str] = set()
        """The digests of policies that this segment has told the meaning of."""
        self.broken: str | None = None
        """Why nothing more can be written to it."""
        self._key = key
        self._encode = encode
        self._disk = disk
        self._clock = clock
        self._segment_bytes = segment_bytes
        self._segment = 0
        self._bytes = 0
        self._fd = -1
        self._frontier = Frontier()
        self._pending: list[bytes] = []
        self._synced = 0
        self._syncing = threading.Lock()
        self._head = b'{"v":1,"s":"%b","n":' % name.encode()
        make_private(directory)

    def begin(self, data: Mapping[str, Any]) -> None:
        """Write the first line."""
        self._open_segment()
        self.append("log.opened", NO_ID, self._encode({**data, "segment": 1, "key": self._key.declared}))
        sync_directory(self.directory)

    def append(self, kind: str, ident: str, body: bytes) -> int:
        """Write one entry and return how many there are now; `maintain` may be due afterwards.

        Raises:
            OSError: it could not be written whole; nothing of it is left in the stream.
        """
        line = b'%b%d,"p":"%b","t":"%b","id":"%b","ts":%d,"mono":%d,"d":%b}' % (
            self._head,
            self.size,
            self.leaf.encode(),
            kind.encode(),
            ident.encode(),
            self._clock.wall_ns(),
            self._clock.mono_ns(),
            body,
        )
        self._write(line)
        return self.size

    def maintain(self) -> None:
        """Sign and rotate when it is time.

        Raises:
            OSError: it could not be done; entries written before stand as they are.
        """
        self.checkpoint()
        if self._bytes >= self._segment_bytes:
            self.rotate()

    def _write(self, line: bytes) -> None:
        data = line + b"\n"
        try:
            done = self._disk.write(self._fd, data)
            if done != len(data):
                self._disk.write_all(self._fd, data[done:])
        except OSError:
            self._unwrite()
            raise
        leaf = sha256(b"\0" + line).digest()
        self._bytes += len(data)
        self.size += 1
        self.leaf = leaf.hex()
        self._pending.append(leaf)

    def _unwrite(self) -> None:
        """Take back the part of a line that was accepted before the error."""
        try:
            self._disk.truncate(self._fd, self._bytes)
        except OSError as error:
            self.broken = f"part of a line could not be taken back ({type(error).__name__})"

    def checkpoint(self) -> None:
        """Sign the tree as it stands, unless a checkpoint just did."""
        if self.sealed == self.size:
            return
        self._peaks()
        note = Checkpoint(self._key.name, self.size, self._frontier.root()).signed(self._key)
        self._write(checkpoint_line(self.name, self.size, self.leaf, note))
        self.sealed = self.size

    def rotate(self) -> None:
        """Seal this segment, go on in a new one under the next key, and forget this one's key."""
        following = self._key.next()
        sealed = {"segment": self._segment, "next_key": following.declared}
        try:
            self.append("segment.sealed", NO_ID, self._encode(sealed))
            self.checkpoint()
            with self._syncing:
                self._disk.sync(self._fd)
                self._synced = self.size
                os.close(self._fd)
                self._fd = -1
                self._key = following
                self._open_segment()
            opened = {"segment": self._segment, "peaks": self._peaks()}
            self.append("segment.opened", NO_ID, self._encode(opened))
            sync_directory(self.directory)
        except OSError as error:
            self.broken = self.broken or f"its next segment could not be opened ({type(error).__name__})"
            raise

    def _peaks(self) -> list[str]:
        """Fold what was written since into the tree: its peaks, in hex."""
        self._frontier.extend(self._pending)
        self._pending.clear()
        return [peak.hex() for peak in self._frontier.peaks]

    def sync(self, size: int) -> None:
        """Return once the first *size* entries are on the disk.

        Raises:
            OSError: they may not be. The stream is broken: the system reports such an error only once.
        """
        if self._synced >= size:
            return
        with self._syncing:
            if self._synced >= size:
                return
            if self.broken is not None:
                raise OSError(self.broken)
            reached = self.size
            try:
                self._disk.sync(self._fd)
            except OSError as error:
                self.broken = f"a sync failed ({type(error).__name__})"
                raise
            self._synced = reached

    def end(self, data: Mapping[str, Any]) -> tuple[int, str]:
        """Write the last line, sign it, sync: the final size and root, in hex."""
        self.append("log.closed", NO_ID, self._encode(data))
        self.checkpoint()
        self.sync(self.size)
        self._peaks()
        self.abandon()
        return self.size, self._frontier.root().hex()

    def abandon(self) -> None:
        """Let go of the file; nothing is written."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
        self._fd = -1
        self.broken = self.broken or "it was closed"

    def _open_segment(self) -> None:
        self._segment += 1
        self._bytes = 0
        self.explained.clear()
        path = self.directory / segment_name(self._segment)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
