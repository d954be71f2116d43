"""`ShippedIndex`: a log that was shipped, asked in its database; `fetch`: the log, back in a directory."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit._format import Entry
from guardrails_lite.audit.index._pages import Call
from guardrails_lite.audit.index._questions import Questions, record_of
from guardrails_lite.audit.index._sql import Answer, Parameters
from guardrails_lite.audit.postgres._connect import Connection, Refused
from guardrails_lite.audit.postgres._store import bytes_of, choose, size_of, stored, write_files

_LINE: Final = 4096
"""Most records are shorter, and the piece of a file that one is in is sixty times as long."""


class ShippedIndex(Questions):
    """The index of a log in a PostgreSQL database; use it in a ``with`` block. It only reads.

    It answers what `guardrails_lite.audit.index.Index` answers, as of the last shipment.

    Args:
        url: ``postgresql://user@host:port/database``; a role that may read there is enough.
        log: The log's name, or the beginning of its hex digits; default: the only one there.

    Raises:
        ConfigError: the server does not let us in, or the database holds no such log, or several.
    """

    _db: Connection
    where: str
    """Which database it is in, without a password."""

    def __init__(self, url: str, *, log: str | None = None) -> None:
        self._db = Connection(url)
        try:
            self.log = choose(self._db, log)
            self.where = self._db.where
        except BaseException:
            self._db.close()
            raise

    def update(self, *, on_progress: Callable[[int, int], None] = lambda done, total: None) -> None:
        """Nothing: each question sees what was shipped last."""

    def entry(self, call: Call) -> Entry:
        """The record of *call*, read from the log's bytes in the database.

        Raises:
            LookupError: the line is not there any more, or is another.
        """
        path = f"streams/{call.stream}/{call.segment}"
        line = b""
        end = size_of(self._db, path)
        for part in bytes_of(self._db, path, call.offset, end, at_once=_LINE):
            head, newline, _ = part.partition(b"\n")
            line += head
            if newline:
                break
        return record_of(call, line)

    def entries(self, calls: Iterable[Call]) -> Iterator[Entry]:
        """The records of *calls*, in their order, as `entry` gives each.

        Raises:
            LookupError: as `entry` raises it, when that call's turn comes.
        """
        return map(self.entry, calls)

    def sql(self, question: str, parameters: Parameters = (), *, timeout_s: float = 30.0) -> Answer:
        """Ask in SQL (PostgreSQL's); it can only read, and what else the role may read, it may read too.

        Args:
            question: A ``SELECT``.
            parameters: The values of its ``?`` in order, or of its ``:name`` by name.
            timeout_s: Seconds that it may take.

        Raises:
            ConfigError: the question is no SELECT, is wrong, or takes longer than *timeout_s*.
        """
        end = time.monotonic() + timeout_s
        try:
            columns = self._db.ask(question, parameters, timeout_s=timeout_s)
        except Refused as error:
            self._db.end_answer()
            raise _why(error, timeout_s) from None
        return Answer(columns, self._rows(end, timeout_s))

    def _rows(self, end: float, timeout_s: float) -> Iterator[tuple[Any, ...]]:
        try:
            while rows := self._db.rows():
                yield from rows
                if time.monotonic() > end:
                    raise Refused("", "57014")
        except Refused as error:
            raise _why(error, timeout_s) from None
        finally:
            self._db.end_answer()

    def close(self) -> None:
        """Let go of the database."""
        self._db.close()

    def __enter__(self) -> ShippedIndex:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"ShippedIndex({self.where})"


def _why(error: Refused, timeout_s: float) -> ConfigError:
    if error.state == "57014":
        return ConfigError(f"the question took longer than {timeout_s:g} s; narrow it, or give it more time")
    return ConfigError(f"the question cannot be answered: {error}")


def fetch(
    url: str,
    directory: str | os.PathLike[str],
    *,
    log: str | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> str:
    """Write a log that was shipped into *directory*, byte for byte, and return its name.

    What is there can be verified, read and indexed like the log itself. Nothing can be added to it, as the
    keys were not shipped. Bytes that the database has lost are missing there: `verify` says so.

    Args:
        url: ``postgresql://user@host:port/database``.
        directory: A new directory.
        log: The log's name, or the beginning of its hex digits; default: the only one there.
        on_progress: Called with the bytes written and the bytes to write.

    Raises:
        ConfigError: *directory* is there already, or the database holds no such log, or several.
    """
    place = Path(directory)
    if place.exists():
        raise ConfigError(f"fetch(...): {str(place)!r} already exists; name a new directory")
    return _fetch(url, place, log, "", on_progress)


def _fetch(
    url: str, place: Path, log: str | None, beneath: str, on_progress: Callable[[int, int], None]
) -> str:
    """Write the files whose names begin with *beneath*."""
    db = Connection(url)
    try:
        with db.transaction(snapshot=True):
            name = choose(db, log)
            sizes = {path: size for path, size in stored(db).items() if path.startswith(beneath)}
            place.mkdir(mode=0o700, parents=True)
            try:
                done, total = 0, sum(sizes.values())
                for size in write_files(db, place, sizes):
                    done += size
                    on_progress(done, total)
            except BaseException:
                shutil.rmtree(place, ignore_errors=True)  # half of a log would pass for one that was cut
                raise
        return name
    finally:
        db.close()


@contextlib.contextmanager
def fetched(
    url: str,
    *,
    log: str | None = None,
    stream: str | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Path]:
    """A log that was shipped, in a directory of its own that is there for as long as the ``with`` block.

    Args:
        url: As for `fetch`, and likewise *log* and *on_progress*.
        stream: Only the files of this stream: enough to `prove` an entry of it; the whole to `verify`.
    """
    with tempfile.TemporaryDirectory(prefix="guardrails-lite-") as parent:
        place = Path(parent) / "log"
        _fetch(url, place, log, f"streams/{stream}/" if stream is not None else "", on_progress)
        yield place
