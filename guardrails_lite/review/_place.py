"""Where a desk has its log: in the directory it is written to, or in the database that it was shipped to.

What people decide at a desk is an entry of the log, and a log is written in its directory, with its keys. So
a desk on a database reads, and refuses everything else in the same words.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Protocol

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit import AuditLog, pseudonyms_in
from guardrails_lite.audit._registry import read_config
from guardrails_lite.audit._spilled import spilled
from guardrails_lite.audit.index import Index
from guardrails_lite.audit.postgres import ShippedIndex, fetched

Progress = Callable[[int, int], None]

READ_ONLY: Final = (
    "this desk can only read: it is on a database, and what is decided or done here is an entry of the log. "
    "Do it where the log is written, at `guardrails-lite review DIR`"
)


class Place(Protocol):
    """A log, wherever it is."""

    name: str
    """The log's name."""
    shipped: str
    """Which database it is in; empty: none, it can be written to."""

    @property
    def spill(self) -> str:
        """The directory of the log that it spills to; empty: there is none on this machine."""

    @property
    def watched(self) -> bool | None:
        """Whether somebody looks for alerts in it; None: that is not known here."""

    def index(self) -> AbstractContextManager[Index | ShippedIndex]:
        """The index, as new as it can be."""

    def files(self, on_progress: Progress) -> AbstractContextManager[Path]:
        """A directory with the log's files."""

    def stream(self, name: str) -> AbstractContextManager[Path]:
        """A directory with the files of one stream at least: enough to prove an entry of it."""

    def key(self) -> str | None:
        """The verification key that was kept elsewhere than the log."""

    def log(self) -> AuditLog:
        """The log, opened for writing: decisions are entries of it.

        Raises:
            ConfigError: it cannot be written from here.
        """

    def names_of(self, kind: str, value: str) -> list[str]:
        """The pseudonyms of a person.

        Raises:
            ConfigError: the key that makes them is not here.
        """

    def close(self) -> None:
        """End this process's stream of the log, if it wrote one."""


class Directory:
    """The directory that a log is written to, or a copy of one.

    Args:
        directory: A directory that `AuditLog` made.
        keys: Where the log's keys live; default: in the log.

    Raises:
        ConfigError: *directory* is not a compliance log.
    """

    shipped = ""

    def __init__(
        self, directory: str | os.PathLike[str], *, keys: str | os.PathLike[str] | None = None
    ) -> None:
        self._root = Path(directory).absolute()
        self.name = str(read_config(self._root / "log.json")["log"])
        self._keys = keys
        self._log: AuditLog | None = None
        self._lock = threading.Lock()

    @property
    def spill(self) -> str:
        """By the note that is beside the log."""
        found = spilled(self._root)
        return "" if found is None else str(found)

    @property
    def watched(self) -> bool:
        """By the position of a watcher, which is beside the log."""
        return (self._root / "alerts.json").exists()

    @contextlib.contextmanager
    def index(self) -> Iterator[Index]:
        """The index, brought up to date."""
        with Index(self._root) as index:
            index.update()
            yield index

    def files(self, on_progress: Progress) -> AbstractContextManager[Path]:
        """The directory itself."""
        return contextlib.nullcontext(self._root)

    def stream(self, name: str) -> AbstractContextManager[Path]:
        """The directory itself."""
        return contextlib.nullcontext(self._root)

    def key(self) -> str | None:
        """The key beside the others, where these are not in the log."""
        place = Path(self._keys) / "verify.key" if self._keys else None
        return place.read_text() if place is not None and place.exists() else None

    def log(self) -> AuditLog:
        """The log, opened once."""
        with self._lock:
            if self._log is None:
                self._log = AuditLog(self._root, keys=self._keys)
            return self._log

    def names_of(self, kind: str, value: str) -> list[str]:
        """By the key of the pseudonyms."""
        return pseudonyms_in(self._root, kind, value, keys=self._keys)

    def close(self) -> None:
        """End this process's stream of the log, if it wrote one."""
        with self._lock:
            if self._log is not None:
                self._log.close()
                self._log = None


class Shipped:
    """The database that a log was shipped to.

    Args:
        url: ``postgresql://user@host:port/database``; a role that may read there is enough.
        log: The log's name, or the beginning of its hex digits; default: the only one there.
        key: The content of the log's ``verify.key``, kept elsewhere.

    Raises:
        ConfigError: the server does not let us in, or the database holds no such log, or several.
    """

    watched = None
    spill = ""

    def __init__(self, url: str, *, log: str | None = None, key: str | None = None) -> None:
        with ShippedIndex(url, log=log) as index:
            self.name, self.shipped = index.log, index.where
        self._url = url
        self._key = key

    def index(self) -> ShippedIndex:
        """The index as of the last shipment. Each visitor has a connection of their own: none goes stale."""
        return ShippedIndex(self._url, log=self.name)

    def files(self, on_progress: Progress) -> AbstractContextManager[Path]:
        """What was shipped, in a directory that is there for as long as it is needed."""
        return fetched(self._url, log=self.name, on_progress=on_progress)

    def stream(self, name: str) -> AbstractContextManager[Path]:
        """One stream of it, likewise."""
        return fetched(self._url, log=self.name, stream=name)

    def key(self) -> str | None:
        """The key that was given."""
        return self._key

    def log(self) -> AuditLog:
        """Refused."""
        raise ConfigError(READ_ONLY)

    def names_of(self, kind: str, value: str) -> list[str]:
        """Refused: the keys were not shipped."""
        raise ConfigError(READ_ONLY)

    def close(self) -> None:
        """Nothing is open."""
