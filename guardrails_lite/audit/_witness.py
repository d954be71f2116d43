"""Keeping the heads of a log where its own machine cannot change them.

A head is a few lines of text. Any place that another user, machine or company controls will do; these are
the ones that need nothing installed. A witness is a callable that receives the text.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit._disk import Disk, sync_directory


def witness_file(path: str | os.PathLike[str]) -> Callable[[str], None]:
    """A witness that appends each head to the file *path*, best on another volume or of another user."""
    place = Path(path)

    def keep(head: str) -> None:
        is_new = not place.exists()
        fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            Disk().write_all(fd, f"{head}\n".encode())
            os.fsync(fd)
        finally:
            os.close(fd)
        if is_new:
            sync_directory(place.parent)

    return keep


def witness_syslog() -> Callable[[str], None]:
    """A witness that sends each head to the system's log, as one line."""
    import syslog

    def keep(head: str) -> None:
        syslog.syslog(syslog.LOG_INFO, "guardrails-lite head " + head.replace("\n", "|"))

    return keep


def witness_command(*command: str) -> Callable[[str], None]:
    """A witness that runs *command* with the head on its standard input: a commit, a time stamp, a mail."""

    def keep(head: str) -> None:
        import subprocess

        subprocess.run(command, input=head.encode(), check=True, timeout=60, stdout=subprocess.DEVNULL)

    return keep


def read_heads(text: str) -> list[str]:
    """The heads in a file that `witness_file` wrote, oldest first.

    Raises:
        ConfigError: there is none, or the last is cut short. What is compared with nothing would pass.
    """
    lines = text.replace("\r\n", "\n").replace("|", "\n")
    parts = [part.strip("\n") for part in lines.split("\n\n") if part.strip("\n")]
    if not parts or len(parts) % 2:
        raise ConfigError(
            "no complete head; expected what `guardrails-lite log witness` prints: the log's name, a size, a "
            "digest, an empty line and a signature, once or more"
        )
    return [f"{body}\n\n{signature}\n" for body, signature in zip(parts[::2], parts[1::2], strict=True)]
