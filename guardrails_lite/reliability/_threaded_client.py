"""A synchronous HTTP client of the user's own, whose every wait can be left behind.

Its connections are none of ours, and its own time-outs are per read: a body that drips is never cut. So
where there is a deadline, each request and its reply have a thread that waits, and the caller waits for
the thread, for just so long.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

from guardrails_lite.reliability._deadline import clamped_s, time_left_s
from guardrails_lite.reliability._twins import live_twin_of
from guardrails_lite.reliability._worker import Worker


def threaded(http_client: Any) -> Any:
    """A twin of *http_client*, with its connections, headers and cookies, that keeps to `time_limit`."""
    return live_twin_of(http_client, Threaded)


class Threaded:
    """Mixed into a sync HTTP client."""

    guardrails_lite_threaded = True

    def send(self, request: Any, *, stream: bool = False, **how: Any) -> Any:
        """Send as the client does."""
        send: Callable[..., Any] = super().send  # type: ignore[misc]  # of the client mixed in
        if time_left_s() is None and not stream:
            return send(request, **how)
        http = sys.modules[type(request).__module__.partition(".")[0]]
        request.extensions = {**request.extensions, "timeout": clamped_timeouts(request)}
        worker = Worker()
        try:
            response = _in_time(worker, lambda: send(request, stream=True, **how), http.ReadTimeout, close)
        except BaseException:
            worker.end()
            raise
        if response.is_stream_consumed:
            worker.end()
        else:
            response.stream = _body(http)(response.stream, worker)
        if not stream:
            try:
                response.read()
            except BaseException:
                response.close()
                raise
        return response


@functools.lru_cache(maxsize=4)
def _body(http: Any) -> Any:
    class Body(http.SyncByteStream):  # type: ignore[misc]  # the package is known at run time only
        def __init__(self, stream: Any, worker: Worker) -> None:
            self._stream, self._worker = stream, worker

        def __iter__(self) -> Iterator[bytes]:
            parts, done = iter(self._stream), object()
            try:
                while True:
                    part = _in_time(
                        self._worker, lambda: next(parts, done), http.ReadTimeout, lambda _: self.close()
                    )
                    if part is done:
                        return
                    yield part
            finally:
                self._worker.end()

        def close(self) -> None:
            self._worker.end()
            self._stream.close()

        def __del__(self) -> None:
            self._worker.end()  # of a reply that was neither read nor closed

    return Body


def _in_time(
    worker: Worker, work: Callable[[], Any], late: Callable[[str], Exception], discard: Callable[[Any], None]
) -> Any:
    left = time_left_s()
    if left is None:
        return work()
    if left <= 0:
        raise late("the deadline has passed")
    return worker.do(work, left, late, discard)


def clamped_timeouts(request: Any) -> dict[str, float | None]:
    """The request's own time-outs, and that for a free connection, within the time that is left."""
    given = request.extensions.get("timeout") or {}
    return {name: clamped_s(given.get(name)) for name in ("connect", "read", "write", "pool")}


def close(opened: Any) -> None:
    """Close what came when nobody waited for it any more."""
    opened.close()
