"""The loopback server in a process of its own, so that a benchmark does not share an interpreter with it."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import IO, Any, Self

from guardrails_lite.testing._server import Answer, LoopbackServer, Script
from guardrails_lite.testing._wire import Request


class LoopbackProcess:
    """Serve a script like `LoopbackServer`, from another process.

    The script is pickled, so a function in it must be importable by the other process.
    """

    def __init__(
        self,
        script: Script = (),
        *,
        then: Answer | None = None,
        models: Sequence[str] = ("scripted",),
        keep: int = 1000,
    ) -> None:
        LoopbackServer(script, then=then, models=models, keep=keep)  # so that mistakes show here
        self._settings = pickle.dumps({"script": script, "then": then, "models": models, "keep": keep})
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._write(self._settings)
        self.port = self._ask("port")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.communicate(timeout=10)

    @property
    def base_url(self) -> str:
        """What a client takes as `base_url`."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def requests(self) -> list[Request]:
        """The newest requests, oldest first."""
        requests: list[Request] = self._ask("requests")
        return requests

    @property
    def request_count(self) -> int:
        """How many requests have come."""
        return int(self._ask("request_count"))

    @property
    def open_connections(self) -> int:
        """How many clients hold a connection."""
        return int(self._ask("open_connections"))

    def _ask(self, name: str) -> Any:
        self._write(pickle.dumps(name))
        assert self._process is not None
        assert self._process.stdout is not None
        return _read(self._process.stdout)

    def _write(self, data: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()


def _read(stream: IO[bytes]) -> Any:
    return pickle.load(stream)


def _main() -> None:
    """Serve until standard input closes; each name read there is answered with that attribute."""
    settings = _read(sys.stdin.buffer)
    with LoopbackServer(settings.pop("script"), **settings) as server:
        while True:
            try:
                name = _read(sys.stdin.buffer)
            except EOFError:
                return
            sys.stdout.buffer.write(pickle.dumps(getattr(server, name)))
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    _main()
