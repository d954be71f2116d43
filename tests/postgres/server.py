"""A PostgreSQL server that runs for as long as a ``with`` block, out of the programs that are installed."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PASSWORD = "hunter2-of-the-tests"
_PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


def is_installed() -> bool:
    """Whether there is what `running` needs."""
    return _program("initdb") is not None and _program("pg_ctl") is not None


@contextlib.contextmanager
def running(options: str = "-F -c max_connections=20 -c shared_buffers=16MB") -> Iterator[str]:
    """The URL of a server, without a database's name; as it is, one that does not wait for the disk."""
    initdb, ctl = _program("initdb"), _program("pg_ctl")
    assert initdb is not None
    assert ctl is not None
    who = _as_somebody()
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as place:
        secret = Path(place) / "password"
        secret.write_text(PASSWORD)
        if who:
            shutil.chown(place, "postgres", "postgres")
            shutil.chown(secret, "postgres", "postgres")
        data = f"{place}/data"
        made = [initdb, "-D", data, "-U", "owner", "-A", "scram-sha-256", f"--pwfile={secret}"]
        _run([*made, "-N", "-E", "UTF8", "--locale=C"], place, who)
        for _ in range(5):  # another process may take the port before the server does
            port = _free_port()
            settings = f"-p {port} -h 127.0.0.1 -k '' {options}"
            start = [ctl, "-D", data, "-l", f"{place}/log", "-w", "-t", "120", "-o", settings, "start"]
            if subprocess.run(start, cwd=place, stdout=subprocess.DEVNULL, **who).returncode == 0:
                break
        else:
            raise RuntimeError(Path(f"{place}/log").read_text())
        try:
            yield f"postgresql://owner:{PASSWORD}@127.0.0.1:{port}"
        finally:
            _run([ctl, "-D", data, "-m", "immediate", "-w", "stop"], place, who)


def _program(name: str) -> str | None:
    return next((str(place / name) for place in reversed(_PLACES)), None) or shutil.which(name)


def _as_somebody() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}


def _run(command: list[str], place: str, who: dict[str, Any]) -> None:
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, **who)
    assert done.returncode == 0, done.stderr


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
