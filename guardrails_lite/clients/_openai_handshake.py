"""A TLS connection that is given up in the middle of its handshake is closed at once.

An async HTTP client forgets a connection whose handshake is cancelled, by a deadline or by whoever waits: its
socket would stay open until the garbage collector comes by. The pool below tells of each step by the `trace`
extension of a request, a documented interface of httpcore and httpcore2, and so it can be closed here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any


def watch_handshake(request: Any) -> None:
    """Have the connection that is opened for an async *request* closed, should its handshake fail."""
    if request.url.scheme == "https":
        request.extensions.setdefault("trace", _Handshake().hear)


class _Handshake:
    def __init__(self) -> None:
        self._stream: Any = None

    async def hear(self, event: str, told: Mapping[str, Any]) -> None:
        """Take in what the pool tells of one request."""
        match event:
            case "connection.connect_tcp.complete":
                self._stream = told["return_value"]
            case "connection.start_tls.complete":
                self._stream = None
            case "connection.start_tls.failed" if self._stream is not None:
                with contextlib.suppress(Exception):  # why it failed is what the caller is told
                    await self._stream.aclose()
