"""The few things we ask of the operating system: write, sync, lock, replace, and two clocks.

They are values so that a test can make each of them fail, and time can stand still. Facts that shape the
code above: `os.write` may accept part of a line without raising; a failed sync is reported once and the
next one succeeds although the data is gone; a rename is atomic, the old bytes stay on the disk until
they are overwritten; the name of a new file survives a crash only once its directory is synced, too.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: `AuditLog` refuses with a ConfigError, reading works
    fcntl = None  # type: ignore[assignment]

HAS_LOCKS = fcntl is not None
_SYNC: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


@dataclass(frozen=True, slots=True)
class Disk:
    """The system calls that a log makes on its segments."""

    write: Callable[[int, bytes], int] = os.write
    sync: Callable[[int], None] = _SYNC
    truncate: Callable[[int, int], None] = os.ftruncate

    def write_all(self, fd: int, data: bytes) -> None:
        """Write all of *data*, however often the system takes only a part of it."""
        done = self.write(fd, data)
        while done < len(data):
            taken = self.write(fd, data[done:])
            if taken <= 0:
                raise OSError(errno.EIO, "the system accepts no more bytes")
            done += taken


@dataclass(frozen=True, slots=True)
class Clock:
    """Wall clock and monotonic clock, in nanoseconds."""

    wall_ns: Callable[[], int] = time.time_ns
    mono_ns: Callable[[], int] = time.monotonic_ns


def make_private(directory: Path) -> None:
    """Make *directory* and its parents, durably; only its owner may look inside."""
    made = [each for each in (directory, *directory.parents) if not each.exists()]
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for each in made:
        sync_directory(each.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in *directory* durable."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def replace_secret(path: Path, data: bytes) -> None:
    """Put *data* in *path* atomically and durably, and overwrite the bytes that were there."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        Disk().write_all(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)
    old: int | None = None
    with contextlib.suppress(FileNotFoundError):
        old = os.open(path, os.O_WRONLY)
    try:
        os.replace(fresh, path)
        sync_directory(path.parent)
        if old is not None:
            os.pwrite(old, b"\0" * os.fstat(old).st_size, 0)
            os.fsync(old)
    finally:
        if old is not None:
            os.close(old)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file *path*, waiting for whoever has it."""
    fd, process = os.open(path, os.O_RDWR | os.O_CREAT, 0o600), os.getpid()
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        if os.getpid() == process:  # closing is not enough: a child forked meanwhile has the same open file
            fcntl.flock(fd, fcntl.LOCK_UN)
        os.close(fd)


def try_lock(path: Path) -> int | None:
    """Take the lock file *path*: its descriptor, to be closed to let go, or None when a process holds it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


def hold(fd: int) -> None:
    """Lock the open file *fd*, which nobody else has, until it is closed."""
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_locked(path: Path) -> bool:
    """Whether a running process holds the lock file *path*; nothing is made or changed."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(fd)


def boot_id() -> str:
    """Names this boot of this machine, where the system tells; otherwise empty."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
