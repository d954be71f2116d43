"""The HTTP response that raw callers get: real in status and headers, with the checked reply as its body.

``with_raw_response``, ``with_streaming_response`` and ``stream.response`` reach below the parsed reply. What
lies there under a guard is a response made anew from what the rules left, so that no method of it, whatever
its name, can show the bytes that the provider sent.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import lru_cache
from types import ModuleType
from typing import Any

_OF_THE_OLD_BODY = frozenset({"content-length", "content-encoding", "transfer-encoding", "content-type"})
_KEPT_EXTENSIONS = ("http_version", "reason_phrase")

Encode = Callable[[Any], bytes]


def whole(real: Any, body: bytes, *, request: Any) -> Any:
    """A response like *real* that carries *body*; *real* is None where no HTTP took place."""
    made = _response(real, request, "application/json", content=body)
    if (elapsed := getattr(real, "_elapsed", None)) is not None:
        made.elapsed = elapsed
    return made


def streamed(real: Any, live: Any, encode: Encode, end: bytes, *, request: Any) -> Any:
    """A response like *real* whose body is *live*, chunk by checked chunk."""
    http = _package_of(request)
    asynchronous = hasattr(live, "__anext__")
    body = (_async_body(http) if asynchronous else _sync_body(http))(live, encode, end)
    return _response(real, request, "text/event-stream", stream=body)


def _response(real: Any, request: Any, content_type: str, **body: Any) -> Any:
    kept = [] if real is None else real.headers.multi_items()
    headers = [(name, value) for name, value in kept if name.lower() not in _OF_THE_OLD_BODY]
    extensions = {} if real is None else real.extensions
    return _package_of(request).Response(
        200 if real is None else real.status_code,
        headers=[*headers, ("content-type", content_type)],
        request=request,
        extensions={name: extensions[name] for name in _KEPT_EXTENSIONS if name in extensions},
        **body,
    )


def _package_of(request: Any) -> ModuleType:
    """The HTTP package in use: httpx2, or httpx under older clients."""
    return sys.modules[type(request).__module__.partition(".")[0]]


@lru_cache(maxsize=4)
def _sync_body(http: Any) -> Any:
    class Body(http.SyncByteStream):  # type: ignore[misc]  # the package is known at run time only
        def __init__(self, live: Any, encode: Encode, end: bytes) -> None:
            self._live, self._encode, self._end = live, encode, end

        def __iter__(self) -> Iterator[bytes]:
            for chunk in self._live:
                yield self._encode(chunk)
            yield self._end

        def close(self) -> None:
            self._live.close()

    return Body


@lru_cache(maxsize=4)
def _async_body(http: Any) -> Any:
    class Body(http.AsyncByteStream):  # type: ignore[misc]  # the package is known at run time only
        def __init__(self, live: Any, encode: Encode, end: bytes) -> None:
            self._live, self._encode, self._end = live, encode, end

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for chunk in self._live:
                yield self._encode(chunk)
            yield self._end

        async def aclose(self) -> None:
            await self._live.aclose()

    return Body
