"""A file that is taken out of a log: new, whole or not there at all, for this user only, never in the log."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit._disk import sync_directory


def new_place(what: str, path: str | os.PathLike[str], *, log: str | os.PathLike[str]) -> Path:
    """Where a file that is taken out of the log in the directory *log* may be written.

    Raises:
        ConfigError: something is at *path*, a link to nowhere too, or it is inside the log, where
            whatever does not belong there reads as tampering.
    """
    place = Path(path)
    if os.path.lexists(place):
        raise ConfigError(f"{what}: {str(place)!r} already exists; name a new file")
    if place.resolve().is_relative_to(Path(log).resolve()):
        raise ConfigError(f"{what}: {str(place)!r} is inside the log; name a file elsewhere")
    return place


@contextlib.contextmanager
def new_file(place: Path) -> Iterator[BinaryIO]:
    """A file to write to. Once it is whole and durable it is at *place*; until then nothing of it is.

    Raises:
        FileExistsError: something has come to be at *place*.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    os.close(os.open(place, flags, 0o600))  # the name is ours from here on
    fresh = place.with_name(f".{os.getpid()}-{secrets.token_hex(4)}.new")
    try:
        with os.fdopen(os.open(fresh, flags, 0o600), "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, place)
        _sync_name(place)
    except BaseException:
        for left in (fresh, place):
            with contextlib.suppress(OSError):
                left.unlink()
        raise


def _sync_name(place: Path) -> None:
    """Make the name of *place* durable, where its file system can."""
    try:
        sync_directory(place.parent)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
