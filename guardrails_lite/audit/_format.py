"""The line of the log, byte for byte: how it is written, hashed and read back (glog/1).

One line is one entry of one stream::

    {"v":1,"s":"<stream>","n":7,"p":"<hash of line 6>","t":"call.completed","id":"…","ts":…,"mono":…,"d":{…}}

The bytes as written are what is hashed: a line's *leaf* is SHA-256(0x00 ‖ line without its newline), which
makes it a leaf of an RFC 6962 tree, and ``p`` repeats the leaf of the line before. Nothing is ever
canonicalised, so a verifier needs no JSON parser to check a chain.

A checkpoint line has no free field, no identifier and no time: it can be rebuilt from what precedes it and
its signature, so no bit of it can change unseen even while nothing follows it.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any, Final

FORMAT: Final = "glog/1"
LINE_VERSION: Final = 1
NO_LEAF: Final = "0" * 64
MAX_LINE: Final = 16 * 1024 * 1024
"""Longer lines are not parsed: a damaged file must not exhaust memory."""


def leaf_hash(line: bytes) -> bytes:
    """The RFC 6962 leaf of *line*, given without its newline."""
    return sha256(b"\0" + line).digest()


def line_start(stream: str, n: int, previous: str) -> bytes:
    """What every line of *stream* at position *n* begins with, so a chain is checked by comparing bytes."""
    return b'{"v":1,"s":"%b","n":%d,"p":"%b","t":"' % (stream.encode(), n, previous.encode())


def checkpoint_line(stream: str, n: int, previous: str, note: str) -> bytes:
    """The only bytes that a checkpoint with this *note* may have at this place."""
    return line_start(stream, n, previous) + b'checkpoint","d":{"note":%b}}' % json.dumps(note).encode()


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log, read back."""

    stream: str
    """The stream, that is the process, which wrote it."""
    n: int
    """Its position in the stream, from 0."""
    type: str
    """What it tells: ``"call.completed"``, ``"erasure"``, …"""
    id: str
    """Names the call or event, 32 hex digits; empty for a checkpoint."""
    time_ns: int
    """Wall clock at writing, nanoseconds since the epoch; 0 for a checkpoint."""
    mono_ns: int
    """Monotonic clock at writing: orders entries of one boot even when the wall clock jumped."""
    data: Mapping[str, Any]
    """The payload."""


class BadLine(ValueError):
    """A line that is not glog/1."""


def parse(line: bytes) -> Entry:
    """Read one *line*, with or without its newline.

    Raises:
        BadLine: it is not a line of this format, or of a newer one.
    """
    if len(line) > MAX_LINE:
        raise BadLine(f"line of {len(line)} bytes; the format allows {MAX_LINE}")
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadLine(f"not JSON ({type(error).__name__})") from error
    if not isinstance(found, dict):
        raise BadLine("not a JSON object")
    version = found.get("v")
    if version != LINE_VERSION:
        raise BadLine(f"line version {version!r}; this library reads {LINE_VERSION}")
    stream, n, kind, data = found.get("s"), found.get("n"), found.get("t"), found.get("d")
    if not (
        isinstance(stream, str) and isinstance(n, int) and isinstance(kind, str) and isinstance(data, dict)
    ):
        raise BadLine("a field of the envelope is missing or of the wrong type")
    ident, wall, mono = found.get("id", ""), found.get("ts", 0), found.get("mono", 0)
    if not (isinstance(ident, str) and isinstance(wall, int) and isinstance(mono, int)):
        raise BadLine("a field of the envelope is of the wrong type")
    return Entry(stream, n, kind, ident, wall, mono, data)


def encoder() -> Callable[[object], bytes]:
    """The function from a payload to JSON bytes, the fastest there is among what is installed.

    It never raises because of a value: what JSON cannot hold is replaced and the payload is marked
    ``degraded``, for a log that fails because of what it should record is no log.
    """
    spellings = _spellings()

    def encode(data: object) -> bytes:
        for spelled in spellings:
            try:
                return spelled(data)
            except Exception:  # whatever a value does when it is looked at, the entry is written
                continue
        held = plainly(data)
        if isinstance(held, dict):
            held["degraded"] = True
        return _plain(held)

    return encode


def _spellings() -> list[Callable[[object], bytes]]:
    """Ways to JSON, quickest first. Each takes values that the one before it refuses."""
    found: list[Callable[[object], bytes]] = []
    with contextlib.suppress(ImportError):
        from orjson import dumps  # takes 64 bits of an integer, and text for keys

        found.append(dumps)
    with contextlib.suppress(ImportError):
        from pydantic_core import to_json

        found.append(partial(to_json, inf_nan_mode="null"))
    return found or [_plain]


def _plain(data: object) -> bytes:
    return _TO_TEXT(data).encode()


_TO_TEXT: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=True).encode


def plainly(value: object, depth: int = 0) -> Any:
    """*value* in what JSON can hold; what it cannot hold becomes the name of its type."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return int(value)
        case float():
            return float(value) if math.isfinite(value) else None
    if depth > 60:
        return "<too deep>"
    if isinstance(value, Mapping):
        return {
            key if isinstance(key, str) else f"<{type(key).__name__}>": plainly(held, depth + 1)
            for key, held in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [plainly(held, depth + 1) for held in value]
    return f"<{type(value).__name__}>"
