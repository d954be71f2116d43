"""Connecting ends in time, its TLS included, and leaves no connection in the middle of a handshake.

An async HTTP client gives the handshake as much time once more as the connecting before it, and forgets a
connection whose handshake is cancelled, by a deadline or by whoever waits: its socket would stay open until
the garbage collector comes by. The pool below tells of each step by the `trace` extension of a request, a
documented interface of httpcore and httpcore2, so the clock can go on, and the connection can be closed here.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Mapping
from typing import Any


async def shaken(request: Any, sending: Awaitable[Any]) -> Any:
    """Await *sending*, which sends an async *request*; it has the request's time-out to connect, once.

    Raises:
        Exception: the HTTP package's error for a time-out to connect.
    """
    if request.url.scheme != "https" or "trace" in request.extensions:
        return await sending
    connect_s = (request.extensions.get("timeout") or {}).get("connect")
    try:
        async with asyncio.timeout(None) as limit:
            request.extensions["trace"] = _Handshake(limit, connect_s).hear
            return await sending
    except TimeoutError as error:
        if not limit.expired():
            raise
        http = sys.modules[type(request).__module__.partition(".")[0]]
        raise http.ConnectTimeout("the handshake took too long", request=request) from error


class _Handshake:
    def __init__(self, limit: asyncio.Timeout, connect_s: float | None) -> None:
        self._limit = limit
        self._connect_s = connect_s
        self._stream: Any = None

    async def hear(self, event: str, told: Mapping[str, Any]) -> None:
        """Take in what the pool tells of one request."""
        match event:
            case "connection.connect_tcp.started" if self._connect_s is not None:
                self._let_run(asyncio.get_running_loop().time() + self._connect_s)
            case "connection.connect_tcp.complete":
                self._stream = told["return_value"]
            case "connection.start_tls.complete":
                self._stream = None
                self._let_run(None)
            case "connection.start_tls.failed" if self._stream is not None:
                with contextlib.suppress(Exception):  # why it failed is what the caller is told
                    await self._stream.aclose()
            case "http11.send_request_headers.started" if self._stream is not None:
                self._let_run(None)  # to a proxy, which has a clock of its own

    def _let_run(self, until_s: float | None) -> None:
        if not self._limit.expired():
            self._limit.reschedule(until_s)
