"""Find every public method of a client, and call each one way or another."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

from guardrails_lite import Blocked, ConfigError
from guardrails_lite.testing import LoopbackServer, Request

ENTRY_POINTS = frozenset({"get", "post", "put", "patch", "delete", "request", "get_api_list"})
"""Methods of the client itself that take any path; they are tested path by path."""
_SKIPPED = ENTRY_POINTS | {
    "close",
    "copy",
    "with_options",
    "is_closed",
    "platform_headers",
    "websocket_base_url",
}
_FILE = ("a.txt", b"hello")
_KNOWN: dict[str, Any] = {
    "messages": [{"role": "user", "content": "hello"}],
    "stream": False,
    "thread": {},
    "bytes": 5,
    "mime_type": "text/plain",
    "filename": "a.txt",
}
_ALSO: dict[str, tuple[str, ...]] = {".responses.": ("input", "model"), ".connect": ("model",)}
"""Arguments that some methods take but do not require, and without which they say nothing."""
_GUESSES: tuple[Any, ...] = ("x", ["x"], {"type": "x"}, [{"type": "x"}], _FILE, [_FILE], b"x", 1)
_NAMES = re.compile(r"'(\w+)'")


class Method(NamedTuple):
    """One public method, and the way to it."""

    path: str
    call: Callable[..., Any]


class Fate(NamedTuple):
    """What came of calling a method."""

    word: Literal["refused", "guarded", "arrived", "local", "unknown"]
    requests: tuple[Request, ...] = ()
    errors: tuple[str, ...] = ()


def methods_of(client: Any, *, leaving_out: Callable[[str], bool] = lambda path: False) -> Iterator[Method]:
    """Every public method that can be reached from *client* through public attributes."""
    yield from _walk(client, "client", set(), leaving_out)


def _walk(source: Any, path: str, seen: set[type], leaving_out: Callable[[str], bool]) -> Iterator[Method]:
    seen.add(type(source))
    for name in dir(source):
        if name.startswith("_") or (path == "client" and name in _SKIPPED) or leaving_out(f"{path}.{name}"):
            continue
        value = getattr(source, name)
        if inspect.isroutine(value):
            yield Method(f"{path}.{name}", value)
        elif type(value).__module__.startswith("openai.") and type(value) not in seen:
            yield from _walk(value, f"{path}.{name}", seen, leaving_out)


async def fate_of(method: Method, server: LoopbackServer) -> Fate:
    """Call *method* with one guess after another, until something comes of it."""
    errors: list[str] = []
    parameters = inspect.signature(method.call).parameters
    also = [name for part, names in _ALSO.items() if part in method.path for name in names]
    needed = [
        name
        for name, each in parameters.items()
        if (each.default is each.empty or name in also)
        and each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
    ]
    for guess in _GUESSES:
        for _ in range(3):  # a method names the arguments it misses
            before = server.request_count
            try:
                await _call(method, {name: _KNOWN.get(name, guess) for name in needed})
            except ConfigError:
                return Fate("refused")
            except Blocked:
                return Fate("guarded")
            except Exception as error:
                errors.append(f"{type(error).__name__}: {error}")
                missing = _missing(error)
            else:
                missing = []
            if requests := server.requests[before:]:
                return Fate("arrived", tuple(requests), tuple(errors))
            if not errors:
                return Fate("local")
            if not missing or set(missing) <= set(needed):
                break
            needed += missing
    return Fate("unknown", errors=tuple(errors))


async def _call(method: Method, arguments: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        value = method.call(**arguments)
        if inspect.isawaitable(value):
            value = await value
        if hasattr(value, "__aenter__"):
            async with value:
                pass
        elif hasattr(value, "__enter__"):
            with value:
                pass


def _missing(error: Exception) -> list[str]:
    told = str(error)
    return _NAMES.findall(told.partition(" or (")[0]) if "issing required arg" in told else []
