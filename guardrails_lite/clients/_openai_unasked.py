"""An answer that was there before its request is somebody else's, and is refused.

A server that writes more than it said leaves bytes behind a reply, and an HTTP client that keeps the
connection takes them for the next answer: the right status, a whole reply, of another conversation. The pool
below tells of each step by the `trace` extension of a request. An answer to the request has to be waited for,
if only for one turn of the event loop; one that is there without a turn was there before.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Any


def refuse_unasked(request: Any) -> None:
    """Have an async *request* end in the HTTP package's error if its answer was there before it."""
    hear, other = _Answer(request).hear, request.extensions.get("trace")

    async def both(event: str, told: Mapping[str, Any]) -> None:
        await other(event, told)
        await hear(event, told)

    request.extensions["trace"] = hear if other is None else both


class _Answer:
    def __init__(self, request: Any) -> None:
        self._request = request
        self._has_waited = True

    async def hear(self, event: str, told: Mapping[str, Any]) -> None:
        """Take in what the pool tells of the request."""
        match event:
            case "http11.send_request_body.complete":
                self._has_waited = False
                asyncio.get_running_loop().call_soon(self._wait)
            case "http11.receive_response_headers.complete" if not self._has_waited:
                http = sys.modules[type(self._request).__module__.partition(".")[0]]
                raise http.RemoteProtocolError(
                    "the answer was there before its request: the server had written more than it said",
                    request=self._request,
                )

    def _wait(self) -> None:
        self._has_waited = True
