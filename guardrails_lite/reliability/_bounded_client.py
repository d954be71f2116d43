"""A synchronous OpenAI client whose every wait ends at the deadline, to the millisecond and without threads.

The client's own ``timeout`` is per read: a body that drips one byte at a time is never cut. Under the
HTTP client lies a pool with a network backend that may be replaced (a documented interface of httpcore and
httpcore2), and there each connect, handshake, read and write can be given just the time that is left. A
socket that runs out of time raises the library's own timeout error, so the connection is discarded
properly.

An asynchronous client needs none of this: cancelling it closes its connection.
"""

from __future__ import annotations

import contextlib
import importlib
import ipaddress
import socket
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, TypeVar, cast

from guardrails_lite.reliability._deadline import clamped_s
from guardrails_lite.reliability._tether import held, is_tethered
from guardrails_lite.reliability._threaded_client import clamped_timeouts, close, threaded
from guardrails_lite.reliability._twins import twin_of
from guardrails_lite.reliability._worker import in_thread

C = TypeVar("C")
Bound = Literal["socket", "thread", "cancellation", "cooperative"]

_PIECE = 16_384
"""Bytes handed to the socket at once: one `send` may take its time-out anew for each part it gets rid of."""


def bounded_client(client: C) -> C:
    """Return a copy of an OpenAI client that keeps to `time_limit`, or *client* where nothing can be done.

    The copy has connections of its own and must be closed like any client. A client that was given an HTTP
    client of the user's own (a proxy, a certificate, a mock) keeps it: where there is a limit, its requests
    run in a thread that is left behind at the deadline. `bound_of` says which of the two applies.
    """
    http_client = getattr(client, "_client", None)
    match bound_of(client):
        case "socket":
            return cast("C", twin_of(client, _client=_default_client(http_client)))
        case "thread":
            return cast("C", twin_of(client, _client=threaded(http_client)))
        case _:
            return client


def bound_of(client: object) -> Bound:
    """Say what holds a call of *client* to its deadline.

    ``"socket"``: each socket operation is clamped. ``"thread"``: the caller stops waiting, while a thread
    may linger until its own time-out. ``"cancellation"``: an asynchronous client is cancelled.
    ``"cooperative"``: nothing but the callable's own use of `time_left_s`.
    """
    from urllib.request import getproxies

    http_client = getattr(client, "_client", None)
    names = {kind.__name__ for kind in type(client).__mro__}
    if "AsyncAPIClient" in names:
        return "cancellation"
    if "SyncAPIClient" not in names or not hasattr(client, "copy") or _family(http_client) is None:
        return "cooperative"
    # A proxy from the environment is chosen by the HTTP client itself unless it is given a transport.
    plain = type(http_client).__name__ == "SyncHttpxClientWrapper" and not getproxies()
    return "socket" if plain or getattr(http_client, "guardrails_lite_bounded", False) else "thread"


def _family(http_client: object) -> tuple[Any, Any] | None:
    """The modules that *http_client* is of: httpx2 with httpcore2, or httpx with httpcore."""
    for kind in type(http_client).__mro__:
        root = kind.__module__.partition(".")[0]
        if root in ("httpx2", "httpx") and kind.__name__ == "Client":
            return importlib.import_module(root), importlib.import_module(root.replace("httpx", "httpcore"))
    return None


def _default_client(http_client: Any) -> Any:
    """The SDK's default HTTP client once more, over the clamped backend."""
    family = _family(http_client)
    assert family is not None  # `bound_of` has looked
    httpx, _ = family
    is_tls = str(http_client.base_url).startswith("https")
    context = httpx.create_ssl_context() if is_tls else None

    class BoundedClient(httpx.Client):  # type: ignore[misc, name-defined]  # the module is chosen at run time
        guardrails_lite_bounded = True

    transport = _transport(family, context)
    client = BoundedClient(
        base_url=http_client.base_url,
        timeout=http_client.timeout,
        follow_redirects=True,
        transport=transport,
        event_hooks={"response": [_stays_on_its_host(httpx)]},
    )
    # A fallback's client is nobody's to close. A `__del__` comes too late where the collector takes a whole
    # circle: it may reach the sockets first, and they complain.
    weakref.finalize(client, _end, transport, weakref.ref(client))
    return client


def _end(transport: Any, client: Callable[[], Any]) -> None:
    """Close what a client that is gone has left open; at the end of a program, what is not in use.

    A daemon thread that reads just then would get an error, and tell of it.
    """
    if client() is None:
        transport.close()
    else:
        transport.close_unused()


def _stays_on_its_host(httpx: Any) -> Callable[[Any], None]:
    def look(response: Any) -> None:
        """Stop a redirect to another host: it would carry the prompt there."""
        if response.has_redirect_location:
            url = response.request.url
            if url.join(response.headers["location"]).host != url.host:
                raise httpx.TooManyRedirects("the server redirects to another host", request=response.request)

    return look


# The transport over a pool with the clamped backend


def _transport(family: tuple[Any, Any], context: Any) -> Any:
    httpx, core = family
    errors = _error_pairs(httpx, core)

    class Body(httpx.SyncByteStream):  # type: ignore[misc, name-defined]  # the module is chosen at run time
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        def __iter__(self) -> Iterator[bytes]:
            with _translated(errors):
                yield from self._stream

        def close(self) -> None:
            self._stream.close()

    class Transport(httpx.BaseTransport):  # type: ignore[misc, name-defined]  # as above
        def __init__(self) -> None:
            self._pool = core.ConnectionPool(
                ssl_context=context,
                max_connections=1_000,
                max_keepalive_connections=100,
                network_backend=_backend(core),
            )

        def handle_request(self, request: Any) -> Any:
            url = request.url
            with _translated(errors):
                response = self._pool.handle_request(
                    core.Request(
                        method=request.method,
                        url=core.URL(
                            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                        ),
                        headers=request.headers.raw,
                        content=request.stream,
                        extensions={**request.extensions, "timeout": clamped_timeouts(request)},
                    )
                )
                if not response.extensions["network_stream"].has_come:
                    response.close()
                    raise core.RemoteProtocolError(
                        "the answer was there before its request: the server had written more than it said"
                    )
            return httpx.Response(
                response.status,
                headers=response.headers,
                stream=Body(response.stream),
                extensions=response.extensions,
            )

        def close(self) -> None:
            self._pool.close()

        def close_unused(self) -> None:
            """Close the connections that wait for another request."""
            for connection in self._pool.connections:
                if connection.is_idle():
                    connection.close()

    return Transport()


def _error_pairs(httpx: Any, core: Any) -> list[tuple[Any, Any]]:
    """The pool's errors and what the HTTP client calls them, the narrow ones first."""
    names = (
        *("ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout", "TimeoutException"),
        *("ConnectError", "ReadError", "WriteError", "NetworkError", "ProxyError", "UnsupportedProtocol"),
        *("LocalProtocolError", "RemoteProtocolError", "ProtocolError"),
    )
    return [(getattr(core, name), getattr(httpx, name)) for name in names]


class _translated:
    """Raise the pool's errors as the HTTP client's."""

    __slots__ = ("_errors",)

    def __init__(self, errors: list[tuple[Any, Any]]) -> None:
        self._errors = errors

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        for below, above in self._errors:
            if isinstance(error, below):
                raise above(str(error)) from error


def _backend(core: Any) -> Any:
    class Stream(core.NetworkStream):  # type: ignore[misc]  # the module is chosen at run time
        def __init__(self, stream: Any, began_s: float) -> None:
            self._stream = stream
            self._began_s = began_s
            """When it began to connect: the handshake has what is left of the time for that."""
            self.has_come = False
            """Whether anything has come since something was written. What the pool has from before that,
            behind an earlier answer, is no answer to what was written."""

        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            time_s = _time_for(core.ReadTimeout, timeout)
            data = held(self._hang_up, self._stream.read, max_bytes, time_s)
            self.has_come = True
            return data  # type: ignore[no-any-return]

        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            self.has_come = False
            for start in range(0, len(buffer), _PIECE):
                time_s = _time_for(core.WriteTimeout, timeout)
                held(self._hang_up, self._stream.write, buffer[start : start + _PIECE], time_s)

        def _hang_up(self) -> None:
            sock = self._stream.get_extra_info("socket")
            with contextlib.suppress(OSError):  # it is closed
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # a TLS socket's own would take off the TLS

        def close(self) -> None:
            self._stream.close()

        def start_tls(self, ssl_context: Any, server_hostname: Any = None, timeout: Any = None) -> Any:
            left_s = None if timeout is None else timeout - (time.monotonic() - self._began_s)
            time_s = _time_for(core.ConnectTimeout, left_s)

            def shake_hands() -> Any:
                return self._stream.start_tls(ssl_context, server_hostname, time_s)

            if is_tethered():  # there is no telling which socket it waits at
                return Stream(in_thread(shake_hands, time_s, core.ConnectTimeout, close), self._began_s)
            return Stream(shake_hands(), self._began_s)

        def get_extra_info(self, info: str) -> Any:
            return self._stream.get_extra_info(info)

    class Backend(core.NetworkBackend):  # type: ignore[misc]  # as above
        def __init__(self) -> None:
            self._backend = core.SyncBackend()

        def connect_tcp(
            self,
            host: str,
            port: int,
            timeout: float | None = None,
            local_address: str | None = None,
            socket_options: Iterable[Any] | None = None,
        ) -> Any:
            began_s = time.monotonic()
            time_s = _time_for(core.ConnectTimeout, timeout)

            def connect() -> Any:
                return self._backend.connect_tcp(host, port, time_s, local_address, socket_options)

            if not is_tethered() and (time_s is None or _is_address(host)):
                return Stream(connect(), began_s)
            # Looking up a name has no time-out, and each address of a name would get its own.
            return Stream(in_thread(connect, time_s, core.ConnectTimeout, close), began_s)

        def connect_unix_socket(
            self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
        ) -> Any:
            began_s = time.monotonic()
            time_s = _time_for(core.ConnectTimeout, timeout)
            return Stream(self._backend.connect_unix_socket(path, time_s, socket_options), began_s)

        def sleep(self, seconds: float) -> None:
            self._backend.sleep(clamped_s(seconds) or 0.0)

    return Backend()


def _time_for(late: Callable[[str], Exception], timeout: float | None) -> float | None:
    """The time-out of one operation. Zero would mean "do not block", so no time left is an error here."""
    time_s = clamped_s(timeout)
    if time_s is not None and time_s <= 0:
        raise late("the deadline has passed")
    return time_s


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
